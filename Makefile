# Needs Python 3.11 or newer and make; everything else goes into .venv by plain pip.
# Each stamp depends on pyproject.toml, so .venv is reused until the dependencies change.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
BASE := .venv/.installed-base
DEV := .venv/.installed-dev

.PHONY: install run test check bench router clean

install: $(DEV)

# Routes some real prompts, then serves the gateway and its dashboard until Ctrl-C. The base install is
# enough, and no key: with --demo nobody is called. Options: make run SERVE="--port 8081"
SERVE ?= --demo
run: $(BASE)
	$(BIN)/python examples/route_prompts.py
	exec $(BIN)/onehead serve $(SERVE)

PYTEST_FLAGS ?=
test: $(DEV)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p onehead
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/check_style.py

# Regenerates benchmarks/results/*.json and the pages; `make bench ONLY=startup` runs one script.
# The scripts about encoders need a transformer on disk: see benchmarks/README.md.
ONLY ?= recipes speed startup
bench: $(DEV)
	set -e; for script in $(ONLY) page; do echo "== $$script"; $(BIN)/python benchmarks/$$script.py; done

# Trains the bundled router anew from the outcome tables in $ONEHEAD_DATA; writes its model card too.
router: $(DEV)
	$(BIN)/python scripts/train_bundled.py

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "onehead needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv .venv

$(BASE): pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable .
	@touch $@

# A wheel of torch that pip finds on disk (PIP_FIND_LINKS, usually the small CPU build) comes
# first; only without one does pip take the platform's default build from its index.
$(DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -c 'import torch' 2>/dev/null || \
		$(PIP) install --quiet --no-index --no-deps 'torch>=2.9' 2>/dev/null || \
		echo "no wheel of torch on disk: taking the default build from the package index"
	$(PIP) install --quiet --editable '.[dev]'
	@touch $(BASE) $@
