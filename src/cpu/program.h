/* How the CPU runs a program (engine/program.h): with registers, each one tile of up to MXI_TILE elements in
   the first cache.

   Register types: a register holds elements of one dtype as stored in memory, but float16 and bfloat16
   registers hold float32 values (widened on load, rounded to the half type's grid after every instruction,
   narrowed on store). bool registers hold uint8 0 or 1. */
#ifndef MXI_CPU_PROGRAM_H
#define MXI_CPU_PROGRAM_H
#include "engine/program.h"
#include "cpu/isa.h"
#include <stddef.h>

enum { MXI_TILE = 1024, MXI_MAX_REGISTERS = 32 };

struct mxi_tile_instruction {
  uint8_t op, type, to; /* as in struct mxi_instruction */
  uint8_t dst, src[3];  /* registers */
};
struct mxi_tile_program {
  int ninstructions, ninputs, noutputs, nregisters;
  uint8_t input_type[MXI_MAX_OPERANDS]; /* input i is loaded into register i */
  uint8_t output_type[MXI_MAX_OPERANDS];
  uint8_t output_register[MXI_MAX_OPERANDS];
  struct mxi_tile_instruction instructions[MXI_MAX_INSTRUCTIONS]; /* allocated as long as needed */
};

/* What an instruction is on this machine: one function, or two where halves are rounded by the second. A
   program's steps lie behind its instructions, in one block of mxi_tile_program_bytes. */
typedef void (*mxi_tile_fn)(void *dst, const void *a, const void *b, const void *c, int n);
struct mxi_tile_step {
  mxi_tile_fn fn;
  int8_t dst, src[3];
  uint8_t resizes; /* an operand in dst has elements of another size: write to the spare slot, then swap */
};
struct mxi_tile_steps {
  int n;
  struct mxi_tile_step step[2 * MXI_MAX_INSTRUCTIONS]; /* allocated as long as needed */
};
static inline size_t mxi_tile_steps_offset(int ninstructions) {
  size_t end = offsetof(struct mxi_tile_program, instructions) +
               (size_t)ninstructions * sizeof(struct mxi_tile_instruction);
  return (end + 7) & ~(size_t)7;
}
static inline struct mxi_tile_steps *mxi_tile_steps_of(const struct mxi_tile_program *p) {
  return (struct mxi_tile_steps *)((char *)p + mxi_tile_steps_offset(p->ninstructions));
}
size_t mxi_tile_program_bytes(int ninstructions);
/* Fills in the steps. */
MXI_DECLARE_KERNEL(void, mxi_tiles_prepare, (struct mxi_tile_program * p));

/* Gives every value a register, which is free again after the value's last use. The program needs at most
   MXI_MAX_REGISTERS (mxi_program_registers). And prepares the steps. */
void mxi_make_tile_program(const struct mxi_program *from, void *tile_program);

/* Where inputs and outputs lie for one run. The iteration space is a row-major region of ndim dims (already
   collapsed and permuted so that outputs are contiguous along it wherever possible). Strides are in bytes. */
struct mxi_operand {
  char *data;
  const int64_t *strides; /* [ndim] in bytes */
};
struct mxi_tile_job {
  const struct mxi_tile_program *program;
  int ndim;
  const int64_t *shape;
  int64_t size;
  struct mxi_operand in[MXI_MAX_OPERANDS], out[MXI_MAX_OPERANDS];
};

/* Runs the program on elements [begin, end) of the region, on the calling thread. begin is a multiple of
   MXI_TILE. An input whose strides are all zero is a scalar: loaded and widened once. */
MXI_DECLARE_KERNEL(void, mxi_tiles_run, (const struct mxi_tile_job *job, int64_t begin, int64_t end));
/* What a program needs at most while it runs: registers, one to spare, scalar inputs, a tile of halves. */
enum {
  MXI_TILE_SLOT_PAD = 64,
  MXI_TILE_SLOTS = MXI_MAX_REGISTERS + 1 + MXI_MAX_OPERANDS,
  MXI_TILE_SCRATCH = MXI_TILE_SLOTS * (8 * MXI_TILE + MXI_TILE_SLOT_PAD) + 2 * MXI_TILE,
  MXI_TILE_GET_SCRATCH = 8 * MXI_TILE + MXI_TILE_SCRATCH
};
/* Computes output 0 of the program for n <= MXI_TILE elements from `begin`, into memory (float32 for halves:
   register form). For reductions that end a program. Returns the tile, which lies in `scratch`
   (MXI_TILE_GET_SCRATCH bytes, aligned to 64), or is the input itself when it can be read in place. */
MXI_DECLARE_KERNEL(const void *, mxi_tiles_get,
                   (const struct mxi_tile_job *job, int64_t begin, int64_t n, void *scratch));
/* Is there a function for the instruction? For tests: each op has one for all dtypes that its rule allows. */
MXI_DECLARE_KERNEL(int, mxi_tiles_has, (const struct mxi_tile_instruction *in));
#endif
