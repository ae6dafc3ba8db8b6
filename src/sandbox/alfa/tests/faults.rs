//! Every way to misbehave.

use std::time::Duration;

use futures_util::StreamExt;

use super::*;
use crate::sandbox::fault::Fault;
use crate::sandbox::server::HangUp;

async fn strike(caller: &Caller, fault: Fault) -> Response {
    caller.crm.faults().next(Some("branch/index"), 1, fault);
    caller.send("POST", "branch/index", "{}".to_owned()).await
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(bytes.to_vec()).expect("text")
}

const LEAD: &str = r#"{"name":"Лид","legal_type":1,"is_study":0,"branch_ids":[1]}"#;

#[tokio::test(start_paused = true)]
async fn a_drop_before_changes_nothing_and_a_drop_after_does() {
    let caller = Caller::new().await;
    let count = caller.crm.count("customer");
    for (fault, added) in
        [(Fault::DropBefore, 0), (Fault::DropAfter, 1), (Fault::StatusAfter { code: 502 }, 2)]
    {
        caller.crm.faults().next(Some("customer/create"), 1, fault.clone());
        let response = caller.send("POST", "1/customer/create", LEAD.to_owned()).await;
        let dropped = response.extensions().get::<HangUp>().is_some();
        assert_eq!(dropped, !matches!(fault, Fault::StatusAfter { .. }));
        assert_eq!(caller.crm.count("customer"), count + added, "{fault:?}");
        let last = caller.crm.ledger().entries().pop().expect("a call");
        assert_eq!(last.status, if dropped { 0 } else { 502 });
    }
}

#[tokio::test(start_paused = true)]
async fn answers_can_be_spoiled() {
    let caller = Caller::new().await;
    let right = caller.ok("branch/index", json!({})).await.to_string();
    let cut = text(strike(&caller, Fault::Truncated).await).await;
    assert!(right.starts_with(&cut[..cut.len() - 4]) && cut.len() == right.len() / 2);
    assert_eq!(text(strike(&caller, Fault::ByteOrderMark).await).await, format!("\u{feff}{right}"));
    let warned = text(strike(&caller, Fault::WarningText).await).await;
    assert!(warned.contains("Warning:") && warned.ends_with(&right));
    let page = text(strike(&caller, Fault::LoginPage).await).await;
    assert!(page.contains("<html>"));
    let moved = strike(&caller, Fault::Redirect("http://127.0.0.1:1/".to_owned())).await;
    assert_eq!(moved.status(), 302);
    assert_eq!(moved.headers()["location"], "http://127.0.0.1:1/");
    let spoiled = strike(
        &caller,
        Fault::Status {
            code: 503,
            body: "down".to_owned(),
            content_type: "text/plain",
            retry_after: Some("7".to_owned()),
        },
    )
    .await;
    assert_eq!(spoiled.status(), 503);
    assert_eq!(spoiled.headers()["retry-after"], "7");
    assert_eq!(text(spoiled).await, "down");
}

#[tokio::test(start_paused = true)]
async fn a_body_can_break_off_or_never_end() {
    let caller = Caller::new().await;
    let broken = strike(&caller, Fault::DropMidBody).await;
    assert!(to_bytes(broken.into_body(), usize::MAX).await.is_err());
    let endless = strike(&caller, Fault::Endless).await;
    let mut pieces = endless.into_body().into_data_stream();
    for _ in 0..1000 {
        assert!(pieces.next().await.expect("one more").is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_late_or_never_come() {
    let caller = Caller::new().await;
    let start = tokio::time::Instant::now();
    strike(&caller, Fault::Latency(Duration::from_secs(4))).await;
    assert_eq!(start.elapsed().as_secs(), 4);
    let hanging = strike(&caller, Fault::Hang);
    assert!(tokio::time::timeout(Duration::from_secs(3600), hanging).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_may_have_been_carried_out() {
    let caller = Caller::new().await;
    let count = caller.crm.count("customer");
    caller.crm.faults().next(Some("customer/create"), 1, Fault::HangAfter);
    let hanging = caller.send("POST", "1/customer/create", LEAD.to_owned());
    assert!(tokio::time::timeout(Duration::from_secs(3600), hanging).await.is_err());
    assert_eq!(caller.crm.count("customer"), count + 1);
    let last = caller.crm.ledger().entries().pop().expect("a call");
    assert_eq!((last.status, last.fault), (0, Some(Fault::HangAfter)));
}

#[tokio::test(start_paused = true)]
async fn a_late_call_is_carried_out_also_when_its_caller_has_left() {
    let caller = Caller::new().await;
    let count = caller.crm.count("customer");
    let late = Fault::Late(Duration::from_secs(4));
    caller.crm.faults().next(Some("customer/create"), 2, late);
    let start = tokio::time::Instant::now();
    let (status, answer) = read(caller.send("POST", "1/customer/create", LEAD.to_owned()).await).await;
    assert_eq!((status, start.elapsed().as_secs()), (200, 4), "{answer}");
    let leaving = caller.send("POST", "1/customer/create", LEAD.to_owned());
    assert!(tokio::time::timeout(Duration::from_secs(1), leaving).await.is_err());
    assert_eq!(caller.crm.count("customer"), count + 1, "not yet");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(caller.crm.count("customer"), count + 2);
}

#[tokio::test(start_paused = true)]
async fn the_ledger_knows_which_call_made_a_row_and_when() {
    let caller = Caller::new().await;
    tokio::time::advance(Duration::from_secs(5)).await;
    caller.crm.faults().next(Some("customer/create"), 1, Fault::DropAfter);
    caller.send("POST", "1/customer/create", LEAD.to_owned()).await;
    let newest =
        caller.crm.rows("customer").iter().filter_map(|row| row["id"].as_u64()).max().expect("a row");
    let maker = caller.crm.ledger().maker("Customer", newest).expect("a call made it");
    assert_eq!(maker.operation, "customer/create");
    assert_eq!(maker.fault, Some(Fault::DropAfter));
    assert_eq!(maker.made.expect("a row").at.as_secs(), 5);
    assert!(caller.crm.ledger().maker("Customer", 101).is_none(), "it was there before");
    caller.call("1/customer/create", json!({"name": ""})).await;
    assert_eq!(caller.crm.ledger().entries().pop().expect("a call").made, None);
}
