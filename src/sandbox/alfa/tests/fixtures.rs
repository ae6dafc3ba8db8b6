//! Rows have at least the keys of the recorded examples, and values of the same JSON types.

use super::*;

/// Fixture, call, body.
const LISTS: [(&str, &str, &str); 38] = [
    ("branch", "branch/index", "{}"),
    ("location", "1/location/index", "{}"),
    ("room", "1/room/index", "{}"),
    ("subject", "1/subject/index", "{}"),
    ("study-status", "1/study-status/index", "{}"),
    ("lead-status", "1/lead-status/index", "{}"),
    ("lead-source", "1/lead-source/index", "{}"),
    ("lead-reject", "1/lead-reject/index", "{}"),
    ("customer-reject", "1/customer-reject/index", "{}"),
    ("lesson-type", "1/lesson-type/index", "{}"),
    ("pipeline", "1/pipeline/index", "{}"),
    ("level", "1/level/index", "{}"),
    ("company", "company/index", "{}"),
    ("user", "1/user/index", "{}"),
    ("customer", "1/customer/index", "{}"),
    ("customer-archived", "1/customer/index", r#"{"removed":2}"#),
    ("lead", "1/customer/index", r#"{"is_study":0}"#),
    ("teacher", "1/teacher/index", "{}"),
    ("teacher-rate", "1/teacher/teacher-rate", r#"{"teacher_id":4}"#),
    ("working-hour", "1/teacher/working-hour", r#"{"teacher_id":4}"#),
    ("group", "1/group/index", "{}"),
    ("cgi", "1/cgi/index?group_id=12", "{}"),
    ("cgi-customer", "cgi/customer?customer_id=CUSTOMER", "{}"),
    ("lesson", "1/lesson/index", "{}"),
    ("lesson-planned", "1/lesson/index", r#"{"status":"1"}"#),
    ("regular-lesson", "1/regular-lesson/index", "{}"),
    ("pay", "1/pay/index", "{}"),
    ("pay-account", "1/pay-account/index", "{}"),
    ("pay-item", "1/pay-item/index", "{}"),
    ("pay-item-category", "1/pay-item-category/index", "{}"),
    ("pay-type", "1/pay-type/index", "{}"),
    ("tariff", "1/tariff/index", "{}"),
    ("customer-tariff", "customer-tariff/index?customer_id=CUSTOMER", "{}"),
    ("discount", "discount/index", "{}"),
    ("task", "task/index", "{}"),
    ("communication", "1/communication/index?class=Customer&related_id=COMMENTED", "{}"),
    ("sms-message", "1/sms-message", "{}"),
    ("log", "1/log/index", "{}"),
];

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/alfacrm/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("a fixture is JSON")
}

/// A customer that is in a group, and one with comments.
fn fill_in(caller: &Caller, path: &str) -> String {
    let member = &caller.crm.rows("cgi")[20]["customer_id"];
    let comments = caller.crm.rows("communication");
    let commented = &comments.iter().find(|row| row["class"] == "Customer").unwrap()["related_id"];
    path.replace("CUSTOMER", &member.to_string()).replace("COMMENTED", &commented.to_string())
}

#[tokio::test(start_paused = true)]
async fn every_row_has_the_keys_and_types_of_the_example() {
    let caller = Caller::new().await;
    for (name, path, body) in LISTS {
        let example = fixture(name);
        let path = fill_in(&caller, path);
        let answer = caller.ok(&path, serde_json::from_str(body).expect("a body")).await;
        for key in ["total", "count", "page"] {
            assert!(answer[key].is_u64(), "{name}: {key}");
        }
        let rows = answer["items"].as_array().expect("items");
        assert!(!rows.is_empty(), "{name}: no rows");
        for example in example["items"].as_array().expect("example items") {
            for (key, wanted) in example.as_object().expect("a row") {
                for row in rows {
                    let got = row.get(key).unwrap_or_else(|| panic!("{name}: {key} is missing"));
                    let same = std::mem::discriminant(got) == std::mem::discriminant(wanted);
                    let empty = |value: &Value| value.is_null() || value == "" || value == &json!([]);
                    assert!(
                        same || empty(got) || empty(wanted),
                        "{name}: {key} is {got}, the example has {wanted}"
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attendance_rows_have_the_keys_of_the_example() {
    let caller = Caller::new().await;
    for (name, body) in [("lesson", json!({})), ("lesson-planned", json!({"status": 1}))] {
        let wanted = &fixture(name)["items"][0]["details"][0];
        let lessons = caller.items("lesson/index", body).await;
        let detail = lessons
            .iter()
            .flat_map(|row| row["details"].as_array().expect("details"))
            .next()
            .expect("somebody takes part");
        for key in wanted.as_object().expect("a detail").keys() {
            assert!(detail.get(key).is_some(), "{name}: {key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn formats_are_those_of_the_examples() {
    let caller = Caller::new().await;
    let looks = |value: &Value, pattern: &str| -> bool {
        let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
        text.chars().count() == pattern.chars().count()
            && text.chars().zip(pattern.chars()).all(|(c, p)| match p {
                '9' => c.is_ascii_digit(),
                other => c == other,
            })
    };
    let (d, i, t) = ("99.99.9999", "9999-99-99", "9999-99-99 99:99:99");
    let lesson = &caller.items("lesson/index", json!({})).await[0];
    assert!(looks(&lesson["date"], i) && looks(&lesson["time_from"], t) && looks(&lesson["time_to"], t));
    let pay = &caller.items("pay/index", json!({})).await[0];
    assert!(looks(&pay["document_date"], d) && looks(&pay["created_at"], t));
    let customer = &caller.items("customer/index", json!({})).await[0];
    assert!(looks(&customer["e_date"], i) && looks(&customer["b_date"], t));
    let group = &caller.items("group/index", json!({})).await[0];
    assert!(looks(&group["b_date"], i) && looks(&group["e_date"], i));
    let cgi = &caller.items("cgi/index?group_id=12", json!({})).await[0];
    assert!(looks(&cgi["b_date"], d) && looks(&cgi["e_date"], d));
    let slot = &caller.items("regular-lesson/index", json!({})).await[0];
    assert!(looks(&slot["b_date_v"], d) && looks(&slot["b_date"], i) && looks(&slot["time_from_v"], "99:99"));
    let log = &caller.items("log/index", json!({})).await[0];
    assert!(looks(&log["date_time"], t));
}

#[tokio::test(start_paused = true)]
async fn calendars_and_bonus_are_bare() {
    let caller = Caller::new().await;
    let member = caller.crm.rows("cgi")[20]["customer_id"].clone();
    let path = format!("calendar/customer?id={member}&date1=2026-01-01&date2=2026-03-31");
    let calendar = caller.ok(&path, json!({})).await;
    let first = calendar[0].as_object().expect("a bare list of lessons");
    for key in fixture("calendar-customer")[0].as_object().expect("an item").keys() {
        assert!(first.contains_key(key), "{key}");
    }
    let bonus = caller.ok(&format!("bonus/balance-bonus?customer_id={member}"), json!({})).await;
    assert!(bonus["balance_bonus"].is_i64(), "{bonus}");
}

#[tokio::test(start_paused = true)]
async fn error_bodies_are_those_of_the_examples() {
    let caller = Caller::new().await;
    let (status, body) = caller.call("1/cgi/create", json!({"group_id": 12})).await;
    assert_eq!((status, body), (400, fixture("error-400-missing-parameter")));
    let (status, body) = caller.call("1/forecast/index", json!({})).await;
    assert_eq!((status, body), (404, fixture("error-404-unknown-model")));
    let (status, body) = read(caller.send("GET", "1/cgi/index", String::new()).await).await;
    assert_eq!((status, body), (405, fixture("error-405-method")));
    let wrong = json!({"email": Credentials::EMAIL, "api_key": "wrong"});
    let (status, body) = caller.call("auth/login", wrong).await;
    assert_eq!((status, body), (403, fixture("error-403-login")));
    caller.crm.switches(|switches| {
        switches.denied.insert("pay".to_owned());
    });
    let (status, body) = caller.call("1/pay/index", json!({})).await;
    assert_eq!((status, body), (403, fixture("error-403-access-denied")));
    caller.crm.expire_tokens();
    let (status, body) = caller.call("1/customer/index", json!({})).await;
    assert_eq!((status, body), (401, fixture("error-401-token")));
}

#[tokio::test(start_paused = true)]
async fn writes_answer_in_the_shape_of_the_examples() {
    let caller = Caller::new().await;
    let call = json!({"name": "Созданов Лид", "legal_type": 1, "is_study": 0, "branch_ids": [1], "phone": ["+79000000041"]});
    let made = caller.write("1/customer/create", call).await;
    let example = &fixture("create-customer-success")["model"];
    for (key, wanted) in example.as_object().expect("a model") {
        if !matches!(key.as_str(), "id" | "b_date") {
            assert_eq!(&made[key], wanted, "{key}");
        }
    }
    let call = json!({"name": "Созданов Лид", "legal_type": 1, "is_study": 0, "branch_ids": [1], "dob": "2014-05-14"});
    let errors = caller.refused("1/customer/create", call).await;
    assert_eq!(errors, fixture("create-validation-error")["errors"]);
}

#[tokio::test(start_paused = true)]
async fn every_model_answers() {
    let caller = Caller::new().await;
    let models = [
        "branch",
        "company",
        "location",
        "room",
        "subject",
        "study-status",
        "lead-status",
        "lead-source",
        "lead-reject",
        "customer-reject",
        "pipeline",
        "level",
        "streaming",
        "lesson-type",
        "customer",
        "group",
        "teacher",
        "lesson",
        "regular-lesson",
        "pay",
        "pay-account",
        "pay-item",
        "pay-item-category",
        "pay-type",
        "tariff",
        "discount",
        "task",
        "sms-message",
        "mail-message",
        "phone-call",
        "log",
        "user",
    ];
    for model in models {
        for path in [
            format!("1/{model}/index"),
            format!("{model}/index"),
            format!("0/{model}/index"),
            format!("1/{model}"),
        ] {
            let total = caller.total(&path, json!({})).await;
            assert!(total > 0 || model == "discount", "{path}");
        }
    }
    for path in [
        "cgi/index?group_id=12",
        "cgi/customer?customer_id=105",
        "customer-tariff/index?customer_id=105",
        "communication/index?class=Group&related_id=12",
        "teacher/teacher-rate",
        "teacher/working-hour",
    ] {
        caller.total(path, json!({})).await;
    }
    for class in ["customer", "group", "teacher"] {
        let path = format!("calendar/{class}?id=12&date1=2026-01-01&date2=01.03.2026");
        assert!(caller.ok(&path, json!({})).await.is_array());
    }
}
