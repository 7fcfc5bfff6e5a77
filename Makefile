# `make` lists the targets. The environment is .venv; another Python: make install PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
# What `make bench` compares; peers that are not on PyPI by their path: BENCH="--peers google --google CLONE ..."
BENCH ?= --peers hf,hf-bf16
EVERYTHING := train,data,documents,eval,hub,remote,tensorboard,tensorflow,export,openvino,serve,docs,dev

# uv where it is installed, otherwise venv and pip.
UV := $(shell command -v uv)
ifdef UV
ENVIRONMENT = test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
INSTALL = $(UV) pip install --python $(BIN)/python $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS))
else
ENVIRONMENT = $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
INSTALL = $(BIN)/python -m pip install
endif

.PHONY: help install demo test check bench chaos docs release-check
.DEFAULT_GOAL := help

help:
	@echo "make demo      install what training needs; read a letter, then train a model for six minutes"
	@echo "make install   install everything into .venv, versions as in constraints.txt"
	@echo "make test      the tests"
	@echo "make check     format, lint, types"
	@echo "make bench     speed of pre-training beside Hugging Face's model on this machine"
	@echo "make chaos     300 kills and other faults on small runs, which must end as if nothing had been"
	@echo "make docs      the documentation as a site in build/site; open its index.html"
	@echo "make release-check   build, install in fresh environments, tour, licences, sizes"

define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "electra needs Python 3.11 or newer; name one: make install PYTHON=python3.12" >&2; exit 1; }
@$(ENVIRONMENT)
$(INSTALL) -c constraints.txt -e ".[$(1)]"
endef

# A stamp is newer than what it was made from: a second call does nothing.
.venv/.trains: pyproject.toml constraints.txt
	$(call install,train)
	@touch $@

.venv/.installed: pyproject.toml constraints.txt
	$(call install,$(EVERYTHING))
	@touch $@ .venv/.trains

install: .venv/.installed

demo: .venv/.trains
	$(BIN)/electra demo

test: .venv/.installed
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: .venv/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.installed
	$(BIN)/python benchmarks/pretrain_speed.py $(BENCH) --json

chaos: .venv/.installed
	$(BIN)/python benchmarks/chaos.py --out results/chaos.json

docs: .venv/.installed
	$(BIN)/python docs/build.py

release-check:
	.ci/release-check
