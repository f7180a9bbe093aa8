# `make` prints the targets. T=path narrows `make test` to a file, a folder or one test.

SHELL := /bin/bash
PYTHON := .venv/bin/python
T ?= tests
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run setup test check lint types imports ui fmt bench docs clean

help:  ## Print this list.
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run:  ## Install what is missing, start engine and web, print the address.
	@scripts/setup run
	@exec $(PYTHON) app.py up $(ARGS)

setup:  ## Install what running, testing and checking need; does nothing the second time.
	@scripts/setup test

test: setup  ## Run every test, root and browser tests included; T=path for some of them.
	@exec $(PYTHON) -m pytest $(T) $(ARGS)

check: setup lint types imports ui  ## Lint, types, import rules, size budget, UI type check and lint.

lint:
	@.venv/bin/ruff check .

types:
	@.venv/bin/mypy
	@.venv/bin/mypy app.py

imports:
	@$(PYTHON) -m pytest -q -p no:cacheprovider tests/architecture

ui:
	@scripts/node npm --prefix static run --silent check
	@scripts/node npm --prefix static run --silent lint

fmt:  ## Sort imports and apply the linter's safe fixes.
	@.venv/bin/ruff check --fix --quiet .

bench: setup  ## Measure the engine beside Docker and Podman where they are installed; ARGS="--help" for options.
	@exec $(PYTHON) -m benchmarks $(ARGS)

docs:  ## Write docs/settings.md and docs/api.md anew, from the settings table and from the engine's own routes.
	@$(PYTHON) app.py settings > docs/settings.md
	@$(PYTHON) -m scripts.api_page > docs/api.md

clean:  ## Remove what setup made in this folder; data in /var/lib/berth is not touched.
	@rm -rf .venv static/node_modules static/dist .pytest_cache .mypy_cache .ruff_cache
