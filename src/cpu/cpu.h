/* The CPU backend's contract with the engine.

   Each primitive that is not elementwise has one function, named mxi_cpu_<ID>, listed in src/cpu/table.c. It
   gets a call: the node's primitive and parameters, its inputs (ready, any strides) and its outputs (shape
   and dtype set, no data). It gives every output its data with mxi_alloc, mxi_set_view or mxi_reuse_or_alloc,
   fills it, and returns 0; or returns -1 with the error set, and the engine resets the outputs. It checks
   data (indices) before it writes. */
#ifndef MXI_CPU_CPU_H
#define MXI_CPU_CPU_H
#include "core/array.h"
#include "core/node.h"
#include "engine/backend.h"
#include "cpu/pool.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/alloc.h"

typedef int (*mxi_cpu_fn)(struct mxi_call *c);
extern const mxi_cpu_fn mxi_cpu_table[MXI_PRIM_COUNT];

/* out takes the memory of input i if it may and fits (same element size, row-major contiguous), else fresh
   memory. Afterwards out may alias in[i]: read each element before writing it. */
int mxi_reuse_or_alloc(struct mxi_call *c, int output, int input);
/* a itself (with a reference more) if row-major, else a row-major copy; the caller unrefs it. NULL on
 * failure. */
mx_array mxi_row_major(mx_array a);
/* Copies src into dst elementwise, casting; same shape, any strides on both sides. src and dst don't overlap.
 */
int mxi_copy_into(mx_array dst, mx_array src);
#endif
