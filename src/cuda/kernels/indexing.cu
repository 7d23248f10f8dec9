/* resolve     indices to offsets
   spread      offsets of slices to those of their elements
   gather_B    slices of words of B bytes, the loads of a thread in flight together
   gather_axis_B   one word a position, which starts from an offset of its own */
#include "cuda/kernels/index.cuh"
#include "cuda/kernels/indexing.h"
#include "cuda/kernels/region.cuh"
#include "cuda/kernels/words.cuh"

enum { THREADS = MXI_CUDA_INDEXING_THREADS, EACH = MXI_CUDA_GATHER_EACH };

MXI_KERNEL(resolve, mxi_cuda_resolve, THREADS) {
  uint32_t i = blockIdx.x * THREADS + threadIdx.x;
  if (i >= p.positions.size) return;
  int64_t at[MXI_CUDA_REGION_OPERANDS] = {}, offset = p.base;
  mxi_region_offsets(p.positions, i, at);
  bool good = true;
#pragma unroll
  for (int k = 0; k < MXI_CUDA_INDEX_ARRAYS; k++) {
    if (k >= p.indices.count) break;
    int64_t one[1] = {at[k]}, index[1];
    mxi_load_indices(p.indices.dtype, p.indices.of[k].address, one, index);
    int64_t reached;
    good = mxi_index_offset(p.indices, k, index[0], reached) && good;
    offset += reached;
  }
  if (p.based) offset += at[1];
  if (!p.offsets) return;
  if (p.adds) {
    int64_t before = p.offsets[i];
    good = good && before != p.bad;
    offset += before;
  }
  p.offsets[i] = good ? offset : p.bad;
}

MXI_KERNEL(spread, mxi_cuda_spread, THREADS) {
  uint32_t i = blockIdx.x * THREADS + threadIdx.x, position = i / p.slice.size;
  if (position >= p.positions) return;
  int64_t at[1] = {0}, offset = p.offsets[position];
  mxi_region_offsets(p.slice, i - position * p.slice.size, at);
  p.spread[i] = offset == p.bad ? p.bad : offset + at[0];
}

/* ---- Gathers ---- */
template <class WORD>
MXI_DEVICE void load_and_store(const WORD *from, WORD *to, const bool (&good)[EACH],
                               const int64_t (&source)[EACH], const int64_t (&target)[EACH]) {
  WORD value[EACH];
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (good[j]) value[j] = from[source[j]];
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (good[j]) to[target[j]] = value[j];
}

/* Sources move to where the one list of indices says; what is out of bounds is not good. */
MXI_DEVICE void add_offsets(const mxi_cuda_gather &p, const int64_t (&at)[EACH], bool (&good)[EACH],
                            int64_t (&source)[EACH]) {
  int64_t index[EACH];
  mxi_load_indices(p.indices.dtype, p.indices.of[0].address, at, index);
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    int64_t offset;
    good[j] = mxi_index_offset(p.indices, 0, index[j], offset) && good[j];
    source[j] += offset;
  }
}

/* Words behind the last are those of the last, not stored. */
template <int BYTES> MXI_DEVICE void gather(const mxi_cuda_gather &p) {
  typedef mxi_word<BYTES> word;
  uint32_t first = blockIdx.x * (THREADS * EACH) + threadIdx.x, size = p.positions.size * p.slice.size;
  int64_t at[EACH], source[EACH], target[EACH];
  bool good[EACH];
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = min(first + j * THREADS, size - 1), within = mxi_divide_off(i, p.slice_size);
    int64_t indices[1] = {0}, from[1] = {0};
    mxi_region_offsets(p.slice, within, from);
    if (!p.offsets) mxi_region_offsets(p.positions, i, indices);
    at[j] = p.offsets ? i : indices[0];
    source[j] = from[0];
    target[j] = i * p.pitch + within;
    good[j] = first + j * THREADS < size;
  }
  if (p.offsets) {
    int64_t index[EACH];
    mxi_load_indices_of<int64_t>(p.offsets, at, index);
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      good[j] = good[j] && index[j] != p.bad;
      source[j] += index[j];
    }
  } else if (p.indices.count) {
    add_offsets(p, at, good, source);
  }
  load_and_store(reinterpret_cast<const word *>(p.from), reinterpret_cast<word *>(p.to), good, source,
                 target);
}
MXI_KERNEL(gather_1, mxi_cuda_gather, THREADS) { gather<1>(p); }
MXI_KERNEL(gather_2, mxi_cuda_gather, THREADS) { gather<2>(p); }
MXI_KERNEL(gather_4, mxi_cuda_gather, THREADS) { gather<4>(p); }
MXI_KERNEL(gather_8, mxi_cuda_gather, THREADS) { gather<8>(p); }
MXI_KERNEL(gather_16, mxi_cuda_gather, THREADS) { gather<16>(p); }

template <int BYTES> MXI_DEVICE void gather_axis(const mxi_cuda_gather &p) {
  typedef mxi_word<BYTES> word;
  uint32_t first = blockIdx.x * (THREADS * EACH) + threadIdx.x, size = p.positions.size;
  int64_t at[EACH], source[EACH], target[EACH];
  bool good[EACH];
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = min(first + j * THREADS, size - 1);
    int64_t offset[2] = {0, 0};
    mxi_region_offsets(p.positions, i, offset);
    at[j] = offset[0];
    source[j] = offset[1];
    target[j] = i;
    good[j] = first + j * THREADS < size;
  }
  add_offsets(p, at, good, source);
  load_and_store(reinterpret_cast<const word *>(p.from), reinterpret_cast<word *>(p.to), good, source,
                 target);
}
MXI_KERNEL(gather_axis_1, mxi_cuda_gather, THREADS) { gather_axis<1>(p); }
MXI_KERNEL(gather_axis_2, mxi_cuda_gather, THREADS) { gather_axis<2>(p); }
MXI_KERNEL(gather_axis_4, mxi_cuda_gather, THREADS) { gather_axis<4>(p); }
MXI_KERNEL(gather_axis_8, mxi_cuda_gather, THREADS) { gather_axis<8>(p); }
