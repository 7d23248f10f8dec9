/* Arrays over memory that somebody else owns. It is used in place, unless its elements aren't what kernels
   rely on: every bool is 0 or 1, and every element lies at a multiple of its size. Then it is copied, and let
   go at once. */
#include "base/checked.h"
#include "base/error.h"
#include "core/array.h"

/* The distinct elements of a strided array, one after the other: axes of stride 0 repeat them, and are left
   out. */
struct walk {
  int ndim;
  int64_t shape[MXI_MAX_NDIM], strides[MXI_MAX_NDIM], at[MXI_MAX_NDIM]; /* strides in bytes */
  int64_t size;
};

static bool repeats(const struct mxi_array *a, int axis) {
  return a->dims[axis] == 1 || mxi_strides(a)[axis] == 0;
}

static void walk_init(struct walk *w, const struct mxi_array *a) {
  w->ndim = 0;
  w->size = a->size ? 1 : 0;
  for (int i = 0; i < a->ndim; i++) {
    if (repeats(a, i)) continue;
    w->at[w->ndim] = 0;
    w->shape[w->ndim] = a->dims[i];
    w->strides[w->ndim++] = mxi_strides(a)[i] * (int64_t)mxi_itemsize(a);
    w->size *= a->dims[i];
  }
}

static const char *walk_on(struct walk *w, const char *element) {
  for (int i = w->ndim - 1; i >= 0; i--) {
    if (++w->at[i] < w->shape[i]) return element + w->strides[i];
    element -= w->strides[i] * (w->shape[i] - 1);
    w->at[i] = 0;
  }
  return element;
}

static bool bools_valid(const struct mxi_array *a) {
  uint8_t all = 0;
  const uint8_t *element = a->data;
  if (mxi_row_contiguous(a)) {
    for (int64_t i = 0; i < a->size; i++) all |= element[i];
    return all <= 1;
  }
  struct walk w;
  walk_init(&w, a);
  for (int64_t i = 0; i < w.size; i++, element = (const uint8_t *)walk_on(&w, (const char *)element))
    all |= *element;
  return all <= 1;
}

static bool usable_in_place(const struct mxi_array *a) {
  bool aligned = a->size && (uintptr_t)a->data % mxi_itemsize(a) == 0;
  return aligned && (a->dtype != MX_BOOL || bools_valid(a));
}

/* The same elements, repeated along the same axes, in memory of our own. */
static mx_array copied(const struct mxi_array *a) {
  struct walk w;
  walk_init(&w, a);
  size_t bytes = mxi_itemsize(a);
  mx_array copy = mxi_array_new((mx_dtype)a->dtype, mxi_shape_of(a));
  mx_buffer *b = copy ? mxi_buffer_new((size_t)w.size * bytes) : NULL;
  if (!b) return mxi_unref(copy), NULL;
  const char *element = a->data;
  for (int64_t i = 0; i < w.size; i++, element = walk_on(&w, element))
    memcpy((char *)b->data + (size_t)i * bytes, element, bytes);
  if (a->dtype == MX_BOOL) mxi_normalise_bools(b->data, b->data, w.size);
  int64_t strides[MXI_MAX_NDIM], step = 1;
  for (int i = a->ndim - 1; i >= 0; i--) {
    strides[i] = repeats(a, i) ? 0 : step;
    if (strides[i]) step *= a->dims[i];
  }
  mxi_set_data(copy, b, 0, strides);
  mxi_publish(copy);
  return copy;
}

/* Does every element have an address? */
static bool addressable(const struct mxi_array *a, const void *data, const int64_t *strides) {
  int64_t low = (int64_t)(uintptr_t)data, high = low, bytes = (int64_t)mxi_itemsize(a);
  for (int i = 0; i < a->ndim && a->size; i++) {
    int64_t reach;
    if (!mxi_mul(strides[i], bytes, &reach) || !mxi_mul(reach, a->dims[i] - 1, &reach)) return false;
    int64_t *end = reach < 0 ? &low : &high;
    if (!mxi_add(*end, reach, end)) return false;
  }
  return low >= 0 && high <= INT64_MAX - bytes;
}

static int check_foreign(const struct mxi_array *a, const void *data, mx_ints strides) {
  if (!data && a->size)
    return mxi_fail(MX_INVALID_ARGUMENT, "[array_foreign] expected the memory of %lld elements, got NULL",
                    (long long)a->size);
  if (strides.v && strides.n != a->ndim)
    return mxi_fail(MX_INVALID_ARGUMENT, "[array_foreign] expected %d strides, got %d", a->ndim, strides.n);
  if (!addressable(a, data, strides.v ? strides.v : mxi_strides(a)))
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[array_foreign] expected elements within the address space, got strides beyond it");
  return 0;
}

mx_array mx_array_foreign(void *data, mx_ints shape, mx_ints strides, mx_dtype t, bool read_only,
                          void (*release)(void *owner), void *owner) {
  mx_array a = mxi_array_new(t, shape);
  mx_buffer *b = a && check_foreign(a, data, strides) == 0
                     ? mxi_buffer_foreign(data, (size_t)a->size * mx_dtype_size(t),
                                          read_only ? MXI_BUFFER_READ_ONLY : 0, release, owner)
                     : NULL;
  if (!b) return mxi_unref(a), MX_BAD;
  mxi_buffer_ref(b);
  mxi_set_data(a, b, 0, strides.v);
  mxi_publish(a);
  if (!usable_in_place(a)) {
    mx_array copy = copied(a);
    mxi_unref(a);
    a = copy;
  }
  a = mxi_own(a);
  if (a == MX_BAD) b->release = NULL; // the memory stays the caller's
  mxi_buffer_unref(b);
  return a;
}
