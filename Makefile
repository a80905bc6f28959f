# The commands of this repository. `make` alone lists them.
# CARGO_TARGET_DIR is respected; RETAIN_CACHE (~/.cache/retain) is where Kafka and the ClickHouse engine are kept.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One thing after another: cargo is parallel by itself, and two cargos wait for each other.
.NOTPARALLEL:
.PHONY: help demo test lint soak bench pages measure-pages fuzz-api check-tools fetch fetch-engine fetch-kafka fetch-browser fetch-fuzz clean

TARGET := $(or $(CARGO_TARGET_DIR),target)
ENGINE := tools/clickhouse-embedded/fetch.sh
KAFKA := tests/support/kafka/kafka.sh
BROWSER := tests/browser/fetch.sh
FUZZ := tests/fuzz_api/fetch.sh

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## a live run on real purchases, nothing to install or start: under 3 minutes after the build
	@tools/check-tools.sh demo
	@$(ENGINE)
	cargo build --release --locked -p retain -p clickhouse-embedded
	@exec "$(TARGET)/release/retain" demo

test: ## everything, with a real Kafka and the real ClickHouse engine
	@tools/check-tools.sh test
	@$(MAKE) --no-print-directory fetch lint
	cargo build --locked -p clickhouse-embedded
	cargo test --locked --workspace --no-fail-fast

lint: ## format, clippy, the pure library without its IO, documentation
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo check --locked --no-default-features --lib
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

soak: ## the long versions of the tests, optimised; takes hours on a small machine
	@tools/check-tools.sh test
	@$(MAKE) --no-print-directory fetch
	cargo build --release --locked -p clickhouse-embedded
	RETAIN_SOAK=1 cargo test --release --locked --workspace

bench: ## the figures of docs/performance.md
	@tools/check-tools.sh test
	@$(MAKE) --no-print-directory fetch
	cargo build --release --locked -p clickhouse-embedded
	cargo bench --locked -p retain

pages: ## every page with made-up data, tried in Chromium and kept as pictures in target/pages
	@tools/check-tools.sh test
	RETAIN_PAGES="$(abspath $(TARGET))/pages" cargo test --locked --no-default-features --test page
	node tests/browser/shots.mjs "$$($(BROWSER))" "$(TARGET)/pages/pictures" "$(TARGET)/pages"

fuzz-api: ## made-up requests for every address of the API, right and wrong ones; RETAIN_FUZZ_EXAMPLES says how many
	@tools/check-tools.sh test
	@$(ENGINE)
	@$(FUZZ) >/dev/null
	cargo build --locked -p clickhouse-embedded
	RETAIN_FUZZ_EXAMPLES="$${RETAIN_FUZZ_EXAMPLES:-500}" cargo test --locked --test fuzz_api -- --nocapture

measure-pages: ## the figures of the pages in docs/performance.md: a million customers, 100,000 accounts
	@tools/check-tools.sh test
	@$(MAKE) --no-print-directory fetch-engine fetch-browser
	cargo build --locked -p clickhouse-embedded
	RETAIN_CUSTOMERS=1000000 RETAIN_TIMES=5 cargo test --locked --test browser_live -- --nocapture hundred_thousand

check-tools: ## what this machine lacks for `make test`, with the cure
	@tools/check-tools.sh test

fetch: fetch-engine fetch-kafka fetch-browser fetch-fuzz ## the ClickHouse engine, Kafka, what drives the browser and schemathesis into the cache; nothing when they are there

fetch-engine:
	@$(ENGINE)

fetch-kafka:
	@$(KAFKA) fetch

fetch-browser:
	@$(BROWSER) >/dev/null

fetch-fuzz:
	@$(FUZZ) >/dev/null

clean: ## what was built; the cache of fetched things stays
	cargo clean
