#include "device_ops.h"
#include "cuda/kernels/ops.cuh"

/* Halves are computed as float. */
template <class T> static T load(const T *p) { return *p; }
static float load(const mxi_bf16 *p) { return mxi_to_float(*p); }
static float load(const mxi_f16 *p) { return mxi_to_float(*p); }
template <class S, class R> static void put(void *to, long i, R x) {
  if constexpr (mxi_same<S, mxi_bf16>::value || mxi_same<S, mxi_f16>::value)
    if constexpr (mxi_same<R, float>::value) {
      ((S *)to)[i] = mxi_of_float<S>(x);
      return;
    }
  ((R *)to)[i] = x;
}

template <class S, int OP> static int run_op(const void *a, const void *b, const void *c, void *to, long n) {
  if constexpr (!mxi_op_takes<OP, decltype(load((const S *)a))>::value)
    return 0;
  else {
    for (long i = 0; i < n; i++)
      if constexpr ((int)mxi_op<OP>::operands == 1)
        put<S>(to, i, mxi_op<OP>::apply(load((const S *)a + i)));
      else if constexpr ((int)mxi_op<OP>::operands == 2)
        put<S>(to, i, mxi_op<OP>::apply(load((const S *)a + i), load((const S *)b + i)));
      else
        put<S>(to, i,
               mxi_op<OP>::apply(((const bool *)a)[i], load((const S *)b + i), load((const S *)c + i)));
    return 1;
  }
}
template <class S>
static int run_type(int op, const void *a, const void *b, const void *c, void *to, long n) {
  switch (op) {
#define MX_ELEMENTWISE(ID, name, arity, rule) \
  case MXI_OP_##ID:                           \
    return run_op<S, MXI_OP_##ID>(a, b, c, to, n);
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  default: return 0;
  }
}

/* In the order of mx_dtype. */
#define EACH_TYPE(T) \
  T(0, bool)         \
  T(1, uint8_t)      \
  T(2, uint16_t)     \
  T(3, uint32_t)     \
  T(4, uint64_t)     \
  T(5, int8_t)       \
  T(6, int16_t)      \
  T(7, int32_t)      \
  T(8, int64_t)      \
  T(9, mxi_f16)      \
  T(10, mxi_bf16)    \
  T(11, float)       \
  T(12, double)      \
  T(13, mxi_c64)

int device_apply(int op, int type, const void *a, const void *b, const void *c, void *to, long n) {
  switch (type) {
#define TYPE(number, T) \
  case number: return run_type<T>(op, a, b, c, to, n);
    EACH_TYPE(TYPE)
  default: return 0;
  }
}

template <class From> static void cast_from(int type, const From *a, void *to, long n) {
  switch (type) {
#define TO(number, T)                                              \
  case number:                                                     \
    for (long i = 0; i < n; i++) ((T *)to)[i] = mxi_cast<T>(a[i]); \
    break;
    EACH_TYPE(TO)
  }
}
void device_cast(int from, int type, const void *a, void *to, long n) {
  switch (from) {
#define FROM(number, T) \
  case number: cast_from(type, (const T *)a, to, n); break;
    EACH_TYPE(FROM)
  }
}
