//! Webhooks: what is fired and how it arrives.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::sandbox::server::Server;

const PAY: &str = r#"{"branch_id":"1","customer_id":"101","pay_type_id":"1","pay_account_id":"1","pay_item_id":"3","document_date":"16.02.2026","income":"10","payer_name":"Образцова Анна","note":"8 занятий","is_confirmed":"1"}"#;

fn pay() -> Value {
    serde_json::from_str(PAY).expect("a payment")
}

#[tokio::test(start_paused = true)]
async fn writes_fire_events_in_the_recorded_shape() {
    let caller = Caller::new().await;
    let made = caller.write("1/pay/create", pay()).await;
    let event = caller.crm.fired().pop().expect("an event");
    assert_eq!(event["event"], "create");
    assert_eq!(event["entity"], "Pay");
    assert_eq!(event["entity_id"], made["id"]);
    assert_eq!(event["branch_id"], 1);
    assert_eq!(event["fields_old"], json!([]));
    assert_eq!(event["fields_rel"], json!([]));
    let new = &event["fields_new"];
    assert_eq!(new["customer_id"], "101");
    assert_eq!(new["income"], "10");
    assert_eq!(new["document_date"], "2026-02-16");
    assert_eq!(new["confirmed"], true);
    assert_eq!(new["pay_type_id"], "1");
    caller.crm.switches(|switches| switches.webhook_fields_rel = false);
    caller.write(&format!("1/pay/update?id={}", made["id"]), json!({"income": "100"})).await;
    let event = caller.crm.fired().pop().expect("an event");
    assert_eq!(event["fields_old"], json!({"income": "10.00"}));
    assert_eq!(event["fields_new"], json!({"income": "100"}));
    assert!(event.get("fields_rel").is_none());
}

#[tokio::test(start_paused = true)]
async fn conducting_fires_one_event_per_student() {
    let caller = Caller::new().await;
    let lesson = caller
        .items("lesson/index", json!({"status": 1, "lesson_type_id": 2, "date_to": "20.02.2026"}))
        .await
        .swap_remove(0);
    let students = lesson["customer_ids"].as_array().expect("ids").len();
    caller.write(&format!("lesson/teach?id={}", lesson["id"]), json!({})).await;
    let fired = caller.crm.fired();
    assert_eq!(fired.len(), students + 1);
    assert_eq!(fired[0]["fields_new"]["status"], 3);
    assert!(fired[1..].iter().all(|event| event["entity"] == "LessonDetails"
        && event["fields_new"]["is_attend"] == 1
        && event["fields_new"]["lesson_id"] == lesson["id"]));
}

/// A receiver that passes on content type and body of what it gets.
async fn receiver() -> (Server, String, mpsc::UnboundedReceiver<(String, Value)>) {
    let (sender, inbox) = mpsc::unbounded_channel();
    let router = Router::new().fallback(move |request: Request<Body>| {
        let sender = sender.clone();
        async move {
            let kind = request.headers()["content-type"].to_str().unwrap_or_default().to_owned();
            assert_eq!(request.uri().query(), Some("token=hidden"));
            let bytes = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let _ = sender.send((kind, body));
            "ok"
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = Server::start(listener, router).expect("a server");
    let target = format!("http://{}/hook?token=hidden", server.address());
    (server, target, inbox)
}

/// Real sockets need the real clock.
#[tokio::test]
async fn webhooks_arrive_as_the_switch_says() {
    let caller = Caller::new().await;
    let (_server, target, mut inbox) = receiver().await;
    caller.crm.set_webhooks(vec![target]);
    let expected = [
        (WebhookDelivery::Once, "application/json", vec!["1", "2", "3"]),
        (WebhookDelivery::FormContentType, "application/x-www-form-urlencoded", vec!["1", "2", "3"]),
        (WebhookDelivery::Duplicates, "application/json", vec!["1", "1", "2", "2", "3", "3"]),
        (WebhookDelivery::Reorder, "application/json", vec!["3", "2", "1"]),
        // The twelve before make the thirteenth to fifteenth: every even one is lost.
        (WebhookDelivery::Drop, "application/json", vec!["1", "3"]),
    ];
    for (delivery, kind, amounts) in expected {
        caller.crm.switches(|switches| switches.webhook_delivery = delivery);
        for amount in ["1", "2", "3"] {
            let mut body = pay();
            body["income"] = json!(amount);
            caller.write("1/pay/create", body).await;
        }
        for amount in amounts {
            let got = tokio::time::timeout(Duration::from_secs(5), inbox.recv()).await;
            let (content_type, event) = got.expect("in time").expect("an event");
            assert_eq!(content_type, kind);
            assert_eq!(event["fields_new"]["income"], amount, "{delivery:?}");
        }
    }
}
