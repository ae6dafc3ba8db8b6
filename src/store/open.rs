//! Whether a file can be the store, and what to do when it cannot.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, ReadableTable as _, StorageError};

use super::{Frail, Table};

/// What the tables mean. A gateway that gives one of them another meaning counts this up.
const FORMAT: u8 = 1;
const ABOUT: Table = Table("about");
const FORMAT_KEY: &[u8] = b"format";
/// Memory for pages that are read often. What is read once at a miss is in the system's own cache.
const PAGES: usize = 8 << 20;

/// Why a file cannot be the store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its directory cannot be made.
    #[error("the directory {} of the store cannot be made: {cause}. Set `store.path` to one that can be written to", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It cannot be read or written.
    #[error("the store {} cannot be read and written: {cause}. Give the gateway's user the right to, or set `store.path` to another directory", .file.display())]
    NoAccess {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Another process has it open.
    #[error("the store {} is in use by another process. Stop that one, or set `store.path` to another directory: each gateway has its own", .0.display())]
    InUse(PathBuf),
    /// It is torn, or was never a store.
    #[error("the store {} is damaged: {cause}. Put a copy back or move it away: without it the gateway starts with nothing remembered", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        cause: String,
    },
    /// A version of the gateway wrote it that this one does not understand.
    #[error("the store {} has format {found}, this version knows {FORMAT}. Run the version that wrote it, or move it away: without it the gateway starts with nothing remembered", .file.display())]
    OtherFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: String,
    },
}

/// The database in `file`, which and whose directory are made when missing, for nobody else to read: it holds what the
/// CRMs know about people.
pub(super) fn in_file(directory: &Path, file: &Path) -> Result<Database, OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|cause| OpenError::Directory { path: directory.to_owned(), cause })?;
    let no_access = |cause| OpenError::NoAccess { file: file.to_owned(), cause };
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file)
        .map_err(no_access)?;
    // So that the name is on the disk as well as what stands under it.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(no_access)?;
    let db = builder().create(file).map_err(|error| refused(file, error))?;
    check_format(file, &db)?;
    Ok(db)
}

/// A database without a file.
pub(super) fn in_memory() -> Result<Database, DatabaseError> {
    builder().create_with_backend(InMemoryBackend::new())
}

/// A database on a disk in memory.
pub(super) fn on_frail(disk: &Frail) -> Result<Database, OpenError> {
    let file = Path::new("in memory");
    let db = builder().create_with_backend(disk.clone()).map_err(|error| refused(file, error))?;
    check_format(file, &db)?;
    Ok(db)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(PAGES);
    // Else a page that was damaged where it lay would be found when it is read, by a crash.
    builder.set_check_integrity_on_open(true);
    builder
}

fn refused(file: &Path, error: DatabaseError) -> OpenError {
    let file = file.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::InUse(file),
        DatabaseError::UpgradeRequired(found) => {
            OpenError::OtherFormat { file, found: format!("{found} of redb") }
        }
        DatabaseError::Storage(StorageError::Io(cause)) if !is_damage(&cause) => {
            OpenError::NoAccess { file, cause }
        }
        error => OpenError::Damaged { file, cause: error.to_string() },
    }
}

/// Whether a failure to read says something about what is in the file.
fn is_damage(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Refuses what another version wrote; a new store gets the format of this one.
fn check_format(file: &Path, db: &Database) -> Result<(), OpenError> {
    let found = format_of(db);
    let damaged = |error: redb::Error| OpenError::Damaged { file: file.to_owned(), cause: error.to_string() };
    match found.map_err(damaged)?.as_deref() {
        None | Some([FORMAT]) => Ok(()),
        Some([found]) => Err(OpenError::OtherFormat { file: file.to_owned(), found: found.to_string() }),
        Some(_) => {
            Err(OpenError::Damaged { file: file.to_owned(), cause: "its format is no number".to_owned() })
        }
    }
}

/// The format before this call; a store without one has it afterwards.
fn format_of(db: &Database) -> Result<Option<Vec<u8>>, redb::Error> {
    let writing = db.begin_write()?;
    let mut about = writing.open_table(ABOUT.definition())?;
    let found = about.get(FORMAT_KEY)?.map(|format| format.value().to_vec());
    if found.is_none() {
        about.insert(FORMAT_KEY, [FORMAT].as_slice())?;
    }
    drop(about);
    if found.is_none() {
        writing.commit()?
    } else {
        writing.abort()?
    }
    Ok(found)
}
