/* The kernels of the user's that are loaded. */
#ifndef MXI_CUDA_CUSTOM_LOADED_H
#define MXI_CUDA_CUSTOM_LOADED_H
#include "base/lru.h"
#include "core/kernel_code.h"
#include "cuda/compiler.h"

enum { MXI_CUSTOM_PARAMETERS = 1024 }; /* of a kernel at most */
struct mxi_custom_kernel {
  struct mxi_lru_entry entry; /* first */
  struct mxi_kernel_code *code;
  struct mxi_loaded_kernel loaded;
  int shared;        /* dynamic shared memory that it may have so far */
  int nparameters;   /* of the kernel */
  uint16_t *offsets; /* of each, in the bytes that they are together */
  size_t bytes;      /* where the last one ends */
};
/* The kernel of this code, loaded or compiled first; under MXI_LOCK_CUDA_CUSTOM, and good until that is let
   go. NULL with the error set. */
struct mxi_custom_kernel *mxi_custom_kernel_of(struct mxi_kernel_code *code);
#endif
