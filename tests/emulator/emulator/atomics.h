/* Memory: atomics, fences, and loads and stores with a hint. Blocks of other streams run at the same time, so
   atomics are the host's. The overloads are CUDA's: 64-bit integers are (unsigned) long long. */
#ifndef MXI_EMULATOR_ATOMICS_H
#define MXI_EMULATOR_ATOMICS_H
#include "emulator/arithmetic.h"
#include <time.h>

namespace emulator {
/* *address = f(*address); what it was. */
template <class T, class F> static inline T atomic_update(T *address, F f) {
  T old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(address, &old, f(old), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
  return old;
}
template <class Bits, class T> static inline T atomic_add_float(T *address, T value) {
  return bits<T>(atomic_update(reinterpret_cast<Bits *>(address),
                               [value](Bits old) { return bits<Bits>(bits<T>(old) + value); }));
}
} // namespace emulator

#define MXI_ATOMIC_COMMON(T)                                                                    \
  static inline T atomicAdd(T *a, T v) { return __atomic_fetch_add(a, v, __ATOMIC_RELAXED); }   \
  static inline T atomicExch(T *a, T v) { return __atomic_exchange_n(a, v, __ATOMIC_RELAXED); } \
  static inline T atomicAnd(T *a, T v) { return __atomic_fetch_and(a, v, __ATOMIC_RELAXED); }   \
  static inline T atomicOr(T *a, T v) { return __atomic_fetch_or(a, v, __ATOMIC_RELAXED); }     \
  static inline T atomicXor(T *a, T v) { return __atomic_fetch_xor(a, v, __ATOMIC_RELAXED); }
#define MXI_ATOMIC_ORDER(T)                                                \
  static inline T atomicMin(T *a, T v) {                                   \
    return emulator::atomic_update(a, [v](T old) { return min(old, v); }); \
  }                                                                        \
  static inline T atomicMax(T *a, T v) {                                   \
    return emulator::atomic_update(a, [v](T old) { return max(old, v); }); \
  }
#define MXI_ATOMIC_CAS(T)                                                                    \
  static inline T atomicCAS(T *a, T expected, T v) {                                         \
    __atomic_compare_exchange_n(a, &expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
    return expected;                                                                         \
  }
MXI_ATOMIC_COMMON(int)
MXI_ATOMIC_COMMON(unsigned)
MXI_ATOMIC_COMMON(unsigned long long)
MXI_ATOMIC_ORDER(int)
MXI_ATOMIC_ORDER(unsigned)
MXI_ATOMIC_ORDER(long long)
MXI_ATOMIC_ORDER(unsigned long long)
MXI_ATOMIC_CAS(int)
MXI_ATOMIC_CAS(unsigned)
MXI_ATOMIC_CAS(unsigned long long)
MXI_ATOMIC_CAS(unsigned short)
#undef MXI_ATOMIC_COMMON
#undef MXI_ATOMIC_ORDER
#undef MXI_ATOMIC_CAS
static inline int atomicSub(int *a, int v) { return __atomic_fetch_sub(a, v, __ATOMIC_RELAXED); }
static inline unsigned atomicSub(unsigned *a, unsigned v) {
  return __atomic_fetch_sub(a, v, __ATOMIC_RELAXED);
}
static inline unsigned atomicInc(unsigned *a, unsigned last) {
  return emulator::atomic_update(a, [last](unsigned old) { return old >= last ? 0 : old + 1; });
}
static inline unsigned atomicDec(unsigned *a, unsigned last) {
  return emulator::atomic_update(a, [last](unsigned old) { return old == 0 || old > last ? last : old - 1; });
}
static inline float atomicAdd(float *a, float v) { return emulator::atomic_add_float<unsigned>(a, v); }
static inline double atomicAdd(double *a, double v) {
  return emulator::atomic_add_float<unsigned long long>(a, v);
}
static inline float atomicExch(float *a, float v) {
  return __uint_as_float(atomicExch(reinterpret_cast<unsigned *>(a), __float_as_uint(v)));
}

static inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void __threadfence_block() { __threadfence(); }
static inline void __threadfence_system() { __threadfence(); }

template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
template <class T> static inline T __ldca(const T *p) { return *p; }
template <class T> static inline T __ldlu(const T *p) { return *p; }
template <class T> static inline void __stcs(T *p, T value) { *p = value; }
template <class T> static inline void __stcg(T *p, T value) { *p = value; }
template <class T> static inline void __stwb(T *p, T value) { *p = value; }
template <class T> static inline void __stwt(T *p, T value) { *p = value; }
static inline size_t __cvta_generic_to_shared(const void *p) { return reinterpret_cast<size_t>(p); }

/* Nanoseconds serve as cycles. */
static inline long long clock64() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}
static inline void __nanosleep(unsigned) { emulator::pause(); }
#endif
