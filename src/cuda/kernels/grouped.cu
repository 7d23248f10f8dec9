/* The lists and tiles of grouped products, and their kernel by the ordinary units, which takes any strides.
 */
#include "cuda/kernels/choice.cuh"
#include "cuda/kernels/grouped.h"
#include "cuda/kernels/half.cuh"

enum { THREADS = MXI_CUDA_GROUPED_THREADS, WARPS = THREADS / 32, ROWS = MXI_CUDA_GROUPED_ROWS };

/* ---- Lists ---- */
MXI_KERNEL(grouped_numbers, mxi_cuda_chosen_numbers, THREADS) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (i >= p.places) return;
  int64_t left, right;
  const bool good = mxi_find_chosen(p.choice, static_cast<uint32_t>(i), left, right);
  p.left[i] = good ? left : 0;
  p.right[i] = good ? right : p.choice.side[1].matrices;
}

/* How many of the sorted numbers are less. */
MXI_DEVICE int64_t count_less(const int64_t *sorted, int64_t n, int64_t number) {
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (sorted[middle] < number)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* The sum of the block's earlier values; `total` is that of all. */
MXI_DEVICE int sum_before(int value, int &total) {
  __shared__ int of_warp[WARPS];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int sum = value;
#pragma unroll
  for (int delta = 1; delta < 32; delta *= 2) {
    const int before = __shfl_up_sync(~0u, sum, delta);
    if (lane >= delta) sum += before;
  }
  __syncthreads();
  if (lane == 31) of_warp[warp] = sum;
  __syncthreads();
  int earlier = 0;
  total = 0;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    if (w < warp) earlier += of_warp[w];
    total += of_warp[w];
  }
  return earlier + sum - value;
}

/* A thread has a matrix. */
MXI_KERNEL(grouped_tiles, mxi_cuda_chosen_tiles, THREADS) {
  int64_t made = 0;
  for (int64_t base = 0; base < p.matrices; base += THREADS) {
    const int64_t matrix = base + threadIdx.x;
    int first = 0, rows = 0;
    if (matrix < p.matrices) {
      const int64_t start = count_less(p.sorted, p.places, matrix);
      const int64_t end = start + count_less(p.sorted + start, p.places - start, matrix + 1);
      first = static_cast<int>(start * p.rows_each);
      rows = static_cast<int>((end - start) * p.rows_each);
    }
    int total;
    const int before = sum_before((rows + ROWS - 1) / ROWS, total);
    mxi_cuda_tile *tile = p.tiles + made + before;
    for (int at = 0; at < rows; at += ROWS)
      *tile++ = {static_cast<int32_t>(matrix), first + at, min(rows - at, static_cast<int>(ROWS))};
    made += total;
  }
  for (int64_t i = made + threadIdx.x; i < p.most_tiles; i += THREADS) p.tiles[i] = {0, 0, 0};
}

MXI_KERNEL(grouped_rows, mxi_cuda_chosen_rows, THREADS) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (i >= p.rows) return;
  const int64_t place = p.positions[i / p.rows_each], row = i % p.rows_each;
  p.x_rows[i] = p.left[place] * p.rows_each + row;
  p.y_rows[i] = place * p.rows_each + row;
}

/* ---- Products by the ordinary units ---- */
template <class T> struct sum_type {
  typedef float type;
  MXI_DEVICE float widened(T x) { return mxi_to_float(x); }
  MXI_DEVICE T narrowed(float x) { return mxi_of_float<T>(x); }
};
template <> struct sum_type<double> {
  typedef double type;
  MXI_DEVICE double widened(double x) { return x; }
  MXI_DEVICE double narrowed(double x) { return x; }
};

/* A thread has four rows, 16 apart, by four columns, side by side. */
template <class T> MXI_DEVICE void grouped_plain(const mxi_cuda_grouped &p) {
  enum { COLUMNS = MXI_CUDA_GROUPED_COLUMNS_PLAIN, STEP = 16, EACH = ROWS * STEP / THREADS, PAD = 4 };
  typedef typename sum_type<T>::type S;
  __shared__ S x_tile[STEP][ROWS + PAD], w_tile[STEP][COLUMNS + PAD];
  const mxi_cuda_tile tile = p.tiles[blockIdx.x % p.ntiles];
  const int64_t column = blockIdx.x / p.ntiles * COLUMNS;
  if (tile.count == 0) return;
  const T *w = static_cast<const T *>(p.w) + tile.matrix * p.w_matrix, *x[EACH];
  const int thread = threadIdx.x, of_x = thread % STEP, down = thread / STEP;
  const bool columns_first = p.w_n == 1;
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    const int row = down + e * (THREADS / STEP);
    x[e] = row < tile.count ? static_cast<const T *>(p.x) + p.x_rows[tile.first + row] * p.k : nullptr;
  }
  S sum[4][4] = {};
  for (int64_t k = 0; k < p.k; k += STEP) {
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      const int i = thread + e * THREADS;
      const int w_at = columns_first ? i / COLUMNS : i % STEP, n_at = columns_first ? i % COLUMNS : i / STEP;
      const bool inside = k + w_at < p.k && column + n_at < p.n;
      x_tile[of_x][down + e * (THREADS / STEP)] =
          x[e] && k + of_x < p.k ? sum_type<T>::widened(x[e][k + of_x]) : S(0);
      w_tile[w_at][n_at] =
          inside ? sum_type<T>::widened(w[(k + w_at) * p.w_k + (column + n_at) * p.w_n]) : S(0);
    }
    __syncthreads();
#pragma unroll 8
    for (int l = 0; l < STEP; l++) {
      S a[4], b[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        a[i] = x_tile[l][thread / 16 + 16 * i];
        b[i] = w_tile[l][thread % 16 * 4 + i];
      }
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] = fma(a[i], b[j], sum[i][j]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int row = thread / 16 + 16 * i;
    if (row >= tile.count) break;
    T *y = static_cast<T *>(p.y) + p.y_rows[tile.first + row] * p.n;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int64_t at = column + thread % 16 * 4 + j;
      if (at < p.n) y[at] = sum_type<T>::narrowed(sum[i][j]);
    }
  }
}

MXI_KERNEL(grouped_float32, mxi_cuda_grouped, THREADS) { grouped_plain<float>(p); }
MXI_KERNEL(grouped_float64, mxi_cuda_grouped, THREADS) { grouped_plain<double>(p); }
MXI_KERNEL(grouped_float16, mxi_cuda_grouped, THREADS) { grouped_plain<mxi_f16>(p); }
MXI_KERNEL(grouped_bfloat16, mxi_cuda_grouped, THREADS) { grouped_plain<mxi_bf16>(p); }
