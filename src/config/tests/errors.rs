//! Every sentence a user may get to read when something is wrong.

use super::super::Config;
use super::{ALFA, CRYPTO, TempFile, problems};

/// One line changed or added in a configuration that is right, and the one problem it makes. The place
/// `(gateway.toml line N)` is left out of the table; `places_are_named` checks it.
fn only(text: &str, env: &[(&str, &str)]) -> String {
    let lines = problems(text, env);
    assert_eq!(lines.len(), 1, "{text}\n{lines:#?}");
    let line = &lines[0];
    match line
        .split_once(" (gateway.toml line ")
        .and_then(|(key, rest)| Some((key, rest.split_once("): ")?.1)))
    {
        Some((key, text)) => format!("{key}: {text}"),
        None => line.clone(),
    }
}

#[test]
fn values_of_the_wrong_kind() {
    let whole = |key: &str, value: &str| {
        format!(
            "{ALFA}\n[{}]\n{} = {value}\n",
            key.rsplit_once('.').unwrap().0,
            key.rsplit_once('.').unwrap().1
        )
    };
    for (key, value, want) in [
        (
            "server.listen",
            "8080",
            r#"expected an IP address and a port such as "0.0.0.0:8080", found 8080: put it in quotes"#,
        ),
        (
            "server.listen",
            r#"":8080""#,
            r#"expected an IP address and a port such as "0.0.0.0:8080", found ":8080": for all addresses write "0.0.0.0:8080""#,
        ),
        (
            "server.listen",
            r#""localhost:8080""#,
            r#"expected an IP address and a port such as "0.0.0.0:8080", found "localhost:8080""#,
        ),
        (
            "server.admin_listen",
            r#""127.0.0.1:8080""#,
            "it must not meet `listen` (0.0.0.0:8080): its pages ask for no key",
        ),
        (
            "server.base_path",
            r#""/a b""#,
            r#"expected a path such as "/crm", found "/a b": its parts may hold letters, digits and -._~"#,
        ),
        (
            "server.base_path",
            r#""/../x""#,
            r#"expected a path such as "/crm", found "/../x": its parts may hold letters, digits and -._~"#,
        ),
        ("server.request_timeout", "30", r#"expected a duration such as "30s", found 30: put it in quotes"#),
        (
            "server.request_timeout",
            r#""30""#,
            r#"expected a duration such as "30s", found "30": the unit is missing (ms, s, m, h or d)"#,
        ),
        (
            "server.request_timeout",
            r#""0s""#,
            r#"expected a duration such as "30s", found "0s": it must lie between 100ms and 10m"#,
        ),
        (
            "server.max_body",
            r#""1mb""#,
            r#"expected a size such as "1MiB", found "1mb": the unit must be B, KiB, MiB, GiB, KB, MB or GB"#,
        ),
        (
            "server.max_body",
            r#""1B""#,
            r#"expected a size such as "1MiB", found "1B": it must lie between 1KiB and 1GiB"#,
        ),
        (
            "server.cors_origins",
            r#""*""#,
            r#"expected a list, each item an origin such as "https://app.example", or "*": put it in [ ]"#,
        ),
        (
            "server.cors_origins",
            "7",
            r#"expected a list, each item an origin such as "https://app.example", or "*""#,
        ),
        ("server.docs", r#""yes""#, r#"expected true or false, found "yes": write it without quotes"#),
        ("server.docs", "1", "expected true or false, found 1"),
        ("alfacrm.quota.rate", "0", "expected a number from 0.01 to 1000 such as 5.0, found 0"),
        ("alfacrm.quota.rate", "nan", "expected a number from 0.01 to 1000 such as 5.0, found NaN"),
        (
            "alfacrm.quota.rate",
            r#""5""#,
            r#"expected a number from 0.01 to 1000 such as 5.0, found "5": write it without quotes"#,
        ),
        ("alfacrm.quota.burst", "0", "expected a whole number from 1 to 1000 such as 1, found 0"),
        ("alfacrm.quota.burst", "1.5", "expected a whole number from 1 to 1000 such as 1, found 1.5"),
        (
            "alfacrm.quota.burst",
            r#""2""#,
            r#"expected a whole number from 1 to 1000 such as 1, found "2": write it without quotes"#,
        ),
        ("alfacrm.quota.max_queue", "-1", "expected a whole number from 1 to 1000000 such as 2000, found -1"),
        (
            "alfacrm.quota.max_wait",
            "1979-05-27",
            r#"expected a duration such as "20s", found 1979-05-27: put it in quotes"#,
        ),
        ("cache.max_size", "[]", r#"expected a size such as "256MiB", found a list: put it in quotes"#),
        (
            "cache.policy.students.fresh",
            "{}",
            r#"expected a duration such as "60s", found a table: put it in quotes"#,
        ),
        (
            "telemetry.log_format",
            r#""jsn""#,
            r#"expected one of "text", "json", found "jsn": did you mean "json"?"#,
        ),
        ("telemetry.log_format", r#""xml""#, r#"expected one of "text", "json", found "xml""#),
        ("store.path", r#""""#, r#"expected a path such as "data", found "": it is empty"#),
        (
            "store.path",
            r#""a\u0000b""#,
            r#"expected a path such as "data", found "a\0b": it holds a zero byte"#,
        ),
        (
            "auth.jwt.student_claim",
            r#""a\nb""#,
            r#"expected a text such as "student_ids", found "a\nb": it holds a line break or another control character"#,
        ),
        (
            "auth.jwt.student_claim",
            r#""  ""#,
            r#"expected a text such as "student_ids", found "  ": it is empty"#,
        ),
        (
            "consumers.app.class",
            r#""partners""#,
            r#"expected one of "interactive", "partner", "batch", found "partners": did you mean "partner"?"#,
        ),
        ("consumers.app.branches", "[0]", "expected the number of a record such as 1, found 0"),
    ] {
        let item = if key.ends_with("branches") { "[0]" } else { "" };
        assert_eq!(only(&whole(key, value), &[]), format!("{key}{item}: {want}"));
    }
}

#[test]
fn the_crms() {
    let alfa = |key: &str, value: &str| {
        let lines = ALFA.lines().filter(|line| !line.starts_with(&format!("{key} ")));
        format!("{}\n{key} = {value}\n", lines.collect::<Vec<_>>().join("\n"))
    };
    for (key, value, want) in [
        (
            "base_url",
            r#""school.example""#,
            r#"expected an address such as "https://school.s20.online", found "school.example": it must start with https:// or http://"#,
        ),
        (
            "base_url",
            r#""https://school.example/v2api""#,
            r#"expected an address such as "https://school.s20.online", found "https://school.example/v2api": only the scheme, the host and the port belong here, no path"#,
        ),
        (
            "base_url",
            r#""https://me:opensesame@school.example""#,
            r#"expected an address such as "https://school.s20.online", found an address with a password: a user name or password in an address is not supported"#,
        ),
        ("email", r#""api""#, r#"expected an e-mail address such as "api@school.example", found a text"#),
        (
            "api_key",
            "17",
            "expected a secret in visible ASCII characters, found a whole number: put it in quotes",
        ),
        (
            "api_key",
            r#""open\nsesame""#,
            "expected a secret in visible ASCII characters, found a text: it holds a space, a line break or a letter outside ASCII",
        ),
        (
            "api_key",
            r#""***""#,
            "expected a secret in visible ASCII characters, found a text: these stars only stand for a secret in what `crm-gateway check` prints",
        ),
        (
            "api_key",
            r#""…""#,
            "expected a secret in visible ASCII characters, found a text: it holds a space, a line break or a letter outside ASCII",
        ),
        ("api_key", r#""""#, "required: a text, or `api_key_file` with the path of a file that holds it"),
        (
            "timezone",
            r#""Europe/Moskow""#,
            r#"expected the name of a time zone such as "Europe/Moscow", found "Europe/Moskow": did you mean "Europe/Moscow"?"#,
        ),
        (
            "timezone",
            r#""Moon""#,
            r#"expected the name of a time zone such as "Europe/Moscow", found "Moon""#,
        ),
        (
            "currency",
            r#""rub""#,
            r#"expected a currency code such as "RUB", found "rub": it has three capital letters"#,
        ),
        (
            "proxy",
            r#""socks5://proxy.example""#,
            r#"expected an address such as "http://proxy.example:3128", found "socks5://proxy.example": it must start with https:// or http://"#,
        ),
        ("page_size", "0", "expected a whole number from 1 to 1000 such as 50, found 0"),
        ("quota", "5", "expected a table: write [alfacrm.quota] and its keys below it"),
    ] {
        assert_eq!(only(&alfa(key, value), &[]), format!("alfacrm.{key}: {want}"));
    }
    let crypto = |lines: &str| format!("{CRYPTO}\n{lines}\n");
    for (lines, want) in [
        (
            r#"currencies = { 1 = "roubles" }"#,
            r#"cryptocrm.currencies.1: expected a currency code such as "RUB", found "roubles": it has three capital letters"#,
        ),
        (r#"currencies = { RUB = "RUB" }"#, "cryptocrm.currencies.RUB: expected a whole number as the key"),
        (
            r#"currencies = ["RUB"]"#,
            r#"cryptocrm.currencies: expected a table from numbers to a currency code such as "RUB""#,
        ),
        (
            r#"user_agent = "привет""#,
            r#"cryptocrm.user_agent: expected a product and a version such as "our-product/1.0", found "привет": it may hold visible ASCII letters only"#,
        ),
        (
            r#"envelope.list = "payload""#,
            r#"cryptocrm.envelope.list: expected "auto" or a JSON pointer such as "/payload", found "payload": a pointer starts with a slash"#,
        ),
        (
            r#"envelope.total = "total""#,
            r#"cryptocrm.envelope.total: expected a JSON pointer such as "/total", found "total": a pointer starts with a slash"#,
        ),
        (
            r#"semantics.filter_date = "sins""#,
            r#"cryptocrm.semantics.filter_date: expected one of "on", "since", "unknown", found "sins""#,
        ),
        (
            r#"fields.project.name = { type = "text" }"#,
            r#"cryptocrm.fields.project.name.from: required: the names to try, such as ["name", "data.title"]"#,
        ),
        (
            r#"fields.project.name = { from = ["name"] }"#,
            r#"cryptocrm.fields.project.name.type: required: one of "text", "uint", "decimal", "flag", "date", "ids", "direction""#,
        ),
        (
            r#"fields.project.name = { from = ["a..b"], type = "text" }"#,
            r#"cryptocrm.fields.project.name.from[0]: expected the name of a field such as "data.client_id", found "a..b": a part of it is empty"#,
        ),
        (
            r#"fields.project.name = { from = ["a"], type = "text", in = ["1"] }"#,
            r#"cryptocrm.fields.project.name.in: it belongs to fields of type "direction" only"#,
        ),
        (
            r#"fields.project.name = { from = ["a"], type = "direction", in = [true] }"#,
            r#"cryptocrm.fields.project.name.in[0]: expected a value such as "1", found true"#,
        ),
        (
            r#"fields.project.name = "title""#,
            "cryptocrm.fields.project.name: expected a table: write [cryptocrm.fields.project.name] and its keys below it",
        ),
        (
            r#"fields.projects.name = { from = ["a"], type = "text" }"#,
            "cryptocrm.fields.projects: unknown key; did you mean `project`?",
        ),
        (
            r#"dictionary.Steps = { 1 = "Enquiry" }"#,
            "cryptocrm.dictionary.Steps: a dictionary is named in small letters, digits and dashes, such as action-types",
        ),
        (
            r#"dictionary.steps = { 1 = "" }"#,
            r#"cryptocrm.dictionary.steps.1: expected a text such as "Enquiry", found "": it is empty"#,
        ),
    ] {
        assert_eq!(only(&crypto(lines), &[]), want);
    }
}

#[test]
fn what_is_required_is_asked_for_with_an_example() {
    assert_eq!(
        problems("[alfacrm]\n[cryptocrm]\n", &[]),
        [
            r#"alfacrm.base_url (gateway.toml line 1): required: an address such as "https://school.s20.online""#,
            r#"alfacrm.email (gateway.toml line 1): required: an e-mail address such as "api@school.example""#,
            "alfacrm.api_key (gateway.toml line 1): required: a text, or `api_key_file` with the path of a file that holds it",
            r#"cryptocrm.base_url (gateway.toml line 2): required: an address or a host name such as "https://crm.example""#,
            "cryptocrm.token (gateway.toml line 2): required: a text, or `token_file` with the path of a file that holds it",
            "cryptocrm.secret (gateway.toml line 2): required: a text, or `secret_file` with the path of a file that holds it",
        ]
    );
    assert_eq!(problems("", &[]), ["no CRM is configured: add [alfacrm] or [cryptocrm]"]);
}

#[test]
fn unknown_keys_are_named_with_what_was_probably_meant() {
    for (lines, want) in [
        ("[server]\nlisten_on = \"x\"", "server.listen_on: unknown key; did you mean `listen`?"),
        (
            "[server]\nport = 80",
            "server.port: unknown key; known keys: listen, admin_listen, base_path, request_timeout, max_body, drain_timeout, cors_origins, docs",
        ),
        ("[servr]\nlisten = \"x\"", "servr: unknown key; did you mean `server`?"),
        (
            "[frobnicate]",
            "frobnicate: unknown key; known keys: server, alfacrm, cryptocrm, cache, consumers, auth, store, redis, telemetry",
        ),
        (
            "[cache.policy.student]\nfresh = \"1s\"",
            "cache.policy.student: unknown key; did you mean `students`?",
        ),
        (
            "[cache.policy.students]\nfersh = \"1s\"",
            "cache.policy.students.fersh: unknown key; did you mean `fresh`?",
        ),
        (
            "[alfacrm.quota]\nrps = 5",
            "alfacrm.quota.rps: unknown key; known keys: rate, burst, max_wait, max_queue, max_queue_bytes, guaranteed, cost",
        ),
        (
            "[alfacrm.quota.cost]\n\"teacher/indx\" = 2",
            "alfacrm.quota.cost.\"teacher/indx\": nothing is called so in this CRM; did you mean `teacher/index`?",
        ),
        ("[consumers.\"a.b\"]\nscope = []", "consumers.\"a.b\".scope: unknown key; did you mean `scopes`?"),
        ("[auth]\njwks = 1", "auth.jwks: unknown key; known keys: jwt"),
    ] {
        assert_eq!(only(&format!("{ALFA}\n{lines}\n"), &[]), want);
    }
}

#[test]
fn consumers() {
    let hash = format!("\"sha256:{}\"", "0".repeat(64));
    for (lines, want) in [
        (
            "[consumers.app]\nscopes = [\"student:read\"]".to_owned(),
            r#"consumers.app.scopes[0]: expected a scope such as "students:read", or "*", found "student:read": there is no resource of that name; did you mean `students`?"#,
        ),
        (
            "[consumers.app]\nscopes = [\"search:read\", \"x:read\"]".into(),
            r#"consumers.app.scopes[1]: expected a scope such as "students:read", or "*", found "x:read": there is no resource of that name; known resources: students, lessons, schedules, groups, teachers, payments, tasks, tariffs, projects, reference, history, messages, search, quota, admin"#,
        ),
        (
            "[consumers.app]\nscopes = [\"students\"]".into(),
            r#"consumers.app.scopes[0]: expected a scope such as "students:read", or "*", found "students": a resource and what may be done with it, joined by a colon"#,
        ),
        (
            "[consumers.app]\nscopes = [\"students:delete\"]".into(),
            r#"consumers.app.scopes[0]: expected a scope such as "students:read", or "*", found "students:delete": after the colon stands read or write"#,
        ),
        (
            "[consumers.app]\nmask = [\"contact\"]".into(),
            r#"consumers.app.mask[0]: expected one of "contacts", "balances", "notes", found "contact": did you mean "contacts"?"#,
        ),
        (
            "[consumers.app]\nkey_hashes = [\"opensesame\"]".into(),
            r#"consumers.app.key_hashes[0]: expected "sha256:" and 64 hexadecimal digits, found a text: `crm-gateway key new NAME` prints a key and its hash"#,
        ),
        (
            format!("[consumers.app]\nkey_hashes = [\"sha256:{}\"]", "é".repeat(32)),
            r#"consumers.app.key_hashes[0]: expected "sha256:" and 64 hexadecimal digits, found a text: `crm-gateway key new NAME` prints a key and its hash"#,
        ),
        (
            format!("[consumers.app]\nkey_hashes = [{{ hash = {hash}, expires = \"May\" }}]"),
            r#"consumers.app.key_hashes[0]: expected "sha256:" and 64 hexadecimal digits, found a table: `expires` is no day or time: a time needs its offset: 2027-01-31T18:00:00Z"#,
        ),
        (
            format!("[consumers.a]\nkey_hashes = [{hash}]\n[consumers.b]\nkey_hashes = [{hash}]"),
            "consumers.b: a key of `a` is listed here too; a key tells who calls",
        ),
        (
            "[consumers.\"a b\"]".into(),
            "consumers.\"a b\": a consumer's name has up to 64 letters, digits, dashes, dots and underscores",
        ),
        (
            "[consumers.\"*\"]".into(),
            "consumers.\"*\": a consumer's name has up to 64 letters, digits, dashes, dots and underscores",
        ),
        (
            "[consumers.gateway]".into(),
            "consumers.gateway: this name is the gateway's own: what it does for all is counted under it",
        ),
        (
            "[consumers]\napp = \"x\"".into(),
            "consumers.app: expected a table: write [consumers.app] and its keys below it",
        ),
    ] {
        assert_eq!(only(&format!("{ALFA}\n{lines}\n"), &[]), want);
    }
}

#[test]
fn what_this_version_cannot_do_is_refused() {
    let lines = "[redis]\nurl = \"redis://:opensesame@redis.example\"";
    let want = "redis.url: not available in this version; remove it";
    assert_eq!(only(&format!("{ALFA}\n{lines}\n"), &[]), want);
}

#[test]
fn whose_tokens_are_good_must_be_said_whole() {
    let needed = "is needed: without it any token of the provider would be good here";
    let missing = "says whose tokens are good, and jwks_url or jwks_file is missing";
    for (lines, want) in [
        ("jwks_url = \"https://id.example/keys\"\nissuer = \"x\"", format!("auth.jwt.audience (embedded default): {needed}")),
        ("jwks_file = \"keys.json\"\naudience = \"x\"", format!("auth.jwt.issuer (embedded default): {needed}")),
        ("issuer = \"x\"", format!("auth.jwt.issuer: {missing}")),
        ("audience = \"x\"", format!("auth.jwt.audience: {missing}")),
        (
            "jwks_url = \"https://id.example/keys\"\njwks_file = \"keys.json\"",
            "auth.jwt.jwks_file: jwks_url is set as well; keep only one of the two".to_owned(),
        ),
        (
            "jwks_url = \"id.example/keys\"",
            "auth.jwt.jwks_url: expected an address such as \"https://id.example/keys\", found \"id.example/keys\": it must \
             start with https:// or http://"
                .to_owned(),
        ),
    ] {
        assert_eq!(only(&format!("{ALFA}\n[auth.jwt]\n{lines}\n"), &[]), want);
    }
}

#[test]
fn secrets_in_files() {
    let text = |path: &str| ALFA.replace("api_key = \"opensesame\"", &format!("api_key_file = {path:?}"));
    assert_eq!(
        only(&text("/nowhere/key"), &[]),
        "alfacrm.api_key_file: cannot read /nowhere/key: No such file or directory (os error 2)"
    );
    let empty = TempFile::new("secret-empty", "\n");
    assert_eq!(only(&text(empty.path()), &[]), format!("alfacrm.api_key_file: {} is empty", empty.path()));
    let odd = TempFile::new("secret-odd", "open sesame\n");
    assert_eq!(
        only(&text(odd.path()), &[]),
        format!(
            "alfacrm.api_key_file: {}: expected a secret in visible ASCII characters: \
             it holds a space, a line break or a letter outside ASCII",
            odd.path()
        )
    );
    let binary = TempFile::new("secret-binary", [0xff, 0xfe]);
    assert_eq!(
        only(&text(binary.path()), &[]),
        format!("alfacrm.api_key_file: cannot read {}: stream did not contain valid UTF-8", binary.path())
    );
    assert_eq!(
        only(&format!("{ALFA}api_key_file = \"/run/secrets/key\"\n"), &[]),
        "alfacrm.api_key_file: `api_key` is set as well; keep only one of the two"
    );
}

#[test]
fn the_environment() {
    for (name, value, want) in [
        (
            "SERVER__LISTN",
            "x",
            "server.listn (CRM_GATEWAY__SERVER__LISTN): unknown key; did you mean `listen`?",
        ),
        ("SERVR__LISTEN", "x", "servr (CRM_GATEWAY__SERVR__LISTEN): unknown key; did you mean `server`?"),
        (
            "SERVER__MAX_BODY",
            "big",
            r#"server.max_body (CRM_GATEWAY__SERVER__MAX_BODY): expected a size such as "1MiB", found "big": it must start with a whole number"#,
        ),
        (
            "SERVER__DOCS",
            "yes",
            r#"server.docs (CRM_GATEWAY__SERVER__DOCS): expected true or false, found "yes""#,
        ),
        (
            "ALFACRM__QUOTA__BURST",
            "two",
            r#"alfacrm.quota.burst (CRM_GATEWAY__ALFACRM__QUOTA__BURST): expected a whole number from 1 to 1000 such as 1, found "two""#,
        ),
        (
            "ALFACRM__QUOTA__RATE",
            "inf",
            r#"alfacrm.quota.rate (CRM_GATEWAY__ALFACRM__QUOTA__RATE): expected a number from 0.01 to 1000 such as 5.0, found "inf""#,
        ),
        (
            "ALFACRM__BRANCHES",
            "1,x",
            r#"alfacrm.branches[1] (CRM_GATEWAY__ALFACRM__BRANCHES): expected the number of a record such as 1, found "x""#,
        ),
        (
            "SERVER",
            "x",
            "server (CRM_GATEWAY__SERVER): expected a table: set its keys one by one, CRM_GATEWAY__SERVER__KEY",
        ),
        (
            "SERVER__",
            "x",
            "CRM_GATEWAY__SERVER__: expected CRM_GATEWAY__SECTION__KEY with names between the double underscores",
        ),
        (
            "ALFACRM__EMAIL__X",
            "x",
            "CRM_GATEWAY__ALFACRM__EMAIL__X: `email` already has a plain value, so nothing can be set below it",
        ),
        (
            "ALFACRM__API_KEY",
            "open sesame",
            "alfacrm.api_key (CRM_GATEWAY__ALFACRM__API_KEY): expected a secret in visible ASCII characters, found a text: it holds a space, a line break or a letter outside ASCII",
        ),
        (
            "ALFACRM__API_KEY_FILE",
            "/run/key",
            "alfacrm.api_key_file (CRM_GATEWAY__ALFACRM__API_KEY_FILE): `api_key` is set as well; keep only one of the two",
        ),
    ] {
        let name = format!("CRM_GATEWAY__{name}");
        assert_eq!(problems(ALFA, &[(&name, value)]), [want]);
    }
    assert_eq!(
        problems(CRYPTO, &[("CRM_GATEWAY__CRYPTOCRM__CURRENCIES", "RUB")]),
        [
            r#"cryptocrm.currencies.RUB (CRM_GATEWAY__CRYPTOCRM__CURRENCIES): expected a currency code such as "RUB", found "": it has three capital letters"#,
            "cryptocrm.currencies.RUB (CRM_GATEWAY__CRYPTOCRM__CURRENCIES): expected a whole number as the key",
        ]
    );
    assert_eq!(
        problems(ALFA, &[("CRM_GATEWAY__A__A__A__A__A__A__A__A__A", "x")]),
        ["CRM_GATEWAY__A__A__A__A__A__A__A__A__A: no key has more than 8 levels"]
    );
    let both = format!("{ALFA}\n[consumers.a-b]\n[consumers.\"a.b\"]\n");
    assert_eq!(
        problems(&both, &[("CRM_GATEWAY__CONSUMERS__A_B__WEIGHT", "2")]),
        ["CRM_GATEWAY__CONSUMERS__A_B__WEIGHT: A_B may mean each of a-b, a.b; rename one of them"]
    );
    let twice = [("CRM_GATEWAY__SERVER__DOCS", "true"), ("CRM_GATEWAY__server__docs", "true")];
    assert_eq!(
        problems(ALFA, &twice),
        ["CRM_GATEWAY__server__docs: it sets the same key as CRM_GATEWAY__SERVER__DOCS"]
    );
}

#[test]
fn everything_wrong_is_listed_at_once_with_its_place() {
    let text = "\
[server]
listen = 8080
lisen = \"x\"

[alfacrm]
base_url = \"https://school.example\"
email = \"api\"
api_key = 5
branches = [
  1,
  \"two\",
]

[consumers.web-app]
scopes = [\"studnets:read\"]
";
    let error = super::load(text, &[("CRM_GATEWAY__STORE__PTAH", "x")]).unwrap_err().to_string();
    let want = "\
the configuration has 7 problems:
  server.listen (gateway.toml line 2): expected an IP address and a port such as \"0.0.0.0:8080\", found 8080: put it in quotes
  server.lisen (gateway.toml line 3): unknown key; did you mean `listen`?
  alfacrm.email (gateway.toml line 7): expected an e-mail address such as \"api@school.example\", found a text
  alfacrm.api_key (gateway.toml line 8): expected a secret in visible ASCII characters, found a whole number: put it in quotes
  alfacrm.branches[1] (gateway.toml line 11): expected the number of a record such as 1, found \"two\"
  consumers.web-app.scopes[0] (gateway.toml line 15): expected a scope such as \"students:read\", or \"*\", found \"studnets:read\": there is no resource of that name; did you mean `students`?
  store.ptah (CRM_GATEWAY__STORE__PTAH): unknown key; did you mean `path`?";
    assert_eq!(error, want);
}

#[test]
fn what_is_not_toml_is_shown_by_line() {
    let error = Config::from_toml("[server]\nlisten = \nx = \"\n").unwrap_err();
    let places: Vec<_> = error.0.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["line 2", "line 3"]);
    assert!(error.0.iter().all(|problem| problem.text.starts_with("this is not TOML: ")), "{error}");
    assert_eq!(
        Config::from_toml("[server]\ndocs = true\ndocs = true\n").unwrap_err().to_string(),
        "the configuration has 1 problem:\n  line 3: this is not TOML: duplicate key"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load(Some(std::path::Path::new("/nowhere/gateway.toml")), []).unwrap_err();
    assert_eq!(
        error.0[0].to_string(),
        "/nowhere/gateway.toml: cannot read the configuration: No such file or directory (os error 2)"
    );
}

#[test]
fn a_secret_in_the_wrong_place_is_not_quoted() {
    // Each of these is a slip that puts a real secret where something else belongs.
    for text in [
        ALFA.replace("api@school.example", "opensesame"),
        ALFA.replace("api_key = ", "api_key = [").replace("sesame\"", "sesame\"]"),
        format!("{ALFA}app_key = \"opensesame \u{e9}\"\n"),
        format!("{ALFA}opensesam = \"opensesame\"\n"),
        format!("{ALFA}[redis]\nurl = \"redis://:opensesame@r\"\n"),
        format!("{ALFA}proxy = \"http://me:opensesame@proxy.example\"\n"),
        format!("{ALFA}[consumers.app]\nkey_hashes = [\"opensesame\"]\n"),
        ALFA.replace("opensesame\"", "opensesame"),
    ] {
        let shown = super::load(&text, &[]).unwrap_err().to_string();
        assert!(!shown.contains("opensesame"), "{shown}");
    }
}
