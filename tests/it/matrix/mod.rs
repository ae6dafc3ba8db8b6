//! Who sees what: every kind of consumer asks everything that the API document offers, about every row there is, out of a
//! memory that somebody with all rights has filled before. An oracle that knows the CRMs' rows alone says what each may
//! have read.

pub(crate) mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

use crate::coverage::{operations, send};
use crate::openapi::Document;
use crate::support::provider::{School, Signer, claims};
use crate::support::{Asker, Setup, TestApp};
use oracle::{Oracle, Place, Who, places};

/// A gateway before CRMs whose every text tells where it stands.
struct Scene {
    app: TestApp,
    oracle: Oracle,
    signer: Signer,
    /// What bearers may not see.
    masks: &'static [&'static str],
}

impl Scene {
    fn new() -> Self {
        Self::with(&[])
    }

    /// Bearers of tokens are under these masks.
    fn with(masks: &'static [&'static str]) -> Self {
        let signer = Signer::eddsa("school");
        let school: Arc<School> = School::publishing(&[&signer]);
        let setup = Setup::new().students(12).projects(12).in_no_hurry().tokens_of(&school);
        let setup = setup.set("auth.jwt.mask", &format!("{masks:?}"));
        let (alfa, crypto) = setup.crms();
        let oracle = Oracle::plant(&alfa, &crypto);
        Self { app: setup.start_with(alfa, crypto), oracle, signer, masks }
    }

    fn bearer(&self, students: &[u64]) -> (Asker, Who) {
        let ids: Vec<String> = students.iter().map(|id| format!("alfa-{id}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let token = self.signer.sign(&claims(&format!("parent of {ids:?}"), &ids));
        let who = Who { students: Some(students.to_vec()), masks: self.masks, ..Who::default() };
        (self.app.bearer(&token), who)
    }

    /// A student who shares a group with others, and one who shares none with it.
    fn families(&self) -> (u64, u64) {
        let groups = |id: u64| self.oracle.groups(&[id]);
        let students = self.oracle.ids("customer");
        let shares = |a: u64, b: u64| groups(a).iter().any(|group| groups(b).contains(group));
        let first = students
            .iter()
            .copied()
            .find(|id| students.iter().any(|other| other != id && shares(*id, *other)));
        let first = first.expect("somebody is in a group with others");
        let second = students
            .iter()
            .copied()
            .find(|id| *id != first && !groups(*id).is_empty() && !shares(first, *id));
        (first, second.or(students.iter().copied().find(|id| *id != first)).expect("there are several"))
    }

    /// Every read that the document offers, about every row that its path can name.
    fn questions(&self) -> Vec<String> {
        let oracle = &self.oracle;
        let mut questions = Vec::new();
        for (template, method, operation) in Document::current().operations() {
            if method != "get" || template.starts_with("/quota") {
                continue;
            }
            let needed = operation["parameters"].as_array().into_iter().flatten();
            let days = needed
                .clone()
                .any(|one| one["in"] == "query" && one["required"] == true && one["name"] == "from");
            let asks = needed
                .clone()
                .any(|one| one["in"] == "query" && one["required"] == true && one["name"] == "q");
            for path in paths(oracle, &template, operation) {
                if asks {
                    let texts =
                        ["zq.customer", "zq.teacher", "zq.group", "zq.project", "+7977", "alfa-1", "101"];
                    questions.extend(texts.map(|text| format!("{path}?q={}", text.replace('+', "%2B"))));
                } else if days {
                    questions.push(format!("{path}?from=2026-01-20&to=2026-03-20"));
                } else {
                    questions.push(path);
                }
            }
        }
        questions
    }
}

/// The paths of a template with the ids of all rows in place of its parameters.
fn paths(oracle: &Oracle, template: &str, operation: &Value) -> Vec<String> {
    let segments: Vec<&str> = template.split('/').skip(1).collect();
    let table = match segments[0] {
        "students" => "customer",
        "groups" => "group",
        "teachers" => "teacher",
        "lessons" => "lesson",
        "payments" => "pay",
        "tasks" => "task",
        "tariffs" => "tariff",
        "schedules" => "regular-lesson",
        "history" => "log",
        "projects" => "project",
        _ => "",
    };
    if !template.contains('{') {
        return vec![template.to_owned()];
    }
    // Of a write nobody but who asked for it is told, whatever it is about: `operations`.
    if segments[0] == "operations" {
        return Vec::new();
    }
    if table.is_empty() {
        let named =
            operation["parameters"].as_array().into_iter().flatten().find(|one| one["in"] == "path").unwrap();
        let values = named["schema"]["enum"].as_array().cloned().unwrap_or_default();
        assert!(!values.is_empty(), "{template}: nothing says what its parameter may be");
        let name = format!("{{{}}}", named["name"].as_str().unwrap());
        let one = |value: &Value| template.replace(&name, value.as_str().unwrap());
        let kind = |value: &str| match value {
            "sms" => "sms-message",
            "mail" => "mail-message",
            "calls" => "phone-call",
            "users" => "user",
            _ => "branch",
        };
        if !template.ends_with("/{id}") {
            return values.iter().map(one).collect();
        }
        let of = |value: &Value| {
            let ids = oracle.ids(kind(value.as_str().unwrap()));
            let path = one(value);
            ids.into_iter()
                .take(5)
                .map(move |id| path.replace("{id}", &format!("alfa-{id}")))
                .collect::<Vec<_>>()
        };
        return values.iter().flat_map(of).collect();
    }
    let source = if table == "project" { "crypto" } else { "alfa" };
    let parents = oracle.ids(table);
    let child = segments.get(3).and(segments.get(2)).copied().unwrap_or_default();
    let mut paths = Vec::new();
    for parent in parents {
        let path = template.replace("{id}", &format!("{source}-{parent}"));
        if !path.contains('{') {
            paths.push(path);
            continue;
        }
        let (below, column, class) = match (segments[0], child) {
            ("students", "subscriptions") => ("customer-tariff", "customer_id", ""),
            ("students", "discounts") => ("discount", "customer_id", ""),
            ("students", "communications") => ("communication", "related_id", "Customer"),
            ("groups", "communications") => ("communication", "related_id", "Group"),
            ("tasks", "communications") => ("communication", "related_id", "Task"),
            ("groups", "members") => ("cgi", "group_id", ""),
            ("projects", "actions") => ("project-action", "project_id", ""),
            _ => panic!("{template}: the matrix does not know what is below it"),
        };
        for id in oracle.ids(below) {
            let row = oracle.row(below, id);
            if row[column] == parent && (class.is_empty() || row["class"] == class) {
                let (start, end) = (path.find('{').unwrap(), path.find('}').unwrap());
                paths.push(format!("{}{source}-{id}{}", &path[..start], &path[end + 1..]));
            }
        }
    }
    paths
}

/// All that somebody can be shown in answer to a question: plain, with all names, with the CRM's own record, page by page.
async fn everything(
    asker: &Asker,
    question: &str,
    expands: &BTreeMap<String, String>,
) -> Vec<(String, Value)> {
    let joint = if question.contains('?') { '&' } else { '?' };
    let mut variants = vec![question.to_owned(), format!("{question}{joint}include=raw")];
    if let Some(names) = expands.get(&shape(question)) {
        variants.push(format!("{question}{joint}expand={names}"));
    }
    let mut answers = Vec::new();
    for variant in variants {
        let mut cursor = None;
        for _ in 0..40 {
            let answer = asker.page(&variant, cursor.as_deref()).await;
            assert!(answer.status < 500 || answer.status == 501, "{variant}: {}", answer.text);
            assert_ne!(answer.status, 429, "{variant}");
            cursor = answer.next_cursor();
            answers.push((variant.clone(), answer.json));
            if cursor.is_none() {
                break;
            }
        }
    }
    answers
}

/// A path without its ids.
fn shape(question: &str) -> String {
    let path = question.split('?').next().unwrap_or_default();
    let plain = |segment: &str| {
        if segment.contains('-') && segment.ends_with(|c: char| c.is_ascii_digit()) {
            "*".to_owned()
        } else {
            segment.to_owned()
        }
    };
    path.split('/').map(plain).collect::<Vec<_>>().join("/")
}

/// The names that `expand` takes at each path, as its own error message lists them.
async fn expands(asker: &Asker, questions: &[String]) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for question in questions {
        if known.contains_key(&shape(question)) {
            continue;
        }
        let joint = if question.contains('?') { '&' } else { '?' };
        let refused = asker.get(&format!("{question}{joint}expand=nothing-of-that-name")).await;
        let detail = refused.json["errors"][0]["detail"].as_str().unwrap_or_default();
        if let Some((_, names)) = detail.split_once("known are ") {
            known.insert(shape(question), names.replace('`', "").replace(", ", ","));
        }
    }
    known
}

fn seen(answers: &[(String, Value)]) -> BTreeSet<Place> {
    answers.iter().flat_map(|(_, json)| places(&json.to_string())).collect()
}

/// Every id of a student that an answer names, wherever it stands.
fn students_in(json: &Value, found: &mut BTreeSet<String>) {
    match json {
        Value::Object(map) => {
            for (name, value) in map {
                let of_students =
                    ["student_id", "student_ids", "customer_id", "customer_ids"].contains(&name.as_str());
                let about = name == "about" && value["kind"] == "STUDENT";
                let ids = match value {
                    Value::Array(ids) if of_students => ids.iter().collect(),
                    id if of_students => vec![id],
                    _ if about => vec![&value["id"]],
                    _ => Vec::new(),
                };
                found.extend(ids.into_iter().filter_map(Value::as_str).map(str::to_owned));
                students_in(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| students_in(value, found)),
        _ => {}
    }
}

/// Each asks everything; how many places were read that the oracle allows. `all` is whether the rest of what it allows must
/// be found as well.
async fn ask_everything(scene: &Scene, consumers: &[(&str, (Asker, Who))], all_of_it: bool) -> usize {
    let questions = scene.questions();
    let owner = scene.app.owner();
    let expands = expands(&owner, &questions).await;
    assert!(questions.len() > 300 && expands.len() > 15, "{} questions, {expands:?}", questions.len());
    // Whoever may see everything fills the memory that all share.
    let mut all: BTreeMap<&str, BTreeSet<Place>> = BTreeMap::new();
    for question in &questions {
        all.insert(question, seen(&everything(&owner, question, &expands).await));
    }
    let planted: BTreeSet<(String, String)> =
        all.values().flatten().map(|(table, _, field)| (table.clone(), field.clone())).collect();
    let kinds: BTreeSet<&str> = planted.iter().map(|(table, _)| table.as_str()).collect();
    assert!(kinds.len() >= 16, "too little of what was planted is found by anybody: {kinds:?}");

    let mut checked = 0;
    for (name, (asker, who)) in consumers {
        let own: Option<BTreeSet<String>> =
            who.students.as_ref().map(|ids| ids.iter().map(|id| format!("alfa-{id}")).collect());
        for question in &questions {
            let answers = everything(asker, question, &expands).await;
            let read = seen(&answers);
            for place in &read {
                assert!(scene.oracle.allows(who, place), "{name} reads {place:?} in {question}");
                checked += 1;
            }
            if let Some(own) = &own {
                for (variant, json) in &answers {
                    let mut named = BTreeSet::new();
                    students_in(json, &mut named);
                    let others: Vec<_> = named.difference(own).collect();
                    assert!(others.is_empty(), "{name} is told of {others:?} in {variant}");
                    check_counts(&scene.oracle, question, json, own);
                }
            }
            // Nothing that is theirs is kept from them. A mask takes whole fields away and is told in other tests.
            if who.masks.is_empty() && all_of_it {
                let without_raw: BTreeSet<Place> =
                    seen(&everything_but_raw(&owner, question, &expands).await);
                let due = |place: &&Place| {
                    answers_with(question).contains(&place.0.as_str())
                        && parent(question).is_none_or(|parent| scene.oracle.allows(who, &parent))
                        && scene.oracle.allows(who, place)
                };
                for place in without_raw.iter().filter(due) {
                    assert!(
                        read.contains(place),
                        "{name} does not find {place:?} in {question}: {}",
                        answers[0].1
                    );
                }
            }
        }
    }
    checked
}

const MASKS: &[&str] = &["contacts", "balances", "notes"];

#[tokio::test(start_paused = true)]
async fn nobody_reads_what_the_oracle_does_not_allow_and_everybody_the_rest() {
    let scene = Scene::new();
    let (first, second) = scene.families();
    let masked = Who { masks: MASKS, ..Who::default() };
    let consumers = [
        ("branch-one", (scene.app.branch_one(), Who { branches: Some(vec![1]), ..Who::default() })),
        ("masked", (scene.app.masked(), masked)),
        ("bearer of one", scene.bearer(&[first])),
        ("bearer of two", scene.bearer(&[first, second])),
        ("bearer of none", scene.bearer(&[])),
    ];
    let checked = ask_everything(&scene, &consumers, true).await;
    assert!(checked > 1000, "{checked}");
}

#[tokio::test(start_paused = true)]
async fn a_mask_hides_from_the_bearer_of_a_token_what_it_hides_from_others() {
    let scene = Scene::with(MASKS);
    let (first, _) = scene.families();
    let checked = ask_everything(&scene, &[("masked bearer", scene.bearer(&[first]))], false).await;
    assert!(checked > 50, "{checked}");
    // What is told by whom the memory was filled before: nothing of it.
    let own = scene.bearer(&[first]).0;
    let student = own.get(&format!("/students/alfa-{first}")).await;
    assert_eq!(student.status, 200, "{}", student.text);
    for hidden in ["contacts", "balance", "note", "custom_fields"] {
        assert_eq!(student.json.get(hidden), None, "{hidden}: {}", student.text);
    }
}

/// What a path hangs on: who may not see that sees nothing below it.
fn parent(question: &str) -> Option<Place> {
    let path = question.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let id = segments.get(1)?.rsplit_once('-')?.1.parse().ok()?;
    segments.get(2)?;
    let (table, field) = match segments[0] {
        "students" => ("customer", "name"),
        "groups" => ("group", "name"),
        "tasks" => ("task", "title"),
        "projects" => ("project", "name"),
        _ => return None,
    };
    Some((table.to_owned(), id, field.to_owned()))
}

/// The tables of the records that a path answers with; what else stands in them may hang on what is hidden.
fn answers_with(question: &str) -> &'static [&'static str] {
    let path = question.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (segments[0], segments.get(2).copied().unwrap_or_default()) {
        ("students", "") => &["customer"],
        ("groups", "") => &["group"],
        ("teachers", "") => &["teacher"],
        ("lessons", _) => &["lesson", "attendance"],
        ("payments", _) => &["pay", "project-payment"],
        ("tariffs", _) => &["tariff"],
        ("tasks", "") => &["task"],
        ("history", _) => &["log"],
        ("projects", "") | ("students", "projects") => &["project"],
        ("projects", "actions") => &["project-action"],
        ("projects", "checklists") => &["project-checklist"],
        ("projects", "goods") => &["project-good"],
        ("projects", "payments") => &["project-payment"],
        ("students", "subscriptions") => &["customer-tariff"],
        ("students", "discounts") => &["discount"],
        (_, "communications") => &["communication"],
        _ => &[],
    }
}

async fn everything_but_raw(
    asker: &Asker,
    question: &str,
    expands: &BTreeMap<String, String>,
) -> Vec<(String, Value)> {
    let mut answers = everything(asker, question, expands).await;
    answers.retain(|(variant, _)| !variant.contains("include=raw"));
    answers
}

/// Neither a total nor a cursor tells of others.
fn check_counts(_: &Oracle, question: &str, json: &Value, own: &BTreeSet<String>) {
    let open = ["/tariffs", "/reference", "/teachers"].iter().any(|start| question.starts_with(start));
    if let Some(total) = json.get("total").filter(|_| !open) {
        assert_eq!(*total, Value::Null, "{question} counts");
    }
    if let Some(cursor) = json["next_cursor"].as_str() {
        let inside = URL_SAFE_NO_PAD.decode(cursor).expect("a cursor is base64");
        let inside = String::from_utf8_lossy(&inside);
        assert!(
            !inside.contains("alfa-") && !inside.contains("\"l\""),
            "{question}: a cursor of {own:?} tells {inside}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_writes_to_what_is_not_theirs() {
    let scene = Scene::new();
    // The examples of the document are about others.
    let (second, _) = scene.families();
    let first = *scene.oracle.ids("customer").last().expect("there are students");
    assert_ne!(first, second);
    let (bearer, _) = scene.bearer(&[first]);
    let tables = [
        "customer",
        "group",
        "cgi",
        "teacher",
        "lesson",
        "regular-lesson",
        "pay",
        "customer-tariff",
        "task",
        "communication",
    ];
    let state = |scene: &Scene| -> Vec<Vec<Value>> {
        tables.iter().map(|table| scene.app.alfa.rows(table)).collect()
    };
    let before = state(&scene);
    let mut tried = 0;
    for operation in operations() {
        let question = operation.template.ends_with("/search") || operation.template.starts_with("/quota");
        if operation.method == Method::GET || question {
            continue;
        }
        tried += 1;
        let answer = send(&bearer, &operation, "").await;
        let at = format!("{} {}: {}", operation.method, operation.path, answer.text);
        assert!([403, 404, 422].contains(&answer.status), "{at}");
        assert_eq!(state(&scene), before, "{at}");
        let check = send(&bearer, &operation, "validate_only=true").await;
        assert!(!(operation.method == Method::POST && check.status < 300 && answer.status == 403), "{at}");
    }
    assert!(tried > 20, "{tried}");
    // Of one's own, what hangs on nobody else can be written.
    let own = format!("/students/alfa-{first}/communications");
    let made = bearer.send(Method::POST, &own, Some(&json!({"text": "Заболела"}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let others = format!("/students/alfa-{second}/communications");
    let refused = bearer.send(Method::POST, &others, Some(&json!({"text": "Заболела"}))).await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    let named =
        bearer.send(Method::PATCH, &format!("/students/alfa-{first}"), Some(&json!({"note": "..."}))).await;
    assert_eq!(named.status, 200, "{}", named.text);
}

#[tokio::test(start_paused = true)]
async fn equal_views_share_what_is_sent_and_different_views_never() {
    let scene = Scene::new();
    let (first, second) = scene.families();
    let students = |ids: &[u64], who: &str| {
        let ids: Vec<String> = ids.iter().map(|id| format!("alfa-{id}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        scene.app.bearer(&scene.signer.sign(&claims(who, &ids)))
    };
    let (mother, father) = (students(&[first], "mother"), students(&[first], "father"));
    let neighbour = students(&[second], "neighbour");
    for path in ["/students", "/lessons", "/payments", "/groups"] {
        let tag = async |asker: &Asker| asker.get(path).await.header("etag").to_owned();
        // Twice, so that the second answer is the one that memory gives whole.
        let (one, other) = (tag(&mother).await, tag(&father).await);
        assert_eq!((&one, &other), (&tag(&mother).await, &tag(&father).await), "{path}");
        assert_eq!(one, other, "{path}");
        let calls = scene.app.calls();
        tag(&father).await;
        assert_eq!(scene.app.calls(), calls, "{path} is shared");
        assert_ne!(tag(&neighbour).await, one, "{path}");
        assert_ne!(tag(&scene.app.owner()).await, one, "{path}");
        assert_ne!(tag(&neighbour).await, one, "{path}");
    }
}
