# Every target that needs it makes .venv first. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
JOBS ?= 2
# The newest release whose plain installation brings no GPU packages along; only `make lock` reads it.
TORCH := 2.13.0

.DEFAULT_GOAL := help
.PHONY: help book test lab lint format bench picture clean lock

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: $(STAMP)  ## execute the notebooks that changed, build the book, print where it is
	@$(BIN)/cls-toys book --jobs $(JOBS)

test: $(STAMP) lint  ## every check: style, import rules, tests, the book in a browser
	@$(BIN)/cls-toys book --jobs $(JOBS)
	@$(BIN)/python -m pytest -n $(JOBS)

lab: $(STAMP)  ## open JupyterLab on the notebooks
	@$(BIN)/cls-toys lab

lint: $(STAMP)  ## style, import rules, notebooks stored without outputs
	@{ $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb; } || \
	  { echo "Mend what can be mended by itself with: make format" >&2; exit 1; }
	@$(BIN)/lint-imports

format: $(STAMP)  ## mend style, strip notebooks of outputs
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format . && $(BIN)/nbstripout --keep-id notebooks/*.ipynb

bench: $(STAMP)  ## speed of the fast routines against their named baselines
	@for file in tests/benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

picture: book  ## the README's picture anew, from the book's own chart
	@$(BIN)/python -m cls_toys.workbench.picture frontier plane book/images/plane.png

clean:  ## remove everything that can be made again: the environment, the runs, the built book
	rm -rf .venv .venv-lock runs book/_build book/_generated build *.egg-info
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# The lock is what one clean installation of the newest allowed releases holds. It is applied as constraints, so it names
# no index and no build of torch.
lock:  ## make requirements.lock anew, from the newest releases that pyproject.toml allows
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install -qq "torch==$(TORCH)" ".[dev]"
	.venv-lock/bin/python -m pip list --format=freeze --exclude cls-toys > .venv-lock/installed
	sed -E 's/\+cpu$$//' .venv-lock/installed > requirements.lock.new
	mv requirements.lock.new requirements.lock && rm -rf .venv-lock

$(STAMP): pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) found: install Python 3.11, 3.12 or 3.13, or say PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "$$($(PYTHON) --version) is not supported: install Python 3.11, 3.12 or 3.13, or say PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments: install its venv package (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing (once; minutes on a slow line) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c requirements.lock -e ".[dev]" || { echo "Installation failed: is a Python package index reachable? Its address is pip's index-url (pip config list)" >&2; exit 1; }
	@touch $@
