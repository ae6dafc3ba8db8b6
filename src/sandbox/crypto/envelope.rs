//! What is around the records of an answer, and what stands for none.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::look_up::Found;
use super::refusal::Refusal;
use super::shape::{flat_items, shaped, text_of};
use super::store::Record;
use super::switches::{Checklists, Envelope, Missing, Switches};
use super::table::Table;

/// Writes what was found.
pub(super) fn wrap(found: Found, switches: &Switches) -> Result<Answer, Refusal> {
    let body = match found {
        Found::List(table, records, total) => {
            let flat = table == Table::Checklists && switches.checklists == Checklists::Flat;
            let rows = rows(table, &records, flat, switches);
            let total = if flat { rows.len() } else { total };
            list(rows, total, switches)
        }
        Found::Object(table, Some(record)) => {
            let row = (id_text(&record), shaped(table, &record, switches));
            if switches.object_in_list { list(vec![row], 1, switches) } else { object(row, switches) }
        }
        Found::Object(_, None) => match switches.missing {
            Missing::Status => return Err(Refusal::NotFound),
            Missing::EmptyList => list(Vec::new(), 0, switches),
            Missing::Null => match switches.envelope {
                Envelope::Payload => json!({ "payload": null }),
                Envelope::Data => json!({ "data": null }),
                Envelope::ItemsTotal => json!({ "item": null }),
                Envelope::ResponseNested => json!({ "response": { "item": null } }),
                Envelope::Bare | Envelope::MapById => Value::Null,
            },
        },
    };
    Ok(Answer::json(StatusCode::OK, &body))
}

/// A row and its id, for the envelope that is a map.
type Row = (String, Value);

fn rows(table: Table, records: &[Record], flat: bool, switches: &Switches) -> Vec<Row> {
    if !flat {
        return records.iter().map(|record| (id_text(record), shaped(table, record, switches))).collect();
    }
    let items = records.iter().flat_map(|checklist| {
        let items = checklist.get("items").and_then(Value::as_array);
        let ids = items.into_iter().flatten().filter_map(Value::as_object).map(id_text);
        ids.zip(flat_items(checklist, switches))
    });
    items.collect()
}

fn id_text(record: &Record) -> String {
    record.get("id").map(text_of).unwrap_or_default()
}

fn list(rows: Vec<Row>, total: usize, switches: &Switches) -> Value {
    let nothing = rows.is_empty();
    if switches.envelope == Envelope::MapById && !nothing {
        return Value::Object(rows.into_iter().collect::<Map<_, _>>());
    }
    let rows = if nothing && switches.empty_list_null {
        Value::Null
    } else {
        rows.into_iter().map(|(_, row)| row).collect()
    };
    match switches.envelope {
        Envelope::Payload => json!({ "payload": rows }),
        Envelope::Bare | Envelope::MapById => rows,
        Envelope::Data => json!({ "data": rows }),
        Envelope::ItemsTotal => json!({ "items": rows, "total": total }),
        Envelope::ResponseNested => json!({ "response": { "items": rows } }),
    }
}

fn object((id, row): Row, switches: &Switches) -> Value {
    match switches.envelope {
        Envelope::Payload => json!({ "payload": row }),
        Envelope::Bare => row,
        Envelope::Data => json!({ "data": row }),
        Envelope::ItemsTotal => json!({ "item": row }),
        Envelope::ResponseNested => json!({ "response": { "item": row } }),
        Envelope::MapById => Value::Object([(id, row)].into_iter().collect()),
    }
}
