/* Streams: queues of work on a device. The ambient stream of the thread is where new nodes go. */
#ifndef MXI_CORE_STREAM_H
#define MXI_CORE_STREAM_H
#include "mlx/array.h"
#include <stdatomic.h>
struct mxi_stream {
  mx_device device;
  int index;
  struct mxi_queue *queue;    /* the engine's; created at the first eval on it */
  _Atomic(void *) lane;       /* the backend's own; created when it is first needed */
  struct mxi_stream *earlier; /* the stream made before it: streams live as long as the process */
};
/* The stream new nodes of this thread go to. */
mx_stream mxi_ambient_stream(void);
#endif
