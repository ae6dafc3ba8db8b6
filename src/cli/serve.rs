//! `serve`: runs the gateway.

use std::path::Path;

use super::{Failure, block_on, environment, signals};
use crate::app::{self, App, Instead};
use crate::config::{self, Config};
use crate::consumers::Consumers;
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
        let consumers = app.consumers();
        let reload = signals::reload(move || reload(file, &consumers)).map_err(Failure::failed)?;
        tokio::select! {
            ended = app.run(stop) => ended.map_err(Failure::failed)?,
            () = reload => {}
        }
        tracing::info!("stopped");
        Ok(())
    })
}

/// Takes the consumers of the configuration as it is now: keys, scopes, branches, masks and limits, and the keys of tokens
/// where they are in a file. A bad configuration changes nothing. Everything else takes a restart.
fn reload(file: Option<&Path>, consumers: &Consumers) {
    match Config::load(file, environment()) {
        Ok(config) => match app::reload(&config, consumers) {
            Ok(()) => tracing::info!(
                consumers = config.consumers.len(),
                "consumers reloaded; other settings take a restart"
            ),
            Err(error) => tracing::error!(%error, "nothing is reloaded, the old settings stay"),
        },
        Err(problems) => tracing::error!("the configuration is not reloaded, the old one stays: {problems}"),
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
