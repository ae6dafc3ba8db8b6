//! Speaks AlfaCRM's dialect: everything is POST, some ids are read from the query only, lists come in pages counted
//! from 0 (sections 3 to 5 of the reference).

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::error;
use super::filter::Body;
use super::model::Scene;
use super::session::Session;
use crate::config;
use crate::crm::error::on_the_way;
use crate::crm::wire::{Dialect, Row, number};
use crate::crm::{Asked, Chunk, Error, Extent, Kind, Position, Question, Via, Write, Written};
use crate::model::context::Reason;
use crate::model::{Ctx, Entity, Order, Raw, Record, RecordId, Source};
use crate::telemetry::metrics::Server;
use crate::telemetry::{Metrics, trace};
use crate::upstream::quota::{Limits, Pacer};
use crate::upstream::wire::{Transport, Wire};
use crate::upstream::{self, Answer, Call, Meter, Upstream};

/// The way to one AlfaCRM account.
pub(super) struct Client {
    upstream: Upstream,
    session: Arc<Session>,
    dialect: Dialect,
    page_size: u32,
    mark: config::Mark,
    address: String,
}

impl Client {
    pub(super) fn new(config: &config::AlfaCrm, transport: Transport, metrics: Arc<Metrics>) -> Self {
        let session = Arc::new(Session::new(config));
        let server = Arc::new(Server::of(&config.base_url));
        let meter = Meter { crm: Source::AlfaCrm, metrics, server };
        let wire = Wire::new(transport, Arc::clone(&session) as _, meter.clone(), config.request_timeout);
        let upstream = Upstream::new(Pacer::start(Limits::from(&config.quota)), &meter, wire);
        session.connect(upstream.clone());
        let dialect = Dialect {
            crm: Source::AlfaCrm,
            zone: config.timezone.clone(),
            currency: Some(config.currency.as_str().into()),
        };
        let (mark, address) = (config.mark.clone(), config.base_url.clone());
        Self { upstream, session, dialect, page_size: config.page_size, mark, address }
    }

    /// See [`Session::exchange`].
    pub(super) async fn exchange_credentials(&self, config: &config::AlfaCrm) -> Result<bool, Error> {
        self.session.exchange(config).await
    }

    /// See [`Session::sign_in_needed`].
    pub(super) fn sign_in_needed(&self) -> Option<&'static str> {
        self.session.sign_in_needed()
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Where the CRM is called.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// How a record that was made is found again.
    pub(super) fn mark(&self) -> &config::Mark {
        &self.mark
    }

    pub(super) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Today in the CRM's zone.
    pub(super) fn today(&self) -> Date {
        self.dialect.zone.to_datetime(Timestamp::now()).date()
    }

    /// The call that reads a page of a list, of `rows` rows where a certain number is wanted.
    pub(super) fn index(&self, list: List, body: Body, at: Position, rows: Option<u32>) -> Question {
        let (exact, parent) = (body.is_exact(), body.parent_id());
        let size = self.page_size.max(rows.unwrap_or(0));
        let (mut keys, query) = body.finish();
        keys.insert("page".to_owned(), at.0.into());
        keys.insert("pageSize".to_owned(), size.into());
        let branch = list.branch.map(|branch| format!("/{branch}")).unwrap_or_default();
        let target = format!("/v2api{branch}/{}?{query}per-page={size}", list.operation);
        let body = Value::Object(keys).to_string();
        Question {
            key: format!("alfacrm POST {target} {body}"),
            call: Arc::new(Call {
                operation: list.operation,
                method: Method::POST,
                target,
                body: Some(body.into()),
                safe: true,
            }),
            at,
            overlap: 0,
            exact,
            parent,
        }
    }

    /// The branch in a question's path and the status it is limited to.
    pub(super) fn place_of(&self, question: &Question) -> (Option<u64>, Option<u64>) {
        let branch = question.call.target.split('/').nth(2).and_then(|segment| segment.parse().ok());
        let body = question.call.body.as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
        (branch, body.and_then(|body| body["status"].as_u64()))
    }

    /// The rows of the page at `at`, if there are so many.
    pub(super) fn extent(&self, at: Position, records: u64) -> Extent {
        let size = u64::from(self.page_size);
        let start = at.0.saturating_mul(size).min(records);
        let end = start.saturating_add(size).min(records);
        Extent {
            rows: start..end,
            total: Some(records),
            next: (end > start).then(|| Position(at.0.saturating_add(1))),
            previous: at.0.checked_sub(1).map(Position),
            overlap: 0,
        }
    }

    /// A record made of a row that holds a number only.
    pub(super) fn sketch<E>(
        &self,
        question: &Question,
        id: u64,
        number: fn(&Row<'_>, &Scene) -> Option<u64>,
        read: fn(&Row<'_>, &Scene) -> E,
    ) -> Option<Record<E>> {
        let scene = Scene { today: self.today(), parent: question.parent, call: question.call.operation };
        // The balance is the one record that has no id of its own.
        let raw = serde_json::json!({"id": id, "balance_bonus": 0});
        self.record(raw, &scene, number, read, &mut Vec::new())
    }

    /// Makes the call, signing in first where needed.
    async fn send(&self, ctx: &Arc<Ctx>, call: &Arc<Call>) -> Result<Answer, Error> {
        let way = |error| on_the_way(&self.upstream, error);
        let outcome = self.session.with_token(self.upstream.send(ctx, call)).await?;
        let refused = match &outcome {
            Ok(answer) if matches!(answer.status, 401 | 403) => {
                // It had no effect: who waits for it may leave.
                ctx.interest.not_sent();
                self.session.refused(answer.signed, answer.status)
            }
            // The token was given up between its turn and its leaving.
            Err(upstream::Error::NotSignedIn) => true,
            Ok(_) | Err(_) => false,
        };
        if !refused {
            return outcome.map_err(way);
        }
        // Nobody waits for a refresh, so it stays behind all others.
        let reason = if ctx.reason == Reason::Refresh { ctx.reason } else { Reason::Replay };
        let again = Arc::new(Ctx { reason, ..Ctx::clone(ctx) });
        self.session.with_token(self.upstream.send(&again, call)).await?.map_err(way)
    }

    /// A page that holds one record at most.
    pub(super) fn page_of_one(raw: Option<&Raw>) -> Bytes {
        let total = usize::from(raw.is_some());
        let item = raw.map(Raw::text).unwrap_or_default();
        format!(r#"{{"total":{total},"count":{total},"page":0,"items":[{item}]}}"#).into()
    }

    /// Gets a page and translates its rows.
    pub(super) async fn page<E: Entity>(
        &self,
        via: Via<'_>,
        question: &Question,
        number: fn(&Row<'_>, &Scene) -> Option<u64>,
        read: fn(&Row<'_>, &Scene) -> E,
    ) -> Result<Asked<E>, Error> {
        let answer = match via {
            Via::Call(ctx) => self.send(ctx, &question.call).await?,
            Via::Kept(body) => Answer::kept(body),
        };
        let _mapping = trace::mapping(Source::AlfaCrm.name(), question.call.operation).entered();
        let envelope = Envelope::read(error::read(&answer)?)?;
        let scene = Scene { today: self.today(), parent: question.parent, call: question.call.operation };
        let asked = |chunk| Asked::of(chunk, &answer, scene.today);
        let previous = question.at.0.checked_sub(1).map(Position);
        // Some servers answer a page past the end with the last one again, and what has no pages is always the same.
        let past_the_end = envelope.page.is_some_and(|page| page != question.at.0)
            || (envelope.is_whole && question.at.0 > 0);
        if past_the_end || envelope.items.is_empty() {
            let end = Chunk { total: envelope.total, previous, ..Chunk::default() };
            return Ok(asked(end));
        }
        let rows = envelope.items.len() as u64;
        let mut drift = Vec::new();
        let mut records = Vec::with_capacity(envelope.items.len());
        for item in envelope.items {
            match self.record(item, &scene, number, read, &mut drift) {
                Some(record) => records.push(Arc::new(record)),
                None => drift.push("id"),
            }
        }
        // A list without pages has no order that anybody promised.
        if envelope.is_whole
            && let Order::Merged(compare) = E::order()
        {
            records.sort_by(|a, b| compare(a, b));
        }
        let next = (!envelope.is_whole).then(|| Position(question.at.0.saturating_add(1)));
        Ok(asked(Chunk { records, rows, total: envelope.total, next, previous, overlap: 0, drift }))
    }

    /// Makes a call that writes, and translates the record it shows.
    pub(super) async fn write<E>(
        &self,
        ctx: &Arc<Ctx>,
        write: &Write,
        number: fn(&Row<'_>, &Scene) -> Option<u64>,
        read: fn(&Row<'_>, &Scene) -> E,
    ) -> Result<Written<E>, Error> {
        let answer = self.send(ctx, &write.call).await.map_err(Error::of_write)?;
        let _mapping = trace::mapping(Source::AlfaCrm.name(), write.call.operation).entered();
        let mut value = error::read_write(&answer, &write.names).map_err(Error::of_write)?;
        let model = value.get_mut("model").map(Value::take).filter(Value::is_object);
        let scene = Scene { today: self.today(), parent: write.parent, call: write.call.operation };
        let record = model.and_then(|model| self.record(model, &scene, number, read, &mut Vec::new()));
        Ok(Written { record, queued: answer.queued, took: answer.took })
    }

    fn record<E>(
        &self,
        row: Value,
        scene: &Scene,
        number: fn(&Row<'_>, &Scene) -> Option<u64>,
        read: fn(&Row<'_>, &Scene) -> E,
        drift: &mut Vec<&'static str>,
    ) -> Option<Record<E>> {
        let raw = Raw::of(&row);
        let Value::Object(mut map) = row else { return None };
        let row = Row::new(&map, &self.dialect);
        let number = number(&row, scene)?;
        let data = read(&row, scene);
        // Each model has its own name for it; a client's card begins with `b_date` on older servers.
        let created_at = row
            .moment("created_at")
            .or_else(|| row.moment("added"))
            .or_else(|| row.moment("b_date").filter(|_| map.contains_key("is_study")));
        let updated_at = row.moment("updated_at");
        drift.extend(row.drift());
        // What is left of the row are the CRM's own fields.
        map.retain(|name, _| name.starts_with("custom_"));
        let custom_fields = map.into_iter().collect();
        Some(Record {
            id: RecordId::new(Source::AlfaCrm, number),
            source: Source::AlfaCrm,
            source_id: number.to_string(),
            data,
            custom_fields,
            created_at,
            updated_at,
            raw,
        })
    }
}

/// Which list.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    /// `model/index`: the end of the path, and the name in logs and metrics.
    pub(super) operation: &'static str,
    /// The branch in the path.
    pub(super) branch: Option<u64>,
}

/// `{"total": …, "count": …, "page": …, "items": […]}`, or a bare list or object where there are no pages (section 5.1
/// of the reference).
struct Envelope {
    total: Option<u64>,
    page: Option<u64>,
    items: Vec<Value>,
    is_whole: bool,
}

impl Envelope {
    fn read(value: Value) -> Result<Self, Error> {
        let unreadable = || Error::new(Source::AlfaCrm, Kind::Unreadable, "AlfaCRM's answer is no list");
        let mut map = match value {
            Value::Object(map) => map,
            Value::Array(items) => {
                return Ok(Self { total: Some(items.len() as u64), page: None, items, is_whole: true });
            }
            _ => return Err(unreadable()),
        };
        let told =
            |map: &Map<String, Value>, key: &str| map.get(key).and_then(|value| number(value).ok().flatten());
        let (total, page) = (told(&map, "total"), told(&map, "page"));
        let items = match map.remove("items") {
            Some(Value::Array(items)) => items,
            // A PHP array with gaps.
            Some(Value::Object(items)) => items.into_iter().map(|(_, item)| item).collect(),
            // One object that is its own answer: the balance of bonus points.
            None if map.contains_key("balance_bonus") => {
                return Ok(Self { total: Some(1), page: None, items: vec![map.into()], is_whole: true });
            }
            _ => return Err(unreadable()),
        };
        Ok(Self { total, page, items, is_whole: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_with_gaps_is_a_list_and_an_answer_without_items_is_none() {
        let envelope =
            Envelope::read(json!({"total": "2", "page": 0, "items": {"3": {"id": 1}, "7": {"id": 2}}}))
                .unwrap();
        assert_eq!((envelope.total, envelope.items.len()), (Some(2), 2));
        assert_eq!(Envelope::read(json!({"total": 0})).err().unwrap().kind, Kind::Unreadable);
    }
}
