/* T = diag(T1, T2) + rho v v^T, where v has ones around the cut. With the halves' eigenvectors Q and z = Q^T
   v this is D + rho z z^T in the middle. LAPACK's laed2 deflates what z hardly changes, laed4 finds one
   eigenvalue of the rest. Vectors come from a z that is computed anew so that the eigenvalues found are exact
   for it (Gu & Eisenstat), which makes them orthogonal; two products bring them back. */
#include "cpu/tridiagonal.h"
#include "cpu/gemm.h"
#include "cpu/linalg_job.h"

enum {
  LEAF = 256,   /* rows that LAPACK solves */
  COLUMNS = 16, /* eigenvalues of one chunk of the pool */
  ROWS = 128    /* elements of z of one chunk */
};

struct tridiagonal_eigen {
  const struct mxi_lapack *lapack;
  mx_dtype dtype;
  int which, n;
  size_t item;
  char *d, *e, *z; /* of the whole matrix */
  char *work;
  int *iwork;
  atomic_int failed;
};
/* Part [first, first + n) and its share of the workspaces. */
struct share {
  struct tridiagonal_eigen *p;
  int first, n;
};
enum { WORK = 3, IWORK = 8 }; /* shares: 3 n elements and 8 integers a row */

static char *eigen_at(const struct tridiagonal_eigen *p, char *base, int64_t i) {
  return base + (size_t)i * p->item;
}
static char *share_of_work(const struct share *s) {
  return eigen_at(s->p, s->p->work, (int64_t)WORK * s->first * s->p->n);
}
static char *share_block(const struct share *s, int row, int column) {
  return eigen_at(s->p, s->p->z, (int64_t)(s->first + column) * s->p->n + s->first + row);
}

/* ---- Joining two halves ---- */
struct joint {
  struct share s;
  int n1, k, n12, n23; /* of the first half; left after deflation; of those with a part in either half */
  char *z, *poles, *w, *q2, *vectors;
  const int *order; /* of the rows of vectors, counted from 1 */
  double rho;       /* of floats, in its first bytes */
};

static void find_eigenvalues(void *ctx, int64_t chunk) {
  struct joint *j = ctx;
  struct tridiagonal_eigen *p = j->s.p;
  int end = (int)mxi_min(j->k, (chunk + 1) * COLUMNS), info;
  for (int c = (int)(chunk * COLUMNS); c < end; c++) {
    int number = c + 1;
    MXI_LAPACK_CALL(p->lapack->laed4[p->which](&j->k, &number, j->poles, j->w, share_block(&j->s, 0, c),
                                               &j->rho, eigen_at(p, p->d, j->s.first + c), &info));
    if (info) atomic_store(&p->failed, MXI_NOT_CONVERGED);
  }
}

/* block holds pole i - eigenvalue c in row i of column c. */
#define STEPS(T, name, root)                                                                               \
  static void new_z_##name(void *ctx, int64_t chunk) {                                                     \
    const struct joint *j = ctx;                                                                           \
    int64_t first = chunk * ROWS, count = mxi_min(j->k, first + ROWS) - first, row = j->s.p->n;            \
    const T *gaps = (const T *)share_block(&j->s, 0, 0) + first, *poles = (const T *)j->poles;             \
    T product[ROWS];                                                                                       \
    for (int64_t i = 0; i < count; i++) product[i] = gaps[(first + i) * row + i];                          \
    for (int64_t c = 0; c < j->k; c++) {                                                                   \
      int64_t self = c - first;                                                                            \
      T kept = self >= 0 && self < count ? product[self] : 0;                                              \
      for (int64_t i = 0; i < count; i++) product[i] *= gaps[c * row + i] / (poles[first + i] - poles[c]); \
      if (self >= 0 && self < count) product[self] = kept;                                                 \
    }                                                                                                      \
    T *w = (T *)j->z + first;                                                                              \
    const T *sign = (const T *)j->w + first;                                                               \
    for (int64_t i = 0; i < count; i++) w[i] = sign[i] < 0 ? -root(-product[i]) : root(-product[i]);       \
  }                                                                                                        \
  static void new_vectors_##name(void *ctx, int64_t chunk) {                                               \
    const struct joint *j = ctx;                                                                           \
    int64_t end = mxi_min(j->k, (chunk + 1) * COLUMNS);                                                    \
    const T *w = (const T *)j->z;                                                                          \
    for (int64_t c = chunk * COLUMNS; c < end; c++) {                                                      \
      T *gaps = (T *)share_block(&j->s, 0, (int)c), *out = (T *)j->vectors + c * j->k, sum = 0;            \
      if (j->k > 2) {                                                                                      \
        for (int64_t i = 0; i < j->k; i++) gaps[i] = w[i] / gaps[i];                                       \
        for (int64_t i = 0; i < j->k; i++) sum += gaps[i] * gaps[i];                                       \
      } else                                                                                               \
        sum = 1;                                                                                           \
      T length = root(sum);                                                                                \
      for (int64_t i = 0; i < j->k; i++) out[i] = gaps[j->order[i] - 1] / length;                          \
    }                                                                                                      \
  }
STEPS(float, f32, sqrtf)
STEPS(double, f64, sqrt)

/* Rows [row, row + m) of the first k columns = q2 (m, inner) times rows [from, from + inner) of the vectors;
   all column-major, so that the product is that of the transposes. */
static int bring_back(const struct joint *j, int row, int m, int inner, int from, const char *q2) {
  const struct tridiagonal_eigen *p = j->s.p;
  struct mxi_gemm g = {.dtype = p->dtype,
                       .m = j->k,
                       .n = m,
                       .k = inner,
                       .batch = 1,
                       .a = eigen_at(p, j->vectors, from),
                       .a_row = j->k,
                       .a_col = 1,
                       .b = q2,
                       .b_row = m,
                       .b_col = 1,
                       .c = share_block(&j->s, row, 0),
                       .c_row = p->n,
                       .alpha = 1};
  return mxi_gemm_run(&g);
}

/* Eigenvalues and their columns in rising order. */
static void sort_eigenpairs(const struct share *s, char *spare, struct mxi_ranked *ranks) {
  struct tridiagonal_eigen *p = s->p;
  size_t column = (size_t)s->n * p->item;
  char *d = eigen_at(p, p->d, s->first);
  mxi_rank(p->which, d, s->n, ranks);
  for (int i = 0; i < s->n; i++) {
    memcpy(spare + (size_t)i * column, share_block(s, 0, ranks[i].index), column);
    mxi_put_real(p->which, d, i, ranks[i].value);
  }
  for (int i = 0; i < s->n; i++) memcpy(share_block(s, 0, i), spare + (size_t)i * column, column);
}

static int join_eigen_halves(const struct share *s, int n1) {
  struct tridiagonal_eigen *p = s->p;
  int n = s->n, n2 = n - n1, info, *integers = p->iwork + (size_t)IWORK * (size_t)s->first;
  int *halves = integers, *index = halves + n, *order = index + n, *places = order + n, *types = places + n;
  char *work = share_of_work(s), *d = eigen_at(p, p->d, s->first);
  struct joint j = {
      .s = *s, .n1 = n1, .z = work, .poles = eigen_at(p, work, n), .w = eigen_at(p, work, 2 * (int64_t)n)};
  j.q2 = eigen_at(p, work, 3 * (int64_t)n);
  for (int i = 0; i < n; i++) {
    halves[i] = i < n1 ? i + 1 : i - n1 + 1;
    memcpy(eigen_at(p, j.z, i), share_block(s, i < n1 ? n1 - 1 : n1, i), p->item);
  }
  memcpy(&j.rho, eigen_at(p, p->e, s->first + n1 - 1), p->item);
  MXI_LAPACK_CALL(p->lapack->laed2[p->which](&j.k, &n, &n1, d, share_block(s, 0, 0), &p->n, halves, &j.rho,
                                             j.z, j.poles, j.w, j.q2, index, order, places, types, &info));
  if (info) return MXI_NOT_CONVERGED;
  /* types now counts the columns with a part in the first half alone, in both, in the second alone. */
  j.n12 = types[0] + types[1];
  j.n23 = types[1] + types[2];
  j.order = order;
  j.vectors = eigen_at(p, j.q2, (int64_t)j.n12 * n1 + (int64_t)j.n23 * n2);
  if (j.k > 0) {
    int64_t chunks = mxi_ceil_div(j.k, COLUMNS);
    if (mxi_parallel_for(chunks, find_eigenvalues, &j) < 0) return MXI_NO_MEMORY;
    void (*const new_z)(void *, int64_t) = p->which ? new_z_f64 : new_z_f32;
    if (j.k > 2 && mxi_parallel_for(mxi_ceil_div(j.k, ROWS), new_z, &j) < 0) return MXI_NO_MEMORY;
    if (mxi_parallel_for(chunks, p->which ? new_vectors_f64 : new_vectors_f32, &j) < 0) return MXI_NO_MEMORY;
    if (bring_back(&j, 0, n1, j.n12, 0, j.q2) < 0) return MXI_NO_MEMORY;
    if (bring_back(&j, n1, n2, j.n23, types[0], eigen_at(p, j.q2, (int64_t)j.n12 * n1)) < 0)
      return MXI_NO_MEMORY;
  }
  sort_eigenpairs(s, j.q2, (struct mxi_ranked *)(void *)halves);
  return 0;
}

/* ---- Dividing ---- */
static void solve(struct share s);
static void solve_eigen_half(void *ctx, int64_t i) { solve(((const struct share *)ctx)[i]); }

static void fail(struct tridiagonal_eigen *p, int why) {
  if (why) atomic_store(&p->failed, why);
}
/* Takes |e[i]| off the two elements of the diagonal that it couples. */
#define CUT(T, name)                              \
  static void name(T *d, const T *e, int64_t i) { \
    T size = e[i] < 0 ? -e[i] : e[i];             \
    d[i] -= size;                                 \
    d[i + 1] -= size;                             \
  }
CUT(float, cut_f32)
CUT(double, cut_f64)

static void solve(struct share s) {
  struct tridiagonal_eigen *p = s.p;
  if (s.n <= LEAF) {
    char vectors = 'I';
    int info, lwork = 1 + 4 * s.n + s.n * s.n, liwork = 3 + 5 * s.n;
    MXI_LAPACK_CALL(p->lapack->stedc[p->which](
        &vectors, &s.n, eigen_at(p, p->d, s.first), eigen_at(p, p->e, s.first), share_block(&s, 0, 0), &p->n,
        share_of_work(&s), &lwork, p->iwork + (size_t)IWORK * (size_t)s.first, &liwork, &info, 1));
    fail(p, info ? MXI_NOT_CONVERGED : 0);
    return;
  }
  int n1 = s.n / 2, cut = s.first + n1 - 1;
  if (p->which)
    cut_f64((double *)p->d, (const double *)p->e, cut);
  else
    cut_f32((float *)p->d, (const float *)p->e, cut);
  struct share halves[2] = {{p, s.first, n1}, {p, s.first + n1, s.n - n1}};
  if (mxi_parallel_for(2, solve_eigen_half, halves) < 0) fail(p, MXI_NO_MEMORY);
  if (!atomic_load(&p->failed)) fail(p, join_eigen_halves(&s, n1));
}

static void scale_reals(mx_dtype t, void *x, int n, double factor) {
  for (int i = 0; i < n; i++)
    if (t == MX_FLOAT64)
      ((double *)x)[i] *= factor;
    else
      ((float *)x)[i] = (float)((double)((float *)x)[i] * factor);
}

size_t mxi_tridiagonal_work(mx_dtype t, int n) {
  size_t rows = (size_t)n;
  return WORK * (rows * rows + 64) * mx_dtype_size(t) + IWORK * (rows + 8) * sizeof(int) + 128;
}
int mxi_tridiagonal_eigen(const struct mxi_lapack *l, mx_dtype t, int n, void *d, void *e, void *z,
                          char *work) {
  struct tridiagonal_eigen p = {.lapack = l,
                                .dtype = t,
                                .which = t == MX_FLOAT64,
                                .n = n,
                                .item = mx_dtype_size(t),
                                .d = d,
                                .e = e,
                                .z = z};
  p.iwork = (int *)mxi_take(&work, IWORK * ((size_t)n + 8) * sizeof(int));
  p.work = work;
  double largest = fmax(mxi_largest(t, d, n), mxi_largest(t, e, n - 1));
  if (largest == 0) largest = 1;
  scale_reals(t, d, n, 1 / largest);
  scale_reals(t, e, n - 1, 1 / largest);
  memset(z, 0, (size_t)n * (size_t)n * p.item);
  solve((struct share){&p, 0, n});
  scale_reals(t, d, n, largest);
  return atomic_load(&p.failed);
}
