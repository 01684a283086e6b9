# The one door to the project: `make help` lists what is behind it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := schemas eventlog consumer_sdk publisher router tests

# Three stamps, each on top of the one before: the product, its extras, the tools.
CORE := $(VENV)/.core
FULL := $(VENV)/.full
DEV := $(VENV)/.dev

$(CORE): pyproject.toml
	@test -x $(BIN)/python || { echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing modelwire into $(VENV)"
	@$(PIP) install --quiet 'pip>=25.1'
	@$(PIP) install --quiet -e .
	@touch $@

$(FULL): $(CORE)
	@echo "installing the extras"
	@$(PIP) install --quiet -e '.[all]'
	@touch $@

$(DEV): $(FULL)
	@echo "installing the development tools"
	@$(PIP) install --quiet --group dev
	@touch $@

.PHONY: install
install: $(DEV) ## the environment: modelwire editable, its extras, the tools
	@echo "$(VENV) is ready"

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
