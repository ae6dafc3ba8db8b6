//! The example is the manual: it loads, it shows every key there is, and what it calls a default is one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tree::{self, Table, Value};
use super::{good, load};

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// `EXAMPLE` with the settings that are switched off (`#key`, without a space) switched on.
fn all_switched_on() -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(on).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_loads_without_warnings() {
    assert_eq!(good(EXAMPLE, &[]).warnings, Vec::<String>::new());
}

#[test]
fn what_the_example_has_switched_off_is_right_too() {
    let on = all_switched_on();
    let without_files: Vec<_> = on.lines().filter(|line| !line.contains("_file = \"/run/")).collect();
    assert_ne!(without_files.len(), on.lines().count());
    let crypto = good(&without_files.join("\n"), &[]).cryptocrm.unwrap();
    assert_eq!(crypto.dictionary["steps"][&2], "Offer sent");
    assert_eq!(crypto.fields.len(), 2);
}

/// Every plain value of a tree by its path.
fn flat(table: &Table, path: &str, into: &mut BTreeMap<String, String>) {
    for (key, node) in table.iter() {
        let path = format!("{path}{key}");
        match &node.value {
            Value::Table(inner) if inner.iter().next().is_some() => flat(inner, &format!("{path}."), into),
            value => {
                into.insert(path, show(value));
            }
        }
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Env(text) | Value::Datetime(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(flag) => flag.to_string(),
        Value::List(items) => format!("{:?}", items.iter().map(|item| show(&item.value)).collect::<Vec<_>>()),
        Value::Table(_) => "{}".into(),
    }
}

#[test]
fn the_example_shows_the_embedded_defaults() {
    let (mut defaults, mut example) = (BTreeMap::new(), BTreeMap::new());
    flat(&tree::defaults(), "", &mut defaults);
    let Ok(tree) = tree::parse(EXAMPLE, "") else { panic!("the example is TOML") };
    flat(&tree, "", &mut example);
    for (path, value) in defaults {
        let shown = path.replace("consumers.*.", "consumers.web-app.");
        let shown_value = example.remove(&shown).unwrap_or_else(|| panic!("{shown} is missing"));
        // These two have a default that would make a poor example; the text beside them names it.
        if !path.ends_with("*.key_hashes") && !path.ends_with("*.scopes") {
            assert_eq!(shown_value, value, "{path}");
        }
    }
    let rest: Vec<_> = example.into_keys().collect();
    let required = [
        "alfacrm.api_key",
        "alfacrm.base_url",
        "alfacrm.email",
        "consumers.web-app.branches",
        "consumers.web-app.daily_budget",
        "cryptocrm.base_url",
        "cryptocrm.secret",
        "cryptocrm.token",
    ];
    assert_eq!(rest, required, "a key that has a default is missing among the embedded ones");
}

/// The keys that each table knows, learnt the way a user would: by asking for one that does not exist.
fn known_keys() -> BTreeSet<String> {
    const NONE_SUCH: &str = "qqqqqqqqqqqqqqqq";
    let mut text = format!("{NONE_SUCH} = 1\n");
    for line in all_switched_on().lines() {
        text += line;
        text.push('\n');
        if line.starts_with('[') {
            text += &format!("{NONE_SUCH} = 1\n");
        }
    }
    text += &format!("[auth.{NONE_SUCH}]\n[cache.policy.{NONE_SUCH}]\n[cryptocrm.fields.{NONE_SUCH}]\n");
    let problems = load(&text, &[]).expect_err("unknown keys everywhere");
    let mut known = BTreeSet::new();
    for problem in &problems.0 {
        let Some(names) = problem.text.strip_prefix("unknown key; known keys: ") else {
            continue;
        };
        let table = problem.key.strip_suffix(NONE_SUCH).expect("the only unknown key");
        known.extend(names.split(", ").map(|name| format!("{table}{name}")));
    }
    known
}

#[test]
fn the_example_shows_every_key_there_is() {
    let mut shown = BTreeSet::new();
    let mut table = String::new();
    for line in all_switched_on().lines() {
        if let Some(header) = line.strip_prefix('[') {
            table = header.split(']').next().unwrap().to_owned();
            for (at, _) in table.match_indices('.') {
                shown.insert(table[..at].to_owned());
            }
            shown.insert(table.clone());
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            shown.insert(format!("{table}.{key}"));
        }
    }
    let known = known_keys();
    assert!(known.len() > 150, "{known:?}");
    // Five of the seven records are named in the text only: an example for each would teach nothing new.
    let missing: Vec<_> = known
        .iter()
        .filter(|key| !shown.contains(*key))
        .filter(|key| {
            !(key.starts_with("cryptocrm.fields.") && EXAMPLE.contains("step, action, checklist, item"))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
