//! No secret and nobody's data in logs, metrics or errors: the real program with logs at their loudest, in front of
//! simulators that misbehave, with canaries in every place where something confidential can be.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crm_gateway::consumers::hash;
use crm_gateway::sandbox::clock::Clock;
use crm_gateway::sandbox::fault::Fault;
use crm_gateway::sandbox::server::Server;
use crm_gateway::sandbox::{alfa, crypto, world};
use serde_json::json;
use tokio::net::TcpListener;

use super::program::{Directory, File, between, get, start};
use super::support::provider::{AUDIENCE, ISSUER, Signer, claims};

const API_KEY: &str = "canary-5c0f7e2a-9b1d-4c3e";
const APP_KEY: &str = "canary-app-key-77";
const TOKEN: &str = "canary-crypto-token-88";
const SECRET: &str = "canary-crypto-secret-99";
const CONSUMER_KEY: &str = "canary-consumer-key-66";
const WRONG_KEY: &str = "canary-wrong-key-55";
const PHONE: &str = "+7(900)000-77-33";
const PHONE_DIGITS: &str = "9000007733";
const EMAIL: &str = "canary.person@mail.example";
const NAME: &str = "Канарейкина";
const QUERY: &str = "canaryquery";
const SUBJECT: &str = "canary-subject-33";

struct Crms {
    alfa: alfa::Crm,
    crypto: crypto::Crm,
    servers: [Server; 2],
    /// The student with the canaries.
    student: u64,
}

async fn crms() -> Crms {
    let options = world::Options { students: 30, ..world::Options::default() };
    let clock = Arc::new(Clock::starting_at(options.now));
    let alfa = alfa::Crm::new(&options, alfa::Switches::default(), Arc::clone(&clock));
    alfa.switches(|switches| {
        switches.credentials = alfa::Credentials { email: EMAIL.to_owned(), api_key: API_KEY.to_owned() };
        switches.app_key = Some(APP_KEY.to_owned());
        switches.rate = 1_000_000.0;
    });
    let student = alfa.rows("customer")[0]["id"].as_u64().unwrap();
    alfa.update_row(
        "customer",
        student,
        &json!({"name": NAME, "phone": [PHONE], "email": [EMAIL], "note": "canary-note-44"}),
    );
    let credentials = crypto::Credentials { token: TOKEN.to_owned(), secret: SECRET.to_owned() };
    let access = crypto::Access { credentials, ..crypto::Access::default() };
    let options = crypto::Options { projects: 20, access, ..crypto::Options::default() };
    let crypto = crypto::Crm::new(options, crypto::Switches::default(), clock);
    let listen = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let servers = [
        Server::start(listen().await, alfa.router()).unwrap(),
        Server::start(listen().await, crypto.router()).unwrap(),
    ];
    Crms { alfa, crypto, servers, student }
}

fn configuration(crms: &Crms) -> String {
    let [alfa, crypto] = crms.servers.each_ref().map(Server::address);
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         [alfacrm]\nbase_url = \"http://{alfa}\"\nemail = \"{EMAIL}\"\napi_key = \"{API_KEY}\"\napp_key = \"{APP_KEY}\"\nrequest_timeout = \"300ms\"\nquota = {{ rate = 900.0, burst = 50 }}\n\
         [cryptocrm]\nbase_url = \"http://{crypto}\"\nbase_path = \"{}\"\ntoken = \"{TOKEN}\"\nsecret = \"{SECRET}\"\nrequest_timeout = \"300ms\"\nquota = {{ rate = 900.0, burst = 50 }}\n\
         [consumers.web-app]\nkey_hashes = [\"{}\"]\nscopes = [\"*\"]\n",
        crms.crypto.access().base_path,
        hash(CONSUMER_KEY),
    )
}

/// Every way a CRM can fail whose words could carry something over.
fn faults() -> Vec<Fault> {
    let echo = format!("<html>{API_KEY} {TOKEN} {SECRET} {PHONE} {EMAIL} {NAME}</html>");
    vec![
        Fault::Status { code: 500, body: echo.clone(), content_type: "text/html", retry_after: None },
        Fault::Status {
            code: 400,
            body: format!("{{\"message\":\"{echo}\"}}"),
            content_type: "application/json",
            retry_after: None,
        },
        Fault::Status {
            code: 400,
            body: json!({"message": format!("no: {TOKEN} {SECRET} {API_KEY} {PHONE} {EMAIL}")}).to_string(),
            content_type: "application/json",
            retry_after: None,
        },
        Fault::Status { code: 403, body: echo, content_type: "text/html", retry_after: None },
        Fault::Redirect(format!("https://elsewhere.example/?token={TOKEN}")),
        Fault::LoginPage,
        Fault::Truncated,
        Fault::DropMidBody,
        Fault::DropBefore,
        Fault::WarningText,
        Fault::Latency(Duration::from_millis(500)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confidential_is_logged_counted_or_told_in_errors() {
    let crms = crms().await;
    let place = Directory::new("secrets-store");
    let store = format!("[store]\npath = \"{}\"\n", place.path());
    let signer = Signer::eddsa("key-of-the-school");
    let keys = File::new("secrets-jwks.json", &json!({"keys": [signer.jwk()]}).to_string());
    let jwt = format!(
        "[auth.jwt]\njwks_file = \"{}\"\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\nscopes = [\"*\"]\n",
        keys.path()
    );
    let file = File::new("secrets.toml", &format!("{store}{}{jwt}", configuration(&crms)));
    let token = signer.sign(&claims(SUBJECT, &[&format!("alfa-{}", crms.student)]));
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (signature, bad) =
        (signature.to_owned(), format!("{head}.{}", signature.chars().rev().collect::<String>()));
    let bearers = [token.clone(), bad.clone()];
    let config = file.path().to_owned();
    let (alfa, crypto, student) = (crms.alfa.clone(), crms.crypto.clone(), crms.student);
    let run = move || {
        let mut serve = start(&["serve", "--config", &config], &[("RUST_LOG", "trace")]);
        let (public, admin) = serve.word(|line| {
            let address = |name: &str| Some(between(&format!("{line} "), name, " ")?.to_owned());
            Some((address("public=")?, address("admin=")?))
        });
        let ask = |path: &str, key: &str| {
            get(&public, path, &[("authorization", &format!("Bearer {key}")), ("cache-control", "no-cache")])
        };
        let encoded = "%D0%9A%D0%B0%D0%BD%D0%B0%D1%80%D0%B5%D0%B9%D0%BA%D0%B8%D0%BD%D0%B0";
        let mut errors = Vec::new();
        let paths = [
            format!("/students/alfa-{student}?include=raw"),
            format!("/students?q={encoded}&contact={QUERY}"),
            format!("/students?contact=%2B7{PHONE_DIGITS}"),
            format!("/payments?payer={QUERY}&limit=2"),
            "/lessons?limit=2".to_owned(),
            format!("/projects?field%5B{QUERY}%5D={PHONE_DIGITS}"),
        ];
        let (status, text) = ask(&paths[0], CONSUMER_KEY);
        assert_eq!(status, 200, "{text}");
        assert!(text.contains(PHONE) && text.contains(NAME), "the canary is there to be found: {text}");
        for path in &paths {
            ask(path, CONSUMER_KEY);
            errors.push(ask(path, WRONG_KEY));
        }
        errors.push(ask(&format!("/students/{QUERY}?cursor={QUERY}"), CONSUMER_KEY));
        for bearer in &bearers {
            ask(&format!("/students/alfa-{student}"), bearer);
            errors.push(ask(&format!("/students/{QUERY}?cursor={QUERY}"), bearer));
            errors.push(ask(&paths[0], bearer));
        }
        for fault in faults() {
            alfa.faults().next(None, 3, fault.clone());
            crypto.faults().next(None, 3, fault);
            for path in [&paths[0], &paths[3], &paths[5]] {
                let (status, text) = ask(path, CONSUMER_KEY);
                if status != 200 {
                    errors.push((status, text));
                }
            }
            alfa.faults().clear();
            crypto.faults().clear();
        }
        // A token the CRM no longer likes, and credentials it no longer knows.
        alfa.expire_tokens();
        ask(&paths[0], CONSUMER_KEY);
        alfa.switches(|switches| switches.credentials.api_key = "another".to_owned());
        alfa.expire_tokens();
        errors.push(ask(&paths[0], CONSUMER_KEY));
        let metrics = get(&admin, "/metrics", &[]).1;
        let state = get(&admin, "/admin/state", &[]).1;
        assert!(
            state.contains("\"code\":\"upstream_error\""),
            "the failures are there to be looked at: {state}"
        );
        let metrics = format!("{metrics}\n{state}");
        serve.signal("TERM");
        let outcome = serve.end();
        assert_eq!(outcome.code, 0);
        (outcome, metrics, errors)
    };
    let (outcome, metrics, errors) = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(errors.iter().filter(|(status, _)| *status >= 500).count() >= 10, "{errors:#?}");
    assert!(outcome.err.lines().count() > 40 && metrics.contains("crm_gateway_http_requests_total{"));
    let canaries = [
        API_KEY,
        APP_KEY,
        TOKEN,
        SECRET,
        CONSUMER_KEY,
        WRONG_KEY,
        PHONE,
        PHONE_DIGITS,
        EMAIL,
        NAME,
        "canary-note-44",
        SUBJECT,
        token.as_str(),
        bad.as_str(),
        signature.as_str(),
    ];
    for canary in canaries {
        assert!(
            !outcome.err.contains(canary),
            "{canary} is in the log:\n{}",
            line_with(&outcome.err, canary)
        );
        assert!(!outcome.out.contains(canary), "{canary} is on stdout");
        assert!(!metrics.contains(canary), "{canary} is in the metrics:\n{}", line_with(&metrics, canary));
        for (status, text) in &errors {
            assert!(!text.contains(canary), "{canary} is in an error {status}:\n{text}");
        }
    }
    // What was asked may be told to who asked, but is nobody else's business.
    for text in [&outcome.err, &metrics] {
        assert!(!text.contains(QUERY), "{}", line_with(text, QUERY));
    }
}

fn line_with<'a>(text: &'a str, word: &str) -> &'a str {
    text.lines().find(|line| line.contains(word)).unwrap_or_default()
}
