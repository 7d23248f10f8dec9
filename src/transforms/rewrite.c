#include "transforms/rewrite.h"
#include "base/alloc.h"
#include "base/error.h"
#include "core/walk.h"

/* ---- Values ---- */
static bool has_siblings(mx_array a) { return a->node && a->node->noutputs > 1; }
static const void *key_of(mx_array a) { return has_siblings(a) ? (const void *)a->node : a; }

/* Is it done, or not part of the trace: a constant of it, or a placeholder? */
static bool is_known(const struct mxi_rewrite *r, mx_array a) {
  return a->level < r->level || !a->node || mxi_map_get(&r->places, key_of(a)) >= 0;
}

static struct mxi_value value_of(const struct mxi_rewrite *r, mx_array a) {
  int32_t at = a->level < r->level ? -1 : mxi_map_get(&r->places, key_of(a));
  if (at < 0) return (struct mxi_value){a, false};
  return r->values.v[at + (has_siblings(a) ? a->output_index : 0)];
}

static int add_values(struct mxi_rewrite *r, const void *key, int n, const mx_array *arrays,
                      const bool *batched) {
  size_t at = r->values.n;
  if (mxi_reserve(&r->values, at + (size_t)n) < 0) return -1;
  for (int i = 0; i < n; i++) r->values.v[r->values.n++] = (struct mxi_value){arrays[i], batched[i]};
  return mxi_map_put(&r->places, key, (int32_t)at);
}

int mxi_rewrite_placeholder(struct mxi_rewrite *r, mx_array placeholder, struct mxi_value value) {
  return add_values(r, placeholder, 1, &value.array, &value.batched);
}

/* ---- One node ---- */
/* Lists for its operands, on the stack for most. */
enum { FEW = 16 };
struct operand_lists {
  mx_array few[2 * FEW], *in, *out;
  bool few_flags[2 * FEW], *batched, *out_batched;
  struct mxi_output few_outputs[FEW], *outputs;
  void *many;
};
static int operands_init(struct operand_lists *o, const mx_node *n) {
  size_t nin = (size_t)n->ninputs, nout = (size_t)n->noutputs;
  o->many = NULL;
  o->outputs = o->few_outputs;
  o->in = o->few;
  o->batched = o->few_flags;
  if (nin > FEW || nout > FEW) {
    size_t each = sizeof(mx_array) + sizeof(bool);
    if (!(o->many = mxi_malloc(nout * sizeof *o->outputs + (nin + nout) * each))) return -1;
    o->outputs = o->many;
    o->in = (mx_array *)(o->outputs + nout);
    o->batched = (bool *)(o->in + nin + nout);
  }
  o->out = o->in + nin;
  o->out_batched = o->batched + nin;
  return 0;
}

static int rewrite_node(struct mxi_rewrite *r, mx_array a) {
  const mx_node *n = a->node;
  struct operand_lists o;
  MXI_TRY(operands_init(&o, n));
  for (int i = 0; i < n->ninputs; i++) {
    struct mxi_value v = value_of(r, n->inputs[i]);
    o.in[i] = v.array;
    o.batched[i] = v.batched;
  }
  for (int i = 0; i < n->noutputs; i++) {
    o.out_batched[i] = false;
    o.outputs[i] = n->noutputs == 1 ? (struct mxi_output){(mx_dtype)a->dtype, mxi_shape_of(a)}
                                    : (struct mxi_output){n->outputs[i].dtype, n->outputs[i].shape};
  }
  struct mxi_batch b = {r->size, o.in, o.batched, o.outputs, o.out, o.out_batched};
  int result = 0;
  MX_ON (n->stream) result = r->apply(r, n, &b);
  for (int i = 0; i < n->noutputs && result == 0; i++)
    if (!mx_ok(o.out[i])) result = -1;
  if (result == 0) result = add_values(r, key_of(a), n->noutputs, o.out, o.out_batched);
  mxi_free(o.many);
  return result;
}

/* ---- The walk ---- */
static bool enters_rewrite(void *rewrite, mx_array a) { return !is_known(rewrite, a); }
static int leave_rewrite(void *rewrite, mx_array a) { return rewrite_node(rewrite, a); }

int mxi_rewrite_array(struct mxi_rewrite *r, mx_array root, struct mxi_value *out) {
  MXI_TRY(mxi_walk(root, enters_rewrite, leave_rewrite, r));
  *out = value_of(r, root);
  return 0;
}

void mxi_rewrite_free(struct mxi_rewrite *r) {
  mxi_vec_free(&r->values);
  mxi_map_free(&r->places);
}
