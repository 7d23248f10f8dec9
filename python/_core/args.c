/* The one argument parser. Signatures are text, read once when the module starts; a call fills a frame of
 * typed values. */
#include "core.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  kind kind;
  range range;
  const char *expected;
} kinds[] = {
    {"array", KIND_ARRAY, RANGE_INT64, "an array"},
    {"value", KIND_VALUE, RANGE_INT64, "an array or a scalar"},
    {"operand", KIND_OPERAND, RANGE_INT64, "an array or a scalar"},
    {"object", KIND_OBJECT, RANGE_INT64, "an object"},
    {"int", KIND_INT, RANGE_INT64, "an int"},
    {"int32", KIND_INT, RANGE_INT32, "an int"},
    {"axis", KIND_INT, RANGE_AXIS, "an int"},
    {"ints", KIND_INTS, RANGE_INT64, "an int or a sequence of ints"},
    {"axes", KIND_INTS, RANGE_AXIS, "an int or a sequence of ints"},
    {"float", KIND_FLOAT, RANGE_INT64, "a float"},
    {"bool", KIND_BOOL, RANGE_INT64, "a bool"},
    {"dtype", KIND_DTYPE, RANGE_INT64, "a Dtype"},
    {"str", KIND_STR, RANGE_INT64, "a str"},
    {"stream", KIND_STREAM, RANGE_INT64, "a Stream, Device, DeviceType or None"},
};
/* What is said of an int outside its range. */
static const char *const ranges[] = {"an int of 64 bits", "an int of 32 bits", "an axis"};

/* ---- Reading signatures ---- */
static void skip_spaces(const char **p) {
  while (**p == ' ') ++*p;
}

/* Copies an identifier (or a default's text) up to one of `ends`; returns its length. */
static size_t read_word(const char **p, const char *ends, char *word, size_t room) {
  size_t n = 0;
  while (**p && !strchr(ends, **p)) {
    if (n + 1 < room) word[n++] = **p;
    ++*p;
  }
  while (n && word[n - 1] == ' ') n--;
  word[n] = 0;
  return n;
}

static int find_kind(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kinds[i].name, name)) return (int)i;
  return -1;
}

static bool read_default(param *p, const char *text) {
  p->optional = true;
  if (!strcmp(text, "None")) {
    p->none_ok = true;
    p->integer = -1;
    return true;
  }
  switch (p->kind) {
  case KIND_BOOL: p->integer = !strcmp(text, "True"); return true;
  case KIND_INT: p->integer = strtoll(text, NULL, 10); return true;
  case KIND_INTS:
    p->text = !strcmp(text, "[]") ? "" : NULL;
    p->integer = strtoll(text, NULL, 10);
    return true;
  case KIND_FLOAT: p->number = strtod(text, NULL); return true;
  case KIND_DTYPE:
    for (int t = 0; t < MX_DTYPE_COUNT; t++)
      if (!strcmp(mx_dtype_name((mx_dtype)t), text)) p->integer = t;
    return true;
  case KIND_STR: {
    size_t n = strlen(text);
    char *copy = n >= 2 ? PyMem_Malloc(n) : NULL;
    if (!copy) return false;
    memcpy(copy, text + 1, n - 2);
    copy[n - 2] = 0;
    p->text = copy;
    return true;
  }
  default: return true; /* object, operand: the body looks at given */
  }
}

static int read_param(function *f, param *p, const char **text) {
  char word[64];
  read_word(text, ":,=", word, sizeof word);
  p->name = PyUnicode_InternFromString(word);
  if (!p->name) return -1;
  p->kind = KIND_OBJECT;
  if (**text == ':') {
    ++*text;
    skip_spaces(text);
    size_t n = read_word(text, ",=", word, sizeof word);
    if (n && word[n - 1] == '?') {
      p->none_ok = true;
      word[n - 1] = 0;
    }
    int k = find_kind(word);
    if (k < 0) {
      PyErr_Format(PyExc_SystemError, "%s: unknown kind '%s'", f->name, word);
      return -1;
    }
    p->kind = (uint8_t)kinds[k].kind;
    p->range = (uint8_t)kinds[k].range;
  }
  if (**text == '=') {
    ++*text;
    skip_spaces(text);
    read_word(text, ",", word, sizeof word);
    if (!read_default(p, word)) {
      PyErr_NoMemory();
      return -1;
    }
  }
  return 0;
}

/* Parts the type of the result from the parameters. */
static int read_returns(function *f) {
  const char *arrow = strstr(f->signature, "-> ");
  if (!arrow) return 0;
  size_t n = (size_t)(arrow - f->signature);
  while (n && f->signature[n - 1] == ' ') n--;
  char *parameters = PyMem_Malloc(n + 1); /* lives as long as the process */
  if (!parameters) return PyErr_NoMemory(), -1;
  memcpy(parameters, f->signature, n);
  parameters[n] = 0;
  f->signature = parameters;
  f->returns = arrow + 3;
  return 0;
}

static int read_signature(function *f) {
  if (f->params) return 0;
  if (!f->signature) { /* an alias: doc points at the row it repeats */
    const function *of = (const function *)(const void *)f->doc;
    f->signature = of->signature;
    f->returns = of->returns;
    f->doc = of->doc;
  }
  if (read_returns(f) < 0) return -1;
  param params[MAX_PARAMS] = {0};
  f->npositional = -1;
  for (const char *p = f->signature; *p;) {
    skip_spaces(&p);
    if (*p == '/') {
      f->npositional_only = f->n;
      p++;
    } else if (*p == '*') {
      char rest[64];
      bool keywords = p[1] == '*';
      if (f->npositional < 0) f->npositional = f->n;
      p++;
      if (*p && *p != ',') {
        read_word(&p, ",", rest, sizeof rest);
        f->variadic |= keywords ? REST_KEYWORDS : REST_POSITIONAL;
      }
    } else {
      if (f->n == MAX_PARAMS) {
        PyErr_Format(PyExc_SystemError, "%s: too many parameters", f->name);
        return -1;
      }
      if (read_param(f, &params[f->n], &p) < 0) return -1;
      if (params[f->n].kind == KIND_STREAM) f->stream = f->n;
      f->n++;
    }
    if (*p == ',') p++;
  }
  if (f->npositional < 0) f->npositional = f->n;
  f->params = PyMem_Malloc(sizeof(param) * (size_t)(f->n ? f->n : 1));
  if (!f->params) {
    PyErr_NoMemory();
    return -1;
  }
  memcpy(f->params, params, sizeof(param) * (size_t)f->n);
  return 0;
}

/* "name(a, /, *, stream=None)\n--\n\ndoc", with "$self, /" in place of the first parameter for a method. */
static char *make_doc(const function *f, bool method) {
  size_t room = strlen(f->name) + 2 * strlen(f->signature) + strlen(f->doc) + 32;
  char *doc = PyMem_Malloc(room), *out = doc;
  if (!doc) return NULL;
  out += sprintf(out, "%s(", f->name);
  const char *p = f->signature;
  if (method) {
    p += strcspn(p, ",");
    if (!strncmp(p, ", /", 3)) p += 3;
    bool more = strstr(p, ", /"); /* self is one of several that have no keyword */
    out += sprintf(out, more ? "$self" : "$self, /");
  }
  while (*p) {
    if (*p != ':') {
      *out++ = *p++;
      continue;
    }
    bool dtype = !strncmp(p, ": dtype", 7); /* inspect has no literal for a Dtype; None means the same */
    while (*p && *p != ',' && *p != '=') p++;
    if (*p == '=') {
      *out++ = '=';
      p++;
      skip_spaces(&p);
      if (dtype) out += sprintf(out, "None");
      while (*p && *p != ',') {
        if (!dtype) *out++ = *p;
        p++;
      }
    }
  }
  sprintf(out, ")\n--\n\n%s", f->doc);
  return doc;
}

/* Every table of rows that was added, and the module or type that it belongs to. */
static struct {
  const char *owner;
  function *const *first, *const *last;
} tables[16];
static int ntables;

static int remember_table(const char *owner, function *const *first, function *const *last) {
  if (ntables == sizeof tables / sizeof *tables) {
    PyErr_SetString(PyExc_SystemError, "too many tables of functions");
    return -1;
  }
  tables[ntables].owner = owner;
  tables[ntables].first = first;
  tables[ntables++].last = last;
  return 0;
}

FUNCTION(_signatures, "-> list[tuple[str, str, str, str, str]]",
         "Of every function: the module or type it is in, its name, its typed parameters, the type of its "
         "result, and "
         "its documentation. Type stubs are made from it.") {
  PyObject *list = PyList_New(0);
  for (int i = 0; i < ntables; i++)
    for (function *const *r = tables[i].first; list && r < tables[i].last; r++) {
      PyObject *row = Py_BuildValue("(sssss)", tables[i].owner, (*r)->name, (*r)->signature,
                                    (*r)->returns ? (*r)->returns : "array", (*r)->doc);
      if (!row || PyList_Append(list, row) < 0) Py_CLEAR(list);
      Py_XDECREF(row);
    }
  return list;
}

PyMethodDef *py_method_table(const char *owner, function *const *first, function *const *last,
                             const PyMethodDef *more) {
  size_t n = (size_t)(last - first), nmore = 0;
  while (more && more[nmore].ml_name) nmore++;
  PyMethodDef *table = PyMem_Calloc(n + nmore + 1, sizeof *table); /* lives as long as the process */
  if (!table) return (PyMethodDef *)PyErr_NoMemory();
  if (remember_table(owner, first, last) < 0) return NULL;
  for (size_t i = 0; i < n; i++) {
    if (read_signature(first[i]) < 0) return NULL;
    table[i] = (PyMethodDef){first[i]->name, (PyCFunction)(void (*)(void))first[i]->method,
                             METH_FASTCALL | METH_KEYWORDS, make_doc(first[i], true)};
  }
  if (nmore) memcpy(table + n, more, nmore * sizeof *table);
  return table;
}

int py_add_functions(PyObject *module, function *const *first, function *const *last) {
  PyMethodDef *table = PyMem_Calloc((size_t)(last - first) + 1, sizeof *table);
  if (!table) return PyErr_NoMemory(), -1;
  const char *owner = PyModule_GetName(module);
  if (!owner || remember_table(owner, first, last) < 0) return -1;
  for (PyMethodDef *m = table; first < last; first++, m++) {
    if (read_signature(*first) < 0) return -1;
    *m = (PyMethodDef){(*first)->name, (PyCFunction)(void (*)(void))(*first)->call,
                       METH_FASTCALL | METH_KEYWORDS, make_doc(*first, false)};
  }
  return PyModule_AddFunctions(module, table);
}

/* ---- Constructors, which Python calls with a tuple and a dict ---- */
bool py_arguments_fit(const char *name, PyObject *args, PyObject *kwargs, int n, ...) {
  Py_ssize_t given = PyTuple_Size(args) + (kwargs ? PyDict_Size(kwargs) : 0), known = PyTuple_Size(args);
  va_list names;
  va_start(names, n);
  for (int i = 0; i < n; i++) {
    const char *parameter = va_arg(names, const char *);
    known += i >= PyTuple_Size(args) && kwargs && PyDict_GetItemString(kwargs, parameter);
  }
  va_end(names);
  if (PyTuple_Size(args) <= n && known == given) return true;
  PyErr_Format(PyExc_TypeError, "%s(): expected at most %d argument%s, or others by name", name, n,
               n == 1 ? "" : "s");
  return false;
}

/* ---- Numbers ---- */
int py_int64(PyObject *o, int64_t *v) {
  if (PyLong_Check(o)) {
    *v = PyLong_AsLongLong(o);
    return *v == -1 && PyErr_Occurred() ? -1 : 0;
  }
  PyObject *i = PyNumber_Index(o);
  if (!i) return -1;
  *v = PyLong_AsLongLong(i);
  Py_DECREF(i);
  return *v == -1 && PyErr_Occurred() ? -1 : 0;
}

PyObject *py_shape_tuple(mx_ints shape) {
  PyObject *t = PyTuple_New(shape.n);
  for (int i = 0; t && i < shape.n; i++) {
    PyObject *v = PyLong_FromLongLong(shape.v[i]);
    if (!v)
      Py_CLEAR(t);
    else
      PyTuple_SetItem(t, i, v);
  }
  return t;
}

bool py_is_integer(PyObject *o) {
  if (PyLong_Check(o)) return true;
  if (!PyIndex_Check(o)) return false;
  if (py_is_array(o)) return mx_ndim(py_handle(o)) == 0;
  if (!PySequence_Check(o) || PySequence_Size(o) < 0) return PyErr_Clear(), true;
  return false; /* a NumPy array of some dimensions: its type has __index__ for those of none */
}

/* Fills up to `room` integers; returns how many there are, -1 when o isn't made of ints (exception set). */
static Py_ssize_t fill_ints(PyObject *o, int64_t *out, Py_ssize_t room) {
  if (py_is_integer(o)) return room < 1 || py_int64(o, out) == 0 ? 1 : -1;
  if (!PySequence_Check(o) || PyUnicode_Check(o) || PyBytes_Check(o)) {
    PyErr_SetString(PyExc_TypeError, "not ints");
    return -1;
  }
  Py_ssize_t n = PySequence_Size(o);
  if (n > room) return n;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *e = PySequence_GetItem(o, i);
    int r = e ? py_int64(e, &out[i]) : -1;
    Py_XDECREF(e);
    if (r < 0) return -1;
  }
  return n;
}

int py_int_list(PyObject *o, int64_t **out) {
  Py_ssize_t n = py_is_integer(o) ? 1 : PySequence_Check(o) ? PySequence_Size(o) : -1;
  *out = NULL;
  if (n < 0 || n > INT32_MAX) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "expected an int or a sequence of ints");
    return -1;
  }
  *out = PyMem_Malloc(sizeof(int64_t) * (size_t)(n ? n : 1));
  if (!*out) return PyErr_NoMemory(), -1;
  if (fill_ints(o, *out, n) == n) return (int)n;
  PyMem_Free(*out);
  *out = NULL;
  if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "expected an int or a sequence of ints");
  return -1;
}

/* ---- Calls ---- */
static const char *param_name(const param *p) {
  const char *s = PyUnicode_AsUTF8AndSize(p->name, NULL);
  return s ? s : "?";
}

static const char *expected_of(kind k) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].kind == k) return kinds[i].expected;
  return "an object";
}

/* An exception of its own: what was expected for an argument, and `got` with its format. */
static void complain(PyObject *exception, const function *f, const param *p, const char *expected,
                     const char *got, PyObject *o) {
  PyObject *what = PyUnicode_FromFormat(got, o);
  if (!what) return;
  if (p)
    PyErr_Format(exception, "%s(): expected %s%s for argument '%s', got %U", f->name,
                 p->none_ok ? "None or " : "", expected, param_name(p), what);
  else
    PyErr_Format(exception, "%s(): expected %s, got %U", f->name, expected, what);
  Py_DECREF(what);
}

static void complain_of_type(PyObject *exception, const function *f, const param *p, const char *expected,
                             PyObject *got) {
  PyObject *type = PyType_GetName(Py_TYPE(got));
  if (type) complain(exception, f, p, expected, "%U", type);
  Py_XDECREF(type);
}

static bool out_of_range(const function *f, const param *p, PyObject *got) {
  PyErr_Clear();
  range r = p ? (range)p->range : RANGE_INT64;
  complain(r == RANGE_AXIS ? py_axis_error : PyExc_ValueError, f, p, ranges[r], "%R", got);
  return false;
}

static bool wrong_type_of(const function *f, const param *p, const char *expected, PyObject *got) {
  PyObject *cause = PyErr_Occurred();
  if (cause && PyErr_GivenExceptionMatches(cause, PyExc_OverflowError)) return out_of_range(f, p, got);
  if (cause && !PyErr_GivenExceptionMatches(cause, PyExc_TypeError))
    return false; /* an error of the object's own */
  PyErr_Clear();
  complain_of_type(PyExc_TypeError, f, p, expected, got);
  return false;
}

static bool wrong_type(const function *f, const param *p, PyObject *got) {
  return wrong_type_of(f, p, expected_of((kind)p->kind), got);
}

PyObject *py_wrong_argument(const frame *f, int i, const char *expected) {
  wrong_type_of(f->f, &f->f->params[i], expected, f->v[i].o);
  return NULL;
}
PyObject *py_wrong_rest(const frame *f, PyObject *got, const char *expected) {
  wrong_type_of(f->f, NULL, expected, got);
  return NULL;
}

static bool read_ints(frame *fr, const param *p, mx_ints *out, PyObject *o) {
  int64_t *v = fr->ints + fr->nints;
  Py_ssize_t room = FRAME_INTS - fr->nints, n = fill_ints(o, v, room);
  if (n < 0) return wrong_type(fr->f, p, o);
  if (n > room) {
    v = fr->blocks[fr->nblocks] = PyMem_Malloc(sizeof(int64_t) * (size_t)n);
    if (!v || n > INT32_MAX) return PyErr_NoMemory(), false;
    fr->nblocks++;
    if (fill_ints(o, v, n) != n) return wrong_type(fr->f, p, o);
  } else {
    fr->nints += (int)n;
  }
  *out = (mx_ints){v, (int)n};
  return true;
}

static bool read_float(const frame *fr, const param *p, double *out, PyObject *o) {
  if (PyUnicode_Check(o)) return wrong_type(fr->f, p, o);
  *out = PyFloat_AsDouble(o);
  return !(*out == -1 && PyErr_Occurred()) || wrong_type(fr->f, p, o);
}

/* Can reading this argument run Python code, or evaluate, so that another thread may? Then an array read
   before it has to be held: its object may take another one. */
static bool may_run_code(PyObject *o, kind kind) {
  PyTypeObject *t = Py_TYPE(o);
  if (py_is_array(o)) return kind == KIND_FLOAT || kind == KIND_INT || kind == KIND_INTS;
  return !(t == &PyLong_Type || t == &PyFloat_Type || t == &PyBool_Type || t == &PyUnicode_Type ||
           o == Py_None || t == py_dtype_type);
}

static bool arrays_need_holding(const frame *fr, PyObject *const *slots) {
  if (fr->f->n + fr->nrest < 2) return false;
  for (int i = 0; i < fr->f->n; i++)
    if (slots[i] && may_run_code(slots[i], (kind)fr->f->params[i].kind)) return true;
  for (Py_ssize_t i = 0; i < fr->nrest; i++)
    if (may_run_code(fr->rest[i], KIND_INT)) return true;
  return false;
}

/* Converts one argument that is present. */
static bool read_value(frame *fr, const param *p, value *v, PyObject *o) {
  switch ((kind)p->kind) {
  case KIND_ARRAY:
    if (!py_is_array(o)) return wrong_type(fr->f, p, o);
    v->a = py_handle(o);
    return true;
  case KIND_VALUE:
    if (o == Py_None) return wrong_type(fr->f, p, o);
    if (!py_is_operand(o)) {
      complain_of_type(PyExc_ValueError, fr->f, p, expected_of(KIND_VALUE), o);
      return false;
    }
    return (v->a = py_to_array(o, -1)) != NULL;
  case KIND_OPERAND: v->o = o; return o != Py_None || wrong_type(fr->f, p, o);
  case KIND_OBJECT: v->o = o; return true;
  case KIND_INT:
    if (!py_is_integer(o) || py_int64(o, &v->i) < 0) return wrong_type(fr->f, p, o);
    return p->range == RANGE_INT64 || (v->i >= INT32_MIN && v->i <= INT32_MAX) || out_of_range(fr->f, p, o);
  case KIND_INTS: return read_ints(fr, p, &v->ints, o);
  case KIND_FLOAT: return read_float(fr, p, &v->d, o);
  case KIND_BOOL:
    if (!PyBool_Check(o)) return wrong_type(fr->f, p, o);
    v->b = o == Py_True;
    return true;
  case KIND_DTYPE:
    if (!py_is_dtype(o)) return wrong_type(fr->f, p, o);
    v->t = py_dtype_value(o);
    return true;
  case KIND_STR:
    return (PyUnicode_Check(o) && (v->s = PyUnicode_AsUTF8AndSize(o, NULL))) || wrong_type(fr->f, p, o);
  case KIND_STREAM: v->o = o; return true;
  }
  return false;
}

/* The value of an argument that is absent or None. */
static bool read_absent(frame *fr, const param *p, value *v, PyObject *o) {
  if (o ? !p->none_ok : !p->optional) {
    if (o) return wrong_type(fr->f, p, o);
    PyErr_Format(PyExc_TypeError, "%s(): missing argument '%s'", fr->f->name, param_name(p));
    return false;
  }
  memset(v, 0, sizeof *v);
  switch ((kind)p->kind) {
  case KIND_INT: v->i = p->integer; break;
  case KIND_BOOL: v->b = p->integer == 1; break;
  case KIND_FLOAT: v->d = p->number; break;
  case KIND_DTYPE: v->t = (mx_dtype)p->integer; break;
  case KIND_STR: v->s = p->text; break;
  case KIND_INTS: /* None is all axes; an integer default is one integer */
    if (p->text)
      v->ints = MX_NO_SHAPE;
    else if (p->integer < 0 || (o && p->none_ok))
      v->ints = MX_ALL_AXES;
    else {
      fr->ints[fr->nints] = p->integer;
      v->ints = (mx_ints){&fr->ints[fr->nints++], 1};
    }
    break;
  default: break;
  }
  return true;
}

static int find_param(const function *f, PyObject *name) {
  for (int i = f->npositional_only; i < f->n; i++)
    if (f->params[i].name == name) return i;
  for (int i = f->npositional_only; i < f->n; i++)
    if (PyUnicode_Compare(f->params[i].name, name) == 0) return i;
  return -1;
}

static bool sort_arguments(frame *fr, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names,
                           PyObject **slots) {
  const function *f = fr->f;
  int at = 0;
  if (self) slots[at++] = self;
  for (Py_ssize_t i = 0; i < n; i++) {
    if (at < f->npositional) {
      slots[at++] = args[i];
      continue;
    }
    if (f->variadic & REST_POSITIONAL) {
      fr->rest = args + i;
      fr->nrest = n - i;
      break;
    }
    PyErr_Format(PyExc_TypeError, "%s(): expected at most %d positional argument%s, got %zd", f->name,
                 f->npositional - !!self, f->npositional - !!self == 1 ? "" : "s", n);
    return false;
  }
  Py_ssize_t nnames = names ? PyTuple_Size(names) : 0;
  for (Py_ssize_t i = 0; i < nnames; i++) {
    PyObject *name = PyTuple_GetItem(names, i);
    int p = find_param(f, name);
    if (p < 0 && f->variadic & REST_KEYWORDS) {
      if (!fr->keywords && !(fr->keywords = PyDict_New())) return false;
      if (PyDict_SetItem(fr->keywords, name, args[n + i]) < 0) return false;
      continue;
    }
    if (p < 0 || slots[p]) {
      PyErr_Format(PyExc_TypeError,
                   p < 0 ? "%s(): unexpected argument '%U'" : "%s(): argument '%U' given twice", f->name,
                   name);
      return false;
    }
    slots[p] = args[n + i];
  }
  return true;
}

void py_name_error(const char *function) {
  static PyObject **const kinds_of_errors[] = {&PyExc_ValueError,          &PyExc_TypeError,
                                               &PyExc_IndexError,          &PyExc_RuntimeError,
                                               &PyExc_NotImplementedError, &py_axis_error};
  PyObject *type, *value, *traceback;
  bool ours = false, of_callback = mx_error_code() == MX_CALLBACK_ERROR;
  PyErr_Fetch(&type, &value, &traceback);
  for (size_t i = 0; i < sizeof kinds_of_errors / sizeof *kinds_of_errors; i++)
    ours |= type == *kinds_of_errors[i];
  PyObject *text = ours && !of_callback && value ? PyObject_Str(value) : NULL;
  const char *s = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
  if (s && *s == '[') {
    if (strcmp(s, mx_error())) mx_error_set(MX_INVALID_ARGUMENT, "%s", s);
    mx_error_name(function);
    PyObject *named = strcmp(s, mx_error()) ? PyUnicode_FromString(mx_error()) : NULL;
    if (named) py_set(&value, named);
  }
  PyErr_Clear(); /* of a text that can't be had */
  Py_XDECREF(text);
  PyErr_Restore(type, value, traceback);
  mx_error_clear();
}

PyObject *py_call(const function *f, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  frame fr;
  fr.f = f;
  fr.given = fr.none = 0;
  fr.rest = NULL;
  fr.keywords = NULL;
  fr.nrest = fr.nints = fr.nblocks = 0;
  PyObject *slots[MAX_PARAMS] = {0};
  if (!sort_arguments(&fr, self, args, n, names, slots)) {
    Py_XDECREF(fr.keywords);
    return NULL;
  }
  mx_scope scope = mx_scope_open();
  PyObject *result = NULL;
  bool hold = arrays_need_holding(&fr, slots);
  for (int i = 0; i < f->n; i++) {
    if (hold && slots[i] && py_is_array(slots[i])) py_lend(py_handle(slots[i]));
    bool present = slots[i] && !(slots[i] == Py_None && f->params[i].none_ok);
    if (present)
      fr.given |= 1u << i;
    else if (slots[i])
      fr.none |= 1u << i;
    if (!(present ? read_value : read_absent)(&fr, &f->params[i], &fr.v[i], slots[i])) goto done;
  }
  if (f->stream >= 0 && py_given(&fr, f->stream)) {
    mx_stream stream;
    if (py_stream_value(fr.v[f->stream].o, &stream) < 0) goto done;
    mx_stream_mark mark = mx_stream_push(stream);
    result = f->body(&fr);
    mx_stream_pop(&mark);
  } else {
    result = f->body(&fr);
  }
done:
  if (!result) py_name_error(f->name);
  mx_scope_close(&scope);
  Py_XDECREF(fr.keywords);
  for (int i = 0; i < fr.nblocks; i++) PyMem_Free(fr.blocks[i]);
  return result;
}
