#include "cpu/isa.h"
#include "base/env.h"
#include <cpuid.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum mxi_isa chosen;
static unsigned extensions;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static enum mxi_isa best_set(void) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
    return MXI_ISA_V2;
  bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? MXI_ISA_V4 : MXI_ISA_V3;
}

/* The processor has AMX for bfloat16 (CPUID leaf 7) and the kernel grants its registers to this process,
   which it does on request since Linux 5.16: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). */
static bool amx_granted(void) {
  enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (AMX_BF16 | AMX_TILE)) != (AMX_BF16 | AMX_TILE))
    return false;
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static void choose(void) {
  __builtin_cpu_init();
  const char *asked = mxi_env()->cpu_isa;
  enum mxi_isa best = best_set(), cap = !asked                 ? MXI_ISA_V4
                                        : !strcmp(asked, "v2") ? MXI_ISA_V2
                                        : !strcmp(asked, "v3") ? MXI_ISA_V3
                                                               : MXI_ISA_V4;
  chosen = best < cap ? best : cap;
  bool dots = asked && !strcmp(asked, "v4-dot");
  if (chosen < MXI_ISA_V4 || (asked && !dots)) return;
  if (__builtin_cpu_supports("avx512vnni")) extensions |= MXI_VNNI;
  if (__builtin_cpu_supports("avx512bf16") && (dots || __builtin_cpu_is("amd"))) extensions |= MXI_BF16;
  if (!dots && amx_granted()) extensions |= MXI_AMX;
}

enum mxi_isa mxi_isa(void) {
  pthread_once(&once, choose);
  return chosen;
}

bool mxi_cpu_has(enum mxi_extension e) {
  pthread_once(&once, choose);
  return extensions & e;
}
