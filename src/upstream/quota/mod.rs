//! The scheduler: it spends the quota of one CRM for everybody.
//!
//! It promises that calls leave in order, fairly, and never faster than the CRM allows, neither after a stall nor after
//! a restart; that a call which cannot be served in time is refused on arrival; and that one whose caller left is never
//! sent. There is no other way to the socket: [`service::Quota`] stands in front of the transport.
//!
//! * `bucket`: when the next call may leave
//! * `room`: who waits and who is next, by class; `fair`: by consumer within a class; `order`: what stands before a place
//! * `learn`: the rate that the CRM takes, which may be less than is configured
//! * `breaker`: whether the CRM works at all; `retries`: how much may be tried again
//! * `pacer`: all of it meets the clock; `service`: and the calls
//!
//! All but the last two are pure: every method takes `now`.

pub mod breaker;
pub mod bucket;
mod fair;
pub mod learn;
mod order;
pub mod pacer;
pub mod retries;
pub mod room;
pub mod service;

pub use pacer::{Limits, Pacer, Standing};
