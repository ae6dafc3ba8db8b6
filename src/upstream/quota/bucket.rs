//! When the next call may leave: the generic cell rate algorithm (GCRA), a token bucket that remembers one instant in
//! place of a count. Pure: every method takes `now`.
//!
//! One instant is remembered, the earliest at which the allowance is whole again. It is moved at dispatch, never by a
//! timer, so a stall cannot pile up turns; and it starts one interval in the future, because a process that just
//! started cannot know what its predecessor spent.

use std::time::Duration;

use tokio::time::Instant;

/// Lateness of a timer that is forgiven, so that the rate is kept although every wake-up is a little late.
const SLACK: Duration = Duration::from_millis(10);

/// Added to each interval, so that calls which overtake each other on the way still keep within the CRM's count.
pub const MARGIN: f64 = 1.01;

/// The allowance of one CRM, whose rate may change.
#[derive(Debug, Clone)]
pub struct Bucket {
    interval: Duration,
    burst: u32,
    whole_at: Instant,
    held_until: Option<Instant>,
}

impl Bucket {
    /// An allowance of `rate` calls a second of which `burst` may go back to back after an idle time.
    pub fn new(rate: f64, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs_f64(MARGIN / rate);
        let burst = burst.max(1);
        Self { interval, burst, whole_at: now + interval * burst, held_until: None }
    }

    /// From now on `rate` calls a second. Those who wait already wait as long as it takes at the new rate.
    pub fn set_rate(&mut self, rate: f64, now: Instant) {
        let interval = Duration::from_secs_f64(MARGIN / rate);
        if interval != self.interval {
            let left = self.whole_at.saturating_duration_since(now);
            self.whole_at = now + left.mul_f64(interval.as_secs_f64() / self.interval.as_secs_f64());
            self.interval = interval;
        }
    }

    /// The earliest instant at which a call may leave.
    pub fn ready_at(&self, now: Instant) -> Instant {
        let credit = self.interval * (self.burst - 1);
        let paced = self.whole().checked_sub(credit).unwrap_or(now).max(now);
        self.held_until.map_or(paced, |until| paced.max(until))
    }

    /// How many calls may leave at the instant at which the next one may.
    pub fn at_once(&self, now: Instant) -> u32 {
        let ready = self.ready_at(now);
        let missing =
            self.whole().saturating_duration_since(ready).as_secs_f64() / self.interval.as_secs_f64();
        self.burst.saturating_sub(missing.ceil() as u32).max(1)
    }

    /// A call that takes so many turns leaves now.
    pub fn spend(&mut self, now: Instant, turns: u32) {
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        self.whole_at = self.whole().max(earliest) + self.interval * turns;
    }

    /// The CRM wants to be left alone until then: nothing leaves, and no allowance gathers meanwhile.
    pub fn hold(&mut self, until: Instant) {
        self.held_until = Some(self.held_until.map_or(until, |held| held.max(until)));
    }

    /// When the allowance is whole again. After a pause there is one call's worth of it and no more.
    fn whole(&self) -> Instant {
        self.held_until
            .map_or(self.whole_at, |held| self.whole_at.max(held + self.interval * (self.burst - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn serve_all(
        bucket: &mut Bucket,
        mut now: Instant,
        calls: usize,
        late: impl Fn(usize) -> Duration,
    ) -> Vec<Instant> {
        (0..calls)
            .map(|n| {
                now = bucket.ready_at(now) + late(n);
                bucket.spend(now, 1);
                now
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_backlog_leaves_at_the_rate_although_every_timer_is_late() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5.0, 1, start);
        let times = serve_all(&mut bucket, start, 1000, |_| Duration::from_millis(2));
        let rate = 999.0 / (times[999] - times[0]).as_secs_f64();
        assert!((4.9..=5.0).contains(&rate), "{rate}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_not_caught_up() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5.0, 1, start);
        let stall = |n| {
            if n == 10 { Duration::from_secs(3) } else { Duration::ZERO }
        };
        let times = serve_all(&mut bucket, start, 20, stall);
        for pair in times[10..].windows(2) {
            assert!(pair[1] - pair[0] >= bucket.interval - SLACK);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_process_does_not_start_with_a_burst() {
        let start = Instant::now();
        let bucket = Bucket::new(5.0, 2, start);
        assert!(bucket.ready_at(start) - start >= Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_leaves_while_the_crm_wants_a_pause_and_no_burst_follows() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5.0, 2, start);
        let until = start + Duration::from_secs(7);
        bucket.hold(until);
        let times = serve_all(&mut bucket, start, 3, |_| Duration::ZERO);
        assert_eq!(times[0], until);
        assert!(times[1] - times[0] >= bucket.interval);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_two_turns_keeps_the_next_one_waiting_for_two() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5.0, 1, start);
        let now = bucket.ready_at(start);
        bucket.spend(now, 2);
        assert_eq!(bucket.ready_at(now), now + bucket.interval * 2);
        bucket.set_rate(10.0, now);
        assert_eq!(bucket.ready_at(now), now + bucket.interval * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn it_tells_how_many_may_leave_back_to_back() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5.0, 3, start);
        assert_eq!(bucket.at_once(start), 1);
        let idle = start + Duration::from_secs(10);
        for left in [3, 2, 1, 1] {
            assert_eq!(bucket.at_once(idle), left);
            bucket.spend(bucket.ready_at(idle), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_rate_does_not_change_how_long_a_pause_is() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5.0, 2, start);
        let until = start + Duration::from_secs(4);
        bucket.hold(until);
        bucket.set_rate(1.0, start);
        assert_eq!(bucket.ready_at(start), until);
    }

    proptest! {
        /// In no window of any length more calls leave than the CRM allows in it.
        #[test]
        fn no_window_holds_more_than_the_allowance(rate in 1_u32..50, burst in 1_u32..4, waits in proptest::collection::vec(0_u64..700, 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let start = runtime.block_on(async { Instant::now() });
            let mut bucket = Bucket::new(f64::from(rate), burst, start);
            let mut now = start;
            let mut times = Vec::new();
            for wait in waits {
                now = bucket.ready_at(now + Duration::from_millis(wait));
                bucket.spend(now, 1);
                times.push(now);
            }
            for (i, from) in times.iter().enumerate() {
                for (n, to) in times[i..].iter().enumerate() {
                    let allowed = (*to - *from + SLACK).as_secs_f64() * f64::from(rate) + f64::from(burst);
                    prop_assert!((n + 1) as f64 <= allowed + 1e-6, "{} calls in {:?}", n + 1, *to - *from);
                }
            }
        }
    }
}
