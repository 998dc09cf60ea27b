# Every target makes what it needs: a virtual environment in .venv, the import paths in .dev.
# Nothing is written elsewhere but runs/ (results) and the tools' caches.

PYTHON ?= python3
BIN := .venv/bin
ROOMS := contracts firmware_configs training export validation pipeline
INSTALL := $(BIN)/python .ci/install.py
# One thread a test worker: two workers share what is often two cores.
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3

.PHONY: help demo test coverage browser-check docs docs-check release-check lint bench clean dev

help:
	@echo "make demo   the quickstart: trains, exports and validates into runs/demo"
	@echo "make test   lint, types and all tests"
	@echo "make coverage   all tests, and the lines that they reach"
	@echo "make browser-check   the report in a real browser (Chromium), screenshots into runs/browser"
	@echo "make docs   the documentation as a site, into runs/site"
	@echo "make docs-check   runs every command and block of the documentation, an hour"
	@echo "make release-check   sdist and wheel built, checked, and installed in clean environments"
	@echo "make lint   import rules, ruff, mypy"
	@echo "make bench  seeds and bit widths of jets-wnae, an hour or so, into runs/bench"
	@echo "make dev    the development environment alone"
	@echo "make clean  removes runs/demo, builds and caches; keeps .venv"

demo: .venv/.installed-run
	$(BIN)/naetrigger run jets-quickstart --out runs/demo

test: lint
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal

coverage: .venv/.installed-dev
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal --cov=naetrigger \
		--cov-report=term:skip-covered --cov-fail-under=85

browser-check: .venv/.installed-dev
	$(INSTALL) -e '.[dev,generate,readers,browser,docs]'
	$(TEST_ENV) $(BIN)/python -m pytest -m browser tests/browser tests/docs

docs: .venv/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "runs/site/index.html; with its search: $(BIN)/python -m http.server -d runs/site"

docs-check: .venv/.installed-dev
	$(TEST_ENV) $(BIN)/python -m pytest -m docs tests/docs

release-check: .venv/.installed-dev
	$(BIN)/python .ci/release_check.py

lint: .venv/.installed-dev
	$(BIN)/lint-imports --no-logo
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.installed-dev
	$(BIN)/python benchmarks/jets_seeds.py --out runs/bench/jets_seeds
	$(BIN)/python benchmarks/student_bits.py runs/bench/jets_seeds/1

dev: .venv/.installed-dev

clean:
	rm -rf runs/demo runs/bench runs/browser runs/site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf .import_linter_cache .coverage .coverage.* htmlcov

.venv/bin/python:
	$(PYTHON) -m venv .venv

.dev/naetrigger:
	mkdir -p $@
	for room in $(ROOMS); do ln -sfn ../../$$room $@/$$room; done

.venv/.installed-run: pyproject.toml constraints.txt | .venv/bin/python .dev/naetrigger
	$(INSTALL) -e '.[export]'
	touch $@

.venv/.installed-docs: pyproject.toml constraints.txt | .venv/bin/python .dev/naetrigger
	$(INSTALL) -e '.[docs]'
	touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python .dev/naetrigger
	$(INSTALL) -e '.[dev,generate,readers]'
	touch $@ .venv/.installed-run
