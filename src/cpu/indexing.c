/* gather, scatter, take_along_axis and put_along_axis. All four turn ranges of indices into offsets of
   elements; a slice of the array lies at each. Indices are checked before anything is written. Scatters are
   deterministic: each destination is updated by one thread, in the order of the indices. */
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/kernels/copy.h"
#include "cpu/locals.h"
#include "cpu/pool.h"
#include "core/region.h"
#include "cpu/stream_bytes.h"
#include <stdatomic.h>
#include <string.h>

enum {
  RUN = 1024,          /* indices resolved at a time */
  CHUNK = 32768,       /* elements of a chunk of the pool, about */
  BIG_SLICE = 1 << 17, /* slices that are worth the pool on their own */
  SLICE_COLUMN = 256   /* of a strided slice: elements taken at a time from each index's slice */
};

/* One array of indices, over the shape I of all of them. */
struct index_array {
  mx_array array;
  struct mxi_region region; /* operand 0: the indices */
  int64_t dim, stride;      /* of the axis they index */
  int64_t limit;            /* dim, or less if the slice is longer than one element of it */
  int64_t axis;
};
struct indices {
  int count;
  int64_t size;           /* of I */
  bool based;             /* offsets start from `base`, else from 0 */
  struct mxi_region base; /* over I: operand 0 the offset to start from, operand 1 the source element */
  struct index_array of[MXI_MAX_NDIM];
  _Atomic int64_t bad; /* the first bad index: position * MXI_MAX_NDIM + index array; INT64_MAX when none */
};

/* Indices of `axis` of target, from where slices of `length` elements along it must fit. */
static void add_indices(struct indices *x, mx_array array, mx_array target, int64_t axis, int64_t length) {
  struct index_array *k = &x->of[x->count++];
  const int64_t *strides[1] = {mxi_strides(array)};
  *k = (struct index_array){.array = array, .axis = axis};
  k->dim = mxi_shape(target)[axis];
  k->stride = mxi_strides(target)[axis];
  k->limit = k->dim - length + 1;
  mxi_region_init(&k->region, array->ndim, mxi_shape(array), 1, strides);
  mxi_region_merge(&k->region);
}

static void note_bad(struct indices *x, int64_t position, int k) {
  int64_t code = position * MXI_MAX_NDIM + k, seen = atomic_load(&x->bad);
  while (code < seen && !atomic_compare_exchange_weak(&x->bad, &seen, code)) {}
}

static bool add_run(struct indices *x, int k, int64_t begin, int64_t n, int64_t *offsets) {
  const struct index_array *a = &x->of[k];
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &a->region, begin);
  for (int64_t done = 0; done < n;) {
    int64_t run = mxi_min(n - done, mxi_region_iter_run(&it, &a->region));
    const char *data = mxi_data(char, a->array) + it.offset[0] * (int64_t)mxi_itemsize(a->array);
    int64_t step = a->region.ndim ? a->region.strides[0][a->region.ndim - 1] : 0;
    int64_t bad = MXI_DISPATCH(mxi_index_run)((mx_dtype)a->array->dtype, data, step, run, a->dim, a->limit,
                                              a->stride, offsets + done);
    if (bad >= 0) {
      note_bad(x, begin + done + bad, k);
      return false;
    }
    done += run;
    mxi_region_iter_advance(&it, &a->region, run);
  }
  return true;
}

static void start_from_base(const struct indices *x, int64_t begin, int64_t n, int64_t *offsets,
                            int64_t *from) {
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->base, begin);
  for (int64_t done = 0; done < n;) {
    int64_t run = mxi_min(n - done, mxi_region_iter_run(&it, &x->base));
    int last = x->base.ndim - 1;
    int64_t step = last < 0 ? 0 : x->base.strides[0][last],
            from_step = last < 0 ? 0 : x->base.strides[1][last];
    for (int64_t i = 0; i < run; i++) offsets[done + i] = it.offset[0] + i * step;
    if (from)
      for (int64_t i = 0; i < run; i++) from[done + i] = it.offset[1] + i * from_step;
    done += run;
    mxi_region_iter_advance(&it, &x->base, run);
  }
}

/* Offsets of the n <= RUN indices from `begin`; `from`, unless NULL, gets the base's source elements. False
   if an index is out of range. */
static bool resolve(struct indices *x, int64_t begin, int64_t n, int64_t *offsets, int64_t *from) {
  if (x->based)
    start_from_base(x, begin, n, offsets, from);
  else
    memset(offsets, 0, (size_t)n * sizeof *offsets);
  for (int k = 0; k < x->count; k++)
    if (!add_run(x, k, begin, n, offsets)) return false;
  return true;
}

static int report_bad(const struct mxi_call *c, const struct indices *x) {
  int64_t bad = atomic_load(&x->bad);
  if (bad == INT64_MAX) return 0;
  const struct index_array *a = &x->of[bad % MXI_MAX_NDIM];
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &a->region, bad / MXI_MAX_NDIM);
  const char *element = mxi_data(char, a->array) + it.offset[0] * (int64_t)mxi_itemsize(a->array);
  long long value = mxi_scalar_load_int(element, (mx_dtype)a->array->dtype), dim = a->dim;
  if (a->array->dtype == MX_UINT64)
    return mxi_fail(MX_INDEX_ERROR, "[%s] expected indices in [-%lld, %lld) on axis %lld, got %llu",
                    c->prim->name, dim, dim, (long long)a->axis, (unsigned long long)value);
  return mxi_fail(MX_INDEX_ERROR, "[%s] expected indices in [-%lld, %lld) on axis %lld, got %lld",
                  c->prim->name, dim, dim, (long long)a->axis, value);
}

static void check_chunk(void *ctx, int64_t i) {
  struct indices *x = ctx;
  MXI_LOCAL(int64_t, offsets, RUN);
  for (int64_t at = i * CHUNK, end = mxi_min(x->size, at + CHUNK); at < end; at += RUN)
    if (!resolve(x, at, mxi_min(RUN, end - at), offsets, NULL)) return;
}
static int check_all(const struct mxi_call *c, struct indices *x) {
  MXI_TRY(mxi_parallel_for(mxi_ceil_div(x->size, CHUNK), check_chunk, x));
  return report_bad(c, x);
}

/* ---- gather ---- */
struct slice_gather {
  struct indices indices;
  mx_array in;
  char *out;
  int64_t itemsize;
  int64_t slice;            /* elements of a slice */
  struct mxi_region region; /* of a slice: operand 0 the output, operand 1 the input */
  int64_t chunk;            /* indices in a chunk of the pool */
  bool stream;              /* the result is too large for the caches */
};

/* Elements [begin, begin + n) of a slice whose innermost runs are strided. */
static void gather_strided(const struct slice_gather *g, char *out, const char *in, int64_t begin,
                           int64_t n) {
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &g->region, begin);
  int last = g->region.ndim - 1;
  for (int64_t done = 0; done < n;) {
    int64_t run = mxi_min(n - done, mxi_region_iter_run(&it, &g->region));
    struct mxi_panel panel = {1, run, 0, 1, 0, g->region.strides[1][last]};
    MXI_DISPATCH(mxi_copy_panel)
    ((int)g->itemsize, &panel, out + (begin + done) * g->itemsize, in + it.offset[1] * g->itemsize, 0);
    done += run;
    mxi_region_iter_advance(&it, &g->region, run);
  }
}

static void gather_slice_run(const struct slice_gather *g, char *out, const int64_t *offsets, int64_t n) {
  const char *in = g->in->data;
  bool contiguous = g->region.ndim == 1 && g->region.strides[1][0] == 1;
  if (g->slice == 1)
    MXI_DISPATCH(mxi_gather_elements)((int)g->itemsize, n, out, in, offsets);
  else if (contiguous)
    MXI_DISPATCH(mxi_gather_rows)
  ((int)g->itemsize, (size_t)(g->slice * g->itemsize), n, out, in, offsets, g->stream);
  else /* a column of every slice, then the next: neighbouring slices share cache lines */
      for (int64_t j = 0; j < g->slice; j += SLICE_COLUMN) for (int64_t i = 0; i < n; i++)
          gather_strided(g, out + i * g->slice * g->itemsize, in + offsets[i] * g->itemsize, j,
                         mxi_min(SLICE_COLUMN, g->slice - j));
}

static void gather_chunk(void *ctx, int64_t i) {
  struct slice_gather *g = ctx;
  MXI_LOCAL(int64_t, offsets, RUN);
  for (int64_t at = i * g->chunk, end = mxi_min(g->indices.size, at + g->chunk); at < end; at += RUN) {
    int64_t n = mxi_min(RUN, end - at);
    if (!resolve(&g->indices, at, n, offsets, NULL)) return;
    gather_slice_run(g, g->out + at * g->slice * g->itemsize, offsets, n);
  }
}

static int run_gather(struct mxi_call *c, struct slice_gather *g) {
  g->stream = g->indices.size * g->slice * g->itemsize >= MXI_STREAM_BYTES;
  g->chunk = g->slice == 1 ? CHUNK / 2 : mxi_max(16, mxi_min(RUN, CHUNK / g->slice));
  MXI_TRY(mxi_parallel_for(mxi_ceil_div(g->indices.size, g->chunk), gather_chunk, g));
  return report_bad(c, &g->indices);
}

/* A few big slices: one after the other, each on the pool. */
static int gather_big_slices(struct mxi_call *c, struct slice_gather *g, const int64_t *slice_shape,
                             int ndim) {
  int64_t offset, row_major[MXI_MAX_NDIM], step = 1;
  for (int i = ndim - 1; i >= 0; i--) row_major[i] = step, step *= slice_shape[i];
  for (int64_t i = 0; i < g->indices.size; i++) {
    if (!resolve(&g->indices, i, 1, &offset, NULL)) return report_bad(c, &g->indices);
    mx_dtype t = (mx_dtype)g->in->dtype;
    struct mxi_strided dst = {g->out + i * g->slice * g->itemsize, t, row_major};
    struct mxi_strided src = {mxi_data(char, g->in) + offset * g->itemsize, t, mxi_strides(g->in)};
    MXI_TRY(mxi_copy_strided(ndim, slice_shape, dst, src));
  }
  return 0;
}

static void indices_init(struct indices *x, int64_t size) {
  x->count = 0;
  x->size = size;
  x->based = false;
  atomic_init(&x->bad, INT64_MAX);
}

/* The region of a slice of `array`, with the slice row-major as operand 0. */
static void slice_region(struct mxi_region *region, mx_array array, const int64_t *shape) {
  int64_t row_major[MXI_MAX_NDIM], step = 1;
  for (int i = array->ndim - 1; i >= 0; i--) row_major[i] = step, step *= shape[i];
  const int64_t *strides[2] = {row_major, mxi_strides(array)};
  mxi_region_init(region, array->ndim, shape, 2, strides);
  if (region->size) mxi_region_merge(region);
}

int mxi_cpu_GATHER(struct mxi_call *c) {
  const struct mxi_p_GATHER *p = MXI_CALL_PARAMS(GATHER, c);
  mx_array in = c->in[0], out = c->out[0];
  MXI_LOCAL(struct slice_gather, g, 1);
  g->in = in;
  g->out = out->data;
  g->itemsize = (int64_t)mxi_itemsize(in);
  slice_region(&g->region, in, p->slice_sizes.v);
  g->slice = g->region.size;
  indices_init(&g->indices, c->ninputs > 1 ? c->in[1]->size : 1);
  for (int i = 1; i < c->ninputs; i++) {
    int64_t axis = p->axes.v[i - 1];
    add_indices(&g->indices, c->in[i], in, axis, p->slice_sizes.v[axis]);
  }
  if (!out->size) return check_all(c, &g->indices);
  if (g->slice >= BIG_SLICE) return gather_big_slices(c, g, p->slice_sizes.v, in->ndim);
  return run_gather(c, g);
}

/* Offsets along an axis start from where the other coordinates lead: strides of `target` without that axis,
   and as source elements those of `source` (or of the target again). */
static void base_on(struct indices *x, mx_array index, mx_array target, const int64_t *source, int64_t axis) {
  int64_t strides[MXI_MAX_NDIM];
  memcpy(strides, mxi_strides(target), (size_t)target->ndim * sizeof *strides);
  strides[axis] = 0;
  const int64_t *both[2] = {strides, source ? source : strides};
  x->based = true;
  mxi_region_init(&x->base, index->ndim, mxi_shape(index), 2, both);
  if (x->base.size) mxi_region_merge(&x->base);
}

int mxi_cpu_GATHER_AXIS(struct mxi_call *c) {
  int64_t axis = MXI_CALL_PARAMS(GATHER_AXIS, c)->axis;
  mx_array in = c->in[0], index = c->in[1], out = c->out[0];
  MXI_LOCAL(struct slice_gather, g, 1);
  g->in = in;
  g->out = out->data;
  g->itemsize = (int64_t)mxi_itemsize(in);
  g->slice = 1;
  indices_init(&g->indices, index->size);
  add_indices(&g->indices, index, in, axis, 1);
  base_on(&g->indices, index, in, NULL, axis);
  return run_gather(c, g);
}

/* ---- scatter ---- */
struct slice_scatter {
  struct indices indices;
  mx_array out;
  mx_array updates;
  int mode;
  int64_t
      slice; /* elements of a slice; updates of index i start at i * slice unless the indices have a base */
  struct mxi_region region; /* of a slice: operand 0 the updates, operand 1 the output */
  int64_t parts, span;      /* part p owns the offsets in [p * span, (p + 1) * span) */
};

static void update_slice(const struct slice_scatter *s, int64_t to, int64_t from) {
  int64_t itemsize = (int64_t)mxi_itemsize(s->out);
  if (s->region.ndim == 1) {
    MXI_DISPATCH(mxi_update_run)
    ((mx_dtype)s->out->dtype, s->mode, s->slice, mxi_data(char, s->out) + to * itemsize,
     s->region.strides[1][0], mxi_data(char, s->updates) + from * itemsize, 1);
    return;
  }
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &s->region, 0);
  int last = s->region.ndim - 1;
  for (int64_t done = 0; done < s->slice;) {
    int64_t run = mxi_region_iter_run(&it, &s->region), step = s->region.strides[1][last];
    MXI_DISPATCH(mxi_update_run)
    ((mx_dtype)s->out->dtype, s->mode, run, mxi_data(char, s->out) + (to + it.offset[1]) * itemsize, step,
     mxi_data(char, s->updates) + (from + done) * itemsize, 1);
    done += run;
    mxi_region_iter_advance(&it, &s->region, run);
  }
}

/* The updates of a run of indices. The destinations are anywhere in memory: their first lines are asked for
 * early. */
static void update_slices(const struct slice_scatter *s, int64_t n, const int64_t *to, const int64_t *from) {
  int64_t itemsize = (int64_t)mxi_itemsize(s->out), near = mxi_min(s->slice * itemsize, 512);
  for (int64_t i = 0; i < n; i++) {
    if (i + 4 < n)
      for (int64_t line = 0; line < near; line += 64)
        __builtin_prefetch(mxi_data(char, s->out) + to[i + 4] * itemsize + line, 1);
    update_slice(s, to[i], from[i]);
  }
}

/* Goes through all indices and applies those whose offset this part owns. */
static void scatter_part(void *ctx, int64_t part) {
  struct slice_scatter *s = ctx;
  MXI_LOCAL(int64_t, to, RUN);
  MXI_LOCAL(int64_t, from, RUN);
  for (int64_t at = 0; at < s->indices.size; at += RUN) {
    int64_t n = mxi_min(RUN, s->indices.size - at), owned = 0;
    if (mxi_chunk_must_stop()) return;
    if (!resolve(&s->indices, at, n, to, from)) return;
    if (!s->indices.based)
      for (int64_t i = 0; i < n; i++) from[i] = (at + i) * s->slice;
    uint64_t low = (uint64_t)(part * s->span);
    for (int64_t i = 0; i < n; i++) {
      int64_t t = to[i], f = from[i];
      to[owned] = t;
      from[owned] = f;
      owned += (uint64_t)t - low < (uint64_t)s->span;
    }
    if (s->slice == 1) MXI_DISPATCH(mxi_update_at)
    ((mx_dtype)s->out->dtype, s->mode, owned, s->out->data, to, s->updates->data, from);
    else update_slices(s, owned, to, from);
  }
}

/* `disjoint`: slices at different offsets share no element, so that offsets can be split between threads. */
static int run_scatter(struct mxi_call *c, struct slice_scatter *s, bool disjoint) {
  int64_t largest = 0;
  for (int k = 0; k < s->indices.count; k++) largest += (s->indices.of[k].dim - 1) * s->indices.of[k].stride;
  if (s->indices.based) largest = s->out->size - 1;
  bool small = s->indices.size * s->slice <= CHUNK;
  s->parts = disjoint && !small ? mxi_pool_size() : 1;
  s->span = largest / s->parts + 1;
  if (check_all(c, &s->indices) < 0) return mxi_untouched(c);
  MXI_TRY(mxi_start_from_input(c));
  return s->updates->size && s->out->size ? mxi_parallel_for(s->parts, scatter_part, s) : 0;
}

int mxi_cpu_SCATTER(struct mxi_call *c) {
  const struct mxi_p_SCATTER *p = MXI_CALL_PARAMS(SCATTER, c);
  mx_array out = c->out[0], updates = c->in[1];
  const int64_t *shape = mxi_shape(updates) + updates->ndim - out->ndim; /* of a slice */
  MXI_LOCAL(struct slice_scatter, s, 1);
  s->out = out;
  s->mode = (int)p->mode;
  slice_region(&s->region, out, shape); /* out is row-major: its strides are final */
  s->slice = s->region.size;
  indices_init(&s->indices, c->ninputs > 2 ? c->in[2]->size : 1);
  bool disjoint = true;
  for (int i = 2; i < c->ninputs; i++) {
    int64_t axis = p->axes.v[i - 2];
    add_indices(&s->indices, c->in[i], out, axis, shape[axis]);
    disjoint = disjoint && shape[axis] == 1;
  }
  s->updates = mxi_row_major(updates);
  if (!s->updates) return mxi_untouched(c);
  int result = run_scatter(c, s, disjoint);
  mxi_unref(s->updates);
  return result;
}

int mxi_cpu_SCATTER_AXIS(struct mxi_call *c) {
  const struct mxi_p_SCATTER_AXIS *p = MXI_CALL_PARAMS(SCATTER_AXIS, c);
  mx_array out = c->out[0], updates = c->in[1], index = c->in[2];
  MXI_LOCAL(struct slice_scatter, s, 1);
  s->out = out;
  s->updates = updates;
  s->mode = (int)p->mode;
  s->slice = 1;
  indices_init(&s->indices, index->size);
  add_indices(&s->indices, index, out, p->axis, 1);
  base_on(&s->indices, index, out, mxi_strides(updates), p->axis);
  return run_scatter(c, s, true);
}
