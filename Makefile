# The verbs of this checkout; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PATH := $(CURDIR)/.venv/bin:$(PATH)
export PATH
HOST ?= local
PYTEST = python -m pytest
# The long files first, and the many short ones where a worker has time: they end together.
TOGETHER = --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F '\t' '{printf "make %-18s %s\n", $$1, $$2}'

.PHONY: run
run: bundles ## run the benchmarks on this machine (HOST=name for another one)
	@ansible-playbook run.yml -l $(HOST)

.PHONY: setup
setup: ## make .venv from the lock files
	@tools/setup

.PHONY: setup-dev
setup-dev:
	@tools/setup dev

.PHONY: setup-release
setup-release:
	@tools/setup dev release

.PHONY: bundles
bundles: setup ## build the bundles of the benchmarks in this checkout
	@rackbench bundle build

.PHONY: test-fast
test-fast: setup-dev ## the tests that start no programs and no hosts, in a minute
	$(PYTEST) $(TOGETHER) -m "not slow and not full" tests/unit

.PHONY: test
test: packages setup-dev lint bundles ## what CI runs: linters, types, and the tests of every part, in a quarter of an hour
	$(PYTEST) $(TOGETHER) -m "not full" tests/integration tests/unit
	$(PYTEST) -m "not full" tests/faults
	tools/test-lab -m "not full"

.PHONY: test-full
test-full: packages setup-release lint bundles ## every test there is, on every ansible-core (root; some hours)
	$(PYTEST) $(TOGETHER) tests/integration tests/unit
	tools/test-lab
	$(MAKE) test-matrix faults
	@echo "test-full: passed"

.PHONY: faults
faults: packages setup-dev bundles ## kill controllers, cut cables, cut power: every fault (root; an hour)
	tests/lab/lab.py up
	$(PYTEST) tests/faults

.PHONY: test-matrix
test-matrix: setup-dev bundles ## unit tests and a run on every supported ansible-core (ten minutes)
	tools/test_matrix.py

.PHONY: lab-up
lab-up: packages ## start the lab of real hosts that the inventory inventories/lab describes (root)
	@tests/lab/lab.py up

.PHONY: lab-down
lab-down: ## end the lab and leave nothing of it behind
	@tests/lab/lab.py down

.PHONY: bench
bench: setup-dev ## measure start-up, journal and callback against peers, as ratios
	python tests/bench/run.py

.PHONY: packages
packages:
	@tools/test-packages

.PHONY: lint lint-python lint-ansible
lint: setup-dev ## check the code: ruff, mypy, commands, yamllint, ansible-lint, shellcheck, workflows, schemas
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint-python lint-ansible
	@echo "lint: passed"

lint-python:
	ruff check
	ruff format --check
	mypy
	tools/check_shell.py
	python -m rackbench.models.schemas --check

lint-ansible:
	ansible-lint
	yamllint --strict .
	shellcheck tools/setup tools/lock tools/test-packages tools/test-lab .ci/run
	zizmor --quiet --offline --persona pedantic .github/workflows
	check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

.PHONY: docs
docs: setup-release ## build the documentation as a site in build/docs
	tools/build_docs.py

.PHONY: check-collection
check-collection: setup-release ## what strangers' tools say of the collection: install, galaxy-importer, ansible-test, docs
	tools/check_collection.py

.PHONY: check-environment
check-environment: setup-release ## what ansible-builder makes of our execution environment
	tools/check_environment.py

.PHONY: check-supply
check-supply: setup-release ## locks, licences, versions, and two builds with one digest
	tools/check_supply.py

.PHONY: check-advisories
check-advisories: setup-release ## what is known against the versions in the lock files (asks the package index)
	tools/check_advisories.py

.PHONY: release-check
release-check: setup-release ## all that a release needs besides test-full: test-fast, lint, docs, each check, test-matrix
	tools/release_check.py

.PHONY: schemas
schemas: setup-dev ## write docs/reference/schemas from the models
	python -m rackbench.models.schemas

.PHONY: clean
clean: ## remove what was built; run directories stay
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
