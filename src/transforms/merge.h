/* Merging equal nodes of a trace. */
#ifndef MXI_TRANSFORMS_MERGE_H
#define MXI_TRANSFORMS_MERGE_H
#include "core/array.h"

/* Replaces each output by an equal one, of a graph in which equal nodes of this level are one. They are owned
   by the scope; the old graph stays as it is. */
int mxi_merge_equal(int32_t level, int n, mx_array *outputs);
#endif
