//! `serve`: runs the gateway.

use std::path::Path;

use super::{Failure, block_on, environment, signals};
use crate::app::{App, Instead};
use crate::config::{self, Config};
use crate::telemetry::{self, Flush, LogFormat};

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(file, environment()).map_err(Failure::wrong)?;
    let _logs = logs(&config)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    block_on(async {
        let stop = signals::stop().map_err(Failure::failed)?;
        let app = App::bind(&config, Instead::default()).await.map_err(Failure::failed)?;
        let (public, admin) =
            (app.address().map_err(Failure::failed)?, app.admin_address().map_err(Failure::failed)?);
        tracing::info!(%public, %admin, "listening");
        app.run(stop).await.map_err(Failure::failed)?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Sets up logs as configured; `RUST_LOG` is honoured.
pub(super) fn logs(config: &Config) -> Result<Flush, Failure> {
    let format = match config.telemetry.log_format {
        config::LogFormat::Text => LogFormat::Text,
        config::LogFormat::Json => LogFormat::Json,
    };
    let filter = environment().find(|(name, _)| name == "RUST_LOG").map(|(_, value)| value);
    telemetry::init(format, filter.as_deref()).map_err(Failure::wrong)
}
