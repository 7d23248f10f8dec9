/* Trees: lists, tuples and dicts (and their subclasses) with arrays as leaves. Everything else in them is a
   constant. mx.random.state is a leaf too: the key of the calling thread. */
#include "core.h"
#include <string.h>

static int push(leaves *l, PyObject *a) { /* takes over the reference */
  if (!a) return -1;
  if (l->n == l->capacity) {
    int capacity = l->capacity ? 2 * l->capacity : 16;
    PyObject **v = PyMem_Realloc(l->v, sizeof *v * (size_t)capacity);
    if (!v) {
      Py_DECREF(a);
      return PyErr_NoMemory(), -1;
    }
    l->v = v;
    l->capacity = capacity;
  }
  l->v[l->n++] = a;
  return 0;
}

void py_leaves_free(leaves *l) {
  for (int i = 0; i < l->n; i++) Py_DECREF(l->v[i]);
  PyMem_Free(l->v);
  *l = (leaves){0};
}

mx_array *py_leaves_handles(const leaves *l) {
  mx_array *h = PyMem_Malloc(sizeof *h * (size_t)(l->n ? l->n : 1));
  if (!h) return (mx_array *)PyErr_NoMemory();
  for (int i = 0; i < l->n; i++) h[i] = py_lend(py_handle(l->v[i]));
  return h;
}

static bool is_random_state(PyObject *o) { return Py_TYPE(o) == py_random_state_type; }

static PyObject *random_state(void) {
  mx_scope s = mx_scope_open();
  PyObject *r = py_wrap(mx_random_state());
  mx_scope_close(&s);
  return r;
}

static int collect(PyObject *tree, leaves *l, bool only_arrays) {
  if (py_is_array(tree)) return push(l, Py_NewRef(tree));
  if (is_random_state(tree)) return push(l, random_state());
  int r = 0;
  if (PyList_Check(tree)) {
    for (Py_ssize_t i = 0; r == 0 && i < PyList_Size(tree); i++)
      r = py_tree_leaves(PyList_GetItem(tree, i), l, only_arrays);
  } else if (PyTuple_Check(tree)) {
    for (Py_ssize_t i = 0; r == 0 && i < PyTuple_Size(tree); i++)
      r = py_tree_leaves(PyTuple_GetItem(tree, i), l, only_arrays);
  } else if (PyDict_Check(tree)) {
    PyObject *key, *value;
    for (Py_ssize_t at = 0; r == 0 && PyDict_Next(tree, &at, &key, &value);)
      r = py_tree_leaves(value, l, only_arrays);
  } else if (only_arrays) {
    return py_refuse(PyExc_ValueError, "grad", "a tree of arrays alone", tree);
  }
  return r;
}

int py_tree_leaves(PyObject *tree, leaves *l, bool only_arrays) {
  if (Py_EnterRecursiveCall(" in a tree of arrays")) return -1;
  int r = collect(tree, l, only_arrays);
  Py_LeaveRecursiveCall();
  return r;
}

PyObject *py_tuple_of_type(PyTypeObject *type, PyObject *tuple) {
  if (type == &PyTuple_Type) return tuple;
  bool named = PyObject_HasAttrString((PyObject *)type, "_fields");
  PyObject *r = named ? PyObject_Call((PyObject *)type, tuple, NULL)
                      : PyObject_CallFunctionObjArgs((PyObject *)type, tuple, NULL);
  Py_DECREF(tuple);
  return r;
}

static PyObject *build(PyObject *tree, PyObject *const *values, int n, int *next) {
  bool state = is_random_state(tree);
  if (state || py_is_array(tree)) {
    int i = (*next)++;
    if (i < n) return Py_NewRef(state ? tree : values[i]);
    PyErr_SetString(PyExc_ValueError, "a tree of arrays changed while it was in use");
    return NULL;
  }
  if (PyList_Check(tree)) {
    Py_ssize_t size = PyList_Size(tree);
    PyObject *l = PyList_New(size);
    for (Py_ssize_t i = 0; l && i < size; i++) {
      PyObject *e = py_tree_build(PyList_GetItem(tree, i), values, n, next);
      if (!e)
        Py_CLEAR(l);
      else
        PyList_SetItem(l, i, e);
    }
    return l;
  }
  if (PyTuple_Check(tree)) {
    Py_ssize_t size = PyTuple_Size(tree);
    PyObject *t = PyTuple_New(size);
    for (Py_ssize_t i = 0; t && i < size; i++) {
      PyObject *e = py_tree_build(PyTuple_GetItem(tree, i), values, n, next);
      if (!e)
        Py_CLEAR(t);
      else
        PyTuple_SetItem(t, i, e);
    }
    return t ? py_tuple_of_type(Py_TYPE(tree), t) : NULL;
  }
  if (PyDict_Check(tree)) {
    PyObject *d = PyDict_New(), *key, *value;
    for (Py_ssize_t at = 0; d && PyDict_Next(tree, &at, &key, &value);) {
      PyObject *e = py_tree_build(value, values, n, next);
      if (!e || PyDict_SetItem(d, key, e) < 0) Py_CLEAR(d);
      Py_XDECREF(e);
    }
    return d;
  }
  return Py_NewRef(tree);
}

PyObject *py_tree_build(PyObject *tree, PyObject *const *values, int n, int *next) {
  if (Py_EnterRecursiveCall(" in a tree of arrays")) return NULL;
  PyObject *r = tree ? build(tree, values, n, next) : NULL; /* NULL: a list that has become shorter */
  Py_LeaveRecursiveCall();
  return r;
}

/* ---- Changing in place ---- visit returns a borrowed replacement, NULL to leave the leaf ---- */
typedef struct visit {
  PyObject *(*replace)(struct visit *, PyObject *leaf);
  PyObject *const *from, *const *to;
  int n, next;
} visit;

static int walk(PyObject *tree, visit *v);

static int set_state(PyObject *key) { return mx_random_set_state(py_handle(key)) < 0 ? (py_raise(), -1) : 0; }

static int walk_children(PyObject *tree, visit *v) {
  if (is_random_state(tree)) {
    PyObject *current = random_state(), *r = current ? v->replace(v, current) : NULL;
    int status = current ? (r ? set_state(r) : 0) : -1;
    Py_XDECREF(current);
    return status;
  }
  if (PyList_Check(tree)) {
    for (Py_ssize_t i = 0; i < PyList_Size(tree); i++) {
      PyObject *e = PyList_GetItem(tree, i);
      if (py_is_array(e)) {
        PyObject *r = v->replace(v, e);
        if (r && PyList_SetItem(tree, i, Py_NewRef(r)) < 0) return -1;
      } else if (walk(e, v) < 0) {
        return -1;
      }
    }
  } else if (PyTuple_Check(tree)) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(tree); i++) {
      PyObject *e = PyTuple_GetItem(tree, i);
      if (py_is_array(e))
        v->replace(v, e); /* a tuple can't change; its leaf still has a place in the order */
      else if (walk(e, v) < 0)
        return -1;
    }
  } else if (PyDict_Check(tree)) {
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(tree, &at, &key, &value);) {
      if (py_is_array(value)) {
        PyObject *r = v->replace(v, value);
        if (r && PyDict_SetItem(tree, key, r) < 0) return -1; /* an existing key: the iteration stays valid */
      } else if (walk(value, v) < 0) {
        return -1;
      }
    }
  }
  return 0;
}

static int walk(PyObject *tree, visit *v) {
  if (Py_EnterRecursiveCall(" in a tree of arrays")) return -1;
  int r = walk_children(tree, v);
  Py_LeaveRecursiveCall();
  return r;
}

static PyObject *next_value(visit *v, PyObject *leaf) {
  (void)leaf;
  return v->next < v->n ? v->to[v->next++] : NULL;
}

int py_tree_fill(PyObject *tree, PyObject *const *values, int n) {
  visit v = {next_value, NULL, values, n, 0};
  return walk(tree, &v);
}

/* Leaves come mostly in the order of `from`, so start looking where the last one was found. The random key
   has a new object each time: its handle tells. */
static PyObject *matching_value(visit *v, PyObject *leaf) {
  for (int i = 0; i < v->n; i++) {
    int at = (v->next + i) % v->n;
    if (v->from[at] == leaf || py_handle(v->from[at]) == py_handle(leaf)) {
      v->next = at + 1;
      return v->to[at];
    }
  }
  return NULL;
}

int py_tree_replace(PyObject *tree, PyObject *const *from, PyObject *const *to, int n) {
  visit v = {matching_value, from, to, n, 0};
  return n ? walk(tree, &v) : 0;
}

/* ---- Hash ---- of structure and constants; shapes and dtypes of arrays are told apart by the library ----
 */
static uint64_t mix(uint64_t h, uint64_t x) {
  /* The finaliser of SplitMix64 (Steele, Lea, Flood 2014) over the running value. */
  h ^= x + UINT64_C(0x9E3779B97F4A7C15) + (h << 6) + (h >> 2);
  h = (h ^ h >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  h = (h ^ h >> 27) * UINT64_C(0x94D049BB133111EB);
  return h ^ h >> 31;
}

enum {
  TAG_ARRAY = 1,
  TAG_STATE,
  TAG_LIST,
  TAG_TUPLE,
  TAG_DICT,
  TAG_NONE,
  TAG_BOOL,
  TAG_INT,
  TAG_FLOAT,
  TAG_STR,
  TAG_OTHER
};

static int hash_object(PyObject *o, int tag, uint64_t *h) {
  Py_hash_t x = PyObject_Hash(o);
  if (x == -1) return -1;
  *h = mix(mix(*h, (uint64_t)tag), (uint64_t)x);
  return 0;
}
/* Not by its hash: -1 and -2 have the same, and so have large ints that differ by a multiple of 2^61 - 1. */
static int hash_int(PyObject *o, uint64_t *h) {
  int over;
  int64_t v = PyLong_AsLongLongAndOverflow(o, &over);
  *h = mix(*h, TAG_INT);
  if (!over) return *h = mix(*h, (uint64_t)v), 0;
  PyObject *digits = PyNumber_ToBase(o, 16);
  int r = digits ? hash_object(digits, TAG_STR, h) : -1;
  Py_XDECREF(digits);
  return r;
}
static int hash_float(PyObject *o, uint64_t *h) {
  double x = PyFloat_AsDouble(o);
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  *h = mix(mix(*h, TAG_FLOAT), bits);
  return 0;
}
static int hash_key(PyObject *key, uint64_t *h) {
  if (PyLong_Check(key)) return hash_int(key, h);
  if (PyFloat_Check(key)) return hash_float(key, h);
  if (!PyTuple_Check(key)) return hash_object(key, TAG_STR, h);
  *h = mix(mix(*h, TAG_TUPLE), (uint64_t)PyTuple_Size(key));
  for (Py_ssize_t i = 0; i < PyTuple_Size(key); i++)
    if (hash_key(PyTuple_GetItem(key, i), h) < 0) return -1;
  return 0;
}

static int hash_tree(PyObject *o, uint64_t *h) {
  if (py_is_array(o)) return *h = mix(*h, TAG_ARRAY), 0;
  if (is_random_state(o)) return *h = mix(*h, TAG_STATE), 0;
  if (o == Py_None) return *h = mix(*h, TAG_NONE), 0;
  if (PyBool_Check(o)) return *h = mix(mix(*h, TAG_BOOL), o == Py_True), 0;
  if (PyLong_Check(o)) return hash_int(o, h);
  if (PyUnicode_Check(o)) return hash_object(o, TAG_STR, h);
  if (PyFloat_Check(o)) return hash_float(o, h);
  if (PyList_Check(o) || PyTuple_Check(o)) {
    bool list = PyList_Check(o);
    Py_ssize_t n = list ? PyList_Size(o) : PyTuple_Size(o);
    *h = mix(mix(*h, list ? TAG_LIST : TAG_TUPLE), (uint64_t)n);
    if (!list && Py_TYPE(o) != &PyTuple_Type) *h = mix(*h, (uint64_t)(uintptr_t)Py_TYPE(o));
    for (Py_ssize_t i = 0; i < n; i++)
      if (py_tree_hash(list ? PyList_GetItem(o, i) : PyTuple_GetItem(o, i), h) < 0) return -1;
    return 0;
  }
  if (PyDict_Check(o)) {
    PyObject *key, *value;
    *h = mix(mix(*h, TAG_DICT), (uint64_t)PyDict_Size(o));
    for (Py_ssize_t at = 0; PyDict_Next(o, &at, &key, &value);)
      if (hash_key(key, h) < 0 || py_tree_hash(value, h) < 0) return -1;
    return 0;
  }
  if (py_is_dtype(o)) return *h = mix(mix(*h, TAG_OTHER), (uint64_t)py_dtype_value(o)), 0;
  return py_refuse(PyExc_ValueError, "compile",
                   "trees of arrays or constants (floats, ints, strings or None) as arguments", o);
}

int py_tree_hash(PyObject *o, uint64_t *h) {
  if (Py_EnterRecursiveCall(" in a tree of arrays")) return -1;
  int r = hash_tree(o, h);
  Py_LeaveRecursiveCall();
  return r;
}
