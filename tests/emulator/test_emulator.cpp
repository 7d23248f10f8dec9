/* The emulated driver and what kernels use: the answers are known. meson runs it once for each variable.
   usage: test_emulator KERNELS.so              everything
          test_emulator KERNELS.so mistake N    exits with the error of a launch that makes a mistake
          test_emulator KERNELS.fatbin kernels  the kernels alone, as for a real driver: see README.md */
#include "driver.h"
#include "test_kernels.h"
#include <atomic>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>
extern "C" {
#include <cmocka.h>
}

static std::string program, kernels, image; // image: what cuLibraryLoadData is given
static CUlibrary library;
static CUstream stream;
static CUcontext context;

static bool is_set(const char *variable) { return getenv(variable) != nullptr; }
#define OK(CALL) assert_int_equal(CALL, CUDA_SUCCESS)

/* ---- Launching ---- */

static CUfunction find(const char *name) {
  CUkernel kernel;
  CUfunction f;
  OK(cuLibraryGetKernel(&kernel, library, name));
  OK(cuKernelGetFunction(&f, kernel));
  return f;
}
static CUresult try_launch(const char *name, CUlaunchConfig c, const test_params &p) {
  const void *params[] = {&p};
  return cuLaunchKernelEx(&c, find(name), const_cast<void **>(params), nullptr);
}
static CUlaunchConfig blocks_of(unsigned blocks, unsigned threads, unsigned shared = 0) {
  return {blocks, 1, 1, threads, 1, 1, shared, stream, nullptr, 0};
}

template <class T> struct device_array {
  CUdeviceptr at = 0;
  size_t n;
  explicit device_array(size_t n) : n(n) { OK(cuMemAlloc_v2(&at, n * sizeof(T))); }
  explicit device_array(const std::vector<T> &x) : device_array(x.size()) {
    OK(cuMemcpyHtoDAsync_v2(at, x.data(), n * sizeof(T), stream));
  }
  ~device_array() { cuMemFree_v2(at); }
  device_array(const device_array &) = delete;
  T *pointer() const { return reinterpret_cast<T *>(at); }
  void fill(unsigned char byte) { OK(cuMemsetD8Async(at, byte, n * sizeof(T), stream)); }
  std::vector<T> get() const {
    std::vector<T> x(n);
    OK(cuMemcpyDtoHAsync_v2(x.data(), at, n * sizeof(T), stream));
    return x;
  }
};

/* What a kernel writes to `out` (zeros before) from `in`, in one block of `threads`. */
template <class Out, class In>
static std::vector<Out> run(const char *name, unsigned threads, size_t n, const std::vector<In> &in,
                            int choice = 0) {
  device_array<In> from(in);
  device_array<Out> to(n);
  to.fill(0);
  OK(try_launch(name, blocks_of(1, threads), {from.pointer(), to.pointer(), int64_t(n), choice}));
  return to.get();
}

static int setup(void **) {
  OK(cuInit(0));
  OK(cuDevicePrimaryCtxRetain(&context, 0));
  OK(cuCtxSetCurrent(context));
  OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cuLibraryLoadData(&library, image.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0));
  return 0;
}

/* ---- Kernels ---- */

static void test_each_thread_runs_once(void **) {
  const CUlaunchConfig c = {3, 4, 2, 5, 3, 7, 0, stream, nullptr, 0};
  device_array<int> out(24 * 105);
  out.fill(0);
  OK(try_launch("test_indices", c, {nullptr, out.pointer(), 0, 0}));
  for (int x : out.get()) assert_int_equal(x, 1);
}

static void test_shared_memory_and_barriers(void **) {
  const int blocks = 5, threads = 256;
  std::vector<float> x(size_t(blocks) * threads);
  for (size_t i = 0; i < x.size(); i++) x[i] = float(i % 100);
  device_array<float> in(x), out(blocks);
  OK(try_launch("test_block_sum", blocks_of(blocks, threads, threads * 4),
                {in.pointer(), out.pointer(), 0, 0}));
  const auto sums = out.get();
  for (int b = 0; b < blocks; b++) {
    float expected = 0;
    for (int i = 0; i < threads; i++) expected += x[size_t(b) * threads + i];
    assert_true(sums[b] == expected);
  }
}

static void test_threads_that_returned_are_not_waited_for(void **) {
  const auto counts = run<int>("test_early_return", 100, 100, std::vector<int>{0}, 37);
  for (int i = 0; i < 100; i++) assert_int_equal(counts[i], i < 37 ? 37 : 0);
}

static void test_shuffles_exchange_within_segments(void **) {
  const auto out = run<double>("test_shuffles", 64, 64 * 8, std::vector<int>{0});
  for (int t = 0; t < 64; t++) {
    const double *o = &out[8 * t];
    const int lane = t % 32, warp = t - lane;
    assert_true(o[0] == warp + 5);
    assert_true(o[1] == t - t % 8 + (t + 3) % 8);
    assert_true(o[2] == (lane < 2 ? t : t - 2));
    assert_true(o[3] == (t % 8 < 3 ? t : t - 3));
    assert_true(o[4] == (lane > 27 ? t : t + 4));
    assert_true(o[5] == (t % 16 == 15 ? t : t + 1));
    assert_true(o[6] == (t ^ 16));
    assert_true(o[7] == (t ^ 3));
  }
}

static void test_votes_and_reductions_of_a_warp(void **) {
  const auto out = run<unsigned>("test_votes", 64, 64 * 12, std::vector<int>{0});
  for (int t = 0; t < 64; t++) {
    const unsigned *o = &out[12 * t], lane = t % 32, warp = t / 32;
    assert_int_equal(o[0], 0x49249249u);
    assert_int_equal(o[1], warp == 1);
    assert_int_equal(o[2], 1);
    assert_int_equal(o[3], 0xffu << (lane / 8 * 8));
    assert_int_equal(o[4], 496 + 1024 * warp);
    assert_int_equal(int(o[5]), -16);
    assert_int_equal(o[6], 31 + 32 * warp);
    assert_int_equal(o[7], 0xff);
    assert_int_equal(o[8], 0);
    assert_int_equal(o[9], lane < 8 ? 0xaau : 0xcccccc00u);
    assert_int_equal(o[10], 13);
    assert_int_equal(o[11], 3);
  }
}

static void test_atomics_lose_nothing(void **) {
  device_array<int> out(16);
  out.fill(0);
  OK(cuMemsetD32Async(out.at + 20, ~0u, 1, stream));
  OK(try_launch("test_atomics", blocks_of(4, 128), {nullptr, out.pointer(), 0, 0}));
  const auto o = out.get();
  assert_int_equal(o[0], 512);
  assert_int_equal(o[1], -511);
  assert_int_equal(o[2], 511);
  assert_int_equal(o[3], 1024);
  assert_int_equal(unsigned(o[4]), ~0u);
  assert_int_equal(unsigned(o[5]), ~0xffu);
  assert_int_equal(o[6], 0);
  assert_int_equal(o[7], 77);
  assert_int_equal(o[8], 0);
  assert_int_equal(o[9], 512);
  assert_int_equal(o[11], 511 << 8);
  assert_int_equal(o[12], 5);
  float sum;
  memcpy(&sum, &o[14], 4);
  assert_true(sum == 256);
}

static void test_arithmetic_is_cudas(void **) {
  const long long expected[] = {0x3fc00000,
                                0xc0100000ll,
                                (long long)0xc002000000000000ull,
                                6408,
                                633231,
                                410004,
                                0x1e6a2c48,
                                0x77005511,
                                0x800080ffll,
                                0x23456789,
                                0x6789abcd,
                                -2,
                                0xfffffffell,
                                -1,
                                -2,
                                343,
                                1,
                                1,
                                0x3a000400,
                                0x3a000000,
                                2147483647,
                                22,
                                0,
                                1,
                                1,
                                33,
                                10 + 11 + 16 + 12,
                                1};
  const size_t n = sizeof expected / sizeof *expected;
  const auto out = run<long long>("test_arithmetic", 32, n, std::vector<float>{1.5f, -2.25f, NAN, 1e30f});
  for (size_t i = 0; i < n; i++) {
    if (out[i] != expected[i]) printf("value %zu\n", i);
    assert_int_equal(out[i], expected[i]);
  }
}

/* ---- ptx.cuh ---- */

static uint16_t bfloat16(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return uint16_t(u >> 16);
}
/* Of small integers. */
static uint16_t float16(float x) {
  int exponent;
  const float fraction = frexpf(fabsf(x), &exponent);
  return uint16_t((x < 0 ? 0x8000 : 0) |
                  (x == 0 ? 0 : (exponent + 14) << 10 | (int(fraction * 2048) & 1023)));
}
static float small(int i) { return float((i * 7 + i / 5) % 9 - 4); }

template <uint16_t (*NARROW)(float)> static void check_mma(const char *kernel, bool with_c) {
  std::vector<uint16_t> in(256 + 128 + 256);
  std::vector<float> a(256), b(128), c(128);
  for (int i = 0; i < 256; i++) in[i] = NARROW(a[i] = small(i));
  for (int i = 0; i < 128; i++) in[256 + i] = NARROW(b[i] = small(3 * i + 1));
  for (int i = 0; i < 128; i++) c[i] = with_c ? small(i + 2) : 0;
  memcpy(&in[384], c.data(), 512);
  const auto d = run<float>(kernel, 32, 128, in);
  for (int m = 0; m < 16; m++)
    for (int n = 0; n < 8; n++) {
      float sum = c[8 * m + n];
      for (int k = 0; k < 16; k++) sum += a[16 * m + k] * b[8 * k + n];
      assert_true(d[8 * m + n] == sum);
    }
}
static void test_products_of_halves(void **) {
  check_mma<bfloat16>("test_mma_bfloat16", true);
  check_mma<float16>("test_mma_float16", true);
}
static void test_ldmatrix_makes_fragments(void **) { check_mma<bfloat16>("test_mma_ldmatrix", false); }

template <class T> static void check_product(const char *kernel, int M, int N, int K) {
  std::vector<T> in(size_t(M * K + K * N + M * N));
  for (size_t i = 0; i < in.size(); i++) in[i] = T(small(int(i)));
  const T *a = in.data(), *b = a + M * K, *c = b + K * N;
  const auto d = run<T>(kernel, 32, size_t(M * N), in);
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++) {
      T sum = c[N * m + n];
      for (int k = 0; k < K; k++) sum += a[K * m + k] * b[N * k + n];
      assert_true(d[size_t(N * m + n)] == sum);
    }
}
static void test_products_of_floats(void **) {
  check_product<float>("test_mma_tf32", 16, 8, 8);
  check_product<double>("test_mma_float64", 8, 8, 4);
}

static void test_asynchronous_copies(void **) {
  std::vector<float> in(64);
  for (int i = 0; i < 64; i++) in[i] = float(i);
  const auto zero_filled = run<float>("test_copy_async", 32, 128, in, 0);
  for (int i = 0; i < 96; i++) assert_true(zero_filled[i] == float(i % 64));
  for (int i = 96; i < 128; i++) assert_true(zero_filled[i] == 0);
}

/* A missing wait must show. */
static void test_asynchronous_copies_are_made_at_the_wait(void **) {
  std::vector<float> in(64);
  for (int i = 0; i < 64; i++) in[i] = float(i);
  const auto unwaited = run<float>("test_copy_async", 32, 128, in, -1);
  int missing = 0;
  for (int i = 0; i < 64; i++) assert_true(unwaited[i] == float(i));
  for (int i = 64; i < 128; i++) missing += unwaited[i] == -1;
  if (is_set("MLX_EMULATOR_SEED"))
    assert_in_range(missing, 1, 63); // some were early
  else
    assert_int_equal(missing, 64);
}

static void test_named_barriers(void **) {
  const auto out = run<int>("test_named_barriers", 128, 64, std::vector<int>{0});
  for (int i = 0; i < 64; i++) assert_int_equal(out[i], 60 + 4 * (i / 32));
}

static void test_other_instructions(void **) {
  const auto out = run<uint32_t>("test_other_instructions", 32, 4, std::vector<uint32_t>{1, 2, 3, 4});
  assert_int_equal(out[0], 10);
  assert_int_equal(out[1], 0xc0003f80u);
  assert_int_equal(out[2], 0x3f823f80u);
  assert_int_equal(out[3], 0x3f802000u);
}

/* ---- The driver ---- */

/* With a seed another thread is last every time; else the highest is. */
static void test_order_of_threads(void **) {
  device_array<int> out(20);
  OK(try_launch("test_order", blocks_of(20, 256), {nullptr, out.pointer(), 0, 0}));
  const auto last = out.get();
  int highest = 0;
  for (int l : last) highest += l == 255;
  if (is_set("MLX_EMULATOR_SEED"))
    assert_in_range(highest, 0, 5);
  else
    assert_int_equal(highest, 20);
}

static void test_streams_run_in_order(void **) {
  const int n = 1000;
  device_array<int> x(n);
  x.fill(0);
  for (int i = 0; i < 200; i++)
    OK(try_launch("test_slow_add", blocks_of(4, 256), {x.pointer(), x.pointer(), n, 1}));
  for (int v : x.get()) assert_int_equal(v, 200);
}

static void test_events_order_streams(void **) {
  CUstream other;
  CUevent written;
  OK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&written, CU_EVENT_DISABLE_TIMING));
  OK(cuEventQuery(written)); // never recorded
  device_array<int> x(1000), y(1000);
  for (int i = 0; i < 50; i++) {
    x.fill(0);
    OK(try_launch("test_slow_add", blocks_of(4, 256), {x.pointer(), x.pointer(), 1000, 3}));
    OK(cuEventRecord(written, stream));
    OK(cuStreamWaitEvent(other, written, 0));
    CUlaunchConfig c = blocks_of(4, 256);
    c.hStream = other;
    OK(try_launch("test_slow_add", c, {x.pointer(), y.pointer(), 1000, 1}));
    OK(cuStreamSynchronize(other));
    OK(cuEventQuery(written)); // as what waited for it has ended
    for (int v : y.get()) assert_int_equal(v, 7);
  }
  OK(cuEventDestroy_v2(written));
}

static void test_launches_do_not_wait(void **) {
  device_array<int> x(1024);
  CUevent done;
  OK(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
  OK(try_launch("test_slow_add", blocks_of(1, 1024), {x.pointer(), x.pointer(), 1024, 20000}));
  OK(cuEventRecord(done, stream));
  assert_int_equal(cuEventQuery(done), is_set("MLX_EMULATOR_SYNC") ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY);
  OK(cuEventSynchronize(done));
  OK(cuEventQuery(done));
  OK(cuEventDestroy_v2(done));
}

/* Pageable memory may be written as soon as the copy returns; pinned memory is read when the stream gets
 * there. */
static void test_copies_read_pageable_memory_at_once(void **) {
  device_array<int> x(1024), slow(1024);
  std::vector<int> pageable(1024, 1);
  void *pinned;
  OK(cuMemHostAlloc(&pinned, 4096, 0));
  for (int i = 0; i < 1024; i++) static_cast<int *>(pinned)[i] = 1;
  OK(try_launch("test_slow_add", blocks_of(1, 1024), {slow.pointer(), slow.pointer(), 1024, 20000}));
  OK(cuMemcpyHtoDAsync_v2(x.at, pageable.data(), 4096, stream));
  std::fill(pageable.begin(), pageable.end(), 2);
  assert_int_equal(x.get()[5], 1);
  OK(try_launch("test_slow_add", blocks_of(1, 1024), {slow.pointer(), slow.pointer(), 1024, 20000}));
  OK(cuMemcpyHtoDAsync_v2(x.at, pinned, 4096, stream));
  static_cast<volatile int *>(pinned)[5] = 2;
  assert_int_equal(x.get()[5], is_set("MLX_EMULATOR_SYNC") ? 1 : 2);
  OK(cuMemcpyDtoHAsync_v2(pinned, x.at, 4096, stream));
  OK(cuStreamSynchronize(stream));
  assert_int_equal(static_cast<int *>(pinned)[6], 1);
  OK(cuMemFreeHost(pinned));
}

static void test_memory_is_limited(void **) {
  size_t free_before, total, free_after;
  OK(cuMemGetInfo_v2(&free_before, &total));
  assert_int_equal(total, is_set("MLX_EMULATOR_MEMORY") ? 64 << 20 : 2ull << 30);
  CUdeviceptr p, q;
  OK(cuMemAlloc_v2(&p, free_before / 2));
  assert_int_equal(cuMemAlloc_v2(&q, free_before / 2 + 4096), CUDA_ERROR_OUT_OF_MEMORY);
  OK(cuMemGetInfo_v2(&free_after, &total));
  assert_in_range(free_before - free_after, free_before / 2, free_before / 2 + 512);
  OK(cuMemFree_v2(p));
  OK(cuMemGetInfo_v2(&free_after, &total));
  assert_int_equal(free_after, free_before);
  assert_int_equal(cuMemFree_v2(p), 1);
}

static void test_fresh_memory_is_marked_with_guard(void **) {
  device_array<unsigned char> x(1000);
  assert_int_equal(x.get()[999], is_set("MLX_EMULATOR_GUARD") ? 0xA5 : 0);
}

static void test_shared_memory_is_marked_with_guard(void **) {
  if (!is_set("MLX_EMULATOR_GUARD")) return;
  device_array<unsigned> out(3 * 64);
  OK(try_launch("test_fresh_shared", blocks_of(3, 32, 128), {nullptr, out.pointer(), 0, 0}));
  const auto found = out.get();
  for (unsigned i = 64; i < 3 * 64; i++) // by the second block and the third
    assert_int_equal(found[i], 0xA5A5A5A5u);
}

static void test_the_host_cannot_touch_device_memory_with_guard(void **) {
  if (!is_set("MLX_EMULATOR_GUARD")) return;
  device_array<unsigned char> x(1000);
  OK(cuStreamSynchronize(stream));
  const pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(0);
    signal(SIGSEGV, SIG_DFL);
    _exit(*static_cast<volatile unsigned char *>(x.pointer()) & 0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_not_equal(status, 0);
}

static void test_copies_beyond_an_allocation_are_refused(void **) {
  device_array<char> x(1000);
  char bytes[1001] = {0};
  assert_int_equal(cuMemcpyHtoDAsync_v2(x.at, bytes, 1001, stream), 1);
  assert_int_equal(cuMemcpyDtoHAsync_v2(bytes, x.at + 900, 101, stream), 1);
  assert_int_equal(cuMemsetD8Async(x.at - 1, 0, 1, stream), 1);
}

static void test_launches_beyond_the_limits_are_refused(void **) {
  device_array<float> x(256 * 4);
  const test_params p = {x.pointer(), x.pointer(), 0, 0};
  CUlaunchConfig c = blocks_of(1, 1024);
  c.blockDimY = 2;
  assert_int_equal(try_launch("test_add_one", c, p), 1);
  c = blocks_of(1, 32);
  c.gridDimY = 65536;
  assert_int_equal(try_launch("test_add_one", c, p), 1);
  c = blocks_of(1, 32);
  c.gridDimX = 0;
  assert_int_equal(try_launch("test_add_one", c, p), 1);
  assert_int_equal(try_launch("test_shuffles", blocks_of(1, 96), p), 1); // of 64 at most
  assert_int_equal(try_launch("test_add_one", blocks_of(1, 32, 49 << 10), p), 1);
  CUfunction f = find("test_block_sum");
  int value;
  OK(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 227 << 10));
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, f));
  assert_int_equal(value, 227 << 10);
  OK(try_launch("test_block_sum", blocks_of(1, 256, 227 << 10), p));
  assert_int_equal(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 228 << 10), 1);
  test_large_params large;
  void *params[] = {&large};
  c = blocks_of(1, 32);
  assert_int_equal(cuLaunchKernelEx(&c, find("test_large_parameters"), params, nullptr), 1);
  test_params small = {};
  size_t bytes = sizeof small - 1;
  void *extra[] = {reinterpret_cast<void *>(1), &small, reinterpret_cast<void *>(2), &bytes, nullptr};
  assert_int_equal(cuLaunchKernelEx(&c, find("test_add_one"), nullptr, extra), 1);
  OK(cuStreamSynchronize(stream));
}

static void test_parameters_can_be_packed(void **) {
  device_array<float> x(std::vector<float>(100, 1.0f));
  test_params p = {x.pointer(), x.pointer(), 100, 0};
  size_t bytes = sizeof p;
  void *extra[] = {reinterpret_cast<void *>(1), &p, reinterpret_cast<void *>(2), &bytes, nullptr};
  CUlaunchConfig c = blocks_of(1, 128);
  OK(cuLaunchKernelEx(&c, find("test_add_one"), nullptr, extra));
  assert_true(x.get()[99] == 2);
}

static void test_images_are_checked(void **) {
  CUlibrary l;
  CUkernel k;
  assert_int_equal(cuLibraryLoadData(&l, "not an image", nullptr, nullptr, 0, nullptr, nullptr, 0), 200);
  assert_int_equal(
      cuLibraryLoadData(&l, "MXI_EMULATED_LIBRARY:/none", nullptr, nullptr, 0, nullptr, nullptr, 0), 200);
  assert_int_equal(cuLibraryGetKernel(&k, library, "test_nothing"), CUDA_ERROR_NOT_FOUND);
  OK(cuLibraryLoadData(&l, nullptr, nullptr, nullptr, 0, nullptr, nullptr, 0)); // the emulator's own
  assert_int_equal(cuLibraryGetKernel(&k, l, "test_add_one"), CUDA_ERROR_NOT_FOUND);
  OK(cuLibraryUnload(l));
}

static void test_threads_need_a_context_and_children_a_driver(void **) {
  CUresult without = 0, with = 1;
  std::thread([&] {
    size_t a, b;
    without = cuMemGetInfo_v2(&a, &b);
    cuCtxSetCurrent(context);
    with = cuMemGetInfo_v2(&a, &b);
  }).join();
  assert_int_equal(without, 201);
  assert_int_equal(with, CUDA_SUCCESS);
  const pid_t child = fork();
  if (child == 0) {
    size_t a, b;
    _exit(cuMemGetInfo_v2(&a, &b) == 3 && cuInit(0) == 3 ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

/* Several threads, a stream each. */
static void test_streams_run_beside_each_other(void **) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&] {
      CUstream s;
      CUdeviceptr x;
      if (cuCtxSetCurrent(context) || cuStreamCreate(&s, 0) || cuMemAlloc_v2(&x, 4 * 1024 * 4)) wrong++;
      for (int i = 0; i < 30; i++) {
        std::vector<float> in(1024, float(i)), out(4);
        cuMemcpyHtoDAsync_v2(x, in.data(), 4096, s);
        CUlaunchConfig c = blocks_of(4, 256, 1024);
        c.hStream = s;
        try_launch("test_block_sum", c,
                   {reinterpret_cast<void *>(x), reinterpret_cast<void *>(x + 8192), 0, 0});
        cuMemcpyDtoHAsync_v2(out.data(), x + 8192, 16, s);
        for (float v : out) wrong += v != float(256 * i);
      }
      cuMemFree_v2(x);
    });
  for (auto &t : threads) t.join();
  assert_int_equal(wrong, 0);
}

/* ---- Mistakes: each in a process of its own, as its error stays ---- */

static int make_mistake(int choice) {
  setup(nullptr);
  CUdeviceptr x;
  OK(cuMemAlloc_v2(&x, 4096));
  try_launch("test_mistakes", blocks_of(2, 256), {nullptr, reinterpret_cast<void *>(x), 1024, choice});
  const CUresult error = cuStreamSynchronize(stream);
  CUdeviceptr y;
  const CUresult later = cuMemAlloc_v2(&y, 16);
  return later == error ? error % 250 : 1;
}

struct mistake {
  int choice, error;
  const char *report; // a part of it
};
static void check_mistake(const mistake &m) {
  const std::string command = program + " " + kernels + " mistake " + std::to_string(m.choice) + " 2>&1";
  FILE *f = popen(command.c_str(), "r");
  assert_non_null(f);
  std::string said;
  char line[512];
  while (fgets(line, sizeof line, f)) said += line;
  const int status = pclose(f);
  if (WEXITSTATUS(status) != m.error % 250 || said.find(m.report) == std::string::npos)
    fail_msg("mistake %d: status %d, said: %s", m.choice, WEXITSTATUS(status), said.c_str());
}
static void test_mistakes_are_reported(void **) {
  const mistake all[] = {
      {0, 719, "deadlock: waits in __syncthreads"},
      {1, 719, "while others of the block are at the one of"},
      {2, 719, "__shfl_sync"},
      {3, 719, "while lane"},
      {4, 719, "deadlock: waits in __syncwarp"},
      {7, 719, "__trap was called"},
      {8, 719, "where 64 of 128 threads are"},
      {9, 719, "outside its mask"},
  };
  for (const mistake &m : all) check_mistake(m);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // they report faults themselves
  check_mistake({6, 700, "illegal access at address"});
  if (is_set("MLX_EMULATOR_GUARD"))
    check_mistake({5, 700, "test_mistakes, block (0, 0, 0), thread (0, 0, 0): illegal"});
#endif
}

static std::string contents(const char *path) {
  std::string bytes;
  FILE *f = fopen(path, "rb");
  for (int c; f && (c = getc(f)) != EOF;) bytes += char(c);
  if (f) fclose(f);
  return bytes;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  program = argv[0];
  kernels = argv[1];
  const bool kernels_alone = argc == 3 && !strcmp(argv[2], "kernels");
  image = kernels_alone ? contents(argv[1]) : "MXI_EMULATED_LIBRARY:" + kernels;
  if (argc == 4 && !strcmp(argv[2], "mistake")) return make_mistake(atoi(argv[3]));
  const CMUnitTest of_kernels[] = {
      cmocka_unit_test(test_each_thread_runs_once),
      cmocka_unit_test(test_shared_memory_and_barriers),
      cmocka_unit_test(test_threads_that_returned_are_not_waited_for),
      cmocka_unit_test(test_shuffles_exchange_within_segments),
      cmocka_unit_test(test_votes_and_reductions_of_a_warp),
      cmocka_unit_test(test_atomics_lose_nothing),
      cmocka_unit_test(test_arithmetic_is_cudas),
      cmocka_unit_test(test_products_of_halves),
      cmocka_unit_test(test_ldmatrix_makes_fragments),
      cmocka_unit_test(test_products_of_floats),
      cmocka_unit_test(test_asynchronous_copies),
      cmocka_unit_test(test_named_barriers),
      cmocka_unit_test(test_other_instructions),
      cmocka_unit_test(test_streams_run_in_order),
      cmocka_unit_test(test_events_order_streams),
      cmocka_unit_test(test_streams_run_beside_each_other),
      cmocka_unit_test(test_parameters_can_be_packed),
  };
  const CMUnitTest of_the_emulator[] = {
      cmocka_unit_test(test_mistakes_are_reported),
      cmocka_unit_test(test_asynchronous_copies_are_made_at_the_wait),
      cmocka_unit_test(test_order_of_threads),
      cmocka_unit_test(test_launches_do_not_wait),
      cmocka_unit_test(test_copies_read_pageable_memory_at_once),
      cmocka_unit_test(test_memory_is_limited),
      cmocka_unit_test(test_fresh_memory_is_marked_with_guard),
      cmocka_unit_test(test_shared_memory_is_marked_with_guard),
      cmocka_unit_test(test_the_host_cannot_touch_device_memory_with_guard),
      cmocka_unit_test(test_copies_beyond_an_allocation_are_refused),
      cmocka_unit_test(test_launches_beyond_the_limits_are_refused),
      cmocka_unit_test(test_images_are_checked),
      cmocka_unit_test(test_threads_need_a_context_and_children_a_driver),
  };
  if (kernels_alone) return cmocka_run_group_tests(of_kernels, setup, nullptr);
  return cmocka_run_group_tests(of_kernels, setup, nullptr) +
         cmocka_run_group_tests(of_the_emulator, nullptr, nullptr);
}
