# Everything here needs Python 3.11 to 3.14 and nothing else: the virtual environment, with real servers in it as
# wheels, is made by the first target that needs it, and again only when the lock or pyproject.toml changes.

PYTHON ?= python3
# Not taken from the environment, where a VENV is somebody else's: `make clean` deletes it. make VENV=elsewhere is.
VENV := .venv
BIN := $(VENV)/bin
# Modules of other projects.
unexport PYTHONPATH PYTHONHOME
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help up test test-all test-long docs charting-library screenshots lint format bench check-wheels audit lock clean

help: ## Show what can be made
	@echo "make up needs Python 3.11 to 3.14 and nothing else. Another one than $(PYTHON): make PYTHON=/path/to/python3.12 up"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

up: $(INSTALLED) ## Run everything on this machine: databases, Dagster on http://127.0.0.1:3000 (PORT=4000, ARCHIVE=export.zip)
	@exec $(BIN)/strava-assets up $(if $(PORT),--port "$$PORT") $(if $(ARCHIVE),--archive "$$ARCHIVE")

# Two processes, each with servers of its own; PYTEST_OPTIONS="-n 0 -k name" for one.
PYTEST = exec $(BIN)/python -m pytest -n 2 --dist loadgroup

test: $(INSTALLED) ## Run the tests, against real servers started for them, in some minutes
	@$(PYTEST) -m "not slow" $(PYTEST_OPTIONS)

test-all: $(INSTALLED) ## Run the slow ones as well: kills, outages, a day with everything, the browser
	@$(PYTEST) $(PYTEST_OPTIONS)

test-long: $(INSTALLED) ## Run all tests with thousands of random steps in the property tests
	@HYPOTHESIS_PROFILE=long $(PYTEST) $(PYTEST_OPTIONS)

docs: $(INSTALLED) ## Write the pages of tables and views anew, from the code
	@WRITE_DOCS=1 exec $(BIN)/python -m pytest -q -n 0 strava_assets_tests/test_data_page.py strava_assets_tests/views/test_docs.py

charting-library: ## Take Vega for the report from vl-convert anew (needs the network and uv)
	@command -v uv >/dev/null || { echo "error: uv is not installed. See https://docs.astral.sh/uv/" >&2; exit 1; }
	@uv run --quiet --no-project --with vl-convert-python==1.9.0.post1 python -c "import gzip, sys, vl_convert; \
		sys.stdout.buffer.write(gzip.compress(vl_convert.javascript_bundle().encode(), 9, mtime=0))" > strava_assets/report/page/vega.js.gz

screenshots: $(INSTALLED) ## Take the pictures of Dagster's UI and of the report anew (needs Chromium)
	@SCREENSHOTS=$(CURDIR)/docs/screenshots exec $(BIN)/python -m pytest strava_assets_tests/cli/test_ui.py strava_assets_tests/report/test_page.py

lint: $(INSTALLED) ## Check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED) ## Put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure, and write the figures down (BENCH=name for one of them)
	@exec $(BIN)/python -m benchmarks $(BENCH)

UV_COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-strip-extras

check-wheels: ## Resolve the locks for every kind of machine in docs/machines.md (needs the network and uv)
	@.ci/check-wheels

audit: ## Look the locked packages up in the public list of known vulnerabilities (needs the network and uv)
	@command -v uvx >/dev/null || { echo "error: uv is not installed. See https://docs.astral.sh/uv/" >&2; exit 1; }
	for lock in locks/*.txt; do uvx pip-audit --disable-pip --require-hashes --requirement $$lock || exit 1; done

lock: ## Resolve the dependencies anew, into locks/ (needs uv)
	@command -v uv >/dev/null || { echo "error: uv is not installed. See https://docs.astral.sh/uv/" >&2; exit 1; }
	$(UV_COMPILE) pyproject.toml -o locks/runtime.txt
	$(UV_COMPILE) --extra embedded --extra dev -c locks/runtime.txt pyproject.toml -o locks/dev.txt
	$(UV_COMPILE) --extra kubernetes -c locks/runtime.txt pyproject.toml -o locks/kubernetes.txt

clean: ## Remove the virtual environment and caches; data in .local stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find strava_assets strava_assets_tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Wherever the user has pip put things and however obtain them, here it is this environment, and what the lock says.
PIP = env PIP_USER=0 PIP_DRY_RUN=0 PIP_REQUIRE_HASHES=0 PIP_NO_BINARY=:none: PIP_ONLY_BINARY=:none: PIP_CONSTRAINT=/dev/null \
	$(BIN)/python -I -m pip --disable-pip-version-check --no-input
PIP_INSTALL = $(PIP) install -qq --progress-bar off --no-compile \
	--target= --root=/ --prefix "$$($(BIN)/python -Ic 'import sys; print(sys.prefix)')"

$(INSTALLED): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "error: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1). Name another: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -EB -m strava_assets.local.machine $(VENV) $(MAKECMDGOALS)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: this Python has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making the virtual environment in $(VENV)"
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing $$(grep -c '^[a-z].*==' locks/dev.txt) packages from locks/dev.txt; this takes a minute or two"
	@$(PIP_INSTALL) --only-binary :all: --require-hashes -r locks/dev.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@echo "Compiling them"
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	@touch $(INSTALLED)
