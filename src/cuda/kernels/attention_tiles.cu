/* Attention of many float16 or bfloat16 rows (Dao, "FlashAttention-2", 2023): a block has 64 or 128 rows of a
   key head, a warp 16 or 32 of them, and walks along the keys in tiles of 64, which are in shared memory for
   all its warps. A row's logits, and what it has summed, stay in the registers of the four threads that have
   it.

     K(0) arrives
     for each tile: V(i) begins to arrive    S = Q K(i)'
                    K(i + 1) begins          P = 2^(S - maximum), sums are brought up to it; O += P V(i)

   Tiles whose keys all rows see are spared any comparison, those that no row sees are left out. Where there
   is a mask, or a row may see no key (which then sees all alike), the masked kernels serve: a tile of the
   mask is brought to shared memory with V, in base 2.

   m16n8k16: thread = 4 * g + t (g < 8, t < 4) has rows g and g + 8 of A and C, column g of B; of A's and B's
   inner axis the elements 2t, 2t + 1, 2t + 8, 2t + 9; of C the columns 2t, 2t + 1. So C of S is A of P V. */
#include "cuda/kernels/attention.cuh"

namespace {

enum {
  WARPS = MXI_ATTENTION_TILE_WARPS,
  THREADS = MXI_ATTENTION_TILE_THREADS,
  KEYS = MXI_ATTENTION_TILE_KEYS,
  MASK_STRIDE = MXI_ATTENTION_MASK_STRIDE
};

/* A block's shared memory. */
template <class H, int D> struct tile_memory {
  H *q, *k, *v;                     /* (ROWS, STRIDE), (KEYS, STRIDE) */
  int64_t *q_at, *out_at, *mask_at; /* (ROWS): offsets of a row's elements; out_at -1: it isn't stored */
  int *last;                        /* (ROWS): the last key that it sees */
  float *mask;                      /* (ROWS, MASK_STRIDE), in base 2 */
  enum { ROWS = WARPS * (D <= 128 ? 32 : 16), STRIDE = D + 8, M = ROWS / WARPS / 16 };
};
template <class H, int D> MXI_DEVICE struct tile_memory<H, D> divide(unsigned char *bytes) {
  using memory = struct tile_memory<H, D>;
  memory m;
  m.q = reinterpret_cast<H *>(bytes);
  m.k = m.q + memory::ROWS * memory::STRIDE;
  m.v = m.k + KEYS * memory::STRIDE;
  m.q_at = reinterpret_cast<int64_t *>(m.v + KEYS * memory::STRIDE);
  m.out_at = m.q_at + memory::ROWS;
  m.mask_at = m.out_at + memory::ROWS;
  m.last = reinterpret_cast<int *>(m.mask_at + memory::ROWS);
  m.mask = reinterpret_cast<float *>(m.last + memory::ROWS);
  return m;
}

/* Where the block's rows are: a division each. */
template <class H, int D>
MXI_DEVICE void find_rows(const struct mxi_cuda_attention &p, const struct tile_memory<H, D> &m,
                          int64_t batch, int64_t kv_head, int64_t first_row) {
  for (int i = threadIdx.x; i < tile_memory<H, D>::ROWS; i += THREADS) {
    struct row r = row_of(p, kv_head, first_row + i);
    m.q_at[i] = batch * p.q_strides[0] + r.head * p.q_strides[1] + r.query * p.q_strides[2];
    m.out_at[i] =
        r.is_real ? batch * p.out_strides[0] + r.head * p.out_strides[1] + r.query * p.out_strides[2] : -1;
    m.mask_at[i] = batch * p.mask_strides[0] + r.head * p.mask_strides[1] + r.query * p.mask_strides[2];
    m.last[i] = static_cast<int>(p.causal ? r.query + p.keys - p.queries : p.keys - 1);
  }
}

/* ---- Into shared memory ---- */
template <class H, int D> MXI_DEVICE void copy_queries(const H *q, const struct tile_memory<H, D> &m) {
  enum { CHUNKS = D / 8 };
  for (int i = threadIdx.x; i < tile_memory<H, D>::ROWS * CHUNKS; i += THREADS) {
    int row = i / CHUNKS, chunk = i % CHUNKS;
    mxi_copy_async<16>(m.q + row * tile_memory<H, D>::STRIDE + chunk * 8, q + m.q_at[row] + chunk * 8);
  }
}
/* 64 rows from `first`; zeros beyond the last. A thread has one chunk of every so many rows. */
template <class H, int D>
MXI_DEVICE void copy_tile(H *to, const H *from, int64_t stride, int first, int keys) {
  enum { CHUNKS = D / 8, AT_ONCE = THREADS / CHUNKS, STRIDE = D + 8 };
  int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
  int n = keys - first < KEYS ? keys - first : KEYS;
  from += static_cast<int64_t>(first + row) * stride + chunk * 8;
  to += row * STRIDE + chunk * 8;
  if (row >= AT_ONCE) return;
#pragma unroll 4
  for (; row < KEYS; row += AT_ONCE) {
    mxi_copy_async<16>(to, from, row < n ? 16 : 0);
    to += AT_ONCE * STRIDE, from += AT_ONCE * stride;
  }
}
/* The mask of the tile's keys, as far as there are any. */
template <class H, int D>
MXI_DEVICE void copy_mask(const struct mxi_cuda_attention &p, const struct tile_memory<H, D> &m, int first) {
  int column = threadIdx.x % KEYS;
  if (first + column >= p.keys) return;
  for (int row = threadIdx.x / KEYS; row < tile_memory<H, D>::ROWS; row += THREADS / KEYS)
    m.mask[row * MASK_STRIDE + column] =
        mask_in_base_2(p, m.mask_at[row] + (first + column) * p.mask_strides[3]);
}

/* ---- Products ---- */
/* S[m][n]: rows 16 m, keys 8 n. */
template <class H, int D, int M>
MXI_DEVICE void multiply_keys(const H *q, const H *k, float (&s)[M][KEYS / 8][4]) {
  enum { STRIDE = D + 8 };
  int lane = threadIdx.x % 32;
  const H *q_row = q + lane % 16 * STRIDE + lane / 16 * 8;
  const H *k_row = k + (lane / 16 * 8 + lane % 8) * STRIDE + lane / 8 % 2 * 8;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) s[m][n][0] = s[m][n][1] = s[m][n][2] = s[m][n][3] = 0;
#pragma unroll 2 /* more, and registers don't suffice for width 128 */
  for (int j = 0; j < D / 16; j++) {
    uint32_t a[M][4];
#pragma unroll
    for (int m = 0; m < M; m++) mxi_ldmatrix_x4(a[m], q_row + m * 16 * STRIDE + j * 16);
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
      uint32_t b[4];
      mxi_ldmatrix_x4(b, k_row + n * 16 * STRIDE + j * 16);
      const uint32_t low[2] = {b[0], b[1]}, high[2] = {b[2], b[3]};
#pragma unroll
      for (int m = 0; m < M; m++) {
        multiply_add(H{}, s[m][2 * n], a[m], low);
        multiply_add(H{}, s[m][2 * n + 1], a[m], high);
      }
    }
  }
}

/* O[m][n] += P V: rows 16 m, columns 8 n; P is in the place of S. */
template <class H, int D, int M>
MXI_DEVICE void multiply_values(const float (&s)[M][KEYS / 8][4], const H *v, float (&out)[M][D / 8][4]) {
  enum { STRIDE = D + 8 };
  int lane = threadIdx.x % 32;
  const H *v_row = v + (lane / 8 % 2 * 8 + lane % 8) * STRIDE + lane / 16 * 8;
#pragma unroll
  for (int j = 0; j < KEYS / 16; j++) {
    uint32_t a[M][4];
#pragma unroll
    for (int m = 0; m < M; m++) {
      a[m][0] = mxi_pack<H>(s[m][2 * j][0], s[m][2 * j][1]);
      a[m][1] = mxi_pack<H>(s[m][2 * j][2], s[m][2 * j][3]);
      a[m][2] = mxi_pack<H>(s[m][2 * j + 1][0], s[m][2 * j + 1][1]);
      a[m][3] = mxi_pack<H>(s[m][2 * j + 1][2], s[m][2 * j + 1][3]);
    }
#pragma unroll
    for (int n = 0; n < D / 16; n++) {
      uint32_t b[4];
      mxi_ldmatrix_x4_trans(b, v_row + j * 16 * STRIDE + n * 16);
      const uint32_t low[2] = {b[0], b[1]}, high[2] = {b[2], b[3]};
#pragma unroll
      for (int m = 0; m < M; m++) {
        multiply_add(H{}, out[m][2 * n], a[m], low);
        multiply_add(H{}, out[m][2 * n + 1], a[m], high);
      }
    }
  }
}

/* ---- Softmax ---- */
/* What a thread's rows have so far: rows 16 m + g (0) and 16 m + g + 8 (1). */
template <int D, int M> struct tile_sums {
  float maximum[M][2], sum[M][2]; /* in base 2; the sum is of this thread's columns */
  float values[M][D / 8][4];
};

/* Keys that a row doesn't see, or beyond the last, are left out; each row sees some key. */
template <class H, int D, int M>
MXI_DEVICE void leave_out(const struct tile_memory<H, D> &memory, int warp_row, int first,
                          float (&s)[M][KEYS / 8][4]) {
  int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int seen = memory.last[warp_row + m * 16 + i * 8 + g] - first - 2 * t;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
        for (int c = 0; c < 2; c++)
          if (n * 8 + c > seen) s[m][n][2 * i + c] = MINUS_INFINITY;
    }
}

/* Products to logits, with all that can become of them. */
template <class H, int D, int M>
MXI_DEVICE void mask_tile(const struct mxi_cuda_attention &p, const struct tile_memory<H, D> &memory,
                          int warp_row, int first, float scale, float (&s)[M][KEYS / 8][4]) {
  int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, keys = static_cast<int>(p.keys) - first - 2 * t;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int row = warp_row + m * 16 + i * 8 + g, seen = memory.last[row] - first - 2 * t;
      const float *mask = memory.mask + row * MASK_STRIDE + 2 * t;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
        for (int c = 0; c < 2; c++) {
          float logit = s[m][n][2 * i + c] * scale;
          if (p.mask) logit = masked_logit(logit, mask[n * 8 + c]);
          s[m][n][2 * i + c] = n * 8 + c >= keys ? MINUS_INFINITY : n * 8 + c > seen ? LOWEST : logit;
        }
    }
}

/* S to P relative to the running maximum, and what was summed up to date with it. A logit is unit * s. */
template <int D, int M>
MXI_DEVICE void softmax_tile(float (&s)[M][KEYS / 8][4], float unit, struct tile_sums<D, M> &r) {
  float factor[M][2];
  bool changed = false;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float top = MINUS_INFINITY, sum = 0;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++) top = fmaxf(top, fmaxf(s[m][n][2 * i], s[m][n][2 * i + 1]));
      top = fmaxf(of_quad_max(top) * unit, r.maximum[m][i]);
      float shift = shift_of(top);
      factor[m][i] = exp2_fast(r.maximum[m][i] - shift);
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
        for (int c = 0; c < 2; c++) {
          s[m][n][2 * i + c] = exp2_fast(mxi_fma(s[m][n][2 * i + c], unit, -shift));
          sum += s[m][n][2 * i + c];
        }
      r.sum[m][i] = mxi_fma(r.sum[m][i], factor[m][i], sum);
      r.maximum[m][i] = top;
      changed |= factor[m][i] != 1;
    }
  if (!__any_sync(~0u, changed)) return;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int n = 0; n < D / 8; n++)
#pragma unroll
      for (int c = 0; c < 4; c++) r.values[m][n][c] *= factor[m][c / 2];
}

/* ---- The end ---- */
/* What a split of the keys has of the rows that there are. */
template <int D, int M>
MXI_DEVICE void leave_rows(const struct mxi_cuda_attention &p, int64_t at, int rows,
                           const struct tile_sums<D, M> &r) {
  int warp_row = threadIdx.x / 32 * M * 16, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int row = warp_row + m * 16 + i * 8 + g;
      float sum = of_quad_sum(r.sum[m][i]);
      if (row >= rows) continue;
      float2 *to = reinterpret_cast<float2 *>(p.values + (at + row) * D) + t;
#pragma unroll
      for (int n = 0; n < D / 8; n++) to[n * 4] = {r.values[m][n][2 * i], r.values[m][n][2 * i + 1]};
      if (t == 0) reinterpret_cast<float2 *>(p.sums)[at + row] = {r.maximum[m][i], sum};
    }
}

/* By way of the warp's rows of q, to write 16 bytes at once. */
template <class H, int D, int M>
MXI_DEVICE void store_rows(const struct mxi_cuda_attention &p, const struct tile_memory<H, D> &memory,
                           int64_t kv_head, int64_t first_row, struct tile_sums<D, M> &r) {
  enum { CHUNKS = D / 8, STRIDE = D + 8 };
  int warp_row = threadIdx.x / 32 * M * 16, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int row = warp_row + m * 16 + i * 8 + g;
      float factor =
          last_factor(p, row_of(p, kv_head, first_row + row), r.maximum[m][i], of_quad_sum(r.sum[m][i]));
      uint32_t *to = reinterpret_cast<uint32_t *>(memory.q + row * STRIDE + 2 * t);
#pragma unroll
      for (int n = 0; n < D / 8; n++)
        to[n * 4] = mxi_pack<H>(r.values[m][n][2 * i] * factor, r.values[m][n][2 * i + 1] * factor);
    }
  __syncwarp();
  for (int i = lane; i < M * 16 * CHUNKS; i += 32) {
    int row = warp_row + i / CHUNKS, chunk = i % CHUNKS;
    if (memory.out_at[row] >= 0)
      *reinterpret_cast<uint4 *>(static_cast<H *>(p.out) + memory.out_at[row] + chunk * 8) =
          *reinterpret_cast<const uint4 *>(memory.q + row * STRIDE + chunk * 8);
  }
}

/* What a block does. Those that see most keys begin first. */
struct tile_block {
  int64_t item, split, batch, kv_head, first_row;
  int rows; /* that there are, of its tile's */
};
template <int ROWS, bool GENERAL> MXI_DEVICE struct tile_block block_of(const struct mxi_cuda_attention &p) {
  struct tile_block b;
  b.item = GENERAL ? blockIdx.x / p.splits : blockIdx.x;
  b.split = GENERAL ? blockIdx.x % p.splits : 0;
  b.first_row = (p.row_tiles - 1 - b.item % p.row_tiles) * ROWS;
  b.batch = b.item / p.row_tiles / p.kv_heads;
  b.kv_head = b.item / p.row_tiles % p.kv_heads;
  int64_t left = static_cast<int64_t>(p.heads / p.kv_heads) * p.queries - b.first_row;
  b.rows = left < ROWS ? static_cast<int>(left) : ROWS;
  return b;
}

template <class H, int D, bool GENERAL> MXI_DEVICE void attend_tiles(const struct mxi_cuda_attention &p) {
  enum { M = tile_memory<H, D>::M, STRIDE = tile_memory<H, D>::STRIDE, ROWS = tile_memory<H, D>::ROWS };
  MXI_DYNAMIC_SHARED(unsigned char, bytes);
  const struct tile_memory<H, D> memory = divide<H, D>(bytes);
  const struct tile_block at = block_of<ROWS, GENERAL>(p);
  const int warp_row = threadIdx.x / 32 * M * 16;
  const H *q = static_cast<const H *>(p.q);
  const H *k = static_cast<const H *>(p.k) + at.batch * p.k_strides[0] + at.kv_head * p.k_strides[1];
  const H *v = static_cast<const H *>(p.v) + at.batch * p.v_strides[0] + at.kv_head * p.v_strides[1];
  const float scale = static_cast<float>(p.scale * LOG2E);
  const struct seen_keys seen = seen_by(p, at.first_row, ROWS);
  const int keys = static_cast<int>(p.keys), all_see = static_cast<int>(seen.least) + 1;
  const int begin = GENERAL ? static_cast<int>(at.split * p.split_keys) : 0;
  int end = static_cast<int>(end_of(p, seen));
  if (GENERAL && end - begin > p.split_keys) end = begin + static_cast<int>(p.split_keys);

  find_rows(p, memory, at.batch, at.kv_head, at.first_row);
  __syncthreads();
  mxi_grid_wait();
  copy_queries(q, memory);
  copy_tile<H, D>(memory.k, k, p.k_strides[2], begin, keys);
  mxi_copy_async_commit();

  struct tile_sums<D, M> r;
#pragma unroll
  for (int m = 0; m < M; m++) {
    r.maximum[m][0] = r.maximum[m][1] = MINUS_INFINITY;
    r.sum[m][0] = r.sum[m][1] = 0;
#pragma unroll
    for (int n = 0; n < D / 8; n++)
      r.values[m][n][0] = r.values[m][n][1] = r.values[m][n][2] = r.values[m][n][3] = 0;
  }
  /* warps without rows bring keys and values, but have no use for them */
  const bool has_rows = !GENERAL || warp_row < at.rows;
  for (int first = begin; first < end; first += KEYS) {
    float s[M][KEYS / 8][4];
    mxi_copy_async_wait<0>();
    __syncthreads(); /* K is there, and V read */
    copy_tile<H, D>(memory.v, v, p.v_strides[2], first, keys);
    mxi_copy_async_commit();
    if (GENERAL && p.mask) copy_mask(p, memory, first);
    if (has_rows) multiply_keys<H, D, M>(memory.q + warp_row * STRIDE, memory.k, s);
    mxi_copy_async_wait<0>();
    __syncthreads(); /* V is there, and K read */
    if (first + KEYS < end) {
      copy_tile<H, D>(memory.k, k, p.k_strides[2], first + KEYS, keys);
      mxi_copy_async_commit();
    }
    if (!has_rows) continue;
    if (GENERAL)
      mask_tile<H, D, M>(p, memory, warp_row, first, scale, s);
    else if (first + KEYS > all_see)
      leave_out<H, D, M>(memory, warp_row, first, s);
    softmax_tile<D, M>(s, GENERAL ? 1 : scale, r);
    multiply_values<H, D, M>(s, memory.v, r.values);
  }
  mxi_grid_launch_dependents();
  mxi_copy_async_wait<0>(); /* a split of keys that no row sees has copies under way */
  const struct tile_block b = block_of<ROWS, GENERAL>(p); /* again, not kept in registers */
  if (!GENERAL || p.splits == 1) {
    if (has_rows) store_rows<H, D, M>(p, memory, b.kv_head, b.first_row, r);
    return;
  }
  leave_rows<D, M>(p, (b.item * p.splits + b.split) * ROWS, b.rows, r);
  if (is_last_of(p, b.item))
    join_splits<H, D, ROWS>(p, b.item, b.batch, b.kv_head, b.first_row, b.rows,
                            reinterpret_cast<float *>(bytes));
}

} // namespace

#define ATTENTION_TILES(WIDTH)                                                                             \
  MXI_KERNEL(attention_tiles_##WIDTH##_float16, mxi_cuda_attention, MXI_ATTENTION_TILE_THREADS) {          \
    attend_tiles<mxi_f16, WIDTH, false>(p);                                                                \
  }                                                                                                        \
  MXI_KERNEL(attention_tiles_##WIDTH##_bfloat16, mxi_cuda_attention, MXI_ATTENTION_TILE_THREADS) {         \
    attend_tiles<mxi_bf16, WIDTH, false>(p);                                                               \
  }                                                                                                        \
  MXI_KERNEL(attention_general_tiles_##WIDTH##_float16, mxi_cuda_attention, MXI_ATTENTION_TILE_THREADS) {  \
    attend_tiles<mxi_f16, WIDTH, true>(p);                                                                 \
  }                                                                                                        \
  MXI_KERNEL(attention_general_tiles_##WIDTH##_bfloat16, mxi_cuda_attention, MXI_ATTENTION_TILE_THREADS) { \
    attend_tiles<mxi_bf16, WIDTH, true>(p);                                                                \
  }
ATTENTION_TILES(64)
ATTENTION_TILES(80)
ATTENTION_TILES(96)
ATTENTION_TILES(128)
ATTENTION_TILES(256)
