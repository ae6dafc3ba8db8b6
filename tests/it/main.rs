//! Tests of the whole gateway, as its consumers and the CRMs meet it. One line per module:
//!
//! * `support`: the real gateway in front of both simulators, and who asks it
//!
//! Run one with `cargo nextest run -E 'test(paging)'` or `cargo test --test it paging`. A snapshot that is meant to
//! change is accepted with `INSTA_UPDATE=always cargo test --test it NAME`; read the difference in `tests/snapshots`
//! before committing it.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "tests may fail loudly and hold large futures")]

mod support;
