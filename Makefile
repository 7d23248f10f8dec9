# make demo     set up, build, run the tour and the chat
# make test     set up, build, run every test
# make bench    the CPU benchmark against its peers (installs them when asked: make bench PEERS="torch llama")
# make soak    random graphs on all cores for MINUTES=10, from a new seed or SEED=...
# make sanitize the C tests under AddressSanitizer and UndefinedBehaviorSanitizer (gcc: its kernels build in a fifth of
#               clang's time)
# make sanitize-python the tables of good and wrong calls in Python under the same
# make fuzz     the loaders under libFuzzer for SECONDS=60, built by clang
# make stubs    the type stubs of mlx.core, written anew from the built extension
# make warnings every source checked for warnings, by clang and gcc
BUILD := build
MESON_FLAGS ?=
VENV  := $(CURDIR)/.venv
RUN   := env VIRTUAL_ENV=$(VENV) PATH=$(VENV)/bin:$$PATH
JOBS  := $(shell nproc)

.PHONY: all setup build demo test soak sanitize sanitize-python warnings stubs fuzz bench lint clean
all: build

setup:
	@tools/setup.sh

$(BUILD)/build.ninja:
	@$(RUN) meson setup $(BUILD) -Dpython.install_env=venv $(MESON_FLAGS) > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }

build: setup
	@$(MAKE) -s $(BUILD)/build.ninja
	@echo "building"
	@$(RUN) ninja -C $(BUILD) -j $(JOBS) --quiet
	@$(RUN) meson install -C $(BUILD) --no-rebuild --quiet

demo: build
	@$(RUN) python examples/python/tour.py
	@$(RUN) tools/ask.sh $(BUILD)

test: build
	@MLX_TEST_MODEL=$$($(RUN) python tools/model.py) $(RUN) meson test -C $(BUILD) --print-errorlogs --quiet
	@$(RUN) python -m pytest -q -n $(JOBS)

MINUTES ?= 10
SEED ?=
soak: build
	@$(BUILD)/tests/c/soak $(MINUTES) $(SEED)

sanitize: setup
	@[ -d $(BUILD)-asan ] || CC=gcc $(RUN) meson setup $(BUILD)-asan -Db_sanitize=address,undefined -Db_lundef=false \
	  -Dbuildtype=debugoptimized -Dkernel_optimization=-O1 -Dpython=disabled -Dexamples=disabled $(MESON_FLAGS) > $(BUILD)-asan.log 2>&1 || { cat $(BUILD)-asan.log; exit 1; }
	@echo "building with sanitizers"
	@$(RUN) ninja -C $(BUILD)-asan -j $(JOBS) --quiet
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1 \
	  $(RUN) meson test -C $(BUILD)-asan --print-errorlogs --quiet

# The interpreter is not built with sanitizers, so their library is loaded first; its own leaks do not count.
PYTHON_ASAN := $(BUILD)-asan-python
sanitize-python: setup
	@[ -d $(PYTHON_ASAN) ] || CC=gcc $(RUN) meson setup $(PYTHON_ASAN) -Db_sanitize=address,undefined -Db_lundef=false \
	  --prefix=$(CURDIR)/$(PYTHON_ASAN)/installed -Dpython.install_env=prefix -Doptimization=1 -Ddebug=true \
	  -Dkernel_optimization=-O1 -Dtests=disabled -Dexamples=disabled > $(PYTHON_ASAN).log 2>&1 || { cat $(PYTHON_ASAN).log; exit 1; }
	@echo "building the extension with sanitizers"
	@$(RUN) ninja -C $(PYTHON_ASAN) -j $(JOBS) --quiet
	@$(RUN) meson install -C $(PYTHON_ASAN) --no-rebuild --quiet
	@$(RUN) PYTHONPATH=$$(dirname $$(dirname $$(find $(CURDIR)/$(PYTHON_ASAN)/installed -name 'core.*so'))) \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  python -m pytest -q tests/python/test_wrong_calls.py

warnings: setup $(BUILD)/build.ninja
	@[ -d $(BUILD)-clang ] || CC=clang $(RUN) meson setup $(BUILD)-clang -Dpython.install_env=venv $(MESON_FLAGS) \
	  > $(BUILD)-clang.log 2>&1 || { cat $(BUILD)-clang.log; exit 1; }
	@echo "checking for warnings"
	@$(RUN) python tools/check_warnings.py $(BUILD)-clang $(BUILD)

SECONDS ?= 60
fuzz: build
	@[ -d $(BUILD)-fuzz ] || CC=clang $(RUN) meson setup $(BUILD)-fuzz -Dfuzz=true -Dpython=disabled -Dexamples=disabled \
	  -Dkernel_optimization=-O0 $(MESON_FLAGS) > $(BUILD)-fuzz.log 2>&1 || { cat $(BUILD)-fuzz.log; exit 1; }
	@$(RUN) ninja -C $(BUILD)-fuzz -j $(JOBS) --quiet tests/c/fuzz_io
	@$(RUN) python tools/fuzz_seeds.py $(BUILD)-fuzz/corpus
	@cd $(BUILD)-fuzz && tests/c/fuzz_io -max_total_time=$(SECONDS) -max_len=4096 -print_final_stats=1 corpus

stubs: build
	@$(RUN) python tools/stubs.py python/mlx

bench: build
	@$(RUN) python bench/run.py $(if $(PEERS),--peers $(PEERS))

lint:
	@$(RUN) ruff check . && $(RUN) ruff format --check .
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror

clean:
	rm -rf $(BUILD) $(BUILD)-* $(BUILD).log
