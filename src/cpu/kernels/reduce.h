/* The arithmetic of reductions. Every reduction is one of SUM, PROD, MIN, MAX over an accumulator dtype:
   elements are first converted to it (halves to float32, integers to the width of the result, for all and any
   to bool).

   A run of elements is reduced in a fixed order: LANES accumulators (256 bytes of them, on every instruction
   set), lane i taking elements i, i + LANES, ...; at the end of a block lane i meets lane i + LANES/2, and so
   on to one value. Blocks are combined pairwise by the caller. Runs shorter than MXI_REDUCE_SHORT have four
   accumulators. */
#ifndef MXI_CPU_KERNELS_REDUCE_H
#define MXI_CPU_KERNELS_REDUCE_H
#include "mlx/dtype.h"
#include "core/reduce.h"
#include "cpu/isa.h"
#include <stdint.h>

enum { MXI_REDUCE_TILE = 1024, MXI_REDUCE_BLOCK = 16 * MXI_REDUCE_TILE, MXI_REDUCE_SHORT = 64 };

struct mxi_reduce_kind {
  int op;       /* MXI_REDUCE_SUM, PROD, MIN or MAX */
  mx_dtype acc; /* not a half; bool counts as uint8 */
  mx_dtype from, to;
};
typedef union {
  char bytes[256];
  float f32[64];
  double f64[32];
} mxi_reduce_state __attribute__((aligned(64)));

/* Elements of dtype `from` as accumulators: src itself where nothing changes, else n <= MXI_REDUCE_TILE of
   them in scratch. stride in elements. */
MXI_DECLARE_KERNEL(const void *, mxi_reduce_load,
                   (const struct mxi_reduce_kind *r, const void *src, int64_t stride, int64_t n,
                    void *scratch));
/* A block: begin, tiles of accumulators, finish to one accumulator. All tiles but the last have a multiple of
   256 bytes. */
MXI_DECLARE_KERNEL(void, mxi_reduce_begin, (const struct mxi_reduce_kind *r, mxi_reduce_state *s));
MXI_DECLARE_KERNEL(void, mxi_reduce_tile,
                   (const struct mxi_reduce_kind *r, mxi_reduce_state *s, const void *tile, int64_t n));
MXI_DECLARE_KERNEL(void, mxi_reduce_finish,
                   (const struct mxi_reduce_kind *r, mxi_reduce_state *s, void *value));
/* n contiguous accumulators at `values` to one, pairwise: 0 with 1, 2 with 3, ...; overwrites them. */
MXI_DECLARE_KERNEL(void, mxi_reduce_pairs, (const struct mxi_reduce_kind *r, void *values, int64_t n));
/* Rows of n <= MXI_REDUCE_BLOCK contiguous elements of dtype `from`, row_stride elements apart, to
 * values[rows]. */
MXI_DECLARE_KERNEL(void, mxi_reduce_rows,
                   (const struct mxi_reduce_kind *r, const void *src, int64_t row_stride, int64_t n,
                    int64_t rows, void *values));
/* values[j] meets rows 0, 1, 2, ... of src: `columns` <= MXI_REDUCE_TILE contiguous elements of dtype `from`.
   Four rows are combined as (0 1)(2 3) before they meet the value. */
MXI_DECLARE_KERNEL(void, mxi_reduce_columns,
                   (const struct mxi_reduce_kind *r, const void *src, int64_t row_stride, int64_t rows,
                    int64_t columns, void *values));
/* a[j] meets b[j], both accumulators. */
MXI_DECLARE_KERNEL(void, mxi_reduce_combine,
                   (const struct mxi_reduce_kind *r, void *a, const void *b, int64_t n));
/* Fills n accumulators with the identity. */
MXI_DECLARE_KERNEL(void, mxi_reduce_identity, (const struct mxi_reduce_kind *r, void *values, int64_t n));
/* n accumulators converted to dtype `to`, stored with a stride. */
MXI_DECLARE_KERNEL(void, mxi_reduce_store,
                   (const struct mxi_reduce_kind *r, const void *values, int64_t n, void *out,
                    int64_t stride));

/* ---- Where the extreme is: op MIN or MAX of mxi_reduce_kind; the first of equals, the first NaN before all
 * ---- */
struct mxi_extreme {
  uint64_t value; /* an accumulator; undefined while index < 0 */
  int64_t index;
};
/* Accumulators of positions first, first + 1, ... */
MXI_DECLARE_KERNEL(void, mxi_extreme_tile,
                   (const struct mxi_reduce_kind *r, struct mxi_extreme *e, const void *tile, int64_t n,
                    int64_t first));
/* e meets what was found further on. */
MXI_DECLARE_KERNEL(void, mxi_extreme_combine,
                   (const struct mxi_reduce_kind *r, struct mxi_extreme *e, const struct mxi_extreme *later));
/* Column j meets row `index`: values[j] and indices[j] are replaced if tile[j] comes before. Start with row 0
 * copied. */
MXI_DECLARE_KERNEL(void, mxi_extreme_columns,
                   (const struct mxi_reduce_kind *r, void *values, uint32_t *indices, const void *tile,
                    int64_t n, uint32_t index));
#endif
