/* What a backend does for the engine. The engine places a step: every operand has its shape, strides and
   memory. Then the backend launches it on a stream. */
#ifndef MXI_ENGINE_BACKEND_H
#define MXI_ENGINE_BACKEND_H
#include "core/device.h"
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
  /* Lets go of what the form refers to; its bytes go with the step. NULL: nothing. */
  void (*forget)(void *prepared);
  /* Can it run the primitive with these operands? NULL: anything. Asked before the step is placed; the CPU
     runs what it can't. Programs it always can. */
  bool (*supports)(const struct mxi_call *c);
  /* Submits a placed step to its stream. What it needs of the call, but for the memory, it copies. A device
     that works on the host's memory has done it when launch returns. */
  int (*launch)(struct mxi_call *c);
  /* Around the steps that a thread runs: its floating-point mode. NULL where the thread computes nothing. */
  void (*enter)(unsigned *saved);
  void (*leave)(const unsigned *saved);

  /* For devices with memory of their own; all NULL for those that work on the host's. What is submitted to
     one stream is done in order. */
  struct mxi_side *(*allocate)(mx_stream s, size_t bytes);           /* for use on s, or elsewhere after s */
  int (*upload)(mx_stream s, struct mxi_side *to, const void *from); /* has read the host's bytes on return */
  int (*download)(const struct mxi_side *from, void *to); /* of what has been written; on return it is here */
  uint64_t (*submitted)(mx_stream s);                     /* the number of what was submitted last */
  int (*wait_for)(mx_stream s, struct mxi_event e);       /* what is submitted to s next comes after e */
  int (*await)(struct mxi_event e);                       /* blocks the thread until e has passed */
  /* An eval has submitted all that it will to s: who waits for it need not wait for what comes later. NULL:
     events are exact anyway. */
  int (*mark)(mx_stream s);
  size_t (*memory)(enum mxi_memory_figure f); /* of its memory; NULL: it keeps no count */
  void (*set_memory)(enum mxi_memory_figure f, size_t bytes);
  void (*trim)(void);                    /* gives what is cached back */
  int (*describe)(mx_device_info *info); /* NULL: there is nothing to tell */
};
/* NULL for an absent device, of which there are no streams. */
const struct mxi_backend *mxi_backend_of(mx_device d);
/* The one that runs on the host's processors, and NVIDIA's GPU, or NULL where there is none. */
extern const struct mxi_backend mxi_cpu_backend;
const struct mxi_backend *mxi_cuda_backend(void);
#endif
