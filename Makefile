# Every target makes .venv first, from locked requirements whose hashes are checked.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TARGET ?= rocm
PYTEST ?= $(BIN)/python -m pytest

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help rebase test lint bench corpus pages lock system clean

help:
	@echo "make rebase TARGET=rocm   carry a target onto UBI, from the locked upstream release"
	@echo "make test | lint | bench  what CI runs, and the speed figures"
	@echo "make pages                renew docs/targets.md and decisions.md from upstream's releases"
	@echo "make corpus               docs/conversion.md, from every release on the index"
	@echo "make lock                 renew requirements/*.txt from requirements/*.in"

$(VENV)/run: requirements/run.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/dev: $(VENV)/run requirements/dev.txt
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

rebase: $(VENV)/run
	$(BIN)/midstream rebase --target $(TARGET)

system:
	@sh .ci/system

test: $(VENV)/dev system
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n auto $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

lint: $(VENV)/dev
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev system
	$(BIN)/python -m bench

pages: $(VENV)/dev
	$(BIN)/python -m bench.targets
	$(BIN)/python -m bench.decisions

corpus: $(VENV)/dev system
	PYTHONPATH=src:tests $(BIN)/python -m corpus --write

lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet pip-tools
	for each in run dev; do \
	  $(VENV)-lock/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	    --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --output-file requirements/$$each.txt requirements/$$each.in || exit; \
	done
	rm -r $(VENV)-lock

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
