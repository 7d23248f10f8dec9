/* inv, solve, solve_triangular, lu_factor. Recursive LU (Toledo 1997): the left half of the columns is
   factored, a triangular system and a product bring the right half up to date, and it is factored in turn. */
#include "cpu/lu.h"
#include "cpu/gemm.h"
#include "cpu/linalg.h"
#include <string.h>

enum {
  BLOCK = MXI_LU_BLOCK,
  STRIP = 128,      /* columns of a system that a thread takes */
  WHOLE = 128,      /* rows of a triangle that a thread takes */
  SERIAL = 1 << 19, /* operations not worth sharing */
  ALIASED = 512     /* rows a multiple of these elements apart would meet in few sets of the caches */
};

static const struct mxi_lu_kernels *lu_kernels_of(mx_dtype t) {
  return t == MX_FLOAT64 ? MXI_DISPATCH(mxi_lu_f64)() : MXI_DISPATCH(mxi_lu_f32)();
}
static char *padded_at(struct mxi_padded a, int64_t row, int64_t column) {
  return a.data + (row * a.row + column) * (int64_t)mx_dtype_size(a.dtype);
}
static struct mxi_padded padded_part(struct mxi_padded a, int64_t row, int64_t column) {
  a.data = padded_at(a, row, column);
  return a;
}
int64_t mxi_padded_row(int64_t n) {
  int64_t row = mxi_round_up(n, BLOCK);
  return row && row % ALIASED == 0 ? row + BLOCK : row;
}

/* c (m, n) -= a (m, k) b (k, n). */
static int subtract_product(struct mxi_padded c, struct mxi_padded a, struct mxi_padded b, int64_t m,
                            int64_t n, int64_t k) {
  return mxi_gemm_run(&(struct mxi_gemm){.dtype = c.dtype,
                                         .m = m,
                                         .n = n,
                                         .k = k,
                                         .batch = 1,
                                         .a = a.data,
                                         .a_row = a.row,
                                         .a_col = 1,
                                         .b = b.data,
                                         .b_row = b.row,
                                         .b_col = 1,
                                         .c = c.data,
                                         .c_row = c.row,
                                         .c0 = c.data,
                                         .c0_row = c.row,
                                         .c0_col = 1,
                                         .alpha = -1,
                                         .beta = 1});
}

/* ---- Triangular systems ---- */
static int solve_columns(enum mxi_triangle which, struct mxi_padded t, int64_t k, struct mxi_padded b,
                         int64_t n) {
  if (k <= BLOCK) {
    lu_kernels_of(t.dtype)->solve(which, t.data, t.row, k, b.data, b.row, n);
    return 0;
  }
  int64_t half = mxi_round_up(mxi_ceil_div(k, 2), BLOCK), rest = k - half;
  struct mxi_padded below = padded_part(t, half, half), last = padded_part(b, half, 0);
  if (which == MXI_UPPER) {
    MXI_TRY(solve_columns(which, below, rest, last, n));
    MXI_TRY(subtract_product(b, padded_part(t, 0, half), last, half, n, rest));
    return solve_columns(which, t, half, b, n);
  }
  MXI_TRY(solve_columns(which, t, half, b, n));
  MXI_TRY(subtract_product(last, padded_part(t, half, 0), b, rest, n, half));
  return solve_columns(which, below, rest, last, n);
}

struct triangular_system {
  enum mxi_triangle which;
  struct mxi_padded t, b;
  int64_t k, n;
  atomic_int failed;
};
static void solve_strip(void *ctx, int64_t i) {
  struct triangular_system *s = ctx;
  int64_t from = i * STRIP, n = mxi_min(STRIP, s->n - from);
  if (solve_columns(s->which, s->t, s->k, padded_part(s->b, 0, from), n) < 0) atomic_store(&s->failed, 1);
}
/* Large triangles are cut as above, with products of all columns at once, which pack less; small ones are
   solved for strips of columns on the pool. */
int mxi_triangular_solve(enum mxi_triangle which, struct mxi_padded t, int64_t k, struct mxi_padded b,
                         int64_t n) {
  if (k * k * n < SERIAL) return solve_columns(which, t, k, b, n);
  if (k > WHOLE) {
    int64_t half = mxi_round_up(mxi_ceil_div(k, 2), BLOCK), rest = k - half;
    struct mxi_padded below = padded_part(t, half, half), last = padded_part(b, half, 0);
    if (which == MXI_UPPER) {
      MXI_TRY(mxi_triangular_solve(which, below, rest, last, n));
      MXI_TRY(subtract_product(b, padded_part(t, 0, half), last, half, n, rest));
      return mxi_triangular_solve(which, t, half, b, n);
    }
    MXI_TRY(mxi_triangular_solve(which, t, half, b, n));
    MXI_TRY(subtract_product(last, padded_part(t, half, 0), b, rest, n, half));
    return mxi_triangular_solve(which, below, rest, last, n);
  }
  struct triangular_system s = {which, t, b, k, n, 0};
  MXI_TRY(mxi_parallel_for(mxi_ceil_div(n, STRIP), solve_strip, &s));
  return atomic_load(&s.failed) ? mxi_fail_memory((size_t)(k * STRIP) * mx_dtype_size(t.dtype)) : 0;
}

/* ---- Factorisation ---- */
struct lu_factoring {
  struct mxi_padded a;
  int64_t m, columns;
  int32_t *pivots;
  char *panel; /* (BLOCK, m) */
};

/* Elements of a panel's column: an odd number of blocks, as columns a power of two apart would meet in few
   sets of the caches. */
static int64_t panel_column(int64_t m) { return mxi_round_up(m, BLOCK) | BLOCK; }

/* Factors columns [c, c + n) from row c down, in a column-major copy; rows change places in all columns. */
static void factor_block(const struct lu_factoring *f, int64_t c, int64_t n) {
  struct mxi_padded a = f->a, corner = padded_part(a, c, c);
  const struct mxi_lu_kernels *kern = lu_kernels_of(a.dtype);
  int64_t m = f->m - c, column = panel_column(m), k = mxi_min(m, n);
  size_t item = mx_dtype_size(a.dtype);
  for (int64_t i = 0; i < n; i++)
    memset(f->panel + (size_t)(i * column + m) * item, 0, (size_t)(column - m) * item);
  mxi_copy_matrix((struct mxi_target){f->panel, 1, column}, corner.data, a.row, 1, m, n, item);
  kern->panel(f->panel, column, m, n, f->pivots + c);
  mxi_copy_matrix((struct mxi_target){corner.data, a.row, 1}, f->panel, 1, column, m, n, item);
  kern->swap_rows(padded_at(a, c, 0), a.row, c, k, f->pivots + c);
  if (f->columns > c + n)
    kern->swap_rows(padded_at(a, c, c + n), a.row, f->columns - c - n, k, f->pivots + c);
  for (int64_t i = c; i < c + k; i++) f->pivots[i] += (int32_t)c;
}
static int factor_columns(const struct lu_factoring *f, int64_t c, int64_t n) {
  if (c >= f->m) return 0;
  if (n <= BLOCK) {
    factor_block(f, c, n);
    return 0;
  }
  int64_t half = mxi_round_up(mxi_ceil_div(n, 2), BLOCK), rest = n - half;
  MXI_TRY(factor_columns(f, c, half));
  struct mxi_padded a = f->a, right = padded_part(a, c, c + half);
  int64_t rows = mxi_min(half, f->m - c);
  MXI_TRY(mxi_triangular_solve(MXI_UNIT_LOWER, padded_part(a, c, c), rows, right, rest));
  if (f->m <= c + half) return 0;
  MXI_TRY(subtract_product(padded_part(a, c + half, c + half), padded_part(a, c + half, c), right,
                           f->m - c - half, rest, half));
  return factor_columns(f, c + half, rest);
}
size_t mxi_lu_work(mx_dtype t, int64_t m) { return (size_t)(BLOCK * panel_column(m)) * mx_dtype_size(t); }
int mxi_lu_factor(struct mxi_padded a, int64_t m, int64_t n, int32_t *pivots, char *work) {
  struct lu_factoring f = {a, m, n, pivots, work};
  return n ? factor_columns(&f, 0, n) : 0;
}

/* ---- Batches ---- */
enum { SINGULAR = 1, FAILED = 2 };

struct systems {
  mx_dtype dtype;
  struct mxi_matrices a, b;
  mx_array out;
  int64_t n, columns, a_row, b_row; /* of the right-hand sides */
  enum mxi_triangle which;
  uint32_t *pivots, *rows; /* outputs of lu_factor */
};

static bool is_zero(struct mxi_padded a, int64_t i) {
  return a.dtype == MX_FLOAT64 ? *(double *)padded_at(a, i, i) == 0 : *(float *)padded_at(a, i, i) == 0;
}
static bool zero_on_diagonal(struct mxi_padded a, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (is_zero(a, i)) return true;
  return false;
}
static size_t padded_bytes(const struct systems *s, int64_t rows, int64_t row) {
  return (size_t)(rows * row) * mx_dtype_size(s->dtype);
}
/* Matrix i of m, padding zeroed, at the start of work. */
static struct mxi_padded load_padded(const struct systems *s, const struct mxi_matrices *m, int64_t i,
                                     char *work, int64_t row) {
  struct mxi_padded p = {s->dtype, work, row};
  size_t item = mx_dtype_size(s->dtype);
  mxi_load_matrix(m, i, work, row, 1);
  for (int64_t r = 0; r < m->rows && row > m->columns; r++)
    memset(padded_at(p, r, m->columns), 0, (size_t)(row - m->columns) * item);
  return p;
}
static void store_padded(const struct systems *s, struct mxi_padded x, int64_t i) {
  size_t item = mx_dtype_size(s->dtype);
  char *to = (char *)s->out->data + (size_t)(i * s->n * s->columns) * item;
  mxi_copy_matrix((struct mxi_target){to, s->columns, 1}, x.data, x.row, 1, s->n, s->columns, item);
}

static void put_one(struct mxi_padded a, int64_t i) {
  if (a.dtype == MX_FLOAT64)
    *(double *)padded_at(a, i, i) = 1;
  else
    *(float *)padded_at(a, i, i) = 1;
}
/* ---- Inverses ---- A^-1 = U^-1 L^-1 P ---- */
/* b, zeros, becomes the inverse of the unit lower triangle of t: its own upper triangle is left out. */
static int invert_lower(struct mxi_padded t, int64_t k, struct mxi_padded b) {
  if (k <= WHOLE) {
    for (int64_t i = 0; i < k; i++) put_one(b, i);
    return mxi_triangular_solve(MXI_UNIT_LOWER, t, k, b, k);
  }
  int64_t half = mxi_round_up(mxi_ceil_div(k, 2), BLOCK), rest = k - half;
  struct mxi_padded below = padded_part(t, half, half), corner = padded_part(b, half, 0);
  MXI_TRY(invert_lower(t, half, b));
  MXI_TRY(subtract_product(corner, padded_part(t, half, 0), b, rest, half, half));
  MXI_TRY(mxi_triangular_solve(MXI_UNIT_LOWER, below, rest, corner, half));
  return invert_lower(below, rest, padded_part(b, half, half));
}

/* Column i of x goes to column order[i]. */
struct column_move {
  struct mxi_padded x;
  char *to;
  int64_t n;
  const int32_t *order;
};
#define MOVE(T, name)                                            \
  static void name(void *ctx, int64_t chunk) {                   \
    const struct column_move *m = ctx;                           \
    int64_t end = mxi_min(m->n, (chunk + 1) * STRIP);            \
    for (int64_t r = chunk * STRIP; r < end; r++) {              \
      const T *x = (const T *)m->x.data + r * m->x.row;          \
      T *to = (T *)m->to + r * m->n;                             \
      for (int64_t i = 0; i < m->n; i++) to[m->order[i]] = x[i]; \
    }                                                            \
  }
MOVE(uint32_t, move_4)
MOVE(uint64_t, move_8)

/* Where rows come from, after they changed places in turn: row i is row order[i]. */
static void rows_order(const int32_t *pivots, int64_t k, int64_t m, int32_t *order) {
  for (int64_t i = 0; i < m; i++) order[i] = (int32_t)i;
  for (int64_t i = 0; i < k; i++) {
    int32_t moved = order[i];
    order[i] = order[pivots[i]];
    order[pivots[i]] = moved;
  }
}

static int invert_one(void *ctx, int64_t i, char *work) {
  const struct systems *s = ctx;
  size_t item = mx_dtype_size(s->dtype);
  struct mxi_padded a = load_padded(s, &s->a, i, work, s->a_row);
  struct mxi_padded b = {s->dtype, work + padded_bytes(s, s->n, s->a_row), s->b_row};
  work = b.data + padded_bytes(s, s->n, s->b_row);
  int32_t *pivots = (int32_t *)(work + mxi_lu_work(s->dtype, s->n)), *order = pivots + s->n;
  if (mxi_lu_factor(a, s->n, s->n, pivots, work) < 0) return FAILED;
  if (zero_on_diagonal(a, s->n)) return SINGULAR;
  memset(b.data, 0, padded_bytes(s, s->n, s->b_row));
  if (invert_lower(a, s->n, b) < 0) return FAILED;
  if (mxi_triangular_solve(MXI_UPPER, a, s->n, b, s->n) < 0) return FAILED;
  rows_order(pivots, s->n, s->n, order);
  struct column_move m = {b, (char *)s->out->data + (size_t)(i * s->n * s->n) * item, s->n, order};
  return mxi_parallel_for(mxi_ceil_div(s->n, STRIP), item == 8 ? move_8 : move_4, &m) < 0 ? FAILED : 0;
}

/* ---- Systems ---- */
static int solve_one(void *ctx, int64_t i, char *work) {
  const struct systems *s = ctx;
  struct mxi_padded a = load_padded(s, &s->a, i, work, s->a_row);
  work += padded_bytes(s, s->n, s->a_row);
  struct mxi_padded b = load_padded(s, &s->b, i, work, s->b_row);
  work += padded_bytes(s, s->n, s->b_row);
  int32_t *pivots = (int32_t *)(work + mxi_lu_work(s->dtype, s->n));
  if (mxi_lu_factor(a, s->n, s->n, pivots, work) < 0) return FAILED;
  if (zero_on_diagonal(a, s->n)) return SINGULAR;
  lu_kernels_of(s->dtype)->swap_rows(b.data, b.row, s->columns, s->n, pivots);
  if (mxi_triangular_solve(MXI_UNIT_LOWER, a, s->n, b, s->columns) < 0) return FAILED;
  if (mxi_triangular_solve(MXI_UPPER, a, s->n, b, s->columns) < 0) return FAILED;
  store_padded(s, b, i);
  return 0;
}
static int solve_triangle(void *ctx, int64_t i, char *work) {
  const struct systems *s = ctx;
  struct mxi_padded a = load_padded(s, &s->a, i, work, s->a_row);
  struct mxi_padded b = load_padded(s, &s->b, i, work + padded_bytes(s, s->n, s->a_row), s->b_row);
  if (zero_on_diagonal(a, s->n)) return SINGULAR;
  if (mxi_triangular_solve(s->which, a, s->n, b, s->columns) < 0) return FAILED;
  store_padded(s, b, i);
  return 0;
}

/* A product that failed for want of memory has set the error of the thread it ran in. */
static int finish_systems(const char *op, int status, int64_t failed, int why, size_t bytes) {
  if (status < 0) return -1;
  if (failed < 0) return 0;
  if (why == FAILED) return mx_error_code() == MX_INTERRUPTED ? -1 : mxi_fail_memory(bytes);
  return mxi_fail(MX_RUNTIME_ERROR, "[%s] expected invertible matrices, got a singular one (number %lld)", op,
                  (long long)failed);
}

static int run_systems(const char *op, struct systems *s, mx_array b, int (*one)(void *, int64_t, char *)) {
  s->dtype = (mx_dtype)s->out->dtype;
  s->n = s->a.rows;
  s->columns = b ? mxi_shape(b)[b->ndim - 1] : s->n;
  if (b) s->b = mxi_matrices_of(b);
  s->a_row = mxi_padded_row(s->n);
  s->b_row = mxi_padded_row(s->columns);
  int64_t failed;
  int why,
      status =
          mxi_batch_run(&(struct mxi_batch){.count = s->out->size ? s->a.count : 0,
                                            .cost = (double)s->n * (double)s->n * (double)(s->n + s->columns),
                                            .work_bytes = padded_bytes(s, s->n, s->a_row + s->b_row + 16) +
                                                          mxi_lu_work(s->dtype, s->n),
                                            .one = one,
                                            .ctx = s},
                        &failed, &why);
  return finish_systems(op, status, failed, why, padded_bytes(s, s->n, s->a_row));
}
int mxi_cpu_INVERSE(struct mxi_call *c) {
  struct systems s = {.a = mxi_matrices_of(c->in[0]), .out = c->out[0]};
  return run_systems("inv", &s, NULL, invert_one);
}
int mxi_cpu_SOLVE(struct mxi_call *c) {
  struct systems s = {.a = mxi_matrices_of(c->in[0]), .out = c->out[0]};
  return run_systems("solve", &s, c->in[1], solve_one);
}
int mxi_cpu_SOLVE_TRIANGULAR(struct mxi_call *c) {
  struct systems s = {.a = mxi_matrices_of(c->in[0]), .out = c->out[0]};
  s.which = MXI_CALL_PARAMS(SOLVE_TRIANGULAR, c)->upper ? MXI_UPPER : MXI_LOWER;
  return run_systems("solve_triangular", &s, c->in[1], solve_triangle);
}

/* ---- lu_factor ---- */
static int factor_one(void *ctx, int64_t i, char *work) {
  const struct systems *s = ctx;
  int64_t m = s->n, n = s->columns, k = mxi_min(m, n);
  struct mxi_padded a = load_padded(s, &s->a, i, work, s->a_row);
  work += padded_bytes(s, m, s->a_row);
  int32_t *pivots = (int32_t *)(work + mxi_lu_work(s->dtype, m)), *order = pivots + k;
  if (mxi_lu_factor(a, m, n, pivots, work) < 0) return FAILED;
  store_padded(s, a, i);
  for (int64_t r = 0; r < k; r++) s->pivots[i * k + r] = (uint32_t)pivots[r];
  rows_order(pivots, k, m, order);
  for (int64_t r = 0; r < m; r++) s->rows[i * m + order[r]] = (uint32_t)r;
  return 0;
}
int mxi_cpu_LU(struct mxi_call *c) {
  struct systems s = {.dtype = (mx_dtype)c->out[0]->dtype, .a = mxi_matrices_of(c->in[0]), .out = c->out[0]};
  s.n = s.a.rows;
  s.columns = s.a.columns;
  s.a_row = mxi_padded_row(s.columns);
  s.pivots = mxi_data(uint32_t, c->out[1]);
  s.rows = mxi_data(uint32_t, c->out[2]);
  int64_t failed, k = mxi_min(s.n, s.columns);
  int why, status = mxi_batch_run(&(struct mxi_batch){.count = s.n ? s.a.count : 0,
                                                      .cost = (double)s.n * (double)s.columns * (double)k,
                                                      .work_bytes = padded_bytes(&s, s.n, s.a_row) +
                                                                    mxi_lu_work(s.dtype, s.n) +
                                                                    (size_t)(k + s.n) * sizeof(int32_t),
                                                      .one = factor_one,
                                                      .ctx = &s},
                                  &failed, &why);
  return finish_systems("lu_factor", status, failed, why, padded_bytes(&s, s.n, s.a_row));
}
