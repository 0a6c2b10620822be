# Two commands do everything: `make run` and `make test`.
# On a machine without an NVIDIA GPU: `make run TORCH=cpu` (2 GB instead of 6.6).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CPU_INDEX := https://download.pytorch.org/whl/cpu
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
JAVASCRIPT := pages/ui/assets
PYTEST := TOUCHSTONE_WORKSPACE= $(BIN)/python -m pytest
FAILURES := $(BIN)/python -c 'import json; print(len(json.load(open(".pytest_cache/v/cache/lastfailed"))))'
# Nearly free from Python 3.12 on; on 3.11 tests take 40 % longer with it: make test COVERAGE=1
COVERAGE ?= $(shell $(BIN)/python -c 'import sys; print("1" * (sys.version_info >= (3, 12)))')

.PHONY: run test soak check browser lock notices wheel clean

run: $(VENV)/installed
	@echo "Touchstone: http://127.0.0.1:8501"
	@exec $(BIN)/python -m streamlit run app.py

# Browsers beside each other on a busy machine can fail a test by its clock. Up to three failures are
# repeated one by one, and count if they fail again; both results are printed.
test: $(VENV)/installed-dev browser check
	@$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder $(if $(COVERAGE),--cov --cov-report=) || \
	  { [ $$? -eq 1 ] && [ $$($(FAILURES)) -le 3 ] && echo "Once more, one by one:" && \
	    $(PYTEST) --last-failed -v; }
	$(if $(COVERAGE),@echo "Lines that ran: $$($(BIN)/coverage report --format=total)%")

# The long forms, which `make test` leaves out.
soak: $(VENV)/installed-dev
	@$(PYTEST) -m soak

# Lint, format and types; JavaScript where node and the linter are (`npm install`).
check: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if command -v npx >/dev/null && [ -d node_modules/eslint ]; then \
	  npx --no-install eslint $(JAVASCRIPT); \
	else \
	  echo "JavaScript is not linted here (npm install brings the linter)."; \
	fi

$(BIN)/python:
	@echo "Making the Python environment …"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
	  { echo "Touchstone needs Python 3.11 to 3.14: make run PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Why first, and without dependencies: torch is then satisfied, and everything else comes from the
# usual index, in the versions of constraints.txt.
# Why uninstall: until 0.1 the distribution was called touchstone; an environment of that time
# would keep both.
define install
	@case "$(TORCH)" in \
	  "") ;; \
	  cpu) $(INSTALL) --no-deps --index-url $(CPU_INDEX) torch torchvision ;; \
	  *) echo "TORCH may be cpu, or be left out."; exit 1 ;; \
	esac
	@$(BIN)/python -m pip uninstall --quiet --yes touchstone 2>/dev/null
	@$(INSTALL) -e $(1)
	@touch $@
endef

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing (a few minutes, once) …"
	$(call install,.)

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing with everything tests need (a few minutes, once) …"
	$(call install,".[dev]")
	@touch $(VENV)/installed

# Chromium for the browser tests, where it is missing and this user may install it. Without it they
# skip and say so.
browser: $(VENV)/installed-dev
	@if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo "Installing Chromium …"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else \
	    $(BIN)/python -m playwright install chromium 2>/dev/null || \
	      echo "No Chromium: the browser tests will be skipped (install the package chromium)."; \
	  fi; \
	fi

# Write down the versions of this environment: after an upgrade for which `make test` is green.
# Why without +cpu or +cu130: one file serves every build of torch.
lock: $(VENV)/installed-dev
	@{ echo "# Made by make lock from an environment in which make test was green."; \
	  echo "# A pin counts only where its package is needed: nvidia-* not on macOS, for example."; \
	  $(BIN)/python -m pip freeze --disable-pip-version-check --exclude-editable \
	    | sed -E 's/\+[A-Za-z0-9.]+$$//'; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt
	@touch $(VENV)/installed $(VENV)/installed-dev

notices: $(VENV)/installed-dev
	@$(BIN)/python packaging/notices.py > THIRD_PARTY.md.new
	@mv THIRD_PARTY.md.new THIRD_PARTY.md

wheel: $(VENV)/installed-dev
	@$(BIN)/python -m hatchling build -t wheel -d dist

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .coverage *.egg-info build dist
