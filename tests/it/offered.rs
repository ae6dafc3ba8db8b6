//! `docs/coverage.md`: which operation of ours makes which call of the CRMs. Each line is proved by making the operation
//! and looking into the CRM's ledger; every call that the vendors' documents name and every model must have one. The page
//! is written by this test and compared with the committed one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::coverage::{Operation, operations, send};
use crate::openapi::Document;
use crate::support::Setup;

/// A CRM, one of its calls, the operation that makes it, and the value of the path's last parameter where one
/// operation makes several calls.
type Line = (&'static str, &'static str, &'static str, &'static str);

const LINES: &[Line] = &[
    ("alfacrm", "customer/index", "list_students", ""),
    ("alfacrm", "customer/create", "create_student", ""),
    ("alfacrm", "customer/update", "update_student", ""),
    ("alfacrm", "group/index", "list_groups", ""),
    ("alfacrm", "group/create", "create_group", ""),
    ("alfacrm", "group/update", "update_group", ""),
    ("alfacrm", "group/delete", "delete_group", ""),
    ("alfacrm", "cgi/index", "list_members", ""),
    ("alfacrm", "cgi/create", "create_member", ""),
    ("alfacrm", "cgi/update", "update_member", ""),
    ("alfacrm", "cgi/delete", "delete_member", ""),
    ("alfacrm", "cgi/customer", "list_student_groups", ""),
    ("alfacrm", "teacher/index", "list_teachers", ""),
    ("alfacrm", "teacher/create", "create_teacher", ""),
    ("alfacrm", "teacher/update", "update_teacher", ""),
    ("alfacrm", "teacher/working-hour", "list_working_hours", ""),
    ("alfacrm", "teacher/teacher-rate", "list_rates", ""),
    ("alfacrm", "calendar/customer", "list_student_calendar", ""),
    ("alfacrm", "calendar/group", "list_group_calendar", ""),
    ("alfacrm", "calendar/teacher", "list_teacher_calendar", ""),
    ("alfacrm", "lesson/index", "list_lessons", ""),
    ("alfacrm", "lesson/create", "create_lesson", ""),
    ("alfacrm", "lesson/update", "update_lesson", ""),
    ("alfacrm", "lesson/teach", "conduct_lesson", ""),
    ("alfacrm", "regular-lesson/index", "list_schedules", ""),
    ("alfacrm", "regular-lesson/create", "create_schedule", ""),
    ("alfacrm", "regular-lesson/update", "update_schedule", ""),
    ("alfacrm", "pay/index", "list_payments", ""),
    ("alfacrm", "pay/create", "create_payment", ""),
    ("alfacrm", "pay/update", "update_payment", ""),
    ("alfacrm", "tariff/index", "list_tariffs", ""),
    ("alfacrm", "customer-tariff/index", "list_student_subscriptions", ""),
    ("alfacrm", "customer-tariff/create", "create_student_subscription", ""),
    ("alfacrm", "customer-tariff/update", "update_student_subscription", ""),
    ("alfacrm", "customer-tariff/delete", "delete_student_subscription", ""),
    ("alfacrm", "discount/index", "list_student_discounts", ""),
    ("alfacrm", "bonus/balance-bonus", "get_student_bonus", ""),
    ("alfacrm", "bonus/bonus-add", "create_student_bonus", ""),
    ("alfacrm", "task/index", "list_tasks", ""),
    ("alfacrm", "task/create", "create_task", ""),
    ("alfacrm", "task/update", "update_task", ""),
    ("alfacrm", "communication/index", "list_student_communications", ""),
    ("alfacrm", "communication/create", "create_student_communication", ""),
    ("alfacrm", "log/index", "list_history", ""),
    ("alfacrm", "sms-message/index", "list_messages", "sms"),
    ("alfacrm", "mail-message/index", "list_messages", "mail"),
    ("alfacrm", "phone-call/index", "list_messages", "calls"),
    ("alfacrm", "branch/index", "list_reference", "branches"),
    ("alfacrm", "company/index", "list_reference", "companies"),
    ("alfacrm", "location/index", "list_reference", "locations"),
    ("alfacrm", "room/index", "list_reference", "rooms"),
    ("alfacrm", "subject/index", "list_reference", "subjects"),
    ("alfacrm", "study-status/index", "list_reference", "study-statuses"),
    ("alfacrm", "lead-status/index", "list_reference", "lead-statuses"),
    ("alfacrm", "lead-source/index", "list_reference", "lead-sources"),
    ("alfacrm", "lead-reject/index", "list_reference", "lead-rejects"),
    ("alfacrm", "customer-reject/index", "list_reference", "customer-rejects"),
    ("alfacrm", "pipeline/index", "list_reference", "pipelines"),
    ("alfacrm", "level/index", "list_reference", "levels"),
    ("alfacrm", "streaming/index", "list_reference", "streamings"),
    ("alfacrm", "lesson-type/index", "list_reference", "lesson-types"),
    ("alfacrm", "pay-account/index", "list_reference", "pay-accounts"),
    ("alfacrm", "pay-item/index", "list_reference", "pay-items"),
    ("alfacrm", "pay-item-category/index", "list_reference", "pay-item-categories"),
    ("alfacrm", "pay-type/index", "list_reference", "pay-types"),
    ("alfacrm", "user/index", "list_reference", "users"),
    ("cryptocrm", "projects", "list_projects", ""),
    ("cryptocrm", "projects/filter", "search_projects", ""),
    ("cryptocrm", "projects/info", "get_project", ""),
    ("cryptocrm", "projects/steps", "list_project_steps", ""),
    ("cryptocrm", "projects/actions", "list_project_actions", ""),
    ("cryptocrm", "projects/actions/info", "get_project_action", ""),
    ("cryptocrm", "projects/checklists", "list_project_checklists", ""),
    ("cryptocrm", "projects/goods", "list_project_goods", ""),
    ("cryptocrm", "projects/payments", "list_project_payments", ""),
];

/// Parameters that every list has.
const COMMON: [&str; 6] = ["limit", "cursor", "branch_id", "fields", "include", "expand"];

const HEAD: &str = "\
# What is covered

Which operation of the gateway makes which call of the CRMs, by what it can be narrowed, and which fields it shows or
takes. Every list also has `limit`, `cursor`, `branch_id`, `fields`, `include` and, where there are references, `expand`;
every record also has `id`, `source`, `source_id`, `custom_fields`, `created_at`, `updated_at` and `raw`.

This page is written by `tests/it/offered.rs`, which makes each operation and finds the call in the CRM's ledger. After a
change of the API: `INSTA_UPDATE=always cargo test --test it offered`, then look at the difference.
";

fn at(line: &Line, operations: &[Operation]) -> (String, Operation) {
    let (crm, call, id, value) = line;
    let found = operations.iter().find(|operation| operation.id == *id);
    let mut operation = found.unwrap_or_else(|| panic!("{crm} {call}: there is no operation {id}")).clone();
    let mut template = operation.template.clone();
    if !value.is_empty() {
        let (list, _) = operation.path.rsplit_once('/').unwrap();
        operation.path = format!("{list}/{value}");
        template = operation.path.clone();
    }
    (template, operation)
}

fn page(document: &Document, operations: &[Operation]) -> String {
    let mut page = HEAD.to_owned();
    for crm in ["alfacrm", "cryptocrm"] {
        let title = if crm == "alfacrm" { "AlfaCRM" } else { "Crypto CRM" };
        let _ = write!(page, "\n## {title}\n\n| call | operation | filters | fields |\n|---|---|---|---|\n");
        for line in LINES.iter().filter(|line| line.0 == crm) {
            let (template, operation) = at(line, operations);
            let filters: Vec<&str> =
                operation.filters.iter().map(String::as_str).filter(|name| !COMMON.contains(name)).collect();
            let fields = operation.fields(document).join(" ");
            let _ = writeln!(
                page,
                "| `{}` | `{} {template}` | {} | {fields} |",
                line.1,
                operation.method,
                filters.join(" ")
            );
        }
    }
    page
}

#[test]
fn every_call_of_the_vendors_documents_and_every_model_has_a_line() {
    let named = |crm: &str, call: &str| LINES.iter().any(|line| (line.0, line.1) == (crm, call));
    let calls = include_str!("../fixtures/documents/calls.txt").lines().filter(|line| !line.starts_with('#'));
    let missing: Vec<&str> =
        calls.filter(|line| line.split_once(' ').is_none_or(|(crm, call)| !named(crm, call))).collect();
    assert!(missing.is_empty(), "no line for {missing:?}");
    let models: BTreeSet<&str> =
        LINES.iter().filter(|line| line.0 == "alfacrm").filter_map(|line| line.1.split('/').next()).collect();
    let listed =
        include_str!("../fixtures/documents/models.txt").lines().filter(|line| !line.starts_with('#'));
    let missing: Vec<&str> = listed.filter(|model| !models.contains(model)).collect();
    assert!(missing.is_empty(), "no line for the models {missing:?}");
}

#[tokio::test(start_paused = true)]
async fn every_line_makes_its_call() {
    let app = Setup::new().in_no_hurry().start();
    let operations = operations();
    let mut lines: Vec<&Line> = LINES.iter().collect();
    lines.sort_by_key(|line| line.2.starts_with("delete"));
    for line in lines {
        let (_, operation) = at(line, &operations);
        let ledger = if line.0 == "alfacrm" { app.alfa.ledger() } else { app.crypto.ledger() };
        let made = || ledger.entries().iter().filter(|entry| entry.operation == line.1).count();
        let before = made();
        let mut fresh = operation.clone();
        fresh.headers.push(("cache-control".to_owned(), "no-cache".to_owned()));
        let answer = send(&app.owner(), &fresh, "").await;
        assert!((200..300).contains(&answer.status), "{} {}: {}", line.1, operation.path, answer.text);
        assert!(made() > before, "{} {} does not call {}", operation.method, operation.path, line.1);
    }
}

#[test]
fn the_committed_page_is_the_one_that_these_lines_make() {
    let page = page(&Document::current(), &operations());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/coverage.md");
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that snapshots are accepted with, for this page too"
    )]
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/coverage.md differs: INSTA_UPDATE=always cargo test --test it offered, then look at the difference"
    );
}
