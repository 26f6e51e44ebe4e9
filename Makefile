# What one types while working on Tenantry. `make` alone lists it all.
# Paths are relative throughout, so a checkout may lie in a directory with spaces in its name.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

# Only exported when given, so that .env keeps its say.
ifneq ($(PORT),)
export PORT
endif

# Invented values with which `check --deploy` can load the production settings. They open nothing.
FAKE_PRODUCTION := \
	DJANGO_SETTINGS_MODULE=config.settings.production \
	SECRET_KEY=check-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ-not-a-secret \
	ALLOWED_HOSTS=tenantry.invalid \
	TENANTRY_BASE_DOMAIN=tenantry.invalid \
	TENANTRY_SEAL_KEY=PRIVATE+KEY+tenantry.invalid+4b306ebf+AWZvciBjaGVja3Mgb25seSwgbm90IGEgc2VjcmV0LiAg \
	DATABASE_URL=postgresql://check:check@database.invalid/check \
	REDIS_URL=redis://redis.invalid:6379/0

.PHONY: help
help: ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: up
up: $(INSTALLED) ## Run everything in the foreground until Ctrl-C; make up PORT=8001 for another port
	@exec $(RUN) -m config.runner

.PHONY: test
test: $(INSTALLED) ## Run the tests; ARGS="-k exports -x" passes on what pytest understands
	@$(RUN) -m pytest $(ARGS)

.PHONY: hammer
hammer: $(INSTALLED) ## Hammer sealing and folding for a minute each with writers, rollbacks and kill -9; SECONDS=600 for ten
	@TEST_HAMMER_SECONDS=$(or $(SECONDS),60) $(RUN) -m pytest -n 0 tests/hazards/test_record_hammer.py tests/hazards/test_rollups.py $(ARGS)

.PHONY: kill-exports
kill-exports: $(INSTALLED) ## Kill the worker 20 times amidst an export of a million events; EVENTS=100000 for fewer
	@TEST_EXPORT_EVENTS=$(or $(EVENTS),1000000) TEST_EXPORT_KILLS=$(or $(KILLS),20) \
		$(RUN) -m pytest -n 0 tests/hazards/test_export_kills.py $(ARGS)

.PHONY: lint
lint: $(INSTALLED) ## Check style, types, import directions, templates, migrations and production settings
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy .
	$(RUN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	find . -path './.*' -prune -o -path '*/templates/*' -name '*.html' -print0 \
		| xargs -0 -r $(VENV)/bin/djade --check --target-version 5.2
	$(RUN) manage.py makemigrations --check --dry-run
	$(FAKE_PRODUCTION) $(RUN) manage.py check --deploy --fail-level WARNING

.PHONY: format
format: $(INSTALLED) ## Format the code and the templates
	$(RUN) -m ruff check --fix --select I .
	$(RUN) -m ruff format .
	find . -path './.*' -prune -o -path '*/templates/*' -name '*.html' -print0 \
		| xargs -0 -r $(VENV)/bin/djade --target-version 5.2

.PHONY: bench
bench: $(INSTALLED) ## Measure Tenantry beside bare Django and other libraries
	@$(RUN) -m benchmarks $(ARGS)

.PHONY: catalogue
catalogue: $(INSTALLED) ## Write docs/catalogue.md and the list of reports anew, of what the code says
	@$(RUN) -c 'from activity.catalogue_pages import markdown; print(markdown(), end="")' > docs/catalogue.md
	@$(RUN) manage.py shell --no-imports --command 'from activity.reports.listing import write; write()'

.PHONY: lock
lock: $(INSTALLED) ## Pin what requirements/*.in allow, with hashes; ARGS=--upgrade takes newer versions
	@for name in base dev parquet production s3; do \
		echo "Locking requirements/$$name.txt" && \
		$(RUN) -m uv pip compile --quiet --generate-hashes --no-emit-index-url \
			--no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" \
			$(ARGS) --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

# The stamp is written last: an interrupted installation is continued by the next make.
$(INSTALLED): requirements/dev.txt
	@set -eu; \
	fits='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if ! $(RUN) -c "$$fits" >/dev/null 2>&1 || ! $(RUN) -m pip --version >/dev/null 2>&1; then \
		found=; \
		if [ -n "$${PYTHON:-}" ]; then set -- "$$PYTHON"; \
		else set -- python3.13 python3.12 python3.11 python3; fi; \
		for python in "$$@"; do \
			if "$$python" -c "$$fits" >/dev/null 2>&1; then found=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "error: Tenantry needs Python 3.11 or newer, which is none of: $$*." \
				"Install it, or name it: make up PYTHON=/path/to/python3.12" >&2; exit 1; \
		fi; \
		if ! "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
			echo "error: $$found cannot make virtual environments." \
				"On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
		fi; \
		echo "Making $(VENV) with $$found ..."; \
		"$$found" -m venv --clear $(VENV); \
	fi; \
	echo "Installing requirements/dev.txt into $(VENV) (a minute or two the first time) ..."; \
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement requirements/dev.txt; \
	touch $(INSTALLED)
