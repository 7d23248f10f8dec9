/* Products with quantised matrices, and their conversion to floats: which kernel, and how it is launched. */
#include "cuda/quantized.h"
#include "base/error.h"
#include "cuda/gemm.h"
#include "cuda/kernels/quantized.h"
#include "cuda/memory.h"

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

int mxi_cuda_dequantize(mx_stream s, const struct mxi_cuda_quantized *w, void *out, mx_dtype t,
                        bool rounded_once) {
  struct mxi_cuda_quantized_conversion p = {.w = out,
                                            .packed = (void *)w->packed,
                                            .scales = (void *)w->scales,
                                            .biases = (void *)w->biases,
                                            .runs = w->rows * (w->cols / 8),
                                            .log_group_runs = log2_of(w->group_size / 8),
                                            .rounded_once = rounded_once};
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
    if (o->choice) p.choice = *o->choice;
    grid.y = (unsigned)mxi_cuda_blocks(m, per_block);
    if (mxi_cuda_launch(s, kernel, grid, &p, sizeof p) < 0) return -1;
  }
  return 0;
}

/* W, or its transpose, as the right factor of a dense product. */
static struct mxi_cuda_gemm dense_product(const struct mxi_cuda_quantized_operands *o, const void *w) {
  int64_t rows = o->w.rows, cols = o->w.cols, k = o->transpose ? cols : rows;
  return (struct mxi_cuda_gemm){
      .dtype = o->dtype,
      .m = o->m,
      .n = o->transpose ? rows : cols,
      .k = k,
      .batch = 1,
      .a = {.address = o->x, .row = k, .column = 1},
      .b = {.address = w, .row = o->transpose ? 1 : cols, .column = o->transpose ? cols : 1},
      .d = o->y,
      .d_row = o->transpose ? rows : cols,
      .alpha = 1};
}

/* W is made dense, one matrix of the batch after the other in the same place. */
static int multiply_dense(mx_stream s, const struct mxi_cuda_quantized_operands *o) {
  struct mxi_cuda_scratch scratch;
  size_t item = mx_dtype_size(o->dtype),
         scale_item = mxi_quant_scales(o->w.format) == MXI_SCALES_FLOAT ? item : 1;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(o->w.rows * o->w.cols) * item, &scratch));
  struct mxi_cuda_quantized w = o->w;
  struct mxi_cuda_gemm g = dense_product(o, scratch.address);
  bool shared = o->packed_step == 0 && o->scales_step == 0;
  int status = 0;
  for (int64_t i = 0; !status && i < o->batch; i++) {
    if (i == 0 || !shared) status = mxi_cuda_dequantize(s, &w, scratch.address, o->dtype, true);
    if (!status) status = mxi_cuda_gemm_run(s, &g);
    w.packed += o->packed_step;
    w.scales = (const char *)w.scales + (size_t)o->scales_step * scale_item;
    if (w.biases) w.biases = (const char *)w.biases + (size_t)o->scales_step * scale_item;
    g.a.address = (const char *)g.a.address + (size_t)o->x_step * item;
    g.d = (char *)g.d + (size_t)o->y_step * item;
  }
  mxi_cuda_scratch_free(&scratch);
  return status;
}

int mxi_cuda_quantized_multiply(mx_stream s, const struct mxi_cuda_quantized_operands *o) {
  enum { MOST_PLAIN_ROWS = 8 }; /* with more rows of x, W is unpacked too often */
  if (mxi_cuda_quantized_tensor_suits(o)) return mxi_cuda_quantized_tensor_multiply(s, o);
  return o->choice || o->m <= MOST_PLAIN_ROWS || o->w.rows * o->w.cols == 0 ? multiply_plainly(s, o)
                                                                            : multiply_dense(s, o);
}
