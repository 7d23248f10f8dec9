/* NVIDIA's libraries, each opened when it is first needed: from the nvidia-* wheels beside this package, else
   from the system. */
#ifndef MXI_CUDA_LIBRARY_H
#define MXI_CUDA_LIBRARY_H
#include <stdbool.h>

struct mxi_cuda_library {
  const char *name;   /* for errors: "cuBLASLt" */
  const char *soname; /* "libcublasLt.so.13" */
  const char *folder; /* in site-packages/nvidia: "cu13/lib"; NULL: it comes with the driver */
  const char *wheel;  /* that has it: "nvidia-cublas" */
  int nsymbols;
  const char *const *symbols;
  int outcome; /* 0: not tried yet; 1: open; -1: missing. Under MXI_LOCK_CUDA_LIBRARIES */
  char why[256];
};
/* Fills functions[nsymbols]. -1 with an error that says what to install. */
int mxi_cuda_library_open(struct mxi_cuda_library *l, void **functions);
/* Are the libraries those of the emulation in tests/emulator? */
bool mxi_cuda_emulated(void);
#endif
