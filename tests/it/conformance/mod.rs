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
        resource: "reference",
        path: "/reference/branches",
        empty: "",
        unknown: None,
        operation: "branch/index",
        lists: |_| 1,
        rows: |app| alfa(app, "branch"),
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

fn living_projects(app: &TestApp) -> Vec<Value> {
    app.crypto.projects().into_iter().filter(|row| row["deleted"] != "1").collect()
}

fn paying(app: &TestApp) -> Vec<Value> {
    let pays = |row: &Value| !app.crypto.rows(Table::Payments, row["id"].as_u64().unwrap()).is_empty();
    living_projects(app).into_iter().filter(pays).collect()
}

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
        assert!((case.rows)(&app).len() >= 2, "{} {} has no rows", case.crm, case.resource);
    }
}
