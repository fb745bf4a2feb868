# Everything that is done to this repository, one target each. `make demo` and `make test` set themselves up.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# DAGSTER_HOME is the repository: dagster.yaml lies there, its state in .state.
export DAGSTER_HOME := $(CURDIR)
export SAM2_ASSETS_ROOT ?= var/store
# Where `make ui` listens, and where the commands look for it.
UI_PORT ?= 3000

.PHONY: help setup demo test campaign kills ui check format seeds docs clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(STAMP): pyproject.toml constraints.txt requirements-demo.txt
	@echo "Setting up $(VENV): about 2 GB of packages, once"
	python3.11 -m venv $(VENV) || python3 -m venv $(VENV)
	@# torch first and alone: resolved together with the rest, pip would bring gigabytes of CUDA packages.
	$(PY) -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dev]'
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-demo.txt
	@touch $@

setup: $(STAMP) ## the packages alone, in .venv

demo: $(STAMP) ## sample exports through Dagster, one corpus adapter trained, scored, carded, served: about 12 minutes
	$(VENV)/bin/sam2-assets demo

test: $(STAMP) ## the whole test suite, with coverage of the core
	scripts/install_browser.sh
	scripts/install_clamav.sh
	scripts/install_docker.sh
	@# One thread a process: two test workers with two threads each on two cores wait for each other.
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadgroup --cov --cov-report=term

campaign: $(STAMP) ## 10,000 hostile uploads against the importer and the checks: about 20 minutes
	OMP_NUM_THREADS=1 $(PY) -m sam2_assets_tests.campaigns --cases 10000

kills: $(STAMP) ## 24 moments of trainings hit by kill -9: do they resume to the same bytes? About 5 minutes
	OMP_NUM_THREADS=1 $(PY) -m sam2_assets_tests.training.kill_campaign --kills 24

ui: $(STAMP) ## the Dagster UI on the same state, with the sensor that watches the inbox
	@# On a port in use dg dev would go on without a web server, and the browser would show somebody else's.
	@$(PY) scripts/free_port.py $(UI_PORT)
	@# Until a pool is in the database, its default limit does not hold.
	@$(VENV)/bin/dagster instance concurrency set gpu 1
	@$(VENV)/bin/dagster instance concurrency set image 1
	@echo "http://127.0.0.1:$(UI_PORT) in about half a minute; Ctrl-C stops it"
	$(VENV)/bin/dg dev -w workspace.yaml -h 127.0.0.1 -p $(UI_PORT)

check: $(STAMP) ## lint, formatting and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(STAMP) ## apply the linter's fixes and the formatting
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

seeds: $(STAMP) ## the demo's training with three seeds: is the score luck?
	$(VENV)/bin/sam2-assets demo --seeds 3

docs: $(STAMP) ## renew the tables of settings and checks in docs/
	$(PY) scripts/write_docs.py

clean: ## forget the demo: state, store, sample (not the environment)
	rm -rf .state var logs .logs_queue
