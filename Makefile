# make demo: the main job in minutes. make test: all tests. Both set up .venv by themselves; Python 3.11 or newer is all they need.
# make check: lint, types, fast tests. make tables: write the tables of README and docs anew from results/.
# make docs: the site, in docs/_build/html.
# make torture: the tests of robustness with many more examples, within an hour on two cores; CONTRIBUTING.md says what they try.
# make bench: speed and memory beside other packages; options in ARGS, as ARGS="gradient cw --repeats 7" or ARGS=--help.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The package alone, and all that tests, docs and benchmarks use.
PACKAGE := $(VENV)/.package
STAMP := $(VENV)/.installed

.PHONY: demo test check docs torture tables bench clean

demo: $(PACKAGE)
	$(BIN)/defective demo --out demo-output

# A test that ends its process ends the run, which would wait for that worker otherwise.
test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0 -m "not slow"

docs: $(STAMP)
	$(BIN)/python -m sphinx -b html -W --keep-going docs docs/_build/html

torture: $(STAMP)
	TORTURE=1 $(BIN)/pytest -n 2 --dist loadfile tests/torture tests/experiments/test_processes.py \
		tests/experiments/test_adversarial_fuzz.py tests/training/test_checkpoint_fuzz.py tests/cli/test_store_fuzz.py

tables: $(STAMP)
	PYTHONPATH=. $(BIN)/python docs/fill.py
	PYTHONPATH=tests $(BIN)/python -m interop.table

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

$(PACKAGE): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $(PACKAGE)

$(STAMP): $(PACKAGE)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,peers]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt ray || echo 'Ray is not to be had here: its tests are left out'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[play]' || echo 'NiceGUI is not to be had here: the tests of the page to play with are skipped'
	$(BIN)/python -m pip install --quiet --no-deps torchattacks==3.5.1 || echo 'torchattacks is not to be had here: the benchmark leaves it out'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[interop]' || echo 'Tools of the interop tests cannot be installed here: their tests are skipped'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]' || echo 'Sphinx cannot be installed here: the site is not built'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps timm torchvision || echo 'timm cannot be installed here: its tests are skipped'
	$(BIN)/python -m pip install --quiet --no-deps cifar-10-model==7.4.0 || echo 'cifar-10-model is not to be had here: the test of its network is skipped'
	touch $(STAMP)

clean:
	rm -rf $(VENV) demo-output docs/_build build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
