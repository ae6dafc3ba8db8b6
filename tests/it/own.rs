//! What the bearer of a token meets who may see some students only: what is refused, what is shown in part, what it costs.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::matrix::oracle::is_current;
use crate::support::app::ids;
use crate::support::provider::{School, Signer, claims};
use crate::support::{Asker, Setup, TestApp};

struct Home {
    app: TestApp,
    signer: Signer,
}

impl Home {
    fn new() -> Self {
        let signer = Signer::eddsa("school");
        let school: Arc<School> = School::publishing(&[&signer]);
        Self { app: Setup::new().students(40).projects(20).in_no_hurry().tokens_of(&school).start(), signer }
    }

    fn parent_of(&self, students: &[&str]) -> Asker {
        self.app.bearer(&self.signer.sign(&claims("parent", students)))
    }

    /// A student who is in a group with others, with the group.
    fn in_a_group(&self) -> (String, String, Vec<String>) {
        let mut members = self.app.alfa.rows("cgi");
        members.retain(is_current);
        let in_group = |group: &Value| -> Vec<String> {
            let own = members.iter().filter(|row| row["group_id"] == *group);
            own.map(|row| format!("alfa-{}", row["customer_id"])).collect()
        };
        let (group, all) = members
            .iter()
            .map(|row| (&row["group_id"], in_group(&row["group_id"])))
            .find(|(_, all)| all.len() > 2)
            .expect("there is a group of several");
        (all[0].clone(), format!("alfa-{group}"), all[1..].to_vec())
    }
}

#[tokio::test(start_paused = true)]
async fn a_family_sees_its_own_child_and_of_a_group_that_it_is_in_it() {
    let home = Home::new();
    let (own, group, others) = home.in_a_group();
    let parent = home.parent_of(&[&own]);
    assert_eq!(ids(&parent.get("/students?stage=ALL&archived=all").await.items()), [own.as_str()]);
    assert_eq!(parent.get(&format!("/students/{own}")).await.status, 200);
    for other in &others {
        assert_eq!(parent.get(&format!("/students/{other}")).await.status, 404);
        assert_eq!(parent.get(&format!("/students/{other}/overview")).await.status, 404);
        assert_eq!(parent.get(&format!("/students/{other}/subscriptions")).await.status, 404);
        assert!(parent.get(&format!("/lessons?student_id={other}")).await.items().is_empty());
    }
    assert_eq!(parent.get(&format!("/groups/{group}")).await.status, 200);
    let members = parent.get(&format!("/groups/{group}/members")).await;
    let named: Vec<&Value> =
        members.json["items"].as_array().unwrap().iter().map(|one| &one["student_id"]).collect();
    assert_eq!(named, [&json!(own)], "{}", members.text);
    assert_eq!(members.json["total"], Value::Null, "how many the others are is not told");
    // Nor where the page ends before anybody else was met.
    let path = format!("/groups/{group}/members?limit=1");
    let all = home.app.owner().get(&path).await;
    assert!(all.json["total"].as_u64() > Some(1), "{}", all.text);
    let first = all.items()[0]["student_id"].as_str().unwrap().to_owned();
    let page = home.parent_of(&[&first]).get(&path).await;
    assert_eq!(page.items()[0]["student_id"], first.as_str(), "{}", page.text);
    assert_eq!(page.json["total"], Value::Null, "{}", page.text);
    let missing = parent.get("/students/alfa-999999").await;
    let hidden = parent.get(&format!("/students/{}", others[0])).await;
    assert_eq!(missing.json["detail"], hidden.json["detail"], "what is hidden looks like what is not there");
}

#[tokio::test(start_paused = true)]
async fn a_filter_does_not_tell_what_is_not_shown() {
    let home = Home::new();
    let parent = home.parent_of(&["alfa-101"]);
    let teacher = home.app.alfa.rows("teacher").remove(0);
    let phone = teacher["phone"][0].as_str().expect("teachers have telephones").replace('+', "%2B");
    let by_phone = format!("/teachers?contact={phone}");
    assert!(!home.app.owner().get(&by_phone).await.items().is_empty());
    assert!(parent.get(&by_phone).await.items().is_empty());
    let shown = parent.get(&format!("/teachers/alfa-{}", teacher["id"])).await;
    assert_eq!(shown.json["name"], teacher["name"]);
    assert_eq!(shown.json["contacts"]["phones"], json!([]));
    assert_eq!(shown.json["birth_date"], Value::Null);
    let found = parent.get(&format!("/search?q={phone}")).await;
    assert_eq!(found.json["items"], json!([]), "{}", found.text);
}

#[tokio::test(start_paused = true)]
async fn the_crms_own_records_the_schema_and_what_staff_keep_are_not_for_families() {
    let home = Home::new();
    let parent = home.parent_of(&["alfa-101"]);
    for path in
        ["/students?include=raw", "/students/alfa-101?fields=raw", "/lessons?include=raw", "/schema/students"]
    {
        let answer = parent.get(path).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{path}");
    }
    for path in [
        "/tasks",
        "/messages/sms",
        "/messages/mail",
        "/messages/calls",
        "/reference/users",
        "/reference/clients",
    ] {
        assert!(!home.app.owner().get(path).await.items().is_empty() || path.ends_with("calls"), "{path}");
        let answer = parent.get(path).await;
        assert_eq!((answer.status, answer.items().len()), (200, 0), "{path}: {}", answer.text);
    }
    assert!(!parent.get("/reference/subjects").await.items().is_empty());
    assert!(!parent.get("/tariffs").await.items().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_seen_in_part_cannot_be_written_and_what_is_made_hangs_on_ones_own() {
    let home = Home::new();
    let (own, group, others) = home.in_a_group();
    let parent = home.parent_of(&[&own]);
    let lessons = parent.get(&format!("/lessons?student_id={own}&status=PLANNED")).await.items();
    let lesson = lessons.first().expect("a lesson is planned")["id"].as_str().unwrap().to_owned();
    let before = home.app.alfa.rows("lesson");
    let topic = json!({"topic": "Past Simple"});
    let answer = parent.send(Method::PATCH, &format!("/lessons/{lesson}"), Some(&topic)).await;
    assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{}", answer.text);
    let note = json!({"note": "Привет"});
    assert_eq!(parent.send(Method::PATCH, &format!("/groups/{group}"), Some(&note)).await.status, 403);
    assert_eq!(home.app.alfa.rows("lesson"), before);
    let slot = |student: &str| {
        json!({
            "student_id": student, "branch_id": "alfa-1", "lesson_type_id": "alfa-1", "subject_id": "alfa-2",
            "teacher_ids": ["alfa-4"], "weekdays": ["MONDAY"], "starts_at": "09:00", "ends_at": "10:00",
            "valid_from": "2026-03-02", "valid_to": "2026-05-31",
        })
    };
    let foreign = parent.send(Method::POST, "/schedules", Some(&slot(&others[0]))).await;
    assert_eq!((foreign.status, foreign.code()), (403, "forbidden"), "{}", foreign.text);
    // What hangs on one's own stays there: it cannot be handed to what one does not see.
    let made = parent.send(Method::POST, "/schedules", Some(&slot(&own))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = format!("/schedules/{}", made.json["id"].as_str().unwrap());
    let slots = home.app.alfa.rows("regular-lesson");
    let handed = parent.send(Method::PATCH, &path, Some(&json!({"student_id": others[0]}))).await;
    assert_eq!(handed.status, 422, "{}", handed.text);
    assert_eq!(home.app.alfa.rows("regular-lesson"), slots);
}

/// Rows of a model of which `wanted` is true.
fn id_of(app: &TestApp, model: &str, wanted: impl Fn(&Value) -> bool) -> String {
    let row = app.alfa.rows(model).into_iter().find(|row| wanted(row)).expect("there is one");
    format!("alfa-{}", row["id"])
}

fn payment(student: &str) -> Value {
    json!({
        "student_id": student, "account_id": "alfa-1", "branch_id": "alfa-1", "date": "2026-02-20",
        "amount": {"amount": "10.00", "currency": "RUB"},
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_not_seen_cannot_be_named_in_a_write() {
    let home = Home::new();
    let owner = home.app.owner();
    let in_branch_one = |row: &Value| row["branch_ids"].as_array().unwrap().contains(&json!(1));
    let own = id_of(&home.app, "customer", |row| row["branch_ids"] == json!([1]));
    let number: u64 = own.trim_start_matches("alfa-").parse().unwrap();
    let parent = home.parent_of(&[&own]);
    let foreign = id_of(&home.app, "customer-tariff", |row| row["customer_id"] != number);
    let teacher = id_of(&home.app, "teacher", |row| !in_branch_one(row));
    let group = id_of(&home.app, "group", in_branch_one);
    assert_eq!(home.app.branch_one().get(&format!("/teachers/{teacher}")).await.status, 404);
    let mut with_foreign = payment(&own);
    with_foreign["subscription_id"] = foreign.as_str().into();
    let branch = home.app.branch_one();
    let before = home.app.alfa.count("pay");
    for (who, method, path, body, pointer) in [
        (&parent, Method::POST, "/payments".to_owned(), with_foreign.clone(), "/subscription_id"),
        (&branch, Method::POST, "/payments".to_owned(), with_foreign, "/subscription_id"),
        (
            &branch,
            Method::PATCH,
            format!("/students/{own}"),
            json!({"teacher_ids": [teacher]}),
            "/teacher_ids",
        ),
        (
            &branch,
            Method::PATCH,
            format!("/groups/{group}"),
            json!({"teacher_ids": [teacher]}),
            "/teacher_ids",
        ),
        (
            &parent,
            Method::PATCH,
            format!("/students/{own}"),
            json!({"assigned_user_id": "alfa-1"}),
            "/assigned_user_id",
        ),
        (
            &parent,
            Method::POST,
            format!("/students/{own}/communications"),
            json!({"text": "Привет", "user_id": "alfa-1"}),
            "/user_id",
        ),
    ] {
        let who = who.clone().with("idempotency-key", &format!("{path}{pointer}"));
        let answer = who.send(method, &path, Some(&body)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (422, "validation_failed"),
            "{path} {body}: {}",
            answer.text
        );
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    assert_eq!(home.app.alfa.count("pay"), before);
    // Of one's own, and by who sees everything, they can.
    let mine = parent.get(&format!("/students/{own}/subscriptions")).await.items();
    let mut with_own = payment(&own);
    with_own["subscription_id"] = mine.first().expect("the student has a subscription")["id"].clone();
    let keyed = parent.clone().with("idempotency-key", "own");
    let paid = keyed.send(Method::POST, "/payments", Some(&with_own)).await;
    assert_eq!(paid.status, 201, "{}", paid.text);
    let path = format!("/payments/{}", paid.json["id"].as_str().unwrap());
    let moved = parent.send(Method::PATCH, &path, Some(&json!({"subscription_id": foreign}))).await;
    assert_eq!((moved.status, moved.code()), (422, "validation_failed"), "{}", moved.text);
    let told = owner
        .send(Method::PATCH, &format!("/students/{own}"), Some(&json!({"teacher_ids": [teacher]})))
        .await;
    assert_eq!(told.status, 200, "{}", told.text);
}

#[tokio::test(start_paused = true)]
async fn the_timetable_of_a_group_is_seen_and_not_changed() {
    let home = Home::new();
    let (own, group, _) = home.in_a_group();
    let parent = home.parent_of(&[&own]);
    let slots = parent.get(&format!("/schedules?group_id={group}")).await.items();
    let slot = slots.first().expect("the group has a timetable")["id"].as_str().unwrap().to_owned();
    let before = home.app.alfa.rows("regular-lesson");
    let changed =
        parent.send(Method::PATCH, &format!("/schedules/{slot}"), Some(&json!({"capacity": 3}))).await;
    assert_eq!((changed.status, changed.code()), (403, "forbidden"), "{}", changed.text);
    assert_eq!(home.app.alfa.rows("regular-lesson"), before);
}

#[tokio::test(start_paused = true)]
async fn who_may_less_than_when_it_wrote_is_told_of_which_record_and_no_more() {
    let home = Home::new();
    let own = id_of(&home.app, "customer", |row| row["branch_ids"] == json!([1]));
    let of = |students: &[&str], scope: Option<&str>| {
        let mut claims = claims("parent", students);
        if let Some(scope) = scope {
            claims["scope"] = scope.into();
        }
        home.app.bearer(&home.signer.sign(&claims)).with("idempotency-key", "tuition")
    };
    let asked = of(&[&own], None).with("prefer", "respond-async");
    let accepted = asked.send(Method::POST, "/payments", Some(&payment(&own))).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let operation = accepted.header("location").to_owned();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let known = of(&[&own], None).get(&operation).await.json;
    assert_eq!(known["record"]["amount"]["amount"], "10.00", "{known}");
    let id = &known["record"]["id"];
    let names = |record: &Value| record.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for other in [of(&[], None), of(&["alfa-102"], None), of(&[&own], Some("openid"))] {
        let told = other.get(&operation).await;
        assert_eq!((told.status, &told.json["record"]["id"]), (200, id), "{}", told.text);
        assert_eq!(names(&told.json["record"]), ["id", "source", "source_id"], "{}", told.text);
        let again = other.send(Method::POST, "/payments", Some(&payment(&own))).await;
        assert_eq!((again.header("idempotency-replayed"), &again.json["id"]), ("true", id), "{}", again.text);
        assert_eq!(names(&again.json), ["id", "source", "source_id"], "{}", again.text);
        assert!(!again.headers.contains_key("etag"));
    }
    let again = of(&[&own], None).send(Method::POST, "/payments", Some(&payment(&own))).await;
    assert_eq!(again.json["amount"]["amount"], "10.00", "{}", again.text);
}

#[tokio::test(start_paused = true)]
async fn what_memory_has_is_not_told_to_who_may_not_see_it() {
    let home = Home::new();
    let hidden = id_of(&home.app, "customer", |row| row["branch_ids"] == json!([2]));
    assert_eq!(home.app.owner().get(&format!("/students/{hidden}")).await.status, 200);
    let cached = home.app.branch_one().with("cache-control", "only-if-cached");
    for id in [hidden.as_str(), "alfa-999999"] {
        let answer = cached.get(&format!("/students/{id}")).await;
        assert_eq!((answer.status, answer.code()), (504, "not_cached"), "{id}: {}", answer.text);
    }
    let schema = home.app.branch_one().get("/schema/students").await;
    assert_eq!((schema.status, schema.code()), (403, "forbidden"), "{}", schema.text);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_asked_for_the_family_and_not_for_the_school() {
    let home = Home::new();
    let parent = home.parent_of(&["alfa-101", "alfa-102"]);
    for (path, most) in [
        ("/students", 1),
        // The groups of two students, and three statuses of lessons of each.
        ("/lessons", 12),
        ("/payments", 12),
        ("/projects", 2),
        ("/history", 2),
        ("/tasks", 0),
        ("/messages/sms", 0),
        ("/teachers/alfa-4/rates", 2),
        ("/students/alfa-103", 0),
    ] {
        let before = home.app.calls();
        parent.get(path).await;
        let calls = home.app.calls() - before;
        assert!(calls <= most, "{path} costs {calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lesson_that_names_its_student_elsewhere_is_found_by_its_id_and_not_in_lists() {
    let home = Home::new();
    let (own, _, _) = home.in_a_group();
    let student: u64 = own.trim_start_matches("alfa-").parse().unwrap();
    let names = |row: &Value, what: &str| row[what].as_array().unwrap().iter().any(|id| *id == student);
    let attends =
        |row: &Value| row["details"].as_array().unwrap().iter().any(|one| one["customer_id"] == student);
    let rows = home.app.alfa.rows("lesson");
    let conducted = rows.iter().find(|row| row["status"] == 3 && names(row, "customer_ids") && attends(row));
    let planned = rows.iter().find(|row| {
        row["status"] == 1
            && names(row, "customer_ids")
            && row["details"] == json!([])
            && row["group_ids"] != json!([])
    });
    let (conducted, planned) = (&conducted.unwrap()["id"], &planned.unwrap()["id"]);
    let parent = home.parent_of(&[&own]);
    let listed = async || {
        let lessons = parent.clone().no_cache().walk("/lessons?from=2025-01-01&to=2026-12-31").await;
        let ids = ids(&lessons);
        [conducted, planned].map(|id| ids.contains(&format!("alfa-{id}")))
    };
    assert_eq!(listed().await, [true, true]);
    let others: Vec<Value> = vec![json!(student + 1)];
    home.app.alfa.update_row("lesson", conducted.as_u64().unwrap(), &json!({"customer_ids": others}));
    home.app.alfa.update_row("lesson", planned.as_u64().unwrap(), &json!({"customer_ids": []}));
    assert_eq!(listed().await, [false, false]);
    for id in [conducted, planned] {
        let answer = parent.clone().no_cache().get(&format!("/lessons/alfa-{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}
