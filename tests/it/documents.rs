//! `docs/adding-a-resource.md` is what it says: its blocks are the files of the tree, so they are compiled, and no file
//! that a resource needs is missing from it.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Files that speak of tariffs because their own records refer to them.
const REFERRING: &[&str] =
    &["src/model/subscription.rs", "src/crm/alfa/subscriptions.rs", "src/http/resources/subscriptions.rs"];

/// A block of the page: whether it is a whole file, which one, and its text.
fn blocks(page: &str) -> Vec<(bool, String, String)> {
    let mut found = Vec::new();
    for (word, whole) in [("File: `", true), ("In: `", false)] {
        for part in page.split(&format!("\n{word}")).skip(1) {
            let (path, rest) = part.split_once('`').expect("a path ends");
            let text = rest.trim_start().strip_prefix("```rust\n").expect("a block follows its path");
            let (text, _) = text.split_once("```").expect("a block ends");
            found.push((whole, path.to_owned(), text.to_owned()));
        }
    }
    found
}

fn page() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/adding-a-resource.md")).unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_example_is_what_is_compiled() {
    let blocks = blocks(&page());
    assert!(blocks.iter().filter(|(whole, ..)| *whole).count() >= 3 && blocks.len() >= 7);
    for (whole, path, text) in blocks {
        let file = read(&path);
        if whole {
            assert!(file == text, "docs/adding-a-resource.md shows another {path} than there is");
            continue;
        }
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let is_there = file.lines().any(|known| known == line || known.trim() == line.trim());
            assert!(is_there, "docs/adding-a-resource.md: {path} has no line `{line}`");
        }
    }
}

#[test]
fn no_file_of_the_example_is_missing() {
    let page = page();
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut files);
    let words = ["tariff::", "mod tariff", "tariffs::Tariffs"];
    let named: Vec<String> = files
        .iter()
        .map(|file| file.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned())
        .filter(|file| !file.starts_with("src/sandbox/") && !REFERRING.contains(&file.as_str()))
        .filter(|file| words.iter().any(|word| read(file).contains(word)))
        .collect();
    assert!(named.len() >= 6, "the search has gone blind: {named:?}");
    let missing: Vec<&String> = named.iter().filter(|file| !page.contains(file.as_str())).collect();
    assert!(missing.is_empty(), "docs/adding-a-resource.md says nothing of {missing:?}");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}
