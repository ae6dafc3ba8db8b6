//! What must outlive the process: tables of bytes in one file, which each owner names and fills as it likes. It promises
//! that what [`Store::commit`] said was kept is there after a crash and a power cut, all of one call or nothing of it,
//! and that a file which cannot be used is refused in words that say what to do.
//!
//! There is one writer at a time. Whatever is handed in while it works goes into its next transaction together, so many
//! callers share one wait for the disk.

mod open;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use tokio::sync::oneshot;

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
    db: Database,
    place: Arc<str>,
    /// Whether writing may wait for a disk.
    on_disk: bool,
    queue: Mutex<Queue>,
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
        Ok(Self::over(db, file.display().to_string().into(), true))
    }

    /// A store that ends with the process.
    pub fn in_memory() -> Self {
        let db = open::in_memory().expect("memory takes whatever is written");
        Self::over(db, "in memory".into(), false)
    }

    /// The file of the store in a directory.
    pub fn file_in(directory: &Path) -> PathBuf {
        directory.join("gateway.redb")
    }

    fn over(db: Database, place: Arc<str>, on_disk: bool) -> Self {
        Self(Arc::new(Inner { db, place, on_disk, queue: Mutex::default() }))
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
        if begins && self.0.on_disk {
            let inner = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || inner.write());
        } else if begins {
            // Memory keeps nobody waiting.
            self.0.write();
        }
        outcome.await.unwrap_or_else(|_| Err(self.0.failed("the writer crashed")))
    }

    /// As [`Store::commit`], while nobody is served yet: it waits for the disk where it is called.
    pub fn commit_at_once(&self, changes: &[Change]) -> Result<(), Error> {
        self.0.transaction(changes.iter()).map_err(|cause| self.0.failed(cause))
    }

    /// The value of a key. It may wait for the disk.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        let value = table.get(key).map_err(|error| self.0.failed(redb::Error::from(error)))?;
        Ok(value.map(|value| value.value().to_vec()))
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
    fn table(
        &self,
        table: Table,
    ) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>, Error> {
        let reading = self.0.db.begin_read().map_err(|error| self.0.failed(redb::Error::from(error)))?;
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
            let outcome = self.transaction(changes).map_err(|cause| self.failed(cause));
            for order in orders {
                // Who left does not want to know.
                let _ = order.kept.send(outcome.clone());
            }
        }
    }

    fn transaction<'a>(&self, changes: impl Iterator<Item = &'a Change>) -> Result<(), redb::Error> {
        let writing = self.db.begin_write()?;
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
        Error { place: Arc::clone(&self.place), cause: cause.to_string().into() }
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
