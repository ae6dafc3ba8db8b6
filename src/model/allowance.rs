//! How many calls of the CRMs a consumer may cause in a day, and how many it did. One allowance counts for all CRMs, so
//! its day is that of UTC: they may be in different zones.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// The calls of one consumer. Clones count together.
#[derive(Clone)]
pub struct Allowance {
    shared: Arc<Shared>,
    /// Whether calls are refused when it is used up.
    binds: bool,
}

struct Shared {
    clock: Clock,
    book: Mutex<Book>,
}

/// What is counted. Pure: every method takes `now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Book {
    /// Calls a day; nothing said is as many as there are.
    budget: Option<u64>,
    day: i64,
    spent: u64,
    /// Calls that wait for their turn, or have left and not ended.
    held: u64,
}

/// How an allowance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Calls a day, if they are limited.
    pub budget: Option<u64>,
    /// Calls of today.
    pub spent: u64,
    /// When the next day begins.
    pub ends: Timestamp,
}

/// An allowance is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Calls a day.
    pub budget: u64,
    /// When the next day begins.
    pub retry_after: Duration,
}

/// A call that may be made. Dropping it without [`Held::spend`] gives it back.
#[derive(Debug)]
pub struct Held {
    allowance: Allowance,
    spent: bool,
}

fn day_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(SECONDS_OF_A_DAY)
}

fn end_of(day: i64) -> Timestamp {
    Timestamp::from_second((day + 1) * SECONDS_OF_A_DAY).unwrap_or(Timestamp::MAX)
}

impl Book {
    /// What waits over midnight counts on the day on which it leaves.
    fn turn_to(&mut self, now: Timestamp) {
        let day = day_of(now);
        // A clock that is set back does not give the day anew.
        if day > self.day {
            (self.day, self.spent) = (day, 0);
        }
    }

    fn lacks(&mut self, calls: u64, now: Timestamp) -> Option<Exhausted> {
        self.turn_to(now);
        let budget = self.budget?;
        let left = budget.saturating_sub(self.spent + self.held);
        (left < calls).then(|| Exhausted {
            budget,
            retry_after: Duration::try_from(end_of(self.day).duration_since(now)).unwrap_or_default(),
        })
    }

    /// A call that was held has left, or was given up.
    fn settle(&mut self, left: bool, now: Timestamp) {
        self.turn_to(now);
        self.held -= 1;
        self.spent += u64::from(left);
    }
}

impl Allowance {
    /// So many calls a day by this clock; `None` only counts them.
    pub fn new(budget: Option<u64>, clock: Clock) -> Self {
        let book = Book { budget, day: day_of(clock()), ..Book::default() };
        Self { shared: Arc::new(Shared { clock, book: Mutex::new(book) }), binds: true }
    }

    /// From now on so many calls a day; those of today count.
    pub fn set_budget(&self, budget: Option<u64>) {
        self.book().budget = budget;
    }

    /// The same count without a bound: for what must be found out whatever it costs.
    #[must_use]
    pub fn unbound(&self) -> Self {
        Self { binds: false, ..self.clone() }
    }

    /// Why so many calls more may not be made today.
    pub fn lacks(&self, calls: u64) -> Option<Exhausted> {
        let now = (self.shared.clock)();
        self.book().lacks(calls, now).filter(|_| self.binds)
    }

    /// Holds one call.
    ///
    /// # Errors
    /// There is none left today.
    pub fn hold(&self) -> Result<Held, Exhausted> {
        let now = (self.shared.clock)();
        let mut book = self.book();
        if let Some(exhausted) = book.lacks(1, now).filter(|_| self.binds) {
            return Err(exhausted);
        }
        book.held += 1;
        Ok(Held { allowance: self.clone(), spent: false })
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        let now = (self.shared.clock)();
        let mut book = self.book();
        book.turn_to(now);
        Standing { budget: book.budget, spent: book.spent, ends: end_of(book.day) }
    }

    /// The day that is counted, in days since 1970, and its calls: what is to be kept for the next process.
    pub fn count(&self) -> (i64, u64) {
        let book = self.book();
        (book.day, book.spent)
    }

    /// Goes on with what an earlier process counted, if that was on this day.
    pub fn resume(&self, (day, spent): (i64, u64)) {
        let mut book = self.book();
        if day == book.day {
            book.spent = book.spent.saturating_add(spent);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The call has left.
    pub fn spend(mut self) {
        self.spent = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let now = (self.allowance.shared.clock)();
        self.allowance.book().settle(self.spent, now);
    }
}

/// Whether they count together and bind alike.
impl PartialEq for Allowance {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.binds == other.binds
    }
}

impl Eq for Allowance {}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowance").field("book", &*self.book()).field("binds", &self.binds).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn of(budget: u64) -> Book {
        Book { budget: Some(budget), day: day_of(at("2026-02-20T07:00:00Z")), ..Book::default() }
    }

    #[test]
    fn it_is_used_up_until_the_day_ends_in_utc() {
        let mut book = Book { spent: 2, ..of(2) };
        for (now, until) in [
            ("2026-02-20T07:00:00Z", Some(17 * 3600)),
            ("2026-02-20T23:59:59Z", Some(1)),
            // Moscow is in the next day already.
            ("2026-02-20T22:00:00Z", Some(2 * 3600)),
            ("2026-02-21T00:00:00Z", None),
        ] {
            let expected =
                until.map(|seconds| Exhausted { budget: 2, retry_after: Duration::from_secs(seconds) });
            assert_eq!(book.lacks(1, at(now)), expected, "{now}");
        }
        // The clock is set back.
        assert_eq!(book.lacks(2, at("2026-02-20T12:00:00Z")), None);
        book.spent = 2;
        assert!(book.lacks(1, at("2026-02-20T12:00:00Z")).is_some());
    }

    #[test]
    fn nothing_a_day_is_a_budget_and_none_is_no_bound() {
        assert!(of(0).lacks(1, at("2026-02-20T07:00:00Z")).is_some());
        let mut counted = Book { budget: None, spent: u64::MAX / 2, ..of(0) };
        assert_eq!(counted.lacks(1, at("2026-02-20T07:00:00Z")), None);
    }

    #[test]
    fn what_is_given_back_may_be_held_again_and_what_was_spent_may_not() {
        let allowance = Allowance::new(Some(2), Arc::new(|| at("2026-02-20T07:00:00Z")));
        let (one, other) = (allowance.hold().unwrap(), allowance.hold().unwrap());
        assert!(allowance.hold().is_err());
        drop(one);
        let again = allowance.hold().unwrap();
        other.spend();
        again.spend();
        assert_eq!(allowance.lacks(1).map(|exhausted| exhausted.budget), Some(2));
        assert_eq!(allowance.standing().spent, 2);
        assert_eq!(*allowance.book(), Book { budget: Some(2), spent: 2, ..of(2) });
        // What must be found out is found out, and counted.
        allowance.unbound().hold().unwrap().spend();
        assert_eq!(allowance.standing().spent, 3);
    }

    #[test]
    fn the_count_of_an_earlier_process_goes_on_for_its_own_day_only() {
        let now = at("2026-02-20T07:00:00Z");
        let allowance = Allowance::new(Some(10), Arc::new(move || now));
        allowance.resume((day_of(now) - 1, 7));
        assert_eq!(allowance.standing().spent, 0);
        allowance.resume((day_of(now), 7));
        assert_eq!((allowance.standing().spent, allowance.count()), (7, (day_of(now), 7)));
        assert_eq!(allowance.lacks(3), None);
        assert!(allowance.lacks(4).is_some());
    }

    proptest! {
        /// Whatever waits, leaves and is given up, and however time passes: on no day more calls leave than the budget says.
        #[test]
        fn no_day_sees_more_calls_than_its_budget(
            budget in 0_u64..6,
            steps in proptest::collection::vec((0_u8..3, 0_i64..30_000), 1..200),
        ) {
            let seconds = Arc::new(std::sync::atomic::AtomicI64::new(1_771_545_600));
            let clock = Arc::clone(&seconds);
            let allowance = Allowance::new(
                Some(budget),
                Arc::new(move || {
                    Timestamp::from_second(clock.load(std::sync::atomic::Ordering::Relaxed)).unwrap()
                }),
            );
            let (mut waiting, mut left) = (Vec::new(), std::collections::HashMap::<i64, u64>::new());
            for (step, passes) in steps {
                let now = seconds.fetch_add(passes, std::sync::atomic::Ordering::Relaxed) + passes;
                match step {
                    0 => waiting.extend(allowance.hold().ok()),
                    1 => drop(waiting.pop()),
                    _ => {
                        if let Some(held) = waiting.pop() {
                            held.spend();
                            *left.entry(now.div_euclid(SECONDS_OF_A_DAY)).or_default() += 1;
                        }
                    }
                }
                prop_assert!(left.values().all(|calls| *calls <= budget), "{left:?}");
            }
        }
    }
}
