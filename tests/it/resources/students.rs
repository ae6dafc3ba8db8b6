//! Students and leads.

use crm_gateway::sandbox::alfa::TeacherIds;
use http::Method;
use serde_json::{Value, json};

use super::groups::{keys, sent};
use super::{Case, among, case, days, every_filter, pick, round_trip, same, school, snapshot, text};
use crate::support::app::ids;

const EVERYBODY: [(&str, &str); 2] = [("stage", "ALL"), ("archived", "all")];

fn money(record: &Value, field: &str) -> Option<f64> {
    record[field]["amount"].as_str()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn every_filter_narrows_to_what_fits() {
    let app = school();
    let painted = app.alfa.rows("customer")[3]["id"].as_u64().unwrap();
    app.alfa.update_row("customer", painted, &json!({"color": "#9acfea"}));
    let all = app.owner().walk("/students?stage=ALL&archived=all&limit=200").await;
    assert_eq!(all.len(), app.alfa.count("customer"), "nobody is missing without a filter");
    let part: String = pick(&all, "name").chars().take(4).collect();
    let phone =
        all.iter().find_map(|record| record["contacts"]["phones"][0]["display"].as_str()).unwrap().to_owned();
    let email = all.iter().find_map(|record| record["contacts"]["emails"][0].as_str()).unwrap().to_owned();
    let updated = pick(&all, "updated_at");
    let (low_part, has_phone, has_email, since) =
        (part.to_lowercase(), phone.clone(), email.clone(), updated.clone());
    let two = ids(&all[..2]);
    let wanted = two.clone();
    let mut cases: Vec<Case> = vec![
        case("q", &part, move |record| text(&record["name"]).to_lowercase().contains(&low_part)),
        case("contact", &phone, move |record| record["contacts"]["phones"].to_string().contains(&has_phone)),
        case("contact", &email, move |record| record["contacts"]["emails"].to_string().contains(&has_email)),
        Case {
            query: two.iter().map(|id| ("id".to_owned(), id.clone())).collect(),
            fits: Box::new(move |record| wanted.contains(&text(&record["id"]))),
        },
        same(&all, "status_id", "status_id"),
        same(&all, "lead_status_id", "lead_status_id"),
        same(&all, "lead_source_id", "lead_source_id"),
        same(&all, "assigned_user_id", "assigned_user_id"),
        case("color", "LIGHT_BLUE", |record| record["color"] == "LIGHT_BLUE"),
        case("balance_from", "100.00", |record| {
            money(record, "balance").is_some_and(|amount| amount >= 100.0)
        }),
        case("balance_to", "0", |record| money(record, "balance").is_some_and(|amount| amount <= 0.0)),
        case("updated_since", &updated, move |record| text(&record["updated_at"]) >= since),
        among(&all, "branch_id", "branch_ids"),
    ];
    cases.extend(days(&all, "birth_date_from", "birth_date_to", "birth_date"));
    cases.extend(days(&all, "next_lesson_from", "next_lesson_to", "next_lesson_at"));
    cases.extend(days(&all, "last_attended_from", "last_attended_to", "last_attended_on"));
    cases.extend(days(&all, "created_from", "created_to", "created_at"));
    every_filter(&app, "/students", &EVERYBODY, &all, cases, &["stage", "archived"]).await;
}

#[tokio::test(start_paused = true)]
async fn stage_and_archive_are_told_apart_and_default_to_active_students() {
    let app = school();
    let all = app.owner().walk("/students?stage=ALL&archived=all&limit=200").await;
    for (query, stage, archived) in [
        ("", Some("STUDENT"), Some(false)),
        ("stage=LEAD", Some("LEAD"), Some(false)),
        ("archived=true", Some("STUDENT"), Some(true)),
        ("archived=all", Some("STUDENT"), None),
        ("stage=ALL", None, Some(false)),
        ("stage=ALL&archived=true", None, Some(true)),
    ] {
        let mut got = ids(&app.owner().walk(&format!("/students?limit=200&{query}")).await);
        let fitting = all.iter().filter(|record| {
            stage.is_none_or(|stage| record["stage"] == stage)
                && archived.is_none_or(|archived| record["archived"] == archived)
        });
        let mut wanted = ids(&fitting.cloned().collect::<Vec<_>>());
        got.sort();
        wanted.sort();
        assert!(!wanted.is_empty() && got == wanted, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_gives_a_read_by_id_finds() {
    let app = school();
    let all = app.owner().walk("/students?stage=ALL&archived=all&limit=200").await;
    round_trip(&app, "/students", &all).await;
    for nobody in ["alfa-999999", "crypto-1", "alfa-1-2", "alfa-", "nonsense", "alfa-0"] {
        let answer = app.owner().get(&format!("/students/{nobody}")).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{nobody}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_telephone_number_is_found_in_any_spelling() {
    let app = school();
    let student = app.owner().get("/students?limit=1").await.items().remove(0);
    let digits = text(&student["contacts"]["phones"][0]["e164"]);
    let ten = &digits[2..];
    for spelling in [
        format!("%2B7{ten}"),
        format!("8{ten}"),
        ten.to_owned(),
        format!("%2B7({})%20{}", &ten[..3], &ten[3..]),
    ] {
        let found = app.owner().walk(&format!("/students?stage=ALL&archived=all&contact={spelling}")).await;
        assert!(ids(&found).contains(&text(&student["id"])), "{spelling}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_is_the_crms_count_and_not_told_when_it_cannot_be_believed() {
    let app = school();
    let total =
        async |query: &str| app.owner().get(&format!("/students?limit=1{query}")).await.json["total"].clone();
    let active = app.owner().walk("/students?limit=200").await.len();
    assert_eq!(total("").await, active);
    assert_eq!(total("&archived=true").await, app.owner().walk("/students?archived=true").await.len());
    // Whether the CRM obeys this filter is not known.
    assert_eq!(total("&balance_from=0").await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_student_looks_like_this() {
    let app = school();
    let page = app.owner().get("/students?limit=1&include=raw").await;
    snapshot("student", &page.json["items"][0], &[]);
    let refused = app.owner().get("/students?limit=ten&colour=red&fields=name,shoe").await;
    snapshot("student_query_refused", &refused.json, &["/request_id"]);
}

#[tokio::test(start_paused = true)]
async fn a_lead_is_made_and_becomes_a_student() {
    let app = school();
    let owner = app.owner();
    let body = json!({
        "name": "Новикова Вера", "stage": "LEAD", "branch_ids": ["alfa-2"], "birth_date": "2015-04-01",
        "contacts": {"phones": ["8 900 000-00-77", {"display": "+7(900)000-00-78"}], "emails": ["vera@mail.example"], "addresses": ["ул. Выдуманная, 3"]},
        "payer": {"name": "Новикова Инна"}, "color": "LIGHT_BLUE", "lead_source_id": "alfa-5", "teacher_ids": ["alfa-4"],
        "barcode": "A-1", "note": "строка\nвторая", "custom_fields": {"custom_klass": "5"},
    });
    let made = owner.send(Method::POST, "/students", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    for field in [
        "name",
        "stage",
        "branch_ids",
        "birth_date",
        "color",
        "lead_source_id",
        "teacher_ids",
        "barcode",
        "note",
    ] {
        assert_eq!(made.json[field], body[field], "{field}");
    }
    assert_eq!(made.json["custom_fields"]["custom_klass"], "5");
    assert_eq!(made.header("location"), format!("/students/{}", text(&made.json["id"])));
    let row = app.alfa.rows("customer").into_iter().find(|row| row["name"] == "Новикова Вера").unwrap();
    assert_eq!(
        (&row["dob"], &row["is_study"], &row["legal_type"]),
        (&json!("01.04.2015"), &json!(0), &json!(1))
    );
    assert_eq!((&row["legal_name"], &row["color"]), (&json!("Новикова Инна"), &json!("#9acfea")));
    assert_eq!(row["phone"], json!(["+7(900)000-00-77", "+7(900)000-00-78"]));
    let call = sent(&app, "customer/create");
    assert!(
        call.get("web").is_none() && call.get("assigned_id").is_none(),
        "what is not said is not sent: {call}"
    );
    assert!(call.as_object().unwrap().values().all(|value| !value.is_null()), "{call}");

    let path = format!("/students/{}", text(&made.json["id"]));
    let student = owner.send(Method::PATCH, &path, Some(&json!({"stage": "STUDENT"}))).await;
    assert_eq!(
        (student.status, &student.json["stage"], &student.json["id"]),
        (200, &json!("STUDENT"), &made.json["id"])
    );
    assert_eq!(sent(&app, "customer/update"), json!({"is_study": 1}), "nothing else is sent");
    let listed = owner.walk("/students?limit=200").await;
    assert!(ids(&listed).contains(&text(&made.json["id"])), "lists know it at once");

    let change = json!({"birth_date": null, "contacts": {"phones": [], "websites": ["site.example"]}, "color": null,
        "custom_fields": {"custom_klass": null}, "payer": {"kind": "ORGANIZATION"}});
    let changed = owner.send(Method::PATCH, &path, Some(&change)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(
        keys(&sent(&app, "customer/update")),
        ["color", "custom_klass", "dob", "legal_type", "phone", "web"]
    );
    assert_eq!(
        changed.json["contacts"],
        json!({"phones": [], "emails": ["vera@mail.example"], "websites": ["site.example"], "addresses": ["ул. Выдуманная, 3"]})
    );
    assert_eq!((&changed.json["birth_date"], &changed.json["color"]), (&Value::Null, &Value::Null));
    assert_eq!(changed.json["payer"], json!({"kind": "ORGANIZATION", "name": "Новикова Инна"}));
}

#[tokio::test(start_paused = true)]
async fn a_new_student_is_in_the_only_branch_there_is() {
    let app = school();
    let body = json!({"name": "Один"});
    let whose = app.owner().send(Method::POST, "/students", Some(&body)).await;
    assert_eq!(
        (whose.status, &whose.json["errors"][0]["pointer"]),
        (422, &json!("/branch_ids")),
        "{}",
        whose.text
    );
    let made = app.branch_one().send(Method::POST, "/students", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!((&made.json["branch_ids"], &made.json["stage"]), (&json!(["alfa-1"]), &json!("STUDENT")));
    // What names no branch is nobody's: not a question of who asks.
    let none = json!({"name": "Два", "branch_ids": ["alfa-1", "crypto-1"]});
    for asker in [app.owner(), app.branch_one()] {
        let refused = asker.send(Method::POST, "/students", Some(&none)).await;
        let pointer = &refused.json["errors"][0]["pointer"];
        assert_eq!((refused.status, pointer), (422, &json!("/branch_ids")), "{}", refused.text);
    }
    let foreign = json!({"name": "Два", "branch_ids": ["alfa-2"]});
    assert_eq!(app.branch_one().send(Method::POST, "/students", Some(&foreign)).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_refused_with_a_hint_and_costs_nothing() {
    let app = school();
    let body = json!({
        "name": "x".repeat(51), "stage": "UNKNOWN", "branch_ids": [], "birth_date": "01.04.2015", "balance": "1", "bonus_balance": 5,
        "archived": true, "contacts": {"fax": []}, "color": "PINK", "custom_fields": {"klass": "5"}, "teacher_names": [], "age": 5,
    });
    let refused = app.owner().send(Method::POST, "/students", Some(&body)).await;
    assert_eq!((refused.status, refused.code()), (422, "validation_failed"), "{}", refused.text);
    let detail = |pointer: &str| {
        let errors = refused.json["errors"].as_array().unwrap();
        let found = errors.iter().find(|error| error["pointer"] == pointer);
        text(&found.unwrap_or_else(|| panic!("{pointer} is not told: {}", refused.text))["detail"])
    };
    for pointer in [
        "/name",
        "/stage",
        "/branch_ids",
        "/birth_date",
        "/contacts/fax",
        "/color",
        "/custom_fields/klass",
        "/teacher_names",
        "/age",
    ] {
        detail(pointer);
    }
    assert!(detail("/balance").contains("POST /payments"));
    assert!(detail("/bonus_balance").contains("bonus"));
    assert!(detail("/archived").contains("archives"));
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_crms_refusal_is_told_in_our_words_whatever_its_status() {
    for status in [422, 200] {
        let app = school();
        app.alfa.switches(|switches| switches.validation_status = status);
        let body = json!({"name": "x", "branch_ids": ["alfa-1"], "lead_source_id": "alfa-999", "assigned_user_id": "alfa-998"});
        let refused = app.owner().send(Method::POST, "/students", Some(&body)).await;
        assert_eq!(
            (refused.status, refused.code()),
            (422, "validation_failed"),
            "{status}: {}",
            refused.text
        );
        assert_eq!(refused.json["source"], "alfacrm");
        let errors = refused.json["errors"].as_array().unwrap().iter();
        let mut told: Vec<String> = errors.map(|error| text(&error["pointer"])).collect();
        told.sort();
        assert_eq!(told, ["/assigned_user_id", "/lead_source_id"], "{status}");
        let path = format!("/students/alfa-{}", app.alfa.rows("customer")[0]["id"]);
        let custom = json!({"custom_fields": {"custom_datadogovora": "soon"}});
        let refused = app.owner().send(Method::PATCH, &path, Some(&custom)).await;
        assert_eq!(
            refused.json["errors"][0]["pointer"], "/custom_fields/custom_datadogovora",
            "{}",
            refused.text
        );
    }
    // A date is refused by us before the CRM is asked, and under the same pointer by the CRM.
    let app = crate::support::Setup::new().students(20).in_no_hurry().start_altered(|path, json| {
        if path.ends_with("customer/update") {
            *json = json!({"success": false, "errors": {"dob": ["The format of Date of birth is invalid."]}});
        }
    });
    let path = format!("/students/alfa-{}", app.alfa.rows("customer")[0]["id"]);
    let refused = app.owner().send(Method::PATCH, &path, Some(&json!({"birth_date": "2015-04-01"}))).await;
    assert_eq!(
        (refused.status, &refused.json["errors"][0]["pointer"]),
        (422, &json!("/birth_date")),
        "{}",
        refused.text
    );
}

#[tokio::test(start_paused = true)]
async fn the_names_of_what_a_student_refers_to_stand_beside_the_ids() {
    let app = school();
    let page =
        app.owner().get("/students?limit=50&expand=teachers,branches,status,lead_source,assigned_user").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let named = |value: &Value| value["name"].as_str().is_some_and(|name| !name.starts_with('#'));
    for student in page.items() {
        assert!(named(&student["branches"][0]) && named(&student["status"]), "{student}");
        assert!(student["teachers"].as_array().unwrap().iter().all(named), "{student}");
        assert!(student["assigned_user"].is_null() || named(&student["assigned_user"]), "{student}");
    }
    for path in ["/students?stage=ALL&archived=all&limit=200&expand=lead_status,lead_reject,customer_reject"]
    {
        let all = app.owner().walk(path).await;
        for field in ["lead_status", "lead_reject", "customer_reject"] {
            assert!(all.iter().any(|student| named(&student[field])), "{field}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn teachers_that_are_names_are_shown_as_names() {
    let app = school();
    app.alfa.switches(|switches| switches.teacher_ids = TeacherIds::Names);
    let group = app.owner().get("/groups/alfa-12").await.json;
    let row = app.alfa.row("group", 12).unwrap();
    assert_eq!(
        group["teacher_ids"][0],
        format!("alfa-{}", row["teacher_ids"][0]),
        "the list `teachers` has the ids"
    );
    let students = app.owner().walk("/students?limit=200").await;
    assert!(students.iter().any(|student| student["teacher_names"][0].is_string()));
    assert!(students.iter().all(|student| student["teacher_ids"] == json!([])));
}
