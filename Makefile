# The two commands of the README are `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
# A lock names all that is needed, which `pip check` looks at afterwards. Two processes install every
# other entry of it each, as pip does one thing after the other, and what was installed is compiled
# beside the rest, but for what is seldom imported: a third of it, which Python compiles when
# it needs it. Some files are no Python of this version. setuptools warns of each editable project.
INSTALL_LOCKED := $(INSTALL) --no-deps --no-compile --require-hashes
SELDOM := tests?|fontTools|openai|pip|statsmodels
COMPILE := $(BIN)/python -m compileall -q -j 2 -x '/($(SELDOM))/' $(VENV)/lib
define install
	mkdir -p $(VENV)/halves
	awk '/^[a-zA-Z0-9]/ {half = !half} {print > ("$(VENV)/halves/" half + 0)}' $(1)
	printf '$(VENV)/halves/%d\n' 0 1 | xargs -n 1 -P 2 $(INSTALL_LOCKED) -r
	$(COMPILE) & PYTHONWARNINGS=ignore $(INSTALL) --no-deps --editable . && $(BIN)/pip check; state=$$?; wait; exit $$state
endef

LOCK := $(BIN)/pip-compile --quiet --generate-hashes --no-strip-extras --no-header --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host

# Where it is set, each of the processes that tests start compiles all it imports.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check lint types sql dev bench lock clean

# Of pip the locked one as well: it installs a lock in two thirds of the time.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(INSTALL_LOCKED) -r requirements-pip.lock

# A stamp per lock file: an environment is made once and again when a lock changes.
$(VENV)/run.stamp: requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)
	touch $@

# The other lock is a part of this one: one go where nothing is installed yet.
$(VENV)/dev.stamp: requirements-dev.lock requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock)
	touch $(VENV)/run.stamp $@

demo: $(VENV)/run.stamp
	$(BIN)/osmoscope demo

test: check
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# The SQL takes longest: the rest is looked at beside it.
check:
	$(MAKE) --jobs 2 --output-sync lint types sql

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/pyrefly check

sql: $(VENV)/dev.stamp
	OSMOSCOPE_WAREHOUSE=warehouse.duckdb OSMOSCOPE_LAKE=lake $(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

dev: $(VENV)/run.stamp
	$(BIN)/osmoscope dev

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench.ingest
	$(BIN)/python -m bench.twin
	$(BIN)/python -m bench.mining
	$(BIN)/python -m bench.sampling
	$(BIN)/python -m bench.statistics
	$(BIN)/python -m bench.networks
	$(BIN)/python -m bench.communities
	$(BIN)/python -m bench.null_models
	$(BIN)/python -m bench.themes
	$(BIN)/python -m bench.corpus
	$(BIN)/python -m bench.verification

lock: $(VENV)/dev.stamp
	$(INSTALL) pip-tools
	$(LOCK) --output-file requirements.lock pyproject.toml
	$(LOCK) --extra dev --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --allow-unsafe --output-file requirements-pip.lock requirements-pip.in
	for lock in requirements*.lock; do \
		grep -q '^# Made by' $$lock || \
		sed -i '1i # Made by: make lock. Hashes only: the index is the one pip is configured with.' $$lock; \
	done

clean:
	rm -rf $(VENV) data build *.egg-info .pytest_cache .ruff_cache .hypothesis
