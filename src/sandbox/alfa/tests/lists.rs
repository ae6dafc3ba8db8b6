//! Default filters, documented and ignored filters, order, paging and branch membership.

use std::collections::BTreeSet;

use super::*;

fn texts<'a>(rows: &'a [Value], key: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[key].as_str().unwrap_or_default()).collect()
}

fn archived(row: &Value) -> bool {
    row["e_date"].as_str().is_some_and(|end| end <= "2026-02-20")
}

#[tokio::test(start_paused = true)]
async fn customers_are_active_clients_unless_asked() {
    let caller = Caller::new().await;
    let rows = caller.all("customer/index", json!({})).await;
    assert_eq!(rows.len(), 120);
    assert!(rows.iter().all(|row| row["is_study"] == 1 && !archived(row)));
    let leads = caller.all("customer/index", json!({"is_study": 0})).await;
    assert!(leads.len() == 18 && leads.iter().all(|row| row["is_study"] == 0));
    let both = caller.total("customer/index", json!({"is_study": "2"})).await;
    assert_eq!(both, 138);
}

#[tokio::test(start_paused = true)]
async fn removed_is_active_everyone_archived_in_this_odd_order() {
    let caller = Caller::new().await;
    for (path, key) in [("customer/index", "is_study"), ("group/index", ""), ("teacher/index", "")] {
        let mut counts = Vec::new();
        for removed in [json!(0), json!(1), json!("2")] {
            let mut body = json!({"removed": removed});
            if !key.is_empty() {
                body[key] = json!(2);
            }
            let rows = caller.all(path, body).await;
            match removed {
                Value::String(_) => assert!(rows.iter().all(archived), "{path}"),
                other if other == json!(0) => assert!(!rows.iter().any(archived), "{path}"),
                _ => {}
            }
            counts.push(rows.len());
        }
        assert!(counts[2] > 0, "{path}");
        assert_eq!(counts[0] + counts[2], counts[1], "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn lessons_are_conducted_ones_even_by_id() {
    let caller = Caller::new().await;
    let conducted = caller.items("lesson/index", json!({})).await;
    assert!(conducted.iter().all(|row| row["status"] == 3));
    for status in [1, 2] {
        let rows = caller.items("lesson/index", json!({"status": status.to_string()})).await;
        assert!(!rows.is_empty() && rows.iter().all(|row| row["status"] == status));
        let id = &rows[0]["id"];
        assert_eq!(caller.total("lesson/index", json!({"id": id})).await, 0);
        assert_eq!(caller.total("lesson/index", json!({"id": id, "status": status})).await, 1);
    }
    assert_eq!(caller.total("lesson/index", json!({"status": 0})).await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_orders_are_the_observed_ones() {
    let caller = Caller::new().await;
    let clients = caller.all("customer/index", json!({})).await;
    assert!(texts(&clients, "name").is_sorted());
    let leads = caller.all("customer/index", json!({"is_study": 0, "removed": 1})).await;
    assert!(texts(&leads, "created_at").iter().rev().is_sorted());
    let lessons = caller.all("lesson/index", json!({})).await;
    assert!(texts(&lessons, "time_from").iter().rev().is_sorted());
    let log = caller.all("log/index", json!({})).await;
    assert!(texts(&log, "date_time").iter().rev().is_sorted());
    let pays = caller.all("pay/index", json!({})).await;
    let keys: Vec<(String, u64)> = pays
        .iter()
        .map(|row| {
            let day = row["document_date"].as_str().expect("a day");
            let iso = format!("{}{}{}", &day[6..], &day[3..5], &day[..2]);
            (iso, row["id"].as_u64().expect("an id"))
        })
        .collect();
    assert!(keys.iter().rev().is_sorted());
}

#[tokio::test(start_paused = true)]
async fn pages_are_honest_and_nothing_is_lost_or_twice() {
    let caller = Caller::new().await;
    let total = caller.total("pay/index", json!({})).await;
    let mut seen = BTreeSet::new();
    for page in 0.. {
        let answer = caller.ok("pay/index", json!({"page": page, "pageSize": 70})).await;
        assert_eq!(answer["total"], total);
        assert_eq!(answer["page"], page);
        let items = answer["items"].as_array().expect("items");
        assert_eq!(answer["count"], items.len());
        if items.is_empty() {
            break;
        }
        for id in ids(items) {
            assert!(seen.insert(id));
        }
    }
    assert_eq!(seen.len() as u64, total);
}

#[tokio::test(start_paused = true)]
async fn only_two_names_set_the_page_size_and_it_is_capped() {
    let caller = Caller::new().await;
    let count = async |path: &str, body: Value| caller.items(path, body).await.len();
    assert_eq!(count("pay/index", json!({})).await, 50);
    for key in ["page_size", "count", "per_page", "limit", "per-page"] {
        assert_eq!(count("pay/index", json!({ key: 7 })).await, 50, "{key}");
    }
    assert_eq!(count("pay/index", json!({"pageSize": 7})).await, 7);
    assert_eq!(count("pay/index", json!({"pageSize": "7"})).await, 7);
    assert_eq!(count("pay/index?per-page=9", json!({})).await, 9);
    assert_eq!(count("pay/index", json!({"pageSize": 5000})).await, 200);
    assert_eq!(count("pay/index", json!({"pageSize": 0})).await, 50);
    caller.crm.switches(|switches| {
        switches.default_page_size = 20;
        switches.max_page_size = 30;
    });
    assert_eq!(count("pay/index", json!({})).await, 20);
    assert_eq!(count("pay/index?per-page=100", json!({})).await, 30);
}

#[tokio::test(start_paused = true)]
async fn behind_the_end_is_nothing_or_the_last_page_again() {
    let caller = Caller::new().await;
    let total = caller.total("branch/index", json!({})).await;
    let answer = caller.ok("branch/index", json!({"page": 7})).await;
    assert_eq!(answer, json!({"total": total, "count": 0, "page": 7, "items": []}));
    caller.crm.switches(|switches| switches.past_end = PastEnd::RepeatLast);
    let answer = caller.ok("branch/index", json!({"page": 7, "pageSize": 2})).await;
    assert_eq!((&answer["page"], &answer["count"]), (&json!(1), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_row_is_listed_in_every_branch_it_is_linked_to_and_in_no_other() {
    let caller = Caller::new().await;
    let mut seen = 0;
    for branch in 1..=3 {
        let rows =
            caller.all(&format!("{branch}/customer/index"), json!({"is_study": 2, "removed": 1})).await;
        let here = |row: &Value| row["branch_ids"].as_array().expect("ids").contains(&json!(branch));
        assert!(rows.iter().all(here));
        seen += rows.len();
    }
    let everyone = caller.all("customer/index", json!({"is_study": 2, "removed": 1})).await;
    let links: usize = everyone.iter().map(|row| row["branch_ids"].as_array().expect("ids").len()).sum();
    assert_eq!(seen, links);
    assert!(links > everyone.len(), "somebody is in two branches");
    assert_eq!(caller.total("9/customer/index", json!({})).await, 0);
}

#[tokio::test(start_paused = true)]
async fn ids_may_be_a_list() {
    let caller = Caller::new().await;
    let some = ids(&caller.items("customer/index", json!({})).await)[..3].to_vec();
    assert_eq!(caller.total("customer/index", json!({"id": some})).await, 3);
    assert_eq!(caller.total("customer/index", json!({"id": some[0].to_string()})).await, 1);
    assert_eq!(caller.total("customer/index", json!({"id": 999_999})).await, 0);
    let groups = ids(&caller.items("group/index", json!({})).await)[..2].to_vec();
    assert_eq!(caller.total("group/index", json!({"id": groups})).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_crm_ignores_is_ignored() {
    let caller = Caller::new().await;
    let ignored = [
        ("customer/index", json!({"lead_reject_id": 6, "archived": 1, "is_archive": 1, "nonsense": true})),
        ("tariff/index", json!({"id": 40})),
        ("regular-lesson/index", json!({"group_id": 12, "related_id": 12, "related_class": "Group"})),
        ("pay/index", json!({"date_from": "2026.02.01", "date_to": "2026.02.02"})),
        ("customer/index", json!({"updated_at_from": "2026-02-01T00:00:00Z"})),
        ("group/index", json!({"b_date_from": "01.01.2030"})),
    ];
    for (path, body) in ignored {
        let all = caller.total(path, json!({})).await;
        assert!(all > 0);
        assert_eq!(caller.total(path, body.clone()).await, all, "{path} {body}");
    }
    let member = caller.crm.rows("cgi")[0]["customer_id"].clone();
    let path = "customer-tariff/index";
    assert_eq!(caller.total(path, json!({"customer_id": member})).await, 0);
    assert!(caller.total(&format!("{path}?customer_id={member}"), json!({})).await > 0);
}

#[tokio::test(start_paused = true)]
async fn ids_that_belong_in_the_query_are_missed_there_by_name() {
    let caller = Caller::new().await;
    let needed = [
        ("cgi/index", "group_id"),
        ("cgi/create", "group_id"),
        ("cgi/update?group_id=12", "id"),
        ("cgi/delete?id=10", "group_id"),
        ("cgi/customer", "customer_id"),
        ("customer-tariff/create", "customer_id"),
        ("customer-tariff/update?customer_id=101", "id"),
        ("communication/index?class=Customer", "related_id"),
        ("communication/create", "class, related_id"),
        ("regular-lesson/create?related_class=Group", "related_id"),
        ("calendar/customer?id=1&date1=2026-01-01", "date2"),
        ("lesson/teach", "id"),
        ("customer/update", "id"),
        ("group/delete", "id"),
        ("bonus/balance-bonus", "customer_id"),
    ];
    let all = json!({"id": 10, "group_id": 12, "customer_id": 101, "class": "Customer", "related_id": 101, "related_class": "Group"});
    for (path, name) in needed {
        let (status, body) = caller.call(path, all.clone()).await;
        assert_eq!(status, 400, "{path}");
        assert_eq!(body["message"], format!("Отсутствуют обязательные параметры: {name}"), "{path}");
    }
    let total = caller.total("cgi/index?group_id=12", all.clone()).await;
    assert_eq!(total, caller.total("cgi/index?group_id=12", json!({"id": 10})).await);
}

#[tokio::test(start_paused = true)]
async fn phone_finds_any_contact() {
    let caller = Caller::new().await;
    let everyone = json!({"is_study": 2, "removed": 1});
    let id = caller.crm.insert_row(
        "customer",
        &json!({"name": "Искомый Лев", "branch_ids": [1], "is_study": 1, "phone": ["+7(900)123-45-67"],
            "email": ["Look@Mail.example"], "web": ["t.example/look"], "addr": ["ул. Искомая, 7"]}),
    );
    for wanted in ["79001234567", "900 123-45", "look@mail", "t.example/LOOK", "искомая"] {
        let mut body = everyone.clone();
        body["phone"] = json!(wanted);
        let rows = caller.items("1/customer/index", body).await;
        assert_eq!(ids(&rows), [id], "{wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_documented_customer_filter_selects() {
    let caller = Caller::new().await;
    let all = caller.all("customer/index", json!({"is_study": 2, "removed": 1})).await;
    let cent = |row: &Value, key: &str| cents(&row[key]);
    type Rule<'a> = (Value, Box<dyn Fn(&Value) -> bool + 'a>);
    let rules: Vec<Rule<'_>> = vec![
        (
            json!({"name": "ЁЛКИН"}),
            Box::new(|row| row["name"].as_str().is_some_and(|name| name.contains("Ёлкин"))),
        ),
        (json!({"study_status_id": 10}), Box::new(|row| row["study_status_id"] == 10)),
        (json!({"lead_source_id": "5"}), Box::new(|row| row["lead_source_id"] == 5)),
        (json!({"customer_reject_id": 1}), Box::new(|row| row["customer_reject_id"] == 1)),
        (json!({"lead_status_id": 3}), Box::new(|row| row["lead_status_id"] == 3)),
        (json!({"assigned_id": 3}), Box::new(|row| row["assigned_id"] == 3)),
        (json!({"color": "#3c578c"}), Box::new(|row| row["color"] == "#3C578C")),
        (json!({"balance_contract_to": 0}), Box::new(|row| cent(row, "balance") <= 0)),
        (json!({"balance_contract_from": "100.50"}), Box::new(|row| cent(row, "balance") >= 10_050)),
        (
            json!({"lesson_count_from": 1, "lesson_count_to": 3}),
            Box::new(|row| (1..=3).contains(&row["paid_count"].as_i64().unwrap_or(0))),
        ),
        (json!({"balance_bonus_from": 5}), Box::new(|row| row["balance_bonus"].as_i64() >= Some(5))),
        (
            json!({"created_at_from": "01.01.2026"}),
            Box::new(|row| row["created_at"].as_str() >= Some("2026-01-01")),
        ),
        (
            json!({"created_at_to": "01.01.2026"}),
            Box::new(|row| row["created_at"].as_str() < Some("2026-01-02")),
        ),
        (json!({"date_from": "01.01.2026"}), Box::new(|row| row["b_date"].as_str() >= Some("2026-01-01"))),
        (
            json!({"updated_at_from": "10.02.2026"}),
            Box::new(|row| row["updated_at"].as_str() >= Some("2026-02-10")),
        ),
        (
            json!({"next_lesson_date_to": "2026-02-22"}),
            Box::new(|row| row["next_lesson_date"].as_str().is_some_and(|at| at < "2026-02-23")),
        ),
        (
            json!({"last_attend_date_from": "2026-02-15"}),
            Box::new(|row| row["last_attend_date"].as_str() >= Some("2026-02-15")),
        ),
        (
            json!({"removed_from": "01.01.2026"}),
            Box::new(|row| archived(row) && row["e_date"].as_str() >= Some("2026-01-01")),
        ),
        (
            json!({"dob_to": "31.12.2012"}),
            Box::new(|row| row["dob"].as_str().is_some_and(|day| day.len() == 10 && &day[6..] <= "2012")),
        ),
        (
            json!({"note": "аллергия"}),
            Box::new(|row| row["note"].as_str().is_some_and(|note| note.contains("Аллергия"))),
        ),
        (
            json!({"legal_name": "лютикова"}),
            Box::new(|row| row["legal_name"].as_str().is_some_and(|name| name.contains("Лютикова"))),
        ),
        (
            json!({"employee_id": 4}),
            Box::new(|row| row["teacher_ids"].as_array().is_some_and(|ids| ids.contains(&json!(4)))),
        ),
    ];
    for (filter, rule) in rules {
        let mut body = json!({"is_study": 2, "removed": 1});
        for (key, value) in filter.as_object().expect("a filter") {
            body[key] = value.clone();
        }
        let got: BTreeSet<u64> = ids(&caller.all("customer/index", body).await).into_iter().collect();
        let wanted: BTreeSet<u64> =
            all.iter().filter(|row| rule(row)).map(|row| row["id"].as_u64().expect("an id")).collect();
        assert_eq!(got, wanted, "{filter}");
        assert!(got.len() < all.len(), "{filter} selects nothing");
    }
    let young = caller.total("customer/index", json!({"age_to": 9})).await;
    let old = caller.total("customer/index", json!({"age_from": 10})).await;
    let unknown =
        caller.all("customer/index", json!({})).await.iter().filter(|row| row["dob"] == "").count() as u64;
    assert_eq!(young + old + unknown, 120);
    for level in [1, 2] {
        assert!(caller.total("customer/index", json!({"level_id": level})).await > 0);
    }
    let boys = caller.total("customer/index", json!({"gender": 1})).await;
    assert_eq!(boys + caller.total("customer/index", json!({"gender": 2})).await, 120);
    let till = json!({"tariff_till_from": "01.03.2026", "tariff_till_to": "31.12.2026"});
    assert!(caller.total("customer/index", till).await > 100);
}

#[tokio::test(start_paused = true)]
async fn lessons_are_filtered_by_day_people_and_place() {
    let caller = Caller::new().await;
    let all = caller.all("lesson/index", json!({})).await;
    let sample = all
        .iter()
        .find(|row| row["group_ids"] != json!([]) && row["room_id"].is_u64())
        .expect("a group lesson");
    let filters = [
        ("customer_id", sample["customer_ids"][0].clone(), "customer_ids"),
        ("group_id", sample["group_ids"][0].clone(), "group_ids"),
        ("teacher_id", sample["teacher_ids"][0].clone(), "teacher_ids"),
        ("subject_id", sample["subject_id"].clone(), "subject_id"),
        ("lesson_type_id", json!(1), "lesson_type_id"),
        ("room_ids", json!([sample["room_id"]]), "room_id"),
    ];
    for (key, value, column) in filters {
        let wanted = value.as_array().map_or(&value, |list| &list[0]).clone();
        let rule = |row: &&Value| match &row[column] {
            Value::Array(list) => list.contains(&wanted),
            single => *single == wanted,
        };
        let got = caller.total("lesson/index", json!({ key: value })).await;
        assert_eq!(got, all.iter().filter(rule).count() as u64, "{key}");
        assert!(got > 0 && got < all.len() as u64, "{key}");
    }
    let days = |row: &&Value| {
        row["date"].as_str() >= Some("2026-01-12") && row["date"].as_str() <= Some("2026-01-18")
    };
    let wanted = all.iter().filter(days).count() as u64;
    for (from, to) in [("12.01.2026", "18.01.2026"), ("2026-01-12", "2026-01-18")] {
        let body = json!({"date_from": from, "date_to": to});
        assert_eq!(caller.total("lesson/index", body).await, wanted);
    }
    let rooms: u64 = caller.total("lesson/index", json!({"location_ids": [1, 2, 3]})).await;
    assert!(rooms > 0 && rooms < all.len() as u64, "some lessons have no room");
}

#[tokio::test(start_paused = true)]
async fn payments_obey_the_date_filter_only_when_the_switch_says() {
    let caller = Caller::new().await;
    let all = caller.total("pay/index", json!({})).await;
    caller.crm.switches(|switches| switches.pay_date_filter = true);
    for (from, to) in [("2026.01.01", "2026.01.31"), ("01.01.2026", "31.01.2026")] {
        let body = json!({"date_from": from, "date_to": to});
        let rows = caller.all("pay/index", body).await;
        assert!(!rows.is_empty() && (rows.len() as u64) < all);
        assert!(rows.iter().all(|row| row["document_date"].as_str().expect("a day").ends_with("01.2026")));
    }
    let expenses = caller.all("pay/index", json!({"pay_item_category_id": 2})).await;
    assert!(
        !expenses.is_empty()
            && expenses.iter().all(|row| row["pay_type_name"] == "Расход" && cents(&row["income"]) < 0)
    );
    let large = caller.all("pay/index", json!({"sum_from": 1000})).await;
    assert!(large.iter().all(|row| cents(&row["income"]) >= 100_000));
    let open = caller.all("pay/index", json!({"is_confirmed": 0})).await;
    assert!(open.iter().all(|row| row["is_confirmed"] == 0));
    let rent = caller.all("pay/index", json!({"note": "аренда"})).await;
    assert!(!rent.is_empty() && rent.iter().all(|row| row["note"] == "Аренда"));
}

#[tokio::test(start_paused = true)]
async fn groups_teachers_and_timetable_have_their_filters() {
    let caller = Caller::new().await;
    let group = caller.items("group/index", json!({})).await.swap_remove(0);
    let id = &group["id"];
    let of_teacher = caller.items("group/index", json!({"teacher_id": group["teacher_ids"][0]})).await;
    assert!(of_teacher.iter().all(|row| row["teachers"][0]["id"] == group["teacher_ids"][0]));
    assert!(of_teacher.contains(&group));
    let member = caller.items(&format!("cgi/index?group_id={id}"), json!({})).await[0]["customer_id"].clone();
    let name = caller.crm.row("customer", member.as_u64().expect("an id")).expect("a client")["name"].clone();
    let named = caller.items("group/index", json!({"customer_name": name})).await;
    assert!(named.contains(&group));
    assert_eq!(caller.total("group/index", json!({"b_date_from": "2099-01-01"})).await, 0);
    let path = format!("regular-lesson/index?related_class=Group&related_id={id}");
    let slots = caller.items(&path, json!({})).await;
    assert!(slots.len() == 1 && slots[0]["related_id"] == *id);
    let teacher = json!({"teacher_id": slots[0]["teacher_ids"][0]});
    let his = caller.items("regular-lesson/index", teacher).await;
    assert!(his.iter().all(|row| row["teacher_ids"] == slots[0]["teacher_ids"]));
    let teacher = caller.items("teacher/index", json!({})).await.swap_remove(0);
    let found = caller.items("teacher/index", json!({"phone": teacher["phone"][0]})).await;
    assert_eq!(ids(&found), [teacher["id"].as_u64().expect("an id")]);
}

#[tokio::test(start_paused = true)]
async fn books_and_office_have_their_filters() {
    let caller = Caller::new().await;
    assert_eq!(caller.total("branch/index", json!({"name": "сев"})).await, 1);
    assert_eq!(caller.total("branch/index", json!({"is_active": 1, "subject_ids": [5]})).await, 2);
    assert_eq!(caller.total("subject/index", json!({"active": true})).await, 4);
    assert_eq!(caller.total("subject/index", json!({"active": false})).await, 0);
    assert!(caller.total("1/room/index", json!({"is_enabled": 0})).await > 0);
    assert_eq!(caller.total("user/index", json!({"email": "MANAGER@school.example"})).await, 1);
    let open = caller.total("task/index", json!({"is_done": 0})).await;
    let done = caller.total("task/index", json!({"is_done": 1})).await;
    assert_eq!(open + done, caller.total("task/index", json!({})).await);
    let undated = caller.items("task/index", json!({"due_date_is_null": true})).await;
    assert!(undated.iter().all(|row| row["due_date"].is_null()));
    let made = caller.items("log/index", json!({"entity": "Customer", "event": 1})).await;
    assert!(!made.is_empty() && made.iter().all(|row| row["entity"] == "Customer" && row["event"] == 1));
    let recent = caller.items("log/index", json!({"date_from": "15.02.2026"})).await;
    assert!(recent.iter().all(|row| row["date_time"].as_str() >= Some("2026-02-15")));
    let failed = caller.items("sms-message", json!({"is_fail": 1, "added_from": "2026-01-01"})).await;
    assert!(!failed.is_empty() && failed.iter().all(|row| row["is_fail"] == 1));
    let discount = caller.crm.rows("discount")[0].clone();
    let his = caller.items("discount/index", json!({"customer_id": discount["customer_id"]})).await;
    assert_eq!(ids(&his), [discount["id"].as_u64().expect("an id")]);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_filtered_by_what_they_are() {
    let caller = Caller::new().await;
    let own = caller
        .crm
        .rows("customer-tariff")
        .into_iter()
        .find(|row| row["is_separate_balance"] == 1)
        .expect("a separate one");
    let path = format!("customer-tariff/index?customer_id={}", own["customer_id"]);
    let all = caller.total(&path, json!({})).await;
    let separate = caller.total(&path, json!({"is_separate_balance": 1})).await;
    let common = caller.total(&path, json!({"is_separate_balance": 0})).await;
    assert_eq!(separate + common, all);
    assert!(caller.total(&path, json!({"balance": own["balance"]})).await > 0);
    assert!(caller.total(&path, json!({"balance": [-100_000, 100_000]})).await == all);
    assert_eq!(caller.total(&path, json!({"tariff_type": 3})).await, 0);
    let dead = caller.total(&path, json!({"dead": true})).await;
    assert_eq!(dead + caller.total(&path, json!({"dead": false})).await, all);
}

#[tokio::test(start_paused = true)]
async fn switches_change_how_rows_look() {
    let caller = Caller::new().await;
    let sunday = caller
        .crm
        .rows("regular-lesson")
        .into_iter()
        .find(|row| row["day"] == 7)
        .expect("somebody learns on Sunday");
    caller.crm.switches(|switches| {
        switches.teacher_ids = TeacherIds::Names;
        switches.regular_day = RegularDay::SundayZero;
        switches.lesson_details = LessonDetails::WithCustomer;
    });
    let group = caller.items("group/index", json!({})).await.swap_remove(0);
    assert_eq!(group["teacher_ids"][0], group["teachers"][0]["name"]);
    let slots = caller.all("regular-lesson/index", json!({})).await;
    let slot = slots.iter().find(|row| row["id"] == sunday["id"]).expect("the slot");
    assert_eq!((&slot["day"], &slot["days"]), (&json!(0), &json!([0])));
    let lessons = caller.items("lesson/index", json!({})).await;
    assert!(lessons.iter().all(|row| row["details"] == json!([])));
    let customer = &lessons[0]["customer_ids"][0];
    let lessons = caller.items("lesson/index", json!({"customer_id": customer})).await;
    assert!(lessons.iter().all(|row| row["details"] != json!([])));
}

#[tokio::test(start_paused = true)]
async fn groups_come_with_customers_when_asked() {
    let caller = Caller::new().await;
    let link = caller.items("cgi/index?group_id=12", json!({})).await.swap_remove(0);
    let body = json!({"id": link["customer_id"], "withGroups": true});
    let customer = caller.items("customer/index", body).await.swap_remove(0);
    let groups = customer["group_ids"].as_array().expect("ids");
    assert!(groups.contains(&json!(12)));
    assert_eq!(customer["groups"].as_array().expect("groups").len(), groups.len());
    let plain = caller.items("customer/index", json!({"id": link["customer_id"]})).await;
    assert!(plain[0].get("group_ids").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_calendar_shows_all_statuses_and_both_date_formats() {
    let caller = Caller::new().await;
    let iso = caller.ok("calendar/group?id=12&date1=2025-09-01&date2=2026-03-31", json!({})).await;
    let ru = caller.ok("calendar/group?id=12&date1=01.09.2025&date2=31.03.2026", json!({})).await;
    assert_eq!(iso, ru);
    let mut statuses = BTreeSet::new();
    let mut count = 0;
    for status in 1..=3 {
        let rows = caller.all("lesson/index", json!({"status": status, "group_id": 12})).await;
        if !rows.is_empty() {
            statuses.insert(status);
        }
        count += rows.len();
    }
    let calendar = iso.as_array().expect("a bare list");
    assert_eq!(calendar.len(), count);
    assert!(statuses.len() >= 2);
    assert!(calendar.iter().all(|item| item["duration"] == "60"));
}
