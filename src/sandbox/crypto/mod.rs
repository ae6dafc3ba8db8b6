//! A simulator of the Crypto CRM's public back end: the nine read endpoints under `/backend/public/projects`.
//!
//! It promises to behave as the CRM's document says where the document says something, and to let a test choose where
//! it does not: the document shows no answer at all, so envelope, number format, flags, the place of the dynamic fields
//! and the shape of errors are [`Switches`] that can be changed while it runs. It misbehaves on demand
//! ([`Crm::faults`]), keeps a ledger of every call ([`Crm::ledger`]) and lets a test change the data behind the
//! gateway's back. It never writes, because the CRM's known chapter has no writes.
//!
//! | Question | File |
//! |---|---|
//! | How do I hold it, what can I do to it? | `crm.rs` |
//! | Who may call, with what? | `access.rs` |
//! | What happens to a call, in which order? | `dispatch.rs`, `endpoint.rs`, `misbehave.rs` |
//! | How is a question read? | `params.rs`, `conditions.rs` |
//! | What is the answer? | `answer.rs`, `shape.rs`, `envelope.rs`, `refusal.rs` |
//! | What can be switched? | `switches.rs` |
//! | Where are the records? | `store.rs`, `profile.rs`, `table.rs`, `dataset.rs`, `generator/` |

mod access;
mod answer;
mod conditions;
mod crm;
mod dataset;
mod dispatch;
mod endpoint;
mod envelope;
mod generator;
mod look_up;
mod misbehave;
mod params;
mod profile;
mod refusal;
mod shape;
mod store;
mod switches;
mod table;
#[cfg(test)]
mod tests;

pub use access::{Access, Credentials};
pub use crm::Crm;
pub use dataset::{Dataset, Options};
pub use generator::dictionary;
pub use store::BadRecord;
pub use switches::{
    Checklists, DynamicFields, EmptyData, Envelope, ErrorShape, FilterDate, Flags, IdLists, Missing, Names,
    Numbers, OverCap, Quirks, Switches, WrongType,
};
pub use table::Table;
