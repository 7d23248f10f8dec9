/* How the CPU runs a tile program (engine/program.h). */
#ifndef MXI_CPU_PROGRAM_H
#define MXI_CPU_PROGRAM_H
#include "engine/program.h"
#include "cpu/isa.h"

/* Where inputs and outputs lie for one run. The iteration space is a row-major box of ndim dims (already
   collapsed and permuted so that outputs are contiguous along it wherever possible). Strides are in bytes. */
struct mxi_operand {
  char *data;
  const int64_t *strides; /* [ndim] in bytes */
};
struct mxi_tile_job {
  const struct mxi_program *program;
  int ndim;
  const int64_t *shape;
  int64_t size;
  struct mxi_operand in[MXI_MAX_OPERANDS], out[MXI_MAX_OPERANDS];
};

/* Runs the program on elements [begin, end) of the box, on the calling thread. begin is a multiple of
   MXI_TILE. An input whose strides are all zero is a scalar: loaded and widened once. */
MXI_DECLARE_KERNEL(void, mxi_tiles_run, (const struct mxi_tile_job *job, int64_t begin, int64_t end));
/* Computes output 0 of the program for n <= MXI_TILE elements from `begin`, into memory (float32 for halves:
   register form). For reductions that end a program. Returns the tile: `scratch`, or the input itself when it
   can be read in place. */
MXI_DECLARE_KERNEL(const void *, mxi_tiles_get,
                   (const struct mxi_tile_job *job, int64_t begin, int64_t n, void *scratch));
#endif
