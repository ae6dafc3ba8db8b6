//! The CRMs' own wall clock: zone-less local time that a test can set and move. It runs on tokio's clock, so paused
//! tests pause the CRM too.

use std::sync::Mutex;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, ToSpan};
use tokio::time::Instant;

/// A wall clock in the CRM's local time.
#[derive(Debug)]
pub struct Clock {
    base: Mutex<(DateTime, Instant)>,
}

impl Clock {
    /// A clock that shows `at` now and runs on from there.
    pub fn starting_at(at: DateTime) -> Self {
        Self { base: Mutex::new((at, Instant::now())) }
    }

    /// The CRM's local time, in whole seconds as the CRMs print it.
    pub fn now(&self) -> DateTime {
        let (base, since) = *self.lock();
        let elapsed = SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX);
        base.checked_add(SignedDuration::from_secs(elapsed.as_secs())).unwrap_or(base)
    }

    /// The CRM's local day.
    pub fn today(&self) -> Date {
        self.now().date()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut guard = self.lock();
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        guard.0 = guard.0.checked_add(seconds.seconds()).unwrap_or(guard.0);
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, at: DateTime) {
        *self.lock() = (at, Instant::now());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (DateTime, Instant)> {
        self.base.lock().expect("no code panics while it holds the clock")
    }
}
