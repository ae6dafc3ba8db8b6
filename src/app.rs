//! The composition root: a configuration in, a running gateway out. The only module that knows everybody.

mod jwks;
mod ledger;
mod reload;
mod secrets;

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

pub use ledger::Ledger;
pub use reload::Reload;
use secrets::Secrets;

use crate::cache::{Cache, Policy};
use crate::config::{self, Config};
use crate::consumers::{BadJwks, Consumer, Consumers, Provider};
use crate::crm::Crm;
use crate::crm::alfa::Alfa;
use crate::crm::crypto::Crypto;
use crate::http::{self, Api, Readiness, Reloads, Settings, listen};
use crate::hub::{Clock, Hub, Snapshots};
use crate::idempotency::journal::Undecided;
use crate::idempotency::{Journal, Operation};
use crate::model::{Class, Sight};
use crate::probe;
use crate::store::{self, Store};
use crate::telemetry::metrics::Operations;
use crate::telemetry::{Export, Metrics};
use crate::upstream::transport::{self, Http};
use crate::upstream::wire::Transport;

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The way to a CRM cannot be set up.
    #[error(transparent)]
    Transport(#[from] transport::SetupError),
    /// The keys of tokens cannot be read from their file.
    #[error("auth.jwt.jwks_file: {path}: {cause}")]
    Jwks {
        /// The file.
        path: String,
        /// Why.
        cause: JwksError,
    },
    /// There is no store to be had at the configured place.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// What it holds cannot be read.
    #[error(transparent)]
    Stored(#[from] store::Error),
}

/// Why a file holds no keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// It is something else.
    #[error(transparent)]
    Content(#[from] BadJwks),
}

/// What may be put in place of what the configuration says: the demo and the tests use it.
#[derive(Clone, Default)]
pub struct Instead {
    /// The way to AlfaCRM.
    pub alfacrm: Option<Transport>,
    /// The way to the Crypto CRM.
    pub cryptocrm: Option<Transport>,
    /// A key that `/docs` signs in with.
    pub demo_key: Option<String>,
    /// What outlives the gateway, in place of the file on the disk.
    pub store: Option<Store>,
    /// What time it is, by whoever keeps the store and judges tokens.
    pub clock: Option<Clock>,
    /// Who publishes the keys of tokens.
    pub provider: Option<Arc<dyn Provider>>,
}

impl Instead {
    /// Nothing outlives the gateway, and nothing is written to the disk.
    pub fn of_disk() -> Self {
        Self { store: Some(Store::in_memory()), ..Self::default() }
    }
}

impl std::fmt::Debug for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instead").finish_non_exhaustive()
    }
}

/// The two routers of a gateway, not yet listening.
#[derive(Debug)]
pub struct Routers {
    /// For consumers.
    pub public: Router,
    /// For operators.
    pub admin: Router,
    /// Whether requests should come.
    pub readiness: Readiness,
    /// Who may call.
    pub consumers: Arc<Consumers>,
    /// What they ask.
    pub hub: Arc<Hub>,
    /// Follows up what an earlier process left open; to be run once requests are welcome.
    pub unfinished: Unfinished,
    /// What is kept of consumers; to be written from time to time.
    pub ledger: Arc<Ledger>,
    /// Takes a changed configuration.
    pub reload: Arc<Reload>,
}

/// Writes of an earlier process of which nobody knows what became.
#[derive(Debug)]
pub struct Unfinished {
    recovery: http::Recovery,
    open: Vec<Operation>,
}

impl Unfinished {
    /// Finds out what became of them.
    pub async fn follow_up(self) {
        self.recovery.run(self.open).await;
    }
}

/// Builds everything between the listeners and the CRMs. Must be called within a runtime; nothing is sent yet. Waits
/// for the disk.
pub fn build(config: &Config, instead: Instead) -> Result<Routers, StartError> {
    let metrics = Arc::new(Metrics::new());
    let alfa = match &config.alfacrm {
        Some(alfa) => {
            let transport = instead.alfacrm.map_or_else(|| to_alfa(alfa), Ok)?;
            Some((Arc::new(Alfa::new(alfa, transport, Arc::clone(&metrics))), alfa.clone()))
        }
        None => None,
    };
    let crypto = match &config.cryptocrm {
        Some(crypto) => {
            let transport = instead.cryptocrm.map_or_else(|| to_crypto(crypto), Ok)?;
            Some((Arc::new(Crypto::new(crypto, transport, Arc::clone(&metrics))), crypto.clone()))
        }
        None => None,
    };
    let mut crms: Vec<Arc<dyn Crm>> = Vec::new();
    crms.extend(alfa.iter().map(|(alfa, _)| Arc::clone(alfa) as _));
    crms.extend(crypto.iter().map(|(crypto, _)| Arc::clone(crypto) as _));
    let branches = config.alfacrm.as_ref().map(|alfa| alfa.branches.clone()).unwrap_or_default();
    // What is known and what is said of it share the memory evenly: a record is said in several ways, but not all are.
    let half = config.cache.max_size / 2;
    let cache = Arc::new(Cache::new(half));
    let store = match instead.store {
        Some(store) => store,
        None => Store::open(&config.store.path)?,
    };
    let clock = instead.clock.unwrap_or_else(|| Arc::new(jiff::Timestamp::now));
    let secrets = Secrets::open(&store)?;
    let (journal, open) = Journal::open(store.clone(), Arc::clone(&clock), config.store.audit_size)?;
    metrics.watch_operations({
        let journal = Arc::clone(&journal);
        move || {
            let Undecided { open, needs_review } = journal.undecided();
            Operations { open, needs_review }
        }
    });
    // As much of the CRMs' text as memory holds, which weighs it four times.
    let snapshots = Snapshots::open(store.clone(), Arc::clone(&clock), &account(config), half / 4)?;
    let policies = |resource: &str| policy(config, resource);
    let hub = Hub::new(&crms, cache, Arc::clone(&metrics), &branches, policies, snapshots)?;
    let hub = Arc::new(hub.sealed_by(&secrets.of("cursors")));
    let subjects = secrets.of("who comes with a token");
    let tokens = match &config.jwt {
        Some(jwt) => Some(jwks::tokens(jwt, &subjects, Arc::clone(&clock), instead.provider.clone())?),
        None => None,
    };
    let consumers = Arc::new(Consumers::new(consumers(config), Arc::clone(&clock)).with_tokens(tokens));
    let ledger = Arc::new(Ledger::open(store, Arc::clone(&consumers))?);
    let reloads = Reloads::default();
    let reload = Arc::new(Reload {
        consumers: Arc::clone(&consumers),
        alfa,
        crypto,
        board: reloads.clone(),
        clock,
        provider: instead.provider,
        jwt: Mutex::new(config.jwt.clone()),
        subjects,
    });
    let settings = Settings {
        base_path: config.server.base_path.clone(),
        request_timeout: config.server.request_timeout,
        max_body: usize::try_from(config.server.max_body).unwrap_or(usize::MAX),
        max_written: half,
        cors_origins: config.server.cors_origins.clone(),
        docs: config.server.docs,
        demo_key: instead.demo_key,
    };
    let readiness = Readiness::new();
    let admin = http::admin(http::Desk {
        readiness: readiness.clone(),
        metrics: Arc::clone(&metrics),
        hub: Arc::clone(&hub),
        journal: Arc::clone(&journal),
        consumers: Arc::clone(&consumers),
        reloads,
    });
    let api = Api { hub: Arc::clone(&hub), consumers: Arc::clone(&consumers), journal, metrics, settings };
    let (public, recovery) = http::router(api);
    let unfinished = Unfinished { recovery, open };
    Ok(Routers { public, admin, readiness, consumers, hub, unfinished, ledger, reload })
}

/// Whose data is asked for: the same question to another account, or by another user, has other answers.
fn account(config: &Config) -> String {
    let alfa = config.alfacrm.as_ref().map(|alfa| (&alfa.base_url, &alfa.email));
    let crypto = config.cryptocrm.as_ref();
    let crypto = crypto.map(|crypto| (&crypto.base_url, &crypto.base_path, crypto.token.expose()));
    format!("{alfa:?} {crypto:?}")
}

/// Where traces go and how, if they go anywhere. By a client of its own: what is sent there is no call to a CRM.
pub fn traces(config: &Config) -> Result<Option<Export>, StartError> {
    let Some(endpoint) = config.telemetry.otlp_endpoint.clone() else { return Ok(None) };
    let settings = transport::Settings {
        base_url: String::new(),
        user_agent: format!("crm-gateway/{}", env!("CARGO_PKG_VERSION")),
        proxy: None,
        ca_file: None,
        max_response: 1024 * 1024,
    };
    let client = Http::new(&settings)?;
    let post = Arc::new(move |request| {
        let sent = client.clone().oneshot(request);
        async move { sent.await.map_err(Into::into) }.boxed()
    });
    Ok(Some(Export { endpoint, post }))
}

/// Asks the CRMs what nobody documents about them; see [`probe`]. `progress` is told what is being asked.
pub async fn probe(
    config: &Config,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<probe::Report, StartError> {
    let ways = probe::Ways {
        alfacrm: config.alfacrm.as_ref().map(to_alfa).transpose()?,
        cryptocrm: config.cryptocrm.as_ref().map(to_crypto).transpose()?,
    };
    Ok(probe::run(config, ways, progress).await)
}

fn to_alfa(alfa: &config::AlfaCrm) -> Result<Transport, StartError> {
    over_http(transport::Settings {
        base_url: alfa.base_url.clone(),
        user_agent: format!("crm-gateway/{}", env!("CARGO_PKG_VERSION")),
        proxy: alfa.proxy.clone(),
        ca_file: alfa.ca_file.clone(),
        max_response: alfa.max_response,
    })
}

fn to_crypto(crypto: &config::CryptoCrm) -> Result<Transport, StartError> {
    over_http(transport::Settings {
        base_url: format!("{}{}", crypto.base_url, crypto.base_path),
        user_agent: crypto.user_agent.clone(),
        proxy: crypto.proxy.clone(),
        ca_file: crypto.ca_file.clone(),
        max_response: crypto.max_response,
    })
}

fn over_http(settings: transport::Settings) -> Result<Transport, StartError> {
    Ok(BoxCloneSyncService::new(Http::new(&settings)?))
}

fn policy(config: &Config, resource: &str) -> Policy {
    let policy =
        config.cache.policy.get(resource).expect("the configuration has a policy for every resource");
    Policy { fresh: policy.fresh, stale: policy.stale, if_error: policy.if_error }
}

fn consumer(config: &config::Consumer) -> Consumer {
    let rights = &config.rights;
    Consumer {
        name: config.name.as_str().into(),
        identity: config.name.as_str().into(),
        keys: config.key_hashes.clone(),
        scopes: rights.scopes.iter().cloned().collect(),
        sight: Arc::new(Sight { branches: config.branches.clone(), students: None }),
        class: class(rights.class),
        weight: rights.weight,
        rate_limit: NonZeroU32::new(rights.rate_limit).unwrap_or(NonZeroU32::MIN),
        daily_budget: rights.daily_budget,
        mask: rights.mask.iter().map(|mask| mask.name().to_owned()).collect(),
    }
}

fn class(class: config::Class) -> Class {
    match class {
        config::Class::Interactive => Class::Interactive,
        config::Class::Partner => Class::Partner,
        config::Class::Batch => Class::Batch,
    }
}

/// A gateway that listens.
#[derive(Debug)]
pub struct App {
    routers: Routers,
    public: TcpListener,
    admin: TcpListener,
    drain_timeout: Duration,
}

impl App {
    /// Listens on the configured addresses; from now on connections wait to be served.
    pub async fn bind(config: &Config, instead: Instead) -> Result<Self, StartError> {
        let listen = |address| listen::bind(address).map_err(|cause| StartError::Listen { address, cause });
        let public = listen(config.server.listen)?;
        let admin = listen(config.server.admin_listen)?;
        let routers = build(config, instead)?;
        Ok(Self { routers, public, admin, drain_timeout: config.server.drain_timeout })
    }

    /// Where consumers call.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where operators call.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Takes a changed configuration while the gateway runs.
    pub fn reload(&self) -> Arc<Reload> {
        Arc::clone(&self.routers.reload)
    }

    /// Serves until `stop` completes, then ends in order: not ready, a pause for the word to spread (what `stop` gives),
    /// no new connections, and at most the drain timeout for requests under way.
    pub async fn run(self, stop: impl Future<Output = Duration>) -> std::io::Result<()> {
        let readiness = self.routers.readiness.clone();
        let (close, closed) = tokio::sync::oneshot::channel();
        let closed = async {
            // An error means that nobody can ask for the end any more, which is the end as well.
            let _ = closed.await;
        };
        let leaving = {
            let readiness = readiness.clone();
            move || readiness.is_draining()
        };
        let mut public = tokio::spawn(listen::serve(self.public, self.routers.public, leaving, closed));
        // Operators may look until the very end.
        let admin =
            tokio::spawn(listen::serve(self.admin, self.routers.admin, || false, std::future::pending()));
        readiness.ready();
        let hub = self.routers.hub;
        let warming = tokio::spawn({
            let hub = Arc::clone(&hub);
            async move { hub.warm().await }
        });
        let following_up = tokio::spawn(self.routers.unfinished.follow_up());
        let ledger = self.routers.ledger;
        let keeping = tokio::spawn({
            let ledger = Arc::clone(&ledger);
            async move { ledger.keep().await }
        });
        let grace = stop.await;
        readiness.drain();
        tokio::time::sleep(grace).await;
        // Nobody listening means that the server has ended already.
        let _ = close.send(());
        warming.abort();
        // What is still open then is found in the store at the next start.
        following_up.abort();
        if tokio::time::timeout(self.drain_timeout, &mut public).await.is_err() {
            tracing::warn!("requests were still under way after the drain timeout and are cut off");
            public.abort();
        }
        admin.abort();
        keeping.abort();
        ledger.save_or_tell().await;
        hub.flush().await;
        Ok(())
    }
}

/// The consumers of a configuration.
pub fn consumers(config: &Config) -> Vec<Consumer> {
    config.consumers.iter().map(consumer).collect()
}
