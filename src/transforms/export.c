/* Functions in files: the traces of an exporter, and calls of what was imported. */
#include "mlx/export.h"
#include "base/alloc.h"
#include "core/thread.h"
#include "io/function.h"
#include "io/place.h"
#include "ops/common.h"
#include "transforms/export.h"
#include "transforms/graph.h"
#include <stdio.h>
#include <string.h>

/* ---- The arrays of a call ---- */
int mxi_check_call(const char *op, mx_call c) {
  if (!mxi_usable(op, c.n, c.in)) return -1;
  if (c.nnames < 0 || c.nnames > c.n)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected names for at most %d inputs, got %d", op, c.n,
                    c.nnames);
  if (c.nnames && !mxi_given(op, "a list of names", c.names)) return -1;
  for (int i = 0; i < c.nnames; i++) {
    if (!mxi_given(op, "a name", c.names[i])) return -1;
    for (int k = 0; k < i; k++)
      if (!strcmp(c.names[i], c.names[k]))
        return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected distinct names, got '%.80s' twice", op,
                        c.names[i]);
  }
  return 0;
}

/* The call's input that stands for input i of a trace, NULL for none. */
static mx_array input_of(const struct mxi_traced *t, int i, mx_call c) {
  int positional = t->graph.ninputs - t->nnames;
  if (i < positional) return c.in[i];
  for (int k = 0; k < c.nnames; k++)
    if (!strcmp(t->names[i - positional], c.names[k])) return c.in[c.n - c.nnames + k];
  return NULL;
}

static bool serves(const struct mxi_traced *t, mx_call c) {
  if (t->graph.ninputs != c.n || t->nnames != c.nnames) return false;
  for (int i = 0; i < c.n; i++) {
    mx_array mine = t->graph.inputs[i], given = input_of(t, i, c);
    if (!given || mine->dtype != given->dtype || mine->ndim != given->ndim) return false;
    if (!t->shapeless && !mxi_same_shape(mine, given)) return false;
  }
  return true;
}

/* ---- Exporting ---- */
struct mxi_exporter {
  bool shapeless, closed;
  struct mxi_function function;
  char path[];
};
static const char export[] = "export_function";

static char *copy_text(const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = mxi_malloc(n);
  return copy ? memcpy(copy, text, n) : NULL;
}

mx_exporter mx_exporter_new(const char *path, bool shapeless, const char *metadata) {
  if (!mxi_given(export, "a path", path)) return NULL;
  if (metadata && !mxi_text_valid(metadata)) {
    mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected metadata of UTF-8, got other bytes", export);
    return NULL;
  }
  size_t n = strlen(path) + 1;
  mx_exporter e = mxi_calloc(1, sizeof *e + n);
  if (!e) return NULL;
  e->shapeless = shapeless;
  memcpy(e->path, path, n);
  if (!metadata || (e->function.metadata = copy_text(metadata))) return e;
  mxi_free(e);
  return NULL;
}

void mx_exporter_free(mx_exporter e) {
  if (!e) return;
  mxi_function_free(&e->function);
  mxi_free(e);
}

static int check_new(mx_exporter e, mx_call c) {
  if (e->closed)
    return mxi_fail(MX_RUNTIME_ERROR, "[%s] expected an exporter that is open, got one that was closed",
                    export);
  MXI_TRY(mxi_check_call(export, c));
  for (int i = 0; i < c.nnames; i++)
    if (!mxi_text_valid(c.names[i]))
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected names of UTF-8, got other bytes", export);
  for (size_t i = 0; i < e->function.traces.n; i++)
    if (serves(&e->function.traces.v[i], c))
      return mxi_fail(MX_RUNTIME_ERROR,
                      "[%s] expected inputs that no trace serves yet, got those of trace %zu once more",
                      export, i);
  return 0;
}

int mxi_trace_call(struct mxi_graph *g, mx_function f, void *context, mx_call c, bool shapeless) {
  if (mxi_thread.trace_level > 0)
    return mxi_fail(MX_RUNTIME_ERROR, "[%s] expected a call outside of traces, got one inside", export);
  return mxi_graph_trace(g, export, f, context, c.n, c.in, MX_EXPORT_OUTPUTS, shapeless);
}

int mx_exporter_add(mx_exporter e, mx_function f, void *context, mx_call c) {
  if (!mxi_given(export, "an exporter", e) || !mxi_given(export, "a function", f)) return -1;
  MXI_TRY(check_new(e, c));
  struct mxi_traced t = {.shapeless = e->shapeless};
  int status = mxi_trace_call(&t.graph, f, context, c, e->shapeless);
  if (status == 0) status = mxi_traced_set_names(&t, c.nnames, c.names);
  if (status == 0) status = mxi_push(&e->function.traces, t);
  if (status < 0) mxi_traced_free(&t);
  return status;
}

int mx_exporter_close(mx_exporter e) {
  if (!mxi_given(export, "an exporter", e)) return -1;
  if (e->closed) return 0;
  e->closed = true;
  return mxi_function_write(export, &(struct mxi_target){.path = e->path}, &e->function);
}

int mx_export_function(const char *path, mx_function f, void *context, mx_call c, bool shapeless,
                       const char *metadata) {
  mx_exporter e = mx_exporter_new(path, shapeless, metadata);
  int status = e ? mx_exporter_add(e, f, context, c) : -1;
  if (status == 0) status = mx_exporter_close(e);
  mx_exporter_free(e);
  return status;
}

/* ---- Importing ---- */
static const char import[] = "import_function";
struct mxi_imported {
  struct mxi_function function;
  mx_compiled *compiled; /* one for each trace */
};

static int apply_trace(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  (void)n;
  const struct mxi_graph *g = context;
  struct mxi_graph here = *g;
  here.stream = mxi_ambient_stream();
  if (g->noutputs > max_out)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected room for %d results, got %d", import, g->noutputs,
                    max_out);
  return mxi_graph_apply(&here, in, out, NULL) < 0 ? -1 : g->noutputs;
}

static int compile_traces(mx_imported f) {
  size_t n = f->function.traces.n;
  f->compiled = mxi_calloc(n + 1, sizeof *f->compiled);
  if (!f->compiled) return -1;
  for (size_t i = 0; i < n; i++) {
    f->compiled[i] = mx_compile(apply_trace, &f->function.traces.v[i].graph, false, NULL);
    if (!f->compiled[i]) return -1;
  }
  return 0;
}

static mx_imported read(const char *path, const mx_reader *reader) {
  mx_imported f = mxi_calloc(1, sizeof *f);
  if (!f) return NULL;
  if (mxi_function_read(import, path, reader, &f->function) == 0 && compile_traces(f) == 0) return f;
  mx_imported_free(f);
  return NULL;
}
mx_imported mx_import_function(const char *path) {
  return mxi_given(import, "a path", path) ? read(path, NULL) : NULL;
}
mx_imported mx_read_function(mx_reader reader) { return read(NULL, &reader); }

void mx_imported_free(mx_imported f) {
  if (!f) return;
  for (size_t i = 0; f->compiled && i < f->function.traces.n; i++) mx_compiled_free(f->compiled[i]);
  mxi_free(f->compiled);
  mxi_function_free(&f->function);
  mxi_free(f);
}

static bool given_function(mx_imported f) { return mxi_given(import, "an imported function", f); }
const char *mx_imported_metadata(mx_imported f) { return given_function(f) ? f->function.metadata : NULL; }
int mx_imported_count(mx_imported f) { return given_function(f) ? (int)f->function.traces.n : -1; }

mx_call mx_imported_inputs(mx_imported f, int i) {
  if (!given_function(f)) return (mx_call){0};
  if (i < 0 || (size_t)i >= f->function.traces.n) {
    mxi_fail(MX_INDEX_ERROR, "[%s] expected one of %zu traces, got %d", import, f->function.traces.n, i);
    return (mx_call){0};
  }
  const struct mxi_traced *t = &f->function.traces.v[i];
  return (mx_call){t->graph.ninputs, t->graph.inputs, t->nnames, (const char *const *)t->names};
}

/* ---- Which trace serves ---- */
/* Inputs as text, cut when there are many. */
struct text {
  char s[400];
  size_t n;
};
static void append(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->s + t->n, sizeof t->s - t->n, format, args);
  va_end(args);
  size_t room = sizeof t->s - 1 - t->n;
  if (n > 0) t->n += (size_t)n < room ? (size_t)n : room;
}
static void append_inputs(struct text *t, mx_call c) {
  append(t, "(");
  for (int i = 0; i < c.n; i++) {
    int name = i - (c.n - c.nnames);
    append(t, i ? ", " : "");
    if (name >= 0) append(t, "%s=", c.names[name]);
    append(t, "%s%s", mx_dtype_name(mxi_dtype(c.in[i])), MXI_SHAPE_TEXT(c.in[i]));
  }
  append(t, ")");
}

static int no_trace(mx_imported f, mx_call c) {
  struct text have = {0}, given = {0};
  for (int i = 0; i < (int)f->function.traces.n; i++) {
    if (i) append(&have, " or ");
    append_inputs(&have, mx_imported_inputs(f, i));
  }
  append_inputs(&given, c);
  given.s[160] = 0; // each cut so that the error has room for both
  have.s[240] = 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected inputs that a trace in the file serves, %s, got %s",
                  import, have.n ? have.s : "of which it has none", given.s);
}

static int trace_for(mx_imported f, mx_call c) {
  if (!given_function(f)) return -1;
  MXI_TRY(mxi_check_call(import, c));
  for (size_t i = 0; i < f->function.traces.n; i++) /* one of these very shapes before one that can follow */
    if (serves(&f->function.traces.v[i], c)) return (int)i;
  return no_trace(f, c);
}

int mx_imported_outputs(mx_imported f, mx_call c) {
  int i = trace_for(f, c);
  return i < 0 ? -1 : f->function.traces.v[i].graph.noutputs;
}

int mx_imported_call(mx_imported f, mx_call c, int max_out, mx_array *out) {
  int i = trace_for(f, c);
  if (i < 0) return -1;
  const struct mxi_traced *t = &f->function.traces.v[i];
  mx_array few[16], *in = c.n <= 16 ? few : mxi_malloc((size_t)c.n * sizeof *in);
  if (!in) return -1;
  for (int k = 0; k < c.n; k++) in[k] = input_of(t, k, c);
  int nout = mx_compiled_call(f->compiled[i], 0, c.n, in, max_out, out);
  if (in != few) mxi_free(in);
  return nout;
}
