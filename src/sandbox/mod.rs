//! Built-in simulators of the two CRMs, with invented data.
//!
//! They stand in for the real thing in the demo, in partners' own tests and in ours, and their ledger is the judge of
//! what the gateway spent. They are written from the CRMs' documents and know neither our adapters nor our records:
//! a simulator built from our own wire types would agree with our mistakes.

pub mod alfa;
pub mod clock;
pub mod crypto;
pub mod fault;
pub mod ledger;
pub mod server;
pub mod world;
