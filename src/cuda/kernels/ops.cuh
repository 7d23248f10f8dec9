/* The rows of core/elementwise.def by number: mxi_op<OP>::apply, and which dtypes an op takes. For code that
   chooses the op when it runs; code that knows it calls mxi_e_<name>. */
#ifndef MXI_CUDA_KERNELS_OPS_CUH
#define MXI_CUDA_KERNELS_OPS_CUH
#include "cuda/kernels/elementwise.cuh"

enum mxi_op_id { /* as enum mxi_prim_id, which starts with the same rows */
#define MX_ELEMENTWISE(ID, name, arity, rule) MXI_OP_##ID,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
                 MXI_OP_COUNT
};
enum mxi_rule {
  MXI_RULE_CAST,
  MXI_RULE_SAME,
  MXI_RULE_FLOAT,
  MXI_RULE_REAL,
  MXI_RULE_COMPARE,
  MXI_RULE_LOGIC,
  MXI_RULE_BITS,
  MXI_RULE_TEST,
  MXI_RULE_PART,
  MXI_RULE_SELECT
};

template <int OP> struct mxi_op;
#define MXI_APPLY_1(call) \
  template <class T> MXI_DEVICE auto apply(T x) { return call(x); }
#define MXI_APPLY_2(call) \
  template <class T> MXI_DEVICE auto apply(T x, T y) { return call(x, y); }
#define MXI_APPLY_3(call) \
  template <class T> MXI_DEVICE auto apply(bool which, T x, T y) { return call(which, x, y); }
#define MX_ELEMENTWISE(ID, name, arity, rule_)          \
  template <> struct mxi_op<MXI_OP_##ID> {              \
    enum { operands = arity, rule = MXI_RULE_##rule_ }; \
    MXI_APPLY_##arity(mxi_e_##name)                     \
  };
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
#undef MXI_APPLY_1
#undef MXI_APPLY_2
#undef MXI_APPLY_3

/* Is there a function for values of T? T is no half: halves are floats. ASTYPE is mxi_cast. */
template <int OP, class T> struct mxi_op_takes {
  enum {
    is_complex = mxi_same<T, mxi_c64>::value,
    is_float = mxi_same<T, float>::value || mxi_same<T, double>::value,
    rule = (int)mxi_op<OP>::rule,
    value = rule == MXI_RULE_CAST    ? false
            : rule == MXI_RULE_FLOAT ? is_float || is_complex
            : rule == MXI_RULE_REAL  ? is_float
            : rule == MXI_RULE_BITS  ? !is_float && !is_complex
                                     : !(is_complex && (OP == MXI_OP_REMAINDER || OP == MXI_OP_FLOOR_DIVIDE))
  };
};
#endif
