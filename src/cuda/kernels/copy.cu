/* Copies between layouts: elements are words, whatever they mean.

   copy_words    a word after the other in the order of the destination
   copy_repeat   the same where `from` repeats along the innermost dim: words of 16 bytes, of one element each
   slice_from, slice_to   the same where a slice starts at an origin that is in memory
   transpose     by tiles: read along the rows of `from`, written along those of `to`
   transpose_packed   the same of elements of 1 and 2 bytes, 4 bytes of them at a time on both sides */
#include "cuda/kernels/copy.h"
#include "cuda/kernels/index.cuh"
#include "cuda/kernels/region.cuh"
#include "cuda/kernels/words.cuh"

enum { THREADS = MXI_CUDA_COPY_THREADS, EACH = MXI_CUDA_COPY_EACH };

/* All of a thread's loads come before its stores, so that they are in flight together. */
template <int EACH, class TO, class FROM, class MAKE>
MXI_DEVICE void copy_region(const mxi_cuda_copy &p, TO *to, const FROM *from, MAKE make) {
  uint32_t first = blockIdx.x * (THREADS * EACH) + threadIdx.x;
  FROM value[EACH];
  int64_t offset[EACH][2];
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = first + j * THREADS;
    if (i >= p.region.size) break;
    offset[j][0] = offset[j][1] = 0;
    mxi_region_offsets(p.region, i, offset[j]);
    value[j] = from[offset[j][1]];
  }
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (first + j * THREADS < p.region.size) to[offset[j][0]] = make(value[j]);
}
template <class T> MXI_DEVICE T itself(T x) { return x; }
template <int BYTES> MXI_DEVICE void copy_words(const mxi_cuda_copy &p) {
  typedef mxi_word<BYTES> word;
  copy_region<EACH>(p, reinterpret_cast<word *>(p.to), reinterpret_cast<const word *>(p.from), itself<word>);
}
template <int BYTES> MXI_DEVICE void slice_from(const mxi_cuda_slice &p) {
  typedef mxi_word<BYTES> word;
  const word *from = reinterpret_cast<const word *>(p.copy.from) + mxi_origin_offset(p.origin);
  copy_region<MXI_CUDA_SLICE_EACH>(p.copy, reinterpret_cast<word *>(p.copy.to), from, itself<word>);
}
template <int BYTES> MXI_DEVICE void slice_to(const mxi_cuda_slice &p) {
  typedef mxi_word<BYTES> word;
  word *to = reinterpret_cast<word *>(p.copy.to) + mxi_origin_offset(p.origin);
  copy_region<MXI_CUDA_SLICE_EACH>(p.copy, to, reinterpret_cast<const word *>(p.copy.from), itself<word>);
}
template <int BYTES> MXI_DEVICE void copy_repeat(const mxi_cuda_copy &p) {
  typedef mxi_word<BYTES> word;
  copy_region<EACH>(p, reinterpret_cast<mxi_word16 *>(p.to), reinterpret_cast<const word *>(p.from),
                    [](word x) { return mxi_repeat(x); });
}
MXI_KERNEL(copy_words_1, mxi_cuda_copy, THREADS) { copy_words<1>(p); }
MXI_KERNEL(copy_words_2, mxi_cuda_copy, THREADS) { copy_words<2>(p); }
MXI_KERNEL(copy_words_4, mxi_cuda_copy, THREADS) { copy_words<4>(p); }
MXI_KERNEL(copy_words_8, mxi_cuda_copy, THREADS) { copy_words<8>(p); }
MXI_KERNEL(copy_words_16, mxi_cuda_copy, THREADS) { copy_words<16>(p); }
MXI_KERNEL(copy_repeat_1, mxi_cuda_copy, THREADS) { copy_repeat<1>(p); }
MXI_KERNEL(copy_repeat_2, mxi_cuda_copy, THREADS) { copy_repeat<2>(p); }
MXI_KERNEL(copy_repeat_4, mxi_cuda_copy, THREADS) { copy_repeat<4>(p); }
MXI_KERNEL(copy_repeat_8, mxi_cuda_copy, THREADS) { copy_repeat<8>(p); }
MXI_KERNEL(slice_from_1, mxi_cuda_slice, THREADS) { slice_from<1>(p); }
MXI_KERNEL(slice_from_2, mxi_cuda_slice, THREADS) { slice_from<2>(p); }
MXI_KERNEL(slice_from_4, mxi_cuda_slice, THREADS) { slice_from<4>(p); }
MXI_KERNEL(slice_from_8, mxi_cuda_slice, THREADS) { slice_from<8>(p); }
MXI_KERNEL(slice_from_16, mxi_cuda_slice, THREADS) { slice_from<16>(p); }
MXI_KERNEL(slice_to_1, mxi_cuda_slice, THREADS) { slice_to<1>(p); }
MXI_KERNEL(slice_to_2, mxi_cuda_slice, THREADS) { slice_to<2>(p); }
MXI_KERNEL(slice_to_4, mxi_cuda_slice, THREADS) { slice_to<4>(p); }
MXI_KERNEL(slice_to_8, mxi_cuda_slice, THREADS) { slice_to<8>(p); }
MXI_KERNEL(slice_to_16, mxi_cuda_slice, THREADS) { slice_to<16>(p); }

/* ---- Transposes ---- Tile (columns, rows) in shared memory, its rows one word further apart, so that
   neither side meets its banks twice. Words of less than 4 bytes have 4 there. ---- */
template <int BYTES> MXI_DEVICE void transpose(const mxi_cuda_transpose &p) {
  typedef mxi_word<BYTES> word;
  typedef mxi_word<(BYTES < 4 ? 4 : BYTES)> stored;
  MXI_DYNAMIC_SHARED(stored, tile);
  uint32_t at = blockIdx.x, across = mxi_divide_off(at, p.tiles_across),
           down = mxi_divide_off(at, p.tiles_down);
  int64_t start[2] = {0, 0};
  mxi_region_offsets(p.matrices, at, start);
  uint32_t row = down << p.log_rows, column = across << p.log_columns;
  uint32_t rows = min(p.rows - row, 1u << p.log_rows), columns = min(p.columns - column, 1u << p.log_columns);
  uint32_t size = 1u << (p.log_rows + p.log_columns), pitch = (1u << p.log_rows) + 1;
  word *to = reinterpret_cast<word *>(p.to) + start[0] + row * p.to_row + column * p.to_column;
  const word *from =
      reinterpret_cast<const word *>(p.from) + start[1] + row * p.from_row + column * p.from_column;
  for (uint32_t first = threadIdx.x; first < size; first += EACH * THREADS) {
    word value[EACH];
#pragma unroll
    for (uint32_t j = 0; j < EACH; j++) {
      uint32_t i = first + j * THREADS, r = i & ((1u << p.log_rows) - 1), c = i >> p.log_rows;
      if (r < rows && c < columns) value[j] = from[r * p.from_row + c * p.from_column];
    }
#pragma unroll
    for (uint32_t j = 0; j < EACH; j++) {
      uint32_t i = first + j * THREADS, r = i & ((1u << p.log_rows) - 1), c = i >> p.log_rows;
      if (r < rows && c < columns) tile[c * pitch + r] = value[j];
    }
  }
  __syncthreads();
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < size; i += THREADS) {
    uint32_t c = i & ((1u << p.log_columns) - 1), r = i >> p.log_columns;
    if (r < rows && c < columns) to[r * p.to_row + c * p.to_column] = static_cast<word>(tile[c * pitch + r]);
  }
}
MXI_KERNEL(transpose_1, mxi_cuda_transpose, THREADS) { transpose<1>(p); }
MXI_KERNEL(transpose_2, mxi_cuda_transpose, THREADS) { transpose<2>(p); }
MXI_KERNEL(transpose_4, mxi_cuda_transpose, THREADS) { transpose<4>(p); }
MXI_KERNEL(transpose_8, mxi_cuda_transpose, THREADS) { transpose<8>(p); }
MXI_KERNEL(transpose_16, mxi_cuda_transpose, THREADS) { transpose<16>(p); }

/* ---- Transposes of small elements ---- P of them are a word. A tile is 32 words wide and high. A thread
   takes P words below each other, transposes these P x P elements in its registers, and puts the words where
   they belong in the transposed tile; words of a row are permuted by exclusive or, so that neither side meets
   its banks twice. ---- */
MXI_DEVICE void transpose_words(uint32_t (&w)[2]) {
  uint32_t first = __byte_perm(w[0], w[1], 0x5410), second = __byte_perm(w[0], w[1], 0x7632);
  w[0] = first, w[1] = second;
}
MXI_DEVICE void transpose_words(uint32_t (&w)[4]) {
  uint32_t a = __byte_perm(w[0], w[1], 0x5140), b = __byte_perm(w[2], w[3], 0x5140);
  uint32_t c = __byte_perm(w[0], w[1], 0x7362), d = __byte_perm(w[2], w[3], 0x7362);
  w[0] = __byte_perm(a, b, 0x5410), w[1] = __byte_perm(a, b, 0x7632);
  w[2] = __byte_perm(c, d, 0x5410), w[3] = __byte_perm(c, d, 0x7632);
}

/* Sizes, strides and offsets count elements, and are whole words. */
template <int P> MXI_DEVICE void transpose_packed(const mxi_cuda_transpose &p) {
  constexpr uint32_t WARPS = THREADS / 32, SIDE = 32 * P, ROUNDS = 32 / WARPS;
  __shared__ uint32_t tile[SIDE][32];
  uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint32_t at = blockIdx.x, column = mxi_divide_off(at, p.tiles_across) * SIDE,
           row = mxi_divide_off(at, p.tiles_down) * SIDE;
  int64_t start[2] = {0, 0};
  mxi_region_offsets(p.matrices, at, start);
  uint32_t rows = (p.rows - row) / P, columns = (p.columns - column) / P; /* words that are left */
  const uint32_t *from =
      reinterpret_cast<const uint32_t *>(p.from) + (start[1] + row + column * p.from_column) / P;
  uint32_t *to = reinterpret_cast<uint32_t *>(p.to) + (start[0] + row * p.to_row + column) / P;
  int64_t from_column = p.from_column / P, to_row = p.to_row / P;
  uint32_t word[ROUNDS][P];
#pragma unroll
  for (uint32_t j = 0; j < ROUNDS; j++)
#pragma unroll
    for (uint32_t i = 0; i < P; i++) {
      uint32_t k = j * WARPS + warp;
      word[j][i] = lane < rows && k < columns ? from[(k * P + i) * from_column + lane] : 0;
    }
#pragma unroll
  for (uint32_t j = 0; j < ROUNDS; j++) {
    transpose_words(word[j]);
#pragma unroll
    for (uint32_t i = 0; i < P; i++) tile[lane * P + i][(j * WARPS + warp) ^ lane] = word[j][i];
  }
  __syncthreads();
#pragma unroll
  for (uint32_t j = 0; j < ROUNDS * P; j++) {
    uint32_t r = j * WARPS + warp;
    if (r / P < rows && lane < columns) to[r * to_row + lane] = tile[r][lane ^ (r / P)];
  }
}
MXI_KERNEL(transpose_packed_1, mxi_cuda_transpose, THREADS) { transpose_packed<4>(p); }
MXI_KERNEL(transpose_packed_2, mxi_cuda_transpose, THREADS) { transpose_packed<2>(p); }
