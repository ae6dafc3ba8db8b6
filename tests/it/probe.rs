//! What the probe finds out about each variant of a CRM, and that the lines it prints make the gateway work with it.

use std::time::Duration;

use crm_gateway::probe::{self, Report, Ways};
use crm_gateway::sandbox::alfa::PastEnd;
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
