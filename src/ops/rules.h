/* Derivatives of primitives. rules.c ties one row to each primitive; src/transforms walks graphs with them.
 */
#ifndef MXI_OPS_RULES_H
#define MXI_OPS_RULES_H
#include "core/node.h"

/* Cotangents of the node's inputs. cotangents[i] belongs to output i and may be NULL (zero). want[i] says
   which gradients are asked for; store results (owned by the scope) in grads[i], NULL for zero. */
typedef int (*mxi_vjp_fn)(const mx_node *n, const mx_array *outputs, const mx_array *cotangents,
                          const bool *want, mx_array *grads);
/* Tangents of the outputs, from tangents of the inputs (NULL = zero). Optional: without it the transpose of
   the vjp rule serves. */
typedef int (*mxi_jvp_fn)(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out);

struct mxi_rules {
  mxi_vjp_fn vjp; /* NULL: not differentiable; a cotangent that reaches it is an error naming the primitive */
  mxi_jvp_fn jvp;
};
extern const struct mxi_rules mxi_rules[MXI_PRIM_COUNT];

/* ---- How the op files define them ---- a rule stands beside its builder and is named after its primitive
 * ---- */
#define MXI_VJP(ID)                                                                                         \
  int mxi_vjp_##ID(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want, \
                   mx_array *grads)
#define MXI_JVP(ID) \
  int mxi_jvp_##ID(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out)

/* The primitives with a vjp of their own; elementwise ones derive theirs from a partial derivative. */
// clang-format off
#define MXI_VJP_LIST(R)                                                                                      \
  R(IDENTITY) R(DEPENDS) R(RESHAPE) R(TRANSPOSE) R(BROADCAST) R(SLICE) R(AS_STRIDED) R(CONTIGUOUS)           \
  R(CONCATENATE) R(PAD) R(SLICE_UPDATE) R(DYNAMIC_SLICE) R(DYNAMIC_SLICE_UPDATE)                             \
  R(GATHER) R(SCATTER) R(GATHER_AXIS) R(SCATTER_AXIS)                                                        \
  R(REDUCE) R(SCAN) R(SORT) R(PARTITION) R(SOFTMAX) R(LOGSUMEXP)                                             \
  R(MATMUL) R(ADDMM) R(DEQUANTIZE) R(QUANTIZED_MATMUL) R(CONVOLUTION)                                        \
  R(LU) R(INVERSE) R(SOLVE) R(SOLVE_TRIANGULAR) R(CHOLESKY) R(PINV) R(QR) R(SVD) R(EIGH)                    \
  R(FFT) R(RMS_NORM) R(LAYER_NORM) R(ROPE) R(SDPA)
/* Their derivative is zero: a cotangent that reaches them ends there. */
#define MXI_ZERO_VJP_LIST(R)                                                                                 \
  R(STOP_GRADIENT) R(ARANGE) R(ARG_REDUCE) R(ARGSORT) R(ARGPARTITION) R(RANDOM_BITS)
#define MXI_JVP_LIST(R)                                                                                      \
  R(DEPENDS) R(MATMUL) R(ADDMM) R(ROPE) R(REDUCE) R(SCAN) R(SOFTMAX) R(LOGSUMEXP) R(QUANTIZED_MATMUL)  \
  R(CONVOLUTION)
// clang-format on

#define MXI_DECLARE(ID) MXI_VJP(ID);
MXI_VJP_LIST(MXI_DECLARE)
#undef MXI_DECLARE
#define MXI_DECLARE(ID) MXI_JVP(ID);
MXI_JVP_LIST(MXI_DECLARE)
#undef MXI_DECLARE

/* Every elementwise primitive: from the partial derivatives of elementwise_rules.c. */
int mxi_vjp_elementwise(const mx_node *n, const mx_array *outputs, const mx_array *cotangents,
                        const bool *want, mx_array *grads);
int mxi_jvp_elementwise(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out);

/* Ends a vjp rule: -1 if one of the gradients failed. */
int mxi_grads_done(const mx_node *n, const mx_array *grads);
/* Ends the vjp rule of a primitive whose gradient flows into its first input alone. */
int mxi_only_grad(const mx_node *n, mx_array gradient, mx_array *grads);
/* Starts a vjp rule: no gradients yet. */
static inline void mxi_no_grads(const mx_node *n, mx_array *grads) {
  for (int i = 0; i < n->ninputs; i++) grads[i] = NULL;
}
/* The sum of two tangents, either of which may be absent. */
mx_array mxi_add_tangents(mx_array a, mx_array b);
#endif
