/* The OPs of reduce.cuh for sums, products, minima and maxima. */
#ifndef MXI_CUDA_KERNELS_REDUCTION_CUH
#define MXI_CUDA_KERNELS_REDUCTION_CUH
#include "cuda/kernels/reduce.cuh"
#include "cuda/kernels/reduce_ops.cuh"

/* FROM, the dtype of elements, to TO by O; partial values are PARTIAL. */
template <class O, class FROM, class TO, class PARTIAL> struct mxi_reduce_by {
  typedef FROM from;
  typedef TO to;
  typedef PARTIAL partial;
  typedef typename O::template acc<FROM> acc;
  enum { vector = mxi_vector_of<FROM>::size };
  static __device__ __forceinline__ acc identity() { return O::template identity<acc>(); }
  static __device__ __forceinline__ acc load(FROM x, int64_t) { return mxi_convert<acc>::of(x); }
  static __device__ __forceinline__ acc combine(acc a, acc b) { return O::combine(a, b); }
  static __device__ __forceinline__ PARTIAL keep(acc x) { return mxi_convert<PARTIAL>::of(x); }
  static __device__ __forceinline__ TO store(acc x) { return mxi_convert<TO>::of(x); }
};
#endif
