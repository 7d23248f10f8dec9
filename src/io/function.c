/* Exported functions: writing. The constants of all traces come first, each once; then the traces. */
#include "io/function.h"
#include "base/alloc.h"
#include "ops/common.h"
#include <string.h>

/* ---- Functions ---- */
void mxi_traced_free(struct mxi_traced *t) {
  mxi_graph_free(&t->graph);
  mxi_free(t->names);
}
void mxi_function_free(struct mxi_function *f) {
  for (size_t i = 0; i < f->traces.n; i++) mxi_traced_free(&f->traces.v[i]);
  mxi_vec_free(&f->traces);
  mxi_free(f->metadata);
  f->metadata = NULL;
}

int mxi_traced_set_names(struct mxi_traced *t, int n, const char *const *names) {
  size_t bytes = 0;
  for (int i = 0; i < n; i++) bytes += sizeof(char *) + strlen(names[i]) + 1;
  t->names = n ? mxi_malloc(bytes) : NULL;
  if (n && !t->names) return -1;
  char *text = n ? (char *)(t->names + n) : NULL;
  for (int i = 0; i < n; i++) {
    size_t size = strlen(names[i]) + 1;
    t->names[i] = memcpy(text, names[i], size);
    text += size;
  }
  t->nnames = n;
  return 0;
}

/* ---- Bytes ---- */
struct output {
  struct mxi_writer w;
  mxi_vec(uint8_t) bytes; /* not written yet */
};
static int put(struct output *o, const void *data, size_t n) {
  MXI_TRY(mxi_reserve(&o->bytes, o->bytes.n + n));
  if (n) memcpy(o->bytes.v + o->bytes.n, data, n);
  o->bytes.n += n;
  return 0;
}
static int put_u8(struct output *o, unsigned v) { return put(o, &(uint8_t){(uint8_t)v}, 1); }
static int put_u32(struct output *o, size_t v) {
  if (v > UINT32_MAX)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected fewer than 2^32 parts, got more", o->w.op);
  return put(o, &(uint32_t){(uint32_t)v}, 4);
}
static int put_i64(struct output *o, int64_t v) { return put(o, &v, 8); }
static int put_text(struct output *o, const char *s) {
  MXI_TRY(put_u32(o, strlen(s)));
  return put(o, s, strlen(s));
}
static int put_ints(struct output *o, mx_ints v) {
  size_t n = v.n > 0 ? (size_t)v.n : 0;
  MXI_TRY(put_u32(o, n));
  return put(o, v.v, n * sizeof *v.v);
}
static int put_kind(struct output *o, mx_dtype t, mx_ints shape) {
  MXI_TRY(put_u8(o, (unsigned)t));
  return put_ints(o, shape);
}
static int flush(struct output *o) {
  MXI_TRY(mxi_writer_write(&o->w, o->bytes.v, o->bytes.n));
  o->bytes.n = 0;
  return 0;
}

/* ---- Constants ---- */
struct pool {
  struct mxi_map places; /* array -> its number in the file */
  mxi_vec(mx_array) arrays;
};
static int add_to_pool(struct pool *p, mx_array a) {
  if (mxi_map_get(&p->places, a) >= 0) return 0;
  MXI_TRY(mxi_map_put(&p->places, a, (int32_t)p->arrays.n));
  return mxi_push(&p->arrays, a);
}

/* The axes as they lie in memory, the widest strides first: products of a transposed matrix are rounded in
   another order than those of a copy. */
static mx_ints axes_in_memory(mx_array a, int64_t *order) {
  for (int i = 0; i < a->ndim; i++) {
    int at = i;
    for (; (a->flags & MXI_DENSE) && at > 0 && mxi_strides(a)[order[at - 1]] < mxi_strides(a)[i]; at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
  return (mx_ints){order, a->ndim};
}

static int put_elements(struct output *o, mx_array a) {
  int status;
  int64_t order[MX_MAX_NDIM];
  mx_ints axes = axes_in_memory(a, order);
  static const uint8_t zeros[MXI_FUNCTION_ALIGN];
  for (int i = 0; i < axes.n; i++) MXI_TRY(put_u8(o, (unsigned)order[i]));
  size_t at = (size_t)o->w.at + o->bytes.n;
  MXI_TRY(put(o, zeros, -at % MXI_FUNCTION_ALIGN));
  MXI_TRY(flush(o));
  MX_SCOPE
    status = mxi_writer_array(&o->w, mx_transpose(a, axes));
  return status;
}

static int put_constant(struct output *o, mx_array a) {
  MXI_TRY(put_kind(o, mxi_dtype(a), mxi_shape_of(a)));
  MXI_TRY(put_u8(o, mxi_is_constant(a) ? MXI_CONSTANT_FILL : MXI_CONSTANT_BYTES));
  return mxi_is_constant(a) ? put(o, &a->inline_value, mxi_itemsize(a)) : put_elements(o, a);
}

/* ---- Nodes ---- */
static int put_field(struct output *o, const mx_prim *p, const struct mxi_field *f, const char *params) {
  const void *at = params + f->offset;
  MXI_TRY(put_text(o, f->name));
  MXI_TRY(put_u8(o, f->kind));
  switch (f->kind) {
  case MXI_F_INT: return put_i64(o, *(const int64_t *)at);
  case MXI_F_DOUBLE: return put(o, at, sizeof(double));
  case MXI_F_INTS: return put_ints(o, *(const mx_ints *)at);
  default:
    return mxi_fail(MX_NOT_SUPPORTED, "[%s] expected ops whose parameters are numbers, got %s", o->w.op,
                    p->name);
  }
}

static int put_node(struct output *o, const struct mxi_line *l, mx_array a) {
  const mx_node *n = a->node;
  MXI_TRY(put_text(o, n->prim->name));
  MXI_TRY(put_u32(o, n->prim->nfields));
  for (int i = 0; i < n->prim->nfields; i++)
    MXI_TRY(put_field(o, n->prim, &n->prim->fields[i], n->params->fields));
  MXI_TRY(put_u32(o, (size_t)n->ninputs));
  for (int i = 0; i < n->ninputs; i++) MXI_TRY(put_u32(o, (size_t)mxi_line_value(l, n->inputs[i])));
  MXI_TRY(put_u32(o, (size_t)n->noutputs));
  for (int i = 0; i < n->noutputs; i++) {
    struct mxi_output out = mxi_line_output(a, i);
    MXI_TRY(put_kind(o, out.dtype, out.shape));
  }
  return 0;
}

/* ---- Traces ---- */
static int put_trace(struct output *o, const struct mxi_traced *t, const struct mxi_line *l,
                     const struct pool *p) {
  const struct mxi_graph *g = &t->graph;
  MXI_TRY(put_u8(o, t->shapeless));
  MXI_TRY(put_u8(o, g->ones_matter));
  MXI_TRY(put_u32(o, (size_t)g->ninputs));
  MXI_TRY(put_u32(o, (size_t)t->nnames));
  for (int i = 0; i < t->nnames; i++) MXI_TRY(put_text(o, t->names[i]));
  for (int i = 0; i < g->ninputs; i++)
    MXI_TRY(put_kind(o, mxi_dtype(g->inputs[i]), mxi_shape_of(g->inputs[i])));
  MXI_TRY(put_u32(o, l->constants.n));
  for (size_t i = 0; i < l->constants.n; i++)
    MXI_TRY(put_u32(o, (size_t)mxi_map_get(&p->places, l->constants.v[i])));
  MXI_TRY(put_u32(o, l->nodes.n));
  for (size_t i = 0; i < l->nodes.n; i++) MXI_TRY(put_node(o, l, l->nodes.v[i]));
  MXI_TRY(put_u32(o, (size_t)g->noutputs));
  for (int i = 0; i < g->noutputs; i++) MXI_TRY(put_u32(o, (size_t)mxi_line_value(l, g->outputs[i])));
  return 0;
}

static int put_function(struct output *o, const struct mxi_function *f, const struct mxi_line *lines,
                        const struct pool *p) {
  MXI_TRY(put(o, MXI_FUNCTION_MAGIC, 8));
  MXI_TRY(put_u32(o, MXI_FUNCTION_VERSION));
  MXI_TRY(put_text(o, f->metadata ? f->metadata : ""));
  MXI_TRY(put_u32(o, p->arrays.n));
  for (size_t i = 0; i < p->arrays.n; i++) MXI_TRY(put_constant(o, p->arrays.v[i]));
  MXI_TRY(put_u32(o, f->traces.n));
  for (size_t i = 0; i < f->traces.n; i++) MXI_TRY(put_trace(o, &f->traces.v[i], &lines[i], p));
  return flush(o);
}

static int write_lines(const char *op, const struct mxi_target *to, const struct mxi_function *f,
                       const struct mxi_line *lines, struct pool *p) {
  for (size_t i = 0; i < f->traces.n; i++)
    for (size_t k = 0; k < lines[i].constants.n; k++) MXI_TRY(add_to_pool(p, lines[i].constants.v[k]));
  if (p->arrays.n) MXI_TRY(mx_eval_all((int)p->arrays.n, p->arrays.v));
  struct output o = {0};
  MXI_TRY(mxi_writer_open(&o.w, op, to));
  int status = mxi_writer_close(&o.w, put_function(&o, f, lines, p));
  mxi_vec_free(&o.bytes);
  return status;
}

int mxi_function_write(const char *op, const struct mxi_target *to, const struct mxi_function *f) {
  MXI_TRY(mxi_check_saved(op, to, 0, NULL, NULL));
  struct mxi_line *lines = mxi_calloc(f->traces.n + 1, sizeof *lines);
  struct pool p = {0};
  int status = lines ? 0 : -1;
  for (size_t i = 0; i < f->traces.n && status == 0; i++)
    status = mxi_line_init(&lines[i], &f->traces.v[i].graph);
  if (status == 0) status = write_lines(op, to, f, lines, &p);
  for (size_t i = 0; lines && i < f->traces.n; i++) mxi_line_free(&lines[i]);
  mxi_map_free(&p.places);
  mxi_vec_free(&p.arrays);
  mxi_free(lines);
  return status;
}
