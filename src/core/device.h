/* A buffer's bytes on a device that has memory of its own and works on its own. */
#ifndef MXI_CORE_DEVICE_H
#define MXI_CORE_DEVICE_H
#include "base/error.h"
#include "core/array.h"
#include "core/stream.h"
#include "core/upcalls.h"

/* The work submitted to a stream is numbered. An event has passed when all work up to its number has ended.
 */
struct mxi_event {
  mx_stream stream; /* NULL: there was no such work */
  uint64_t number;
};

/* What a launch finds out on the device about what it was given: that its indices are in bounds. It is known
   once the launch has passed. Until then all that was computed of its result is in doubt as well. */
struct mxi_check {
  atomic_int refs;
  struct mxi_event launch;
  atomic_bool known;
  struct mxi_error failure; /* once it is known; its code MX_OK: none */
};
struct mxi_check *mxi_check_new(struct mxi_event launch); /* NULL with the error set */
struct mxi_check *mxi_check_ref(struct mxi_check *c);
void mxi_check_unref(struct mxi_check *c); /* NULL: nothing */

/* Under MXI_LOCK_SIDES, but for what the device itself reads. */
enum { MXI_SIDE_STREAMS = 4, MXI_SIDE_CHECKS = 8 };
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
  struct mxi_error *failure; /* of the work that should have written it; set before `written` passes */
  int nchecks;
  struct mxi_check *checks[MXI_SIDE_CHECKS]; /* of the work that wrote it, and of what that read */
};
void mxi_side_drop_checks(struct mxi_side *side);

/* A buffer that is nowhere but on the device; it takes over the side. NULL with the error set. */
mx_buffer *mxi_buffer_on_device(struct mxi_side *side);
#endif
