//! What the gateway knows and nobody else: made at the first start and kept in the store, so that it outlives both the process
//! and an exchange of credentials. Cursors are sealed with it, and subjects of tokens are named by it: what they keep, such as
//! the keys of their writes, must be found again.

use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

use crate::store::{self, Change, Store, Table};

const TABLE: Table = Table("secrets");
const ROOT: &[u8] = b"root";

pub(super) struct Secrets([u8; 32]);

impl Secrets {
    /// What is in the store, or a new one. Waits for the disk.
    ///
    /// # Errors
    /// The store cannot be read, or does not take the new one: nothing could be found again that it named.
    pub(super) fn open(store: &Store) -> Result<Self, store::Error> {
        if let Some(root) = store.get(TABLE, ROOT)?.and_then(|root| root.try_into().ok()) {
            return Ok(Self(root));
        }
        let mut root = [0; 32];
        rand::rng().fill_bytes(&mut root);
        store.commit_at_once(&[Change::put(TABLE, ROOT, root.to_vec())])?;
        Ok(Self(root))
    }

    /// The one for a purpose.
    pub(super) fn of(&self, purpose: &str) -> [u8; 32] {
        Sha256::new_with_prefix(purpose).chain_update(self.0).finalize().into()
    }
}
