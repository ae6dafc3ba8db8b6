//! Pages, their limits and their order.

use serde_json::json;

use super::super::OverCap;
use super::{crm, filter, get, switched};

#[tokio::test]
async fn pages_follow_each_other() {
    let crm = crm();
    assert_eq!(get(&crm, "/projects?count=2").await.ids(), [101, 102]);
    assert_eq!(get(&crm, "/projects?count=2&offset=2").await.ids(), [103, 104]);
    assert_eq!(get(&crm, "/projects?count=2&offset=4").await.ids(), [106]);
    assert_eq!(get(&crm, "/projects?count=2&offset=6").await.text(), r#"{"payload":[]}"#);
    assert_eq!(get(&crm, "/projects?count=0").await.text(), r#"{"payload":[]}"#);
    assert_eq!(get(&crm, "/projects/actions?id=101&count=3&offset=2").await.ids(), [2003, 2004]);
    assert_eq!(get(&crm, "/projects/payments?id=101&count=1&offset=1").await.ids(), [5002]);
    assert_eq!(get(&crm, "/projects?offset=18446744073709551615").await.text(), r#"{"payload":[]}"#);
}

#[tokio::test]
async fn a_count_above_the_cap_is_clamped_or_refused() {
    let crm = switched(|switches| switches.count_cap = 2);
    assert_eq!(get(&crm, "/projects?count=1000000").await.ids(), [101, 102]);
    assert_eq!(get(&crm, "/projects/actions?id=101&count=3").await.ids(), [2001, 2002]);
    assert_eq!(filter(&crm, json!({ "count": 100 })).await.ids(), [101, 102]);
    crm.switches(|switches| switches.over_cap = OverCap::Error);
    assert_eq!(get(&crm, "/projects?count=3").await.status, 400);
    assert_eq!(get(&crm, "/projects?count=2").await.ids(), [101, 102]);
}

#[tokio::test]
async fn an_offset_can_be_ignored() {
    let crm = switched(|switches| switches.ignore_offset = true);
    assert_eq!(get(&crm, "/projects?count=2&offset=2").await.ids(), [101, 102]);
    assert_eq!(get(&crm, "/projects/actions?id=101&count=1&offset=3").await.ids(), [2001]);
}

#[tokio::test]
async fn each_order_sorts_with_ties_by_id() {
    let crm = crm();
    for (order, up, down) in [
        ("id", [101, 102, 103, 104, 106], [106, 104, 103, 102, 101]),
        ("created", [101, 102, 103, 104, 106], [106, 104, 103, 102, 101]),
        ("name", [104, 101, 106, 103, 102], [102, 103, 106, 101, 104]),
        ("price", [104, 101, 103, 102, 106], [106, 102, 101, 103, 104]),
        ("sales_funnel_id", [101, 102, 104, 103, 106], [103, 106, 101, 102, 104]),
        ("step_id", [104, 102, 101, 103, 106], [106, 103, 101, 102, 104]),
        ("user_id", [101, 102, 104, 103, 106], [103, 106, 104, 102, 101]),
        ("group_id", [101, 102, 104, 103, 106], [103, 106, 104, 101, 102]),
        ("currency_id", [101, 103, 104, 106, 102], [102, 101, 103, 104, 106]),
    ] {
        assert_eq!(get(&crm, &format!("/projects?order_by={order}")).await.ids(), up, "{order}");
        let reversed = format!("/projects?order_by={order}&reverse=1");
        assert_eq!(get(&crm, &reversed).await.ids(), down, "{order}");
    }
}

#[tokio::test]
async fn unknown_and_deleted_projects() {
    let crm = crm();
    for path in ["steps", "actions", "checklists", "goods", "payments"] {
        let unknown = get(&crm, &format!("/projects/{path}?id=999")).await;
        assert_eq!(unknown.text(), r#"{"payload":[]}"#, "{path}");
    }
    assert_eq!(get(&crm, "/projects/info?id=999").await.status, 404);
    assert_eq!(get(&crm, "/projects/actions/info?id=101").await.status, 404);
    assert_eq!(get(&crm, "/projects?deleted=1").await.ids(), [105]);
    assert_eq!(get(&crm, "/projects/info?id=105").await.json()["payload"]["deleted"], "1");
    assert_eq!(get(&crm, "/projects/goods?id=105").await.ids(), [4005]);
}
