/* Parallel loops: whether all of one ran, what stops it, and the floating-point mode it runs in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "core/interrupt.h"
#include "mlx/mlx.h"
#include "cpu/pool.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static void spend(double seconds) {
  for (double end = now() + seconds; now() < end;) usleep(200);
}

/* ---- The floating-point mode ---- first, while there is no pool yet ---- */
enum { N = 1 << 20 };

/* Bits of subnormal numbers halved: 0 for all whose thread flushes them. */
static uint64_t sum_of_bits(void) {
  uint64_t sum = 0;
  MX_SCOPE {
    mx_array x = mx_add(mx_arange(0, N, 1, MX_INT32), mx_scalar_int(1 << 21, MX_INT32));
    mx_array y = mx_multiply(mx_view(x, MX_FLOAT32), mx_scalar(0.5, MX_FLOAT32));
    const uint32_t *bits = mx_data(y);
    if (!bits) fail_msg("%s", mx_error());
    for (int i = 0; i < N; i++) sum = sum * 31 + bits[i];
  }
  return sum;
}

/* (i + 2^21) / 2, rounded to even, are the bits of the half of the subnormal with the bits i + 2^21. */
static uint64_t expected_sum_of_bits(void) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < N; i++) {
    uint32_t bits = i + (1 << 21), half = bits >> 1;
    sum = sum * 31 + half + ((bits & 1) && (half & 1));
  }
  return sum;
}

static void a_pool_made_by_a_thread_that_flushes_subnormals_keeps_them(void **state) {
#if defined(__x86_64__)
  enum { FLUSHING = 0x9fc0 }; // flush to zero, subnormals are zeros
  unsigned before = _mm_getcsr();
  _mm_setcsr(FLUSHING);
  uint64_t here = sum_of_bits();
  assert_int_equal(_mm_getcsr() & ~0x3fu, FLUSHING & ~0x3fu); // the caller's own mode is left alone
  pid_t child = fork();
  if (child == 0) _exit(sum_of_bits() == here ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  _mm_setcsr(before);
  assert_true(here == expected_sum_of_bits());
  assert_int_equal(status, 0);
#else
  skip();
#endif
}

/* ---- Whether all of a loop ran ---- */
struct wavering {
  atomic_int ran, slots, asked;
};
/* Once two threads are in the loop, one of them asks everything to stop and a little later takes it back. */
static void waver(void *context, int64_t i, int slot) {
  struct wavering *w = context;
  atomic_fetch_add(&w->ran, 1);
  atomic_fetch_or(&w->slots, 1 << slot);
  spend(0.001);
  if (atomic_load(&w->slots) < 3 || atomic_exchange(&w->asked, 1)) return;
  mx_interrupt();
  spend(0.05);
  mx_interrupt_clear();
}

static void a_loop_with_skipped_chunks_fails_though_nobody_asks_it_to_stop_any_more(void **state) {
  enum { CHUNKS = 400 };
  if (mxi_pool_size() < 2) skip();
  for (int round = 0; round < 5; round++) {
    struct wavering w = {0};
    int result = mxi_parallel_for_slots(CHUNKS, waver, &w);
    assert_int_equal(result, atomic_load(&w.ran) == CHUNKS ? 0 : -1);
    assert_true(atomic_load(&w.ran) < CHUNKS);
    assert_int_equal(mx_error_code(), MX_INTERRUPTED);
  }
}

static void nothing(void *unused, int64_t i) {}
static void inner_loop(void *result, int64_t i) {
  mx_interrupt();
  *(int *)result = mxi_parallel_for(4, nothing, NULL);
  mx_interrupt_clear();
}
static void a_loop_fails_when_one_inside_it_was_cut_short(void **state) {
  int inner = 0;
  assert_int_equal(mxi_parallel_for(1, inner_loop, &inner), -1);
  assert_int_equal(inner, -1);
  assert_int_equal(mxi_parallel_for(4, nothing, NULL), 0); // the next one is whole
}

/* ---- A thread's check ---- */
struct checked {
  double begin, stop_after; // seconds
  atomic_int asked;
};
static int check(void *context) {
  struct checked *c = context;
  atomic_fetch_add(&c->asked, 1);
  return now() - c->begin > c->stop_after;
}
static void slow_chunk(void *ran, int64_t i) {
  spend(0.001);
  atomic_fetch_add((atomic_int *)ran, 1);
}

static int run_checked(int64_t chunks, double stop_after, struct checked *c, int *ran) {
  atomic_int count = 0;
  *c = (struct checked){.begin = now(), .stop_after = stop_after};
  mx_set_interrupt_check(check, c);
  int result = mxi_parallel_for(chunks, slow_chunk, &count);
  mx_set_interrupt_check(NULL, NULL);
  *ran = atomic_load(&count);
  return result;
}

static void *run_unchecked(void *ran) { return (void *)(intptr_t)mxi_parallel_for(300, slow_chunk, ran); }

static void a_check_stops_the_loops_of_its_thread_alone(void **state) {
  struct checked c;
  pthread_t other;
  atomic_int others = 0;
  int ran;
  assert_int_equal(pthread_create(&other, NULL, run_unchecked, &others), 0);
  double begin = now();
  assert_int_equal(run_checked(100000, 0.05, &c, &ran), -1);
  assert_int_equal(mx_error_code(), MX_INTERRUPTED);
  assert_true(now() - begin < 2);
  void *result;
  pthread_join(other, &result);
  assert_null(result);
  assert_int_equal(atomic_load(&others), 300);
}

static void a_check_that_agrees_is_asked_now_and_then(void **state) {
  struct checked c;
  int ran;
  assert_int_equal(run_checked(500 * mxi_pool_size(), 1e9, &c, &ran), 0);
  assert_int_equal(ran, 500 * mxi_pool_size());
  double most = (now() - c.begin) / 0.03 + 1;
  assert_in_range(atomic_load(&c.asked), 2, (int)most);
}

static void short_work_asks_nothing(void **state) {
  struct checked c = {0};
  mx_set_interrupt_check(check, &c);
  for (int i = 0; i < 1000; i++) assert_int_equal(mxi_parallel_for(4, nothing, NULL), 0);
  mx_set_interrupt_check(NULL, NULL);
  assert_in_range(atomic_load(&c.asked), 0, 1);
}

static void one_long_chunk_after_the_other_is_interrupted(void **state) {
  struct checked c = {.begin = now(), .stop_after = 0.05};
  atomic_int ran = 0;
  int result = 0;
  mx_set_interrupt_check(check, &c);
  for (int i = 0; i < 2000 && result == 0; i++) result = mxi_parallel_for(1, slow_chunk, &ran);
  mx_set_interrupt_check(NULL, NULL);
  assert_int_equal(result, -1);
}

static int evaluate_something(void *result) {
  mx_set_interrupt_check(NULL, NULL);
  MX_SCOPE { *(int *)result = mx_eval(mx_sort(mx_ones(MX_SHAPE(100000), MX_FLOAT32), 0)); }
  return 0;
}
static int fork_in_check(void *status) {
  pid_t child = fork();
  if (child) waitpid(child, status, 0);
  return 0;
}

static void a_check_may_evaluate(void **state) {
  int evaluated = -1;
  atomic_int ran = 0;
  mx_set_interrupt_check(evaluate_something, &evaluated);
  assert_int_equal(mxi_parallel_for(100 * mxi_pool_size(), slow_chunk, &ran), 0);
  assert_true(mxi_check.ask == evaluate_something); // put back
  mx_set_interrupt_check(NULL, NULL);
  assert_int_equal(evaluated, 0);
}

static void a_child_forked_by_a_check_does_not_take_its_loop_for_whole(void **state) {
  int status = -1;
  atomic_int ran = 0;
  pid_t parent = getpid();
  mx_set_interrupt_check(fork_in_check, &status);
  int result = mxi_parallel_for(40 * mxi_pool_size(), slow_chunk, &ran);
  mx_set_interrupt_check(NULL, NULL);
  if (getpid() != parent) _exit(result == -1 && mxi_parallel_for(100, slow_chunk, &ran) == 0 ? 0 : 1);
  assert_int_equal(result, 0);
  assert_int_equal(status, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_pool_made_by_a_thread_that_flushes_subnormals_keeps_them),
      cmocka_unit_test(a_loop_with_skipped_chunks_fails_though_nobody_asks_it_to_stop_any_more),
      cmocka_unit_test(a_loop_fails_when_one_inside_it_was_cut_short),
      cmocka_unit_test(a_check_stops_the_loops_of_its_thread_alone),
      cmocka_unit_test(a_check_that_agrees_is_asked_now_and_then),
      cmocka_unit_test(short_work_asks_nothing),
      cmocka_unit_test(one_long_chunk_after_the_other_is_interrupted),
      cmocka_unit_test(a_check_may_evaluate),
      cmocka_unit_test(a_child_forked_by_a_check_does_not_take_its_loop_for_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
