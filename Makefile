# Mailrider: everything a developer or a first-time user runs.
#
#   make demo         the main job on this machine, nothing else needed
#   make test         the whole test suite
#   make check        lint, types, the floors of the house
#   make conformance  compare with recordings of the real Postfix smtp(8), where they are at hand
#   make differential content byte for byte beside a real smtp(8); needs Postfix and root
#   make chaos        kill a node again and again while mail flows; KILLS=200 at length
#   make compiled     build/compiled: the package with its hot path in C; needs a C compiler, takes minutes
#   make bench        speed, beside smtplib and aiosmtplib, in one run; of the compiled package where there is a compiler

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONFORMANCE ?= ../shared/conformance
KILLS ?= 20
COMPILED := build/compiled
SOURCES := $(shell find src -name '*.py')

.PHONY: all demo test check lint types floors conformance differential chaos compiled bench clean

all: check test

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/mailrider demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile

check: lint types floors

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks examples tools

types: $(STAMP)
	$(BIN)/mypy

floors: $(STAMP)
	$(BIN)/lint-imports

conformance: $(STAMP)
	$(BIN)/python tools/conformance.py $(CONFORMANCE)

differential: $(STAMP)
	$(BIN)/python -m tests.differential_mime --count 500

chaos: $(STAMP)
	$(BIN)/python -m tests.node.chaos --kills $(KILLS)

compiled: $(COMPILED)/.finished

$(COMPILED)/.finished: $(STAMP) $(SOURCES) tools/build_hook.py tools/compiling.py
	rm -rf $(COMPILED)
	MAILRIDER_COMPILE=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(COMPILED) .
	touch $@

bench: $(STAMP)
	@$(MAKE) compiled || echo "it cannot be compiled here: plain Python is measured"
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks drain
	$(BIN)/python -m benchmarks intake
	$(BIN)/python -m benchmarks slow
	$(BIN)/python -m benchmarks full

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
