//! The learner against a CRM that limits: every call, answer and refusal in virtual time, event by event.

use std::time::Duration;

use tokio::time::Instant;

use super::{Learner, Outcome};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limiter {
    Delayed,
    Burst,
    Immediate,
}

type Over = fn(f64) -> f64;

/// What an answer takes besides queueing, in seconds: at a time, with the dice.
type Latency = fn(f64, f64) -> f64;

const ALL: [Limiter; 3] = [Limiter::Delayed, Limiter::Burst, Limiter::Immediate];

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What happens at the CRM; times in seconds from the start.
#[derive(Clone, Copy)]
struct World {
    limiter: Limiter,
    seed: u64,
    /// What the CRM allows, in calls a second.
    rate: Over,
    latency: Latency,
    /// What somebody else sends from our address, in calls a second, and how uneven.
    foreign: Over,
    jitter: f64,
    /// Whether we have something to send.
    work: fn(f64) -> bool,
}

impl World {
    fn new(limiter: Limiter, seed: u64) -> Self {
        let latency = |_, dice| 0.02 + 0.28 * dice;
        Self { limiter, seed, rate: |_| 5.0, latency, foreign: |_| 0.0, jitter: 0.0, work: |_| true }
    }
}

/// What happened.
#[derive(Default)]
struct Story {
    sent: Vec<f64>,
    refused: Vec<f64>,
    /// Learned rate and foreign spending, once a quarter of a second.
    seen: Vec<(f64, f64, f64)>,
}

impl Story {
    fn used(&self, from: f64, to: f64) -> f64 {
        let served = |times: &[f64]| times.iter().filter(|at| (from..to).contains(*at)).count();
        (served(&self.sent) - served(&self.refused)) as f64 / (to - from)
    }

    fn refused(&self, from: f64, to: f64) -> usize {
        self.refused.iter().filter(|at| (from..to).contains(*at)).count()
    }

    fn worst_minute(&self) -> usize {
        self.refused.iter().map(|at| self.refused(*at, at + 60.0)).max().unwrap_or(0)
    }

    fn foreign(&self, from: f64, to: f64) -> (f64, f64) {
        let within = self.seen.iter().filter(|(at, ..)| (from..to).contains(at));
        within.fold((f64::MAX, 0.0), |(low, high), (_, _, foreign)| (foreign.min(low), foreign.max(high)))
    }

    /// How long after `from` the rate was back near the ceiling, for good.
    fn back_after(&self, from: f64) -> f64 {
        let low = self.seen.iter().rev().find(|(_, rate, _)| *rate < 0.97 * 5.0);
        low.map_or(0.0, |(at, ..)| at - from)
    }

    fn lowest_rate(&self, from: f64, to: f64) -> f64 {
        let within = self.seen.iter().filter(|(at, ..)| (from..to).contains(at));
        within.fold(f64::MAX, |low, (_, rate, _)| low.min(*rate))
    }
}

/// The leaky bucket as the CRM's description has it.
struct Crm {
    excess: f64,
    last: f64,
}

impl Crm {
    fn arrive(&mut self, at: f64, limiter: Limiter, rate: f64) -> Option<f64> {
        self.excess = (self.excess - (at - self.last) * rate).max(0.0);
        self.last = at;
        let at_once = if limiter == Limiter::Delayed { 1.0 } else { rate.max(1.0) };
        let queue = if limiter == Limiter::Immediate { 0.0 } else { 15.0 };
        if self.excess + 1.0 > at_once + queue + 1e-6 {
            return None;
        }
        let wait = (self.excess + 1.0 - at_once).max(0.0) / rate;
        self.excess += 1.0;
        Some(wait)
    }
}

fn run(world: &World, seconds: f64) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let start = runtime.block_on(async { Instant::now() });
    let at = |time: f64| start + Duration::from_secs_f64(time);
    let mut dice = Dice(world.seed);
    let mut crm = Crm { excess: 0.0, last: 0.0 };
    let mut learner = Learner::new(5.0, start);
    let mut story = Story::default();
    let mut flying: Vec<(f64, f64, Outcome)> = Vec::new();
    let (mut now, mut last, mut hold, mut next_foreign, mut look) = (0.0, 0.0, 0.0_f64, 0.0, 0.0);
    while now < seconds {
        let ready = f64::max(last + 1.01 / learner.rate(at(now)), hold);
        let ready = if (world.work)(now) { ready.max(now) } else { f64::MAX };
        flying.sort_by(|a, b| b.1.total_cmp(&a.1));
        let answer = flying.last().map_or(f64::MAX, |call| call.1);
        now = ready.min(answer).min(next_foreign).min(look);
        if now == look {
            look += 0.25;
            story.seen.push((now, learner.learned(), learner.foreign(at(now))));
        } else if now == next_foreign {
            let rate = (world.foreign)(now);
            if rate > 0.0 {
                crm.arrive(now, world.limiter, (world.rate)(now));
                next_foreign += (1.0 + world.jitter * (dice.roll() * 2.0 - 1.0)) / rate;
            } else {
                next_foreign += 0.1;
            }
        } else if now == answer {
            let (sent, _, outcome) = flying.pop().unwrap();
            if let Some(until) = learner.answered(at(sent), at(now), outcome) {
                hold = hold.max((until - start).as_secs_f64());
            }
        } else {
            learner.sent(at(now), 1);
            last = now;
            story.sent.push(now);
            let latency = (world.latency)(now, dice.roll());
            let fate = crm.arrive(now, world.limiter, (world.rate)(now));
            if fate.is_none() {
                story.refused.push(now);
            }
            let outcome = fate.map_or(Outcome::Limited { retry_after: None }, |_| Outcome::Served);
            flying.push((now, now + latency + fate.unwrap_or(0.0), outcome));
        }
    }
    story
}

const SECONDLY: Over = |at| if (60.0..660.0).contains(&at) { 1.0 } else { 0.0 };

#[test]
fn with_nothing_wrong_nothing_is_refused_and_the_ceiling_is_used() {
    for (limiter, seed) in ALL.into_iter().flat_map(|limiter| (0..10).map(move |seed| (limiter, seed))) {
        let story = run(&World::new(limiter, seed), 600.0);
        assert_eq!(story.refused.len(), 0, "{limiter:?} {seed}");
        assert!(story.used(1.0, 600.0) >= 0.98 * 5.0, "{limiter:?} {seed}");
        assert_eq!(story.foreign(0.0, 600.0), (0.0, 0.0), "{limiter:?} {seed}");
    }
}

#[test]
fn who_spends_from_our_address_is_noticed_measured_and_made_room_for() {
    for (limiter, seed) in ALL.into_iter().flat_map(|limiter| (0..20).map(move |seed| (limiter, seed))) {
        let senses = limiter != Limiter::Immediate;
        let world = World { foreign: SECONDLY, jitter: 0.3, ..World::new(limiter, seed) };
        let story = run(&world, 1620.0);
        let told = format!("{limiter:?} {seed}");
        // Where nothing warns, it may be found a quarter of a minute later: by chance the other one was refused first.
        let (low, high) = story.foreign(if senses { 120.0 } else { 135.0 }, 660.0);
        assert!(low >= 0.7 && high <= 1.3, "{told}: {low}..{high}");
        assert!(story.worst_minute() <= if senses { 0 } else { 3 }, "{told}");
        assert!(story.refused(0.0, 660.0) <= if senses { 0 } else { 5 }, "{told}");
        let used = story.used(120.0, 660.0) / 4.0;
        assert!(used >= if senses { 0.98 } else { 0.95 }, "{told}: {used}");
        // Where nothing warns, more is not tried before the refusals that are risked are a quarter of an hour old.
        let back = story.back_after(660.0);
        assert!(back <= if senses { 120.0 } else { 930.0 }, "{told}: {back}");
    }
}

/// From the end of the first minute on the CRM allows only so many tenths of a call a second.
fn lowered<const TENTHS: u32>(at: f64) -> f64 {
    if at < 60.0 { 5.0 } else { f64::from(TENTHS) / 10.0 }
}

#[test]
fn a_lowered_limit_is_found_and_used() {
    let limits: [Over; 6] =
        [lowered::<45>, lowered::<33>, lowered::<28>, lowered::<25>, lowered::<20>, lowered::<17>];
    let all = ALL.into_iter().flat_map(|limiter| limits.map(|rate| (limiter, rate)));
    for ((limiter, rate), seed) in all.flat_map(|world| (0..20).map(move |seed| (world, seed))) {
        let (limit, senses) = (rate(60.0), limiter != Limiter::Immediate);
        let story = run(&World { rate, ..World::new(limiter, seed) }, 960.0);
        let told = format!("{limiter:?}, {limit}, {seed}");
        let refused = match limit {
            2.5.. if senses => 0,
            // Half of the rate is too much, and another call was under way when the first was refused.
            ..2.0 if !senses => 4,
            _ => 3,
        };
        assert!(story.refused(60.0, 960.0) <= refused, "{told}: {:?}", story.refused);
        let used = [(120.0, 360.0), (120.0, 960.0)].map(|(from, to)| story.used(from, to) / limit);
        assert!(used[0] >= 0.97 && used[1] >= 0.98, "{told}: {used:?}");
        let (low, high) = story.foreign(360.0, 960.0);
        assert!(low >= 4.9 - limit - 0.15 && high <= 5.0 - limit + 0.15, "{told}: {low}..{high}");
    }
}

#[test]
fn a_limit_that_falls_twice_and_rises_again_is_followed() {
    let rate = |at: f64| match at {
        ..60.0 => 5.0,
        ..960.0 => 3.3,
        ..1860.0 => 1.7,
        _ => 5.0,
    };
    for (limiter, seed) in ALL.into_iter().flat_map(|limiter| (0..20).map(move |seed| (limiter, seed))) {
        let story = run(&World { rate, ..World::new(limiter, seed) }, 2760.0);
        let told = format!("{limiter:?} {seed}: {:?}", story.refused);
        let used = [story.used(120.0, 960.0) / 3.3, story.used(1020.0, 1860.0) / 1.7];
        // One who is told nothing but refusals has spent those that are risked, and stays on the safe side.
        let least = if limiter == Limiter::Immediate { 0.9 } else { 0.98 };
        assert!(used[0] >= 0.98 && used[1] >= least, "{told}: {used:?}");
        // Whoever was just trying more when it fell finds out by refusals.
        assert!(story.refused(60.0, 960.0) <= 3 && story.refused(960.0, 1860.0) <= 6, "{told}");
        assert!(story.back_after(1860.0) <= 150.0 && story.refused(1860.0, 2760.0) == 0, "{told}");
    }
}

#[test]
fn latency_that_is_all_over_the_place_costs_nothing() {
    for seed in 0..300 {
        let latency = |_, dice| 0.05 + 0.35 * dice;
        let story = run(&World { latency, ..World::new(ALL[seed as usize % 3], seed) }, 600.0);
        assert!(story.lowest_rate(0.0, 600.0) >= 0.97 * 5.0, "{seed}");
    }
}

#[test]
fn a_crm_that_becomes_slow_keeps_its_rate() {
    let slow: [(&str, Latency); 4] = [
        ("at once", |at, dice| if at < 60.0 { 0.1 + 0.05 * dice } else { 2.0 + 0.3 * dice }),
        ("in a minute", |at, dice| 0.1 + 0.1 * dice + ((at - 60.0) / 30.0).clamp(0.0, 2.0)),
        ("in a quarter of an hour", |at, dice| 0.1 + 0.1 * dice + (at / 450.0).min(2.0)),
        ("now and then", |at, dice| 0.1 + 0.1 * dice + if at % 97.0 < 5.0 { 2.0 } else { 0.0 }),
    ];
    for ((name, latency), seed) in slow.into_iter().flat_map(|slow| (0..10).map(move |seed| (slow, seed))) {
        let story = run(&World { latency, ..World::new(Limiter::Delayed, seed) }, 960.0);
        let used = story.used(0.0, 960.0);
        assert!(used >= 0.93 * 5.0, "{name} {seed}: {used}");
        assert!(story.lowest_rate(180.0, 960.0) >= 0.9 * 5.0, "{name} {seed}");
        assert_eq!(story.refused.len(), 0, "{name} {seed}");
    }
}

#[test]
fn a_crm_that_refused_everything_for_minutes_is_not_hammered_and_soon_used_again() {
    for (limiter, seed) in ALL.into_iter().flat_map(|limiter| (0..10).map(move |seed| (limiter, seed))) {
        let rate = |at| if (60.0..300.0).contains(&at) { 0.001 } else { 5.0 };
        let story = run(&World { rate, ..World::new(limiter, seed) }, 1200.0);
        let (refused, back) = (story.refused(60.0, 300.0), story.back_after(300.0));
        assert!(refused <= 12 && back <= 300.0, "{limiter:?} {seed}: {refused} refused, back after {back}");
    }
}

#[test]
fn without_work_nothing_is_learned() {
    for limiter in ALL {
        let rate = |at| if at < 60.0 { 5.0 } else { 2.5 };
        let idle = World { rate, work: |at| at < 300.0 || at % 4.0 < 0.2, ..World::new(limiter, 1) };
        let story = run(&idle, 1500.0);
        let (before, after) = (story.foreign(290.0, 300.0), story.foreign(1490.0, 1500.0));
        assert!((before.0 - after.0).abs() < 0.6, "{limiter:?} {before:?} {after:?}");
        assert_eq!(story.refused(310.0, 1500.0), 0, "{limiter:?}");
    }
}
