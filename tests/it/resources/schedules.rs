//! The weekly timetable.

use http::Method;
use serde_json::{Value, json};

use super::{among, every_filter, pick, round_trip, same, school};
use crate::support::TestApp;

fn sent(app: &TestApp, operation: &str) -> (String, Value) {
    let entry = app.alfa.ledger().entries().into_iter().rev().find(|entry| entry.operation == operation);
    entry.map(|entry| (entry.query, entry.body)).unwrap_or_else(|| panic!("{operation} was not called"))
}

fn pointers(answer: &crate::support::Answer) -> Vec<&str> {
    assert_eq!((answer.status, answer.code()), (422, "validation_failed"), "{}", answer.text);
    answer.json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

fn of_group() -> Value {
    json!({
        "group_id": "alfa-12", "branch_id": "alfa-1", "lesson_type_id": "alfa-2", "subject_id": "alfa-2",
        "weekdays": ["SUNDAY", "MONDAY"], "starts_at": "09:00", "ends_at": "10:30", "valid_from": "2026-03-02",
    })
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let all = app.owner().walk("/schedules?limit=200").await;
    assert_eq!(all.len(), app.alfa.count("regular-lesson"));
    let cases = vec![
        same(&all, "group_id", "group_id"),
        same(&all, "student_id", "student_id"),
        among(&all, "teacher_id", "teacher_ids"),
        same(&all, "branch_id", "branch_id"),
    ];
    every_filter(&app, "/schedules", &[], &all, cases, &[]).await;
    let group = pick(&all, "group_id");
    let both = app.owner().get(&format!("/schedules?group_id={group}&student_id=alfa-101")).await;
    assert_eq!((both.status, &both.json["errors"][0]["pointer"]), (400, &json!("/query/student_id")));
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let all = app.owner().walk("/schedules").await;
    round_trip(&app, "/schedules", &all).await;
    for slot in &all {
        assert_ne!(slot["group_id"].is_null(), slot["student_id"].is_null(), "{slot}");
        assert!(!slot["weekdays"].as_array().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn sunday_is_sunday_however_the_crm_numbers_it() {
    use crm_gateway::sandbox::alfa::RegularDay;
    let app = school();
    let made = app.owner().send(Method::POST, "/schedules", Some(&of_group())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    app.alfa.switches(|switches| switches.regular_day = RegularDay::SundayZero);
    let path = format!("/schedules/{}", made.json["id"].as_str().unwrap());
    let read = app.owner().no_cache().get(&path).await;
    assert_eq!(read.json["weekdays"], json!(["MONDAY", "SUNDAY"]));
}

#[tokio::test(start_paused = true)]
async fn who_may_see_one_branch_makes_nothing_that_names_what_is_in_another() {
    let app = school();
    let of = |wanted: bool| {
        let mut groups = app.alfa.rows("group").into_iter();
        let group = groups.find(|row| row["branch_ids"].as_array().unwrap().contains(&json!(1)) == wanted);
        let mut slot = of_group();
        slot["group_id"] = format!("alfa-{}", group.expect("there are groups in both branches")["id"]).into();
        slot
    };
    let before = app.alfa.rows("regular-lesson");
    let refused = app.branch_one().send(Method::POST, "/schedules", Some(&of(false))).await;
    assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{}", refused.text);
    assert_eq!(refused.json["errors"][0]["pointer"], "/group_id", "{}", refused.text);
    assert_eq!(app.alfa.rows("regular-lesson"), before);
    let made = app.branch_one().send(Method::POST, "/schedules", Some(&of(true))).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_made_for_a_group_or_for_a_student() {
    let app = school();
    let made = app.owner().send(Method::POST, "/schedules", Some(&of_group())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (query, body) = sent(&app, "regular-lesson/create");
    assert_eq!(query, "related_class=Group&related_id=12");
    assert_eq!(
        body,
        json!({
            "branch_id": 1, "lesson_type_id": 2, "subject_id": 2, "days": [1, 7], "time_from_v": "09:00",
            "time_to_v": "10:30", "b_date_v": "02.03.2026", "e_date_v": "31.12.2030",
        })
    );
    assert_eq!((&made.json["group_id"], &made.json["student_id"]), (&json!("alfa-12"), &Value::Null));
    assert_eq!((&made.json["valid_from"], &made.json["valid_to"]), (&json!("2026-03-02"), &Value::Null));
    assert_eq!((&made.json["starts_at"], &made.json["ends_at"]), (&json!("09:00"), &json!("10:30")));
    let lessons = app.alfa.rows("lesson");
    let planned: Vec<&Value> = lessons
        .iter()
        .filter(|row| row["regular_id"] == made.json["source_id"].as_str().unwrap().parse::<u64>().unwrap())
        .collect();
    assert!(!planned.is_empty(), "the CRM plans lessons from it");

    let mut body = of_group();
    let map = body.as_object_mut().unwrap();
    map.remove("group_id");
    map.remove("branch_id");
    map.insert("student_id".to_owned(), json!("alfa-102"));
    map.insert("teacher_ids".to_owned(), json!(["alfa-4"]));
    let made = app.owner().send(Method::POST, "/schedules", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (query, body) = sent(&app, "regular-lesson/create");
    assert_eq!(
        (query.as_str(), &body["teacher_ids"]),
        ("related_class=Customer&related_id=102", &json!([4]))
    );
    assert_eq!(
        body["branch_id"],
        app.alfa.row("customer", 102).unwrap()["branch_ids"][0],
        "the student's branch"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_keeps_whose_slot_it_is() {
    let app = school();
    for class in ["Group", "Customer"] {
        let rows = app.alfa.rows("regular-lesson");
        let row = rows.iter().find(|row| row["related_class"] == class).unwrap();
        let path = format!("/schedules/alfa-{}", row["id"]);
        let patch = json!({"weekdays": ["SATURDAY"], "valid_to": null, "room_id": null});
        let changed = app.owner().send(Method::PATCH, &path, Some(&patch)).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        let (query, body) = sent(&app, "regular-lesson/update");
        assert_eq!(query, format!("id={}&related_class={class}&related_id={}", row["id"], row["related_id"]));
        assert_eq!(body, json!({"days": [6], "e_date_v": "31.12.2030", "room_id": null}));
        let after = app.alfa.row("regular-lesson", row["id"].as_u64().unwrap()).unwrap();
        for key in
            ["related_class", "related_id", "time_from_v", "time_to_v", "b_date", "subject_id", "teacher_ids"]
        {
            assert_eq!(after[key], row[key], "{key}");
        }
        assert_eq!((&after["days"], &after["e_date"]), (&json!([6]), &json!("2030-12-31")));
        assert_eq!(changed.json["valid_to"], Value::Null);
        assert_eq!(app.owner().get(&path).await.json, changed.json);
        for fixed in ["group_id", "student_id", "branch_id"] {
            let answer = app.owner().send(Method::PATCH, &path, Some(&json!({fixed: "alfa-12"}))).await;
            assert_eq!(pointers(&answer), [format!("/{fixed}")]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_before_the_crm_is_asked() {
    let app = school();
    for (more, pointer) in [
        (json!({"student_id": "alfa-101"}), "/student_id"),
        (json!({"weekdays": []}), "/weekdays"),
        (json!({"weekdays": ["SOMEDAY"]}), "/weekdays/0"),
        (json!({"starts_at": "9:00"}), "/starts_at"),
        (json!({"ends_at": "09:00"}), "/ends_at"),
        (json!({"valid_to": "2026-03-02"}), "/valid_to"),
        (json!({"group_id": null}), "/group_id"),
        (json!({"group_id": "crypto-12"}), "/group_id"),
        (json!({"subject_id": "crypto-2"}), "/subject_id"),
    ] {
        let mut body = of_group();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = app.owner().send(Method::POST, "/schedules", Some(&body)).await;
        assert_eq!(pointers(&answer)[0], pointer, "{}", answer.text);
    }
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_crm_is_told_in_our_words_whatever_its_status() {
    for status in [422, 200] {
        let app = school();
        app.alfa.switches(|switches| switches.validation_status = status);
        let mut body = of_group();
        let wrong = json!({"group_id": "alfa-99999", "subject_id": "alfa-999", "room_id": "alfa-999"});
        body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let answer = app.owner().send(Method::POST, "/schedules", Some(&body)).await;
        let mut told = pointers(&answer);
        told.sort_unstable();
        assert_eq!(told, ["/group_id", "/room_id", "/subject_id"], "{}", answer.text);
        // A period that only the CRM can compare.
        let row = app.alfa.rows("regular-lesson").remove(0);
        let path = format!("/schedules/alfa-{}", row["id"]);
        let answer = app.owner().send(Method::PATCH, &path, Some(&json!({"valid_to": "2020-01-01"}))).await;
        assert_eq!(pointers(&answer), ["/valid_to"], "{}", answer.text);
        let answer = app.owner().send(Method::PATCH, &path, Some(&json!({"ends_at": "00:01"}))).await;
        assert_eq!(pointers(&answer), ["/ends_at"], "{}", answer.text);
        assert_eq!(app.alfa.rows("regular-lesson").remove(0), row);
    }
}
