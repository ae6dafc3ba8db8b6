//! The scheduler: it spends the quota of one CRM for everybody.
//!
//! It promises that calls leave in order, evenly, and never faster than the CRM allows, neither after a stall nor after
//! a restart; that a call which cannot be served in time is refused on arrival; and that one whose caller left is never
//! sent. There is no other way to the socket: [`service::Quota`] stands in front of the transport.

pub mod bucket;
pub mod pacer;
pub mod queue;
pub mod service;

pub use pacer::{Limits, Pacer, Standing};
