# Two commands do everything: `make run` and `make test`. They need Python 3.11 or newer, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEXTS := --project Samlepost --mapping-file pyproject.toml --keyword gettext_lazy --no-wrap --sort-by-file

.DEFAULT_GOAL := help
.PHONY: help run test drill bench lint format messages lock reset-demo

help:
	@echo "make run         set up and start the demo; prints where to go; Ctrl-C stops it"
	@echo "make test        run every check and test that this machine can run"
	@echo "make drill       lose 1,000 letters and restore them from a backup (N=…: so many)"
	@echo "make bench       measure pages, ingest and archive against yardsticks"
	@echo "make lint        ruff, mypy and import-linter alone"
	@echo "make format      let ruff put the code in order"
	@echo "make messages    collect texts for translation and compile them"
	@echo "make lock        pin the dependencies anew, with hashes (needs uv)"
	@echo "make reset-demo  throw the demo's data away"

run: $(VENV)/runtime
	DEMO=1 $(BIN)/python -m config.run

test: $(VENV)/dev
	$(BIN)/python -m tests.all

drill: $(VENV)/dev
	DEMO=1 $(BIN)/python -m config.drill $(N)

bench: $(VENV)/dev
	DEMO=1 $(BIN)/python -m bench

lint: $(VENV)/dev
	$(BIN)/python -m tests.all --lint

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(VENV)/dev
	@mkdir -p build
	$(BIN)/pybabel --quiet extract $(TEXTS) --output-file build/messages.pot .
	$(BIN)/pybabel --quiet update --input-file build/messages.pot --output-dir inbox/web/locale --domain django --no-fuzzy-matching --ignore-obsolete --no-wrap --ignore-pot-creation-date
	$(BIN)/python inbox/web/locale/compile.py

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet --custom-compile-command "make lock" pyproject.toml --output-file requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet --custom-compile-command "make lock" --extra s3 pyproject.toml --output-file requirements-s3.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet --custom-compile-command "make lock" --extra dev pyproject.toml --output-file requirements-dev.txt

reset-demo:
	rm -rf data

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Samlepost needs Python 3.11 or newer; name one with: make PYTHON=python3.11 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@touch $@ $(VENV)/runtime
