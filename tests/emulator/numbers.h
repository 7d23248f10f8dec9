/* float16 and bfloat16 in memory, for the emulated libraries: plainly, so that they check those of the
 * kernels. */
#ifndef MXI_EMULATOR_NUMBERS_H
#define MXI_EMULATOR_NUMBERS_H
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace emulator {

struct half_bits {
  uint16_t bits;
};
struct bfloat_bits {
  uint16_t bits;
};

/* An element as numbers are computed with. */
template <class T> inline T loaded(T x) { return x; }
inline float loaded(bfloat_bits h) {
  const uint32_t u = uint32_t(h.bits) << 16;
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}
inline float loaded(half_bits h) {
  const int exponent = h.bits >> 10 & 31, fraction = h.bits & 1023;
  const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                     : exponent     ? ldexpf(float(1024 + fraction), exponent - 25)
                                    : ldexpf(float(fraction), -24);
  return h.bits & 0x8000 ? -size : size;
}

template <class T> inline void store(T *to, T x) { *to = x; }
inline void store(bfloat_bits *to, float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  to->bits = uint16_t(x != x ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}
inline void store(half_bits *to, float x) {
  const uint16_t sign = signbit(x) ? 0x8000 : 0;
  const float size = fabsf(x);
  int exponent;
  frexpf(size, &exponent);
  if (x != x)
    to->bits = 0x7e00;
  else if (size >= 65520)
    to->bits = sign | 0x7c00;
  else if (size == 0 || exponent < -13)
    to->bits = sign | uint16_t(nearbyintf(ldexpf(size, 24)));
  else // a fraction that is rounded up to 2048 goes on to the next exponent by itself
    to->bits = uint16_t(sign + ((exponent + 14) << 10) + int(nearbyintf(ldexpf(size, 11 - exponent))) - 1024);
}
} // namespace emulator
#endif
