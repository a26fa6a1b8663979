# `make demo` and `make test` each work as the first command after cloning: they need Python 3.11 or newer and nothing else.
#   make test PYTHON=/opt/python3.12/bin/python      another Python for the environment in .venv
#   make demo TORCH_INDEX=URL                        an index with another build of torch (CPU, CUDA, ROCm)
#   make test WORKERS=8                              tests side by side

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt \
  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.PHONY: help demo test lint slow docs wheel clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    train a model of every family on real digits: a table, and a report to look at"
	@echo "make test    lint, types and tests"
	@echo "make slow    the tests that take minutes"
	@echo "make docs    the documentation as a site: site/index.html"
	@echo "make wheel   dist/*.whl"
	@echo "make clean   remove the environment and what was built; outputs/ stays"

demo: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python scripts/demo.py

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

slow: $(VENV)/.installed-dev
	PYTHON=$(BIN)/python scripts/test_slow.sh

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo site/index.html

wheel: $(VENV)/.installed-dev
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf $(VENV) dist site .pytest_cache .mypy_cache .ruff_cache

# The environment: the version is checked first, and a stamp is touched last, so that what was interrupted starts again.

$(VENV)/.made:
	@if $(BIN)/python -c "$(NEW_ENOUGH)" 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1; then touch $@; exit; fi; \
	for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	  if $$python -c "$(NEW_ENOUGH)" >/dev/null 2>&1; then \
	    echo "making $(VENV) with $$($$python --version)"; \
	    $$python -m venv --clear $(VENV) && touch $@; exit; fi; \
	done; \
	echo "error: no Python 3.11 or newer with its venv module$(if $(PYTHON), at $(PYTHON)): install one (on Debian and Ubuntu also python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing into $(VENV): once, some minutes"
	@$(PIP) --editable '.[report]'
	@touch $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing into $(VENV): once, some minutes"
	@$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing into $(VENV): once, some minutes"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-docs
