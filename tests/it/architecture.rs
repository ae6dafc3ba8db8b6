//! Who may import whom. Lower rows never import higher ones; the table below is the whole rule, and every edge of the
//! source tree is held against it. It checks direction, not size.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A part of the tree, what it may import besides itself, and the sentence that says why.
struct Part {
    name: &'static str,
    may: &'static [&'static str],
    because: &'static str,
}

const PARTS: &[Part] = &[
    Part { name: "model", may: &[], because: "The vocabulary is plain data and knows nobody." },
    Part {
        name: "config",
        may: &[],
        because: "What can be set does not depend on who uses it; `app` translates.",
    },
    Part {
        name: "telemetry",
        may: &[],
        because: "Everybody counts and logs, so counting and logging know nobody.",
    },
    Part {
        name: "upstream",
        may: &["model", "config", "telemetry"],
        because: "Talking to somebody else's API has nothing to do with what is said, stored or served.",
    },
    Part {
        name: "cache",
        may: &["model::context", "model::interest"],
        because: "The memory is typed by whoever stores in it, so it never names a record.",
    },
    Part {
        name: "idempotency",
        may: &["store"],
        because: "What makes two requests the same is decided by whoever serves them.",
    },
    Part {
        name: "store",
        may: &[],
        because: "What the bytes mean that outlive the process is decided by whoever hands them in.",
    },
    Part {
        name: "consumers",
        may: &["model", "config"],
        because: "Who may call us is decided without HTTP.",
    },
    Part {
        name: "crm::alfa",
        may: &["model", "config", "telemetry", "upstream", "crm"],
        because: "An adapter answers one question with one call: it sees neither the other adapter nor the cache.",
    },
    Part {
        name: "crm::crypto",
        may: &["model", "config", "telemetry", "upstream", "crm"],
        because: "An adapter answers one question with one call: it sees neither the other adapter nor the cache.",
    },
    Part {
        name: "crm",
        may: &["model", "upstream"],
        because: "The port does not know who stands behind it.",
    },
    Part {
        name: "hub",
        may: &["model", "telemetry", "crm", "cache", "store", "idempotency"],
        because: "The hub makes one gateway of any CRMs; it knows the port and never an adapter.",
    },
    Part {
        name: "http",
        may: &["model", "telemetry", "consumers", "idempotency", "hub", "crm"],
        because: "The front knows the hub and the port, never an adapter, the configuration or the simulators.",
    },
    Part {
        name: "probe",
        may: &["config", "upstream", "crm::crypto"],
        because: "The probe asks a CRM past everything that the gateway supposes of it; it looks through the adapter's eyes only.",
    },
    Part {
        name: "sandbox",
        may: &[],
        because: "A simulator built from our own wire types would agree with our mistakes.",
    },
    Part {
        name: "app",
        may: &[
            "model",
            "config",
            "telemetry",
            "upstream",
            "cache",
            "store",
            "idempotency",
            "consumers",
            "crm",
            "crm::alfa",
            "crm::crypto",
            "hub",
            "http",
            "probe",
        ],
        because: "The composition root puts the gateway together; it does not know how it was started.",
    },
    Part {
        name: "cli",
        may: &["app", "config", "consumers", "http", "sandbox", "telemetry"],
        because: "The command line starts things; what they are made of is the business of `app`.",
    },
];

/// Libraries that only some files may name.
const LIBRARIES: &[(&str, &[&str], &str)] = &[
    (
        "reqwest",
        &["upstream/transport.rs"],
        "One file knows the HTTP client, so one file decides about redirects and proxies.",
    ),
    (
        "moka",
        &["cache/", "http/memo.rs", "consumers/tokens.rs", "consumers/failures.rs"],
        "One mechanism of memory; what was written and who came with a token are other things than what was asked.",
    ),
    ("jsonwebtoken", &["consumers/"], "Who may call us is decided in one place."),
    ("redb", &["store/"], "Only the store knows how its file is written."),
    ("axum", &["http/", "sandbox/", "app.rs"], "Only those who serve HTTP know the HTTP server."),
    (
        "utoipa",
        &["http/", "model/", "hub/discovered.rs"],
        "Records, what was found out about them, and the front describe themselves; nobody else documents an API.",
    ),
    ("prometheus_client", &["telemetry/"], "Every metric stands in one file."),
    ("clap", &["cli/"], "Arguments are the business of the command line."),
    ("std::env", &["cli/"], "The environment is read once, by the command line."),
];

/// One import: from a file to a path of ours.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    file: String,
    line: usize,
    to: String,
}

#[test]
fn imports_go_in_one_direction() {
    let edges = edges();
    assert!(edges.len() > 300, "only {} imports were found: the search has gone blind", edges.len());
    let bad: Vec<String> = edges.iter().filter_map(complaint).collect();
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn every_part_of_the_tree_is_in_the_table() {
    let mut parts: BTreeSet<String> =
        sources().iter().map(|(file, _)| part_of_file(file).to_owned()).collect();
    parts.remove("lib");
    parts.remove("main");
    let known: BTreeSet<String> = PARTS.iter().map(|part| part.name.to_owned()).collect();
    assert_eq!(parts, known);
}

#[test]
fn libraries_are_used_where_they_belong() {
    let mut bad = Vec::new();
    for (file, text) in sources() {
        for (number, line) in code_lines(&text) {
            for (library, places, because) in LIBRARIES {
                let used = mentions(line, &format!("{library}::"));
                let compiled_in = library == &"std::env" && !line.contains("std::env::var");
                if used && !compiled_in && !places.iter().any(|place| file.starts_with(place)) {
                    bad.push(format!("src/{file}:{number} names {library}. {because}"));
                }
            }
        }
    }
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

/// The test must be able to fail: these edges exist in no tree of ours.
#[test]
fn a_wrong_direction_is_told_with_its_reason() {
    let edge = |file: &str, to: &str| Edge { file: file.to_owned(), line: 3, to: to.to_owned() };
    for (file, to) in [
        ("model/id.rs", "crm::Error"),
        ("crm/alfa/client.rs", "crm::crypto::Crypto"),
        ("crm/mod.rs", "crm::alfa::Alfa"),
        ("hub/shelf.rs", "crm::alfa::Alfa"),
        ("http/auth.rs", "config::Config"),
        ("http/memo.rs", "cache::Cache"),
        ("cache/mod.rs", "model::student::Student"),
        ("sandbox/alfa/row.rs", "model::Money"),
        ("app.rs", "cli::Failure"),
        ("upstream/retry.rs", "crm::Kind"),
    ] {
        let told = complaint(&edge(file, to)).unwrap_or_else(|| panic!("{file} may import {to}"));
        assert!(told.starts_with(&format!("src/{file}:3 imports {to}. ")), "{told}");
    }
    for (file, to) in [
        ("crm/alfa/client.rs", "crm::Error"),
        ("cache/mod.rs", "model::context::Interest"),
        ("app.rs", "crm::alfa::Alfa"),
        ("hub/mod.rs", "crm"),
    ] {
        assert_eq!(complaint(&edge(file, to)), None);
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let found = |text: &str, file: &str| {
        imports(file, text).into_iter().map(|edge| edge.to).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        found("use crate::crm::{self, Error, wire::Row};", "hub/mod.rs"),
        "crm crm::Error crm::wire::Row"
    );
    assert_eq!(found("use crate::{cache::Cache, model::*};", "hub/mod.rs"), "cache::Cache model");
    assert_eq!(found("fn f(x: &crate::model::Ctx) {}", "hub/mod.rs"), "model::Ctx");
    assert_eq!(found("use super::super::hub::Hub;", "http/auth.rs"), "hub::Hub");
    assert_eq!(found("use super::Hub;", "http/auth.rs"), "http::Hub");
    assert_eq!(found("mod tests {\n    use super::super::Hub;\n}", "hub/mod.rs"), "Hub");
    assert_eq!(found("// use crate::crm::alfa;", "hub/mod.rs"), "");
    assert_eq!(
        found("use crate::crm::{\n    alfa::Alfa,\n    Error,\n};", "hub/mod.rs"),
        "crm::alfa::Alfa crm::Error"
    );
}

fn edges() -> Vec<Edge> {
    sources().iter().flat_map(|(file, text)| imports(file, text)).collect()
}

/// What is wrong with an edge, if anything is.
fn complaint(edge: &Edge) -> Option<String> {
    let from = part_of_file(&edge.file);
    if from == "lib" || from == "main" {
        return None;
    }
    let part = PARTS.iter().find(|part| part.name == from)?;
    let to = part_of_path(&edge.to)?;
    let allowed = to == from
        || part.may.iter().any(|may| {
            let narrow = may.contains("::") && !may.starts_with("crm::");
            if narrow { edge.to.starts_with(may) } else { *may == to }
        });
    (!allowed).then(|| format!("src/{}:{} imports {}. {}", edge.file, edge.line, edge.to, part.because))
}

/// `crm/alfa/client.rs` belongs to `crm::alfa`.
fn part_of_file(file: &str) -> &str {
    for (folder, part) in [("crm/alfa/", "crm::alfa"), ("crm/crypto/", "crm::crypto")] {
        if file.starts_with(folder) {
            return part;
        }
    }
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// `crm::alfa::Alfa` belongs to `crm::alfa`; a bare name at the root to nobody.
fn part_of_path(path: &str) -> Option<&'static str> {
    let mut segments = path.split("::");
    let (first, second) = (segments.next()?, segments.next().unwrap_or_default());
    let two = format!("{first}::{second}");
    let find = |name: &str| PARTS.iter().map(|part| part.name).find(|part| *part == name);
    find(&two).or_else(|| find(first))
}

/// Every file below `src` with its text, by its path there.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let name = file.strip_prefix(&root).expect("found below it").to_string_lossy().replace('\\', "/");
        (name, fs::read_to_string(&file).expect("a source file can be read"))
    };
    files.into_iter().map(read).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source tree can be listed") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Lines with their numbers, comments left out.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether `path` starts in `line` at the start of a word.
fn mentions(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c)))
}

fn imports(file: &str, text: &str) -> Vec<Edge> {
    let mut edges = Vec::new();
    let kept: Vec<(usize, &str)> = code_lines(text).collect();
    for (at, (line, code)) in kept.iter().enumerate() {
        for (start, root) in starts(file, code) {
            // A group may go on for some lines.
            let rest: String = std::iter::once(&code[start..])
                .chain(kept[at + 1..].iter().take(40).map(|(_, line)| line.trim()))
                .collect();
            let mut paths = Vec::new();
            path(&rest, &root, &mut paths);
            edges.extend(paths.into_iter().filter(|to| !to.is_empty()).map(|to| Edge {
                file: file.to_owned(),
                line: *line,
                to,
            }));
        }
    }
    edges
}

/// Where in a line a path of ours begins, and the module it is relative to.
fn starts(file: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c)) {
            found.push((at + word.len(), String::new()));
        }
    }
    for (at, word) in code.match_indices("super::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)) {
            continue;
        }
        let mut end = at + word.len();
        let mut up = 1;
        while code[end..].starts_with("super::") {
            end += word.len();
            up += 1;
        }
        // A module inside the file (its tests) is one deeper.
        let inner = usize::from(code.starts_with(' '));
        let mut module: Vec<&str> =
            file.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
        let depth = (module.len() + inner).saturating_sub(up);
        module.truncate(depth);
        found.push((end, module.join("::")));
    }
    found
}

/// Reads one path, or a group of them, and returns how much of the text it was.
fn path(text: &str, prefix: &str, into: &mut Vec<String>) -> usize {
    let join = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    if text.starts_with('{') {
        let mut at = 1;
        loop {
            at += text[at..].len() - text[at..].trim_start_matches([',', ' ']).len();
            if at >= text.len() || text[at..].starts_with('}') {
                return at + 1;
            }
            let read = path(&text[at..], prefix, into);
            if read == 0 {
                return at;
            }
            at += read;
        }
    }
    if text.starts_with('*') {
        into.push(prefix.to_owned());
        return 1;
    }
    let length = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let name = &text[..length];
    if name == "self" || name.is_empty() {
        into.push(prefix.to_owned());
        return length;
    }
    let rest = &text[length..];
    let next = rest.strip_prefix("::").and_then(|rest| rest.chars().next());
    if next.is_some_and(|c| c.is_alphanumeric() || "_{*".contains(c)) {
        return length + 2 + path(&rest[2..], &join(name), into);
    }
    into.push(join(name));
    length
}
