# Everything a person does with the repository. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/pytest

.PHONY: help
help: ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: $(STAMP) ## Install everything into .venv, from the lock file

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Tenure needs Python 3.11 or newer: apt-get install python3, or PYTHON=/path/to/python make setup"; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (once; about a minute)"
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: setup ## Play the story on this machine: SDK call to alert, counted and checked
	@$(BIN)/tenure demo $(DEMO)

.PHONY: up
up: setup ## Run the whole product on this machine until Ctrl-C
	@$(BIN)/tenure up

.PHONY: test
test: setup ## Run the tests on the embedded stack (TENURE_TEST_STACK chooses another)
	$(PYTEST) tests/unit -q
	$(PYTEST) tests/contracts tests/properties tests/integration tests/security tests/clients tests/e2e -q -m "not three_nodes"

.PHONY: test-unit
test-unit: setup ## Run the tests that need nothing
	$(PYTEST) tests/unit -q

.PHONY: test-clients
test-clients: setup ## Run the SDKs of product backends, in Python and Node, against a running service
	$(PYTEST) tests/clients -q

# What a broker has a part in; the rest knows Postgres only, and `make test` has run it.
KAFKA_TESTS := tests/integration/shared tests/integration/stack tests/e2e \
	$(addprefix tests/integration/health/test_, hostile_batches.py hostile_records.py ingest.py ingest_garbage.py \
		ingest_paths.py overload.py signal_stream.py signals.py sums.py usage_pipeline.py usage_stream.py)

.PHONY: test-kafka
test-kafka: setup ## Run what a broker has a part in on real Apache Kafka, and the three-node test
	@command -v java >/dev/null || { echo "Apache Kafka needs Java 17: apt-get install openjdk-17-jre-headless"; exit 1; }
	@command -v mvn >/dev/null || { echo "Kafka's jars are fetched by Maven: apt-get install maven"; exit 1; }
	TENURE_TEST_STACK=apache $(PYTEST) $(KAFKA_TESTS) -q -m "not three_nodes"
	TENURE_TEST_STACK=apache $(PYTEST) tests/integration/stack tests/faults -q -s -m three_nodes

.PHONY: faults-short
faults-short: setup ## Run the short fault suite: kill -9, outages, rebalance, poison, negative control
	$(PYTEST) tests/faults -q -s -m "not three_nodes"

.PHONY: soak
soak: setup ## Load replicas of health 1 -> 4 -> 1 for 30 minutes: exact counts, bounded memory (MINUTES=5)
	$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),30)

BENCH_STAMP := benchmarks/.venv/.installed

.PHONY: bench
bench: setup $(BENCH_STAMP) ## Measure against baselines and rivals: make bench BENCH="p1 p5 --quick"
	@$(BIN)/python -m benchmarks $(BENCH)

# The rivals have an environment of their own. One that cannot be installed is reported as missing.
$(BENCH_STAMP): benchmarks/requirements.txt $(STAMP)
	@echo "installing what the rivals run on into benchmarks/.venv (once)"
	@$(BIN)/python -m venv --clear benchmarks/.venv
	@benchmarks/.venv/bin/pip install --quiet --disable-pip-version-check -r $< \
		&& touch $@ || echo "not everything could be installed; the report says what is missing"

.PHONY: lint
lint: setup ## Check style, types, import rules, generated docs and migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tenure.docgen --check
	$(BIN)/pytest tests/contracts/test_migrations.py -q

.PHONY: docs
docs: setup ## Generate docs/events.md, AsyncAPI, OpenAPI and the README's event table
	$(BIN)/python -m tenure.docgen

.PHONY: format
format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: setup ## Resolve the dependencies again and write the lock files
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --all-extras --upgrade -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -c requirements-dev.lock -o requirements.lock

.PHONY: audit
audit: setup ## Look for known vulnerabilities in the locked dependencies
	$(BIN)/pip-audit --require-hashes -r requirements.lock

.PHONY: secrets
secrets: ## Make .env with random secrets for docker compose; never overwrites
	@deploy/docker/secrets

.PHONY: compose-test
compose-test: setup ## Build the image, bring docker compose up, play the demo against it, tear down
	@deploy/docker/compose-test

.PHONY: clean
clean: ## Remove what make setup and the tests made
	rm -rf $(VENV) benchmarks/.venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
