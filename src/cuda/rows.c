#include "cuda/rows.h"
#include "cuda/cuda.h"

enum { VECTOR_BYTES = 16 };

bool mxi_cuda_is_aligned(const void *address) { return (uintptr_t)address % VECTOR_BYTES == 0; }

static int64_t vectors_of(int64_t n, size_t bytes) {
  return mxi_cuda_blocks(n, VECTOR_BYTES / (int64_t)bytes);
}

struct mxi_cuda_rows mxi_cuda_rows_of(const void *x, int64_t rows, int64_t n, int64_t step, size_t bytes,
                                      void *out) {
  int64_t vector = VECTOR_BYTES / (int64_t)bytes;
  bool whole = (rows <= 1 || (n % vector == 0 && step % vector == 0)) && mxi_cuda_is_aligned(x) &&
               mxi_cuda_is_aligned(out);
  return (struct mxi_cuda_rows){.x = x, .out = out, .rows = rows, .n = n, .step = step, .vectors = whole};
}

bool mxi_cuda_rows_fit(const struct mxi_cuda_rows *r, size_t bytes) {
  return vectors_of(r->n, bytes) <= MXI_CUDA_ROWS_MOST;
}

int mxi_cuda_launch_rows(mx_stream s, const struct mxi_cuda_row_kernels *k, struct mxi_cuda_rows *r,
                         size_t bytes, const void *params, size_t params_bytes) {
  enum { WARP = 32, FOUR = 4, MOST = 1024 };
  int64_t vectors = vectors_of(r->n, bytes);
  int each = vectors <= WARP ? 1 : vectors <= FOUR * MOST ? FOUR : 2 * FOUR;
  r->team = each == 1 ? 1 : WARP;
  while ((int64_t)r->team * each < vectors && r->team < MOST) r->team *= 2;
  unsigned threads = r->team <= WARP ? MXI_CUDA_ROWS_BLOCK : (unsigned)r->team;
  struct mxi_cuda_grid grid = {
      .x = mxi_cuda_blocks(r->rows, threads / (unsigned)r->team), .threads = threads, .overlaps = true};
  return mxi_cuda_launch(s,
                         each == 1      ? k->one
                         : each == FOUR ? k->four
                                        : k->eight,
                         grid, params, params_bytes);
}
