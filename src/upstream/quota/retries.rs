//! How many calls may be made again (a retry budget): a part of the rate and no more. When a CRM fails, trying again helps a few; when
//! everybody tries again, it takes the turns of those who have not been served once. Pure: `now` is given.

use std::time::Duration;

use tokio::time::Instant;

/// The part of the rate that retries may take.
pub const PART: f64 = 0.1;
/// How long what is not used can be saved.
const SAVED: Duration = Duration::from_secs(10);
/// As many can be saved at least, however slow the CRM is: a failure that passes shall not be seen.
const FEWEST: f64 = 3.0;

/// The allowance of one CRM's retries.
#[derive(Debug)]
pub struct Retries {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Retries {
    /// An allowance for a CRM that takes `rate` calls a second, full.
    pub fn new(rate: f64, now: Instant) -> Self {
        let per_second = rate * PART;
        Self { per_second, left: Self::most(per_second), at: now }
    }

    /// From now on the CRM takes `rate` calls a second.
    pub fn set_rate(&mut self, rate: f64, now: Instant) {
        self.grow(now);
        self.per_second = rate * PART;
    }

    /// Takes one; `false` when there is none left.
    pub fn take(&mut self, now: Instant) -> bool {
        self.grow(now);
        let some = self.left >= 1.0;
        if some {
            self.left -= 1.0;
        }
        some
    }

    /// Gives back one that was taken and not used.
    pub fn give_back(&mut self) {
        self.left = (self.left + 1.0).min(Self::most(self.per_second));
    }

    /// When there will be one again.
    pub fn next(&self, now: Instant) -> Duration {
        let missing = (1.0 - self.left).max(0.0);
        let wait = Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(SAVED);
        wait.saturating_sub(now.saturating_duration_since(self.at))
    }

    fn grow(&mut self, now: Instant) {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + grown).min(Self::most(self.per_second));
        self.at = self.at.max(now);
    }

    fn most(per_second: f64) -> f64 {
        (per_second * SAVED.as_secs_f64()).max(FEWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_any_time_a_tenth_of_the_rate_is_tried_again_and_what_was_saved() {
        let start = Instant::now();
        let mut retries = Retries::new(5.0, start);
        let taken = (0..6000).filter(|n| retries.take(start + Duration::from_millis(100) * *n)).count();
        // Ten minutes at half a call a second, and ten seconds saved.
        assert!((304..=305).contains(&taken), "{taken}");
        let now = start + Duration::from_secs(600);
        while retries.take(now) {}
        let wait = retries.next(now);
        assert!(retries.take(now + wait));
    }

    #[test]
    fn a_crm_that_takes_less_is_asked_less_often_again() {
        let start = Instant::now();
        let mut retries = Retries::new(5.0, start);
        while retries.take(start) {}
        retries.set_rate(1.0, start);
        let taken = (1..=600).filter(|n| retries.take(start + Duration::from_secs(1) * *n)).count();
        assert!((59..=60).contains(&taken), "{taken} in ten minutes at a tenth of a call a second");
    }

    #[test]
    fn what_was_not_used_is_given_back() {
        let start = Instant::now();
        let mut retries = Retries::new(1.0, start);
        while retries.take(start) {}
        retries.give_back();
        assert!(retries.take(start) && !retries.take(start));
    }
}
