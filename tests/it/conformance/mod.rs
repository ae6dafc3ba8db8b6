//! What every kind of record must keep that an adapter declares, whatever the CRM. A declared kind without a case here,
//! or a case without rows, fails: nothing is green because something is missing.

mod damage;
mod faults;
mod filters;
mod lists;

use std::sync::Arc;

use crm_gateway::crm::Crm;
use crm_gateway::crm::alfa::Alfa;
use crm_gateway::crm::crypto::Crypto;
use crm_gateway::sandbox::crypto::Table;
use crm_gateway::telemetry::Metrics;
use serde_json::Value;

use crate::support::{Setup, TestApp, transport};

/// One kind of record of one CRM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) crm: &'static str,
    pub(crate) resource: &'static str,
    /// The list of all of them.
    pub(crate) path: &'static str,
    /// A list of none, which one call must settle.
    empty: &'static str,
    /// An id that nothing has, if there are reads by id.
    unknown: Option<&'static str>,
    /// The operation that lists them.
    pub(crate) operation: &'static str,
    /// Lists of the CRM behind this one list, whose pages are counted each.
    lists: fn(&TestApp) -> usize,
    /// The rows that must be found, with their ids.
    pub(crate) rows: fn(&TestApp) -> Vec<(String, Value)>,
}

impl Case {
    /// How many rows it takes to prove something: below a record there are few.
    pub(crate) fn least(&self) -> usize {
        match self.path {
            path if path.contains("/alfa-") => 1,
            path if path.contains("/crypto-") => 2,
            _ => 3,
        }
    }

    /// Whether the gateway knows the branches of its records.
    pub(crate) fn tells_branches(&self) -> bool {
        !matches!(self.resource, "history" | "messages")
    }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        crm: "alfacrm",
        resource: "students",
        path: "/students?stage=ALL&archived=all",
        empty: "/students?q=nobody+has+this+name",
        unknown: Some("/students/alfa-999999"),
        operation: "customer/index",
        lists: |_| 1,
        rows: |app| alfa(app, "customer"),
    },
    Case {
        crm: "alfacrm",
        resource: "lessons",
        path: "/lessons",
        empty: "/lessons?status=PLANNED&subject_id=alfa-999999",
        unknown: Some("/lessons/alfa-999999"),
        operation: "lesson/index",
        lists: |_| 3,
        rows: |app| alfa(app, "lesson"),
    },
    Case {
        crm: "alfacrm",
        resource: "schedules",
        path: "/schedules",
        empty: "/schedules?teacher_id=alfa-999999",
        unknown: Some("/schedules/alfa-999999"),
        operation: "regular-lesson/index",
        lists: |_| 1,
        rows: |app| alfa(app, "regular-lesson"),
    },
    Case {
        crm: "alfacrm",
        resource: "tasks",
        path: "/tasks?archived=all",
        empty: "/tasks?branch_id=alfa-1&assigned_user_id=alfa-999999",
        unknown: Some("/tasks/alfa-999999"),
        operation: "task/index",
        lists: |app| app.alfa.count("branch"),
        rows: |app| alfa(app, "task"),
    },
    Case {
        crm: "alfacrm",
        resource: "communications",
        path: "/students/alfa-101/communications",
        empty: "",
        unknown: Some("/students/alfa-101/communications/alfa-999999"),
        operation: "communication/index",
        lists: |_| 1,
        rows: |app| {
            let ours = |row: &Value| row["class"] == "Customer" && row["related_id"] == 101;
            alfa(app, "communication").into_iter().filter(|(_, row)| ours(row)).collect()
        },
    },
    Case {
        crm: "alfacrm",
        resource: "payments",
        path: "/payments?source=alfacrm",
        empty: "/payments?source=alfacrm&branch_id=alfa-1&student_id=alfa-999999",
        unknown: Some("/payments/alfa-999999"),
        operation: "pay/index",
        lists: |app| app.alfa.count("branch"),
        rows: |app| alfa(app, "pay"),
    },
    Case {
        crm: "alfacrm",
        resource: "groups",
        path: "/groups?archived=all",
        empty: "/groups?q=nobody+named+one+so",
        unknown: Some("/groups/alfa-999999"),
        operation: "group/index",
        lists: |_| 1,
        rows: |app| alfa(app, "group"),
    },
    Case {
        crm: "alfacrm",
        resource: "teachers",
        path: "/teachers?archived=all",
        empty: "/teachers?q=nobody+has+this+name",
        unknown: Some("/teachers/alfa-999999"),
        operation: "teacher/index",
        lists: |_| 1,
        rows: |app| alfa(app, "teacher"),
    },
    Case {
        crm: "alfacrm",
        resource: "members",
        path: "/groups/alfa-12/members",
        empty: "",
        unknown: None,
        operation: "cgi/index",
        lists: |_| 1,
        rows: |app| below(app, "cgi", |row| row["group_id"] == 12 && lasts(row)),
    },
    Case {
        crm: "alfacrm",
        resource: "working_hours",
        path: "/teachers/alfa-4/working-hours",
        empty: "",
        unknown: None,
        operation: "teacher/working-hour",
        lists: |_| 1,
        rows: |app| below(app, "working-hour", |row| row["teacher_id"] == 4),
    },
    Case {
        crm: "alfacrm",
        resource: "rates",
        path: "/teachers/alfa-4/rates",
        empty: "",
        unknown: None,
        operation: "teacher/teacher-rate",
        lists: |_| 1,
        rows: |app| below(app, "teacher-rate", |row| row["teacher_id"] == 4),
    },
    Case {
        crm: "alfacrm",
        resource: "calendars",
        path: "/groups/alfa-12/calendar?from=2025-09-01&to=2027-08-31",
        empty: "",
        unknown: None,
        operation: "calendar/group",
        lists: |_| 1,
        rows: |app| {
            below(app, "lesson", |row| {
                row["group_ids"] == serde_json::json!([12]) && row["date"].as_str().unwrap() >= "2025-09-01"
            })
        },
    },
    Case {
        crm: "alfacrm",
        resource: "reference",
        path: "/reference/branches",
        empty: "",
        unknown: Some("/reference/branches/alfa-999999"),
        operation: "branch/index",
        lists: |_| 1,
        rows: |app| alfa(app, "branch"),
    },
    Case {
        crm: "alfacrm",
        resource: "tariffs",
        path: "/tariffs",
        empty: "/tariffs?q=nothing+has+this+name",
        unknown: Some("/tariffs/alfa-999999"),
        operation: "tariff/index",
        lists: |_| 1,
        rows: |app| alfa(app, "tariff"),
    },
    Case {
        crm: "alfacrm",
        resource: "subscriptions",
        path: "/students/alfa-101/subscriptions",
        empty: "",
        unknown: Some("/students/alfa-101/subscriptions/alfa-999999"),
        operation: "customer-tariff/index",
        lists: |_| 1,
        rows: |app| of_student(app, "customer-tariff"),
    },
    Case {
        crm: "alfacrm",
        resource: "history",
        path: "/history",
        empty: "/history?entity=Nothing",
        unknown: Some("/history/alfa-999999"),
        operation: "log/index",
        lists: |_| 1,
        rows: |app| alfa(app, "log"),
    },
    Case {
        crm: "alfacrm",
        resource: "messages",
        path: "/messages/sms",
        empty: "",
        unknown: Some("/messages/sms/alfa-999999"),
        operation: "sms-message/index",
        lists: |_| 1,
        rows: |app| alfa(app, "sms-message"),
    },
    Case {
        crm: "cryptocrm",
        resource: "projects",
        path: "/projects",
        empty: "/projects?funnel_id=crypto-999999",
        unknown: Some("/projects/crypto-999999"),
        operation: "projects",
        lists: |_| 1,
        rows: |app| {
            let rows = living_projects(app).into_iter();
            rows.map(|row| (format!("crypto-{}", row["id"]), row)).collect()
        },
    },
    Case {
        crm: "cryptocrm",
        resource: "payments",
        path: "/payments?source=cryptocrm",
        empty: "/payments?project_id=crypto-999999",
        unknown: Some("/payments/crypto-999999-1"),
        operation: "projects/payments",
        lists: |app| paying(app).len(),
        rows: |app| {
            let rows = living_projects(app).into_iter().flat_map(|project| {
                let rows = app.crypto.rows(Table::Payments, project["id"].as_u64().unwrap());
                rows.into_iter().map(|row| (format!("crypto-{}-{}", row["project_id"], row["id"]), row))
            });
            rows.collect()
        },
    },
    Case {
        crm: "cryptocrm",
        resource: "steps",
        path: "/projects/crypto-103/steps",
        // What hangs on a project costs a look at the project too.
        empty: "",
        unknown: None,
        operation: "projects/steps",
        lists: |_| 1,
        rows: |app| below_a_project(app, Table::Steps),
    },
    Case {
        crm: "cryptocrm",
        resource: "actions",
        path: "/projects/crypto-103/actions",
        // What hangs on a project costs a look at the project too.
        empty: "",
        unknown: None,
        operation: "projects/actions",
        lists: |_| 1,
        rows: |app| below_a_project(app, Table::Actions),
    },
    Case {
        crm: "cryptocrm",
        resource: "checklists",
        path: "/projects/crypto-103/checklists",
        // What hangs on a project costs a look at the project too.
        empty: "",
        unknown: None,
        operation: "projects/checklists",
        lists: |_| 1,
        rows: |app| below_a_project(app, Table::Checklists),
    },
    Case {
        crm: "cryptocrm",
        resource: "goods",
        path: "/projects/crypto-103/goods",
        // What hangs on a project costs a look at the project too.
        empty: "",
        unknown: None,
        operation: "projects/goods",
        lists: |_| 1,
        rows: |app| below_a_project(app, Table::Goods),
    },
];

/// The rows below the project that the cases look at.
fn below_a_project(app: &TestApp, table: Table) -> Vec<(String, Value)> {
    let rows = app.crypto.rows(table, 103).into_iter();
    rows.map(|row| (format!("crypto-103-{}", row["id"]), row)).collect()
}

fn alfa(app: &TestApp, model: &str) -> Vec<(String, Value)> {
    let rows = app.alfa.rows(model).into_iter();
    rows.map(|row| (format!("alfa-{}", row["id"]), row)).collect()
}

/// The rows of a model that belong to student 101.
fn of_student(app: &TestApp, model: &str) -> Vec<(String, Value)> {
    alfa(app, model).into_iter().filter(|(_, row)| row["customer_id"] == 101).collect()
}

/// Rows of a model that hang on another record.
fn below(app: &TestApp, model: &str, fits: fn(&Value) -> bool) -> Vec<(String, Value)> {
    alfa(app, model).into_iter().filter(|(_, row)| fits(row)).collect()
}

/// Whether a membership, whose days are written `dd.mm.yyyy`, is not over.
fn lasts(row: &Value) -> bool {
    let end: Vec<&str> = row["e_date"].as_str().unwrap().rsplit('.').collect();
    end.join("-").as_str() >= "2026-02-20"
}

fn living_projects(app: &TestApp) -> Vec<Value> {
    app.crypto.projects().into_iter().filter(|row| row["deleted"] != "1").collect()
}

fn paying(app: &TestApp) -> Vec<Value> {
    let pays = |row: &Value| !app.crypto.rows(Table::Payments, row["id"].as_u64().unwrap()).is_empty();
    living_projects(app).into_iter().filter(pays).collect()
}

/// Declared kinds that are no long list of a CRM, and where they are tested instead.
const ELSEWHERE: [(&str, &str, &str); 3] = [
    ("alfacrm", "bonus", "one record, no list: resources/bonus.rs"),
    ("alfacrm", "discounts", "a student has one or none: resources/discounts.rs"),
    ("cryptocrm", "reference", "configured, so no call can fail: resources/reference.rs"),
];

/// The cases that the adapters' declarations enrol.
pub(crate) fn enrolled() -> Vec<Case> {
    let setup = Setup::new().students(1).projects(1);
    let config = setup.config("http://alfa.example", "http://crypto.example");
    let nowhere = || transport::to_answers(|_| unreachable!("a declaration asks nobody"));
    let metrics = Arc::new(Metrics::new());
    let alfa = Alfa::new(&config.alfacrm.unwrap(), nowhere(), Arc::clone(&metrics));
    let crypto = Crypto::new(&config.cryptocrm.unwrap(), nowhere(), metrics);
    let crms: [Arc<dyn Crm>; 2] = [Arc::new(alfa), Arc::new(crypto)];
    let mut enrolled = Vec::new();
    for crm in crms {
        for resource in crm.sources().names() {
            let name = crm.name().name();
            if ELSEWHERE.iter().any(|(crm, kind, _)| *crm == name && kind == resource) {
                continue;
            }
            let cases: Vec<Case> =
                CASES.iter().copied().filter(|case| case.crm == name && case.resource == *resource).collect();
            assert!(!cases.is_empty(), "{name} declares {resource}, and nothing checks it");
            enrolled.extend(cases);
        }
    }
    enrolled
}

/// A school small enough to be walked often.
pub(crate) fn small() -> Setup {
    Setup::new().students(30).projects(40).in_no_hurry()
}

#[tokio::test(start_paused = true)]
async fn every_declared_kind_is_enrolled_and_has_rows() {
    let enrolled = enrolled();
    assert_eq!(enrolled.len(), CASES.len(), "a case whose kind is no longer declared");
    let app = small().start();
    for case in enrolled {
        assert!((case.rows)(&app).len() >= case.least(), "{} {} has no rows", case.crm, case.resource);
    }
}
