/* Products with quantised matrices, and their conversion to floats: which kernel, and how it is launched. */
#include "cuda/quantized.h"
#include "cuda/kernels/quantized.h"

#define MX_QUANT_FORMAT(ID, ...) \
  [MXI_QUANT_##ID] = {MXI_CUDA_HALVES_AND_FLOAT(quantized_convert, dequantize_##ID)},
static struct mxi_cuda_kernel dequantize[MXI_QUANT_FORMATS][MX_DTYPE_COUNT] = {
#include "core/quant.def"
};
#define MX_QUANT_FORMAT(ID, ...) \
  [MXI_QUANT_##ID] = {MXI_CUDA_HALVES_AND_FLOAT(quantized_products, quantized_rows_##ID)},
static struct mxi_cuda_kernel rows[MXI_QUANT_FORMATS][MX_DTYPE_COUNT] = {
#include "core/quant.def"
};
#define MX_QUANT_FORMAT(ID, ...) \
  [MXI_QUANT_##ID] = {MXI_CUDA_HALVES_AND_FLOAT(quantized_products, quantized_columns_##ID)},
static struct mxi_cuda_kernel columns[MXI_QUANT_FORMATS][MX_DTYPE_COUNT] = {
#include "core/quant.def"
};

static int log2_of(int power) { return __builtin_ctz((unsigned)power); }

int mxi_cuda_dequantize(mx_stream s, const struct mxi_cuda_quantized *w, void *out, mx_dtype t) {
  struct mxi_cuda_quantized_conversion p = {.w = out,
                                            .packed = (void *)w->packed,
                                            .scales = (void *)w->scales,
                                            .biases = (void *)w->biases,
                                            .runs = w->rows * (w->cols / 8),
                                            .log_group_runs = log2_of(w->group_size / 8)};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(p.runs, MXI_CUDA_CONVERT_THREADS * MXI_CUDA_CONVERT_RUNS),
                               .threads = MXI_CUDA_CONVERT_THREADS};
  return mxi_cuda_launch(s, &dequantize[w->format][t], grid, &p, sizeof p);
}

static bool aligned(const void *p, int64_t bytes) { return ((uintptr_t)p | (uintptr_t)bytes) % 16 == 0; }

/* Any format, by float multiply-adds, in parts that a grid can have. */
static int multiply_plainly(mx_stream s, const struct mxi_cuda_quantized_operands *o) {
  enum { MOST = 65535 };
  const struct mxi_cuda_quantized *w = &o->w;
  int64_t item = (int64_t)mx_dtype_size(o->dtype), n = o->transpose ? w->rows : w->cols,
          k = o->transpose ? w->cols : w->rows;
  struct mxi_cuda_kernel *kernel = &(o->transpose ? rows : columns)[w->format][o->dtype];
  int64_t per_block = o->transpose ? MXI_CUDA_QUANTIZED_ROWS_X : 1;
  struct mxi_cuda_grid grid = {.x = o->transpose ? mxi_cuda_blocks(n, MXI_CUDA_QUANTIZED_ROWS_THREADS / 32)
                                                 : mxi_cuda_blocks(n, MXI_CUDA_QUANTIZED_COLUMNS_WIDTH),
                               .threads = o->transpose ? MXI_CUDA_QUANTIZED_ROWS_THREADS
                                                       : MXI_CUDA_QUANTIZED_COLUMNS_THREADS,
                               .z = (unsigned)o->batch};
  for (int64_t i = 0; i < o->m; i += MOST * per_block) {
    int64_t m = o->m - i < MOST * per_block ? o->m - i : MOST * per_block;
    struct mxi_cuda_quantized_product p = {.x = (const char *)o->x + i * k * item,
                                           .packed = w->packed,
                                           .scales = w->scales,
                                           .biases = w->biases,
                                           .y = (char *)o->y + i * n * item,
                                           .m = m,
                                           .n = n,
                                           .k = k,
                                           .x_batch = o->x_step,
                                           .packed_batch = o->packed_step,
                                           .scales_batch = o->scales_step,
                                           .y_batch = o->y_step,
                                           .log_group = log2_of(w->group_size),
                                           .aligned =
                                               aligned(o->x, k * item) && aligned(NULL, o->x_step * item)};
    grid.y = (unsigned)mxi_cuda_blocks(m, per_block);
    if (mxi_cuda_launch(s, kernel, grid, &p, sizeof p) < 0) return -1;
  }
  return 0;
}

int mxi_cuda_quantized_multiply(mx_stream s, const struct mxi_cuda_quantized_operands *o) {
  if (mxi_cuda_quantized_tensor_suits(o)) return mxi_cuda_quantized_tensor_multiply(s, o);
  return multiply_plainly(s, o);
}
