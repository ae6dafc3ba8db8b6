//! One clean REST API in front of two CRMs that spends their quota in order, fairly, and never into a 429.

pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod consumers;
pub mod crm;
pub mod http;
pub mod hub;
pub mod model;
pub mod sandbox;
pub mod telemetry;
pub mod upstream;
