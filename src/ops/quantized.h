/* What the products of all quantisation modes share. */
#ifndef MXI_OPS_QUANTIZED_H
#define MXI_OPS_QUANTIZED_H
#include "core/quant.h"
#include "mlx/ops.h"

/* W (..., N, K), checked: packed (..., N, K * bits / 32), scales and biases (..., N, K / group_size). */
struct mxi_packed_matrix {
  mx_array packed, scales, biases; /* biases NULL: the mode has none */
  int64_t format, group_size, columns;
};
/* The matrix of affine options, which must meet x's last dimension: 0, or -1 with an error that names
   quantized_matmul. */
int mxi_affine_matrix(mx_array x, mx_array packed, mx_array scales, mx_array biases, bool transpose,
                      mx_quant q, struct mxi_packed_matrix *w);
/* The same of small floats. */
int mxi_float_matrix(mx_array x, mx_array packed, mx_array scales, bool transpose, mx_float_format format,
                     struct mxi_packed_matrix *w);
/* x times W, or its transpose, in x's dtype promoted with that of the biases. */
mx_array mxi_quantized_product(mx_array x, const struct mxi_packed_matrix *w, bool transpose);

/* What its kernels take: x as a matrix, and the parts of W, in the dtypes that they compute in. */
struct mxi_product_inputs {
  int n; /* 4, or 3 without biases */
  mx_array in[4];
  mx_dtype computed, result;
};
void mxi_product_inputs(mx_array x, const struct mxi_packed_matrix *w, struct mxi_product_inputs *inputs);

/* Whether x's last dimension meets the matrix; else the error is set. */
bool mxi_check_contracted(mx_array x, mx_array packed, int64_t columns, bool transpose);

/* ---- For derivatives ---- */
/* The options of an affine format. */
mx_quant mxi_affine_options_of(int64_t format, int64_t group_size);
/* From g, the gradient of a matrix W = q s + b: that of its scales, which sums g q over each group, and that
   of its biases, which sums g. */
mx_array mxi_scale_gradient(mx_array g, mx_array packed, mx_array scales, mx_quant q);
mx_array mxi_bias_gradient(mx_array g, mx_array biases, mx_quant q);
#endif
