//! A request gone through without asking anybody: what it would call, what it would be refused for. What its answers
//! would be is only supposed, so all that is noted here is forgotten with it.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::interest::Refused;
use super::{RecordId, Source};

/// Reads by id that one call takes.
const GATHERED: usize = 200;
/// The first number of records that were made up. No CRM counts so far.
const MADE_UP: u64 = 1 << 62;

/// The way to a CRM.
pub struct Way {
    /// The CRM.
    pub source: Source,
    /// What whoever hands out its turns foretells.
    pub forecast: Forecast,
}

/// How long the last of these calls would wait if all were made now, in this order, and it accepted no longer wait than
/// that; or why it would not be made.
pub type Forecast = Box<dyn Fn(&[Planned], Duration) -> Result<Duration, Refused> + Send + Sync>;

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("source", &self.source).finish_non_exhaustive()
    }
}

/// A call as far as it matters to a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// What is called.
    pub operation: &'static str,
    /// Bytes it holds while it waits.
    pub bytes: usize,
}

/// What the answers that nobody knows are supposed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supposed {
    /// What they are most likely.
    Likely,
    /// Nothing.
    Empty,
    /// A single record: whether a page that is not full is the last, not every CRM tells.
    Single,
    /// More than any request reads.
    Full,
}

/// What a request would do, found out while it is gone through.
#[derive(Debug)]
pub struct Rehearsal {
    ways: Vec<Way>,
    supposed: Supposed,
    notes: Mutex<Notes>,
}

type Anything = Arc<dyn Any + Send + Sync>;

#[derive(Debug, Default)]
struct Notes {
    calls: Vec<(Source, Planned)>,
    under_way: Vec<(Source, Planned)>,
    /// Waits for calls that others made.
    joined: Vec<(Source, Duration)>,
    refused: Vec<(Source, Duration)>,
    refreshed: HashSet<Arc<str>>,
    /// Kinds of records of which stale ones are asked for again together.
    refreshed_together: HashSet<(&'static str, Source)>,
    /// Kinds of records of which some are asked for together.
    gathered: HashSet<(&'static str, Source)>,
    remembered: bool,
    writes: bool,
    unknown: Unknown,
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
    /// A CRM must be asked, or somebody else is asking it.
    Miss,
    /// Nothing of it is ever kept.
    None,
}

/// How much depends on answers that nobody knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// All answers are known.
    #[default]
    Nothing,
    /// Some are not; whether that matters is seen by supposing others.
    Answers,
    /// Some are not, and it matters.
    Course,
}

/// What a request would cost one CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The CRM.
    pub source: Source,
    /// Calls.
    pub calls: usize,
    /// How long the last of them waits for its turn, or the one that is refused would have, or a call that somebody else
    /// made and whose answer will do.
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
    /// How much depends on answers that nobody knows yet.
    pub unknown: Unknown,
}

/// A call that is supposed to be under way.
#[derive(Debug)]
pub struct Leaving<'a>(&'a Rehearsal, (Source, Planned));

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut notes = self.0.lock();
        if let Some(at) = notes.under_way.iter().position(|call| *call == self.1) {
            notes.under_way.swap_remove(at);
        }
    }
}

impl Rehearsal {
    /// A rehearsal in front of these CRMs.
    pub fn new(ways: Vec<Way>, supposed: Supposed) -> Self {
        Self { ways, supposed, notes: Mutex::default() }
    }

    /// What unknown answers are supposed to be.
    pub fn supposes(&self) -> Supposed {
        self.supposed
    }

    /// Notes a call, if it would get its turn within `accepted`. Calls made while it is under way come after it.
    pub fn call(&self, source: Source, planned: Planned, accepted: Duration) -> Result<Leaving<'_>, Refused> {
        let mut notes = self.lock();
        if let Some(way) = self.way(source) {
            let mut calls = of(&notes.under_way, source);
            calls.push(planned);
            if let Err(refused) = (way.forecast)(&calls, accepted) {
                notes.refused.push((source, refused.wait()));
                return Err(refused);
            }
        }
        notes.calls.push((source, planned));
        notes.under_way.push((source, planned));
        Ok(Leaving(self, (source, planned)))
    }

    /// How long a call would wait that came now, alone.
    pub fn wait(&self, source: Source, planned: Planned) -> Duration {
        self.way(source).map_or(Duration::ZERO, |way| way.wait(&[planned]))
    }

    /// Notes that the answer to a call that somebody else made will do, and how long that still waits.
    pub fn join(&self, source: Source, wait: Duration) {
        self.lock().joined.push((source, wait));
    }

    fn way(&self, source: Source) -> Option<&Way> {
        self.ways.iter().find(|way| way.source == source)
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

    /// Notes how much depends on an answer that nobody knows.
    pub fn unknown(&self, how: Unknown) {
        let mut notes = self.lock();
        notes.unknown = notes.unknown.max(how);
    }

    /// Notes that what follows is made of what the answers so far hold.
    pub fn goes_by_answers(&self) {
        let mut notes = self.lock();
        if notes.unknown == Unknown::Answers {
            notes.unknown = Unknown::Course;
        }
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
        let longest = |of: &[(Source, Duration)], source| {
            of.iter().filter(|(other, _)| *other == source).map(|(_, wait)| *wait).max()
        };
        let cost = |way: &Way| {
            let source = way.source;
            let calls = of(&notes.calls, source);
            let (refused, joined) = (longest(&notes.refused, source), longest(&notes.joined, source));
            if calls.is_empty() && refused.is_none() && joined.is_none() {
                return None;
            }
            let own = refused.unwrap_or_else(|| way.wait(&calls));
            let wait = own.max(joined.unwrap_or_default());
            Some(Cost { source, calls: calls.len(), wait, refused: refused.is_some() })
        };
        let ways: Vec<Cost> = self.ways.iter().filter_map(cost).collect();
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
        Costs { ways, remembered, refreshes, unknown: notes.unknown }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("no code panics while it holds the notes")
    }
}

impl Way {
    /// How long the last of these calls waits, whether it would be made or not.
    fn wait(&self, calls: &[Planned]) -> Duration {
        (self.forecast)(calls, Duration::MAX).unwrap_or_else(Refused::wait)
    }
}

impl Costs {
    /// Whether the same calls are made.
    pub fn is_same(&self, other: &Self) -> bool {
        let calls = |costs: &Self| -> Vec<_> {
            costs.ways.iter().map(|cost| (cost.source, cost.calls, cost.refused)).collect()
        };
        calls(self) == calls(other) && self.refreshes == other.refreshes
    }
}

/// Those of the calls that go to a CRM.
fn of(calls: &[(Source, Planned)], source: Source) -> Vec<Planned> {
    calls.iter().filter(|(other, _)| *other == source).map(|(_, planned)| *planned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Planned = Planned { operation: "teacher/index", bytes: 0 };

    fn rehearsal(first: u64) -> Rehearsal {
        let forecast: Forecast = Box::new(move |calls, accepted| {
            let ahead = calls.len().saturating_sub(1) as u64;
            let wait = Duration::from_millis(first + 200 * ahead);
            if wait > accepted.min(Duration::from_secs(1)) { Err(Refused::Wait(wait)) } else { Ok(wait) }
        });
        Rehearsal::new(vec![Way { source: Source::AlfaCrm, forecast }], Supposed::Likely)
    }

    #[test]
    fn a_call_that_would_wait_too_long_is_refused_and_not_counted() {
        let rehearsal = rehearsal(900);
        let call = |accepted| rehearsal.call(Source::AlfaCrm, CALL, accepted);
        let first = call(Duration::MAX).unwrap();
        assert_eq!(call(Duration::MAX).unwrap_err(), Refused::Wait(Duration::from_millis(1100)));
        drop(first);
        assert!(call(Duration::MAX).is_ok(), "the first has been answered");
        assert!(call(Duration::from_millis(800)).is_err());
        let costs = rehearsal.costs();
        assert_eq!((costs.ways[0].calls, costs.ways[0].refused), (2, true));
        assert_eq!(costs.ways[0].wait, Duration::from_millis(1100));
        assert_eq!(costs.remembered, Remembered::Miss);
    }

    #[test]
    fn whose_answer_comes_from_a_call_of_others_waits_for_it_without_a_call() {
        let rehearsal = rehearsal(0);
        rehearsal.join(Source::AlfaCrm, Duration::from_millis(700));
        let costs = rehearsal.costs();
        let [cost] = costs.ways[..] else { panic!("{costs:?}") };
        assert_eq!((cost.calls, cost.wait, cost.refused), (0, Duration::from_millis(700), false));
        assert_eq!(costs.remembered, Remembered::Miss);
    }
}
