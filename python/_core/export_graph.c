/* Graphs for people and other programs: the parts that export_function's callback gets, and export_to_dot. */
#include "export.h"
#include "io.h"
#include <ctype.h>
#include <string.h>

/* ---- Parts as dicts ---- */
typedef struct listing {
  mx_graph graph;
  int *order; /* by value: its place among the names; -1: none yet */
  int named;
} listing;

/* A, B ... Z, AA ...: in the order in which values are first spoken of. */
static PyObject *name_of(listing *l, int value) {
  char letters[16];
  int at = (int)sizeof letters - 1;
  if (l->order[value] < 0) l->order[value] = l->named++;
  letters[at] = 0;
  for (int k = l->order[value] + 1; k > 0; k = (k - 1) / 26) letters[--at] = (char)('A' + (k - 1) % 26);
  return PyUnicode_FromString(letters + at);
}

/* (name, shape, dtype); with its array (name, array). */
static PyObject *describe(listing *l, int value, bool with_array) {
  mx_value_info v = mx_graph_value_info(l->graph, value);
  PyObject *name = name_of(l, value);
  if (!name) return NULL;
  if (with_array) return Py_BuildValue("(NN)", name, py_wrap(v.array));
  return Py_BuildValue("(NNN)", name, py_shape_tuple(v.shape), py_dtype(v.dtype));
}

static int append(PyObject *list, PyObject *o) {
  int r = o ? PyList_Append(list, o) : -1;
  Py_XDECREF(o);
  return r;
}
static PyObject *describe_part(listing *l, mx_graph_part part) {
  PyObject *list = PyList_New(0);
  for (int i = 0; list && i < mx_graph_count(l->graph, part); i++)
    if (append(list, describe(l, mx_graph_value(l->graph, part, i), part == MX_GRAPH_CONSTANTS)) < 0)
      Py_CLEAR(list);
  return list;
}
static PyObject *describe_values(listing *l, int node, int n, int first_output) {
  PyObject *list = PyList_New(0);
  for (int k = 0; list && k < n; k++) {
    int value = first_output < 0 ? mx_graph_node_input(l->graph, node, k) : first_output + k;
    if (append(list, describe(l, value, false)) < 0) Py_CLEAR(list);
  }
  return list;
}
static PyObject *describe_keywords(listing *l, const export_call *e) {
  PyObject *list = PyList_New(0);
  for (int i = 0; list && i < e->c.nnames; i++) {
    PyObject *name = name_of(l, e->c.n - e->c.nnames + i);
    if (append(list, name ? Py_BuildValue("(ON)", PyList_GetItem(e->names, i), name) : NULL) < 0)
      Py_CLEAR(list);
  }
  return list;
}

static PyObject *argument(mx_param p) {
  if (p.kind == MX_PARAM_INT) return PyLong_FromLongLong(p.integer);
  if (p.kind == MX_PARAM_DOUBLE) return PyFloat_FromDouble(p.number);
  PyObject *list = PyList_New(0);
  for (int i = 0; list && i < p.integers.n; i++)
    if (append(list, PyLong_FromLongLong(p.integers.v[i])) < 0) Py_CLEAR(list);
  return list;
}
static PyObject *describe_arguments(listing *l, int node, int n) {
  PyObject *list = PyList_New(0);
  for (int k = 0; list && k < n; k++)
    if (append(list, argument(mx_graph_node_param(l->graph, node, k))) < 0) Py_CLEAR(list);
  return list;
}
/* as_strided: AsStrided. */
static PyObject *class_name(const char *name) {
  char text[96];
  size_t n = 0;
  bool up = true;
  for (; *name && n < sizeof text - 1; name++) {
    if (*name != '_') text[n++] = up ? (char)toupper((unsigned char)*name) : *name;
    up = *name == '_';
  }
  text[n] = 0;
  return PyUnicode_FromString(text);
}

static int tell(PyObject *callback, PyObject *part) {
  PyObject *r = part ? PyObject_CallFunctionObjArgs(callback, part, NULL) : NULL;
  Py_XDECREF(part);
  Py_XDECREF(r);
  return r ? 0 : -1;
}
static int tell_node(PyObject *callback, listing *l, int i) {
  mx_graph_node n = mx_graph_node_at(l->graph, i);
  PyObject *inputs = describe_values(l, i, n.ninputs, -1),
           *outputs = inputs ? describe_values(l, i, n.noutputs, n.first_output) : NULL;
  if (!outputs) {
    Py_XDECREF(inputs);
    return -1;
  }
  return tell(callback,
              Py_BuildValue("{sssNsNsNsN}", "type", "primitive", "name", class_name(n.name), "inputs", inputs,
                            "outputs", outputs, "arguments", describe_arguments(l, i, n.nparams)));
}
static int tell_all(PyObject *callback, listing *l, const export_call *e) {
  static const struct {
    const char *type;
    mx_graph_part part;
  } parts[] = {{"inputs", MX_GRAPH_INPUTS}, {"outputs", MX_GRAPH_OUTPUTS}, {"constants", MX_GRAPH_CONSTANTS}};
  for (int i = 0; i < 3; i++) {
    if (tell(callback, Py_BuildValue("{sssN}", "type", parts[i].type, parts[i].type,
                                     describe_part(l, parts[i].part))) < 0)
      return -1;
    if (i == 0 && tell(callback, Py_BuildValue("{sssN}", "type", "keyword_inputs", "keywords",
                                               describe_keywords(l, e))) < 0)
      return -1;
  }
  for (int i = 0; i < mx_graph_count(l->graph, MX_GRAPH_NODES); i++)
    if (tell_node(callback, l, i) < 0) return -1;
  return 0;
}

static int count_values(mx_graph g) {
  int n = mx_graph_count(g, MX_GRAPH_INPUTS) + mx_graph_count(g, MX_GRAPH_CONSTANTS);
  for (int i = 0; i < mx_graph_count(g, MX_GRAPH_NODES); i++) n += mx_graph_node_at(g, i).noutputs;
  return n;
}

PyObject *export_to_callback(PyObject *callback, export_call *e, bool shapeless) {
  listing l = {.graph = mx_graph_trace(export_callback, e, e->c, shapeless)};
  if (!l.graph) return py_raise();
  int n = count_values(l.graph), r = -1;
  l.order = PyMem_Malloc(sizeof *l.order * (size_t)(n + 1));
  if (l.order) {
    for (int i = 0; i < n; i++) l.order[i] = -1;
    r = tell_all(callback, &l, e);
  } else {
    PyErr_NoMemory();
  }
  PyMem_Free(l.order);
  mx_graph_free(l.graph);
  return r < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- Dot ---- */
static int collect_text(void *context, const void *data, size_t n) {
  PyObject **text = context;
  *text = PyUnicode_DecodeUTF8(data, (Py_ssize_t)n, "replace");
  return *text ? 0 : mx_error_set(MX_CALLBACK_ERROR, "[export_to_dot] expected memory for the text");
}

static int write_text(PyObject *file, PyObject *text) {
  if (!PyUnicode_Check(file) && PyObject_HasAttrString(file, "write")) {
    PyObject *r = PyObject_CallMethod(file, "write", "O", text);
    Py_XDECREF(r);
    return r ? 0 : -1;
  }
  if (!PyUnicode_Check(file) && !PyObject_HasAttrString(file, "__fspath__"))
    return py_refuse(PyExc_ValueError, "export_to_dot", "a path or a file object with write()", file);
  PyObject *io = PyImport_ImportModule("io"),
           *o = io ? PyObject_CallMethod(io, "open", "Os", file, "w") : NULL;
  int r = o ? write_text(o, text) : -1;
  PyObject *closed = o ? PyObject_CallMethod(o, "close", NULL) : NULL;
  Py_XDECREF(io);
  Py_XDECREF(o);
  Py_XDECREF(closed);
  return r < 0 || !closed ? -1 : 0;
}

static int named_arrays(PyObject *dict, leaves *l, const char **names) {
  PyObject *key, *value;
  for (Py_ssize_t at = 0; dict && PyDict_Next(dict, &at, &key, &value);) {
    if (!py_is_array(value)) return py_refuse(PyExc_ValueError, "export_to_dot", "named arrays", value);
    if (!(names[l->n] = PyUnicode_AsUTF8AndSize(key, NULL)) || py_tree_leaves(value, l, false) < 0) return -1;
  }
  return 0;
}

static int rest_arrays(const frame *f, leaves *l) {
  for (Py_ssize_t i = 0; i < f->nrest; i++) {
    int before = l->n;
    PyObject *o = f->rest[i];
    if (py_tree_leaves(o, l, false) < 0) return -1;
    if (l->n == before && !PyDict_Check(o) && !PyList_Check(o) && !PyTuple_Check(o))
      return py_refuse(PyExc_ValueError, "export_to_dot", "arrays, or trees of them", o);
  }
  return 0;
}

FUNCTION(
    export_to_dot, "file: object, *args, **kwargs -> None",
    "Writes the graph behind arrays that are not evaluated yet as text for Graphviz, to a path or a file "
    "object that takes text. args: arrays, or trees of them; kwargs: arrays with the names under which "
    "they appear, while others are letters.") {
  leaves arrays = {0}, named = {0};
  PyObject *text = NULL;
  size_t n = f->keywords ? (size_t)PyDict_Size(f->keywords) : 0;
  const char **names = PyMem_Malloc(sizeof *names * (n + 1));
  int r = names ? rest_arrays(f, &arrays) : (PyErr_NoMemory(), -1);
  if (r == 0) r = named_arrays(f->keywords, &named, names);
  mx_array *handles = r == 0 ? py_leaves_handles(&arrays) : NULL,
           *named_handles = handles ? py_leaves_handles(&named) : NULL;
  if (named_handles) {
    mx_writer w = {.context = &text, .write = collect_text};
    r = mx_export_to_dot(w, arrays.n, handles, named.n, names, named_handles);
    if (r < 0) py_raise();
    if (r == 0) r = write_text(f->v[0].o, text);
  }
  Py_XDECREF(text);
  PyMem_Free(names);
  PyMem_Free(handles);
  PyMem_Free(named_handles);
  py_leaves_free(&arrays);
  py_leaves_free(&named);
  return r < 0 || PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}
