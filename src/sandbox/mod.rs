//! Built-in simulators of the two CRMs, with invented data.
//!
//! They stand in for the real thing in the demo, in partners' own tests and in ours, and their ledger is the judge of
//! what the gateway spent. They are written from the CRMs' documents and know neither our adapters nor our records:
//! a simulator built from our own wire types would agree with our mistakes.

pub mod alfa;
pub mod clock;
pub mod crypto;
pub mod fault;
pub mod ledger;
pub mod server;
pub mod world;

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::civil::DateTime;
use tokio::net::TcpListener;

use clock::Clock;
use server::Server;

/// How much data, and from when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The same seed at the same time gives the same data.
    pub seed: u64,
    /// Students of AlfaCRM; everything else of it grows with them.
    pub students: usize,
    /// Projects of the Crypto CRM.
    pub projects: usize,
    /// What the CRMs' clocks show at the start.
    pub now: DateTime,
}

impl Size {
    /// The default size, around `now`.
    pub fn at(now: DateTime) -> Self {
        Self { seed: 1, students: 500, projects: 200, now }
    }

    /// The default size, around the present in Moscow, where the invented school is.
    pub fn today() -> Self {
        let zone = jiff::tz::TimeZone::get("Europe/Moscow").unwrap_or(jiff::tz::TimeZone::UTC);
        Self::at(zone.to_datetime(jiff::Timestamp::now()))
    }
}

/// Both CRMs, listening. Dropping it ends them.
#[derive(Debug)]
pub struct Sandbox {
    /// AlfaCRM's handles.
    pub alfa: alfa::Crm,
    /// The Crypto CRM's handles.
    pub crypto: crypto::Crm,
    alfa_server: Server,
    crypto_server: Server,
}

impl Sandbox {
    /// Starts both on these listeners.
    pub fn start(alfa: TcpListener, crypto: TcpListener, size: &Size) -> io::Result<Self> {
        let (alfa_crm, crypto_crm) = crms(size);
        let alfa_server = Server::start(alfa, alfa_crm.router())?;
        let crypto_server = Server::start(crypto, crypto_crm.router())?;
        Ok(Self { alfa: alfa_crm, crypto: crypto_crm, alfa_server, crypto_server })
    }

    /// Where the simulated AlfaCRM listens.
    pub fn alfa_address(&self) -> SocketAddr {
        self.alfa_server.address()
    }

    /// Where the simulated Crypto CRM listens.
    pub fn crypto_address(&self) -> SocketAddr {
        self.crypto_server.address()
    }

    /// The sections of the gateway's configuration that lead here.
    pub fn configuration(&self) -> String {
        configuration(
            &format!("http://{}", self.alfa_address()),
            &format!("http://{}", self.crypto_address()),
        )
    }
}

/// Both CRMs without sockets, on one clock.
pub fn crms(size: &Size) -> (alfa::Crm, crypto::Crm) {
    let clock = Arc::new(Clock::starting_at(size.now));
    let world = world::Options { seed: size.seed, students: size.students, now: size.now };
    let alfa = alfa::Crm::new(&world, alfa::Switches::default(), Arc::clone(&clock));
    let options = crypto::Options {
        seed: size.seed,
        projects: size.projects,
        students: size.students,
        now: size.now,
        ..crypto::Options::default()
    };
    let crypto = crypto::Crm::new(options, crypto::Switches::default(), clock);
    (alfa, crypto)
}

/// The sections of the gateway's configuration for CRMs with the default credentials at these addresses.
pub fn configuration(alfa_url: &str, crypto_url: &str) -> String {
    let alfa = alfa::Credentials::default();
    let access = crypto::Access::default();
    let mut text = format!(
        "[alfacrm]\nbase_url = \"{alfa_url}\"\nemail = \"{}\"\napi_key = \"{}\"\n\n\
         [cryptocrm]\nbase_url = \"{crypto_url}\"\nbase_path = \"{}\"\ntoken = \"{}\"\nsecret = \"{}\"\n",
        alfa.email, alfa.api_key, access.base_path, access.credentials.token, access.credentials.secret
    );
    let currencies: Vec<String> =
        crypto::dictionary::CURRENCIES.iter().map(|(id, code)| format!("{id} = \"{code}\"")).collect();
    let _ = write!(
        text,
        "currencies = {{ {} }}\n\n[cryptocrm.semantics]\nstudent_field = \"alfa_customer_id\"\n\n",
        currencies.join(", ")
    );
    let names = |names: Vec<(u64, &str)>| {
        let names: Vec<String> = names.iter().map(|(id, name)| format!("{id} = \"{name}\"")).collect();
        names.join(", ")
    };
    let steps = crypto::dictionary::STEPS.iter().map(|(step, _, name)| (*step, *name)).collect();
    let _ = writeln!(
        text,
        "[cryptocrm.dictionary]\nfunnels = {{ {} }}",
        names(crypto::dictionary::FUNNELS.to_vec())
    );
    let _ = writeln!(
        text,
        "steps = {{ {} }}\nusers = {{ {} }}",
        names(steps),
        names(crypto::dictionary::USERS.to_vec())
    );
    let _ = writeln!(text, "groups = {{ {} }}", names(crypto::dictionary::GROUPS.to_vec()));
    let _ = writeln!(text, "action-types = {{ {} }}", names(crypto::dictionary::ACTION_TYPES.to_vec()));
    text
}
