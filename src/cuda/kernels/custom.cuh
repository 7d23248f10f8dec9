/* What kernels of the user's stand on (ops/custom_source.c writes them around their source): element types
   that are computed with, by the names of CUDA's headers, which are not needed; sizes and strides;
   cooperative groups. */
#ifndef MXI_CUDA_KERNELS_CUSTOM_CUH
#define MXI_CUDA_KERNELS_CUSTOM_CUH
#include "cuda/kernels/complex.cuh"
#include "cuda/kernels/groups.cuh"
#include "cuda/kernels/half.cuh"

/* ---- Halves ---- rounded by every operation of two; a float where one meets another number */
template <class STORED> struct mxi_half {
  STORED stored;
  mxi_half() = default;
  template <class NUMBER> __device__ mxi_half(NUMBER x) : stored(mxi_of_float<STORED>((float)x)) {}
  __device__ operator float() const { return mxi_to_float(stored); }
  friend __device__ mxi_half operator-(mxi_half x) { return mxi_half(-(float)x); }
#define MXI_HALF_OPERATOR(OP)                                                                               \
  friend __device__ mxi_half operator OP(mxi_half x, mxi_half y) { return mxi_half((float)x OP(float) y); } \
  template <class N> friend __device__ auto operator OP(mxi_half x, N y)->decltype(float() OP y) {          \
    return (float)x OP y;                                                                                   \
  }                                                                                                         \
  template <class N> friend __device__ auto operator OP(N x, mxi_half y)->decltype(x OP float()) {          \
    return x OP(float) y;                                                                                   \
  }                                                                                                         \
  __device__ mxi_half &operator OP##=(float x) { return *this = mxi_half((float)*this OP x); }
  MXI_HALF_OPERATOR(+)
  MXI_HALF_OPERATOR(-)
  MXI_HALF_OPERATOR(*)
  MXI_HALF_OPERATOR(/)
#undef MXI_HALF_OPERATOR
};
typedef mxi_half<mxi_f16> __half, half, float16_t;
typedef mxi_half<mxi_bf16> __nv_bfloat16, nv_bfloat16, bfloat16_t;
MXI_DEVICE float __half2float(__half x) { return x; }
MXI_DEVICE __half __float2half(float x) { return x; }
MXI_DEVICE __half __float2half_rn(float x) { return x; }
MXI_DEVICE float __bfloat162float(__nv_bfloat16 x) { return x; }
MXI_DEVICE __nv_bfloat16 __float2bfloat16(float x) { return x; }
MXI_DEVICE __nv_bfloat16 __float2bfloat16_rn(float x) { return x; }

/* ---- Complex numbers ---- */
struct mxi_complex64 : mxi_c64 {
  mxi_complex64() = default;
  __device__ mxi_complex64(mxi_c64 z) : mxi_c64(z) {}
  __device__ mxi_complex64(float real, float imag = 0) : mxi_c64(mxi_complex(real, imag)) {}
  __device__ float real() const { return re; }
  __device__ float imag() const { return im; }
};
typedef mxi_complex64 complex64_t;

/* ---- Sizes and strides ---- */
template <class T, int N> struct mxi_list {
  T v[N];
  template <class INDEX> __device__ const T &operator[](INDEX i) const { return v[i]; }
  __device__ const T *data() const { return v; }
  __device__ operator const T *() const { return v; }
};
/* Where element number i, in row-major order, lies: an offset in elements. */
template <class INDEX>
MXI_DEVICE int64_t elem_to_loc(INDEX i, const int32_t *shape, const int64_t *strides, int ndim) {
  int64_t at = 0, rest = (int64_t)i;
  for (int k = ndim - 1; k >= 0 && rest > 0; k--) {
    at += rest % shape[k] * strides[k];
    rest /= shape[k];
  }
  return at;
}

/* By the names that MLX has for them. */
namespace mlx {
namespace core {
namespace cu {
using ::complex64_t;
using ::elem_to_loc;
} // namespace cu
} // namespace core
} // namespace mlx
#endif
