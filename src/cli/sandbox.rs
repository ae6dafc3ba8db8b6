//! `sandbox`: the two simulated CRMs alone, for partners' own tests.

use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use super::{Failure, block_on, print, signals};
use crate::sandbox::{Sandbox, Size};

/// How the simulators are set up.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the simulated AlfaCRM listens.
    #[arg(long, default_value = "127.0.0.1:8181", value_name = "ADDR")]
    alfacrm: SocketAddr,
    /// Where the simulated Crypto CRM listens.
    #[arg(long, default_value = "127.0.0.1:8182", value_name = "ADDR")]
    cryptocrm: SocketAddr,
    /// The same seed on the same day gives the same data.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many students; everything else grows with them.
    #[arg(long, default_value_t = 500, value_name = "N")]
    students: usize,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    block_on(async {
        let stop = signals::stop().map_err(Failure::failed)?;
        let listen = async |address: SocketAddr| {
            let listener = TcpListener::bind(address).await;
            listener.map_err(|error| Failure::failed(format!("cannot listen on {address}: {error}")))
        };
        let (alfa, crypto) = (listen(options.alfacrm).await?, listen(options.cryptocrm).await?);
        let size = Size { seed: options.seed, students: options.students, ..Size::today() };
        let sandbox = Sandbox::start(alfa, crypto, &size).map_err(Failure::failed)?;
        eprintln!("Both CRMs are simulated with invented data. For the gateway's configuration:\n");
        print(&sandbox.configuration());
        stop.await;
        Ok(())
    })
}
