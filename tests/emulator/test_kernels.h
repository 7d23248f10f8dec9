/* Parameters of the emulator's test kernels. */
#ifndef MXI_EMULATOR_TEST_KERNELS_H
#define MXI_EMULATOR_TEST_KERNELS_H
#include <stdint.h>

/* What is read, what is written, how many, and what else a kernel may want to know. */
struct test_params {
  const void *in;
  void *out;
  int64_t n;
  int32_t choice;
};
struct test_large_params {
  char bytes[5000];
};
#endif
