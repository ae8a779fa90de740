# Every target sets itself up: a machine needs Python 3.11 or later, make and a package index.
#
#   make demo      train, kill workers, resume: see what the library does
#   make test      all checks: lint, types, tests, coverage of the kernels' lines
#   make test-extras  the tests of optional file formats, with the packages that they need
#   make soak      kill workers and programs ten thousand times; SCALE=0.01 for a short one
#   make soak-files  read a thousand damaged files of each format
#   make repeat    repeat tests to see that they never flake: TIMES=100 TESTS=tests/faults TOGETHER=2
#   make bench     compare with other libraries, in an environment of their own
#   make parity    compare with Keras, number by number, in that same environment
#   make keras-tests  run unit tests of the Keras package with streamfit in its place; the table is in docs/keras.md
#   make lint      only lint, format and types
#   make structure the rules of the architecture: which hold, how large everything is, how much is untyped
#   make format    let the formatter have its way
#   make lock      pin the newest versions of everything in requirements/*.in
#   make clean     remove the environments and what the tools left behind

PYTHON ?= python3
VENV := .venv
BENCH_VENV := .venv-bench
PY := $(VENV)/bin/python
BENCH_PY := $(BENCH_VENV)/bin/python
# One more than there are cores: many tests wait for processes that they start.
JOBS ?= $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
PIP_FLAGS := --quiet --quiet --disable-pip-version-check
CHECKED := streamfit streamfit_plugins tests tools examples benchmarks
CHECKED_HERE := $(wildcard $(CHECKED))

# The tests that call every kernel; they run once more as plain Python to see which lines of kernels run.
# The choice of the number of threads is tested beside them, and has no kernel.
KERNEL_TESTS := $(wildcard $(addprefix tests/,kernels ops losses metrics optimizers constraints layers program augment \
	preprocessing/image/test_applied_transforms.py preprocessing/image/test_image_data_generator.py \
	streams/test_order.py streams/test_receipt.py \
	streams/test_split_order.py streams/test_window_order.py streams/stages/test_sample.py streams/stores/test_block_reader.py \
	streams/stores/test_line_scan.py streams/stores/test_record_scan.py streams/stores/test_row_pack.py \
	training/test_multi_step_runs.py training/test_target_checks.py))

# Tests start hundreds of Python processes; without bytecode each of them compiles the library's sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-extras suite kernel-lines soak soak-files repeat bench parity keras-tests lint format structure lock clean moved

demo: $(VENV)/.demo-ready
	$(PY) -m streamfit demo --output demo-output

test: lint suite kernel-lines

# Tests marked "alone" judge how fast something is, or how much memory all of it takes. Those marked "extras_only"
# need what is fetched meanwhile.
suite: $(VENV)/.test-ready
	$(PY) -m pytest --numprocesses $(JOBS) --dist worksteal --durations=10 --durations-min=3 \
		-m "not alone and not extras_only"
	$(PY) -m pytest -m alone $(shell grep --recursive --files-with-matches --include='*.py' 'mark\.alone' tests)

# Without these packages `make suite` skips these tests.
test-extras: $(VENV)/.extras-ready
	$(PY) -m pytest --numprocesses $(JOBS) --dist worksteal --durations=5 --durations-min=3 \
		-m "extras and not alone" $(shell grep --recursive --files-with-matches --include='*.py' 'mark\.extras' tests)

kernel-lines: $(VENV)/.test-ready
	PYTHONPATH=tools NUMBA_DISABLE_JIT=1 $(PY) -m pytest -p kernel_lines --kernel-lines-under=95 \
		--numprocesses $(JOBS) --dist worksteal --ignore=tests/kernels/test_thread_choice.py -q -m "not jit" -W "ignore::RuntimeWarning" $(KERNEL_TESTS)

lint: $(VENV)/.test-ready
	$(PY) -m ruff check $(CHECKED_HERE)
	$(PY) -m ruff format --check $(CHECKED_HERE)
	$(PY) -m mypy --num-workers $(JOBS)

format: $(VENV)/.test-ready
	$(PY) -m ruff check --fix $(CHECKED_HERE)
	$(PY) -m ruff format $(CHECKED_HERE)

structure:
	@$(PYTHON) tools/structure.py

bench: $(BENCH_VENV)/.ready
	for question in $(filter-out %/harness.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$question" && $(BENCH_PY) $$question || exit 1; \
	done

TIMES ?= 100
TESTS ?= tests/faults
TOGETHER ?= 2

repeat: $(VENV)/.test-ready
	$(PY) -m pytest -q --count $(TIMES) --repeat-scope session --numprocesses $(TOGETHER) -m "not alone" $(TESTS)

SCALE ?= 1

soak: $(VENV)/.test-ready
	$(PY) tools/soak.py --scale $(SCALE)

# A thousand damaged files of each format that can be read here.
soak-files: $(VENV)/.extras-ready
	$(PY) tools/soak_files.py

parity: $(BENCH_VENV)/.ready
	$(BENCH_PY) benchmarks/parity/compare.py
	$(BENCH_PY) benchmarks/parity/model_files.py

# To see some: make keras-tests ARGS="embedding -v"
keras-tests: $(BENCH_VENV)/.ready
	PYTHONPATH=tools $(BENCH_PY) -m keras_tests $(or $(ARGS),--write)

# --- environments: a stamp is newer than the files that the environment was made from

define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "streamfit needs Python 3.11 or later, and '$(PYTHON)' is not that: $$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
		echo "Name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(1)/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "making $(1)"; \
		$(PYTHON) -m venv --clear $(1) || { \
			echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu it is in the package python3-venv." >&2; exit 1; }; }
endef

# Bytecode is made of the modules that are imported, when they are: of all of them it takes longer than to install.
define install
	@echo "installing $(2) into $(1)"
	@$(1)/bin/python -m pip install $(PIP_FLAGS) --no-compile -r $(2)
	@$(1)/bin/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $(1)/.made-for
	@touch $@
endef

# An environment that was made in another folder points at the sources there: install again.
ifneq ($(shell cat $(VENV)/.made-for 2>/dev/null),$(CURDIR))
$(VENV)/.demo-ready $(VENV)/.test-ready: moved
endif
ifneq ($(shell cat $(BENCH_VENV)/.made-for 2>/dev/null),$(CURDIR))
$(BENCH_VENV)/.ready: moved
endif

$(VENV)/.demo-ready: requirements/demo.txt pyproject.toml
	$(call make_venv,$(VENV))
	$(call install,$(VENV),requirements/demo.txt)

$(VENV)/.test-ready: requirements/test.txt requirements/demo.txt pyproject.toml
	$(call make_venv,$(VENV))
	$(call install,$(VENV),requirements/test.txt)
	@touch $(VENV)/.demo-ready

$(VENV)/.extras-ready: $(VENV)/.test-ready requirements/extras.txt
	$(call install,$(VENV),requirements/extras.txt)

$(BENCH_VENV)/.ready: requirements/bench.txt pyproject.toml
	$(call make_venv,$(BENCH_VENV))
	$(call install,$(BENCH_VENV),requirements/bench.txt)

# --- upkeep

LOCK := build/lock
FREEZE := $(LOCK)/bin/python -m pip freeze --disable-pip-version-check

lock:
	$(PYTHON) -m venv --clear $(LOCK)
	$(LOCK)/bin/python -m pip install $(PIP_FLAGS) -r requirements/demo.in
	$(FREEZE) > requirements/demo.txt
	$(LOCK)/bin/python -m pip install $(PIP_FLAGS) -r requirements/demo.txt -r requirements/test.in
	{ echo "-r demo.txt"; $(FREEZE) | grep -vxFf requirements/demo.txt; } > requirements/test.txt
	$(LOCK)/bin/python -m pip install $(PIP_FLAGS) -r requirements/test.txt -r requirements/extras.in
	{ echo "-r test.txt"; $(FREEZE) | grep -vxFf requirements/demo.txt | grep -vxFf requirements/test.txt; } > requirements/extras.txt
	$(PYTHON) -m venv --clear $(LOCK)
	$(LOCK)/bin/python -m pip install $(PIP_FLAGS) -r requirements/bench.in
	$(FREEZE) | sed 's/+.*//' > requirements/bench.txt
	rm -rf $(LOCK)

clean:
	rm -rf $(VENV) $(BENCH_VENV) build dist demo-output .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(CHECKED_HERE) -name __pycache__ -type d -prune -exec rm -rf {} +
