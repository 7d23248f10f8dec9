/* Derivatives and batching of primitives, as their rows in core/prims.def say; src/transforms walks graphs
   with them. */
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

/* A node under vmap: its inputs, each with or without a batch axis in front, and the outputs to make. */
struct mxi_batch {
  int64_t size; /* of the batch axis; positive */
  const mx_array *in;
  const bool *batched;        /* [i]: axis 0 of in[i] is the batch axis. At least one has it */
  struct mxi_output *outputs; /* the outputs of one element: dtypes and shapes */
  mx_array *out;              /* owned by the scope, with the batch axis in front */
  bool *out_batched;          /* true; a rule may say that an output has no batch axis */
};
typedef int (*mxi_vmap_fn)(const mx_node *n, struct mxi_batch *b);

/* A node to be made again from a record of it: by its op's builder, which checks what it is given and infers
   dtypes and shapes anew. Inputs may have other sizes than they had; what the record leaves open then follows
   theirs. */
struct mxi_build {
  const mx_prim *prim;
  const void *params; /* the primitive's struct; NULL where it has no fields */
  int ninputs, noutputs;
  const mx_array *in;
  const mx_ints *shapes;            /* that the inputs had; NULL: the same */
  const struct mxi_output *outputs; /* what the record says of them */
  mx_array *out;                    /* owned by the scope */
};
typedef int (*mxi_build_fn)(const struct mxi_build *b);

struct mxi_rules {
  mxi_vjp_fn vjp; /* NULL: not differentiable; a cotangent that reaches it is an error naming the primitive */
  mxi_jvp_fn jvp;
  mxi_vmap_fn vmap;
  mxi_build_fn build; /* NULL: such a node is in no record */
};
extern const struct mxi_rules mxi_rules[MXI_PRIM_COUNT];

/* ---- How the op files define them ---- a rule stands beside its builder and is named after its primitive
 * ---- */
#define MXI_VJP(ID)                                                                                         \
  int mxi_vjp_##ID(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want, \
                   mx_array *grads)
#define MXI_JVP(ID) \
  int mxi_jvp_##ID(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out)
#define MXI_VMAP(ID)  int mxi_vmap_##ID(const mx_node *n, struct mxi_batch *b)
#define MXI_BUILD(ID) int mxi_build_##ID(const struct mxi_build *b)

/* Those that rows call OWN. */
#define MXI_DECLARE_VJP_OWN(ID)   MXI_VJP(ID);
#define MXI_DECLARE_JVP_OWN(ID)   MXI_JVP(ID);
#define MXI_DECLARE_VMAP_OWN(ID)  MXI_VMAP(ID);
#define MXI_DECLARE_BUILD_OWN(ID) MXI_BUILD(ID);
#define MXI_DECLARE_VJP_ZERO(ID)
#define MXI_DECLARE_VJP_NONE(ID)
#define MXI_DECLARE_VJP_ENTERED(ID)
#define MXI_DECLARE_VJP_ELEMENTWISE(ID)
#define MXI_DECLARE_JVP_DERIVED(ID)
#define MXI_DECLARE_JVP_ENTERED(ID)
#define MXI_DECLARE_JVP_ELEMENTWISE(ID)
#define MXI_DECLARE_VMAP_LEADING(ID)
#define MXI_DECLARE_VMAP_AXIS(ID)
#define MXI_DECLARE_VMAP_AXES(ID)
#define MXI_DECLARE_VMAP_NEVER(ID)
#define MXI_DECLARE_VMAP_ENTERED(ID)
#define MXI_DECLARE_VMAP_ELEMENTWISE(ID)
#define MXI_DECLARE_BUILD_NEVER(ID)
#define MXI_DECLARE_BUILD_ENTERED(ID)
#define MXI_DECLARE_BUILD_ELEMENTWISE(ID)
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...)                      \
  MXI_DECLARE_VJP_##vjp(ID) MXI_DECLARE_JVP_##jvp(ID) MXI_DECLARE_VMAP_##vmap(ID) \
      MXI_DECLARE_BUILD_##build(ID)
#include "core/prims.def"
#undef MX_PRIM

/* Every elementwise primitive: from the partial derivatives of elementwise_rules.c. */
int mxi_vjp_elementwise(const mx_node *n, const mx_array *outputs, const mx_array *cotangents,
                        const bool *want, mx_array *grads);
int mxi_jvp_elementwise(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out);

int mxi_build_elementwise(const struct mxi_build *b);

/* ---- For derivative rules (gradients.c) ---- */
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

/* ---- Making nodes again (build.c) ---- */
/* Makes the node. -1 with the error set when the builder refuses its inputs or parameters, or makes of them
   another number of outputs, other dtypes or (of inputs of the same shapes) other shapes than recorded. */
int mxi_build(const struct mxi_build *b);
/* Starts a rule: has the record as many inputs and outputs as the primitive? */
bool mxi_build_takes(const struct mxi_build *b, int ninputs, int noutputs);
/* Ends a rule of one output. */
int mxi_build_done(const struct mxi_build *b, mx_array out);
/* The parameters of a record of primitive ID. */
#define MXI_BUILD_PARAMS(ID, b) ((const struct mxi_p_##ID *)(b)->params)
/* An input's shape in the record. */
static inline mx_ints mxi_build_shape(const struct mxi_build *b, int i) {
  return b->shapes ? b->shapes[i] : mxi_shape_of(b->in[i]);
}
/* An integer of a record as the int that a builder takes; one that is none is an error: false. */
bool mxi_build_int(const struct mxi_build *b, int64_t value, int *out);
/* A list has one integer for each of n axes. */
bool mxi_build_list(const struct mxi_build *b, mx_ints list, int n);
/* The error for a record that can't be: -1. */
int mxi_build_refuse(const struct mxi_build *b, const char *what);
/* The error for a node that can't follow its inputs' other sizes: -1. */
int mxi_build_fixed(const struct mxi_build *b, int axis);

/* ---- For batching rules (batch.c) ---- */
/* Room for a shape with a batch axis, were it one of the longest. */
enum { MXI_BATCH_NDIM = MXI_MAX_NDIM + 1 };
/* The batch axis followed by a shape, in out[MXI_BATCH_NDIM]. */
mx_ints mxi_batch_shape(const struct mxi_batch *b, mx_ints shape, int64_t *out);
/* a (B, S...) with axes of size 1 behind the batch axis, up to `ndim` of them and S. */
mx_array mxi_batch_align(mx_array a, int ndim);
/* Input i so that it broadcasts against inputs of `ndim` axes and a batch axis in front. */
mx_array mxi_batch_aligned(const struct mxi_batch *b, int i, int ndim);
/* Input i with the batch axis in front, repeated along it if need be. */
mx_array mxi_batch_repeated(const struct mxi_batch *b, int i);
/* A list of `n` values in out with one value in front. */
mx_ints mxi_batch_prefixed(int64_t first, mx_ints list, int64_t *out);
/* Axes one further from the front. */
mx_ints mxi_batch_shifted(mx_ints axes, int64_t *out);
/* Ends a rule of one output. */
int mxi_batch_done(struct mxi_batch *b, mx_array out);
/* Applies the node's primitive with these parameters, to in[] or (NULL) to all inputs with a batch axis, the
   outputs having the batch axis in front. */
int mxi_batch_apply(const mx_node *n, struct mxi_batch *b, const void *params, const mx_array *in);
#endif
