//! Projects of the Crypto CRM.

use crm_gateway::sandbox::crypto::Table;
use serde_json::Value;

use super::{Case, among, case, days, every_filter, path, pick, round_trip, same, school, snapshot, text};
use crate::support::TestApp;
use crate::support::app::ids;

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
        case("having", "payments", having(&app, Table::Payments, |_| true)),
        case("having", "goods", having(&app, Table::Goods, |_| true)),
        case("having", "no_tasks", {
            let has = having(&app, Table::Tasks, |_| true);
            move |project| !has(project)
        }),
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
    cases.extend(days(&all, "created_from", "created_to", "created_at"));
    every_filter(&app, "/projects", &[], &all, cases, &["deleted", "sort"]).await;
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
async fn a_project_looks_like_this() {
    let app = school();
    let page = app.owner().get("/projects?limit=1&include=raw").await;
    snapshot("project", &page.json["items"][0], &[]);
}
