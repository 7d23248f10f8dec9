/* Products in which one side has at most eight rows: the other, w, is read once, which is all that they cost.
   The few rows x may be a's rows or b's columns. More than one row of halves is cuBLASLt's where the sums run
   along w's rows: it reads them as fast. */
#include "cuda/kernels/gemv.h"
#include "base/error.h"
#include "cuda/copy.h"
#include "cuda/gemm.h"
#include "cuda/kernel.h"
#include "cuda/memory.h"

static struct mxi_cuda_kernel transposed_halves[MX_DTYPE_COUNT] = {
    MXI_CUDA_OF(gemv, gemv_t, FLOAT16, float16), MXI_CUDA_OF(gemv, gemv_t, BFLOAT16, bfloat16)};
static struct mxi_cuda_kernel plain_halves[MX_DTYPE_COUNT] = {MXI_CUDA_OF(gemv, gemv_n, FLOAT16, float16),
                                                              MXI_CUDA_OF(gemv, gemv_n, BFLOAT16, bfloat16)};
static struct mxi_cuda_kernel transposed_floats[] = {MXI_CUDA_SIZES(gemv, gemv_t_float32)};
static struct mxi_cuda_kernel plain_floats[] = {MXI_CUDA_SIZES(gemv, gemv_n_float32)};
static struct mxi_cuda_kernel sums[MX_DTYPE_COUNT] = {MXI_CUDA_HALVES_AND_FLOAT(gemv, gemv_sum)};

/* ---- Which is x, which w ---- */
struct gemv_operands {
  mx_dtype dtype;
  int64_t rows, n, k, batch;
  struct mxi_cuda_matrix x, w; /* (rows, k), (n, k) */
  struct mxi_cuda_matrix c, y; /* (rows, n) */
};

static struct mxi_cuda_matrix transposed(struct mxi_cuda_matrix m) {
  int64_t row = m.row;
  m.row = m.column;
  m.column = row;
  return m;
}

static struct gemv_operands operands_of(const struct mxi_cuda_gemm *g) {
  struct gemv_operands o = {.dtype = g->dtype,
                            .rows = g->m,
                            .n = g->n,
                            .k = g->k,
                            .batch = g->batch,
                            .x = g->a,
                            .w = transposed(g->b),
                            .c = g->c,
                            .y = {g->d, g->d_row, 1, g->d_batch}};
  if (g->m > g->n) {
    o.rows = g->n, o.n = g->m;
    o.x = transposed(g->b), o.w = g->a;
    o.c = transposed(o.c), o.y = transposed(o.y);
  }
  if (o.n == 1) o.w.row = o.k;
  if (o.rows == 1) o.x.row = o.k;
  if (o.k == 1) o.w.column = o.x.column = 1;
  return o;
}

/* ---- What the kernels take ---- */
static int64_t elements_of_load(mx_dtype t) { return 16 / (int64_t)mx_dtype_size(t); }

/* Loads of 16 bytes are possible: at the address, and from line to line. */
static bool is_aligned(const struct mxi_cuda_matrix *m, int64_t line, mx_dtype t) {
  int64_t each = elements_of_load(t);
  return (size_t)m->address % 16 == 0 && line % each == 0 && m->batch % each == 0;
}

static bool is_transposed(const struct gemv_operands *o) {
  return o->w.column == 1 && is_aligned(&o->w, o->w.row, o->dtype);
}
static bool is_plain(const struct gemv_operands *o) {
  return o->w.row == 1 && o->n % elements_of_load(o->dtype) == 0 && is_aligned(&o->w, o->w.column, o->dtype);
}
static bool x_is_usable(const struct gemv_operands *o) {
  return o->x.column == 1 && is_aligned(&o->x, o->x.row, o->dtype);
}

bool mxi_cuda_gemv_suits(const struct mxi_cuda_gemm *g) {
  if (g->dtype != MX_FLOAT16 && g->dtype != MX_BFLOAT16 && g->dtype != MX_FLOAT32) return false;
  struct gemv_operands o = operands_of(g);
  if (o.rows > MXI_CUDA_GEMV_ROWS || o.k == 0 || o.k % elements_of_load(o.dtype)) return false;
  if (!is_transposed(&o) && !is_plain(&o)) return false;
  if (is_transposed(&o) && o.dtype != MX_FLOAT32 && o.rows > 1) return false;
  return x_is_usable(&o) || o.rows <= o.n / 8; /* else copying x costs too much */
}

bool mxi_cuda_gemv_suits_choice(const struct mxi_cuda_gemm *g) {
  if (!mxi_cuda_gemv_suits(g)) return false;
  struct gemv_operands o = operands_of(g);
  return x_is_usable(&o);
}

/* x row-major, in memory of its own. */
static int copy_x(mx_stream s, struct gemv_operands *o, struct mxi_cuda_scratch *scratch) {
  int64_t copies = o->x.batch ? o->batch : 1, size = o->rows * o->k;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(copies * size) * mx_dtype_size(o->dtype), scratch));
  struct mxi_cuda_matrix to = {scratch->address, o->k, 1, o->x.batch ? size : 0};
  MXI_TRY(mxi_cuda_copy_strided(
      s, (mx_ints){(int64_t[]){copies, o->rows, o->k}, 3},
      (struct mxi_cuda_strided){scratch->address, o->dtype, (int64_t[]){to.batch, to.row, to.column}},
      (struct mxi_cuda_strided){(void *)o->x.address, o->dtype,
                                (int64_t[]){o->x.batch, o->x.row, o->x.column}}));
  o->x = to;
  return 0;
}

/* ---- Who does what ---- */
/* Blocks, and warps of a block; functions of the shape alone, as the order of the sums follows from them. */
struct gemv_division {
  int64_t tile, tiles, step, splits, split;
  unsigned warps, teams;
};
enum { ENOUGH_WARPS = 1056 /* on a device, to have its memory busy */, STEPS_OF_SPLIT = 4, MOST_SPLITS = 64 };

static struct gemv_division divide_by_lines(const struct gemv_operands *o, bool is_t) {
  bool is_float = o->dtype == MX_FLOAT32;
  struct gemv_division d = {.tile = is_t ? MXI_CUDA_GEMV_T_TILE_FLOAT32 : MXI_CUDA_GEMV_N_TILE,
                            .step = is_t       ? MXI_CUDA_GEMV_T_STEP_FLOAT32
                                    : is_float ? MXI_CUDA_GEMV_N_STEP_FLOAT32
                                               : MXI_CUDA_GEMV_N_STEP,
                            .teams = 1};
  int64_t steps = mxi_cuda_blocks(o->k, d.step);
  d.warps = mxi_cuda_blocks(o->n, d.tile) * o->batch * 4 < ENOUGH_WARPS ? MXI_CUDA_GEMV_WARPS : 4;
  while (d.warps > 1 && d.warps > steps) d.warps /= 2;
  return d;
}

/* T of halves: teams of as many warps as keep the memory busy. */
static struct gemv_division divide_transposed_halves(const struct gemv_operands *o) {
  enum { ENOUGH = 8192 /* warps, more than a device has at once */ };
  struct gemv_division d = {.step = MXI_CUDA_GEMV_T_STEP, .warps = 4};
  int64_t steps = mxi_cuda_blocks(o->k, d.step), slices = 1,
          teams = mxi_cuda_blocks(o->n, MXI_CUDA_GEMV_T_OUTPUTS) * o->batch;
  while (slices < MXI_CUDA_GEMV_WARPS && teams * slices < ENOUGH && 2 * slices <= steps) slices *= 2;
  if (slices > d.warps) d.warps = (unsigned)slices;
  d.teams = d.warps / (unsigned)slices;
  d.tile = d.teams * MXI_CUDA_GEMV_T_OUTPUTS;
  return d;
}

static struct gemv_division divide_gemv(const struct gemv_operands *o, bool is_t) {
  struct gemv_division d =
      is_t && o->dtype != MX_FLOAT32 ? divide_transposed_halves(o) : divide_by_lines(o, is_t);
  d.tiles = mxi_cuda_blocks(o->n, d.tile);
  int64_t steps = mxi_cuda_blocks(o->k, d.step), slices = d.warps / d.teams,
          splits = ENOUGH_WARPS / (d.tiles * o->batch * d.warps), most = steps / (slices * STEPS_OF_SPLIT);
  if (splits > most) splits = most;
  if (splits > MOST_SPLITS) splits = MOST_SPLITS;
  if (splits < 1) splits = 1;
  d.split = mxi_cuda_blocks(steps, splits) * d.step;
  d.splits = mxi_cuda_blocks(o->k, d.split);
  return d;
}

static struct mxi_cuda_kernel *kernel_of(const struct gemv_operands *o, bool is_t) {
  int of_rows = o->rows <= 1 ? 0 : o->rows <= 2 ? 1 : o->rows <= 4 ? 2 : 3;
  if (o->dtype == MX_FLOAT32) return &(is_t ? transposed_floats : plain_floats)[of_rows];
  return &(is_t ? transposed_halves : plain_halves)[o->dtype];
}

/* The sides as x and w. */
static struct mxi_cuda_choice choice_of(const struct mxi_cuda_gemm *g) {
  struct mxi_cuda_choice choice = *g->choice;
  if (g->m > g->n) {
    choice.side[0] = g->choice->side[1];
    choice.side[1] = g->choice->side[0];
  }
  return choice;
}

static int launch_gemv(mx_stream s, const struct gemv_operands *o, const struct mxi_cuda_gemm *g) {
  bool is_t = is_transposed(o);
  struct gemv_division d = divide_gemv(o, is_t);
  struct mxi_cuda_gemv p = {.x = o->x.address,
                            .w = o->w.address,
                            .c = g->beta != 0 ? o->c.address : NULL,
                            .y = (void *)o->y.address,
                            .x_row = o->x.row,
                            .x_batch = o->x.batch,
                            .w_line = is_t ? o->w.row : o->w.column,
                            .w_batch = o->w.batch,
                            .y_row = o->y.row,
                            .y_column = o->y.column,
                            .y_batch = o->y.batch,
                            .c_row = o->c.row,
                            .c_column = o->c.column,
                            .c_batch = o->c.batch,
                            .n = o->n,
                            .k = o->k,
                            .split = d.split,
                            .splits = d.splits,
                            .batch = o->batch,
                            .rows = (int32_t)o->rows,
                            .teams = (int32_t)d.teams,
                            .alpha = (float)g->alpha,
                            .beta = (float)g->beta};
  if (g->choice) p.choice = choice_of(g);
  struct mxi_cuda_scratch scratch = {0};
  int64_t outputs = o->batch * o->rows * o->n;
  if (d.splits > 1) {
    MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(d.splits * outputs) * sizeof(float), &scratch));
    p.partial = scratch.address;
  }
  struct mxi_cuda_grid grid = {.x = d.tiles,
                               .y = (unsigned)d.splits,
                               .z = (unsigned)o->batch,
                               .threads = 32 * d.warps,
                               .overlaps = true};
  int result = mxi_cuda_launch(s, kernel_of(o, is_t), grid, &p, sizeof p);
  if (result == 0 && p.partial)
    result = mxi_cuda_launch(
        s, &sums[o->dtype],
        (struct mxi_cuda_grid){.x = mxi_cuda_blocks(outputs, 256), .threads = 256, .overlaps = true}, &p,
        sizeof p);
  mxi_cuda_scratch_free(&scratch);
  return result;
}

int mxi_cuda_gemv_run(mx_stream s, const struct mxi_cuda_gemm *g) {
  struct gemv_operands o = operands_of(g);
  struct mxi_cuda_scratch copy = {0};
  int result = x_is_usable(&o) ? 0 : copy_x(s, &o, &copy);
  if (result == 0) result = launch_gemv(s, &o, g);
  mxi_cuda_scratch_free(&copy);
  return result;
}
