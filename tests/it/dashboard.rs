//! What the operator page and its data say. How the page looks is tested in a browser: `tests/browser`.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use serde_json::json;

use super::support::Setup;

#[tokio::test(start_paused = true)]
async fn the_state_says_who_spent_what_and_how_memory_took_part() {
    let app = Setup::new().students(20).projects(5).start();
    for _ in 0..3 {
        assert_eq!(app.owner().get("/students?limit=2").await.status, 200);
    }
    assert_eq!(app.export().get("/projects?limit=2").await.status, 200);
    let state = app.operator().get("/admin/state").await;
    assert_eq!((state.status, state.header("cache-control")), (200, "no-store"));
    let state = state.json;
    assert_eq!(state["ready"], "ready");
    assert_eq!(state["cache"]["students"], json!({"hit": 2, "miss": 1}));
    assert_eq!(state["requests"], json!({"200": 4}));
    assert_eq!(state["took"]["counts"].as_array().unwrap().last().unwrap(), 4);
    let [alfa, crypto] = state["crms"].as_array().unwrap().as_slice() else { panic!("{state}") };
    assert_eq!(
        alfa["spent"],
        json!([
            {"consumer": "gateway", "reason": "auth", "calls": 1},
            {"consumer": "owner", "reason": "miss", "calls": 1},
        ])
    );
    assert_eq!(crypto["spent"], json!([{"consumer": "export", "reason": "miss", "calls": 1}]));
    assert_eq!(
        (&alfa["source"], &alfa["calls"], &alfa["rate"]),
        (&json!("alfacrm"), &json!({"200": 2}), &json!(5.0))
    );
    assert_eq!((&alfa["breaker"], &alfa["waiting"]), (&json!("closed"), &json!(0)));
    // Nobody follows writes up here, and nothing failed.
    assert_eq!(
        (&state["operations"], &state["errors"]),
        (&json!({"open": 0, "needs_review": 0}), &json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn the_state_says_who_waits_and_how_long_one_more_would() {
    let app = Setup::new().students(20).without("cryptocrm").start();
    app.owner().get("/teachers").await;
    let waiting = (0..6).map(|at| {
        let asker = app.export();
        async move { asker.get(&format!("/students?limit=2&q=x{at}")).await }
    });
    let waiting = tokio::spawn(futures_util::future::join_all(waiting.collect::<Vec<_>>()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let state = app.operator().get("/admin/state").await.json;
    let alfa = &state["crms"][0];
    let depth = alfa["waiting_by_class"]["batch"].as_u64().unwrap();
    assert!(depth >= 4 && alfa["waiting"].as_u64().unwrap() >= depth, "{alfa}");
    let wait = |class: &str| alfa["predicted_wait_ms"][class].as_u64().unwrap();
    // One more consumer of the class would wait for its turn among them, not behind them all.
    assert!(wait("interactive") < wait("batch"), "{alfa}");
    for answer in waiting.await.unwrap() {
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_tells_failures_as_the_log_does_and_a_crm_that_is_given_a_pause() {
    let app = Setup::new().students(20).without("cryptocrm").in_no_hurry().start();
    app.owner().get("/teachers").await;
    let (content_type, body, retry_after) = ("text/html", "<html>".to_owned(), None);
    app.alfa.faults().next(None, usize::MAX, Fault::Status { code: 502, body, content_type, retry_after });
    for id in 0..6 {
        app.owner()
            .with("x-request-id", &format!("look-me-up-{id}"))
            .get(&format!("/students?q=secret{id}"))
            .await;
    }
    let state = app.operator().get("/admin/state").await;
    let alfa = &state.json["crms"][0];
    assert_eq!(alfa["breaker"], "open", "{alfa}");
    assert!(
        alfa["breaker_retry_after_ms"].as_u64().unwrap() > 0 && alfa["calls"]["502"].as_u64().unwrap() >= 5
    );
    let errors = state.json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 6);
    let last = &errors[5];
    assert_eq!(
        (&last["route"], &last["method"], &last["request_id"]),
        (&json!("/students"), &json!("GET"), &json!("look-me-up-0"))
    );
    assert_eq!(
        (&last["source"], &last["consumer"], &last["status"]),
        (&json!("alfacrm"), &json!("owner"), &json!(502))
    );
    assert!(!state.text.contains("secret"), "{}", state.text);
}

#[tokio::test(start_paused = true)]
async fn the_page_comes_whole_from_the_program_and_may_load_nothing_from_elsewhere() {
    let app = Setup::new().students(5).start();
    let page = app.operator().get("/admin").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let links = page.text.split(['"', '\'']).filter(|link| link.starts_with("admin/"));
    let mut seen = 0;
    for link in links {
        let file = app.operator().get(&format!("/{link}")).await;
        assert_eq!(file.status, 200, "{link}");
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} files");
    for elsewhere in ["http://", "https://", "src=\"//", "style=", "<script>"] {
        assert!(!page.text.contains(elsewhere), "{elsewhere}");
    }
    // Consumers cannot reach it, whatever key they have.
    assert_eq!(app.owner().get("/admin").await.status, 404);
    assert_eq!(app.owner().get("/admin/state").await.status, 404);
}
