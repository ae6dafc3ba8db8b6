//! `openapi`: the API document, without any CRM or configuration.

use super::{Failure, print};
use crate::http::openapi::document;

const COMMITTED: &str = "openapi/openapi.json";

pub(super) fn run(check: bool) -> Result<(), Failure> {
    let current = document();
    if !check {
        print(&current);
        return Ok(());
    }
    let committed = std::fs::read_to_string(COMMITTED)
        .map_err(|error| Failure::failed(format!("{COMMITTED}: {error}")))?;
    if committed == current {
        eprintln!("{COMMITTED} is what this program serves");
        return Ok(());
    }
    let line = committed.lines().zip(current.lines()).take_while(|(old, new)| old == new).count() + 1;
    Err(Failure::failed(format!(
        "{COMMITTED} differs from what this program serves, first in line {line}\n\
         hint: look at the difference and commit it: cargo run -- openapi > {COMMITTED}"
    )))
}
