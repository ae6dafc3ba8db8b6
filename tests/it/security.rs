//! What `docs/security.md` says is shown by tests: all ten risks are there, and each test it names exists.

use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_risk_has_tests_and_each_of_them_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/security.md")).unwrap();
    for risk in 1..=10 {
        let start = format!("| API{risk} ");
        let row = text.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("API{risk} is missing"));
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "nothing shows API{risk}");
        for test in tests {
            let (target, path) =
                test.split_once(' ').unwrap_or_else(|| panic!("{test}: a target and a test"));
            assert!(exists(target, path), "API{risk}: {test} is missing");
        }
    }
}

/// Whether a test of this path is in the sources of a target.
fn exists(target: &str, test: &str) -> bool {
    let folder = match target {
        "lib" => "src",
        "it" => "tests/it",
        other => panic!("there is no target {other}"),
    };
    let (module, name) = test.rsplit_once("::").expect("a test is in a module");
    let bare = module.strip_suffix("::tests").unwrap_or(module);
    let mut places = Vec::new();
    for module in [module, bare] {
        let module = module.replace("::", "/");
        places.extend([".rs", "/mod.rs", "/tests.rs"].map(|end| format!("{folder}/{module}{end}")));
    }
    let holds = |place: &String| {
        fs::read_to_string(Path::new(ROOT).join(place))
            .is_ok_and(|text| text.contains(&format!("fn {name}(")))
    };
    places.iter().any(holds)
}
