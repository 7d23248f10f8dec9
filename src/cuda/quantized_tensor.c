/* y = x W^T for few rows of x in float16 or bfloat16, by tensor cores: which kernel of quantized_tensor.cu,
   and how its warps share the work. */
#include "base/checked.h"
#include "cuda/context.h"
#include "cuda/kernels/quantized.h"
#include "cuda/memory.h"
#include "cuda/quantized.h"

struct tensor_form {
  enum mxi_quant_format format;
  int groups, x_rows; /* groups of a chunk; rows of x at most */
  struct mxi_cuda_kernel float16, bfloat16;
};
#define MXI_CUDA_TENSOR_FORM(ID, GROUPS, X_ROWS)                                             \
  {MXI_QUANT_##ID, GROUPS, X_ROWS,                                                           \
   MXI_CUDA_KERNEL(quantized_tensor, quantized_tensor_##ID##_##GROUPS##_##X_ROWS##_float16), \
   MXI_CUDA_KERNEL(quantized_tensor, quantized_tensor_##ID##_##GROUPS##_##X_ROWS##_bfloat16)},
static struct tensor_form forms[] = {
#include "cuda/kernels/quantized_tensor.def"
};
static struct mxi_cuda_kernel sum_parts[MX_DTYPE_COUNT] = {
    MXI_CUDA_OF(quantized_tensor, quantized_parts, FLOAT16, float16),
    MXI_CUDA_OF(quantized_tensor, quantized_parts, BFLOAT16, bfloat16)};

/* The form with the fewest rows that has room for m, else with the most; NULL: none. */
static struct tensor_form *find_form(const struct mxi_cuda_quantized *w, int64_t m) {
  struct tensor_form *found = NULL;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    struct tensor_form *f = &forms[i];
    if (f->format != w->format || f->groups * w->group_size != MXI_CUDA_TENSOR_CHUNK) continue;
    if (!found || found->x_rows < m) found = f;
  }
  return found;
}

static bool multiple_of_16(const void *p, int64_t bytes) {
  return ((uintptr_t)p | (uintptr_t)bytes) % 16 == 0;
}

bool mxi_cuda_quantized_tensor_suits(const struct mxi_cuda_quantized_operands *o) {
  enum { MOST_X_ROWS = 48, MOST_COLUMNS = 1 << 24, MOST_PRODUCTS = 65535 };
  if (!o->transpose || (o->dtype != MX_FLOAT16 && o->dtype != MX_BFLOAT16)) return false;
  if (o->m > MOST_X_ROWS || o->w.cols == 0 || o->w.cols > MOST_COLUMNS) return false;
  if (o->w.rows > INT32_MAX / (o->w.cols / o->w.group_size))
    return false; /* the kernels count groups by int */
  if (!multiple_of_16(o->w.packed, 4 * o->packed_step)) return false;
  const struct tensor_form *f = find_form(&o->w, o->m);
  return f && o->batch * mxi_cuda_blocks(o->m, f->x_rows) <= MOST_PRODUCTS;
}

/* How a launch is shared out. */
struct tensor_shares {
  int parts, part_steps, teams, slices, passes;
  int64_t blocks; /* of a part, pass and batch */
  int sums_at, partial_at, ring_at, shared;
};

/* Of a run. */
static int run_columns(const struct mxi_cuda_quantized *w) {
  return MXI_CUDA_TENSOR_RUN_BYTES * 8 / mxi_quant_bits(w->format);
}

/* Shared memory for a part of so many steps. */
static void lay_out(struct tensor_shares *s, const struct mxi_cuda_quantized *w, const struct tensor_form *f,
                    int x_rows) {
  int chunks = s->part_steps * MXI_CUDA_TENSOR_STEP, groups = run_columns(w) / w->group_size;
  s->sums_at = x_rows * (chunks * MXI_CUDA_TENSOR_CHUNK * 2 + MXI_CUDA_TENSOR_PAD);
  s->partial_at = s->sums_at + chunks * f->groups * f->x_rows * 4;
  s->ring_at = s->partial_at + MXI_CUDA_TENSOR_WARPS * MXI_CUDA_TENSOR_SLOTS(f->x_rows) *
                                   MXI_CUDA_TENSOR_ROWS * f->x_rows * 4;
  s->shared = s->ring_at + MXI_CUDA_TENSOR_WARPS * MXI_CUDA_TENSOR_STAGES *
                               MXI_CUDA_TENSOR_STAGE(groups, w->biases != NULL);
}

/* The slices of a tile with which the busiest block has the fewest tiles, then the busiest warp least to do,
   where the end of a tile counts as a run; of equals the fewest. */
static void choose_slices(struct tensor_shares *s, int run_columns, int64_t tiles) {
  int64_t runs = s->part_steps * (MXI_CUDA_TENSOR_STEP * MXI_CUDA_TENSOR_CHUNK / run_columns),
          least_tiles = INT64_MAX, least = INT64_MAX;
  for (int slices = 1; slices <= MXI_CUDA_TENSOR_WARPS && slices <= runs; slices++) {
    int64_t teams = MXI_CUDA_TENSOR_WARPS / slices,
            blocks = mxi_min(s->blocks, mxi_cuda_blocks(tiles, teams)),
            block_tiles = mxi_cuda_blocks(tiles, blocks),
            work = mxi_cuda_blocks(tiles, teams * blocks) * (mxi_cuda_blocks(runs, slices) + 1);
    if (block_tiles > least_tiles || (block_tiles == least_tiles && work >= least)) continue;
    least_tiles = block_tiles;
    least = work;
    s->slices = slices;
    s->teams = (int)teams;
  }
}

static struct tensor_shares share_out(const struct mxi_cuda_quantized_operands *o,
                                      const struct tensor_form *f) {
  const struct mxi_cuda_device *d = mxi_cuda_device();
  int64_t tiles = mxi_cuda_blocks(o->w.rows, MXI_CUDA_TENSOR_ROWS),
          steps = mxi_cuda_blocks(o->w.cols, MXI_CUDA_TENSOR_STEP * MXI_CUDA_TENSOR_CHUNK);
  struct tensor_shares s = {.passes = (int)mxi_cuda_blocks(o->m, f->x_rows)};
  int x_rows = (int)mxi_min(o->m, f->x_rows);
  do {
    s.part_steps = (int)mxi_cuda_blocks(steps, ++s.parts);
    lay_out(&s, &o->w, f, x_rows);
  } while (s.shared > d->shared_bytes && s.part_steps > 1);
  s.parts = (int)mxi_cuda_blocks(steps, s.part_steps);
  s.blocks = mxi_max(1, d->multiprocessors / (s.parts * s.passes * o->batch));
  choose_slices(&s, run_columns(&o->w), tiles);
  s.blocks = mxi_min(s.blocks, mxi_cuda_blocks(tiles, s.teams));
  return s;
}

static int launch_parts(mx_stream stream, const struct mxi_cuda_quantized_operands *o, struct tensor_form *f,
                        const struct tensor_shares *s, float *partial) {
  const struct mxi_cuda_quantized *w = &o->w;
  int64_t scale = w->biases ? 2 : 1;
  struct mxi_cuda_quantized_tensor p = {.product = {.x = o->x,
                                                    .packed = w->packed,
                                                    .scales = w->scales,
                                                    .biases = w->biases,
                                                    .y = o->y,
                                                    .m = o->m,
                                                    .n = w->rows,
                                                    .k = w->cols,
                                                    .x_batch = o->x_step,
                                                    .packed_batch = o->packed_step,
                                                    .scales_batch = o->scales_step,
                                                    .y_batch = o->y_step,
                                                    .log_group = __builtin_ctz((unsigned)w->group_size),
                                                    .aligned = multiple_of_16(o->x, 2 * o->x_step)},
                                        .partial = partial,
                                        .teams = s->teams,
                                        .slices = s->slices,
                                        .passes = s->passes,
                                        .part_steps = s->part_steps,
                                        .sums_at = s->sums_at,
                                        .partial_at = s->partial_at,
                                        .ring_at = s->ring_at,
                                        .whole = w->cols % run_columns(w) == 0 &&
                                                 multiple_of_16(w->scales, scale * o->scales_step) &&
                                                 multiple_of_16(w->biases, 0)};
  if (o->choice) p.product.choice = *o->choice;
  struct mxi_cuda_grid grid = {.x = s->blocks,
                               .y = (unsigned)s->parts,
                               .z = (unsigned)(s->passes * o->batch),
                               .threads = 32 * MXI_CUDA_TENSOR_WARPS,
                               .shared = (size_t)s->shared,
                               .overlaps = true};
  return mxi_cuda_launch(stream, o->dtype == MX_FLOAT16 ? &f->float16 : &f->bfloat16, grid, &p, sizeof p);
}

int mxi_cuda_quantized_tensor_multiply(mx_stream stream, const struct mxi_cuda_quantized_operands *o) {
  struct tensor_form *f = find_form(&o->w, o->m);
  struct tensor_shares s = share_out(o, f);
  if (s.parts == 1) return launch_parts(stream, o, f, &s, NULL);
  struct mxi_cuda_scratch scratch;
  int64_t size = o->batch * o->m * o->w.rows;
  MXI_TRY(mxi_cuda_scratch_take(stream, (size_t)(size * s.parts) * sizeof(float), &scratch));
  int status = launch_parts(stream, o, f, &s, scratch.address);
  struct mxi_cuda_quantized_parts p = {scratch.address, o->y, size, s.parts};
  if (!status)
    status = mxi_cuda_launch(stream, &sum_parts[o->dtype],
                             (struct mxi_cuda_grid){.x = mxi_cuda_blocks(size, MXI_CUDA_PARTS_THREADS),
                                                    .threads = MXI_CUDA_PARTS_THREADS,
                                                    .overlaps = true},
                             &p, sizeof p);
  mxi_cuda_scratch_free(&scratch);
  return status;
}
