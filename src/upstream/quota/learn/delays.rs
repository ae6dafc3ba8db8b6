//! Tells from the delays of answers whether the CRM lets our calls queue. Pure: the caller says what came when.
//!
//! A CRM that queues before it refuses makes *every* call late, so the quickest of some answers in a row says more than
//! their mean: it rises with the queue and not with the noise. What the quickest answer takes while nothing queues is
//! the baseline. Whether a rise is a queue or a slow CRM cannot be seen from here; the learner finds out by a pause.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Answers remembered.
const REMEMBERED: usize = 64;

/// Answers in a row that must all be late.
const IN_A_ROW: usize = 6;

/// Calls that must be queued at least; fewer come and go by chance.
const QUEUED: f64 = 2.0;

/// A throughput below this part of what is sent must show in the late answers too.
const JUMP: f64 = 0.7;

/// The pause is longer than the queue seems to be: other callers' calls are in it.
const AMPLE: f64 = 1.2;

/// How many usual spreads above the baseline the quickest answer must be.
const SPREADS: f64 = 3.0;

/// How much the baseline rises with each answer that is above it, in seconds: a slow drift is no signal.
const CREEP: f64 = 0.000_5;

/// Weight of one answer in the usual spread.
const WEIGHT: f64 = 0.005;

/// What a row of late answers says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signal {
    /// How many answers were late.
    pub(crate) answers: usize,
    /// Answers a second while they were late.
    pub(crate) throughput: f64,
    /// Delay above the baseline, in seconds.
    pub(crate) level: f64,
    /// How long the queue takes to drain if nothing more is sent.
    pub(crate) drain: Duration,
}

/// Delays of the latest answers, in the order in which their calls left.
#[derive(Debug)]
pub(crate) struct Delays {
    samples: VecDeque<(Instant, f64)>,
    baseline: Option<f64>,
    /// How far answers that follow each other usually are above the quickest of them: a queue hardly changes that.
    spread: f64,
}

impl Delays {
    /// Nothing is known.
    pub(crate) fn new() -> Self {
        Self { samples: VecDeque::with_capacity(REMEMBERED), baseline: None, spread: 0.0 }
    }

    /// The call that left at `sent_at` was served after `delay` seconds. `interval` is the time between our calls in
    /// seconds. Answers when the latest answers are all late.
    pub(crate) fn add(
        &mut self,
        sent_at: Instant,
        delay: f64,
        interval: f64,
        now: Instant,
    ) -> Option<Signal> {
        let place =
            self.samples.iter().rposition(|(sent, _)| *sent <= sent_at).map_or(0, |before| before + 1);
        if self.samples.len() == REMEMBERED {
            if place == 0 {
                return None;
            }
            self.samples.pop_front();
            self.samples.insert(place - 1, (sent_at, delay));
        } else {
            self.samples.insert(place, (sent_at, delay));
        }
        let row: [f64; IN_A_ROW] = self.latest()?;
        let lowest = row.iter().copied().fold(f64::INFINITY, f64::min);
        let baseline = match self.baseline {
            Some(baseline) => (baseline + CREEP).min(lowest),
            None => {
                self.spread = mean(&row) - lowest;
                lowest
            }
        };
        self.baseline = Some(baseline);
        let late = (QUEUED * interval).max(SPREADS * self.spread);
        self.spread += (mean(&row) - lowest - self.spread) * WEIGHT;
        // After a stall the answers come all at once, the latest call's with the shortest delay: no queue.
        let (earlier, later) = row.split_at(IN_A_ROW / 2);
        let shrinking = mean(later) + interval / 10.0 < mean(earlier);
        (lowest > baseline + late && !shrinking).then(|| self.signal(baseline, late, mean(later), now))
    }

    /// Seconds by which the latest answers were above the baseline: what the CRM's queue took.
    pub(crate) fn level(&self) -> f64 {
        let (Some(row), Some(baseline)) = (self.latest::<{ IN_A_ROW / 2 }>(), self.baseline) else {
            return 0.0;
        };
        (row.iter().copied().fold(f64::INFINITY, f64::min) - baseline).max(0.0)
    }

    /// Forgets the answers, not the baseline: what follows a pause must not be compared with what was before it.
    pub(crate) fn cut(&mut self) {
        self.samples.clear();
    }

    /// The CRM became slow: this is what an answer takes from now on.
    pub(crate) fn rebase(&mut self, lowest: f64, mean: f64) {
        self.samples.clear();
        self.baseline = Some(lowest);
        self.spread = mean - lowest;
    }

    /// What the quickest answers take, in seconds.
    pub(crate) fn baseline(&self) -> f64 {
        self.baseline.unwrap_or(0.0)
    }

    fn latest<const N: usize>(&self) -> Option<[f64; N]> {
        let from = self.samples.len().checked_sub(N)?;
        let mut row = [0.0; N];
        for (place, (_, delay)) in row.iter_mut().zip(self.samples.range(from..)) {
            *place = *delay;
        }
        Some(row)
    }

    /// Answers a second among the late ones.
    fn throughput_of_row(&self) -> f64 {
        let Some(row) = self.latest::<IN_A_ROW>() else { return 0.0 };
        let half = IN_A_ROW / 2;
        let sent = |back: usize| self.samples[self.samples.len() - back].0;
        let span = sent(1).saturating_duration_since(sent(1 + half)).as_secs_f64().max(0.001);
        let grown = mean(&row[half..]) - mean(&row[..half]);
        half as f64 / (span + grown).max(span)
    }

    /// Answers a second from this one on, as the line through them all has it: two alone would be blurred by what each took
    /// besides queueing.
    fn throughput_from(&self, first: usize) -> f64 {
        let middle = (self.samples.len() - 1 - first) as f64 / 2.0;
        let (mut seconds, mut answers) = (0.0, 0.0);
        for (place, (sent, delay)) in self.samples.range(first..).enumerate() {
            let off = place as f64 - middle;
            seconds += off * (sent.saturating_duration_since(self.samples[first].0).as_secs_f64() + delay);
            answers += off * off;
        }
        answers / seconds.max(0.001)
    }

    /// Counts from behind the last answer that was hardly late, so that the time before the queue began does not blur it.
    fn signal(&self, baseline: f64, late: f64, delay: f64, now: Instant) -> Signal {
        let last = self.samples.len() - 1;
        let onset = self.samples.iter().rposition(|(_, delay)| *delay < baseline + late / 2.0);
        let queued = onset.map_or(0, |onset| onset + 1);
        let (first_sent, _) = self.samples[onset.unwrap_or(0)];
        // The mean delay of the latest three belongs to the middle one of them.
        let (middle_sent, _) = self.samples[last - 1];
        let span = middle_sent.saturating_duration_since(first_sent).as_secs_f64().max(0.001);
        let sent = (last - 1 - onset.unwrap_or(0)) as f64 / span;
        let mut throughput = self.throughput_from(queued).min(2.0 * sent);
        // A queue that grew so fast still grows. If it does not, the delay has jumped, and answers come as calls leave.
        if throughput < JUMP * sent {
            throughput = throughput.max(self.throughput_of_row());
        }
        // Those that left since stand behind: what the queue will be for a call that left now.
        let since = now.saturating_duration_since(middle_sent).as_secs_f64();
        let level = delay - baseline;
        let drain = (level + since * (sent / throughput - 1.0).max(0.0)) * AMPLE;
        let drain = Duration::try_from_secs_f64(drain).unwrap_or(Duration::MAX);
        Signal { answers: last + 1 - queued, throughput, level, drain }
    }
}

fn mean(delays: &[f64]) -> f64 {
    delays.iter().sum::<f64>() / delays.len() as f64
}
