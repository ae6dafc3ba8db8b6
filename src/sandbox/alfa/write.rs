//! Every create, update and delete: required fields, formats, what the model checks itself, then the row, the log
//! entry, the webhook event and what follows for others. Nothing changes unless everything is right.

use serde_json::{Map, Value, json};

use super::accounts;
use super::call::Call;
use super::cell::Cell;
use super::desk::Desk;
use super::errors::{Errors, Fault, Refusal};
use super::history;
use super::list;
use super::models::{attendance, customer, group, lesson, office, pay, regular, tariff, teacher};
use super::row::Row;
use super::schema::Model;

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
    history::deleted(desk, &row);
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
        .filter(|row| owners.iter().all(|(column, key)| row.key(column) == call.query_id(key)))
        .cloned()
        .ok_or(Refusal::NotFound)
}

fn save(desk: &mut Desk<'_>, model: Model, call: &Call, old: Option<Row>) -> Result<Value, Refusal> {
    let spec = model.spec();
    let mut errors = Errors::default();
    let mut row = match &old {
        Some(old) if model == Model::Cgi => Row { id: old.id, ..Row::blank(spec) },
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
    history::report(desk, call, old.as_ref(), &row);
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
    history::report(desk, call, None, &row);
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
        None => {
            row.id = table.insert(row.clone());
            desk.store.births.note(desk.at, spec.model, row.id);
        }
    }
    row
}

/// What a saved row changes elsewhere.
fn follow(desk: &mut Desk<'_>, old: Option<&Row>, row: &Row) {
    match row.spec.model {
        Model::Pay => pay::book(desk, old, row),
        Model::Lesson => attendance::settle(desk, old, row),
        Model::Cgi => group::enrol(desk, old, Some(row)),
        Model::RegularLesson => regular::plan(desk, row),
        Model::CustomerTariff => tariff::settle(desk, row),
        _ => {}
    }
}
