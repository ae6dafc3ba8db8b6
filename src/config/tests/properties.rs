//! Whatever is written, loading ends with a configuration or with problems; never with a panic.

use proptest::prelude::*;

use super::super::Config;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// The lines of the example, some of them cut, doubled or replaced.
fn damaged_example() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("\"\"".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("[[1, {}], \"a\"]".to_owned()),
        Just("-1".to_owned()),
        Just("999999999999999999999999999999999999999999".to_owned()),
        Just("nan".to_owned()),
        Just("1e400".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("\"https://[::\"".to_owned()),
        "\"[^\"\\\\\\n]{0,12}\"",
        "[0-9]{1,3}[a-zA-Z]{1,3}".prop_map(|text| format!("\"{text}\"")),
        ".{0,10}",
    ];
    let damage = (any::<prop::sample::Index>(), 0..4_u8, value);
    prop::collection::vec(damage, 1..8).prop_map(|damages| {
        let mut lines: Vec<String> = EXAMPLE.lines().map(str::to_owned).collect();
        for (at, what, value) in damages {
            let at = at.index(lines.len());
            match what {
                0 => drop(lines.remove(at)),
                1 => lines[at] = format!("{}{value}", lines[at]),
                2 => lines.insert(at, value),
                _ => {
                    let key = lines[at].split(" = ").next().unwrap_or_default().to_owned();
                    lines[at] = format!("{key} = {value}");
                }
            }
        }
        lines.join("\n")
    })
}

fn variable() -> impl Strategy<Value = (String, String)> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "SERVER",
            "LISTEN",
            "ALFACRM",
            "CRYPTOCRM",
            "QUOTA",
            "RATE",
            "CONSUMERS",
            "WEB_APP",
            "SCOPES",
            "CACHE",
            "POLICY",
            "CURRENCIES",
            "FIELDS",
            "DICTIONARY",
            "PROJECT",
            "API_KEY",
            "BRANCHES",
            "1",
            "AUTH",
            "JWT",
            "",
        ])
        .prop_map(str::to_owned),
        ".{0,5}",
    ];
    let value = prop_oneof![Just("1=RUB,2".to_owned()), Just("1,2".to_owned()), ".{0,12}"];
    (prop::collection::vec(part, 0..5), value)
        .prop_map(|(parts, value)| (format!("CRM_GATEWAY__{}", parts.join("__")), value))
}

/// Loads and looks at everything there is to see.
fn exercise(text: &str, env: Vec<(String, String)>) {
    match Config::read(text, String::new(), env) {
        Ok(config) => drop((config.effective(), format!("{config:?}"))),
        Err(problems) => {
            assert!(!problems.0.is_empty(), "refused without a reason");
            drop(problems.to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_text_is_survived(text in "(?s).{0,200}") {
        exercise(&text, Vec::new());
    }

    #[test]
    fn a_damaged_file_is_survived(text in damaged_example()) {
        exercise(&text, Vec::new());
    }

    #[test]
    fn any_environment_is_survived(env in prop::collection::vec(variable(), 0..8)) {
        exercise(EXAMPLE, env.clone());
        exercise("", env);
    }
}
