//! The comparison: what the payers were told, beside the rows of the CRM.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::client::{Story, Told};
use super::orders::{OTHER, cents, money};

/// What was found. Each finding names the amount by which it is found in the CRM's ledger.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) made: usize,
    pub(crate) failed: usize,
    pub(crate) review: usize,
    pub(crate) undecided: usize,
    /// More rows than payments.
    pub(crate) doubled: Vec<Finding>,
    /// Told to be made, and there is no such row.
    pub(crate) lost: Vec<Finding>,
    /// Told to have failed, and there is a row.
    pub(crate) made_all_the_same: Vec<Finding>,
    /// Rows that nobody ordered, or not so.
    pub(crate) strange: Vec<Finding>,
    /// Answers against the contract.
    pub(crate) wrong: Vec<Finding>,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) cents: i64,
    pub(crate) what: String,
}

/// Judges by the rows that came since the beginning.
pub(crate) fn judge(rows: &[Value], stories: &[Story]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut groups: BTreeMap<i64, (Vec<&Value>, Vec<&Story>)> = BTreeMap::new();
    for row in rows {
        match cents(row) {
            Some(cents) => groups.entry(cents).or_default().0.push(row),
            None => verdict.strange.push(Finding { cents: 0, what: format!("a row of {}", row["income"]) }),
        }
    }
    for story in stories {
        groups.entry(story.order.cents).or_default().1.push(story);
        let count = match story.told {
            Told::Made(_) => &mut verdict.made,
            Told::Failed(_) => &mut verdict.failed,
            Told::NeedsReview => &mut verdict.review,
            Told::Nothing => &mut verdict.undecided,
        };
        *count += 1;
        let wrong = story.wrong.iter().map(|what| Finding { cents: story.order.cents, what: what.clone() });
        verdict.wrong.extend(wrong);
    }
    for (cents, (rows, stories)) in groups {
        verdict.amount(cents, &rows, &stories);
    }
    verdict
}

impl Verdict {
    /// All rows and all payments of one amount.
    fn amount(&mut self, cents: i64, rows: &[&Value], stories: &[&Story]) {
        let finding = |what: String| Finding { cents, what };
        let Some(order) = stories.first().map(|story| &story.order) else {
            let what =
                if cents >= OTHER { "a key that was used made another payment" } else { "nobody ordered it" };
            self.strange.extend(rows.iter().map(|row| finding(format!("{what}: row {}", row["id"]))));
            return;
        };
        let told: Vec<&str> = stories
            .iter()
            .filter_map(|story| match &story.told {
                Told::Made(id) => Some(id.as_str()),
                _ => None,
            })
            .collect();
        let failed = stories.iter().filter(|story| matches!(story.told, Told::Failed(_))).count();
        let known: BTreeSet<String> = rows.iter().map(|row| format!("alfa-{}", row["id"])).collect();
        let distinct: BTreeSet<&str> = told.iter().copied().collect();
        for id in &distinct {
            if !known.contains(*id) {
                self.lost.push(finding(format!("told to be {id}, which is no row of this amount")));
            }
        }
        if distinct.len() < told.len() {
            self.lost.push(finding(format!("{} payments were told to be one row: {distinct:?}", told.len())));
        }
        // Those that nobody was told anything about may have a row each.
        let allowed = stories.len() - failed;
        let more = rows.len().saturating_sub(allowed);
        let in_spite = more.min(failed);
        for _ in 0..in_spite {
            self.made_all_the_same.push(finding("told to have failed".to_owned()));
        }
        if more > in_spite {
            let rows = rows.len();
            self.doubled.push(finding(format!("{rows} rows for {} payments", stories.len())));
        }
        for row in rows {
            let same = row["customer_id"] == order.student
                && row["pay_account_id"] == order.account
                && row["document_date"] == order.day.as_str()
                && order
                    .note
                    .as_ref()
                    .is_none_or(|note| row["note"].as_str().is_some_and(|text| text.contains(note.as_str())));
            if !same {
                self.strange.push(finding(format!("row {} is not what was ordered: {row}", row["id"])));
            }
        }
    }

    /// The parts by which a run is judged, with their names.
    pub(crate) fn findings(&self) -> [(&'static str, &[Finding]); 5] {
        [
            ("doubled", &self.doubled),
            ("lost", &self.lost),
            ("made although told to have failed", &self.made_all_the_same),
            ("rows that nobody ordered so", &self.strange),
            ("answers against the contract", &self.wrong),
        ]
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", money(self.cents), self.what)
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "a benchmark is compiled as a test is, and none is run")]
mod tests {
    use serde_json::json;
    use tokio::time::Instant;

    use super::super::orders::{Habit, Order};
    use super::*;

    fn story(cents: i64, told: Told) -> Story {
        let (body, day, note) = (Value::Null, "20.02.2026".to_owned(), Some("Оплата".to_owned()));
        let key = cents.to_string();
        let order = Order { key, student: 101, account: 1, day, cents, note, habit: Habit::Plain, body };
        let now = Instant::now();
        let wrong = Vec::new();
        Story {
            order,
            told,
            begun: now,
            decided: now,
            operation: None,
            requests: 1,
            lost: 0,
            last: None,
            wrong,
        }
    }

    fn made(id: u64) -> Told {
        Told::Made(format!("alfa-{id}"))
    }

    fn row(id: u64, cents: i64) -> Value {
        json!({"id": id, "customer_id": 101, "pay_account_id": 1, "document_date": "20.02.2026",
            "income": money(cents), "note": "Оплата [k1]"})
    }

    fn counts(rows: &[Value], stories: &[Story]) -> [usize; 5] {
        judge(rows, stories).findings().map(|(_, findings)| findings.len())
    }

    #[test]
    fn a_row_for_each_payment_that_was_told_is_all_that_is_wanted() {
        let stories = [
            story(1, made(7)),
            story(2, made(8)),
            story(3, Told::Failed("422".to_owned())),
            story(4, Told::NeedsReview),
            story(5, Told::Nothing),
        ];
        let rows = [row(7, 1), row(8, 2), row(9, 4)];
        assert_eq!(counts(&rows, &stories), [0; 5]);
        let verdict = judge(&rows, &stories);
        assert_eq!((verdict.made, verdict.failed, verdict.review, verdict.undecided), (2, 1, 1, 1));
    }

    #[test]
    fn more_rows_than_payments_are_doubled_also_when_nobody_was_told_anything() {
        assert_eq!(counts(&[row(7, 1), row(8, 1)], &[story(1, made(7))]), [1, 0, 0, 0, 0]);
        assert_eq!(counts(&[row(7, 1), row(8, 1)], &[story(1, Told::Nothing)]), [1, 0, 0, 0, 0]);
        assert_eq!(counts(&[row(7, 1), row(8, 1)], &[story(1, Told::NeedsReview)]), [1, 0, 0, 0, 0]);
    }

    #[test]
    fn what_was_told_without_a_row_is_lost() {
        assert_eq!(counts(&[], &[story(1, made(7))]), [0, 1, 0, 0, 0]);
        assert_eq!(counts(&[row(8, 1)], &[story(1, made(7))]), [0, 1, 0, 0, 0], "another row is not it");
    }

    #[test]
    fn a_row_of_what_failed_is_found() {
        assert_eq!(counts(&[row(7, 1)], &[story(1, Told::Failed("502".to_owned()))]), [0, 0, 1, 0, 0]);
        let both = [row(7, 1), row(8, 1)];
        assert_eq!(counts(&both, &[story(1, Told::Failed("502".to_owned()))]), [1, 0, 1, 0, 0]);
    }

    #[test]
    fn two_payments_that_mean_the_same_are_two_rows() {
        let twice = |one, two| [story(1, one), story(1, two)];
        assert_eq!(counts(&[row(7, 1), row(8, 1)], &twice(made(7), made(8))), [0; 5]);
        assert_eq!(
            counts(&[row(7, 1)], &twice(made(7), made(7))),
            [0, 1, 0, 0, 0],
            "one was taken for the other"
        );
        assert_eq!(counts(&[row(7, 1), row(8, 1), row(9, 1)], &twice(made(7), made(8))), [1, 0, 0, 0, 0]);
    }

    #[test]
    fn rows_that_nobody_ordered_so_are_found() {
        let mut other = row(7, 1);
        other["customer_id"] = json!(102);
        let mut without = row(7, 1);
        without["note"] = json!("[k1]");
        for row in [other, without] {
            assert_eq!(counts(&[row], &[story(1, made(7))]), [0, 0, 0, 1, 0]);
        }
        assert_eq!(counts(&[row(7, 1), row(8, 1 + OTHER)], &[story(1, made(7))]), [0, 0, 0, 1, 0]);
    }
}
