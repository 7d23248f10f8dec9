/* Bytes between host and device, through pinned memory: the driver would otherwise stop the stream for them.
 */
#ifndef MXI_CUDA_TRANSFER_H
#define MXI_CUDA_TRANSFER_H
#include "core/device.h"

/* engine/backend.h */
int mxi_cuda_upload(mx_stream s, struct mxi_side *to, const void *from);
int mxi_cuda_download(const struct mxi_side *from, void *to);
/* Bytes that a launch needs on the device: copied to `address` before what is submitted to s next; they have
   been read on return. */
int mxi_cuda_put(mx_stream s, void *address, const void *from, size_t bytes);
#endif
