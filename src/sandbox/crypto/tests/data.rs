//! The data behind the callers' back: what a test changes is what the next call sees.

use serde_json::json;

use super::super::{BadRecord, Crm, Options, Switches, Table};
use super::{crm, filter, get};

#[tokio::test]
async fn a_project_appears_changes_and_goes() {
    let crm = crm();
    let new = json!({ "created": "2021-05-30 10:00:00", "name": "New", "deleted": "0", "data": { "client_id": 1 } });
    let id = crm.insert(Table::Projects, new).unwrap();
    assert!(get(&crm, "/projects").await.ids().contains(&id));
    let body = get(&crm, &format!("/projects/info?id={id}")).await.text();
    assert!(body.starts_with(&format!(r#"{{"payload":{{"id":{id},"#)), "{body}");

    assert!(crm.update(Table::Projects, id, &json!({ "id": 5, "name": "Newer", "data": { "tags": [1] } })));
    let changed = crm.get(Table::Projects, id).unwrap();
    assert_eq!(changed["name"], "Newer");
    assert_eq!(changed["data"], json!({ "client_id": 1, "tags": [1] }));

    assert!(crm.update(Table::Projects, id, &json!({ "deleted": "1" })));
    assert_eq!(get(&crm, "/projects?deleted=1").await.ids(), [105, id]);
    assert!(crm.delete(Table::Projects, id));
    assert!(!crm.delete(Table::Projects, id) && !crm.update(Table::Projects, id, &json!({})));
    assert_eq!(get(&crm, &format!("/projects/info?id={id}")).await.status, 404);
}

#[tokio::test]
async fn rows_between_two_pages() {
    let crm = crm();
    assert_eq!(get(&crm, "/projects?count=2").await.ids(), [101, 102]);
    crm.delete(Table::Projects, 101);
    assert_eq!(get(&crm, "/projects?count=2&offset=2").await.ids(), [104, 106], "103 slipped through");
    crm.insert(Table::Projects, json!({ "id": 1, "deleted": "0" })).unwrap();
    assert_eq!(get(&crm, "/projects?count=2&offset=2").await.ids(), [103, 104]);
    assert_eq!(crm.count(Table::Steps), 7, "the steps of 101 went with it");
}

#[tokio::test]
async fn the_filter_sees_changed_rows() {
    let crm = crm();
    let ids = |having: &str| filter(&crm, json!({ "having": having }));
    let id = crm
        .insert(Table::Payments, json!({ "project_id": 104, "type": "1", "date": "2021-05-30", "amount": 1 }))
        .unwrap();
    assert_eq!(ids("payments").await.ids(), [101, 102, 104, 106]);
    assert_eq!(get(&crm, "/projects/payments?id=104").await.ids(), [id]);
    assert!(crm.delete(Table::Payments, id));
    assert_eq!(ids("payments").await.ids(), [101, 102, 106]);

    let done = json!({ "items": [{ "id": 4, "name": "x", "done": "1", "deadline": "2021-02-01" }] });
    assert!(crm.update(Table::Checklists, 3003, &done));
    assert_eq!(ids("checklists_expired").await.ids(), [101]);

    assert!(crm.update(Table::Actions, 2005, &json!({ "actions_type_id": 9 })));
    let nine = json!({ "buildin_data": { "actions_type_id": [9] } });
    assert_eq!(filter(&crm, nine).await.ids(), [103]);
    assert_eq!(get(&crm, "/projects/actions/info?id=2005").await.json()["payload"]["actions_type_id"], 9);
}

#[test]
fn records_must_be_whole() {
    let crm = crm();
    assert_eq!(crm.insert(Table::Projects, json!([])), Err(BadRecord::NotAnObject("projects")));
    assert_eq!(crm.insert(Table::Goods, json!({ "id": "x" })), Err(BadRecord::Id("goods")));
    assert_eq!(crm.insert(Table::Goods, json!({ "project_id": 7 })), Err(BadRecord::Orphan("goods")));
    assert!(!crm.update(Table::Goods, 4001, &json!(1)));
}

#[test]
fn an_inserted_record_replaces_the_one_with_its_id() {
    let crm = crm();
    crm.insert(Table::Goods, json!({ "id": 4001, "project_id": 102 })).unwrap();
    assert_eq!(crm.rows(Table::Goods, 101).len(), 1);
    assert_eq!(crm.rows(Table::Goods, 102), [json!({ "id": 4001, "project_id": 102 })]);
    assert_eq!(crm.count(Table::Goods), 5);
}

#[test]
fn generated_rows_can_be_changed_and_keep_their_ids() {
    let options = Options::default();
    let clock = std::sync::Arc::new(crate::sandbox::clock::Clock::starting_at(options.now));
    let crm = Crm::new(options, Switches::default(), clock);
    let project = crm.project_ids().into_iter().find(|id| crm.rows(Table::Actions, *id).len() > 3).unwrap();
    let before = crm.rows(Table::Actions, project);
    let total = crm.count(Table::Actions);
    let id = before[1]["id"].as_u64().unwrap();
    assert_eq!(crm.get(Table::Actions, id).unwrap(), before[1]);

    assert!(crm.update(Table::Actions, id, &json!({ "comment": "changed" })));
    assert!(crm.delete(Table::Actions, before[2]["id"].as_u64().unwrap()));
    let new = crm.insert(Table::Actions, json!({ "project_id": project })).unwrap();
    let after = crm.rows(Table::Actions, project);
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1]["comment"], "changed");
    assert_eq!(after[2], before[3]);
    assert_eq!(after.last().unwrap()["id"], new);
    assert_eq!(crm.count(Table::Actions), total);
    assert!(crm.get(Table::Actions, before[2]["id"].as_u64().unwrap()).is_none());

    assert!(crm.delete(Table::Projects, project));
    assert!(crm.rows(Table::Goods, project).is_empty());
    crm.insert(Table::Projects, json!({ "id": project, "deleted": "0" })).unwrap();
    assert!(crm.rows(Table::Goods, project).is_empty(), "nothing of the old project comes back");
}
