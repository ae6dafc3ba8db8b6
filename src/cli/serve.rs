//! `serve`: runs the gateway.

use std::path::Path;

use super::{Failure, block_on, environment, signals};
use crate::app::{self, App, Instead, Reload};
use crate::config::{self, Config};
use crate::telemetry::{self, Flush, LogFormat};

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(file, environment()).map_err(Failure::wrong)?;
    block_on(async {
        let _logs = logs(&config)?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let stop = signals::stop().map_err(Failure::failed)?;
        let app = App::bind(&config, Instead::default()).await.map_err(Failure::failed)?;
        let (public, admin) =
            (app.address().map_err(Failure::failed)?, app.admin_address().map_err(Failure::failed)?);
        tracing::info!(%public, %admin, "listening");
        let taking = app.reload();
        let reload = signals::reload(async || reload(file, &taking).await).map_err(Failure::failed)?;
        tokio::select! {
            ended = app.run(stop) => ended.map_err(Failure::failed)?,
            () = reload => {}
        }
        tracing::info!("stopped");
        Ok(())
    })
}

/// Takes what can be taken of the configuration as it is now; see [`Reload`]. A bad configuration changes nothing.
async fn reload(file: Option<&Path>, taking: &Reload) {
    match Config::load(file, environment()) {
        Ok(config) => taking.take(&config).await,
        Err(problems) => taking.refused(&problems),
    }
}

/// Sets up logs and traces as configured; `RUST_LOG` is honoured. Must be called within a runtime.
pub(super) fn logs(config: &Config) -> Result<Flush, Failure> {
    let format = match config.telemetry.log_format {
        config::LogFormat::Text => LogFormat::Text,
        config::LogFormat::Json => LogFormat::Json,
    };
    let filter = environment().find(|(name, _)| name == "RUST_LOG").map(|(_, value)| value);
    let traces = app::traces(config).map_err(Failure::failed)?;
    telemetry::init(format, filter.as_deref(), traces).map_err(Failure::wrong)
}
