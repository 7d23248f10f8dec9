/* Rows that are sorted (sort.c) or partitioned (select.c): many at once over the pool, or long ones in turn,
   each by the whole pool. */
#ifndef MXI_CPU_SORT_ROWS_H
#define MXI_CPU_SORT_ROWS_H
#include "base/checked.h"
#include "core/array.h"
#include "cpu/kernels/sort.h"

struct mxi_rows {
  struct mxi_sort sort;
  bool indices; /* the result is indices, uint32 */
  const char *in;
  char *out;                  /* may be in */
  int64_t count, length, kth; /* kth: of partitions */
};
static inline const char *mxi_row_in(const struct mxi_rows *r, int64_t i) {
  return r->in + i * r->length * (int64_t)mx_dtype_size(r->sort.dtype);
}
static inline char *mxi_row_out(const struct mxi_rows *r, int64_t i) {
  return r->out + i * r->length * (r->indices ? 4 : (int64_t)mx_dtype_size(r->sort.dtype));
}

/* How row i is done in memory for the items of `copies` rows, of which `room` is all but the first. */
struct mxi_row_steps {
  int copies;
  void (*short_row)(const struct mxi_rows *r, int64_t i, char *items, char *room);
  int (*long_row)(const struct mxi_rows *r, int64_t i, char *items, char *room); /* on the pool */
};
int mxi_rows_run(const struct mxi_rows *r, const struct mxi_row_steps *steps);

/* A long row in parts for the pool, of a multiple of 16 elements each but for the last. */
enum {
  MXI_ROW_PARTS = 64
}; /* at most: one a thread, more of a row so long that an interrupt would wait for them */
struct mxi_row_parts {
  int64_t count, length, row; /* of them, of one, of the row */
};
struct mxi_row_parts mxi_row_parts(const struct mxi_rows *r);
static inline int64_t mxi_part_length(const struct mxi_row_parts *p, int64_t i) {
  return mxi_max(0, mxi_min(p->length, p->row - i * p->length));
}
#endif
