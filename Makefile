# The one door to the project: `make help` lists what is behind it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# What `make demo` plays: canary, shadow, ab, bluegreen or rolling.
STORY ?= canary

# Three stamps, each on top of the one before: the product, its extras, the tools.
CORE := $(VENV)/.core
FULL := $(VENV)/.full
DEV := $(VENV)/.dev

$(CORE): pyproject.toml
	@test -x $(BIN)/python || { echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing modelwire into $(VENV)"
	@$(PIP) install --quiet -e .
	@touch $@

$(FULL): $(CORE)
	@echo "installing the extras"
	@$(PIP) install --quiet -e '.[all]'
	@touch $@

# Groups are newer than the pip that some Pythons bring along.
$(DEV): $(FULL)
	@echo "installing the development tools"
	@$(PIP) install --quiet 'pip>=25.1'
	@$(PIP) install --quiet --group dev
	@touch $@

.PHONY: install kafka check test soak docs demo demo-kafka bench decisions clean help

install: $(DEV) ## make .venv: modelwire editable, its extras, the development tools
	@echo "$(VENV) is ready"

kafka: $(FULL) ## fetch the jars of a real Kafka into the user's cache (needs Java and Maven)
	@echo "Kafka: $$($(BIN)/python -m tests.system.broker fetch)"

check: $(DEV) ## lint, format, types, floors, spelling; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell

test: $(DEV) kafka ## all tests, also those on a real Kafka and a real S3 server
	$(BIN)/python -m pytest -n 3 --dist loadfile

soak: $(DEV) ## ten times as many random schedules, five times as many flights
	$(BIN)/python -m pytest -m soak --soak --timeout=3600

docs: $(DEV) ## run what README and docs show
	$(BIN)/python -m pytest tests/docs

demo: $(CORE) ## a good version goes on, a broken one goes back; STORY=shadow, ab, bluegreen, rolling
	$(BIN)/modelwire demo --story $(STORY)

demo-kafka: $(FULL) kafka ## the same on a real Kafka
	$(BIN)/python -m tests.system.broker run -- $(BIN)/modelwire demo --kafka --story $(STORY)

bench: $(DEV) kafka ## measure speed and memory; writes benchmarks/results.md and results.png
	$(BIN)/python -m benchmarks.run

decisions: $(DEV) ## simulate how well rollouts are judged; writes benchmarks/decisions/results.md and .png
	$(BIN)/python -m benchmarks.decisions.run

clean: ## remove .venv, the caches and what was built; the Kafka jars stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 19
