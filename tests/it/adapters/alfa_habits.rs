//! Accounts and years differ; what the gateway answers does not.

use crm_gateway::sandbox::alfa::{
    Body429, Language, LessonDetails, Limiter, PastEnd, RegularDay, Switches, TeacherIds,
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Setup, TestApp};

const LISTS: [&str; 4] = ["/students?stage=ALL&archived=all", "/lessons", "/payments", "/reference/branches"];

fn setup() -> Setup {
    Setup::new().students(25).without("cryptocrm")
}

async fn picture(app: &TestApp) -> Vec<Vec<Value>> {
    let mut lists = Vec::new();
    for path in LISTS {
        lists.push(app.owner().walk(path).await);
    }
    lists
}

/// A habit, what of the configuration goes with it, and how it is switched on.
type Habit = (&'static str, &'static [(&'static str, &'static str)], fn(&mut Switches));

const HABITS: [Habit; 21] = [
    ("pages of 20 unless asked", &[], |s| s.default_page_size = 20),
    ("pages of 20 at most", &[], |s| s.max_page_size = 20),
    ("pages of 50 at most", &[("alfacrm.page_size", "500")], |s| s.max_page_size = 50),
    ("pages of 7 at most", &[], |s| s.max_page_size = 7),
    ("pages of 200", &[("alfacrm.page_size", "200")], |_| {}),
    ("the last page again behind the end", &[], |s| s.past_end = PastEnd::RepeatLast),
    ("the last page again behind the end of small pages", &[("alfacrm.page_size", "9")], |s| {
        s.past_end = PastEnd::RepeatLast;
    }),
    ("bad values with status 200", &[], |s| s.validation_status = 200),
    ("bad tokens with status 403", &[], |s| s.bad_token_status = 403),
    ("bad sign-ins with status 401", &[], |s| s.bad_login_status = 401),
    ("a date filter of payments that works", &[], |s| s.pay_date_filter = true),
    ("a limiter with bursts", &[], |s| s.limiter = Limiter::Burst),
    ("a limiter without a queue", &[], |s| s.limiter = Limiter::Immediate),
    ("a limiter that delays", &[], |s| s.limiter = Limiter::Delayed),
    ("JSON in a 429", &[], |s| s.body_429 = Body429::Json),
    ("a pause in a 429", &[], |s| s.retry_after = Some(3)),
    ("an application key", &[("alfacrm.app_key", "\"the-app-key\"")], |s| {
        s.app_key = Some("the-app-key".to_owned());
    }),
    ("Sunday as 0", &[], |s| s.regular_day = RegularDay::SundayZero),
    ("English", &[], |s| s.message_language = Language::En),
    ("tokens that live for an hour", &[], |s| s.token_ttl = Duration::from_secs(3600)),
    ("tokens that live shorter than configured", &[], |s| s.token_ttl = Duration::from_secs(2)),
];

#[tokio::test(start_paused = true)]
async fn every_habit_gives_the_same_records() {
    let expected = picture(&setup().start()).await;
    assert!(expected.iter().all(|list| list.len() >= 3));
    for (name, settings, switch) in HABITS {
        let setup = settings.iter().fold(setup(), |setup, (key, value)| setup.set(key, value));
        let app = setup.start();
        // The CRM's own limit: it is the gateway that must not meet it.
        app.alfa.set_quota(5.0);
        app.alfa.switches(switch);
        let seen = picture(&app).await;
        for ((path, seen), expected) in LISTS.iter().zip(&seen).zip(&expected) {
            assert!(seen == expected, "{name}: {path} differs: {} and {}", seen.len(), expected.len());
        }
        assert_eq!(app.alfa.ledger().count_status(429), 0, "{name}");
        if name.contains("delays") {
            let held_back = app.alfa.ledger().entries().iter().map(|entry| entry.delayed).max().unwrap();
            assert!(held_back < Duration::from_millis(50), "{held_back:?}");
        }
    }
}

/// Without these fields.
fn stripped(records: &[Value], fields: &[&str]) -> Vec<Value> {
    let mut records = records.to_vec();
    for record in &mut records {
        for field in fields {
            record.as_object_mut().unwrap().remove(*field);
        }
    }
    records
}

#[tokio::test(start_paused = true)]
async fn teachers_given_by_name_are_names_and_nothing_else_changes() {
    let path = LISTS[0];
    let ids = setup().start().owner().walk(path).await;
    let app = setup().start();
    app.alfa.switches(|switches| switches.teacher_ids = TeacherIds::Names);
    let names = app.owner().walk(path).await;
    let fields = ["teacher_ids", "teacher_names"];
    assert_eq!(stripped(&names, &fields), stripped(&ids, &fields));
    assert!(names.iter().all(|record| record["teacher_ids"] == json!([])));
    let teachers = app.alfa.rows("teacher");
    for (with_ids, with_names) in ids.iter().zip(&names) {
        let of = |id: &Value| {
            let row = teachers.iter().find(|row| *id == format!("alfa-{}", row["id"])).unwrap();
            row["name"].clone()
        };
        let expected: Vec<Value> = with_ids["teacher_ids"].as_array().unwrap().iter().map(of).collect();
        assert_eq!(with_names["teacher_names"], json!(expected));
    }
    assert!(names.iter().any(|record| record["teacher_names"] != json!([])));
}

#[tokio::test(start_paused = true)]
async fn attendance_that_is_shown_to_one_student_only_is_there_when_one_is_asked_for() {
    let whole = setup().start().owner().walk("/lessons").await;
    let app = setup().start();
    app.alfa.switches(|switches| switches.lesson_details = LessonDetails::WithCustomer);
    let bare = app.owner().walk("/lessons").await;
    assert_eq!(stripped(&bare, &["attendance"]), stripped(&whole, &["attendance"]));
    assert!(bare.iter().all(|lesson| lesson["attendance"] == json!([])));
    let student = &whole.iter().find(|lesson| lesson["status"] == "CONDUCTED").unwrap()["student_ids"][0];
    let path = format!("/lessons?status=CONDUCTED&student_id={}", student.as_str().unwrap());
    let own = app.owner().walk(&path).await;
    assert!(!own.is_empty());
    for lesson in own {
        let full = whole.iter().find(|known| known["id"] == lesson["id"]).unwrap();
        assert_eq!(lesson["attendance"], full["attendance"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_the_crm_user_may_not_see_is_named() {
    let app = setup().start();
    app.alfa.switches(|switches| switches.branches = Some(vec![1, 2]));
    let answer = app.owner().get("/payments?limit=200&branch_id=alfa-1&branch_id=alfa-3").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.items().is_empty());
    assert!(answer.items().iter().all(|record| record["branch_id"] == "alfa-1"));
    assert_eq!(answer.json["incomplete"][0]["branch_id"], "alfa-3", "{}", answer.json["incomplete"]);
    assert_eq!(answer.json["incomplete"][0]["source"], "alfacrm");
    let none = app.owner().get("/payments?branch_id=alfa-3").await;
    assert_eq!((none.status, none.code()), (502, "upstream_error"), "{}", none.text);
}
