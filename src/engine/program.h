/* A tile program: a straight line of elementwise instructions over registers, each register one tile of up to
   MXI_TILE elements in L1. One element's value depends on the same element of the inputs alone.

   Register types: a register holds elements of one dtype as stored in memory, but float16 and bfloat16
   registers hold float32 values (widened on load, rounded to the half type's grid after every instruction,
   narrowed on store), so a fused result equals the unfused one bit for bit. bool registers hold uint8 0 or 1.
 */
#ifndef MXI_ENGINE_PROGRAM_H
#define MXI_ENGINE_PROGRAM_H
#include "core/dtype.h"

enum { MXI_TILE = 1024, MXI_MAX_REGISTERS = 32, MXI_MAX_INSTRUCTIONS = 64, MXI_MAX_OPERANDS = 16 };

struct mxi_instruction {
  uint8_t op;   /* an elementwise primitive's id */
  uint8_t type; /* mx_dtype of the operands (of operands 1 and 2 for SELECT; the source type for ASTYPE) */
  uint8_t to;   /* mx_dtype of the result */
  uint8_t dst;  /* registers */
  uint8_t src[3];
};
struct mxi_program {
  int ninstructions, ninputs, noutputs, nregisters;
  uint8_t input_type[MXI_MAX_OPERANDS]; /* input i is loaded into register i */
  uint8_t output_type[MXI_MAX_OPERANDS];
  uint8_t output_register[MXI_MAX_OPERANDS];
  struct mxi_instruction instructions[MXI_MAX_INSTRUCTIONS];
};
#endif
