/* Which instruction set the kernels use. Kernel sources in src/cpu/kernels are compiled once per set, with
   MXI_ISA defined to v2 (x86-64-v2: SSE4.2), v3 (AVX2, FMA, F16C) or v4 (AVX-512 F BW CD DQ VL), and define
   functions named by MXI_ISA_NAME(fn): fn_v2, fn_v3, fn_v4. A set is used only where the machine has the
   whole level of the psABI (cpu/cpuid.h), as the compiler may use any of it. Callers go through
   MXI_DISPATCH(fn). */
#ifndef MXI_CPU_ISA_H
#define MXI_CPU_ISA_H
#include <stdbool.h>

enum mxi_isa { MXI_ISA_V2, MXI_ISA_V3, MXI_ISA_V4 };
/* The best set this machine has, or the lower one that MLX_CPU_ISA asks for. */
enum mxi_isa mxi_isa(void);
/* 0; or -1 with the error set on a machine that lacks v2, or the one set of this build, where no kernel may
   be called. */
int mxi_isa_check(void);
/* The same of a machine described. */
struct mxi_cpuid;
enum mxi_isa mxi_isa_of(const struct mxi_cpuid *c);
int mxi_isa_check_of(const struct mxi_cpuid *c);

/* What kernels of v4 may use beyond it, where the machine has it: integer dot products; bfloat16 dot
   products, on AMD alone, as Intel's run at a quarter of the rate of its float32 multiply-adds; tiles of AMX.
   MLX_CPU_ISA=v2, v3 or v4 asks for a set without them; v4-dot gives the first two on any machine that has
   them. */
enum mxi_extension { MXI_VNNI = 1, MXI_BF16 = 2, MXI_AMX = 4 };
bool mxi_cpu_has(enum mxi_extension e);

#define MXI_CAT_(a, b) a##_##b
#define MXI_CAT(a, b)  MXI_CAT_(a, b)
#ifdef MXI_ISA
#define MXI_ISA_NAME(fn) MXI_CAT(fn, MXI_ISA)
#endif
/* Declares fn_v2, fn_v3 and fn_v4 of one type: MXI_DECLARE_KERNEL(void, mxi_saxpy, (int64_t n, ...)); */
#define MXI_DECLARE_KERNEL(ret, fn, args) \
  ret fn##_v2 args;                       \
  ret fn##_v3 args;                       \
  ret fn##_v4 args
/* The lowest psABI level that has kernels in this build. */
enum { MXI_LEVEL_v2 = 2, MXI_LEVEL_v3, MXI_LEVEL_v4 };
#ifdef MXI_ONLY_ISA /* a build with one set: the others' kernels are not there */
#define MXI_DISPATCH(fn) MXI_CAT(fn, MXI_ONLY_ISA)
#define MXI_LOWEST_LEVEL MXI_CAT(MXI_LEVEL, MXI_ONLY_ISA)
#else
#define MXI_LOWEST_LEVEL MXI_LEVEL_v2
#define MXI_DISPATCH(fn) (mxi_isa() == MXI_ISA_V4 ? fn##_v4 : mxi_isa() == MXI_ISA_V3 ? fn##_v3 : fn##_v2)
#endif
#endif
