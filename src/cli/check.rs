//! `check`: is a configuration good, and what is in effect?

use std::path::Path;

use super::{Failure, environment, print};
use crate::config::Config;

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(file, environment()).map_err(Failure::wrong)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    print(&config.effective());
    Ok(())
}
