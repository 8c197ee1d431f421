# Needs Python 3.11 or newer and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python stores compiled modules even where the environment says otherwise; without them every process starts slowly.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run demo test test-long torture planted fuzz check bench docs wheel versions audit sbom lock helm-tools clean
.DEFAULT_GOAL := run

# `--seconds 60` where SECONDS=60 was given.
option = $(if $($(1)),--$(shell echo $(1) | tr A-Z a-z) $($(1)))

run: $(VENV)/.run  ## Start the whole service on 127.0.0.1:8787
	$(BIN)/awb run

demo: $(VENV)/.run  ## Play three months of a simulated Coder against it, and open the page
	$(BIN)/awb demo $(DEMO_FLAGS)

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not long" tests

test-long: $(VENV)/.dev  ## Run the tests with all seeds: 200 simulated months instead of 24
	$(BIN)/python -m pytest -n auto --dist worksteal tests

torture: $(VENV)/.dev  ## Kill and starve real meters: SECONDS= FAULTS= ROUNDS= SEED= (docs/reliability.md)
	$(BIN)/python -m tests.torture $(foreach word,SECONDS FAULTS ROUNDS SEED,$(call option,$(word))) $(TORTURE_FLAGS)

planted: $(VENV)/.dev  ## Plant bugs into copies of the tree, and see the tests catch each
	$(BIN)/python -m tests.torture.planted $(PLANTED_FLAGS)

fuzz: $(VENV)/.fuzz  ## Fuzz whatever reads what strangers write, guided by coverage; Linux only
	$(BIN)/python -m tests.fuzz $(call option,SECONDS) $(call option,SEED) $(FUZZ_FLAGS)

check: $(VENV)/.dev  ## Lint, types, layers, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.lockfiles check

bench: $(VENV)/.dev  ## Measure against other receivers and workers; needs wrk, and Node for one rival
	$(BIN)/python -m bench

docs: $(VENV)/.dev  ## Build the documentation as a static site: build/docs/index.html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs

wheel: $(VENV)/.run  ## Build dist/coder_awb_meter-VERSION-py3-none-any.whl; the same commit gives the same file
	rm -f dist/coder_awb_meter-*.whl
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct || echo 1580601600) $(BIN)/python -m hatchling build -t wheel -d dist

versions: $(VENV)/.dev  ## Run the core on every Python and server that Debian and pyenv have; needs root and the network
	$(BIN)/python -m tests.versions --roots $(VENV)/debian --write docs/install/pip.md $(VERSIONS_FLAGS)

audit: $(VENV)/.dev  ## Known vulnerabilities of the locked packages, and bandit; needs the network
	$(BIN)/python -m tests.audit

sbom: $(VENV)/.dev  ## Write sbom.json (CycloneDX) of what `make run` installs
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o sbom.json

lock: $(VENV)/.dev  ## Write the lock files anew after a change of pyproject.toml
	$(BIN)/python -m tests.lockfiles write

helm-tools:  ## Build what tests the chart and the compose file: helm, a Kubernetes API server, Docker Compose; needs Go
	deploy/helm/tools.sh

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

$(VENV)/.fuzz: requirements-fuzz.lock $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	@touch $@
