//! Whether a row shows what was sent. AlfaCRM writes differently from what it takes: days as `yyyy-mm-dd` for
//! `dd.mm.yyyy`, numbers as text, flags as words, amounts with more or fewer places, lists in any order (section 8 of the
//! reference). Two spellings of the same value are the same here.

use jiff::Unit;
use jiff::civil::{Date, Time};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::crm::{Likeness, mark};

/// Whether `row` is what a call with the body `sent` made or changed; `marked` is the field that holds marks.
pub(super) fn likeness(sent: &Value, own: &str, marked: Option<&str>, row: &Value) -> Likeness {
    // Wherever people have moved it, and whatever they wrote behind it.
    let frame = mark::behind("", own);
    let holds = |value: &Value| value.as_str().is_some_and(|text| text.contains(&frame));
    if marked.is_some() && row.as_object().is_some_and(|row| row.values().any(holds)) {
        return Likeness::Marked;
    }
    let mark_of = |of: &Value| marked.and_then(|key| mark::in_text(of[key].as_str()?).map(str::to_owned));
    if let (Some(sent), Some(found)) = (mark_of(sent), mark_of(row))
        && sent != found
    {
        // Made by another write.
        return Likeness::Other;
    }
    let (Some(sent), Some(row)) = (sent.as_object(), row.as_object()) else { return Likeness::Other };
    let (mut compared, mut telling, mut differs) = (0, 0, false);
    for (key, value) in sent {
        // What the row does not have it does not contradict.
        let Some(shown) = row.get(key).or_else(|| row.get(shown_as(key))) else { continue };
        let tells = TELLING.contains(&key.as_str());
        match same(value, shown) {
            true => telling += usize::from(tells),
            false if tells => return Likeness::Other,
            false => differs = true,
        }
        compared += 1;
    }
    match (compared, differs) {
        (0, _) => Likeness::Other,
        (_, false) => Likeness::Alike,
        // One thing in common is no coincidence that anybody has to look at.
        (_, true) if telling < ENOUGH => Likeness::Other,
        (_, true) => Likeness::Near,
    }
}

/// What tells a new record from others: who, how much, when, from where.
const TELLING: [&str; 12] = [
    "customer_id",
    "related_id",
    "income",
    "document_date",
    "group_id",
    "lesson_date",
    "time_from",
    "time_to",
    "day",
    "tariff_id",
    "name",
    "title",
];

/// So many of them must agree where the rest does not.
const ENOUGH: usize = 3;

/// What of a call tells it from others.
pub(super) fn identity(sent: &Value) -> Value {
    let telling = |(key, _): &(&String, &Value)| TELLING.contains(&key.as_str());
    let sent = sent.as_object().into_iter().flatten().filter(telling);
    let identity: Map<String, Value> = sent.map(|(key, value)| (key.clone(), value.clone())).collect();
    Value::Object(identity)
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

/// A day or a time of day is the same as the moment that has it. Times of lessons often end in `:59` (section 5 of the reference).
fn moment(sent: &str, shown: &str) -> bool {
    let is_part =
        |sent: &str| (sent.len() == 5 && sent.as_bytes()[2] == b':') || sent.parse::<Date>().is_ok();
    let minute = |part: &str| {
        let time = part.parse::<Time>().ok()?.round(Unit::Minute).ok()?;
        Some(time.strftime("%H:%M").to_string())
    };
    is_part(sent) && shown.split(' ').any(|part| part == sent || minute(part).as_deref() == Some(sent))
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
            "subject_ids": ["2", "1"], "e_date": "2026-06-30", "time_from": "2026-02-25 16:59:59", "branch_ids": 1, "balance": "9",
        });
        assert_eq!(likeness(&sent, "other", None, &row), Likeness::Alike);
        for (key, other) in [
            ("customer_id", json!(102)),
            ("income", json!("1250.01")),
            ("document_date", json!("26.02.2026")),
        ] {
            let mut row = row.clone();
            row[key] = other;
            assert_eq!(likeness(&sent, "other", None, &row), Likeness::Other, "{key}");
        }
        // Who, how much and when are the same: somebody may have confirmed it, or moved it.
        for (key, other) in [("subject_ids", json!([1])), ("note", json!("y")), ("is_confirmed", json!(0))] {
            let mut row = row.clone();
            row[key] = other;
            assert_eq!(likeness(&sent, "other", None, &row), Likeness::Near, "{key}");
        }
    }

    #[test]
    fn a_mark_says_more_than_what_is_alike() {
        let sent = json!({"income": "5.00", "note": "[gw:0123456789abcdef]"});
        let row = |note: &str| json!({"income": "5.00", "note": note});
        let of = |note: &str| likeness(&sent, "0123456789abcdef", Some("note"), &row(note));
        assert_eq!(of("changed since [gw:0123456789abcdef]"), Likeness::Marked);
        assert_eq!(
            of("lesson [gw:0123456789abcdef] paid in cash"),
            Likeness::Marked,
            "somebody wrote behind it"
        );
        let moved = json!({"income": "7.00", "note": "", "custom_remark": "[gw:0123456789abcdef]"});
        assert_eq!(likeness(&sent, "0123456789abcdef", Some("note"), &moved), Likeness::Marked);
        assert_eq!(of("[gw:0123456789abcdee]"), Likeness::Other, "it was made by another write");
        assert_eq!(of(""), Likeness::Alike, "whoever made it did not mark it");
        assert_eq!(likeness(&json!({}), "x", Some("note"), &row("")), Likeness::Other, "nothing is compared");
    }
}
