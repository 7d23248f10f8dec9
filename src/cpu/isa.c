#include "cpu/isa.h"
#include "base/env.h"
#include <pthread.h>
#include <string.h>

static enum mxi_isa chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void) {
  __builtin_cpu_init();
  enum mxi_isa best = MXI_ISA_V2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    best = MXI_ISA_V3;
  if (best == MXI_ISA_V3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    best = MXI_ISA_V4;
  const char *asked = mxi_env()->cpu_isa;
  enum mxi_isa cap = !asked                 ? MXI_ISA_V4
                     : !strcmp(asked, "v2") ? MXI_ISA_V2
                     : !strcmp(asked, "v3") ? MXI_ISA_V3
                                            : MXI_ISA_V4;
  chosen = best < cap ? best : cap;
}

enum mxi_isa mxi_isa(void) {
  pthread_once(&once, choose);
  return chosen;
}
