//! One clean REST API in front of two CRMs that spends their quota in order, fairly, and never into a 429.
//!
//! # The idea
//!
//! A request is a question about one kind of record. [`http`] understands the question, [`hub`] decides who knows the
//! answer and whether it is remembered, an adapter in [`crm`] translates it into the CRM's language, and [`upstream`]
//! waits for its turn and sends it. On the way back the adapter makes records of [`model`] out of what the CRM said, the
//! hub joins the sequences of records it got into one list, and the front writes them as JSON.
//!
//! ```text
//!  consumer ──▶ http ──▶ hub ──▶ crm::alfa   ──▶ upstream ──▶ AlfaCRM
//!                         │ └──▶ crm::crypto ──▶ upstream ──▶ Crypto CRM
//!                         └ cache
//! ```
//!
//! Five things carry the rest, and `docs/architecture.md` tells them at length. The **question** that an adapter makes
//! for a CRM is also the key under which the answer is remembered. What fills the memory is a **task of its own**: it
//! survives the caller who began it and answers everybody who asked meanwhile. **One pacer** per CRM hands out the turns,
//! to signing in and to repeated attempts like to everything else. An adapter knows only single pages; the **hub merges**
//! sequences of them and finds its place again when rows have moved. And a resource is a **declaration** that its routes,
//! its checks and its documentation are all made from.
//!
//! # The map, in reading order
//!
//! - [`model`]: the vocabulary. Records, ids, money, times, filters. Plain data that everybody may use.
//! - [`http`]: the front. Start with the stack in [`http::router`], then `resource.rs` and one file of `resources/`.
//! - [`hub`]: one gateway made of two CRMs. Start with [`hub::Shelf`], which is what a resource asks.
//! - [`crm`]: the port [`crm::Source`] that the hub asks through, and the adapters behind it. `alfa/students.rs` is
//!   what a resource of a CRM looks like.
//! - [`upstream`]: how to talk to somebody else's API without upsetting it: pacing, repeating, the wire.
//! - [`cache`]: the memory of answers. It knows neither records nor CRMs.
//! - [`idempotency`]: requests with a key of their own are carried out once. It knows no HTTP.
//! - [`store`]: what outlives the process: tables of bytes in one file. It knows none of their owners.
//! - [`consumers`]: who may call: keys, scopes, limits. No HTTP here.
//! - [`config`]: what can be set. Everything wrong is listed at once.
//! - [`telemetry`]: logs, and every metric on one screen.
//! - [`probe`]: finds out by reading what nobody documents about a CRM, once, for its operator.
//! - [`app`]: the composition root: a configuration in, a running gateway out. It alone knows everybody.
//! - [`cli`]: the commands of the program.
//! - [`sandbox`]: simulators of both CRMs with invented data, for the demo and for tests. They are written from the CRMs'
//!   documents and know neither the adapters nor the records.
//!
//! Adding a resource touches one file in each of `model`, `crm/…` and `http/resources`, and a line beside each:
//! `docs/adding-a-resource.md`.

pub mod model;

pub mod http;

pub mod hub;

pub mod idempotency;

pub mod crm;

pub mod upstream;

pub mod cache;

pub mod store;

pub mod consumers;

pub mod config;

pub mod telemetry;

pub mod probe;

pub mod app;

pub mod cli;

pub mod sandbox;
