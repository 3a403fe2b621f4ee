# make demo: see it work.  make test: prove it.  make help: everything else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help demo test lint stack bench soak fuzz release-check check-image check-dashboards grafana-check dashboards clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/ready stack ## exporter, Prometheus, Alertmanager and an attack; the notification is printed here
	$(BIN)/vedette demo $(ARGS)

test: $(VENV)/ready stack lint ## every test, against the real Prometheus and Alertmanager
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

stack: $(VENV)/ready ## bring Prometheus and Alertmanager into .cache, without root
	$(BIN)/python tools/install_stack.py

bench: $(VENV)/ready ## figures next to the machine's own limits: takes some minutes; TRACES=dir adds query traces, NAB=dir that benchmark
	TRACES=$(TRACES) NAB=$(NAB) $(BIN)/python -m bench

soak: $(VENV)/ready ## long proofs: ended under load, a full disk, steady load, overload
	$(BIN)/python -m soak $(ARGS)

fuzz: $(VENV)/ready ## 100,000 hostile bodies at a running service: a minute or two
	$(BIN)/python -m soak.fuzz $(ARGS)

dashboards: $(VENV)/ready ## write the dashboards anew
	$(BIN)/python -m grafana.generate

check-dashboards: $(VENV)/ready ## check the dashboards against Grafana's own types (needs npm)
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/check_dashboards.sh

grafana-check: $(VENV)/ready ## run every panel on a real Grafana: GRAFANA_URL=… GRAFANA_TOKEN_FILE=…
	@test -n "$(GRAFANA_URL)" -a -n "$(GRAFANA_TOKEN_FILE)" || \
		{ echo "say where: make grafana-check GRAFANA_URL=https://… GRAFANA_TOKEN_FILE=…" >&2; exit 2; }
	$(BIN)/python -m tools.grafana_check --url $(GRAFANA_URL) --token-file $(GRAFANA_TOKEN_FILE)

release-check: $(VENV)/ready ## list what is shipped (CycloneDX, into dist/), and look for known holes in it
	$(BIN)/python -m tools.release_check

check-image: ## check the compose file, build the image and run it (needs root for apt)
	tools/check_image.sh

clean: ## remove what make made
	rm -rf $(VENV) .cache

$(VENV)/ready: pyproject.toml client/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer with venv is needed: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' --editable ./client
	@touch $@
