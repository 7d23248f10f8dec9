/* Building on an array while another thread evaluates it. A builder may read what eval writes (buffer, data,
   strides, node) only once the array is ready. Without ThreadSanitizer the values are checked; with it, the
   accesses too. */
#include "scope.h"
#include <pthread.h>
#include <stdatomic.h>

enum { ROUNDS = 2000 };

struct race {
  _Atomic(mx_array) next; /* to evaluate; the other thread takes it */
  atomic_int done;        /* rounds that it has evaluated */
};

static void *evaluate_each(void *context) {
  struct race *r = context;
  for (int i = 0; i < ROUNDS; i++) {
    mx_array a;
    while (!(a = atomic_exchange(&r->next, NULL))) {}
    if (mx_eval(a) < 0) break;
    mx_release(a);
    atomic_store(&r->done, i + 1);
  }
  return NULL;
}

/* Everything that has a shorter way for one repeated element. */
static mx_array build_on(mx_array a) {
  mx_array row = mx_reshape(a, MX_SHAPE(1, -1));
  mx_array wide = mx_broadcast_to(mx_transpose(row, MX_ALL_AXES), MX_SHAPE(mx_size(a), 3));
  mx_array part = mx_slice(wide, MX_SHAPE(0, 0), MX_SHAPE(1, 2), MX_SHAPE(1, 1));
  mx_array cast = mx_astype(mx_where(mx_greater(part, mx_float(0)), part, mx_zeros_like(part)), MX_INT32);
  return mx_sum(
      mx_pad(cast, MX_SHAPE(0, 0), MX_SHAPE(1, 1), MX_PAD_CONSTANT, mx_squeeze(mx_int(0), MX_NO_SHAPE)),
      MX_ALL_AXES, false);
}

static void builders_read_nothing_that_an_eval_is_writing(void **state) {
  struct race r = {.next = NULL, .done = 0};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, evaluate_each, &r), 0);
  for (int i = 0; i < ROUNDS; i++)
    MX_SCOPE {
      mx_ints shape = i % 3 == 0 ? MX_NO_SHAPE : i % 3 == 1 ? MX_SHAPE(1) : MX_SHAPE(4);
      mx_array x = mx_add(mx_full(shape, mx_float(i), MX_FLOAT32), mx_ones(shape, MX_FLOAT32));
      atomic_store(&r.next, mx_keep(x));
      mx_array y = build_on(x);
      while (atomic_load(&r.done) <= i)
        MX_SCOPE {
          if (!mx_ok(build_on(x))) fail_msg("%s", mx_error());
        }
      int64_t got = 0;
      assert_int_equal(mx_item_int(y, &got), 0);
      assert_int_equal(got, 2 * (i + 1));
    }
  pthread_join(thread, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(builders_read_nothing_that_an_eval_is_writing, open_scope, close_scope),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
