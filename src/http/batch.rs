//! `POST /payments/batch`: several payments in one request, each carried out once and answered for itself.
//!
//! Each has an idempotency key of its own, made from the request's: whoever repeats the request gets the answers of what
//! was carried out, and what was not is tried again. They wait in the class of batches.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use futures_util::future::join_all;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

use super::Shared;
use super::describe;
use super::freshness;
use super::idempotency::{REPLAYED, fingerprint, key, mismatch, once};
use super::problem::{Document, Problem};
use super::read::unwritable;
use super::request_id::RequestId;
use super::resource::{Answered, Call, Offer, PathParams, Resource as _};
use super::resources::Payments;
use super::routes::Routes;
use super::view::fields_of;
use super::write::{self, Asked, bad_fields, check_key, read_body, read_query};
use crate::idempotency::Key;
use crate::model::Ctx;
use crate::model::context::Class;
use crate::model::draft::BadField;
use crate::model::interest::Interest;
use crate::model::payment::Payment;

pub(super) const PATH: &str = "/payments/batch";
/// Payments of one request.
const MOST: usize = 100;

/// What became of each payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentBatchResult)]
struct Results {
    /// In the order of the request.
    items: Vec<Outcome>,
}

/// What became of one payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentBatchOutcome)]
struct Outcome {
    /// What it would have been answered with alone: 201, 202, 4xx or 5xx.
    status: u16,
    /// The payment; only with 201.
    #[schema(required, value_type = Option<Payment>)]
    record: Option<Value>,
    /// Where to ask what became of it; only with 202.
    #[schema(required)]
    operation: Option<String>,
    /// Why it was not carried out.
    #[schema(required, value_type = Option<Document<'static>>)]
    problem: Option<Value>,
}

/// Adds the path.
pub(super) fn mount(routes: &mut Routes) {
    describe::plain_schemas::<Results>(routes);
    // Those of the parts hold a payment without what every record has.
    describe::schemas::<Payment>(routes);
    let example = Payments::example(Offer::Create);
    let operation = describe::batch::<Payments>(
        ("create_payments", "Create several payments", "PaymentBatchResult"),
        "What can be told without asking the CRM is checked before any is sent: if one is invalid, none is carried out. Then each is carried out once and \
         answered for itself, as if it had come alone and its class were `batch`. Whoever repeats the request under the same \
         key gets the same answers, and what had no effect is tried again."
            .to_owned(),
        MOST,
        json!({"items": [example]}),
        json!({"items": [{
            "status": 201, "record": <Payment as crate::model::Entity>::example(), "operation": null, "problem": null,
        }]}),
    );
    let fields: Arc<[String]> = fields_of::<Payment>().into();
    let handler = post(move |State(front): State<Shared>, path: PathParams, request: Request| {
        let (head, body) = request.into_parts();
        let call = Call { front, path, head, fields: Arc::clone(&fields), offer: Offer::Create };
        create(call, body)
    });
    routes.add(PATH.to_owned(), HttpMethod::Post, handler, operation);
}

async fn create(call: Call, body: Body) -> Answered {
    let caller = call.caller()?;
    let consumer = &caller.0.consumer;
    let validate_only = read_query(call.head.uri.query().unwrap_or_default())?;
    check_key(&call.head.headers, true)?;
    let mut given = read_body(&call.head.headers, body, Offer::Create).await?;
    let items = items_of(&mut given)?;
    let parts = read_all(&call, items)?;
    for part in &parts {
        write::check(&call, consumer, part)?;
    }
    if validate_only {
        return Ok(write::valid());
    }
    let mut ctx = call.circumstances(&caller.0);
    ctx.payer.class = ctx.payer.class.max(Class::Batch);
    if ctx.rehearsal.is_some() {
        for part in &parts {
            write::make(&call, &ctx, part, None).await?;
        }
        return Ok(StatusCode::OK.into_response());
    }
    let call = Arc::new(call);
    let text = key(&call.head.headers).unwrap_or_default().into();
    let base = Key { consumer: Arc::clone(&consumer.identity), text };
    // The key is that of the whole: with one payment more or less it is another request.
    let whole: Vec<String> = parts.iter().map(Asked::text).collect();
    let print = fingerprint(&call.head.method, PATH, format!("[{}]", whole.join(",")).as_bytes());
    if call.front.api.journal.is_used_otherwise(&base, Some(print)) {
        return Err(mismatch());
    }
    let answers = parts.into_iter().enumerate().map(|(at, part)| {
        let (call, caller) = (Arc::clone(&call), caller.clone());
        // One that was sent keeps nobody from giving up another.
        let ctx = Ctx { interest: Interest::default(), ..ctx.clone() };
        let caller_waits = ctx.interest.join(None);
        let key = base.of_part(at).text.as_ref().to_owned();
        async move {
            let front = Arc::clone(&call.front);
            let answer = once(&front, &caller, Some(key), print, async move |claimed| {
                write::make(&call, &ctx, &part, Some(claimed)).await.into_response()
            })
            .await;
            drop(caller_waits);
            answer
        }
    });
    let answers = join_all(answers).await;
    let all_replayed = answers.iter().all(|answer| answer.headers().contains_key(REPLAYED));
    let mut items = Vec::with_capacity(answers.len());
    for answer in answers {
        items.push(outcome(&call, answer).await);
    }
    let mut response = freshness::reply_once(&Results { items }).map_err(unwritable)?;
    if all_replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What one payment was answered with.
async fn outcome(call: &Call, answer: Response) -> Outcome {
    let status = answer.status().as_u16();
    let (mut record, mut operation, mut problem) = (None, None, None);
    let id = call.head.extensions.get::<RequestId>().map_or("", RequestId::as_str);
    if let Some(why) = answer.extensions().get::<Problem>() {
        problem = serde_json::to_value(why.document(&call.front.base_path, PATH, id)).ok();
    } else if answer.status() == StatusCode::ACCEPTED {
        let location = answer.headers().get(http::header::LOCATION);
        operation = location.and_then(|location| location.to_str().ok()).map(str::to_owned);
    } else {
        // Our own answers are in memory already.
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
        record = serde_json::from_slice(&body).ok();
    }
    Outcome { status, record, operation, problem }
}

fn items_of(given: &mut Map<String, Value>) -> Result<Vec<Value>, Problem> {
    let unknown = given.keys().filter(|key| *key != "items");
    let bad =
        |pointer: &str, detail: &str| BadField { pointer: pointer.to_owned(), detail: detail.to_owned() };
    let mut wrong: Vec<BadField> =
        unknown.map(|key| bad(&format!("/{key}"), "is not known; there is `items`")).collect();
    let items = match given.remove("items") {
        Some(Value::Array(items)) if (1..=MOST).contains(&items.len()) => items,
        Some(Value::Array(_)) => {
            wrong.push(bad("/items", "must have 1 to 100 entries"));
            Vec::new()
        }
        _ => {
            wrong.push(bad("/items", "must be a list of payments"));
            Vec::new()
        }
    };
    if wrong.is_empty() { Ok(items) } else { Err(bad_fields(wrong)) }
}

/// Reads all, and tells everything that is wrong with any.
fn read_all(call: &Call, items: Vec<Value>) -> Result<Vec<Asked<Payments>>, Problem> {
    let mut parts = Vec::with_capacity(items.len());
    let mut wrong = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let pointer = format!("/items/{at}");
        match item {
            Value::Object(given) => match write::read_part::<Payments>(call, given, &pointer) {
                Ok(part) => parts.push(part),
                Err(bad) => wrong.extend(bad),
            },
            _ => wrong.push(BadField { pointer, detail: "must be an object".to_owned() }),
        }
    }
    if wrong.is_empty() { Ok(parts) } else { Err(bad_fields(wrong)) }
}
