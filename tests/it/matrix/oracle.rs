//! Who may see which field of which row, told from the CRMs' own rows. It knows nothing of the gateway's records, filters
//! or rules: what it says was written down from the documentation, once more.

use std::collections::HashMap;

use crm_gateway::sandbox::{alfa, crypto};
use serde_json::{Value, json};

use crate::support::app::NOW;

/// Somebody's rights, in the CRMs' own ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Who {
    pub(super) branches: Option<Vec<u64>>,
    pub(super) students: Option<Vec<u64>>,
    pub(super) masks: &'static [&'static str],
}

/// Where a text was planted: table, row, field.
pub(super) type Place = (String, u64, String);

/// All rows as they were when the texts were planted.
pub(super) struct Oracle {
    rows: HashMap<(String, u64), Value>,
}

/// The tables of AlfaCRM with fields for free text.
const TABLES: &[(&str, &[&str])] = &[
    ("customer", &["name", "legal_name", "note", "custom_klass", "custom_dogovor"]),
    ("group", &["name", "note", "custom_chat"]),
    ("teacher", &["name", "note"]),
    ("lesson", &["note", "topic", "homework"]),
    ("pay", &["payer_name", "note", "custom_md_order"]),
    ("customer-tariff", &["note"]),
    ("discount", &["note"]),
    ("task", &["title", "text"]),
    ("communication", &["comment"]),
    ("sms-message", &["message"]),
    ("mail-message", &["subject", "message"]),
    ("phone-call", &[]),
    ("tariff", &["name"]),
    ("user", &["name"]),
    ("branch", &["name"]),
    ("log", &[]),
    ("cgi", &[]),
    ("regular-lesson", &[]),
];
const LISTS: [&str; 3] = ["email", "web", "addr"];
const BELOW: [(&str, crypto::Table); 4] = [
    ("project-action", crypto::Table::Actions),
    ("project-checklist", crypto::Table::Checklists),
    ("project-good", crypto::Table::Goods),
    ("project-payment", crypto::Table::Payments),
];

/// The text that is planted, long enough to be nobody else's.
fn text(table: &str, id: u64, field: &str) -> String {
    format!("zq.{table}.{id}.{field}.qz")
}

/// A telephone number that tells whose it is.
fn phone(kind: u64, id: u64) -> String {
    format!("+7977{kind}{id:06}")
}

/// All places whose texts stand in an answer.
pub(super) fn places(answer: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for rest in answer.split("zq.").skip(1) {
        let Some((inside, _)) = rest.split_once(".qz") else { continue };
        let parts: Vec<&str> = inside.split('.').collect();
        if let [table, id, field] = parts[..]
            && let Ok(id) = id.parse()
        {
            places.push((table.to_owned(), id, field.to_owned()));
        }
    }
    for rest in answer.split("+7977").skip(1) {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if let (Some(kind), Some(Ok(id))) = (digits.get(..1), digits.get(1..7).map(str::parse)) {
            let table = if kind == "1" { "customer" } else { "teacher" };
            places.push((table.to_owned(), id, "phone".to_owned()));
        }
    }
    places
}

impl Oracle {
    /// Plants a text into each field of each row, and remembers the rows.
    pub(super) fn plant(alfa: &alfa::Crm, crypto: &crypto::Crm) -> Self {
        let mut rows = HashMap::new();
        for (table, fields) in TABLES {
            for row in alfa.rows(table) {
                let id = row["id"].as_u64().unwrap();
                let mut patch = json!({});
                for field in *fields {
                    patch[*field] = text(table, id, field).into();
                }
                match *table {
                    "customer" | "teacher" => {
                        for field in LISTS {
                            patch[field] = json!([text(table, id, field)]);
                        }
                        patch["phone"] = json!([phone(if *table == "customer" { 1 } else { 2 }, id)]);
                    }
                    "lesson" => {
                        let mut details = row["details"].clone();
                        for entry in details.as_array_mut().into_iter().flatten() {
                            let student = entry["customer_id"].as_u64().unwrap();
                            entry["note"] = text("attendance", id, &student.to_string()).into();
                        }
                        patch["details"] = details;
                    }
                    "log" => patch["fields_new"] = json!({"said": text(table, id, "fields_new")}),
                    _ => {}
                }
                assert!(alfa.update_row(table, id, &patch));
                rows.insert(((*table).to_owned(), id), alfa.row(table, id).unwrap());
            }
        }
        for project in crypto.project_ids() {
            crypto.update(
                crypto::Table::Projects,
                project,
                &json!({"name": text("project", project, "name")}),
            );
            rows.insert(
                ("project".to_owned(), project),
                crypto.get(crypto::Table::Projects, project).unwrap(),
            );
            for (name, table) in BELOW {
                for row in crypto.rows(table, project) {
                    let Some(id) = row["id"].as_u64() else { continue };
                    let words = |value: &Value| {
                        value.as_str().is_some_and(|text| text.chars().any(char::is_alphabetic))
                    };
                    let fields = row.as_object().unwrap().iter().filter(|(_, value)| words(value));
                    for (field, _) in fields {
                        crypto.update(table, id, &json!({ field.as_str(): text(name, id, field) }));
                    }
                    let mut kept = row.clone();
                    kept["project_id"] = project.into();
                    rows.insert((name.to_owned(), id), kept);
                }
            }
        }
        Self { rows }
    }

    pub(super) fn ids(&self, table: &str) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.rows.keys().filter(|(name, _)| name == table).map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn row(&self, table: &str, id: u64) -> &Value {
        self.rows.get(&(table.to_owned(), id)).unwrap_or(&Value::Null)
    }

    /// Whether somebody may read what was planted there.
    pub(super) fn allows(&self, who: &Who, (table, id, field): &Place) -> bool {
        self.in_branch(who, table, *id)
            && self.is_own(who, table, *id, field)
            && !is_masked(who, table, field)
    }

    fn in_branch(&self, who: &Who, table: &str, id: u64) -> bool {
        let Some(branches) = &who.branches else { return true };
        let row = self.row(table, id);
        let of = |table: &str, id: &Value| id.as_u64().is_some_and(|id| self.in_branch(who, table, id));
        match table {
            "customer" | "group" | "teacher" | "task" => {
                numbers(&row["branch_ids"]).iter().any(|id| branches.contains(id))
            }
            "attendance" => self.in_branch(who, "lesson", id),
            "lesson" | "pay" | "regular-lesson" => {
                row["branch_id"].as_u64().is_some_and(|id| branches.contains(&id))
            }
            "customer-tariff" | "discount" => of("customer", &row["customer_id"]),
            "communication" => of(about(row), &row["related_id"]),
            "tariff" => {
                let own = numbers(&row["branch_ids"]);
                own.is_empty() || own.iter().any(|id| branches.contains(id))
            }
            "branch" => branches.contains(&id),
            "user" => true,
            "log" | "sms-message" | "mail-message" | "phone-call" => false,
            // The Crypto CRM knows no branches.
            _ => true,
        }
    }

    /// The groups that these students are in now.
    pub(super) fn groups(&self, students: &[u64]) -> Vec<u64> {
        let members = self.rows.iter().filter(|((table, _), _)| table == "cgi").map(|(_, row)| row);
        let own = members.filter(|row| {
            is_current(row) && row["customer_id"].as_u64().is_some_and(|id| students.contains(&id))
        });
        own.filter_map(|row| row["group_id"].as_u64()).collect()
    }

    fn is_own(&self, who: &Who, table: &str, id: u64, field: &str) -> bool {
        let Some(students) = &who.students else { return true };
        let row = self.row(table, id);
        let is = |value: &Value| value.as_u64().is_some_and(|id| students.contains(&id));
        match table {
            "customer" => students.contains(&id),
            "group" => field == "name" && self.groups(students).contains(&id),
            "teacher" => field == "name",
            "lesson" => field != "note" && self.is_own_lesson(students, row),
            "attendance" => field.parse().is_ok_and(|student| students.contains(&student)),
            "pay" | "customer-tariff" | "discount" => is(&row["customer_id"]),
            "communication" => about(row) == "customer" && is(&row["related_id"]),
            "tariff" | "branch" => true,
            "log" => row["entity"] == "Customer" && is(&row["entity_id"]),
            "project" => self.project_student(id).is_some_and(|id| students.contains(&id)),
            table if table.starts_with("project-") => {
                row["project_id"].as_u64().is_some_and(|project| self.is_own(who, "project", project, "name"))
            }
            // Tasks, users, messages and whatever is not named here.
            _ => false,
        }
    }

    fn is_own_lesson(&self, students: &[u64], row: &Value) -> bool {
        let attending =
            row["details"].as_array().into_iter().flatten().filter_map(|entry| entry["customer_id"].as_u64());
        let named: Vec<u64> = numbers(&row["customer_ids"]).into_iter().chain(attending).collect();
        if named.is_empty() {
            let groups = self.groups(students);
            return numbers(&row["group_ids"]).iter().any(|id| groups.contains(id));
        }
        named.iter().any(|id| students.contains(id))
    }

    pub(super) fn project_student(&self, project: u64) -> Option<u64> {
        let row = self.row("project", project);
        let linked = [&row["alfa_customer_id"], &row["data"]["alfa_customer_id"]];
        linked.into_iter().find_map(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
    }
}

/// Whether a membership has not ended: the CRM writes days as `31.05.2026`.
pub(crate) fn is_current(row: &Value) -> bool {
    let text = row["e_date"].as_str().unwrap_or_default();
    let parts: Vec<&str> = text.split('.').collect();
    match parts[..] {
        [day, month, year] => format!("{year}-{month}-{day}") >= NOW.date().to_string(),
        _ => true,
    }
}

/// The table of what a communication is about.
fn about(row: &Value) -> &'static str {
    match row["class"].as_str() {
        Some("Customer") => "customer",
        Some("Group") => "group",
        _ => "task",
    }
}

fn is_masked(who: &Who, table: &str, field: &str) -> bool {
    let hides = |mask: &str| match (mask, table) {
        // Anything may stand in these.
        (_, "log" | "sms-message" | "mail-message") => true,
        ("contacts", "customer" | "teacher") => {
            ["phone", "email", "web", "addr"].contains(&field) || field.starts_with("custom_")
        }
        ("contacts", "group" | "pay") => field.starts_with("custom_"),
        ("notes", "attendance" | "communication") => true,
        ("notes", "task") => field == "text",
        ("notes", _) => field == "note" || field.starts_with("custom_"),
        ("balances", "attendance") => true,
        _ => false,
    };
    who.masks.iter().any(|mask| hides(mask))
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}
