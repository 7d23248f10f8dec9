/* What kernels written at run time (codegen.c) stand on: vectors of elements in memory, and indices. */
#ifndef MXI_CUDA_KERNELS_COMPILED_CUH
#define MXI_CUDA_KERNELS_COMPILED_CUH
#include "cuda/kernels/elementwise.cuh"
#include "cuda/kernels/half_math.cuh"
#include "cuda/kernels/pairs.cuh"

/* N elements, read and written at once by words as long as they make. */
template <class T, int N> struct mxi_elements { T v[N]; };
#ifndef MXI_EMULATED
template <int BYTES> struct mxi_words;
template <> struct mxi_words<1> { typedef unsigned char type; };
template <> struct mxi_words<2> { typedef unsigned short type; };
template <> struct mxi_words<4> { typedef unsigned type; };
template <> struct mxi_words<8> { typedef uint2 type; };
template <> struct mxi_words<16> { typedef uint4 type; };
#endif

template <int N, class T> MXI_DEVICE mxi_elements<T, N> mxi_load(const T *from) {
  mxi_elements<T, N> x;
#ifdef MXI_EMULATED
  memcpy(&x, from, sizeof x);
#else
  const auto words = *reinterpret_cast<const typename mxi_words<sizeof x>::type *>(from);
  memcpy(&x, &words, sizeof x);
#endif
  return x;
}
template <int N, class T> MXI_DEVICE void mxi_store(T *to, const mxi_elements<T, N> &x) {
#ifdef MXI_EMULATED
  memcpy(to, &x, sizeof x);
#else
  typename mxi_words<sizeof x>::type words;
  memcpy(&words, &x, sizeof x);
  *reinterpret_cast<typename mxi_words<sizeof x>::type *>(to) = words;
#endif
}
template <int N, class T, class INDEX>
MXI_DEVICE mxi_elements<T, N> mxi_load_strided(const T *from, INDEX stride) {
  mxi_elements<T, N> x;
#pragma unroll
  for (int e = 0; e < N; e++) x.v[e] = from[e * stride];
  return x;
}
template <int N, class T, class INDEX>
MXI_DEVICE void mxi_store_strided(T *to, INDEX stride, const mxi_elements<T, N> &x) {
#pragma unroll
  for (int e = 0; e < N; e++) to[e * stride] = x.v[e];
}
/* Elements e and e + 1. */
template <class T, int N> MXI_DEVICE mxi_two<T> mxi_two_from(const mxi_elements<T, N> &x, int e) {
  return mxi_two<T>::of(x.v[e], x.v[e + 1]);
}
template <class T, int N> MXI_DEVICE void mxi_two_to(mxi_elements<T, N> &x, int e, const mxi_two<T> &two) {
  x.v[e] = two.first_stored();
  x.v[e + 1] = two.second_stored();
}
/* A scalar whose bytes are the first of a word. */
template <class T> MXI_DEVICE T mxi_scalar(uint64_t word) {
  T x;
  memcpy(&x, &word, sizeof x);
  return x;
}

/* Takes the index along a dim off the index of what is left: i becomes i / size, the remainder is returned.
 */
MXI_DEVICE int mxi_take_index(int &i, uint64_t divisor, uint64_t magic) { /* form.c: put_divisor */
  unsigned n = (unsigned)i;
  unsigned quotient = (__umulhi(n, (uint32_t)magic) + n) >> (unsigned)(divisor >> 32);
  i = (int)quotient;
  return (int)(n - quotient * (unsigned)divisor);
}
MXI_DEVICE int64_t mxi_take_index(int64_t &i, uint64_t divisor) {
  int64_t n = i;
  i = n / (int64_t)divisor;
  return n - i * (int64_t)divisor;
}
#endif
