# The two commands of the README are `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test check lint types sql dev bench lock clean

# A stamp per lock file: an environment is made once and again when a lock changes.
$(VENV)/run.stamp: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --editable .
	touch $@

# The other lock is a part of this one: one go where nothing is installed yet.
$(VENV)/dev.stamp: requirements-dev.lock requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-deps --editable .
	touch $(VENV)/run.stamp $@

demo: $(VENV)/run.stamp
	$(BIN)/osmoscope demo

# Three for two cores: some tests wait for a clock, a server or the disk most of their time.
test: check
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

# mypy works on one core only, so that the SQL is looked at beside it.
check:
	$(MAKE) --jobs 2 --output-sync lint types sql

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

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
	$(BIN)/pip-compile --quiet --generate-hashes --no-strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --no-strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --extra dev --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) data build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
