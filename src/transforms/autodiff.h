/* Walking a graph with derivatives. The graph is what the arrays' nodes say; targets and `stops` are its
 * leaves. Targets are tracers, so that all that depends on them is. */
#ifndef MXI_TRANSFORMS_AUTODIFF_H
#define MXI_TRANSFORMS_AUTODIFF_H
#include "ops/rules.h"

/* Pulls cotangents (one a root; NULL = zero) back to the targets: grads[i] is owned by the scope, NULL when
   nothing flows there. */
int mxi_pull_back(int nroots, const mx_array *roots, const mx_array *cotangents, int ntargets,
                  const mx_array *targets, int nstops, const mx_array *stops, mx_array *grads);
/* Pushes tangents (one a source; NULL = zero) forward to the roots: out[j] is owned by the scope, NULL for
 * zero. */
int mxi_push_forward(int nroots, const mx_array *roots, int nsources, const mx_array *sources,
                     const mx_array *tangents, mx_array *out);

/* Rules that need transforms themselves. */
int mxi_vjp_call(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                 mx_array *grads);
int mxi_jvp_call(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out);
int mxi_vjp_custom(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                   mx_array *grads);
int mxi_jvp_custom(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out);
int mxi_vmap_custom(const mx_node *n, struct mxi_batch *b);
/* Has it a jvp of its own, or none of either kind? Else the transpose of its vjp serves. */
bool mxi_custom_has_jvp(const mx_node *n);
#endif
