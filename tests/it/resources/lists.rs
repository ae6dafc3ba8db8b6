//! What every list and every record have in common, asked of all of them.

use serde_json::{Value, json};

use super::{parameters, school, text};
use crate::support::app::ids;
use crate::support::{Setup, TestApp};

const LISTS: [&str; 7] =
    ["/students", "/lessons", "/payments", "/groups", "/teachers", "/projects", "/reference/branches"];

fn documented(list: &str) -> &str {
    if list.starts_with("/reference/") { "/reference/{book}" } else { list }
}

#[tokio::test(start_paused = true)]
async fn a_page_holds_as_many_as_asked_for_up_to_200() {
    let app = Setup::new().students(250).projects(250).in_no_hurry().start();
    for list in ["/students", "/lessons", "/payments", "/projects"] {
        let length = async |query: &str| app.owner().get(&format!("{list}{query}")).await.items().len();
        assert_eq!(length("").await, 50, "{list}");
        assert_eq!(length("?limit=1").await, 1, "{list}");
        assert_eq!(length("?limit=73").await, 73, "{list}");
        assert_eq!(length("?limit=200").await, 200, "{list}");
        assert_eq!(length("?limit=9999").await, 200, "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_none_is_refused_before_any_crm_is_asked() {
    let app = school();
    for list in LISTS {
        for limit in ["0", "-1", "abc", "", "1.5"] {
            let answer = app.owner().get(&format!("{list}?limit={limit}")).await;
            assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{list} {limit}");
            assert_eq!(answer.json["errors"][0]["pointer"], "/query/limit");
        }
    }
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_parameter_is_answered_with_the_known_ones() {
    let app = school();
    for list in LISTS {
        let answer = app.owner().get(&format!("{list}?shoe_size=43")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{list}");
        let detail = text(&answer.json["errors"][0]["detail"]);
        for known in parameters(documented(list)) {
            assert!(detail.contains(&known), "{known} is not told for {list}: {detail}");
        }
    }
    assert_eq!(app.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn pages_follow_by_cursor_and_by_link_and_end_with_null() {
    let app = school();
    for list in ["/students", "/lessons", "/payments", "/projects"] {
        let mut whole = ids(&app.owner().walk(&format!("{list}?limit=200")).await);
        let mut by_link = Vec::new();
        let mut next = format!("{list}?limit=17");
        loop {
            let answer = app.owner().get(&next).await;
            assert_eq!(answer.status, 200, "{next}: {}", answer.text);
            by_link.extend(ids(&answer.items()));
            let link = answer.header("link").to_owned();
            match answer.next_cursor() {
                None => {
                    assert_eq!(link, "", "no link leads on from the last page");
                    break;
                }
                Some(cursor) => {
                    next = link
                        .strip_prefix('<')
                        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
                        .unwrap()
                        .to_owned();
                    assert!(
                        next.starts_with(&format!("{list}?limit=17&cursor=")) && next.ends_with(&cursor),
                        "{next}"
                    );
                }
            }
        }
        if list == "/payments" {
            // Where the payments of projects stand among the journal's is not promised.
            by_link.sort();
            whole.sort();
        }
        assert_eq!(by_link, whole, "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_belongs_to_its_question() {
    let app = school();
    for (list, other) in [
        ("/students", "stage=ALL"),
        ("/lessons", "status=PLANNED"),
        ("/payments", "direction=INCOME"),
        ("/projects", "sort=-id"),
        ("/students", "branch_id=alfa-1"),
    ] {
        let cursor = app.owner().get(&format!("{list}?limit=2")).await.next_cursor().unwrap();
        let answer = app.owner().get(&format!("{list}?limit=2&{other}&cursor={cursor}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{list} {other}");
        assert_eq!(answer.json["errors"][0]["pointer"], "/query/cursor");
        // Size and view may change on the way.
        let same = app.owner().get(&format!("{list}?limit=3&fields=id&cursor={cursor}")).await;
        assert_eq!(same.status, 200, "{}", same.text);
        // What others may see is another question.
        let stolen = app.branch_one().get(&format!("{list}?limit=2&cursor={cursor}")).await;
        assert_eq!(stolen.status, 400, "{list}");
    }
    for nonsense in ["x", "AAAA", "!!!", &"A".repeat(7000)] {
        let answer = app.owner().get(&format!("/students?cursor={nonsense}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"));
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_fields_asked_for_are_there() {
    let app = school();
    for list in LISTS {
        let answer = app.owner().get(&format!("{list}?limit=2&fields=name,source&fields=created_at")).await;
        if answer.status == 400 {
            // Payments and lessons have no name.
            assert!(answer.text.contains("`name`"), "{}", answer.text);
            continue;
        }
        for item in answer.items() {
            let mut names: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
            names.sort();
            assert_eq!(names, ["created_at", "id", "name", "source"], "{list}");
        }
    }
    let one = app.owner().get("/students?limit=1").await.items().remove(0);
    let pruned = app.owner().get(&format!("/students/{}?fields=name", text(&one["id"]))).await;
    assert_eq!(pruned.json, json!({"id": one["id"], "name": one["name"]}));
}

#[tokio::test(start_paused = true)]
async fn raw_is_what_the_crm_sent_and_there_when_asked_for() {
    let app = school();
    for list in LISTS {
        let plain = app.owner().get(&format!("{list}?limit=3")).await.items();
        let with = app.owner().get(&format!("{list}?limit=3&include=raw")).await.items();
        assert!(!plain.is_empty() && plain.len() == with.len());
        for (plain, mut with) in plain.into_iter().zip(with) {
            let raw = with.as_object_mut().unwrap().remove("raw").unwrap();
            assert_eq!(plain, with, "{list}");
            assert_eq!(text(&raw["id"]), text(&plain["source_id"]));
        }
    }
    let student = app.owner().get("/students?limit=1&include=raw").await.items().remove(0);
    let row = app.alfa.row("customer", text(&student["source_id"]).parse().unwrap()).unwrap();
    for (name, value) in student["raw"].as_object().unwrap() {
        assert_eq!(&row[name], value, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_see_one_branch_sees_nothing_of_the_others() {
    let app = school();
    let sees = |record: &Value| {
        let branches = match record.get("branch_ids").and_then(Value::as_array) {
            Some(branches) => branches.clone(),
            None => vec![record["branch_id"].clone()],
        };
        let branches: Vec<&Value> = branches.iter().filter(|branch| !branch.is_null()).collect();
        branches.is_empty() || branches.iter().any(|branch| **branch == "alfa-1")
    };
    for list in ["/students?stage=ALL&archived=all", "/lessons", "/payments?source=alfacrm"] {
        let all =
            app.owner().walk(&format!("{list}{}limit=200", if list.contains('?') { '&' } else { '?' })).await;
        let (visible, hidden): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|record| sees(record));
        assert!(!visible.is_empty() && !hidden.is_empty(), "{list}");
        let (mut wanted, mut got) = (ids(&visible), ids(&app.branch_one().walk(list).await));
        wanted.sort();
        got.sort();
        assert_eq!(got, wanted, "{list}");
        let path = list.split('?').next().unwrap();
        for record in hidden.iter().take(3) {
            let answer = app.branch_one().get(&format!("{path}/{}", text(&record["id"]))).await;
            assert_eq!((answer.status, answer.code()), (404, "not_found"));
        }
        let own = app.branch_one().get(&format!("{path}/{}", text(&visible[0]["id"]))).await;
        assert_eq!(own.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_may_not_be_seen_cannot_be_asked_for() {
    let app = school();
    for list in ["/students", "/lessons", "/payments", "/reference/branches"] {
        let answer = app.branch_one().get(&format!("{list}?branch_id=alfa-2")).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{list}");
        let own = app.branch_one().get(&format!("{list}?branch_id=alfa-1&limit=2")).await;
        assert_eq!(own.status, 200, "{list}: {}", own.text);
        let foreign = app.owner().get(&format!("{list}?branch_id=crypto-1")).await;
        assert_eq!((foreign.status, foreign.code()), (400, "invalid_request"), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_branches_are_one_list_in_which_nobody_comes_twice() {
    let app = school();
    let both = app.owner().walk("/students?branch_id=alfa-1&branch_id=alfa-2&limit=20").await;
    let mut once = ids(&both);
    once.sort();
    once.dedup();
    assert_eq!(once.len(), both.len());
    assert!(
        both.iter().any(|student| student["branch_ids"] == json!(["alfa-1", "alfa-2"])),
        "somebody is in both"
    );
    let all = app.owner().walk("/students?limit=200").await;
    let wanted = all.iter().filter(|student| student["branch_ids"] != json!(["alfa-3"])).count();
    assert_eq!(both.len(), wanted);
}

#[tokio::test(start_paused = true)]
async fn a_masked_field_can_be_neither_read_nor_asked_for() {
    let app = school();
    let hidden: [(&str, &[&str]); 4] = [
        (
            "/students",
            &[
                "contacts",
                "custom_fields",
                "balance",
                "base_balance",
                "bonus_balance",
                "lessons_left",
                "note",
            ],
        ),
        ("/lessons", &["attendance", "note", "custom_fields"]),
        ("/payments", &["note", "custom_fields"]),
        ("/projects", &["price", "custom_fields"]),
    ];
    for (list, fields) in hidden {
        let page = app.masked().get(&format!("{list}?limit=20")).await;
        assert_eq!(page.status, 200);
        for item in page.items() {
            for field in fields {
                assert!(item.get(*field).is_none(), "{list} shows {field}");
            }
        }
        let id = text(&page.items()[0]["id"]);
        let one = app.masked().get(&format!("{list}/{id}")).await;
        assert_eq!(one.json, page.items()[0]);
        for field in fields.iter().chain(&["raw"]) {
            for path in [format!("{list}?fields={field}"), format!("{list}/{id}?fields=id,{field}")] {
                let answer = app.masked().get(&path).await;
                assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{path}");
            }
        }
        assert_eq!(app.masked().get(&format!("{list}/{id}?include=raw")).await.status, 403);
    }
    for telling in [
        "/students?contact=1",
        "/students?balance_from=1",
        "/projects?price=1",
        "/projects?sort=-price",
        "/projects?field%5Bclient_id%5D=3",
    ] {
        let answer = app.masked().get(telling).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{telling}");
        assert_eq!(app.owner().get(telling).await.status, 200, "{telling}");
    }
}

/// AlfaCRM refuses one branch: what the others have is there, and the gap is named.
#[tokio::test(start_paused = true)]
async fn a_branch_that_cannot_be_asked_is_named() {
    let app = school();
    let all = app.owner().walk("/payments?source=alfacrm&limit=200").await;
    let app = school();
    app.alfa.switches(|switches| switches.branches = Some(vec![1, 2]));
    let answer = app.owner().get("/payments?source=alfacrm&limit=200").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["incomplete"][0]["branch_id"], "alfa-3", "{}", answer.json["incomplete"]);
    assert_eq!(answer.json["incomplete"][0]["source"], "alfacrm");
    assert_eq!(answer.json["incomplete"][0]["reason"], "upstream_error");
    assert_eq!(answer.json["total"], Value::Null, "what is missing cannot be counted");
    let mut got = ids(&answer.items());
    let mut cursor = answer.next_cursor();
    while let Some(next) = cursor {
        let page = app.owner().page("/payments?source=alfacrm&limit=200", Some(&next)).await;
        got.extend(ids(&page.items()));
        cursor = page.next_cursor();
        if page.items().is_empty() {
            break;
        }
    }
    let mut wanted =
        ids(&all.into_iter().filter(|payment| payment["branch_id"] != "alfa-3").collect::<Vec<_>>());
    wanted.sort();
    got.sort();
    assert_eq!(got, wanted);
}

fn broken() -> crm_gateway::sandbox::fault::Fault {
    crm_gateway::sandbox::fault::Fault::Status {
        code: 500,
        body: String::new(),
        content_type: "text/html",
        retry_after: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_cannot_be_asked_is_named_and_the_other_one_answers() {
    let app = school();
    app.alfa.faults().next(None, usize::MAX, broken());
    let answer = app.owner().get("/payments?limit=200").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        !answer.items().is_empty() && answer.items().iter().all(|payment| payment["source"] == "cryptocrm")
    );
    assert_eq!(answer.json["incomplete"][0]["source"], "alfacrm");
    assert_eq!(answer.json["incomplete"][0]["reason"], "upstream_error");
    assert_eq!(answer.json["total"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn when_nothing_can_be_asked_the_answer_is_an_error() {
    let app = school();
    app.alfa.faults().next(None, usize::MAX, broken());
    app.crypto.faults().next(None, usize::MAX, broken());
    for list in LISTS {
        let answer = app.owner().get(list).await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_error"), "{list}");
        let source = if list == "/projects" { "cryptocrm" } else { "alfacrm" };
        assert_eq!(answer.json["source"], source, "{list}");
        assert_eq!(answer.json["retryable"], true);
    }
    for one in ["/students/alfa-1", "/projects/crypto-1001", "/payments/crypto-1001-1"] {
        // The CRM that failed often is given a pause.
        let answer = app.owner().get(one).await;
        assert!(["upstream_error", "upstream_unavailable"].contains(&answer.code()), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_crm_its_records_are_not_supported() {
    let app: TestApp = Setup::new().students(20).projects(10).in_no_hurry().without("cryptocrm").start();
    let answer = app.owner().get("/projects").await;
    assert_eq!((answer.status, answer.code()), (501, "not_supported"), "{}", answer.text);
    let payments = app.owner().get("/payments").await;
    assert_eq!((payments.status, payments.json["incomplete"].clone()), (200, json!([])));
    let app = Setup::new().students(20).projects(10).in_no_hurry().without("alfacrm").start();
    assert_eq!(app.owner().get("/students").await.status, 501);
    assert_eq!(app.owner().get("/projects").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_key_opens_what_its_scopes_name_and_nothing_else() {
    let app = school();
    assert_eq!(app.reader().get("/students?limit=1").await.status, 200);
    let calls = app.calls();
    for list in ["/lessons", "/payments", "/projects", "/reference/branches", "/payments/alfa-1"] {
        let answer = app.reader().get(list).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{list}");
        assert_eq!(app.nobody().get(list).await.status, 401, "{list}");
        assert_eq!(app.stranger().get(list).await.status, 401, "{list}");
    }
    assert_eq!(app.calls(), calls, "who is refused costs no quota");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_holds_exactly_the_rest_says_that_it_is_the_last() {
    let app = school();
    let branches = app.owner().get("/reference/branches?limit=3").await;
    assert_eq!((branches.items().len(), branches.next_cursor()), (3, None));
    let total = app.owner().get("/students?limit=1").await.json["total"].as_u64().unwrap();
    let page = app.owner().get(&format!("/students?limit={total}")).await;
    assert_eq!((page.items().len() as u64, page.next_cursor()), (total, None));
}
