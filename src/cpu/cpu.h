/* The CPU backend's contract with the engine.

   Each primitive of prims_other.def has one function, named mxi_cpu_<ID>, listed in src/cpu/table.c. It gets
   a placed call: the node's primitive and parameters, its inputs (ready, any strides) and its outputs (with
   memory, row-major unless the primitive's row says otherwise). It fills the outputs and returns 0, or
   returns -1 with the error set. Where an output may be an input's memory (MXI_P_IN_PLACE), each element is
   read before it is written; data (indices) are checked and memory is allocated before the first write, and a
   failure until then is `return mxi_untouched(c)`. */
#ifndef MXI_CPU_CPU_H
#define MXI_CPU_CPU_H
#include "core/array.h"
#include "core/node.h"
#include "engine/backend.h"
#include "cpu/pool.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/alloc.h"

#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, ...) int mxi_cpu_##ID(struct mxi_call *c);
#include "core/prims_other.def"
#undef MX_PRIM

/* a itself (with a reference more) if row-major, else a row-major copy; the caller unrefs it. NULL on
 * failure. */
mx_array mxi_row_major(mx_array a);
/* Copies src into dst elementwise, casting; same shape, any strides on both sides. src and dst don't overlap.
 */
int mxi_copy_into(mx_array dst, mx_array src);
#endif
