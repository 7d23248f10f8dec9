/* A program of elementwise instructions (engine/program.h), as the interpreter's kernels take it.

   A thread computes several elements. A value of the program is a slot for each element, of 4 bytes, or of 8
   where anything in the program has 8: integers extended to 32 or 64 bits, halves as float. Values lie in
   registers, columns of the block's shared memory; inputs of one element are kept once a block, behind the
   registers' numbers. */
#ifndef MXI_CUDA_KERNELS_INTERPRETER_H
#define MXI_CUDA_KERNELS_INTERPRETER_H
#include "cuda/kernels/region.h"

enum {
  MXI_INTERPRETER_THREADS = 256, /* of a block, at most; a power of two, 32 at least */
  MXI_INTERPRETER_BYTES = 32,    /* of a thread in a register */
  MXI_INTERPRETER_GROUP = 4,     /* consecutive elements that a thread moves at once */
  MXI_INTERPRETER_INPUTS = 16,
  MXI_INTERPRETER_OUTPUTS = 8,
  MXI_INTERPRETER_INSTRUCTIONS = 64,
  MXI_INTERPRETER_STRIDES = 160,
  MXI_INTERPRETER_SCALAR = 64 /* this and above: a scalar's number */
};

/* What a slot holds. */
enum mxi_slot_kind {
  MXI_SLOT_BOOL,
  MXI_SLOT_I32,
  MXI_SLOT_U32,
  MXI_SLOT_F32,
  MXI_SLOT_I64,
  MXI_SLOT_U64,
  MXI_SLOT_F64,
  MXI_SLOT_C64,
  MXI_SLOT_ODD /* of results of ASTYPE: float, rounded to odd */
};
/* What is done to a result of 32 bits, and how an element is stored. */
enum mxi_slot_form {
  MXI_FORM_PLAIN, /* as the slot is */
  MXI_FORM_U8,
  MXI_FORM_I8,
  MXI_FORM_U16,
  MXI_FORM_I16,
  MXI_FORM_F16,
  MXI_FORM_BF16
};

struct mxi_interpreted_instruction {
  uint8_t op, kind, to; /* kind of the operands, of operands 1 and 2 for SELECT; of the result */
  uint8_t form;         /* of the result */
  uint8_t dst, src[3];  /* registers, or scalars */
};
struct mxi_interpreted_operand {
  uint64_t address;
  uint8_t size, form; /* of an element: 1, 2, 4, 8 bytes */
  uint8_t reg;
  uint8_t linear;  /* elements lie one after the other */
  uint8_t whole;   /* a group is one word, or two of 16 bytes, aligned to it */
  uint8_t strides; /* where they begin, if not linear */
};
struct mxi_interpreted_scalar {
  uint64_t address; /* 0: the element is in `bits` */
  uint64_t bits;
  uint8_t size, form;
};
struct mxi_interpreted {
  uint32_t size; /* elements */
  uint8_t ninputs, noutputs, ninstructions, nscalars, ndim;
  uint8_t groups; /* all of a group are in one row */
  struct mxi_cuda_divisor shape[MXI_CUDA_REGION_NDIM];
  int64_t strides[MXI_INTERPRETER_STRIDES]; /* in bytes; ndim for each operand that is not linear */
  struct mxi_interpreted_operand in[MXI_INTERPRETER_INPUTS], out[MXI_INTERPRETER_OUTPUTS];
  struct mxi_interpreted_scalar scalar[MXI_INTERPRETER_INPUTS];
  struct mxi_interpreted_instruction instruction[MXI_INTERPRETER_INSTRUCTIONS];
};
#endif
