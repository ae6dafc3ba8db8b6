//! Reference books: the CRM has no call for them (section 6.7 of the reference), so they are the dictionaries of the
//! configuration.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::error::CRM;
use crate::crm::{Asked, Branches, Chunk, Error, Find, Lane, Position, Question, Source, Via};
use crate::model::reference::{Book, ReferenceEntry, ReferenceFilter};
use crate::model::{Raw, Record, RecordId, Source as CrmName};

/// Dictionaries of one tenant.
pub(super) struct Reference(Arc<Client>);

impl Reference {
    pub(super) fn new(client: &Arc<Client>) -> Self {
        Self(Arc::clone(client))
    }

    fn book(&self, filter: &ReferenceFilter) -> Option<(Book, Vec<(u64, String)>)> {
        let book = filter.book?;
        let config = &self.0.config;
        let currencies = || config.currencies.iter().map(|(id, code)| (*id, code.clone())).collect();
        match config.dictionary.get(book.name()) {
            Some(names) => Some((book, names.iter().map(|(id, name)| (*id, name.clone())).collect())),
            None if book == Book::Currencies => Some((book, currencies())),
            None => None,
        }
    }
}

impl Source<ReferenceEntry> for Reference {
    fn crm(&self) -> CrmName {
        CRM
    }

    fn has(&self, filter: &ReferenceFilter) -> bool {
        self.book(filter).is_some()
    }

    fn lanes(&self, filter: &ReferenceFilter, _: &Branches) -> Result<Vec<Lane>, Error> {
        Ok(self
            .book(filter)
            .map(|(book, _)| Lane::pages(format!("crypto {}", book.name())))
            .into_iter()
            .collect())
    }

    fn question(&self, filter: &ReferenceFilter, _: &Lane, at: Position) -> Question {
        let name = filter.book.map_or("", Book::name);
        Question { key: format!("cryptocrm dictionary {name}"), ..self.0.get("dictionary", name, at, true) }
    }

    fn by_id(&self, id: &RecordId, _: &ReferenceFilter, _: &Branches) -> Find {
        if id.source() == CRM { Find::Walk } else { Find::Ask(Vec::new()) }
    }

    fn answers_by_itself(&self) -> bool {
        true
    }

    /// Nobody is called: what is configured is known.
    fn answer<'a>(
        &'a self,
        _: Via<'a>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Asked<ReferenceEntry>, Error>> {
        async move {
            let name = question.key.rsplit(' ').next().unwrap_or_default();
            let filter = ReferenceFilter { book: Book::named(name) };
            let entries = self.book(&filter).map(|(_, entries)| entries).unwrap_or_default();
            let records: Vec<_> = entries.into_iter().map(|(id, name)| Arc::new(entry(id, name))).collect();
            let rows = records.len() as u64;
            let chunk = Chunk { records, rows, total: Some(rows), ..Chunk::default() };
            Ok(Asked::known(chunk))
        }
        .boxed()
    }
}

fn entry(number: u64, name: String) -> Record<ReferenceEntry> {
    Record {
        id: RecordId::new(CRM, number),
        source: CRM,
        source_id: number.to_string(),
        raw: Raw::of(&json!({"id": number, "name": name})),
        data: ReferenceEntry { name: Some(name), active: None, weight: None, branch_ids: Vec::new() },
        custom_fields: Map::<String, Value>::new(),
        created_at: None,
        updated_at: None,
    }
}
