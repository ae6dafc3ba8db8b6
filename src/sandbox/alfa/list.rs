//! Every list: filters, branch membership, paging and the envelope. `total`, `count` and `page` say what is true.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::cell::int;
use super::desk::Desk;
use super::filter;
use super::models::{customer, group, lesson, office, pay, regular, tariff, teacher};
use super::row::Row;
use super::schema::{How, Model, filter as declare};
use super::switches::PastEnd;

/// A question to a row.
pub(super) type Test<'a> = Box<dyn Fn(&Row) -> bool + 'a>;

/// Answers `{model}/index`.
pub(super) fn index(desk: &Desk<'_>, model: Model, call: &Call) -> Value {
    let tests = tests(desk, model, call);
    let found = desk.store.table(model).iter().filter(|row| tests.iter().all(|test| test(row)));
    let mut found: Vec<&Row> = found.collect();
    if model == Model::Customer && customer::leads_only(call) {
        found.sort_by_cached_key(|row| std::cmp::Reverse((row.stamp("created_at"), row.id)));
    }
    envelope(desk, call, &found)
}

/// One page of `found` in its envelope.
pub(super) fn envelope(desk: &Desk<'_>, call: &Call, found: &[&Row]) -> Value {
    let size = page_size(desk, call);
    let mut page = call.body_int("page").and_then(|page| usize::try_from(page).ok()).unwrap_or(0);
    if desk.switches.past_end == PastEnd::RepeatLast {
        page = page.min(found.len().saturating_sub(1) / size);
    }
    let items: Vec<Value> = found
        .iter()
        .skip(page.saturating_mul(size))
        .take(size)
        .map(|row| Value::Object(present(desk, call, row)))
        .collect();
    json!({"total": found.len(), "count": items.len(), "page": page, "items": items})
}

/// The size the caller asked for by `pageSize` in the body or `per-page` in the query, within limits. `page_size`,
/// `count` and `per_page` do nothing.
fn page_size(desk: &Desk<'_>, call: &Call) -> usize {
    let asked = call
        .body
        .get("pageSize")
        .and_then(int)
        .or_else(|| call.query("per-page").and_then(|size| size.parse().ok()))
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0);
    asked.unwrap_or(desk.switches.default_page_size).min(desk.switches.max_page_size).max(1)
}

/// A row as the API shows it.
pub(super) fn present(desk: &Desk<'_>, call: &Call, row: &Row) -> Map<String, Value> {
    let mut item = row.json(false);
    match row.spec.model {
        Model::Customer => customer::present(desk, call, row, &mut item),
        Model::Group => group::present(desk, row, &mut item),
        Model::Lesson => lesson::present(desk, call, row, &mut item),
        Model::RegularLesson => regular::present(desk, &mut item),
        _ => {}
    }
    item
}

fn tests<'a>(desk: &'a Desk<'_>, model: Model, call: &'a Call) -> Vec<Test<'a>> {
    let spec = model.spec();
    let mut tests: Vec<Test<'a>> = match model {
        Model::Customer => customer::tests(desk, call),
        Model::Group => group::tests(desk, call),
        Model::Cgi => group::membership_tests(desk, call),
        Model::Teacher => teacher::tests(desk, call),
        Model::Lesson => lesson::tests(desk, call),
        Model::RegularLesson => regular::tests(call),
        Model::Pay => pay::tests(desk, call),
        Model::CustomerTariff => tariff::tests(desk, call),
        Model::Communication => office::communication_tests(call),
        _ => Vec::new(),
    };
    // The template list ignores `id`; everything else obeys it.
    if model != Model::Tariff
        && let Some(ids) = call.body.get("id").and_then(filter::numbers)
    {
        tests.push(Box::new(move |row| i64::try_from(row.id).is_ok_and(|id| ids.contains(&id))));
    }
    for known in spec.filters {
        if let Some(value) = call.body.get(known.key) {
            tests.extend(filter::test(spec, known, value));
        }
    }
    let young = desk.store.births.younger(desk.at, desk.switches.index_lag, model);
    if !young.is_empty() {
        tests.push(Box::new(move |row| !young.contains(&row.id)));
    }
    let branch = call.branch;
    if branch.is_some() || desk.switches.branches.is_some() {
        tests.push(Box::new(move |row| desk.linked(row, branch)));
    }
    tests
}

/// Tests for a filter that is documented for one model only under a condition.
pub(super) fn optional<'a>(
    model: Model,
    call: &Call,
    key: &'static str,
    column: &'static str,
    how: How,
) -> Option<Test<'a>> {
    let value = call.body.get(key)?;
    filter::test(model.spec(), &declare(key, column, how), value)
}
