/* The steps of lu.c in one element type; see float_and_double.h. */

/* Updates write whole vectors; what is above the first row keeps its elements. */
static inline __attribute__((always_inline)) V NAME(keep_above)(int64_t first, V updated, V old,
                                                                const I *lane) {
  return NAME(mxi_blend)(NAME(mxi_load_index)(lane) >= (I)first, updated, old);
}

/* The row of the largest element of a column from row j on; NaN counts as small. */
static int64_t NAME(largest)(const T *x, int64_t j, int64_t m) {
  T best = NAME(size)(x[j]);
  int64_t at = j, i = j + 1, aligned = mxi_min(m, (i + LANES - 1) / LANES * LANES);
  for (; i < aligned; i++)
    if (NAME(size)(x[i]) > best) best = NAME(size)(x[at = i]);
  V most = NAME(mxi_set)(best);
  for (int64_t v = i; v + LANES <= m; v += LANES)
    most = NAME(mxi_max)(NAME(magnitude)(NAME(mxi_load)(x + v)), most);
  T found = best;
  for (int l = 0; l < LANES; l++) found = most[l] > found ? most[l] : found;
  for (int64_t v = m - (m - i) % LANES; v < m; v++)
    found = NAME(size)(x[v]) > found ? NAME(size)(x[v]) : found;
  if (!(found > best)) return at;
  V wanted = NAME(mxi_set)(found);
  while (i + LANES <= m && !mxi_any((vi32)(NAME(magnitude)(NAME(mxi_load)(x + i)) == wanted))) i += LANES;
  while (NAME(size)(x[i]) != found) i++;
  return i;
}

/* y -= x u from row `first` on, for `columns` columns y. */
static inline __attribute__((always_inline)) void NAME(update)(const T *x, T *y, const T *u, int64_t column,
                                                               int64_t first, int64_t m, int columns,
                                                               const I *lane) {
  V f[4];
  for (int c = 0; c < columns; c++) f[c] = NAME(mxi_set)(-u[c * column]);
  int64_t i = first / LANES * LANES;
  V l = NAME(mxi_load)(x + i);
  for (int c = 0; c < columns; c++) {
    V old = NAME(mxi_load)(y + c * column + i);
    NAME(mxi_store)
    (y + c * column + i, NAME(keep_above)(first - i, NAME(multiply_add)(l, f[c], old), old, lane));
  }
  for (i += LANES; i < m; i += LANES) {
    l = NAME(mxi_load)(x + i);
    for (int c = 0; c < columns; c++)
      NAME(mxi_store)(y + c * column + i, NAME(multiply_add)(l, f[c], NAME(mxi_load)(y + c * column + i)));
  }
}

static void NAME(divide)(T *x, T pivot, int64_t first, int64_t m, const I *lane) {
  int64_t i = first / LANES * LANES;
  V p = NAME(mxi_set)(pivot), old = NAME(mxi_load)(x + i);
  NAME(mxi_store)(x + i, NAME(keep_above)(first - i, old / p, old, lane));
  for (i += LANES; i < m; i += LANES) NAME(mxi_store)(x + i, NAME(mxi_load)(x + i) / p);
}

/* Factors columns [j, end) of the panel, one by one; rows change places in all n. */
static void NAME(factor_columns)(T *a, int64_t column, int64_t m, int64_t n, int64_t j, int64_t end,
                                 int32_t *pivots, const I *lane) {
  for (; j < end && j < m; j++) {
    T *x = a + j * column;
    int64_t p = NAME(largest)(x, j, m);
    pivots[j] = (int32_t)p;
    for (int64_t c = 0; c < n && p != j; c++) {
      T moved = a[c * column + j];
      a[c * column + j] = a[c * column + p];
      a[c * column + p] = moved;
    }
    if (x[j] == 0 || j + 1 == m) continue; // a column of zeros stays
    NAME(divide)(x, x[j], j + 1, m, lane);
    int64_t c = j + 1;
    for (; c + 4 <= end; c += 4)
      NAME(update)(x, a + c * column, a + c * column + j, column, j + 1, m, 4, lane);
    for (; c < end; c++) NAME(update)(x, a + c * column, a + c * column + j, column, j + 1, m, 1, lane);
  }
}

/* y -= x u for GROUP columns x, factored from row j on, in turn, and `columns` columns y. */
static inline __attribute__((always_inline)) void
NAME(update_by_group)(const T *x, T *y, int64_t column, int64_t j, int64_t m, int columns, const I *lane) {
  T u[GROUP][4];
  for (int k = 0; k < GROUP; k++)
    for (int c = 0; c < columns; c++) {
      bool zeros = x[k * column + j + k] == 0;
      u[k][c] = zeros ? 0 : -y[c * column + j + k];
      for (int i = k + 1; i < GROUP; i++) y[c * column + j + i] += x[k * column + j + i] * u[k][c];
    }
  int64_t first = j + GROUP;
  for (int64_t i = first / LANES * LANES; i < m; i += LANES) {
    V sum[4];
    for (int c = 0; c < columns; c++) sum[c] = NAME(mxi_load)(y + c * column + i);
    for (int k = 0; k < GROUP; k++) {
      V l = NAME(mxi_load)(x + k * column + i);
      for (int c = 0; c < columns; c++) sum[c] = NAME(multiply_add)(l, NAME(mxi_set)(u[k][c]), sum[c]);
    }
    for (int c = 0; c < columns; c++) {
      T *to = y + c * column + i;
      NAME(mxi_store)(to, i < first ? NAME(keep_above)(first - i, sum[c], NAME(mxi_load)(to), lane) : sum[c]);
    }
  }
}

/* Groups of columns, which stay in the first cache while each of them updates the others; then a group
   updates those on its right at once. */
static void NAME(panel)(void *columns, int64_t column, int64_t m, int64_t n, int32_t *pivots) {
  T *a = columns;
  I lane[LANES];
  for (int64_t i = 0; i < LANES; i++) lane[i] = (I)i;
  int64_t j = 0;
  for (; j + GROUP <= n && j + GROUP <= m; j += GROUP) {
    NAME(factor_columns)(a, column, m, n, j, j + GROUP, pivots, lane);
    const T *x = a + j * column;
    int64_t c = j + GROUP;
    for (; c + 4 <= n; c += 4) NAME(update_by_group)(x, a + c * column, column, j, m, 4, lane);
    for (; c < n; c++) NAME(update_by_group)(x, a + c * column, column, j, m, 1, lane);
  }
  NAME(factor_columns)(a, column, m, n, j, n, pivots, lane);
}

static void NAME(swap_rows)(void *matrix, int64_t row, int64_t n, int64_t count, const int32_t *pivots) {
  T *a = matrix;
  for (int64_t i = 0; i < count; i++) {
    T *x = a + i * row, *y = a + pivots[i] * row;
    if (x == y) continue;
    for (int64_t c = 0; c < n; c += LANES) {
      V v = NAME(mxi_load)(x + c);
      NAME(mxi_store)(x + c, NAME(mxi_load)(y + c));
      NAME(mxi_store)(y + c, v);
    }
  }
}

/* Subtracts the products of rows i, i + 1 ... of t with solved rows [first, end) of b from those rows of b.
   Strips of columns stay in registers; the solved rows are in the first-level cache. */
static inline __attribute__((always_inline)) void NAME(subtract_solved)(const T *t, int64_t t_row, const T *b,
                                                                        int64_t b_row, int64_t first,
                                                                        int64_t end, int rows, int vectors,
                                                                        V sum[2][4]) {
  for (int64_t j = first; j < end; j++) {
    V x[4];
    for (int v = 0; v < vectors; v++) x[v] = NAME(mxi_load)(b + j * b_row + v * LANES);
    for (int r = 0; r < rows; r++) {
      V f = NAME(mxi_set)(-t[r * t_row + j]);
      for (int v = 0; v < vectors; v++) sum[r][v] = NAME(multiply_add)(f, x[v], sum[r][v]);
    }
  }
}
/* Solves rows i and, if rows is 2, its neighbour on the way: i + 1, or i - 1 of an upper triangle. */
static inline __attribute__((always_inline)) void NAME(strip_rows)(enum mxi_triangle which, const T *t,
                                                                   int64_t t_row, int64_t k, T *b,
                                                                   int64_t b_row, int64_t i, int rows,
                                                                   int vectors) {
  bool upper = which == MXI_UPPER;
  int64_t top = upper ? i - rows + 1 : i, first = upper ? i + 1 : 0, end = upper ? k : i;
  V sum[2][4];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = NAME(mxi_load)(b + (top + r) * b_row + v * LANES);
  NAME(subtract_solved)(t + top * t_row, t_row, b, b_row, first, end, rows, vectors, sum);
  for (int done = 0; done < rows; done++) {
    int r = upper ? rows - 1 - done : done, other = 1 - r;
    for (int v = 0; v < vectors; v++) {
      if (which != MXI_UNIT_LOWER) sum[r][v] /= NAME(mxi_set)(t[(top + r) * t_row + top + r]);
      NAME(mxi_store)(b + (top + r) * b_row + v * LANES, sum[r][v]);
    }
    if (rows == 2 && done == 0) {
      V f = NAME(mxi_set)(-t[(top + other) * t_row + top + r]);
      for (int v = 0; v < vectors; v++) sum[other][v] = NAME(multiply_add)(f, sum[r][v], sum[other][v]);
    }
  }
}
static inline __attribute__((always_inline)) void
NAME(strip)(enum mxi_triangle which, const T *t, int64_t t_row, int64_t k, T *b, int64_t b_row, int vectors) {
  int64_t step = 0;
  for (; step + 2 <= k; step += 2)
    NAME(strip_rows)(which, t, t_row, k, b, b_row, which == MXI_UPPER ? k - 1 - step : step, 2, vectors);
  if (step < k) NAME(strip_rows)(which, t, t_row, k, b, b_row, which == MXI_UPPER ? 0 : step, 1, vectors);
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
  static const struct mxi_lu_kernels kernels = {NAME(panel), NAME(swap_rows), NAME(solve)};
  return &kernels;
}
