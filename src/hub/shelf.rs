//! Lists and single records of one kind, of all CRMs that have it: sequences become one list, visibility is applied,
//! and who could not be asked is named.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;

use super::desk::{Desk, Way};
use super::gather::Gather;
use super::journal::Journal;
use super::mark::{Cursor, fingerprint};
use super::marks::Marks;
use super::nested::{Walk, paying_projects};
use super::own::{Kinship, Theirs, seen};
use super::pages::Spring;
use super::seal::Seal;
use super::wholes::Wholes;
use super::{Answer, Failure, PageRequest, Scope};
use crate::cache::Policy;
use crate::crm::error::not_cached;
use crate::crm::{self, Branches, Find, Source};
use crate::model::project::Project;
use crate::model::reference::{Book, ReferenceEntry, ReferenceFilter};
use crate::model::{
    Ctx, Entity, Filter, Incomplete, Order, Page, Record, RecordId, Sight, Source as CrmName,
};

/// Calls to a CRM that one page of a list may cost. A page that would cost more is cut short and says where to go on.
const CALLS_PER_PAGE: usize = 48;

/// How many of these calls may go into lists of lists while there is something else to read.
const LISTS_BESIDE_OTHERS: usize = 5;

/// All records of one kind.
pub struct Shelf<E: Entity> {
    pub(super) desk: Arc<Desk>,
    pub(super) sources: Vec<Arc<dyn Source<E>>>,
    /// For each source, if its CRM takes lists of ids.
    gathers: Vec<Option<Arc<Gather<E>>>>,
    policy: Policy,
    marks: Arc<Marks>,
    wholes: Arc<Wholes<E>>,
    pub(super) around: Arc<Around>,
}

/// What shelves need of each other.
pub(super) struct Around {
    /// Branches the gateway is limited to; none means all there are.
    pub(super) branches: Vec<u64>,
    pub(super) reference: Vec<Arc<dyn Source<ReferenceEntry>>>,
    pub(super) reference_policy: Policy,
    pub(super) projects: Vec<Arc<dyn Source<Project>>>,
    pub(super) projects_policy: Policy,
    pub(super) kinship: Kinship,
    /// What cursors are sealed with; made up when first needed where nobody set it.
    pub(super) seal: OnceLock<Seal>,
}

impl Around {
    fn seal(&self) -> &Seal {
        self.seal.get_or_init(|| Seal::of(&rand::random::<[u8; 32]>()))
    }
}

impl<E: Entity> std::fmt::Debug for Shelf<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf")
            .field("resource", &E::RESOURCE)
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}

/// One sequence with what it takes to read it.
struct Reader<'a, E: Entity> {
    source: &'a Arc<dyn Source<E>>,
    /// What it is asked by: the question, or a part of it.
    filter: &'a E::Filter,
    /// Which part.
    part: usize,
    walk: Walk<E>,
    /// Whether there was something left to read when the page began.
    open: bool,
    failed: Option<crm::Error>,
    /// All branches that the list is read from.
    branches: Vec<u64>,
}

impl<E: Entity> Shelf<E> {
    pub(super) fn new(
        desk: Arc<Desk>,
        sources: Vec<Arc<dyn Source<E>>>,
        policy: Policy,
        around: Arc<Around>,
    ) -> Self {
        let gathers = sources.iter().map(Gather::of).collect();
        let marks = desk.marks(E::RESOURCE);
        Self { desk, sources, gathers, policy, marks, wholes: Arc::default(), around }
    }

    /// The CRMs that have such records.
    pub fn crms(&self) -> Vec<CrmName> {
        self.sources.iter().map(|source| source.crm()).collect()
    }

    /// One page of a list.
    pub async fn list(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        filter: &E::Filter,
        page: &PageRequest,
    ) -> Result<Answer<Page<E>>, Failure> {
        let trip = Journal::new(ctx, self.sources.len());
        let question = fingerprint(&format!("{} {filter:?} {scope:?}", E::RESOURCE));
        let cursor = page
            .cursor
            .as_deref()
            .map(|text| Cursor::decode(text, &question, self.around.seal()))
            .transpose()?;
        let visible = self.visible(scope)?;
        let theirs = self.around.kinship.theirs(&trip, scope, (E::ROWS.needs)(filter)).await?;
        let parts = match &theirs {
            Some(theirs) => E::ROWS.narrowed(filter, &theirs.own),
            None => vec![filter.clone()],
        };
        let failed = theirs.as_ref().and_then(|theirs| theirs.failed.as_ref());
        let mut incomplete: Vec<_> =
            failed.map(|error| (missing(error, None), error.clone())).into_iter().collect();
        let mut readers = Vec::new();
        self.is_kept(filter)?;
        for (part, asked) in parts.iter().enumerate() {
            let cursor = cursor.as_ref();
            let more = self.readers(&trip, scope, (part, asked), &visible, cursor, &mut incomplete).await?;
            readers.extend(more);
        }
        let open = readers.iter().filter(|reader: &&Reader<'_, E>| reader.open).count();
        let lists = if open > 1 { LISTS_BESIDE_OTHERS } else { CALLS_PER_PAGE };
        readers.iter_mut().for_each(|reader: &mut Reader<'_, E>| reader.walk.limit(lists));
        // How many there are of others is not theirs to know either.
        let mut uncounted =
            cursor.as_ref().is_some_and(|cursor| cursor.uncounted) || (theirs.is_some() && !E::ROWS.open);
        let mut items: Vec<Arc<Record<E>>> = Vec::new();

        let limit = page.limit;
        while items.len() < limit {
            let Some((at, record)) = self.next(&trip, &mut readers).await else { break };
            let fitting = if trip.is_made_up(&record.id) {
                Some(Arc::clone(&record))
            } else {
                self.fitting(&record, filter, &visible, theirs.as_ref())
            };
            uncounted |= fitting.is_none();
            if let Some(fitting) = fitting
                && !is_elsewhere(&record, at, &readers)
                && !items.iter().any(|known| known.id == record.id)
            {
                items.push(fitting);
            }
            readers[at].walk.pass(&record);
            if trip.calls() >= CALLS_PER_PAGE {
                break;
            }
        }
        self.finish(&trip, readers, items, incomplete, uncounted, &question)
    }

    /// What of a record belongs into the answer to a question, if it does. What is not shown cannot be asked by, so the
    /// part that is theirs has to fit as well.
    fn fitting(
        &self,
        record: &Arc<Record<E>>,
        filter: &E::Filter,
        visible: &Option<Vec<u64>>,
        theirs: Option<&Theirs>,
    ) -> Option<Arc<Record<E>>> {
        if !filter.matches(record) || !is_visible(record, visible) {
            return None;
        }
        let shown = seen(record, filter, theirs)?;
        (!shown.is_reduced() || filter.matches(&shown)).then_some(shown)
    }

    /// One record. `filter` is what the path says, for records that hang on others.
    pub async fn get(
        &self,
        ctx: &Ctx,
        scope: &Scope,
        filter: &E::Filter,
        id: &RecordId,
    ) -> Result<Answer<Arc<Record<E>>>, Failure> {
        let trip = Journal::new(ctx, 1);
        let hides = ctx.freshness.only_if_cached && *scope.sight != Sight::all();
        let value = self.find(&trip, scope, filter, id).await.map_err(|failure| match failure {
            // That memory has a record which is not shown must look as if it had none.
            Failure::NotFound if hides => not_cached(id.source()).into(),
            failure => failure,
        })?;
        Ok(Answer { value, provenance: trip.provenance(), witness: trip.witness() })
    }

    /// One record, on a way that others share.
    pub(super) async fn find(
        &self,
        trip: &Journal<'_>,
        scope: &Scope,
        filter: &E::Filter,
        id: &RecordId,
    ) -> Result<Arc<Record<E>>, Failure> {
        self.is_kept(filter)?;
        let visible = self.visible(scope)?;
        let theirs = self.around.kinship.theirs(trip, scope, (E::ROWS.needs)(filter)).await?;
        let may_be = |theirs: &Theirs| {
            (E::ROWS.by_id)(id, &theirs.own) && !E::ROWS.narrowed(filter, &theirs.own).is_empty()
        };
        if let Some(theirs) = theirs.as_ref().filter(|theirs| !may_be(theirs)) {
            return Err(theirs.failed.clone().map_or(Failure::NotFound, Failure::from));
        }
        let found = self.find_whole(trip, scope, filter, id, &visible).await?;
        if trip.is_made_up(id) {
            return Ok(found);
        }
        let failed = theirs.as_ref().and_then(|theirs| theirs.failed.clone());
        seen(&found, filter, theirs.as_ref()).ok_or_else(|| failed.map_or(Failure::NotFound, Failure::from))
    }

    /// The record as it is, if it is in a branch that may be seen.
    async fn find_whole(
        &self,
        trip: &Journal<'_>,
        scope: &Scope,
        filter: &E::Filter,
        id: &RecordId,
        visible: &Option<Vec<u64>>,
    ) -> Result<Arc<Record<E>>, Failure> {
        let at = self.sources.iter().position(|source| source.crm() == id.source() && source.has(filter));
        let Some(at) = at else { return Err(Failure::NotFound) };
        let source = &self.sources[at];
        let branches = self.branches(trip, source, filter, &within(scope, visible)).await?;
        let visible = |record: &Record<E>| is_visible(record, visible) || trip.is_made_up(&record.id);
        let mine = |record: &Arc<Record<E>>| record.id == *id && visible(record);
        match source.by_id(id, filter, &branches) {
            Find::Ask(questions) => {
                let mut ignored = false;
                let alone = questions.len() == 1;
                for question in questions {
                    let way = match &self.gathers[at] {
                        Some(gather) => Way::Gathered(gather, id),
                        None => Way::Record { id, alone },
                    };
                    let (bounds, version) = ((&*self.marks, None), self.marks.version());
                    let found = self.desk.ask(trip, source, &question, way, &self.policy, bounds).await?;
                    trip.note(&question.key, &found, &self.policy, (&self.marks, version));
                    if let Some(record) = found.chunk.records.iter().find(|record| mine(record)) {
                        return Ok(Arc::clone(record));
                    }
                    ignored |= found.chunk.records.iter().any(|record| record.id != *id);
                }
                // A CRM that answers with others does not know the filter.
                if ignored {
                    return self.look_through(trip, source, filter, &branches, mine).await;
                }
            }
            Find::Walk => return self.look_through(trip, source, filter, &branches, mine).await,
        }
        Err(Failure::NotFound)
    }

    /// Looks a record up in the list of all.
    async fn look_through(
        &self,
        trip: &Journal<'_>,
        source: &Arc<dyn Source<E>>,
        filter: &E::Filter,
        branches: &Branches,
        mine: impl Fn(&Arc<Record<E>>) -> bool,
    ) -> Result<Arc<Record<E>>, Failure> {
        let spring = self.spring(trip, source, filter);
        for lane in source.lanes(filter, branches)? {
            let mut walk: Walk<E> = Walk::new(lane, None);
            while let Some(record) = walk.peek(&spring, None).await? {
                if mine(&record) {
                    return Ok(record);
                }
                walk.pass(&record);
            }
        }
        Err(Failure::NotFound)
    }

    /// Whether some CRM keeps what was asked for; if none does, that is no empty list.
    fn is_kept(&self, filter: &E::Filter) -> Result<(), Failure> {
        let kept = self.sources.iter().any(|source| source.has(filter));
        if kept { Ok(()) } else { Err(Failure::NotSupported) }
    }

    pub(super) fn spring<'a>(
        &'a self,
        trip: &'a Journal<'a>,
        source: &'a Arc<dyn Source<E>>,
        filter: &'a E::Filter,
    ) -> Spring<'a, E> {
        Spring {
            desk: &self.desk,
            trip,
            source,
            filter,
            policy: &self.policy,
            marks: &self.marks,
            wholes: Some(&self.wholes),
        }
    }

    /// The branches an answer may come from; none means no restriction.
    pub(super) fn visible(&self, scope: &Scope) -> Result<Option<Vec<u64>>, Failure> {
        let configured = (!self.around.branches.is_empty()).then(|| self.around.branches.clone());
        let allowed = match (&scope.sight.branches, configured) {
            (Some(seen), Some(configured)) => {
                Some(configured.into_iter().filter(|id| seen.contains(id)).collect())
            }
            (Some(seen), None) => Some(seen.clone()),
            (None, configured) => configured,
        };
        if scope.wanted.is_empty() {
            return Ok(allowed);
        }
        let mut wanted = Vec::new();
        for id in &scope.wanted {
            let known = id.source() == CrmName::AlfaCrm && id.parent().is_none();
            if !known || allowed.as_ref().is_some_and(|allowed: &Vec<u64>| !allowed.contains(&id.number())) {
                return Err(Failure::ForbiddenBranch(id.clone()));
            }
            if !wanted.contains(&id.number()) {
                wanted.push(id.number());
            }
        }
        Ok(Some(wanted))
    }

    pub(super) async fn branches(
        &self,
        trip: &Journal<'_>,
        source: &Arc<dyn Source<E>>,
        filter: &E::Filter,
        visible: &Option<Vec<u64>>,
    ) -> Result<Branches, crm::Error> {
        if let Some(visible) = visible {
            return Ok(Branches::Only(visible.clone()));
        }
        if !source.needs_branches(filter) {
            return Ok(Branches::All(Vec::new()));
        }
        self.all_branches(trip, source.crm()).await.map(Branches::All)
    }

    /// All branches of a CRM; none where it has none. They say what to ask, so no answer is as old as they are.
    pub(super) async fn all_branches(
        &self,
        trip: &Journal<'_>,
        crm: CrmName,
    ) -> Result<Vec<u64>, crm::Error> {
        let Some(book) = self.around.reference.iter().find(|book| book.crm() == crm) else {
            return Ok(Vec::new());
        };
        let lookup = Journal::new(trip.ctx, self.sources.len());
        let branches = self.book_of_branches(&lookup, book).await;
        trip.look_aside(lookup);
        branches
    }

    async fn book_of_branches(
        &self,
        trip: &Journal<'_>,
        book: &Arc<dyn Source<ReferenceEntry>>,
    ) -> Result<Vec<u64>, crm::Error> {
        let all = ReferenceFilter { book: Some(Book::Branches) };
        let spring = Spring {
            desk: &self.desk,
            trip,
            source: book,
            filter: &all,
            policy: &self.around.reference_policy,
            marks: &self.desk.marks(ReferenceEntry::RESOURCE),
            wholes: None,
        };
        let mut ids = Vec::new();
        for lane in book.lanes(&all, &Branches::All(Vec::new()))? {
            let mut walk: Walk<ReferenceEntry> = Walk::new(lane, None);
            while let Some(branch) = walk.peek(&spring, None).await? {
                ids.push(branch.id.number());
                walk.pass(&branch);
            }
        }
        Ok(ids)
    }

    /// The sequences of the list, each where the cursor left it. A CRM that cannot say which they are is incomplete.
    async fn readers<'a>(
        &'a self,
        trip: &Journal<'_>,
        scope: &Scope,
        (part, filter): (usize, &'a E::Filter),
        visible: &Option<Vec<u64>>,
        cursor: Option<&Cursor>,
        incomplete: &mut Vec<(Incomplete, crm::Error)>,
    ) -> Result<Vec<Reader<'a, E>>, Failure> {
        let mut readers = Vec::new();
        for source in self.sources.iter().filter(|source| source.has(filter)) {
            if !scope.wanted.is_empty() && !source.has_branches() {
                continue;
            }
            let branches = self.branches(trip, source, filter, &within(scope, visible)).await;
            let lanes = branches.and_then(|branches| Ok((source.lanes(filter, &branches)?, branches)));
            match lanes {
                Ok((lanes, branches)) => readers.extend(lanes.into_iter().map(|mut lane| {
                    if part > 0 {
                        lane.name = format!("{} #{part}", lane.name);
                    }
                    let left = cursor
                        .and_then(|cursor| cursor.lanes.iter().find(|mark| mark.lane == lane.name).cloned());
                    let walk = Walk::new(lane, left);
                    let open = !walk.is_done();
                    let branches = numbers(&branches);
                    Reader { source, filter, part, walk, open, failed: None, branches }
                })),
                Err(error) => incomplete.push((missing(&error, None), error)),
            }
        }
        Ok(readers)
    }

    /// The sequence whose record comes next, and the record. Sequences that cannot be read are passed over.
    async fn next(
        &self,
        trip: &Journal<'_>,
        readers: &mut [Reader<'_, E>],
    ) -> Option<(usize, Arc<Record<E>>)> {
        let paying = paying_projects();
        let paying_marks = self.desk.marks(Project::RESOURCE);
        let peek = async |reader: &mut Reader<'_, E>| {
            if reader.failed.is_some() || reader.walk.is_done() {
                return None;
            }
            let spring = self.spring(trip, reader.source, reader.filter);
            let parents = self.around.projects.iter().find(|projects| projects.crm() == reader.source.crm());
            let projects = parents.map(|source| Spring {
                desk: &self.desk,
                trip,
                source,
                filter: &paying,
                policy: &self.around.projects_policy,
                marks: &paying_marks,
                wholes: None,
            });
            match reader.walk.peek(&spring, projects.as_ref()).await {
                Ok(record) => record,
                Err(error) => {
                    reader.failed = Some(error);
                    None
                }
            }
        };
        match E::order() {
            Order::OneAfterTheOther => {
                for (at, reader) in readers.iter_mut().enumerate() {
                    if let Some(record) = peek(reader).await {
                        return Some((at, record));
                    }
                }
                None
            }
            Order::Merged(compare) => {
                let heads = join_all(readers.iter_mut().map(peek)).await;
                let heads =
                    heads.into_iter().enumerate().filter_map(|(at, head)| head.map(|record| (at, record)));
                // The first of equals, so that the order is the same each time.
                heads.reduce(
                    |best, next| if compare(&next.1, &best.1) == Ordering::Less { next } else { best },
                )
            }
        }
    }

    fn finish(
        &self,
        trip: &Journal<'_>,
        mut readers: Vec<Reader<'_, E>>,
        items: Vec<Arc<Record<E>>>,
        mut incomplete: Vec<(Incomplete, crm::Error)>,
        uncounted: bool,
        question: &str,
    ) -> Result<Answer<Page<E>>, Failure> {
        for reader in &readers {
            if let Some(error) = &reader.failed {
                let gap = missing(error, reader.walk.lane().branch);
                if !incomplete.iter().any(|(known, _)| *known == gap) {
                    incomplete.push((gap, error.clone()));
                }
            }
        }
        // Sequences that were read to their end before say nothing about this page.
        let asked = readers.iter().any(|reader| reader.open && reader.failed.is_none());
        if let Some((_, error)) = incomplete.iter().find(|(_, error)| error.kind == crm::Kind::NotCached) {
            return Err(error.clone().into());
        }
        if items.is_empty()
            && !asked
            && let Some((_, error)) = incomplete.first()
        {
            return Err(error.clone().into());
        }
        // So that a list whose last record was just given is at its end, without another call to find out.
        readers.iter_mut().for_each(|reader| reader.walk.leave());
        let total = self.total(&readers, uncounted || !incomplete.is_empty());
        let done = readers.iter().all(|reader| reader.walk.is_done());
        let next_cursor = (!done).then(|| {
            Cursor::new(question, uncounted, readers.iter().map(|reader| reader.walk.mark()).collect())
                .encode(self.around.seal())
        });
        let incomplete: Vec<Incomplete> = incomplete.into_iter().map(|(gap, _)| gap).collect();
        let witness = if incomplete.is_empty() { trip.witness() } else { None };
        let value = Page { items, next_cursor, total, incomplete };
        Ok(Answer { value, provenance: trip.provenance(), witness })
    }

    /// The CRMs' totals, if they count exactly what was asked for and nothing twice.
    fn total(&self, readers: &[Reader<'_, E>], uncounted: bool) -> Option<u64> {
        let exact = |reader: &Reader<'_, E>| {
            let lane = reader.walk.lane();
            reader.source.question(reader.filter, lane, crm::Position(0)).exact
        };
        let one_after_the_other = matches!(E::order(), Order::OneAfterTheOther) && readers.len() > 1;
        if uncounted || one_after_the_other || !readers.iter().all(exact) {
            return None;
        }
        readers.iter().map(|reader| reader.walk.total()).sum()
    }
}

fn missing(error: &crm::Error, branch: Option<u64>) -> Incomplete {
    Incomplete {
        source: error.crm,
        branch_id: branch.map(|branch| RecordId::new(error.crm, branch)),
        reason: error.code().to_owned(),
        detail: error.sentence(),
    }
}

/// Whether a record is in a branch that may be seen. A kind of record that has no branches is in all; a record that
/// should have one and tells none is in none.
fn is_visible<E: Entity>(record: &Record<E>, visible: &Option<Vec<u64>>) -> bool {
    let (Some(visible), Some(branches)) = (visible, record.data.branches()) else { return true };
    branches.iter().any(|id| visible.contains(&id.number()))
}

/// The branches to look in: those of the record that the path hangs on, as far as they are visible, else all visible.
pub(super) fn within(scope: &Scope, visible: &Option<Vec<u64>>) -> Option<Vec<u64>> {
    if scope.within.is_empty() {
        return visible.clone();
    }
    let sees = |branch: &u64| visible.as_ref().is_none_or(|visible| visible.contains(branch));
    Some(scope.within.iter().copied().filter(sees).collect())
}

fn numbers(branches: &Branches) -> Vec<u64> {
    let (Branches::All(branches) | Branches::Only(branches)) = branches;
    branches.clone()
}

/// Whether a record that shows up in the sequences of several branches is taken from another one: from the first of its
/// branches that is read, so that it comes once without any memory of the pages before. Where a record does not tell its
/// branches, the others are asked whether they just gave it.
fn is_elsewhere<E: Entity>(record: &Record<E>, at: usize, readers: &[Reader<'_, E>]) -> bool {
    let reader = &readers[at];
    if is_in_earlier_part(record, reader.part, readers) {
        return true;
    }
    let Some(branch) = reader.walk.lane().branch else { return false };
    match record.data.branches() {
        Some(own) => {
            let first = reader.branches.iter().find(|id| own.iter().any(|own| own.number() == **id));
            first.is_some_and(|first| *first != branch)
        }
        None => {
            readers.iter().enumerate().any(|(other, reader)| other != at && reader.walk.remembers(&record.id))
        }
    }
}

/// Whether a record is taken from an earlier part of the question: a lesson of two students is a lesson of the first.
fn is_in_earlier_part<E: Entity>(record: &Record<E>, part: usize, readers: &[Reader<'_, E>]) -> bool {
    let owners = record.data.owners();
    readers.iter().filter(|earlier| earlier.part < part).any(|earlier| {
        match (earlier.filter.owner(), &owners) {
            (Some(owner), Some(owners)) => owners.contains(&owner),
            _ => earlier.walk.remembers(&record.id),
        }
    })
}
