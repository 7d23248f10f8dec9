/* Scans along an axis: parameters, and the order of combination, which is part of the results.

   Lines. A team of 32 or BLOCK threads goes along a line in tiles of E elements a thread (E = 8, or 4 of 8
   bytes): each thread scans its own, then lanes meet those 1, 2, 4, 8, 16 before them, then the warps in
   turn; what came before the tile meets the sum. Columns. A thread goes along a line of its own, lines next
   to each other. Either may be cut into chunks: first their totals are taken, which are scanned themselves,
   then each chunk starts from what came before it. */
#ifndef MXI_CUDA_KERNELS_SCAN_H
#define MXI_CUDA_KERNELS_SCAN_H
#include "cuda/kernels/axes.h"

enum { MXI_CUDA_SCAN_BLOCK = 256 };

struct mxi_cuda_scan {
  const void *in; /* the element that a scan of line 0 begins with */
  void *out;
  void *totals; /* accumulators of (line, chunk), in columns (chunk, line); NULL if there is one chunk */
  int64_t lines, length;
  int64_t in_step, out_step; /* of the axis, in the direction of the scan */
  int64_t chunk, chunks;     /* elements of a chunk, a multiple of a tile; chunks of a line */
  int32_t only_totals;       /* totals are written, and nothing else; otherwise they are what came before */
  int32_t exclusive;
  int32_t team;              /* threads of a line: 32 or BLOCK */
  int32_t vectors;           /* E elements lie together, aligned, in either direction */
  struct mxi_cuda_axes axes; /* of the lines */
};
#endif
