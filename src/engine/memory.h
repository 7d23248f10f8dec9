/* Where bytes are. An array has no device: the engine moves the bytes of a step's operands to where it runs.
 */
#ifndef MXI_ENGINE_MEMORY_H
#define MXI_ENGINE_MEMORY_H
#include "core/device.h"
#include "engine/backend.h"

/* Memory where the stream works. NULL with the error set. */
mx_buffer *mxi_memory_for(mx_stream s, size_t bytes);
/* Memory for a result of the stream's device, for the host too if that is where it works. strides NULL:
   row-major. One element lies inline on the host. */
int mxi_place_fresh(mx_array out, mx_stream s, const int64_t *strides);
/* The array's memory may be written over by a step on this stream, were the step the last to need it? */
bool mxi_may_take(mx_array a, mx_stream s);
/* `out` gets the memory of `in`. */
void mxi_place_over(mx_array out, mx_array in, const int64_t *strides);

/* Before a launch: the bytes are where the stream works, or will be when it comes to what is submitted next.
   `over`: and may be written over. */
int mxi_bring(mx_array a, mx_stream s, bool over);
/* After a launch on a device: what it reads and writes is in use until the stream has come so far. */
void mxi_in_use(const struct mxi_call *c);

/* The side is in doubt until the check is known. */
void mxi_add_check(struct mxi_side *side, struct mxi_check *c);

/* Ready, or submitted to a device? */
enum mxi_state mxi_state_of_result(mx_array a);
/* Waits for a submitted array; it is ready then. -1 with the error of the work that should have made it. */
int mxi_await(mx_array a);
#endif
