//! The two servers, each the whole life of a child process: it prints its address, and ends with its parent.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::serve::{Listener as _, ListenerExt as _};
use crm_gateway::app::{App, Instead};
use crm_gateway::config::Config;
use crm_gateway::consumers::{hash, new_key};
use crm_gateway::sandbox::{Sandbox, Size};
use crm_gateway::telemetry::{self, LogFormat};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::net::TcpListener;

use crate::load::Captured;
use crate::say;

/// The role of the gateway.
pub(crate) const GATEWAY: &str = "gateway";
/// Calls a second of which nobody has to wait for one.
const PLENTY: u32 = 1000;
/// The role of the server that does nothing but answer.
pub(crate) const BARE: &str = "bare";

/// The gateway as it runs in operation (keys, limits, metrics and log lines are on) over simulated CRMs. Answers stay
/// fresh for the whole run: what is measured is a hit. Prints a key after its address, and how its CRMs are reached.
pub(crate) fn gateway() -> io::Result<()> {
    let _logs = telemetry::init(LogFormat::Json, None, None).map_err(io::Error::other)?;
    runtime()?.block_on(async {
        let sandbox = Sandbox::start(listener().await?, listener().await?, &Size::today())?;
        // Misses are measured too, and not how long they wait for their turn.
        sandbox.alfa.set_quota(f64::from(PLENTY));
        let key = new_key();
        let crms = sandbox.configuration();
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\n{crms}\n\
             [alfacrm.quota]\nrate = {PLENTY}\nburst = {PLENTY}\n\n\
             [cache.policy.students]\nfresh = \"1h\"\n\n\
             [consumers.bench]\nkey_hashes = [\"{}\"]\nscopes = [\"students:read\", \"quota:read\"]\nrate_limit = 1000000\n",
            hash(&key)
        );
        let config = Config::from_toml(&config).map_err(io::Error::other)?;
        let app = App::bind(&config, Instead::of_disk()).await.map_err(io::Error::other)?;
        let crms = serde_json::to_string(&crms).expect("text is plain data");
        say(&format!("{}\n{key}\n{crms}", app.address()?));
        std::thread::spawn(end_with_parent);
        app.run(std::future::pending::<Duration>()).await
    })
}

/// Answers that are always the same; a line on stdin says which, and it is confirmed with a line.
pub(crate) fn bare() -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = listener().await?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        say(&listener.local_addr()?.to_string());
        let mut answers = String::new();
        io::stdin().read_line(&mut answers)?;
        let mut router = Router::new();
        for (path, answer) in read(&answers)?.into_iter().enumerate() {
            let route = axum::routing::get(give).with_state(Arc::new(answer));
            router = router.route(&format!("/{path}"), route);
        }
        say("ready");
        std::thread::spawn(end_with_parent);
        axum::serve(listener, router).await
    })
}

struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

async fn give(State(answer): State<Arc<Answer>>) -> Response {
    let mut response = if answer.status == StatusCode::NOT_MODIFIED {
        // As the gateway does it: a 304 must not carry a length.
        let nothing = futures_util::stream::empty::<Result<Bytes, std::convert::Infallible>>();
        Response::new(Body::from_stream(nothing))
    } else {
        Response::new(Body::from(answer.body.clone()))
    };
    *response.status_mut() = answer.status;
    response.headers_mut().extend(answer.headers.iter().cloned());
    response
}

/// Answers as one line of text.
pub(crate) fn write<'a>(answers: impl Iterator<Item = &'a Captured>) -> String {
    serde_json::to_string(&answers.collect::<Vec<_>>()).expect("answers are plain data")
}

fn read(line: &str) -> serde_json::Result<Vec<Answer>> {
    let answers: Vec<Captured> = serde_json::from_str(line)?;
    let answer = |captured: Captured| Answer {
        status: StatusCode::from_u16(captured.status).expect("the gateway gave it"),
        headers: captured.headers.iter().filter_map(header).collect(),
        body: captured.body.into(),
    };
    Ok(answers.into_iter().map(answer).collect())
}

fn header((name, value): &(String, String)) -> Option<(HeaderName, HeaderValue)> {
    // These two the server writes itself, as it does for the gateway.
    if name == "date" || name == "content-length" {
        return None;
    }
    Some((name.parse().ok()?, value.parse().ok()?))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn listener() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// The parent holds the other end of stdin, so it closes however the parent ends.
fn end_with_parent() {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}
