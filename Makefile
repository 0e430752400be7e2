# What a developer or a newcomer types. `make help` lists it.

PYTHON ?= python3
MINUTES ?= 60
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --quiet

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench chaos soak lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/run.stamp ## Only the set-up: a venv with the locked packages and the command `relay`

run: .venv/run.stamp ## Set up and run the sandbox with demo traffic, until Ctrl-C
	@$(BIN)/relay sandbox --demo

# The tests start a thousand processes: what each of them would compile anew is kept, whatever the surroundings say.
unexport PYTHONDONTWRITEBYTECODE

test: .venv/dev.stamp ## Set up and run every test, five at a time, for most of them wait
	@$(BIN)/pytest -n 5 --dist loadfile --no-loadscope-reorder

check: .venv/dev.stamp ## Lint, format, types, the floors of the house, known vulnerabilities
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.audit

bench: .venv/dev.stamp ## Whole-program benchmarks, in one run, as ratios
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.delivered
	@$(BIN)/python -m tests.bench.end_to_end
	@$(BIN)/python -m tests.bench.beside
	@$(BIN)/python -m tests.bench.memory
	@$(BIN)/python -m tests.bench.webhook
	@$(BIN)/python -m tests.bench.policy
	@$(BIN)/python -m tests.bench.suppressions
	@$(BIN)/python -m tests.bench.links
	@$(BIN)/python -m tests.bench.api
	@$(BIN)/python -m tests.bench.ses_door
	@$(BIN)/python -m tests.bench.notices
	@$(BIN)/python -m tests.bench.audience
	@$(BIN)/python -m tests.bench.nodes
	@$(BIN)/python -m tests.bench.behind --messages 500000
	@$(BIN)/python -m tests.bench.history
	@$(BIN)/python -m tests.bench.volume
	@$(BIN)/python -m tests.bench.console --messages 500000

chaos: .venv/dev.stamp ## kill -9, every fault of SES, bad clients: the figures of docs/reliability.md, for about an hour
	@RELAY_CHAOS=full RELAY_FUZZ_SESSIONS=20000 $(BIN)/pytest tests/chaos tests/fuzz -s

soak: .venv/dev.stamp ## 100 messages of 10 KB a second for MINUTES (60)
	@RELAY_SOAK_MINUTES=$(MINUTES) $(BIN)/pytest tests/chaos/test_soak.py -s

lock: .venv/dev.stamp ## Compile requirements.txt and requirements-dev.txt from pyproject.toml
	@$(UV_COMPILE) --extra fast --extra postgres --upgrade --output-file requirements.txt
	@$(UV_COMPILE) --all-extras --constraint requirements.txt --upgrade --output-file requirements-dev.txt

clean: ## Remove what the other targets made
	@rm -rf .venv sandbox build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis relay.egg-info
	@find relay tests -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("The relay needs Python 3.11 or later: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up .venv ..."
	@$(PYTHON) -m venv .venv

# The stamps are newer than what they were made from: a second run installs nothing.
.venv/run.stamp: requirements.txt pyproject.toml | .venv/bin/python
	@$(PIP) --require-hashes --requirement requirements.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# Most of what the tests need is never imported, and need not be compiled.
.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	@$(PIP) --no-compile --require-hashes --requirement requirements-dev.txt
	@touch $@
