#include "cuda/reduce_plan.h"
#include "cuda/cuda.h"
#include "cuda/kernels/reduce.h"
#include "cuda/memory.h"

_Static_assert((int)MXI_CUDA_AXES == (int)MXI_MAX_NDIM, "kernels take any array");
enum { BLOCK = MXI_CUDA_REDUCE_BLOCK, WARP = 32, VECTOR_BYTES = 16, ROWS_IN_FLIGHT = 4 };

void mxi_cuda_split_axes(mx_ints shape, mx_ints axes, const int64_t *in_strides, const int64_t *out_strides,
                         struct mxi_region *kept, struct mxi_region *reduced) {
  int64_t sizes[2][MXI_MAX_NDIM], in[2][MXI_MAX_NDIM], out[MXI_MAX_NDIM];
  int n[2] = {0, 0};
  for (int i = 0, k = 0; i < shape.n; i++) {
    bool is_reduced = k < axes.n && axes.v[k] == i;
    k += is_reduced;
    sizes[is_reduced][n[is_reduced]] = shape.v[i];
    in[is_reduced][n[is_reduced]] = in_strides[i];
    if (!is_reduced) out[n[0]] = out_strides[i];
    n[is_reduced]++;
  }
  mxi_region_init(kept, n[0], sizes[0], 2, (const int64_t *[]){in[0], out});
  mxi_region_init(reduced, n[1], sizes[1], 1, (const int64_t *[]){in[1]});
  mxi_region_merge(kept);
}

struct mxi_cuda_axes mxi_cuda_axes_of(const struct mxi_region *r) {
  struct mxi_cuda_axes a = {.ndim = r->ndim, .narrow = r->size <= INT32_MAX};
  for (int i = 0; i < r->ndim; i++) {
    a.shape[i] = r->shape[i];
    a.in[i] = r->strides[0][i];
    if (r->noperands > 1) a.out[i] = r->strides[1][i];
  }
  return a;
}

/* ---- Sizes ---- */
static int64_t ceiling(int64_t a, int64_t b) { return mxi_cuda_blocks(a, b); }
/* The smallest power of two that is at least n, and at most `most`, which is one. */
static int power_of_two(int64_t n, int most) {
  int p = 1;
  while (p < n && p < most) p *= 2;
  return p;
}
static int vector_of(int bytes) { return bytes < VECTOR_BYTES ? VECTOR_BYTES / bytes : 1; }

/* Does every step of operand k keep to addresses that are multiples of `elements`? */
static bool steps_are_whole(const struct mxi_region *r, int operand, int elements) {
  for (int i = 0; i < r->ndim; i++)
    if (r->strides[operand][i] % elements) return false;
  return true;
}
static bool is_aligned(const void *address, int bytes) { return (uintptr_t)address % (uintptr_t)bytes == 0; }

/* ---- Runs ---- */
static int threads_of_run(int64_t vectors) {
  if (vectors <= WARP) return power_of_two(vectors, WARP);
  int threads = power_of_two(ceiling(vectors, MXI_CUDA_REDUCE_EACH), BLOCK);
  return threads < WARP ? WARP : threads;
}

static int launch_runs(mx_stream s, struct mxi_cuda_kernel *kernel, const struct mxi_cuda_reduce_runs *p) {
  return mxi_cuda_launch(s, kernel, mxi_cuda_grid_of_runs(p), p, sizeof *p);
}
struct mxi_cuda_grid mxi_cuda_grid_of_runs(const struct mxi_cuda_reduce_runs *p) {
  int threads = p->team <= WARP ? BLOCK : p->team;
  return (struct mxi_cuda_grid){
      .x = ceiling(p->count * p->chunks, threads / p->team), .threads = (unsigned)threads, .overlaps = true};
}

struct mxi_cuda_run_shares mxi_cuda_share_run(int64_t length, int vector) {
  int64_t vectors = ceiling(length, vector), chunk = MXI_CUDA_REDUCE_LEAST_CHUNK;
  if (vectors <= MXI_CUDA_REDUCE_LONG_VECTORS)
    return (struct mxi_cuda_run_shares){.chunk = length, .chunks = 1, .team = threads_of_run(vectors)};
  while (chunk < MXI_CUDA_REDUCE_LARGEST_CHUNK && 2 * chunk * MXI_CUDA_REDUCE_LONG_CHUNKS <= vectors)
    chunk *= 2;
  return (struct mxi_cuda_run_shares){
      .chunk = chunk * vector, .chunks = ceiling(vectors, chunk), .team = threads_of_run(chunk)};
}

/* The first pass by a kernel of the library. */
struct kernel_runs {
  mx_stream stream;
  struct mxi_cuda_kernel *kernel;
};
static int launch_kernel_runs(void *ctx, const struct mxi_cuda_reduce_runs *p) {
  struct kernel_runs *k = ctx;
  return launch_runs(k->stream, k->kernel, p);
}

int mxi_cuda_reduce_runs_by(mx_stream s, const struct mxi_cuda_reduce_kernels *k, int vector,
                            struct mxi_cuda_reduce_runs *p, mxi_cuda_pass *first, void *ctx) {
  struct mxi_cuda_run_shares shares = mxi_cuda_share_run(p->length, vector);
  p->chunk = shares.chunk;
  p->chunks = shares.chunks;
  p->team = shares.team;
  if (p->chunks == 1) return first(ctx, p);
  p->pitch = ceiling(p->chunks, k->partial_vector) * k->partial_vector;
  p->partial = true;
  struct mxi_cuda_scratch values;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(p->count * p->pitch * k->partial_bytes), &values));
  struct mxi_cuda_reduce_runs next = {.in = values.address,
                                      .out = p->out,
                                      .count = p->count,
                                      .length = p->chunks,
                                      .kept = {.ndim = 1, .shape = {p->count}, .in = {p->pitch}},
                                      .reduced = {.ndim = 1, .shape = {p->chunks}, .in = {1}}};
  p->out = values.address;
  int result = first(ctx, p);
  struct kernel_runs passed = {s, k->passed_runs};
  if (result == 0)
    result = mxi_cuda_reduce_runs_by(s, k, k->partial_vector, &next, launch_kernel_runs, &passed);
  mxi_cuda_scratch_free(&values);
  return result;
}

static int reduce_any_runs(mx_stream s, const struct mxi_cuda_reduce_kernels *k,
                           const struct mxi_region *kept, const struct mxi_region *reduced, const char *in,
                           void *out) {
  int vector = vector_of(k->from_bytes);
  struct mxi_cuda_reduce_runs p = {.in = in + reduced->offset[0] * k->from_bytes,
                                   .out = out,
                                   .count = kept->size,
                                   .length = reduced->size,
                                   .kept = mxi_cuda_axes_of(kept),
                                   .reduced = mxi_cuda_axes_of(reduced)};
  bool whole = reduced->ndim == 1 && reduced->strides[0][0] == 1 && is_aligned(p.in, VECTOR_BYTES) &&
               steps_are_whole(kept, 0, vector);
  struct kernel_runs kernel = {s, whole ? k->runs : k->any_runs};
  return mxi_cuda_reduce_runs_by(s, k, vector, &p, launch_kernel_runs, &kernel);
}

/* ---- Columns ---- */
static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }
/* The kept axis along which memory goes on in smaller steps than along the reduced ones; else -1. */
static int axis_of_columns(const struct mxi_region *kept, const struct mxi_region *reduced) {
  int64_t step = magnitude(reduced->strides[0][reduced->ndim - 1]), best = 0;
  int axis = -1;
  for (int i = 0; i < kept->ndim; i++) {
    int64_t stride = magnitude(kept->strides[0][i]);
    if (!stride || (step && stride >= step) || (axis >= 0 && stride >= best)) continue;
    axis = i;
    best = stride;
  }
  return axis;
}

static int launch_columns(mx_stream s, struct mxi_cuda_kernel *kernel, struct mxi_cuda_reduce_columns *p) {
  int64_t blocks = ceiling(p->outer * p->chunks * p->tiles, BLOCK / (p->across * p->down));
  return mxi_cuda_launch(s, kernel, (struct mxi_cuda_grid){.x = blocks, .threads = BLOCK, .overlaps = true},
                         p, sizeof *p);
}

static void share_columns(struct mxi_cuda_reduce_columns *p, int vector) {
  p->across = power_of_two(ceiling(p->width, vector), 32);
  p->tiles = ceiling(p->width, (int64_t)p->across * vector);
  p->down = BLOCK / p->across;
  p->chunk = (int64_t)MXI_CUDA_REDUCE_CHUNK_ROWS * p->down;
  p->chunks = ceiling(p->rows, p->chunk);
  if (p->chunks == 1) p->down = power_of_two(ceiling(p->rows, ROWS_IN_FLIGHT), p->down);
}

/* Columns by `kernel`, V neighbours a thread; the values of their chunks by the passed kernel, down whose
   rows the same outputs are found. outputs: the outer axes, with operand 1 the output. */
static int reduce_columns(mx_stream s, const struct mxi_cuda_reduce_kernels *k,
                          struct mxi_cuda_kernel *kernel, struct mxi_cuda_reduce_columns *p, int vector,
                          const struct mxi_region *outputs) {
  share_columns(p, vector);
  p->vectors_out =
      p->chunks == 1 && p->out_step == 1 && p->width % vector == 0 &&
      is_aligned(p->out, k->to_bytes * vector < VECTOR_BYTES ? k->to_bytes * vector : VECTOR_BYTES) &&
      steps_are_whole(outputs, 1, vector);
  if (p->chunks == 1) return launch_columns(s, kernel, p);
  p->pitch = ceiling(p->width, k->partial_vector) * k->partial_vector;
  p->partial = true;
  int64_t outer_step = p->chunks * p->pitch;
  struct mxi_cuda_scratch values;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(p->outer * outer_step * k->partial_bytes), &values));
  struct mxi_cuda_reduce_columns next = {.in = values.address,
                                         .out = p->out,
                                         .outer = p->outer,
                                         .rows = p->chunks,
                                         .width = p->width,
                                         .in_step = 1,
                                         .out_step = p->out_step,
                                         .kept = mxi_cuda_axes_of(outputs),
                                         .reduced = {.ndim = 1, .shape = {p->chunks}, .in = {p->pitch}}};
  for (int i = outputs->ndim - 1; i >= 0; outer_step *= outputs->shape[i--]) next.kept.in[i] = outer_step;
  p->out = values.address;
  int result = launch_columns(s, kernel, p);
  if (result == 0) result = reduce_columns(s, k, k->passed_columns, &next, k->partial_vector, outputs);
  mxi_cuda_scratch_free(&values);
  return result;
}

static int reduce_any_columns(mx_stream s, const struct mxi_cuda_reduce_kernels *k,
                              const struct mxi_region *kept, const struct mxi_region *reduced, int axis,
                              const char *in, void *out) {
  int vector = vector_of(k->from_bytes);
  struct mxi_region outer = *kept;
  mxi_region_drop(&outer, axis);
  struct mxi_cuda_reduce_columns p = {.in = in + reduced->offset[0] * k->from_bytes,
                                      .out = out,
                                      .outer = outer.size,
                                      .rows = reduced->size,
                                      .width = kept->shape[axis],
                                      .in_step = kept->strides[0][axis],
                                      .out_step = kept->strides[1][axis],
                                      .kept = mxi_cuda_axes_of(&outer),
                                      .reduced = mxi_cuda_axes_of(reduced)};
  bool whole = p.in_step == 1 && p.width % vector == 0 && reduced->ndim == 1 &&
               is_aligned(p.in, VECTOR_BYTES) && steps_are_whole(reduced, 0, vector) &&
               steps_are_whole(&outer, 0, vector);
  return reduce_columns(s, k, whole ? k->columns : k->any_columns, &p, vector, &outer);
}

/* ---- All ---- */
int mxi_cuda_reduce_regions(mx_stream s, const struct mxi_cuda_reduce_kernels *k,
                            const struct mxi_region *kept, const struct mxi_region *reduced, const void *in,
                            void *out) {
  int axis = reduced->ndim ? axis_of_columns(kept, reduced) : -1;
  return axis >= 0 ? reduce_any_columns(s, k, kept, reduced, axis, in, out)
                   : reduce_any_runs(s, k, kept, reduced, in, out);
}

int mxi_cuda_reduce_nothing(mx_stream s, const struct mxi_cuda_reduce_kernels *k, int64_t count, void *out) {
  struct mxi_cuda_reduce_runs p = {.out = out, .count = count, .chunks = 1, .team = 1};
  return launch_runs(s, k->runs, &p);
}
