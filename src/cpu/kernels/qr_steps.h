/* The steps of qr.c in one element type; see float_and_double.h. */

/* Rows [j, m) of b -= tau v (v^T b), in the columns from `first` on; v_j is 1, the others are in column j of
 * a. */
static void NAME(reflect)(const T *a, int64_t j, T tau, T *b, int64_t first, int64_t m, int64_t n) {
  V w[ROW / LANES];
  I lane[LANES];
  int64_t start = first / LANES, end = mxi_ceil_div(n, LANES);
  for (int64_t l = 0; l < LANES; l++) lane[l] = (I)l;
  for (int64_t c = start; c < end; c++) w[c] = NAME(mxi_load)(b + j * ROW + c * LANES);
  for (int64_t i = j + 1; i < m; i++) {
    V x = NAME(mxi_set)(a[i * ROW + j]);
    for (int64_t c = start; c < end; c++)
      w[c] = NAME(multiply_add)(x, NAME(mxi_load)(b + i * ROW + c * LANES), w[c]);
  }
  for (int64_t c = start; c < end; c++) w[c] *= NAME(mxi_set)(-tau);
  if (start < end) // the columns before stay as they are
    w[start] =
        NAME(mxi_blend)(NAME(mxi_load_index)(lane) >= (I)(first - start * LANES), w[start], NAME(mxi_set)(0));
  for (int64_t c = start; c < end; c++) {
    T *row = b + j * ROW + c * LANES;
    NAME(mxi_store)(row, NAME(mxi_load)(row) + w[c]);
  }
  for (int64_t i = j + 1; i < m; i++) {
    V x = NAME(mxi_set)(a[i * ROW + j]);
    for (int64_t c = start; c < end; c++) {
      T *row = b + i * ROW + c * LANES;
      NAME(mxi_store)(row, NAME(multiply_add)(x, w[c], NAME(mxi_load)(row)));
    }
  }
}

void MXI_ISA_NAME(NAME(mxi_qr))(void *matrix, int64_t m, int64_t n, void *columns) {
  T *a = matrix, *q = columns, tau[ROW];
  int64_t k = m < n ? m : n;
  for (int64_t j = 0; j < k; j++) {
    T sum = 0, x = a[j * ROW + j];
    for (int64_t i = j + 1; i < m; i++) sum += a[i * ROW + j] * a[i * ROW + j];
    tau[j] = 0;
    if (sum == 0) continue;
    T length = NAME(root)(x * x + sum), beta = x < 0 ? length : -length;
    tau[j] = (beta - x) / beta;
    T factor = 1 / (x - beta);
    for (int64_t i = j + 1; i < m; i++) a[i * ROW + j] *= factor;
    a[j * ROW + j] = beta;
    if (j + 1 < n) NAME(reflect)(a, j, tau[j], a, j + 1, m, n);
  }
  for (int64_t i = 0; i < m; i++)
    for (int64_t c = 0; c < ROW; c++) q[i * ROW + c] = i == c;
  for (int64_t j = k - 1; j >= 0; j--)
    if (tau[j] != 0) NAME(reflect)(a, j, tau[j], q, j, m, k);
}
