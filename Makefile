# Two commands do everything on a fresh machine: `make train` and `make test`. `make install` sets up alone.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RUN ?= connect_four
GPU_PYTHON ?= $(BIN)/python
GPU_BENCH ?= go9 network.blocks=6 network.channels=96 selfplay.slots=2048

.PHONY: install train test test-all gpu check format lint types layers clean

install: $(VENV)/installed  ## set up in .venv

train: $(VENV)/installed  ## train the default agent, or go on with it
	@if [ -f runs/$(RUN)/config.yaml ]; then $(BIN)/arena train --resume runs/$(RUN); else $(BIN)/arena train $(RUN); fi

test: $(VENV)/installed  ## the fast tests
	$(BIN)/python -m pytest

test-all: $(VENV)/installed  ## all tests, the slow ones and those against peers too
	$(BIN)/python -m pytest -m "not gpu"

gpu: $(if $(findstring $(BIN),$(GPU_PYTHON)),$(VENV)/installed)  ## on a machine with a GPU: its tests, then what limits self-play there (docs/GPU.md)
	@failed=0; \
	$(GPU_PYTHON) -m pytest -m gpu tests/test_cuda_runtime.py || failed=1; \
	$(GPU_PYTHON) -m arena bench $(GPU_BENCH) || failed=1; \
	$(GPU_PYTHON) -m arena bench $(GPU_BENCH) workers.count=8 || failed=1; \
	exit $$failed

check: format lint types layers test  ## all that CI holds the code to

format: $(VENV)/installed
	$(BIN)/ruff format --check .

lint: $(VENV)/installed
	$(BIN)/ruff check .

types: $(VENV)/installed
	$(BIN)/mypy

layers: $(VENV)/installed
	$(BIN)/lint-imports

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
