//! Whether a row shows what was sent. AlfaCRM writes differently from what it takes: days as `yyyy-mm-dd` for
//! `dd.mm.yyyy`, numbers as text, flags as words, amounts with more or fewer places, lists in any order (section 8 of the
//! reference). Two spellings of the same value are the same here.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::crm::{Likeness, mark};

/// Whether `row` is what a call with the body `sent` made or changed; `marked` is the field that holds marks.
pub(super) fn likeness(sent: &Value, own: &str, marked: Option<&str>, row: &Value) -> Likeness {
    let found = marked.and_then(|key| mark::in_text(row[key].as_str()?));
    match found {
        Some(id) if id == own => return Likeness::Marked,
        // Made by another write.
        Some(_) if marked.is_some_and(|key| sent[key].as_str().and_then(mark::in_text).is_some()) => {
            return Likeness::Other;
        }
        _ => {}
    }
    let (Some(sent), Some(row)) = (sent.as_object(), row.as_object()) else { return Likeness::Other };
    let mut compared = 0;
    for (key, value) in sent {
        // What the row does not have it does not contradict.
        let Some(shown) = row.get(key).or_else(|| row.get(shown_as(key))) else { continue };
        if !same(value, shown) {
            return Likeness::Other;
        }
        compared += 1;
    }
    if compared > 0 { Likeness::Alike } else { Likeness::Other }
}

/// Fields that rows name otherwise than calls.
fn shown_as(key: &str) -> &str {
    match key {
        "lesson_date" => "date",
        other => other,
    }
}

/// Whether two values are spellings of one.
fn same(sent: &Value, shown: &Value) -> bool {
    match (sent, shown) {
        (Value::Array(sent), Value::Array(shown)) => {
            sent.len() == shown.len() && sent.iter().all(|one| shown.iter().any(|other| same(one, other)))
        }
        (Value::Object(sent), Value::Object(shown)) => {
            sent.iter().all(|(key, value)| shown.get(key).is_none_or(|shown| same(value, shown)))
        }
        // A list of one is often shown as the one.
        (Value::Array(list), other) | (other, Value::Array(list)) => match list.as_slice() {
            [] => plain(other).is_empty(),
            [one] => same(one, other),
            _ => false,
        },
        _ => {
            let (sent, shown) = (plain(sent), plain(shown));
            sent == shown
                || amount(&sent).is_some_and(|sent| amount(&shown) == Some(sent))
                || moment(&sent, &shown)
        }
    }
}

/// The text of a value: flags as digits, days as `yyyy-mm-dd`, without a mark.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::Bool(flag) => u8::from(*flag).to_string(),
        Value::String(text) => mark::without(text.trim()).to_owned(),
        other => other.to_string(),
    };
    Date::strptime("%d.%m.%Y", &text).map_or(text, |day| day.to_string())
}

fn amount(text: &str) -> Option<Decimal> {
    text.parse::<Decimal>().ok().map(|amount| amount.normalize().abs())
}

/// A day or a time of day is the same as the moment that has it.
fn moment(sent: &str, shown: &str) -> bool {
    let is_part =
        |sent: &str| (sent.len() == 5 && sent.as_bytes()[2] == b':') || sent.parse::<Date>().is_ok();
    is_part(sent) && shown.split(' ').any(|part| part == sent || part.strip_suffix(":00") == Some(sent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_shows_what_was_sent_in_its_own_spelling() {
        let sent = json!({
            "customer_id": 101, "income": "1250.00", "document_date": "25.02.2026", "is_confirmed": 1, "note": "x [gw:0123456789abcdef]",
            "subject_ids": [1, 2], "e_date": "30.06.2026", "time_from": "17:00", "branch_ids": [1],
        });
        let row = json!({
            "id": 7, "customer_id": "101", "income": 1250, "document_date": "25.02.2026", "is_confirmed": true, "note": "x",
            "subject_ids": ["2", "1"], "e_date": "2026-06-30", "time_from": "2026-02-25 17:00:00", "branch_ids": 1, "balance": "9",
        });
        assert_eq!(likeness(&sent, "other", None, &row), Likeness::Alike);
        for (key, other) in [
            ("customer_id", json!(102)),
            ("income", json!("1250.01")),
            ("subject_ids", json!([1])),
            ("note", json!("y")),
        ] {
            let mut row = row.clone();
            row[key] = other;
            assert_eq!(likeness(&sent, "other", None, &row), Likeness::Other, "{key}");
        }
    }

    #[test]
    fn a_mark_says_more_than_what_is_alike() {
        let sent = json!({"income": "5.00", "note": "[gw:0123456789abcdef]"});
        let row = |note: &str| json!({"income": "5.00", "note": note});
        let of = |note: &str| likeness(&sent, "0123456789abcdef", Some("note"), &row(note));
        assert_eq!(of("changed since [gw:0123456789abcdef]"), Likeness::Marked);
        assert_eq!(of("[gw:0123456789abcdee]"), Likeness::Other, "it was made by another write");
        assert_eq!(of(""), Likeness::Alike, "whoever made it did not mark it");
        assert_eq!(likeness(&json!({}), "x", Some("note"), &row("")), Likeness::Other, "nothing is compared");
    }
}
