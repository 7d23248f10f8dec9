/* What linear algebra on batches of matrices shares: reading strided matrices, cutting a batch into chunks,
   memory to work in. */
#ifndef MXI_CPU_LINALG_H
#define MXI_CPU_LINALG_H
#include "cpu/cpu.h"

/* The matrices in the last two axes of an array; strides in elements. */
struct mxi_matrices {
  const char *data;
  int64_t count, rows, columns, row, column;
  size_t item;
  int nbatch;
  const int64_t *shape, *strides; /* of the batch axes */
};
struct mxi_matrices mxi_matrices_of(mx_array a);
const void *mxi_matrix(const struct mxi_matrices *m, int64_t i);

/* Copies (rows, columns) elements of 4 or 8 bytes. */
struct mxi_target {
  void *data;
  int64_t row, column;
};
void mxi_copy_matrix(struct mxi_target to, const void *from, int64_t row, int64_t column, int64_t rows,
                     int64_t columns, size_t item);
/* Matrix i, to a place. */
void mxi_load_matrix(const struct mxi_matrices *m, int64_t i, void *to, int64_t row, int64_t column);

/* Runs one(ctx, i, work) for every matrix of a batch, over the pool where there are several; work is this
   thread's, aligned to 64. one returns 0, or what is wrong with matrix i. `cost`: operations a matrix,
   roughly. */
struct mxi_batch {
  int64_t count;
  double cost;
  size_t work_bytes;
  int (*one)(void *ctx, int64_t i, char *work);
  void *ctx;
};
/* 0; or -1 with the error set (memory, interrupted). *failed: the first matrix with something wrong, or -1;
 * *why. */
int mxi_batch_run(const struct mxi_batch *b, int64_t *failed, int *why);
#endif
