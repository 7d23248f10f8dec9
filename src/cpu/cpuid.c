#include "cpu/cpuid.h"
#include <cpuid.h>
#include <stddef.h>

/* In the order of levels. */
const struct mxi_cpu_feature mxi_cpu_features[] = {
    {"SSE3", 2, MXI_CPUID_1_ECX, 0},
    {"SSSE3", 2, MXI_CPUID_1_ECX, 9},
    {"CMPXCHG16B", 2, MXI_CPUID_1_ECX, 13},
    {"SSE4.1", 2, MXI_CPUID_1_ECX, 19},
    {"SSE4.2", 2, MXI_CPUID_1_ECX, 20},
    {"POPCNT", 2, MXI_CPUID_1_ECX, 23},
    {"LAHF-SAHF", 2, MXI_CPUID_EXTENDED_1_ECX, 0},
    {"FMA", 3, MXI_CPUID_1_ECX, 12},
    {"MOVBE", 3, MXI_CPUID_1_ECX, 22},
    {"OSXSAVE", 3, MXI_CPUID_1_ECX, 27},
    {"AVX", 3, MXI_CPUID_1_ECX, 28},
    {"F16C", 3, MXI_CPUID_1_ECX, 29},
    {"BMI1", 3, MXI_CPUID_7_EBX, 3},
    {"AVX2", 3, MXI_CPUID_7_EBX, 5},
    {"BMI2", 3, MXI_CPUID_7_EBX, 8},
    {"LZCNT", 3, MXI_CPUID_EXTENDED_1_ECX, 5},
    {"saving of XMM registers", 3, MXI_XCR0, 1},
    {"saving of YMM registers", 3, MXI_XCR0, 2},
    {"AVX512F", 4, MXI_CPUID_7_EBX, 16},
    {"AVX512DQ", 4, MXI_CPUID_7_EBX, 17},
    {"AVX512CD", 4, MXI_CPUID_7_EBX, 28},
    {"AVX512BW", 4, MXI_CPUID_7_EBX, 30},
    {"AVX512VL", 4, MXI_CPUID_7_EBX, 31},
    {"saving of mask registers", 4, MXI_XCR0, 5},
    {"saving of the upper halves of ZMM0 to 15", 4, MXI_XCR0, 6},
    {"saving of ZMM16 to 31", 4, MXI_XCR0, 7},
};
const int mxi_cpu_feature_count = sizeof mxi_cpu_features / sizeof *mxi_cpu_features;

struct mxi_cpuid mxi_cpuid_read(void) {
  struct mxi_cpuid found = {{0}};
  uint32_t *w = found.words;
  unsigned a, b, c, d;
  enum { OSXSAVE = 27, EXTENDED = INT32_MIN };
  if (__get_cpuid(1, &a, &b, &c, &d)) w[MXI_CPUID_1_ECX] = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    unsigned subleaves = a;
    w[MXI_CPUID_7_EBX] = b;
    w[MXI_CPUID_7_ECX] = c;
    w[MXI_CPUID_7_EDX] = d;
    if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) w[MXI_CPUID_7_1_EAX] = a;
  }
  if (__get_cpuid((unsigned)EXTENDED + 1, &a, &b, &c, &d)) w[MXI_CPUID_EXTENDED_1_ECX] = c;
  if (mxi_cpuid_bit(&found, MXI_CPUID_1_ECX, OSXSAVE)) {
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    w[MXI_XCR0] = a;
  }
  return found;
}

bool mxi_cpuid_bit(const struct mxi_cpuid *c, enum mxi_cpuid_word word, int bit) {
  return c->words[word] >> bit & 1;
}

static const struct mxi_cpu_feature *first_missing(const struct mxi_cpuid *c) {
  for (int i = 0; i < mxi_cpu_feature_count; i++)
    if (!mxi_cpuid_bit(c, mxi_cpu_features[i].word, mxi_cpu_features[i].bit)) return &mxi_cpu_features[i];
  return NULL;
}

int mxi_cpuid_level(const struct mxi_cpuid *c) {
  const struct mxi_cpu_feature *missing = first_missing(c);
  return missing ? missing->level - 1 : 4;
}

const char *mxi_cpuid_missing(const struct mxi_cpuid *c) {
  const struct mxi_cpu_feature *missing = first_missing(c);
  return missing ? missing->name : NULL;
}
