/* What the ops that run on LAPACK share: their operand and results, and the errors of a batch. */
#ifndef MXI_CPU_LINALG_JOB_H
#define MXI_CPU_LINALG_JOB_H
#include "cpu/lapack.h"
#include "cpu/linalg.h"
#include <limits.h>
#include <math.h>
#include <string.h>

/* What may be wrong with a matrix. */
enum { MXI_NOT_FINITE = 1, MXI_NOT_CONVERGED, MXI_NOT_POSITIVE, MXI_NO_MEMORY };

enum { MXI_LARGE = 128 }; /* sides from which products on the pool pay */

struct mxi_job {
  const char *op;
  const struct mxi_lapack *lapack;
  mx_dtype dtype;
  int which; /* of float and double */
  struct mxi_matrices a;
  int m, n, k;
  bool large;                /* by blocks, on the pool */
  int lwork, lrwork, liwork; /* elements of LAPACK's workspaces */
  bool vectors, upper;
  bool mirrored; /* the transpose of a symmetric matrix is read, so that its lower triangle is */
  char *out[3];
  size_t out_bytes[3]; /* of one matrix of the batch */
};

/* Allocates the results and opens LAPACK. 0, or -1 with the error set. */
int mxi_job_start(struct mxi_job *j, struct mxi_call *c, const char *op);
/* The size that LAPACK says in the first element of a workspace. */
int mxi_job_workspace(const struct mxi_job *j, const void *first, int *size);
/* Runs one(j, i, work) for each matrix. */
int mxi_job_run(struct mxi_job *j, double cost, size_t bytes, int (*one)(void *, int64_t, char *));
static inline size_t mxi_larger_size(size_t a, size_t b) { return a > b ? a : b; }
/* The largest absolute value of n elements, or of their parts; infinity where there is NaN. */
double mxi_largest(mx_dtype t, const void *data, int64_t n);
/* Is the largest element so far from the ends of the range that products and squares of elements stay within
   it? Where it isn't, LAPACK's drivers scale the matrix. */
static inline bool mxi_moderate(mx_dtype t, double largest) {
  double limit = t == MX_FLOAT64 ? 1e130 : 1e10;
  return largest < limit && largest > 1 / limit;
}
/* Element i of floats or, where `which` is 1, of doubles. */
static inline double mxi_get_real(int which, const char *x, int64_t i) {
  return which ? ((const double *)x)[i] : (double)((const float *)x)[i];
}
static inline void mxi_put_real(int which, char *x, int64_t i, double to) {
  if (which)
    ((double *)x)[i] = to;
  else
    ((float *)x)[i] = (float)to;
}
struct mxi_ranked {
  double value;
  int index;
};
/* The elements in rising order, and where each is. */
void mxi_rank(int which, const char *x, int n, struct mxi_ranked *ranks);
void mxi_put_identity(mx_dtype t, char *to, int64_t rows, int64_t columns);

static inline size_t mxi_job_item(const struct mxi_job *j) { return mx_dtype_size(j->dtype); }
static inline char *mxi_job_result(const struct mxi_job *j, int output, int64_t i) {
  return j->out[output] + (size_t)i * j->out_bytes[output];
}
/* The next part of a thread's memory, aligned to 64. */
static inline char *mxi_take(char **work, size_t bytes) {
  char *part = *work;
  *work += (bytes + 63) & ~(size_t)63;
  return part;
}
/* Operations of a method of cubic cost. */
static inline double mxi_job_cost(const struct mxi_job *j) {
  return (double)j->m * (double)j->n * (double)(j->k + 1);
}
#endif
