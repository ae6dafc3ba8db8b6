//! What is particular to one of AlfaCRM's models, as a declaration; what they have in common is here, once.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde_json::Value;

use super::client::{Client, List};
use super::filter::{Body, ours};
use super::form::Form;
use super::likeness::{identity, likeness};
use crate::config::MarkField;
use crate::crm::error::{no_such_write, on_the_way};
use crate::crm::wire::Row;
use crate::crm::{
    Asked, Branches, Error, Extent, Find, Lane, Likeness, Place, Position, Question, Source, Via, Write,
    Written,
};
use crate::model::{Ctx, Entity, Record, RecordId, Source as CrmName};

/// Characters that surely fit into a field of the account's own.
const CUSTOM_TEXT: usize = 255;

/// The filter of a model's records.
pub(super) type Filter<M> = <<M as Model>::Record as Entity>::Filter;
/// What can be written of a model's records.
pub(super) type Draft<M> = <<M as Model>::Record as Entity>::Draft;

/// One of AlfaCRM's models (section 9 of the reference).
pub(super) trait Model: Send + Sync + 'static {
    /// What its rows become.
    type Record: Entity;
    /// The calls that list and write it: `customer/index`, `customer/create` …
    const CALLS: Calls;
    /// Whether `id` may be a list (section 4).
    const ID_LISTS: bool = false;

    /// Whether its rows tell the branches they belong to; if not, nobody who is limited to branches may see any.
    const TELLS_BRANCHES: bool = true;

    /// Whether each of its lists holds another kind of records.
    const OF_MANY_KINDS: bool = false;

    /// Whether its lists come whole, without pages.
    const WHOLE: bool = false;

    /// The free text of its rows and the most characters it takes: where the mark of a new record is written.
    const TEXT: Option<(&'static str, usize)> = None;

    /// Whether its rows may have fields of the account's own (section 8.4 of the reference).
    const CUSTOM: bool = false;

    /// The status by which a record is listed, where every status is a list of its own.
    fn status(_record: &Self::Record) -> Option<u64> {
        None
    }

    /// Whether the CRM keeps what was asked for at all.
    fn has(_filter: &Filter<Self>) -> bool {
        true
    }

    /// The call that lists it, where that depends on the question.
    fn list(_filter: &Filter<Self>) -> &'static str {
        Self::CALLS.list
    }

    /// Whether a branch stands in the path.
    fn branching(_filter: &Filter<Self>) -> Branching {
        Branching::Optional
    }

    /// The lists that together hold what was asked for.
    fn parts(_filter: &Filter<Self>) -> Vec<Part> {
        vec![Part::default()]
    }

    /// Puts the filter into the question.
    fn ask(filter: &Filter<Self>, body: &mut Body);

    /// Puts an id into the question, so that it finds the record whatever hides it; `false` if the CRM cannot be asked so.
    fn ask_for(ids: Ids<'_>, body: &mut Body) -> bool {
        body.set("id", ids);
        true
    }

    /// The number in the id of a row's record.
    fn number(row: &Row<'_>, _scene: &Scene) -> Option<u64> {
        row.number("id").filter(|number| *number > 0)
    }

    /// Reads a row.
    fn read(row: &Row<'_>, scene: &Scene) -> Self::Record;

    /// Fills in the form of a write: of a new record, or of changes to the one that was there before. The form of a
    /// change has the record's id already.
    fn write(
        _draft: &Draft<Self>,
        _before: Option<&Record<Self::Record>>,
        _place: &Place<'_, Filter<Self>>,
        _form: &mut Form,
    ) {
    }
}

/// The calls of a model; `None` where there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls {
    pub(super) list: &'static str,
    pub(super) create: Option<&'static str>,
    pub(super) update: Option<&'static str>,
    pub(super) delete: Option<&'static str>,
}

impl Calls {
    /// A model that is only read.
    pub(super) const fn reads(list: &'static str) -> Self {
        Self { list, create: None, update: None, delete: None }
    }
}

/// Whether a branch stands in the path (section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branching {
    /// Without one the CRM looks in all of them.
    Optional,
    /// One question for each branch.
    Each,
    /// One must stand there, and it does not matter which.
    Any,
    /// None.
    Never,
}

/// One of the lists that together hold what was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part {
    /// The status it is limited to, where every status is a list of its own.
    pub(super) status: Option<u64>,
    /// The days wanted, where the list runs from new to old and cannot be asked for days.
    pub(super) days: Option<(Option<Date>, Option<Date>)>,
}

/// The ids a question asks for: a number or a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids<'a>(&'a [u64]);

impl From<Ids<'_>> for serde_json::Value {
    fn from(ids: Ids<'_>) -> Self {
        match ids.0 {
            [one] => (*one).into(),
            many => many.into(),
        }
    }
}

/// What a row does not tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// Today in the CRM's zone.
    pub(super) today: Date,
    /// The record that the list hangs on.
    pub(super) parent: Option<u64>,
    /// The call that was made.
    pub(super) call: &'static str,
}

impl Scene {
    /// The record that the list hangs on.
    pub(super) fn parent(&self) -> Option<RecordId> {
        self.parent.map(|number| RecordId::new(CrmName::AlfaCrm, number))
    }
}

/// The records of a model in one account.
pub(super) struct Of<M>(Arc<Client>, PhantomData<M>);

impl<M: Model> Of<M> {
    pub(super) fn new(client: &Arc<Client>) -> Self {
        Self(Arc::clone(client), PhantomData)
    }

    fn body(&self, filter: &Filter<M>) -> Body {
        let mut body = Body::new(&self.0.dialect().zone);
        M::ask(filter, &mut body);
        body
    }

    /// The field into which the mark of a new record is written, and the most characters it takes.
    fn marked_field(&self) -> Option<(String, usize)> {
        match &self.0.mark().field {
            MarkField::Note => M::TEXT.map(|(key, most)| (key.to_owned(), most)),
            MarkField::Custom(key) => M::CUSTOM.then(|| (key.clone(), CUSTOM_TEXT)),
            MarkField::Nowhere => None,
        }
    }

    fn form(
        &self,
        operation: Option<&'static str>,
        before: Option<&Record<M::Record>>,
        place: &Place<'_, Filter<M>>,
    ) -> Result<Form, Error> {
        let operation = operation.ok_or_else(|| no_such_write(CrmName::AlfaCrm))?;
        let branch = place.branch.filter(|_| M::branching(place.filter) != Branching::Never);
        let dialect = self.0.dialect();
        let currency = dialect.currency.as_deref().unwrap_or_default();
        let mut form = Form::new(operation, branch, &dialect.zone, currency);
        form.keep_branches(&place.hidden);
        if let Some(record) = before {
            form.query_id("id", record.id.number());
        }
        Ok(form)
    }
}

/// Whether nothing of a model may be seen from these branches, because its rows do not tell theirs.
fn is_nobodys<M: Model>(branches: &Branches) -> bool {
    !M::TELLS_BRANCHES && matches!(branches, Branches::Only(_))
}

impl<M: Model> Source<M::Record> for Of<M> {
    fn crm(&self) -> CrmName {
        CrmName::AlfaCrm
    }

    fn has_branches(&self) -> bool {
        true
    }

    fn has(&self, filter: &Filter<M>) -> bool {
        M::has(filter)
    }

    fn lanes(&self, filter: &Filter<M>, branches: &Branches) -> Result<Vec<Lane>, Error> {
        if !self.body(filter).is_possible() || is_nobodys::<M>(branches) {
            return Ok(Vec::new());
        }
        let mut lanes = Vec::new();
        for Part { status, days } in M::parts(filter) {
            let name = status.map_or_else(|| "alfa".to_owned(), |status| format!("alfa s{status}"));
            let of = |lane: Lane| Lane { status, days, ..lane };
            let each = |branches: &[u64]| -> Vec<Lane> {
                branches.iter().map(|branch| of(Lane::in_branch(&name, *branch))).collect()
            };
            match (M::branching(filter), branches) {
                (Branching::Never, _) | (Branching::Optional, Branches::All(_)) => {
                    lanes.push(of(Lane::pages(name.clone())));
                }
                (Branching::Any, Branches::All(branches) | Branches::Only(branches)) => {
                    lanes.extend(each(&branches[..branches.len().min(1)]));
                }
                (_, Branches::All(branches) | Branches::Only(branches)) => lanes.extend(each(branches)),
            }
        }
        Ok(lanes)
    }

    fn needs_branches(&self, filter: &Filter<M>) -> bool {
        // What cannot be is not asked for, so neither are the branches.
        matches!(M::branching(filter), Branching::Each | Branching::Any) && self.body(filter).is_possible()
    }

    fn question(&self, filter: &Filter<M>, lane: &Lane, at: Position) -> Question {
        let mut body = self.body(filter);
        body.wish("status", lane.status);
        self.0.index(List { operation: M::list(filter), branch: lane.branch }, body, at, None)
    }

    fn by_id(&self, id: &RecordId, filter: &Filter<M>, branches: &Branches) -> Find {
        if !ours(id) {
            return Find::Ask(Vec::new());
        }
        let numbers = [id.number()];
        let mut asked = self.body(filter);
        if !asked.is_possible() || is_nobodys::<M>(branches) {
            return Find::Ask(Vec::new());
        }
        if !M::ask_for(Ids(&numbers), &mut asked) {
            return Find::Walk;
        }
        let paths: Vec<Option<u64>> = match (M::branching(filter), branches) {
            (Branching::Never | Branching::Optional, _) => vec![None],
            (Branching::Any, Branches::All(branches) | Branches::Only(branches)) => {
                branches.iter().copied().take(1).map(Some).collect()
            }
            (Branching::Each, Branches::All(branches) | Branches::Only(branches)) => {
                branches.iter().copied().map(Some).collect()
            }
        };
        let mut questions = Vec::new();
        for Part { status, .. } in M::parts(filter) {
            for branch in &paths {
                let mut body = asked.clone();
                body.wish("status", status);
                let list = List { operation: M::list(filter), branch: *branch };
                questions.push(self.0.index(list, body, Position(0), None));
            }
        }
        Find::Ask(questions)
    }

    fn refuses(&self, ctx: &Ctx) -> Option<Error> {
        let upstream = self.0.upstream();
        upstream.refuses(ctx).map(|refusal| on_the_way(upstream, refusal))
    }

    fn by_ids(&self, ids: &[RecordId]) -> Option<Question> {
        let filter = Filter::<M>::default();
        let alone = M::branching(&filter) == Branching::Optional && M::parts(&filter).len() == 1;
        if !M::ID_LISTS || !alone {
            return None;
        }
        let numbers: Vec<u64> = ids.iter().filter(|id| ours(id)).map(RecordId::number).collect();
        let mut body = self.body(&filter);
        M::ask_for(Ids(&numbers), &mut body).then(|| {
            let list = List { operation: M::list(&filter), branch: None };
            self.0.index(list, body, Position(0), u32::try_from(numbers.len()).ok())
        })
    }

    fn is_of_many_kinds(&self) -> bool {
        M::OF_MANY_KINDS
    }

    fn finds<'a>(&'a self, question: &'a Question) -> Box<dyn Fn(&Record<M::Record>) -> bool + 'a> {
        let (branch, status) = self.0.place_of(question);
        Box::new(move |record| {
            let own = record.data.branches().filter(|own| !own.is_empty());
            let here = |own: &[RecordId]| own.iter().any(|id| Some(id.number()) == branch);
            (branch.is_none() || own.is_none_or(here))
                && status.is_none_or(|wanted| M::status(&record.data).is_none_or(|own| own == wanted))
        })
    }

    fn extent(&self, question: &Question, records: u64) -> Extent {
        if M::WHOLE {
            return Extent { rows: 0..records, total: Some(records), ..Extent::default() };
        }
        self.0.extent(question.at, records)
    }

    fn sketch(&self, question: &Question, number: u64) -> Option<Record<M::Record>> {
        self.0.sketch(question, number, M::number, M::read)
    }

    fn answer<'a>(
        &'a self,
        via: Via<'a>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<M::Record>, Error>> {
        self.0.page(via, question, M::number, M::read).boxed()
    }

    fn alone(&self, record: Option<&Record<M::Record>>) -> Bytes {
        Client::page_of_one(record.map(|record| &record.raw))
    }

    fn create(&self, draft: &Draft<M>, place: &Place<'_, Filter<M>>) -> Result<Write, Error> {
        let mut form = self.form(M::CALLS.create, None, place)?;
        M::write(draft, None, place, &mut form);
        if let (Some(mark), Some((key, most))) = (place.mark, self.marked_field()) {
            form.mark(&key, most, mark);
        }
        form.finish()
    }

    fn likeness(&self, sent: &Value, mark: &str, record: &Record<M::Record>) -> Likeness {
        likeness(sent, mark, self.marked_field().as_ref().map(|(key, _)| key.as_str()), &record.raw.value())
    }

    fn identity(&self, write: &Write) -> Option<Value> {
        let identity = identity(&serde_json::from_slice(write.call.body.as_deref()?).ok()?);
        identity.as_object().is_some_and(|identity| !identity.is_empty()).then_some(identity)
    }

    fn address(&self) -> &str {
        self.0.address()
    }

    fn settles_after(&self) -> Duration {
        self.0.mark().settle
    }

    fn update(
        &self,
        before: &Record<M::Record>,
        draft: &Draft<M>,
        place: &Place<'_, Filter<M>>,
    ) -> Result<Write, Error> {
        let mut form = self.form(M::CALLS.update, Some(before), place)?;
        M::write(draft, Some(before), place, &mut form);
        if let Some((key, most)) = self.marked_field() {
            form.keep_mark(&key, most, &before.raw.value());
        }
        form.finish()
    }

    fn delete(&self, before: &Record<M::Record>, place: &Place<'_, Filter<M>>) -> Result<Write, Error> {
        let mut form = self.form(M::CALLS.delete, Some(before), place)?;
        M::write(&Draft::<M>::default(), Some(before), place, &mut form);
        form.finish()
    }

    fn write<'a>(
        &'a self,
        ctx: &'a Arc<Ctx>,
        write: &'a Write,
    ) -> BoxFuture<'a, Result<Written<M::Record>, Error>> {
        self.0.write(ctx, write, M::number, M::read).boxed()
    }
}
