#include "core/node.h"
#include "core/task.h"
#include "core/thread.h"
#include "core/tracer.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include <string.h>

/* ---- The primitive table, generated from prims.def ---- */
#define F(ID, kind, name) {MXI_F_##kind, offsetof(struct mxi_p_##ID, name), #name},
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...) \
  static const struct mxi_field fields_##ID[] = {__VA_ARGS__{0, 0, NULL}};
#include "core/prims.def"
#undef MX_PRIM
#undef F

const mx_prim mxi_prims[MXI_PRIM_COUNT] = {
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...)                                                \
  [MXI_##ID] = {                                                                                            \
      text,       MXI_##ID, flags, sizeof(struct mxi_p_##ID), sizeof fields_##ID / sizeof *fields_##ID - 1, \
      fields_##ID},
#include "core/prims.def"
#undef MX_PRIM
};

/* ---- Parameters ---- */
static mx_params *params_new(const mx_prim *p, const void *fields) {
  size_t bytes = p->params_bytes;
  for (int i = 0; i < p->nfields; i++)
    if (p->fields[i].kind == MXI_F_INTS) {
      mx_ints list = *(const mx_ints *)((const char *)fields + p->fields[i].offset);
      bytes += (size_t)(list.n > 0 ? list.n : 0) * sizeof(int64_t);
    }
  mx_params *made = mxi_malloc(sizeof *made + bytes);
  if (!made) return NULL;
  atomic_init(&made->refs, 1);
  memcpy(made->fields, fields, p->params_bytes);
  char *storage = made->fields + p->params_bytes;
  for (int i = 0; i < p->nfields; i++) {
    char *field = made->fields + p->fields[i].offset;
    if (p->fields[i].kind == MXI_F_INTS) {
      mx_ints *list = (mx_ints *)field;
      size_t n = (size_t)(list->n > 0 ? list->n : 0) * sizeof(int64_t);
      if (n) memcpy(storage, list->v, n);
      list->v = (const int64_t *)storage;
      storage += n;
    } else if (p->fields[i].kind == MXI_F_OBJECT) {
      mxi_object *o = *(mxi_object **)field;
      if (o) atomic_fetch_add(&o->refs, 1);
    }
  }
  return made;
}

void mxi_params_unref(const mx_prim *p, mx_params *params) {
  if (!params || atomic_fetch_sub_explicit(&params->refs, 1, memory_order_acq_rel) != 1) return;
  for (int i = 0; i < p->nfields; i++)
    if (p->fields[i].kind == MXI_F_OBJECT) {
      mxi_object *o = *(mxi_object **)(params->fields + p->fields[i].offset);
      if (o && atomic_fetch_sub(&o->refs, 1) == 1) o->release(o);
    }
  mxi_free(params);
}

bool mxi_params_equal(const mx_prim *p, const mx_params *a, const mx_params *b) {
  if (a == b || !p->nfields) return true;
  for (int i = 0; i < p->nfields; i++) {
    const char *x = a->fields + p->fields[i].offset, *y = b->fields + p->fields[i].offset;
    if (p->fields[i].kind == MXI_F_INTS) {
      const mx_ints *u = (const mx_ints *)x, *v = (const mx_ints *)y;
      if (u->n != v->n || (u->n > 0 && memcmp(u->v, v->v, (size_t)u->n * sizeof(int64_t)))) return false;
    } else if (memcmp(x, y, 8))
      return false; // int64_t, double and pointers alike
  }
  return true;
}

uint64_t mxi_params_hash(const mx_prim *p, const mx_params *a) {
  uint64_t h = (uint64_t)p->id + 1;
  for (int i = 0; i < p->nfields; i++) {
    const char *x = a->fields + p->fields[i].offset;
    if (p->fields[i].kind == MXI_F_INTS) {
      const mx_ints *u = (const mx_ints *)x;
      for (int k = 0; k < u->n; k++) h = mxi_mix(h, (uint64_t)u->v[k]);
      h = mxi_mix(h, (uint64_t)u->n);
    } else
      h = mxi_mix(h, *(const uint64_t *)x);
  }
  return h;
}

/* ---- Nodes ---- */
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
  atomic_init(&n->refs, 0); // each output array adds one
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

void mxi_node_free(mx_node *n) {
  mxi_params_unref(n->prim, n->params);
  mxi_free(n);
}

void mxi_node_unref(mx_node *n) {
  if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1) return;
  for (int i = 0; i < n->ninputs; i++) mxi_unref(n->inputs[i]);
  mxi_node_free(n);
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
  mxi_node_ref(n); // ours, while the outputs are made
  int made = 0;
  for (; made < noutputs; made++) {
    mx_array a = out[made] = mxi_array_new(outputs[made].dtype, outputs[made].shape);
    if (!a) break;
    a->session = session;
    a->level = level;
    a->output_index = made;
    a->node = mxi_node_ref(n);
    if (noutputs > 1) n->outputs[made].array = a;
  }
  int result = 0;
  for (int i = 0; i < made && made < noutputs; i++) mxi_unref(out[i]);
  mxi_node_unref(n);
  for (int i = 0; i < noutputs; i++) {
    out[i] = made < noutputs ? MX_BAD : mxi_own(out[i]);
    if (out[i] == MX_BAD) result = -1;
  }
  return result;
}

static int copy_params(int prim, const void *fields, mx_params **made) {
  *made = NULL;
  if (!mxi_prims[prim].nfields) return 0;
  *made = params_new(&mxi_prims[prim], fields);
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

/* ---- Outputs of nodes with several: borrowed pointers, guarded by one lock (such nodes are few). ---- */
void mxi_output_forget(mx_array a) {
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
