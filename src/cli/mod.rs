//! The command line. Data goes to stdout, words to stderr. Exit codes: 0 good, 1 failed, 2 wrong arguments or a bad
//! configuration.

mod check;
mod demo;
mod healthcheck;
mod key;
mod openapi;
mod probe;
mod sandbox;
mod serve;
mod signals;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One clean REST API in front of AlfaCRM and the Crypto CRM.
#[derive(Debug, Parser)]
#[command(name = "crm-gateway", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway.
    Serve {
        /// The configuration; the environment (CRM_GATEWAY__SECTION__KEY) is laid over it, and is enough alone.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Runs the gateway over two simulated CRMs with invented data.
    Demo(demo::Options),
    /// Runs the two simulated CRMs alone.
    Sandbox(sandbox::Options),
    /// Validates a configuration, lists all its problems, and prints what is in effect with secrets masked.
    Check {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Asks the CRMs of a configuration, reading only and once a second, what nobody documents about them, and prints the
    /// lines to add to it.
    Probe {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Prints the OpenAPI document.
    Openapi {
        /// Compares it with `openapi/openapi.json` instead.
        #[arg(long)]
        check: bool,
    },
    /// API keys.
    Key {
        #[command(subcommand)]
        command: key::Command,
    },
    /// Exits with 0 when the gateway is ready; for containers.
    Healthcheck {
        /// What to ask.
        #[arg(long, default_value = "http://127.0.0.1:9090/readyz", value_name = "URL")]
        url: String,
    },
}

/// Why a command ended badly: its exit code and what is printed.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// The command could not be carried out.
    fn failed(error: impl std::fmt::Display) -> Self {
        Self { code: 1, text: error.to_string() }
    }

    /// The arguments or the configuration are wrong.
    fn wrong(error: impl std::fmt::Display) -> Self {
        Self { code: 2, text: error.to_string() }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    // clap prints usage and ends with 2 by itself.
    let outcome = match Arguments::parse().command {
        Command::Serve { config } => serve::run(config.as_deref()),
        Command::Demo(options) => demo::run(&options),
        Command::Sandbox(options) => sandbox::run(&options),
        Command::Check { config } => check::run(config.as_deref()),
        Command::Probe { config } => probe::run(config.as_deref()),
        Command::Openapi { check } => openapi::run(check),
        Command::Key { command } => key::run(&command),
        Command::Healthcheck { url } => healthcheck::run(&url),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.text.trim_end());
            ExitCode::from(failure.code)
        }
    }
}

/// Prints data. That nobody reads it any more (`… | head`) is no failure.
fn print(data: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", data.trim_end_matches('\n'));
}

/// The environment, read once.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Runs a future on a new runtime with a thread per core.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(future)
}
