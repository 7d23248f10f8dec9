/* What the files of the matrix product share: gemm.c (packed), gemm_thin.c (few rows), gemm_turned.c (by the
   transposed product), gemm_workspace.c. */
#ifndef MXI_CPU_GEMM_PARTS_H
#define MXI_CPU_GEMM_PARTS_H
#include "cpu/gemm.h"
#include <stddef.h>

/* Memory for one call, aligned to 64, kept between calls: fresh pages cost more than packing into them.
   Several users at a time are fine. NULL with the error set. */
void *mxi_gemm_workspace_take(size_t bytes);
void mxi_gemm_workspace_give(void *data);

enum { MXI_FEW_ROWS = 8 }; /* of A: B is read once, whatever its size */

/* Few rows of A, or few columns of B: B is read once, where it lies, without packing. */
bool mxi_gemm_is_thin(const struct mxi_gemm *g);
int mxi_gemm_thin(const struct mxi_gemm *g);

/* The same result by the transposed product, for any product without callbacks. */
bool mxi_gemm_is_better_turned(const struct mxi_gemm *g);
int mxi_gemm_turned(const struct mxi_gemm *g);
/* The product that makes C transposed, still to be told where. */
struct mxi_gemm mxi_gemm_transposed(const struct mxi_gemm *g);

/* A loop over the pool, or one on the caller. 0, or -1 when interrupted. */
int mxi_gemm_loop(bool parallel, int64_t n, void (*fn)(void *ctx, int64_t i), void *ctx);
/* Products below this many multiply-adds run on the caller: a parallel loop costs microseconds. */
#define MXI_GEMM_INLINE_WORK 400000.0
#endif
