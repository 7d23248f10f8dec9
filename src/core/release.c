/* The end of arrays and nodes. Each holds references to the other, so both are released here. */
#include "core/node.h"
#include "core/task.h"
#include "base/alloc.h"
#include "base/lock.h"

/* ---- Outputs of nodes with several: borrowed pointers, guarded by one lock (such nodes are few) ---- */
static void forget_output(mx_array a) {
  mxi_lock(MXI_LOCK_OUTPUTS);
  a->node->outputs[a->output_index].array = NULL;
  mxi_unlock(MXI_LOCK_OUTPUTS);
}

mx_array mxi_output_take(mx_node *n, int i) {
  mxi_lock(MXI_LOCK_OUTPUTS);
  mx_array a = n->outputs[i].array;
  /* increment if alive: a dying array (refs == 0) waits for this lock to forget itself */
  int refs = a ? atomic_load(&a->refs) : 0;
  while (refs > 0 && !atomic_compare_exchange_weak(&a->refs, &refs, refs + 1)) {}
  mxi_unlock(MXI_LOCK_OUTPUTS);
  return refs > 0 ? a : NULL;
}

mx_array mxi_output_peek(mx_node *n, int i) {
  mxi_lock(MXI_LOCK_OUTPUTS);
  mx_array a = n->outputs[i].array;
  mxi_unlock(MXI_LOCK_OUTPUTS);
  return a;
}

/* ---- Release ---- */
/* The one array that is never released. */
struct mxi_array mxi_bad_array = {.refs = 1, .state = MXI_BAD, .dtype = MX_FLOAT32};

/* Drops a reference; true when it was the last and the caller now owns the dead array (its task let go). */
static bool release_to_list(mx_array a) {
  if (atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) return false;
  if (a->node && a->node->noutputs > 1) forget_output(a);
  mxi_task_unref(a->task);
  a->task = NULL;
  return true;
}

/* The struct and its parameters; its inputs were released. */
static void free_node(mx_node *n) {
  mxi_params_unref(n->prim, n->params);
  mxi_free(n);
}

/* Releases the arrays on a list that nothing refers to any more, with all that only they kept alive. The list
   is linked through `task`, so a chain of a million nodes needs no stack. */
static void destroy(mx_array first) {
  mx_array list = first;
  while (list) {
    mx_array a = list;
    list = (mx_array)a->task;
    mxi_buffer_unref(a->buffer);
    mx_node *n = a->node;
    mxi_free(a);
    if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1) continue;
    for (int i = 0; i < n->ninputs; i++) {
      mx_array in = n->inputs[i];
      if (!release_to_list(in)) continue;
      in->task = (mx_task *)list;
      list = in;
    }
    free_node(n);
  }
}

void mxi_unref(mx_array a) {
  if (!a || a == MX_BAD) return;
  if (release_to_list(a)) destroy(a);
}

void mxi_node_unref(mx_node *n) {
  if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1) return;
  for (int i = 0; i < n->ninputs; i++) mxi_unref(n->inputs[i]);
  free_node(n);
}
