//! What the probe finds out about each variant of a CRM, and that the lines it prints make the gateway work with it.

use std::time::Duration;

use crm_gateway::probe::{self, Report, Ways};
use crm_gateway::sandbox::alfa::{self, LessonDetails, PastEnd, RegularDay};
use crm_gateway::sandbox::crypto::{
    DynamicFields, Envelope, FilterDate, Flags, Missing, Numbers, OverCap, Switches,
};
use crm_gateway::sandbox::ledger::Ledger;
use serde_json::Value;

use super::program::{File, between, run, start};
use super::support::{Setup, TestApp, transport};

fn setup() -> Setup {
    Setup::new().students(30).projects(14).in_no_hurry()
}

/// Probes the CRMs behind a gateway as its configuration would.
async fn probed(setup: &Setup, app: &TestApp) -> Report {
    let config = setup.config("http://alfa.example", "http://crypto.example");
    let ways = Ways {
        alfacrm: Some(transport::to_router(app.alfa.router(), "")),
        cryptocrm: Some(transport::to_router(app.crypto.router(), &app.crypto.access().base_path)),
    };
    probe::run(&config, ways, &|_| {}).await
}

fn with(setup: Setup, report: &Report) -> Setup {
    report.settings().iter().fold(setup, |setup, (key, value)| setup.set(key, value))
}

/// Projects and what hangs on them, as a consumer sees them.
async fn picture(app: &TestApp) -> Vec<Value> {
    let owner = app.owner();
    let mut records = owner.walk("/projects").await;
    for project in ["crypto-102", "crypto-106"] {
        for part in ["steps", "actions", "checklists", "goods"] {
            records.extend(owner.walk(&format!("/projects/{project}/{part}")).await);
        }
        let actions = owner.walk(&format!("/projects/{project}/actions")).await;
        let day = actions[actions.len() / 2]["at"].as_str().unwrap()[..10].to_owned();
        let of_day = owner.walk(&format!("/projects/{project}/actions?date={day}")).await;
        assert!(!of_day.is_empty());
        records.extend(of_day);
        let mut payments = owner.walk(&format!("/projects/{project}/payments")).await;
        payments.sort_by_key(|record| record["id"].to_string());
        records.extend(payments);
    }
    let one = owner.get("/projects/crypto-102").await;
    assert_eq!(one.status, 200, "{}", one.text);
    records.push(one.json);
    assert_eq!(owner.get("/projects/crypto-999999").await.status, 404);
    records
}

fn at_most_one_a_second(ledger: &Ledger) {
    let calls = ledger.entries();
    assert!(calls.len() > 10);
    for pair in calls.windows(2) {
        assert!(pair[1].at - pair[0].at >= Duration::from_secs(1), "{pair:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_lines_it_prints_make_the_gateway_work_with_every_variant_of_the_crypto_crm() {
    let expected = picture(&setup().start()).await;
    let plain = Switches::default();
    let variants = [
        plain.clone(),
        Switches { envelope: Envelope::Bare, ..plain.clone() },
        Switches { envelope: Envelope::Data, dynamic: DynamicFields::BuildinSplit, ..plain.clone() },
        Switches { envelope: Envelope::ItemsTotal, missing: Missing::EmptyList, ..plain.clone() },
        Switches {
            envelope: Envelope::ItemsTotal,
            missing: Missing::Null,
            empty_list_null: true,
            ..plain.clone()
        },
        Switches { envelope: Envelope::ResponseNested, dynamic: DynamicFields::FlatRoot, ..plain.clone() },
        Switches { envelope: Envelope::MapById, missing: Missing::EmptyList, ..plain.clone() },
        Switches { object_in_list: true, missing: Missing::Null, ..plain.clone() },
        Switches {
            filter_date: FilterDate::Since,
            numbers: Numbers::Text,
            flags: Flags::Bool,
            ..plain.clone()
        },
        Switches { count_cap: 6, ..plain.clone() },
        Switches { count_cap: 20, over_cap: OverCap::Error, strict: false, ..plain },
    ];
    for switches in variants {
        let start = || {
            let app = setup().start();
            app.crypto.switches(|current| *current = switches.clone());
            app
        };
        let report = probed(&setup(), &start()).await;
        let told = format!("{switches:?}\n{}\n{}", report.words(), report.configuration());
        assert!(report.is_good(), "{told}");
        let (alfa, crypto) = setup().crms();
        crypto.switches(|current| *current = switches.clone());
        let app = with(setup(), &report).start_with(alfa, crypto);
        assert_eq!(picture(&app).await, expected, "{told}");
    }
}

/// Students, lessons, payments and the books behind them, as a consumer sees them.
async fn school(app: &TestApp) -> Vec<Vec<Value>> {
    let mut lists = Vec::new();
    for path in
        ["/students?stage=ALL&archived=all", "/lessons", "/schedules", "/payments", "/reference/branches"]
    {
        lists.push(app.owner().walk(path).await);
    }
    lists
}

/// A variant of AlfaCRM: how it is switched on, what the probe says of it, and a line that it prints, if there is one.
type Variant = (&'static str, fn(&mut alfa::Switches), &'static str, Option<(&'static str, &'static str)>);

const ALFA_VARIANTS: [Variant; 13] = [
    ("the default", |_| {}, "the e-mail and the key are good", None),
    ("pages of 7", |s| s.max_page_size = 7, "it gives no more at once", Some(("alfacrm.page_size", "7"))),
    (
        "pages of 5, the last one again",
        |s| (s.max_page_size, s.past_end) = (5, PastEnd::RepeatLast),
        "the last page again",
        Some(("alfacrm.page_size", "5")),
    ),
    ("pages of 20 unless asked", |s| s.default_page_size = 20, "a page past the end", None),
    ("bad values with 200", |s| s.validation_status = 200, "the e-mail and the key are good", None),
    ("bad tokens with 403", |s| s.bad_token_status = 403, "403, JSON", None),
    (
        "a date filter that works",
        |s| s.pay_date_filter = true,
        "date_from of pay/index                     obeyed",
        None,
    ),
    ("Sunday as 0", |s| s.regular_day = RegularDay::SundayZero, "Sunday in the timetable", None),
    ("English", |s| s.message_language = alfa::Language::En, "the e-mail and the key are good", None),
    (
        "tokens of half a minute",
        |s| s.token_ttl = Duration::from_secs(30),
        "not any more after 30 s",
        Some(("alfacrm.token_lifetime", "\"28s\"")),
    ),
    (
        "tokens of half a minute, then 403",
        |s| (s.token_ttl, s.bad_token_status) = (Duration::from_secs(30), 403),
        "not any more after 30 s",
        Some(("alfacrm.token_lifetime", "\"28s\"")),
    ),
    ("tokens of two seconds", |s| s.token_ttl = Duration::from_secs(2), "not any more after 2 s", None),
    (
        "a limiter without a queue",
        |s| (s.limiter, s.retry_after) = (alfa::Limiter::Immediate, Some(3)),
        "the e-mail and the key are good",
        None,
    ),
];

#[tokio::test(start_paused = true)]
async fn the_lines_it_prints_make_the_gateway_work_with_every_variant_of_alfacrm() {
    // At the quota that AlfaCRM has.
    let setup = || Setup::new().students(20).without("cryptocrm");
    let expected = school(&setup().start()).await;
    assert!(expected.iter().all(|list| list.len() >= 3));
    for (name, switch, said, line) in ALFA_VARIANTS {
        let probed_app = setup().start();
        probed_app.alfa.set_quota(5.0);
        probed_app.alfa.switches(switch);
        let report = probed(&setup(), &probed_app).await;
        let told = format!("{name}\n{}\n{}", report.words(), report.configuration());
        assert!(report.is_good() && report.words().contains(said), "{told}");
        assert!(!report.words().contains("not to be read"), "{told}");
        let lines = report.settings();
        let lines: Vec<(&str, &str)> = lines.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(lines, line.into_iter().collect::<Vec<_>>(), "{told}");
        assert_eq!(probed_app.alfa.ledger().count_status(429), 0, "{told}");
        let (alfa, crypto) = setup().crms();
        alfa.switches(switch);
        alfa.set_quota(5.0);
        let app = with(setup(), &report).start_with(alfa, crypto);
        assert_eq!(school(&app).await, expected, "{told}");
        assert_eq!(app.alfa.ledger().count_status(429), 0, "{told}");
        if line.is_some_and(|(key, _)| key == "alfacrm.token_lifetime") {
            assert_eq!(
                app.alfa.ledger().count_status(401) + app.alfa.ledger().count_status(403),
                0,
                "{told}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_tells_what_an_account_of_alfacrm_has_not() {
    // Branches that its user may not see, among those that are configured.
    let setup = setup().without("cryptocrm").set("alfacrm.branches", "[1, 2, 3]");
    let app = setup.clone().start();
    app.alfa.switches(|switches| switches.branches = Some(vec![1, 2]));
    app.alfa.switches(|switches| switches.lesson_details = LessonDetails::WithCustomer);
    let report = probed(&setup, &app).await;
    assert_eq!(report.settings(), [("alfacrm.branches".to_owned(), "[1, 2]".to_owned())]);
    assert!(
        report.words().contains("attendance in lists of lessons             in 0 of"),
        "{}",
        report.words()
    );
    let told = with(setup.clone(), &report).start_with(app.alfa.clone(), app.crypto.clone());
    let answer = told.owner().get("/payments?limit=200").await;
    assert_eq!((answer.status, &answer.json["incomplete"]), (200, &serde_json::json!([])), "{}", answer.text);
    // A key for applications, which nobody has configured.
    let app = setup.clone().start();
    app.alfa.switches(|switches| switches.app_key = Some("the-app-key".to_owned()));
    let report = probed(&setup, &app).await;
    assert!(!report.is_good() && report.words().contains("perhaps it wants `alfacrm.app_key`"));
    let setup = setup.set("alfacrm.app_key", "\"the-app-key\"");
    assert!(probed(&setup, &app).await.is_good());
}

#[tokio::test(start_paused = true)]
async fn it_settles_what_reads_can_settle_and_asks_once_a_second() {
    // So many that a branch has more than fit into one page.
    let app = setup().students(200).start();
    app.crypto.switches(|switches| {
        switches.envelope = Envelope::ItemsTotal;
        switches.filter_date = FilterDate::Since;
        switches.dynamic = DynamicFields::FlatRoot;
        switches.count_cap = 6;
    });
    app.alfa.switches(|switches| {
        switches.max_page_size = 20;
        switches.past_end = PastEnd::RepeatLast;
        switches.denied.insert("log".to_owned());
    });
    let report = probed(&setup(), &app).await;
    let lines = report.settings();
    for (key, value) in [
        ("alfacrm.page_size", "20"),
        ("cryptocrm.page_size", "6"),
        ("cryptocrm.envelope.list", "\"/items\""),
        ("cryptocrm.envelope.object", "\"/item\""),
        ("cryptocrm.envelope.total", "\"/total\""),
        ("cryptocrm.semantics.dynamic_at", "\"root\""),
        ("cryptocrm.semantics.filter_date", "\"since\""),
    ] {
        let line = lines.iter().find(|(known, _)| known == key);
        assert_eq!(line.map(|(_, value)| &**value), Some(value), "{key}\n{}\n{lines:?}", report.words());
    }
    let words = report.words();
    for said in [
        "the e-mail and the key are good",
        "came: it gives no more at once",
        "not to be read: 403",
        "the last page again",
        "ignored, as the gateway supposes",
        "a wrong token",
        "rows of that day and later",
        "fields of a payment",
    ] {
        assert!(words.contains(said), "{said} is missing in\n{words}");
    }
    at_most_one_a_second(app.alfa.ledger());
    at_most_one_a_second(app.crypto.ledger());
    // It only reads, and tells nothing of what it reads.
    let project = app.owner().get("/projects/crypto-102").await.json;
    let student = app.owner().get("/students?limit=1").await.items()[0].clone();
    for secret in [&project["name"], &student["name"]] {
        let secret = secret.as_str().unwrap();
        assert!(!words.contains(secret) && !report.configuration().contains(secret), "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn fields_under_other_names_are_told_to_be_missing_with_the_names_there_are() {
    let app = setup().start();
    app.crypto.switches(|switches| {
        switches.names.rename(crm_gateway::sandbox::crypto::Table::Payments, "amount", "how_much");
    });
    let report = probed(&setup(), &app).await;
    let text = report.configuration();
    let hint = text.lines().find(|line| line.starts_with("# [cryptocrm.fields.payment]"));
    let hint = hint.unwrap_or_else(|| panic!("{text}"));
    assert!(hint.contains("nothing was found for amount") && hint.contains("how_much"), "{hint}");
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_refuses_is_told_with_what_to_check_and_the_other_is_asked_all_the_same() {
    let wrong = setup().set("alfacrm.api_key", "\"00000000-0000-0000-0000-000000000000\"");
    let app = setup().start();
    let report = probed(&wrong, &app).await;
    assert!(!report.is_good());
    let words = report.words();
    assert!(words.contains("check `alfacrm.email` and `alfacrm.api_key`"), "{words}");
    assert!(words.contains("where lists are"), "{words}");
    let wrong = setup().set("cryptocrm.token", "\"another-token\"");
    let report = probed(&wrong, &app).await;
    assert!(!report.is_good() && report.words().contains("check `cryptocrm.token` and `cryptocrm.secret`"));
    assert!(!report.words().contains("another-token"));
}

#[test]
fn the_program_prints_the_lines_on_stdout_and_they_can_be_loaded() {
    let mut sandbox = start(
        &["sandbox", "--alfacrm", "127.0.0.1:0", "--cryptocrm", "127.0.0.1:0", "--students", "12"],
        &[],
    );
    let crms = sandbox.lines_to(|line| line.starts_with("groups = "));
    // One CRM is enough to see the program at work: it takes a second for each call.
    let (_, crypto) = crms.split_once("[cryptocrm]").unwrap();
    let file = File::new("probe.toml", &format!("[cryptocrm]{crypto}"));
    let outcome = run(&["probe", "--config", file.path()], &[]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.out.contains("[cryptocrm.envelope]\nlist = \"/payload\""), "{}", outcome.out);
    assert!(
        between(&outcome.err, "its clock", "\n").is_some_and(|said| said.trim() == "as ours"),
        "{}",
        outcome.err
    );
    sandbox.signal("TERM");
    sandbox.end();
}
