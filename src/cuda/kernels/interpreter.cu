/* Runs any program: interpret_narrow, whose slots are words of 4 bytes, and interpret_wide, of 8.

   A thread loads its elements of each input into registers, then runs instruction by instruction over all of
   them, so that an instruction is decoded once for several elements, then stores the outputs. Each element is
   read before it is written, by the same thread, so an output may be an input's memory. No thread reads
   another's slots; a barrier is needed for scalars alone.

   Slot e of a thread in a register is at [e * threads + thread], so that a warp's slots lie side by side. */
#include "cuda/kernels/interpreter.h"
#include "cuda/kernels/ops.cuh"
#include "cuda/kernels/region.cuh"

/* ---- Slots ---- */
template <class T, class W> MXI_DEVICE T from_slot(W w) {
  if constexpr (mxi_same<T, bool>::value)
    return w != 0;
  else if constexpr (mxi_same<T, float>::value)
    return mxi_float_of_bits((uint32_t)w);
  else if constexpr (mxi_same<T, double>::value)
    return mxi_double_of_bits((uint64_t)w);
  else if constexpr (mxi_same<T, mxi_c64>::value)
    return mxi_complex(mxi_float_of_bits((uint32_t)w), mxi_float_of_bits((uint32_t)((uint64_t)w >> 32)));
  else
    return (T)w;
}
template <class W, class T> MXI_DEVICE W to_slot(T x) {
  if constexpr (mxi_same<T, float>::value || mxi_same<T, double>::value)
    return (W)mxi_bits(x);
  else if constexpr (mxi_same<T, mxi_c64>::value)
    return (W)(mxi_bits(x.re) | (uint64_t)mxi_bits(x.im) << 32);
  else if constexpr (sizeof(T) == 4)
    return (W)(uint32_t)x;
  else
    return (W)x;
}
/* A result of 32 bits as its type has it. */
template <class W> MXI_DEVICE W formed(W w, int form) {
  uint32_t u = (uint32_t)w;
  switch (form) {
  case MXI_FORM_U8: return (uint8_t)u;
  case MXI_FORM_I8: return (uint32_t)(int32_t)(int8_t)u;
  case MXI_FORM_U16: return (uint16_t)u;
  case MXI_FORM_I16: return (uint32_t)(int32_t)(int16_t)u;
  case MXI_FORM_F16: return mxi_bits(mxi_round_to<mxi_f16>(mxi_float_of_bits(u)));
  case MXI_FORM_BF16: return mxi_bits(mxi_round_to<mxi_bf16>(mxi_float_of_bits(u)));
  default: return w;
  }
}
template <class W, int E> MXI_DEVICE void form_all(W (&w)[E], int form) {
  switch (form) {
#define FORM(ID)                                                    \
  case MXI_FORM_##ID:                                               \
    _Pragma("unroll")                                               \
    for (int e = 0; e < E; e++) w[e] = formed(w[e], MXI_FORM_##ID); \
    break;
    FORM(U8)
    FORM(I8)
    FORM(U16)
    FORM(I16)
    FORM(F16)
    FORM(BF16)
#undef FORM
  default: break;
  }
}

/* ---- Elements as they are stored ---- */
/* The bits of an element to its slot. */
template <class W> MXI_DEVICE W loaded(W bits, int form) {
  uint32_t u = (uint32_t)bits;
  switch (form) {
  case MXI_FORM_I8: return (uint32_t)(int32_t)(int8_t)u;
  case MXI_FORM_I16: return (uint32_t)(int32_t)(int16_t)u;
  case MXI_FORM_F16: return mxi_bits(mxi_to_float(mxi_f16{(uint16_t)u}));
  case MXI_FORM_BF16: return u << 16;
  default: return bits;
  }
}
template <class W, int E> MXI_DEVICE void load_all(W (&w)[E], int form) {
  switch (form) {
#define FORM(ID)                                                    \
  case MXI_FORM_##ID:                                               \
    _Pragma("unroll")                                               \
    for (int e = 0; e < E; e++) w[e] = loaded(w[e], MXI_FORM_##ID); \
    break;
    FORM(I8)
    FORM(I16)
    FORM(F16)
    FORM(BF16)
#undef FORM
  default: break;
  }
}
/* And back; halves are on their grid already. */
template <class W, int E> MXI_DEVICE void store_all(W (&w)[E], int form) {
  if (form == MXI_FORM_BF16) {
#pragma unroll
    for (int e = 0; e < E; e++) w[e] = (uint32_t)w[e] >> 16;
  } else if (form == MXI_FORM_F16) {
#pragma unroll
    for (int e = 0; e < E; e++) w[e] = mxi_to_f16(mxi_float_of_bits((uint32_t)w[e])).bits;
  }
}
template <int BYTES> struct element;
template <> struct element<1> {
  typedef uint8_t type;
  typedef uint32_t group;
};
template <> struct element<2> {
  typedef uint16_t type;
  typedef uint64_t group;
};
template <> struct element<4> {
  typedef uint32_t type;
  struct alignas(16) group {
    uint32_t of[4];
  };
};
template <> struct element<8> {
  typedef uint64_t type;
  struct alignas(16) group {
    uint64_t of[4];
  };
};

/* The byte offset of element n. */
MXI_DEVICE int64_t offset_of(const struct mxi_interpreted &p, const struct mxi_interpreted_operand &o,
                             uint32_t n) {
  if (o.linear) return (int64_t)n * o.size;
  const int64_t *strides = p.strides + o.strides;
  int64_t offset = 0;
  for (int d = p.ndim - 1; d > 0; d--) offset += (int64_t)mxi_divide_off(n, p.shape[d]) * strides[d];
  return offset + (int64_t)n * strides[0];
}
/* From one element of a group to the next, where they are in one row. */
MXI_DEVICE int64_t step_of(const struct mxi_interpreted &p, const struct mxi_interpreted_operand &o) {
  return o.linear ? o.size : p.strides[o.strides + p.ndim - 1];
}

/* A thread's groups: group g has the elements from first(g) on. */
struct groups {
  uint32_t start, stride;
  __device__ uint32_t first(int g) const { return start + g * stride; }
};

template <int BYTES, class W, int E>
MXI_DEVICE void load_bits(const struct mxi_interpreted &p, const struct mxi_interpreted_operand &o,
                          const groups &mine, W (&bits)[E]) {
  typedef typename element<BYTES>::type T;
  typedef typename element<BYTES>::group G;
#pragma unroll
  for (int g = 0; g < E / 4; g++) {
    uint32_t n = mine.first(g);
    if (n >= p.size) {
#pragma unroll
      for (int i = 0; i < 4; i++) bits[4 * g + i] = 0;
    } else if (o.whole && p.size - n >= 4) {
      const char *at = reinterpret_cast<const char *>(o.address) + offset_of(p, o, n);
      G group = *reinterpret_cast<const G *>(at);
#pragma unroll
      for (int i = 0; i < 4; i++)
        if constexpr (BYTES < 4)
          bits[4 * g + i] = (T)(group >> (8 * BYTES * i));
        else
          bits[4 * g + i] = (W)group.of[i];
    } else {
      const char *at = reinterpret_cast<const char *>(o.address);
      int64_t offset = 0, step = step_of(p, o);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        bool present = p.size - n > (uint32_t)i;
        if (i == 0 || !p.groups)
          offset = present ? offset_of(p, o, n + i) : 0;
        else
          offset += step;
        bits[4 * g + i] = present ? (W) * reinterpret_cast<const T *>(at + offset) : 0;
      }
    }
  }
}
template <int BYTES, class W, int E>
MXI_DEVICE void store_bits(const struct mxi_interpreted &p, const struct mxi_interpreted_operand &o,
                           const groups &mine, const W (&bits)[E]) {
  typedef typename element<BYTES>::type T;
  typedef typename element<BYTES>::group G;
#pragma unroll
  for (int g = 0; g < E / 4; g++) {
    uint32_t n = mine.first(g);
    if (n >= p.size) break;
    char *to = reinterpret_cast<char *>(o.address);
    if (o.whole && p.size - n >= 4) {
      G group;
      if constexpr (BYTES < 4) {
        group = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) group |= (G)(T)bits[4 * g + i] << (8 * BYTES * i);
      } else {
#pragma unroll
        for (int i = 0; i < 4; i++) group.of[i] = (T)bits[4 * g + i];
      }
      *reinterpret_cast<G *>(to + offset_of(p, o, n)) = group;
    } else {
      int64_t offset = 0, step = step_of(p, o);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (p.size - n <= (uint32_t)i) break;
        if (i == 0 || !p.groups)
          offset = offset_of(p, o, n + i);
        else
          offset += step;
        *reinterpret_cast<T *>(to + offset) = (T)bits[4 * g + i];
      }
    }
  }
}

/* ---- Operands of an instruction ---- */
template <class W> struct operand {
  const W *at;
  uint32_t step; /* from one slot of the thread to the next */
};
template <class W> struct registers {
  W *first; /* this thread's slot 0 of register 0 */
  W *scalars;
  uint32_t threads;
  __device__ W *at(int reg) const { return first + reg * (MXI_INTERPRETER_BYTES / (int)sizeof(W)) * threads; }
  __device__ operand<W> of(int src) const {
    if (src >= MXI_INTERPRETER_SCALAR) return {scalars + (src - MXI_INTERPRETER_SCALAR), 0};
    return {at(src), threads};
  }
};

/* ---- Instructions ---- */
/* Short enough to be done for all of a thread's elements at once. */
template <int OP, class T> struct is_short {
  enum {
    /* of float alone */
    elementary = OP == MXI_OP_SQRT || OP == MXI_OP_RSQRT || OP == MXI_OP_RECIPROCAL || OP == MXI_OP_DIVIDE ||
                 OP == MXI_OP_EXP || OP == MXI_OP_LOG || OP == MXI_OP_TANH || OP == MXI_OP_ERF ||
                 OP == MXI_OP_SIGMOID,
    rule = (int)mxi_op<OP>::rule,
    simple = rule != MXI_RULE_FLOAT && rule != MXI_RULE_REAL && OP != MXI_OP_FLOOR_DIVIDE &&
             OP != MXI_OP_REMAINDER && OP != MXI_OP_POWER,
    value = (int)mxi_op_takes<OP, T>::value && (int)mxi_op<OP>::operands < 3 &&
            !mxi_same<T, mxi_c64>::value && (elementary ? (int)mxi_same<T, float>::value : (int)simple)
  };
};
template <class T, class W, int E>
MXI_DEVICE bool run_short(int op, const W (&a)[E], const W (&b)[E], W (&r)[E]) {
  switch (op) {
#define MX_ELEMENTWISE(ID, name, arity, rule_)                                                   \
  case MXI_OP_##ID:                                                                              \
    if constexpr (is_short<MXI_OP_##ID, T>::value) {                                             \
      _Pragma("unroll")                                                                          \
      for (int e = 0; e < E; e++) {                                                              \
        if constexpr (arity == 1)                                                                \
          r[e] = to_slot<W>(mxi_op<MXI_OP_##ID>::apply(from_slot<T>(a[e])));                     \
        else                                                                                     \
          r[e] = to_slot<W>(mxi_op<MXI_OP_##ID>::apply(from_slot<T>(a[e]), from_slot<T>(b[e]))); \
      }                                                                                          \
      return true;                                                                               \
    }                                                                                            \
    break;
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  default: break;
  }
  return false;
}
/* The others, element by element, in a function of their own, whose registers don't count while it isn't
 * called. */
template <class T, class W>
MXI_DEVICE_CALLED void run_long(const struct mxi_interpreted_instruction &i, const registers<W> of) {
  operand<W> a = of.of(i.src[0]), b = of.of(i.src[1]);
  W *dst = of.at(i.dst);
  switch (i.op) {
#define MX_ELEMENTWISE(ID, name, arity, rule_)                                                             \
  case MXI_OP_##ID:                                                                                        \
    if constexpr (arity < 3 && mxi_op_takes<MXI_OP_##ID, T>::value && !is_short<MXI_OP_##ID, T>::value) {  \
      _Pragma("unroll 1")                                                                                  \
      for (int e = 0; e < MXI_INTERPRETER_BYTES / (int)sizeof(W); e++) {                                   \
        W r;                                                                                               \
        if constexpr (arity == 1)                                                                          \
          r = to_slot<W>(mxi_op<MXI_OP_##ID>::apply(from_slot<T>(a.at[e * a.step])));                      \
        else                                                                                               \
          r = to_slot<W>(                                                                                  \
              mxi_op<MXI_OP_##ID>::apply(from_slot<T>(a.at[e * a.step]), from_slot<T>(b.at[e * b.step]))); \
        dst[e * of.threads] = formed(r, i.form);                                                           \
      }                                                                                                    \
    }                                                                                                      \
    break;
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  default: break;
  }
}
template <class From, class W, int E> MXI_DEVICE void cast_from(int to, const W (&a)[E], W (&r)[E]) {
  switch (to) {
#define TO(ID, expr)                  \
  case MXI_SLOT_##ID:                 \
    _Pragma("unroll")                 \
    for (int e = 0; e < E; e++) {     \
      From x = from_slot<From>(a[e]); \
      r[e] = to_slot<W>(expr);        \
    }                                 \
    break;
    TO(BOOL, mxi_cast<bool>(x))
    TO(I32, mxi_cast<int32_t>(x))
    TO(U32, mxi_cast<uint32_t>(x))
    TO(F32, mxi_cast<float>(x))
  case MXI_SLOT_ODD:
#pragma unroll
    for (int e = 0; e < E; e++) {
      From x = from_slot<From>(a[e]);
      if constexpr (mxi_same<From, mxi_c64>::value)
        r[e] = to_slot<W>(x.re);
      else
        r[e] = to_slot<W>(mxi_odd_of(x));
    }
    break;
  default:
    if constexpr (sizeof(W) == 8) switch (to) {
        TO(I64, mxi_cast<int64_t>(x))
        TO(U64, mxi_cast<uint64_t>(x))
        TO(F64, mxi_cast<double>(x))
        TO(C64, mxi_cast<mxi_c64>(x))
      }
#undef TO
  }
}

template <class W, int E>
MXI_DEVICE void run_instruction(const struct mxi_interpreted_instruction &i, const registers<W> &r) {
  W *dst = r.at(i.dst);
  operand<W> a = r.of(i.src[0]), b = r.of(i.src[1]);
  W x[E], y[E], z[E];
#pragma unroll
  for (int e = 0; e < E; e++) x[e] = y[e] = z[e] = a.at[e * a.step];
  if (i.src[1] != i.src[0])
#pragma unroll
    for (int e = 0; e < E; e++) y[e] = b.at[e * b.step];
  bool done = true;
  if (i.op == MXI_OP_SELECT) {
    operand<W> c = r.of(i.src[2]);
#pragma unroll
    for (int e = 0; e < E; e++) z[e] = x[e] ? y[e] : c.at[e * c.step];
  } else
    switch (i.kind) {
#define KIND(ID, T)                                 \
  case MXI_SLOT_##ID:                               \
    if (i.op == MXI_OP_ASTYPE)                      \
      cast_from<T>(i.to, x, z);                     \
    else if (!(done = run_short<T>(i.op, x, y, z))) \
      run_long<T>(i, r);                            \
    break;
      KIND(BOOL, bool)
      KIND(I32, int32_t)
      KIND(U32, uint32_t)
      KIND(F32, float)
    default:
      if constexpr (sizeof(W) == 8) switch (i.kind) {
          KIND(I64, int64_t)
          KIND(U64, uint64_t)
          KIND(F64, double)
          KIND(C64, mxi_c64)
        }
#undef KIND
    }
  if (!done) return;
  form_all(z, i.form);
#pragma unroll
  for (int e = 0; e < E; e++) dst[e * r.threads] = z[e];
}

/* ---- Programs ---- */
template <class W, int E>
MXI_DEVICE void load_input(const struct mxi_interpreted &p, const struct mxi_interpreted_operand &o,
                           const groups &mine, const registers<W> &r) {
  W bits[E], *to = r.at(o.reg);
  switch (o.size) {
  case 1: load_bits<1>(p, o, mine, bits); break;
  case 2: load_bits<2>(p, o, mine, bits); break;
  case 4: load_bits<4>(p, o, mine, bits); break;
  default:
    if constexpr (sizeof(W) == 8) load_bits<8>(p, o, mine, bits);
  }
  load_all(bits, o.form);
#pragma unroll
  for (int e = 0; e < E; e++) to[e * r.threads] = bits[e];
}
template <class W, int E>
MXI_DEVICE void store_output(const struct mxi_interpreted &p, const struct mxi_interpreted_operand &o,
                             const groups &mine, const registers<W> &r) {
  W bits[E];
  const W *from = r.at(o.reg);
#pragma unroll
  for (int e = 0; e < E; e++) bits[e] = from[e * r.threads];
  store_all(bits, o.form);
  switch (o.size) {
  case 1: store_bits<1>(p, o, mine, bits); break;
  case 2: store_bits<2>(p, o, mine, bits); break;
  case 4: store_bits<4>(p, o, mine, bits); break;
  default:
    if constexpr (sizeof(W) == 8) store_bits<8>(p, o, mine, bits);
  }
}
template <class W> MXI_DEVICE W load_scalar(const struct mxi_interpreted_scalar &s) {
  const void *from = s.address ? reinterpret_cast<const void *>(s.address) : &s.bits;
  switch (s.size) {
  case 1: return loaded((W) * static_cast<const uint8_t *>(from), s.form);
  case 2: return loaded((W) * static_cast<const uint16_t *>(from), s.form);
  case 4: return (W) * static_cast<const uint32_t *>(from);
  default: return (W) * static_cast<const uint64_t *>(from);
  }
}

template <class W> MXI_DEVICE void interpret(const struct mxi_interpreted &p, W *shared) {
  constexpr int E = MXI_INTERPRETER_BYTES / sizeof(W);
  registers<W> r = {shared + MXI_INTERPRETER_INPUTS + threadIdx.x, shared, blockDim.x};
  if (p.nscalars) {
    if (threadIdx.x < p.nscalars) shared[threadIdx.x] = load_scalar<W>(p.scalar[threadIdx.x]);
    __syncthreads();
  }
  groups mine = {(blockIdx.x * (E / 4) * blockDim.x + threadIdx.x) * 4, blockDim.x * 4};
  if (mine.start >= p.size) return;
  for (int k = 0; k < p.ninputs; k++) load_input<W, E>(p, p.in[k], mine, r);
  for (int k = 0; k < p.ninstructions; k++) run_instruction<W, E>(p.instruction[k], r);
  for (int k = 0; k < p.noutputs; k++) store_output<W, E>(p, p.out[k], mine, r);
}

MXI_KERNEL(interpret_narrow, mxi_interpreted, MXI_INTERPRETER_THREADS) {
  MXI_DYNAMIC_SHARED(uint32_t, shared);
  interpret(p, shared);
}
MXI_KERNEL(interpret_wide, mxi_interpreted, MXI_INTERPRETER_THREADS) {
  MXI_DYNAMIC_SHARED(uint64_t, shared);
  interpret(p, shared);
}
