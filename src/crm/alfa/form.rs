//! Building AlfaCRM's writes: dates as `dd.mm.yyyy`, times as `hh:mm`, flags as 0 and 1, money as text, lists whole,
//! and nothing for what stays as it is (sections 6 and 8 of the reference).

use http::Method;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::filter::{dotted, joined, ours};
use crate::crm::error::Kind;
use crate::crm::mark;
use crate::crm::{Error, Write};
use crate::model::draft::{Change, Custom, Short, Sum};
use crate::model::query::shown;
use crate::model::{Raw, RecordId, Source};
use crate::upstream::Call;

/// How the CRM writes that something has no end (section 8.2).
pub(super) const FAR_FUTURE: Change<Date> = Change::Set(jiff::civil::date(2030, 12, 31));

/// A write under construction. Each field is sent under the CRM's name and remembered under ours.
#[derive(Debug)]
pub(super) struct Form {
    /// `customer/create`.
    pub(super) operation: &'static str,
    /// The branch in the path.
    pub(super) branch: Option<u64>,
    hidden: Vec<u64>,
    zone: TimeZone,
    currency: String,
    query: Vec<(&'static str, String)>,
    parent: Option<u64>,
    id: Option<RecordId>,
    body: Map<String, Value>,
    names: Vec<(&'static str, &'static str)>,
    refused: Vec<(String, String)>,
    marked: bool,
}

impl Form {
    pub(super) fn new(operation: &'static str, branch: Option<u64>, zone: &TimeZone, currency: &str) -> Self {
        Self {
            operation,
            branch,
            hidden: Vec::new(),
            zone: zone.clone(),
            currency: currency.to_owned(),
            query: Vec::new(),
            parent: None,
            id: None,
            body: Map::new(),
            names: Vec::new(),
            refused: Vec::new(),
            marked: false,
        }
    }

    /// Branches that a list of branches must not lose.
    pub(super) fn keep_branches(&mut self, hidden: &[u64]) {
        self.hidden = hidden.to_vec();
    }

    /// The branches of a record, all of them: the CRM replaces what it has, those included that the consumer does not
    /// see. A new record is made in the branch in the path where nothing else is said.
    pub(super) fn branches(&mut self, change: &Change<Vec<RecordId>>, new: bool) {
        let hidden = self.hidden.iter().map(|branch| RecordId::new(Source::AlfaCrm, *branch));
        let change = match change {
            Change::Set(seen) => Change::Set(seen.iter().cloned().chain(hidden).collect()),
            other => other.clone(),
        };
        self.ids("branch_ids", "branch_ids", &change);
        if let Some(branch) = self.branch.filter(|_| new) {
            self.otherwise("branch_ids", "branch_ids", vec![branch]);
        }
    }

    /// The zone of the CRM's clocks.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Sends `value` as `key`; complaints about it are told as complaints about `name`.
    pub(super) fn set(&mut self, key: &'static str, name: &'static str, value: impl Into<Value>) {
        self.body.insert(key.to_owned(), value.into());
        // Where two of our fields make one of theirs, the complaint is about the one that won.
        self.names.retain(|(known, _)| *known != key);
        if !name.is_empty() {
            self.names.push((key, name));
        }
    }

    /// Complaints about `key` are told as complaints about `name`.
    pub(super) fn also(&mut self, key: &'static str, name: &'static str) {
        self.names.push((key, name));
    }

    /// Sends a change in the CRM's spelling; a cleared field is sent as `cleared`.
    pub(super) fn change<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        change: &Change<T>,
        cleared: Value,
        spell: impl FnOnce(&T) -> Value,
    ) {
        match change {
            Change::Keep => {}
            Change::Clear => self.set(key, name, cleared),
            Change::Set(value) => self.set(key, name, spell(value)),
        }
    }

    /// A text; an empty one when cleared.
    pub(super) fn text<const N: usize>(
        &mut self,
        key: &'static str,
        name: &'static str,
        change: &Change<Short<N>>,
    ) {
        self.change(key, name, change, "".into(), |text| text.0.as_str().into());
    }

    /// A text of any length.
    pub(super) fn long(&mut self, key: &'static str, name: &'static str, change: &Change<String>) {
        self.change(key, name, change, "".into(), |text| text.as_str().into());
    }

    /// A day; an empty text when cleared.
    pub(super) fn day(&mut self, key: &'static str, name: &'static str, change: &Change<Date>) {
        self.change(key, name, change, "".into(), |day| dotted(*day).into());
    }

    /// A time of day.
    pub(super) fn clock(&mut self, key: &'static str, name: &'static str, change: &Change<Time>) {
        self.change(key, name, change, "".into(), |time| clock(*time).into());
    }

    /// A yes or no.
    pub(super) fn flag(&mut self, key: &'static str, name: &'static str, change: &Change<bool>) {
        self.change(key, name, change, 0.into(), |flag| u8::from(*flag).into());
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &'static str, name: &'static str, change: &Change<i64>) {
        self.change(key, name, change, Value::Null, |number| (*number).into());
    }

    /// A reference to a record of this CRM; `null` when cleared.
    pub(super) fn id(&mut self, key: &'static str, name: &'static str, change: &Change<RecordId>) {
        if let Change::Set(id) = change {
            self.must_be_ours(id, name);
        }
        self.change(key, name, change, Value::Null, |id| id.number().into());
    }

    /// A list of references, sent whole: the CRM replaces what it has.
    pub(super) fn ids(&mut self, key: &'static str, name: &'static str, change: &Change<Vec<RecordId>>) {
        for id in change.value().into_iter().flatten() {
            self.must_be_ours(id, name);
        }
        self.change(key, name, change, json!([]), |ids| {
            ids.iter().map(RecordId::number).collect::<Vec<u64>>().into()
        });
    }

    /// An amount with two places.
    pub(super) fn sum(&mut self, key: &'static str, name: &'static str, change: &Change<Sum>) {
        let amount = change.value().map(|sum| self.amount(&format!("/{name}"), sum)).unwrap_or_default();
        self.change(key, name, change, "0.00".into(), |_| amount);
    }

    /// The CRM's spelling of an amount, which must be in its currency; `pointer` leads to it in the consumer's body.
    pub(super) fn amount(&mut self, pointer: &str, sum: &Sum) -> Value {
        if let Some(currency) = sum.currency.as_ref().filter(|currency| **currency != self.currency) {
            let detail = format!("is `{}`; the currency of this CRM is {}", shown(currency), self.currency);
            self.refused.push((format!("{pointer}/currency"), detail));
        }
        amount(sum.amount).into()
    }

    /// Fields of the CRM's own, each under its key; an empty text when cleared.
    pub(super) fn custom(&mut self, change: &Change<Custom>) {
        for (key, text) in change.value().into_iter().flat_map(|custom| &custom.0) {
            self.body.insert(key.clone(), text.as_deref().unwrap_or_default().into());
        }
    }

    /// Sends what the CRM showed of a record as well, but for what is sent already and `except`: for calls that empty
    /// whatever they are not sent.
    pub(super) fn resend(&mut self, raw: &Raw, except: &[&str]) {
        let Value::Object(fields) = raw.value() else { return };
        for (key, value) in fields {
            if !except.contains(&key.as_str()) && !self.body.contains_key(&key) {
                self.body.insert(key, value);
            }
        }
    }

    /// The number of a record of this CRM; `pointer` leads to its id in the consumer's body.
    pub(super) fn reference(&mut self, pointer: &str, id: &RecordId) -> Value {
        self.must_be_ours(id, pointer.trim_start_matches('/'));
        id.number().into()
    }

    /// An id that the CRM reads from the query only (section 3.2).
    pub(super) fn query_id(&mut self, key: &'static str, id: u64) {
        self.query.push((key, id.to_string()));
    }

    /// The record that the written one hangs on, in the query and in the body.
    pub(super) fn parent(&mut self, key: &'static str, id: Option<&RecordId>) {
        let Some(id) = id else { return };
        self.parent = Some(id.number());
        self.query_id(key, id.number());
        if key != "related_id" {
            self.body.insert(key.to_owned(), id.number().into());
        }
    }

    /// The written record is the only one of its kind below the parent and has its id.
    pub(super) fn is_parents_own(&mut self) {
        self.id = self.parent.map(|number| RecordId::new(Source::AlfaCrm, number));
    }

    /// A parameter that the CRM reads from the query.
    pub(super) fn query(&mut self, key: &'static str, value: impl Into<String>) {
        self.query.push((key, value.into()));
    }

    /// Refuses a value that this CRM surely cannot take; `pointer` leads into the consumer's body.
    pub(super) fn refuse(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.refused.push((pointer.into(), detail.into()));
    }

    /// Sends `value` as `key` unless something else is sent already.
    pub(super) fn otherwise(&mut self, key: &'static str, name: &'static str, value: impl Into<Value>) {
        if !self.sends(key) {
            self.set(key, name, value);
        }
    }

    /// Whether something is sent as `key`.
    pub(super) fn sends(&self, key: &str) -> bool {
        self.body.contains_key(key)
    }

    /// Writes a mark behind the text that is sent as `key`, if both are not longer than `most` characters.
    pub(super) fn mark(&mut self, key: &str, most: usize, mark: &str) {
        let text = self.body.get(key).and_then(Value::as_str).unwrap_or_default();
        let marked = mark::behind(text, mark);
        if marked.chars().count() <= most {
            self.body.insert(key.to_owned(), marked.into());
            self.marked = true;
        }
    }

    /// Keeps the mark that the record has behind the text that is sent as `key`: it is not the consumer's, who does not see
    /// it, and a write that is still looked for is found by it.
    pub(super) fn keep_mark(&mut self, key: &str, most: usize, before: &Value) {
        let Some(mark) = before[key].as_str().and_then(mark::in_text) else { return };
        let Some(text) = self.body.get(key).and_then(Value::as_str) else { return };
        let kept = mark::behind(mark::without(text), mark);
        if kept.chars().count() <= most {
            self.body.insert(key.to_owned(), kept.into());
        }
    }

    fn must_be_ours(&mut self, id: &RecordId, name: &str) {
        if !ours(id) {
            self.refused.push((format!("/{name}"), format!("is `{id}`, which is no record of this CRM")));
        }
    }

    /// The call.
    pub(super) fn finish(self) -> Result<Write, Error> {
        if !self.refused.is_empty() {
            let detail = "the CRM cannot take these values; see `errors`";
            return Err(Error {
                fields: self.refused,
                sent: false,
                ..Error::new(Source::AlfaCrm, Kind::Invalid, detail)
            });
        }
        let branch = self.branch.map(|branch| format!("/{branch}")).unwrap_or_default();
        let query = joined(&self.query);
        let target = format!("/v2api{branch}/{}?{}", self.operation, query.trim_end_matches('&'));
        let call = Call {
            operation: self.operation,
            method: Method::POST,
            target: target.trim_end_matches('?').to_owned(),
            body: Some(Value::Object(self.body).to_string().into()),
            safe: false,
        };
        let Self { parent, id, names, marked, .. } = self;
        Ok(Write { call: call.into(), parent, id, names, marked })
    }
}

/// An amount with two places.
pub(super) fn amount(mut amount: Decimal) -> String {
    amount.rescale(2);
    amount.to_string()
}

/// `hh:mm`.
pub(super) fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}
