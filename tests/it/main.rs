//! Tests of the whole gateway, as its consumers and the CRMs meet it. One line per module:
//!
//! * `support`: the real gateway in front of both simulators, and who asks it
//! * `conformance`: one suite for every kind of record that an adapter declares
//! * `adapters`: every habit of the CRMs gives the same records; recorded answers; signing in
//! * `paging`: lists are whole while rows are added and deleted between their pages
//! * `payments_by_day`: a range of days is found in a long journal with few calls
//! * `resources`: what a consumer sees, one file per resource
//! * `stack`: the order of the layers, inbound and outbound, which is behaviour
//! * `quota`: the CRMs' own limiters judge what the gateway spends
//! * `scheduler`: what is promised to those who wait for a turn, asked of the pacer itself
//! * `waiting_room`: the same through the whole gateway, and what is learned of the CRM, and who is billed
//! * `faults`: the planted faults of `tests/faults` still apply
//! * `cache`: what is answered from memory, and what is said about it
//! * `after_writes`: what was written is seen by whoever asks later, in random sequences
//! * `narrowing`: what fits a filter is found in a wider list that memory holds
//! * `dashboard`: what the operator page and its data say
//! * `allowances`: keys that end, and calls of the CRMs that a consumer may cause in a day
//! * `rotation`: credentials of the CRMs and the rules of tokens are exchanged while the gateway runs
//! * `hardening`: depth, size and time of what comes from outside, and what is on which port
//! * `restart`: what a gateway knows from the one before it, and what it reads ahead
//! * `idempotency`: a write with a key of its own is carried out once
//! * `operations`: what became of a write that nobody knows of is found out, whatever is written; the log of writes
//! * `finding_out`: what happens to a record while it is looked for
//! * `changing`: several who change one record
//! * `batch`: several payments in one request
//! * `crash_points`: a payment is made once, whichever await the gateway dies at
//! * `payments_under_chaos`: a payment is made once and not lost, whatever the CRM does and whenever the gateway dies
//! * `explain`: what a request is told to cost is what it costs
//! * `joining`: who joins a call that others wait for keeps terms of its own
//! * `gather`: reads by id that come together, and names, are one call
//! * `chaos`: one CRM fails in every way there is, the other still answers
//! * `day`: an hour of a school day, judged by what the records were at any time
//! * `openapi`, `coverage`: the document against the committed one, the answers and these tests
//! * `offered`: which operation makes which call of the CRMs, as `docs/coverage.md` says
//! * `documents`: what docs/ shows is what is compiled
//! * `probe`: what is found out about each variant of a CRM
//! * `drain`: the end under load, and what readiness depends on
//! * `traces`: what a collector of traces is told
//! * `program`, `cli`, `config`, `secrets`: the program itself, as operators run it
//! * `architecture`: who may import whom
//!
//! Run one with `cargo nextest run -E 'test(paging)'` or `cargo test --test it paging`. A snapshot that is meant to
//! change is accepted with `INSTA_UPDATE=always cargo test --test it NAME`; read the difference in `tests/snapshots`
//! before committing it.
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "tests may fail loudly and hold large futures")]

mod adapters;
mod conformance;
mod own;
mod paging;
mod payments_by_day;
mod support;
mod traces;

mod after_writes;
mod allowances;
mod architecture;
mod batch;
mod cache;
mod changing;
mod chaos;
mod cli;
mod commands;
mod config;
mod coverage;
mod crash_points;
mod dashboard;
mod day;
mod documents;
mod drain;
mod examples;
mod explain;
mod faults;
mod finding_out;
mod gather;
mod hardening;
mod idempotency;
mod joining;
mod matrix;
mod narrowing;
mod offered;
mod openapi;
mod operations;
mod payments_under_chaos;
mod probe;
mod program;
mod quota;
mod released;
mod resources;
mod restart;
mod rotation;
mod scheduler;
mod secrets;
mod security;
mod stack;
mod tokens;
mod waiting_room;
