//! Defaults, file and environment, and what comes out of them.

use std::time::Duration;

use super::super::*;
use super::{ALFA, CRYPTO, TempFile, good};

#[test]
fn a_crm_section_and_the_defaults_are_enough() {
    let config = good(ALFA, &[]);
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.server.max_body, 1 << 20);
    assert_eq!(config.cryptocrm, None);
    assert_eq!(config.jwt, None);
    let alfa = config.alfacrm.unwrap();
    assert_eq!(alfa.base_url, "https://school.example");
    assert_eq!(alfa.api_key.expose(), "opensesame");
    assert_eq!(alfa.app_key, None);
    assert_eq!(alfa.timezone.iana_name(), Some("Europe/Moscow"));
    assert_eq!(alfa.token_lifetime, Duration::from_secs(14 * 60));
    assert_eq!(alfa.max_response, 32 << 20);
    assert_eq!((alfa.quota.rate, alfa.quota.burst, alfa.quota.max_queue), (5.0, 1, 2000));
    assert_eq!(config.cache.policy.len(), RESOURCES.len());
    assert_eq!(config.cache.policy["students"].fresh, Duration::from_secs(60));
    assert_eq!(config.warnings, ["consumers: there are none, so every call is refused"]);
}

#[test]
fn the_environment_alone_is_enough() {
    let config = Config::load(
        None,
        [
            ("PATH", "/bin"),
            ("CRM_GATEWAY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("CRM_GATEWAY__CRYPTOCRM__BASE_URL", "crm.example:8443"),
            ("CRM_GATEWAY__CRYPTOCRM__TOKEN", "opensesame"),
            ("CRM_GATEWAY__CRYPTOCRM__SECRET", "simsalabim"),
            ("CRM_GATEWAY__CRYPTOCRM__CURRENCIES", "1=RUB, 2=USD"),
            ("CRM_GATEWAY__CRYPTOCRM__DICTIONARY__ACTION_TYPES__7", "Call"),
            ("CRM_GATEWAY__CRYPTOCRM__QUOTA__RATE", "2"),
            ("CRM_GATEWAY__CRYPTOCRM__FIELDS__PROJECT__NAME__FROM", "title,data.title"),
            ("CRM_GATEWAY__CRYPTOCRM__FIELDS__PROJECT__NAME__TYPE", "text"),
            ("CRM_GATEWAY__SERVER__DOCS", "false"),
            ("CRM_GATEWAY__SERVER__MAX_BODY", "64KiB"),
            ("CRM_GATEWAY__CACHE__POLICY__STUDENTS__FRESH", "5s"),
            ("CRM_GATEWAY__CONSUMERS__NIGHTLY__SCOPES", "students:read, payments:read"),
            ("CRM_GATEWAY__CONSUMERS__NIGHTLY__BRANCHES", "1,2"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    )
    .unwrap();
    let crypto = config.cryptocrm.unwrap();
    assert_eq!(crypto.base_url, "https://crm.example:8443");
    assert_eq!(crypto.currencies.into_iter().collect::<Vec<_>>(), [(1, "RUB".into()), (2, "USD".into())]);
    assert_eq!(crypto.dictionary["action-types"][&7], "Call");
    assert_eq!((crypto.quota.rate, crypto.quota.burst), (2.0, 2));
    assert_eq!(crypto.fields["project"]["name"].from, ["title", "data.title"]);
    assert!(!config.server.docs);
    assert_eq!(config.server.max_body, 65_536);
    let students = config.cache.policy["students"];
    assert_eq!((students.fresh, students.stale), (Duration::from_secs(5), Duration::from_secs(600)));
    assert_eq!(config.consumers[0].name, "nightly");
    assert_eq!(config.consumers[0].rights.scopes.len(), 2);
    assert_eq!(config.consumers[0].branches, Some(vec![1, 2]));
}

#[test]
fn a_variable_wins_over_the_file_and_finds_names_with_dashes_and_dots() {
    let text = format!(
        "{ALFA}\n[server]\nlisten = \"127.0.0.1:1\"\n[consumers.web-app]\nweight = 2\n[consumers.\"a.b\"]\nweight = 3\n"
    );
    let config = good(
        &text,
        &[
            ("CRM_GATEWAY__SERVER__LISTEN", " 127.0.0.1:2 "),
            ("CRM_GATEWAY__CONSUMERS__WEB_APP__RATE_LIMIT", "7"),
            ("CRM_GATEWAY__CONSUMERS__A_B__RATE_LIMIT", "8"),
        ],
    );
    assert_eq!(config.server.listen.port(), 2);
    let seen: Vec<_> =
        config.consumers.iter().map(|c| (c.name.as_str(), c.rights.weight, c.rights.rate_limit)).collect();
    assert_eq!(seen, [("web-app", 2, 7), ("a.b", 3, 8)]);
}

#[test]
fn consumers_keep_the_order_of_the_file() {
    let text = format!("{ALFA}\n[consumers.zoe]\n[consumers.adam]\n[consumers.mia]\n");
    let names: Vec<_> = good(&text, &[]).consumers.into_iter().map(|consumer| consumer.name).collect();
    assert_eq!(names, ["zoe", "adam", "mia"]);
}

#[test]
fn a_consumer_is_read_whole() {
    let hash = "AB".repeat(32);
    let text = format!(
        "{ALFA}\n[consumers.app]\nkey_hashes = [\"sha256:{hash}\"]\nscopes = [\"*\", \"students:write\"]\n\
         branches = [3]\nclass = \"batch\"\nmask = [\"contacts\", \"notes\"]\n"
    );
    let consumer = &good(&text, &[]).consumers[0];
    assert_eq!(consumer.key_hashes, [KeyHash([0xab; 32]).into()]);
    let write = Scope::Of { resource: "students".into(), access: Access::Write };
    assert_eq!(consumer.rights.scopes, [Scope::All, write]);
    assert_eq!(consumer.branches, Some(vec![3]));
    assert_eq!(
        (consumer.rights.class, consumer.rights.weight, consumer.rights.rate_limit),
        (Class::Batch, 1, 100)
    );
    assert_eq!(consumer.rights.mask, [Mask::Contacts, Mask::Notes]);
    assert_eq!(consumer.rights.daily_budget, None);
}

#[test]
fn a_key_may_end_and_a_consumer_have_a_daily_budget() {
    let hash = "ab".repeat(32);
    let text = format!(
        "{ALFA}\n[consumers.app]\nkey_hashes = [{{ hash = \"sha256:{hash}\", expires = 2027-01-31 }}]\nscopes = [\"*\"]\ndaily_budget = 0\n"
    );
    let config = good(&text, &[]);
    let expires = Some("2027-02-01T00:00:00Z".parse().unwrap());
    assert_eq!(config.consumers[0].key_hashes, [Key { hash: KeyHash([0xab; 32]), expires }]);
    assert_eq!(config.consumers[0].rights.daily_budget, Some(0));
}

#[test]
fn the_mapping_of_the_crypto_crm_is_read_whole() {
    let text = format!(
        "{CRYPTO}{}",
        r#"
        base_path = "/"
        currencies = { 1 = "RUB" }
        envelope = { list = "/payload", total = "/total" }
        semantics = { filter_date = "on", dynamic_at = "buildin_split", student_field = "alfa_id" }
        [cryptocrm.fields.payment]
        amount = { from = ["amount", "sum"], type = "decimal" }
        type = { from = ["type"], type = "direction", in = [1, "in"] }
        [cryptocrm.dictionary.steps]
        1 = "Enquiry"
        2 = "Offer sent"
        "#
    );
    let crypto = good(&text, &[]).cryptocrm.unwrap();
    assert_eq!(crypto.base_path, "");
    assert_eq!(crypto.user_agent, concat!("crm-gateway/", env!("CARGO_PKG_VERSION")));
    assert_eq!(crypto.envelope.list, Shape::Pointer("/payload".into()));
    assert_eq!((crypto.envelope.object, crypto.envelope.total), (Shape::Auto, Some("/total".into())));
    assert_eq!(
        crypto.semantics,
        Semantics {
            filter_date: FilterDate::On,
            dynamic_at: DynamicAt::BuildinSplit,
            student_field: Some("alfa_id".into())
        }
    );
    let direction = &crypto.fields["payment"]["type"];
    assert_eq!(direction.kind, FieldKind::Direction);
    assert_eq!(
        (&direction.income[..], &direction.expense[..]),
        (&["1".into(), "in".into()][..], &["0".into()][..])
    );
    assert_eq!(crypto.fields["payment"]["amount"].kind, FieldKind::Decimal);
    assert_eq!(crypto.dictionary["steps"][&2], "Offer sent");
}

#[test]
fn paths_and_addresses_are_normalised() {
    for (written, kept) in [("/", ""), ("", ""), ("crm", "/crm"), ("/crm/v1/", "/crm/v1")] {
        let text = format!("{ALFA}\n[server]\nbase_path = \"{written}\"\n");
        assert_eq!(good(&text, &[]).server.base_path, kept, "{written:?}");
    }
    let text = format!("{ALFA}\n[server]\ncors_origins = [\"https://App.example/\"]\n");
    assert_eq!(good(&text, &[]).server.cors_origins, ["https://app.example"]);
}

#[test]
fn a_secret_may_come_from_a_file() {
    for (content, want) in [("opensesame\n", "opensesame"), ("opensesame\r\n", "opensesame"), ("x", "x")] {
        let file = TempFile::new("secret-good", content);
        let text = ALFA.replace("api_key = \"opensesame\"", &format!("api_key_file = {:?}", file.path()));
        assert_eq!(good(&text, &[]).alfacrm.unwrap().api_key.expose(), want);
    }
}

#[test]
fn a_file_is_loaded_by_its_path() {
    let file = TempFile::new("config.toml", ALFA);
    assert!(Config::load(Some(&file.0), []).is_ok());
    assert!(Config::from_toml(ALFA).is_ok());
}

#[test]
fn secrets_are_printed_nowhere() {
    let hash = "ab".repeat(32);
    let text = format!(
        "{ALFA}app_key = \"opensesame\"\n{CRYPTO}\n[consumers.app]\nkey_hashes = [\"sha256:{hash}\"]\n"
    );
    let config = good(&text, &[]);
    for shown in [format!("{config:?}"), config.effective()] {
        for secret in ["opensesame", "simsalabim", &hash[..]] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("***"));
    }
}

#[test]
fn the_effective_configuration_loads_again_and_is_the_same() {
    let full = format!(
        "{}{}",
        include_str!("../../../config.example.toml"),
        r#"
        [consumers."a.b"]
        scopes = ["*"]
        mask = ["contacts"]
        class = "partner"
        [cryptocrm.fields.project]
        name = { from = ["name", "data.\"odd\" \\ name"], type = "text" }
        [cryptocrm.fields.payment]
        type = { from = ["type"], type = "direction", in = ["1"], out = ["0", "2"] }
        [cryptocrm.dictionary]
        steps = { 1 = "Enquiry", 2 = "Sent: \"offer\"" }
        action-types = { 7 = "Звонок" }
        "#
    );
    let config = good(&full, &[]);
    let shown = config.effective();
    let hash = format!("\"sha256:{}\"", "0".repeat(64));
    let unmask = |line: &str| {
        let value = if line.starts_with("key_hashes") { &hash } else { "\"opensesame\"" };
        line.replace("\"***\"", value)
    };
    let unmasked: Vec<_> = shown.lines().map(unmask).collect();
    let mut again = good(&unmasked.join("\n"), &[]);
    assert_eq!(again.effective(), shown);
    // Only what was masked may differ.
    again.alfacrm.as_mut().unwrap().api_key = config.alfacrm.clone().unwrap().api_key;
    let crypto = again.cryptocrm.as_mut().unwrap();
    crypto.token = config.cryptocrm.clone().unwrap().token;
    crypto.secret = config.cryptocrm.clone().unwrap().secret;
    assert_eq!(again, config);
}

#[test]
fn risky_settings_are_warned_of() {
    let base = format!(
        "{ALFA}\n[consumers.app]\nkey_hashes = [\"sha256:{}\"]\nscopes = [\"search:read\"]\n",
        "0".repeat(64)
    );
    assert_eq!(good(&base, &[]).warnings, Vec::<String>::new());
    for (name, value, want) in [
        (
            "ALFACRM__QUOTA__RATE",
            "6",
            "alfacrm.quota.rate: AlfaCRM allows 5 requests per second and answers 429 above that",
        ),
        (
            "ALFACRM__TOKEN_LIFETIME",
            "20m",
            "alfacrm.token_lifetime: AlfaCRM documents 15 minutes; a longer one costs refused calls",
        ),
        (
            "ALFACRM__BASE_URL",
            "http://school.example",
            "alfacrm.base_url: http:// sends the credentials and all data in clear; use https://",
        ),
        (
            "SERVER__ADMIN_LISTEN",
            "0.0.0.0:9090",
            "server.admin_listen: its pages ask for no key; keep this address away from the public",
        ),
        ("SERVER__CORS_ORIGINS", "*", "server.cors_origins: \"*\" lets the pages of every site call the API"),
        (
            "CONSUMERS__APP__KEY_HASHES",
            "",
            "consumers.app.key_hashes: no key, so nobody can call as this consumer",
        ),
        ("CONSUMERS__APP__SCOPES", "", "consumers.app.scopes: no scope, so this consumer may do nothing"),
        (
            "CONSUMERS__APP__SCOPES",
            "tariffs:write",
            "consumers.app.scopes: \"tariffs:write\" grants nothing, tariffs can only be read",
        ),
        (
            "CONSUMERS__APP__BRANCHES",
            "",
            "consumers.app.branches: an empty list shows no branch; leave the key out to show all",
        ),
        (
            "CACHE__POLICY__GROUPS__IF_ERROR",
            "1m",
            "cache.policy.groups.if_error: shorter than `stale`: an answer is then still given for the whole of `stale`",
        ),
    ] {
        let name = format!("CRM_GATEWAY__{name}");
        assert_eq!(good(&base, &[(&name, value)]).warnings, [want]);
    }
    let partner =
        [("CRM_GATEWAY__CONSUMERS__APP__SCOPES", "*"), ("CRM_GATEWAY__CONSUMERS__APP__CLASS", "partner")];
    let want = "consumers.app.scopes: \"*\" lets another company read and change everything";
    assert_eq!(good(&base, &partner).warnings, [want]);
    let branches =
        [("CRM_GATEWAY__CONSUMERS__APP__BRANCHES", "1,2,3"), ("CRM_GATEWAY__ALFACRM__BRANCHES", "1")];
    let want = "consumers: `app` names branches that alfacrm.branches leaves out: 2, 3";
    assert_eq!(good(&base, &branches).warnings, [want]);
    for quiet in ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"] {
        assert_eq!(good(&base, &[("CRM_GATEWAY__ALFACRM__BASE_URL", quiet)]).warnings, Vec::<String>::new());
    }
}
