//! `probe`: read-only calibration against the CRMs of a configuration. The lines to add go to stdout, everything else to
//! stderr.

use std::path::Path;

use super::{Failure, block_on, environment, print};
use crate::app;
use crate::config::Config;

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(file, environment()).map_err(Failure::wrong)?;
    let report = block_on(async {
        let progress = |what: &str| eprintln!("{what} …");
        app::probe(&config, &progress).await.map_err(Failure::failed)
    })?;
    eprintln!("{}", report.words());
    print(&report.configuration());
    if report.is_good() { Ok(()) } else { Err(Failure::failed("not every CRM could be asked; see above")) }
}
