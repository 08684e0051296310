# Everything runs in a virtual environment, made on first use and renewed when the lock changes.
# Override: make test VENV=/tmp/venv PYTHON=python3.12 WORKERS=4
# With WHEEL=1 a new environment gets the wheel that is built of the sources, as users have it, instead of the sources.

PYTHON  ?= $(firstword $(notdir $(shell command -v python3.11 python3)))
VENV    ?= .venv
WORKERS ?= 2
MINUTES ?= 30
READY_STUDENT ?= students/odd-mended/seed-2
BIN     := $(VENV)/bin
READY   := $(VENV)/.foreshot-ready
NODE_MODULES := tests/serving/npm/node_modules

.DEFAULT_GOAL := help
.PHONY: help dev demo serve ready-model test test-slow crash audit sbom soak lint types docs format lock benchmark chromium clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

dev: $(READY)  ## make the virtual environment

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Foreshot needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into $(VENV) (some minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q -r requirements/dev.txt
ifdef WHEEL
	@$(BIN)/python -m pip wheel -q --no-deps --wheel-dir $(VENV)/wheel .
	@$(BIN)/python -m pip install -q --no-deps $(VENV)/wheel/foreshot-*.whl
else
	@$(BIN)/python -m pip install -q --no-deps -e .
endif
	@touch $@

demo: $(READY)  ## compare recipes on the built-in corpus, export what the verdict ships, and score three texts
	HF_HUB_OFFLINE=1 $(BIN)/foreshot compare --demo
	HF_HUB_OFFLINE=1 $(BIN)/foreshot export runs/demo --out runs/demo-bundle
	$(BIN)/foreshot predict runs/demo-bundle "you absolute walnut" "Thank you, that was a lovely evening." \
	  "Nobody wants a useless fool like you here."
	@echo "To try its models on a page, side by side: make serve"

# What the demo ships, beside its teacher and a student that it doesn't ship.
serve: $(READY) runs/demo-bundles/teacher runs/demo-bundles/odd  ## open a page with the demo's models at http://127.0.0.1:8000
	$(BIN)/foreshot serve shipped=runs/demo-bundle teacher=runs/demo-bundles/teacher odd=runs/demo-bundles/odd

runs/demo-bundles/teacher: FOLDER := teacher
runs/demo-bundles/odd: FOLDER := students/odd/seed-0
runs/demo-bundles/teacher runs/demo-bundles/odd: | $(READY)
	@test -d runs/demo-bundle || { echo "There are no models yet; first: make demo"; exit 1; }
	HF_HUB_OFFLINE=1 $(BIN)/foreshot export runs/demo/$(FOLDER) --bits 32 --out $@

# From the files that ready/SOURCES.md names, in the folder DATA, hours of training later: runs/ready-data, runs/ready and
# the bundle in the package. Stopped, it goes on where it was.
ready-model: $(READY)  ## make the ready model anew: make ready-model DATA=folder
	@test -n "$(DATA)" || { echo "Name the folder that holds the files of ready/SOURCES.md: make ready-model DATA=folder"; exit 1; }
	$(BIN)/python ready/gather.py $(DATA) runs/ready-data
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/foreshot compare ready/experiment.yaml
	rm -rf runs/ready-bundle
	HF_HUB_OFFLINE=1 SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct -- ready) $(BIN)/foreshot export runs/ready/$(READY_STUDENT) \
	  --bits 8 --trim-vocabulary --least-rows 3 --language en --licence cc-by-sa-4.0 --about ready/CARD.md --out runs/ready-bundle
	rm -rf src/foreshot/ready/bundle && mkdir -p src/foreshot/ready && cp -r runs/ready-bundle src/foreshot/ready/bundle && cp ready/SOURCES.md src/foreshot/ready
	$(BIN)/python ready/judge.py src/foreshot/ready/bundle $(DATA) runs/ready-data

# --dist loadfile keeps a file's tests, and so the models they share, in one worker. Files go in the order of their
# names: by the number of their tests, the whole runs, few and long, would come last, with the other worker idle.
# One thread for each worker, or the workers fight for the cores. The random tests make up the same examples each time,
# so that what a commit's tests say doesn't change; the slow ones make up new ones. Bytecode is kept even where the
# environment forbids it, or each of the 200 processes that tests start would compile Foreshot anew.
test: $(READY) chromium $(NODE_MODULES)  ## run the tests but the slow ones
	PYTHONDONTWRITEBYTECODE= HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile \
	  --no-loadscope-reorder --hypothesis-seed=0 --max-worker-restart=0 -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true

test-slow: $(READY) chromium $(NODE_MODULES)  ## run the slow tests
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow

# On one thread and alone: it kills processes at moments that were timed before.
crash: $(READY)  ## kill comparisons over a hundred times, and count the kills that they survive
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -s tests/crash

lint: $(READY)  ## check style, and the sources for what is unsafe
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src
	@test ! -x $(BIN)/hadolint || $(BIN)/hadolint deploy/Dockerfile

types: $(READY)  ## check types
	$(BIN)/mypy

docs: $(READY)  ## write docs/cli.md, every command and option, of the commands themselves
	$(BIN)/typer foreshot.cli utils docs --name foreshot --title "Commands" --output docs/cli.md

format: $(READY)  ## rewrite the sources in our style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A build tag such as +cpu names a file of one machine's index, not a release: it is cut off.
lock: $(READY)  ## pin every dependency anew (make lock UPGRADE=--upgrade for newer ones)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --all-extras --strip-extras --no-emit-options \
	  --constraint requirements/constraints.in $(UPGRADE) --output-file requirements/dev.txt pyproject.toml
	sed -i.bak -E 's/^([A-Za-z0-9._-]+==[^+ ]+)\+[a-z0-9.]+/\1/' requirements/dev.txt && rm requirements/dev.txt.bak

audit: $(READY)  ## ask PyPI for known vulnerabilities of the pinned packages
	$(BIN)/python .ci/audit.py requirements/dev.txt

sbom: $(READY)  ## write what the pinned packages are as sbom.json (CycloneDX)
	$(BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-file sbom.json
	@echo "sbom.json lists what is installed in $(VENV)"

soak: BUNDLE ?= runs/demo-bundle
soak: $(READY)  ## run the server near its top rate (MINUTES=30, BUNDLE=folder), and watch what it holds
	@test -d $(BUNDLE) || { echo "There is no bundle $(BUNDLE); first: make demo, or BUNDLE=folder"; exit 1; }
	OMP_NUM_THREADS=1 PYTHONPATH=tests:tests/runtime:tests/serving $(BIN)/python tests/soak/soak.py $(BUNDLE) --minutes $(MINUTES)

benchmark: $(READY)  ## time training; with TEACHER=folder BUNDLE=folder scoring too, with COMPARISON="--turns 3" a comparison
	HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/training.py
	$(if $(BUNDLE),HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/scoring.py $(TEACHER) $(BUNDLE))
	$(if $(COMPARISON),HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/comparison.py $(COMPARISON))

chromium:  # for the browser tests
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests ..."; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else \
	    echo "The browser tests need Chromium: sudo apt-get install chromium"; test -z "$$CI"; \
	  fi; }

# JavaScript that the tests of the server use; none of it is part of Foreshot.
$(NODE_MODULES): tests/serving/npm/package-lock.json
	@{ npm ci --prefix tests/serving/npm --no-audit --no-fund --loglevel error && touch $@; } \
	  || { echo "Some tests of the server are left out: they need Node.js, npm and its registry"; test -z "$$CI"; }

clean:  ## remove what was built and cached (not .venv, not runs)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
