/* What the processor and the operating system offer, as the levels of the x86-64 psABI. A level is there when
   every feature that the psABI lists for it is there: compilers may use any of them in code built with
   -march=x86-64-v2, -v3 or -v4, and virtual machines do mask single ones. */
#ifndef MXI_CPU_CPUID_H
#define MXI_CPU_CPUID_H
#include <stdbool.h>
#include <stdint.h>

enum mxi_cpuid_word {
  MXI_CPUID_1_ECX,
  MXI_CPUID_7_EBX,
  MXI_CPUID_7_ECX,
  MXI_CPUID_7_EDX,
  MXI_CPUID_7_1_EAX,
  MXI_CPUID_EXTENDED_1_ECX,
  MXI_XCR0, /* states of registers that the operating system saves */
  MXI_CPUID_WORDS
};
struct mxi_cpuid {
  uint32_t words[MXI_CPUID_WORDS];
};

/* A feature of a level beyond the baseline, v1. */
struct mxi_cpu_feature {
  const char *name;
  int level;
  enum mxi_cpuid_word word;
  int bit;
};
extern const struct mxi_cpu_feature mxi_cpu_features[];
extern const int mxi_cpu_feature_count;

/* Of this machine. */
struct mxi_cpuid mxi_cpuid_read(void);
bool mxi_cpuid_bit(const struct mxi_cpuid *c, enum mxi_cpuid_word word, int bit);
/* The highest level whose features, and those of all levels below it, are all there: 1 to 4. */
int mxi_cpuid_level(const struct mxi_cpuid *c);
/* The first feature that the level after this one lacks; NULL at level 4. */
const char *mxi_cpuid_missing(const struct mxi_cpuid *c);
#endif
