//! Every filter gives exactly the records that the CRM's rows say it should: the oracle reads the simulator's rows and
//! knows nothing of the adapters.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CASES, Case, small};
use crate::support::app::ids;

/// A question, and which rows answer it.
type Check = (&'static str, fn(&Value) -> bool);

fn num(row: &Value, key: &str) -> Option<i64> {
    match &row[key] {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn amount(row: &Value, key: &str) -> f64 {
    match &row[key] {
        Value::String(text) => text.parse().unwrap(),
        other => other.to_string().parse().unwrap(),
    }
}

/// `2026-02-20` out of any of the formats.
fn day(row: &Value, key: &str) -> Option<String> {
    let text = row[key].as_str().filter(|text| !text.is_empty())?;
    match text.split('.').collect::<Vec<_>>()[..] {
        [day, month, year] => Some(format!("{year}-{month}-{day}")),
        _ => Some(text[..10].to_owned()),
    }
}

fn within(row: &Value, key: &str, from: &str, to: &str) -> bool {
    day(row, key).is_some_and(|day| (from..=to).contains(&day.as_str()))
}

fn holds(row: &Value, key: &str, id: u64) -> bool {
    row[key].as_array().is_some_and(|ids| ids.contains(&id.into()))
}

fn has(row: &Value, key: &str, part: &str) -> bool {
    row[key].as_str().is_some_and(|text| text.to_lowercase().contains(&part.to_lowercase()))
}

fn archived(row: &Value) -> bool {
    day(row, "e_date").is_some_and(|day| day.as_str() <= "2026-02-20")
}

fn student(row: &Value) -> bool {
    num(row, "is_study") == Some(1) && !archived(row)
}

const STUDENTS: [Check; 25] = [
    ("/students", student),
    ("/students?stage=LEAD", |row| num(row, "is_study") == Some(0) && !archived(row)),
    ("/students?stage=ALL", |row| !archived(row)),
    ("/students?archived=true", |row| num(row, "is_study") == Some(1) && archived(row)),
    ("/students?archived=all&stage=ALL", |_| true),
    ("/students?q=%D0%B0%D0%BD", |row| student(row) && has(row, "name", "ан")),
    ("/students?id=alfa-101&id=alfa-103&id=crypto-5", |row| {
        student(row) && matches!(num(row, "id"), Some(101 | 103))
    }),
    ("/students?id=crypto-5", |_| false),
    ("/students?status_id=alfa-4", |row| student(row) && num(row, "study_status_id") == Some(4)),
    ("/students?stage=LEAD&lead_status_id=alfa-2", |row| {
        num(row, "is_study") == Some(0) && !archived(row) && num(row, "lead_status_id") == Some(2)
    }),
    ("/students?stage=ALL&lead_source_id=alfa-1", |row| {
        !archived(row) && num(row, "lead_source_id") == Some(1)
    }),
    ("/students?stage=ALL&assigned_user_id=alfa-3", |row| {
        !archived(row) && num(row, "assigned_id") == Some(3)
    }),
    ("/students?color=ORANGE", |row| student(row) && row["color"] == "#ffcd70"),
    ("/students?color=GREEN", |row| student(row) && row["color"] == "#00aa00"),
    ("/students?birth_date_from=2014-01-01&birth_date_to=2015-12-31", |row| {
        student(row) && within(row, "dob", "2014-01-01", "2015-12-31")
    }),
    ("/students?balance_from=0.01", |row| student(row) && amount(row, "balance") > 0.0),
    ("/students?balance_to=-0.01", |row| student(row) && amount(row, "balance") < 0.0),
    ("/students?next_lesson_from=2026-02-21&next_lesson_to=2026-02-24", |row| {
        student(row) && within(row, "next_lesson_date", "2026-02-21", "2026-02-24")
    }),
    ("/students?last_attended_from=2026-02-17&last_attended_to=2026-02-18", |row| {
        student(row) && within(row, "last_attend_date", "2026-02-17", "2026-02-18")
    }),
    ("/students?created_from=2025-01-01&created_to=2025-12-31", |row| {
        student(row) && within(row, "created_at", "2025-01-01", "2025-12-31")
    }),
    ("/students?updated_since=2026-02-18T12:00:00%2B03:00", |row| {
        student(row) && row["updated_at"].as_str().unwrap() >= "2026-02-18 12:00:00"
    }),
    ("/students?contact=8+900+000-00-01", |row| student(row) && phone(row, "79000000001")),
    ("/students?contact=%2B7(900)000-00-02", |row| student(row) && phone(row, "79000000002")),
    ("/students?branch_id=alfa-2", |row| student(row) && holds(row, "branch_ids", 2)),
    ("/students?branch_id=alfa-2&q=%D0%B5&status_id=alfa-4", |row| {
        student(row)
            && holds(row, "branch_ids", 2)
            && has(row, "name", "е")
            && num(row, "study_status_id") == Some(4)
    }),
];

fn phone(row: &Value, digits: &str) -> bool {
    row["phone"].as_array().is_some_and(|phones| {
        phones.iter().any(|phone| {
            let all: String = phone.as_str().unwrap().chars().filter(char::is_ascii_digit).collect();
            all == digits
        })
    })
}

const LESSONS: [Check; 15] = [
    ("/lessons", |_| true),
    ("/lessons?status=PLANNED", |row| num(row, "status") == Some(1)),
    ("/lessons?status=CANCELLED", |row| num(row, "status") == Some(2)),
    ("/lessons?status=CONDUCTED&status=CANCELLED", |row| matches!(num(row, "status"), Some(2 | 3))),
    ("/lessons?from=2026-02-16&to=2026-02-22", |row| within(row, "date", "2026-02-16", "2026-02-22")),
    ("/lessons?from=2026-02-20", |row| day(row, "date").unwrap().as_str() >= "2026-02-20"),
    ("/lessons?student_id=alfa-101", |row| holds(row, "customer_ids", 101)),
    ("/lessons?student_id=crypto-101", |_| false),
    ("/lessons?group_id=alfa-12", |row| holds(row, "group_ids", 12)),
    ("/lessons?teacher_id=alfa-4", |row| holds(row, "teacher_ids", 4)),
    ("/lessons?subject_id=alfa-2", |row| num(row, "subject_id") == Some(2)),
    ("/lessons?lesson_type_id=alfa-1", |row| num(row, "lesson_type_id") == Some(1)),
    ("/lessons?room_id=alfa-3", |row| num(row, "room_id") == Some(3)),
    ("/lessons?branch_id=alfa-1&status=PLANNED", |row| {
        num(row, "branch_id") == Some(1) && num(row, "status") == Some(1)
    }),
    ("/lessons?updated_since=2026-02-18T12:00:00%2B03:00", |row| {
        row["updated_at"].as_str().unwrap() >= "2026-02-18 12:00:00"
    }),
];

fn is_of(row: &Value, class: &str, id: i64) -> bool {
    row["related_class"] == class && num(row, "related_id") == Some(id)
}

const SCHEDULES: [Check; 6] = [
    ("/schedules", |_| true),
    ("/schedules?group_id=alfa-12", |row| is_of(row, "Group", 12)),
    ("/schedules?student_id=alfa-101", |row| is_of(row, "Customer", 101)),
    ("/schedules?student_id=crypto-101", |_| false),
    ("/schedules?teacher_id=alfa-4", |row| holds(row, "teacher_ids", 4)),
    ("/schedules?branch_id=alfa-1&teacher_id=alfa-4", |row| {
        num(row, "branch_id") == Some(1) && holds(row, "teacher_ids", 4)
    }),
];

const TASKS: [Check; 9] = [
    ("/tasks", |row| num(row, "is_archive") == Some(0)),
    ("/tasks?archived=all", |_| true),
    ("/tasks?archived=true", |row| num(row, "is_archive") == Some(1)),
    ("/tasks?done=true", |row| num(row, "is_done") == Some(1)),
    ("/tasks?done=false", |row| num(row, "is_done") == Some(0)),
    ("/tasks?assigned_user_id=alfa-3", |row| holds(row, "assigned_ids", 3)),
    ("/tasks?due_from=2026-02-15", |row| {
        day(row, "due_date").is_some_and(|day| day.as_str() >= "2026-02-15")
    }),
    ("/tasks?due_to=2026-02-15&done=false", |row| {
        num(row, "is_done") == Some(0) && day(row, "due_date").is_some_and(|day| day.as_str() <= "2026-02-15")
    }),
    ("/tasks?branch_id=alfa-2", |row| holds(row, "branch_ids", 2)),
];

const COMMUNICATIONS: [Check; 2] = [
    ("/students/alfa-101/communications", |_| true),
    ("/students/alfa-101/communications?from=2035-01-01", |_| false),
];

const PAYMENTS: [Check; 17] = [
    ("/payments?source=alfacrm", |_| true),
    ("/payments?source=alfacrm&student_id=alfa-101", |row| num(row, "customer_id") == Some(101)),
    ("/payments?source=alfacrm&from=2026-02-01&to=2026-02-10", |row| {
        within(row, "document_date", "2026-02-01", "2026-02-10")
    }),
    ("/payments?source=alfacrm&to=2025-09-30", |row| {
        day(row, "document_date").unwrap().as_str() <= "2025-09-30"
    }),
    ("/payments?source=alfacrm&from=2026-02-01", |row| {
        day(row, "document_date").unwrap().as_str() >= "2026-02-01"
    }),
    ("/payments?source=alfacrm&from=2035-01-01", |_| false),
    ("/payments?source=alfacrm&direction=INCOME", |row| amount(row, "income") >= 0.0),
    ("/payments?source=alfacrm&direction=EXPENSE", |row| amount(row, "income") < 0.0),
    ("/payments?source=alfacrm&confirmed=true", |row| num(row, "is_confirmed") == Some(1)),
    ("/payments?source=alfacrm&confirmed=false", |row| num(row, "is_confirmed") == Some(0)),
    ("/payments?source=alfacrm&account_id=alfa-1", |row| num(row, "pay_account_id") == Some(1)),
    ("/payments?source=alfacrm&item_id=alfa-3", |row| num(row, "pay_item_id") == Some(3)),
    ("/payments?source=alfacrm&payer=%D0%BE%D0%B2", |row| has(row, "payer_name", "ов")),
    ("/payments?source=alfacrm&amount_from=1000&amount_to=4000", |row| {
        (1000.0..=4000.0).contains(&amount(row, "income").abs())
    }),
    ("/payments?source=alfacrm&branch_id=alfa-2&from=2026-01-01&direction=INCOME", |row| {
        num(row, "branch_id") == Some(2)
            && day(row, "document_date").unwrap().as_str() >= "2026-01-01"
            && amount(row, "income") >= 0.0
    }),
    ("/payments?source=alfacrm&project_id=crypto-101", |_| false),
    ("/payments?source=alfacrm&updated_since=2026-02-10T12:00:00%2B03:00", |row| {
        row["updated_at"].as_str().unwrap() >= "2026-02-10 12:00:00"
    }),
];

const TARIFFS: [Check; 2] = [
    ("/tariffs?q=%D0%B7%D0%B0%D0%BD%D1%8F%D1%82", |row| has(row, "name", "занят")),
    ("/tariffs?branch_id=alfa-2", |row| holds(row, "branch_ids", 2)),
];

const SUBSCRIPTIONS: [Check; 3] = [
    ("/students/alfa-101/subscriptions", |_| true),
    ("/students/alfa-101/subscriptions?separate_balance=true", |row| {
        num(row, "is_separate_balance") == Some(1)
    }),
    ("/students/alfa-101/subscriptions?tariff_id=alfa-40", |row| num(row, "tariff_id") == Some(40)),
];

const HISTORY: [Check; 7] = [
    ("/history?entity=Pay", |row| row["entity"] == "Pay"),
    ("/history?entity=Customer&event=CHANGED", |row| {
        row["entity"] == "Customer" && num(row, "event") == Some(2)
    }),
    ("/history?event=DELETED", |row| num(row, "event") == Some(3)),
    ("/history?entity_id=crypto-101", |_| false),
    ("/history?user_id=alfa-3", |row| num(row, "user_id") == Some(3)),
    ("/history?from=2026-02-01&to=2026-02-10", |row| within(row, "date_time", "2026-02-01", "2026-02-10")),
    ("/history?to=2025-12-31", |row| day(row, "date_time").unwrap().as_str() <= "2025-12-31"),
];

const MESSAGES: [Check; 4] = [
    ("/messages/sms?failed=true", |row| num(row, "is_fail") == Some(1)),
    ("/messages/sms?sent=true", |row| num(row, "is_sent") == Some(1)),
    ("/messages/sms?from=2026-02-19", |row| day(row, "date").unwrap().as_str() >= "2026-02-19"),
    ("/messages/sms?contact=%2B7(900)000-00-01", |row| row["phone"] == "79000000001"),
];

const GROUPS: [Check; 13] = [
    ("/groups", |row| !archived(row)),
    ("/groups?archived=true", archived),
    ("/groups?archived=all", |_| true),
    ("/groups?archived=all&q=7-9", |row| has(row, "name", "7-9")),
    ("/groups?archived=all&id=alfa-12&id=alfa-13", |row| matches!(num(row, "id"), Some(12 | 13))),
    ("/groups?archived=all&teacher_id=alfa-5", |row| holds(row, "teacher_ids", 5)),
    ("/groups?teacher_id=crypto-5", |_| false),
    ("/groups?archived=all&level_id=alfa-1", |row| num(row, "level_id") == Some(1)),
    ("/groups?archived=all&branch_id=alfa-2", |row| holds(row, "branch_ids", 2)),
    ("/groups?archived=all&from=2026-02-01", |row| day(row, "e_date").unwrap().as_str() >= "2026-02-01"),
    ("/groups?archived=all&to=2025-08-31", |row| day(row, "b_date").unwrap().as_str() <= "2025-08-31"),
    ("/groups?archived=all&status_id=alfa-1", |row| num(row, "status_id") == Some(1)),
    ("/groups?archived=all&updated_since=2025-08-01T00:00:00%2B03:00", |row| {
        row["updated_at"].as_str().unwrap() >= "2025-08-01 00:00:00"
    }),
];

const TEACHERS: [Check; 7] = [
    ("/teachers", |row| !archived(row)),
    ("/teachers?archived=true", archived),
    ("/teachers?archived=all&id=alfa-4&id=alfa-6", |row| matches!(num(row, "id"), Some(4 | 6))),
    ("/teachers?archived=all&q=%D0%BE%D0%B2", |row| has(row, "name", "ов")),
    ("/teachers?archived=all&contact=teacher5@school.example", |row| num(row, "id") == Some(5)),
    ("/teachers?archived=all&branch_id=alfa-1", |row| holds(row, "branch_ids", 1)),
    ("/teachers?archived=all", |_| true),
];

const CALENDARS: [Check; 2] = [
    ("/groups/alfa-12/calendar?from=2026-01-05&to=2026-02-20", |row| {
        within(row, "date", "2026-01-05", "2026-02-20")
    }),
    ("/groups/alfa-12/calendar?from=2027-01-05&to=2027-02-20", |_| false),
];

fn created(row: &Value, from: &str, to: &str) -> bool {
    within(row, "created", from, to)
}

const PROJECTS: [Check; 14] = [
    ("/projects", |_| true),
    ("/projects?funnel_id=crypto-1", |row| num(row, "sales_funnel_id") == Some(1)),
    ("/projects?funnel_id=crypto-1&funnel_id=crypto-2", |row| {
        matches!(num(row, "sales_funnel_id"), Some(1 | 2))
    }),
    ("/projects?funnel_id=alfa-1", |_| false),
    ("/projects?step_id=crypto-3", |row| num(row, "step_id") == Some(3)),
    ("/projects?user_id=crypto-2", |row| num(row, "user_id") == Some(2)),
    ("/projects?group_id=crypto-1", |row| num(row, "group_id") == Some(1)),
    ("/projects?currency_id=crypto-1", |row| num(row, "currency_id") == Some(1)),
    ("/projects?created_from=2024-01-01&created_to=2024-12-31", |row| {
        created(row, "2024-01-01", "2024-12-31")
    }),
    ("/projects?created_from=2025-01-01", |row| created(row, "2025-01-01", "2099-12-31")),
    ("/projects?participant_user_id=crypto-2", |row| holds(row, "participants_user_id", 2)),
    ("/projects?participant_group_id=crypto-1", |row| holds(row, "participants_group_id", 1)),
    ("/projects?condition=or&funnel_id=crypto-1&user_id=crypto-2", |row| {
        num(row, "sales_funnel_id") == Some(1) || num(row, "user_id") == Some(2)
    }),
    ("/projects?field[client_id]=3", |row| num(&row["data"], "client_id") == Some(3)),
];

const PROJECT_PAYMENTS: [Check; 5] = [
    ("/payments?source=cryptocrm", |_| true),
    ("/payments?source=cryptocrm&direction=EXPENSE", |row| row["type"] == "0"),
    ("/payments?source=cryptocrm&direction=INCOME", |row| row["type"] == "1"),
    ("/payments?source=cryptocrm&from=2025-01-01&to=2025-12-31", |row| {
        within(row, "date", "2025-01-01", "2025-12-31")
    }),
    ("/payments?source=cryptocrm&student_id=alfa-101", |_| false),
];

const STEPS: [Check; 4] = [
    ("/projects/crypto-103/steps", |_| true),
    ("/projects/crypto-103/steps?step_id=crypto-7&step_id=crypto-9", |row| {
        matches!(num(row, "step_id"), Some(7 | 9))
    }),
    ("/projects/crypto-103/steps?step_id=alfa-7", |_| false),
    ("/projects/crypto-103/steps?date=2035-01-01", |_| false),
];

const ACTIONS: [Check; 6] = [
    ("/projects/crypto-103/actions?limit=7", |_| true),
    ("/projects/crypto-103/actions?type_id=crypto-2", |row| num(row, "actions_type_id") == Some(2)),
    ("/projects/crypto-103/actions?type_id=crypto-1&type_id=crypto-3&type_id=alfa-2", |row| {
        matches!(num(row, "actions_type_id"), Some(1 | 3))
    }),
    ("/projects/crypto-103/actions?id=crypto-103-10303&id=crypto-103-10307&id=crypto-104-10308", |row| {
        matches!(num(row, "id"), Some(10303 | 10307))
    }),
    ("/projects/crypto-103/actions?id=crypto-104-10303", |_| false),
    ("/projects/crypto-103/actions?date=2035-01-01", |_| false),
];

fn checks(case: &Case) -> &'static [Check] {
    match (case.crm, case.resource) {
        ("alfacrm", "students") => &STUDENTS,
        ("alfacrm", "lessons") => &LESSONS,
        ("alfacrm", "schedules") => &SCHEDULES,
        ("alfacrm", "tasks") => &TASKS,
        ("alfacrm", "communications") => &COMMUNICATIONS,
        ("alfacrm", "payments") => &PAYMENTS,
        ("cryptocrm", "projects") => &PROJECTS,
        ("cryptocrm", "payments") => &PROJECT_PAYMENTS,
        ("alfacrm", "tariffs") => &TARIFFS,
        ("alfacrm", "subscriptions") => &SUBSCRIPTIONS,
        ("alfacrm", "history") => &HISTORY,
        ("alfacrm", "messages") => &MESSAGES,
        ("alfacrm", "groups") => &GROUPS,
        ("alfacrm", "teachers") => &TEACHERS,
        ("alfacrm", "calendars") => &CALENDARS,
        // Lists below a record that take no filters.
        ("alfacrm", "members" | "working_hours" | "rates") => &[],
        ("cryptocrm", "steps") => &STEPS,
        ("cryptocrm", "actions") => &ACTIONS,
        // They cannot be narrowed.
        ("cryptocrm", "checklists" | "goods") => &[],
        ("alfacrm", "reference") => &[],
        other => panic!("no filters are checked for {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_filter_gives_exactly_the_rows_it_should() {
    let app = small().students(60).start();
    let (mut wrong, mut telling) = (Vec::new(), 0);
    for case in CASES {
        let rows = (case.rows)(&app);
        for (path, fits) in checks(case) {
            let expected: BTreeSet<String> =
                rows.iter().filter(|(_, row)| fits(row)).map(|(id, _)| id.clone()).collect();
            let seen: Vec<String> = ids(&app.owner().walk(path).await);
            telling += usize::from(!expected.is_empty() && expected.len() < rows.len());
            let found: BTreeSet<String> = seen.iter().cloned().collect();
            if found != expected || found.len() != seen.len() {
                let missing: Vec<_> = expected.difference(&found).take(3).collect();
                let strange: Vec<_> = found.difference(&expected).take(3).collect();
                let show =
                    |id: &String| rows.iter().find(|(known, _)| known == id).map(|(_, row)| row.to_string());
                wrong.push(format!(
                    "{path}: {} instead of {}; missing {missing:?}, strange {strange:?} {:?}",
                    seen.len(),
                    expected.len(),
                    missing.iter().chain(&strange).next().and_then(|id| show(id)),
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A filter that everything or nothing fits proves little.
    assert!(telling >= 55, "only {telling} filters tell rows apart");
}

#[tokio::test(start_paused = true)]
async fn a_project_is_found_by_its_price_and_by_its_goods_and_events() {
    use crm_gateway::sandbox::crypto::Table;
    let app = small().start();
    let project = super::living_projects(&app).into_iter().find(|row| amount(row, "price") > 0.0).unwrap();
    let price = amount(&project, "price");
    let expected: BTreeSet<String> = super::living_projects(&app)
        .iter()
        .filter(|row| (amount(row, "price") - price).abs() < 1e-9)
        .map(|row| format!("crypto-{}", row["id"]))
        .collect();
    let seen = ids(&app.owner().walk(&format!("/projects?price={price}")).await);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
    for (table, parameter, column) in
        [(Table::Goods, "good_id", "good_id"), (Table::Actions, "action_type_id", "actions_type_id")]
    {
        let with = |wanted: u64| -> BTreeSet<String> {
            let living = super::living_projects(&app).into_iter();
            let fits = living.filter(|project| {
                let rows = app.crypto.rows(table, project["id"].as_u64().unwrap());
                rows.iter().any(|row| row[column] == wanted)
            });
            fits.map(|row| format!("crypto-{}", row["id"])).collect()
        };
        let seen = ids(&app.owner().walk(&format!("/projects?{parameter}=crypto-2")).await);
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), with(2), "{parameter}");
    }
    for (having, table, any) in [
        ("payments", Table::Payments, true),
        ("no_payments", Table::Payments, false),
        ("actions", Table::Actions, true),
        ("no_actions", Table::Actions, false),
        ("goods", Table::Goods, true),
        ("no_goods", Table::Goods, false),
        ("tasks", Table::Tasks, true),
        ("no_tasks", Table::Tasks, false),
    ] {
        let living = super::living_projects(&app).into_iter();
        let fits = living
            .filter(|project| app.crypto.rows(table, project["id"].as_u64().unwrap()).is_empty() != any);
        let expected: BTreeSet<String> = fits.map(|row| format!("crypto-{}", row["id"])).collect();
        let seen = ids(&app.owner().walk(&format!("/projects?having={having}")).await);
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "{having}");
    }
}

#[tokio::test(start_paused = true)]
async fn deleted_projects_and_sorted_ones() {
    let app = small().start();
    let deleted: BTreeSet<String> = app
        .crypto
        .projects()
        .iter()
        .filter(|row| row["deleted"] == "1")
        .map(|row| format!("crypto-{}", row["id"]))
        .collect();
    assert!(!deleted.is_empty());
    let seen = ids(&app.owner().walk("/projects?deleted=true&limit=3").await);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), deleted);
    for (sort, key) in [("id", "source_id"), ("created", "created_at"), ("name", "name")] {
        let mut up = app.owner().walk(&format!("/projects?sort={sort}&limit=7")).await;
        let down = app.owner().walk(&format!("/projects?sort=-{sort}&limit=7")).await;
        let value = |record: &Value| {
            let text = record[key].as_str().unwrap_or_default().to_owned();
            (if sort == "id" { text.len() } else { 0 }, text)
        };
        assert!(up.iter().is_sorted_by_key(value), "{sort}");
        assert!(down.iter().rev().is_sorted_by_key(value), "-{sort}");
        up.sort_by_key(|record| record["id"].to_string());
        assert_eq!(up.len(), super::living_projects(&app).len());
    }
}
