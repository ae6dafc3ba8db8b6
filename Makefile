# What people and CI run, by the same names. Needs Rust and make; `make help` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help run test check openapi bench image tools

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: tools ## Runs the gateway over two simulated CRMs with invented data; prints a key and a curl line
	cargo run --locked -- demo

test: tools ## Runs all tests
	cargo test --locked

check: tools ## Checks format, lints and that the API document is the committed one
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo run --locked -- openapi --check

openapi: tools ## Writes openapi/openapi.json anew; look at the difference before committing it
	cargo run --locked -- openapi > openapi/openapi.json.new || { rm -f openapi/openapi.json.new; exit 1; }
	mv openapi/openapi.json.new openapi/openapi.json

bench: tools ## Compares a cached read with a bare server, in about a minute
	cargo bench --locked --bench cached_read

image: ## Builds the container image crm-gateway
	docker build --tag crm-gateway:0.1.0 --tag crm-gateway .

# Rust links with the system's C compiler. Where there is none and Debian's packages can be had, it is installed.
tools:
	@command -v cargo >/dev/null || { echo 'Rust is missing: https://rustup.rs tells how to install it' >&2; exit 1; }
	@command -v cc >/dev/null || { command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; } || \
		{ echo 'A C compiler (cc) is missing; Rust needs it to link' >&2; exit 1; }
