//! The records, in canonical form. Rows of generated projects are made on demand and stay what they were; as soon as
//! one of them is changed, the rows of that kind and project are kept as they are from then on.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::generator::Generator;
use super::profile::Profile;
use super::shape::uint_of;
use super::table::Table;

/// One record under canonical field names.
pub(super) type Record = Map<String, Value>;

/// Ids given to inserted records start here, far above those of the data sets.
const FIRST_NEW_ID: u64 = 900_000_001;

/// Why a record cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It is not a JSON object.
    #[error("a record of {0} must be a JSON object")]
    NotAnObject(&'static str),
    /// It has an `id` that is no unsigned integer.
    #[error("the id of a record of {0} must be an unsigned integer")]
    Id(&'static str),
    /// It belongs to no project that exists.
    #[error("a record of {0} needs the project_id of an existing project")]
    Orphan(&'static str),
}

/// All records.
#[derive(Debug)]
pub(super) struct Store {
    projects: BTreeMap<u64, Record>,
    profiles: HashMap<u64, Profile>,
    rows: HashMap<(Table, u64), Vec<Record>>,
    /// Whose the kept rows are, by kind and id.
    owners: HashMap<(Table, u64), u64>,
    generator: Option<Generator>,
    /// Projects whose rows come from the generator unless they are kept.
    generated: HashSet<u64>,
    next_id: u64,
}

impl Store {
    /// A store without records.
    pub(super) fn empty() -> Self {
        Self {
            projects: BTreeMap::new(),
            profiles: HashMap::new(),
            rows: HashMap::new(),
            owners: HashMap::new(),
            generator: None,
            generated: HashSet::new(),
            next_id: FIRST_NEW_ID,
        }
    }

    /// A store filled by a generator.
    pub(super) fn generated(generator: Generator) -> Self {
        let mut store = Self::empty();
        for id in generator.project_ids() {
            let (project, profile) = generator.project(id);
            store.projects.insert(id, project);
            store.profiles.insert(id, profile);
            store.generated.insert(id);
        }
        store.generator = Some(generator);
        store
    }

    /// All projects by id, each with its profile.
    pub(super) fn projects(&self) -> impl Iterator<Item = (u64, &Record, &Profile)> {
        self.projects.iter().filter_map(|(id, project)| Some((*id, project, self.profiles.get(id)?)))
    }

    /// One project.
    pub(super) fn project(&self, id: u64) -> Option<&Record> {
        self.projects.get(&id)
    }

    /// The rows of one kind of a project, by id; none for an unknown project.
    pub(super) fn rows(&self, table: Table, project: u64) -> Cow<'_, [Record]> {
        if let Some(rows) = self.rows.get(&(table, project)) {
            return Cow::Borrowed(rows);
        }
        match &self.generator {
            Some(generator) if self.generated.contains(&project) => {
                Cow::Owned(generator.rows(table, project))
            }
            _ => Cow::Borrowed(&[]),
        }
    }

    /// One record of any kind.
    pub(super) fn get(&self, table: Table, id: u64) -> Option<Record> {
        if table == Table::Projects {
            return self.projects.get(&id).cloned();
        }
        let rows = self.rows(table, self.owner(table, id)?);
        rows.iter().find(|row| id_of(row) == Some(id)).cloned()
    }

    /// How many records of a kind there are, with those of deleted projects.
    pub(super) fn count(&self, table: Table) -> usize {
        if table == Table::Projects {
            return self.projects.len();
        }
        self.profiles.values().map(|profile| profile.count(table)).sum()
    }

    /// Adds a record, or replaces the one with its id. Without an id it gets a new one.
    pub(super) fn insert(&mut self, table: Table, record: Value) -> Result<u64, BadRecord> {
        let Value::Object(mut record) = record else {
            return Err(BadRecord::NotAnObject(table.name()));
        };
        let id = match record.get("id") {
            Some(id) => uint_of(id).ok_or(BadRecord::Id(table.name()))?,
            None => {
                let id = self.next_id;
                record.shift_insert(0, "id".to_owned(), id.into());
                id
            }
        };
        self.next_id = self.next_id.max(id.saturating_add(1));
        if table == Table::Projects {
            self.projects.insert(id, record);
            self.profiles.entry(id).or_default();
            return Ok(id);
        }
        let project = record
            .get("project_id")
            .and_then(uint_of)
            .filter(|project| self.projects.contains_key(project))
            .ok_or(BadRecord::Orphan(table.name()))?;
        self.delete(table, id);
        self.change(table, project, |rows| rows.push(record));
        Ok(id)
    }

    /// Overwrites fields of a record; `data` field by field. `id` and `project_id` stay. False when there is none.
    pub(super) fn update(&mut self, table: Table, id: u64, changes: &Record) -> bool {
        if table == Table::Projects {
            let Some(project) = self.projects.get_mut(&id) else {
                return false;
            };
            overwrite(project, changes);
            return true;
        }
        let Some(owner) = self.owner(table, id) else {
            return false;
        };
        let mut found = false;
        self.change(table, owner, |rows| {
            if let Some(row) = rows.iter_mut().find(|row| id_of(row) == Some(id)) {
                overwrite(row, changes);
                found = true;
            }
        });
        found
    }

    /// Removes a record for good, a project with all that belongs to it. False when there is none.
    pub(super) fn delete(&mut self, table: Table, id: u64) -> bool {
        if table == Table::Projects {
            self.profiles.remove(&id);
            self.generated.remove(&id);
            self.rows.retain(|(_, project), _| *project != id);
            self.owners.retain(|_, project| *project != id);
            return self.projects.remove(&id).is_some();
        }
        let Some(owner) = self.owner(table, id) else {
            return false;
        };
        let mut found = false;
        self.change(table, owner, |rows| {
            let before = rows.len();
            rows.retain(|row| id_of(row) != Some(id));
            found = rows.len() < before;
        });
        self.owners.remove(&(table, id));
        found
    }

    /// The project a row belongs to.
    fn owner(&self, table: Table, id: u64) -> Option<u64> {
        if let Some(project) = self.owners.get(&(table, id)) {
            return Some(*project);
        }
        // A generated row tells its project by its id, as long as the rows there are not kept.
        let project = Generator::project_of(table, id)?;
        let derived = self.generated.contains(&project) && !self.rows.contains_key(&(table, project));
        derived.then_some(project)
    }

    /// Changes the rows of one kind of a project, which are kept from then on, and takes note for the filter.
    fn change(&mut self, table: Table, project: u64, how: impl FnOnce(&mut Vec<Record>)) {
        let mut rows = match self.rows.remove(&(table, project)) {
            Some(rows) => rows,
            None => self.rows(table, project).into_owned(),
        };
        how(&mut rows);
        rows.sort_by_key(id_of);
        for id in rows.iter().filter_map(id_of) {
            self.owners.insert((table, id), project);
        }
        self.profiles.entry(project).or_default().read(table, &rows);
        self.rows.insert((table, project), rows);
    }
}

fn id_of(record: &Record) -> Option<u64> {
    uint_of(record.get("id")?)
}

fn overwrite(record: &mut Record, changes: &Record) {
    for (name, value) in changes {
        if name == "id" || name == "project_id" {
            continue;
        }
        match (record.get_mut(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if name == "data" => {
                old.extend(new.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => {
                record.insert(name.clone(), value.clone());
            }
        }
    }
}
