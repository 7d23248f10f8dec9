/* Distinct elements, positions of elements, places in a sorted vector. */
#include "core/interrupt.h"
#include "ops/common.h"

/* ---- unique ---- */
/* The flattened input in order, with what all results need. Every array is (n). */
struct groups {
  mx_array order, sorted; /* stable */
  mx_array first;         /* bool: is this the first of its group of equals? */
  mx_array group;         /* int64: which group, counted from 0 */
};
static mx_array part(mx_array a, int64_t from, int64_t to) {
  return mx_slice(a, MX_SHAPE(from), MX_SHAPE(to), MX_SHAPE(1));
}
static struct groups group_equals(mx_array a) {
  mx_array flat = mx_reshape(a, MX_SHAPE(a->size));
  struct groups g = {.order = mx_argsort(flat, 0)};
  int64_t n = a->size;
  g.sorted = mx_take(flat, g.order, 0);
  mx_array differs = mx_not_equal(part(g.sorted, 1, n), part(g.sorted, 0, n - 1));
  g.first = n ? mx_concatenate(2, (mx_array[]){mx_ones(MX_SHAPE(1), MX_BOOL), differs}, 0) : differs;
  g.group = mx_subtract(mx_cumsum(mx_astype(g.first, MX_INT64), 0, false, true), mx_scalar_int(1, MX_INT64));
  return g;
}
/* base with values put at the places of the groups; those beyond the size go to one more slot, cut off. */
static mx_array put_by_group(mx_array base, mx_array places, mx_array values, mx_update_mode mode) {
  return part(mx_put_along_axis(base, places, values, 0, mode), 0, mx_size(base) - 1);
}

struct distinct {
  mx_array values, index, inverse, counts;
};
static struct distinct find_distinct(mx_array a, int64_t size, mx_array fill) {
  struct groups g = group_equals(a);
  mx_array none = mx_scalar_int(size, MX_INT64), slot = mx_minimum(g.group, none);
  mx_array of_first = mx_where(g.first, slot, none);
  mx_array empty = mx_zeros(MX_SHAPE(size + 1), MX_UINT32), padding = mx_like(a, 0), at_padding = empty;
  if (a->size) {
    padding = part(g.sorted, 0, 1);
    at_padding = mx_broadcast_to(part(g.order, 0, 1), MX_SHAPE(size + 1));
  }
  if (fill) padding = mx_reshape(mx_astype(fill, mxi_dtype(a)), MX_SHAPE(1));
  struct distinct d;
  d.values = put_by_group(mx_broadcast_to(padding, MX_SHAPE(size + 1)), of_first, g.sorted, MX_UPDATE_SET);
  d.index = put_by_group(at_padding, of_first, g.order, MX_UPDATE_SET);
  mx_array last = mx_scalar_int(size > 0 ? size - 1 : 0, MX_INT64);
  mx_array place = mx_astype(mx_minimum(g.group, last), MX_UINT32);
  d.inverse = mx_put_along_axis(mx_zeros(MX_SHAPE(a->size), MX_UINT32), g.order, place, 0, MX_UPDATE_SET);
  d.inverse = mx_reshape(d.inverse, mxi_shape_of(a));
  d.counts = put_by_group(mx_zeros(MX_SHAPE(size + 1), MX_INT32), slot, mx_ones(MX_SHAPE(a->size), MX_INT32),
                          MX_UPDATE_ADD);
  return d;
}

/* Moves a result to the caller's scope, if it was asked for. */
static bool pass_if_wanted(mx_array *to, mx_array a) {
  if (to) *to = mx_pass(a);
  return mx_ok(a);
}

int mx_unique(mx_array a, int64_t size, mx_array fill, mx_array *values, mx_array *index, mx_array *inverse,
              mx_array *counts) {
  mx_array *out[] = {values, index, inverse, counts};
  for (int i = 0; i < 4; i++)
    if (out[i]) *out[i] = MX_BAD;
  if (!mxi_usable1("unique", a) || fill == MX_BAD) return -1;
  if (size < 0 || size == INT64_MAX)
    return mxi_fail(MX_INVALID_ARGUMENT, "[unique] expected a size of 0 or more, got %lld", (long long)size);
  if (fill && fill->size != 1)
    return mxi_fail(MX_INVALID_ARGUMENT, "[unique] expected one fill value, got shape %s",
                    MXI_SHAPE_TEXT(fill));
  if (!fill && a->size == 0 && size > 0)
    return mxi_fail(MX_INVALID_ARGUMENT, "[unique] expected a fill value for an empty array of shape %s",
                    MXI_SHAPE_TEXT(a));
  mx_scope scope = mx_scope_open();
  struct distinct d = find_distinct(a, size, fill);
  bool good = pass_if_wanted(values, d.values);
  good = pass_if_wanted(index, d.index) && good;
  good = pass_if_wanted(inverse, d.inverse) && good;
  good = pass_if_wanted(counts, d.counts) && good;
  mx_scope_close(&scope);
  return good ? 0 : -1;
}

int64_t mx_count_unique(mx_array a) {
  if (!mxi_usable1("unique", a)) return -1;
  mx_scope scope = mx_scope_open();
  int64_t n = 0;
  mx_array count = mx_sum(mx_astype(group_equals(a).first, MX_INT64), MX_ALL_AXES, false);
  int status = mx_item_int(count, &n);
  mx_scope_close(&scope);
  return status < 0 ? -1 : n;
}

/* ---- argwhere ---- */
enum { INTERRUPTIBLE = 1 << 20 }; // elements, of some ms together

/* The places of what isn't 0, as many as were counted. */
static int fill_positions(mx_array out, const uint8_t *nonzero, mx_ints shape, int64_t size) {
  int64_t at[MX_MAX_NDIM] = {0}, *next = mxi_data(int64_t, out), left = mx_dim(out, 0);
  for (int64_t i = 0; i < size; i++) {
    if (i % INTERRUPTIBLE == 0) MXI_TRY(mxi_go_on("argwhere"));
    if (nonzero[i]) {
      if (left-- == 0) break;
      mxi_copy_ints(next, (mx_ints){at, shape.n});
      next += shape.n;
    }
    for (int d = shape.n - 1; d >= 0 && ++at[d] == shape.v[d]; d--) at[d] = 0;
  }
  if (left == 0) return 0;
  return mxi_fail(MX_RUNTIME_ERROR, "[argwhere] expected the %lld elements that were counted, got %s",
                  (long long)mx_dim(out, 0), left < 0 ? "more" : "fewer");
}
static mx_array positions_of(const uint8_t *nonzero, mx_ints shape, int64_t size) {
  int64_t count = 0;
  for (int64_t i = 0; i < size; i++) count += nonzero[i] != 0;
  mx_array out = mxi_own(mxi_array_alloc(MX_INT64, MX_SHAPE(count, shape.n)));
  return mx_ok(out) && fill_positions(out, nonzero, shape, size) < 0 ? MX_BAD : out;
}
static mx_array nonzero_positions(mx_array a) {
  mx_array nonzero = mx_contiguous(mx_not_equal(a, mx_like(a, 0)), false);
  if (mx_eval(nonzero) < 0) return MX_BAD;
  const uint8_t *data = mx_data(nonzero);
  return data || a->size == 0 ? positions_of(data, mxi_shape_of(a), a->size) : MX_BAD;
}
mx_array mx_argwhere(mx_array a) {
  return mxi_usable1("argwhere", a) ? MXI_COMPOSED(nonzero_positions(a)) : MX_BAD;
}

/* ---- searchsorted ---- */
/* Does x stand before v in sorted order, in which NaN comes last? or_equal: or with it. */
static mx_array before(mx_array x, mx_array v, bool or_equal) {
  mx_array less = or_equal ? mx_less_equal(x, v) : mx_less(x, v);
  if (!mxi_is_inexact(mx_promote_types(mxi_dtype(x), mxi_dtype(v)))) return less;
  return mx_logical_or(less,
                       or_equal ? mx_isnan(v) : mx_logical_and(mx_isnan(v), mx_logical_not(mx_isnan(x))));
}
/* Binary search for all values at once: the count of elements before a value grows by powers of two. */
static mx_array insertion_places(mx_array sorted, mx_array values, bool right) {
  int64_t n = sorted->size;
  mx_array count = mx_zeros(mxi_shape_of(values), MX_INT64), whole = mx_scalar_int(n, MX_INT64);
  int bits = n ? 63 - __builtin_clzll((uint64_t)n) : -1;
  for (; bits >= 0 && mx_ok(count); bits--) {
    mx_array more = mx_add(count, mx_scalar_int(INT64_C(1) << bits, MX_INT64));
    mx_array last = mx_subtract(mx_minimum(more, whole), mx_scalar_int(1, MX_INT64));
    mx_array grows = before(mx_take(sorted, last, 0), values, right);
    count = mx_where(mx_logical_and(grows, mx_less_equal(more, whole)), more, count);
  }
  return mx_astype(count, MX_UINT32);
}
mx_array mx_searchsorted(mx_array sorted, mx_array values, bool right) {
  if (!mxi_usable2("searchsorted", sorted, values)) return MX_BAD;
  if (sorted->ndim != 1)
    return mxi_bad(MX_INVALID_ARGUMENT, "[searchsorted] expected a sorted vector, got shape %s",
                   MXI_SHAPE_TEXT(sorted));
  return MXI_COMPOSED(insertion_places(sorted, values, right));
}
