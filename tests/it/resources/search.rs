//! One text looked for in several kinds of records at once.

use std::collections::BTreeSet;

use crm_gateway::sandbox::fault::Fault;
use serde_json::{Value, json};

use super::{school, text};
use crate::support::app::ids;
use crate::support::{Answer, Asker, Setup, TestApp};

async fn search(asker: &Asker, query: &[(&str, &str)]) -> Answer {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(query);
    asker.get(&format!("/search?{}", encoded.finish())).await
}

/// The ids of what was found of one kind.
fn found(answer: &Answer, kind: &str) -> BTreeSet<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items: Vec<Value> = answer.items().into_iter().filter(|hit| hit["kind"] == kind).collect();
    ids(&items).into_iter().collect()
}

/// What became of a kind.
fn status<'a>(answer: &'a Answer, kind: &str) -> &'a Value {
    let sources = answer.json["sources"].as_array().expect("there are sources");
    sources.iter().find(|source| source["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {}", answer.text))
}

/// The ids of the records whose name holds a part.
fn named<'a>(records: impl IntoIterator<Item = &'a Value>, part: &str) -> BTreeSet<String> {
    let holds = |record: &&Value| text(&record["name"]).to_lowercase().contains(&part.to_lowercase());
    ids(&records.into_iter().filter(holds).cloned().collect::<Vec<_>>()).into_iter().collect()
}

fn broken() -> Fault {
    Fault::Status { code: 500, body: "{}".to_owned(), content_type: "application/json", retry_after: None }
}

async fn people(app: &TestApp) -> Vec<Value> {
    app.owner().walk("/students?stage=ALL&limit=200").await
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_name_finds_people_and_projects_at_once() {
    let app = school();
    let (people, projects) = (people(&app).await, app.owner().walk("/projects?limit=200").await);
    let of_stage = |stage: &'static str| people.iter().filter(move |one| one["stage"] == stage);
    let mut hits = 0;
    for part in ["ов", "на", "АН", "лагерь", "курс"] {
        let answer = search(&app.owner(), &[("q", part), ("limit", "50")]).await;
        assert_eq!(found(&answer, "STUDENT"), named(of_stage("STUDENT"), part), "{part}");
        assert_eq!(found(&answer, "LEAD"), named(of_stage("LEAD"), part), "{part}");
        assert_eq!(found(&answer, "PROJECT"), named(&projects, part), "{part}");
        assert!(answer.items().iter().all(|hit| hit["matched"] == "name"), "{}", answer.text);
        for (kind, source) in [("STUDENT", "alfacrm"), ("LEAD", "alfacrm"), ("PROJECT", "cryptocrm")] {
            let expected =
                json!({"source": source, "kind": kind, "status": "ok", "detail": null, "more": false});
            assert_eq!(status(&answer, kind), &expected);
        }
        assert_eq!(answer.json["incomplete"], json!([]));
        hits += answer.items().len();
    }
    assert!(hits > 20, "only {hits} hits");
}

#[tokio::test(start_paused = true)]
async fn only_the_kinds_asked_for_are_asked() {
    let app = school();
    let answer = search(&app.owner(), &[("q", "ов"), ("kind", "LEAD")]).await;
    assert!(found(&answer, "STUDENT").is_empty());
    assert_eq!(answer.json["sources"].as_array().unwrap().len(), 1);
    assert_eq!(app.crypto.ledger().len(), 0);
    let answer = search(&app.owner(), &[("q", "ов"), ("kind", "STUDENT"), ("kind", "PROJECT")]).await;
    assert!(found(&answer, "LEAD").is_empty() && !found(&answer, "STUDENT").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_contact_is_found_in_any_spelling() {
    let app = school();
    let student =
        people(&app).await.into_iter().find(|one| one["contacts"]["emails"][0].is_string()).unwrap();
    let digits = text(&student["contacts"]["phones"][0]["e164"]);
    let ten = &digits[2..];
    let spellings =
        [digits.clone(), format!("8{ten}"), format!("+7 ({}) {}-{}", &ten[..3], &ten[3..6], &ten[6..])];
    for spelling in spellings.into_iter().chain([text(&student["contacts"]["emails"][0])]) {
        let answer = search(&app.owner(), &[("q", &spelling)]).await;
        assert!(found(&answer, &text(&student["stage"])).contains(&text(&student["id"])), "{spelling}");
        assert!(answer.items().iter().all(|hit| hit["matched"] == "contact"), "{}", answer.text);
        let masked = search(&app.masked(), &[("q", &spelling)]).await;
        assert_eq!((masked.status, masked.code()), (403, "forbidden"), "{spelling}");
        let projects = search(&app.masked(), &[("q", &spelling), ("kind", "PROJECT")]).await;
        assert_eq!(projects.status, 200, "projects have no contacts that could be told");
    }
    let name = text(&student["name"]);
    let by_name = search(&app.masked(), &[("q", &name)]).await;
    assert!(found(&by_name, &text(&student["stage"])).contains(&text(&student["id"])));
}

#[tokio::test(start_paused = true)]
async fn a_number_and_an_id_find_the_record() {
    let app = school();
    let student = people(&app).await.remove(0);
    let project = app.owner().get("/projects?limit=1").await.items().remove(0);
    for record in [&student, &project] {
        let kind = if record["source"] == "alfacrm" { text(&record["stage"]) } else { "PROJECT".to_owned() };
        for spelling in [text(&record["id"]), text(&record["source_id"])] {
            let answer = search(&app.owner(), &[("q", &spelling)]).await;
            let hit =
                answer.items().into_iter().find(|hit| hit["id"] == record["id"] && hit["kind"] == *kind);
            assert_eq!(hit.unwrap()["matched"], "id", "{spelling}");
        }
    }
    let nobody = search(&app.owner(), &[("q", "alfa-999999")]).await;
    assert_eq!((nobody.status, nobody.items().len()), (200, 0));
    assert_eq!(status(&nobody, "STUDENT")["status"], "ok");
}

#[tokio::test(start_paused = true)]
async fn archived_people_and_deleted_projects_are_found_by_their_ids_alone() {
    let app = school();
    let archived = app.owner().walk("/students?stage=ALL&archived=true").await.remove(0);
    let deleted = app.owner().walk("/projects?deleted=true").await.remove(0);
    for record in [archived, deleted] {
        for (spelling, found) in [(text(&record["id"]), true), (text(&record["name"]), false)] {
            let answer = search(&app.owner(), &[("q", &spelling), ("limit", "50")]).await;
            assert_eq!(ids(&answer.items()).contains(&text(&record["id"])), found, "{spelling}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_finds_only_kinds_that_it_may_read() {
    let setup = Setup::new().students(30).projects(20).in_no_hurry();
    let app = setup.set("consumers.reader.scopes", "[\"search:read\", \"students:read\"]").start();
    let answer = search(&app.reader(), &[("q", "101")]).await;
    assert_eq!(status(&answer, "STUDENT")["status"], "ok");
    let project = status(&answer, "PROJECT");
    assert_eq!((&project["status"], &project["source"]), (&json!("forbidden"), &Value::Null));
    assert!(text(&project["detail"]).contains("projects:read"));
    assert_eq!(app.crypto.ledger().len(), 0, "what may not be read is not asked for");
    let only = search(&app.reader(), &[("q", "101"), ("kind", "PROJECT")]).await;
    assert_eq!((only.status, only.code()), (403, "forbidden"));
    assert!(only.text.contains("projects:read"));
}

#[tokio::test(start_paused = true)]
async fn branches_limit_what_is_found() {
    let app = school();
    let all = people(&app).await;
    let in_one = |record: &&Value| record["branch_ids"].as_array().unwrap().contains(&json!("alfa-1"));
    let mine = named(all.iter().filter(in_one), "ов");
    let others = named(&all, "ов").difference(&mine).cloned().collect::<Vec<_>>();
    assert!(!mine.is_empty() && !others.is_empty());
    let ask = |answer: Answer| {
        let (students, leads) = (found(&answer, "STUDENT"), found(&answer, "LEAD"));
        students.union(&leads).cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(ask(search(&app.branch_one(), &[("q", "ов"), ("limit", "50")]).await), mine);
    assert!(ask(search(&app.branch_one(), &[("q", &others[0])]).await).is_empty());
    let one = search(&app.owner(), &[("q", "ов"), ("limit", "50"), ("branch_id", "alfa-1")]).await;
    assert!(found(&one, "PROJECT").is_empty(), "projects belong to no branch");
    assert_eq!(ask(one), mine);
    let refused = search(&app.branch_one(), &[("q", "ов"), ("branch_id", "alfa-2")]).await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_fails_is_named_and_the_other_is_searched() {
    let app = Setup::new().students(30).projects(20).in_no_hurry().forgetful().start();
    let name = text(&people(&app).await[0]["name"]);
    app.crypto.faults().next(None, 1000, broken());
    let answer = search(&app.owner(), &[("q", &name)]).await;
    assert!(!answer.items().is_empty());
    assert_eq!(status(&answer, "STUDENT")["status"], "ok");
    let project = status(&answer, "PROJECT");
    assert_eq!((&project["status"], &project["source"]), (&json!("upstream_error"), &json!("cryptocrm")));
    assert_eq!(answer.json["incomplete"][0]["source"], "cryptocrm");
    assert_eq!(answer.header("cache-control"), "private, max-age=0");
    app.alfa.faults().next(None, 1000, broken());
    let nothing = search(&app.owner(), &[("q", &name)]).await;
    assert_eq!((nothing.status, nothing.code()), (502, "upstream_error"), "{}", nothing.text);
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_one_of_each_kind_and_more_are_told() {
    let app = Setup::new().students(200).projects(200).in_no_hurry().start();
    let all = app.owner().walk("/projects?limit=200&sort=-id").await;
    let answer = search(&app.owner(), &[("q", "ов"), ("limit", "3")]).await;
    for kind in ["STUDENT", "LEAD"] {
        assert!(found(&answer, kind).len() <= 3);
    }
    assert_eq!(found(&answer, "STUDENT").len(), 3);
    assert_eq!(status(&answer, "STUDENT")["more"], true);
    let part = text(&all[0]["name"]);
    let newest = search(&app.owner(), &[("q", &part), ("limit", "50"), ("kind", "PROJECT")]).await;
    assert!(all.len() > 150, "only {} projects", all.len());
    assert_eq!(status(&newest, "PROJECT")["more"], true, "older ones were not looked at");
    let expected: BTreeSet<String> = named(&all[..150], &part);
    assert_eq!(found(&newest, "PROJECT"), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_search_is_told_before_any_crm_is_asked() {
    let app = school();
    for (query, pointer) in [
        ("", "/query/q"),
        ("q=a", "/query/q"),
        ("q=ab&kind=PET", "/query/kind"),
        ("q=ab&limit=0", "/query/limit"),
    ] {
        let answer = app.owner().get(&format!("/search?{query}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{query}");
        assert_eq!(answer.json["errors"][0]["pointer"], pointer);
    }
    assert_eq!(app.calls(), 0);
}
