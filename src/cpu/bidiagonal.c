#include "cpu/bidiagonal.h"
#include "cpu/linalg_job.h"

enum {
  LEAF = 25,
  CUT = 256
}; /* rows that LAPACK's own division stops at; from which halves are worth the pool */

struct bidiagonal_svd {
  const struct mxi_lapack *lapack;
  int which, n, ldu, ldvt;
  size_t item;
  char *d, *e, *u, *vt;
  char *work[2];
  int *iwork[2], info[2];
};
static char *svd_at(const struct bidiagonal_svd *p, char *base, int64_t i) {
  return base + (size_t)i * p->item;
}

/* LAPACK's workspaces for n rows and a column more: 3 (n + 1)^2 + 2 (n + 1) elements, 8 n integers. */
static size_t elements(int n) { return 3 * ((size_t)n + 1) * ((size_t)n + 1) + 2 * ((size_t)n + 1); }
size_t mxi_bidiagonal_work(mx_dtype t, int n) {
  return 2 * elements(n) * mx_dtype_size(t) + 20 * (size_t)n * sizeof(int) + 512;
}

/* The first half has n / 2 rows and a column more, into which the row between the halves reaches. */
static int first_rows(const struct bidiagonal_svd *p) { return p->n / 2; }
static void solve_svd_half(void *ctx, int64_t half) {
  struct bidiagonal_svd *p = ctx;
  int n1 = first_rows(p), first = half ? n1 + 1 : 0, n = half ? p->n - n1 - 1 : n1, extra = half ? 0 : 1,
      leaf = LEAF;
  MXI_LAPACK_CALL(p->lapack->lasd0[p->which](&n, &extra, svd_at(p, p->d, first), svd_at(p, p->e, first),
                                             svd_at(p, p->u, (int64_t)first * (p->ldu + 1)), &p->ldu,
                                             svd_at(p, p->vt, (int64_t)first * (p->ldvt + 1)), &p->ldvt,
                                             &leaf, p->iwork[half], p->work[half], &p->info[half]));
}

static int join_svd_halves(struct bidiagonal_svd *p, struct mxi_ranked *ranks, int *order) {
  int n1 = first_rows(p), n2 = p->n - n1 - 1, none = 0, info;
  for (int half = 0; half < 2; half++) {
    int first = half ? n1 + 1 : 0, n = half ? n2 : n1;
    mxi_rank(p->which, svd_at(p, p->d, first), n, ranks);
    for (int i = 0; i < n; i++) order[first + i] = ranks[i].index + 1;
  }
  double diagonal[1] = {0}, beside[1] = {0}; // of the row between
  memcpy(diagonal, svd_at(p, p->d, n1), p->item);
  memcpy(beside, svd_at(p, p->e, n1), p->item);
  MXI_LAPACK_CALL(p->lapack->lasd1[p->which](&n1, &n2, &none, p->d, diagonal, beside, p->u, &p->ldu, p->vt,
                                             &p->ldvt, order, p->iwork[0], p->work[0], &info));
  return info;
}

/* to[i] is the element of `from` with rank n - 1 - i. */
#define FALLING(T, name)                                                              \
  static void name(T *to, const T *from, const struct mxi_ranked *ranks, int64_t n) { \
    for (int64_t i = 0; i < n; i++) to[i] = from[ranks[n - 1 - i].index];             \
  }
FALLING(uint32_t, falling_4)
FALLING(uint64_t, falling_8)

/* Singular values falling, columns of u and rows of vt in their order. */
static void put_in_order(const struct bidiagonal_svd *p, struct mxi_ranked *ranks) {
  size_t column = (size_t)p->n * p->item;
  char *spare = p->work[0];
  mxi_rank(p->which, p->d, p->n, ranks);
  for (int i = 0; i < p->n; i++) {
    const struct mxi_ranked *from = &ranks[p->n - 1 - i];
    mxi_put_real(p->which, p->d, i, from->value);
    memcpy(spare + (size_t)i * column, svd_at(p, p->u, (int64_t)from->index * p->ldu), column);
  }
  for (int i = 0; i < p->n; i++)
    memcpy(svd_at(p, p->u, (int64_t)i * p->ldu), spare + (size_t)i * column, column);
  for (int c = 0; c < p->n; c++) {
    void *vectors = svd_at(p, p->vt, (int64_t)c * p->ldvt);
    memcpy(spare, vectors, column);
    if (p->which)
      falling_8(vectors, (const uint64_t *)(void *)spare, ranks, p->n);
    else
      falling_4(vectors, (const uint32_t *)(void *)spare, ranks, p->n);
  }
}

/* Where the second diagonal has zeros LAPACK's driver takes the matrix apart. */
static bool in_one_piece(const struct bidiagonal_svd *p, double eps) {
  for (int i = 0; i < p->n - 1; i++)
    if (fabs(mxi_get_real(p->which, p->e, i)) < eps) return false;
  return true;
}
static int whole(const struct bidiagonal_svd *p) {
  char uplo = 'U', vectors = 'I';
  int info;
  MXI_LAPACK_CALL(p->lapack->bdsdc[p->which](&uplo, &vectors, &p->n, p->d, p->e, p->u, &p->ldu, p->vt,
                                             &p->ldvt, NULL, NULL, p->work[0], p->iwork[0], &info, 1, 1));
  return info ? MXI_NOT_CONVERGED : 0;
}

int mxi_bidiagonal_svd(const struct mxi_lapack *l, mx_dtype t, int n, void *d, void *e, void *u, int ldu,
                       void *vt, int ldvt, char *work) {
  struct bidiagonal_svd p = {.lapack = l,
                             .which = t == MX_FLOAT64,
                             .n = n,
                             .ldu = ldu,
                             .ldvt = ldvt,
                             .item = mx_dtype_size(t),
                             .d = d,
                             .e = e,
                             .u = u,
                             .vt = vt};
  double eps = t == MX_FLOAT64 ? 0x1p-52 : 0x1p-23;
  for (int i = 0; i < 2; i++) p.iwork[i] = (int *)mxi_take(&work, 8 * (size_t)n * sizeof(int));
  int *order = (int *)mxi_take(&work, (size_t)n * sizeof(int));
  for (int i = 0; i < 2; i++) p.work[i] = mxi_take(&work, elements(n) * p.item);
  double largest = fmax(mxi_largest(t, d, n), mxi_largest(t, e, n - 1));
  if (n < CUT || largest == 0) return whole(&p);
  for (int i = 0; i < n; i++) mxi_put_real(p.which, p.d, i, mxi_get_real(p.which, p.d, i) / largest);
  for (int i = 0; i < n - 1; i++) mxi_put_real(p.which, p.e, i, mxi_get_real(p.which, p.e, i) / largest);
  int why = 0;
  if (!in_one_piece(&p, eps))
    why = whole(&p);
  else {
    for (int i = 0; i < n; i++) { // the iteration needs a diagonal without zeros
      double x = mxi_get_real(p.which, p.d, i);
      if (fabs(x) < eps) mxi_put_real(p.which, p.d, i, copysign(eps, x));
    }
    if (mxi_parallel_for(2, solve_svd_half, &p) < 0) return MXI_NO_MEMORY;
    struct mxi_ranked *ranks = (struct mxi_ranked *)(void *)p.work[1];
    if (p.info[0] || p.info[1] || join_svd_halves(&p, ranks, order)) return MXI_NOT_CONVERGED;
    put_in_order(&p, ranks);
  }
  for (int i = 0; i < n; i++) mxi_put_real(p.which, p.d, i, mxi_get_real(p.which, p.d, i) * largest);
  return why;
}
