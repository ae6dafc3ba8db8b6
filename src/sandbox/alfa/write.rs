//! Every create, update and delete: required fields, formats, what the model checks itself, then the row, the log
//! entry, the webhook event and what follows for others. Nothing changes unless everything is right.

use serde_json::{Map, Value, json};

use super::accounts;
use super::call::Call;
use super::cell::{Cell, Row, money};
use super::dates;
use super::desk::{API_USER, Desk, branches};
use super::errors::{Errors, Fault, Refusal};
use super::list;
use super::models::{customer, group, lesson, office, pay, regular, tariff, teacher};
use super::schema::{Kind, Model, Spec};
use super::webhook::Event;

/// Log numbers of events.
const ADDED: i64 = 1;
const CHANGED: i64 = 2;
const DELETED: i64 = 3;

/// Answers `{model}/create`.
pub(super) fn create(desk: &mut Desk<'_>, model: Model, call: &Call) -> Result<Value, Refusal> {
    save(desk, model, call, None)
}

/// Answers `{model}/update?id=`: a partial update, except that a membership is overwritten whole.
pub(super) fn update(desk: &mut Desk<'_>, model: Model, id: u64, call: &Call) -> Result<Value, Refusal> {
    let old = existing(desk, model, id, call)?;
    save(desk, model, call, Some(old))
}

/// Answers `{model}/delete?id=`.
pub(super) fn delete(desk: &mut Desk<'_>, model: Model, id: u64, call: &Call) -> Result<Value, Refusal> {
    let row = existing(desk, model, id, call)?;
    desk.store.table_mut(model).remove(id);
    let old = fields(model.spec(), &row, |_, cell| !cell.is_empty(), old_value);
    record(desk, "delete", &row, old, Map::new());
    match model {
        Model::Cgi => group::enrol(desk, Some(&row), None),
        Model::Group => group::dissolve(desk, id),
        Model::CustomerTariff => tariff::settle(desk, &row),
        _ => {}
    }
    Ok(json!({"success": true, "errors": []}))
}

/// The row a write is about. One outside the branch, or of another owner than the query says, is not there.
fn existing(desk: &Desk<'_>, model: Model, id: u64, call: &Call) -> Result<Row, Refusal> {
    let owners: &[(&str, &str)] = match model {
        Model::Cgi => &[("group_id", "group_id")],
        Model::CustomerTariff => &[("customer_id", "customer_id")],
        Model::Communication => &[("related_id", "related_id")],
        _ => &[],
    };
    desk.store
        .get(model, id)
        .filter(|row| desk.linked(row, call.branch))
        .filter(|row| {
            owners
                .iter()
                .all(|(column, key)| row.key(column) == call.query_id(key))
        })
        .cloned()
        .ok_or(Refusal::NotFound)
}

fn save(desk: &mut Desk<'_>, model: Model, call: &Call, old: Option<Row>) -> Result<Value, Refusal> {
    let spec = model.spec();
    let mut errors = Errors::default();
    let mut row = match &old {
        Some(old) if model == Model::Cgi => Row {
            id: old.id,
            ..Row::blank(spec)
        },
        Some(old) => old.clone(),
        None => Row::blank(spec),
    };
    assign(&mut row, &call.body, &mut errors);
    for name in spec.required {
        // A default does not stand in for what must be sent.
        let unsent = old.is_none() && !call.body.contains_key(*name);
        if unsent || row.cell(name).is_empty() {
            errors.at(&row, name, Fault::Blank);
        }
    }
    check(desk, call, old.as_ref(), &mut row, &mut errors);
    errors.verdict(desk.switches.message_language, &call.body)?;
    let row = store(desk, old.as_ref(), row);
    report(desk, call, old.as_ref(), &row);
    follow(desk, old.as_ref(), &row);
    // A fresh card shows its aggregates as null until something happens on it.
    let shown = desk.store.get(model, row.id).unwrap_or(&row);
    Ok(json!({"success": true, "errors": [], "model": list::present(desk, call, shown)}))
}

/// Answers `lead-form/save`: a lead without a token.
pub(super) fn lead_form(desk: &mut Desk<'_>, call: &Call) -> Value {
    let Some(mut row) = office::form_lead(desk, call) else {
        let column = &customer::CUSTOMER.columns[customer::CUSTOMER.at("name")];
        let mut errors = Errors::default();
        errors.add(column, Fault::Blank);
        let message = match errors.verdict(desk.switches.message_language, &call.body) {
            Err(Refusal::Invalid(invalid)) => Value::Object(invalid.errors),
            _ => json!([]),
        };
        return json!({"success": false, "message": "", "errors": message});
    };
    customer::check(desk, call, &mut row, &mut Errors::default());
    let row = store(desk, None, row);
    report(desk, call, None, &row);
    json!({"success": true, "message": "OK", "errors": []})
}

/// Takes the values sent into the row, each in its column's write format.
fn assign(row: &mut Row, body: &Map<String, Value>, errors: &mut Errors) {
    let spec = row.spec;
    for (place, column) in spec.columns.iter().enumerate() {
        let Some(value) = body.get(column.name).filter(|_| column.writable) else {
            continue;
        };
        match Cell::strict(column.kind, value) {
            Some(Cell::Text(text)) if text.chars().count() > column.max => {
                errors.add(column, Fault::TooLong(column.max));
            }
            Some(cell) => row.cells[place] = cell,
            None => errors.add(column, Fault::Format),
        }
    }
}

/// What the model has to say about a row before it is saved.
fn check(desk: &mut Desk<'_>, call: &Call, old: Option<&Row>, row: &mut Row, errors: &mut Errors) {
    match row.spec.model {
        Model::Customer => {
            customer::check(desk, call, row, errors);
            // A balance written directly goes to the common account.
            if call.body.contains_key("balance") {
                let base = row.money("balance") - accounts::separate(desk.store, row.id);
                row.set("balance_base", Cell::Money(base));
            }
        }
        Model::Group => group::check(desk, call, row, errors),
        Model::Cgi => group::check_membership(desk, call, row, errors),
        Model::Teacher => teacher::check(desk, call, row, errors),
        Model::Lesson => lesson::check(desk, call, old, row, errors),
        Model::RegularLesson => regular::check(desk, call, row, errors),
        Model::Pay => pay::check(desk, row, errors),
        Model::Tariff => tariff::check_tariff(desk, row),
        Model::CustomerTariff => tariff::check(desk, call, row, errors),
        Model::Discount => errors.must_exist(desk, row, "customer_id", Model::Customer),
        Model::Task => office::check_task(desk, call, row, errors),
        Model::Communication => office::check_communication(desk, call, row, errors),
        Model::Location | Model::Room => errors.must_exist(desk, row, "branch_id", Model::Branch),
        _ => {}
    }
}

fn store(desk: &mut Desk<'_>, old: Option<&Row>, mut row: Row) -> Row {
    let spec = row.spec;
    if old.is_none()
        && let Some(place) = spec.find("created_at")
    {
        row.cells[place] = desk.now.into();
    }
    if let Some(place) = spec.find("updated_at") {
        row.cells[place] = desk.now.into();
    }
    let table = desk.store.table_mut(spec.model);
    match old {
        Some(old) => {
            let id = old.id;
            table.change(id, |stored| *stored = row.clone());
            row.id = id;
        }
        None => row.id = table.insert(row.clone()),
    }
    row
}

/// What a saved row changes elsewhere.
fn follow(desk: &mut Desk<'_>, old: Option<&Row>, row: &Row) {
    match row.spec.model {
        Model::Pay => pay::book(desk, old, row),
        Model::Lesson => lesson::settle(desk, old, row),
        Model::Cgi => group::enrol(desk, old, Some(row)),
        Model::CustomerTariff => tariff::settle(desk, row),
        _ => {}
    }
}

/// Log entry and webhook event of a saved row: what was sent on create, what changed on update.
fn report(desk: &mut Desk<'_>, call: &Call, old: Option<&Row>, row: &Row) {
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
        note(
            desk,
            "create",
            "LessonDetails",
            detail.id,
            row.key("branch_id"),
            Map::new(),
            new,
        );
    }
}

/// A lesson's date and times are reported under the names they are written with.
fn lesson_fields(body: &Map<String, Value>, new: &mut Map<String, Value>) {
    if let Some(day) = body
        .get("lesson_date")
        .and_then(Value::as_str)
        .and_then(dates::parse_ru)
    {
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
    desk.store.table_mut(Model::Log).insert(entry);
    desk.events.push(Event {
        branch,
        event,
        entity,
        id,
        old,
        new,
        user: API_USER,
        at: desk.now,
    });
}

/// PHP prints an empty map as an empty list.
pub(super) fn map_or_list(map: &Map<String, Value>) -> Value {
    if map.is_empty() {
        json!([])
    } else {
        Value::Object(map.clone())
    }
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
