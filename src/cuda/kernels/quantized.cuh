/* Quantised matrices on the device: the formats as types, and what their integers and scales stand for. */
#ifndef MXI_CUDA_KERNELS_QUANTIZED_CUH
#define MXI_CUDA_KERNELS_QUANTIZED_CUH
#include "cuda/kernels/half.cuh"

namespace mxi_quant {
constexpr int VALUES_INTEGER = 0, VALUES_E2M1 = 1, VALUES_E4M3 = 2;
constexpr int SCALES_FLOAT = 0, SCALES_E8M0 = 1, SCALES_E4M3 = 2;

#define MX_QUANT_MODE(ID, NAME, SIZES, SIZE, BITS, SCALES, BIASES) \
  struct mode_##ID {                                               \
    enum { SCALES_ARE = SCALES_##SCALES };                         \
  };
#include "core/quant.def"
/* A format: its bits, what its integers are, and what its scales are. Only scales of a float dtype come with
   biases. */
#define MX_QUANT_FORMAT(ID, MODE, NUMBER, VALUES)                        \
  struct ID {                                                            \
    enum {                                                               \
      BITS = NUMBER,                                                     \
      VALUES_ARE = VALUES_##VALUES,                                      \
      SCALES_ARE = static_cast<int>(mode_##MODE::SCALES_ARE),            \
      BIASES = static_cast<int>(mode_##MODE::SCALES_ARE) == SCALES_FLOAT \
    };                                                                   \
  };
#include "core/quant.def"
} // namespace mxi_quant

/* A small float by its bits: moved to where float32 has them they are too small by a power of two, subnormals
   included. */
MXI_DEVICE float mxi_e2m1_value(uint32_t c) {
  return mxi_float_of_bits((c & 7) << 22 | (c & 8) << 28) * 0x1p126f;
}
MXI_DEVICE float mxi_e4m3_value(uint32_t c) {
  const uint32_t magnitude = c & 127;
  if (magnitude == 127) return mxi_nan(0.0f);
  return mxi_float_of_bits(magnitude << 20 | (c & 128) << 24) * 0x1p120f;
}
MXI_DEVICE float mxi_e8m0_value(uint32_t c) { return mxi_float_of_bits(c ? c << 23 : 0x400000u); }

/* What integer c of a format stands for. */
template <class F> MXI_DEVICE float mxi_quant_value(uint32_t c) {
  if constexpr (F::VALUES_ARE == mxi_quant::VALUES_E2M1)
    return mxi_e2m1_value(c);
  else if constexpr (F::VALUES_ARE == mxi_quant::VALUES_E4M3)
    return mxi_e4m3_value(c);
  else
    return mxi_float_of_bits(0x4b000000u | c) - 0x1p23f;
}

struct mxi_affine {
  float scale, bias;
};
/* The scale and bias of a group; T: the dtype of scales that are floats. */
template <class F, class T>
MXI_DEVICE mxi_affine mxi_quant_group(const void *scales, const void *biases, int64_t group) {
  if constexpr (F::SCALES_ARE == mxi_quant::SCALES_FLOAT)
    return {mxi_to_float(static_cast<const T *>(scales)[group]),
            mxi_to_float(static_cast<const T *>(biases)[group])};
  const uint32_t byte = static_cast<const uint8_t *>(scales)[group];
  return {F::SCALES_ARE == mxi_quant::SCALES_E8M0 ? mxi_e8m0_value(byte) : mxi_e4m3_value(byte), 0.0f};
}

/* Integer i of 32 neighbours, which fill BITS words. */
template <int BITS> MXI_DEVICE uint32_t mxi_quant_integer(const uint32_t (&words)[BITS], int i) {
  const int at = i * BITS / 32, shift = i * BITS % 32;
  const uint32_t mask = (1u << BITS) - 1;
  if (shift + BITS <= 32) return words[at] >> shift & mask;
  return __funnelshift_r(words[at], words[at + 1 < BITS ? at + 1 : at], shift) & mask;
}

/* Eight floats from a row; aligned: p is, to 16 bytes. */
template <class T> MXI_DEVICE void mxi_load_eight(float (&out)[8], const T *p, bool aligned) {
  if (!aligned) {
#pragma unroll
    for (int i = 0; i < 8; i++) out[i] = mxi_to_float(p[i]);
  } else if constexpr (sizeof(T) == 4) {
    const float4 a = reinterpret_cast<const float4 *>(p)[0], b = reinterpret_cast<const float4 *>(p)[1];
    out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w;
    out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
  } else {
    const uint4 v = *reinterpret_cast<const uint4 *>(p);
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const mxi_pair pair = mxi_unpack<T>(words[i]);
      out[2 * i] = pair.first, out[2 * i + 1] = pair.second;
    }
  }
}
/* Eight floats to a place that is aligned to 16 bytes. */
template <class T> MXI_DEVICE void mxi_store_eight(T *p, const float (&x)[8]) {
  if constexpr (sizeof(T) == 4) {
    reinterpret_cast<float4 *>(p)[0] = make_float4(x[0], x[1], x[2], x[3]);
    reinterpret_cast<float4 *>(p)[1] = make_float4(x[4], x[5], x[6], x[7]);
  } else {
    *reinterpret_cast<uint4 *>(p) = make_uint4(mxi_pack<T>(x[0], x[1]), mxi_pack<T>(x[2], x[3]),
                                               mxi_pack<T>(x[4], x[5]), mxi_pack<T>(x[6], x[7]));
  }
}
#endif
