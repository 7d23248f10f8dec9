/* The matrix product on raw memory, against a plain one in double. The set of instructions tested is the one
   that MLX_CPU_ISA chooses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/alloc.h"
#include "base/error.h"
#include "core/dtype.h"
#include "cpu/gemm.h"
#include "cpu/gemm_plan.h"
#include "cpu/pool.h"
#include "cpu/workspace.h"
#include "mlx/array.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;
static double uniform(void) { /* multiples of 1/64 in [-1, 1]: exact in every dtype, never subnormal */
  seed = seed * 1664525u + 1013904223u;
  return ((int)(seed >> 16) % 129 - 64) / 64.0;
}

static double load(const void *p, mx_dtype t, int64_t i) {
  if (t == MX_FLOAT64) return ((const double *)p)[i];
  if (t == MX_FLOAT32) return ((const float *)p)[i];
  uint16_t h = ((const uint16_t *)p)[i];
  return t == MX_FLOAT16 ? mxi_float_from_f16(h) : mxi_float_from_bf16(h);
}
static void store(void *p, mx_dtype t, int64_t i, double x) {
  if (t == MX_FLOAT64)
    ((double *)p)[i] = x;
  else if (t == MX_FLOAT32)
    ((float *)p)[i] = (float)x;
  else
    ((uint16_t *)p)[i] = t == MX_FLOAT16 ? mxi_f16_from_float((float)x) : mxi_bf16_from_float((float)x);
}
static double unit_roundoff(mx_dtype t) {
  return t == MX_FLOAT64 ? 0x1p-53 : t == MX_FLOAT32 ? 0x1p-24 : t == MX_FLOAT16 ? 0x1p-11 : 0x1p-8;
}

/* A matrix of random values ending exactly where its memory ends, NaN where the strides leave holes. */
struct matrix {
  void *memory, *first;
  int64_t row, col, elements;
};
static struct matrix matrix(mx_dtype t, int64_t batch, int64_t rows, int64_t cols, int64_t row, int64_t col) {
  int64_t each = (rows - 1) * row + (cols - 1) * col + 1, n = each * batch;
  struct matrix m = {malloc((size_t)n * mx_dtype_size(t)), NULL, row, col, each};
  m.first = m.memory;
  for (int64_t i = 0; i < n; i++) store(m.memory, t, i, NAN);
  for (int64_t b = 0; b < batch; b++)
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < cols; j++) store(m.memory, t, b * each + i * row + j * col, uniform());
  return m;
}

enum layout { ROWS, COLUMNS, PADDED_ROWS, PADDED_COLUMNS, GENERAL, LAYOUTS };
static struct matrix matrix_as(enum layout l, mx_dtype t, int64_t batch, int64_t rows, int64_t cols) {
  switch (l) {
  case ROWS: return matrix(t, batch, rows, cols, cols, 1);
  case COLUMNS: return matrix(t, batch, rows, cols, 1, rows);
  case PADDED_ROWS: return matrix(t, batch, rows, cols, cols + 3, 1);
  case PADDED_COLUMNS: return matrix(t, batch, rows, cols, 1, rows + 5);
  default: return matrix(t, batch, rows, cols, 2 * cols + 1, 2);
  }
}

struct product {
  mx_dtype dtype;
  int64_t m, n, k, batch;
  enum layout a, b;
  double alpha, beta;
  enum { NO_ADDEND, MATRIX, BIAS_ROW, BIAS_COLUMN, SCALAR, NANS } addend;
  int64_t c_gap;   /* columns between C's rows, which must stay untouched */
  bool transposed; /* by the transposed product */
};

static const double guard = -77;

/* A's rows, or B's columns, one after the other in double: what the plain product reads. */
static double *widened(const struct matrix *m, mx_dtype t, int64_t start, int64_t lines, int64_t line,
                       int64_t k, int64_t step) {
  double *w = malloc((size_t)(lines * k + 1) * sizeof *w);
  for (int64_t i = 0; i < lines; i++)
    for (int64_t l = 0; l < k; l++) w[i * k + l] = load(m->first, t, start + i * line + l * step);
  return w;
}

static void check_product(struct product p) {
  mx_dtype t = p.dtype;
  struct matrix a = matrix_as(p.a, t, p.batch, p.m, p.k), b = matrix_as(p.b, t, p.batch, p.k, p.n);
  struct matrix c0 = matrix(t, 1, p.addend == BIAS_ROW || p.addend == SCALAR ? 1 : p.m,
                            p.addend == BIAS_COLUMN || p.addend == SCALAR ? 1 : p.n, p.n, 1);
  if (p.addend == BIAS_COLUMN) c0.row = 1;
  if (p.addend == BIAS_ROW) c0.row = 0;
  if (p.addend == BIAS_COLUMN) c0.col = 0;
  if (p.addend == SCALAR) c0.row = c0.col = 0;
  if (p.addend == NANS)
    for (int64_t i = 0; i < c0.elements; i++) store(c0.first, t, i, NAN);
  if (p.addend == BIAS_COLUMN)
    for (int64_t i = 0; i < p.m; i++) store(c0.first, t, i, uniform());
  int64_t c_row = p.n + p.c_gap, c_size = p.batch * p.m * c_row;
  void *c = malloc((size_t)c_size * mx_dtype_size(t));
  for (int64_t i = 0; i < c_size; i++) store(c, t, i, guard);
  int64_t *a_batch = malloc((size_t)p.batch * sizeof *a_batch),
          *b_batch = malloc((size_t)p.batch * sizeof *b_batch);
  for (int64_t i = 0; i < p.batch; i++) {
    a_batch[i] = (p.batch - 1 - i) * a.elements; /* any order */
    b_batch[i] = i / 2 * b.elements;             /* shared */
  }
  struct mxi_gemm g = {.dtype = t,
                       .m = p.m,
                       .n = p.n,
                       .k = p.k,
                       .batch = p.batch,
                       .a = a.first,
                       .a_row = a.row,
                       .a_col = a.col,
                       .a_batch = a_batch,
                       .b = b.first,
                       .b_row = b.row,
                       .b_col = b.col,
                       .b_batch = b_batch,
                       .c = c,
                       .c_row = c_row,
                       .alpha = p.alpha,
                       .beta = p.beta};
  if (p.addend != NO_ADDEND) g.c0 = c0.first, g.c0_row = c0.row, g.c0_col = c0.col;
  if (p.transposed) {
    struct mxi_gemm_plan plan;
    mxi_gemm_plan_transposed(&plan, &g);
    assert_int_equal(mxi_gemm_run_plan(&plan), 0);
  } else
    assert_int_equal(mxi_gemm_run(&g), 0);

  double u = mxi_is_half(t) ? 0x1p-24 : unit_roundoff(t);
  for (int64_t q = 0; q < p.batch; q++) {
    double *rows = widened(&a, t, a_batch[q], p.m, a.row, p.k, a.col);
    double *columns = widened(&b, t, b_batch[q], p.n, b.col, p.k, b.row);
    for (int64_t i = 0; i < p.m; i++) {
      for (int64_t j = 0; j < p.n; j++) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < p.k; k++) {
          double x = rows[i * p.k + k] * columns[j * p.k + k];
          sum += x;
          size += fabs(x);
        }
        double expected = p.alpha * sum, addend = 0;
        if (p.addend != NO_ADDEND && p.beta != 0)
          addend = p.beta * load(c0.first, t, i * c0.row + j * c0.col);
        expected += addend;
        double bound = (double)(p.k + 3) * u * (fabs(p.alpha) * size + fabs(addend)) +
                       2 * unit_roundoff(t) * fabs(expected) + 1e-7;
        double got = load(c, t, (q * p.m + i) * c_row + j);
        if (!(fabs(got - expected) <= bound))
          fail_msg("%s m%ld n%ld k%ld batch%ld layouts %d %d addend %d: c[%ld][%ld][%ld] expected %g, got %g "
                   "(bound %g)",
                   t == MX_FLOAT64   ? "f64"
                   : t == MX_FLOAT32 ? "f32"
                   : t == MX_FLOAT16 ? "f16"
                                     : "bf16",
                   (long)p.m, (long)p.n, (long)p.k, (long)p.batch, p.a, p.b, p.addend, (long)q, (long)i,
                   (long)j, expected, got, bound);
      }
      for (int64_t j = p.n; j < c_row; j++) assert_true(load(c, t, (q * p.m + i) * c_row + j) == guard);
    }
    free(rows), free(columns);
  }
  free(a.memory), free(b.memory), free(c0.memory), free(c), free(a_batch), free(b_batch);
}

static const mx_dtype dtypes[] = {MX_FLOAT32, MX_FLOAT16, MX_BFLOAT16, MX_FLOAT64};
#define EACH_DTYPE(t) \
  for (mx_dtype t, *t##_at = (mx_dtype *)dtypes; t##_at < dtypes + 4 && (t = *t##_at, 1); t##_at++)

static void sizes_around_every_tile_edge_agree_with_the_reference(void **state) {
  static const int64_t m[] = {1, 2, 4, 5, 6, 7, 8, 9, 13, 14, 15, 27, 29},
                       n[] = {1, 3, 4, 8, 15, 16, 17, 31, 32, 33, 65};
  static const int64_t k[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 47};
  EACH_DTYPE(t)
  for (size_t i = 0; i < sizeof m / sizeof *m; i++)
    for (size_t j = 0; j < sizeof n / sizeof *n; j++)
      for (size_t l = 0; l < sizeof k / sizeof *k; l++)
        check_product((struct product){.dtype = t,
                                       .m = m[i],
                                       .n = n[j],
                                       .k = k[l],
                                       .batch = 1,
                                       .alpha = 1,
                                       .a = (enum layout)((i + l) % LAYOUTS),
                                       .b = (enum layout)((j + i) % LAYOUTS)});
}

static void every_pair_of_layouts_agrees_with_the_reference(void **state) {
  static const int64_t shapes[][3] = {{1, 70, 40},  {3, 90, 33}, {8, 21, 50},
                                      {37, 41, 35}, {50, 1, 70}, {20, 2, 9}};
  EACH_DTYPE(t)
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int a = 0; a < LAYOUTS; a++)
      for (int b = 0; b < LAYOUTS; b++)
        check_product((struct product){.dtype = t,
                                       .m = shapes[s][0],
                                       .n = shapes[s][1],
                                       .k = shapes[s][2],
                                       .batch = 1,
                                       .alpha = 1,
                                       .a = (enum layout)a,
                                       .b = (enum layout)b,
                                       .c_gap = a == ROWS ? 0 : 2});
}

static void products_of_several_blocks_agree_with_the_reference(void **state) {
  static const int64_t shapes[][3] = {{2060, 40, 5},  {20, 2090, 7},  {30, 35, 390},  {17, 50, 1600},
                                      {33, 70, 769},  {96, 100, 801}, {1, 1100, 300}, {1, 9, 40000},
                                      {4, 600, 9000}, {700, 1, 3000}, {5, 3, 70001},  {19, 1030, 1025}};
  EACH_DTYPE(t)
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int l = 0; l < 4; l++)
      check_product((struct product){.dtype = t,
                                     .m = shapes[s][0],
                                     .n = shapes[s][1],
                                     .k = shapes[s][2],
                                     .batch = 1,
                                     .alpha = 1,
                                     .a = l & 1 ? COLUMNS : ROWS,
                                     .b = l & 2 ? COLUMNS : ROWS});
}

static void alpha_beta_and_any_addend_are_applied(void **state) {
  static const int64_t shapes[][3] = {{1, 50, 30},  {50, 1, 30},   {6, 20, 31},
                                      {37, 70, 41}, {20, 40, 800}, {3, 20, 9000}};
  static const double factors[][2] = {
      {0.75, -1.5}, {1, 1}, {-1, 1}}; // alpha, beta; one needs no pass of its own
  EACH_DTYPE(t)
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int addend = NO_ADDEND; addend < NANS; addend++)
      for (int f = 0; f < 3; f++)
        check_product((struct product){.dtype = t,
                                       .m = shapes[s][0],
                                       .n = shapes[s][1],
                                       .k = shapes[s][2],
                                       .batch = 1,
                                       .b = f ? COLUMNS : ROWS,
                                       .alpha = factors[f][0],
                                       .beta = factors[f][1],
                                       .addend = addend,
                                       .c_gap = s == 3});
}

static void beta_zero_does_not_read_the_addend(void **state) {
  EACH_DTYPE(t) {
    check_product(
        (struct product){.dtype = t, .m = 20, .n = 40, .k = 9, .batch = 1, .alpha = 2, .addend = NANS});
    check_product(
        (struct product){.dtype = t, .m = 1, .n = 40, .k = 9, .batch = 1, .alpha = 2, .addend = NANS});
  }
}

static void batches_agree_with_the_reference(void **state) {
  static const int64_t shapes[][4] = {{5, 1, 30, 40},    {40, 3, 5, 7},   {3, 20, 40, 33},
                                      {70, 20, 21, 22},  {9, 64, 64, 64}, {3, 100, 110, 400},
                                      {33, 100, 60, 90}, {4, 30, 1, 20},  {2, 2, 3, 9000}};
  EACH_DTYPE(t)
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int l = 0; l < 4; l++)
      check_product((struct product){.dtype = t,
                                     .batch = shapes[s][0],
                                     .m = shapes[s][1],
                                     .n = shapes[s][2],
                                     .k = shapes[s][3],
                                     .alpha = 1,
                                     .a = l & 1 ? COLUMNS : ROWS,
                                     .b = l & 2 ? COLUMNS : ROWS});
}

static void transposed_products_agree_with_the_reference(void **state) {
  static const int64_t shapes[][3] = {{9, 130, 33}, {33, 1100, 40}, {128, 515, 64}};
  EACH_DTYPE(t)
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int addend = NO_ADDEND; addend < NANS; addend++)
      for (int l = 0; l < 4; l++)
        check_product((struct product){.dtype = t,
                                       .m = shapes[s][0],
                                       .n = shapes[s][1],
                                       .k = shapes[s][2],
                                       .batch = 1 + (l == 2),
                                       .a = l & 1 ? COLUMNS : ROWS,
                                       .b = l & 2 ? PADDED_COLUMNS : ROWS,
                                       .alpha = 0.75,
                                       .beta = -1.5,
                                       .addend = addend,
                                       .c_gap = s,
                                       .transposed = true});
}

static void pack_nothing(const void *ctx, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc,
                         int64_t nr) {}
/* Nothing runs: operands are strides without memory. */
static struct mxi_gemm shape_of(mx_dtype t, int64_t m, int64_t n, int64_t k, enum layout b) {
  return (struct mxi_gemm){.dtype = t,
                           .m = m,
                           .n = n,
                           .k = k,
                           .batch = 1,
                           .a_row = k,
                           .a_col = 1,
                           .b_row = b == COLUMNS ? 1 : n,
                           .b_col = b == COLUMNS ? k : 1,
                           .c_row = n,
                           .alpha = 1};
}

static enum mxi_gemm_form form_of(struct mxi_gemm g) {
  struct mxi_gemm_plan plan;
  mxi_gemm_make_plan(&plan, &g);
  return plan.form;
}

static void a_plan_is_one_form_that_suits_the_shape(void **state) {
  assert_int_equal(form_of(shape_of(MX_FLOAT32, 100, 90, 0, ROWS)), MXI_GEMM_EMPTY);
  assert_int_equal(form_of(shape_of(MX_FLOAT32, 100, 90, 80, ROWS)), MXI_GEMM_PACKED);
  assert_int_equal(form_of(shape_of(MX_FLOAT32, 8, 90, 80, ROWS)), MXI_GEMM_FEW_ROWS);
  assert_int_equal(form_of(shape_of(MX_FLOAT32, 9, 90, 80, COLUMNS)), MXI_GEMM_PACKED);
  assert_int_equal(form_of(shape_of(MX_FLOAT64, 1, 90, 80, ROWS)), MXI_GEMM_PACKED);
  /* A large B is read once for more rows. */
  assert_int_equal(form_of(shape_of(MX_FLOAT16, 32, 2000, 1000, COLUMNS)), MXI_GEMM_FEW_ROWS);
  assert_int_equal(form_of(shape_of(MX_FLOAT16, 33, 2000, 1000, COLUMNS)), MXI_GEMM_PACKED);
  assert_int_equal(form_of(shape_of(MX_FLOAT16, 32, 2000, 1000, ROWS)), MXI_GEMM_PACKED);
  /* B that comes from a callback is packed. */
  struct mxi_gemm g = shape_of(MX_FLOAT32, 1, 90, 80, ROWS);
  g.pack_b = pack_nothing;
  assert_int_equal(form_of(g), MXI_GEMM_PACKED);
}

static void a_column_is_planned_as_a_row(void **state) {
  struct mxi_gemm g = shape_of(MX_FLOAT32, 700, 1, 300, ROWS);
  struct mxi_gemm_plan plan;
  mxi_gemm_make_plan(&plan, &g);
  assert_int_equal(plan.form, MXI_GEMM_FEW_ROWS);
  assert_int_equal(plan.g->m, 1);
  assert_int_equal(plan.g->n, 700);
  assert_int_equal(plan.transposed_bytes, 0); /* its result is C itself */
  g.c_row = 2;
  mxi_gemm_make_plan(&plan, &g);
  assert_ptr_equal(plan.g, &g);
}

/* The finishing pass and the workspace are part of the plan, which no form changes. */
static void a_transposed_plan_has_room_for_its_result(void **state) {
  struct mxi_gemm g = shape_of(MX_BFLOAT16, 30, 500, 64, COLUMNS);
  struct mxi_gemm_plan plan;
  mxi_gemm_plan_transposed(&plan, &g);
  assert_int_equal(plan.form, MXI_GEMM_PACKED);
  assert_int_equal(plan.g->m, 500);
  assert_true(plan.transposed_bytes >= 30 * 500 * 2);
  assert_true(plan.workspace_bytes >= plan.transposed_bytes + (size_t)plan.packed.b_bytes);
}

static void empty_sums_give_the_scaled_addend(void **state) {
  EACH_DTYPE(t)
  for (int addend = NO_ADDEND; addend < NANS; addend++)
    check_product((struct product){
        .dtype = t, .m = 19, .n = 35, .k = 0, .batch = 2, .alpha = 1, .beta = 0.5, .addend = addend});
}

static void empty_products_do_nothing(void **state) {
  for (int i = 0; i < 3; i++) {
    struct mxi_gemm g = {.dtype = MX_FLOAT32, .m = i != 0, .n = i != 1, .batch = i != 2, .k = 4, .alpha = 1};
    assert_int_equal(mxi_gemm_run(&g), 0);
  }
}

static void nan_and_infinity_come_through(void **state) {
  EACH_DTYPE(t)
  for (int64_t m = 1; m <= 20; m += 19) {
    char a[20 * 16 * 8], b[16 * 40 * 8], c[20 * 40 * 8];
    for (int i = 0; i < 20 * 16; i++) store(a, t, i, i % 16 == 3 ? INFINITY : 1);
    for (int i = 0; i < 16 * 40; i++) store(b, t, i, i == 2 * 40 + 7 ? NAN : 1);
    struct mxi_gemm g = {.dtype = t,
                         .m = m,
                         .n = 40,
                         .k = 16,
                         .batch = 1,
                         .a = a,
                         .a_row = 16,
                         .a_col = 1,
                         .b = b,
                         .b_row = 40,
                         .b_col = 1,
                         .c = c,
                         .c_row = 40,
                         .alpha = 1};
    assert_int_equal(mxi_gemm_run(&g), 0);
    for (int i = 0; i < m * 40; i++) {
      double x = load(c, t, i);
      assert_true(i % 40 == 7 ? isnan(x) : x == INFINITY);
    }
  }
}

struct source {
  const float *b;
  int64_t k, n;
};
static void pack_from_rows(const void *ctx, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc,
                           int64_t nr) {
  const struct source *s = ctx;
  for (int64_t k = 0; k < kc; k++)
    for (int64_t j = 0; j < nr; j++) dst[k * nr + j] = j < nc ? s->b[(k0 + k) * s->n + n0 + j] : 0;
}
static void panels_come_from_the_callback(void **state) {
  static const int64_t shapes[][3] = {{1, 40, 20}, {9, 33, 400}, {100, 70, 801}, {30, 2100, 17}};
  for (int which = 0; which < 3; which++)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
      mx_dtype t = dtypes[which];
      int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
      struct matrix a = matrix_as(ROWS, t, 1, m, k), b = matrix_as(ROWS, MX_FLOAT32, 1, k, n);
      struct source source = {b.first, k, n};
      void *c = malloc((size_t)(m * n) * mx_dtype_size(t));
      struct mxi_gemm g = {.dtype = t,
                           .m = m,
                           .n = n,
                           .k = k,
                           .batch = 1,
                           .a = a.first,
                           .a_row = k,
                           .a_col = 1,
                           .c = c,
                           .c_row = n,
                           .alpha = 1,
                           .pack_b = pack_from_rows,
                           .pack_ctx = &source};
      assert_int_equal(mxi_gemm_run(&g), 0);
      for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
          double sum = 0;
          for (int64_t l = 0; l < k; l++) sum += load(a.first, t, i * k + l) * ((float *)b.first)[l * n + j];
          assert_true(fabs(load(c, t, i * n + j) - sum) <=
                      (double)k * (double)k * 0x1p-24 + 2 * unit_roundoff(t) * fabs(sum));
        }
      free(a.memory), free(b.memory), free(c);
    }
}

/* A loop inside a loop runs on one thread. */
struct pair {
  struct mxi_gemm g[2];
};
static void run_one(void *ctx, int64_t i) { assert_int_equal(mxi_gemm_run(&((struct pair *)ctx)->g[i]), 0); }

static void one_thread_gives_the_bits_of_many(void **state) {
  static const int64_t shapes[][4] = {{1, 200, 300, 900}, {1, 512, 96, 100}, {1, 1, 5000, 300},
                                      {1, 4, 64, 50000},  {40, 60, 70, 80},  {3, 150, 160, 170}};
  EACH_DTYPE(t)
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    int64_t batch = shapes[s][0], m = shapes[s][1], n = shapes[s][2], k = shapes[s][3];
    size_t bytes = (size_t)(batch * m * n) * mx_dtype_size(t);
    struct matrix a = matrix_as(ROWS, t, batch, m, k), b = matrix_as(ROWS, t, batch, k, n);
    for (int64_t i = 0; i < batch * m * k; i++) store(a.first, t, i, sin((double)i)); /* sums that round */
    int64_t *at = malloc((size_t)batch * 2 * sizeof *at);
    for (int64_t i = 0; i < batch; i++) at[i] = i * m * k, at[batch + i] = i * k * n;
    void *many = malloc(bytes), *one = malloc(2 * bytes);
    struct mxi_gemm g = {.dtype = t,
                         .m = m,
                         .n = n,
                         .k = k,
                         .batch = batch,
                         .a = a.first,
                         .a_row = k,
                         .a_col = 1,
                         .a_batch = at,
                         .b = b.first,
                         .b_row = n,
                         .b_col = 1,
                         .b_batch = at + batch,
                         .c = many,
                         .c_row = n,
                         .alpha = 1};
    assert_int_equal(mxi_gemm_run(&g), 0);
    struct pair pair = {{g, g}};
    pair.g[0].c = one, pair.g[1].c = (char *)one + bytes;
    assert_int_equal(mxi_parallel_for(2, run_one, &pair), 0);
    assert_memory_equal(one, many, bytes);
    assert_memory_equal((char *)one + bytes, many, bytes);
    free(a.memory), free(b.memory), free(at), free(many), free(one);
  }
}

static void a_failed_allocation_is_an_error(void **state) {
  enum { N = 1500, K = 1200 };
  float *a = calloc(N * K, sizeof *a), *c = malloc(N * N * sizeof *c);
  struct mxi_gemm g = {.dtype = MX_FLOAT32,
                       .m = N,
                       .n = N,
                       .k = K,
                       .batch = 1,
                       .a = a,
                       .a_row = K,
                       .a_col = 1,
                       .b = a,
                       .b_row = N,
                       .b_col = 1,
                       .c = c,
                       .c_row = N,
                       .alpha = 1};
  mxi_workspace_give(mxi_workspace_take((size_t)65 << 20)); /* lets go of all that were kept */
  mxi_alloc_fail_after(0);
  int failed = mxi_gemm_run(&g);
  mxi_alloc_fail_after(-1);
  assert_int_equal(failed, -1);
  assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
  assert_int_equal(mxi_gemm_run(&g), 0);
  free(a), free(c);
}

static void an_interrupt_is_an_error(void **state) {
  enum { N = 300 };
  float *a = calloc(N * N, sizeof *a), *c = malloc(N * N * sizeof *c);
  struct mxi_gemm g = {.dtype = MX_FLOAT32,
                       .m = N,
                       .n = N,
                       .k = N,
                       .batch = 1,
                       .a = a,
                       .a_row = N,
                       .a_col = 1,
                       .b = a,
                       .b_row = N,
                       .b_col = 1,
                       .c = c,
                       .c_row = N,
                       .alpha = 1};
  mx_interrupt();
  assert_int_equal(mxi_gemm_run(&g), -1);
  assert_int_equal(mx_error_code(), MX_INTERRUPTED);
  mx_interrupt_clear();
  assert_int_equal(mxi_gemm_run(&g), 0);
  free(a), free(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_around_every_tile_edge_agree_with_the_reference),
      cmocka_unit_test(every_pair_of_layouts_agrees_with_the_reference),
      cmocka_unit_test(products_of_several_blocks_agree_with_the_reference),
      cmocka_unit_test(alpha_beta_and_any_addend_are_applied),
      cmocka_unit_test(beta_zero_does_not_read_the_addend),
      cmocka_unit_test(batches_agree_with_the_reference),
      cmocka_unit_test(transposed_products_agree_with_the_reference),
      cmocka_unit_test(a_plan_is_one_form_that_suits_the_shape),
      cmocka_unit_test(a_column_is_planned_as_a_row),
      cmocka_unit_test(a_transposed_plan_has_room_for_its_result),
      cmocka_unit_test(empty_sums_give_the_scaled_addend),
      cmocka_unit_test(empty_products_do_nothing),
      cmocka_unit_test(nan_and_infinity_come_through),
      cmocka_unit_test(panels_come_from_the_callback),
      cmocka_unit_test(one_thread_gives_the_bits_of_many),
      cmocka_unit_test(a_failed_allocation_is_an_error),
      cmocka_unit_test(an_interrupt_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
