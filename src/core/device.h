/* A buffer's bytes on a device that has memory of its own and works on its own. */
#ifndef MXI_CORE_DEVICE_H
#define MXI_CORE_DEVICE_H
#include "core/array.h"
#include "core/stream.h"
#include "core/upcalls.h"

/* The work submitted to a stream is numbered. An event has passed when all work up to its number has ended.
 */
struct mxi_event {
  mx_stream stream; /* NULL: there was no such work */
  uint64_t number;
};

/* Under MXI_LOCK_SIDES, but for what the device itself reads. */
enum { MXI_SIDE_STREAMS = 4 };
struct mxi_side {
  void (*release)(struct mxi_side *self); /* frees it, and the memory once all uses have passed */
  mx_device device;
  void *address;
  size_t bytes;
  bool valid;      /* it has the bytes, when `written` has passed */
  bool host_valid; /* and so has the host */
  mx_buffer *host; /* of a buffer that began on the device: the host's memory, once it was needed */
  struct mxi_event written;
  int nused;
  struct mxi_event used[MXI_SIDE_STREAMS]; /* the last use in each stream */
  struct mxi_side *next;                   /* in the backend's list of those to be freed */
  bool watched;                            /* the backend's own: it has noted the side elsewhere */
  struct mxi_error *failure; /* of the work that should have written it; set before `written` passes */
};

/* A buffer that is nowhere but on the device; it takes over the side. NULL with the error set. */
mx_buffer *mxi_buffer_on_device(struct mxi_side *side);
#endif
