//! How many calls of the CRMs one consumer may cause in a day, over all of them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The calls of one consumer on one day (UTC). What was spent is known to this process alone: a restart begins anew.
pub struct DailyBudget {
    calls: u64,
    clock: Clock,
    spent: Mutex<Spent>,
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    day: Date,
    calls: u64,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Calls a day.
    pub calls: u64,
    /// Of those spent today; more than `calls` by those that were let in before it was used up.
    pub spent: u64,
    /// When the next day begins.
    pub resets_at: Timestamp,
}

impl DailyBudget {
    /// So many calls a day, by this clock.
    pub fn new(calls: u64, clock: Clock) -> Self {
        let spent = Mutex::new(Spent { day: Date::MIN, calls: 0 });
        Self { calls, clock, spent }
    }

    /// Calls a day.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        let now = (self.clock)();
        let spent = self.today(now).calls;
        let tomorrow = day(now).saturating_add(1.day());
        let resets_at = tomorrow.to_zoned(TimeZone::UTC).map_or(now, |next| next.timestamp());
        Standing { calls: self.calls, spent, resets_at }
    }

    /// How long nothing may be spent, if it is used up.
    pub fn used_up(&self) -> Option<Duration> {
        let Standing { calls, spent, resets_at } = self.standing();
        (spent >= calls).then(|| resets_at.duration_since((self.clock)()).try_into().unwrap_or_default())
    }

    /// A call was made.
    pub fn spend(&self) {
        let now = (self.clock)();
        let calls = self.today(now).calls.saturating_add(1);
        *self.lock() = Spent { day: day(now), calls };
    }

    fn today(&self, now: Timestamp) -> Spent {
        let spent = *self.lock();
        // Clocks may be set back; what was spent then is not spent again.
        if spent.day >= day(now) { spent } else { Spent { day: day(now), calls: 0 } }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

impl fmt::Debug for DailyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DailyBudget").field("calls", &self.calls).field("spent", &self.spent).finish()
    }
}

/// The same budget, not one of the same size.
impl PartialEq for DailyBudget {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for DailyBudget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_used_up_until_midnight_and_whole_again_then() {
        let now = Arc::new(Mutex::new("2026-02-25T22:30:00Z".parse::<Timestamp>().unwrap()));
        let clock: Clock = {
            let now = Arc::clone(&now);
            Arc::new(move || *now.lock().unwrap())
        };
        let budget = DailyBudget::new(2, clock);
        assert_eq!(budget.used_up(), None);
        budget.spend();
        assert_eq!((budget.standing().spent, budget.used_up()), (1, None));
        budget.spend();
        assert_eq!(budget.used_up(), Some(Duration::from_secs(90 * 60)));
        assert_eq!(budget.standing().resets_at, "2026-02-26T00:00:00Z".parse().unwrap());
        // Set back by a day: what is spent stays spent.
        *now.lock().unwrap() = "2026-02-24T22:30:00Z".parse().unwrap();
        assert_eq!(budget.standing().spent, 2);
        *now.lock().unwrap() = "2026-02-26T00:00:00Z".parse().unwrap();
        assert_eq!((budget.standing().spent, budget.used_up()), (0, None));
    }

    #[test]
    fn a_budget_of_nothing_is_always_used_up() {
        let noon: Clock = Arc::new(|| "2026-02-25T12:00:00Z".parse().unwrap());
        assert_eq!(DailyBudget::new(0, noon).used_up(), Some(Duration::from_secs(12 * 60 * 60)));
    }
}
