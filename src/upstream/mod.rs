//! How we talk to somebody else's API without upsetting it.

pub mod call;

pub use call::Call;
