# Every target installs what it needs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
ASSETS := $(VENV)/assets
# Versions with which the tests were green; `make newest` takes the newest that pyproject.toml allows.
CONSTRAINTS ?= constraints.txt
CONSTRAINED := $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: play test check newest bench bench-scale bench-gpu slow torture mutants follow paper dependencies audit-dependencies reproducible clean

play: $(STAMP)
	$(BIN)/fakeoff run

# A file's tests stay together: some share a tournament, or a Ray.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(ASSETS)
	$(PYTEST)

check: $(ASSETS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

newest:
	$(MAKE) check VENV=.venv-newest CONSTRAINTS=

bench: $(STAMP)
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/parts.py
	$(BIN)/python benchmarks/score.py
	$(BIN)/python benchmarks/coverage.py --out docs/results/coverage.json

bench-scale: $(STAMP)
	$(BIN)/python benchmarks/scale.py --photographs 2000 --side 64
	$(BIN)/python benchmarks/scale.py --photographs 6000 --side 128

bench-gpu: $(STAMP)
	$(BIN)/python benchmarks/gpu.py

slow: $(STAMP)
	$(BIN)/pytest -m slow

# Under an hour; an interrupted one goes on where it was.
torture: $(STAMP)
	$(BIN)/python scripts/torture.py --work scratch/torture

# An hour or two; an interrupted one goes on where it was.
mutants: $(STAMP)
	$(BIN)/pip install --quiet $(CONSTRAINED) --editable '.[mutants]'
	$(BIN)/python scripts/mutants.py --jobs 2 --out docs/results/mutants.json

# The tutorial, the pages for a job and the notebook, word for word; `make follow PAGES=docs/jobs/i-have-a-gan.md` one.
PAGES := docs/tutorial.md $(wildcard docs/jobs/*.md)
follow: $(STAMP)
	$(BIN)/python scripts/follow_tutorial.py $(PAGES)
	$(BIN)/python scripts/run_notebook.py examples/play_and_plot.ipynb

# Hours; an interrupted one goes on where it was.
paper: $(STAMP)
	$(BIN)/python scripts/paper.py --play --homes scratch/paper

dependencies: $(STAMP)
	$(BIN)/pip install --quiet --editable '.[teacher,mutants]'
	$(BIN)/python scripts/write_dependencies.py

# In an environment of its own; it asks a service on the network. Strict: a package that could not be looked up fails it.
AUDIT := .venv-audit
audit-dependencies:
	test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/pip install --quiet pip-audit; }
	$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt --vulnerability-service osv

reproducible: $(STAMP)
	$(BIN)/python scripts/build_twice.py

clean:
	rm -rf $(VENV) .venv-newest $(AUDIT) build dist *.egg-info

$(STAMP): pyproject.toml $(CONSTRAINTS) examples/fakeoff-dcgan/pyproject.toml examples/fakeoff-spectrum/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Fakeoff needs Python 3.11 or later; run: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(CONSTRAINED) --editable '.[dev]' --editable examples/fakeoff-dcgan --editable examples/fakeoff-spectrum
	touch $@

# What the tests of an example need; the game itself does without.
$(ASSETS): $(STAMP)
	$(BIN)/fakeoff assets pull dcgan-digiface
	touch $@
