/* Reductions whose elements come from a tile program instead of memory. */
#ifndef MXI_CPU_REDUCE_H
#define MXI_CPU_REDUCE_H
#include "core/array.h"
#include "core/reduce.h"
#include "cpu/program.h"

/* Reduces output 0 of the program over runs of `length` consecutive elements of the job's region: length is
   the region's last dims (the whole region for a reduction of everything). out, of job->size / length
   elements and any dtype that op allows, is allocated row-major here. The bits are those of storing the
   program's output row-major and reducing that. Output 0 of the job needs no memory. length > 0. 0, or -1
   with the error set.
 */
int mxi_cpu_reduce_program(const struct mxi_tile_job *job, enum mxi_reduce_op op, int64_t length,
                           mx_array out);
#endif
