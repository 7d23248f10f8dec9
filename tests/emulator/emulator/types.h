/* The vector types that CUDA has built in, with their alignments. */
#ifndef MXI_EMULATOR_TYPES_H
#define MXI_EMULATOR_TYPES_H

#define MXI_VECTORS(NAME, T, ALIGN2, ALIGN4)                                \
  struct NAME##1 {                                                          \
    T x;                                                                    \
  };                                                                        \
  struct __attribute__((aligned(ALIGN2))) NAME##2 {                         \
    T x, y;                                                                 \
  };                                                                        \
  struct NAME##3 {                                                          \
    T x, y, z;                                                              \
  };                                                                        \
  struct __attribute__((aligned(ALIGN4))) NAME##4 {                         \
    T x, y, z, w;                                                           \
  };                                                                        \
  static inline NAME##1 make_##NAME##1(T x) { return {x}; }                 \
  static inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }         \
  static inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; } \
  static inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
MXI_VECTORS(char, signed char, 2, 4)
MXI_VECTORS(uchar, unsigned char, 2, 4)
MXI_VECTORS(short, short, 4, 8)
MXI_VECTORS(ushort, unsigned short, 4, 8)
MXI_VECTORS(int, int, 8, 16)
MXI_VECTORS(uint, unsigned, 8, 16)
MXI_VECTORS(long, long, 16, 16)
MXI_VECTORS(ulong, unsigned long, 16, 16)
MXI_VECTORS(longlong, long long, 16, 16)
MXI_VECTORS(ulonglong, unsigned long long, 16, 16)
MXI_VECTORS(float, float, 8, 16)
MXI_VECTORS(double, double, 16, 16)
#undef MXI_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
#endif
