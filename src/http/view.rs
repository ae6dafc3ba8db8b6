//! What of a record is shown: the fields asked for, `raw` only when asked for, nothing that a mask hides.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};

use super::codes::Code;
use super::problem::Problem;
use crate::model::expand::Expand;
use crate::model::record::COMMON_FIELDS;
use crate::model::{Entity, Incomplete, Page, Raw, Record};

/// Which fields are shown.
#[derive(Debug)]
pub(super) struct View {
    only: Option<Vec<Arc<str>>>,
    raw: bool,
    hidden: Vec<&'static str>,
    expand: Vec<&'static Expand>,
}

/// The fields of a kind of record, in the order they are documented.
pub(super) fn fields_of<E: Entity>() -> Vec<String> {
    let mut fields: Vec<String> = COMMON_FIELDS[..3].iter().map(|&name| name.to_owned()).collect();
    if let RefOr::T(Schema::Object(object)) = E::schema() {
        fields.extend(object.properties.keys().cloned());
    }
    fields.extend(COMMON_FIELDS[3..].iter().map(|&name| name.to_owned()));
    fields
}

/// The mask of who sees some students only: what a CRM says of them besides may be about others.
pub(super) const RAW: &str = crate::consumers::RAW;

/// The fields that these masks hide.
pub(super) fn hidden<E: Entity>(mask: &[String]) -> Vec<&'static str> {
    let masked = E::MASKED.iter().filter(|(name, _)| mask.iter().any(|mask| mask == name));
    let mut hidden: Vec<&'static str> = Vec::new();
    hidden.extend(mask.iter().any(|mask| mask == RAW).then_some("raw"));
    for field in masked.flat_map(|(_, fields)| fields.iter()) {
        if !hidden.contains(field) {
            hidden.push(*field);
        }
    }
    hidden
}

impl View {
    /// What was asked for, if nothing of it is hidden from the consumer.
    pub(super) fn new(
        only: Option<Vec<Arc<str>>>,
        raw: bool,
        hidden: Vec<&'static str>,
        expand: Vec<&'static Expand>,
    ) -> Result<Self, Problem> {
        let named = only.iter().flatten().find(|field| hidden.contains(&&***field));
        let named = named.map(|field| &**field).or((raw && hidden.contains(&"raw")).then_some("raw"));
        match named {
            Some(field) => Err(Problem::new(Code::Forbidden, format!("This key may not see `{field}`."))),
            None => Ok(Self { only, raw, hidden, expand }),
        }
    }

    /// One record as JSON.
    pub(super) fn one<E: Entity>(&self, record: &Record<E>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Shown { record, view: self })
    }

    /// A page as JSON.
    pub(super) fn page<E: Entity>(&self, page: &Page<E>) -> serde_json::Result<Vec<u8>> {
        let items: Vec<_> = page.items.iter().map(|record| Shown { record: &**record, view: self }).collect();
        serde_json::to_vec(&Body {
            items,
            next_cursor: page.next_cursor.as_deref(),
            total: page.total,
            incomplete: &page.incomplete,
        })
    }

    /// The references whose names are wanted.
    pub(super) fn expand(&self) -> &[&'static Expand] {
        &self.expand
    }

    /// Records as objects, for those that names are put into.
    pub(super) fn open<E: Entity>(
        &self,
        records: &[Arc<Record<E>>],
    ) -> serde_json::Result<Vec<Map<String, Value>>> {
        let whole = |record: &Arc<Record<E>>| {
            let Value::Object(mut fields) = serde_json::to_value(&**record)? else {
                return Err(serde_json::Error::custom("a record is an object"));
            };
            fields.retain(|field, _| !self.hidden.contains(&field.as_str()));
            if self.raw {
                fields.insert("raw".to_owned(), record.raw.value());
            }
            Ok(fields)
        };
        records.iter().map(whole).collect()
    }

    /// Opened records with their names as JSON: a page, or one record.
    pub(super) fn close<E>(
        &self,
        mut records: Vec<Map<String, Value>>,
        page: Option<&Page<E>>,
    ) -> serde_json::Result<Vec<u8>> {
        for record in &mut records {
            let added = |field: &str| self.expand.iter().any(|expand| expand.name == field);
            record.retain(|field, _| self.shows(field) || added(field));
        }
        match page {
            None => serde_json::to_vec(&records.into_iter().next()),
            Some(page) => serde_json::to_vec(&Body {
                items: records,
                next_cursor: page.next_cursor.as_deref(),
                total: page.total,
                incomplete: &page.incomplete,
            }),
        }
    }

    fn shows(&self, field: &str) -> bool {
        let asked = self.only.as_ref().is_none_or(|only| only.iter().any(|name| &**name == field));
        (asked || field == "id") && !self.hidden.contains(&field)
    }

    fn is_everything(&self) -> bool {
        self.only.is_none() && self.hidden.is_empty()
    }
}

#[derive(Serialize)]
struct Body<'a, I> {
    items: Vec<I>,
    next_cursor: Option<&'a str>,
    total: Option<u64>,
    incomplete: &'a [Incomplete],
}

struct Shown<'a, E: Entity> {
    record: &'a Record<E>,
    view: &'a View,
}

#[derive(Serialize)]
struct WithRaw<'a, E: Entity> {
    #[serde(flatten)]
    record: &'a Record<E>,
    raw: &'a Raw,
}

impl<E: Entity> Serialize for Shown<'_, E> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { record, view } = *self;
        // The road nearly every answer takes builds nothing in between.
        if view.is_everything() && !view.raw {
            return record.serialize(serializer);
        }
        if view.is_everything() {
            return WithRaw { record, raw: &record.raw }.serialize(serializer);
        }
        let Value::Object(mut fields) = serde_json::to_value(record).map_err(S::Error::custom)? else {
            return Err(S::Error::custom("a record is an object"));
        };
        fields.retain(|field, _| view.shows(field));
        if view.raw {
            fields.insert("raw".to_owned(), record.raw.value());
        }
        Map::serialize(&fields, serializer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::payment::{Direction, Payment};
    use crate::model::student::Student;
    use crate::model::{Money, RecordId, Source};
    use serde_json::json;

    pub(in crate::http) fn payment() -> Record<Payment> {
        Record {
            id: RecordId::new(Source::AlfaCrm, 901),
            source: Source::AlfaCrm,
            source_id: "901".to_owned(),
            data: Payment {
                branch_id: None,
                student_id: Some(RecordId::new(Source::AlfaCrm, 101)),
                project_id: None,
                direction: Direction::Income,
                amount: Some(Money::new("1000".parse().unwrap(), Some("RUB".into()))),
                date: None,
                payer_name: Some("Образцова Анна".to_owned()),
                note: Some("лично".to_owned()),
                confirmed: Some(true),
                type_id: None,
                type_name: None,
                account_id: None,
                item_id: None,
                subscription_id: None,
                teacher_id: None,
                location_id: None,
            },
            custom_fields: Map::new(),
            created_at: None,
            updated_at: None,
            raw: Raw::of(&json!({"id": 901, "income": "1000.00"})),
        }
    }

    fn shown(only: Option<&[&str]>, raw: bool, mask: &[&str]) -> Value {
        let mask: Vec<String> = mask.iter().map(|mask| (*mask).to_owned()).collect();
        let only = only.map(|only| only.iter().map(|&field| Arc::from(field)).collect());
        let view = View::new(only, raw, hidden::<Payment>(&mask), Vec::new()).unwrap();
        serde_json::from_slice(&view.one(&payment()).unwrap()).unwrap()
    }

    #[test]
    fn raw_is_shown_when_asked_for_and_only_then() {
        assert!(shown(None, false, &[]).get("raw").is_none());
        let with = shown(None, true, &[]);
        assert_eq!(with["raw"], json!({"id": 901, "income": "1000.00"}));
        assert_eq!(with["amount"], json!({"amount": "1000.00", "currency": "RUB"}));
    }

    #[test]
    fn only_the_fields_asked_for_are_there_and_the_id() {
        assert_eq!(
            shown(Some(&["payer_name"]), false, &[]),
            json!({"id": "alfa-901", "payer_name": "Образцова Анна"})
        );
        assert_eq!(
            shown(Some(&["raw"]), true, &[]),
            json!({"id": "alfa-901", "raw": {"id": 901, "income": "1000.00"}})
        );
    }

    #[test]
    fn what_a_mask_hides_is_not_there_and_cannot_be_asked_for() {
        let masked = shown(None, false, &["notes"]);
        assert!(masked.get("note").is_none() && masked.get("custom_fields").is_none());
        assert_eq!(masked["payer_name"], "Образцова Анна");
        assert!(View::new(None, true, hidden::<Payment>(&["balances".to_owned()]), Vec::new()).is_err());
    }

    #[test]
    fn a_page_says_where_it_ends_how_many_there_are_and_who_is_missing() {
        let page = Page {
            items: vec![Arc::new(payment())],
            next_cursor: Some("abc".to_owned()),
            total: Some(7),
            incomplete: vec![Incomplete {
                source: Source::CryptoCrm,
                branch_id: None,
                reason: "overloaded".to_owned(),
                detail: "Too many calls wait.".to_owned(),
            }],
        };
        let view = View::new(Some(vec!["id".into()]), false, Vec::new(), Vec::new()).unwrap();
        let body: Value = serde_json::from_slice(&view.page(&page).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({"items": [{"id": "alfa-901"}], "next_cursor": "abc", "total": 7,
                "incomplete": [{"source": "cryptocrm", "branch_id": null, "reason": "overloaded", "detail": "Too many calls wait."}]})
        );
    }

    #[test]
    fn the_fields_of_a_record_are_those_of_its_example() {
        let mut known = fields_of::<Student>();
        known.retain(|field| field != "raw");
        known.sort();
        let mut shown: Vec<String> = Student::example().as_object().unwrap().keys().cloned().collect();
        shown.sort();
        assert_eq!(known, shown);
    }
}
