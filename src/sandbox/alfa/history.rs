//! What a write leaves behind: a log entry and an event for the webhooks, with the fields as the CRM reports them.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::cell::{Cell, money};
use super::dates;
use super::desk::{API_USER, Desk, branches};
use super::models::lesson;
use super::row::Row;
use super::schema::{Kind, Model, Spec};
use super::webhook::Event;

/// Log numbers of events.
const ADDED: i64 = 1;
const CHANGED: i64 = 2;
const DELETED: i64 = 3;

/// Reports a deleted row with all it held.
pub(super) fn deleted(desk: &mut Desk<'_>, row: &Row) {
    let old = fields(row.spec, row, |_, cell| !cell.is_empty(), old_value);
    record(desk, "delete", row, old, Map::new());
}

/// Log entry and webhook event of a saved row: what was sent on create, what changed on update.
pub(super) fn report(desk: &mut Desk<'_>, call: &Call, old: Option<&Row>, row: &Row) {
    let spec = row.spec;
    match old {
        None => {
            let mut new = fields(spec, row, |name, _| call.body.contains_key(name), new_value);
            for key in ["related_class", "related_id", "class", "group_id", "customer_id"] {
                if let Some(place) = spec.find(key).filter(|_| call.query(key).is_some()) {
                    new.insert(key.to_owned(), new_value(spec, place, &row.cells[place]));
                }
            }
            if spec.model == Model::Lesson {
                lesson_fields(&call.body, &mut new);
            }
            record(desk, "create", row, Map::new(), new);
        }
        Some(old) => {
            let changed = |name: &str, _: &Cell| {
                !matches!(name, "updated_at" | "details") && old.cell(name) != row.cell(name)
            };
            let before = fields(spec, old, changed, old_value);
            let after = fields(spec, row, changed, new_value);
            record(desk, "update", row, before, after);
        }
    }
    if spec.model == Model::Lesson {
        report_details(desk, old, row);
    }
}

/// Attendance of a lesson that is now conducted is reported student by student.
fn report_details(desk: &mut Desk<'_>, old: Option<&Row>, row: &Row) {
    if row.int("status") != Some(lesson::CONDUCTED)
        || old.is_some_and(|old| old.int("status") == Some(lesson::CONDUCTED))
    {
        return;
    }
    for detail in row.details() {
        let new = json!({
            "lesson_id": row.id,
            "customer_id": detail.customer,
            "is_attend": i64::from(detail.attended),
        });
        let new = new.as_object().cloned().unwrap_or_default();
        note(desk, "create", "LessonDetails", detail.id, row.key("branch_id"), Map::new(), new);
    }
}

/// A lesson's date and times are reported under the names they are written with.
fn lesson_fields(body: &Map<String, Value>, new: &mut Map<String, Value>) {
    if let Some(day) = body.get("lesson_date").and_then(Value::as_str).and_then(dates::parse_ru) {
        new.insert("lesson_date".to_owned(), json!(dates::iso(day)));
    }
    for key in ["time_from", "time_to", "duration"] {
        if let Some(value) = body.get(key) {
            new.insert(key.to_owned(), value.clone());
        }
    }
}

fn record(
    desk: &mut Desk<'_>,
    event: &'static str,
    row: &Row,
    old: Map<String, Value>,
    new: Map<String, Value>,
) {
    let branch = branches(&*desk.store, row).and_then(|ids| ids.first().copied());
    note(desk, event, row.spec.entity, row.id, branch, old, new);
}

fn note(
    desk: &mut Desk<'_>,
    event: &'static str,
    entity: &'static str,
    id: u64,
    branch: Option<u64>,
    old: Map<String, Value>,
    new: Map<String, Value>,
) {
    let number = match event {
        "create" => ADDED,
        "delete" => DELETED,
        _ => CHANGED,
    };
    let entry = Row::blank(Model::Log.spec())
        .with("entity", entity)
        .with("entity_id", id)
        .with("user_id", API_USER)
        .with("event", number)
        .with("fields_old", Cell::Json(Box::new(map_or_list(&old))))
        .with("fields_new", Cell::Json(Box::new(map_or_list(&new))))
        .with("fields_rel", Cell::Json(Box::new(json!([]))))
        .with("date_time", desk.now);
    let logged = desk.store.table_mut(Model::Log).insert(entry);
    desk.store.births.note(desk.at, Model::Log, logged);
    desk.events.push(Event { branch, event, entity, id, old, new, user: API_USER, at: desk.now });
}

/// PHP prints an empty map as an empty list.
pub(super) fn map_or_list(map: &Map<String, Value>) -> Value {
    if map.is_empty() { json!([]) } else { Value::Object(map.clone()) }
}

fn fields(
    spec: &'static Spec,
    row: &Row,
    wanted: impl Fn(&str, &Cell) -> bool,
    value: impl Fn(&'static Spec, usize, &Cell) -> Value,
) -> Map<String, Value> {
    let mut map = Map::new();
    for (place, column) in spec.columns.iter().enumerate() {
        let cell = &row.cells[place];
        if column.shown && !matches!(cell, Cell::Details(_)) && wanted(column.name, cell) {
            let name = match (spec.model, column.name) {
                (Model::Pay, "is_confirmed") => "confirmed",
                (_, name) => name,
            };
            map.insert(name.to_owned(), value(spec, place, cell));
        }
    }
    map
}

/// Old values are reported as stored, dates I.
fn old_value(spec: &'static Spec, place: usize, cell: &Cell) -> Value {
    let column = &spec.columns[place];
    match (spec.model, column.name, column.kind) {
        (Model::Pay, "is_confirmed", _) => json!(cell.number() == Some(1)),
        (_, _, Kind::DateRu) => cell.json(Kind::DateIso),
        (_, _, kind) => cell.json(kind),
    }
}

/// New values are reported as a form sends them: a payment's ids and amounts as text, `10` for `10.00`.
fn new_value(spec: &'static Spec, place: usize, cell: &Cell) -> Value {
    let name = spec.columns[place].name;
    match (spec.model, cell) {
        (_, Cell::Money(amount)) => {
            let text = money(*amount);
            json!(text.strip_suffix(".00").unwrap_or(&text))
        }
        (Model::Pay, Cell::Int(number)) if !matches!(name, "branch_id" | "is_confirmed") => {
            json!(number.to_string())
        }
        _ => old_value(spec, place, cell),
    }
}
