//! Configuration as the program reads it: the file, the environment over it, and secrets from files.

use super::program::{File, run};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml");

/// The credentials that an operator sets before anything else.
const CREDENTIALS: [(&str, &str); 3] = [
    ("CRM_GATEWAY__ALFACRM__API_KEY", "canary-alfa-key"),
    ("CRM_GATEWAY__CRYPTOCRM__TOKEN", "canary-crypto-token"),
    ("CRM_GATEWAY__CRYPTOCRM__SECRET", "canary-crypto-secret"),
];

#[test]
fn the_example_is_good_once_credentials_are_set() {
    let outcome = run(&["check", "--config", EXAMPLE], &CREDENTIALS);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(outcome.err, "", "no warnings");
    for section in
        ["[server]", "[alfacrm]", "[alfacrm.quota]", "[cryptocrm]", "[cache]", "[consumers.web-app]"]
    {
        assert!(outcome.out.contains(section), "{section} is missing in\n{}", outcome.out);
    }
    assert!(!outcome.out.contains("canary"), "{}", outcome.out);
}

#[test]
fn what_check_prints_is_a_configuration_again() {
    let printed = run(&["check", "--config", EXAMPLE], &CREDENTIALS).out;
    let parsed: toml::Table = printed.parse().unwrap();
    assert_eq!(parsed["alfacrm"]["quota"]["rate"].as_float(), Some(5.0));
    let file = File::new("printed.toml", &printed);
    // Only what is confidential is not in it.
    let hash = format!("sha256:{}", "ab".repeat(32));
    let mut environment = CREDENTIALS.to_vec();
    environment.push(("CRM_GATEWAY__CONSUMERS__WEB_APP__KEY_HASHES", &hash));
    let again = run(&["check", "--config", file.path()], &environment);
    assert_eq!((again.code, again.out.as_str()), (0, printed.as_str()), "{}", again.err);
}

#[test]
fn the_environment_wins_over_the_file() {
    let mut environment = CREDENTIALS.to_vec();
    environment.extend([
        ("CRM_GATEWAY__SERVER__LISTEN", "127.0.0.1:4711"),
        ("CRM_GATEWAY__ALFACRM__QUOTA__RATE", "2.5"),
        ("CRM_GATEWAY__CONSUMERS__WEB_APP__BRANCHES", "2,3"),
        ("CRM_GATEWAY__CACHE__POLICY__STUDENTS__FRESH", "7s"),
    ]);
    let outcome = run(&["check", "--config", EXAMPLE], &environment);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let effective: toml::Table = outcome.out.parse().unwrap();
    assert_eq!(effective["server"]["listen"].as_str(), Some("127.0.0.1:4711"));
    assert_eq!(effective["alfacrm"]["quota"]["rate"].as_float(), Some(2.5));
    let branches = effective["consumers"]["web-app"]["branches"].as_array().unwrap();
    assert_eq!(branches.iter().filter_map(toml::Value::as_integer).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(effective["cache"]["policy"]["students"]["fresh"].as_str(), Some("7s"));
}

#[test]
fn the_environment_alone_is_enough() {
    let environment = [
        ("CRM_GATEWAY__CRYPTOCRM__BASE_URL", "https://crm.example"),
        ("CRM_GATEWAY__CRYPTOCRM__TOKEN", "canary-crypto-token"),
        ("CRM_GATEWAY__CRYPTOCRM__SECRET", "canary-crypto-secret"),
    ];
    let outcome = run(&["check"], &environment);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(!outcome.out.contains("[alfacrm]"), "{}", outcome.out);
}

#[test]
fn an_unknown_variable_is_an_error_with_its_name() {
    let mut environment = CREDENTIALS.to_vec();
    environment.push(("CRM_GATEWAY__SERVER__LISTNE", "127.0.0.1:1"));
    let outcome = run(&["check", "--config", EXAMPLE], &environment);
    assert_eq!(outcome.code, 2, "{}", outcome.out);
    for told in ["CRM_GATEWAY__SERVER__LISTNE", "did you mean"] {
        assert!(outcome.err.contains(told), "{}", outcome.err);
    }
}

#[test]
fn secrets_may_come_from_files() {
    let secret = File::new("secret", "canary-from-a-file\n");
    let text = format!(
        "[alfacrm]\nbase_url = \"https://school.example\"\nemail = \"api@school.example\"\napi_key_file = \"{}\"\n",
        secret.path()
    );
    let file = File::new("with-file.toml", &text);
    let outcome = run(&["check", "--config", file.path()], &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(!outcome.out.contains("canary"), "{}", outcome.out);
    drop(secret);
    let missing = run(&["check", "--config", file.path()], &[]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("api_key_file"), "{}", missing.err);
}

/// The names of calls in the source of an adapter, which are all texts with one slash but those that point into bodies.
fn called_in(adapter: &str) -> std::collections::BTreeSet<String> {
    let folder = format!("{}/src/crm/{adapter}", env!("CARGO_MANIFEST_DIR"));
    let mut found = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        let plain =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let texts = code.split('"').filter_map(|text| text.split_once('/'));
        let names = texts.filter(|(model, act)| plain(model) && plain(act));
        let names = names.filter(|(model, _)| !["payer", "contacts"].contains(model));
        found.extend(names.map(|(model, act)| format!("{model}/{act}")));
    }
    found
}

#[test]
fn every_call_of_the_adapters_may_be_given_a_cost_and_nothing_else() {
    use crm_gateway::config::operations::{ALFACRM, CRYPTOCRM};
    for (adapter, known) in [("alfa", &ALFACRM[..]), ("crypto", &CRYPTOCRM[..])] {
        let known: std::collections::BTreeSet<String> = known.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(called_in(adapter), known, "{adapter}");
    }
}
