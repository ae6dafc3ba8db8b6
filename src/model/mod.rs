//! The normalised vocabulary: plain data, no I/O. What both CRMs are translated into and all consumers read.

pub mod bonus;
pub mod calendar;
pub mod context;
pub mod discount;
pub mod draft;
pub mod expand;
pub mod filter;
pub mod history;
pub mod id;
pub mod lesson;
pub mod message;
pub mod group;
pub mod member;
pub mod money;
pub mod page;
pub mod payment;
pub mod people;
pub mod project;
pub mod query;
pub mod record;
pub mod reference;
pub mod student;
pub mod subscription;
pub mod tariff;
pub mod student_draft;
pub mod teacher;
pub mod teacher_part;
pub mod time;

pub use context::{Class, Ctx};
pub use draft::{Change, Draft, Fields};
pub use id::{RecordId, Source};
pub use money::Money;
pub use page::{Incomplete, Page};
pub use query::Query;
pub use record::{Entity, Filter, Order, Record};
pub use time::Moment;
