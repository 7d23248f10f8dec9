/* Launching the kernels of src/cuda/kernels. */
#ifndef MXI_CUDA_KERNEL_H
#define MXI_CUDA_KERNEL_H
#include "cuda/api/driver.h"
#include "engine/backend.h"

/* The files of src/cuda/kernels, in the order of files.def. */
enum mxi_cuda_file {
#define MX_CUDA_FILE(name) MXI_CUDA_FILE_##name,
#include "cuda/kernels/files.def"
#undef MX_CUDA_FILE
  MXI_CUDA_FILES
};

/* A kernel by its name; found when it is first launched. */
struct mxi_cuda_kernel {
  enum mxi_cuda_file file;
  const char *name;
  _Atomic(CUfunction) function;
  atomic_int shared; /* dynamic shared memory that it may have so far */
};
#define MXI_CUDA_KERNEL(file, name) \
  { MXI_CUDA_FILE_##file, #name, NULL, 0 }
/* Of an array by dtype: kernels PREFIX_float32 and so on. */
#define MXI_CUDA_OF(file, prefix, DTYPE, dtype) [MX_##DTYPE] = MXI_CUDA_KERNEL(file, prefix##_##dtype)
#define MXI_CUDA_HALVES_AND_FLOAT(file, prefix)                                               \
  MXI_CUDA_OF(file, prefix, FLOAT16, float16), MXI_CUDA_OF(file, prefix, BFLOAT16, bfloat16), \
      MXI_CUDA_OF(file, prefix, FLOAT32, float32)
#define MXI_CUDA_FLOATS(file, prefix) \
  MXI_CUDA_HALVES_AND_FLOAT(file, prefix), MXI_CUDA_OF(file, prefix, FLOAT64, float64)
#define MXI_CUDA_INTEGERS(file, prefix)                                                     \
  MXI_CUDA_OF(file, prefix, UINT8, uint8), MXI_CUDA_OF(file, prefix, UINT16, uint16),       \
      MXI_CUDA_OF(file, prefix, UINT32, uint32), MXI_CUDA_OF(file, prefix, UINT64, uint64), \
      MXI_CUDA_OF(file, prefix, INT8, int8), MXI_CUDA_OF(file, prefix, INT16, int16),       \
      MXI_CUDA_OF(file, prefix, INT32, int32), MXI_CUDA_OF(file, prefix, INT64, int64)
#define MXI_CUDA_ALL(file, prefix)                                                                       \
  MXI_CUDA_OF(file, prefix, BOOL, bool), MXI_CUDA_INTEGERS(file, prefix), MXI_CUDA_FLOATS(file, prefix), \
      MXI_CUDA_OF(file, prefix, COMPLEX64, complex64)
/* Of an array by element size 1, 2, 4, 8 (its logarithm): kernels PREFIX_1 and so on. */
#define MXI_CUDA_SIZES(file, prefix)                                                                       \
  MXI_CUDA_KERNEL(file, prefix##_1), MXI_CUDA_KERNEL(file, prefix##_2), MXI_CUDA_KERNEL(file, prefix##_4), \
      MXI_CUDA_KERNEL(file, prefix##_8)

struct mxi_cuda_grid {
  int64_t x;              /* blocks; none: nothing is launched */
  unsigned y, z, threads; /* blocks again, 0 for 1; threads of a block */
  size_t shared;          /* dynamic bytes of a block */
  bool overlaps; /* it may begin while what is before it in the stream ends: it waits itself (griddepcontrol)
                  */
};
/* Submits a launch. params: the kernel's one structure. -1 with the error set. */
int mxi_cuda_launch(mx_stream s, struct mxi_cuda_kernel *k, struct mxi_cuda_grid grid, const void *params,
                    size_t bytes);
/* The same for a function that is no row of a table. */
int mxi_cuda_launch_function(mx_stream s, CUfunction f, const char *name, struct mxi_cuda_grid grid,
                             const void *params, size_t bytes);
/* The same by the driver's own words, but for the stream. No blocks: nothing is launched. */
int mxi_cuda_submit(mx_stream s, CUlaunchConfig *config, CUfunction f, const char *name, void **params);
/* The function, for its attributes; NULL with the error set. */
CUfunction mxi_cuda_function(struct mxi_cuda_kernel *k);
/* Has this build the device's kernels? */
bool mxi_cuda_has_kernels(void);

/* As many blocks as `items` need at `each` a block. */
static inline int64_t mxi_cuda_blocks(int64_t items, int64_t each) {
  return items / each + (items % each != 0);
}
#endif
