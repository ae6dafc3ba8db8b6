//! What the documents show is what happens: every command in them is run against a demo, in the order of the page and in one
//! shell, and what it prints is what stands below it. `…` stands for anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{Directory, between, start};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Pages whose examples are run: these, and all of these folders.
const PAGES: &[&str] = &["README.md", "CONTRIBUTING.md", "k8s/README.md", "docs/consumers", "docs/operators"];

/// What takes the part of the demo in the documents.
const SHOWN: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:9090"];

/// A command of a page, and what it prints.
#[derive(Debug)]
struct Example {
    page: String,
    command: String,
    shown: String,
}

/// A fenced block: its language, the mark above it, and its lines.
struct Block<'a> {
    language: &'a str,
    mark: Option<&'a str>,
    lines: Vec<&'a str>,
}

/// Pages, each with its name: of these, and of all of these folders.
pub(crate) fn pages(pages: &[&str]) -> Vec<(String, String)> {
    let mut found: Vec<PathBuf> = Vec::new();
    for page in pages.iter().map(|page| Path::new(ROOT).join(page)) {
        if page.is_dir() {
            found.extend(fs::read_dir(&page).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(page);
        }
    }
    found.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(ROOT).unwrap().display().to_string();
        (name, fs::read_to_string(&path).unwrap())
    };
    found.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "md")).map(read).collect()
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut found, mut lines, mut above) = (Vec::new(), page.lines(), "");
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let mark = above.strip_prefix("<!-- ").and_then(|mark| mark.strip_suffix(" -->"));
            let inside = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            found.push(Block { language, mark, lines: inside });
        }
        above = line;
    }
    found
}

/// The examples of a page in their order; none of a block that is marked as not run here.
fn examples(name: &str, page: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for Block { language, mark, lines } in blocks(page) {
        if let Some(("run by", what)) = mark.and_then(|mark| mark.split_once(": ")) {
            is_run(name, what);
            continue;
        }
        let example = |command: &str| Example {
            page: name.to_owned(),
            command: command.to_owned(),
            shown: String::new(),
        };
        match language {
            "sh" => found.push(example(&lines.join("\n"))),
            "console" => {
                let first = found.len();
                for line in lines {
                    if let Some(command) = line.strip_prefix("$ ") {
                        found.push(example(command));
                    } else {
                        assert!(found.len() > first, "{name}: a block begins with an answer");
                        let last = found.last_mut().expect("there is one");
                        last.shown += line;
                        last.shown.push('\n');
                    }
                }
            }
            "json" => {
                let text = lines.join("\n");
                let read = serde_json::from_str::<serde_json::Value>(&text);
                assert!(read.is_ok(), "{name}: {text} is no JSON");
            }
            other => {
                assert!(["toml", "yaml", "rust", "text"].contains(&other), "{name}: a block of `{other}`")
            }
        }
    }
    found
}

/// What a block is said to be run by is a target of the Makefile or a script.
fn is_run(name: &str, by: &str) {
    let known = match by.strip_prefix("make ") {
        Some(target) => targets().iter().any(|known| known == target),
        None => Path::new(ROOT).join(by.split(' ').next().unwrap_or_default()).is_file(),
    };
    assert!(known, "{name}: there is no {by}");
}

fn targets() -> Vec<String> {
    let file = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let targets = file.lines().filter_map(|line| line.split_once(':').map(|(target, _)| target));
    targets.filter(|target| !target.is_empty() && !target.contains([' ', '\t'])).map(str::to_owned).collect()
}

/// Whether a text is what is shown: the parts between `…` in their order, whatever the lines.
fn fits(shown: &str, text: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let (shown, text) = (bare(shown), bare(text));
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = &parts[..] else { return text == shown };
    let Some(mut rest) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    middle.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Runs commands one after the other in one shell; what each printed, and how it ended.
fn run(examples: &[Example], environment: &[(&str, &str)], folder: &str) -> Vec<(String, i32)> {
    let mut script =
        String::from("exec 2>&1\ncurl() { command curl --silent --show-error --max-time 60 \"$@\"; }\n");
    for example in examples {
        script += &format!("{{\n{}\n}}\nprintf '\\n@@ %s\\n' $?\n", example.command);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_crm-gateway")).parent().expect("a program is in a folder");
    #[expect(clippy::disallowed_methods, reason = "examples are run as by whoever runs the test")]
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(&script).current_dir(folder).env_clear().env("PATH", path).stdin(Stdio::null());
    let output = shell.envs(environment.iter().copied()).output().expect("there is a shell");
    let text = String::from_utf8(output.stdout).expect("what is printed is text");
    let mut done = Vec::new();
    let mut rest = text.as_str();
    while let Some((printed, tail)) = rest.split_once("\n@@ ") {
        let (code, tail) = tail.split_once('\n').expect("a line ends");
        done.push((printed.to_owned(), code.parse().expect("a code is a number")));
        rest = tail;
    }
    assert_eq!(done.len(), examples.len(), "the shell ended early: {rest}");
    done
}

#[test]
fn the_documents_show_what_happens() {
    let mut seen = 0;
    for (name, page) in pages(PAGES) {
        let mut examples = examples(&name, &page);
        if examples.is_empty() {
            continue;
        }
        let mut demo = start(
            &["demo", "--listen", "127.0.0.1:0", "--upstream-latency", "0"],
            &[("CRM_GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:0")],
        );
        let public = demo.line(|line| line.strip_prefix("The gateway: http://").map(str::to_owned));
        let admin = demo.line(|line| between(line, "Operators:   http://", "/metrics").map(str::to_owned));
        let key = demo.line(|line| line.trim().strip_prefix("web-app").map(|key| key.trim().to_owned()));
        for example in &mut examples {
            for (shown, real) in SHOWN.iter().zip([&public, &admin]) {
                example.command = example.command.replace(shown, real);
                example.shown = example.shown.replace(shown, real);
            }
        }
        let (base, operators) = (format!("http://{public}"), format!("http://{admin}"));
        let folder = Directory::new("examples");
        fs::create_dir_all(folder.path()).unwrap();
        let done = run(&examples, &[("BASE", &base), ("ADMIN", &operators), ("KEY", &key)], folder.path());
        for (example, (printed, code)) in examples.iter().zip(done) {
            let Example { page, command, shown } = example;
            assert!(code == 0 || !shown.is_empty(), "{page}: {command}\nends with {code}:\n{printed}");
            assert!(
                shown.is_empty() || fits(shown, &printed),
                "{page}: {command}\nprints\n{printed}\nand not\n{shown}"
            );
            seen += 1;
        }
        demo.signal("TERM");
        assert_eq!(demo.end().code, 0);
    }
    assert!(seen >= 25, "only {seen} examples were found");
}

#[test]
fn an_answer_is_compared_between_its_gaps() {
    for (shown, text, fit) in [
        ("{\"a\":1}\n", "{\"a\":\n 1}", true),
        ("{\"a\":1}", "{\"a\":12}", false),
        ("HTTP/1.1 200 OK\n…\n{\"id\":\"…\"}", "HTTP/1.1 200 OK\r\nage: 0\r\n\r\n{\"id\":\"x\"}\n", true),
        ("HTTP/1.1 200 OK\n…", "HTTP/1.1 404 Not Found\r\n", false),
        ("…b…a…", "a b", false),
        ("…a…b…", "a b", true),
        ("{…}", "{}", true),
        ("a…a", "a", false),
    ] {
        assert_eq!(fits(shown, text), fit, "{shown} and {text}");
    }
}

/// Targets and files that the documents name are there.
#[test]
fn what_the_documents_name_is_there() {
    let targets = targets();
    let mut seen = 0;
    for (name, page) in pages(PAGES) {
        for part in page.split(['`', '\n']).filter_map(|part| part.trim().strip_prefix("make ")) {
            let target = part.split([' ', '#', '`']).next().unwrap_or_default();
            if !target.is_empty() && target.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                assert!(targets.iter().any(|known| known == target), "{name}: there is no `make {target}`");
                seen += 1;
            }
        }
        let folder = Path::new(ROOT).join(&name).parent().expect("a page is in a folder").to_owned();
        for link in page.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link)) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                assert!(folder.join(file).exists(), "{name} leads to {file}, which is not there");
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "only {seen} names were found");
}
