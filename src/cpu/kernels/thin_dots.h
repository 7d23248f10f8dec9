/* Dot products of a few rows of A with columns of B, for one way of storing them: NAME(fn) names what is
   made here, TARGET is an attribute of its functions, LANES the elements of k in a vector, A and B the
   element types, LOAD_A(p), LOAD_B(p), LOAD_A_N(p, n) and LOAD_B_N(p, n) give a vector of LANES elements (the
   first n, then zeros), and MULTIPLY_ADD(a, b, sum) adds their products to float32 sums. */

/* sums[i][j] for i < m, j < cols, which are constants here. Meanwhile as many columns that follow are
   fetched, in the order of memory: hardware alone loses a column's start, and reads several columns at a time
   slower. */
MXI_INLINE TARGET void NAME(dots)(int m, int cols, const A *a, int64_t a_row, const B *b, int64_t stride,
                                  int64_t k, float *sums, int64_t sums_row) {
  enum { LINE = 64 / sizeof(B) };
  vf32 acc[GROUP][MAX_COLS];
  MXI_UNROLL
  for (int i = 0; i < m; i++) MXI_UNROLL
  for (int j = 0; j < cols; j++) acc[i][j] = (vf32){0};
  int64_t p = 0, ahead = 0;
  const B *next = b + cols * stride;
  for (; p + LANES <= k; p += LANES) {
    MXI_UNROLL
    for (int i = 0; i < cols * LANES; i += LINE) __builtin_prefetch(next + ahead + i);
    if ((ahead += cols * LANES) >= k) ahead -= k, next += stride;
    vf32 y[MAX_COLS];
    MXI_UNROLL
    for (int j = 0; j < cols; j++) y[j] = LOAD_B(b + j * stride + p);
    MXI_UNROLL
    for (int i = 0; i < m; i++) {
      vf32 x = LOAD_A(a + i * a_row + p);
      MXI_UNROLL
      for (int j = 0; j < cols; j++) acc[i][j] = MULTIPLY_ADD(x, y[j], acc[i][j]);
    }
  }
  if (p < k) {
    MXI_UNROLL
    for (int i = 0; i < m; i++) {
      vf32 x = LOAD_A_N(a + i * a_row + p, k - p);
      MXI_UNROLL
      for (int j = 0; j < cols; j++)
        acc[i][j] = MULTIPLY_ADD(x, LOAD_B_N(b + j * stride + p, k - p), acc[i][j]);
    }
  }
  MXI_UNROLL
  for (int i = 0; i < m; i++) MXI_UNROLL
  for (int j = 0; j < cols; j++) sums[i * sums_row + j] = mxi_hsum_f32(acc[i][j]);
}

MXI_INLINE TARGET void NAME(all_dots)(int m, const A *a, int64_t a_row, const B *b, int64_t stride, int64_t n,
                                      int64_t k, float *sums, int64_t sums_row) {
  int cols = DOT_SUMS / m < MAX_COLS ? DOT_SUMS / m : MAX_COLS;
  int64_t j = 0;
  for (; j + cols <= n; j += cols)
    NAME(dots)(m, cols, a, a_row, b + j * stride, stride, k, sums + j, sums_row);
  for (; j < n; j++) NAME(dots)(m, 1, a, a_row, b + j * stride, stride, k, sums + j, sums_row);
}

static TARGET void NAME(along_k)(const void *rows, int64_t a_row, const void *columns, int64_t stride,
                                 int64_t m, int64_t n, int64_t k, float *sums, int64_t sums_row) {
  const A *a = rows;
  const B *b = columns;
  /* More rows take further passes over B's chunk, which is in cache by then. */
  for (; m > GROUP; m -= GROUP, a += GROUP * a_row, sums += GROUP * sums_row)
    NAME(all_dots)(GROUP, a, a_row, b, stride, n, k, sums, sums_row);
  switch (m) {
  case 1: NAME(all_dots)(1, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 2: NAME(all_dots)(2, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 3: NAME(all_dots)(3, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 4: NAME(all_dots)(4, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 5: NAME(all_dots)(5, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 6: NAME(all_dots)(6, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 7: NAME(all_dots)(7, a, a_row, b, stride, n, k, sums, sums_row); break;
  default: NAME(all_dots)(8, a, a_row, b, stride, n, k, sums, sums_row);
  }
}
