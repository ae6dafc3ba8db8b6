//! The command line as operators use it: data on stdout, words on stderr, documented exit codes, and an orderly end.

use std::path::Path;

use super::program::{Directory, File, Program, between, get, run, send, start};

const GOOD: &str = "[alfacrm]\nbase_url = \"https://school.example\"\nemail = \"api@school.example\"\napi_key = \"not-for-your-eyes\"\n";

/// A demo on free ports: the program, where consumers call, where operators call, and a key.
fn demo(more: &[&str]) -> (Program, String, String, String) {
    let mut arguments = vec!["demo", "--listen", "127.0.0.1:0"];
    arguments.extend(more);
    let mut demo = start(&arguments, &[]);
    let public = demo.line(|line| line.strip_prefix("The gateway: http://").map(str::to_owned));
    let admin = demo.line(|line| between(line, "Operators:   http://", "/metrics").map(str::to_owned));
    let key = demo.line(|line| line.trim().strip_prefix("web-app").map(|key| key.trim().to_owned()));
    (demo, public, admin, key)
}

#[test]
fn a_good_configuration_is_shown_with_its_secrets_masked() {
    let file = File::new("good.toml", GOOD);
    let outcome = run(&["check", "--config", file.path()], &[]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(
        outcome.out.contains("[alfacrm]") && outcome.out.contains("https://school.example"),
        "{}",
        outcome.out
    );
    assert!(!outcome.out.contains("not-for-your-eyes") && !outcome.err.contains("not-for-your-eyes"));
}

#[test]
fn a_bad_configuration_is_refused_with_all_its_problems() {
    let text = format!(
        "{GOOD}token_lifetime = \"soon\"\n[server]\nlissten = \"0.0.0.0:1\"\n[cache]\nmax_size = 7\n"
    );
    let file = File::new("bad.toml", &text);
    let outcome = run(&["check", "--config", file.path()], &[]);
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert_eq!(outcome.out, "");
    for told in ["alfacrm.token_lifetime", "server.lissten", "did you mean", "listen", "cache.max_size"] {
        assert!(outcome.err.contains(told), "{told} is missing in\n{}", outcome.err);
    }
    // `serve` refuses the same file in the same words, before it listens anywhere.
    let refused = run(&["serve", "--config", file.path()], &[]);
    assert_eq!((refused.code, refused.err), (2, outcome.err));
}

#[test]
fn a_configuration_that_is_not_there_is_a_problem_of_the_caller() {
    let outcome = run(&["check", "--config", "/nonexistent/crm-gateway.toml"], &[]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.err.contains("/nonexistent/crm-gateway.toml"), "{}", outcome.err);
}

#[test]
fn the_api_document_is_printed_and_compared() {
    let printed = run(&["openapi"], &[]);
    assert_eq!(printed.code, 0);
    assert_eq!(printed.out, include_str!("../../openapi/openapi.json"));
    let compared = run(&["openapi", "--check"], &[]);
    assert_eq!((compared.code, compared.out.as_str()), (0, ""), "{}", compared.err);
}

#[test]
fn a_new_key_comes_with_a_stanza_that_loads() {
    let outcome = run(&["key", "new", "web-app", "--scopes", "students:read,payments:write"], &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let (key, stanza) = outcome.out.split_once('\n').unwrap();
    assert!(key.len() >= 20 && !stanza.contains(key), "the key is shown once, the stanza holds its hash");
    assert!(!outcome.err.contains(key));
    let file = File::new("key.toml", &format!("{GOOD}{stanza}"));
    let checked = run(&["check", "--config", file.path()], &[]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    for told in ["[consumers.web-app]", "students:read", "payments:write"] {
        assert!(checked.out.contains(told), "{told} is missing in\n{}", checked.out);
    }
}

#[test]
fn a_key_that_ends_comes_with_its_end() {
    let outcome = run(&["key", "new", "web-app", "--expires", "2937-01-31"], &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let (_, stanza) = outcome.out.split_once('\n').unwrap();
    let file = File::new("key-that-ends.toml", &format!("{GOOD}{stanza}"));
    let checked = run(&["check", "--config", file.path()], &[]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.contains("{ hash = \"***\", expires = 2937-02-01T00:00:00Z }"), "{}", checked.out);
}

#[test]
fn keys_for_nothing_are_not_made() {
    for arguments in [
        &["key", "new", "Web App"][..],
        &["key", "new", "web", "--scopes", "shoes:read"],
        &["key", "new", "gateway"],
        &["key", "new", "web", "--expires", "2021-01-31"],
        &["key", "new", "web", "--expires", "2937-02-30"],
    ] {
        let outcome = run(arguments, &[]);
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!outcome.err.is_empty());
    }
}

#[test]
fn what_is_no_command_ends_with_2_and_help_with_0() {
    let unknown = run(&["surf"], &[]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert!(unknown.err.contains("surf"), "{}", unknown.err);
    assert_eq!(run(&[], &[]).code, 2);
    for command in ["serve", "demo", "sandbox", "check", "openapi", "key", "healthcheck"] {
        let help = run(&[command, "--help"], &[]);
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{command}");
        assert!(help.out.contains("Usage:"), "{command}");
    }
    assert!(run(&["--version"], &[]).out.starts_with("crm-gateway "));
}

#[test]
fn a_log_filter_that_cannot_be_read_is_refused() {
    let outcome = run(&["demo", "--listen", "127.0.0.1:0"], &[("RUST_LOG", "crm_gateway=loudly")]);
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(outcome.err.contains("crm_gateway=loudly"));
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = run(&["demo", "--listen", &address], &[]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.err.contains(&address), "{}", outcome.err);
}

#[test]
fn the_demo_listens_for_operators_where_the_environment_says() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let environment = [("CRM_GATEWAY__SERVER__ADMIN_LISTEN", free.as_str())];
    let mut demo = start(&["demo", "--listen", "127.0.0.1:0"], &environment);
    let admin = demo.line(|line| between(line, "Operators:   http://", "/metrics").map(str::to_owned));
    assert_eq!(admin, free);
    demo.signal("INT");
    assert_eq!(demo.end().code, 0);
    let wrong = run(&["demo", "--listen", "127.0.0.1:0"], &[("CRM_GATEWAY__SERVER__ADMIN_LISTEN", "here")]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("CRM_GATEWAY__SERVER__ADMIN_LISTEN"), "{}", wrong.err);
}

#[test]
fn the_demo_answers_is_healthy_and_ends_when_told() {
    let (demo, public, admin, key) = demo(&["--upstream-latency", "0"]);
    let (status, text) = get(&public, "/students?limit=2", &[("x-api-key", &key)]);
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("\"items\":[{\"id\":\"alfa-"), "{text}");
    assert_eq!(get(&public, "/openapi.json", &[]).0, 200, "the document needs no key");
    assert_eq!(get(&public, "/students", &[]).0, 401);
    let ready = format!("http://{admin}/readyz");
    assert_eq!(run(&["healthcheck", "--url", &ready], &[]).code, 0);
    demo.signal("INT");
    let outcome = demo.end();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let gone = run(&["healthcheck", "--url", &ready], &[]);
    assert_eq!(gone.code, 1, "{gone:?}");
    assert_eq!(run(&["healthcheck", "--url", "somewhere"], &[]).code, 2);
}

/// SIGTERM: not ready, requests under way are answered, exit 0. The CRM takes longer than the grace after the signal, so
/// that the request is answered by draining, not by the server still running.
#[test]
fn a_request_under_way_is_answered_after_sigterm() {
    let (demo, public, admin, key) = demo(&["--upstream-latency", "1500"]);
    let under_way = send(&public, "/students?limit=1", &[("x-api-key", &key)]);
    // The sign-in has left for the CRM, so the request is surely being worked on.
    while !get(&admin, "/metrics", &[]).1.contains("crm_gateway_quota_spent_total{") {}
    demo.signal("TERM");
    while get(&admin, "/readyz", &[]).0 != 503 {}
    let (status, text) = under_way.answer();
    assert_eq!(status, 200, "{text}");
    let outcome = demo.end();
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

#[test]
fn serve_runs_in_front_of_the_sandbox_reloads_consumers_on_sighup_and_ends_on_sigterm() {
    let mut sandbox = start(
        &["sandbox", "--alfacrm", "127.0.0.1:0", "--cryptocrm", "127.0.0.1:0", "--students", "30"],
        &[],
    );
    let text = sandbox.lines_to(|line| line.starts_with("groups = "));
    let made = run(&["key", "new", "partner"], &[]);
    let (key, stanza) = made.out.split_once('\n').unwrap();
    let listen = "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n";
    let place = Directory::new("serve-store");
    let store = format!("[store]\npath = \"{}\"\n", place.path());
    let good = format!("{listen}{store}{text}{stanza}");
    let file = File::new("serve.toml", &good);
    let mut serve = start(&["serve", "--config", file.path()], &[]);
    let (public, admin) = serve.word(|line| {
        let address = |name: &str| Some(between(&format!("{line} "), name, " ")?.to_owned());
        Some((address("public=")?, address("admin=")?))
    });
    let (status, text) = get(&public, "/projects?limit=1", &[("authorization", &format!("Bearer {key}"))]);
    assert_eq!(status, 200, "{text}");
    assert_eq!(run(&["healthcheck", "--url", &format!("http://{admin}/readyz")], &[]).code, 0);
    // Its store is its own while it runs.
    let second = run(&["serve", "--config", file.path()], &[]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("gateway.redb is in use by another process"), "{}", second.err);
    let made = run(&["key", "new", "late"], &[]);
    let (late, stanza) = made.out.split_once('\n').unwrap();
    let ask = |key: &str| get(&public, "/projects?limit=1", &[("x-api-key", key)]).0;
    assert_eq!(ask(late), 401);
    file.append(stanza);
    serve.signal("HUP");
    serve.word(|line| line.contains("consumers reloaded").then_some(()));
    assert_eq!((ask(late), ask(key)), (200, 200));
    file.append("nonsense = 1\n");
    serve.signal("HUP");
    serve.word(|line| line.contains("the old one stays").then_some(()));
    assert_eq!(ask(late), 200);
    serve.signal("TERM");
    let outcome = serve.end();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(outcome.out, "", "logs are words, not data");
    assert!(outcome.err.contains("stopped"));
    std::fs::write(Path::new(place.path()).join("gateway.redb"), "no store").unwrap();
    let torn = File::new("torn.toml", &good);
    let torn = run(&["serve", "--config", torn.path()], &[]);
    assert_eq!(torn.code, 1, "{torn:?}");
    assert!(
        torn.err.contains("gateway.redb is damaged") && torn.err.contains("move it away"),
        "{}",
        torn.err
    );
    sandbox.signal("TERM");
    assert_eq!(sandbox.end().code, 0);
}
