/* sort, argsort, partition and argpartition along an axis. Rows along the last axis are encoded to keys,
   sorted and decoded, many rows over the pool. One long row is cut by pivots into runs that the pool sorts
   side by side, or, where radix serves it better, sorted by passes whose parts run on the pool. Other axes
   are copied last and back. Partitions are those of select.c. */
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/locals.h"
#include "cpu/select.h"
#include "cpu/sort_rows.h"
#include <string.h>

enum {
  MAX_RUNS = 64,
  RUNS_A_THREAD = 4,       /* that a long row is cut into, so that none waits long for the last */
  SHORT_RUN = 1 << 13,     /* is not cut */
  LONG_RUN = 1 << 21,      /* would keep an interrupt waiting */
  SHORT_ROW = 64,          /* is sorted rather than partitioned */
  SHORT_NARROW_ROW = 1024, /* rows of 8 or 16 bits longer than this take fewer steps by radix */
  BUCKETS = MXI_SORT_BUCKETS
};

/* Elements [begin, begin + n) of the sorted row i; `room` has space for n items and is free. */
static void store_sorted(const struct mxi_rows *r, int64_t i, const char *items, int64_t begin, int64_t n,
                         void *room) {
  items += begin * (int64_t)mxi_sort_item_size(&r->sort);
  if (r->indices)
    MXI_DISPATCH(mxi_sort_indices)(&r->sort, items, n, (uint32_t *)mxi_row_out(r, i) + begin);
  else if (r->sort.dtype != MX_COMPLEX64)
    MXI_DISPATCH(mxi_sort_decode)
  (&r->sort, items, n, mxi_row_out(r, i) + begin * (int64_t)mx_dtype_size(r->sort.dtype));
  else {
    const struct mxi_sort_pair *p = (const struct mxi_sort_pair *)items;
    const uint64_t *in = (const uint64_t *)mxi_row_in(r, i);
    for (int64_t k = 0; k < n; k++) ((uint64_t *)room)[k] = in[p[k].index];
  }
}

/* Are rows sorted by vectors? Two lanes gain nothing over radix in long rows. */
static bool is_quick(const struct mxi_rows *r) {
  if (r->sort.form == MXI_SORT_PAIR) return false;
  if (r->sort.form == MXI_SORT_64 && mxi_isa() == MXI_ISA_V2) return r->length <= SHORT_NARROW_ROW;
  return r->sort.high - r->sort.low >= 32 || r->length <= SHORT_NARROW_ROW;
}

static void sort_row(const struct mxi_rows *r, int64_t i, char *items, char *room) {
  MXI_DISPATCH(mxi_sort_encode)(&r->sort, mxi_row_in(r, i), r->length, 0, items);
  if (is_quick(r)) {
    MXI_DISPATCH(mxi_sort_quick)(&r->sort, items, room, r->length, mxi_row_out(r, i), 0);
    return;
  }
  char *sorted = MXI_DISPATCH(mxi_sort_radix)(&r->sort, items, room, r->length);
  char *rest = sorted == items ? room : items;
  store_sorted(r, i, sorted, 0, r->length, rest);
  if (!r->indices && r->sort.dtype == MX_COMPLEX64) memcpy(mxi_row_out(r, i), rest, (size_t)r->length * 8);
}

/* ---- One long row ---- */
struct row_run {
  char *items, *spare;
  int64_t n, at; /* items, and the first one's place in the row */
};
struct passes {
  const struct mxi_rows *rows;
  int64_t row;
  char *items, *room;
  int shift;
  struct mxi_row_parts parts;
  int64_t places[MXI_ROW_PARTS][BUCKETS];
  /* of a row that is cut into runs: those, and how the last one is cut */
  struct row_run runs[MAX_RUNS];
  int count;
  uint64_t pivot;
  int64_t less, below[MXI_ROW_PARTS];
};

static char *part_items(const struct passes *p, char *base, int64_t i) {
  return base + i * p->parts.length * (int64_t)mxi_sort_item_size(&p->rows->sort);
}

static void encode_sort_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  const struct mxi_rows *r = p->rows;
  const char *in = mxi_row_in(r, p->row) + i * p->parts.length * (int64_t)mx_dtype_size(r->sort.dtype);
  MXI_DISPATCH(mxi_sort_encode)
  (&r->sort, in, mxi_part_length(&p->parts, i), i * p->parts.length, part_items(p, p->items, i));
}
static void count_digit_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  MXI_DISPATCH(mxi_sort_count)
  (&p->rows->sort, part_items(p, p->items, i), mxi_part_length(&p->parts, i), p->shift, p->places[i]);
}
static void scatter_digit_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  MXI_DISPATCH(mxi_sort_scatter)
  (&p->rows->sort, part_items(p, p->items, i), mxi_part_length(&p->parts, i), p->shift, p->places[i],
   p->room);
}
static void store_sorted_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  store_sorted(p->rows, p->row, p->items, i * p->parts.length, mxi_part_length(&p->parts, i),
               (uint64_t *)p->room + i * p->parts.length);
}

/* Turns counts into places: digit by digit, within a digit part by part. False if all items share the digit.
 */
static bool place_digit_parts(struct passes *p) {
  int64_t place = 0;
  for (int k = 0; k < BUCKETS; k++) {
    int64_t before = place;
    for (int64_t i = 0; i < p->parts.count; i++) {
      int64_t count = p->places[i][k];
      p->places[i][k] = place;
      place += count;
    }
    if (place - before == p->rows->length) return false;
  }
  return true;
}

static int run_passes(struct passes *p) {
  const struct mxi_sort *s = &p->rows->sort;
  for (p->shift = s->low; p->shift < s->high; p->shift += MXI_SORT_DIGIT) {
    MXI_TRY(mxi_parallel_for(p->parts.count, count_digit_part, p));
    if (!place_digit_parts(p)) continue;
    MXI_TRY(mxi_parallel_for(p->parts.count, scatter_digit_part, p));
    char *t = p->items;
    p->items = p->room, p->room = t;
  }
  MXI_TRY(mxi_parallel_for(p->parts.count, store_sorted_part, p));
  if (!p->rows->indices && s->dtype == MX_COMPLEX64)
    memcpy(mxi_row_out(p->rows, p->row), p->room, (size_t)p->rows->length * 8);
  return 0;
}

/* Cutting a run: parts of it count what is below the pivot, then move it to the spare memory's front, and the
   rest behind that. */
static int64_t cut_length(const struct passes *p) {
  return mxi_round_up(mxi_ceil_div(p->runs[p->count].n, p->parts.count), 16);
}
static void below_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  const struct row_run *run = &p->runs[p->count];
  int64_t length = cut_length(p), n = mxi_max(0, mxi_min(length, run->n - i * length));
  int64_t size = (int64_t)mxi_sort_item_size(&p->rows->sort);
  p->below[i] = MXI_DISPATCH(mxi_sort_below)(&p->rows->sort, run->items + i * length * size, n, p->pivot);
}
static void cut_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  const struct row_run *run = &p->runs[p->count];
  int64_t length = cut_length(p), n = mxi_max(0, mxi_min(length, run->n - i * length)), below = 0;
  int64_t size = (int64_t)mxi_sort_item_size(&p->rows->sort);
  for (int64_t k = 0; k < i; k++) below += p->below[k];
  int64_t rest = p->less + mxi_min(run->n, i * length) - below;
  MXI_DISPATCH(mxi_sort_split)
  (&p->rows->sort, run->items + i * length * size, n, p->pivot, run->spare + below * size, p->below[i],
   run->spare + rest * size);
}

/* Cuts run i in two, unless one of them would be far the shorter. The last place in runs is for the cut one.
 */
static int cut_run(struct passes *p, int i) {
  struct row_run whole = p->runs[i];
  int64_t size = (int64_t)mxi_sort_item_size(&p->rows->sort);
  p->runs[p->count] = whole;
  p->pivot = MXI_DISPATCH(mxi_sort_pivot)(&p->rows->sort, whole.items, whole.n);
  MXI_TRY(mxi_parallel_for(p->parts.count, below_part, p));
  p->less = 0;
  for (int64_t k = 0; k < p->parts.count; k++) p->less += p->below[k];
  if (p->less < whole.n / 8 || p->less > whole.n - whole.n / 8) return 0;
  MXI_TRY(mxi_parallel_for(p->parts.count, cut_part, p));
  int64_t less = p->less, bytes = less * size;
  p->runs[i] = (struct row_run){whole.spare, whole.items, less, whole.at};
  p->runs[p->count++] =
      (struct row_run){whole.spare + bytes, whole.items + bytes, whole.n - less, whole.at + less};
  return 0;
}

static void sort_run(void *ctx, int64_t i) {
  const struct passes *p = ctx;
  const struct row_run *run = &p->runs[i];
  MXI_DISPATCH(mxi_sort_quick)
  (&p->rows->sort, run->items, run->spare, run->n, mxi_row_out(p->rows, p->row), run->at);
}

static int sort_runs(struct passes *p) {
  p->runs[0] = (struct row_run){p->items, p->room, p->rows->length, 0};
  p->count = 1;
  int64_t shares = mxi_pool_size() > 1 ? RUNS_A_THREAD * mxi_pool_size() : 1;
  int wanted = (int)mxi_min(MAX_RUNS / 2, mxi_max(shares, p->rows->length / LONG_RUN));
  for (int before = 0; before < p->count && p->count < wanted;) {
    before = p->count; /* each run of this round is cut once */
    for (int i = 0; i < before; i++)
      if (p->runs[i].n > SHORT_RUN) MXI_TRY(cut_run(p, i));
  }
  return mxi_parallel_for(p->count, sort_run, p);
}

static int sort_long_row(const struct mxi_rows *r, int64_t i, char *items, char *room) {
  MXI_LOCAL(struct passes, p, 1);
  p->rows = r;
  p->row = i;
  p->items = items;
  p->room = room;
  p->parts = mxi_row_parts(r);
  MXI_TRY(mxi_parallel_for(p->parts.count, encode_sort_part, p));
  return is_quick(r) ? sort_runs(p) : run_passes(p);
}

static struct mxi_sort sort_of(mx_dtype t, bool indices) {
  struct mxi_sort s = {.dtype = t, .indexed = indices || t == MX_COMPLEX64};
  size_t size = mx_dtype_size(t);
  s.form = size == 8 ? s.indexed ? MXI_SORT_PAIR : MXI_SORT_64 : s.indexed ? MXI_SORT_64 : MXI_SORT_32;
  s.low = s.form == MXI_SORT_64 && s.indexed ? 32 : 0;
  s.high = s.low + 8 * (int)size;
  return s;
}

static int sort_rows(mx_dtype t, bool indices, int64_t count, int64_t length, const void *in, void *out) {
  struct mxi_rows r = {.sort = sort_of(t, indices),
                       .indices = indices,
                       .in = in,
                       .out = out,
                       .count = count,
                       .length = length};
  if (r.sort.indexed && length > (int64_t)UINT32_MAX)
    return mxi_fail(MX_NOT_SUPPORTED, "[argsort] expected at most 2^32 - 1 elements along the axis, got %lld",
                    (long long)length);
  static const struct mxi_row_steps steps = {2, sort_row, sort_long_row};
  return mxi_rows_run(&r, &steps);
}

/* ---- Any axis ---- */
/* A row-major array like `shape` with `axis` moved last; *strides get those of `a` in that order. */
static void move_last(mx_array a, int64_t axis, int64_t *shape, int64_t *strides) {
  int k = 0;
  for (int i = 0; i < a->ndim; i++)
    if (i != axis) shape[k] = mxi_shape(a)[i], strides[k++] = mxi_strides(a)[i];
  shape[k] = mxi_shape(a)[axis], strides[k] = mxi_strides(a)[axis];
}

/* What is done to rows: sorted, or partitioned at kth. */
struct row_order {
  int64_t axis, kth; /* kth < 0: sorted */
  bool indices;
};

static int order_rows(const struct row_order *o, mx_dtype t, int64_t count, int64_t length, const void *in,
                      void *out) {
  if (o->kth < 0 || length <= SHORT_ROW) return sort_rows(t, o->indices, count, length, in, out);
  if (t != MX_COMPLEX64 || o->indices) return mxi_select_rows(t, o->indices, count, length, o->kth, in, out);
  return sort_rows(t, false, count, length, in, out); /* their keys can't be turned back into elements */
}

static int order_other_axis(mx_array in, mx_array out, const struct row_order *o) {
  int64_t shape[MXI_MAX_NDIM], in_strides[MXI_MAX_NDIM], out_strides[MXI_MAX_NDIM];
  mx_dtype t = (mx_dtype)in->dtype, out_type = (mx_dtype)out->dtype;
  int64_t length = mxi_shape(in)[o->axis];
  move_last(in, o->axis, shape, in_strides);
  move_last(out, o->axis, shape, out_strides);
  mx_array rows = mxi_array_alloc(t, (mx_ints){shape, in->ndim});
  mx_array ordered = !rows        ? NULL
                     : o->indices ? mxi_array_alloc(out_type, (mx_ints){shape, in->ndim})
                                  : mxi_ref(rows);
  int result = ordered ? 0 : -1;
  if (result == 0) {
    struct mxi_strided from = {in->data, t, in_strides}, to = {out->data, out_type, out_strides};
    result = mxi_copy_strided(in->ndim, shape, mxi_strided_of(rows), from);
    if (result == 0) result = order_rows(o, t, in->size / length, length, rows->data, ordered->data);
    if (result == 0) result = mxi_copy_strided(in->ndim, shape, to, mxi_strided_of(ordered));
  }
  mxi_unref(rows);
  mxi_unref(ordered);
  return result;
}

static int order_axis(struct mxi_call *c, struct row_order o) {
  mx_array in = c->in[0], out = c->out[0];
  if (!out->size) return 0;
  int64_t length = in->ndim ? mxi_shape(in)[o.axis] : 1;
  if (in->ndim && o.axis != in->ndim - 1 && in->size != length) return order_other_axis(in, out, &o);
  mx_array rows = mxi_row_major(in);
  if (!rows) return mxi_untouched(c);
  int result = order_rows(&o, (mx_dtype)in->dtype, in->size / length, length, rows->data, out->data);
  mxi_unref(rows);
  return result;
}

int mxi_cpu_SORT(struct mxi_call *c) {
  return order_axis(c, (struct row_order){MXI_CALL_PARAMS(SORT, c)->axis, -1, false});
}
int mxi_cpu_ARGSORT(struct mxi_call *c) {
  return order_axis(c, (struct row_order){MXI_CALL_PARAMS(ARGSORT, c)->axis, -1, true});
}
int mxi_cpu_PARTITION(struct mxi_call *c) {
  const struct mxi_p_PARTITION *p = MXI_CALL_PARAMS(PARTITION, c);
  return order_axis(c, (struct row_order){p->axis, p->kth, false});
}
int mxi_cpu_ARGPARTITION(struct mxi_call *c) {
  const struct mxi_p_ARGPARTITION *p = MXI_CALL_PARAMS(ARGPARTITION, c);
  return order_axis(c, (struct row_order){p->axis, p->kth, true});
}
