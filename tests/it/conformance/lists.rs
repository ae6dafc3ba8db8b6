//! Lists are whole, cost what they must, and what they give is found by its id.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Case, enrolled, small};
use crate::support::app::ids;

fn sorted(ids: Vec<String>) -> Vec<String> {
    let mut ids = ids;
    ids.sort();
    ids
}

fn calls(app: &crate::support::TestApp, case: &Case) -> usize {
    let ledger = if case.crm == "alfacrm" { app.alfa.ledger() } else { app.crypto.ledger() };
    ledger.count_operation(case.operation)
}

#[tokio::test(start_paused = true)]
async fn a_walk_gives_each_record_once_whatever_the_limit() {
    for case in enrolled() {
        let mut texts: Vec<Vec<Value>> = Vec::new();
        for limit in [1, 7, 50, 200] {
            let app = small().set("alfacrm.page_size", "20").set("cryptocrm.page_size", "20").start();
            let expected = sorted((case.rows)(&app).into_iter().map(|(id, _)| id).collect());
            let joint = if case.path.contains('?') { '&' } else { '?' };
            let records = app.owner().walk(&format!("{}{joint}limit={limit}", case.path)).await;
            assert_eq!(sorted(ids(&records)), expected, "{} {} by {limit}", case.crm, case.resource);
            texts.push(records);
        }
        assert!(
            texts.windows(2).all(|pair| pair[0] == pair[1]),
            "{}: the order depends on the limit",
            case.path
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_id_of_a_list_is_found_and_gives_the_same_record() {
    for case in enrolled().into_iter().filter(|case| case.unknown.is_some()) {
        let app = small().forgetful().start();
        let owner = app.owner();
        let mut checked = 0;
        let records = owner.walk(case.path).await;
        let step = (records.len() / 40).max(1);
        for record in records.iter().step_by(step) {
            let id = record["id"].as_str().unwrap();
            let one = owner.get(&format!("{}/{id}", case.path.split('?').next().unwrap())).await;
            assert_eq!((one.status, &one.json), (200, record), "{id}");
            checked += 1;
        }
        assert!(checked >= case.least(), "{}", case.path);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_such_id_is_not_found() {
    let app = small().start();
    for case in enrolled() {
        let Some(unknown) = case.unknown else { continue };
        let answer = app.owner().get(unknown).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{unknown}: {}", answer.text);
    }
    for strange in ["/students/crypto-1", "/projects/alfa-101", "/payments/crypto-1", "/students/alfa-101-7"]
    {
        assert_eq!(app.owner().get(strange).await.status, 404, "{strange}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_costs_one_call() {
    for case in enrolled().into_iter().filter(|case| !case.empty.is_empty()) {
        let app = small().start();
        let answer = app.owner().get(case.empty).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.items().is_empty() && answer.json["next_cursor"].is_null(), "{}", case.empty);
        assert_eq!(app.calls(), 1, "{}: {:?}", case.empty, app.alfa.ledger().entries());
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_list_costs_one_call_a_page_and_one_more() {
    for case in enrolled() {
        for (page_size, limit) in [(20, 50), (7, 200), (50, 3)] {
            let size = page_size.to_string();
            let app = small().set("alfacrm.page_size", &size).set("cryptocrm.page_size", &size).start();
            let joint = if case.path.contains('?') { '&' } else { '?' };
            let records = app.owner().walk(&format!("{}{joint}limit={limit}", case.path)).await;
            let lists = (case.lists)(&app);
            let most = records.len() / page_size + 2 * lists;
            let spent = calls(&app, &case);
            assert!(
                spent <= most,
                "{} by {page_size}: {spent} calls for {} records",
                case.path,
                records.len()
            );
            // And nothing the second time.
            app.owner().walk(case.path).await;
            assert_eq!(calls(&app, &case), spent, "{} from memory", case.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_is_told_when_it_is_known_and_then_it_is_true() {
    for case in enrolled() {
        let app = small().start();
        let first = app.owner().get(case.path).await;
        let rows = (case.rows)(&app).len();
        if let Some(total) = first.json["total"].as_u64() {
            assert_eq!(total, rows as u64, "{}", case.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_see_one_branch_gets_its_records_and_no_others() {
    let app = small().start();
    // What hangs on a record is seen by whoever sees that.
    let own = |case: &Case| case.path.matches('/').count() == 1;
    for case in enrolled()
        .into_iter()
        .filter(|case| case.crm == "alfacrm" && case.resource != "reference" && own(case))
    {
        let mine = |row: &Value| {
            row["branch_id"] == 1 || row["branch_ids"].as_array().is_some_and(|ids| ids.contains(&1.into()))
        };
        let rows = (case.rows)(&app);
        let expected: BTreeSet<String> =
            rows.iter().filter(|(_, row)| mine(row)).map(|(id, _)| id.clone()).collect();
        let seen: BTreeSet<String> = ids(&app.branch_one().walk(case.path).await).into_iter().collect();
        assert_eq!(seen, expected, "{}", case.path);
        let joint = if case.path.contains('?') { '&' } else { '?' };
        let narrowed = app.owner().walk(&format!("{}{joint}branch_id=alfa-1", case.path)).await;
        assert_eq!(ids(&narrowed).into_iter().collect::<BTreeSet<_>>(), expected, "{}", case.path);
        // Nothing is hidden where every row is in that branch.
        let Some((hidden, _)) = rows.iter().find(|(id, _)| !expected.contains(id)) else { continue };
        let path = format!("{}/{hidden}", case.path.split('?').next().unwrap());
        assert_eq!(app.branch_one().get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_several_branches_come_once() {
    let app = small().start();
    let path = "/students?stage=ALL&archived=all&branch_id=alfa-1&branch_id=alfa-2&branch_id=alfa-3&limit=7";
    let seen = ids(&app.owner().walk(path).await);
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len());
}
