/* The public functions that make arrays of values, say what an array is, and read its values. */
#include "core/array.h"
#include "core/mapped.h"
#include "core/upcalls.h"
#include "base/alloc.h"
#include "base/error.h"
#include <string.h>

/* ---- Making and asking ---- */
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

/* ---- Reading ---- */
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
