/* Elements to be moved, by size alone: words of 1 to 16 bytes. */
#ifndef MXI_CUDA_KERNELS_WORDS_CUH
#define MXI_CUDA_KERNELS_WORDS_CUH
#include "cuda/kernels/kernel.cuh"

struct alignas(16) mxi_word16 {
  uint32_t of[4];
};

template <int BYTES> struct mxi_word_of;
template <> struct mxi_word_of<1> { typedef uint8_t type; };
template <> struct mxi_word_of<2> { typedef uint16_t type; };
template <> struct mxi_word_of<4> { typedef uint32_t type; };
template <> struct mxi_word_of<8> { typedef uint64_t type; };
template <> struct mxi_word_of<16> { typedef mxi_word16 type; };
template <int BYTES> using mxi_word = typename mxi_word_of<BYTES>::type;

/* 16 bytes of one element, repeated. */
MXI_DEVICE mxi_word16 mxi_repeat(uint32_t x) { return {{x, x, x, x}}; }
MXI_DEVICE mxi_word16 mxi_repeat(uint16_t x) { return mxi_repeat(x * 0x10001u); }
MXI_DEVICE mxi_word16 mxi_repeat(uint8_t x) { return mxi_repeat(x * 0x1010101u); }
MXI_DEVICE mxi_word16 mxi_repeat(uint64_t x) {
  uint32_t low = static_cast<uint32_t>(x), high = static_cast<uint32_t>(x >> 32);
  return {{low, high, low, high}};
}
#endif
