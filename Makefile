# Each target sets up what it needs, so `make gap` and `make test` work on a fresh clone.
# Before that: Python 3.11 or later with venv, and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
PEERS := .venv/peers
DOCS := .venv/docs
RAY := .venv/ray
SANITIZED := .venv/sanitized
GRID ?= short

.PHONY: help gap peers auto test test-quick test-deep test-ray sanitize lint format bench bench-gate bench-history bench-site test-gate docs docs-links clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

gap: $(READY)  ## how much slower is forward mode than reverse mode? table, poster and page
	$(BIN)/prograd-run -m experiment=speed_gap

# Engines start with the first point, and a C++ compiler, where there is one, works for torch.compile.
peers: $(PEERS)  ## prograd beside numpy, JAX, PyTorch and autograd: table, poster and page (GRID=full: for hours)
	$(BIN)/prograd-run experiment=peers grid=$(GRID)

auto: $(READY)  ## is mode="auto" the quickest? every mode on a grid of networks: the score, table, pictures and page (minutes)
	$(BIN)/prograd-run experiment=auto

test: $(READY)  ## the tests
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

test-quick: $(READY)  ## the tests that start no processes and are not slow: about 40 seconds
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal -m "not starts_processes and not slow and not deep"

test-deep: $(READY)  ## thousands of random networks against 60-digit arithmetic: minutes
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto -m deep

test-ray: $(RAY)/ready  ## the test of the ray launcher, which installs 400 MB into an environment of its own
	OPENBLAS_NUM_THREADS=1 $(RAY)/bin/python -m pytest tests/experiments/test_launchers.py -k ray

# The machine is built into a folder of its own, which Python searches first. Python itself is not instrumented, so the
# sanitizers' libraries have to be loaded before it; what it keeps until it ends is no leak.
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1
RUNTIMES = $(foreach library,asan ubsan,$(shell gcc -print-file-name=lib$(library).so))
UNDER_SANITIZERS = LD_PRELOAD="$(RUNTIMES)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	PYTHONMALLOC=malloc PYTHONPATH=$(SANITIZED) OPENBLAS_NUM_THREADS=1
sanitize: $(READY)  ## the tests of the tape on a machine that checks every access to memory (needs gcc)
	CC=gcc PROGRAD_BUILD_MACHINE=required PROGRAD_BUILD_FLAGS="$(SANITIZERS)" $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --no-build-isolation --no-deps --upgrade --target $(SANITIZED) .
	$(UNDER_SANITIZERS) $(BIN)/python -c 'from prograd.tape.machine import compiled as c; assert b"__asan_init" in open(c.__file__, "rb").read()'
	$(UNDER_SANITIZERS) $(BIN)/python -m pytest --capture=sys tests/tape

lint: $(READY)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# In the environment of bench-history, so that a revision is measured once. Figures of a changed work tree belong to no
# revision: they are shown and not kept.
bench: $(READY)  ## the asv suite on the present revision; results in .asv/
	test -f ~/.asv-machine.json || $(BIN)/asv machine --yes
	if git diff --quiet HEAD; then $(BIN)/asv run --skip-existing 'HEAD^!'; else $(BIN)/asv run --python=same --dry-run; fi

# make turns every failure into its own exit status 2: what needs to know which it was calls the command itself.
BASE ?= origin/main
bench-gate: $(READY)  ## does HEAD cost more than BASE=REVISION? exact counts, ratios and times of both; docs/gate.md
	@$(BIN)/python -m prograd_benchmarks.gate '$(BASE)'

test-gate: $(READY)  ## the test of the gate with planted regressions, in a clone with an environment of its own (minutes)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest tests/benchmarks/gate_end_to_end.py

# asv builds each revision in .asv/env; what has been measured on this machine is kept and not measured again.
REVISIONS ?= HEAD~5..HEAD
BENCH ?= gap
bench-history: $(READY)  ## the asv suite on older revisions: REVISIONS=HEAD~5..HEAD BENCH=gap (a regular expression)
	test -f ~/.asv-machine.json || $(BIN)/asv machine --yes
	$(BIN)/asv run --skip-existing --bench '$(BENCH)' $(REVISIONS)

bench-site: $(READY)  ## what has been measured as pages in .asv/html, which need no network
	$(BIN)/asv publish
	$(BIN)/python -m prograd_benchmarks.site .asv/html

# A warning is an error: a page that names what is gone, or a notebook whose code fails, does not pass. Every page is read
# anew: what an earlier build read would hide its warnings, and keep the numbers of older code.
SPHINX = OPENBLAS_NUM_THREADS=1 $(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet docs
docs: $(DOCS)  ## the site in docs/_build/html, which needs no network
	$(SPHINX) docs/_build/html
	@echo docs/_build/html/index.html

docs-links: $(DOCS)  ## do the site's links to other sites lead somewhere?
	$(SPHINX) docs/_build/links --builder linkcheck --define nb_execution_mode=off

clean:  ## remove the environment, caches and results
	rm -rf .venv .asv docs/_build docs/_generated .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis outputs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Written last, so an interrupted set-up starts again.
$(READY): pyproject.toml constraints.txt hatch_build.py framework/prograd/tape/_machine.c framework/prograd/tape/_threads.h framework/prograd/tape/_loops.h
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "prograd needs Python 3.11 or later; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[experiments,test,dev,bench]"
	touch $@

$(PEERS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[experiments,peers]"
	touch $@

$(DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[experiments,docs]"
	touch $@

# Without constraints.txt: boto3, which the launcher needs, wants an older python-dateutil than the rest has.
$(RAY)/ready: pyproject.toml
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[experiments,test,ray]"
	touch $@
