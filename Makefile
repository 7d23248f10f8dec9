# For a first look; each sets up what it needs (tools/setup.sh) and builds:
#   make demo      runs the tour of the library and the chat
#   make examples  trains each of the examples for a few minutes in all; their curves come to examples/curves
#   make test      runs every test, in C and in Python
#   make soak      random graphs on all cores for MINUTES=10, from a new seed or SEED=...
#   make bench     times the library; its peers too when asked to install them: make bench PEERS="torch llama"
#   make bench-gpu times it on an NVIDIA GPU, beside PyTorch where that is installed
#   make wheel     makes the package for pip, with kernels for NVIDIA GPUs, in dist
# For a change; .ci/run runs all of these:
#   make sanitize  C tests, and the tables of good and wrong calls in Python, under AddressSanitizer and
#                  UndefinedBehaviorSanitizer (one build, by gcc: its kernels build in a fifth of clang's time)
#   make tsan      C tests, and the stress of threads in Python, under ThreadSanitizer
#   make fuzz      each loader under libFuzzer for SECONDS=60 (clang)
#   make warnings  every source checked for warnings by clang; gcc's come with the build
#   make lint      formatting, and what ruff finds
# And make stubs writes the type stubs of mlx.core anew from the built extension, make notebook the tour as a notebook.
BUILD := build
MESON_FLAGS ?=
VENV  := $(CURDIR)/.venv
RUN   := env VIRTUAL_ENV=$(VENV) PATH=$(VENV)/bin:$$PATH
JOBS  := $(shell nproc)

.PHONY: all setup build demo examples test soak sanitize tsan warnings stubs notebook fuzz bench bench-gpu wheel kernels lint clean
.NOTPARALLEL:
all: build

setup:
	@tools/setup.sh build
setup-%:
	@tools/setup.sh build $(subst +, ,$*)

# $(call configure,FOLDER,COMPILER,FLAGS) unless it is configured already; its output is shown when it fails.
configure = [ -f $(1)/build.ninja ] || CC="$(2)" $(RUN) meson setup $(1) $(3) $(MESON_FLAGS) > $(1).log 2>&1 \
  || { cat $(1).log; exit 1; }

# CUDA=1 compiles the kernels for NVIDIA GPUs too: for those that CUDA_TARGETS lists, as meson.options explains.
CUDA ?=
CUDA_TARGETS ?=
CUDA_FLAGS := -Dcuda=enabled $(if $(CUDA_TARGETS),-Dgpu_targets=$(CUDA_TARGETS))
build: setup$(if $(CUDA),-cuda)
	@$(call configure,$(BUILD),$(CC),-Dpython.install_env=venv)
	@$(if $(CUDA),grep -q "MXI_CUDA_IMAGES" $(BUILD)/build.ninja || $(RUN) meson configure $(BUILD) $(CUDA_FLAGS))
	@$(RUN) python tools/build.py $(BUILD)
	@$(RUN) meson install -C $(BUILD) --no-rebuild --quiet

demo: setup-demo+model build
	@$(RUN) python examples/python/tour.py
	@$(RUN) tools/ask.sh $(BUILD)

# Those that train write the curve of their loss.
TRAINED := linear_regression logistic_regression mlp_digits transformer_lm lora_finetune
examples: setup-model+examples build
	@mkdir -p examples/curves
	@for name in $(TRAINED); do echo; echo "== $$name"; \
	  $(RUN) python examples/python/$$name.py --plot examples/curves/$$name.png || exit 1; done

test: setup-model+lm+examples+test+cuda build
	@$(RUN) ninja -C $(BUILD) --quiet meson-test-prereq # the emulated GPU, which only tests need
	@MLX_TEST_MODEL=$$($(RUN) python tools/model.py) $(RUN) meson test -C $(BUILD) --no-rebuild --print-errorlogs --quiet
	@$(RUN) python -m pytest -q -n $(JOBS)
	@MLX_MOCK_GPU=1 $(RUN) python -m pytest -q -n $(JOBS) $(DEVICE_TESTS)
	@$(EMULATED) $(RUN) python -m pytest -q -n $(JOBS) -k "$(ON_GPU)" $(CUDA_TESTS) $(DEVICE_TESTS)
	@$(EMULATED) MLX_EMULATOR_SEED=5 $(RUN) python -m pytest -q -n $(JOBS) --one-in=10 -k "$(ON_GPU)" $(CUDA_TESTS) $(DEVICE_TESTS)
	@$(EMULATED) MLX_EMULATOR_GUARD=1 $(RUN) python -m pytest -q -n $(JOBS) --one-in=40 -k "$(ON_GPU)" $(GUARDED_TESTS)
	@$(RUN) python tools/check_kernels.py $(BUILD)

# What a device of its own memory and threads might do otherwise; src/mock imitates one.
DEVICE_TESTS := $(addprefix tests/python/test_,array.py compile.py indexing.py nn.py ops.py optimizers.py streams.py \
  tracers.py transforms_api.py vmap_programs.py)

# The same, and what is told of GPUs alone, on the GPU that tests/emulator emulates; but for what is the CPU's.
EMULATED = MLX_CUDA_DRIVER=$(CURDIR)/$(BUILD)/tests/emulator/libcuda_emulated.so
CUDA_TESTS := $(wildcard tests/python/test_cuda*.py tests/python/test_device*.py)
GUARDED_TESTS := $(filter-out %/test_cuda_streams.py,$(CUDA_TESTS)) tests/python/test_ops.py
ON_GPU := not number_of_threads and not instruction_set

# Every kernel by nvcc for one architecture, and whether what is launched is there.
kernels: setup-cuda build
	@$(RUN) python tools/check_kernels.py $(BUILD)

MINUTES ?= 10
SEED ?=
soak: build
	@$(BUILD)/tests/c/soak $(MINUTES) $(SEED)

# Builds for sanitizers have the kernels of one instruction set, barely optimised, and lines but no variables for the
# debugger. The extension is installed inside them. The interpreter is not built with sanitizers, so their libraries are
# loaded before it.
SANITIZED = -Db_lundef=false -Doptimization=1 -Ddebug=false -Dc_args=-g1 -Dkernel_optimization=-O1 -Dexamples=disabled \
  --prefix=$(CURDIR)/$(1)/installed -Dpython.install_env=prefix
installed = $$(dirname $$(dirname $$(find $(CURDIR)/$(1)/installed -name 'core.*so')))
lapack    = $$($(VENV)/bin/python -c 'import scipy_openblas32 as s; print(s.get_lib_dir())')/libscipy_openblas.so
library   = $$(gcc -print-file-name=$(1))

# What meets memory in the most ways: wrong calls, hostile objects, files, threads, views through any key.
SANITIZED_TESTS := $(wildcard $(addprefix tests/python/test_,wrong_calls.py hostile_objects.py tracers.py threads.py \
  io.py gguf.py indexing.py properties.py vmap.py))
comma := ,
# Warnings are the ordinary build's: gcc gives wrong ones of code that it has instrumented.
sanitize tsan: MESON_FLAGS := -Dwerror=false
sanitize: setup-test
	@$(call configure,$(BUILD)-asan,gcc,-Db_sanitize=address$(comma)undefined -Disa=native $(call SANITIZED,$(BUILD)-asan))
	@$(RUN) python tools/build.py $(BUILD)-asan
	@$(RUN) meson install -C $(BUILD)-asan --no-rebuild --quiet
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 \
	  $(RUN) meson test -C $(BUILD)-asan --no-rebuild --print-errorlogs --quiet
	@$(RUN) PYTHONPATH=$(call installed,$(BUILD)-asan) PYTHONMALLOC=malloc \
	  LD_PRELOAD="$(call library,libasan.so) $(call library,libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  MLX_LAPACK=$(lapack) python -m pytest -q -n $(JOBS) $(SANITIZED_TESTS)

# gcc 12 spills masks of AVX-512 wrongly between its calls of ThreadSanitizer, so the kernels are those for AVX2.
STRESS := $(wildcard tests/python/test_stress_threads.py)
TSAN_OPTIONS := history_size=4:die_after_fork=0:allocator_may_return_null=1
tsan: setup-test
	@$(call configure,$(BUILD)-tsan,gcc,-Db_sanitize=thread -Disa=v3 $(call SANITIZED,$(BUILD)-tsan))
	@$(RUN) python tools/build.py $(BUILD)-tsan
	@$(RUN) meson install -C $(BUILD)-tsan --no-rebuild --quiet
	@TSAN_OPTIONS=$(TSAN_OPTIONS) $(RUN) meson test -C $(BUILD)-tsan --no-rebuild --print-errorlogs --quiet
ifneq ($(STRESS),)
	@$(RUN) PYTHONPATH=$(call installed,$(BUILD)-tsan) LD_PRELOAD=$(call library,libtsan.so) \
	  MLX_LAPACK=$(lapack) TSAN_OPTIONS=$(TSAN_OPTIONS) python -m pytest -q $(STRESS)
endif

SECONDS ?= 60
fuzz: setup-clang build
	@$(call configure,$(BUILD)-fuzz,clang,-Dfuzz=true -Dpython=disabled -Dexamples=disabled -Disa=native \
	  -Dkernel_optimization=-O0)
	@$(RUN) python tools/build.py $(BUILD)-fuzz fuzzers
	@$(RUN) python tools/fuzz_seeds.py $(BUILD)-fuzz/corpus
	@tools/fuzz.sh $(BUILD)-fuzz $(SECONDS)

warnings: setup-clang
	@$(call configure,$(BUILD)-clang,clang,-Dpython.install_env=venv)
	@$(RUN) ninja -C $(BUILD)-clang --quiet tests/c/misuse_calls.h src/cuda_headers.c
	@$(RUN) python tools/check_warnings.py $(BUILD)-clang

bench: setup-demo+model build
	@$(RUN) python bench/run.py $(if $(PEERS),--peers $(PEERS))

bench-gpu: CUDA = 1
bench-gpu: setup-cuda+lm build
	@$(RUN) python bench/gpu.py
	@$(RUN) python bench/gpu_llama.py

# It is built apart from the ordinary build; the kernels, for all targets, take a quarter of an hour on 2 cores.
wheel: setup-build+cuda+wheel
	@$(RUN) tools/wheel.sh $(CUDA_TARGETS)

stubs: build
	@$(RUN) python tools/stubs.py python/mlx

notebook: setup-demo build
	@$(RUN) python tools/notebook.py examples/python/tour.py examples/python/tour.ipynb

lint: setup-lint
	@$(RUN) ruff check . && $(RUN) ruff format --check .
	@git ls-files '*.c' '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format --dry-run -Werror

clean:
	rm -rf $(BUILD) $(BUILD)-* $(BUILD).log
