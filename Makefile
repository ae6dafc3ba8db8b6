# What people and CI run, by the same names. Needs Rust and make; `make help` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help run test sequences faults check openapi lint-openapi clients schemathesis k8s image-test sbom browser alerts node chromium prometheus bench bench-scheduler bench-day bench-memory bench-floods chaos deny advisories fuzz image tools peers fuzztools denytools

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: tools ## Runs the gateway over two simulated CRMs with invented data; prints a key and a curl line
	cargo run --locked -- demo

test: tools ## Runs all tests
	cargo test --locked

SEQUENCES := 100000

sequences: tools ## Runs SEQUENCES=100000 random sequences of reads and writes; make test runs 200 of them
	SEQUENCES=$(SEQUENCES) cargo bench --locked --test it -- after_writes

FAULTS :=

faults: tools ## Plants faults in a copy of the tree; each must turn its test red. FAULTS="..." for some
	tests/faults/run.sh $(FAULTS)

check: tools ## Checks format, lints and that the API document is the committed one
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo run --locked -- openapi --check

openapi: tools ## Writes openapi/openapi.json anew; look at the difference before committing it
	cargo run --locked -- openapi > openapi/openapi.json.new || { rm -f openapi/openapi.json.new; exit 1; }
	mv openapi/openapi.json.new openapi/openapi.json

bench: tools peers ## Compares a cached read with a bare server, nginx and Varnish, in about two minutes; fails when a floor is missed
	cargo bench --locked --profile release --bench cached_read

bench-scheduler: tools ## Measures what the scheduler promises beside FIFO, in about a minute; fails when a target is missed
	cargo bench --locked --bench scheduler

bench-day: tools ## Lives through a day of school traffic in virtual time, in minutes; fails when a target is missed
	cargo bench --locked --bench day

bench-memory: tools ## Fills the cache and compares what the process takes with cache.max_size, in a minute; fails when it is off
	cargo bench --locked --bench memory

bench-floods: tools ## Opens 10,000 idle connections and sends floods of bad requests, in about a minute; fails when a target is missed
	ulimit -n "$$(ulimit -Hn)" && cargo bench --locked --bench floods

chaos: tools ## Kills the gateway over and over while thousands pay and the CRM fails, in minutes; CHAOS_PAYMENTS=10000, CHAOS_SEED=1
	cargo bench --locked --bench chaos

soak: tools ## Runs the gateway at its real quota under mixed traffic and faults, for SOAK_MINUTES=30; fails when memory or tasks grow
	cargo bench --locked --bench soak

# Without a sanitizer it works with the stable compiler; there is no unsafe code here that one would watch.
FUZZ := --sanitizer none --codegen-units 16
FUZZ_TARGETS := alfa crypto cursor query
FUZZ_SECONDS := 15
# More arguments of libFuzzer; CI makes a run that can be repeated of it.
FUZZ_ARGS :=

fuzz: tools fuzztools ## Fuzzes wire parsers, cursors and queries, each for FUZZ_SECONDS=15; see fuzz/README.md
	cargo run --quiet --locked --manifest-path fuzz/Cargo.toml --package seeds
	cargo fuzz build $(FUZZ)
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(FUZZ_TARGETS:%=fuzz-%)

fuzz-%:
	cargo fuzz run $(FUZZ) $* -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -dict=fuzz/corpus/$*.dict \
		-verbosity=0 -print_final_stats=1 $(FUZZ_ARGS)

browser: tools node chromium ## Tests the operator page in Chromium; SCREENSHOTS=../../docs/images draws its pictures anew
	cargo build --locked
	cd tests/browser && npm ci --silent && npm test

alerts: tools node prometheus ## Tests alert rules and the Grafana dashboard with promtool and a Prometheus that scrapes the demo
	cargo build --locked
	node --test tests/prometheus/

lint-openapi: ## Lints the API document with Redocly
	cd clients/typescript && { test -d node_modules || npm ci --no-audit --no-fund --silent; } && \
		npx redocly lint --config redocly.yaml ../../openapi/openapi.json

clients: tools ## Makes clients in TypeScript, Python and Rust, compiles them and uses them on the demo
	cargo build --locked
	clients/run.sh

CASES := 10

schemathesis: tools ## Sends more than 5 000 made-up requests to the demo and checks the answers, in minutes; CASES=10 for each operation and phase
	cargo build --locked
	tests/schemathesis/run.sh $(CASES)

k8s: ## Renders the Kubernetes base and checks it against the schemas
	k8s/check.sh

image-test: tools ## Builds the container image with buildah and uses it, as root on Debian; builds a release, which takes minutes
	tests/image/run.sh

sbom: tools ## Writes the bill of materials to target/crm-gateway.cdx.json (CycloneDX)
	@cargo cyclonedx --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-cyclonedx@0.5.9
	cargo cyclonedx --format json --spec-version 1.5 --override-filename crm-gateway.cdx
	sed 's|$(CURDIR)|/crm-gateway|g' crm-gateway.cdx.json >target/crm-gateway.cdx.json # says nothing of this machine
	rm crm-gateway.cdx.json

image: ## Builds the container image crm-gateway
	docker build --tag crm-gateway:0.1.0 --tag crm-gateway .

deny: denytools ## Checks licences and sources of all dependencies, and what may not come in (deny.toml)
	cargo deny --locked check bans licenses sources

advisories: denytools ## Looks all dependencies up in the RustSec database; fails where that cannot be reached
	cargo deny --locked check advisories

# Rust links with the system's C compiler. Where there is none and Debian's packages can be had, it is installed.
tools:
	@command -v cargo >/dev/null || { echo 'Rust is missing: https://rustup.rs tells how to install it' >&2; exit 1; }
	@command -v cc >/dev/null || { command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; } || \
		{ echo 'A C compiler (cc) is missing; Rust needs it to link' >&2; exit 1; }

# What cached reads are compared with.
peers:
	@command -v nginx >/dev/null && command -v varnishd >/dev/null || { command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light varnish; } || \
		{ echo 'nginx or varnishd is missing; the benchmark compares with both' >&2; exit 1; }

# libFuzzer is C++. The tool is built without optimisation: that takes half the time, and it only starts others.
fuzztools:
	@command -v c++ >/dev/null || { command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends g++; } || \
		{ echo 'A C++ compiler (c++) is missing; libFuzzer is built with it' >&2; exit 1; }
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-fuzz@0.13.2

# Built without optimisation, for the same reason.
denytools: tools
	@cargo deny --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-deny@0.20.2

node:
	@command -v npm >/dev/null || { command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; } || \
		{ echo 'node or npm is missing' >&2; exit 1; }

chromium:
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } || \
		{ echo 'chromium is missing; the operator page is tested in it' >&2; exit 1; }

prometheus:
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || { command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus; } || \
		{ echo 'prometheus or promtool is missing; the alert rules are tested with them' >&2; exit 1; }
