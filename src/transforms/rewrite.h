/* Applying a traced graph anew: a walk (walk.h) that gives every array of the trace a value.

   What does not depend on the trace's placeholders is no part of it, and is its own value. Levels tell the
   two apart. A trace inside another has the higher level, and an array has the level of the deepest
   placeholder it depends on; so the walk enters the arrays of its own level alone, however large the graph
   around the trace is. */
#ifndef MXI_TRANSFORMS_REWRITE_H
#define MXI_TRANSFORMS_REWRITE_H
#include "base/map.h"
#include "base/vec.h"
#include "ops/rules.h"

struct mxi_value {
  mx_array array; /* owned by the scope, or of the graph around the trace */
  bool batched;   /* vmap: axis 0 is the batch axis */
};
struct mxi_rewrite {
  int32_t level;
  /* Makes the node's outputs from what its inputs have become: sets b->out and b->out_batched (preset to
     false). b->size is the rewrite's. Runs on the node's stream. */
  int (*apply)(struct mxi_rewrite *r, const mx_node *n, struct mxi_batch *b);
  int64_t size;          /* vmap: of the batch axis */
  struct mxi_map places; /* array, or node with several outputs -> the place of its first value */
  mxi_vec(struct mxi_value) values;
};
/* Says what a placeholder becomes; one without a value stays. */
int mxi_rewrite_placeholder(struct mxi_rewrite *r, mx_array placeholder, struct mxi_value value);
/* What an array has become. */
int mxi_rewrite_array(struct mxi_rewrite *r, mx_array root, struct mxi_value *out);
void mxi_rewrite_free(struct mxi_rewrite *r);
#endif
