//! One CRM fails in every way there is. The other one still answers in full, the failing one's failure is told in the
//! contract's words, and everything heals by itself.

use std::time::Duration;

use crm_gateway::sandbox::fault::{Fault, Faults};
use serde_json::json;

use crate::support::app::ids;
use crate::support::{Setup, TestApp};

fn app() -> TestApp {
    Setup::new()
        .students(30)
        .projects(30)
        .in_no_hurry()
        .forgetful()
        .set("server.request_timeout", "\"40s\"")
        .start()
}

/// Everything that can go wrong, with whether an answer is possible all the same.
fn faults() -> Vec<(Fault, bool)> {
    let status = |code: u16| Fault::Status {
        code,
        body: "<html>Это не JSON</html>".to_owned(),
        content_type: "text/html",
        retry_after: None,
    };
    vec![
        (Fault::Latency(Duration::from_secs(3)), true),
        (Fault::ByteOrderMark, true),
        (Fault::Latency(Duration::from_secs(120)), false),
        (Fault::Hang, false),
        (Fault::DropBefore, false),
        (Fault::DropAfter, false),
        (Fault::DropMidBody, false),
        (Fault::Truncated, false),
        (Fault::LoginPage, false),
        (Fault::WarningText, false),
        (Fault::Redirect("https://elsewhere.example/login".to_owned()), false),
        (Fault::StatusAfter { code: 500 }, false),
        (Fault::Endless, false),
        (status(400), false),
        (status(401), false),
        (status(403), false),
        (status(418), false),
        (status(429), false),
        (status(500), false),
        (status(503), false),
    ]
}

/// Whose faults, what is read there, what is read at the other one.
struct Side {
    source: &'static str,
    own: &'static str,
    other: &'static str,
    faults: fn(&TestApp) -> &Faults,
}

const SIDES: [Side; 2] = [
    Side {
        source: "alfacrm",
        own: "/students?limit=5",
        other: "/projects?limit=200",
        faults: |app| app.alfa.faults(),
    },
    Side {
        source: "cryptocrm",
        own: "/projects?limit=5",
        other: "/students?limit=200",
        faults: |app| app.crypto.faults(),
    },
];

#[tokio::test(start_paused = true)]
async fn whatever_one_crm_does_the_other_answers_in_full() {
    for side in SIDES {
        let app = app();
        let whole = ids(&app.owner().walk(side.other).await);
        for (fault, answers) in faults() {
            (side.faults)(&app).next(None, usize::MAX, fault.clone());
            let start = tokio::time::Instant::now();
            let owner = app.owner();
            let (own, other) = tokio::join!(owner.get(side.own), owner.walk(side.other));
            assert_eq!(ids(&other), whole, "{fault:?} of {}", side.source);
            assert!(start.elapsed() <= Duration::from_secs(41), "{fault:?}: {:?}", start.elapsed());
            if answers {
                assert_eq!(own.status, 200, "{fault:?} of {}: {}", side.source, own.text);
            } else {
                assert!(
                    matches!(own.status, 502..=504),
                    "{fault:?} of {}: {} {}",
                    side.source,
                    own.status,
                    own.text
                );
                assert_eq!(own.json["source"], side.source, "{fault:?}: {}", own.text);
                assert_eq!(own.header("content-type"), "application/problem+json");
                assert!(!own.text.contains("html") && !own.text.contains("elsewhere"), "{}", own.text);
            }
            (side.faults)(&app).clear();
            // What is under way is seen through, and a refused sign-in is not tried again at once.
            tokio::time::advance(Duration::from_secs(130)).await;
            let healed = app.owner().get(side.own).await;
            assert_eq!(healed.status, 200, "after {fault:?} of {}: {}", side.source, healed.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_both_names_the_one_that_fails() {
    for (fault, answers) in faults() {
        // A new one each time: who could be asked before is not asked where its branches are.
        let app = app();
        app.alfa.faults().next(None, usize::MAX, fault.clone());
        let page = app.owner().get("/payments?limit=20").await;
        if answers {
            assert_eq!(page.json["incomplete"], json!([]), "{fault:?}");
            continue;
        }
        assert_eq!(page.status, 200, "{fault:?}: {}", page.text);
        assert_eq!(page.json["incomplete"][0]["source"], "alfacrm", "{fault:?}");
        assert!(!page.items().is_empty(), "{fault:?}");
        let reason = page.json["incomplete"][0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.starts_with("upstream_"), "{fault:?}: {reason}");
    }
}

/// Single failures are made good by a second attempt, so nobody sees them.
#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_not_seen() {
    for fault in [Fault::DropBefore, Fault::DropAfter, Fault::DropMidBody, Fault::StatusAfter { code: 502 }] {
        for side in SIDES {
            let app = app();
            (side.faults)(&app).next(None, 1, fault.clone());
            let answer = app.owner().get(side.own).await;
            assert_eq!(answer.status, 200, "{fault:?} of {}: {}", side.source, answer.text);
        }
    }
}

/// A consumer that goes on as long as there is a cursor must come to an end, and not by being told that all is well.
#[tokio::test(start_paused = true)]
async fn a_list_whose_rest_is_only_where_nobody_answers_ends_with_an_error() {
    let app = app();
    app.crypto.faults().next(None, usize::MAX, Fault::DropBefore);
    let mut next = "/payments?limit=200".to_owned();
    for _ in 0..20 {
        let page = app.owner().get(&next).await;
        if page.status != 200 {
            // The latter once it has failed so often that it is given a pause.
            let codes = ["upstream_error", "upstream_unavailable"];
            assert!(codes.contains(&page.code()), "{}", page.text);
            return;
        }
        assert_eq!(page.header("cache-control"), "private, max-age=0", "what is missing may be there soon");
        let cursor = page.next_cursor().expect("what was not read is not at its end");
        next = format!("/payments?limit=200&cursor={cursor}");
    }
    panic!("twenty pages and no end");
}
