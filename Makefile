# Needs Python 3.11 or newer and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run demo test test-long check bench audit sbom lock clean
.DEFAULT_GOAL := run

run: $(VENV)/.run  ## Start the whole service on 127.0.0.1:8787
	$(BIN)/awb run

demo: $(VENV)/.run  ## Play three months of a simulated Coder against it, and open the page
	$(BIN)/awb demo $(DEMO_FLAGS)

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not long" tests

test-long: $(VENV)/.dev  ## Run the tests with all seeds: 200 simulated months instead of 24
	$(BIN)/python -m pytest -n auto --dist worksteal tests

check: $(VENV)/.dev  ## Lint, types, layers, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.lockfiles check

bench: $(VENV)/.dev  ## Measure against other receivers and workers; needs wrk, and Node for one rival
	$(BIN)/python -m bench

audit: $(VENV)/.dev  ## Known vulnerabilities of the locked packages, and bandit; needs the network
	$(BIN)/python -m tests.audit

sbom: $(VENV)/.dev  ## Write sbom.json (CycloneDX) of what `make run` installs
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o sbom.json

lock: $(VENV)/.dev  ## Write the lock files anew after a change of pyproject.toml
	$(BIN)/python -m tests.lockfiles write

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
