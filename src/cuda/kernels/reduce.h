/* Reductions: parameters, and the order in which elements are combined, which is part of the results.

   Runs. An output reduces a run of `length` elements, taken in the order of memory. V = 16 bytes / size of an
   element (1 for the values of a second pass) neighbours make a vector. A team of threads has a run:
     up to 32 vectors:   the smallest power of two of threads that gives each one vector at most;
     else:               the smallest power of two from 32 to BLOCK that gives each EACH at most, if one does.
   Thread t takes vectors t, t + team, ... in turn, element e of each into its accumulator e, which starts as
   the identity. Then accumulators e and e + V/2 meet, and so on to one (mxi_lanes_combine); then the threads
   (mxi_team_combine, mxi_block_combine). A run of more than LONG_VECTORS vectors is cut into chunks, each
   reduced so, and their values are a run of a second pass. A chunk has a power of two of vectors: as many as
   make LONG_CHUNKS or more of them, but from LEAST_CHUNK to LARGEST_CHUNK (mxi_cuda_share_run).

   Columns. Where the outputs' axis is the one that memory follows, threads walk down the rows: a team has
   `across` (a power of two up to 32) threads next to each other, V columns each, and `down` threads below
   each other; thread (x, y) takes rows y, y + down, ... of its chunk of CHUNK_ROWS * BLOCK / across rows in
   turn. The threads of a warp meet first, y with y ^ 1, y ^ 2, ..., then the warps in turn. The values of
   several chunks are the rows of a second pass. */
#ifndef MXI_CUDA_KERNELS_REDUCE_H
#define MXI_CUDA_KERNELS_REDUCE_H
#include "cuda/kernels/axes.h"

enum {
  MXI_CUDA_REDUCE_BLOCK = 256,
  MXI_CUDA_REDUCE_EACH = 8, /* vectors of a thread */
  MXI_CUDA_REDUCE_LONG_VECTORS = 2048,
  MXI_CUDA_REDUCE_LONG_CHUNKS = 256,
  MXI_CUDA_REDUCE_LEAST_CHUNK = 512,
  MXI_CUDA_REDUCE_LARGEST_CHUNK = 4096,
  MXI_CUDA_REDUCE_CHUNK_ROWS = 32 /* of a thread */
};

struct mxi_cuda_reduce_runs {
  const void *in;
  void *out;             /* an element a run; or, if partial, values (run, pitch) of its chunks */
  int64_t count, length; /* runs, elements of each */
  int64_t chunk, chunks; /* elements of a chunk, a multiple of V; chunks of a run */
  int32_t team;          /* threads of a chunk, a power of two; more than 32 are a block */
  int32_t partial;       /* the values are for a second pass */
  int64_t pitch;
  struct mxi_cuda_axes kept, reduced; /* their strides in the input */
};

struct mxi_cuda_reduce_columns {
  const void *in;
  void *out;                  /* if partial, values (outer, chunk, pitch) of the columns */
  int64_t outer, rows, width; /* the input is (outer, rows, width) */
  int64_t chunk, chunks;      /* rows of a chunk; chunks of all rows */
  int64_t tiles;              /* of `across` * V columns */
  int64_t in_step, out_step;  /* of a column */
  int32_t across, down;       /* threads of a team */
  int32_t vectors_out;        /* may whole vectors be written? */
  int32_t partial;            /* the values are for a second pass */
  int64_t pitch;
  struct mxi_cuda_axes kept, reduced; /* kept: the outer axes, with strides in the output */
};
#endif
