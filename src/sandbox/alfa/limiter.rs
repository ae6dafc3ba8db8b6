//! The quota of the front proxy: a leaky bucket for all calls together, logins and refused ones included. Pure: the
//! caller says what time it is and does the waiting.

use std::time::Duration;

use tokio::time::Instant;

use super::switches::{Limiter, Switches};

/// The bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    excess: f64,
    last: Option<Instant>,
}

/// Slack for adding up many small fractions.
const EPSILON: f64 = 1e-6;

impl Bucket {
    /// A call arrives: how long it waits before it is served, `None` for a 429. A refused call costs nothing.
    pub(super) fn arrive(&mut self, now: Instant, switches: &Switches) -> Option<Duration> {
        let rate = switches.rate.max(f64::MIN_POSITIVE);
        if let Some(last) = self.last {
            let leaked = now.saturating_duration_since(last).as_secs_f64() * rate;
            self.excess = (self.excess - leaked).max(0.0);
        }
        self.last = Some(now);
        let at_once = match switches.limiter {
            Limiter::Delayed => 1.0,
            Limiter::Burst | Limiter::Immediate => rate.max(1.0),
        };
        let queue = match switches.limiter {
            Limiter::Delayed | Limiter::Burst => f64::from(switches.queue),
            Limiter::Immediate => 0.0,
        };
        if self.excess + 1.0 > at_once + queue + EPSILON {
            return None;
        }
        let wait = (self.excess + 1.0 - at_once).max(0.0) / rate;
        self.excess += 1.0;
        Some(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(limiter: Limiter) -> Vec<Option<u128>> {
        let now = Instant::now();
        let mut bucket = Bucket::default();
        let switches = Switches { limiter, ..Switches::default() };
        (0..22).map(|_| bucket.arrive(now, &switches).map(|wait| wait.as_millis())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_burst_is_spread_over_three_seconds_and_the_rest_refused() {
        let waits = burst(Limiter::Delayed);
        assert_eq!(waits[0], Some(0));
        assert_eq!(waits[1], Some(200));
        assert_eq!(waits[15], Some(3000));
        assert!(waits[16..].iter().all(Option::is_none));
    }

    #[tokio::test(start_paused = true)]
    async fn the_burst_variant_serves_five_at_once_and_fifteen_later() {
        let waits = burst(Limiter::Burst);
        assert!(waits[..5].iter().all(|wait| *wait == Some(0)));
        assert_eq!(waits[5], Some(200));
        assert_eq!(waits[19], Some(3000));
        assert!(waits[20..].iter().all(Option::is_none));
    }

    #[tokio::test(start_paused = true)]
    async fn the_immediate_variant_lets_nobody_wait() {
        let waits = burst(Limiter::Immediate);
        assert!(waits[..5].iter().all(|wait| *wait == Some(0)));
        assert!(waits[5..].iter().all(Option::is_none));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bucket_leaks_at_the_rate() {
        let mut bucket = Bucket::default();
        let switches = Switches::default();
        let start = Instant::now();
        for place in 0..100 {
            let at = start + Duration::from_millis(200) * place;
            assert_eq!(bucket.arrive(at, &switches), Some(Duration::ZERO), "call {place}");
        }
    }
}
