#include "cpu/isa.h"
#include "cpu/cpuid.h"
#include "base/env.h"
#include "base/error.h"
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum mxi_isa chosen;
static unsigned extensions;
static struct mxi_cpuid machine;
static int level; /* of it */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The processor has AMX for bfloat16 and the kernel grants its registers to this process, which it does on
   request since Linux 5.16: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). */
static bool amx_granted(void) {
  enum { AMX_BF16 = 22, AMX_TILE = 24, REQUEST_PERMISSION = 0x1023, TILE_CONFIG = 17, TILE_DATA = 18 };
  return mxi_cpuid_bit(&machine, MXI_CPUID_7_EDX, AMX_BF16) &&
         mxi_cpuid_bit(&machine, MXI_CPUID_7_EDX, AMX_TILE) &&
         mxi_cpuid_bit(&machine, MXI_XCR0, TILE_CONFIG) && mxi_cpuid_bit(&machine, MXI_XCR0, TILE_DATA) &&
         syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static void choose(void) {
  enum { AVX512_VNNI = 11, AVX512_BF16 = 5 };
  __builtin_cpu_init();
  machine = mxi_cpuid_read();
  level = mxi_cpuid_level(&machine);
  const char *asked = mxi_env()->cpu_isa;
  enum mxi_isa best = mxi_isa_of(&machine), cap = !asked                 ? MXI_ISA_V4
                                                  : !strcmp(asked, "v2") ? MXI_ISA_V2
                                                  : !strcmp(asked, "v3") ? MXI_ISA_V3
                                                                         : MXI_ISA_V4;
  chosen = best < cap ? best : cap;
  bool dots = asked && !strcmp(asked, "v4-dot");
  if (chosen < MXI_ISA_V4 || (asked && !dots)) return;
  if (mxi_cpuid_bit(&machine, MXI_CPUID_7_ECX, AVX512_VNNI)) extensions |= MXI_VNNI;
  if (mxi_cpuid_bit(&machine, MXI_CPUID_7_1_EAX, AVX512_BF16) && (dots || __builtin_cpu_is("amd")))
    extensions |= MXI_BF16;
  if (!dots && amx_granted()) extensions |= MXI_AMX;
}

enum mxi_isa mxi_isa_of(const struct mxi_cpuid *c) {
  int highest = mxi_cpuid_level(c);
  return highest >= 4 ? MXI_ISA_V4 : highest == 3 ? MXI_ISA_V3 : MXI_ISA_V2;
}

int mxi_isa_check_of(const struct mxi_cpuid *c) {
  if (mxi_cpuid_level(c) >= MXI_LOWEST_LEVEL) return 0;
  return mxi_fail(MX_DEVICE_ERROR,
                  "[eval] expected a processor of the level x86-64-v%d, got one, or a virtual machine, "
                  "without %s",
                  MXI_LOWEST_LEVEL, mxi_cpuid_missing(c));
}

int mxi_isa_check(void) {
  pthread_once(&once, choose);
  return level >= MXI_LOWEST_LEVEL ? 0 : mxi_isa_check_of(&machine);
}

enum mxi_isa mxi_isa(void) {
  pthread_once(&once, choose);
  return chosen;
}

bool mxi_cpu_has(enum mxi_extension e) {
  pthread_once(&once, choose);
  return extensions & e;
}
