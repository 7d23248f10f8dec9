/* The code of a kernel of the user's: a parameter of CUSTOM_KERNEL nodes, made by ops and run by a backend.
   It is the text of a source, or machine code.

   The kernel's parameters, each aligned to its size: of each input its address and, as far as `uses` says,
   its sizes (int32), its strides (int64) and its number of dims (int32); the addresses of the outputs; the
   scalars. Lists have one element at least. */
#ifndef MXI_CORE_KERNEL_CODE_H
#define MXI_CORE_KERNEL_CODE_H
#include "core/node.h"

enum { MXI_KERNEL_USES_SHAPE = 1, MXI_KERNEL_USES_STRIDES = 2, MXI_KERNEL_USES_NDIM = 4 };
struct mxi_kernel_scalar {
  uint8_t bytes;
  uint64_t bits; /* the first bytes are the value */
};
struct mxi_kernel_code {
  mxi_object object; /* first */
  const char *op;    /* the function that errors name */
  bool is_source;
  bool row_major; /* inputs that lie otherwise are copied */
  uint64_t hash;  /* of the entry and the code */
  size_t bytes;
  const char *code;  /* a 0 follows the bytes */
  const char *entry; /* the kernel's name in it */
  int ninputs, nscalars;
  const uint8_t *uses; /* of each input */
  const struct mxi_kernel_scalar *scalars;
};
/* The sizes or strides of an input that has so many dims. */
static inline int mxi_kernel_list(int ndim) { return ndim ? ndim : 1; }
#endif
