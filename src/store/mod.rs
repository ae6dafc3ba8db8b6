//! What must outlive the process: tables of bytes in one file, which each owner names and fills as it likes. It promises
//! that what [`Store::commit`] said was kept is there after a crash and a power cut, all of one call or nothing of it,
//! and that a file which cannot be used is refused in words that say what to do.
//!
//! There is one writer at a time. Whatever is handed in while it works goes into its next transaction together, so many
//! callers share one wait for the disk.

mod frail;
mod open;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use tokio::sync::oneshot;

pub use frail::Frail;
pub use open::OpenError;

/// The tables, by their owners' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table(pub &'static str);

impl Table {
    fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.0)
    }
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    table: Table,
    key: Vec<u8>,
    value: Option<Bytes>,
}

impl Change {
    /// From now on `key` has this value.
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) -> Self {
        Self { table, key: key.into(), value: Some(value.into()) }
    }

    /// From now on `key` has none.
    pub fn remove(table: Table, key: impl Into<Vec<u8>>) -> Self {
        Self { table, key: key.into(), value: None }
    }
}

/// Why the store cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store {place} failed: {cause}")]
pub struct Error {
    place: Arc<str>,
    cause: Arc<str>,
}

/// The store. Cheap to clone; the file is let go with the last clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// None while it could not be opened again after a failure.
    db: RwLock<Option<Database>>,
    place: Place,
    name: Arc<str>,
    /// Whether it failed, so that it must be opened again before it can be written to.
    failed: AtomicBool,
    queue: Mutex<Queue>,
}

/// A table as it was when reading began.
type Reading = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Where the bytes are.
#[derive(Debug)]
enum Place {
    /// In a file of a directory.
    File(PathBuf, PathBuf),
    /// In memory, where nothing is waited for.
    Memory,
    /// In memory that may be full.
    Frail(Frail),
}

#[derive(Debug, Default)]
struct Queue {
    orders: Vec<Order>,
    /// Whether somebody takes orders out of here.
    writing: bool,
}

#[derive(Debug)]
struct Order {
    changes: Vec<Change>,
    kept: oneshot::Sender<Result<(), Error>>,
}

impl Store {
    /// The store in a directory, which is made when missing.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let file = Self::file_in(directory);
        let db = open::in_file(directory, &file)?;
        let name = file.display().to_string();
        Ok(Self::over(db, Place::File(directory.to_owned(), file), &name))
    }

    /// A store that ends with the process.
    pub fn in_memory() -> Self {
        let db = open::in_memory().expect("memory takes whatever is written");
        Self::over(db, Place::Memory, "in memory")
    }

    /// A store on a disk that can be full.
    pub fn on_frail(disk: Frail) -> Result<Self, OpenError> {
        let db = open::on_frail(&disk)?;
        Ok(Self::over(db, Place::Frail(disk), "in memory"))
    }

    /// The file of the store in a directory.
    pub fn file_in(directory: &Path) -> PathBuf {
        directory.join("gateway.redb")
    }

    fn over(db: Database, place: Place, name: &str) -> Self {
        let (db, failed) = (RwLock::new(Some(db)), AtomicBool::new(false));
        Self(Arc::new(Inner { db, place, name: name.into(), failed, queue: Mutex::default() }))
    }

    /// Makes all these changes or none; when it has returned without an error, they are on the disk. They are made also
    /// when the caller leaves. Must be called within a runtime.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let (kept, outcome) = oneshot::channel();
        let begins = {
            let mut queue = self.0.queue();
            queue.orders.push(Order { changes, kept });
            !std::mem::replace(&mut queue.writing, true)
        };
        match (&self.0.place, begins) {
            (_, false) => {}
            (Place::File(..), true) => {
                let inner = Arc::clone(&self.0);
                tokio::task::spawn_blocking(move || inner.write());
            }
            // Memory keeps nobody waiting.
            (Place::Memory | Place::Frail(_), true) => self.0.write(),
        }
        outcome.await.unwrap_or_else(|_| Err(self.0.failed("the writer crashed")))
    }

    /// As [`Store::commit`], while nobody is served yet: it waits for the disk where it is called.
    pub fn commit_at_once(&self, changes: &[Change]) -> Result<(), Error> {
        self.0.transaction(changes.iter())
    }

    /// The value of a key. It may wait for the disk.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        let value = table.get(key).map_err(|error| self.0.failed(redb::Error::from(error)))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    /// Things in it are of a form that their owner does not know: those of another version.
    pub fn unreadable(&self, many: usize, what: &str) -> Error {
        self.0.failed(format!(
            "{many} {what} in it cannot be read; start the version that wrote them, or move the store away, which forgets them"
        ))
    }

    /// Shows every key with its value, in the order of the keys. It waits for the disk.
    pub fn scan(&self, table: Table, mut see: impl FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let failed = |cause: redb::Error| self.0.failed(cause);
        let Some(table) = self.table(table)? else { return Ok(()) };
        for entry in table.iter().map_err(|error| failed(error.into()))? {
            let (key, value) = entry.map_err(|error| failed(error.into()))?;
            see(key.value(), value.value());
        }
        Ok(())
    }

    /// Shows keys with their values from the last to the first, beginning before `before`, as long as `see` says to go on.
    /// It waits for the disk.
    pub fn scan_back(
        &self,
        table: Table,
        before: Option<&[u8]>,
        mut see: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Error> {
        let failed = |cause: redb::Error| self.0.failed(cause);
        let Some(table) = self.table(table)? else { return Ok(()) };
        let range = match before {
            Some(before) => table.range::<&[u8]>(..before),
            None => table.range::<&[u8]>(..),
        };
        for entry in range.map_err(|error| failed(error.into()))?.rev() {
            let (key, value) = entry.map_err(|error| failed(error.into()))?;
            if !see(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    /// A table as it is now; nothing if nobody has written to it.
    fn table(&self, table: Table) -> Result<Option<Reading>, Error> {
        let db = self.0.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| self.0.failed("it could not be opened again"))?;
        let reading = db.begin_read().map_err(|error| self.0.failed(redb::Error::from(error)))?;
        match reading.open_table(table.definition()) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(self.0.failed(redb::Error::from(error))),
        }
    }
}

impl Inner {
    /// Carries out orders until there are none.
    fn write(&self) {
        let _leaving = Leaving(self);
        loop {
            let orders = {
                let mut queue = self.queue();
                if queue.orders.is_empty() {
                    // In the same breath, so that whoever comes next begins anew.
                    queue.writing = false;
                    return;
                }
                std::mem::take(&mut queue.orders)
            };
            let changes = orders.iter().flat_map(|order| &order.changes);
            let outcome = self.transaction(changes);
            for order in orders {
                // Who left does not want to know.
                let _ = order.kept.send(outcome.clone());
            }
        }
    }

    /// After a failure the database takes nothing any more until it is opened again: with the next changes that is tried.
    fn transaction<'a>(&self, changes: impl Iterator<Item = &'a Change>) -> Result<(), Error> {
        if self.failed.load(Ordering::SeqCst) {
            let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
            // Its lock on the file goes first.
            *db = None;
            *db = match &self.place {
                Place::File(directory, file) => Some(open::in_file(directory, file)),
                Place::Frail(disk) => Some(open::on_frail(disk)),
                Place::Memory => None,
            }
            .transpose()
            .map_err(|error| self.failed(error))?;
            self.failed.store(false, Ordering::SeqCst);
        }
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| self.failed("it could not be opened again"))?;
        Self::write_into(db, changes).map_err(|cause| {
            self.failed.store(!matches!(self.place, Place::Memory), Ordering::SeqCst);
            self.failed(cause)
        })
    }

    fn write_into<'a>(db: &Database, changes: impl Iterator<Item = &'a Change>) -> Result<(), redb::Error> {
        let writing = db.begin_write()?;
        for change in changes {
            let mut table = writing.open_table(change.table.definition())?;
            match &change.value {
                Some(value) => table.insert(&*change.key, &**value)?,
                None => table.remove(&*change.key)?,
            };
        }
        writing.commit()?;
        Ok(())
    }

    fn failed(&self, cause: impl ToString) -> Error {
        Error { place: Arc::clone(&self.name), cause: cause.to_string().into() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the next one write, also when the library panics: who waits is told, and nobody waits for ever.
struct Leaving<'a>(&'a Inner);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.queue() = Queue::default();
        }
    }
}

#[cfg(test)]
mod tests;
