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
//! * `returns`: who was sent away and comes again
//! * `limits`: what is configured; `state`: all of the above together
//! * `pacer`: where that meets the clock; `admission`: and those who wait; `service`: and the calls
//!
//! All but the last three are pure: every method takes `now`.

mod admission;
pub mod breaker;
pub mod bucket;
mod fair;
pub mod learn;
mod limits;
mod order;
pub mod pacer;
pub mod retries;
mod returns;
pub mod room;
pub mod service;
mod state;

pub use limits::Limits;
pub use pacer::{Pacer, Standing};
pub use state::Ended;
