//! Memory that behaves like a disk which can be full: what was written outlives the database over it, and while it is
//! full nothing more is taken. For tests of what a gateway does then.

use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Frail {
    bytes: Arc<Mutex<Vec<u8>>>,
    full: Arc<AtomicBool>,
}

impl Frail {
    /// From now on nothing is taken, or all is.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> Result<(), Error> {
        if self.full.load(Ordering::SeqCst) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Frail {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let bytes = self.bytes();
        let start = usize::try_from(offset).map_err(Error::other)?;
        let part = bytes.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.has_room()?;
        self.bytes().resize(usize::try_from(len).map_err(Error::other)?, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.has_room()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.has_room()?;
        let start = usize::try_from(offset).map_err(Error::other)?;
        let mut bytes = self.bytes();
        let part = bytes.get_mut(start..start + data.len()).ok_or(ErrorKind::UnexpectedEof)?;
        part.copy_from_slice(data);
        Ok(())
    }
}
