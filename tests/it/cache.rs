//! What is answered from memory, what that costs the CRM, and what is said about it.

use std::time::Duration;

use crm_gateway::sandbox::fault::Fault;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::advance;

use crate::support::{Answer, Asker, Setup, TestApp};

const FRESH: Duration = Duration::from_secs(60);

/// Answers are fresh for a minute, stale for ten more, and good for a day when the CRM fails.
fn app() -> TestApp {
    let mut setup = Setup::new().students(40).projects(10).in_no_hurry();
    for (window, time) in [("fresh", "\"60s\""), ("stale", "\"10m\""), ("if_error", "\"24h\"")] {
        setup = setup.set(&format!("cache.policy.students.{window}"), time);
    }
    setup.start()
}

fn broken() -> Fault {
    Fault::Status { code: 500, body: String::new(), content_type: "text/html", retry_after: None }
}

fn told(answer: &Answer) -> (&str, &str, &str) {
    (answer.header("cache-status"), answer.header("age"), answer.header("cache-control"))
}

async fn counted(app: &TestApp, result: &str) -> u64 {
    let metrics = app.operator().get("/metrics").await.text;
    let start = format!("crm_gateway_cache_requests_total{{resource=\"students\",result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or_default()
}

/// Whoever asks first may leave first: the call belongs to nobody.
#[tokio::test(start_paused = true)]
async fn a_thousand_cold_reads_of_which_most_hang_up_are_one_call_that_is_kept() {
    let app = app();
    app.alfa.faults().next(Some("customer/index"), 1, Fault::Latency(Duration::from_secs(5)));
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let owner = app.owner();
            tokio::spawn(async move { owner.get("/students?limit=5").await })
        })
        .collect();
    while app.alfa.ledger().count_operation("customer/index") == 0 {
        advance(Duration::from_millis(10)).await;
    }
    // The first ones among them: the one that began the call too.
    for leaving in &asking[..900] {
        leaving.abort();
    }
    let answers = join_all(asking.into_iter().skip(900)).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.items().len(), 5);
        assert_eq!(answer.header("cache-status"), "crm-gateway; fwd=miss; collapsed");
    }
    let later = app.owner().get("/students?limit=5").await;
    assert_eq!(later.header("cache-status"), "crm-gateway; hit; ttl=60");
    assert_eq!(app.alfa.ledger().count_operation("customer/index"), 1);
    assert_eq!(app.alfa.ledger().count_operation("auth/login"), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_hang_up_before_the_call_is_sent_it_is_not_sent() {
    let app = Setup::new()
        .students(40)
        .set("alfacrm.quota.rate", "0.2")
        .set("alfacrm.quota.max_wait", "\"1m\"")
        .start();
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let owner = app.owner();
            tokio::spawn(async move { owner.get("/students?limit=5").await })
        })
        .collect();
    while app.alfa.ledger().count_operation("auth/login") == 0 {
        advance(Duration::from_millis(100)).await;
    }
    for leaving in asking {
        leaving.abort();
        let _ = leaving.await;
    }
    advance(Duration::from_secs(60)).await;
    assert_eq!(app.alfa.ledger().count_operation("customer/index"), 0);
    assert_eq!(
        app.owner().get("/students?limit=5").await.status,
        200,
        "the next one is served as if nothing had been"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_tells_how_it_came_about() {
    let app = app();
    let ask = async || app.owner().get("/students?limit=5").await;
    let first = ask().await;
    assert_eq!(told(&first), ("crm-gateway; fwd=miss; stored", "0", "private, max-age=60"));

    advance(Duration::from_secs(12)).await;
    let hit = ask().await;
    assert_eq!(told(&hit), ("crm-gateway; hit; ttl=48", "12", "private, max-age=60"));
    assert_eq!(app.calls(), 1);
    assert_eq!(hit.header("server-timing"), "queue;dur=0.0, upstream;dur=0.0");

    advance(FRESH).await;
    let stale = ask().await;
    assert_eq!(told(&stale), ("crm-gateway; hit; ttl=-12; detail=stale", "72", "private, max-age=0"));
    assert_eq!(stale.text, first.text);
    // The refresh runs behind the answer.
    while app.calls() < 2 {
        advance(Duration::from_millis(10)).await;
    }
    advance(Duration::from_millis(10)).await;
    let renewed = ask().await;
    assert!(
        renewed.header("cache-status").starts_with("crm-gateway; hit; ttl="),
        "{}",
        renewed.header("cache-status")
    );
    // Up to a tenth of the time it is fresh, so that what was filled together does not end together.
    let age: u64 = renewed.header("age").parse().unwrap();
    assert!(age <= 6, "{age}");
    assert_eq!(app.calls(), 2);

    // Older than stale, and the CRM fails: better than nothing.
    advance(Duration::from_secs(3600)).await;
    app.alfa.faults().next(None, usize::MAX, broken());
    let old = ask().await;
    assert_eq!(old.status, 200);
    let (status, age, control) = told(&old);
    assert!(
        status.starts_with("crm-gateway; hit; ttl=-35")
            && status.ends_with("; detail=stale-if-error; fwd-status=500"),
        "{status}"
    );
    assert!((3600..3608).contains(&age.parse().unwrap()), "{age}");
    assert_eq!(control, "private, max-age=0");
    // Once more than a day old, the failure is told.
    advance(Duration::from_secs(24 * 3600)).await;
    assert_eq!(ask().await.status, 502);

    for (result, times) in [("miss", 1), ("hit", 2), ("stale", 1), ("stale_if_error", 1)] {
        assert_eq!(counted(&app, result).await, times, "{result}");
    }
}

/// A silent CRM is a failure like any other: an old answer comes when the request's time is over.
#[tokio::test(start_paused = true)]
async fn an_old_answer_is_better_than_none_when_the_crm_is_silent() {
    let app = Setup::new().students(40).projects(10).set("cache.policy.students.stale", "\"0s\"").start();
    let first = app.owner().get("/students?limit=5").await;
    advance(Duration::from_secs(600)).await;
    app.alfa.faults().next(None, usize::MAX, Fault::Hang);
    let start = tokio::time::Instant::now();
    let old = app.owner().get("/students?limit=5").await;
    assert!(start.elapsed() <= Duration::from_millis(30_050), "{:?}", start.elapsed());
    assert_eq!((old.status, old.text.as_str()), (200, first.text.as_str()));
    assert!(old.header("cache-status").ends_with("detail=stale-if-error"), "{}", old.header("cache-status"));
    assert_eq!(
        app.owner().no_cache().get("/students?limit=5").await.status,
        504,
        "who wants nothing old gets nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn who_asks_at_the_same_time_shares_one_call() {
    let app = app();
    let (owner, export) = (app.owner(), app.export());
    let (a, b) = tokio::join!(owner.get("/students?limit=5"), export.get("/students?limit=5"));
    assert_eq!(a.header("cache-status"), "crm-gateway; fwd=miss; stored");
    assert_eq!(b.header("cache-status"), "crm-gateway; fwd=miss; collapsed");
    assert_eq!(a.text, b.text);
    assert_eq!(app.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_says_how_old_an_answer_may_be() {
    let app = app();
    let path = "/students?limit=5";
    let control = |value: &str| app.owner().with("cache-control", value);
    let cold = control("only-if-cached").get(path).await;
    assert_eq!((cold.status, cold.code()), (504, "not_cached"));
    assert_eq!(app.calls(), 0);
    assert_eq!(app.owner().get(path).await.status, 200);
    advance(Duration::from_secs(30)).await;

    let cached = control("only-if-cached").get(path).await;
    assert_eq!(told(&cached), ("crm-gateway; hit; ttl=30", "30", "private, max-age=60"));
    let good = control("max-age=30").get(path).await;
    assert_eq!(good.header("cache-status"), "crm-gateway; hit; ttl=30");
    assert_eq!(app.calls(), 1);
    let too_old = control("only-if-cached, max-age=10").get(path).await;
    assert_eq!((too_old.status, too_old.code()), (504, "not_cached"));
    let younger = control("max-age=29").get(path).await;
    assert_eq!(younger.header("cache-status"), "crm-gateway; fwd=miss; stored");
    assert_eq!(app.calls(), 2);
    let now = control("no-cache").get(path).await;
    assert_eq!(now.header("cache-status"), "crm-gateway; fwd=miss; stored");
    assert_eq!(app.calls(), 3);
    // What was fetched for one is there for all.
    assert_eq!(app.export().get(path).await.header("cache-status"), "crm-gateway; hit; ttl=60");
    // Who wants to hear nothing old hears of the failure instead.
    app.alfa.faults().next(None, usize::MAX, broken());
    assert_eq!(control("no-cache").get(path).await.status, 502);
}

#[tokio::test(start_paused = true)]
async fn the_tag_is_the_same_for_the_same_view_and_another_for_another() {
    let app = app();
    let path = "/students?limit=5";
    let tag = async |answer: Answer| answer.header("etag").to_owned();
    let owner = tag(app.owner().get(path).await).await;
    assert!(owner.starts_with('"') && owner.len() > 10, "a strong tag: {owner}");
    assert_eq!(tag(app.export().get(path).await).await, owner);
    // A page that leads on to another holds a cursor, which tells when the CRM was asked; a record does not.
    let student = app.owner().get(path).await.items().remove(0);
    let one = format!("/students/{}", student["id"].as_str().unwrap());
    for unchanged in [one.as_str(), "/students?limit=200"] {
        let before = tag(app.owner().get(unchanged).await).await;
        assert_eq!(
            tag(app.owner().no_cache().get(unchanged).await).await,
            before,
            "asking again changes nothing"
        );
    }
    let masked = tag(app.masked().get(path).await).await;
    assert_ne!(masked, owner);
    let pruned = tag(app.owner().get("/students?limit=5&fields=name").await).await;
    assert_ne!(pruned, owner);
    assert_ne!(tag(app.owner().get("/students?limit=5&include=raw").await).await, owner);
}

#[tokio::test(start_paused = true)]
async fn who_has_it_already_gets_304_until_it_changes() {
    let app = app();
    let student = app.owner().get("/students?limit=1").await.items().remove(0);
    let path = format!("/students/{}", student["id"].as_str().unwrap());
    let first = app.owner().get(&path).await;
    let etag = first.header("etag").to_owned();
    let again = app.owner().with("if-none-match", &etag).get(&path).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(again.header("etag"), etag);
    assert_eq!(again.header("cache-status"), "crm-gateway; hit; ttl=60");
    assert!(!again.header("x-request-id").is_empty());
    let number = student["source_id"].as_str().unwrap().parse().unwrap();
    app.alfa.update_row("customer", number, &serde_json::json!({"note": "другой"}));
    let changed = app.owner().no_cache().with("if-none-match", &etag).get(&path).await;
    assert_eq!((changed.status, &changed.json["note"]), (200, &Value::from("другой")));
    assert_ne!(changed.header("etag"), etag);
    // A tag for one view says nothing about another.
    let masked = app.masked().with("if-none-match", changed.header("etag")).get(&path).await;
    assert_eq!(masked.status, 200);
}

#[tokio::test(start_paused = true)]
async fn head_is_get_without_the_body() {
    let app = app();
    for path in ["/students?limit=5", "/students/alfa-999999", "/students?limit=0"] {
        let get = app.owner().get(path).await;
        let head = app.owner().send(Method::HEAD, path, None).await;
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        for name in ["etag", "content-type", "cache-control", "link"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
}

/// The memory of one consumer's view must not become another one's answer.
#[tokio::test(start_paused = true)]
async fn what_may_be_seen_is_decided_anew_for_everybody() {
    let app = app();
    let all = app.owner().walk("/students?limit=200").await;
    let hidden = all.iter().find(|student| student["branch_ids"] == serde_json::json!(["alfa-2"])).unwrap();
    let path = format!("/students/{}", hidden["id"].as_str().unwrap());
    assert_eq!(app.owner().get(&path).await.status, 200);
    assert_eq!(app.branch_one().get(&path).await.status, 404);
    assert_eq!(app.owner().get(&path).await.header("cache-status"), "crm-gateway; hit; ttl=60");
    assert!(app.owner().get(&path).await.json.get("contacts").is_some());
    assert!(app.masked().get(&path).await.json.get("contacts").is_none());
    assert!(app.owner().get(&path).await.json.get("contacts").is_some());
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_remembered() {
    let app = app();
    app.alfa.faults().next(Some("customer/index"), 3, broken());
    assert_eq!(app.owner().get("/students?limit=5").await.status, 502);
    assert_eq!(app.owner().get("/students?limit=5").await.status, 200);
    assert_eq!(app.owner().get("/students/alfa-999999").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_write_outdates_what_it_changes_and_leaves_the_rest() {
    let app = app();
    let students = app.alfa.rows("customer");
    let (one, other) = (students[0]["id"].as_u64().unwrap(), students[1]["id"].as_u64().unwrap());
    let of = |id: u64| format!("/payments?student_id=alfa-{id}");
    let hit = async |path: &str| {
        let answer = app.owner().get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.header("cache-status").starts_with("crm-gateway; hit")
    };
    let paths = [of(one), of(other), format!("/students/alfa-{one}"), format!("/students/alfa-{other}")];
    for path in &paths {
        assert!(!hit(path).await);
    }
    let account = app.owner().get("/reference/pay-accounts").await.items()[0]["id"].clone();
    let paid = json!({
        "student_id": format!("alfa-{one}"), "amount": {"amount": "500.00", "currency": "RUB"},
        "date": "2026-02-02", "account_id": account,
    });
    let answer = app
        .owner()
        .with("idempotency-key", "\"a-key-for-marks\"")
        .send(Method::POST, "/payments", Some(&paid))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let mut known = Vec::new();
    for path in &paths {
        known.push(hit(path).await);
    }
    assert_eq!(known, [false, true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_has_things_asked_anew() {
    let app = app();
    let read = async || app.owner().get("/students?limit=5").await.header("cache-status").to_owned();
    assert_eq!(read().await, "crm-gateway; fwd=miss; stored");
    for (tag, status, anew) in [
        ("payments", 204, false),
        ("students", 204, true),
        ("students:alfa-1", 204, true),
        ("*", 204, true),
        ("student:nobody", 400, false),
        ("cats", 400, false),
        ("", 400, false),
    ] {
        let purged = app.operator().send(Method::POST, &format!("/admin/purge?tag={tag}"), None).await;
        assert_eq!(purged.status, status, "{tag}: {}", purged.text);
        assert_eq!(read().await.starts_with("crm-gateway; fwd=miss"), anew, "{tag}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_on_a_page_that_is_fresh_costs_no_call_and_looks_the_same() {
    let app = app();
    let listed = app.owner().get("/students?limit=5").await.items();
    let calls = app.calls();
    let path = format!("/students/{}", listed[3]["id"].as_str().unwrap());
    advance(Duration::from_secs(12)).await;
    let one = app.owner().get(&path).await;
    assert_eq!(one.json, listed[3]);
    assert_eq!(told(&one), ("crm-gateway; hit; ttl=48", "12", "private, max-age=60"));
    assert_eq!(app.calls(), calls);
    // Out of a page that is old it is given when the CRM cannot.
    app.alfa.faults().next(None, usize::MAX, Fault::DropBefore);
    let other = format!("/students/{}", listed[2]["id"].as_str().unwrap());
    advance(Duration::from_secs(700)).await;
    let old = app.owner().get(&other).await;
    assert_eq!((&old.json, told(&old).1), (&listed[2], "712"));
    assert!(told(&old).0.ends_with("detail=stale-if-error"), "{}", told(&old).0);
    app.alfa.faults().clear();
    tokio::time::sleep(FRESH).await;
    let calls = app.calls();
    // When the page is not fresh any more, the record is asked for.
    advance(FRESH).await;
    assert_eq!(told(&app.owner().get(&path).await).0, "crm-gateway; fwd=miss; stored");
    assert_eq!(app.owner().no_cache().get(&path).await.status, 200);
    assert_eq!(app.calls(), calls + 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_as_old_as_its_records_and_not_as_the_book_of_branches() {
    let app = Setup::new().students(40).without("cryptocrm").in_no_hurry().start();
    let path = "/payments?limit=5";
    let first = app.owner().get(path).await;
    assert_eq!(told(&first), ("crm-gateway; fwd=miss; stored", "0", "private, max-age=60"));
    advance(Duration::from_secs(2 * 3600)).await;
    let later = app.owner().get(path).await;
    assert_eq!(told(&later), ("crm-gateway; fwd=miss; stored", "0", "private, max-age=60"));
    assert_eq!(app.alfa.ledger().count_operation("branch/index"), 1);
    advance(Duration::from_secs(12)).await;
    // The second time without going through the question again.
    for _ in 0..2 {
        assert_eq!(
            told(&app.owner().get(path).await),
            ("crm-gateway; hit; ttl=48", "12", "private, max-age=60")
        );
    }
    // Behind the end of its freshness the book is asked for, and what it says is believed until then.
    advance(Duration::from_secs(6 * 3600)).await;
    assert_eq!(told(&app.owner().get(path).await).1, "0");
    advance(Duration::from_secs(1)).await;
    assert_eq!(app.alfa.ledger().count_operation("branch/index"), 2);
}

/// Paths of so many students that are clients.
fn students<const MANY: usize>(app: &TestApp) -> [String; MANY] {
    let clients = app.alfa.rows("customer").into_iter().filter(|row| row["is_study"] == 1);
    let paths: Vec<String> = clients.take(MANY).map(|row| format!("/students/alfa-{}", row["id"])).collect();
    paths.try_into().expect("the school has so many")
}

#[tokio::test(start_paused = true)]
async fn what_was_known_before_a_write_is_not_given_even_when_the_crm_is_gone() {
    let app = app();
    let [path, other] = students::<2>(&app);
    let (path, list, other) = (path.as_str(), "/students?limit=5", other.as_str());
    for path in [path, list, other] {
        assert_eq!(app.owner().get(path).await.status, 200);
    }
    let note = json!({"note": "после"});
    let written = app.owner().send(Method::PATCH, path, Some(&note)).await;
    assert_eq!(written.status, 200, "{}", written.text);
    app.alfa.faults().next(None, usize::MAX, Fault::DropBefore);
    for path in [path, list] {
        assert_eq!(app.owner().get(path).await.status, 502, "{path} shows what was before the write");
    }
    advance(Duration::from_secs(3600)).await;
    let untouched = app.owner().get(other).await;
    assert!(untouched.header("cache-status").ends_with("detail=stale-if-error"));
    app.alfa.faults().clear();
    // Not `advance`: what is refreshed behind the last answer has to see the end of the trouble too.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let read = app.owner().get(path).await;
    assert_eq!(read.json["note"], "после", "{}", read.text);
}

#[tokio::test(start_paused = true)]
async fn who_has_to_wait_after_a_write_is_not_shown_what_was_before_it() {
    let app = Setup::new().students(40).set("alfacrm.quota.rate", "0.2").start();
    let [path] = students::<1>(&app);
    let read = async |asker: Asker| asker.get(&path).await;
    assert_eq!(read(app.owner()).await.status, 200);
    let note = json!({"note": "после"});
    let written = app.owner().send(Method::PATCH, &path, Some(&note)).await;
    assert_eq!(written.status, 200, "{}", written.text);
    let refused = read(app.owner().with("prefer", "wait=0")).await;
    assert_eq!((refused.status, refused.code()), (503, "overloaded"), "{}", refused.text);
    assert_eq!(read(app.owner()).await.json["note"], "после");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_such_record_is_remembered_for_some_seconds() {
    let app = app();
    let next = app.alfa.rows("customer").iter().filter_map(|row| row["id"].as_u64()).max().unwrap() + 1;
    let path = format!("/students/alfa-{next}");
    assert_eq!(app.owner().get(&path).await.status, 404);
    let calls = app.calls();
    for _ in 0..5 {
        advance(Duration::from_secs(1)).await;
        assert_eq!(app.owner().get(&path).await.status, 404);
    }
    assert_eq!(app.calls(), calls);
    let row = json!({"name": "Новикова Ольга", "is_study": 1, "branch_ids": [1]});
    assert_eq!(app.alfa.insert_row("customer", &row), next);
    advance(Duration::from_secs(6)).await;
    assert_eq!(app.owner().get(&path).await.status, 200, "it was added in the CRM");
    // An old 404 is not better than saying that the CRM is gone.
    assert_eq!(app.owner().get("/students/alfa-888888").await.status, 404);
    advance(Duration::from_secs(11)).await;
    app.alfa.faults().next(None, usize::MAX, Fault::DropBefore);
    assert_eq!(app.owner().get("/students/alfa-888888").await.status, 502);
}

#[tokio::test(start_paused = true)]
async fn what_is_added_through_the_gateway_is_there_at_once_also_for_who_was_told_it_is_not() {
    let app = app();
    let next = app.alfa.rows("task").iter().filter_map(|row| row["id"].as_u64()).max().unwrap() + 1;
    let path = format!("/tasks/alfa-{next}");
    assert_eq!(app.owner().get(&path).await.status, 404);
    let body = json!({"title": "Позвонить", "branch_ids": ["alfa-1"]});
    let written = app.owner().send(Method::POST, "/tasks", Some(&body)).await;
    assert_eq!(
        (written.status, &written.json["id"]),
        (201, &json!(format!("alfa-{next}"))),
        "{}",
        written.text
    );
    assert_eq!(app.owner().get(&path).await.status, 200);
}

/// Whether memory answered, fresh or not.
fn is_remembered(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("cache-status").starts_with("crm-gateway; hit")
}

/// Pages that are read once do not push out what was read again and again, though they are many times the memory.
#[tokio::test(start_paused = true)]
async fn who_walks_through_the_whole_history_leaves_in_memory_what_others_read() {
    let setup = Setup::new().students(300).projects(40).in_no_hurry();
    let app = setup.set("cache.max_size", "\"2MiB\"").start();
    let mut hot = students::<40>(&app).to_vec();
    hot.extend(["/groups?limit=5", "/teachers?limit=5", "/projects?limit=5"].map(str::to_owned));
    let (owner, partner) = (app.owner(), app.export());
    // How often something is read counts as soon as there is little room left.
    partner.walk("/lessons?limit=50").await;
    for _ in 0..8 {
        join_all(hot.iter().map(|path| owner.get(path))).await;
    }
    let before = app.calls();
    for history in ["/payments?limit=50", "/lessons?limit=50"] {
        partner.walk(history).await;
    }
    let walked = app.calls() - before;
    let mut known = 0;
    for path in &hot {
        known += usize::from(is_remembered(&owner.get(path).await));
    }
    assert!(known * 100 >= 95 * hot.len(), "{known} of {} are still known after {walked} calls", hot.len());
    // That the walk did not fit is what makes the rest worth telling.
    let again = app.calls();
    partner.walk("/lessons?limit=50").await;
    assert!(app.calls() - again > 20, "{} calls for what is forgotten", app.calls() - again);
}
