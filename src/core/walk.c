#include "core/walk.h"
#include "base/error.h"
#include "base/vec.h"
#include "core/node.h"

struct visit {
  mx_array array;
  int next; /* input to look at next */
};

int mxi_walk(mx_array root, bool (*enters)(void *context, mx_array a),
             int (*leave)(void *context, mx_array a), void *context) {
  mxi_vec(struct visit) stack = {0};
  struct visit first = {root, 0};
  int result = enters(context, root) ? mxi_push(&stack, first) : 0;
  while (stack.n && result == 0) {
    struct visit *top = &stack.v[stack.n - 1];
    mx_array a = top->array;
    if (top->next < a->node->ninputs) {
      struct visit deeper = {a->node->inputs[top->next++], 0};
      if (enters(context, deeper.array)) result = mxi_push(&stack, deeper);
      continue;
    }
    stack.n--;
    if (enters(context, a)) result = leave(context, a); // else reached twice before it was done
  }
  mxi_vec_free(&stack);
  return result;
}
