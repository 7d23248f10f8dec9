/* Scaled dot-product attention with a running maximum and sum (Milakov and Gimelshein, "Online normalizer
   calculation for softmax", 2018; Dao et al., "FlashAttention", 2022). Logits are scale * q . k, plus an
   additive mask; what a boolean mask or causality hides has the lowest finite logit. A sink is one more logit
   of its head, without a value. */
#ifndef MXI_CUDA_KERNELS_ATTENTION_H
#define MXI_CUDA_KERNELS_ATTENTION_H
#include "cuda/kernels/plain.h"

/* The rows of a key head are the heads of its group times the queries: row = head in group * queries + query.
 */
enum {
  MXI_ATTENTION_ROWS = 16, /* of a block */
  MXI_ATTENTION_WARPS = 4, /* of a block; they take turns at tiles of keys */
  MXI_ATTENTION_KEYS = 16, /* of a tile */
  MXI_ATTENTION_THREADS = 128
};

/* Values of a row, from one to the next, where warps' results are joined. */
static inline int mxi_attention_joined_stride(int width) { return width + 4; }
static inline int mxi_attention_rows_bytes(int width) {
  return MXI_ATTENTION_WARPS * MXI_ATTENTION_ROWS * (2 + mxi_attention_joined_stride(width)) * 4;
}
/* Keys are split between so many blocks at most: their factors, of 16 rows, have to lie in shared memory. */
enum { MXI_ATTENTION_MOST_SPLITS = 256 };

/* Of the kernels that have tiles of K and V in shared memory, of which all warps' rows make use. */
enum { MXI_ATTENTION_TILE_WARPS = 4, MXI_ATTENTION_TILE_THREADS = 128, MXI_ATTENTION_TILE_KEYS = 64 };
/* Rows of a block: two times 16 a warp where registers suffice. */
static inline int mxi_attention_tile_rows(int width) {
  return MXI_ATTENTION_TILE_WARPS * (width <= 128 ? 32 : 16);
}
/* 16 bytes more than a row has: 8 rows lie in 8 different groups of banks. */
static inline int mxi_attention_tile_stride(int width) { return width + 8; }
/* From one row of the mask's tile to the next. */
enum { MXI_ATTENTION_MASK_STRIDE = MXI_ATTENTION_TILE_KEYS + 8 };
/* Shared memory: rows of q, tiles of k and v, for each row three offsets and a position, a tile of the mask.
 */
static inline int mxi_attention_tile_bytes(int width, int masked) {
  int rows = mxi_attention_tile_rows(width);
  return (rows + 2 * MXI_ATTENTION_TILE_KEYS) * mxi_attention_tile_stride(width) * 2 + rows * (3 * 8 + 4) +
         (masked ? rows * MXI_ATTENTION_MASK_STRIDE * 4 : 0);
}

/* Strides in elements; the last axes of q, k, v and out are contiguous. */
struct mxi_cuda_attention {
  const void *q, *k, *v; /* (batch, heads, queries, width), (batch, kv_heads, keys, width | value_width) */
  void *out;             /* (batch, heads, queries, value_width) */
  const void *mask;      /* (batch, heads, queries, keys), or NULL */
  const float *sinks;    /* (heads), or NULL */
  int64_t q_strides[3], k_strides[3], v_strides[3], out_strides[3], mask_strides[4];
  int64_t queries, keys;
  int32_t heads, kv_heads, width, value_width;
  int32_t mask_type; /* an mxi_attention_mask */
  int32_t causal;    /* query i sees the keys j <= i + keys - queries */
  double scale;
  int32_t row_tiles; /* of a key head */
  /* where keys are split between blocks: */
  int32_t splits;
  int64_t split_keys; /* of a split, a multiple of all warps' tiles */
  float *values;      /* (batch * kv_heads, row_tiles, splits, rows of a tile, width) */
  float *sums;        /* the same, 2: maximum, sum */
  uint32_t *finished; /* (batch * kv_heads, row_tiles): splits that are done; 0 before and after */
};
enum mxi_attention_mask {
  MXI_ATTENTION_NO_MASK,
  MXI_ATTENTION_BOOL,
  MXI_ATTENTION_FLOAT16,
  MXI_ATTENTION_BFLOAT16,
  MXI_ATTENTION_FLOAT32,
  MXI_ATTENTION_FLOAT64
};
#endif
