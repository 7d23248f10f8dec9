/* A program: a straight line of elementwise instructions in single-assignment form. Values are numbered:
   first the inputs, then instruction k makes value ninputs + k. One element's value depends on the same
   element of the inputs alone. Backends give values their registers (cpu/registers.c).

   Float16 and bfloat16 values may be held as float32, rounded to the half type's grid after every
   instruction, so a fused result equals the unfused one bit for bit. */
#ifndef MXI_ENGINE_PROGRAM_H
#define MXI_ENGINE_PROGRAM_H
#include "mlx/dtype.h"
#include <stdbool.h>
#include <stdint.h>

/* No backend takes more. */
enum {
  MXI_MAX_OPERANDS = 16, /* inputs, and again outputs */
  MXI_MAX_INSTRUCTIONS = 64,
  MXI_MAX_VALUES = MXI_MAX_OPERANDS + MXI_MAX_INSTRUCTIONS
};

struct mxi_instruction {
  uint8_t op;     /* an elementwise primitive's id */
  uint8_t type;   /* mx_dtype of the operands (of operands 1 and 2 for SELECT; the source type for ASTYPE) */
  uint8_t to;     /* mx_dtype of the result */
  uint8_t src[3]; /* values */
};
struct mxi_program {
  int ninstructions, ninputs, noutputs;
  uint8_t input_type[MXI_MAX_OPERANDS];
  uint8_t output_type[MXI_MAX_OPERANDS];
  uint8_t output_value[MXI_MAX_OPERANDS];
  struct mxi_instruction instructions[MXI_MAX_INSTRUCTIONS]; /* allocated as long as needed */
};

/* How many operands an elementwise primitive has. */
static inline int mxi_arity(int op) {
  static const uint8_t arities[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) arity,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  };
  return arities[op];
}

/* The instruction after which each value is not needed any more: MXI_MAX_INSTRUCTIONS for outputs, and for a
   value that nothing reads the instruction that makes it. */
void mxi_program_last_uses(const struct mxi_program *p, uint8_t *last_use);
/* Is output `out` computed of input `in`? */
bool mxi_program_depends(const struct mxi_program *p, int out, int in);
/* How many registers the program needs when every input keeps its own to the end. */
int mxi_program_registers(const struct mxi_program *p);
#endif
