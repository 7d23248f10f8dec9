/* scatter_DTYPE and scatter_wide_DTYPE (elements, or 16 bytes of them): positions come sorted by where they
   lead to, so all updates of one place are beside each other, in their own order. The thread of the first
   applies them all to the element in its register; where they are set, the thread of the last does so alone.
 */
#include "cuda/kernels/combine.cuh"
#include "cuda/kernels/indexing.h"
#include "cuda/kernels/region.cuh"

enum { THREADS = MXI_CUDA_INDEXING_THREADS };
/* Updates that are loaded together: as many as registers take. */
constexpr int updates_ahead(int elements) { return elements >= 8 ? 2 : elements > 1 ? 4 : 6; }

template <class PACK>
MXI_DEVICE PACK update_of(const mxi_cuda_scatter &p, uint32_t position, int64_t within) {
  uint32_t i = p.order ? p.order[position] : position;
  return static_cast<const PACK *>(p.from)[i * p.pitch + within];
}

/* The updates from a position on, while they have the key. */
template <class PACK, int N>
MXI_DEVICE void apply_updates(const mxi_cuda_scatter &p, uint32_t position, int64_t key, int64_t within,
                              PACK &value) {
  for (;; position += N) {
    PACK update[N];
    bool more[N];
#pragma unroll
    for (uint32_t j = 0; j < N; j++)
      more[j] = position + j < p.positions && p.keys[min(position + j, p.positions - 1)] == key;
#pragma unroll
    for (uint32_t j = 0; j < N; j++)
      if (more[j]) update[j] = update_of<PACK>(p, position + j, within);
#pragma unroll
    for (uint32_t j = 0; j < N; j++) {
      if (!more[j]) return;
      mxi_combine_into(p.mode, value, update[j]);
    }
  }
}

template <class T, int V> MXI_DEVICE void scatter(const mxi_cuda_scatter &p) {
  typedef mxi_pack_of<T, V> pack;
  uint32_t position = blockIdx.x * THREADS + threadIdx.x;
  if (position >= p.size) return;
  uint32_t within = mxi_divide_off(position, p.slice_size);
  position += p.first;
  int64_t key = p.keys[position], offset[1] = {0};
  bool set = p.mode == MXI_UPDATE_SET;
  uint32_t beside = set ? position + 1 : position - 1; /* wraps below the first */
  if (key == p.bad || (beside < p.positions && p.keys[beside] == key)) return;
  mxi_region_offsets(p.slice, within, offset);
  pack *to = static_cast<pack *>(p.to) + key * p.unit + offset[0];
  if (set) {
    *to = update_of<pack>(p, position, within);
    return;
  }
  pack value = *to;
  apply_updates<pack, updates_ahead(V)>(p, position, key, within, value);
  *to = value;
}
#define SCATTER(dtype, T)                                                      \
  MXI_KERNEL(scatter_##dtype, mxi_cuda_scatter, THREADS) { scatter<T, 1>(p); } \
  MXI_KERNEL(scatter_wide_##dtype, mxi_cuda_scatter, THREADS) { scatter<T, 16 / sizeof(T)>(p); }
MXI_EACH_DTYPE(SCATTER)
