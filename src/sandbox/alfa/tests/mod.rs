//! The simulator against its description, through its router and on a paused clock.

mod access;
mod coherence;
mod faults;
mod fixtures;
mod lists;
mod quota;
mod size;
mod webhooks;
mod writes;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

/// A logged-in caller of a fresh CRM. It has no quota to mind unless a test sets one.
pub(super) struct Caller {
    pub(super) crm: Crm,
    pub(super) token: String,
}

impl Caller {
    pub(super) async fn new() -> Self {
        Self::of(&Options { students: 120, ..Options::default() }).await
    }

    pub(super) async fn of(options: &Options) -> Self {
        let switches = Switches { rate: 1e9, ..Switches::default() };
        let crm = Crm::new(options, switches, Clock::starting_at(options.now));
        let mut caller = Self { crm, token: String::new() };
        caller.token = caller.login().await;
        caller
    }

    pub(super) async fn login(&self) -> String {
        let body = json!({"email": Credentials::EMAIL, "api_key": Credentials::API_KEY});
        let (status, answer) = self.call("auth/login", body).await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: String) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v2api/{path}"))
            .header("X-ALFACRM-TOKEN", &self.token)
            .header("Content-Type", "application/json")
            .body(Body::from(body))
            .expect("a request");
        self.crm.router().oneshot(request).await.expect("an answer")
    }

    pub(super) async fn call(&self, path: &str, body: Value) -> (u16, Value) {
        read(self.send("POST", path, body.to_string()).await).await
    }

    /// A call that must work.
    pub(super) async fn ok(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// A write that must work; returns the model.
    pub(super) async fn write(&self, path: &str, body: Value) -> Value {
        let answer = self.ok(path, body).await;
        assert_eq!(answer["success"], true, "{path}: {answer}");
        assert_eq!(answer["errors"], json!([]));
        answer["model"].clone()
    }

    /// A write that must be refused; returns the errors.
    pub(super) async fn refused(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(path, body).await;
        assert_eq!(status, 422, "{path}: {answer}");
        assert_eq!(answer["success"], false);
        answer["errors"].clone()
    }

    pub(super) async fn total(&self, path: &str, body: Value) -> u64 {
        self.ok(path, body).await["total"].as_u64().expect("a total")
    }

    pub(super) async fn items(&self, path: &str, body: Value) -> Vec<Value> {
        self.ok(path, body).await["items"].as_array().expect("items").clone()
    }

    /// All pages of a list.
    pub(super) async fn all(&self, path: &str, body: Value) -> Vec<Value> {
        let mut rows = Vec::new();
        for page in 0.. {
            let mut body = body.clone();
            body["page"] = json!(page);
            body["pageSize"] = json!(200);
            let items = self.items(path, body).await;
            if items.is_empty() {
                break;
            }
            rows.extend(items);
        }
        rows
    }
}

pub(super) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a whole body");
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(super) fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_u64().expect("an id")).collect()
}

/// The decimal text of an amount in hundredths.
pub(super) fn cents(value: &Value) -> i64 {
    cell::hundredths(value).expect("an amount")
}
