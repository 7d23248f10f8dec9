/* Places and launches one primitive on plain arrays, without a graph. */
#ifndef MXI_TESTS_CALL_H
#define MXI_TESTS_CALL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cpu/cpu.h"
#include "engine/place.h"

/* fields: the primitive's parameter struct. donatable: bit i lets the output take in[i]'s memory. NULL when
   the call failed. */
static inline mx_array call_prim(int prim, const void *fields, size_t bytes, int ninputs, mx_array *in,
                                 mx_dtype t, mx_ints shape, uint64_t donatable) {
  union {
    mx_params params;
    _Alignas(16) char space[256];
  } p;
  memset(&p, 0, sizeof p);
  memcpy(p.params.fields, fields, bytes);
  mx_array out = mxi_array_new(t, shape);
  assert_non_null(out);
  struct mxi_step step = {.kind = mxi_prims[prim].flags & MXI_P_VIEW ? MXI_STEP_VIEW : MXI_STEP_NODE,
                          .prim = &mxi_prims[prim],
                          .params = &p.params,
                          .stream = mxi_ambient_stream(),
                          .ninputs = ninputs,
                          .noutputs = 1};
  struct mxi_operands o = {.in = in, .out = &out, .donatable = donatable};
  if (mxi_step_run(&step, &o) < 0) {
    mxi_unref(out);
    return NULL;
  }
  mxi_publish(out);
  return out;
}
#define CALL(ID, out_type, out_shape, donatable, inputs, ...)                       \
  call_prim(MXI_##ID, &(struct mxi_p_##ID){__VA_ARGS__}, sizeof(struct mxi_p_##ID), \
            (int)(sizeof(inputs) / sizeof(*(inputs))), inputs, out_type, out_shape, donatable)

/* A ready array with these elements, row-major. */
static inline mx_array array_of(mx_dtype t, mx_ints shape, const void *elements) {
  mx_array a = mxi_array_alloc(t, shape);
  assert_non_null(a);
  memcpy(a->data, elements, (size_t)a->size * mxi_itemsize(a));
  return a;
}

/* The transpose of a matrix, as a view. */
static inline mx_array transposed(mx_array a) {
  const int64_t *n = mxi_shape(a), *s = mxi_strides(a);
  mx_array b = mxi_array_new((mx_dtype)a->dtype, MX_SHAPE(n[1], n[0]));
  assert_non_null(b);
  mxi_set_view(b, a, 0, (int64_t[]){s[1], s[0]});
  mxi_publish(b);
  return b;
}

static uint64_t test_random_state = 88172645463325252u;
static inline uint64_t test_random(void) {
  test_random_state ^= test_random_state << 13;
  test_random_state ^= test_random_state >> 7;
  return test_random_state ^= test_random_state << 17;
}
/* Uniform in [-1, 1). */
static inline float test_uniform(void) { return (float)((int64_t)test_random() >> 40) * 0x1p-23f; }
#endif
