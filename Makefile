# make demo   from nothing to a trained committee: installs, then runs `flowpot demo`
# make test   the same set-up for the tests, then the tests
# make help   the other targets

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= .ci/constraints.txt
# For example PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu", which
# spares a machine without a GPU the CUDA packages.
PIP_FLAGS ?=
# Two at a time: a test file's tests share what its fixtures have computed.
PYTEST_FLAGS ?= -n 2 --dist loadfile --no-loadscope-reorder
DEMO_FLAGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c $(CONSTRAINTS)

.PHONY: help demo test test-all coverage benchmark site lint espresso clean

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(VENV)/.demo espresso
	$(BIN)/flowpot demo $(DEMO_FLAGS)

test: $(VENV)/.test espresso lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" $(PYTEST_FLAGS)

# make test-all   the slow tests too (more than an hour)
test-all: $(VENV)/.test espresso lint
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PYTEST_FLAGS)

# make coverage   which lines the tests of `make test` run, child processes included
coverage: $(VENV)/.test espresso
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -m "not slow" $(PYTEST_FLAGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# make benchmark  the ratios that the documentation claims, printed
benchmark: $(VENV)/.test espresso
	OMP_NUM_THREADS=1 $(BIN)/pytest -s tests/benchmarks tests/integration/test_overhead.py

# make site       tutorials, guides and reference as HTML, in build/site
site: $(VENV)/.test
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going tutorials build/site

# make lint       ruff and mypy
lint: $(VENV)/.test
	$(BIN)/ruff check --quiet src tests tutorials
	$(BIN)/ruff format --quiet --check src tests tutorials
	$(BIN)/mypy

espresso:
	@.ci/install-espresso

# A stamp is as new as the last installation from these files: a second run is quick.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"flowpot needs Python 3.11 or newer, %s is %s: make PYTHON=/path/to/python3.11" \
	% (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	@echo "Installing flowpot and what it needs into $(VENV) (about three minutes)"
	$(PIP) -e ".[all]"
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	@echo "Installing flowpot and its tests' needs into $(VENV) (about three minutes)"
	$(PIP) -e ".[test]"
	@touch $@ $(VENV)/.demo

# make clean      forget the environment and the caches, keep results
clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
