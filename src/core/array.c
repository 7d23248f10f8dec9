#include "core/array.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include <string.h>

/* The product of a shape, checked: elements in *size. */
static int check_shape(mx_dtype t, mx_ints shape, int64_t *size) {
  if (shape.n > 0 && !shape.v)
    return mxi_fail(MX_TYPE_ERROR, "[array] expected a shape of %d dimensions, got NULL", shape.n);
  if ((unsigned)t >= MX_DTYPE_COUNT)
    return mxi_fail(MX_INVALID_ARGUMENT, "[array] expected a dtype, got %d", (int)t);
  if (shape.n < 0 || shape.n > MXI_MAX_NDIM)
    return mxi_fail(MX_INVALID_ARGUMENT, "[array] expected at most %d dimensions, got %d", MXI_MAX_NDIM,
                    shape.n);
  /* A zero anywhere makes the array empty, but the other dims must still multiply to something addressable.
   */
  int64_t n = 1, bytes;
  bool empty = false, fits = true;
  for (int i = 0; i < shape.n; i++) {
    if (shape.v[i] < 0)
      return mxi_fail(MX_INVALID_ARGUMENT, "[array] expected non-negative dimensions, got %lld",
                      (long long)shape.v[i]);
    if (shape.v[i] == 0)
      empty = true;
    else
      fits = fits && mxi_mul(n, shape.v[i], &n);
  }
  if (!fits || !mxi_mul(n, (int64_t)mx_dtype_size(t), &bytes))
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[array] expected a shape whose size in bytes is below 2^63, got more");
  *size = empty ? 0 : n;
  return 0;
}

static void row_major_strides(const struct mxi_array *a, int64_t *strides) {
  int64_t step = 1;
  for (int i = a->ndim - 1; i >= 0; i--) {
    strides[i] = step;
    step *= a->dims[i] ? a->dims[i] : 1;
  }
}

mx_array mxi_array_new(mx_dtype t, mx_ints shape) {
  int64_t size = 0;
  if (check_shape(t, shape, &size) < 0) return NULL;
  mx_array a = mxi_malloc(sizeof *a + (size_t)shape.n * 2 * sizeof(int64_t));
  if (!a) return NULL;
  atomic_init(&a->refs, 1);
  atomic_init(&a->state, MXI_LAZY);
  a->dtype = (uint8_t)t;
  a->ndim = (uint8_t)shape.n;
  a->flags = MXI_ROW_CONTIGUOUS | MXI_DENSE;
  a->constant = 0;
  a->output_index = 0;
  a->slot = -1;
  a->level = 0;
  a->session = 0;
  a->node = NULL;
  a->task = NULL;
  a->buffer = NULL;
  a->data = NULL;
  a->offset = 0;
  a->size = size;
  for (int i = 0; i < shape.n; i++) a->dims[i] = shape.v[i];
  row_major_strides(a, mxi_strides(a));
  return a;
}

mx_array mxi_array_alloc(mx_dtype t, mx_ints shape) {
  mx_array a = mxi_array_new(t, shape);
  if (a && mxi_alloc(a) < 0) {
    mxi_unref(a);
    return NULL;
  }
  if (a) mxi_publish(a);
  return a;
}

mx_array mxi_array_fill(mx_dtype t, mx_ints shape, const void *element) {
  mx_array a = mxi_array_new(t, shape);
  if (!a) return NULL;
  a->constant = 1;
  a->inline_value.bits = 0;
  memcpy(&a->inline_value, element, mx_dtype_size(t));
  a->data = &a->inline_value;
  if (a->size != 1) {
    memset(mxi_strides(a), 0, (size_t)a->ndim * sizeof(int64_t));
    mxi_update_flags(a);
  }
  mxi_publish(a);
  return a;
}

void mxi_update_flags(mx_array a) {
  const int64_t *shape = mxi_shape(a), *strides = mxi_strides(a);
  a->flags = 0;
  int64_t step = 1;
  bool row = true;
  for (int i = a->ndim - 1; i >= 0 && row; i--) {
    row = shape[i] == 1 || strides[i] == step;
    step *= shape[i];
  }
  if (row || a->size == 0) {
    a->flags |= MXI_ROW_CONTIGUOUS | MXI_DENSE;
    return;
  }
  /* Dense: taking the axes by growing stride, each stride is the product of the dims before it. */
  uint32_t left = 0;
  for (int i = 0; i < a->ndim; i++)
    if (shape[i] != 1) left |= 1u << i;
  for (step = 1; left;) {
    uint32_t before = left;
    for (int i = 0; i < a->ndim; i++)
      if ((left >> i & 1) && strides[i] == step) {
        step *= shape[i];
        left &= ~(1u << i);
        break;
      }
    if (left == before) return;
  }
  a->flags |= MXI_DENSE;
}

void mxi_set_data(mx_array a, mx_buffer *b, int64_t offset, const int64_t *strides) {
  a->buffer = b;
  a->offset = offset;
  a->data = b->data ? (char *)b->data + offset : NULL;
  if (strides)
    memcpy(mxi_strides(a), strides, (size_t)a->ndim * sizeof(int64_t));
  else
    row_major_strides(a, mxi_strides(a));
  mxi_update_flags(a);
}

int mxi_alloc(mx_array a) {
  mx_buffer *b = mxi_buffer_new((size_t)a->size * mxi_itemsize(a));
  if (!b) return -1;
  mxi_set_data(a, b, 0, NULL);
  return 0;
}

void mxi_set_view(mx_array a, mx_array src, int64_t offset, const int64_t *strides) {
  if (strides)
    memcpy(mxi_strides(a), strides, (size_t)a->ndim * sizeof(int64_t));
  else
    row_major_strides(a, mxi_strides(a));
  if (src->buffer) {
    a->buffer = mxi_buffer_ref(src->buffer);
    int64_t bytes = offset * (int64_t)mxi_itemsize(src);
    a->offset = src->offset + bytes;
    a->data = src->data ? (char *)src->data + bytes : NULL;
  } else { // one inline element serves every place of the view
    a->inline_value = src->inline_value;
    a->data = &a->inline_value;
    if (a->size != 1) memset(mxi_strides(a), 0, (size_t)a->ndim * sizeof(int64_t));
  }
  mxi_update_flags(a);
}

void mxi_reset_data(mx_array a) {
  mxi_buffer_unref(a->buffer);
  a->buffer = NULL;
  a->data = NULL;
  row_major_strides(a, mxi_strides(a));
  a->flags = MXI_ROW_CONTIGUOUS | MXI_DENSE;
}
