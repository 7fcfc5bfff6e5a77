# `make` lists the targets. The environment is .venv; another Python: make install PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# What `make bench` compares; peers that are not on PyPI by their path: BENCH="--peers google --google CLONE ..."
BENCH ?= --peers hf,hf-bf16

.PHONY: help install demo test check bench docs
.DEFAULT_GOAL := help

help:
	@echo "make install   .venv with electra and all it needs, versions as in constraints.txt"
	@echo "make demo      prepare, pre-train a tiny ELECTRA, show what it finds: minutes on a laptop"
	@echo "make test      the tests"
	@echo "make check     format, lint, types"
	@echo "make bench     speed of pre-training beside Hugging Face's model on this machine"
	@echo "make docs      the documentation as a site in build/site; open its index.html"

install: $(INSTALLED)

# The stamp is newer than what it was made from: a second call does nothing.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "electra needs Python 3.11 or newer; name one: make install PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e ".[train,data,eval,tensorflow,export,openvino,serve,docs,dev]"
	@touch $@

demo: $(INSTALLED)
	$(BIN)/electra demo

test: $(INSTALLED)
	$(BIN)/pytest

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/python benchmarks/pretrain_speed.py $(BENCH) --json

docs: $(INSTALLED)
	$(BIN)/python docs/build.py
