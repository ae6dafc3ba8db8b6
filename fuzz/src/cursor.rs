//! Cursors. A text is refused, or written anew it means the same. It is
//! sealed, but what is sealed may be old or of another version: whatever stands in it, a list answers or refuses, and neither asks the CRMs without end nor gives a
//! cursor that it would refuse.
//!
//! An input is one byte, then a text to be read as a cursor; where the byte is odd, the sequences of one, in JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use crm_gateway::cache::{Cache, Policy};
use crm_gateway::crm::Crm;
use crm_gateway::crm::alfa::Alfa;
use crm_gateway::crm::crypto::Crypto;
use crm_gateway::hub::{self, Failure, Hub, PageRequest, Scope, Shelf, Snapshots};
use crm_gateway::model::{Entity, Query};
use crm_gateway::telemetry::Metrics;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{configuration, ctx, runtime, to_answers};

/// Records on a page.
const LIMIT: usize = 3;
/// More calls for one page are calls without end.
const MOST_CALLS: usize = 400;

/// Both CRMs in front of a few rows, a hub in front of them, and how often they were asked.
struct Bench {
    runtime: Runtime,
    hub: Hub,
    calls: Arc<AtomicUsize>,
}

/// Checks one input.
pub fn check(data: &[u8]) {
    thread_local!(static BENCH: Bench = Bench::new());
    let Some((how, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if how % 2 == 0 {
        assert_ne!(hub::cursor_survives(text, QUESTION), Some(false));
        return;
    }
    let Ok(lanes) = serde_json::from_str::<Value>(text) else { return };
    assert_ne!(hub::cursor_survives(&text_of(QUESTION, &lanes), QUESTION), Some(false));
    BENCH.with(|bench| {
        bench.runtime.block_on(async {
            match how / 2 % 5 {
                0 => bench.list(bench.hub.shelf::<crm_gateway::model::student::Student>(), &lanes, "").await,
                1 => bench.list(bench.hub.shelf::<crm_gateway::model::lesson::Lesson>(), &lanes, "").await,
                2 => bench.list(bench.hub.shelf::<crm_gateway::model::payment::Payment>(), &lanes, "").await,
                3 => {
                    bench
                        .list(
                            bench.hub.shelf::<crm_gateway::model::payment::Payment>(),
                            &lanes,
                            "from=2026-02-16&to=2026-02-18",
                        )
                        .await
                }
                _ => bench.list(bench.hub.shelf::<crm_gateway::model::project::Project>(), &lanes, "").await,
            }
        });
    });
}

/// What cursors are sealed with.
const SECRET: &[u8] = b"fuzz";
/// A fingerprint that no question has.
const QUESTION: &str = "q";

/// A cursor of the question with these sequences.
fn seal(question: &str, lanes: &Value) -> String {
    URL_SAFE_NO_PAD.encode(hub::sealed(text_of(question, lanes).as_bytes(), SECRET))
}

/// What stands in it.
fn text_of(question: &str, lanes: &Value) -> String {
    json!({"q": question, "l": lanes}).to_string()
}

/// The fingerprint in a cursor.
fn question_of(cursor: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).expect("a cursor is base64");
    let value: Value = serde_json::from_slice(&hub::opened(&bytes, SECRET).expect("it is ours")).expect("a cursor holds JSON");
    value["q"].as_str().expect("a cursor names its question").to_owned()
}

impl Bench {
    fn new() -> Self {
        let runtime = runtime();
        let calls = Arc::<AtomicUsize>::default();
        let within = runtime.enter();
        let (mut alfa, mut crypto) = configuration("");
        (alfa.page_size, crypto.page_size) = (2, 2);
        let metrics = Arc::new(Metrics::new());
        let count = |answer: fn(&Request<Bytes>) -> Value| {
            let calls = Arc::clone(&calls);
            to_answers(move |request| {
                let before = calls.fetch_add(1, Ordering::Relaxed);
                assert!(before < MOST_CALLS, "one page costs {before} calls and more");
                Response::new(answer(request).to_string().into())
            })
        };
        let crms: [Arc<dyn Crm>; 2] = [
            Arc::new(Alfa::new(&alfa, count(alfa_answers), Arc::clone(&metrics))),
            Arc::new(Crypto::new(&crypto, count(crypto_answers), Arc::clone(&metrics))),
        ];
        let never =
            |_: &str| Policy { fresh: Duration::ZERO, stale: Duration::ZERO, if_error: Duration::ZERO };
        let cache = Arc::new(Cache::new(0));
        let hub = Hub::new(&crms, cache, metrics, &[], never, Snapshots::in_memory()).expect("it is empty").sealed_by(SECRET);
        drop(within);
        Self { runtime, hub, calls }
    }

    /// Goes on in a list from a forged cursor.
    async fn list<E: Entity>(&self, shelf: &Shelf<E>, lanes: &Value, query: &str) {
        use crm_gateway::model::Filter as _;
        let filter = E::Filter::read(&mut Query::parse(query));
        let scope = Scope::of(&Arc::default());
        let page = async |limit, cursor: Option<String>| {
            self.calls.store(0, Ordering::Relaxed);
            let answer = shelf.list(&ctx(), &scope, &filter, &PageRequest { limit, cursor }).await;
            answer.map(|answer| answer.value)
        };
        let first = page(1, None).await.expect("the first page has no cursor to be refused");
        let question = question_of(&first.next_cursor.expect("there is more than one record"));
        match page(LIMIT, Some(seal(&question, lanes))).await {
            Ok(next) => {
                assert!(next.items.len() <= LIMIT, "{} records", next.items.len());
                if let Some(cursor) = next.next_cursor {
                    assert_eq!(question_of(&cursor), question);
                    page(LIMIT, Some(cursor)).await.expect("a cursor that was given is taken");
                }
            }
            Err(Failure::BadCursor(_) | Failure::Crm(_)) => {}
            Err(other) => panic!("a cursor cannot lead to {other:?}"),
        }
    }
}

/// Five rows of everything, two on a page.
fn alfa_answers(request: &Request<Bytes>) -> Value {
    if request.uri().path().ends_with("/auth/login") {
        return json!({"token": "0123456789abcdef0123456789abcdef"});
    }
    let asked: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let page = asked["page"].as_u64().unwrap_or_default();
    let row = |number: u64| {
        json!({"id": number, "branch_id": 1, "branch_ids": [1], "is_study": 1, "status": asked["status"],
            "date": format!("2026-02-{:02}", 20 - number), "document_date": format!("{:02}.02.2026", 20 - number)})
    };
    let rows: Vec<Value> =
        (1..=5).skip(usize::try_from(page.saturating_mul(2)).unwrap_or(9)).take(2).map(row).collect();
    json!({"total": 5, "count": rows.len(), "page": page, "items": rows})
}

/// Three projects with three payments each, as many on a page as are asked for.
fn crypto_answers(request: &Request<Bytes>) -> Value {
    let asked: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let query = request.uri().query().unwrap_or_default();
    let told = |name: &str| {
        let from_query =
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        from_query.or_else(|| asked[name].as_u64()).unwrap_or_default()
    };
    let row = |number: u64| json!({"id": number, "date": format!("2026-02-{:02}", 20 - number), "type": "1", "amount": 5});
    let (from, count) = (told("offset"), told("count"));
    let rows = (1..=3).skip(usize::try_from(from).unwrap_or(9)).take(usize::try_from(count).unwrap_or(9));
    json!({"payload": rows.map(row).collect::<Vec<Value>>()})
}
