/* Attention of float16 and bfloat16 rows by matrix units, and of anything by plain arithmetic.

   attention_rows: a block has 16 rows of one key head and a stretch of its keys; its warps take turns at
   tiles of 16 keys, each with a running softmax of its own, and are joined at the end. Neither K nor V goes
   through shared memory: a product doesn't care in which order its inner axis is summed, so a thread takes 16
   consecutive bytes of a row of K as the inner elements that the matrix unit wants of it, and the columns of
   V are dealt to threads so that it takes 16 consecutive bytes of a row of V too; pairs of rows of V are
   woven by byte permutes. Where the keys are split, each block leaves its maximum, sum and values, and the
   last to finish joins them in the order of the splits.

   m16n8k16: thread = 4 * g + t (g < 8, t < 4) has rows g and g + 8 of A and C, column g of B; of A's and B's
   inner axis the elements 2t, 2t + 1, 2t + 8, 2t + 9; of C the columns 2t, 2t + 1. */
#include "cuda/kernels/attention.cuh"

namespace {

enum {
  ROWS = MXI_ATTENTION_ROWS,
  WARPS = MXI_ATTENTION_WARPS,
  KEYS = MXI_ATTENTION_KEYS,
  THREADS = MXI_ATTENTION_THREADS
};

/* ---- Matrix units ---- */
/* A logit in base 2 from a product's sum. */
MXI_DEVICE float logit_of(const struct mxi_cuda_attention &p, float sum, float scale, int64_t batch,
                          const struct row &r, int64_t key) {
  if (key >= p.keys) return MINUS_INFINITY;
  bool hidden = p.causal && key > r.query + p.keys - p.queries;
  float logit = sum * scale;
  if (p.mask)
    logit = masked_logit(logit, mask_in_base_2(p, batch * p.mask_strides[0] + r.head * p.mask_strides[1] +
                                                      r.query * p.mask_strides[2] + key * p.mask_strides[3]));
  return hidden ? LOWEST : logit;
}

/* What the rows have so far: WARP-wide, rows g (0) and g + 8 (1) of each thread. */
template <int D> struct running {
  float maximum[2], sum[2];
  float values[D / 8][4]; /* n-tile h * 8 + e: columns h * 64 + 16 t + e and 8 more */
};

/* A tile of K: rows g and 8 + g of its 16 keys, 16 bytes each 32 elements. */
template <class H, int D>
MXI_DEVICE void load_keys(const struct mxi_cuda_attention &p, const H *k, int64_t first, int g, int t,
                          uint4 (&to)[2][D / 32]) {
#pragma unroll
  for (int n = 0; n < 2; n++) {
    int64_t key = first + n * 8 + g;
    const H *from = k + (key < p.keys ? key : p.keys - 1) * p.k_strides[2] + t * 8;
#pragma unroll
    for (int j = 0; j < D / 32; j++) to[n][j] = mxi_load_once(from + j * 32);
  }
}
/* A tile of V: rows 2t, 2t + 1, 2t + 8, 2t + 9 of its 16 keys, 16 bytes each 64 elements. */
template <class H, int D>
MXI_DEVICE void load_values(const struct mxi_cuda_attention &p, const H *v, int64_t first, int g, int t,
                            uint4 (&to)[4][D / 64]) {
#pragma unroll
  for (int n = 0; n < 4; n++) {
    int64_t key = first + t * 2 + (n & 1) + (n >> 1) * 8;
    const H *from = v + (key < p.keys ? key : p.keys - 1) * p.v_strides[2] + g * 8;
#pragma unroll
    for (int h = 0; h < D / 64; h++) to[n][h] = mxi_load_once(from + h * 64);
  }
}

template <class H, int D>
MXI_DEVICE void logits_of_tile(const uint32_t (&q)[D / 16][4], const uint4 (&keys)[2][D / 32],
                               float (&s)[2][4]) {
#pragma unroll
  for (int n = 0; n < 2; n++) {
    s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
#pragma unroll
    for (int j = 0; j < D / 32; j++) {
      const uint32_t low[2] = {keys[n][j].x, keys[n][j].y}, high[2] = {keys[n][j].z, keys[n][j].w};
      multiply_add(H{}, s[n], q[2 * j], low);
      multiply_add(H{}, s[n], q[2 * j + 1], high);
    }
  }
}

template <class H, int D>
MXI_DEVICE void add_values(const uint32_t (&probabilities)[4], const uint4 (&values)[4][D / 64],
                           struct running<D> &r) {
#pragma unroll
  for (int h = 0; h < D / 64; h++) {
    const uint32_t words[4][4] = {{values[0][h].x, values[0][h].y, values[0][h].z, values[0][h].w},
                                  {values[1][h].x, values[1][h].y, values[1][h].z, values[1][h].w},
                                  {values[2][h].x, values[2][h].y, values[2][h].z, values[2][h].w},
                                  {values[3][h].x, values[3][h].y, values[3][h].z, values[3][h].w}};
#pragma unroll
    for (int e = 0; e < 8; e++) {
      const unsigned weave = e & 1 ? 0x7632 : 0x5410;
      const uint32_t b[2] = {__byte_perm(words[0][e / 2], words[1][e / 2], weave),
                             __byte_perm(words[2][e / 2], words[3][e / 2], weave)};
      multiply_add(H{}, r.values[h * 8 + e], probabilities, b);
    }
  }
}

/* Turns a tile's logits into probabilities relative to the running maximum, and brings what was summed up to
 * date. */
template <class H, int D>
MXI_DEVICE void softmax_step(float (&s)[2][4], struct running<D> &r, uint32_t (&probabilities)[4]) {
#pragma unroll
  for (int i = 0; i < 2; i++) {
    float top = of_quad_max(fmaxf(fmaxf(s[0][2 * i], s[0][2 * i + 1]), fmaxf(s[1][2 * i], s[1][2 * i + 1])));
    top = fmaxf(top, r.maximum[i]);
    float shift = shift_of(top), factor = exp2_fast(r.maximum[i] - shift), sum = 0;
#pragma unroll
    for (int n = 0; n < 2; n++)
#pragma unroll
      for (int c = 0; c < 2; c++) {
        s[n][2 * i + c] = exp2_fast(s[n][2 * i + c] - shift);
        sum += s[n][2 * i + c];
      }
    r.sum[i] = mxi_fma(r.sum[i], factor, sum); /* of this thread's columns */
    r.maximum[i] = top;
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      r.values[n][2 * i] *= factor;
      r.values[n][2 * i + 1] *= factor;
    }
  }
  probabilities[0] = mxi_pack<H>(s[0][0], s[0][1]);
  probabilities[1] = mxi_pack<H>(s[0][2], s[0][3]);
  probabilities[2] = mxi_pack<H>(s[1][0], s[1][1]);
  probabilities[3] = mxi_pack<H>(s[1][2], s[1][3]);
}

/* What the warps have, in shared memory. */
template <int D> struct joined {
  enum { STRIDE = D + 4 }; /* as mxi_attention_joined_stride: neighbouring rows in other banks */
  float maximum[WARPS][ROWS], sum[WARPS][ROWS];
  float values[WARPS][ROWS][STRIDE];
};

/* Leaves a warp's part of the rows that there are. A thread's columns are 16 neighbours of each 64. */
template <int D> MXI_DEVICE void leave_warp(struct joined<D> *all, int rows, const struct running<D> &r) {
  int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    int row = g + 8 * i;
    float sum = of_quad_sum(r.sum[i]);
    if (row >= rows) continue;
    if (t == 0) all->maximum[warp][row] = r.maximum[i], all->sum[warp][row] = sum;
    float4 *to = reinterpret_cast<float4 *>(all->values[warp][row]);
#pragma unroll
    for (int n = 0; n < D / 8; n += 4)
#pragma unroll
      for (int c = 0; c < 2; c++)
        to[n / 8 * 16 + t * 4 + n % 8 / 4 + c * 2] = {r.values[n][2 * i + c], r.values[n + 1][2 * i + c],
                                                      r.values[n + 2][2 * i + c], r.values[n + 3][2 * i + c]};
  }
}

/* Joins the warps' parts, 4 columns a thread, to the result or to the split's. */
template <class H, int D>
MXI_DEVICE void join_warps(const struct mxi_cuda_attention &p, const struct joined<D> *all, int64_t batch,
                           int64_t kv_head, int64_t first_row, int rows, int64_t split) {
  enum { FOURS = D / 4 };
  for (int i = threadIdx.x; i < rows * FOURS; i += THREADS) {
    int row = i / FOURS, four = i % FOURS;
    float top = MINUS_INFINITY, sum = 0;
    float4 value = {0, 0, 0, 0};
#pragma unroll
    for (int w = 0; w < WARPS; w++) top = fmaxf(top, all->maximum[w][row]);
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      float factor = exp2_fast(all->maximum[w][row] - shift_of(top));
      sum = mxi_fma(all->sum[w][row], factor, sum);
      value = add_scaled(value, reinterpret_cast<const float4 *>(all->values[w][row])[four], factor);
    }
    if (p.splits == 1) {
      struct row at = row_of(p, kv_head, first_row + row);
      store_four<H>(p, batch, at, four * 4, scaled(value, last_factor(p, at, top, sum)));
    } else {
      int64_t to = split * ROWS + row;
      reinterpret_cast<float4 *>(p.values)[to * FOURS + four] = value;
      if (four == 0) reinterpret_cast<float2 *>(p.sums)[to] = {top, sum};
    }
  }
}

template <class H, int D> MXI_DEVICE void attend_rows(const struct mxi_cuda_attention &p) {
  MXI_DYNAMIC_SHARED(struct joined<D>, all);
  int split = blockIdx.x % p.splits;
  int64_t item = blockIdx.x / p.splits, first_row = item % p.row_tiles * ROWS, of_head = item / p.row_tiles;
  int64_t batch = of_head / p.kv_heads, kv_head = of_head % p.kv_heads;
  int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const struct row rows[2] = {row_of(p, kv_head, first_row + g), row_of(p, kv_head, first_row + g + 8)};
  const float scale = static_cast<float>(p.scale * LOG2E);

  mxi_grid_wait();
  uint32_t q[D / 16][4];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const H *from = static_cast<const H *>(p.q) + batch * p.q_strides[0] + rows[i].head * p.q_strides[1] +
                    rows[i].query * p.q_strides[2] + t * 8;
#pragma unroll
    for (int j = 0; j < D / 32; j++) {
      uint4 x = *reinterpret_cast<const uint4 *>(from + j * 32);
      q[2 * j][i] = x.x, q[2 * j][2 + i] = x.y, q[2 * j + 1][i] = x.z, q[2 * j + 1][2 + i] = x.w;
    }
  }

  struct running<D> r;
  r.maximum[0] = r.maximum[1] = MINUS_INFINITY;
  r.sum[0] = r.sum[1] = 0;
#pragma unroll
  for (int n = 0; n < D / 8; n++) r.values[n][0] = r.values[n][1] = r.values[n][2] = r.values[n][3] = 0;

  const H *k = static_cast<const H *>(p.k) + batch * p.k_strides[0] + kv_head * p.k_strides[1];
  const H *v = static_cast<const H *>(p.v) + batch * p.v_strides[0] + kv_head * p.v_strides[1];
  int64_t begin = split * p.split_keys, end = begin + p.split_keys < p.keys ? begin + p.split_keys : p.keys;
  int64_t seen = end_of(p, seen_by(p, first_row, ROWS));
  if (seen < end) end = seen;
  int64_t first = begin + warp * KEYS;
  if (first < end) {
    uint4 keys[2][D / 32];
    load_keys<H, D>(p, k, first, g, t, keys);
    for (; first < end; first += WARPS * KEYS) {
      uint4 values[4][D / 64];
      load_values<H, D>(p, v, first, g, t, values);
      float s[2][4];
      logits_of_tile<H, D>(q, keys, s);
      if (first + WARPS * KEYS < end) load_keys<H, D>(p, k, first + WARPS * KEYS, g, t, keys);
#pragma unroll
      for (int n = 0; n < 2; n++)
#pragma unroll
        for (int c = 0; c < 4; c++)
          s[n][c] = logit_of(p, s[n][c], scale, batch, rows[c / 2], first + n * 8 + t * 2 + c % 2);
      uint32_t probabilities[4];
      softmax_step<H, D>(s, r, probabilities);
      add_values<H, D>(probabilities, values, r);
    }
  }

  mxi_grid_launch_dependents();
  int64_t left = static_cast<int64_t>(p.heads / p.kv_heads) * p.queries - first_row;
  int of_tile = left < ROWS ? static_cast<int>(left) : ROWS;
  leave_warp<D>(all, of_tile, r);
  __syncthreads();
  join_warps<H, D>(p, all, batch, kv_head, first_row, of_tile, item * p.splits + split);
  if (p.splits == 1 || !is_last_of(p, item)) return;
  join_splits<H, D, ROWS>(p, item, batch, kv_head, first_row, of_tile, reinterpret_cast<float *>(all));
}

/* ---- Plain arithmetic: a block has one row ---- */
template <class T> struct accumulator { using type = float; };
template <> struct accumulator<double> { using type = double; };
MXI_DEVICE double widen(double x) { return x; }
template <class T> MXI_DEVICE float widen(T x) { return mxi_to_float(x); }
MXI_DEVICE void narrow(double *to, double x) { *to = x; }
template <class T> MXI_DEVICE void narrow(T *to, float x) { *to = mxi_of_float<T>(x); }
MXI_DEVICE float exponential(float x) { return mxi_exp(x); }
MXI_DEVICE double exponential(double x) { return mxi_exp(x); }

/* Shared: the query, the values so far, and the logits of a round of keys, one a thread. */
template <class T> MXI_DEVICE void attend_any(const struct mxi_cuda_attention &p) {
  using A = typename accumulator<T>::type;
  MXI_DYNAMIC_SHARED(A, q);
  A *values = q + p.width, *logits = values + p.value_width;
  const A infinity = static_cast<A>(__int_as_float(0x7f800000)),
          lowest = sizeof(A) == 8 ? static_cast<A>(-1.7976931348623157e308) : LOWEST;
  int64_t query = blockIdx.x % p.queries, head = blockIdx.x / p.queries % p.heads,
          batch = blockIdx.x / p.queries / p.heads;
  int64_t kv_head = head / (p.heads / p.kv_heads);
  const T *from =
      static_cast<const T *>(p.q) + batch * p.q_strides[0] + head * p.q_strides[1] + query * p.q_strides[2];
  const T *k = static_cast<const T *>(p.k) + batch * p.k_strides[0] + kv_head * p.k_strides[1];
  const T *v = static_cast<const T *>(p.v) + batch * p.v_strides[0] + kv_head * p.v_strides[1];
  for (int d = threadIdx.x; d < p.width; d += THREADS) q[d] = widen(from[d]) * static_cast<A>(p.scale);
  for (int d = threadIdx.x; d < p.value_width; d += THREADS) values[d] = 0;
  A maximum = -infinity, sum = 0;
  __syncthreads();
  for (int64_t first = 0; first < p.keys; first += THREADS) {
    int64_t key = first + threadIdx.x;
    A logit = -infinity;
    if (key < p.keys) {
      bool hidden = p.causal && key > query + p.keys - p.queries;
      logit = 0;
      const T *row = k + key * p.k_strides[2];
      for (int d = 0; d < p.width; d++) logit = mxi_fma(q[d], static_cast<A>(widen(row[d])), logit);
      if (p.mask)
        logit += static_cast<A>(mask_of(p,
                                        batch * p.mask_strides[0] + head * p.mask_strides[1] +
                                            query * p.mask_strides[2] + key * p.mask_strides[3],
                                        &hidden));
      if (hidden) logit = lowest;
    }
    logits[threadIdx.x] = logit;
    __syncthreads();
    A top = maximum;
    int n = p.keys - first < THREADS ? static_cast<int>(p.keys - first) : THREADS;
    for (int i = 0; i < n; i++) top = logits[i] > top ? logits[i] : top;
    A shift = top == -infinity ? 0 : top, factor = exponential(maximum - shift), added = 0;
    __syncthreads();
    logits[threadIdx.x] = exponential(logit - shift);
    __syncthreads();
    for (int i = 0; i < n; i++) added += logits[i];
    sum = mxi_fma(sum, factor, added);
    maximum = top;
    for (int d = threadIdx.x; d < p.value_width; d += THREADS) {
      A value = values[d] * factor;
      for (int i = 0; i < n; i++)
        value = mxi_fma(logits[i], static_cast<A>(widen(v[(first + i) * p.v_strides[2] + d])), value);
      values[d] = value;
    }
    __syncthreads();
  }
  A last = 1;
  if (p.sinks) {
    A sink = p.sinks[head], top = sink > maximum ? sink : maximum;
    last = exponential(maximum - top);
    sum = mxi_fma(sum, last, exponential(sink - top));
  }
  T *to =
      static_cast<T *>(p.out) + batch * p.out_strides[0] + head * p.out_strides[1] + query * p.out_strides[2];
  for (int d = threadIdx.x; d < p.value_width; d += THREADS) narrow(&to[d], values[d] * last / sum);
}

} // namespace

MXI_KERNEL(attention_rows_64_bfloat16, mxi_cuda_attention, MXI_ATTENTION_THREADS) {
  attend_rows<mxi_bf16, 64>(p);
}
MXI_KERNEL(attention_rows_64_float16, mxi_cuda_attention, MXI_ATTENTION_THREADS) {
  attend_rows<mxi_f16, 64>(p);
}
MXI_KERNEL(attention_rows_128_bfloat16, mxi_cuda_attention, MXI_ATTENTION_THREADS) {
  attend_rows<mxi_bf16, 128>(p);
}
MXI_KERNEL(attention_rows_128_float16, mxi_cuda_attention, MXI_ATTENTION_THREADS) {
  attend_rows<mxi_f16, 128>(p);
}
MXI_KERNEL(attention_any_float16, mxi_cuda_attention, MXI_ATTENTION_THREADS) { attend_any<mxi_f16>(p); }
MXI_KERNEL(attention_any_bfloat16, mxi_cuda_attention, MXI_ATTENTION_THREADS) { attend_any<mxi_bf16>(p); }
MXI_KERNEL(attention_any_float32, mxi_cuda_attention, MXI_ATTENTION_THREADS) { attend_any<float>(p); }
MXI_KERNEL(attention_any_float64, mxi_cuda_attention, MXI_ATTENTION_THREADS) { attend_any<double>(p); }
