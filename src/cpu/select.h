/* Rows of sort.c and select.c. */
#ifndef MXI_CPU_SELECT_H
#define MXI_CPU_SELECT_H
#include "core/array.h"
#include "cpu/kernels/sort.h"

enum {
  MXI_LONG_ROW = 1 << 16, /* a row of this length is worth the pool alone, if there are */
  MXI_FEW_ROWS = 4,       /* fewer rows than this */
  MXI_HUGE_ROW = 1 << 24  /* always worth it */
};
static inline bool mxi_is_long_row(int64_t length, int64_t count) {
  return length >= MXI_HUGE_ROW || (length >= MXI_LONG_ROW && count < MXI_FEW_ROWS);
}

/* Partitions `count` contiguous rows: element kth of each is what a sort would put there, those before it are
   not larger, those after it not smaller. Elements to out (which may be in; not complex64), or their indices.
 */
int mxi_select_rows(mx_dtype t, bool indices, int64_t count, int64_t length, int64_t kth, const void *in,
                    void *out);
#endif
