//! Every command that the documents name is run by somebody: by a test, by CI, or by a target that says in which document its
//! result stands. What `examples.rs` runs is not looked at here.

use std::fs;
use std::path::Path;

use super::examples::{ROOT, pages};

/// Pages whose commands are looked at: these, and all below these folders.
const PAGES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "docs",
    "docs/consumers",
    "docs/operators",
    "k8s/README.md",
    "clients/README.md",
    "fuzz/README.md",
    "tests/faults/README.md",
];

/// What commands begin with.
const PROGRAMS: &[&str] = &[
    "make",
    "crm-gateway",
    "cargo",
    "kubectl",
    ".ci/run",
    "clients/run.sh",
    "k8s/check.sh",
    "tests/image/run.sh",
    "tests/schemathesis/run.sh",
];

/// How a command begins, the file that runs it (or says what came of it), and the text there that does.
const RUN: &[(&str, &str, &str)] = &[
    (".ci/run", ".ci/run", "step 'all good'"),
    ("cargo bench", "docs/benchmarks.md", "make chaos"),
    ("cargo deny check", "deny.toml", "[advisories]"),
    ("cargo fuzz", "Makefile", "cargo fuzz run"),
    ("cargo test", ".ci/run", "run make test"),
    ("clients/run.sh", "Makefile", "clients/run.sh"),
    ("crm-gateway check", "tests/it/config.rs", "\"check\""),
    ("crm-gateway healthcheck", "tests/it/cli.rs", "\"healthcheck\""),
    ("crm-gateway key new", "tests/it/cli.rs", "\"key\", \"new\""),
    ("crm-gateway openapi", "tests/it/cli.rs", "\"openapi\""),
    ("crm-gateway probe", "tests/it/probe.rs", "\"probe\""),
    ("crm-gateway sandbox", "tests/it/probe.rs", "\"sandbox\""),
    ("crm-gateway serve", "tests/it/secrets.rs", "\"serve\""),
    ("make alerts", ".ci/run", "run make alerts"),
    ("make bench-day", "docs/benchmarks.md", "make bench-day"),
    ("make bench-floods", "docs/benchmarks.md", "make bench-floods"),
    ("make bench-memory", "docs/benchmarks.md", "make bench-memory"),
    ("make bench-scheduler", "docs/benchmarks.md", "make bench-scheduler"),
    ("make bench", "docs/benchmarks.md", "make bench\n"),
    ("make chaos", "docs/benchmarks.md", "make chaos"),
    ("make check", ".ci/run", "run cargo clippy --all-targets --locked -- -D warnings"),
    ("make clients", ".ci/run", "clients/run.sh"),
    ("make faults", "tests/faults/README.md", "make faults"),
    ("make fuzz", ".ci/run", "run make fuzz"),
    ("make fuzz-alfa", "Makefile", "$(FUZZ_TARGETS:%=fuzz-%)"),
    ("make image", "tests/image/run.sh", "Dockerfile"),
    ("make k8s", ".ci/run", "run make k8s"),
    ("make lint-openapi", ".ci/run", "run make lint-openapi"),
    ("make openapi", "tests/it/cli.rs", "&[\"openapi\"]"),
    ("make run", "tests/it/examples.rs", "\"demo\""),
    ("make schemathesis", "Makefile", "tests/schemathesis/run.sh"),
    ("make sequences", "tests/it/after_writes.rs", "SEQUENCES"),
    ("make soak", "docs/benchmarks.md", "make soak"),
    ("make test", ".ci/run", "run make test"),
];

/// What needs an account, a cluster or a tool that no test has, and why.
const BY_HAND: &[(&str, &str)] = &[
    ("kubectl apply -k base", "needs a cluster; `make k8s` renders and checks what is applied"),
    ("kubectl create secret", "needs a cluster; `make k8s` checks the same secret as a file"),
    ("kubectl port-forward", "needs a cluster"),
    ("kubectl rollout restart", "needs a cluster"),
    ("make deny", "builds a tool for minutes; whoever adds or updates a dependency runs it"),
    ("make advisories", "needs the RustSec database, which not everybody can reach"),
    ("cargo update", "changes the lock file"),
    ("cargo afl", "is named as what is not used"),
];

/// Commands in the text of a page: lines set in by four spaces and parts between backticks, outside fenced blocks.
fn commands(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            match line.strip_prefix("    ") {
                Some(command) => found.push(command),
                None => found.extend(line.split('`').skip(1).step_by(2)),
            }
        }
    }
    found.retain(|command| command.split_once(' ').is_some_and(|(program, _)| PROGRAMS.contains(&program)));
    found
}

#[test]
fn every_command_of_the_documents_is_run_by_somebody() {
    let read = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default();
    for (command, file, text) in RUN {
        assert!(read(file).contains(text), "{file} does not run `{command}`: there is no {text}");
    }
    let mut seen = 0;
    for (name, page) in pages(PAGES) {
        for command in commands(&page) {
            let run = RUN.iter().any(|(known, _, _)| begins(command, known));
            let by_hand = BY_HAND.iter().any(|(known, _)| begins(command, known));
            assert!(run || by_hand, "{name}: nobody runs `{command}`");
            seen += 1;
        }
    }
    assert!(seen >= 40, "only {seen} commands were found");
}

/// Whether a command is another one with more words.
fn begins(command: &str, known: &str) -> bool {
    command.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
