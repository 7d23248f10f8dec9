/* sort, argsort, partition and argpartition along an axis. Rows along the last axis are encoded to radix
   keys, sorted and decoded, many rows over the pool; one long row is sorted by passes whose parts run on the
   pool. Other axes are copied last and back. A partition is sorted altogether: every valid answer contains
   one, and a sorted array is one. */
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/kernels/sort.h"
#include <stdatomic.h>
#include <string.h>

enum {
  LONG_ROW = 1 << 16, /* a row of this length is worth the pool alone, if there are */
  FEW_ROWS = 4,       /* fewer rows than this */
  HUGE_ROW = 1 << 24, /* always sorted alone */
  CHUNK = 8192,       /* elements of a chunk of rows */
  MAX_PARTS = 16,
  BUCKETS = MXI_SORT_BUCKETS
};

struct rows {
  struct mxi_sort sort;
  bool indices; /* the result is indices, uint32 */
  const char *in;
  char *out; /* may be in */
  int64_t count, length, batch;
  atomic_int out_of_memory;
};

static const char *row_in(const struct rows *r, int64_t i) {
  return r->in + i * r->length * (int64_t)mx_dtype_size(r->sort.dtype);
}
static char *row_out(const struct rows *r, int64_t i) {
  return r->out + i * r->length * (r->indices ? 4 : (int64_t)mx_dtype_size(r->sort.dtype));
}

/* Elements [begin, begin + n) of the sorted row i; `room` has space for n items and is free. */
static void store(const struct rows *r, int64_t i, const char *items, int64_t begin, int64_t n, void *room) {
  items += begin * (int64_t)mxi_sort_item_size(&r->sort);
  if (r->indices)
    MXI_DISPATCH(mxi_sort_indices)(&r->sort, items, n, (uint32_t *)row_out(r, i) + begin);
  else if (r->sort.dtype != MX_COMPLEX64)
    MXI_DISPATCH(mxi_sort_decode)
  (&r->sort, items, n, row_out(r, i) + begin * (int64_t)mx_dtype_size(r->sort.dtype));
  else {
    const struct mxi_sort_pair *p = (const struct mxi_sort_pair *)items;
    const uint64_t *in = (const uint64_t *)row_in(r, i);
    for (int64_t k = 0; k < n; k++) ((uint64_t *)room)[k] = in[p[k].index];
  }
}

static void sort_row(const struct rows *r, int64_t i, char *items, char *room) {
  MXI_DISPATCH(mxi_sort_encode)(&r->sort, row_in(r, i), r->length, 0, items);
  char *sorted = MXI_DISPATCH(mxi_sort_items)(&r->sort, items, room, r->length);
  char *rest = sorted == items ? room : items;
  store(r, i, sorted, 0, r->length, rest);
  if (!r->indices && r->sort.dtype == MX_COMPLEX64) memcpy(row_out(r, i), rest, (size_t)r->length * 8);
}

static void rows_chunk(void *ctx, int64_t chunk) {
  struct rows *r = ctx;
  size_t bytes = (size_t)r->length * mxi_sort_item_size(&r->sort);
  char *items = mxi_scratch(2 * bytes);
  if (!items) {
    r->out_of_memory = 1;
    return;
  }
  int64_t end = mxi_min(r->count, (chunk + 1) * r->batch);
  for (int64_t i = chunk * r->batch; i < end; i++) sort_row(r, i, items, items + bytes);
}

/* ---- One long row ---- */
struct passes {
  const struct rows *rows;
  int64_t row;
  char *items, *room;
  int shift;
  int64_t parts, part; /* how many, and their length */
  int64_t places[MAX_PARTS][BUCKETS];
};

static int64_t part_length(const struct passes *p, int64_t i) {
  return mxi_max(0, mxi_min(p->part, p->rows->length - i * p->part));
}
static char *part_items(const struct passes *p, char *base, int64_t i) {
  return base + i * p->part * (int64_t)mxi_sort_item_size(&p->rows->sort);
}

static void encode_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  const struct rows *r = p->rows;
  const char *in = row_in(r, p->row) + i * p->part * (int64_t)mx_dtype_size(r->sort.dtype);
  MXI_DISPATCH(mxi_sort_encode)(&r->sort, in, part_length(p, i), i * p->part, part_items(p, p->items, i));
}
static void count_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  MXI_DISPATCH(mxi_sort_count)
  (&p->rows->sort, part_items(p, p->items, i), part_length(p, i), p->shift, p->places[i]);
}
static void scatter_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  MXI_DISPATCH(mxi_sort_scatter)
  (&p->rows->sort, part_items(p, p->items, i), part_length(p, i), p->shift, p->places[i], p->room);
}
static void store_part(void *ctx, int64_t i) {
  struct passes *p = ctx;
  store(p->rows, p->row, p->items, i * p->part, part_length(p, i), (uint64_t *)p->room + i * p->part);
}

/* Turns counts into places: digit by digit, within a digit part by part. False if all items share the digit.
 */
static bool place_parts(struct passes *p) {
  int64_t place = 0;
  for (int k = 0; k < BUCKETS; k++) {
    int64_t before = place;
    for (int64_t i = 0; i < p->parts; i++) {
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
  MXI_TRY(mxi_parallel_for(p->parts, encode_part, p));
  for (p->shift = s->low; p->shift < s->high; p->shift += MXI_SORT_DIGIT) {
    MXI_TRY(mxi_parallel_for(p->parts, count_part, p));
    if (!place_parts(p)) continue;
    MXI_TRY(mxi_parallel_for(p->parts, scatter_part, p));
    char *t = p->items;
    p->items = p->room, p->room = t;
  }
  MXI_TRY(mxi_parallel_for(p->parts, store_part, p));
  if (!p->rows->indices && s->dtype == MX_COMPLEX64)
    memcpy(row_out(p->rows, p->row), p->room, (size_t)p->rows->length * 8);
  return 0;
}

static int sort_long_rows(const struct rows *r) {
  int64_t bytes;
  if (!mxi_mul(r->length, 2 * (int64_t)mxi_sort_item_size(&r->sort), &bytes))
    return mxi_fail_memory(SIZE_MAX);
  mx_buffer *memory = mxi_buffer_new((size_t)bytes);
  if (!memory) return -1;
  int result = 0;
  for (int64_t i = 0; i < r->count && result == 0; i++) {
    struct passes p = {.rows = r, .row = i, .items = memory->data, .room = (char *)memory->data + bytes / 2};
    p.parts = mxi_min(MAX_PARTS, mxi_pool_size());
    p.part = mxi_round_up(mxi_ceil_div(r->length, p.parts), 16);
    result = run_passes(&p);
  }
  mxi_buffer_unref(memory);
  return result;
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
  struct rows r = {.sort = sort_of(t, indices),
                   .indices = indices,
                   .in = in,
                   .out = out,
                   .count = count,
                   .length = length};
  if (r.sort.indexed && length > (int64_t)UINT32_MAX)
    return mxi_fail(MX_NOT_SUPPORTED, "[argsort] expected at most 2^32 - 1 elements along the axis, got %lld",
                    (long long)length);
  if (length >= HUGE_ROW || (length >= LONG_ROW && count < FEW_ROWS)) return sort_long_rows(&r);
  r.batch = mxi_max(1, CHUNK / length);
  MXI_TRY(mxi_parallel_for(mxi_ceil_div(count, r.batch), rows_chunk, &r));
  return r.out_of_memory ? mxi_fail_memory(2 * (size_t)length * mxi_sort_item_size(&r.sort)) : 0;
}

/* ---- Any axis ---- */
/* A row-major array like `shape` with `axis` moved last; *strides get those of `a` in that order. */
static void move_last(mx_array a, int64_t axis, int64_t *shape, int64_t *strides) {
  int k = 0;
  for (int i = 0; i < a->ndim; i++)
    if (i != axis) shape[k] = mxi_shape(a)[i], strides[k++] = mxi_strides(a)[i];
  shape[k] = mxi_shape(a)[axis], strides[k] = mxi_strides(a)[axis];
}

static int sort_other_axis(mx_array in, mx_array out, int64_t axis, bool indices) {
  int64_t shape[MXI_MAX_NDIM], in_strides[MXI_MAX_NDIM], out_strides[MXI_MAX_NDIM];
  mx_dtype t = (mx_dtype)in->dtype, out_type = (mx_dtype)out->dtype;
  int64_t length = mxi_shape(in)[axis];
  move_last(in, axis, shape, in_strides);
  move_last(out, axis, shape, out_strides);
  mx_array rows = mxi_array_alloc(t, (mx_ints){shape, in->ndim});
  mx_array sorted = !rows     ? NULL
                    : indices ? mxi_array_alloc(out_type, (mx_ints){shape, in->ndim})
                              : mxi_ref(rows);
  int result = sorted ? 0 : -1;
  if (result == 0) {
    struct mxi_strided from = {in->data, t, in_strides}, to = {out->data, out_type, out_strides};
    result = mxi_copy_strided(in->ndim, shape, mxi_strided_of(rows), from);
    if (result == 0) result = sort_rows(t, indices, in->size / length, length, rows->data, sorted->data);
    if (result == 0) result = mxi_copy_strided(in->ndim, shape, to, mxi_strided_of(sorted));
  }
  mxi_unref(rows);
  mxi_unref(sorted);
  return result;
}

static int run(struct mxi_call *c, int64_t axis, bool indices) {
  mx_array in = c->in[0], out = c->out[0];
  if (indices)
    MXI_TRY(mxi_alloc(out));
  else
    MXI_TRY(mxi_reuse_or_alloc(c, 0, 0));
  if (!out->size) return 0;
  int64_t length = in->ndim ? mxi_shape(in)[axis] : 1;
  if (in->ndim && axis != in->ndim - 1 && in->size != length) return sort_other_axis(in, out, axis, indices);
  mx_array rows = mxi_row_major(in);
  if (!rows) return -1;
  int result = sort_rows((mx_dtype)in->dtype, indices, in->size / length, length, rows->data, out->data);
  mxi_unref(rows);
  return result;
}

int mxi_cpu_SORT(struct mxi_call *c) { return run(c, MXI_CALL_PARAMS(SORT, c)->axis, false); }
int mxi_cpu_ARGSORT(struct mxi_call *c) { return run(c, MXI_CALL_PARAMS(ARGSORT, c)->axis, true); }
int mxi_cpu_PARTITION(struct mxi_call *c) { return run(c, MXI_CALL_PARAMS(PARTITION, c)->axis, false); }
int mxi_cpu_ARGPARTITION(struct mxi_call *c) { return run(c, MXI_CALL_PARAMS(ARGPARTITION, c)->axis, true); }
