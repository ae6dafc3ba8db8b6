//! The normalised vocabulary: plain data, no I/O. What both CRMs are translated into and all consumers read.

pub mod checklist;
pub mod context;
pub mod draft;
pub mod expand;
pub mod filter;
pub mod id;
pub mod lesson;
pub mod money;
pub mod page;
pub mod payment;
pub mod project;
pub mod project_action;
pub mod project_good;
pub mod project_step;
pub mod query;
pub mod record;
pub mod reference;
pub mod student;
pub mod time;

pub use context::{Class, Ctx};
pub use draft::{Change, Draft, Fields};
pub use id::{RecordId, Source};
pub use money::Money;
pub use page::{Incomplete, Page};
pub use query::Query;
pub use record::{Entity, Filter, Order, Record};
pub use time::Moment;
