# Start with `make demo` or `make test`: each command sets up .venv.
# Arguments for pytest: make test ARGS="-n 0 -k stack".

PYTHON ?= python3
ARGS ?=
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -n logical --dist worksteal
unexport PYTHONDONTWRITEBYTECODE  # else each run compiles all tests again, and each process of a test all of seedbed

.PHONY: demo test test-all test-light check docs dist bench peers pictures kernel stub

demo: .venv/installed
	.venv/bin/seedbed compare example:breast-cancer --quick

test: .venv/installed-dev
	$(PYTEST) -m "not slow" $(ARGS)

test-all: .venv/installed-dev
	$(PYTEST) --hypothesis-profile explore $(ARGS)

test-light: .venv/installed-tests
	$(PY) -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") and "PyTorch is installed: rm -r .venv")'
	$(PYTEST) -m "not slow" $(ARGS)

check: .venv/installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest tests/test_architecture.py tests/test_docs.py tests/test_english.py -m "not slow"
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs serve

dist: .venv/installed-dev
	rm -rf dist
	$(PY) -m build --sdist
	for target in any linux-x86_64 linux-arm64 macos-arm64 windows-x86_64; do \
	  SEEDBED_TARGET=$$target $(PY) -m build --wheel || exit 1; done
	$(PY) -m twine check --strict dist/*
	$(PY) tests/check_wheels.py dist

bench: .venv/installed-bench
	$(PY) benchmarks/bench.py
	taskset -c 0 $(PY) benchmarks/trees.py --speed

peers: .venv/installed-bench
	$(PY) benchmarks/peers.py $(ARGS)

pictures: .venv/installed-dev
	$(PY) -m pytest tests/test_docs.py --renew-pictures -k blocks $(ARGS)
	$(PY) docs/screenshots.py

kernel: .venv/installed-dev
	$(PY) tests/play/build_kernel.py

stub: .venv/installed-dev
	$(PY) tests/build_stub.py

# Stamps of what is installed: for users, for tests without PyTorch, for developers, and for benchmarks. Each is renewed
# only when pyproject.toml or the kernel's sources are newer. A broken environment, or one with an old Python, is replaced.
.venv/installed: pyproject.toml hatch_build.py $(wildcard src/seedbed/training/native/*.h src/seedbed/training/native/*.cpp)
	@$(PY) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Making .venv: once, about a minute, to download 230 MB and compile the kernel."; $(PYTHON) -m venv --clear .venv; }
	$(PY) -m pip install --no-compile --editable .  # Python compiles what it imports, a quarter of all
	@touch $@

.venv/installed-tests: .venv/installed
	$(PY) -m pip install --editable '.[tests]'
	$(PY) hatch_build.py  # tests compare the kernels of all levels of processors
	@touch $@

.venv/installed-dev: .venv/installed-tests
	$(PY) -m pip install --editable '.[dev]'
	@touch $@

.venv/installed-bench: .venv/installed-dev
	$(PY) -m pip install --editable '.[bench]'
	@touch $@
