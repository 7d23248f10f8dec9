/* Where the least or the greatest element of a run is: the first of equals, the first NaN before all. A value
   goes with its place, and places decide among equals, so that they may be combined in any order:
   arg_runs_OP_DTYPE and so on, as in reduce.cu. */
#include "cuda/kernels/reduce.cuh"
#include "cuda/kernels/reduce_ops.cuh"

template <int BYTES> struct arg_place { typedef uint32_t type; };
template <> struct arg_place<8> { typedef uint64_t type; };
template <class T> struct arg_candidate {
  T value;
  typename arg_place<sizeof(T)>::type place; /* without padding behind it */
};

/* O is mxi_least or mxi_greatest. */
template <class O, class T> struct arg_search {
  typedef typename mxi_widened<T>::type value_t;
  typedef T from;
  typedef arg_candidate<value_t> acc, partial;
  typedef uint32_t to;
  enum { vector = mxi_vector_of<T>::size };
  static __device__ __forceinline__ acc identity() { return {O::template identity<value_t>(), UINT32_MAX}; }
  static __device__ __forceinline__ acc load(T x, int64_t place) {
    return {mxi_convert<value_t>::of(x), static_cast<uint32_t>(place)};
  }
  static __device__ __forceinline__ acc combine(acc a, acc b) {
    const bool after = O::before(a.value, b.value);
    return O::before(b.value, a.value) || (!after && b.place < a.place) ? b : a;
  }
  static __device__ __forceinline__ acc keep(acc x) { return x; }
  static __device__ __forceinline__ uint32_t store(acc x) { return static_cast<uint32_t>(x.place); }
};
/* Among the candidates of a pass before. */
template <class O, class T> struct arg_choice : arg_search<O, T> {
  typedef typename arg_search<O, T>::acc from;
  enum { vector = 1 };
  static __device__ __forceinline__ from load(from x, int64_t) { return x; }
};

#define ARG(NAME, OP)                                                                                        \
  MXI_KERNEL(arg_runs_##NAME, mxi_cuda_reduce_runs, MXI_CUDA_REDUCE_BLOCK) { mxi_reduce_runs<OP, true>(p); } \
  MXI_KERNEL(arg_columns_##NAME, mxi_cuda_reduce_columns, MXI_CUDA_REDUCE_BLOCK) {                           \
    mxi_reduce_columns<OP, true>(p);                                                                         \
  }
#define ARG_ANY(NAME, OP)                                                              \
  ARG(NAME, OP)                                                                        \
  MXI_KERNEL(arg_any_runs_##NAME, mxi_cuda_reduce_runs, MXI_CUDA_REDUCE_BLOCK) {       \
    mxi_reduce_runs<OP, false>(p);                                                     \
  }                                                                                    \
  MXI_KERNEL(arg_any_columns_##NAME, mxi_cuda_reduce_columns, MXI_CUDA_REDUCE_BLOCK) { \
    mxi_reduce_columns<OP, false>(p);                                                  \
  }
#define BOTH_PASSES(op, dtype, O, T)                  \
  typedef arg_search<O, T> arg_##op##_##dtype;        \
  typedef arg_choice<O, T> arg_##op##_passed_##dtype; \
  ARG_ANY(op##_##dtype, arg_##op##_##dtype)           \
  ARG(op##_passed_##dtype, arg_##op##_passed_##dtype)
#define ARG_OF(op, O)                    \
  BOTH_PASSES(op, uint8, O, uint8_t)     \
  BOTH_PASSES(op, uint16, O, uint16_t)   \
  BOTH_PASSES(op, uint32, O, uint32_t)   \
  BOTH_PASSES(op, uint64, O, uint64_t)   \
  BOTH_PASSES(op, int8, O, int8_t)       \
  BOTH_PASSES(op, int16, O, int16_t)     \
  BOTH_PASSES(op, int32, O, int32_t)     \
  BOTH_PASSES(op, int64, O, int64_t)     \
  BOTH_PASSES(op, float16, O, mxi_f16)   \
  BOTH_PASSES(op, bfloat16, O, mxi_bf16) \
  BOTH_PASSES(op, float32, O, float)     \
  BOTH_PASSES(op, float64, O, double)    \
  BOTH_PASSES(op, complex64, O, mxi_c64)
ARG_OF(min, mxi_least)
ARG_OF(max, mxi_greatest)
