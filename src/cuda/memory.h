/* Device memory, by streams: what a stream lets go of it may take again at once, for its work is done in
   order; what others have used comes back when their work has passed. */
#ifndef MXI_CUDA_MEMORY_H
#define MXI_CUDA_MEMORY_H
#include "cuda/stream.h"

/* engine/backend.h */
struct mxi_side *mxi_cuda_allocate(mx_stream s, size_t bytes);

/* Memory for what is submitted to s next. It is given back once all that uses it is submitted, also when that
   failed; giving back {0} does nothing. */
struct mxi_cuda_scratch {
  void *address;
  void *block;
};
int mxi_cuda_scratch_take(mx_stream s, size_t bytes, struct mxi_cuda_scratch *scratch);
void mxi_cuda_scratch_free(struct mxi_cuda_scratch *scratch);

/* engine/backend.h */
size_t mxi_cuda_memory(enum mxi_memory_figure f);
void mxi_cuda_set_memory(enum mxi_memory_figure f, size_t bytes);
void mxi_cuda_trim(void);
#endif
