//! The waiting room: who is next (strict priority between classes above guaranteed shares, which are deficit counters),
//! who may come in (admission control), and how long a newcomer would wait. Pure: every method that needs the
//! time takes `now`.
//!
//! Signing in goes first, because nobody is served without it. Then the classes in the order of [`Lane`], each fair among
//! its consumers ([`super::fair`]). A higher class goes before a lower one, but each class that has calls waiting earns
//! the turns it is guaranteed, so none starves; what a class does not use belongs to the others at once, and it saves
//! up no more than a part of one turn. What failed and is tried again waits behind all first attempts of its class.
//!
//! No consumer can fill the room: whoever has many places gets another one only while enough are left for the others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fair::{self, Fair, Share};
use crate::model::Class;
use crate::model::context::Reason;

/// The classes in the order in which they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// People wait for the answer.
    Interactive,
    /// Another system waits.
    Partner,
    /// Nobody in particular waits.
    Batch,
    /// Nobody waits at all: our own background work.
    Refresh,
}

impl Lane {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Interactive, Self::Partner, Self::Batch, Self::Refresh];

    /// Where a call waits.
    pub fn of(class: Class, reason: Reason) -> Self {
        match (reason, class) {
            (Reason::Refresh, _) => Self::Refresh,
            (_, Class::Interactive) => Self::Interactive,
            (_, Class::Partner) => Self::Partner,
            (_, Class::Batch) => Self::Batch,
        }
    }

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Partner => "partner",
            Self::Batch => "batch",
            Self::Refresh => "refresh",
        }
    }
}

/// How much may wait, and what each class is sure of.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Turns a second at most.
    pub rate: f64,
    /// Calls that may wait at once.
    pub max_calls: usize,
    /// Bytes that calls which wait may hold.
    pub max_bytes: usize,
    /// The part of all turns that each class gets while it has calls waiting, in the order of [`Lane::ALL`]; together
    /// at most one.
    pub guaranteed: [f64; 4],
}

/// A call that wants to come in.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Why it is made.
    pub reason: Reason,
    /// How urgent it is.
    pub class: Class,
    /// Whose it is.
    pub consumer: &'a Arc<str>,
    /// The consumer's part among those of its class.
    pub weight: u32,
    /// Turns it takes.
    pub cost: u32,
    /// Bytes it holds while it waits.
    pub bytes: usize,
    /// What comes in together with it, before it. Only a forecast knows of any.
    pub before: Before,
}

/// Calls of the same consumer and class that are made before another one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    /// How many.
    pub calls: usize,
    /// Turns they take.
    pub turns: u32,
    /// Bytes they hold while they wait.
    pub bytes: usize,
}

/// Where a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// Among the sign-ins.
    SignIn(u64),
    /// In a class.
    Class(Lane, fair::Seat),
}

/// Those who wait.
#[derive(Debug)]
pub struct Room<T> {
    rules: Rules,
    /// When it was opened.
    opened: Instant,
    sign_ins: BTreeMap<u64, (T, u32)>,
    lanes: [Fair<Guest<T>>; 4],
    /// Turns each class has earned of those it is guaranteed.
    earned: [f64; 4],
    /// Turns a second that calls of each class asked for of late.
    loads: [Load; 4],
    consumers: HashMap<Arc<str>, Places>,
    calls: usize,
    bytes: usize,
    arrivals: u64,
}

#[derive(Debug)]
struct Guest<T> {
    waiter: T,
    bytes: usize,
}

/// A call whose turn is foretold.
struct Waits<'a> {
    lane: Lane,
    consumer: &'a str,
    /// Turns of its class that are taken before.
    ahead: u64,
    cost: u32,
    /// Whether none of its consumer's come in together with it.
    is_first: bool,
}

/// What a consumer takes up.
#[derive(Debug, Default)]
struct Places {
    calls: usize,
    bytes: usize,
    by_lane: [usize; 4],
    load: Load,
}

/// A consumer may hold fewer than this many times the places that are left: alone at most 80 % of the room.
const OTHERS: usize = 4;
/// How far back arrivals are remembered.
const MEMORY: Duration = Duration::from_secs(30);
/// A wait that will not end.
const FOREVER: f64 = 1e6;

impl<T> Room<T> {
    /// An empty room.
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            opened: now,
            sign_ins: BTreeMap::new(),
            lanes: Default::default(),
            earned: [0.0; 4],
            loads: Default::default(),
            consumers: HashMap::new(),
            calls: 0,
            bytes: 0,
            arrivals: 0,
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.calls + self.sign_ins.len()
    }

    /// How many wait in each class; who signs in is as urgent as can be.
    pub fn waiting_by_lane(&self) -> [usize; 4] {
        let mut waiting = [self.sign_ins.len(), 0, 0, 0];
        for places in self.consumers.values() {
            waiting.iter_mut().zip(places.by_lane).for_each(|(sum, calls)| *sum += calls);
        }
        waiting
    }

    /// How many calls of a consumer wait.
    pub fn waiting_of(&self, consumer: &str) -> usize {
        self.consumers.get(consumer).map_or(0, |places| places.calls)
    }

    /// Whether a call may come in. One that may not would find no place whatever its deadline is.
    pub fn has_place_for(&self, request: &Request<'_>) -> bool {
        if request.reason == Reason::Auth {
            // Without a sign-in nobody would ever leave a full room.
            return true;
        }
        let (calls, bytes) =
            self.consumers.get(request.consumer).map_or((0, 0), |places| (places.calls, places.bytes));
        let before = request.before;
        let (calls, bytes) = (calls + before.calls, bytes + before.bytes);
        let left = self.rules.max_calls.saturating_sub(self.calls + before.calls);
        let left_bytes = self.rules.max_bytes.saturating_sub(self.bytes + before.bytes);
        left > 0
            && calls < OTHERS.saturating_mul(left)
            && request.bytes <= left_bytes
            && bytes <= OTHERS.saturating_mul(left_bytes - request.bytes)
    }

    /// How many must leave at most until a call that found no place may come in, if those who leave hold as much as others.
    pub fn turns_until_place(&self, request: &Request<'_>) -> usize {
        let (calls, bytes) =
            self.consumers.get(request.consumer).map_or((0, 0), |places| (places.calls, places.bytes));
        let left = self.rules.max_calls.saturating_sub(self.calls);
        let left_bytes = self.rules.max_bytes.saturating_sub(self.bytes);
        let calls_missing = (calls / OTHERS + 1).saturating_sub(left);
        let bytes_missing = (request.bytes + bytes.div_ceil(OTHERS)).saturating_sub(left_bytes);
        let held_by_one = (self.bytes / self.calls.max(1)).max(1);
        calls_missing.max(bytes_missing.div_ceil(held_by_one)).min(self.calls)
    }

    /// Lets a call in.
    pub fn push(&mut self, request: &Request<'_>, now: Instant, waiter: T) -> Seat {
        if request.reason == Reason::Auth {
            self.arrivals += 1;
            self.sign_ins.insert(self.arrivals, (waiter, request.cost.max(1)));
            return Seat::SignIn(self.arrivals);
        }
        let lane = Lane::of(request.class, request.reason);
        self.forget_some(now);
        let places = self.consumers.entry(Arc::clone(request.consumer)).or_default();
        places.calls += 1;
        places.bytes += request.bytes;
        places.by_lane[lane as usize] += 1;
        places.load.add(now, f64::from(request.cost), self.rules.rate);
        self.calls += 1;
        self.bytes += request.bytes;
        self.loads[lane as usize].add(now, f64::from(request.cost), self.rules.rate);
        let guest = Guest { waiter, bytes: request.bytes };
        Seat::Class(lane, self.lanes[lane as usize].push(&share(request), guest))
    }

    /// Takes out who leaves; `None` when the seat is empty already.
    pub fn remove(&mut self, seat: Seat) -> Option<T> {
        match seat {
            Seat::SignIn(arrival) => self.sign_ins.remove(&arrival).map(|(waiter, _)| waiter),
            Seat::Class(lane, seat) => {
                let guest = self.lanes[lane as usize].remove(seat)?;
                Some(self.left(lane, guest))
            }
        }
    }

    /// Takes out who is next, and the turns the call takes. With `only_sign_in` everybody else stays seated.
    pub fn pop(&mut self, only_sign_in: bool) -> Option<(T, u32)> {
        if let Some((_, first)) = self.sign_ins.pop_first() {
            return Some(first);
        }
        if only_sign_in {
            return None;
        }
        let lane = self.next_lane()?;
        let (guest, cost) = self.lanes[lane as usize].pop()?;
        let turns = f64::from(cost);
        for (at, earned) in self.earned.iter_mut().enumerate() {
            if at == lane as usize || !self.lanes[at].is_empty() {
                *earned += self.rules.guaranteed[at] * turns;
            }
        }
        let earned = &mut self.earned[lane as usize];
        *earned = (*earned - turns).max(0.0);
        Some((self.left(lane, guest), cost))
    }

    /// Whether somebody is next.
    pub fn has_next(&self, only_sign_in: bool) -> bool {
        !self.sign_ins.is_empty() || (!only_sign_in && self.calls > 0)
    }

    /// Takes everybody out.
    pub fn empty(&mut self) -> Vec<T> {
        let sign_ins = std::mem::take(&mut self.sign_ins);
        let mut all: Vec<T> = sign_ins.into_values().map(|(waiter, _)| waiter).collect();
        for lane in Lane::ALL {
            while let Some((guest, _)) = self.lanes[lane as usize].pop() {
                all.push(self.left(lane, guest));
            }
        }
        all
    }

    /// The turns that will be taken before a newcomer's at `rate` turns a second, if calls of other classes and consumers
    /// go on coming as they did.
    pub fn turns_ahead_of(&self, request: &Request<'_>, now: Instant, rate: f64) -> f64 {
        // Who is alone in the room is next, whoever may come later.
        if request.reason == Reason::Auth || self.calls + request.before.calls == 0 {
            return self.sign_in_turns();
        }
        let lane = Lane::of(request.class, request.reason);
        let before = request.before;
        let ahead = self.lanes[lane as usize].ahead_of(&share(request), before.turns);
        let call = Waits {
            lane,
            consumer: request.consumer,
            ahead,
            cost: request.cost,
            is_first: before.calls == 0,
        };
        self.turns(&call, now, rate)
    }

    /// The turns that will be taken before a call's that waits already.
    pub fn turns_ahead_of_seat(&self, seat: Seat, now: Instant, rate: f64) -> f64 {
        match seat {
            Seat::SignIn(arrival) => {
                self.sign_ins.range(..arrival).map(|(_, (_, turns))| f64::from(*turns)).sum()
            }
            Seat::Class(lane, seat) => {
                let fair = &self.lanes[lane as usize];
                let Some((consumer, cost)) = fair.get(seat) else { return 0.0 };
                let ahead = fair.ahead_of_seat(seat);
                let call = Waits { lane, consumer, ahead, cost, is_first: true };
                self.turns(&call, now, rate)
            }
        }
    }

    fn sign_in_turns(&self) -> f64 {
        self.sign_ins.values().map(|(_, turns)| f64::from(*turns)).sum()
    }

    /// The turns until it is a call's turn, those of all others included.
    fn turns(&self, call: &Waits<'_>, now: Instant, rate: f64) -> f64 {
        let (mine, own) = (call.lane as usize, f64::from(call.cost));
        let age = now.saturating_duration_since(self.opened);
        let load = |lane: usize| (self.loads[lane].at(now, age) / rate).min(1.0);
        let mut ahead = [0.0; 4];
        for (lane, fair) in self.lanes.iter().enumerate() {
            ahead[lane] = fair.cost() as f64;
        }
        ahead[mine] = call.ahead as f64 + own - self.earned[mine];
        // Others of the class come between the consumer's own calls, but never take more than their part.
        let places = self.consumers.get(call.consumer);
        let waits = !call.is_first || places.is_some_and(|places| places.by_lane[mine] > 0);
        let own_load = places.map_or(0.0, |places| (places.load.at(now, age) / rate).min(1.0));
        let others = if waits { (load(mine) - own_load).max(0.0) } else { 0.0 };
        let part = 1.0 - 1.0 / self.lanes[mine].consumers().max(2) as f64;
        let comes =
            |lane: usize, served: f64| if lane == mine { others.min(served * part) } else { load(lane) };
        let mut turns = 0.0;
        // Each round ends when a class has nothing left waiting: there are four.
        for _ in 0..Lane::ALL.len() * 2 {
            let demand: [f64; 4] =
                std::array::from_fn(|lane| if ahead[lane] > 0.0 { 1.0 } else { load(lane) });
            let served = self.served(demand);
            let drained = |lane: usize| {
                let pace = (served[lane] - comes(lane, served[lane])).max(1.0 / FOREVER);
                (ahead[lane] > 0.0).then(|| ahead[lane] / pace)
            };
            let until_mine = drained(mine).unwrap_or(0.0);
            let first = (0..Lane::ALL.len()).filter_map(drained).fold(until_mine, f64::min);
            turns += first;
            if first >= until_mine || turns >= FOREVER {
                break;
            }
            for (lane, ahead) in ahead.iter_mut().enumerate().filter(|(_, ahead)| **ahead > 0.0) {
                *ahead -= (served[lane] - comes(lane, served[lane])) * first;
                if *ahead < 1e-6 {
                    *ahead = 0.0;
                }
            }
        }
        // Turns are whole: what a lower class has earned of its next one delays nobody.
        let lower = (mine + 1..Lane::ALL.len()).filter(|lane| !self.lanes[*lane].is_empty());
        let unfinished: f64 =
            lower.map(|lane| (self.earned[lane] + self.rules.guaranteed[lane] * turns).fract()).sum();
        self.sign_in_turns() + (turns - own - unfinished).clamp(0.0, FOREVER)
    }

    /// The part of all turns that each class gets, when each wants so much.
    fn served(&self, demand: [f64; 4]) -> [f64; 4] {
        let mut served: [f64; 4] = std::array::from_fn(|lane| demand[lane].min(self.rules.guaranteed[lane]));
        let mut left = 1.0 - served.iter().sum::<f64>();
        for lane in 0..demand.len() {
            let more = (demand[lane] - served[lane]).clamp(0.0, left.max(0.0));
            served[lane] += more;
            left -= more;
        }
        served
    }

    /// The class whose turn it is: the one with the most turns earned, if one has earned a whole one, else the highest.
    fn next_lane(&self) -> Option<Lane> {
        const WHOLE: f64 = 1.0 - 1e-9;
        let waiting = || Lane::ALL.into_iter().filter(|lane| !self.lanes[*lane as usize].is_empty());
        let earned = |lane: &Lane| self.earned[*lane as usize];
        let due = waiting().filter(|lane| earned(lane) >= WHOLE);
        due.reduce(|best, lane| if earned(&lane) > earned(&best) { lane } else { best })
            .or_else(|| waiting().next())
    }

    fn left(&mut self, lane: Lane, (guest, consumer): (Guest<T>, Arc<str>)) -> T {
        self.calls -= 1;
        self.bytes -= guest.bytes;
        if let Some(places) = self.consumers.get_mut(&consumer) {
            places.calls -= 1;
            places.bytes -= guest.bytes;
            places.by_lane[lane as usize] -= 1;
        }
        guest.waiter
    }

    /// Forgets consumers that have nothing waiting and have not asked for long, when there are many.
    fn forget_some(&mut self, now: Instant) {
        const NOT_MANY: usize = 1000;
        if self.consumers.len() >= NOT_MANY.max(self.calls * 2) {
            self.consumers.retain(|_, places| places.calls > 0 || places.load.at(now, MEMORY) > 0.1);
        }
    }
}

fn share<'a>(request: &Request<'a>) -> Share<'a> {
    Share {
        name: request.consumer,
        weight: request.weight.max(1),
        cost: request.cost.max(1),
        again: request.reason == Reason::Retry,
    }
}

/// Turns a second that were asked for of late. What comes within one second counts for no more than the CRM can serve
/// in it: a burst does not foretell another one, a stream foretells itself.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    sum: f64,
    /// What came in the second that began then.
    second: Option<(Instant, f64)>,
}

impl Load {
    fn add(&mut self, now: Instant, turns: f64, most: f64) {
        let (begin, came) = match self.second {
            Some((begin, came)) if now.saturating_duration_since(begin) < Duration::from_secs(1) => {
                (begin, came)
            }
            Some((begin, _)) => {
                self.sum *= fading(now.saturating_duration_since(begin));
                (now, 0.0)
            }
            None => (now, 0.0),
        };
        let counted = turns.min((most - came).max(0.0));
        self.sum += counted;
        self.second = Some((begin, came + counted));
    }

    /// As seen by who has listened for `age`: before that nothing was heard.
    fn at(&self, now: Instant, age: Duration) -> f64 {
        let Some((begin, _)) = self.second else { return 0.0 };
        let heard = 1.0 - fading(age.max(Duration::from_secs(5)));
        self.sum * fading(now.saturating_duration_since(begin)) / (MEMORY.as_secs_f64() * heard)
    }
}

fn fading(time: Duration) -> f64 {
    (-time.as_secs_f64() / MEMORY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules =
        Rules { rate: 5.0, max_calls: 10_000, max_bytes: 1 << 20, guaranteed: [0.5, 0.2, 0.1, 0.05] };
    const CLASSES: [Class; 3] = Class::ALL;

    fn names() -> [Arc<str>; 6] {
        std::array::from_fn(|n| format!("consumer {n}").into())
    }

    fn call(consumer: &Arc<str>, class: Class) -> Request<'_> {
        let before = Before::default();
        Request { reason: Reason::Miss, class, consumer, weight: 1, cost: 1, bytes: 100, before }
    }

    fn push_many(room: &mut Room<usize>, calls: usize, request: &Request<'_>, guest: usize) {
        for _ in 0..calls {
            room.push(request, Instant::now(), guest);
        }
    }

    fn drain(room: &mut Room<usize>) -> Vec<usize> {
        std::iter::from_fn(|| room.pop(false).map(|(guest, _)| guest)).collect()
    }

    #[test]
    fn signing_in_goes_first_then_the_classes_in_their_order_and_refreshes_last() {
        let (mut room, names, now) =
            (Room::new(Rules { guaranteed: [0.0; 4], ..RULES }, Instant::now()), names(), Instant::now());
        let of = |reason, class| Request { reason, ..call(&names[0], class) };
        for (request, n) in [
            (of(Reason::Refresh, Class::Interactive), 5),
            (of(Reason::Miss, Class::Batch), 4),
            (of(Reason::Write, Class::Partner), 3),
            (of(Reason::Retry, Class::Interactive), 2),
            (of(Reason::Miss, Class::Interactive), 1),
            (of(Reason::Auth, Class::Batch), 0),
        ] {
            room.push(&request, now, n);
        }
        assert_eq!(room.waiting(), 6);
        assert_eq!(drain(&mut room), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn while_signing_in_everybody_else_stays_seated() {
        let (mut room, names, now) = (Room::new(RULES, Instant::now()), names(), Instant::now());
        room.push(&call(&names[0], Class::Interactive), now, 1);
        assert!(!room.has_next(true) && room.pop(true).is_none());
        room.push(&Request { reason: Reason::Auth, ..call(&names[1], Class::Batch) }, now, 0);
        assert_eq!(room.pop(true), Some((0, 1)));
    }

    /// Who of the classes is served in `turns` turns, when those named always have work.
    fn shares(guaranteed: [f64; 4], busy: &[Reason], classes: &[Class], turns: usize) -> [usize; 4] {
        let (mut room, names, now) =
            (Room::new(Rules { guaranteed, ..RULES }, Instant::now()), names(), Instant::now());
        let mut served = [0; 4];
        let add = |room: &mut Room<usize>, at: usize| {
            let request = Request { reason: busy[at], ..call(&names[at], classes[at]) };
            room.push(&request, now, Lane::of(classes[at], busy[at]) as usize);
        };
        (0..busy.len()).for_each(|at| (0..3).for_each(|_| add(&mut room, at)));
        for _ in 0..turns {
            let (lane, _) = room.pop(false).unwrap();
            served[lane] += 1;
            let at = (0..busy.len()).find(|at| Lane::of(classes[*at], busy[*at]) as usize == lane).unwrap();
            add(&mut room, at);
        }
        served
    }

    #[test]
    fn each_class_with_work_gets_what_it_is_guaranteed_and_the_highest_the_rest() {
        use Reason::{Miss, Refresh};
        let [one, two, three] = CLASSES;
        let usual = [0.5, 0.2, 0.1, 0.05];
        let all = [Miss, Miss, Miss, Refresh];
        for (guaranteed, busy, classes, due) in [
            (usual, &all[..], &[one, two, three, one][..], [650, 200, 100, 50]),
            (usual, &[Miss, Refresh], &[two, one], [0, 950, 0, 50]),
            (usual, &[Refresh], &[one], [0, 0, 0, 1000]),
            ([0.0; 4], &[Miss, Miss], &[one, three], [1000, 0, 0, 0]),
        ] {
            let got = shares(guaranteed, busy, classes, 1000);
            assert!(got.iter().zip(due).all(|(got, due)| got.abs_diff(due) <= 3), "{got:?} and not {due:?}");
        }
    }

    #[test]
    fn what_a_class_did_not_use_is_not_saved_up() {
        let (mut room, names) = (Room::new(RULES, Instant::now()), names());
        // A hundred turns of partners alone, then batch and interactive come.
        push_many(&mut room, 110, &call(&names[0], Class::Partner), 1);
        (0..100).for_each(|_| assert!(room.pop(false).is_some()));
        push_many(&mut room, 10, &call(&names[1], Class::Batch), 2);
        push_many(&mut room, 10, &call(&names[2], Class::Interactive), 0);
        let turns: Vec<_> = (0..8).map(|_| room.pop(false).unwrap().0).collect();
        assert_eq!(turns.iter().filter(|lane| **lane == 0).count(), 7, "{turns:?}");
    }

    #[test]
    fn who_found_no_place_finds_one_when_so_many_have_left_as_it_was_told() {
        let [flood, late, ..] = names();
        for (max_calls, calls) in [(3, 3), (50, 10), (50, 30), (50, 50), (200, 120)] {
            let mut room = Room::new(Rules { max_calls, ..RULES }, Instant::now());
            push_many(&mut room, calls, &call(&late, Class::Interactive), 0);
            let flooding = call(&flood, Class::Interactive);
            while room.has_place_for(&flooding) {
                room.push(&flooding, Instant::now(), 1);
            }
            let turns = room.turns_until_place(&flooding);
            assert!((1..=max_calls / 2).contains(&turns), "{turns} of {max_calls}");
            (0..turns).for_each(|_| assert!(room.pop(false).is_some()));
            assert!(room.has_place_for(&flooding), "{max_calls} places, {turns} turns");
        }
    }

    #[test]
    fn one_consumers_flood_leaves_places_for_the_others() {
        let (mut room, names, now) =
            (Room::new(Rules { max_calls: 2000, ..RULES }, Instant::now()), names(), Instant::now());
        let flood = call(&names[0], Class::Batch);
        while room.has_place_for(&flood) {
            room.push(&flood, now, 0);
        }
        assert_eq!(room.waiting(), 1600);
        let other = call(&names[1], Class::Batch);
        while room.has_place_for(&other) {
            room.push(&other, now, 1);
        }
        assert!(room.waiting() < 2000);
        assert!(room.has_place_for(&call(&names[2], Class::Interactive)));
        let heavy = Request { bytes: RULES.max_bytes + 1, ..call(&names[2], Class::Interactive) };
        assert!(!room.has_place_for(&heavy));
        assert!(room.has_place_for(&Request { reason: Reason::Auth, ..heavy }));
    }

    #[test]
    fn bytes_are_bounded_like_calls() {
        let (mut room, names, now) = (Room::new(RULES, Instant::now()), names(), Instant::now());
        let large = |consumer| Request { bytes: 10_000, ..call(consumer, Class::Batch) };
        let mut fill = |consumer| {
            let mut calls = 0;
            while room.has_place_for(&large(consumer)) {
                room.push(&large(consumer), now, 0);
                calls += 1;
            }
            calls
        };
        let first = fill(&names[0]);
        assert!((75..=85).contains(&first), "{first} of 104 places");
        assert!(fill(&names[1]) > 0);
    }

    /// Follows the room until `mine` is served, while others go on coming; the turns it took.
    fn turns_until(
        room: &mut Room<usize>,
        mine: usize,
        mut every_turn: impl FnMut(&mut Room<usize>, usize),
    ) -> f64 {
        for turn in 0.. {
            if room.pop(false).unwrap().0 == mine {
                return f64::from(turn);
            }
            every_turn(room, turn as usize);
        }
        unreachable!("somebody is always served")
    }

    #[test]
    fn what_is_foretold_comes_true_when_nobody_else_comes() {
        let start = Instant::now();
        let now = start + Duration::from_secs(3600);
        for (reason, class, weight) in [
            (Reason::Miss, Class::Interactive, 1),
            (Reason::Miss, Class::Partner, 2),
            (Reason::Miss, Class::Batch, 1),
            (Reason::Retry, Class::Partner, 1),
            (Reason::Refresh, Class::Batch, 3),
        ] {
            let (mut room, names) = (Room::new(RULES, Instant::now()), names());
            for n in 0..300 {
                let request =
                    Request { weight: 1 + n % 3, ..call(&names[n as usize % 5], CLASSES[n as usize % 3]) };
                room.push(&request, start, 0);
            }
            let request = Request { reason, weight, ..call(&names[5], class) };
            let foretold = room.turns_ahead_of(&request, now, 5.0);
            room.push(&request, now, 1);
            let took = turns_until(&mut room, 1, |_, _| {});
            assert!(
                (foretold - took).abs() <= took * 0.1 + 2.0,
                "{class:?} {reason:?}: {foretold} and not {took}"
            );
        }
    }

    #[test]
    fn who_finds_the_room_empty_is_next_whatever_came_before() {
        let (mut room, names, now) = (Room::new(RULES, Instant::now()), names(), Instant::now());
        for class in CLASSES {
            room.push(&call(&names[0], class), now, 0);
            assert!(room.pop(false).is_some());
        }
        assert_eq!(room.turns_ahead_of(&call(&names[1], Class::Batch), now, 5.0), 0.0);
    }

    #[test]
    fn what_is_foretold_counts_on_more_urgent_calls_to_come() {
        // At five turns a second two interactive calls come each second, and have for a minute.
        let (mut room, names, start) = (Room::new(RULES, Instant::now()), names(), Instant::now());
        let second = |n: usize| start + Duration::from_millis(200) * u32::try_from(n).unwrap();
        for n in (0..300).filter(|n| n % 5 < 2) {
            room.push(&call(&names[0], Class::Interactive), second(n), 0);
            room.pop(false);
        }
        for _ in 0..200 {
            room.push(&call(&names[1], Class::Batch), second(300), 0);
        }
        let request = call(&names[1], Class::Batch);
        let foretold = room.turns_ahead_of(&request, second(300), 5.0);
        room.push(&request, second(300), 1);
        let took = turns_until(&mut room, 1, |room, n| {
            if n % 5 < 2 {
                room.push(&call(&names[0], Class::Interactive), second(300 + n), 0);
            }
        });
        assert!((300.0..350.0).contains(&took), "{took}");
        assert!((foretold / took - 1.0).abs() < 0.1, "{foretold} and not {took}");
    }

    proptest! {
        /// Nobody is lost or served twice, the bounds hold, and the count of who waits is right.
        #[test]
        fn everybody_who_stays_is_served_once(
            steps in proptest::collection::vec((0_u8..4, 0_usize..6, 0_usize..3, 0_usize..5, 1_u32..4), 1..300),
        ) {
            let (mut room, names, start) = (Room::new(Rules { max_calls: 40, ..RULES }, Instant::now()), names(), Instant::now());
            let mut seats: Vec<(Seat, usize)> = Vec::new();
            for (n, (what, consumer, class, reason, cost)) in steps.into_iter().enumerate() {
                let now = start + Duration::from_millis(37 * n as u64);
                let request = Request { reason: Reason::ALL[reason], cost, ..call(&names[consumer], CLASSES[class]) };
                let ahead = room.turns_ahead_of(&request, now, 5.0);
                prop_assert!(ahead >= 0.0 && ahead.is_finite());
                match what {
                    0 | 1 if room.has_place_for(&request) => seats.push((room.push(&request, now, n), n)),
                    2 if !seats.is_empty() => {
                        let (seat, guest) = seats.swap_remove(consumer % seats.len());
                        prop_assert_eq!(room.remove(seat), Some(guest));
                        prop_assert_eq!(room.remove(seat), None);
                    }
                    _ => {
                        if let Some((guest, _)) = room.pop(reason == 0) {
                            let before = seats.len();
                            seats.retain(|(_, seated)| *seated != guest);
                            prop_assert_eq!(seats.len() + 1, before);
                        }
                    }
                }
                prop_assert_eq!(room.waiting(), seats.len());
                prop_assert!(room.calls <= 40);
            }
            let mut left = drain(&mut room);
            left.sort_unstable();
            let mut seated: Vec<usize> = seats.into_iter().map(|(_, guest)| guest).collect();
            seated.sort_unstable();
            prop_assert_eq!(left, seated);
            prop_assert_eq!((room.calls, room.bytes), (0, 0));
            prop_assert!(room.consumers.values().all(|places| places.calls == 0 && places.bytes == 0));
        }

        /// However much the others have waiting, a class with work gets what it is guaranteed over any hundred turns.
        #[test]
        fn no_class_starves(parts in proptest::collection::vec(0_u32..25, 4), crowd in 1_usize..50) {
            let guaranteed: [f64; 4] = std::array::from_fn(|lane| f64::from(parts[lane]) / 100.0);
            let (mut room, names, now) = (Room::new(Rules { guaranteed, ..RULES }, Instant::now()), names(), Instant::now());
            let add = |room: &mut Room<usize>, lane: usize| {
                let (reason, class) = if lane == 3 { (Reason::Refresh, Class::Batch) } else { (Reason::Miss, CLASSES[lane]) };
                room.push(&Request { reason, ..call(&names[lane], class) }, now, lane);
            };
            (0..4).for_each(|lane| (0..crowd).for_each(|_| add(&mut room, lane)));
            let mut served = Vec::new();
            for _ in 0..400 {
                let (lane, _) = room.pop(false).unwrap();
                served.push(lane);
                add(&mut room, lane);
            }
            for window in served.windows(100) {
                for lane in 0..4 {
                    let got = window.iter().filter(|at| **at == lane).count() as f64;
                    prop_assert!(got >= (guaranteed[lane] * 100.0).floor() - 2.0, "{lane} got {got} of {guaranteed:?}");
                }
            }
        }
    }
}
