//! Checklists of projects (sections 5.7 and 6.4 of the reference), with their items inside or one row per item.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::client::{Client, Read};
use super::error::CRM;
use super::mapping::{Fields, Laid, Mapping};
use super::part::{Part, asked_project};
use crate::crm::wire::{Row, number};
use crate::crm::{Asked, Branches, Error, Extent, Find, Lane, Position, Question, Source, Via};
use crate::model::checklist::{Checklist, ChecklistFilter, ChecklistItem, is_overdue};
use crate::model::{Record, RecordId, Source as CrmName};

pub(super) const FIELDS: Fields = &[
    ("id", &["id"]),
    ("project_id", &["project_id"]),
    ("name", &["name", "title"]),
    ("items", &["items", "points", "tasks"]),
];

pub(super) const ITEM: Fields = &[
    ("id", &["id"]),
    ("name", &["name", "title", "text"]),
    ("done", &["done", "completed", "checked"]),
    ("deadline", &["deadline", "date_end", "date"]),
    ("done_date", &["done_date", "date_done"]),
    ("user_id", &["user_id"]),
    // Only in rows that are an item each.
    ("checklist_id", &["checklist_id"]),
    ("checklist_name", &["checklist_name"]),
    ("project_id", &["project_id"]),
];

/// Checklists of one tenant's projects.
pub(super) struct Checklists {
    client: Arc<Client>,
    mapping: Mapping,
    item: Mapping,
}

impl Checklists {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let mapping = Mapping::new(FIELDS, client.config.fields.get("checklist"), None);
        let item = Mapping::new(ITEM, client.config.fields.get("item"), None);
        Self { client, mapping, item }
    }

    /// The checklists of an answer. Where its rows are items, those of one checklist are put together; a row that does
    /// not tell its checklist is then none.
    fn lay_out(&self, rows: Vec<Value>) -> Vec<(Value, Option<Laid>)> {
        let of = |row: &Value| Some(self.item.lay_out(row.as_object()?).fields);
        let items: Vec<_> = rows.iter().map(of).collect();
        let is_item = |item: &Map<String, Value>| item.contains_key("checklist_id");
        if !items.iter().flatten().any(is_item) {
            return self.mapping.lay_out_all(rows);
        }
        let mut lists: Lists = Vec::new();
        let mut unread = Vec::new();
        for (row, item) in rows.into_iter().zip(items) {
            let id = item.as_ref().and_then(|item| number(item.get("checklist_id")?).ok().flatten());
            match (id, item) {
                (Some(id), Some(item)) => match lists.iter_mut().find(|(known, ..)| *known == id) {
                    Some((_, _, rows)) => rows.push(row),
                    None => lists.push((id, item, vec![row])),
                },
                _ => unread.push((row, None)),
            }
        }
        lists.into_iter().map(|(id, first, rows)| put_together(id, &first, rows)).chain(unread).collect()
    }

    fn checklist(&self, row: &Row<'_>, project: Option<u64>, today: Date) -> Option<Read<Checklist>> {
        let project = row.number("project_id").or(project)?;
        let items = row.rows("items").into_iter().map(|item| self.item(row, item, today)).collect();
        let data = Checklist { project_id: RecordId::new(CRM, project), name: row.text("name"), items };
        Some(Read { id: RecordId::under(CRM, project, row.number("id")?), data })
    }

    fn item(&self, list: &Row<'_>, item: &Map<String, Value>, today: Date) -> ChecklistItem {
        let laid = self.item.lay_out(item);
        let row = Row::new(&laid.fields, &self.client.dialect);
        let (done, due_on) = (row.flag("done"), row.day("deadline"));
        let item = ChecklistItem {
            name: row.text("name"),
            done,
            due_on,
            overdue: is_overdue(done, due_on, today),
            done_on: row.day("done_date"),
            user_id: row.id("user_id"),
        };
        if !row.drift().is_empty() {
            list.note("items");
        }
        item
    }
}

/// Checklists by their ids, in the order they come, each with its first row as it was read and all its rows.
type Lists = Vec<(u64, Map<String, Value>, Vec<Value>)>;

/// One checklist out of the rows of its items.
fn put_together(id: u64, first: &Map<String, Value>, rows: Vec<Value>) -> (Value, Option<Laid>) {
    let mut fields = Map::new();
    fields.insert("id".to_owned(), id.into());
    for (name, of) in [("project_id", "project_id"), ("name", "checklist_name")] {
        if let Some(value) = first.get(of) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let raw = json!({"items": rows});
    fields.insert("items".to_owned(), rows.into());
    (raw, Some(Laid { fields, dynamic: Map::new() }))
}

impl Source<Checklist> for Checklists {
    fn crm(&self) -> CrmName {
        CRM
    }

    fn lanes(&self, filter: &ChecklistFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        Ok(Part::CHECKLISTS.lanes(filter.project.as_ref()))
    }

    fn question(&self, _: &ChecklistFilter, lane: &Lane, at: Position) -> Question {
        self.client.part(Part::CHECKLISTS, lane, at, &[], true)
    }

    fn by_id(&self, _: &RecordId, _: &ChecklistFilter, _: &Branches) -> Find {
        Find::Walk
    }

    fn finds<'a>(&'a self, question: &'a Question) -> Box<dyn Fn(&Record<Checklist>) -> bool + 'a> {
        let project = asked_project(question);
        Box::new(move |record| project.is_none() || record.id.parent() == project)
    }

    fn extent(&self, question: &Question, records: u64) -> Extent {
        self.client.extent(question, records)
    }

    fn answer<'a>(
        &'a self,
        via: Via<'a>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<Checklist>, Error>> {
        async move {
            let project = asked_project(question);
            // What is overdue changes with the day, though the answer does not.
            let today = self.client.today();
            let translate = |row: &Row<'_>, _: &Laid| self.checklist(row, project, today);
            self.client.page_of(via, question, |rows| self.lay_out(rows), translate, today).await
        }
        .boxed()
    }
}
