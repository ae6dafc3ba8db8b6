//! Projects of the Crypto CRM.

use crm_gateway::sandbox::crypto::Table;
use serde_json::Value;

use super::{Case, among, case, days, every_filter, path, pick, round_trip, same, school, snapshot, text};
use crate::support::app::ids;
use crate::support::{Setup, TestApp};

/// Whether a project has rows of a kind that fit.
fn having(
    app: &TestApp,
    table: Table,
    fits: impl Fn(&Value) -> bool + 'static,
) -> impl Fn(&Value) -> bool + 'static {
    let crypto = app.crypto.clone();
    move |project| {
        let number = text(&project["source_id"]).parse().unwrap();
        crypto.rows(table, number).iter().any(&fits)
    }
}

/// A value of a field of some row of a kind.
fn some_row(app: &TestApp, table: Table, field: &str) -> String {
    let rows = app.crypto.project_ids().into_iter().flat_map(|project| app.crypto.rows(table, project));
    rows.map(|row| text(&row[field])).find(|value| value != "null").unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/projects?limit=200&include=raw").await;
    let price = all.iter().find_map(|project| project["price"]["amount"].as_str()).unwrap().to_owned();
    let contract = all
        .iter()
        .find_map(|project| project["custom_fields"]["contract_number"].as_str())
        .unwrap()
        .to_owned();
    let (same_price, same_contract) = (price.clone(), contract.clone());
    let kind = some_row(&app, Table::Actions, "actions_type_id");
    let good = some_row(&app, Table::Goods, "good_id");
    let (of_kind, of_good) = (kind.clone(), good.clone());
    let funnel = pick(&all, "funnel_id");
    let step = pick(&all, "step_id");
    let (in_funnel, at_step) = (funnel.clone(), step.clone());
    let mut cases = vec![
        same(&all, "funnel_id", "funnel_id"),
        same(&all, "step_id", "step_id"),
        same(&all, "user_id", "responsible_user_id"),
        same(&all, "group_id", "responsible_group_id"),
        among(&all, "participant_user_id", "participant_user_ids"),
        among(&all, "participant_group_id", "participant_group_ids"),
        case("price", &price, move |project| project["price"]["amount"] == same_price.as_str()),
        case("currency_id", "crypto-1", |project| project["price"]["currency"] == "RUB"),
        case("field[contract_number]", &contract, move |project| {
            project["custom_fields"]["contract_number"] == same_contract.as_str()
        }),
        case(
            "having",
            "checklists_expired",
            having(&app, Table::Checklists, |list| {
                list["items"].as_array().unwrap().iter().any(|item| {
                    item["done"] != "1" && item["deadline"].as_str().is_some_and(|day| day < "2026-02-20")
                })
            }),
        ),
        case(
            "action_type_id",
            &format!("crypto-{kind}"),
            having(&app, Table::Actions, move |row| text(&row["actions_type_id"]) == of_kind),
        ),
        case(
            "good_id",
            &format!("crypto-{good}"),
            having(&app, Table::Goods, move |row| text(&row["good_id"]) == of_good),
        ),
        Case {
            query: [("condition", "or"), ("funnel_id", &funnel), ("step_id", &step)]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .to_vec(),
            fits: Box::new(move |project| {
                project["funnel_id"] == in_funnel.as_str() || project["step_id"] == at_step.as_str()
            }),
        },
    ];
    for (word, table) in [
        ("actions", Table::Actions),
        ("payments", Table::Payments),
        ("tasks", Table::Tasks),
        ("goods", Table::Goods),
    ] {
        cases.push(case("having", word, having(&app, table, |_| true)));
        let has = having(&app, table, |_| true);
        cases.push(case("having", &format!("no_{word}"), move |project| !has(project)));
    }
    cases.extend(days(&all, "created_from", "created_to", "created_at"));
    every_filter(&app, "/projects", &[], &all, cases, &["deleted", "sort", "expand"]).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_projects_are_a_list_of_their_own() {
    let app = school();
    let (live, deleted) =
        (app.owner().walk("/projects").await, app.owner().walk("/projects?deleted=true").await);
    assert!(live.iter().all(|project| project["deleted"] == false) && !live.is_empty());
    assert!(deleted.iter().all(|project| project["deleted"] == true) && !deleted.is_empty());
    assert_eq!(live.len() + deleted.len(), app.crypto.project_ids().len());
}

#[tokio::test(start_paused = true)]
async fn the_order_is_as_asked_for() {
    let app = school();
    let key = |project: &Value, sort: &str| match sort {
        "id" => format!("{:>9}", text(&project["source_id"])),
        "created" => text(&project["created_at"]),
        "name" => text(&project["name"]),
        _ => format!("{:>15}", text(&project["price"]["amount"])),
    };
    for sort in ["id", "created", "name", "price"] {
        let up = app.owner().walk(&path("/projects", &[("sort", sort)], &[])).await;
        let keys: Vec<String> = up.iter().map(|project| key(project, sort)).collect();
        assert!(keys.is_sorted(), "{sort}: {keys:?}");
        let down = app.owner().walk(&path("/projects", &[("sort", &format!("-{sort}"))], &[])).await;
        let keys: Vec<String> = down.iter().map(|project| key(project, sort)).collect();
        assert!(keys.is_sorted_by(|a, b| a >= b), "-{sort}: {keys:?}");
        let (mut a, mut b) = (ids(&up), ids(&down));
        a.sort();
        b.sort();
        assert_eq!(a, b);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_crm_cannot_be_asked_for_is_refused() {
    let app = school();
    let answer = app.owner().get("/projects?condition=or&having=goods&good_id=crypto-10").await;
    assert_eq!((answer.status, answer.code()), (400, "invalid_request"));
    assert_eq!(answer.json["errors"][0]["pointer"], "/query/having");
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let all = app.owner().walk("/projects?limit=200").await;
    round_trip(&app, "/projects", &all).await;
    assert_eq!(app.owner().get("/projects/crypto-99999999").await.status, 404);
    assert_eq!(app.owner().get("/projects/alfa-1001").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_project_links_a_student_that_can_be_read() {
    let app = school();
    let all = app.owner().walk("/projects?limit=200").await;
    let linked: Vec<String> =
        all.iter().filter_map(|project| project["student_id"].as_str()).map(str::to_owned).collect();
    assert!(!linked.is_empty());
    let mut found = 0;
    for id in linked {
        found += usize::from(app.owner().get(&format!("/students/{id}")).await.status == 200);
    }
    assert!(found > 0);
}

#[tokio::test(start_paused = true)]
async fn the_projects_of_a_student_are_those_linked_to_it() {
    let app = school();
    let all = app.owner().walk("/projects?limit=200").await;
    let mut with = 0;
    for student in app.owner().walk("/students?stage=ALL&archived=all&limit=200").await {
        let id = text(&student["id"]);
        let mine: Vec<Value> = all.iter().filter(|project| project["student_id"] == id).cloned().collect();
        let seen = app.owner().walk(&format!("/students/{id}/projects")).await;
        assert_eq!(seen, mine, "{id}");
        with += usize::from(!mine.is_empty());
    }
    assert!(with > 1);
    let mine = app.owner().get("/students/alfa-101/projects").await;
    assert!(!mine.items().is_empty(), "{}", mine.text);
    for unknown in ["alfa-999999", "crypto-101"] {
        let answer = app.owner().get(&format!("/students/{unknown}/projects")).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{unknown}");
    }
    assert_eq!(app.reader().get("/students/alfa-101/projects").await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_student_whose_projects_cannot_be_told_is_answered_with_the_setting() {
    let app = Setup::new().students(5).projects(5).set("cryptocrm.semantics.student_field", "\"\"").start();
    let answer = app.owner().get("/students/alfa-101/projects").await;
    assert_eq!((answer.status, answer.code()), (501, "not_supported"), "{}", answer.text);
    assert!(answer.text.contains("cryptocrm.semantics.student_field"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_ignores_the_link_gives_no_other_students_projects() {
    let setup = Setup::new().students(5).projects(10).in_no_hurry();
    let app = setup.start_altered(|path, json| {
        if let Some(rows) = json["payload"].as_array_mut().filter(|_| path.ends_with("projects/filter")) {
            let Some(mut strange) = rows.first().cloned() else { return };
            strange["id"] = 999.into();
            strange["data"]["alfa_customer_id"] = 102.into();
            rows.push(strange);
        }
    });
    let seen = app.owner().walk("/students/alfa-101/projects").await;
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|project| project["student_id"] == "alfa-101"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_name_of_the_student_is_put_beside_its_id() {
    let app = school();
    let answer = app.owner().get("/students/alfa-101/projects?expand=student").await;
    let name = app.owner().get("/students/alfa-101").await.json["name"].clone();
    assert_eq!(answer.json["items"][0]["student"], serde_json::json!({"id": "alfa-101", "name": name}));
}

#[tokio::test(start_paused = true)]
async fn a_project_looks_like_this() {
    let app = school();
    let page = app.owner().get("/projects?limit=1&include=raw").await;
    snapshot("project", &page.json["items"][0], &[]);
}
