//! The rate that the CRM takes from us, learned from its answers: congestion control by additive increase and
//! multiplicative decrease (AIMD), which also listens to delays. Pure: every method takes `now`.
//!
//! Promises: the rate stays between a fiftieth of the ceiling and the ceiling; a refusal (429) stops everything at once
//! and is followed by a slow start; a queue at the CRM is noticed by its delays, mostly before the first refusal; a CRM
//! that is merely slow keeps its rate; what was too much is tried again, but rarely where a failure costs a refusal.
//!
//! The rate falls in one of three ways. *Halved*, when a refusal comes out of the blue. *To what got through*, when a
//! refusal ends a climb: which call was refused tells between what the limit is ([`sent`]). *To the answers' own rate*,
//! when a queue shows. It rises in one way: slowly, and only while calls really leave at it, so a quiet night proves
//! nothing. After a refusal that tells little it rises again soon, and the more slowly the more is known.

#[cfg(test)]
mod closed_loop;
mod delays;
mod pause;
mod sent;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use self::delays::{Delays, Signal};
use self::pause::{Pause, seconds};
use self::sent::{Sent, Through};
use super::bucket::MARGIN;

/// The lowest rate, as a part of the ceiling.
const FLOOR: f64 = 0.02;

/// The longest pause to let the CRM's queue drain.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// The good seconds between the slow start and the first climb.
const BREATH: Duration = Duration::from_secs(5);

/// How to try more.
#[derive(Debug)]
struct Pace {
    /// Waiting times between climbs: after the first failed one, and the longest.
    first: Duration,
    longest: Duration,
    /// Part of the ceiling by which the rate climbs in a second of use.
    climb: f64,
    /// Seconds of use after which a rate counts as good.
    proof: f64,
}

/// Where refusals alone tell what is too much. The proof is long, because for a while all refusals may happen to meet
/// the other one who spends.
const BLIND: Pace =
    Pace { first: Duration::from_secs(300), longest: Duration::from_secs(480), climb: 0.02, proof: 60.0 };

/// Where delays warn of it.
const SENSING: Pace =
    Pace { first: Duration::from_secs(10), longest: Duration::from_secs(60), climb: 0.01, proof: 25.0 };

/// The most by which one call lets the rate climb, as a part of it: where calls are rare, one proves little.
const STEEPEST: f64 = 0.25;

/// Seconds of use in which what the limit is known to be near is gone through.
const SEARCH: f64 = 40.0;

/// At most this part of a rate that was refused.
const LESS: f64 = 0.97;

/// Refusals that are risked within so long where nothing warns of them.
const RISKED: usize = 3;
const WITHIN: Duration = Duration::from_secs(900);

/// Part of the way from what was known to what a climb measured that is believed, and the answers that it takes.
const LEAP: f64 = 0.5;
const CERTAIN: f64 = 20.0;

/// Answers after a pause that tell whether the pause helped, and the longest wait for them.
const WITNESSES: u32 = 6;
const VERDICT_WITHIN: Duration = Duration::from_secs(30);

/// Refusals without warning after which delays are no longer relied on.
const TRUST: u8 = 2;

/// How long delays are not believed after they were wrong; doubled each time.
const FIRST_DEAF: Duration = Duration::from_secs(4);
const LONGEST_DEAF: Duration = Duration::from_secs(640);

/// By how much our own timer is late when this process gets too little of its host: what answers take then says nothing of
/// the CRM.
const LAG: Duration = Duration::from_millis(50);

/// How long after that delays are not believed: calls that left meanwhile are answered by then.
const LAG_LASTS: Duration = Duration::from_secs(5);

/// How an answer looked to the limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The CRM let the call through, whatever it answered.
    Served,
    /// The CRM refused the call because of its limit (429).
    Limited {
        /// The pause it asked for.
        retry_after: Option<Duration>,
    },
    /// Failed or timed out: says nothing about the limit.
    Other,
}

/// What we know about the limit.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing limits us below the ceiling.
    Free,
    /// Stays where it is until it is time to try more.
    Settled { climb_at: Instant },
    /// Tries more and more. The float is the rate as it would be without ceiling.
    Climbing(f64),
}

/// Waits for the answers after a pause: does the CRM limit us, or is it slow?
#[derive(Debug, Clone, Copy)]
struct Trial {
    resumed: Instant,
    rate_before: f64,
    level: f64,
    seen: u32,
    lowest: f64,
    sum: f64,
}

/// Learns one CRM's rate.
#[derive(Debug)]
pub struct Learner {
    ceiling: f64,
    rate: f64,
    /// The highest rate known to be good, while something limits us.
    known: Option<f64>,
    phase: Phase,
    /// Time between climbs after the next failed one.
    spacing: Duration,
    /// Refusals without warning until delays are no longer relied on.
    trust: u8,
    delays: Delays,
    trial: Option<Trial>,
    deaf_until: Instant,
    deaf_for: Duration,
    pause: Pause,
    /// Between what the limit is, if it is known roughly only.
    rough: Option<Through>,
    /// When the latest refusals came, the last one first.
    refusals: [Option<Instant>; RISKED],
    sent: Sent,
}

impl Learner {
    /// A CRM that allows `ceiling` calls a second as far as the configuration knows.
    pub fn new(ceiling: f64, now: Instant) -> Self {
        Self {
            ceiling,
            rate: ceiling,
            known: None,
            phase: Phase::Free,
            spacing: BLIND.first,
            trust: 0,
            delays: Delays::new(),
            trial: None,
            deaf_until: now,
            deaf_for: FIRST_DEAF,
            pause: Pause::none(now),
            rough: None,
            refusals: [None; RISKED],
            sent: Sent::none(),
        }
    }

    /// A call that takes so many turns leaves now.
    pub fn sent(&mut self, now: Instant, turns: u32) {
        self.tick(now);
        let gap = self.sent.leaves(now, turns);
        let (Phase::Climbing(reached), None) = (self.phase, self.trial) else { return };
        // A gap longer than the rate asks for is a lack of work, and proves nothing.
        let in_use = |(gap, turns): &(f64, u32)| *gap <= (f64::from(*turns) + 0.5) * MARGIN / self.rate;
        if let Some((gap, _)) = gap.filter(in_use) {
            let step = (gap * self.climb_speed(reached)).min(reached * STEEPEST);
            self.climbed(reached + step);
        }
    }

    /// The answer to a call that left at `sent_at` came at `now`. `Some(until)`: nothing may leave before.
    pub fn answered(&mut self, sent_at: Instant, now: Instant, outcome: Outcome) -> Option<Instant> {
        self.tick(now);
        match outcome {
            Outcome::Served => self.served(sent_at, now),
            Outcome::Limited { retry_after } => Some(self.limited(sent_at, now, retry_after)),
            Outcome::Other => None,
        }
    }

    /// A timer that was to fire at `due` did so now.
    pub fn woke(&mut self, due: Instant, now: Instant) {
        if now.saturating_duration_since(due) >= LAG {
            self.deaf_until = self.deaf_until.max(now + LAG_LASTS);
        }
    }

    /// Calls per second that may leave now: the learned rate, less while starting slowly after a pause.
    pub fn rate(&mut self, now: Instant) -> f64 {
        self.tick(now);
        (self.rate * self.pause.part(now)).max(self.floor())
    }

    /// When `calls` more calls will have left, if they leave back to back from `from` on; holds and the slow start
    /// after them are counted, later changes of the rate are not.
    pub fn time_for(&self, from: Instant, calls: f64) -> Duration {
        self.pause.time_for(from, calls, self.rate / MARGIN, self.floor() / MARGIN)
    }

    /// The learned rate in calls per second, without slow start.
    pub fn learned(&self) -> f64 {
        self.rate
    }

    /// Calls per second that the ceiling lacks because somebody else spends from our address or the CRM lowered its
    /// limit; 0 while nothing limits us. A climb counts only when its rate is proven.
    pub fn foreign(&self, _now: Instant) -> f64 {
        self.known.map_or(0.0, |known| (self.ceiling - known / MARGIN).max(0.0))
    }

    fn floor(&self) -> f64 {
        self.ceiling * FLOOR
    }

    /// By how much the rate rises in a second of use. What the limit is known to be near is gone through slowly: the longer
    /// it takes until a refusal, the closer tells what got through where the limit is.
    fn climb_speed(&self, reached: f64) -> f64 {
        let usual = self.ceiling * self.pace().climb;
        let near = self.rough.filter(|Through { most, .. }| reached < *most);
        near.map_or(usual, |Through { least, most }| usual.min((most - least) / SEARCH))
    }

    fn tick(&mut self, now: Instant) {
        if let Phase::Settled { climb_at } = self.phase
            && now >= climb_at
            && self.trial.is_none()
        {
            self.phase = Phase::Climbing(self.rate);
        }
        if let Some(trial) = self.trial
            && now.saturating_duration_since(trial.resumed) > VERDICT_WITHIN
        {
            self.trial = None;
            self.rate = trial.rate_before;
        }
    }

    fn climbed(&mut self, reached: f64) {
        self.phase = Phase::Climbing(reached);
        self.rate = reached.min(self.ceiling);
        let proven = reached - self.pace().proof * self.climb_speed(reached);
        self.known = self.known.map(|known| known.max(proven));
        if proven >= self.ceiling {
            self.phase = Phase::Free;
            self.known = None;
            self.rough = None;
            self.spacing = self.pace().first;
        }
    }

    fn sensing(&self) -> bool {
        self.trust > 0
    }

    fn pace(&self) -> &'static Pace {
        if self.sensing() { &SENSING } else { &BLIND }
    }

    fn served(&mut self, sent_at: Instant, now: Instant) -> Option<Instant> {
        self.pause.served(now);
        if self.pause.came_after(sent_at) {
            return None;
        }
        let delay = now.saturating_duration_since(sent_at).as_secs_f64();
        if let Some(trial) = self.trial {
            self.judge(trial, delay, now);
            return None;
        }
        let signal = self.delays.add(sent_at, delay, 1.0 / self.rate, now)?;
        if now < self.deaf_until {
            return None;
        }
        let until = now + signal.drain.min(LONGEST_DRAIN);
        self.trial = Some(Trial {
            resumed: until,
            rate_before: self.rate,
            level: signal.level,
            seen: 0,
            lowest: f64::INFINITY,
            sum: 0.0,
        });
        self.rate = self.after_signal(signal).clamp(self.floor(), self.rate);
        self.forget_answers();
        Some(self.pause.hold(now, until))
    }

    /// The rate that a queue leaves us. What was known before counts too, unless it is far off: others come and go.
    fn after_signal(&self, Signal { answers, throughput, .. }: Signal) -> f64 {
        let sustained = throughput * MARGIN;
        match (self.phase, self.known) {
            (Phase::Climbing(_), Some(known)) if self.rough.is_none() && sustained > 0.8 * known => {
                known + (sustained - known).max(0.0) * (answers as f64 / CERTAIN).min(LEAP)
            }
            (Phase::Settled { .. }, Some(known)) if sustained > 0.6 * known => {
                (sustained + 2.0 * known) / 3.0
            }
            _ => sustained,
        }
    }

    fn judge(&mut self, mut trial: Trial, delay: f64, now: Instant) {
        trial.seen += 1;
        trial.lowest = trial.lowest.min(delay);
        trial.sum += delay;
        self.trial = (trial.seen < WITNESSES).then_some(trial);
        if self.trial.is_some() {
            return;
        }
        if trial.lowest > self.delays.baseline() + trial.level / 2.0 {
            // The pause changed nothing: slow, not limiting.
            self.rate = trial.rate_before;
            self.delays.rebase(trial.lowest, trial.sum / f64::from(WITNESSES));
            self.deaf_until = now + self.deaf_for;
            self.deaf_for = (self.deaf_for * 2).min(LONGEST_DEAF);
            return;
        }
        self.deaf_for = FIRST_DEAF;
        let climbing = matches!(self.phase, Phase::Climbing(_));
        if !self.sensing() || !climbing {
            self.spacing = SENSING.first;
        }
        self.trust = TRUST;
        self.rough = None;
        self.known = Some(self.rate);
        self.settle(now, self.spacing);
        self.spacing = (self.spacing * 2).min(SENSING.longest);
    }

    fn settle(&mut self, now: Instant, wait: Duration) {
        self.phase = Phase::Settled { climb_at: now + wait };
    }

    /// How long until one more refusal is not too much.
    fn risk_in(&self, now: Instant) -> Duration {
        let first = self.refusals[RISKED - 1];
        first.map_or(Duration::ZERO, |first| (first + WITHIN).saturating_duration_since(now))
    }

    fn limited(&mut self, sent_at: Instant, now: Instant, retry_after: Option<Duration>) -> Instant {
        let asked = retry_after.unwrap_or_default();
        if self.pause.came_after(sent_at) {
            // The rate was cut for it already.
            return self.pause.straggler(now, asked);
        }
        self.refusals.rotate_right(1);
        self.refusals[0] = Some(now);
        let before = self.rate;
        let half = before / 2.0;
        let through = self.sent.got_through(sent_at).map(Through::sustained);
        let limit = match (self.phase, self.known, through.filter(|through| through.least >= half)) {
            (Phase::Free, ..) | (.., None) => Through { least: half, most: before },
            // More than the limit may go well for a while by chance: what was settled counts more.
            (Phase::Climbing(_), Some(known), Some(through)) if self.rough.is_none() => {
                Through::exactly(through.least.clamp(known, known * 1.05))
            }
            (.., Some(through)) if through.is_exact() || self.risk_in(now) > Duration::ZERO => {
                Through::exactly(through.least)
            }
            (.., Some(through)) => through,
        };
        self.rate = limit.least.min(before * LESS).max(self.floor());
        self.rough = Some(limit).filter(|limit| !limit.is_exact());
        self.known = Some(self.rough.map_or(self.rate, |limit| f64::midpoint(self.rate, limit.most)));
        let drain = seconds(self.delays.level()).min(LONGEST_DRAIN);
        let until = self.pause.refused(now, asked, drain);
        // Whatever warning its delays gave, it came too late.
        self.trust = self.trust.saturating_sub(1);
        self.trial = None;
        self.forget_answers();
        if self.rough.is_some() {
            self.spacing = self.pace().first;
            self.settle(now, self.pause.over_at().saturating_duration_since(now) + BREATH);
        } else {
            let pace = self.pace();
            let wait = self.spacing.clamp(pace.first, pace.longest);
            self.settle(now, if self.sensing() { wait } else { wait.max(self.risk_in(now)) });
            self.spacing = (wait * 2).min(pace.longest);
        }
        until
    }

    /// What follows a pause must not be compared with what was before it.
    fn forget_answers(&mut self) {
        self.delays.cut();
        self.sent.cut();
    }
}
