//! How many requests per second one consumer may send to the gateway itself. It refuses, it never makes wait; the
//! waiting room is in front of the CRMs.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// The limit of one consumer; clones share it.
#[derive(Debug, Clone)]
pub struct Limit {
    rate: NonZeroU32,
    limiter: Arc<RateLimiter<NotKeyed, InMemoryState, TokioClock, StateInformationMiddleware>>,
}

/// What a limit says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Requests per second allowed.
    pub rate: u32,
    /// How many more may come now.
    pub remaining: u32,
    /// How long to wait, when this one was refused.
    pub retry_after: Option<Duration>,
}

impl Verdict {
    /// Whether the request may go on.
    pub fn allowed(&self) -> bool {
        self.retry_after.is_none()
    }
}

impl Limit {
    /// So many requests in a second, all of them at once if they like.
    pub fn per_second(rate: NonZeroU32) -> Self {
        let clock = TokioClock { start: Instant::now() };
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(rate), clock).with_middleware();
        Self { rate, limiter: Arc::new(limiter) }
    }

    /// Counts one request.
    pub fn check(&self) -> Verdict {
        let (remaining, retry_after) = match self.limiter.check() {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.limiter.clock().now()))),
        };
        Verdict { rate: self.rate.get(), remaining, retry_after }
    }
}

/// Tokio's clock for governor, so that tests can pause it.
#[derive(Debug, Clone)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_refuses_beyond_its_rate_says_how_long_and_recovers() {
        let limit = Limit::per_second(NonZeroU32::new(4).unwrap());
        let seen: Vec<_> = (0..5).map(|_| limit.check()).collect();
        assert_eq!(seen.iter().map(|v| v.remaining).collect::<Vec<_>>(), [3, 2, 1, 0, 0]);
        assert_eq!(seen[4].retry_after, Some(Duration::from_millis(250)));
        tokio::time::advance(Duration::from_millis(250)).await;
        assert!(limit.check().allowed());
        assert!(!limit.check().allowed());
    }
}
