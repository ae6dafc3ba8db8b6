//! The journal of writes: each is carried out once, and none is lost sight of.
//!
//! A write that is about to be sent to a CRM is an [`Operation`]. That it is *intended* is on the disk before the call
//! leaves, and what became of it is on the disk before anybody is told. Between the two nobody knows; a process that finds
//! such an operation at its start has to find out. Whoever repeats a request with its `Idempotency-Key` gets what is known
//! of the first one: its answer, that it runs, or that nobody knows yet.
//!
//! A key is claimed by an owner on a lease, which is renewed while the owner works. An owner that is gone without having
//! intended anything leaves nothing behind: the key is free. Once something is intended, the key belongs to the operation
//! until that is forgotten, [`KEPT`] after it began.
//!
//! - [`claim`]: who may carry a request out. Pure: it takes `now`
//! - [`claimed`]: the right to carry one write out, from its intent to what became of it
//! - [`operation`]: what is known of a write, as it is stored
//! - [`journal`]: all of them over the store
//! - [`audit`]: who wrote what and when, for operators

pub mod audit;
pub mod claim;
pub mod claimed;
pub mod journal;
pub mod operation;

use std::time::Duration;

pub use crate::store::Error as StoreError;
pub use audit::Audit;
pub use claim::{Fingerprint, Key};
pub use claimed::{Claimed, Failed};
pub use journal::{Claim, Clock, Journal};
pub use operation::{Answer, Deed, Intent, Operation, OperationId, Request, Stage};

/// How long an operation and its key are remembered.
pub const KEPT: Duration = Duration::from_secs(72 * 60 * 60);
