/* Which kernel multiplies groups. */
#include "cuda/grouped.h"
#include "base/checked.h"
#include "base/error.h"
#include "cuda/groups.h"

static struct mxi_cuda_kernel plain[MX_DTYPE_COUNT] = {MXI_CUDA_FLOATS(grouped, grouped)};
#define HALVES(prefix)                                          \
  {                                                             \
    MXI_CUDA_OF(grouped_tensor, prefix, FLOAT16, float16),      \
        MXI_CUDA_OF(grouped_tensor, prefix, BFLOAT16, bfloat16) \
  }
static struct mxi_cuda_kernel along_k[MX_DTYPE_COUNT] = HALVES(grouped_t);
static struct mxi_cuda_kernel along_n[MX_DTYPE_COUNT] = HALVES(grouped_n);
#define MX_QUANT_FORMAT(ID, ...) [MXI_QUANT_##ID] = HALVES(grouped_t_##ID),
static struct mxi_cuda_kernel quantized_along_k[MXI_QUANT_FORMATS][MX_DTYPE_COUNT] = {
#include "core/quant.def"
};
#define MX_QUANT_FORMAT(ID, ...) [MXI_QUANT_##ID] = HALVES(grouped_n_##ID),
static struct mxi_cuda_kernel quantized_along_n[MXI_QUANT_FORMATS][MX_DTYPE_COUNT] = {
#include "core/quant.def"
};

static bool is_half(mx_dtype t) { return t == MX_FLOAT16 || t == MX_BFLOAT16; }
/* Halves at the address, and so many further on, are aligned to 16 bytes. */
static bool aligned(const void *p, int64_t halves) { return (uintptr_t)p % 16 == 0 && halves % 8 == 0; }

/* By tensor cores: two buffers of x and w as kernels/grouped_tensor.cu has them. */
static struct mxi_cuda_grid tensor_grid(const struct mxi_cuda_grouped *p, bool w_along_k) {
  enum { STEP = 64, PAD = 8, HALF = 2, BUFFERS = 2 };
  size_t x = (size_t)MXI_CUDA_GROUPED_ROWS * (STEP + PAD),
         w = (size_t)MXI_CUDA_GROUPED_COLUMNS * (STEP + PAD);
  if (!w_along_k) w = (size_t)STEP * (MXI_CUDA_GROUPED_COLUMNS + PAD);
  return (struct mxi_cuda_grid){.x = p->ntiles * mxi_cuda_blocks(p->n, MXI_CUDA_GROUPED_COLUMNS),
                                .threads = MXI_CUDA_GROUPED_THREADS,
                                .shared = BUFFERS * HALF * (x + w)};
}

/* Multiplies the groups of the chosen places, whose products p describes but for the groups. */
static int run_groups(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen, int64_t rows_each,
                      struct mxi_cuda_kernel *kernel, bool tensor, bool w_along_k,
                      struct mxi_cuda_grouped *p) {
  struct mxi_cuda_groups groups;
  MXI_TRY(mxi_cuda_group(c, chosen, rows_each, &groups));
  p->tiles = groups.tiles, p->ntiles = groups.ntiles;
  p->x_rows = groups.x_rows, p->y_rows = groups.y_rows;
  struct mxi_cuda_grid grid = {.x = p->ntiles * mxi_cuda_blocks(p->n, MXI_CUDA_GROUPED_COLUMNS_PLAIN),
                               .threads = MXI_CUDA_GROUPED_THREADS};
  if (tensor) grid = tensor_grid(p, w_along_k);
  int status = mxi_cuda_launch(c->stream, kernel, grid, p, sizeof *p);
  mxi_cuda_groups_end(&groups);
  return status;
}

/* Can 16 bytes of w be loaded at a time, along k or along n? */
static bool w_is_along(const struct mxi_cuda_grouped *p, int64_t along, int64_t across, int64_t length) {
  return along == 1 && length % 8 == 0 && across % 8 == 0 && aligned(p->w, p->w_matrix);
}

int mxi_cuda_grouped_dense(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen,
                           const struct mxi_cuda_gemm *g) {
  struct mxi_cuda_grouped p = {.x = g->a.address,
                               .y = g->d,
                               .n = g->n,
                               .k = g->k,
                               .w = g->b.address,
                               .w_k = g->b.row,
                               .w_n = g->b.column,
                               .w_matrix = g->b.batch};
  bool halves = is_half(g->dtype) && aligned(p.x, p.k);
  bool by_k = halves && w_is_along(&p, p.w_k, p.w_n, p.k), by_n = halves && w_is_along(&p, p.w_n, p.w_k, p.n);
  struct mxi_cuda_kernel *kernel = &(by_k ? along_k : by_n ? along_n : plain)[g->dtype];
  return run_groups(c, chosen, g->m, kernel, by_k || by_n, by_k, &p);
}

bool mxi_cuda_grouped_suits(const struct mxi_cuda_quantized_operands *o) {
  return is_half(o->dtype) && aligned(o->x, o->transpose ? o->w.cols : o->w.rows);
}

int mxi_cuda_grouped_quantized(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen,
                               const struct mxi_cuda_quantized_operands *o) {
  const struct mxi_cuda_quantized *w = &o->w;
  struct mxi_cuda_grouped p = {.x = o->x,
                               .y = o->y,
                               .n = o->transpose ? w->rows : w->cols,
                               .k = o->transpose ? w->cols : w->rows,
                               .packed = w->packed,
                               .scales = w->scales,
                               .biases = w->biases,
                               .words = o->packed_step,
                               .groups = o->scales_step,
                               .log_group = __builtin_ctz((unsigned)w->group_size)};
  struct mxi_cuda_kernel *kernel =
      &(o->transpose ? quantized_along_k : quantized_along_n)[w->format][o->dtype];
  return run_groups(c, chosen, o->m, kernel, true, o->transpose, &p);
}
