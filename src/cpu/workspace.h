/* Memory for one call, aligned to 64, kept between calls: fresh pages cost more than packing into them.
   Several users at a time are fine. */
#ifndef MXI_CPU_WORKSPACE_H
#define MXI_CPU_WORKSPACE_H
#include <stddef.h>

/* NULL with the error set. */
void *mxi_workspace_take(size_t bytes);
void mxi_workspace_give(void *workspace);
#endif
