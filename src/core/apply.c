/* Applying a primitive: the node and its lazy outputs, with what they inherit from the inputs. */
#include "core/node.h"
#include "core/thread.h"
#include "core/tracer.h"
#include "base/alloc.h"
#include "base/error.h"
#include <string.h>

/* One allocation: the node, its inputs, and for several outputs their records and dims. */
static mx_node *node_new(const mx_prim *p, mx_params *params, mx_stream stream, int ninputs,
                         const mx_array *inputs, int noutputs, const struct mxi_output *outputs) {
  size_t bytes = sizeof(mx_node) + (size_t)ninputs * sizeof(mx_array), dims = 0;
  if (noutputs > 1) {
    for (int i = 0; i < noutputs; i++) dims += (size_t)outputs[i].shape.n;
    bytes += (size_t)noutputs * sizeof(struct mxi_node_output) + dims * sizeof(int64_t);
  }
  mx_node *n = mxi_malloc(bytes);
  if (!n) return NULL;
  n->prim = p;
  n->params = params;
  n->stream = stream;
  n->ninputs = ninputs;
  n->noutputs = noutputs;
  n->inputs = (mx_array *)(n + 1);
  n->outputs = NULL;
  for (int i = 0; i < ninputs; i++) n->inputs[i] = mxi_ref(inputs[i]);
  if (noutputs > 1) {
    n->outputs = (struct mxi_node_output *)(n->inputs + ninputs);
    int64_t *storage = (int64_t *)(n->outputs + noutputs);
    for (int i = 0; i < noutputs; i++) {
      int k = outputs[i].shape.n;
      memcpy(storage, outputs[i].shape.v, (size_t)k * sizeof(int64_t));
      n->outputs[i] = (struct mxi_node_output){NULL, outputs[i].dtype, {storage, k}};
      storage += k;
    }
  }
  return n;
}

/* The session and the deepest level of the inputs; -1 when one is MX_BAD. */
static int inherit(int ninputs, const mx_array *inputs, uint64_t *session, int32_t *level) {
  *session = 0;
  *level = 0;
  for (int i = 0; i < ninputs; i++) {
    if (inputs[i] == MX_BAD) return -1;
    uint64_t of_input = inputs[i]->session;
    if (of_input && of_input != *session)
      *session = *session ? mxi_session_of_both(*session, of_input) : of_input;
    if (inputs[i]->level > *level) *level = inputs[i]->level;
  }
  return 0;
}

static mx_stream stream_or_fail(int prim) {
  mx_stream s = mxi_ambient_stream();
  if (!s)
    mxi_fail(MX_DEVICE_ERROR, "[%s] expected an available device, got a stream of one that is absent",
             mxi_prims[prim].name);
  return s;
}

static int apply(const mx_prim *p, mx_params *params, mx_stream stream, int ninputs, const mx_array *inputs,
                 int noutputs, const struct mxi_output *outputs, mx_array *out) {
  int32_t level;
  uint64_t session;
  bool usable = stream && inherit(ninputs, inputs, &session, &level) == 0;
  mx_node *n = usable ? node_new(p, params, stream, ninputs, inputs, noutputs, outputs) : NULL;
  if (!n) {
    mxi_params_unref(p, params);
    for (int i = 0; i < noutputs; i++) out[i] = MX_BAD;
    return -1;
  }
  int made = 0;
  for (; made < noutputs; made++) {
    mx_array a = out[made] = mxi_array_new(outputs[made].dtype, outputs[made].shape);
    if (!a) break;
    a->session = session;
    a->level = level;
    a->output_index = made;
    a->node = n;
    if (noutputs > 1) n->outputs[made].array = a;
  }
  int result = 0;
  if (made && made == noutputs) {
    atomic_init(&n->refs, noutputs); // one an output; nobody else sees the node yet
  } else {
    atomic_init(&n->refs, made + 1); // and ours
    for (int i = 0; i < made; i++) mxi_unref(out[i]);
    mxi_node_unref(n);
  }
  for (int i = 0; i < noutputs; i++) {
    out[i] = made < noutputs ? MX_BAD : mxi_own(out[i]);
    if (out[i] == MX_BAD) result = -1;
  }
  return result;
}

static int copy_params(int prim, const void *fields, mx_params **made) {
  *made = NULL;
  if (!mxi_prims[prim].nfields) return 0;
  *made = mxi_params_new(&mxi_prims[prim], fields);
  return *made ? 0 : -1;
}

mx_array mxi_apply(int prim, const void *fields, int ninputs, const mx_array *inputs, mx_dtype t,
                   mx_ints shape) {
  mx_params *params;
  mx_stream s = stream_or_fail(prim);
  if (!s || copy_params(prim, fields, &params) < 0) return MX_BAD;
  mx_array out;
  struct mxi_output o = {t, shape};
  apply(&mxi_prims[prim], params, s, ninputs, inputs, 1, &o, &out);
  return out;
}

int mxi_apply_multi(int prim, const void *fields, int ninputs, const mx_array *inputs, int noutputs,
                    const struct mxi_output *outputs, mx_array *out) {
  mx_params *params;
  mx_stream s = stream_or_fail(prim);
  if (!s || copy_params(prim, fields, &params) < 0) {
    for (int i = 0; i < noutputs; i++) out[i] = MX_BAD;
    return -1;
  }
  return apply(&mxi_prims[prim], params, s, ninputs, inputs, noutputs, outputs, out);
}

int mxi_apply_like(const mx_node *n, const mx_array *outputs, const mx_array *inputs, mx_array *out) {
  struct mxi_output stack[16], *o = stack;
  if (n->noutputs > 16 && !(o = mxi_malloc((size_t)n->noutputs * sizeof *o))) return -1;
  for (int i = 0; i < n->noutputs; i++)
    o[i] = (struct mxi_output){(mx_dtype)outputs[i]->dtype, mxi_shape_of(outputs[i])};
  int result = apply(n->prim, mxi_params_ref(n->params), n->stream, n->ninputs, inputs, n->noutputs, o, out);
  if (o != stack) mxi_free(o);
  return result;
}
