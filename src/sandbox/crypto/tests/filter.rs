//! The filter language, condition by condition.

use std::time::Duration;

use serde_json::{Value, json};

use super::{crm, filter, switched};

async fn found(body: Value) -> Vec<u64> {
    filter(&crm(), body).await.ids()
}

#[tokio::test]
async fn nothing_asked_finds_all_active_projects() {
    assert_eq!(found(json!({})).await, [101, 102, 103, 104, 106]);
    assert_eq!(found(json!({ "buildin_data": {}, "data": {} })).await, [101, 102, 103, 104, 106]);
    assert_eq!(found(json!({ "buildin_data": [], "data": [] })).await, [101, 102, 103, 104, 106]);
    assert_eq!(found(json!({ "condition": "or" })).await, [101, 102, 103, 104, 106]);
    assert_eq!(found(json!({ "deleted": "1" })).await, [105]);
}

#[tokio::test]
async fn each_having_keeps_its_projects() {
    for (having, ids) in [
        ("actions", vec![101, 103, 106]),
        ("payments", vec![101, 102, 106]),
        ("tasks", vec![102, 106]),
        ("goods", vec![101, 103, 106]),
        ("no_actions", vec![102, 104]),
        ("no_payments", vec![103, 104]),
        ("no_tasks", vec![101, 103, 104]),
        ("no_goods", vec![102, 104]),
        ("checklists_expired", vec![101, 103]),
    ] {
        assert_eq!(found(json!({ "having": having })).await, ids, "{having}");
    }
}

#[tokio::test]
async fn each_built_in_condition_selects() {
    for (key, value, ids) in [
        ("created", json!("2020-06-30;2020-12-31"), vec![102, 103]),
        ("created", json!("2021-01-01"), vec![104]),
        ("created", json!("2021-01-01;"), vec![104]),
        ("created", json!("2022-01-01;2021-01-01"), vec![]),
        ("sales_funnel_id", json!([2]), vec![103, 106]),
        ("step_id", json!([1, 5]), vec![104, 106]),
        ("user_id", json!([8]), vec![103, 106]),
        ("group_id", json!([2]), vec![104]),
        ("price", json!(100), vec![101, 103]),
        ("price", json!(100.00), vec![101, 103]),
        ("price", json!(1500.5), vec![102]),
        ("currency_id", json!([2, 3]), vec![102]),
        ("participants_user_id", json!([4]), vec![101, 106]),
        ("participants_group_id", json!([3, 4]), vec![103, 106]),
        ("actions_type_id", json!([2]), vec![101, 106]),
        ("good_id", json!([11, 12]), vec![101, 103]),
        ("good_id", json!([]), vec![101, 102, 103, 104, 106]),
    ] {
        let body = json!({ "buildin_data": { key: value } });
        assert_eq!(found(body.clone()).await, ids, "{body}");
    }
}

#[tokio::test]
async fn dynamic_fields_are_compared_as_text() {
    for (key, value, ids) in [
        ("client_id", json!([1, 3]), vec![101, 103, 104]),
        ("client_id", json!(7), vec![102, 106]),
        ("client_id", json!(["7"]), vec![102, 106]),
        ("contract_date", json!("2020-01-01"), vec![101, 103]),
        ("contract_date", json!("2020-01-01;2021-12-31"), vec![]),
        ("tags", json!([9]), vec![101, 103]),
        ("is_vip", json!("1"), vec![101, 106]),
        ("site_note", json!("Въезд со двора"), vec![102]),
        ("unheard_of", json!("1"), vec![]),
        ("client_id", json!([]), vec![101, 102, 103, 104, 106]),
    ] {
        let body = json!({ "data": { key: value } });
        assert_eq!(found(body.clone()).await, ids, "{body}");
    }
}

#[tokio::test]
async fn having_can_be_one_of_the_alternatives() {
    let body = json!({
        "condition": "or",
        "having": "tasks",
        "buildin_data": { "price": 100 },
        "data": { "client_id": [7] },
    });
    assert_eq!(found(body.clone()).await, [102, 106]);
    let crm = switched(|switches| switches.having_in_or = true);
    assert_eq!(filter(&crm, body).await.ids(), [101, 102, 103, 106]);
    assert_eq!(filter(&crm, json!({ "condition": "or", "having": "tasks" })).await.ids(), [102, 106]);
    let both = json!({ "condition": "and", "having": "tasks", "buildin_data": { "price": 100 } });
    assert_eq!(filter(&crm, both).await.ids(), Vec::<u64>::new());
}

#[tokio::test]
async fn a_checklist_becomes_overdue_when_its_day_has_passed() {
    let crm = crm();
    let expired = json!({ "having": "checklists_expired" });
    crm.clock().set("2021-06-05T23:59:00".parse().unwrap());
    assert_eq!(filter(&crm, expired.clone()).await.ids(), [101, 103]);
    crm.clock().advance(Duration::from_secs(60));
    assert_eq!(filter(&crm, expired).await.ids(), [101, 103, 106]);
}
