/* What a backend does for the engine. The engine places a step: every operand has its shape, strides and
   memory. Then the backend launches it on a stream. */
#ifndef MXI_ENGINE_BACKEND_H
#define MXI_ENGINE_BACKEND_H
#include "core/array.h"
#include "core/node.h"
#include "engine/program.h"

/* A reduction that takes the values of a program's output 0 instead of memory. */
struct mxi_reduction {
  const mx_params *params; /* of the REDUCE node; NULL: no reduction */
  mx_dtype type;           /* of the values */
  mx_ints shape;           /* of the values */
};

/* A placed step: one node, or a program with the reduction it may end in. Outputs of the same memory as an
   input are those of a primitive with MXI_P_IN_PLACE or of a program: each element is read before it is
   written. */
struct mxi_call {
  const mx_prim *prim; /* NULL: a program */
  const mx_params *params;
  const struct mxi_program *program;
  const void *prepared;                  /* what the backend has made of the program */
  const struct mxi_reduction *reduction; /* NULL: none; else out[0] receives its result */
  mx_ints shape;                         /* of a program's values: inputs broadcast to it */
  mx_array
      values_like; /* of a reduction: the input as which the values would lie in memory; NULL: row-major */
  mx_stream stream;
  int ninputs, noutputs;
  mx_array *in;
  mx_array *out;
  bool untouched; /* set by a launch that fails before it has written into any output */
};
#define MXI_CALL_PARAMS(ID, c) ((const struct mxi_p_##ID *)(c)->params->fields)
/* `return mxi_untouched(c)`: fails, with the outputs as they were. */
static inline int mxi_untouched(struct mxi_call *c) {
  c->untouched = true;
  return -1;
}

/* The programs a backend takes; at most what program.h names. */
struct mxi_limits {
  int inputs, outputs;
  int operands; /* inputs and outputs together */
  int instructions;
  int registers; /* as mxi_program_registers counts them */
};

struct mxi_backend {
  struct mxi_limits limits;
  /* A program in the backend's own form, made once when its step is: so many bytes, aligned to 8. */
  size_t (*prepared_bytes)(int ninstructions);
  void (*prepare)(const struct mxi_program *program, void *prepared);
  /* Can it run the primitive with these operands' dtypes? NULL: anything. Asked when the step is placed. */
  bool (*supports)(const struct mxi_call *c);
  /* Runs a placed step. */
  int (*launch)(struct mxi_call *c);
  /* Around a run: floating-point mode of the running thread. */
  void (*enter)(unsigned *saved);
  void (*leave)(const unsigned *saved);
};
/* Never NULL: streams of absent devices can't be made. */
const struct mxi_backend *mxi_backend_of(mx_device d);
#endif
