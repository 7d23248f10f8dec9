/* Reductions by any operation, in the order of reduce.h. An OP has

     from, acc, to                       the dtypes of elements, accumulators and results
     partial                             the dtype of values between two passes
     vector                              V
     acc identity(), acc load(from x, int64_t index), acc combine(acc, acc)
     partial keep(acc), to store(acc)

   where index is the element's place in its run. combine is associative but for rounding. */
#ifndef MXI_CUDA_KERNELS_REDUCE_CUH
#define MXI_CUDA_KERNELS_REDUCE_CUH
#include "cuda/kernels/axes.cuh"
#include "cuda/kernels/block.cuh"
#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/reduce.h"
#include "cuda/kernels/vector.cuh"

enum { MXI_REDUCE_UNROLLED = 4 /* vectors that a thread has in flight */ };

template <class OP> MXI_DEVICE void mxi_reduce_clear(typename OP::acc (&acc)[OP::vector]) {
#pragma unroll
  for (int e = 0; e < OP::vector; e++) acc[e] = OP::identity();
}
template <class OP>
MXI_DEVICE void mxi_reduce_take(typename OP::acc (&acc)[OP::vector],
                                const mxi_vector<typename OP::from, OP::vector> &x, int64_t index) {
#pragma unroll
  for (int e = 0; e < OP::vector; e++) acc[e] = OP::combine(acc[e], OP::load(x.v[e], index + e));
}

template <class OP>
MXI_DEVICE void mxi_reduce_take_row(typename OP::acc (&acc)[OP::vector],
                                    const mxi_vector<typename OP::from, OP::vector> &x, int64_t row) {
#pragma unroll
  for (int e = 0; e < OP::vector; e++) acc[e] = OP::combine(acc[e], OP::load(x.v[e], row));
}

/* ---- Runs ---- */
/* A run that lies in memory: what its elements are read from. */
template <class T> struct mxi_reduce_memory {
  const T *x; /* the first */
  template <int N> __device__ __forceinline__ mxi_vector<T, N> vector(int64_t i) const {
    return mxi_load_vector<N>(x + i);
  }
  __device__ __forceinline__ T element(int64_t i) const { return x[i]; }
};

/* `count` elements of a run from number `first` on. Lane l of the team takes vectors l, l + team, ... */
template <class OP, class RUN>
MXI_DEVICE void mxi_reduce_vectors(const mxi_cuda_reduce_runs &p, const RUN &x, int64_t first, int count,
                                   int lane, typename OP::acc (&acc)[OP::vector]) {
  constexpr int V = OP::vector, U = MXI_REDUCE_UNROLLED;
  typedef typename OP::from from;
  const int step = p.team * V, whole = count / V * V;
  int i = lane * V;
#pragma unroll 1
  for (; i + (U - 1) * step < whole; i += U * step) {
    mxi_vector<from, V> loaded[U];
#pragma unroll
    for (int u = 0; u < U; u++) loaded[u] = x.template vector<V>(first + i + u * step);
#pragma unroll
    for (int u = 0; u < U; u++) mxi_reduce_take<OP>(acc, loaded[u], first + i + u * step);
  }
  if (i < whole) { /* fewer than U are left: the first is read for those that are not there */
    mxi_vector<from, V> loaded[U - 1];
#pragma unroll
    for (int u = 0; u < U - 1; u++)
      loaded[u] = x.template vector<V>(first + (i + u * step < whole ? i + u * step : i));
#pragma unroll
    for (int u = 0; u < U - 1; u++)
      if (i + u * step < whole) mxi_reduce_take<OP>(acc, loaded[u], first + i + u * step);
  }
  if ((whole / V & (p.team - 1)) == lane) /* the vector that ends before its last element, if there is one */
#pragma unroll
    for (int e = 0; e < V - 1; e++)
      if (whole + e < count)
        acc[e] = OP::combine(acc[e], OP::load(x.element(first + whole + e), first + whole + e));
}
/* The same, element by element. */
template <class OP>
MXI_DEVICE void mxi_reduce_elements(const mxi_cuda_reduce_runs &p, const typename OP::from *x, int64_t first,
                                    int count, int lane, typename OP::acc (&acc)[OP::vector]) {
  constexpr int V = OP::vector;
  const int step = p.team * V;
  const int64_t stride = p.reduced.in[0];
  x += first * stride;
#pragma unroll 1
  for (int i = lane * V; i < count; i += step) {
    typename OP::from loaded[V] = {};
#pragma unroll
    for (int e = 0; e < V; e++)
      if (i + e < count) loaded[e] = x[(i + e) * stride];
#pragma unroll
    for (int e = 0; e < V; e++)
      if (i + e < count) acc[e] = OP::combine(acc[e], OP::load(loaded[e], first + i + e));
  }
}
/* The same along several axes: the accumulators rotate, so that no loop need be unrolled. */
template <class OP>
MXI_DEVICE void mxi_reduce_scattered(const mxi_cuda_reduce_runs &p, const typename OP::from *x, int64_t first,
                                     int count, int lane, typename OP::acc (&acc)[OP::vector]) {
  constexpr int V = OP::vector;
  const int step = p.team * V;
#pragma unroll 1
  for (int i = lane * V; i < count; i += step)
#pragma unroll 1
    for (int e = 0; e < V; e++) {
      typename OP::acc next = acc[0];
      if (i + e < count)
        next = OP::combine(next, OP::load(x[mxi_in_offset(p.reduced, first + i + e)], first + i + e));
#pragma unroll
      for (int k = 0; k < V - 1; k++) acc[k] = acc[k + 1];
      acc[V - 1] = next;
    }
}

/* Which part of which run the thread's team has. */
struct mxi_reduce_part {
  int lane;
  int64_t unit, run, chunk; /* (run, chunk), flat */
  bool exists;
};
MXI_DEVICE mxi_reduce_part mxi_reduce_part_of(const mxi_cuda_reduce_runs &p) {
  mxi_reduce_part part;
  part.lane = threadIdx.x & (p.team - 1);
  part.unit = static_cast<int64_t>(blockIdx.x) * (blockDim.x / p.team) + threadIdx.x / p.team;
  part.exists = part.unit < p.count * p.chunks;
  part.run = p.chunks == 1 ? part.unit : part.unit / p.chunks;
  part.chunk = part.unit - part.run * p.chunks;
  return part;
}
/* The threads' accumulators to the part's value, which is written. */
template <class OP>
MXI_DEVICE void mxi_reduce_end(const mxi_cuda_reduce_runs &p, const mxi_reduce_part &part,
                               const typename OP::acc (&acc)[OP::vector]) {
  __shared__ typename OP::acc space[32];
  typename OP::acc value = mxi_lanes_combine<OP>(acc);
  value = p.team <= 32 ? mxi_team_combine<OP>(value, p.team) : mxi_block_combine<OP>(value, p.team, space);
  if (part.lane || !part.exists) return;
  if (p.partial)
    static_cast<typename OP::partial *>(p.out)[part.run * p.pitch + part.chunk] = OP::keep(value);
  else
    static_cast<typename OP::to *>(p.out)[part.unit] = OP::store(value);
}

/* VECTORS: a run is contiguous, and starts at a whole vector. */
template <class OP, bool VECTORS> MXI_DEVICE void mxi_reduce_runs(const mxi_cuda_reduce_runs &p) {
  typedef typename OP::from from;
  mxi_grid_wait();
  const mxi_reduce_part part = mxi_reduce_part_of(p);
  typename OP::acc acc[OP::vector];
  mxi_reduce_clear<OP>(acc);
  if (part.exists) {
    const int64_t first = part.chunk * p.chunk;
    const int count = static_cast<int>(min(p.chunk, p.length - first));
    const from *x = static_cast<const from *>(p.in) + mxi_in_offset(p.kept, part.run);
    if (VECTORS)
      mxi_reduce_vectors<OP>(p, mxi_reduce_memory<from>{x}, first, count, part.lane, acc);
    else if (p.reduced.ndim <= 1)
      mxi_reduce_elements<OP>(p, x, first, count, part.lane, acc);
    else
      mxi_reduce_scattered<OP>(p, x, first, count, part.lane, acc);
  }
  mxi_reduce_end<OP>(p, part, acc);
}
/* The same of values that a program makes: RUN(parameters, number of the run) is what they are read from. */
template <class OP, class RUN, class PARAMS> MXI_DEVICE void mxi_reduce_program(const PARAMS &all) {
  const mxi_cuda_reduce_runs &p = all.runs;
  mxi_grid_wait();
  const mxi_reduce_part part = mxi_reduce_part_of(p);
  typename OP::acc acc[OP::vector];
  mxi_reduce_clear<OP>(acc);
  if (part.exists) {
    const int64_t first = part.chunk * p.chunk;
    const int count = static_cast<int>(min(p.chunk, p.length - first));
    mxi_reduce_vectors<OP>(p, RUN(all, part.run), first, count, part.lane, acc);
  }
  mxi_reduce_end<OP>(p, part, acc);
}

/* ---- Columns ---- */
/* Column e < V of a thread, in its tile. */
template <int V, bool VECTORS> MXI_DEVICE int mxi_reduce_column(int x, int across, int e) {
  return VECTORS ? x * V + e : x + across * e;
}

/* Rows y, y + down, ... of the `count` from `first` on, V neighbouring columns: x is row 0 of them. */
template <class OP>
MXI_DEVICE void mxi_reduce_rows_of_vectors(const mxi_cuda_reduce_columns &p, const typename OP::from *x,
                                           int64_t first, int count, int y,
                                           typename OP::acc (&acc)[OP::vector]) {
  constexpr int V = OP::vector, U = MXI_REDUCE_UNROLLED;
  typedef typename OP::from from;
  const int64_t step = p.down * p.reduced.in[0];
  x += (first + y) * p.reduced.in[0];
#pragma unroll 1
  for (; y + (U - 1) * p.down < count; y += U * p.down, x += U * step) {
    mxi_vector<from, V> loaded[U];
#pragma unroll
    for (int u = 0; u < U; u++) loaded[u] = mxi_load_vector<V>(x + u * step);
#pragma unroll
    for (int u = 0; u < U; u++) mxi_reduce_take_row<OP>(acc, loaded[u], first + y + u * p.down);
  }
  if (y < count) {
    mxi_vector<from, V> loaded[U - 1];
#pragma unroll
    for (int u = 0; u < U - 1; u++)
      loaded[u] = mxi_load_vector<V>(x + (y + u * p.down < count ? u * step : 0));
#pragma unroll
    for (int u = 0; u < U - 1; u++)
      if (y + u * p.down < count) mxi_reduce_take_row<OP>(acc, loaded[u], first + y + u * p.down);
  }
}
/* The same of single columns, `across` apart; x is row 0 of the thread's first, of which `live` places are
   left in the tile. */
template <class OP>
MXI_DEVICE void mxi_reduce_rows_of_elements(const mxi_cuda_reduce_columns &p, const typename OP::from *x,
                                            int64_t first, int count, int y, int live,
                                            typename OP::acc (&acc)[OP::vector]) {
  constexpr int V = OP::vector;
  const int64_t step = p.across * p.in_step;
#pragma unroll 1
  for (; y < count; y += p.down) {
    const typename OP::from *line = x + mxi_in_offset(p.reduced, first + y);
    typename OP::from loaded[V] = {};
#pragma unroll
    for (int e = 0; e < V; e++)
      if (p.across * e < live) loaded[e] = line[e * step];
#pragma unroll
    for (int e = 0; e < V; e++)
      if (p.across * e < live) acc[e] = OP::combine(acc[e], OP::load(loaded[e], first + y));
  }
}

/* Where a (chunk, tile) goes, as results or as values for a second pass. */
template <class OP> struct mxi_reduce_target {
  char *out; /* of the tile's first column */
  int64_t step;
  int partial;
  __device__ __forceinline__ void put(int column, const typename OP::acc &value) const {
    if (partial)
      reinterpret_cast<typename OP::partial *>(out)[column] = OP::keep(value);
    else
      reinterpret_cast<typename OP::to *>(out)[column * step] = OP::store(value);
  }
};

/* VECTORS: a thread's columns are neighbours, in whole vectors, and the rows evenly spaced. */
template <class OP, bool VECTORS> MXI_DEVICE void mxi_reduce_columns(const mxi_cuda_reduce_columns &p) {
  constexpr int V = OP::vector;
  typedef typename OP::acc acc_t;
  typedef typename OP::to to_t;
  typedef typename OP::partial partial_t;
  __shared__ acc_t space[MXI_CUDA_REDUCE_BLOCK * V]; /* (team, warp, column) */
  mxi_grid_wait();
  const int team = p.across * p.down, thread = threadIdx.x & (team - 1);
  const int x = thread & (p.across - 1), y = thread / p.across;
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * (MXI_CUDA_REDUCE_BLOCK / team) + threadIdx.x / team;
  const int64_t rest = unit / p.tiles, first = (unit - rest * p.tiles) * p.across * V;
  const int64_t outer = p.chunks == 1 ? rest : rest / p.chunks, chunk = rest - outer * p.chunks;
  const int live =
      outer < p.outer ? static_cast<int>(min(p.width - first, static_cast<int64_t>(p.across) * V)) : 0;
  acc_t acc[V];
  mxi_reduce_clear<OP>(acc);
  if (live) {
    const int64_t row = chunk * p.chunk;
    const int count = static_cast<int>(min(p.chunk, p.rows - row));
    const typename OP::from *from =
        static_cast<const typename OP::from *>(p.in) + mxi_in_offset(p.kept, outer) + first * p.in_step;
    if (!VECTORS)
      mxi_reduce_rows_of_elements<OP>(p, from + x * p.in_step, row, count, y, live - x, acc);
    else if (x * V < live)
      mxi_reduce_rows_of_vectors<OP>(p, from + x * V, row, count, y, acc);
  }
  mxi_reduce_target<OP> target = {static_cast<char *>(p.out), p.out_step, p.partial};
  if (live && p.partial)
    target.out += ((outer * p.chunks + chunk) * p.pitch + first) * sizeof(partial_t);
  else if (live)
    target.out += (mxi_out_offset(p.kept, outer) + first * p.out_step) * sizeof(to_t);
  for (int mask = p.across; mask < team && mask < 32; mask *= 2)
#pragma unroll
    for (int e = 0; e < V; e++) acc[e] = OP::combine(acc[e], mxi_shuffle_xor(acc[e], mask));
  const int column = VECTORS ? x * V : x, apart = VECTORS ? 1 : p.across;
  if (team <= 32) {
    if (y || column >= live) return;
    if (VECTORS && p.vectors_out) {
      mxi_vector<to_t, V> all;
#pragma unroll
      for (int e = 0; e < V; e++) all.v[e] = OP::store(acc[e]);
      mxi_store_vector<V>(reinterpret_cast<to_t *>(target.out) + column, all);
    } else
#pragma unroll
      for (int e = 0; e < V; e++)
        if (column + apart * e < live) target.put(column + apart * e, acc[e]);
    return;
  }
  const int warps = team / 32, columns = p.across * V, warp = thread / 32;
  acc_t *values = space + threadIdx.x / team * warps * columns;
  if ((thread & 31) < p.across)
#pragma unroll
    for (int e = 0; e < V; e++) values[warp * columns + column + apart * e] = acc[e];
  __syncthreads();
#pragma unroll 1
  for (int c = thread; c < live; c += team) {
    acc_t value = values[c];
    for (int w = 1; w < warps; w++) value = OP::combine(value, values[w * columns + c]);
    target.put(c, value);
  }
}
#endif
