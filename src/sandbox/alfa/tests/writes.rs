//! Writes: what they refuse, what they echo, and what follows from them.

use std::time::Duration;

use super::*;

fn lead(name: &str) -> Value {
    json!({"name": name, "legal_type": 1, "is_study": 0, "branch_ids": [1], "phone": ["+79000000041"]})
}

/// A client of group 12 whose group lessons are charged to the common balance.
async fn member(caller: &Caller) -> u64 {
    let subscriptions = caller.crm.rows("customer-tariff");
    let separate = |id: &Value| {
        subscriptions.iter().any(|row| row["customer_id"] == *id && row["is_separate_balance"] == 1)
    };
    let links = caller.items("cgi/index?group_id=12", json!({})).await;
    let link =
        links.iter().find(|link| !separate(&link["customer_id"])).expect("somebody pays from the card");
    link["customer_id"].as_u64().expect("an id")
}

fn customer(caller: &Caller, id: u64) -> Value {
    caller.crm.row("customer", id).expect("a client")
}

#[tokio::test(start_paused = true)]
async fn required_fields_are_named_and_dates_are_russian() {
    let caller = Caller::new().await;
    let errors = caller.refused("customer/create", json!({})).await;
    for key in ["name", "legal_type", "is_study", "branch_ids"] {
        assert!(errors[key][0].is_string(), "{key}");
    }
    assert_eq!(errors["branch_ids"], json!(["Необходимо заполнить \"Филиал\""]));
    let mut body = lead("Лид");
    body["dob"] = json!("2014-05-14");
    let count = caller.crm.count("customer");
    let errors = caller.refused("customer/create", body.clone()).await;
    assert_eq!(errors["dob"][0], "Неверный формат значения \"Дата рождения\".");
    assert_eq!(caller.crm.count("customer"), count);
    caller.crm.switches(|switches| switches.validation_status = 200);
    let (status, answer) = caller.call("customer/create", body.clone()).await;
    assert_eq!((status, &answer["success"]), (200, &json!(false)));
    assert_eq!(answer["model"]["id"], Value::Null);
    body["dob"] = json!("14.05.2014");
    assert_eq!(caller.write("customer/create", body).await["dob"], "14.05.2014");
    caller.crm.switches(|switches| switches.validation_status = 422);
    let errors = caller.refused("customer/create", lead(&"я".repeat(51))).await;
    assert!(errors["name"][0].as_str().expect("a message").contains("50"));
}

#[tokio::test(start_paused = true)]
async fn a_new_lead_is_first_in_the_list_and_becomes_a_client_under_its_id() {
    let caller = Caller::new().await;
    let made = caller.write("1/customer/create", lead("Новый Лид")).await;
    assert_eq!((&made["study_status_id"], &made["lead_status_id"]), (&json!(1), &json!(2)));
    assert_eq!(made["phone"], json!(["+7(900)000-00-41"]));
    assert_eq!(made["balance"], Value::Null);
    let leads = caller.items("1/customer/index", json!({"is_study": 0})).await;
    assert_eq!(leads[0]["id"], made["id"]);
    let path = format!("1/customer/update?id={}", made["id"]);
    let updated = caller.write(&path, json!({"is_study": 1, "id": 7})).await;
    assert_eq!((&updated["id"], &updated["is_study"]), (&made["id"], &json!(1)));
    assert_eq!(updated["name"], "Новый Лид");
    let log = caller.items("log/index", json!({"entity_id": made["id"], "entity": "Customer"})).await;
    assert_eq!(log[0]["fields_old"], json!({"is_study": 0}));
    assert_eq!(log[0]["fields_new"], json!({"is_study": 1}));
    assert_eq!((&log[0]["event"], &log[1]["event"]), (&json!(2), &json!(1)));
    assert_eq!(log[1]["fields_old"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn lists_are_replaced_scalars_taken_and_updated_at_moves() {
    let caller = Caller::new().await;
    let made = caller.write("1/customer/create", lead("Лид")).await;
    caller.crm.clock().advance(Duration::from_secs(60));
    let path = format!("1/customer/update?id={}", made["id"]);
    let body = json!({"branch_ids": "2", "phone": "+79000000042"});
    let updated = caller.write(&path, body).await;
    assert_eq!(updated["branch_ids"], json!([2]));
    assert_eq!(updated["phone"], json!(["+7(900)000-00-42"]));
    assert_eq!(updated["updated_at"], "2026-02-20 10:01:00");
    // Now it is in another branch, and not found here.
    assert_eq!(caller.call(&path, json!({})).await.0, 404);
    let path = format!("customer/update?id={}", made["id"]);
    caller.crm.clock().advance(Duration::from_secs(60));
    assert_eq!(caller.write(&path, json!({})).await["updated_at"], "2026-02-20 10:02:00");
    assert_eq!(caller.call("customer/update?id=999999", json!({})).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn archiving_ends_today_and_comes_undone() {
    let caller = Caller::new().await;
    let client = caller.items("customer/index", json!({})).await[0]["id"].clone();
    for path in [&format!("customer/update?id={client}"), "group/update?id=12", "teacher/update?id=4"] {
        let row = caller.write(path, json!({"removed": 1})).await;
        assert_eq!(row["e_date"], "2026-02-20", "{path}");
        let row = caller.write(path, json!({"removed": 0})).await;
        assert_eq!(row["e_date"], "2030-12-31", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_raises_balance_and_till() {
    let caller = Caller::new().await;
    let id = member(&caller).await;
    let before = customer(&caller, id);
    let till = caller.crm.row("pay-account", 1).expect("a till");
    let body = json!({
        "branch_id": "1", "customer_id": id.to_string(), "pay_type_id": "1", "pay_account_id": "1", "pay_item_id": "3",
        "document_date": "20.02.2026", "income": "1000", "payer_name": "Образцова Анна", "note": "Family plan",
        "is_confirmed": "1"
    });
    let made = caller.write("1/pay/create", body.clone()).await;
    assert_eq!((&made["income"], &made["pay_type_name"]), (&json!("1000.00"), &json!("Доход")));
    assert_eq!((&made["location_id"], &made["ctt_id"]), (&json!(1), &Value::Null));
    let after = customer(&caller, id);
    assert_eq!(cents(&after["balance"]), cents(&before["balance"]) + 100_000);
    assert_eq!(cents(&after["balance_base"]), cents(&before["balance_base"]) + 100_000);
    assert_eq!(after["paid_count"].as_i64().expect("a count"), cents(&after["balance"]).div_euclid(9_500));
    let filled = caller.crm.row("pay-account", 1).expect("a till");
    assert_eq!(cents(&filled["balance"]), cents(&till["balance"]) + 100_000);
    assert!(caller.items("1/pay-account/index", json!({})).await[0].get("balance").is_none());
    let first = caller.items("1/pay/index", json!({})).await.swap_remove(0);
    assert_eq!(first["id"], made["id"], "the newest is first");
    caller.write(&format!("1/pay/update?id={}", made["id"]), json!({"income": "400"})).await;
    assert_eq!(cents(&customer(&caller, id)["balance"]), cents(&before["balance"]) + 40_000);
    // A second create is a second payment: nothing stops a repeat.
    caller.write("1/pay/create", body).await;
    assert_eq!(cents(&customer(&caller, id)["balance"]), cents(&before["balance"]) + 140_000);
}

#[tokio::test(start_paused = true)]
async fn a_payment_needs_its_fields_and_an_expense_is_negative() {
    let caller = Caller::new().await;
    let errors = caller.refused("1/pay/create", json!({})).await;
    let keys = [
        "branch_id",
        "customer_id",
        "pay_type_id",
        "pay_account_id",
        "document_date",
        "income",
        "payer_name",
    ];
    for key in keys {
        assert!(errors[key][0].is_string(), "{key}");
    }
    let mut body = json!({"branch_id": 1, "pay_type_id": 2, "pay_account_id": 1, "document_date": "19.02.2026", "income": 5000});
    let made = caller.write("1/pay/create", body.clone()).await;
    assert_eq!((&made["income"], &made["pay_type_name"]), (&json!("-5000.00"), &json!("Расход")));
    body["document_date"] = json!("2026-02-19");
    body["income"] = json!("many");
    let errors = caller.refused("1/pay/create", body).await;
    assert!(errors["document_date"].is_array() && errors["income"].is_array());
}

#[tokio::test(start_paused = true)]
async fn a_separate_subscription_keeps_its_own_balance() {
    let caller = Caller::new().await;
    let id = member(&caller).await;
    let path = format!("customer-tariff/create?customer_id={id}");
    let body = json!({"tariff_id": 40, "b_date": "01.02.2026", "e_date": "31.05.2026", "subject_ids": [2],
        "lesson_type_ids": [2], "is_separate_balance": 1, "note": "отдельно"});
    let made = caller.write(&path, body).await;
    assert_eq!((&made["customer_id"], &made["balance"]), (&json!(id), &json!("0.00")));
    let before = customer(&caller, id);
    let pay = json!({"branch_id": 1, "customer_id": id, "pay_type_id": 1, "pay_account_id": 1, "ctt_id": made["id"],
        "document_date": "20.02.2026", "income": "760", "payer_name": "П"});
    caller.write("1/pay/create", pay).await;
    let after = customer(&caller, id);
    assert_eq!(after["balance_base"], before["balance_base"]);
    assert_eq!(cents(&after["balance"]), cents(&before["balance"]) + 76_000);
    let own = caller.crm.row("customer-tariff", made["id"].as_u64().expect("an id")).expect("it");
    assert_eq!((&own["balance"], &own["paid_count"]), (&json!("760.00"), &json!(8)));
    let path = format!("customer-tariff/delete?customer_id={id}&id={}", made["id"]);
    assert_eq!(caller.ok(&path, json!({})).await, json!({"success": true, "errors": []}));
    assert_eq!(customer(&caller, id)["balance"], before["balance"]);
    let wrong = json!({"tariff_id": 40, "b_date": "01.02.2026", "e_date": "01.02.2026"});
    let errors = caller.refused(&format!("customer-tariff/create?customer_id={id}"), wrong).await;
    assert_eq!(errors["e_date"][0], "Некорректный период");
}

#[tokio::test(start_paused = true)]
async fn conducting_charges_who_came_and_spares_the_ill() {
    let caller = Caller::new().await;
    let group = caller
        .items(
            "lesson/index",
            json!({"status": 1, "lesson_type_id": 2, "date_from": "20.02.2026", "date_to": "04.03.2026"}),
        )
        .await
        .into_iter()
        .find(|row| row["details"].as_array().is_some_and(|details| details.len() >= 3))
        .expect("a planned lesson");
    let ids: Vec<u64> = group["customer_ids"].as_array().expect("ids")[..3]
        .iter()
        .map(|id| id.as_u64().expect("an id"))
        .collect();
    let before: Vec<i64> = ids.iter().map(|id| cents(&customer(&caller, *id)["balance"])).collect();
    let path = format!("lesson/teach?id={}", group["id"]);
    let body = json!({"status": 3, "topic": "Повторение", "details": [
        {"customer_id": ids[0], "is_attend": 1, "grade": "5", "bonus": 5},
        {"customer_id": ids[1].to_string(), "is_attend": 0, "reason_id": 2},
        {"customer_id": ids[2], "is_attend": 0, "reason_id": 1},
    ]});
    let taught = caller.write(&path, body).await;
    assert_eq!((&taught["status"], &taught["topic"]), (&json!(3), &json!("Повторение")));
    let detail = |id: u64| {
        taught["details"]
            .as_array()
            .expect("details")
            .iter()
            .find(|row| row["customer_id"] == id)
            .expect("a detail")
    };
    assert_eq!((&detail(ids[0])["is_attend"], &detail(ids[0])["grade"]), (&json!(1), &json!("5")));
    assert_eq!(
        (&detail(ids[1])["commission"], &detail(ids[1])["reason_name"]),
        (&json!("0.00"), &json!("Болезнь"))
    );
    for (id, before) in ids.iter().zip(&before) {
        let after = cents(&customer(&caller, *id)["balance"]);
        assert_eq!(after, before - cents(&detail(*id)["commission"]), "{id}");
    }
    assert!(cents(&detail(ids[0])["commission"]) > 0 && cents(&detail(ids[2])["commission"]) > 0);
    let came = customer(&caller, ids[0]);
    assert_eq!(came["last_attend_date"], taught["date"]);
    let path = format!("lesson/update?id={}", group["id"]);
    caller.write(&path, json!({"status": 2})).await;
    for (id, before) in ids.iter().zip(&before) {
        assert_eq!(cents(&customer(&caller, *id)["balance"]), *before, "the money is back");
    }
    let log = caller.items("log/index", json!({"entity": "LessonDetails"})).await;
    assert!(log.iter().any(|row| row["fields_new"]["customer_id"] == ids[0]));
}

#[tokio::test(start_paused = true)]
async fn a_lesson_is_made_from_day_time_and_people() {
    let caller = Caller::new().await;
    let made = caller.write("1/customer/create", lead("Пробный Лид")).await;
    let body = json!({"branch_id": 1, "lesson_type_id": 3, "subject_id": 2, "lesson_date": "27.02.2026", "time_from": "17:00",
        "duration": 60, "teacher_ids": [4], "customer_ids": [made["id"]]});
    let lesson = caller.write("1/lesson/create", body.clone()).await;
    assert_eq!((&lesson["date"], &lesson["status"]), (&json!("2026-02-27"), &json!(1)));
    assert_eq!(lesson["time_from"], "2026-02-27 17:00:00");
    assert_eq!(lesson["time_to"], "2026-02-27 18:00:00");
    assert_eq!(lesson["details"][0]["commission"], "0.00");
    let card = customer(&caller, made["id"].as_u64().expect("an id"));
    assert_eq!(card["next_lesson_date"], "2026-02-27 17:00:00");
    let found = caller
        .items("1/lesson/index", json!({"customer_id": made["id"], "lesson_type_id": 3, "status": 1}))
        .await;
    assert_eq!(found[0]["id"], lesson["id"]);
    let path = format!("1/lesson/update?id={}", lesson["id"]);
    let moved = caller.write(&path, json!({"lesson_date": "28.02.2026", "time_from": "12:30:00"})).await;
    assert_eq!(moved["time_to"], "2026-02-28 13:30:00");
    for (key, value) in [("lesson_date", "2026-02-27"), ("time_from", "5 pm"), ("duration", "long")] {
        let mut wrong = body.clone();
        wrong[key] = json!(value);
        let errors = caller.refused("1/lesson/create", wrong).await;
        assert!(errors[key].is_array(), "{key}: {errors}");
    }
    let mut wrong = body;
    wrong["room_id"] = caller.items("2/room/index", json!({})).await[0]["id"].clone();
    assert!(caller.refused("1/lesson/create", wrong).await["room_id"].is_array());
    let errors = caller.refused("lesson/create", json!({})).await;
    for key in ["lesson_date", "time_from", "subject_id", "lesson_type_id", "branch_id"] {
        assert!(errors[key].is_array(), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_membership_decides_who_is_in_planned_lessons() {
    let caller = Caller::new().await;
    let group = caller.crm.row("group", 12).expect("a group");
    let branch = group["branch_ids"][0].clone();
    let made = caller
        .write(
            "customer/create",
            json!({"name": "Новенькая Ева", "legal_type": 1, "is_study": 1, "branch_ids": [branch]}),
        )
        .await;
    let id = made["id"].clone();
    let planned = json!({"status": 1, "group_id": 12, "date_from": "20.02.2026"});
    let lessons = caller.total("lesson/index", planned.clone()).await;
    let body = json!({"customer_id": id, "b_date": "20.02.2026", "e_date": "31.05.2026"});
    let link = caller.write("cgi/create?group_id=12", body.clone()).await;
    assert_eq!(link["group_id"], 12);
    let mut his = planned.clone();
    his["customer_id"] = id.clone();
    assert_eq!(caller.total("lesson/index", his.clone()).await, lessons);
    assert!(lessons > 0);
    let refused = caller.refused("cgi/create?group_id=12", body).await;
    assert!(refused["customer_id"].is_array());
    // An update overwrites the whole record.
    let path = format!("cgi/update?group_id=12&id={}", link["id"]);
    assert!(caller.refused(&path, json!({"e_date": "21.02.2026"})).await["customer_id"].is_array());
    let ended = json!({"customer_id": id, "e_date": "19.02.2026"});
    let row = caller.write(&path, ended).await;
    assert_eq!((&row["b_date"], &row["e_date"]), (&json!(""), &json!("19.02.2026")));
    assert_eq!(caller.total("lesson/index", his.clone()).await, 0);
    // Now it is past: invisible, and still in the way.
    let list = caller.all("cgi/index?group_id=12", json!({})).await;
    assert!(!ids(&list).contains(&link["id"].as_u64().expect("an id")));
    let again = json!({"customer_id": id, "b_date": "01.03.2026", "e_date": "31.05.2026"});
    assert!(caller.refused("cgi/create?group_id=12", again.clone()).await["customer_id"].is_array());
    let wrong = format!("cgi/delete?group_id=13&id={}", link["id"]);
    assert_eq!(caller.call(&wrong, json!({})).await.0, 404);
    caller.ok(&format!("cgi/delete?group_id=12&id={}", link["id"]), json!({})).await;
    caller.write("cgi/create?group_id=12", again).await;
    let deleted = caller.items("log/index", json!({"entity": "CustomerGroupInvolve", "event": 3})).await;
    assert!(
        deleted.iter().any(|row| row["fields_old"]["customer_id"] == id && row["fields_new"] == json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_and_its_timetable_are_made_changed_and_deleted() {
    let caller = Caller::new().await;
    let body = json!({"name": "Новая", "branch_ids": [2], "b_date": "01.09.2026", "e_date": "31.05.2027"});
    let group = caller.write("2/group/create", body).await;
    assert_eq!((&group["b_date"], &group["e_date"]), (&json!("2026-09-01"), &json!("2027-05-31")));
    let errors = caller
        .refused(
            "2/group/create",
            json!({"name": "X", "branch_ids": [2], "b_date": "01.09.2026", "e_date": "01.09.2026"}),
        )
        .await;
    assert_eq!(errors["e_date"][0], "Некорректный период");
    let path = format!("2/regular-lesson/create?related_class=Group&related_id={}", group["id"]);
    let body = json!({"branch_id": 2, "lesson_type_id": 2, "subject_id": 2, "teacher_ids": [5], "days": [3],
        "time_from_v": "17:00", "time_to_v": "18:00", "b_date_v": "01.09.2026", "e_date_v": "31.05.2027"});
    let slot = caller.write(&path, body.clone()).await;
    assert_eq!((&slot["day"], &slot["b_date"]), (&json!(3), &json!("2026-09-01")));
    assert_eq!(slot["related_id"], group["id"]);
    let mut wrong = body.clone();
    wrong["b_date"] = json!("01.09.2026");
    let errors = caller.refused(&path, wrong).await;
    assert_eq!(errors["b_date"][0], "Неверный формат значения \"Начало периода\".");
    let errors = caller.refused(&path, json!({})).await;
    assert_eq!(errors["days"][0], "Необходимо заполнить \"День недели\"");
    assert_eq!(errors["branch_id"][0], "Необходимо заполнить \"Филиал\"");
    let update =
        format!("2/regular-lesson/update?related_class=Group&related_id={}&id={}", group["id"], slot["id"]);
    assert_eq!(caller.write(&update, json!({"days": [5]})).await["days"], json!([5]));
    caller.ok(&format!("2/group/delete?id={}", group["id"]), json!({})).await;
    assert_eq!(caller.total("group/index", json!({"id": group["id"], "removed": 1})).await, 0);
    assert!(caller.crm.row("regular-lesson", slot["id"].as_u64().expect("an id")).is_none());
    let events = caller.crm.fired();
    assert!(events.iter().any(|event| event["event"] == "delete" && event["entity"] == "Group"));
}

#[tokio::test(start_paused = true)]
async fn comments_tasks_teachers_and_books_can_be_written() {
    let caller = Caller::new().await;
    let path = "1/communication/create?class=Customer&related_id=101";
    let made = caller.write(path, json!({"type_id": 1, "comment": "text", "user_id": 1})).await;
    assert_eq!((&made["class"], &made["related_id"]), (&json!("Customer"), &json!(101)));
    assert_eq!(made["added"], "2026-02-20 10:00:00");
    let comments = caller.items("1/communication/index?class=Customer&related_id=101", json!({})).await;
    assert_eq!(comments[0]["id"], made["id"]);
    let long = json!({"comment": "я".repeat(2049)});
    assert!(caller.refused(path, long).await["comment"].is_array());
    let task = caller
        .write("1/task/create", json!({"title": "Дело", "due_date": "22.02.2026", "assigned_ids": [3]}))
        .await;
    assert_eq!((&task["due_date"], &task["done_date"]), (&json!("2026-02-22"), &Value::Null));
    let done = caller.write(&format!("1/task/update?id={}", task["id"]), json!({"is_done": 1})).await;
    assert_eq!(done["done_date"], "2026-02-20 10:00:00");
    let teacher = caller
        .write(
            "1/teacher/create",
            json!({"name": "Новый Педагог", "branch_ids": [1], "phone": ["89000000107"]}),
        )
        .await;
    assert_eq!(teacher["phone"], json!(["+7(900)000-01-07"]));
    assert_eq!((&teacher["e_date"], &teacher["teacher-to-skill"]), (&json!("2030-12-31"), &json!([])));
    let room = json!({"branch_id": 1, "name": "К-99", "color_id": 1, "weight": 9});
    assert_eq!(caller.write("1/room/create", room).await["is_enabled"], 1);
    for (path, key) in [
        ("branch/create", "is_active"),
        ("1/location/create", "branch_id"),
        ("1/room/create", "color_id"),
        ("subject/create", "name"),
    ] {
        assert!(caller.refused(path, json!({})).await[key].is_array(), "{path}");
    }
    caller.write("1/tariff/create", json!({"name": "Пакет", "price": "100", "lesson_count": 4})).await;
    caller.write("1/discount/create", json!({"customer_id": 101, "amount": 10, "branch_id": 1})).await;
    caller.write("1/lead-status/create", json!({"name": "Этап"})).await;
}

#[tokio::test(start_paused = true)]
async fn bonus_points_are_added_and_spent_but_not_overspent() {
    let caller = Caller::new().await;
    let path = |action: &str| format!("bonus/{action}?customer_id=101");
    let balance = async || {
        caller.ok(&path("balance-bonus"), json!({})).await["balance_bonus"].as_i64().expect("points")
    };
    let before = balance().await;
    caller.write(&path("bonus-add"), json!({"amount": 40})).await;
    caller.write(&path("bonus-spend"), json!({"amount": "15", "note": "приз"})).await;
    assert_eq!(balance().await, before + 25);
    caller.refused(&path("bonus-spend"), json!({"amount": 1_000_000})).await;
    caller.refused(&path("bonus-add"), json!({})).await;
    assert_eq!(balance().await, before + 25);
}

#[tokio::test(start_paused = true)]
async fn a_public_form_makes_a_lead_without_a_token() {
    let caller = Caller::new().await;
    caller.crm.expire_tokens();
    let answer = caller.ok("1/lead-form/save?id=1", json!({"name": "С сайта", "phone": "89000000055"})).await;
    assert_eq!(answer["success"], true);
    let rows = caller.crm.rows("customer");
    let lead = rows.iter().find(|row| row["name"] == "С сайта").expect("the lead");
    assert_eq!((&lead["is_study"], &lead["phone"]), (&json!(0), &json!(["+7(900)000-00-55"])));
    let answer = caller.ok("1/lead-form/save?id=1", json!({})).await;
    assert_eq!(answer["success"], false);
    assert!(answer["errors"]["name"].is_array());
}

#[tokio::test(start_paused = true)]
async fn rows_can_be_changed_behind_everybodys_back() {
    let caller = Caller::new().await;
    let crm = &caller.crm;
    crm.clock().advance(Duration::from_secs(60));
    assert!(crm.update_row(
        "customer",
        101,
        &json!({"note": "тайно", "custom_new": "x", "e_date": "2026-01-01", "balance": "-5.00"})
    ));
    let row = crm.row("customer", 101).expect("a client");
    assert_eq!(
        (&row["note"], &row["custom_new"], &row["balance"]),
        (&json!("тайно"), &json!("x"), &json!("-5.00"))
    );
    assert_eq!(row["updated_at"], "2026-02-20 10:01:00");
    assert_eq!(caller.total("customer/index", json!({"id": 101, "is_study": 2, "removed": 2})).await, 1);
    let id = crm.insert_row("pay", &json!({"branch_id": 1, "document_date": "20.02.2030", "income": "1.00"}));
    assert_eq!(caller.items("1/pay/index", json!({})).await[0]["id"], id);
    assert!(crm.update_row("pay", id, &json!({"document_date": "20.02.2000"})));
    let last = caller.all("1/pay/index", json!({})).await.pop().expect("a payment");
    assert_eq!(last["id"], id, "it moved to its place");
    let count = crm.count("pay");
    assert!(crm.delete_row("pay", id) && !crm.delete_row("pay", id));
    assert_eq!(crm.count("pay"), count - 1);
    assert!(crm.fired().is_empty() && crm.row("pay", id).is_none() && crm.row("nothing", 1).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_balance_written_directly_stays() {
    let caller = Caller::new().await;
    let id = member(&caller).await;
    let row = caller.write(&format!("customer/update?id={id}"), json!({"balance": "500"})).await;
    assert_eq!(row["balance"], "500.00");
    let pay = json!({"branch_id": 1, "customer_id": id, "pay_type_id": 1, "pay_account_id": 1,
        "document_date": "20.02.2026", "income": "100", "payer_name": "П"});
    caller.write("pay/create", pay).await;
    assert_eq!(customer(&caller, id)["balance"], "600.00");
}

#[tokio::test(start_paused = true)]
async fn a_slot_of_the_timetable_becomes_planned_lessons_of_the_coming_weeks() {
    let caller = Caller::new().await;
    let made = caller
        .write(
            "1/customer/create",
            json!({"name": "Один", "legal_type": 1, "is_study": 1, "branch_ids": [1]}),
        )
        .await;
    let owner = format!("related_class=Customer&related_id={}", made["id"]);
    let body = json!({"branch_id": 1, "lesson_type_id": 1, "subject_id": 2, "teacher_ids": [4], "days": [1],
        "time_from_v": "12:00", "time_to_v": "13:00", "b_date_v": "01.02.2026", "e_date_v": "31.05.2026"});
    let slot = caller.write(&format!("1/regular-lesson/create?{owner}"), body).await;
    let planned = json!({"status": 1, "customer_id": made["id"]});
    let days = async || -> Vec<Value> {
        let rows = caller.items("1/lesson/index", planned.clone()).await;
        assert!(rows.iter().all(|row| row["regular_id"] == slot["id"] && row["details"] != json!([])));
        rows.iter().rev().map(|row| row["date"].clone()).collect()
    };
    assert_eq!(days().await, ["2026-02-23", "2026-03-02", "2026-03-09"]);
    let path = format!("1/regular-lesson/update?{owner}&id={}", slot["id"]);
    caller.write(&path, json!({"days": [7], "e_date_v": "02.03.2026"})).await;
    assert_eq!(days().await, ["2026-02-22", "2026-03-01"]);
    let card = customer(&caller, made["id"].as_u64().expect("an id"));
    assert_eq!(card["next_lesson_date"], "2026-02-22 12:00:00");
}

#[tokio::test(start_paused = true)]
async fn lists_show_a_new_row_when_their_index_has_caught_up() {
    let caller = Caller::new().await;
    caller.crm.switches(|switches| switches.index_lag = Duration::from_secs(2));
    let lead = json!({"name": "Лид", "legal_type": 1, "is_study": 0, "branch_ids": [1]});
    let id = caller.write("1/customer/create", lead).await["id"].clone();
    let asked = json!({"id": [id], "is_study": 0});
    let logged = json!({"entity": "Customer", "entity_id": id});
    for (after, seen) in [(0, 0), (1, 0), (1, 1)] {
        tokio::time::advance(Duration::from_secs(after)).await;
        assert_eq!(caller.total("1/customer/index", asked.clone()).await, seen);
        assert_eq!(caller.total("1/log/index", logged.clone()).await, seen);
    }
    // It is there all the while: a write finds it.
    caller.crm.switches(|switches| switches.index_lag = Duration::from_secs(3600));
    assert_eq!(caller.total("1/customer/index", asked.clone()).await, 0);
    caller.write(&format!("1/customer/update?id={id}"), json!({"note": "seen"})).await;
    caller.crm.switches(|switches| switches.index_lag = Duration::ZERO);
    assert_eq!(caller.items("1/customer/index", asked).await[0]["note"], "seen");
}
