#ifndef MXI_CPU_SELECT_H
#define MXI_CPU_SELECT_H
#include "core/dtype.h"
#include <stdbool.h>
#include <stdint.h>

/* Partitions `count` contiguous rows: element kth of each is what a sort would put there, those before it are
   not larger, those after it not smaller. Elements to out (which may be in; not complex64), or their indices.
 */
int mxi_select_rows(mx_dtype t, bool indices, int64_t count, int64_t length, int64_t kth, const void *in,
                    void *out);
#endif
