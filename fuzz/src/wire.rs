//! Both wire parsers, through the adapters' public face: an adapter asks, the input is what the CRM answers. Whatever
//! that is, the outcome is a page of records that can be written and found again, or an error that can be told.
//!
//! An input is four bytes, then the body: which resource is asked for, the status (two bytes, the higher first), and
//! circumstances, bit by bit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use crm_gateway::config;
use crm_gateway::crm::alfa::Alfa;
use crm_gateway::crm::crypto::Crypto;
use crm_gateway::crm::{Asked, Branches, Crm, Error, Lane, Position, Question, Source};
use crm_gateway::model::{Entity, Filter as _, RecordId};
use crm_gateway::telemetry::Metrics;
use crm_gateway::upstream::Call;
use crm_gateway::upstream::wire::Transport;
use http::{Request, Response};
use tokio::runtime::Runtime;

use crate::{configuration, ctx, runtime, to_answers};

/// Circumstance: the page asked for is not the first.
const LATER_PAGE: u8 = 1;
/// Circumstance: the sign-in is answered with the input too.
const SIGN_IN: u8 = 2;
/// Circumstance: only branches 1 and 2 are asked for.
const BRANCHES: u8 = 4;
/// Circumstance: one record is asked for, not a list.
const ONE: u8 = 8;
/// Circumstance: the CRM asks for a pause.
const PAUSE: u8 = 16;
/// Circumstances from here on choose the configuration.
const CONFIGURATION: u8 = 32;

/// Configurations of the Crypto CRM that read answers differently.
const TENANTS: [&str; 4] = [
    "",
    "[cryptocrm.envelope]\nlist = \"/payload\"\nobject = \"/payload\"\ntotal = \"/total\"\n",
    "[cryptocrm.fields.project]\nname = { from = [\"title\", \"data.name\"], type = \"text\" }\nmanager = { from = [\"data.manager\"], type = \"ids\" }\n\
     [cryptocrm.fields.payment]\namount = { from = [\"total.sum\"], type = \"decimal\" }\n",
    "[cryptocrm.envelope]\ntotal = \"/total\"\n",
];

/// What a CRM answers, and to what.
#[derive(Debug)]
pub struct Input {
    resource: u8,
    status: u16,
    circumstances: u8,
    body: Bytes,
}

impl Input {
    /// Takes an input apart; too short a one is none.
    pub fn read(data: &[u8]) -> Option<Self> {
        let ([resource, high, low, circumstances], body) = data.split_first_chunk()?;
        Some(Self {
            resource: *resource,
            status: u16::from_be_bytes([*high, *low]).clamp(100, 999),
            circumstances: *circumstances,
            body: Bytes::copy_from_slice(body),
        })
    }

    fn has(&self, circumstance: u8) -> bool {
        self.circumstances & circumstance != 0
    }

    fn response(&self) -> Response<Bytes> {
        let mut response = Response::builder().status(self.status);
        if self.has(PAUSE) {
            response = response.header("retry-after", "2");
        }
        response.body(self.body.clone()).expect("a status and a body make a response")
    }
}

/// AlfaCRM answers. One adapter serves all inputs, because one that signed in is never freed; each input comes a day
/// after the one before, so that nothing of it is in force any more.
pub fn alfa(input: &Input) {
    thread_local! {
        static BENCH: (Runtime, Arc<Mutex<Response<Bytes>>>, Arc<Mutex<Response<Bytes>>>, Alfa) = {
            let runtime = runtime();
            let (answer, token) = (Arc::<Mutex<Response<Bytes>>>::default(), Arc::<Mutex<Response<Bytes>>>::default());
            let (to_call, to_sign_in) = (Arc::clone(&answer), Arc::clone(&token));
            let transport = to_answers(move |request: &Request<Bytes>| {
                let said = if request.uri().path() == "/v2api/auth/login" { &to_sign_in } else { &to_call };
                said.lock().expect("nobody panics while holding it").clone()
            });
            let _within = runtime.enter();
            let alfa = Alfa::new(&configuration("").0, transport, Arc::new(Metrics::new()));
            drop(_within);
            (runtime, answer, token, alfa)
        };
    }
    BENCH.with(|(runtime, answer, token, alfa)| {
        let good = || Response::new(Bytes::from_static(br#"{"token":"0123456789abcdef0123456789abcdef"}"#));
        *answer.lock().expect("nobody panics while holding it") = input.response();
        *token.lock().expect("nobody panics while holding it") =
            if input.has(SIGN_IN) { input.response() } else { good() };
        runtime.block_on(async {
            tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
            resource(alfa, input).await;
        });
    });
}

/// The Crypto CRM answers.
pub fn crypto(input: &Input) {
    thread_local! {
        static BENCH: (Runtime, Vec<config::CryptoCrm>, Arc<Metrics>) =
            (runtime(), TENANTS.iter().map(|more| configuration(more).1).collect(), Arc::new(Metrics::new()));
    }
    BENCH.with(|(runtime, tenants, metrics)| {
        let response = input.response();
        let transport: Transport = to_answers(move |_: &Request<Bytes>| response.clone());
        let tenant = &tenants[usize::from(input.circumstances / CONFIGURATION) % tenants.len()];
        runtime.block_on(async {
            resource(&Crypto::new(tenant, transport, Arc::clone(metrics)), input).await;
        });
    });
}

/// Asks for the resource that the input names.
async fn resource(crm: &impl Crm, input: &Input) {
    let sources = crm.sources();
    let mut offered = 0_u8;
    macro_rules! count {
        ($entity:ty) => {
            offered += u8::from(sources.get::<$entity>().is_some());
        };
    }
    crate::sources!(count);
    let mut number = input.resource % offered;
    macro_rules! ask {
        ($entity:ty) => {
            if let Some(source) = sources.get::<$entity>() {
                if number == 0 {
                    return answers::<$entity>(&*source, input).await;
                }
                number -= 1;
            }
        };
    }
    crate::sources!(ask);
    unreachable!("resource {number} of {offered}");
}

/// Asks a source for a page of each of its sequences, and for what follows.
async fn answers<E: Entity>(source: &dyn Source<E>, input: &Input) {
    let filter = E::Filter::default();
    let branches = if input.has(BRANCHES) { Branches::Only(vec![1, 2]) } else { Branches::All(vec![1]) };
    let at = Position(if input.has(LATER_PAGE) { u64::from(input.resource) } else { 0 });
    let lanes = source.lanes(&filter, &branches).unwrap_or_default();
    // Where every status and every branch is a sequence of its own, they are read alike.
    // What hangs on another record has none as long as the filter does not say which; its answers are read all the same.
    let lane = lanes.into_iter().last().unwrap_or_else(|| Lane::pages("fuzz"));
    let question = source.question(&filter, &lane, at);
    let question = if input.has(ONE) { one(question) } else { question };
    let asked = source.ask(&Arc::new(ctx()), &question).await;
    if let Some(next) = check(source, &filter, asked) {
        let question = source.question(&filter, &lane, next);
        check(source, &filter, source.ask(&Arc::new(ctx()), &question).await);
    }
}

/// The same question about one record, where that is another operation.
fn one(question: Question) -> Question {
    match question.call.operation {
        "projects" => {
            let call = Call {
                operation: "projects/info",
                target: "/projects/info?id=7".to_owned(),
                ..Call::clone(&question.call)
            };
            Question { key: "one".to_owned(), call: Arc::new(call), at: Position(0), overlap: 0, ..question }
        }
        _ => question,
    }
}

/// What must be true of every outcome. Returns where the next page starts.
fn check<E: Entity>(
    source: &dyn Source<E>,
    filter: &E::Filter,
    asked: Result<Asked<E>, Error>,
) -> Option<Position> {
    let chunk = match asked {
        Ok(asked) => asked.chunk,
        Err(error) => {
            let sentence = error.sentence();
            assert_eq!(error.crm, source.crm());
            assert!(!error.code().is_empty() && sentence.len() > 1, "{error:?}");
            assert!(sentence.len() < 2000 && !sentence.contains(char::is_control), "{sentence:?}");
            return None;
        }
    };
    assert!(
        chunk.records.len() as u64 <= chunk.rows,
        "{} records of {} rows",
        chunk.records.len(),
        chunk.rows
    );
    for record in &chunk.records {
        assert_eq!(record.id.to_string().parse::<RecordId>().as_ref(), Ok(&record.id));
        assert_eq!((record.source, record.id.source()), (source.crm(), source.crm()));
        let written = serde_json::to_string(&**record).expect("a record can be written");
        let read: serde_json::Value = serde_json::from_str(&written).expect("what was written is JSON");
        assert_eq!(read["id"], record.id.to_string());
        filter.matches(record);
    }
    chunk.next
}
