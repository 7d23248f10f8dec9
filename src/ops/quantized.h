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
/* x times W, or its transpose, in x's dtype promoted with that of the biases. */
mx_array mxi_quantized_product(mx_array x, const struct mxi_packed_matrix *w, bool transpose);
/* Whether x's last dimension meets the matrix; else the error is set. */
bool mxi_check_contracted(mx_array x, mx_array packed, int64_t columns, bool transpose);
#endif
