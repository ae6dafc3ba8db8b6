//! A request gone through without asking anybody: what it would call, what it would be refused for. What its answers
//! would be is only supposed, so all that is noted here is forgotten with it.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{RecordId, Source};

/// Reads by id that one call takes.
const GATHERED: usize = 200;
/// The first number of records that were made up. No CRM counts so far.
const MADE_UP: u64 = 1 << 62;

/// The way to a CRM as it was when the rehearsal began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The CRM.
    pub source: Source,
    /// How long a call that came now would wait for its turn.
    pub wait: Duration,
    /// The time between two turns.
    pub between: Duration,
    /// Calls back to back after an idle time.
    pub burst: u32,
    /// The longest wait there is.
    pub longest: Duration,
    /// When it is tried again, if it takes no calls now.
    pub closed: Option<Duration>,
}

/// Why a call would not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It would wait so long, which is too long.
    Wait(Duration),
    /// The CRM takes no calls for so long.
    Closed(Duration),
}

/// What a request would do, found out while it is gone through.
#[derive(Debug)]
pub struct Rehearsal {
    ways: Vec<Way>,
    notes: Mutex<Notes>,
}

type Anything = Arc<dyn Any + Send + Sync>;

#[derive(Debug, Default)]
struct Notes {
    calls: Vec<Source>,
    under_way: Vec<Source>,
    refused: Vec<Source>,
    refreshed: HashSet<Arc<str>>,
    /// Kinds of records of which stale ones are asked for again together.
    refreshed_together: HashSet<(&'static str, Source)>,
    /// Kinds of records of which some are asked for together.
    gathered: HashSet<(&'static str, Source)>,
    remembered: bool,
    writes: bool,
    estimated: bool,
    /// What this request was supposed to have been answered, and when.
    answers: HashMap<Arc<str>, (Anything, u64)>,
    /// Questions that were asked and not answered yet.
    open: HashSet<Arc<str>>,
    /// How many share the call that takes reads by id of a kind, while it takes more.
    gathering: HashMap<(&'static str, Source), usize>,
    /// When a resource was written.
    written: HashMap<&'static str, u64>,
    made_up: HashSet<RecordId>,
    supposed: HashSet<RecordId>,
    seen: HashMap<(TypeId, &'static str), Anything>,
    numbers: u64,
}

/// How memory would take part in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// All of it is fresh in memory.
    Hit,
    /// All of it is in memory, some of it stale.
    Stale,
    /// A CRM must be asked.
    Miss,
    /// Nothing of it is ever kept.
    None,
}

/// What a request would cost one CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The CRM.
    pub source: Source,
    /// Calls.
    pub calls: usize,
    /// How long the last of them waits for its turn, or the one that is refused would have.
    pub wait: Duration,
    /// Whether a call would be refused.
    pub refused: bool,
}

/// What a request would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// Each CRM that it would call or be refused by.
    pub ways: Vec<Cost>,
    /// How memory takes part.
    pub remembered: Remembered,
    /// Calls in the background because something is stale.
    pub refreshes: usize,
    /// Whether something depends on answers that nobody knows yet.
    pub estimated: bool,
}

/// A call that is supposed to be under way.
#[derive(Debug)]
pub struct Leaving<'a>(&'a Rehearsal, Source);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut notes = self.0.lock();
        if let Some(at) = notes.under_way.iter().position(|source| *source == self.1) {
            notes.under_way.swap_remove(at);
        }
    }
}

impl Rehearsal {
    /// A rehearsal in front of CRMs that stand like this.
    pub fn new(ways: Vec<Way>) -> Self {
        Self { ways, notes: Mutex::default() }
    }

    /// Notes a call, if it would get its turn within `accepted`. Calls made while it is under way come after it.
    pub fn call(&self, source: Source, accepted: Duration) -> Result<Leaving<'_>, Refused> {
        let way = self.ways.iter().find(|way| way.source == source);
        let mut notes = self.lock();
        if let Some(way) = way {
            let ahead = notes.under_way.iter().filter(|other| **other == source).count();
            let wait = way.wait_of(ahead);
            let refused = match way.closed {
                Some(pause) => Some(Refused::Closed(pause)),
                None => (wait > way.longest.min(accepted)).then_some(Refused::Wait(wait)),
            };
            if let Some(refused) = refused {
                notes.refused.push(source);
                return Err(refused);
            }
        }
        notes.calls.push(source);
        notes.under_way.push(source);
        Ok(Leaving(self, source))
    }

    /// Notes a read by id that goes with others of its kind; whether it is the one that makes the call.
    pub fn gather(&self, resource: &'static str, source: Source) -> bool {
        let mut notes = self.lock();
        let places = notes.gathering.entry((resource, source)).or_default();
        *places += 1;
        let (first, full) = (*places == 1, *places >= GATHERED);
        if full {
            notes.gathering.remove(&(resource, source));
        }
        notes.gathered.insert((resource, source));
        first
    }

    /// The call that takes reads by id of a kind has left.
    pub fn gathered(&self, resource: &'static str, source: Source) {
        self.lock().gathering.remove(&(resource, source));
    }

    /// Notes that something in memory is good enough.
    pub fn remembered(&self) {
        self.lock().remembered = true;
    }

    /// Notes that a question would be asked again in the background.
    pub fn refreshed(&self, key: &Arc<str>) {
        self.lock().refreshed.insert(Arc::clone(key));
    }

    /// Notes that a record of a kind would be asked for again in the background, with others of that kind.
    pub fn refreshed_together(&self, resource: &'static str, source: Source) {
        self.lock().refreshed_together.insert((resource, source));
    }

    /// Notes that the request writes.
    pub fn writes(&self) {
        self.lock().writes = true;
    }

    /// Notes that what follows depends on an answer that nobody knows.
    pub fn estimated(&self) {
        self.lock().estimated = true;
    }

    /// Opens a question; `false` when it is open already.
    pub fn open(&self, key: &Arc<str>) -> bool {
        self.lock().open.insert(Arc::clone(key))
    }

    /// Whether a question is open.
    pub fn is_open(&self, key: &Arc<str>) -> bool {
        self.lock().open.contains(key)
    }

    /// Closes a question without an answer.
    pub fn close(&self, key: &Arc<str>) {
        self.lock().open.remove(key);
    }

    /// Closes a question with what its answer is supposed to be, at `generation`.
    pub fn answered(&self, key: &Arc<str>, answer: Anything, generation: u64) {
        let mut notes = self.lock();
        notes.open.remove(key);
        notes.answers.insert(Arc::clone(key), (answer, generation));
    }

    /// What a question was supposed to have been answered, and when.
    pub fn answer<T: Send + Sync + 'static>(&self, key: &Arc<str>) -> Option<(Arc<T>, u64)> {
        let (answer, generation) = self.lock().answers.get(key).cloned()?;
        Some((answer.downcast().ok()?, generation))
    }

    /// Notes that something of a resource was written at `generation`.
    pub fn written(&self, resource: &'static str, generation: u64) {
        self.lock().written.insert(resource, generation);
    }

    /// When something of a resource was written.
    pub fn written_at(&self, resource: &'static str) -> Option<u64> {
        self.lock().written.get(resource).copied()
    }

    /// A number that grows.
    pub fn tick(&self) -> u64 {
        let mut notes = self.lock();
        notes.numbers += 1;
        notes.numbers
    }

    /// The number of a record that there is not, the same for the same `row` of a list.
    pub fn number(list: u64, row: u64) -> u64 {
        MADE_UP | (list << 32 & (MADE_UP - 1)) | (row & u64::from(u32::MAX))
    }

    /// Notes that a record was made up: what it holds says nothing.
    pub fn made_up(&self, id: &RecordId) {
        self.lock().made_up.insert(id.clone());
    }

    /// Notes that a record is supposed to be like another one: nothing can be compared with it.
    pub fn supposed(&self, id: &RecordId) {
        self.lock().supposed.insert(id.clone());
    }

    /// Whether what a record holds is not known.
    pub fn is_supposed(&self, id: &RecordId) -> bool {
        let notes = self.lock();
        notes.supposed.contains(id) || notes.made_up.contains(id)
    }

    /// Whether a record was made up.
    pub fn is_made_up(&self, id: &RecordId) -> bool {
        self.lock().made_up.contains(id)
    }

    /// What is known of a kind of record, looked up once.
    pub fn seen<T: Send + Sync + 'static>(&self, which: &'static str, look: impl FnOnce() -> T) -> Arc<T> {
        let key = (TypeId::of::<T>(), which);
        let known = self.lock().seen.get(&key).cloned();
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return known;
        }
        let found = Arc::new(look());
        self.lock().seen.insert(key, Arc::clone(&found) as Anything);
        found
    }

    /// What the request would cost, as far as it was gone through.
    pub fn costs(&self) -> Costs {
        let notes = self.lock();
        let of = |way: &Way| {
            let calls = notes.calls.iter().filter(|source| **source == way.source).count();
            let refused = notes.refused.contains(&way.source);
            let wait = if refused { way.wait } else { way.wait_of(calls.saturating_sub(1)) };
            Cost { source: way.source, calls, wait, refused }
        };
        let ways: Vec<Cost> =
            self.ways.iter().map(of).filter(|cost| cost.calls > 0 || cost.refused).collect();
        let remembered = match () {
            () if notes.writes => Remembered::None,
            () if !ways.is_empty() => Remembered::Miss,
            () if !notes.refreshed.is_empty() || !notes.refreshed_together.is_empty() => Remembered::Stale,
            () if notes.remembered => Remembered::Hit,
            () => Remembered::None,
        };
        // Those that go together go with whatever of their kind is asked for anyway.
        let together = notes.refreshed_together.difference(&notes.gathered).count();
        let refreshes = notes.refreshed.len() + together;
        Costs { ways, remembered, refreshes, estimated: notes.estimated }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("no code panics while it holds the notes")
    }
}

impl Way {
    /// How long a call waits that comes together with so many others of the same request.
    fn wait_of(&self, ahead: usize) -> Duration {
        // Whoever need not wait finds the allowance for calls back to back untouched.
        let free = if self.wait.is_zero() { usize::try_from(self.burst).unwrap_or(1).max(1) - 1 } else { 0 };
        let turns = u32::try_from(ahead.saturating_sub(free)).unwrap_or(u32::MAX);
        self.wait.saturating_add(self.between.saturating_mul(turns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(wait: u64, burst: u32) -> Way {
        Way {
            source: Source::AlfaCrm,
            wait: Duration::from_millis(wait),
            between: Duration::from_millis(200),
            burst,
            longest: Duration::from_secs(1),
            closed: None,
        }
    }

    #[test]
    fn calls_in_a_row_wait_for_each_other_but_for_those_that_may_go_back_to_back() {
        let waits = |way: Way| [0, 1, 2].map(|ahead| way.wait_of(ahead).as_millis());
        assert_eq!(waits(way(0, 1)), [0, 200, 400]);
        assert_eq!(waits(way(0, 2)), [0, 0, 200]);
        assert_eq!(waits(way(300, 2)), [300, 500, 700]);
    }

    #[test]
    fn a_call_that_would_wait_too_long_is_refused_and_not_counted() {
        let rehearsal = Rehearsal::new(vec![way(900, 1)]);
        let first = rehearsal.call(Source::AlfaCrm, Duration::MAX).unwrap();
        let second = rehearsal.call(Source::AlfaCrm, Duration::MAX).unwrap_err();
        assert_eq!(second, Refused::Wait(Duration::from_millis(1100)));
        drop(first);
        assert!(rehearsal.call(Source::AlfaCrm, Duration::MAX).is_ok(), "the first has been answered");
        assert!(rehearsal.call(Source::AlfaCrm, Duration::from_millis(800)).is_err());
        let costs = rehearsal.costs();
        assert_eq!((costs.ways[0].calls, costs.ways[0].refused), (2, true));
        assert_eq!(costs.remembered, Remembered::Miss);
    }
}
