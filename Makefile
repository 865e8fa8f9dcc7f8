# passtime in two commands: `make dashboard` measures and shows, `make test` tests. `make help` lists the rest.

# The newest supported Python that runs here. Each is tried, since version managers leave names that do not run; without
# uv it must also be able to make an environment with pip in it, which some distributions split off.
PYTHON ?= $(shell \
	if command -v uv >/dev/null; then needed='sys'; else needed='sys, venv, ensurepip'; fi; \
	for python in python3.14 python3.13 python3.12 python3.11 python3.10 python3 python; do \
		"$$python" -c "import $$needed; (3, 10) <= sys.version_info < (3, 15) or sys.exit(1); print(sys._base_executable)" \
			2>/dev/null && break; \
	done)

BIN := .venv/bin
READY := .venv/.ready

# An environment whose Python is gone, or that was moved here from elsewhere, is made anew.
$(shell [ "$$(cat $(READY) 2>/dev/null)" = "$(CURDIR)" ] && $(BIN)/python -c '' 2>/dev/null || rm -f $(READY))

.PHONY: help env dashboard site update sweep nightly screenshot test check lint types clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 18

env: $(READY) ## make the project's own environment, .venv
	@echo "The environment is ready. For plain asv and passtime commands: source $(BIN)/activate"

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "passtime needs a Python from 3.10 to 3.14 (with its venv module, or uv) and found none:" \
			"install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making .venv with $(PYTHON) ..." >&2
	@if command -v uv >/dev/null; then \
		uv venv --quiet --clear --python "$(PYTHON)" .venv && \
		uv pip install --python $(BIN)/python --compile-bytecode --editable '.[dev]'; \
	else \
		"$(PYTHON)" -m venv --clear .venv && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'; \
	fi
	@printf '%s' "$(CURDIR)" > $(READY)

dashboard: $(READY) ## measure the two newest torch releases and publish html/
	@$(BIN)/passtime dashboard

site: $(READY) ## publish html/ from results/, without measuring
	@$(BIN)/asv publish

update: $(READY) ## append the releases that are new on the index, and publish
	@$(BIN)/passtime timeline update
	@$(BIN)/asv publish

sweep: $(READY) ## measure what is new on this machine, or not complete
	@releases=$$($(BIN)/passtime timeline new) && $(BIN)/asv run "$$releases" --skip-existing-successful

# What was measured is published, whatever failed.
nightly: $(READY) ## what CI does every night: new releases, what is new on this machine, the site
	@$(BIN)/passtime timeline update
	@$(MAKE) --no-print-directory sweep; status=$$?; $(BIN)/asv publish && exit $$status

screenshot: $(READY) ## picture html/'s first page for the README
	@$(BIN)/python docs/make_screenshot.py

# On all cores. Without byte code every process of a test would compile passtime anew, and tests start hundreds.
PYTEST := $(BIN)/python -m pytest -n auto
test check: export PYTHONDONTWRITEBYTECODE :=

test: $(READY) ## run all tests; the first run downloads torch 1.4.0 and two of tinygrad
	@$(PYTEST)

check: $(READY) ## lint, types, and the tests that download nothing
	@$(MAKE) --no-print-directory --jobs=2 lint types
	@$(PYTEST) -m "not real"

lint: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/zizmor --offline --quiet .github/workflows
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/shellcheck --severity=warning $(filter-out %.py %/__pycache__,$(wildcard .github/scripts/* .ci/*))

types: $(READY)
	@$(BIN)/mypy

clean: ## remove .venv, the timeline and caches; results, html and installed runtimes stay
	@rm -rf .venv .passtime/timeline .mypy_cache .pytest_cache .ruff_cache src/*.egg-info
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
