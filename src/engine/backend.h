/* What a backend does for the engine: run one step. Inputs are ready; outputs have shape and dtype, and get
 * data. */
#ifndef MXI_ENGINE_BACKEND_H
#define MXI_ENGINE_BACKEND_H
#include "core/array.h"
#include "core/node.h"
#include "engine/program.h"

struct mxi_call {
  const mx_prim *prim;
  const mx_params *params;
  int ninputs, noutputs;
  mx_array *in;
  mx_array *out;
  uint64_t donatable; /* bit i: input i's memory is this call's to write over (it dies with this call) */
};

#define MXI_CALL_PARAMS(ID, c) ((const struct mxi_p_##ID *)(c)->params->fields)

/* A reduction that takes the values of a program's output 0 instead of memory. */
struct mxi_reduction {
  const mx_params *params; /* of the REDUCE node */
  mx_dtype type;           /* of the values */
  mx_ints shape;           /* of the values */
};

struct mxi_backend {
  int (*run_node)(struct mxi_call *c);
  /* Runs a fused program: in[i] feeds input i (broadcast to `shape`), out[j] receives output j. With a
     reduction, out[0] receives its result and there is no other output. */
  int (*run_program)(const struct mxi_program *p, const struct mxi_reduction *reduction, mx_ints shape,
                     mx_array *in, mx_array *out, uint64_t donatable);
  /* Around a run: floating-point mode of the running thread. */
  void (*enter)(unsigned *saved);
  void (*leave)(const unsigned *saved);
};
const struct mxi_backend *mxi_backend_of(mx_device d);
#endif
