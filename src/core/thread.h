/* What the library keeps for each thread: open scopes, ambient stream, open transforms. */
#ifndef MXI_CORE_THREAD_H
#define MXI_CORE_THREAD_H
#include "base/vec.h"
#include "mlx/array.h"

struct mxi_scope_items {
  mx_array *v; /* owned */
  size_t n, cap;
};
struct mxi_thread {
  int depth; /* open scopes */
  int scopes_cap;
  struct mxi_scope_items *scopes; /* scopes[0 .. depth) are open; the others keep their memory */
  mx_stream ambient;              /* NULL: the default stream of the default device */
  bool stream_failed;             /* inside MX_ON(NULL) */
  bool has_device;
  mx_device device;
  mx_stream default_streams[2]; /* by device type */
  int open_transforms;          /* vjp and jvp traces */
  uint64_t session;             /* that they belong to; 0: none is open */
  int trace_level;     /* compile and vmap traces open: the level of the innermost one's placeholders */
  int shapeless_level; /* of the trace whose shapes are recorded as following its inputs'; 0: none */
  bool ones_matter;    /* in that trace something was made by which sizes were 1 */
};
/* The calling thread's; never NULL. */
extern _Thread_local struct mxi_thread mxi_thread __attribute__((tls_model("initial-exec")));
#endif
