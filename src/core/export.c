/* What a view outside the library (a Python buffer, DLPack) may do with an array's memory. */
#include "core/array.h"

bool mx_is_writable(mx_array a) {
  /* Inline elements are constants that other graphs may share; read-only buffers are mapped files and foreign
   * memory. */
  return mx_ok(a) && mxi_state(a) == MXI_READY && a->buffer &&
         !(atomic_load_explicit(&a->buffer->flags, memory_order_relaxed) & MXI_BUFFER_READ_ONLY);
}
