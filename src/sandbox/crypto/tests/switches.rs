//! Each switch changes what it says and nothing else.

use serde_json::{Value, json};

use super::super::{
    Checklists, DynamicFields, EmptyData, Envelope, ErrorShape, FilterDate, Flags, IdLists, Missing, Numbers,
    Table, WrongType,
};
use super::{crm, get, switched};

async fn project(change: impl FnOnce(&mut super::Switches)) -> Value {
    let crm = switched(change);
    get(&crm, "/projects/info?id=101").await.json()["payload"].take()
}

#[tokio::test]
async fn the_envelopes_without_a_recorded_variant() {
    let crm = switched(|switches| switches.envelope = Envelope::ItemsTotal);
    assert_eq!(get(&crm, "/projects?count=2").await.json()["total"], 5);
    assert_eq!(get(&crm, "/projects/info?id=101").await.json()["item"]["id"], 101);

    crm.switches(|switches| switches.envelope = Envelope::ResponseNested);
    let list = get(&crm, "/projects").await.json();
    assert_eq!(list["response"]["items"][0]["id"], 101);
    let object = get(&crm, "/projects/actions/info?id=2003").await.json();
    assert_eq!(object["response"]["item"]["id"], 2003);

    crm.switches(|switches| switches.envelope = Envelope::MapById);
    let list = get(&crm, "/projects?reverse=1").await.json();
    let keys: Vec<&String> = list.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["106", "104", "103", "102", "101"]);
    assert_eq!(list["104"]["id"], 104);
    assert_eq!(get(&crm, "/projects/info?id=101").await.json()["101"]["id"], 101);
    assert_eq!(get(&crm, "/projects?count=0").await.text(), "[]");
}

#[tokio::test]
async fn numbers_as_text_leave_dynamic_fields_alone() {
    let crm = switched(|switches| switches.numbers = Numbers::Text);
    let row = get(&crm, "/projects?offset=1&count=1").await.json()["payload"][0].take();
    assert_eq!(row["id"], "102");
    assert_eq!(row["price"], "1500.50");
    assert_eq!(row["data"]["client_id"], 7);
    let list = get(&crm, "/projects/checklists?id=101").await.json();
    assert_eq!(list["payload"][0]["items"][2]["user_id"], Value::Null);
}

#[tokio::test]
async fn flags() {
    assert_eq!(project(|s| s.flags = Flags::Number).await["deleted"], 0);
    assert_eq!(project(|s| s.flags = Flags::Bool).await["deleted"], false);
    for (flags, done, kind) in [
        (Flags::Text01, json!("1"), json!("0")),
        (Flags::Number, json!(1), json!(0)),
        (Flags::Bool, json!(true), json!("0")),
    ] {
        let crm = switched(|switches| switches.flags = flags);
        let lists = get(&crm, "/projects/checklists?id=101").await.json();
        assert_eq!(lists["payload"][0]["items"][0]["done"], done);
        let payments = get(&crm, "/projects/payments?id=101&filter_type=0").await.json();
        assert_eq!(payments["payload"][0]["type"], kind);
    }
}

#[tokio::test]
async fn dynamic_fields_have_three_places() {
    let split = project(|s| s.dynamic = DynamicFields::BuildinSplit).await;
    let keys: Vec<&String> = split.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "buildin_data", "data"]);
    assert_eq!(split["buildin_data"]["step_id"], 3);
    assert_eq!(split["data"]["client_id"], 1);
    let flat = project(|s| s.dynamic = DynamicFields::FlatRoot).await;
    assert_eq!((&flat["client_id"], &flat["data"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn id_lists() {
    assert_eq!(project(|s| s.id_lists = IdLists::Csv).await["participants_user_id"], "4,5");
    assert_eq!(project(|s| s.id_lists = IdLists::Underscore).await["participants_user_id"], "4_5");
    let crm = switched(|switches| switches.id_lists = IdLists::Csv);
    let none = get(&crm, "/projects/info?id=102").await.json();
    assert_eq!(none["payload"]["participants_user_id"], "");
}

#[tokio::test]
async fn fields_can_have_other_names() {
    let crm = switched(|switches| {
        switches
            .names
            .rename(Table::Projects, "name", "title")
            .rename(Table::Projects, "data", "fields")
            .rename(Table::Payments, "amount", "sum")
            .rename(Table::Checklists, "items", "points")
            .rename(Table::Checklists, "items.done", "checked");
    });
    let found = get(&crm, "/projects/info?id=101").await.json();
    let keys: Vec<&String> = found["payload"].as_object().unwrap().keys().collect();
    assert_eq!(keys[..3], ["id", "created", "title"]);
    assert_eq!(keys.last().unwrap().as_str(), "fields");
    assert_eq!(get(&crm, "/projects/payments?id=101").await.json()["payload"][0]["sum"], 50);
    let goods = get(&crm, "/projects/goods?id=101").await.json();
    assert_eq!(goods["payload"][0]["name"], "Gate controller GC-1");
    let lists = get(&crm, "/projects/checklists?id=101").await.json();
    assert_eq!(lists["payload"][0]["points"][0]["checked"], "1");
    crm.switches(|switches| switches.checklists = Checklists::Flat);
    let rows = get(&crm, "/projects/checklists?id=101").await.json();
    assert_eq!(rows["payload"][0]["checked"], "1");
}

#[tokio::test]
async fn flat_checklists_count_items() {
    let crm = switched(|switches| {
        switches.checklists = Checklists::Flat;
        switches.envelope = Envelope::ItemsTotal;
        switches.numbers = Numbers::Text;
    });
    let rows = get(&crm, "/projects/checklists?id=101").await.json();
    assert_eq!(rows["total"], 3);
    assert_eq!(rows["items"][0]["checklist_id"], "3001");
}

#[tokio::test]
async fn no_dynamic_fields_at_all() {
    for (empty, wanted) in
        [(EmptyData::Object, json!({})), (EmptyData::List, json!([])), (EmptyData::Null, Value::Null)]
    {
        let crm = switched(|switches| switches.empty_data = empty);
        crm.insert(Table::Projects, json!({ "id": 7, "deleted": "0", "data": {} })).unwrap();
        assert_eq!(get(&crm, "/projects/info?id=7").await.json()["payload"]["data"], wanted);
        assert!(get(&crm, "/projects/info?id=101").await.json()["payload"]["data"].is_object());
    }
}

#[tokio::test]
async fn empty_lists_and_missing_objects() {
    let crm = switched(|switches| switches.empty_list_null = true);
    assert_eq!(get(&crm, "/projects?count=0").await.text(), r#"{"payload":null}"#);
    assert_eq!(get(&crm, "/projects?count=1").await.ids(), [101]);
    crm.switches(|switches| switches.empty_list_null = false);
    for (missing, envelope, wanted) in [
        (Missing::EmptyList, Envelope::Payload, r#"{"payload":[]}"#),
        (Missing::EmptyList, Envelope::Bare, "[]"),
        (Missing::Null, Envelope::Payload, r#"{"payload":null}"#),
        (Missing::Null, Envelope::Data, r#"{"data":null}"#),
        (Missing::Null, Envelope::Bare, "null"),
    ] {
        crm.switches(|switches| (switches.missing, switches.envelope) = (missing, envelope));
        let reply = get(&crm, "/projects/info?id=999").await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, wanted));
    }
}

#[tokio::test]
async fn a_date_means_that_day_or_since() {
    let crm = crm();
    for (target, on, since) in [
        ("/projects/steps?id=101&filter_date=2020-03-01", vec![1002], vec![1002, 1003]),
        ("/projects/actions?id=101&filter_date=2020-02-12", vec![2002], vec![2002, 2003, 2004]),
        ("/projects/payments?id=101&filter_date=2020-02-20", vec![5001], vec![5001, 5002, 5003]),
    ] {
        crm.switches(|switches| switches.filter_date = FilterDate::On);
        assert_eq!(get(&crm, target).await.ids(), on);
        crm.switches(|switches| switches.filter_date = FilterDate::Since);
        assert_eq!(get(&crm, target).await.ids(), since);
    }
}

#[tokio::test]
async fn refusals_have_five_shapes() {
    let crm = crm();
    for (shape, status, pointer) in [
        (ErrorShape::StatusMessage, 404, "/message"),
        (ErrorShape::ErrorObject, 404, "/error/message"),
        (ErrorShape::ResponseObject, 404, "/response/message"),
        (ErrorShape::In200, 200, "/error"),
    ] {
        crm.switches(|switches| switches.error_shape = shape);
        let reply = get(&crm, "/projects/info?id=999").await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.json().pointer(pointer), Some(&json!("Not found")));
    }
    crm.switches(|switches| switches.error_shape = ErrorShape::Html);
    let reply = get(&crm, "/projects?%3Cb%3E=1").await;
    assert_eq!(reply.status, 400);
    assert!(reply.header("content-type").starts_with("text/html"));
    assert!(!reply.text().contains("<b>") && reply.text().contains("&lt;b>"));
}

#[tokio::test]
async fn quirks_are_inside_right_answers() {
    let crm = switched(|switches| switches.quirks.extra_fields = true);
    let found = get(&crm, "/projects/info?id=101").await.json();
    assert_eq!(found["payload"]["x_meta"]["scores"], json!([1, 2.5]));
    let lists = get(&crm, "/projects/checklists?id=101").await.json();
    assert_eq!(lists["payload"][0]["items"][0]["x_rev"], "7f3");

    let crm = switched(|switches| {
        switches.quirks.wrong_type = Some(WrongType {
            table: Table::Projects,
            id: 102,
            field: "price".to_owned(),
            value: json!({ "a": [] }),
        });
    });
    let list = get(&crm, "/projects").await.json();
    assert_eq!(list["payload"][1]["price"], json!({ "a": [] }));
    assert_eq!(list["payload"][0]["price"], 100);
    assert_eq!(get(&crm, "/projects?order_by=price").await.ids(), [104, 101, 103, 102, 106]);

    crm.switches(|switches| {
        switches.quirks.wrong_type = Some(WrongType {
            table: Table::Projects,
            id: 101,
            field: "data".to_owned(),
            value: json!("none"),
        });
    });
    assert_eq!(get(&crm, "/projects/info?id=101").await.json()["payload"]["data"], "none");

    let crm = switched(|switches| switches.quirks.long_text = Some(100_000));
    let name = get(&crm, "/projects/info?id=101").await.json()["payload"]["name"].take();
    assert_eq!(name.as_str().unwrap().chars().count(), 100_000);

    let crm = switched(|switches| switches.quirks.hostile_text = true);
    let actions = get(&crm, "/projects/actions?id=101").await.json();
    let comment = actions["payload"][0]["comment"].as_str().unwrap();
    for part in ["First call", "\"quoted\"", "<script>", "\u{1F6A7}", "\u{202E}", "\u{200F}"] {
        assert!(comment.contains(part), "{part}");
    }
    assert_eq!(actions["payload"][3]["comment"], Value::Null);
}
