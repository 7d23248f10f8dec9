/* The steps of lu.c in one element type: T, its vector V of LANES, and its operations under the name
 * NAME(op). */

/* Row updates write whole vectors; the lanes of columns that are done keep their elements. */
static void NAME(update_row)(T *a, const T *u, T factor, int64_t from, int64_t n, const I *lane) {
  int64_t c = from / LANES * LANES;
  V f = NAME(mxi_set)(-factor), old = NAME(mxi_load)(a + c);
  V updated = NAME(multiply_add)(f, NAME(mxi_load)(u + c), old);
  NAME(mxi_store)(a + c, NAME(mxi_blend)(NAME(mxi_load_index)(lane) >= (I)(from - c), updated, old));
  for (c += LANES; c < n; c += LANES)
    NAME(mxi_store)(a + c, NAME(multiply_add)(f, NAME(mxi_load)(u + c), NAME(mxi_load)(a + c)));
}

static void NAME(swap_rows)(T *x, T *y, int64_t n) {
  for (int64_t c = 0; c < n; c += LANES) {
    V v = NAME(mxi_load)(x + c);
    NAME(mxi_store)(x + c, NAME(mxi_load)(y + c));
    NAME(mxi_store)(y + c, v);
  }
}

/* Column by column; the pass that updates the rows below finds the largest element of the next column. */
static void NAME(panel)(void *matrix, int64_t row, int64_t m, int64_t n, int32_t *pivots) {
  T *a = matrix;
  I lane[LANES];
  for (int64_t i = 0; i < LANES; i++) lane[i] = (I)i;
  int64_t best = 0, k = m < n ? m : n;
  for (int64_t i = 1; i < m; i++)
    if (NAME(size)(a[i * row]) > NAME(size)(a[best * row])) best = i;
  for (int64_t j = 0; j < k; j++) {
    T *u = a + j * row, pivot = a[best * row + j], largest = -1;
    pivots[j] = (int32_t)best;
    if (best != j) NAME(swap_rows)(u, a + best * row, n);
    best = j + 1;
    for (int64_t i = j + 1; i < m; i++) {
      T *r = a + i * row;
      if (pivot != 0) r[j] /= pivot; // a column of zeros stays
      if (j + 1 < n) {
        if (pivot != 0) NAME(update_row)(r, u, r[j], j + 1, n, lane);
        T size = NAME(size)(r[j + 1]);
        if (size > largest) {
          largest = size;
          best = i;
        }
      }
    }
  }
}

/* Strips of columns stay in registers; those before are in the first-level cache. */
static inline __attribute__((always_inline)) void
NAME(strip)(enum mxi_triangle which, const T *t, int64_t t_row, int64_t k, T *b, int64_t b_row, int vectors) {
  for (int64_t step = 0; step < k; step++) {
    int64_t i = which == MXI_UPPER ? k - 1 - step : step;
    int64_t first = which == MXI_UPPER ? i + 1 : 0, end = which == MXI_UPPER ? k : i;
    V sum[4];
    for (int v = 0; v < vectors; v++) sum[v] = NAME(mxi_load)(b + i * b_row + v * LANES);
    for (int64_t j = first; j < end; j++) {
      V f = NAME(mxi_set)(-t[i * t_row + j]);
      for (int v = 0; v < vectors; v++)
        sum[v] = NAME(multiply_add)(f, NAME(mxi_load)(b + j * b_row + v * LANES), sum[v]);
    }
    for (int v = 0; v < vectors; v++) {
      if (which != MXI_UNIT_LOWER) sum[v] /= NAME(mxi_set)(t[i * t_row + i]);
      NAME(mxi_store)(b + i * b_row + v * LANES, sum[v]);
    }
  }
}
static void NAME(strips)(enum mxi_triangle which, const T *t, int64_t t_row, int64_t k, T *b, int64_t b_row,
                         int64_t n) {
  int64_t c = 0;
  for (; c + 3 * LANES < n; c += 4 * LANES) NAME(strip)(which, t, t_row, k, b + c, b_row, 4);
  for (; c < n; c += LANES) NAME(strip)(which, t, t_row, k, b + c, b_row, 1);
}
static void NAME(solve)(enum mxi_triangle which, const void *t, int64_t t_row, int64_t k, void *b,
                        int64_t b_row, int64_t n) {
  NAME(strips)(which, t, t_row, k, b, b_row, n);
}

const struct mxi_lu_kernels *MXI_ISA_NAME(NAME(mxi_lu))(void) {
  static const struct mxi_lu_kernels kernels = {NAME(panel), NAME(solve)};
  return &kernels;
}
