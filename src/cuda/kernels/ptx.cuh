/* The instructions that CUDA C++ has no function for, each beside its emulation (tests/emulator). All 32
   lanes of a warp take part in those marked "warp". Fragments of matrices lie in the lanes as the PTX ISA
   says, repeated here: lane = 4 * group + tig, group in 0..7, tig in 0..3. */
#ifndef MXI_CUDA_KERNELS_PTX_CUH
#define MXI_CUDA_KERNELS_PTX_CUH
#include "cuda/kernels/kernel.cuh"

/* ---- Matrix products: d = a b + c, with c and d in one array (warp) ----

   m16n8k16, a of 16 x 16 and b of 16 x 8 halves, two in a register, the one with the lower index in the low
   bits: a[0]: row group,     columns 2 tig, 2 tig + 1     b[0]: rows 2 tig, 2 tig + 1, column group a[1]: row
   group + 8, columns 2 tig, 2 tig + 1     b[1]: rows 2 tig + 8, 2 tig + 9, column group a[2]: row group,
   columns 2 tig + 8, + 9       c[0], c[1]: row group,     columns 2 tig, 2 tig + 1 a[3]: row group + 8,
   columns 2 tig + 8, + 9       c[2], c[3]: row group + 8, columns 2 tig, 2 tig + 1 m16n8k8, floats of which
   the tensor cores use the leading 19 bits (tf32), c as above: a[0]: row group,     column tig b[0]: row tig,
   column group a[1]: row group + 8, column tig                   b[1]: row tig + 4, column group a[2]: row
   group,     column tig + 4 a[3]: row group + 8, column tig + 4 m8n8k4, doubles: a: row group, column tig b:
   row tig, column group      c[0], c[1]: row group, columns 2 tig, 2 tig + 1 */
#ifdef MXI_EMULATED
namespace mxi_ptx {
using emulator::place;

inline float from_bfloat16(uint32_t x) { return __uint_as_float(x << 16); }
inline float from_float16(uint32_t x) {
  const uint32_t sign = (x & 0x8000u) << 16, exponent = x >> 10 & 31, fraction = x & 1023;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | fraction << 13);
  const float magnitude =
      ldexpf(float(exponent ? fraction + 1024 : fraction), int(exponent ? exponent : 1) - 25);
  return sign ? -magnitude : magnitude;
}

struct mma_half_operand {
  float *c;
  const uint32_t *a, *b;
};
/* Sums are made in double and rounded once; hardware adds with some bits more than float has, in an order of
 * its own. */
template <float (*WIDEN)(uint32_t)> void run_mma_half(mma_half_operand *const lanes[32], unsigned) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; lane++) {
    const int group = lane / 4, tig = lane % 4;
    for (int i = 0; i < 8; i++) {
      const uint32_t pair = lanes[lane]->a[i / 2];
      a[group + 8 * (i / 2 % 2)][2 * tig + i % 2 + 8 * (i / 4)] = WIDEN(i % 2 ? pair >> 16 : pair & 0xffff);
    }
    for (int i = 0; i < 4; i++) {
      const uint32_t pair = lanes[lane]->b[i / 2];
      b[2 * tig + i % 2 + 8 * (i / 2)][group] = WIDEN(i % 2 ? pair >> 16 : pair & 0xffff);
    }
  }
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 4; i++) {
      const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      double sum = double(lanes[lane]->c[i]);
      for (int k = 0; k < 16; k++) sum += double(a[row][k]) * double(b[k][column]);
      lanes[lane]->c[i] = float(sum);
    }
}
template <float (*WIDEN)(uint32_t)>
inline void mma_half(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], place at) {
  mma_half_operand o = {c, a, b};
  emulator::together(~0u, run_mma_half<WIDEN>, &o, at);
}

inline void run_mma_tf32(mma_half_operand *const lanes[32], unsigned) {
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; lane++) {
    const int group = lane / 4, tig = lane % 4;
    const uint32_t used = 0xffffe000u;
    for (int i = 0; i < 4; i++)
      a[group + 8 * (i % 2)][tig + 4 * (i / 2)] = __uint_as_float(lanes[lane]->a[i] & used);
    for (int i = 0; i < 2; i++) b[tig + 4 * i][group] = __uint_as_float(lanes[lane]->b[i] & used);
  }
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 4; i++) {
      const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      double sum = double(lanes[lane]->c[i]);
      for (int k = 0; k < 8; k++) sum += double(a[row][k]) * double(b[k][column]);
      lanes[lane]->c[i] = float(sum);
    }
}

struct mma_float64_operand {
  double *c, a, b;
};
inline void run_mma_float64(mma_float64_operand *const lanes[32], unsigned) {
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 2; i++) {
      const int row = lane / 4, column = 2 * (lane % 4) + i;
      for (int k = 0; k < 4; k++)
        lanes[lane]->c[i] = fma(lanes[4 * row + k]->a, lanes[4 * column + k]->b, lanes[lane]->c[i]);
    }
}

struct ldmatrix_operand {
  const void *row;
  uint32_t *to;
};
template <int COUNT, bool TRANSPOSED> void run_ldmatrix(ldmatrix_operand *const lanes[32], unsigned) {
  for (int m = 0; m < COUNT; m++) {
    uint16_t x[8][8];
    for (int row = 0; row < 8; row++) {
      const void *from = lanes[8 * m + row]->row;
      if (reinterpret_cast<uintptr_t>(from) % 16)
        emulator::trap("ldmatrix of a row that is not aligned", place::here());
      memcpy(x[row], from, 16);
    }
    for (int lane = 0; lane < 32; lane++) {
      const int row = lane / 4, column = 2 * (lane % 4);
      lanes[lane]->to[m] = TRANSPOSED ? x[column][row] | uint32_t(x[column + 1][row]) << 16
                                      : x[row][column] | uint32_t(x[row][column + 1]) << 16;
    }
  }
}

inline uint32_t to_bfloat16(float x) {
  const uint32_t u = __float_as_uint(x);
  if (x != x) return 0x7fff;
  return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
} // namespace mxi_ptx
/* Where an emulated instruction is called from. */
#define MXI_PLACE , mxi_place mxi_at = mxi_place::here()
#else
#define MXI_PLACE
#endif

MXI_DEVICE void mxi_mma_m16n8k16_bfloat16(float (&c)[4], const uint32_t (&a)[4],
                                          const uint32_t (&b)[2] MXI_PLACE) {
#ifdef MXI_EMULATED
  mxi_ptx::mma_half<mxi_ptx::from_bfloat16>(c, a, b, mxi_at.named("mma.m16n8k16 of bfloat16"));
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
MXI_DEVICE void mxi_mma_m16n8k16_float16(float (&c)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2] MXI_PLACE) {
#ifdef MXI_EMULATED
  mxi_ptx::mma_half<mxi_ptx::from_float16>(c, a, b, mxi_at.named("mma.m16n8k16 of float16"));
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
/* a and b: bits of floats, rounded to tf32 by the caller (mxi_to_tf32). */
MXI_DEVICE void mxi_mma_m16n8k8_tf32(float (&c)[4], const uint32_t (&a)[4],
                                     const uint32_t (&b)[2] MXI_PLACE) {
#ifdef MXI_EMULATED
  mxi_ptx::mma_half_operand o = {c, a, b};
  emulator::together(~0u, mxi_ptx::run_mma_tf32, &o, mxi_at.named("mma.m16n8k8 of tf32"));
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
MXI_DEVICE void mxi_mma_m8n8k4_float64(double (&c)[2], double a, double b MXI_PLACE) {
#ifdef MXI_EMULATED
  mxi_ptx::mma_float64_operand o = {c, a, b};
  emulator::together(~0u, mxi_ptx::run_mma_float64, &o, mxi_at.named("mma.m8n8k4 of float64"));
#else
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
               : "+d"(c[0]), "+d"(c[1])
               : "d"(a), "d"(b));
#endif
}
/* Rounded to nearest, ties away from zero. */
MXI_DEVICE uint32_t mxi_to_tf32(float x) {
#ifdef MXI_EMULATED
  const uint32_t u = __float_as_uint(x);
  return (u & 0x7f800000u) == 0x7f800000u ? u : (u + 0x1000u) & 0xffffe000u;
#else
  uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#endif
}

/* ---- Matrices of 8 x 8 halves from shared memory (warp) ----

   Lanes 8 m .. 8 m + 7 give the addresses of the rows of matrix m, 16 bytes each and aligned; those of lanes
   beyond are not used, but must be valid. to[m] of lane 4 i + j: row i, columns 2 j and 2 j + 1; transposed:
   rows 2 j and 2 j + 1 of column i. */
#ifndef MXI_EMULATED
MXI_DEVICE uint32_t mxi_shared_address(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }
#endif
#ifdef MXI_EMULATED
#define MXI_LDMATRIX(NAME, COUNT, TRANSPOSED, ASM)                                              \
  MXI_DEVICE void NAME(uint32_t(&to)[COUNT], const void *row MXI_PLACE) {                       \
    mxi_ptx::ldmatrix_operand o = {row, to};                                                    \
    emulator::together(~0u, mxi_ptx::run_ldmatrix<COUNT, TRANSPOSED>, &o, mxi_at.named(#NAME)); \
  }
#else
#define MXI_LDMATRIX(NAME, COUNT, TRANSPOSED, ASM) \
  MXI_DEVICE void NAME(uint32_t(&to)[COUNT], const void *row) { ASM(TRANSPOSED) }
#define MXI_LDMATRIX_SUFFIX_false ""
#define MXI_LDMATRIX_SUFFIX_true  ".trans"
#define MXI_LDMATRIX_X1(TRANSPOSED)                                                                       \
  asm volatile("ldmatrix.sync.aligned.m8n8.x1" MXI_LDMATRIX_SUFFIX_##TRANSPOSED ".shared.b16 {%0}, [%1];" \
               : "=r"(to[0])                                                                              \
               : "r"(mxi_shared_address(row))                                                             \
               : "memory");
#define MXI_LDMATRIX_X2(TRANSPOSED)                                             \
  asm volatile("ldmatrix.sync.aligned.m8n8.x2" MXI_LDMATRIX_SUFFIX_##TRANSPOSED \
               ".shared.b16 {%0, %1}, [%2];"                                    \
               : "=r"(to[0]), "=r"(to[1])                                       \
               : "r"(mxi_shared_address(row))                                   \
               : "memory");
#define MXI_LDMATRIX_X4(TRANSPOSED)                                             \
  asm volatile("ldmatrix.sync.aligned.m8n8.x4" MXI_LDMATRIX_SUFFIX_##TRANSPOSED \
               ".shared.b16 {%0, %1, %2, %3}, [%4];"                            \
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])             \
               : "r"(mxi_shared_address(row))                                   \
               : "memory");
#endif
MXI_LDMATRIX(mxi_ldmatrix_x1, 1, false, MXI_LDMATRIX_X1)
MXI_LDMATRIX(mxi_ldmatrix_x2, 2, false, MXI_LDMATRIX_X2)
MXI_LDMATRIX(mxi_ldmatrix_x4, 4, false, MXI_LDMATRIX_X4)
MXI_LDMATRIX(mxi_ldmatrix_x1_trans, 1, true, MXI_LDMATRIX_X1)
MXI_LDMATRIX(mxi_ldmatrix_x2_trans, 2, true, MXI_LDMATRIX_X2)
MXI_LDMATRIX(mxi_ldmatrix_x4_trans, 4, true, MXI_LDMATRIX_X4)

/* ---- Copies from global to shared memory that don't wait ----

   BYTES: 4, 8 or 16, to which both addresses are aligned. Of those, `valid` are read and the others are
   zeros. 16 bytes go past L1. What was copied is seen by this thread after the wait for its group, by others
   after a barrier too. */
template <int BYTES>
MXI_DEVICE void mxi_copy_async(void *shared, const void *global, int valid = BYTES MXI_PLACE) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
#ifdef MXI_EMULATED
  emulator::copy_async(shared, global, BYTES, unsigned(valid), mxi_at.named("cp.async"));
#else
  if (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(mxi_shared_address(shared)),
                 "l"(global), "r"(valid)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(mxi_shared_address(shared)),
                 "l"(global), "n"(BYTES), "r"(valid)
                 : "memory");
#endif
}
/* The copies since the last commit are a group. */
MXI_DEVICE void mxi_copy_async_commit() {
#ifdef MXI_EMULATED
  emulator::copy_async_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
/* Until at most PENDING of the latest groups are under way. */
template <int PENDING> MXI_DEVICE void mxi_copy_async_wait() {
#ifdef MXI_EMULATED
  emulator::copy_async_wait(PENDING);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

/* ---- Launches that overlap: nothing before compute capability 9.0, nor without the launch attribute ---- */

/* Until the grids before it in the stream have ended and what they wrote is seen. */
MXI_DEVICE void mxi_grid_wait() {
#if !defined(MXI_EMULATED) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/* The next grid may start; it sees what this one writes after its own wait. */
MXI_DEVICE void mxi_grid_launch_dependents() {
#if !defined(MXI_EMULATED) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/* ---- Barriers of part of a block: `threads` is a multiple of 32; number 0 is __syncthreads' ---- */

MXI_DEVICE void mxi_barrier_sync(int number, int threads MXI_PLACE) {
#ifdef MXI_EMULATED
  emulator::barrier(number, unsigned(threads), emulator::VOTE_NONE, 0, mxi_at.named("bar.sync"));
#else
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
#endif
}
/* Counts this thread without waiting. */
MXI_DEVICE void mxi_barrier_arrive(int number, int threads MXI_PLACE) {
#ifdef MXI_EMULATED
  emulator::barrier_arrive(number, unsigned(threads), mxi_at.named("bar.arrive"));
#else
  asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
#endif
}

/* ---- Loads ---- */

/* Brings the line of an address into L2. */
MXI_DEVICE void mxi_prefetch_l2(const void *global) {
#ifdef MXI_EMULATED
  (void)global;
#else
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global));
#endif
}
/* 16 bytes, aligned, that no thread writes while the kernel runs and that nobody reads again soon. */
MXI_DEVICE uint4 mxi_load_once(const void *global MXI_PLACE) {
#ifdef MXI_EMULATED
  if (reinterpret_cast<uintptr_t>(global) % 16)
    emulator::trap("the address is not aligned", mxi_at.named("ld.global.nc"));
  return *static_cast<const uint4 *>(global);
#else
  uint4 x;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
               : "l"(global));
  return x;
#endif
}

/* ---- Conversions ---- */

/* Two floats rounded to nearest even bfloat16s: low in the low bits. NaN is 0x7fff. */
MXI_DEVICE uint32_t mxi_pack_bfloat16(float low, float high) {
#ifdef MXI_EMULATED
  return mxi_ptx::to_bfloat16(low) | mxi_ptx::to_bfloat16(high) << 16;
#else
  uint32_t y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
#endif
}
#undef MXI_PLACE
#endif
