//! Speaks the Crypto CRM's dialect: two secret headers, lists by `count` and `offset`, answers in a shape that must be
//! recognised (sections 2, 3, 7 and 11.7 of the reference).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::envelope;
use super::error::{CRM, read};
use super::mapping::{Laid, Mapping};
use super::part::Part;
use crate::config;
use crate::crm::error::on_the_way;
use crate::crm::wire::{Dialect, Row, number};
use crate::crm::{Asked, Chunk, Error, Extent, Kind, Position, Question, Via};
use crate::model::context::Reason;
use crate::model::project::Named;
use crate::model::{Ctx, Raw, Record, RecordId};
use crate::telemetry::metrics::Server;
use crate::telemetry::{Metrics, trace};
use crate::upstream::quota::{Limits, Pacer};
use crate::upstream::wire::{Credentials, Signature, Transport, Wire};
use crate::upstream::{Answer, Call, Meter, Upstream};

const TOKEN: HeaderName = HeaderName::from_static("x-crypto-token");
const SECRET: HeaderName = HeaderName::from_static("x-crypto-secret");

/// Rows read again at the start of each page of projects but the first: rows deleted meanwhile move later ones ahead.
pub(super) const OVERLAP: u64 = 5;

/// The way to one tenant.
pub(super) struct Client {
    upstream: Upstream,
    keys: Arc<Keys>,
    pub(super) config: config::CryptoCrm,
    pub(super) dialect: Dialect,
    longest_page: LongestPages,
}

/// The longest page seen of each list: what the server is known to give at once.
#[derive(Debug, Default)]
struct LongestPages {
    projects: AtomicU64,
    actions: AtomicU64,
    payments: AtomicU64,
}

impl LongestPages {
    /// Of the list that a call gives, and whether that list is one project's.
    fn of(&self, operation: &str) -> (&AtomicU64, bool) {
        match operation {
            "projects/payments" => (&self.payments, true),
            "projects/actions" => (&self.actions, true),
            _ => (&self.projects, false),
        }
    }
}

/// Token and secret as headers. They can be exchanged while calls are under way, which keep those they left with.
struct Keys(RwLock<Vec<(HeaderName, HeaderValue)>>);

impl Keys {
    fn of(config: &config::CryptoCrm) -> Self {
        let keys =
            [(TOKEN, &config.token), (SECRET, &config.secret)].into_iter().filter_map(|(name, secret)| {
                let mut value = HeaderValue::from_str(secret.expose()).ok()?;
                value.set_sensitive(true);
                Some((name, value))
            });
        Self(RwLock::new(keys.collect()))
    }

    fn now(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Credentials for Keys {
    fn sign(&self, _: &Call) -> Option<Signature> {
        Some(Signature { headers: self.now(), number: 0 })
    }
}

/// A record read from a row.
pub(super) struct Read<E> {
    pub(super) id: RecordId,
    pub(super) data: E,
}

impl Client {
    pub(super) fn new(config: &config::CryptoCrm, transport: Transport, metrics: Arc<Metrics>) -> Self {
        let keys = Arc::new(Keys::of(config));
        let server = Arc::new(Server::of(&config.base_url));
        let meter = Meter { crm: CRM, metrics, server };
        let wire = Wire::new(transport, Arc::clone(&keys) as _, meter.clone(), config.request_timeout);
        let dialect = Dialect { crm: CRM, zone: config.timezone.clone(), currency: None };
        Self {
            upstream: Upstream::new(Pacer::start(Limits::from(&config.quota)), &meter, wire),
            keys,
            config: config.clone(),
            dialect,
            longest_page: LongestPages::default(),
        }
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Takes other credentials once the CRM has answered a read that carries them. `false` when they are the same.
    pub(super) async fn exchange_credentials(&self, config: &config::CryptoCrm) -> Result<bool, Error> {
        let keys = Keys::of(config);
        if keys.now() == self.keys.now() {
            return Ok(false);
        }
        let new = keys.now();
        let proof = self.upstream.signed_by(&(Arc::new(keys) as Arc<dyn Credentials>));
        // There is no sign-in: one row of the list that every tenant has says the same.
        let call = self.get("projects", "count=1&offset=0", Position(0), true).call;
        let ctx = Arc::new(Ctx::of_sign_in(Instant::now() + config.request_timeout * 2));
        let answer = proof.send(&ctx, &call).await.map_err(|error| on_the_way(&proof, error))?;
        let Some(body) = read(&answer)? else {
            let detail = "the Crypto CRM does not know the call that tries new credentials";
            return Err(Error { status: Some(404), ..Error::new(CRM, Kind::Failed, detail) });
        };
        // Some installations answer 200 to whoever they do not know, and say so in the body.
        envelope::list(body, &self.config.envelope.list)?;
        *self.keys.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// A GET; `query` in a fixed order.
    pub(super) fn get(&self, operation: &'static str, query: &str, at: Position, exact: bool) -> Question {
        let target = format!("/{operation}?{query}");
        Question {
            key: format!("cryptocrm GET {target}"),
            call: Arc::new(Call { operation, method: Method::GET, target, body: None, safe: true }),
            at,
            overlap: 0,
            exact,
            parent: None,
        }
    }

    /// The one POST, which only reads.
    pub(super) fn post(&self, operation: &'static str, body: &Value, at: Position) -> Question {
        let target = format!("/{operation}");
        let body = body.to_string();
        Question {
            key: format!("cryptocrm POST {target} {body}"),
            call: Arc::new(Call {
                operation,
                method: Method::POST,
                target,
                body: Some(body.into()),
                safe: true,
            }),
            at,
            overlap: 0,
            exact: true,
            parent: None,
        }
    }

    /// How many rows to read again in front of the page at `at`. Fewer where the server gives short pages, so that
    /// each brings something new.
    pub(super) fn overlap(&self, at: Position) -> u64 {
        let page = u64::from(self.config.page_size).min(self.longest_page.projects.load(Ordering::Relaxed));
        OVERLAP.min(at.0).min(page / 2)
    }

    /// `count` and `offset` of the page at `at`, `overlap` rows of the page before included.
    pub(super) fn window(&self, at: Position, overlap: u64) -> (u64, u64) {
        (u64::from(self.config.page_size) + overlap, at.0 - overlap)
    }

    /// The rows of the page that a question asks for, if there are so many.
    pub(super) fn extent(&self, question: &Question, records: u64) -> Extent {
        let operation = question.call.operation;
        if !Part::is_paged(operation) {
            return Extent { rows: 0..records, total: Some(records), ..Extent::default() };
        }
        let (count, offset) = self.window(question.at, question.overlap);
        let start = offset.min(records);
        let end = start.saturating_add(count).min(records);
        let rows = end - start;
        let (longest, one_project) = self.longest_page.of(operation);
        let before = longest.load(Ordering::Relaxed);
        Extent {
            rows: start..end,
            total: None,
            next: self.next(question, rows, before, one_project),
            previous: self.previous(question),
            overlap: question.overlap,
        }
    }

    /// Where the page behind one of `rows` rows starts. The server may cap pages silently, so a list ends on a page
    /// without anything new. Below a project that would double the calls of nearly every list; there a page shorter than
    /// another one seen is the last.
    fn next(&self, question: &Question, rows: u64, before: u64, one_project: bool) -> Option<Position> {
        let overlap = question.overlap;
        let last = rows <= overlap || (one_project && rows < before.min(u64::from(self.config.page_size)));
        (!last).then(|| Position((question.at.0 - overlap).saturating_add(rows)))
    }

    fn previous(&self, question: &Question) -> Option<Position> {
        let size = u64::from(self.config.page_size);
        (question.at.0 > 0).then(|| Position(question.at.0.saturating_sub(size)))
    }

    async fn obtain(&self, via: Via<'_>, call: &Arc<Call>) -> Result<(Answer, Option<Value>), Error> {
        match via {
            Via::Call(ctx) => self.send(ctx, call).await,
            Via::Kept(body) => {
                let answer = Answer::kept(body);
                read(&answer).map(|body| (answer, body))
            }
        }
    }

    async fn send(&self, ctx: &Arc<Ctx>, call: &Arc<Call>) -> Result<(Answer, Option<Value>), Error> {
        let way = |error| on_the_way(&self.upstream, error);
        let answer = self.upstream.send(ctx, call).await.map_err(way)?;
        match read(&answer) {
            // Text before the JSON, or half of it: worth one more try, a web page is not.
            Err(error)
                if error.kind == Kind::Unreadable
                    && ctx.reason != Reason::Refresh
                    && !answer.body.trim_ascii_start().starts_with(b"<") =>
            {
                let again = Arc::new(Ctx { reason: Reason::Retry, ..Ctx::clone(ctx) });
                let answer = self.upstream.send(&again, call).await.map_err(way)?;
                let body = read(&answer)?;
                Ok((answer, body))
            }
            outcome => outcome.map(|body| (answer, body)),
        }
    }

    /// Gets a page of a list and translates its rows.
    pub(super) async fn page<E>(
        &self,
        via: Via<'_>,
        question: &Question,
        mapping: &Mapping,
        translate: impl Fn(&Row<'_>, &Laid) -> Option<Read<E>>,
    ) -> Result<Asked<E>, Error> {
        self.page_of(via, question, |rows| mapping.lay_out_all(rows), translate, ()).await
    }

    /// Gets a page of a list whose rows are not a record each: `lay_out` makes records of them. `besides` is what the
    /// translation depends on but the answer.
    pub(super) async fn page_of<E>(
        &self,
        via: Via<'_>,
        question: &Question,
        lay_out: impl Fn(Vec<Value>) -> Vec<(Value, Option<Laid>)>,
        translate: impl Fn(&Row<'_>, &Laid) -> Option<Read<E>>,
        besides: impl std::hash::Hash,
    ) -> Result<Asked<E>, Error> {
        let (answer, body) = self.obtain(via, &question.call).await?;
        let _mapping = trace::mapping(CRM.name(), question.call.operation).entered();
        let Some(body) = body else {
            let detail = "the Crypto CRM does not know this call; check `cryptocrm.base_url` and `cryptocrm.base_path`";
            return Err(Error { status: Some(404), ..Error::new(CRM, Kind::Failed, detail) });
        };
        let pointer = self.config.envelope.total.as_deref();
        let total = pointer.and_then(|pointer| number(body.pointer(pointer)?).ok().flatten());
        let items = envelope::list(body, &self.config.envelope.list)?;
        let rows = items.len() as u64;
        let overlap = question.overlap;
        if !Part::is_paged(question.call.operation) {
            let (records, drift) = self.records(lay_out(items), &translate);
            let rows = records.len() as u64;
            let chunk = Chunk { records, rows, total: Some(rows), drift, ..Chunk::default() };
            return Ok(Asked::of(chunk, &answer, besides));
        }
        let (longest, one_project) = self.longest_page.of(question.call.operation);
        let before = longest.fetch_max(rows, Ordering::Relaxed);
        let next = self.next(question, rows, before, one_project);
        let previous = self.previous(question);
        let (records, drift) = self.records(lay_out(items), &translate);
        let chunk = Chunk { records, rows, total, next, previous, overlap, drift };
        Ok(Asked::of(chunk, &answer, besides))
    }

    /// Gets one record.
    pub(super) async fn object<E>(
        &self,
        via: Via<'_>,
        question: &Question,
        mapping: &Mapping,
        translate: impl Fn(&Row<'_>, &Laid) -> Option<Read<E>>,
    ) -> Result<Asked<E>, Error> {
        let (answer, body) = self.obtain(via, &question.call).await?;
        let _mapping = trace::mapping(CRM.name(), question.call.operation).entered();
        let found =
            body.map(|body| envelope::object(body, &self.config.envelope.object)).transpose()?.flatten();
        let found = mapping.lay_out_all(found.into_iter().collect());
        let (records, drift) = self.records(found, &translate);
        let rows = records.len() as u64;
        let chunk = Chunk { records, rows, total: None, next: None, previous: None, overlap: 0, drift };
        Ok(Asked::of(chunk, &answer, ()))
    }

    /// A record made of a row that holds a number only.
    pub(super) fn sketch<E>(
        &self,
        number: u64,
        mapping: &Mapping,
        translate: impl Fn(&Row<'_>, &Laid) -> Option<Read<E>>,
    ) -> Option<Record<E>> {
        let row = serde_json::json!({"id": number});
        let (records, _) = self.records(mapping.lay_out_all(vec![row]), &translate);
        Arc::into_inner(records.into_iter().next()?)
    }

    fn records<E>(
        &self,
        items: Vec<(Value, Option<Laid>)>,
        translate: &impl Fn(&Row<'_>, &Laid) -> Option<Read<E>>,
    ) -> (Vec<Arc<Record<E>>>, Vec<&'static str>) {
        let mut drift = Vec::new();
        let mut records = Vec::with_capacity(items.len());
        for (raw, laid) in items {
            let read = laid.as_ref().and_then(|laid| {
                let row = Row::new(&laid.fields, &self.dialect);
                let read = translate(&row, laid)?;
                let created_at = row.moment("created");
                drift.extend(row.drift());
                Some((read, created_at))
            });
            let (Some((read, created_at)), Some(laid)) = (read, laid) else {
                drift.push("id");
                continue;
            };
            records.push(Arc::new(Record {
                source: CRM,
                source_id: read.id.number().to_string(),
                id: read.id,
                data: read.data,
                custom_fields: laid.dynamic,
                created_at,
                updated_at: None,
                raw: Raw::of(&raw),
            }));
        }
        (records, drift)
    }

    /// The day it is where the CRM is.
    pub(super) fn today(&self) -> Date {
        self.dialect.zone.to_datetime(Timestamp::now()).date()
    }

    /// The ISO code of a currency, where the configuration gives one.
    pub(super) fn currency(&self, row: &Row<'_>) -> Option<Arc<str>> {
        let id = row.number("currency_id")?;
        self.config.currencies.get(&id).map(|code| code.as_str().into())
    }

    /// An id with its name from a configured dictionary; `#5` for one that is not there.
    pub(super) fn named(&self, book: &str, id: &Option<RecordId>) -> Option<Named> {
        id.as_ref().map(|id| Named { id: id.clone(), name: self.name(book, id) })
    }

    fn name(&self, book: &str, id: &RecordId) -> String {
        let known = self.config.dictionary.get(book).and_then(|book| book.get(&id.number()));
        known.cloned().unwrap_or_else(|| format!("#{}", id.number()))
    }
}

/// Joins a query parameter's name and value, escaped.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

/// A map under construction that leaves out what was not asked for: the meaning of an empty filter is unknown.
#[derive(Debug, Default)]
pub(super) struct Conditions(pub(super) Map<String, Value>);

impl Conditions {
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// A list of ids; false when ids were asked for but none is of this CRM.
    pub(super) fn ids(&mut self, key: &str, ids: &[RecordId]) -> bool {
        let ours: Vec<u64> = ids
            .iter()
            .filter(|id| id.source() == CRM && id.parent().is_none())
            .map(RecordId::number)
            .collect();
        if ours.is_empty() {
            return ids.is_empty();
        }
        self.set(key, ours);
        true
    }
}
