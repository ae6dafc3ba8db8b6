//! The planted faults of `tests/faults` are still faults of this tree: each patch applies, and the test that must find it
//! exists. That it does find it, `make faults` shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn folder() -> PathBuf {
    Path::new(ROOT).join("tests/faults")
}

/// Faults as the table in the README names them: patch, target and test.
fn table() -> Vec<[String; 3]> {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let quoted: Vec<&str> = row.split('`').collect();
        let (target, test) = quoted[quoted.len() - 2].split_once(' ').expect("a target and a test");
        [quoted[0], target, test].map(str::to_owned)
    })
    .collect()
}

#[test]
fn every_patch_applies_and_is_in_the_table() {
    let named: BTreeSet<String> = table().into_iter().map(|[patch, ..]| patch).collect();
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let patches: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|kind| kind == "patch")).collect();
    let there: BTreeSet<String> =
        patches.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(there, named);
    for patch in patches {
        let check =
            Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(ROOT).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

#[test]
fn every_test_that_must_find_a_fault_exists() {
    let faults = table();
    assert!(faults.len() >= 10, "the search has gone blind: {faults:?}");
    for [patch, target, test] in faults {
        let (module, name) = test.rsplit_once("::").expect("a test is in a module");
        let folder = match target.as_str() {
            "lib" => "src",
            "it" => "tests/it",
            other => panic!("{patch}: there is no target {other}"),
        };
        let module = module.strip_suffix("::tests").unwrap_or(module).replace("::", "/");
        let places = [".rs", "/mod.rs", "/tests.rs"]
            .map(|end| Path::new(ROOT).join(format!("{folder}/{module}{end}")));
        let is_in =
            |file: &PathBuf| fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {name}(")));
        assert!(places.iter().any(is_in), "{patch}: {test} is missing");
    }
}
