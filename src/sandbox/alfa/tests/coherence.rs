//! What the API shows agrees with itself: cards with lessons and payments, calendars with lists.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const NOW: &str = "2026-02-20 10:00:00";

async fn lessons(caller: &Caller) -> Vec<Value> {
    let mut rows = Vec::new();
    for status in 1..=3 {
        rows.extend(caller.all("lesson/index", json!({"status": status})).await);
    }
    rows
}

fn key(value: &Value) -> u64 {
    value.as_u64().expect("an id")
}

#[tokio::test(start_paused = true)]
async fn cards_agree_with_payments_and_lessons() {
    let caller = Caller::new().await;
    let lessons = lessons(&caller).await;
    let mut balance: BTreeMap<u64, i64> = BTreeMap::new();
    for row in caller.all("pay/index", json!({})).await {
        if row["customer_id"].is_u64() {
            *balance.entry(key(&row["customer_id"])).or_default() += cents(&row["income"]);
        }
    }
    let mut attended: BTreeMap<u64, &str> = BTreeMap::new();
    let mut next: BTreeMap<u64, &str> = BTreeMap::new();
    let mut bonus: BTreeMap<u64, i64> = BTreeMap::new();
    for row in &lessons {
        if row["status"] == 3 {
            for detail in row["details"].as_array().expect("details") {
                let id = key(&detail["customer_id"]);
                *balance.entry(id).or_default() -= cents(&detail["commission"]);
                *bonus.entry(id).or_default() += detail["bonus"].as_i64().unwrap_or(0);
                if detail["is_attend"] == 1 {
                    let day = row["date"].as_str().expect("a day");
                    let last = attended.entry(id).or_insert(day);
                    *last = day.max(last);
                }
            }
        }
        let start = row["time_from"].as_str().expect("a time");
        if row["status"] == 1 && start >= NOW {
            for id in row["customer_ids"].as_array().expect("ids") {
                let first = next.entry(key(id)).or_insert(start);
                *first = start.min(first);
            }
        }
    }
    let cards = caller.all("customer/index", json!({"is_study": 2, "removed": 1})).await;
    let mut in_debt = 0;
    for card in &cards {
        let id = key(&card["id"]);
        let money = balance.get(&id).copied().unwrap_or(0);
        assert_eq!(cents(&card["balance"]), money, "{card}");
        assert_eq!(card["last_attend_date"].as_str(), attended.get(&id).copied(), "{id}");
        assert_eq!(card["next_lesson_date"].as_str(), next.get(&id).copied(), "{id}");
        assert_eq!(card["balance_bonus"].as_i64(), Some(bonus.get(&id).copied().unwrap_or(0)));
        let paid = card["paid_count"].as_i64().expect("a count");
        assert_eq!(card["paid_lesson_count"], paid);
        assert!(paid.signum() * money.signum() >= 0, "{card}");
        assert!((paid < 0) == (money < 0), "{card}");
        assert_eq!(card["paid_till"].is_string(), paid > 0 && next.contains_key(&id), "{card}");
        in_debt += usize::from(paid < 0);
    }
    assert!(in_debt > 0);
}

#[tokio::test(start_paused = true)]
async fn separate_subscriptions_and_the_common_balance_make_the_total() {
    let caller = Caller::new().await;
    let mut seen = 0;
    for card in caller.all("customer/index", json!({})).await {
        let path = format!("customer-tariff/index?customer_id={}", card["id"]);
        let own: i64 = caller
            .items(&path, json!({"is_separate_balance": 1}))
            .await
            .iter()
            .map(|row| cents(&row["balance"]))
            .sum();
        assert_eq!(cents(&card["balance"]), cents(&card["balance_base"]) + own);
        seen += usize::from(own != 0);
    }
    assert!(seen > 3, "somebody has money on a subscription of his own");
}

#[tokio::test(start_paused = true)]
async fn calendars_and_memberships_agree_with_lessons() {
    let caller = Caller::new().await;
    let lessons = lessons(&caller).await;
    let some: Vec<Value> = caller.items("customer/index", json!({"pageSize": 15})).await;
    for card in &some {
        let path = format!("calendar/customer?id={}&date1=2025-01-01&date2=2026-12-31", card["id"]);
        let calendar = caller.ok(&path, json!({})).await;
        let calendar: BTreeSet<u64> = ids(calendar.as_array().expect("a list")).into_iter().collect();
        let his: BTreeSet<u64> = lessons
            .iter()
            .filter(|row| row["customer_ids"].as_array().expect("ids").contains(&card["id"]))
            .map(|row| key(&row["id"]))
            .collect();
        assert_eq!(calendar, his);
    }
    let today = lessons.iter().find(|row| {
        row["status"] == 1 && row["group_ids"] != json!([]) && row["time_from"].as_str() >= Some(NOW)
    });
    let lesson = today.expect("a planned group lesson");
    let path = format!("cgi/index?group_id={}", lesson["group_ids"][0]);
    let members: BTreeSet<u64> =
        caller.all(&path, json!({})).await.iter().map(|row| key(&row["customer_id"])).collect();
    let present: BTreeSet<u64> = lesson["customer_ids"].as_array().expect("ids").iter().map(key).collect();
    assert_eq!(present, members);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_and_time_answer_the_same() {
    let (one, two) = (Caller::new().await, Caller::new().await);
    assert_eq!(one.token, two.token);
    for path in ["customer/index", "lesson/index", "pay/index", "log/index", "group/index"] {
        assert_eq!(one.ok(path, json!({})).await, two.ok(path, json!({})).await, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_reference_leads_somewhere() {
    let caller = Caller::new().await;
    let exists = |model: &str, id: &Value| id.is_null() || caller.crm.row(model, key(id)).is_some();
    let references = [
        ("customer", "study_status_id", "study-status"),
        ("customer", "lead_status_id", "lead-status"),
        ("customer", "lead_reject_id", "lead-reject"),
        ("customer", "customer_reject_id", "customer-reject"),
        ("customer", "lead_source_id", "lead-source"),
        ("customer", "assigned_id", "user"),
        ("group", "level_id", "level"),
        ("lesson", "subject_id", "subject"),
        ("lesson", "room_id", "room"),
        ("lesson", "regular_id", "regular-lesson"),
        ("lesson", "lesson_type_id", "lesson-type"),
        ("pay", "customer_id", "customer"),
        ("pay", "pay_account_id", "pay-account"),
        ("pay", "pay_item_id", "pay-item"),
        ("pay", "ctt_id", "customer-tariff"),
        ("pay", "teacher_id", "teacher"),
        ("customer-tariff", "tariff_id", "tariff"),
        ("cgi", "group_id", "group"),
        ("discount", "customer_id", "customer"),
    ];
    for (model, column, target) in references {
        for row in caller.crm.rows(model) {
            assert!(exists(target, &row[column]), "{model} {column}: {row}");
        }
    }
    for row in caller.crm.rows("communication") {
        let target = row["class"].as_str().unwrap().to_lowercase();
        assert!(exists(&target, &row["related_id"]), "{row}");
    }
    let tills: i64 = caller.crm.rows("pay-account").iter().map(|row| cents(&row["balance"])).sum();
    let paid: i64 = caller.crm.rows("pay").iter().map(|row| cents(&row["income"])).sum();
    assert_eq!(tills, paid);
}
