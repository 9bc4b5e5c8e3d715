# opskit: every command an operator or a developer needs. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
ENV ?= development
REHEARSE ?= yes
STAMP := .venv/.installed
DEV := .venv/.developer
LAB_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Compose comes from the virtual environment where the machine has none; every child finds it on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# $(1): the locked packages.
define packages
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "opskit needs Python 3.11 or newer; set PYTHON=")'
@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "no venv module: apt-get install python3-venv" >&2; exit 1; }
@echo "installing $(1) into .venv"
@$(BIN)/pip install -qq --require-hashes --requirement $(1)
@$(BIN)/pip install -qq --no-deps --no-build-isolation --editable .
@touch $@
endef

$(STAMP): requirements.lock pyproject.toml configs/jupyter_server_config.json
	$(call packages,requirements.lock)

$(DEV): requirements-dev.lock $(STAMP)
	$(call packages,requirements-dev.lock)

.PHONY: install
install: $(STAMP) ## Create .venv with the locked packages that an operator needs, and nothing else

.PHONY: dev
dev: $(DEV) ## The same with what checks and tests need

.PHONY: rehearse
rehearse: install ## Launch ENV (development) here, with no GPU and no registry; REHEARSE=full runs all real programs there are
	@opskit start $(ENV) -p rehearse $(REHEARSE) </dev/null

.PHONY: stop
stop: install ## Undo `make rehearse`: containers and networks go, data stays; then the private engine, if any
	@opskit stop $(ENV) -p rehearse yes </dev/null
	@opskit engine stop

.PHONY: lab
lab: install ## Open JupyterLab on the index of the runbook
	@jupyter lab --KernelManager.transport_encryption=required --LabApp.default_url=/lab/tree/notebooks/index.ipynb $(LAB_ROOT)

.PHONY: check
check: dev ## Lint, format, types, import contracts, notebooks stripped
	@ruff check .
	@ruff format --check --quiet . || { echo "run: ruff format ." >&2; exit 1; }
	@mypy
	@lint-imports --no-cache
	@nbstripout --keep-id --verify $$(git ls-files 'notebooks/*.ipynb')

.PHONY: test
test: dev ## All tests, on a real Docker Engine: the one that answers, else a private one
	@pytest $(TESTS)

SUITE ?= trixie
NEWER := tests/engine/test_launch.py tests/engine/test_plan.py tests/engine/test_cleanup.py tests/engine/test_start.py
.PHONY: newer
newer: dev ## Launches, changes, cleanup and an environment on the Engine of SUITE (trixie: 26.1; sid: 28.5)
	@tests/newer_engine.sh $(SUITE) pytest $(NEWER)

.PHONY: bench
bench: dev ## Medians beside Compose and Docker, in one run: nothing else may run on the machine
	@$(BIN)/python tests/bench/bench.py
	@$(BIN)/python tests/bench/launches.py
	@$(BIN)/python tests/bench/snapshots.py

.PHONY: real
real: dev ## Ask every real program that packages provide (7 GB, half an hour), and write docs/real.md
	@OPSKIT_REQUIRE_ENGINE=1 OPSKIT_REAL_REPORT=docs/real.md pytest tests/real -m "heavy or not heavy"

.PHONY: faults
faults: dev ## Launch 137 faults and changes, and print Compose's verdict beside opskit's (half an hour)
	@PYTHONPATH=. $(BIN)/python tests/faults/run.py

.PHONY: upgrades
upgrades: dev ## Fail an upgrade in 24 ways, and print how each ended (15 minutes)
	@PYTHONPATH=. $(BIN)/python tests/upgrades/run.py

.PHONY: pictures
pictures: dev ## Draw docs/pictures from recorded machines
	@$(BIN)/python docs/pictures.py

.PHONY: notebooks
notebooks: install ## Keep an edit of notebooks/ that is meant: their hashes, by which a run knows the shipped cells
	@$(BIN)/python -m opskit.audit.shipped

.PHONY: lock
lock: dev ## Resolve the locked packages again
	@uv pip compile pyproject.toml --extra rehearsal --extra checkout $(LOCK) -o requirements.lock
	@uv pip compile pyproject.toml --extra rehearsal --extra checkout --extra dev --constraint requirements.lock \
	  $(LOCK) -o requirements-dev.lock
	@for image in multimodal-worker retrieval-proxy; do \
	  uv pip compile compose/images/$$image/requirements.txt $(LOCK) -o compose/images/$$image/requirements.lock; done

LOCK := --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --quiet
