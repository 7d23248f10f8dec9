/* Exported functions: reading. Numbers are compared with what they may be and with the bytes that remain;
   nodes are made by the builders of their ops (ops/build.c), which check the rest. */
#include "base/alloc.h"
#include "base/checked.h"
#include "core/thread.h"
#include "io/function.h"
#include "io/mapping.h"
#include "io/place.h"
#include "ops/common.h"
#include "ops/rules.h"
#include <string.h>

struct input {
  struct mxi_place place;
  struct mxi_mapping *m;
  size_t at;
  mxi_vec(mx_array) constants; /* of the scope */
  mxi_vec(mx_array) values;    /* of the trace: of the scope */
};

/* ---- Numbers ---- */
/* The next n bytes, or NULL. */
static const uint8_t *take(struct input *in, size_t n) {
  if (n > in->m->size - in->at) {
    mxi_bad_file(&in->place, "expected %zu more bytes, got %zu", n, in->m->size - in->at);
    return NULL;
  }
  in->at += n;
  return in->m->data + in->at - n;
}
static int get(struct input *in, void *to, size_t n) {
  const uint8_t *p = take(in, n);
  if (!p) return -1;
  memcpy(to, p, n);
  return 0;
}
/* A number of parts of at least `each` bytes. */
static int get_count(struct input *in, const char *what, size_t each, uint32_t *count) {
  MXI_TRY(get(in, count, sizeof *count));
  if (*count <= (in->m->size - in->at) / each && *count <= INT32_MAX) return 0;
  return mxi_bad_file(&in->place, "expected fewer %s than the file has room for, got %u", what, *count);
}
static int get_flag(struct input *in, const char *what, bool *flag) {
  uint8_t v;
  MXI_TRY(get(in, &v, 1));
  if (v > 1) return mxi_bad_file(&in->place, "expected %s 0 or 1, got %u", what, v);
  *flag = v;
  return 0;
}
/* Text without zeros; a copy that the caller frees. */
static char *get_text(struct input *in, const char *what) {
  uint32_t n;
  const uint8_t *p;
  if (get_count(in, what, 1, &n) < 0 || !(p = take(in, n))) return NULL;
  if (!mxi_utf8_valid((const char *)p, n)) {
    mxi_bad_file(&in->place, "expected %s of UTF-8 without NUL, got other bytes", what);
    return NULL;
  }
  char *text = mxi_malloc((size_t)n + 1);
  if (!text) return NULL;
  memcpy(text, p, n);
  text[n] = 0;
  return text;
}
/* Text that is to be a name of ours: its bytes in the file. */
struct name {
  const char *s;
  uint32_t n;
};
static int get_name(struct input *in, struct name *name) {
  MXI_TRY(get_count(in, "letters", 1, &name->n));
  name->s = (const char *)take(in, name->n);
  return 0;
}
static bool name_is(struct name name, const char *text) {
  return strlen(text) == name.n && memcmp(name.s, text, name.n) == 0;
}

static int get_kind(struct input *in, mx_dtype *t, mx_ints *shape, int64_t *dims) {
  uint8_t code;
  uint32_t n;
  MXI_TRY(get(in, &code, 1));
  if (code >= MX_DTYPE_COUNT) return mxi_bad_file(&in->place, "expected a dtype, got %u", code);
  MXI_TRY(get_count(in, "dimensions", 8, &n));
  if (n > MX_MAX_NDIM)
    return mxi_bad_file(&in->place, "expected at most %d dimensions, got %u", MX_MAX_NDIM, n);
  MXI_TRY(get(in, dims, n * sizeof *dims));
  *t = (mx_dtype)code;
  *shape = (mx_ints){dims, (int)n};
  return mxi_check_shape(in->place.op, *shape, NULL);
}

/* ---- Constants ---- */
static mx_array fill(struct input *in, mx_dtype t, mx_ints shape) {
  uint64_t element = 0;
  size_t n = mx_dtype_size(t);
  if (get(in, &element, n) < 0) return NULL;
  if (t == MX_BOOL) element = (element & 0xff) != 0;
  return mxi_array_fill(t, shape, &element);
}
/* The strides of axes that lie in memory in a given order. */
static int get_strides(struct input *in, mx_ints shape, int64_t *strides) {
  uint8_t order[MX_MAX_NDIM];
  uint32_t seen = 0;
  int64_t step = 1;
  MXI_TRY(get(in, order, (size_t)shape.n));
  for (int i = shape.n - 1; i >= 0; i--) {
    if (order[i] >= shape.n || seen >> order[i] & 1)
      return mxi_bad_file(&in->place, "expected each of %d axes once, got %u", shape.n, order[i]);
    seen |= 1u << order[i];
    strides[order[i]] = step;
    step *= shape.v[order[i]] > 0 ? shape.v[order[i]] : 1;
  }
  return 0;
}

static mx_array elements(struct input *in, mx_dtype t, mx_ints shape) {
  int64_t bytes = mxi_tensor_bytes(t, shape), strides[MX_MAX_NDIM];
  if (get_strides(in, shape, strides) < 0) return NULL;
  if (bytes < 0) {
    mxi_bad_file(&in->place, "expected fewer than 2^63 bytes, got more");
    return NULL;
  }
  if (!take(in, -in->at % MXI_FUNCTION_ALIGN)) return NULL;
  size_t at = in->at;
  return take(in, (size_t)bytes) ? mxi_mapping_array(in->m, at, t, shape, strides) : NULL;
}

static int get_constant(struct input *in, uint32_t i) {
  int64_t dims[MX_MAX_NDIM];
  mx_ints shape;
  mx_dtype t;
  bool repeated = false;
  mxi_place_at(&in->place, "constant %u", i);
  MXI_TRY(get_kind(in, &t, &shape, dims));
  MXI_TRY(get_flag(in, "a kind of constant", &repeated));
  mx_array a = mxi_own(repeated ? fill(in, t, shape) : elements(in, t, shape));
  return mx_ok(a) ? mxi_push(&in->constants, a) : -1;
}

/* ---- Nodes ---- */
enum { MOST_PARAMS = 32, MOST_LISTS = 8, MOST_INTS = 64, MOST_OUTPUTS = 4 };
#define MX_PRIM(ID, ...)                                                                \
  _Static_assert(sizeof(struct mxi_p_##ID) <= MOST_PARAMS * 8, "a record has room for " \
                                                               "the parameters");
#include "core/prims.def"
#undef MX_PRIM

struct record {
  const mx_prim *prim;
  uint64_t params[MOST_PARAMS];         /* the primitive's struct */
  int64_t lists[MOST_LISTS][MOST_INTS]; /* what its lists hold */
  int nlists;
  mxi_vec(mx_array) in;
  int noutputs;
  struct mxi_output outputs[MOST_OUTPUTS];
  int64_t dims[MOST_OUTPUTS][MX_MAX_NDIM];
};

static int get_prim(struct input *in, struct record *r) {
  struct name name;
  MXI_TRY(get_name(in, &name));
  for (int i = 0; i < MXI_PRIM_COUNT; i++)
    if (mxi_rules[i].build && name_is(name, mxi_prims[i].name)) return r->prim = &mxi_prims[i], 0;
  return mxi_bad_file(&in->place, "expected a primitive of this version, got '%.*s'",
                      (int)mxi_min(name.n, 40), name.s);
}

static int get_list(struct input *in, struct record *r, mx_ints *list) {
  uint32_t n;
  MXI_TRY(get_count(in, "integers", 8, &n));
  if (n > MOST_INTS || r->nlists == MOST_LISTS)
    return mxi_bad_file(&in->place, "expected one integer an axis, got %u", n);
  *list = (mx_ints){r->lists[r->nlists], (int)n};
  return get(in, r->lists[r->nlists++], n * sizeof(int64_t));
}

static int get_field(struct input *in, struct record *r, const struct mxi_field *f) {
  struct name name;
  uint8_t kind;
  void *to = (char *)r->params + f->offset;
  MXI_TRY(get_name(in, &name));
  MXI_TRY(get(in, &kind, 1));
  if (!name_is(name, f->name) || kind != f->kind || kind == MXI_F_OBJECT)
    return mxi_bad_file(&in->place, "expected parameter '%s' of %s, got '%.*s'", f->name, r->prim->name,
                        (int)mxi_min(name.n, 40), name.s);
  return kind == MXI_F_INTS ? get_list(in, r, to) : get(in, to, 8);
}

static int get_params(struct input *in, struct record *r) {
  uint32_t n;
  MXI_TRY(get_count(in, "parameters", 1, &n));
  if (n != r->prim->nfields)
    return mxi_bad_file(&in->place, "expected %d parameters of %s, got %u", r->prim->nfields, r->prim->name,
                        n);
  r->nlists = 0;
  memset(r->params, 0, sizeof r->params);
  for (uint32_t i = 0; i < n; i++) MXI_TRY(get_field(in, r, &r->prim->fields[i]));
  return 0;
}

static int get_value(struct input *in, mx_array *a) {
  uint32_t i;
  MXI_TRY(get(in, &i, sizeof i));
  if (i >= in->values.n)
    return mxi_bad_file(&in->place, "expected one of %zu values made so far, got number %u", in->values.n, i);
  *a = in->values.v[i];
  return 0;
}

static int get_inputs(struct input *in, struct record *r) {
  uint32_t n;
  MXI_TRY(get_count(in, "inputs", 4, &n));
  r->in.n = 0;
  for (uint32_t i = 0; i < n; i++) {
    mx_array a;
    MXI_TRY(get_value(in, &a));
    MXI_TRY(mxi_push(&r->in, a));
  }
  return 0;
}

static int get_outputs(struct input *in, struct record *r) {
  uint32_t n;
  MXI_TRY(get_count(in, "outputs", 5, &n));
  if (n < 1 || n > MOST_OUTPUTS)
    return mxi_bad_file(&in->place, "expected 1 to %d outputs, got %u", MOST_OUTPUTS, n);
  r->noutputs = (int)n;
  for (uint32_t i = 0; i < n; i++)
    MXI_TRY(get_kind(in, &r->outputs[i].dtype, &r->outputs[i].shape, r->dims[i]));
  return 0;
}

/* What a builder found wrong with a record is what is wrong with the file; short memory is not. */
static int blame_file(struct input *in) {
  struct mxi_error e;
  mxi_error_take(&e);
  if (e.code == MX_OUT_OF_MEMORY || e.code == MX_DEVICE_ERROR) return mx_error_set(e.code, "%s", e.text);
  return mx_error_set(MX_INVALID_ARGUMENT, "%s in %s at %s", e.text, mxi_path_end(in->place.path),
                      in->place.at);
}

static int get_node(struct input *in, struct record *r) {
  MXI_TRY(get_prim(in, r));
  MXI_TRY(get_params(in, r));
  MXI_TRY(get_inputs(in, r));
  MXI_TRY(get_outputs(in, r));
  mx_array out[MOST_OUTPUTS];
  struct mxi_build b = {.prim = r->prim,
                        .params = r->params,
                        .ninputs = (int)r->in.n,
                        .noutputs = r->noutputs,
                        .in = r->in.v,
                        .outputs = r->outputs,
                        .out = out};
  if (mxi_build(&b) < 0) return blame_file(in);
  for (int i = 0; i < r->noutputs; i++) MXI_TRY(mxi_push(&in->values, out[i]));
  return 0;
}

static int get_nodes(struct input *in, uint32_t trace) {
  struct record r = {0};
  uint32_t n;
  int status = get_count(in, "nodes", 8, &n);
  for (uint32_t i = 0; i < n && status == 0; i++) {
    mxi_place_at(&in->place, "node %u of trace %u", i, trace);
    status = get_node(in, &r);
  }
  mxi_vec_free(&r.in);
  return status;
}

/* ---- Traces ---- */
static int get_names(struct input *in, struct mxi_traced *t, uint32_t ninputs) {
  uint32_t n;
  MXI_TRY(get_count(in, "names", 4, &n));
  if (n > ninputs) return mxi_bad_file(&in->place, "expected at most %u names, got %u", ninputs, n);
  char **names = mxi_calloc((size_t)n + 1, sizeof *names);
  int status = names ? 0 : -1;
  for (uint32_t i = 0; i < n && status == 0; i++) {
    names[i] = get_text(in, "a name");
    if (!names[i]) status = -1;
    for (uint32_t k = 0; k < i && status == 0; k++)
      if (!strcmp(names[i], names[k]))
        status = mxi_bad_file(&in->place, "expected distinct names, got '%.40s' twice", names[i]);
  }
  if (status == 0) status = mxi_traced_set_names(t, (int)n, (const char *const *)names);
  for (uint32_t i = 0; names && i < n; i++) mxi_free(names[i]);
  mxi_free(names);
  return status;
}

static int get_placeholders(struct input *in, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    int64_t dims[MX_MAX_NDIM];
    mx_ints shape;
    mx_dtype t;
    MXI_TRY(get_kind(in, &t, &shape, dims));
    mx_array a = mxi_own(mxi_placeholder(t, shape));
    if (!mx_ok(a)) return -1;
    MXI_TRY(mxi_push(&in->values, a));
  }
  return 0;
}

static int get_constants(struct input *in) {
  uint32_t n, at;
  MXI_TRY(get_count(in, "constants", 4, &n));
  for (uint32_t i = 0; i < n; i++) {
    MXI_TRY(get(in, &at, sizeof at));
    if (at >= in->constants.n)
      return mxi_bad_file(&in->place, "expected one of %zu constants, got number %u", in->constants.n, at);
    MXI_TRY(mxi_push(&in->values, in->constants.v[at]));
  }
  return 0;
}

static int get_results(struct input *in, uint32_t ninputs, struct mxi_traced *t) {
  uint32_t n;
  MXI_TRY(get_count(in, "outputs", 4, &n));
  mx_array *outputs = mxi_malloc(((size_t)n + 1) * sizeof *outputs);
  int status = outputs ? 0 : -1;
  for (uint32_t i = 0; i < n && status == 0; i++) status = get_value(in, &outputs[i]);
  if (status == 0)
    status = mxi_graph_init(&t->graph, mxi_thread.trace_level, (int)ninputs, in->values.v, (int)n, outputs);
  mxi_free(outputs);
  return status;
}

static int get_trace(struct input *in, uint32_t i, struct mxi_traced *t) {
  uint32_t ninputs;
  in->values.n = 0;
  mxi_place_at(&in->place, "trace %u", i);
  bool ones_matter = false;
  MXI_TRY(get_flag(in, "shapeless", &t->shapeless));
  MXI_TRY(get_flag(in, "a flag of axes of size 1", &ones_matter));
  mxi_thread.shapeless_level = t->shapeless ? mxi_thread.trace_level : 0;
  MXI_TRY(get_count(in, "inputs", 5, &ninputs));
  MXI_TRY(get_names(in, t, ninputs));
  MXI_TRY(get_placeholders(in, ninputs));
  MXI_TRY(get_constants(in));
  MXI_TRY(get_nodes(in, i));
  mxi_place_at(&in->place, "the outputs of trace %u", i);
  MXI_TRY(get_results(in, ninputs, t));
  t->graph.ones_matter = ones_matter;
  return 0;
}

/* Placeholders of the outermost level, wherever the file is read: their trace is over when it has been read.
 */
static int get_traced(struct input *in, uint32_t i, struct mxi_function *f) {
  struct mxi_traced t = {0};
  int level = mxi_thread.trace_level, shapeless_level = mxi_thread.shapeless_level;
  mxi_thread.trace_level = 1;
  mx_scope scope = mx_scope_open();
  int status = get_trace(in, i, &t);
  mx_scope_close(&scope);
  mxi_thread.trace_level = level;
  mxi_thread.shapeless_level = shapeless_level;
  if (status == 0) status = mxi_push(&f->traces, t);
  if (status < 0) mxi_traced_free(&t);
  return status;
}

/* ---- Files ---- */
static int get_header(struct input *in) {
  uint32_t version;
  const uint8_t *magic;
  mxi_place_at(&in->place, "its start");
  if (in->m->size < 8 || !(magic = take(in, 8)) || memcmp(magic, MXI_FUNCTION_MAGIC, 8))
    return mxi_bad_file(&in->place,
                        "expected a function exported by this library (not MLX's own .mlxfn), got "
                        "another file");
  MXI_TRY(get(in, &version, sizeof version));
  if (version == MXI_FUNCTION_VERSION) return 0;
  return mxi_bad_file(&in->place, "expected version %d of the format, got %u", MXI_FUNCTION_VERSION, version);
}

static int get_function(struct input *in, struct mxi_function *f) {
  uint32_t n;
  MXI_TRY(get_header(in));
  if (!(f->metadata = get_text(in, "metadata"))) return -1;
  MXI_TRY(get_count(in, "constants", 6, &n));
  for (uint32_t i = 0; i < n; i++) MXI_TRY(get_constant(in, i));
  MXI_TRY(get_count(in, "traces", 17, &n));
  for (uint32_t i = 0; i < n; i++) MXI_TRY(get_traced(in, i, f));
  if (in->at == in->m->size) return 0;
  mxi_place_at(&in->place, "its end");
  return mxi_bad_file(&in->place, "expected no more bytes, got %zu", in->m->size - in->at);
}

int mxi_function_read(const char *op, const char *path, const mx_reader *reader, struct mxi_function *f) {
  *f = (struct mxi_function){0};
  struct input in = {.place = {.op = op, .path = path ? path : mxi_stream_name(reader->name)}};
  in.m = path ? mxi_mapping_open(op, path) : mxi_mapping_stream(op, reader);
  if (!in.m) return -1;
  mx_scope scope = mx_scope_open();
  int status = mxi_mapping_fill(in.m, SIZE_MAX) < 0 ? -1 : get_function(&in, f);
  mx_scope_close(&scope);
  status = mxi_mapping_close(in.m, status);
  mxi_vec_free(&in.constants);
  mxi_vec_free(&in.values);
  if (status < 0) mxi_function_free(f);
  return status;
}
