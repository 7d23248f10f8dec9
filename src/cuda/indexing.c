/* gather, scatter, take_along_axis and put_along_axis. Indices are resolved to offsets in the kernel that
   gathers, or where there are several arrays of them, by a launch before it. Scatters sort positions by where
   they lead to, so that each place is updated by one thread, in the order of the indices, as on the CPU. */
#include "base/checked.h"
#include "core/reduce.h"
#include "cuda/call.h"
#include "cuda/cuda.h"
#include "cuda/kernels/indexing.h"
#include "cuda/order.h"
#include "cuda/region.h"
#include "cuda/stream.h"

enum { GROUP = MXI_CUDA_INDEX_ARRAYS };

static struct mxi_cuda_kernel resolve_kernel = MXI_CUDA_KERNEL(indexing, resolve);
static struct mxi_cuda_kernel spread_kernel = MXI_CUDA_KERNEL(indexing, spread);
static struct mxi_cuda_kernel gather_kernels[] = {MXI_CUDA_SIZES(indexing, gather),
                                                  MXI_CUDA_KERNEL(indexing, gather_16)};
static struct mxi_cuda_kernel gather_axis_kernels[] = {MXI_CUDA_SIZES(indexing, gather_axis)};
static struct mxi_cuda_kernel scatter_kernels[] = {MXI_CUDA_ALL(scatter, scatter)};
static struct mxi_cuda_kernel wide_scatter_kernels[] = {MXI_CUDA_ALL(scatter, scatter_wide)};

static struct mxi_cuda_grid grid_for(int64_t items, int each) {
  return (struct mxi_cuda_grid){.x = mxi_cuda_blocks(items, MXI_CUDA_INDEXING_THREADS * each),
                                .threads = MXI_CUDA_INDEXING_THREADS};
}

/* ---- Indices ---- */
/* Arrays of indices of one shape, inputs of a call, and the target that they lead into. */
struct index_arrays {
  const struct mxi_call *c;
  int first, count;
  enum mxi_cuda_error_op op;
  const int64_t *axes;  /* the target's, one for each */
  const int64_t *shape; /* of the target */
  const int64_t *strides;
  const int64_t *lengths; /* of a slice, by axis; NULL: 1 */
  int64_t unit;           /* offsets count so many elements */
  const int64_t *base;    /* strides by position of an offset to start from; NULL: 0 */
};

static mx_ints positions_shape(const struct index_arrays *x) {
  return x->count ? mxi_shape_of(x->c->in[x->first]) : MX_NO_SHAPE;
}
static int64_t positions_of(const struct index_arrays *x) { return x->count ? x->c->in[x->first]->size : 1; }

/* Some of the arrays, held for a launch. */
struct index_group {
  int count;
  struct mxi_cuda_input held[GROUP];
  struct mxi_cuda_indices indices;
  struct mxi_region positions;
};

static void let_go_of_group(struct index_group *g) {
  for (int k = 0; k < g->count; k++) mxi_cuda_let_go(&g->held[k]);
}

static void describe_group(const struct index_arrays *x, int first, struct index_group *g) {
  const int64_t *strides[GROUP] = {0};
  mx_ints shape = positions_shape(x);
  g->indices = (struct mxi_cuda_indices){.op = (uint32_t)x->op, .count = g->count};
  for (int k = 0; k < g->count; k++) {
    int64_t axis = x->axes[first + k];
    g->indices.dtype = (int32_t)g->held[k].dtype;
    g->indices.of[k].address = g->held[k].address;
    g->indices.of[k].bound = x->shape[axis];
    g->indices.of[k].limit = x->shape[axis] - (x->lengths ? x->lengths[axis] : 1) + 1;
    g->indices.of[k].stride = x->strides[axis] / x->unit;
    g->indices.of[k].axis = axis;
    strides[k] = g->held[k].strides;
  }
  if (x->base) strides[g->count] = x->base;
  mxi_region_init(&g->positions, shape.n, shape.v, g->count + (x->base != NULL), strides);
  if (g->positions.size) mxi_region_merge(&g->positions);
}

/* The arrays from `first` on, as many as go into a launch. */
static int hold_group(const struct index_arrays *x, int first, struct index_group *g) {
  int count = (int)mxi_min(x->count - first, GROUP);
  for (g->count = 0; g->count < count; g->count++)
    if (mxi_cuda_hold(x->c, x->first + first + g->count, &g->held[g->count]) < 0) {
      let_go_of_group(g);
      return -1;
    }
  describe_group(x, first, g);
  return 0;
}

/* The indices of a piece of the positions, whose first are at offset[]; errors are noted for this launch. */
static int indices_of_piece(const struct mxi_call *c, const struct mxi_cuda_indices *all,
                            const struct mxi_region *piece, struct mxi_cuda_indices *of_piece) {
  *of_piece = *all;
  int64_t bytes = (int64_t)mx_dtype_size((mx_dtype)all->dtype);
  for (int k = 0; k < all->count; k++)
    of_piece->of[k].address = (const char *)all->of[k].address + piece->offset[k] * bytes;
  if (!all->count) return 0;
  of_piece->error = mxi_cuda_error_word(c->stream, c->out[0]);
  return of_piece->error ? 0 : -1;
}

struct resolving {
  const struct mxi_call *c;
  const struct mxi_cuda_indices *indices;
  struct mxi_cuda_resolve p; /* of all positions; offsets: of the next piece */
};

static int resolve_piece(void *ctx, const struct mxi_region *piece) {
  struct resolving *j = ctx;
  struct mxi_cuda_resolve p = j->p;
  MXI_TRY(indices_of_piece(j->c, j->indices, piece, &p.indices));
  p.positions = mxi_cuda_region_of(piece);
  if (p.based) p.base += piece->offset[p.indices.count];
  if (j->p.offsets) j->p.offsets += piece->size;
  return mxi_cuda_launch(j->c->stream, &resolve_kernel, grid_for(piece->size, 1), &p, sizeof p);
}

/* Offsets of all positions, in row-major order; `bad` where an index is out of bounds. NULL: they are only
 * checked. */
static int resolve_indices(const struct index_arrays *x, int64_t bad, int64_t *offsets) {
  int first = 0;
  do {
    struct index_group g;
    MXI_TRY(hold_group(x, first, &g));
    struct resolving j = {
        x->c, &g.indices, {.based = x->base != NULL, .adds = first > 0, .bad = bad, .offsets = offsets}};
    int result = mxi_cuda_pieces(&g.positions, MXI_CUDA_PIECE, resolve_piece, &j);
    let_go_of_group(&g);
    MXI_TRY(result);
    first += GROUP;
  } while (first < x->count);
  return 0;
}

/* ---- gather ---- */
struct gathering {
  const struct mxi_call *c;
  struct mxi_cuda_kernel *kernel;
  struct mxi_cuda_gather p; /* of all positions and a piece of the slice */
  const struct mxi_cuda_indices *indices;
  const struct mxi_region *positions;
  char *to;
  const char *from;
  int64_t word;          /* bytes */
  int64_t slices, parts; /* done: positions, and words of the slice */
};

static int gather_positions(void *ctx, const struct mxi_region *piece) {
  struct gathering *j = ctx;
  struct mxi_cuda_gather p = j->p;
  MXI_TRY(indices_of_piece(j->c, j->indices, piece, &p.indices));
  p.positions = mxi_cuda_region_of(piece);
  p.to += j->slices * p.pitch * j->word;
  if (piece->noperands > 1) p.from += piece->offset[1] * j->word;
  if (p.offsets) p.offsets += j->slices;
  j->slices += piece->size;
  return mxi_cuda_launch(j->c->stream, j->kernel, grid_for(piece->size * p.slice.size, MXI_CUDA_GATHER_EACH),
                         &p, sizeof p);
}

static int gather_slices(void *ctx, const struct mxi_region *part) {
  struct gathering *j = ctx;
  j->p.slice = mxi_cuda_region_of(part);
  j->p.slice_size = mxi_cuda_divisor_of(part->size);
  j->p.from = j->from + part->offset[0] * j->word;
  j->p.to = j->to + j->parts * j->word;
  j->slices = 0;
  j->parts += part->size;
  return mxi_cuda_pieces(j->positions, MXI_CUDA_PIECE / part->size, gather_positions, j);
}

/* As many elements of a slice are one word as both sides and the strides of the indexed axes allow. */
static int join_slice(const struct index_arrays *x, struct mxi_region *slice, const void *to,
                      const void *from, int log_bytes) {
  int log = mxi_cuda_joinable(slice, &from, log_bytes, 1);
  log = (int)mxi_min(log, mxi_cuda_trailing_zeros((uintptr_t)to) - log_bytes);
  for (int k = 0; k < x->count; k++)
    log = (int)mxi_min(log, mxi_cuda_trailing_zeros((uint64_t)x->strides[x->axes[k]]));
  if (log > 0) mxi_cuda_join(slice, log, 1);
  return log > 0 ? log : 0;
}

/* By one array of indices at most, or by the offsets. */
static int gather_by(const struct index_arrays *x, const int64_t *offsets, const struct mxi_region *slice,
                     struct gathering *j) {
  struct index_group g;
  MXI_TRY(hold_group(x, 0, &g));
  if (offsets) g.indices.count = 0;
  j->p.offsets = offsets;
  j->p.bad = INT64_MIN;
  j->p.pitch = slice->size;
  j->indices = &g.indices;
  j->positions = &g.positions;
  int result = mxi_cuda_pieces(slice, MXI_CUDA_PIECE, gather_slices, j);
  let_go_of_group(&g);
  return result;
}

static int gather_by_several(const struct index_arrays *x, const struct mxi_region *slice,
                             struct gathering *j) {
  struct mxi_cuda_scratch scratch;
  MXI_TRY(mxi_cuda_scratch_take(x->c->stream, (size_t)positions_of(x) * sizeof(int64_t), &scratch));
  int result = resolve_indices(x, INT64_MIN, scratch.address);
  if (result == 0) result = gather_by(x, scratch.address, slice, j);
  mxi_cuda_scratch_free(&scratch);
  return result;
}

static int gather(struct mxi_call *c, const struct mxi_cuda_input *in) {
  const struct mxi_p_GATHER *given = MXI_CALL_PARAMS(GATHER, c);
  struct index_arrays x = {.c = c,
                           .first = 1,
                           .count = c->ninputs - 1,
                           .op = MXI_CUDA_ERROR_GATHER,
                           .axes = given->axes.v,
                           .shape = in->shape.v,
                           .strides = in->strides,
                           .lengths = given->slice_sizes.v,
                           .unit = 1};
  if (!c->out[0]->size) return resolve_indices(&x, INT64_MIN, NULL);
  struct mxi_region slice;
  mxi_region_init(&slice, in->shape.n, given->slice_sizes.v, 1, &in->strides);
  mxi_region_merge(&slice);
  struct gathering j = {.c = c, .to = mxi_cuda_out(c, 0), .from = in->address};
  int log_bytes = mxi_cuda_trailing_zeros(mx_dtype_size(in->dtype));
  int log = join_slice(&x, &slice, j.to, j.from, log_bytes);
  x.unit = (int64_t)1 << log;
  j.kernel = &gather_kernels[log_bytes + log];
  j.word = (int64_t)1 << (log_bytes + log);
  return x.count > 1 ? gather_by_several(&x, &slice, &j) : gather_by(&x, NULL, &slice, &j);
}

int mxi_cuda_GATHER(struct mxi_call *c) {
  struct mxi_cuda_input in;
  MXI_TRY(mxi_cuda_hold(c, 0, &in));
  int result = gather(c, &in);
  mxi_cuda_let_go(&in);
  return result;
}

/* ---- Along an axis ---- */
/* Strides of a target without the axis: offsets along it start from where the other coordinates lead. */
static const int64_t *strides_but(mx_ints shape, const int64_t *strides, int64_t axis, int64_t *out) {
  memcpy(out, strides, (size_t)shape.n * sizeof *out);
  out[axis] = 0;
  return out;
}

static int gather_axis(struct mxi_call *c, const struct mxi_cuda_input *in) {
  const struct mxi_p_GATHER_AXIS *given = MXI_CALL_PARAMS(GATHER_AXIS, c);
  int64_t base[MXI_MAX_NDIM];
  struct index_arrays x = {.c = c,
                           .first = 1,
                           .count = 1,
                           .op = MXI_CUDA_ERROR_TAKE_ALONG_AXIS,
                           .axes = &given->axis,
                           .shape = in->shape.v,
                           .strides = in->strides,
                           .unit = 1,
                           .base = strides_but(in->shape, in->strides, given->axis, base)};
  struct mxi_region element;
  mxi_region_init(&element, 0, NULL, 1, &in->strides);
  int64_t bytes = (int64_t)mx_dtype_size(in->dtype);
  struct gathering j = {.c = c,
                        .to = mxi_cuda_out(c, 0),
                        .from = in->address,
                        .word = bytes,
                        .kernel = &gather_axis_kernels[mxi_cuda_trailing_zeros((uint64_t)bytes)]};
  return gather_by(&x, NULL, &element, &j);
}

int mxi_cuda_GATHER_AXIS(struct mxi_call *c) {
  struct mxi_cuda_input in;
  MXI_TRY(mxi_cuda_hold(c, 0, &in));
  int result = gather_axis(c, &in);
  mxi_cuda_let_go(&in);
  return result;
}

/* ---- scatter ---- */
struct scattering {
  struct mxi_call *c;
  int mode;
  const struct mxi_cuda_input *updates; /* row-major */
  struct mxi_region slice;              /* operand 0: the output */
  int64_t positions, bad;
  int64_t unit; /* elements for a step of the keys */
};

struct scatter_launch {
  const struct scattering *s;
  struct mxi_cuda_scatter p;
  int64_t pack; /* bytes */
  int64_t parts;
};

static int scatter_part(void *ctx, const struct mxi_region *part) {
  struct scatter_launch *l = ctx;
  struct mxi_cuda_scatter p = l->p;
  p.slice = mxi_cuda_region_of(part);
  p.slice_size = mxi_cuda_divisor_of(part->size);
  p.to = (char *)p.to + part->offset[0] * l->pack;
  p.from = (const char *)p.from + l->parts * l->pack;
  l->parts += part->size;
  int64_t most = MXI_CUDA_PIECE / part->size;
  mx_dtype t = l->s->updates->dtype;
  bool wide = l->pack != (int64_t)mx_dtype_size(t);
  for (int64_t first = 0; first < l->s->positions; first += most) {
    p.first = (uint32_t)first;
    p.size = (uint32_t)(mxi_min(most, l->s->positions - first) * part->size);
    MXI_TRY(mxi_cuda_launch(l->s->c->stream, (wide ? wide_scatter_kernels : scatter_kernels) + t,
                            grid_for(p.size, 1), &p, sizeof p));
  }
  return 0;
}

/* Applies the updates of positions that are in order. */
static int apply_updates(const struct scattering *s, const int64_t *keys, const uint32_t *order) {
  struct scatter_launch l = {.s = s, .pack = (int64_t)mx_dtype_size(s->updates->dtype)};
  struct mxi_region slice = s->slice;
  l.p = (struct mxi_cuda_scatter){.to = mxi_cuda_out(s->c, 0),
                                  .from = s->updates->address,
                                  .keys = keys,
                                  .order = order,
                                  .bad = s->bad,
                                  .unit = s->unit,
                                  .mode = s->mode,
                                  .positions = (uint32_t)s->positions};
  int log = 4 - mxi_cuda_trailing_zeros((uint64_t)l.pack);
  const void *to = l.p.to;
  bool aligned = ((uintptr_t)l.p.from & 15) == 0 && (s->unit & ((1 << log) - 1)) == 0;
  if (aligned && mxi_cuda_joinable(&slice, &to, 4 - log, 1) == log) {
    mxi_cuda_join(&slice, log, 1);
    l.p.unit >>= log;
    l.pack = 16;
  }
  l.p.pitch = slice.size;
  return mxi_cuda_pieces(&slice, MXI_CUDA_PIECE, scatter_part, &l);
}

static int scatter_by_keys(const struct scattering *s, const int64_t *keys) {
  struct mxi_cuda_order order = {.keys = keys};
  if (s->positions > 1) MXI_TRY(mxi_cuda_order(s->c->stream, keys, s->positions, s->bad, &order));
  int result = apply_updates(s, order.keys, order.positions);
  mxi_cuda_scratch_free(&order.scratch);
  return result;
}

/* Slices that may overlap in part: each of their elements is a position. */
static int scatter_elements(const struct scattering *s, const int64_t *offsets) {
  struct mxi_cuda_scratch scratch;
  struct scattering elements = *s;
  elements.positions = s->positions * s->slice.size;
  mxi_region_init(&elements.slice, 0, NULL, 1, NULL);
  MXI_TRY(mxi_cuda_scratch_take(s->c->stream, (size_t)elements.positions * sizeof *offsets, &scratch));
  struct mxi_cuda_spread p = {.offsets = offsets,
                              .spread = scratch.address,
                              .bad = s->bad,
                              .positions = (uint32_t)s->positions,
                              .slice = mxi_cuda_region_of(&s->slice)};
  int result = mxi_cuda_launch(s->c->stream, &spread_kernel, grid_for(elements.positions, 1), &p, sizeof p);
  if (result == 0) result = scatter_by_keys(&elements, scratch.address);
  mxi_cuda_scratch_free(&scratch);
  return result;
}

static int scatter(const struct scattering *s, const struct index_arrays *x, bool disjoint) {
  struct mxi_cuda_scratch keys;
  if (mxi_cuda_scratch_take(s->c->stream, (size_t)mxi_max(s->positions, 1) * sizeof(int64_t), &keys) < 0)
    return mxi_untouched(s->c);
  int result = resolve_indices(x, s->bad, keys.address);
  if (result < 0) mxi_untouched(s->c);
  if (result == 0) result = mxi_cuda_copy_into(s->c, 0);
  if (result == 0 && s->positions && s->slice.size && s->c->out[0]->size)
    result =
        disjoint || s->positions == 1 ? scatter_by_keys(s, keys.address) : scatter_elements(s, keys.address);
  mxi_cuda_scratch_free(&keys);
  return result;
}

static int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* The shape of a slice, which the updates have behind that of the indices. */
static const int64_t *slice_shape(const struct mxi_call *c) {
  return mxi_shape(c->in[1]) + c->in[1]->ndim - c->out[0]->ndim;
}
/* Do slices at different offsets share no element? */
static bool slices_disjoint(const struct mxi_call *c) {
  mx_ints axes = MXI_CALL_PARAMS(SCATTER, c)->axes;
  for (int i = 0; i < axes.n; i++)
    if (slice_shape(c)[axes.v[i]] != 1) return false;
  return true;
}

static int scatter_slices(struct mxi_call *c, const struct mxi_cuda_input *updates) {
  const struct mxi_p_SCATTER *given = MXI_CALL_PARAMS(SCATTER, c);
  mx_array out = c->out[0];
  const int64_t *strides = mxi_strides(out); // row-major
  struct index_arrays x = {.c = c,
                           .first = 2,
                           .count = c->ninputs - 2,
                           .op = MXI_CUDA_ERROR_SCATTER,
                           .axes = given->axes.v,
                           .shape = mxi_shape(out),
                           .strides = strides,
                           .lengths = slice_shape(c),
                           .unit = 0};
  struct scattering s = {.c = c, .mode = (int)given->mode, .updates = updates, .positions = positions_of(&x)};
  bool disjoint = slices_disjoint(c);
  for (int i = 0; i < x.count && disjoint; i++) x.unit = greatest_common_divisor(x.unit, strides[x.axes[i]]);
  s.unit = x.unit = mxi_max(x.unit, 1);
  for (int i = 0; i < x.count; i++)
    s.bad += mxi_max(x.shape[x.axes[i]] - 1, 0) * (strides[x.axes[i]] / s.unit);
  s.bad = disjoint ? s.bad + 1 : out->size; // above all keys
  mxi_region_init(&s.slice, out->ndim, slice_shape(c), 1, &strides);
  if (s.slice.size) mxi_region_merge(&s.slice);
  return scatter(&s, &x, disjoint);
}

/* The number of positions that are sorted is 32 bits wide. */
bool mxi_cuda_can_SCATTER(const struct mxi_call *c) {
  int64_t positions = c->ninputs > 2 ? c->in[2]->size : 1;
  return mxi_max(positions, slices_disjoint(c) ? 0 : c->in[1]->size) <= MXI_CUDA_PIECE;
}

int mxi_cuda_SCATTER(struct mxi_call *c) {
  struct mxi_cuda_input updates;
  if (mxi_cuda_hold_row_major(c, 1, &updates) < 0) return mxi_untouched(c);
  int result = scatter_slices(c, &updates);
  mxi_cuda_let_go(&updates);
  return result;
}

bool mxi_cuda_can_SCATTER_AXIS(const struct mxi_call *c) { return c->in[2]->size <= MXI_CUDA_PIECE; }

int mxi_cuda_SCATTER_AXIS(struct mxi_call *c) {
  const struct mxi_p_SCATTER_AXIS *given = MXI_CALL_PARAMS(SCATTER_AXIS, c);
  mx_array out = c->out[0];
  int64_t base[MXI_MAX_NDIM];
  struct index_arrays x = {.c = c,
                           .first = 2,
                           .count = 1,
                           .op = MXI_CUDA_ERROR_PUT_ALONG_AXIS,
                           .axes = &given->axis,
                           .shape = mxi_shape(out),
                           .strides = mxi_strides(out),
                           .unit = 1,
                           .base = strides_but(mxi_shape_of(out), mxi_strides(out), given->axis, base)};
  struct mxi_cuda_input updates;
  if (mxi_cuda_hold_row_major(c, 1, &updates) < 0) return mxi_untouched(c);
  struct scattering s = {.c = c,
                         .mode = (int)given->mode,
                         .updates = &updates,
                         .positions = positions_of(&x),
                         .bad = out->size,
                         .unit = 1};
  mxi_region_init(&s.slice, 0, NULL, 1, NULL);
  int result = scatter(&s, &x, true);
  mxi_cuda_let_go(&updates);
  return result;
}
