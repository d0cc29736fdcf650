# The desk's commands; `make` alone lists them.

PYTHON ?= python3
ARGS ?=
# `or`, because an empty line in .env counts as not set.
HOST := $(or $(HOST),127.0.0.1)
PORT := $(or $(PORT),8501)
FILE ?= desk.dump
BIN := .venv/bin

.PHONY: help run demo backup restore test check bench load

## help: this list
help:
	@sed -n 's/^## //p' Makefile

## run: start the desk on http://localhost:8501 (PORT=8600 for another port, HOST=0.0.0.0 for the whole network)
# `exec` puts the desk in the place of the shell, so that a signal reaches it.
run: .venv/.requirements
	@exec $(BIN)/streamlit run app.py --server.port $(PORT) --server.address $(HOST)

## demo: fill the desk with 2,000 realistic tickets
demo: .venv/.requirements
	@exec $(BIN)/python -m ticketcore.demo $(ARGS)

## backup: write the whole desk into a file, while it runs or not (FILE=desk.dump)
backup: .venv/.requirements
	@exec $(BIN)/python -m ticketcore.backup $(FILE)

## restore: read such a file into a desk without tickets (FILE=desk.dump)
restore: .venv/.requirements
	@exec $(BIN)/python -m ticketcore.backup --restore $(FILE)

## test: run every test, those in the browser too (ARGS="tests/unit -x" for some of them)
test: .venv/.requirements-dev
	@exec $(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

## check: format, lint, types, import floors, dead code, the Dockerfile and known vulnerabilities
check: .venv/.requirements-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m tests.audit

## bench: time every operation beside hand-written SQL, into docs/benchmarks.md (TICKETS=10000,1000000 for other sizes)
bench: .venv/.requirements-dev
	@exec $(BIN)/python -m tests.bench

## load: ten minutes of 50 agents, 10 leads and 5 analysts on a million tickets, then a soak, into docs/load.md (ARGS="--minutes 1")
load: .venv/.requirements-dev
	@exec $(BIN)/python -m tests.bench.load $(ARGS)

# The stamps: each is newer than what it was made from, so a second `make run` installs nothing.
.venv/.made:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "No $(PYTHON) here. The desk needs Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The desk needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	         "Name another: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a virtual environment." \
	         "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.requirements: requirements.txt .venv/.made
	@echo "Installing what the desk needs; this takes a minute or two …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.requirements-dev: requirements-dev.txt .venv/.requirements
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
