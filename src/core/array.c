#include "core/array.h"
#include "core/device.h"
#include "core/mapped.h"
#include "core/node.h"
#include "core/task.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include <string.h>

struct mxi_array mxi_bad_array = {.refs = 1, .state = MXI_BAD, .dtype = MX_FLOAT32};

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

/* Releases the arrays on a list that nothing refers to any more, with all that only they kept alive. The list
   is linked through `task`, so a chain of a million nodes needs no stack. */
static void destroy(mx_array first) {
  mx_array list = first;
  while (list) {
    mx_array a = list;
    list = (mx_array)a->task;
    mxi_buffer_unref(a->buffer);
    mx_node *n = a->node;
    mxi_free(a);
    if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1) continue;
    for (int i = 0; i < n->ninputs; i++) {
      mx_array in = n->inputs[i];
      if (!mxi_release_to_list(in)) continue;
      in->task = (mx_task *)list;
      list = in;
    }
    mxi_node_free(n);
  }
}

bool mxi_release_to_list(mx_array a) {
  if (atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) return false;
  if (a->node && a->node->noutputs > 1) mxi_output_forget(a);
  mxi_task_unref(a->task);
  a->task = NULL;
  return true;
}

void mxi_unref(mx_array a) {
  if (!a || a == MX_BAD) return;
  if (mxi_release_to_list(a)) destroy(a);
}

/* ---- Public: making and asking ---- */
/* NULL sets the error, and is then as MX_BAD. */
static inline mx_array asked(const char *op, mx_array a) {
  if (a) return a;
  mxi_fail(MX_TYPE_ERROR, "[%s] expected an array, got NULL", op);
  return MX_BAD;
}

static mx_array filled(mx_dtype t, const void *element) {
  return mxi_own(mxi_array_fill(t, MX_NO_SHAPE, element));
}

mx_array mx_scalar(double value, mx_dtype t) {
  uint64_t element = 0;
  mxi_scalar_store(&element, t, value, 0);
  return filled(t, &element);
}

mx_array mx_scalar_int(int64_t value, mx_dtype t) {
  uint64_t element = 0;
  mxi_scalar_cast(&element, t, &value, MX_INT64);
  return filled(t, &element);
}

mx_array mx_scalar_complex(double re, double im) {
  uint64_t element = 0;
  mxi_scalar_store(&element, MX_COMPLEX64, re, im);
  return filled(MX_COMPLEX64, &element);
}

mx_array mx_float(double value) { return mx_scalar(value, MX_FLOAT32); }
mx_array mx_int(int64_t value) { return mx_scalar_int(value, MX_INT32); }
mx_array mx_bool(bool value) { return mx_scalar_int(value, MX_BOOL); }
mx_array mx_like(mx_array a, double value) {
  return mx_ok(asked("like", a)) ? mx_scalar(value, (mx_dtype)a->dtype) : MX_BAD;
}

mx_array mx_array_from(const void *data, mx_ints shape, mx_dtype t) {
  mx_array a = mxi_array_new(t, shape);
  bool absent = a && a->size && !data;
  if (absent)
    mxi_fail(MX_INVALID_ARGUMENT, "[array_from] expected the memory of %lld elements, got NULL",
             (long long)a->size);
  if (!a || absent || mxi_alloc(a) < 0) return mxi_unref(a), MX_BAD;
  if (t == MX_BOOL)
    mxi_normalise_bools(a->data, data, a->size);
  else if (a->size)
    memcpy(a->data, data, (size_t)a->size * mx_dtype_size(t));
  mxi_publish(a);
  return mxi_own(a);
}

int mx_ndim(mx_array a) { return asked("ndim", a)->ndim; }
const int64_t *mx_shape(mx_array a) { return asked("shape", a)->dims; }
int64_t mx_dim(mx_array a, int axis) {
  a = asked("dim", a);
  if (axis < 0) axis += a->ndim;
  return axis < 0 || axis >= a->ndim ? 0 : a->dims[axis];
}
int64_t mx_size(mx_array a) { return asked("size", a)->size; }
size_t mx_nbytes(mx_array a) {
  a = asked("nbytes", a);
  return (size_t)a->size * mxi_itemsize(a);
}
mx_dtype mx_dtype_of(mx_array a) { return (mx_dtype)asked("dtype_of", a)->dtype; }
mx_ints mx_shape_ints(mx_array a) { return mxi_shape_of(asked("shape_ints", a)); }
bool mx_is_ready(mx_array a) { return mxi_state(asked("is_ready", a)) == MXI_READY; }

/* ---- Public: reading ---- */
static int ready(const char *op, mx_array a) {
  if (!a) return mxi_fail(MX_TYPE_ERROR, "[%s] expected an array, got NULL", op);
  if (a == MX_BAD) return -1;
  mxi_before_reading();
  if (mxi_state(a) != MXI_READY) MXI_TRY(mx_eval(a));
  return a->data ? 0 : mxi_to_host(a);
}

const void *mx_data(mx_array a) {
  if (ready("data", a) < 0 || mxi_after_reading(a) < 0) return NULL;
  if (!mxi_row_contiguous(a)) {
    mxi_fail(MX_INVALID_ARGUMENT,
             "[data] expected a row-major array, got a view with other strides: read mx_contiguous(a)");
    return NULL;
  }
  return a->data;
}

const int64_t *mx_strides(mx_array a) { return ready("strides", a) < 0 ? NULL : mxi_strides(a); }

static int one_element(mx_array a, const void *value) {
  MXI_TRY(ready("item", a));
  if (!value) return mxi_fail(MX_TYPE_ERROR, "[item] expected a place for the value, got NULL");
  if (a->size != 1)
    return mxi_fail(MX_INVALID_ARGUMENT, "[item] expected an array of one element, got %lld",
                    (long long)a->size);
  return 0;
}

int mx_item(mx_array a, double *value) {
  MXI_TRY(one_element(a, value));
  *value = mxi_scalar_load(a->data, (mx_dtype)a->dtype, NULL);
  return mxi_after_reading(a);
}
int mx_item_int(mx_array a, int64_t *value) {
  MXI_TRY(one_element(a, value));
  *value = mxi_scalar_load_int(a->data, (mx_dtype)a->dtype);
  return mxi_after_reading(a);
}
int mx_item_complex(mx_array a, double *re, double *im) {
  MXI_TRY(one_element(a, re));
  *re = mxi_scalar_load(a->data, (mx_dtype)a->dtype, im);
  return mxi_after_reading(a);
}
void mx_free(void *p) { mxi_free(p); }
