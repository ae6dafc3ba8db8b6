//! `demo`: both CRMs simulated and the gateway in front of them. Needs no file, account, network or server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use super::{Failure, block_on, environment, print, serve, signals};
use crate::app::{App, Instead};
use crate::config::Config;
use crate::consumers::{hash, new_key};
use crate::sandbox::fault::{Fault, Rule};
use crate::sandbox::{Sandbox, Size};

/// How the demo is set up.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the gateway listens.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,
    /// Milliseconds that each call to a simulated CRM takes.
    #[arg(long, default_value_t = 30, value_name = "MS")]
    upstream_latency: u64,
}

/// Where operators call, as for a gateway with a configuration.
const ADMIN_LISTEN: &str = "CRM_GATEWAY__SERVER__ADMIN_LISTEN";

/// One consumer of each kind.
const CONSUMERS: [(&str, &str); 3] = [
    ("web-app", "scopes = [\"*\"]\nclass = \"interactive\""),
    (
        "partner",
        "scopes = [\"students:read\", \"lessons:read\", \"payments:read\", \"projects:read\", \"reference:read\", \"quota:read\"]\n\
         class = \"partner\"\nbranches = [1]\nmask = [\"notes\"]",
    ),
    (
        "export",
        "scopes = [\"students:read\", \"lessons:read\", \"payments:read\", \"projects:read\", \"reference:read\", \"quota:read\"]\nclass = \"batch\"",
    ),
];

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    block_on(async {
        let stop = signals::stop().map_err(Failure::failed)?;
        let loopback = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Failure::failed);
        let sandbox =
            Sandbox::start(loopback().await?, loopback().await?, &Size::today()).map_err(Failure::failed)?;
        slow_down(&sandbox, Duration::from_millis(options.upstream_latency));
        let keys: Vec<String> = CONSUMERS.iter().map(|_| new_key()).collect();
        let config = configuration(options.listen, operators().await?, &sandbox, &keys);
        let config = Config::from_toml(&config).map_err(Failure::failed)?;
        let _logs = serve::logs(&config)?;
        let instead = Instead { demo_key: keys.first().cloned(), ..Instead::of_disk() };
        let app = App::bind(&config, instead).await.map_err(Failure::failed)?;
        let address = app.address().map_err(Failure::failed)?;
        let admin = app.admin_address().map_err(Failure::failed)?;
        print(&welcome(address, admin, &keys));
        app.run(stop).await.map_err(Failure::failed)
    })
}

fn slow_down(sandbox: &Sandbox, latency: Duration) {
    if !latency.is_zero() {
        let rule = Rule { operation: None, after: 0, times: usize::MAX, fault: Fault::Latency(latency) };
        sandbox.alfa.faults().inject(rule.clone());
        sandbox.crypto.faults().inject(rule);
    }
}

/// What the environment says, else the usual port of operators, or any free one: two demos may run side by side. Nothing
/// else of the environment counts, because it may be about real CRMs.
async fn operators() -> Result<SocketAddr, Failure> {
    if let Some((_, address)) = environment().find(|(name, _)| name == ADMIN_LISTEN) {
        let wrong = |_| Failure::wrong(format!("{ADMIN_LISTEN} is no address such as \"127.0.0.1:9090\""));
        return address.trim().parse().map_err(wrong);
    }
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 9090));
    let free = TcpListener::bind(usual).await.is_ok();
    Ok(if free { usual } else { SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) })
}

fn configuration(listen: SocketAddr, admin: SocketAddr, sandbox: &Sandbox, keys: &[String]) -> String {
    let mut text =
        format!("[server]\nlisten = \"{listen}\"\nadmin_listen = \"{admin}\"\n\n{}", sandbox.configuration());
    for ((name, rights), key) in CONSUMERS.iter().zip(keys) {
        text += &format!(
            "\n[consumers.{name}]\nkey_hashes = [\"{}\"]\nrate_limit = 1000000\n{rights}\n",
            hash(key)
        );
    }
    text
}

fn welcome(address: SocketAddr, admin: SocketAddr, keys: &[String]) -> String {
    let mut text = format!(
        "The gateway: http://{address}\nIts docs:    http://{address}/docs\nOperators:   http://{admin}/metrics\nDashboard:   http://{admin}/admin\n\nDemo keys, new at every start:\n"
    );
    for ((name, _), key) in CONSUMERS.iter().zip(keys) {
        text += &format!("  {name:<8} {key}\n");
    }
    let key = keys.first().map_or("", String::as_str);
    text + &format!(
        "\nTry:\n  curl -H 'X-Api-Key: {key}' 'http://{address}/students?limit=2'\n\nCtrl-C ends it."
    )
}
