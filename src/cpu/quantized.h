/* Quantised matrices, free of arrays: how they are stored, their products, and the kernels behind them.

   A matrix of `rows` x `cols` is stored row by row. Every group of `group_size` neighbours in a row shares a
   scale s and, in modes that have biases, a bias b; an integer c of the format's bits stands for value(c) s +
   b. What the formats are stands in core/quant.def. The integers of a row form one little-endian bit stream,
   so 32 of them fill `bits` 32-bit words, and 8 of them `bits` bytes. cols is a multiple of group_size and
   of 32. */
#ifndef MXI_CPU_QUANTIZED_H
#define MXI_CPU_QUANTIZED_H
#include "core/quant.h"
#include "cpu/isa.h"
#include "mlx/dtype.h"
#include <stdint.h>
#include <stdbool.h>

struct mxi_quantized {
  const uint32_t *packed;      /* (rows, cols * bits / 32) */
  const void *scales, *biases; /* (rows, cols / group_size); biases NULL where the mode has none */
  mx_dtype dtype;              /* of scales and biases: float32, float16, bfloat16; scales in bytes: uint8 */
  enum mxi_quant_format format;
  int group_size;
  int64_t rows, cols;
};

/* y (m, rows) = x (m, cols) W^T if transpose, else y (m, cols) = x (m, rows) W. x and y are row-major, of
   dtype t. Sums are as accurate as float32 sums and are rounded once. 0, or -1 with the error set (memory,
   interrupted). */
int mxi_quantized_matmul(void *y, const void *x, mx_dtype t, int64_t m, const struct mxi_quantized *w,
                         bool transpose);
/* Fills packed, scales and biases of an affine format from w (rows, cols) of dtype q->dtype; the pointers in
   q are written through. */
int mxi_quantize(const struct mxi_quantized *q, const void *w);
/* out (rows, cols) of dtype q->dtype from an affine format; the product and the sum are each rounded to it.
 */
int mxi_dequantize(void *out, const struct mxi_quantized *q);

/* ---- Kernels ---- */
/* y = x W^T for few rows of x. x and its group sums are prepared once a call, in the order in which the
   kernel meets the weights; see kernels/quantized_matvec.c. */
struct mxi_matvec {
  struct mxi_quantized w;
  mx_dtype dtype; /* of x and y */
  int64_t m;
  const void *x; /* (m, cols) */
  void *y;       /* (m, rows) */
  float *permuted, *sums;
  int64_t permuted_stride, sums_stride; /* floats a row of x */
  bool fixed_point;                     /* x is held so; see kernels/quantized_fixed_point.c */
};
/* Sets the two strides, and fixed_point. */
MXI_DECLARE_KERNEL(void, mxi_matvec_layout, (struct mxi_matvec * product));
/* Fills permuted and sums for row i of x. */
MXI_DECLARE_KERNEL(void, mxi_matvec_prepare, (const struct mxi_matvec *product, int64_t i));
/* Rows [begin, end) of W against all rows of x. */
MXI_DECLARE_KERNEL(void, mxi_matvec_rows, (const struct mxi_matvec *product, int64_t begin, int64_t end));
/* The same three steps by integer dot products, called from the kernels above. The first says whether the
   machine and the format have them. */
MXI_DECLARE_KERNEL(bool, mxi_fixed_point_layout, (struct mxi_matvec * product));
MXI_DECLARE_KERNEL(void, mxi_fixed_point_prepare, (const struct mxi_matvec *product, int64_t i));
MXI_DECLARE_KERNEL(void, mxi_fixed_point_rows,
                   (const struct mxi_matvec *product, int64_t begin, int64_t end));
/* y = x W for at most MXI_VECMAT_ROWS rows of x: columns [begin, end), both multiples of the group size, at
   most MXI_VECMAT_COLUMNS of them. */
enum { MXI_VECMAT_ROWS = 8, MXI_VECMAT_COLUMNS = 512 };
MXI_DECLARE_KERNEL(void, mxi_vecmat_columns, (const struct mxi_matvec *product, int64_t begin, int64_t end));

/* Packers for the matrix product, of type mxi_pack_b_fn, on a struct mxi_quantized: B = W^T and B = W. */
MXI_DECLARE_KERNEL(void, mxi_pack_quantized_transposed,
                   (const void *ctx, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc, int64_t nr));
MXI_DECLARE_KERNEL(void, mxi_pack_quantized,
                   (const void *ctx, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc, int64_t nr));

/* Groups [begin, end), counted through all rows. */
MXI_DECLARE_KERNEL(void, mxi_quantize_groups,
                   (const struct mxi_quantized *q, const void *w, int64_t begin, int64_t end));
MXI_DECLARE_KERNEL(void, mxi_dequantize_groups,
                   (const struct mxi_quantized *q, void *out, int64_t begin, int64_t end));
#endif
