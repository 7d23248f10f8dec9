/* Dtype, DtypeCategory, finfo, iinfo and the questions about dtypes. */
#include "core.h"
#include <float.h>
#include <math.h>
#include <string.h>

PyTypeObject *py_dtype_type;
static PyObject *dtypes[MX_DTYPE_COUNT];
static PyTypeObject *finfo_type, *iinfo_type;

enum { CATEGORIES = MX_COMPLEX_FLOATING + 1 };
static PyObject *categories[CATEGORIES];
static const char *const category_names[CATEGORIES] = {"generic",       "number",          "integer",
                                                       "signedinteger", "unsignedinteger", "inexact",
                                                       "floating",      "complexfloating"};

PyObject *py_dtype(mx_dtype t) { return Py_NewRef(dtypes[t]); }

static const char *attribute_name(mx_dtype t) { return t == MX_BOOL ? "bool_" : mx_dtype_name(t); }

static PyObject *dtype_repr(PyObject *o) {
  return PyUnicode_FromFormat("mlx.core.%s", mx_dtype_name(py_dtype_value(o)));
}
static PyObject *dtype_size(PyObject *o, void *unused) {
  (void)unused;
  return PyLong_FromSize_t(mx_dtype_size(py_dtype_value(o)));
}
static PyObject *dtype_reduce(PyObject *o, PyObject *unused) {
  (void)unused;
  return PyUnicode_FromString(attribute_name(py_dtype_value(o))); /* pickled by its name in the module */
}
static PyObject *dtype_compare(PyObject *x, PyObject *y, int op) {
  if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((x == y) == (op == Py_EQ));
}
static Py_hash_t dtype_hash(PyObject *o) { return (Py_hash_t)py_dtype_value(o); }
static PyGetSetDef dtype_properties[] = {{"size", dtype_size, NULL, "Bytes of one element.", NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyType_Slot dtype_slots[] = {{Py_tp_repr, dtype_repr},
                                    {Py_tp_hash, dtype_hash},
                                    {Py_tp_richcompare, dtype_compare},
                                    {Py_tp_getset, dtype_properties},
                                    {Py_tp_methods, dtype_methods},
                                    {Py_tp_doc, "The type of an array's elements, such as mx.float32."},
                                    {0, NULL}};
static PyType_Spec dtype_spec = {"mlx.core.Dtype", sizeof(dtype_object), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, dtype_slots};

/* ---- finfo, iinfo ---- */
typedef struct info_object {
  PyObject_HEAD mx_dtype t;
} info_object;

static mx_dtype info_dtype(PyObject *o) { return ((info_object *)o)->t; }

static PyObject *info_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *arg = PyTuple_Size(args) == 1 && !kwargs ? PyTuple_GetItem(args, 0) : NULL;
  bool floating = type == finfo_type;
  if (!arg || !py_is_dtype(arg)) {
    PyErr_Format(PyExc_TypeError, "%s(): expected a Dtype", floating ? "finfo" : "iinfo");
    return NULL;
  }
  mx_dtype t = py_dtype_value(arg);
  if (floating ? t < MX_FLOAT16 : t == MX_BOOL || t > MX_INT64) {
    PyErr_Format(PyExc_ValueError, "[%s] expected %s dtype, got %s", floating ? "finfo" : "iinfo",
                 floating ? "an inexact" : "an integer", mx_dtype_name(t));
    return NULL;
  }
  info_object *o = (info_object *)PyType_GenericAlloc(type, 0);
  if (o) o->t = t == MX_COMPLEX64 ? MX_FLOAT32 : t;
  return (PyObject *)o;
}

/* eps and smallest normal of IEEE binary16, bfloat16, binary32, binary64. */
static const struct {
  double eps, smallest_normal;
} floats[] = {{0x1p-10, 0x1p-14}, {0x1p-7, 0x1p-126}, {FLT_EPSILON, FLT_MIN}, {DBL_EPSILON, DBL_MIN}};
_Static_assert(sizeof floats / sizeof *floats == MX_FLOAT64 - MX_FLOAT16 + 1, "one row a floating dtype");
static PyObject *finfo_min(PyObject *o, void *u) {
  return (void)u, PyFloat_FromDouble(-mx_dtype_max(info_dtype(o)));
}
static PyObject *finfo_max(PyObject *o, void *u) {
  return (void)u, PyFloat_FromDouble(mx_dtype_max(info_dtype(o)));
}
static PyObject *finfo_eps(PyObject *o, void *u) {
  return (void)u, PyFloat_FromDouble(floats[info_dtype(o) - MX_FLOAT16].eps);
}
static PyObject *finfo_smallest_normal(PyObject *o, void *u) {
  return (void)u, PyFloat_FromDouble(floats[info_dtype(o) - MX_FLOAT16].smallest_normal);
}
static PyObject *info_bits(PyObject *o, void *u) {
  return (void)u, PyLong_FromSize_t(8 * mx_dtype_size(info_dtype(o)));
}
static PyObject *info_dtype_object(PyObject *o, void *u) { return (void)u, py_dtype(info_dtype(o)); }
static PyObject *finfo_repr(PyObject *o) {
  char text[128];
  double max = mx_dtype_max(info_dtype(o));
  snprintf(text, sizeof text, "finfo(min=%g, max=%g, dtype=%s)", -max, max, mx_dtype_name(info_dtype(o)));
  return PyUnicode_FromString(text);
}
static PyObject *iinfo_min(PyObject *o, void *u) {
  (void)u;
  mx_dtype t = info_dtype(o);
  int bits = 8 * (int)mx_dtype_size(t);
  return PyLong_FromLongLong(t < MX_INT8 ? 0 : (int64_t)(~UINT64_C(0) << (bits - 1)));
}
static PyObject *iinfo_max(PyObject *o, void *u) {
  (void)u;
  mx_dtype t = info_dtype(o);
  int bits = 8 * (int)mx_dtype_size(t) - (t >= MX_INT8);
  return PyLong_FromUnsignedLongLong(~UINT64_C(0) >> (64 - bits));
}
static PyObject *iinfo_repr(PyObject *o) {
  PyObject *low = iinfo_min(o, NULL), *high = iinfo_max(o, NULL);
  PyObject *r = low && high ? PyUnicode_FromFormat("iinfo(min=%S, max=%S, dtype=%s)", low, high,
                                                   mx_dtype_name(info_dtype(o)))
                            : NULL;
  Py_XDECREF(low);
  Py_XDECREF(high);
  return r;
}
static PyGetSetDef finfo_properties[] = {
    {"min", finfo_min, NULL, "The most negative finite number.", NULL},
    {"max", finfo_max, NULL, "The largest finite number.", NULL},
    {"eps", finfo_eps, NULL, "The distance from 1 to the next number.", NULL},
    {"smallest_normal", finfo_smallest_normal, NULL, "The smallest positive normal number.", NULL},
    {"bits", info_bits, NULL, "Bits of one number.", NULL},
    {"dtype", info_dtype_object, NULL, "The dtype described.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};
static PyGetSetDef iinfo_properties[] = {{"min", iinfo_min, NULL, "The smallest integer.", NULL},
                                         {"max", iinfo_max, NULL, "The largest integer.", NULL},
                                         {"bits", info_bits, NULL, "Bits of one integer.", NULL},
                                         {"dtype", info_dtype_object, NULL, "The dtype described.", NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
static PyObject *info_reduce(PyObject *o, PyObject *unused) {
  (void)unused;
  return Py_BuildValue("O(N)", Py_TYPE(o), py_dtype(info_dtype(o)));
}
static PyMethodDef info_methods[] = {{"__reduce__", info_reduce, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyType_Slot finfo_slots[] = {{Py_tp_new, info_new},
                                    {Py_tp_methods, info_methods},
                                    {Py_tp_repr, finfo_repr},
                                    {Py_tp_getset, finfo_properties},
                                    {Py_tp_doc, "finfo(dtype)\n--\n\nLimits of a floating dtype."},
                                    {0, NULL}};
static PyType_Slot iinfo_slots[] = {{Py_tp_new, info_new},
                                    {Py_tp_methods, info_methods},
                                    {Py_tp_repr, iinfo_repr},
                                    {Py_tp_getset, iinfo_properties},
                                    {Py_tp_doc, "iinfo(dtype)\n--\n\nLimits of an integer dtype."},
                                    {0, NULL}};
static PyType_Spec finfo_spec = {"mlx.core.finfo", sizeof(info_object), 0, Py_TPFLAGS_DEFAULT, finfo_slots};
static PyType_Spec iinfo_spec = {"mlx.core.iinfo", sizeof(info_object), 0, Py_TPFLAGS_DEFAULT, iinfo_slots};

/* ---- Questions ---- */
static int category_of(PyObject *o) {
  for (int i = 0; i < CATEGORIES; i++)
    if (categories[i] == o) return i;
  return -1;
}

FUNCTION(issubdtype, "arg1: object, arg2: object -> bool",
         "Is the dtype or category arg1 inside the dtype or category arg2? A dtype is inside itself.") {
  PyObject *x = f->v[0].o, *y = f->v[1].o;
  int a = category_of(x), b = category_of(y);
  if ((a < 0 && !py_is_dtype(x)) || (b < 0 && !py_is_dtype(y))) {
    PyErr_Format(PyExc_ValueError, "[issubdtype] expected a Dtype or DtypeCategory for the %s input",
                 a < 0 && !py_is_dtype(x) ? "first" : "second");
    return NULL;
  }
  if (b < 0) return PyBool_FromLong(x == y);
  if (a < 0) a = (int)mx_dtype_category_of(py_dtype_value(x));
  return PyBool_FromLong(mx_issubcategory((mx_dtype_category)a, (mx_dtype_category)b));
}

static int dtype_of_either(PyObject *o, mx_dtype *t) {
  if (py_is_array(o))
    *t = mx_dtype_of(py_handle(o));
  else if (py_is_dtype(o))
    *t = py_dtype_value(o);
  else
    return -1;
  return 0;
}

FUNCTION(result_type, "*arrays_and_dtypes -> Dtype", "The dtype that an operation over all of these gives.") {
  if (f->nrest == 0) {
    PyErr_SetString(PyExc_ValueError, "[result_type] expected at least one array or Dtype, got none");
    return NULL;
  }
  mx_dtype t = MX_BOOL;
  for (Py_ssize_t i = 0; i < f->nrest; i++) {
    mx_dtype u;
    if (dtype_of_either(f->rest[i], &u) < 0) return py_wrong_rest(f, f->rest[i], "arrays or Dtypes");
    t = i ? mx_promote_types(t, u) : u;
  }
  return py_dtype(t);
}

FUNCTION(can_cast, "from_: object, to: dtype -> bool", "Does promotion of the two dtypes give `to`?") {
  mx_dtype t;
  if (dtype_of_either(f->v[0].o, &t) < 0) return py_wrong_argument(f, 0, "an array or a Dtype");
  return PyBool_FromLong(mx_promote_types(t, f->v[1].t) == f->v[1].t);
}

/* The kinds of the array API standard. -1: no such kind. */
static int is_kind(mx_dtype t, const char *kind) {
  mx_dtype_category c = mx_dtype_category_of(t);
  bool is_signed = c == MX_SIGNED_INTEGER, is_unsigned = c == MX_UNSIGNED_INTEGER,
       floating = c == MX_FLOATING, is_complex = c == MX_COMPLEX_FLOATING;
  if (!strcmp(kind, "bool")) return t == MX_BOOL;
  if (!strcmp(kind, "signed integer")) return is_signed;
  if (!strcmp(kind, "unsigned integer")) return is_unsigned;
  if (!strcmp(kind, "integral")) return is_signed || is_unsigned;
  if (!strcmp(kind, "real floating")) return floating;
  if (!strcmp(kind, "complex floating")) return is_complex;
  if (!strcmp(kind, "numeric")) return is_signed || is_unsigned || floating || is_complex;
  PyErr_Format(PyExc_ValueError, "[isdtype] expected a kind of the array API standard, got '%s'", kind);
  return -1;
}

int py_dtype_is(mx_dtype t, PyObject *kind) {
  if (py_is_dtype(kind)) return py_dtype_value(kind) == t;
  if (PyUnicode_Check(kind)) {
    const char *s = PyUnicode_AsUTF8AndSize(kind, NULL);
    return s ? is_kind(t, s) : -1;
  }
  if (PyTuple_Check(kind)) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(kind); i++) {
      PyObject *k = PyTuple_GetItem(kind, i);
      if (PyTuple_Check(k))
        return PyErr_SetString(PyExc_TypeError, "isdtype(): expected a flat tuple of kinds"), -1;
      int r = py_dtype_is(t, k);
      if (r) return r;
    }
    return 0;
  }
  PyErr_SetString(PyExc_TypeError,
                  "isdtype(): expected a Dtype, a str or a tuple of them for argument 'kind'");
  return -1;
}

FUNCTION(isdtype, "dtype: dtype, kind: object -> bool",
         "Is the dtype of this kind: a Dtype, 'bool', 'signed integer', 'unsigned integer', 'integral', "
         "'real floating', "
         "'complex floating', 'numeric', or a tuple of these?") {
  int r = py_dtype_is(f->v[0].t, f->v[1].o);
  return r < 0 ? NULL : PyBool_FromLong(r);
}

int py_dtypes_init(PyObject *module) {
  py_dtype_type = (PyTypeObject *)PyType_FromSpec(&dtype_spec);
  finfo_type = (PyTypeObject *)PyType_FromSpec(&finfo_spec);
  iinfo_type = (PyTypeObject *)PyType_FromSpec(&iinfo_spec);
  if (!py_dtype_type || !finfo_type || !iinfo_type) return -1;
  for (int t = 0; t < MX_DTYPE_COUNT; t++) {
    dtype_object *o = PyObject_New(dtype_object, py_dtype_type);
    if (!o) return -1;
    o->t = (mx_dtype)t;
    dtypes[t] = (PyObject *)o;
    if (PyModule_AddObjectRef(module, attribute_name((mx_dtype)t), dtypes[t]) < 0) return -1;
  }
  if (py_add_type(module, "Dtype", py_dtype_type) < 0 || py_add_type(module, "finfo", finfo_type) < 0 ||
      py_add_type(module, "iinfo", iinfo_type) < 0)
    return -1;
  return py_add_enum(module, "DtypeCategory", CATEGORIES, category_names, categories);
}
