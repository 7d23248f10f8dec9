/* Dot products of a few rows of A with columns of B. Included for each kind of dot product, as the functions
   of one may need instructions that those of another must not have: NAME(x) is what x is called for the kind,
   TARGET the attribute of its functions. The including file has, for each kind, NAME(lanes) elements of k in
   a vector, the type NAME(a) of an element of A, and the inline functions NAME(load_a), NAME(load_a_n),
   NAME(load_b), NAME(load_b_n), which give a vector (the first n elements, then zeros), and
   NAME(add_products), which adds products to float32 sums. t is a constant, B's dtype. */

/* sums[i][j] for i < m, j < cols, which are constants here. Meanwhile as many columns that follow are
   fetched, in the order of memory: hardware alone loses a column's start, and reads several columns at a time
   slower. */
MXI_INLINE TARGET void NAME(dots)(mx_dtype t, int m, int cols, const NAME(a) * a, int64_t a_row,
                                  const char *b, int64_t stride, int64_t k, float *sums, int64_t sums_row) {
  const int item = t == MX_FLOAT32 ? 4 : 2, lanes = NAME(lanes), line = 64 / item;
  vf32 acc[GROUP][MAX_COLS];
  MXI_UNROLL
  for (int i = 0; i < m; i++) MXI_UNROLL
  for (int j = 0; j < cols; j++) acc[i][j] = (vf32){0};
  int64_t p = 0, ahead = 0;
  const char *next = b + cols * stride * item;
  for (; p + lanes <= k; p += lanes) {
    MXI_UNROLL
    for (int i = 0; i < cols * lanes; i += line) __builtin_prefetch(next + (ahead + i) * item);
    if ((ahead += cols * lanes) >= k) ahead -= k, next += stride * item;
    vf32 y[MAX_COLS];
    MXI_UNROLL
    for (int j = 0; j < cols; j++) y[j] = NAME(load_b)(t, b + (j * stride + p) * item);
    MXI_UNROLL
    for (int i = 0; i < m; i++) {
      vf32 x = NAME(load_a)(a + i * a_row + p);
      MXI_UNROLL
      for (int j = 0; j < cols; j++) acc[i][j] = NAME(add_products)(x, y[j], acc[i][j]);
    }
  }
  if (p < k) {
    MXI_UNROLL
    for (int i = 0; i < m; i++) {
      vf32 x = NAME(load_a_n)(a + i * a_row + p, k - p);
      MXI_UNROLL
      for (int j = 0; j < cols; j++)
        acc[i][j] = NAME(add_products)(x, NAME(load_b_n)(t, b + (j * stride + p) * item, k - p), acc[i][j]);
    }
  }
  MXI_UNROLL
  for (int i = 0; i < m; i++) MXI_UNROLL
  for (int j = 0; j < cols; j++) sums[i * sums_row + j] = mxi_hsum_f32(acc[i][j]);
}

MXI_INLINE TARGET void NAME(all_dots)(mx_dtype t, int m, const NAME(a) * a, int64_t a_row, const char *b,
                                      int64_t stride, int64_t n, int64_t k, float *sums, int64_t sums_row) {
  const int item = t == MX_FLOAT32 ? 4 : 2;
  int cols = DOT_SUMS / m < MAX_COLS ? DOT_SUMS / m : MAX_COLS;
  int64_t j = 0;
  for (; j + cols <= n; j += cols)
    NAME(dots)(t, m, cols, a, a_row, b + j * stride * item, stride, k, sums + j, sums_row);
  for (; j < n; j++) NAME(dots)(t, m, 1, a, a_row, b + j * stride * item, stride, k, sums + j, sums_row);
}

MXI_INLINE TARGET void NAME(along_k)(mx_dtype t, const NAME(a) * a, int64_t a_row, const char *b,
                                     int64_t stride, int64_t m, int64_t n, int64_t k, float *sums,
                                     int64_t sums_row) {
  /* More rows take further passes over B's chunk, which is in cache by then. */
  for (; m > GROUP; m -= GROUP, a += GROUP * a_row, sums += GROUP * sums_row)
    NAME(all_dots)(t, GROUP, a, a_row, b, stride, n, k, sums, sums_row);
  switch (m) {
  case 1: NAME(all_dots)(t, 1, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 2: NAME(all_dots)(t, 2, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 3: NAME(all_dots)(t, 3, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 4: NAME(all_dots)(t, 4, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 5: NAME(all_dots)(t, 5, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 6: NAME(all_dots)(t, 6, a, a_row, b, stride, n, k, sums, sums_row); break;
  case 7: NAME(all_dots)(t, 7, a, a_row, b, stride, n, k, sums, sums_row); break;
  default: NAME(all_dots)(t, 8, a, a_row, b, stride, n, k, sums, sums_row);
  }
}
