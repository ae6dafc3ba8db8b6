//! A range of days is found in a journal of thousands of pages that knows no dates, with few calls.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::ids;
use crate::support::{Setup, TestApp};

const PAYMENTS: usize = 33_000;
const PAGE: usize = 50;

/// Three years of payments in three branches, two in the first for each in the others, newest last.
fn app(setup: Setup) -> TestApp {
    let app = setup.students(1).projects(1).without("cryptocrm").in_no_hurry().start();
    for row in app.alfa.rows("pay") {
        app.alfa.delete_row("pay", row["id"].as_u64().unwrap());
    }
    let first = jiff::civil::date(2023, 3, 1);
    for number in 0..PAYMENTS {
        let day = first.checked_add(jiff::Span::new().days((number / 31) as i64)).unwrap();
        pay(&app, [1, 1, 2, 3][number % 4], &day.to_string());
    }
    app
}

fn pay(app: &TestApp, branch: u64, day: &str) {
    let row = json!({"branch_id": branch, "document_date": day, "income": "10.00", "pay_type_id": 1});
    app.alfa.insert_row("pay", &row);
}

/// A line of the journal, as far as it matters here.
#[derive(Debug)]
struct Line {
    id: String,
    branch: u64,
    day: String,
}

fn journal(app: &TestApp) -> Vec<Line> {
    let line = |row: Value| {
        let parts: Vec<&str> = row["document_date"].as_str().unwrap().split('.').collect();
        let day = format!("{}-{}-{}", parts[2], parts[1], parts[0]);
        Line { id: format!("alfa-{}", row["id"]), branch: row["branch_id"].as_u64().unwrap(), day }
    };
    app.alfa.rows("pay").into_iter().map(line).collect()
}

fn range(journal: &[Line], branch: Option<u64>, from: &str, to: &str) -> BTreeSet<String> {
    let lines = journal.iter().filter(|line| branch.is_none_or(|branch| line.branch == branch));
    lines.filter(|line| (from..=to).contains(&line.day.as_str())).map(|line| line.id.clone()).collect()
}

/// What the calls for a range may cost: bisection, the pages of the range, and three to find its ends, in each branch.
fn allowed(journal: &[Line], branches: &[u64], from: &str, to: &str) -> usize {
    let cost = |branch: &u64| {
        let pages = journal.iter().filter(|line| line.branch == *branch).count().div_ceil(PAGE).max(1);
        let range = range(journal, Some(*branch), from, to).len().div_ceil(PAGE);
        usize::try_from(pages.next_power_of_two().ilog2()).unwrap() + range + 3
    };
    branches.iter().map(cost).sum()
}

const RANGES: [(&str, &str, &str); 5] = [
    ("a week in the middle", "2024-08-12", "2024-08-18"),
    ("the newest week", "2026-01-20", "2026-01-26"),
    ("the oldest week", "2023-03-01", "2023-03-07"),
    ("one without payments", "2031-01-01", "2031-01-07"),
    ("one before the first payment", "2019-01-01", "2019-01-07"),
];

#[tokio::test(start_paused = true)]
async fn a_week_is_found_with_few_calls() {
    let app = app(Setup::new());
    let journal = journal(&app);
    let branches: Vec<u64> = app.alfa.rows("branch").iter().map(|row| row["id"].as_u64().unwrap()).collect();
    for (name, from, to) in RANGES {
        app.alfa.ledger().clear();
        let asker = app.owner().no_cache();
        let found = asker.walk(&format!("/payments?from={from}&to={to}&limit=200")).await;
        let expected = range(&journal, None, from, to);
        let seen = ids(&found);
        assert_eq!(seen.len(), expected.len(), "{name}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "{name}");
        assert!(found.is_sorted_by(|a, b| a["date"].as_str() >= b["date"].as_str()), "{name}");
        let spent = app.alfa.ledger().count_operation("pay/index");
        let most = allowed(&journal, &branches, from, to);
        assert!(spent <= most, "{name}: {spent} calls, {most} at most");
    }
}

#[tokio::test(start_paused = true)]
async fn a_week_of_one_branch_is_found_with_few_calls_by_small_pages_too() {
    let app = app(Setup::new());
    let journal = journal(&app);
    for (name, from, to) in RANGES {
        for (branch, limit) in [(1, 200), (2, 7)] {
            app.alfa.ledger().clear();
            // Memory is allowed to help: pages of a list are asked for once.
            tokio::time::advance(std::time::Duration::from_secs(48 * 3600)).await;
            let path = format!("/payments?branch_id=alfa-{branch}&from={from}&to={to}&limit={limit}");
            let seen = ids(&app.owner().walk(&path).await);
            let expected = range(&journal, Some(branch), from, to);
            assert_eq!(seen.len(), expected.len(), "{name} of {branch}");
            assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "{name} of {branch}");
            let spent = app.alfa.ledger().count_operation("pay/index");
            let most = allowed(&journal, &[branch], from, to);
            assert!(spent <= most, "{name} of {branch} by {limit}: {spent} calls, {most} at most");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_week_is_whole_while_payments_come_in() {
    let app = app(Setup::new().forgetful());
    let journal = journal(&app);
    for (name, from, to) in RANGES {
        let stayed = range(&journal, Some(1), from, to);
        app.alfa.ledger().clear();
        let path = format!("/payments?branch_id=alfa-1&from={from}&to={to}&limit=40");
        let (mut came, mut cursor) = (Vec::new(), None);
        let mut rounds = 0;
        loop {
            let answer = app.owner().page(&path, cursor.as_deref()).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            came.extend(ids(&answer.items()));
            cursor = answer.next_cursor();
            rounds += 1;
            if cursor.is_none() {
                break;
            }
            for _ in 0..13 {
                pay(&app, 1, "2026-02-20");
            }
            pay(&app, 1, from);
        }
        let distinct: BTreeSet<&String> = came.iter().collect();
        assert_eq!(distinct.len(), came.len(), "{name}: doubled");
        let skipped: Vec<_> = stayed.iter().filter(|id| !distinct.contains(id)).collect();
        assert!(skipped.is_empty(), "{name}: skipped {skipped:?}");
        let spent = app.alfa.ledger().count_operation("pay/index");
        // Without memory each page of ours asks again for the page it stands in, and looks once for the place.
        let most = allowed(&journal, &[1], from, to) + 3 * rounds;
        assert!(spent <= most, "{name}: {spent} calls, {most} at most");
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_obeys_dates_or_is_not_in_order_gives_the_same() {
    for (page, obeys) in [("7", true), ("7", false), ("50", false)] {
        let app = Setup::new().students(30).projects(1).without("cryptocrm").in_no_hurry();
        let app = app.set("alfacrm.page_size", page).start();
        app.alfa.switches(|switches| switches.pay_date_filter = obeys);
        for (from, to) in
            [("2026-01-12", "2026-01-18"), ("2025-09-01", "2025-09-30"), ("2026-02-20", "2026-02-20")]
        {
            let seen = ids(&app.owner().walk(&format!("/payments?from={from}&to={to}")).await);
            let expected = range(&journal(&app), None, from, to);
            assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "{from} by {page}");
        }
    }
}
