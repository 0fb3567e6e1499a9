# make demo   installs the app, makes the example dataset, runs the app on it, says where the results are
# make test   installs the app with its test tools and runs the tests
# make lint   style, types, layers, shell scripts
# make dist   builds and checks the sdist and the wheel
# make versions  installs the wheel outside the repository with the oldest and newest dependencies, and runs it
# make containers   builds the images, runs them in every way, and the cluster scripts on a real SLURM
# make constraints  pins the versions that the container image installs
# make docs   builds the documentation site, with its examples, in docs/_build/html
# make bench  side by side with the other programs of the field
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= demo
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test lint dist versions kernels containers docker constraints bench docs clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("bids_rsa needs Python 3.11 or newer: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.app: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@ $(VENV)/.app

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@ $(VENV)/.app

demo: $(VENV)/.app
	$(BIN)/python -m bids_rsa.example $(DEMO)/bids
	$(BIN)/bids_rsa $(DEMO)/bids $(DEMO)/results participant --model $(DEMO)/bids/models/planted.tsv
	$(BIN)/bids_rsa $(DEMO)/bids $(DEMO)/results group
	@echo
	@echo "The results are in $(DEMO)/results. To look at them:"
	@echo "  pages        $(DEMO)/results/group.html and $(DEMO)/results/sub-*.html, in any browser"
	@echo "  pictures     $(DEMO)/results/sub-*/figures/*.png and $(DEMO)/results/group/figures/*.png"
	@echo "  maps         $(DEMO)/results/sub-*/func/*_statmap.nii.gz (any NIfTI viewer); the .json next to each says how it was made"
	@echo "  group table  $(DEMO)/results/group/*_clusters.tsv"

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# compiles all kernels once, so that tests which run at the same time don't do it in several processes
kernels: $(VENV)/.test
	$(BIN)/python -W ignore -m bids_rsa.core.warm_up

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	git ls-files '*.sh' .ci/run | xargs $(BIN)/shellcheck

$(VENV)/.dist: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dist]'
	touch $@

# the wheel is built from the sdist, so that the sdist is known to hold all it needs
dist: $(VENV)/.dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml

versions: dist
	PATH="$(abspath $(BIN)):$$PATH" bash tests/packaging/versions.sh dist/*.whl

# builds the images and runs the example dataset in them, and on a SLURM cluster; says what it needs
containers: $(VENV)/.test
	PYTHON=$(abspath $(BIN)/python) tests/containers/docker.sh
	PYTHON=$(abspath $(BIN)/python) tests/containers/singularity.sh
	PYTHON=$(abspath $(BIN)/python) tests/containers/slurm.sh

docker: $(VENV)/.test
	PYTHON=$(abspath $(BIN)/python) tests/containers/docker.sh

# the versions in the image; --upgrade takes the newest that fit together
constraints: $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --no-annotate --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
	  --extra hdf5 --custom-compile-command 'make constraints' --output-file constraints.txt pyproject.toml

# runs the examples; nothing is fetched from a network
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html docs docs/_build/html
	@echo "The site: docs/_build/html/index.html"

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(DEMO) build dist docs/_build docs/auto_examples docs/generated *.egg-info
