/* Containers handed to a function that is traced: copies with tracers in place of the caller's arrays. What
   the function changes in a copy is changed in the caller's container afterwards: a list, dictionary or
   module that it writes to holds what was written, as after a plain call. The caller's own hold no tracers
   meanwhile, so that other threads can use them. */
#include "transforms.h"

typedef struct copier {
  const leaves *tracers;
  int next;
  PyObject *copies; /* a list of (copy, caller's container, what the copy held at first) */
} copier;

static PyObject *copy_tree(PyObject *tree, copier *c);

static int remember(copier *c, PyObject *copy, PyObject *tree, PyObject *content) {
  PyObject *entry = content ? PyTuple_Pack(3, copy, tree, content) : NULL;
  int r = entry ? PyList_Append(c->copies, entry) : -1;
  Py_XDECREF(entry);
  Py_XDECREF(content);
  return r;
}

static PyObject *copy_list(PyObject *tree, copier *c) {
  PyObject *l = PyList_New(0);
  for (Py_ssize_t i = 0; l && i < PyList_Size(tree); i++) {
    PyObject *e = copy_tree(PyList_GetItem(tree, i), c);
    if (!e || PyList_Append(l, e) < 0) Py_CLEAR(l);
    Py_XDECREF(e);
  }
  if (l && remember(c, l, tree, PyList_GetSlice(l, 0, PyList_Size(l))) < 0) Py_CLEAR(l);
  return l;
}

static PyObject *copy_tuple(PyObject *tree, copier *c) {
  Py_ssize_t n = PyTuple_Size(tree);
  PyObject *t = PyTuple_New(n);
  for (Py_ssize_t i = 0; t && i < n; i++) {
    PyObject *e = copy_tree(PyTuple_GetItem(tree, i), c);
    if (!e)
      Py_CLEAR(t);
    else
      PyTuple_SetItem(t, i, e);
  }
  return t ? py_tuple_of_type(Py_TYPE(tree), t) : NULL;
}

/* A dictionary of the same type; one with attributes, such as a module, shares them with the copy. */
static PyObject *like_dict(PyObject *tree) {
  if (PyDict_CheckExact(tree)) return PyDict_New();
  PyObject *module = PyImport_ImportModule("copy");
  PyObject *d = module ? PyObject_CallMethod(module, "copy", "O", tree) : NULL;
  Py_XDECREF(module);
  if (d && !PyDict_Check(d)) {
    PyErr_SetString(PyExc_TypeError, "[grad] expected a copy of a dictionary to be one");
    Py_CLEAR(d);
  }
  PyObject *name = d ? PyUnicode_FromString("__dict__") : NULL;
  PyObject *attributes = name ? PyObject_GenericGetAttr(tree, name) : NULL;
  if (attributes ? PyObject_GenericSetAttr(d, name, attributes) < 0
                 : d && (!name || !PyErr_ExceptionMatches(PyExc_AttributeError)))
    Py_CLEAR(d);
  else if (d && !attributes)
    PyErr_Clear(); /* has none */
  Py_XDECREF(attributes);
  Py_XDECREF(name);
  return d;
}

static PyObject *copy_dict(PyObject *tree, copier *c) {
  PyObject *d = like_dict(tree), *key, *value;
  for (Py_ssize_t at = 0; d && PyDict_Next(tree, &at, &key, &value);) {
    PyObject *e = copy_tree(value, c);
    if (!e || PyDict_SetItem(d, key, e) < 0) Py_CLEAR(d);
    Py_XDECREF(e);
  }
  if (d && remember(c, d, tree, PyDict_Copy(d)) < 0) Py_CLEAR(d);
  return d;
}

static PyObject *copy_tree(PyObject *tree, copier *c) {
  if (py_is_array(tree)) {
    if (c->next < c->tracers->n) return Py_NewRef(c->tracers->v[c->next++]);
    PyErr_SetString(PyExc_ValueError, "a tree of arrays changed while it was in use");
    return NULL;
  }
  if (Py_TYPE(tree) == py_random_state_type) {
    c->next++;
    return Py_NewRef(tree);
  }
  if (Py_EnterRecursiveCall(" in a tree of arrays")) return NULL;
  PyObject *r = PyList_Check(tree)    ? copy_list(tree, c)
                : PyTuple_Check(tree) ? copy_tuple(tree, c)
                : PyDict_Check(tree)  ? copy_dict(tree, c)
                                      : Py_NewRef(tree);
  Py_LeaveRecursiveCall();
  return r;
}

PyObject *py_traced_copy(PyObject *tree, const leaves *tracers, PyObject **copies) {
  copier c = {tracers, 0, PyList_New(0)};
  PyObject *r = c.copies ? copy_tree(tree, &c) : NULL;
  if (r)
    *copies = c.copies;
  else
    Py_XDECREF(c.copies);
  return r;
}

/* ---- Back to the caller ---- */
typedef struct returner {
  const leaves *callers, *tracers;
  const mx_array *traced; /* what the tracers held at first: `x += 1` gives a tracer another array */
  PyObject *copies;
  int hint; /* tracers come mostly in order, so start looking behind the last one found */
} returner;

static int find_tracer(returner *r, PyObject *o) {
  for (int i = 0, n = r->tracers->n; i < n; i++) {
    int at = (r->hint + i) % n;
    if (r->tracers->v[at] != o) continue;
    r->hint = at + 1;
    return py_handle(o) == r->traced[at] ? at : -1;
  }
  return -1;
}

static bool untouched(returner *r, PyObject *now, PyObject *then) {
  return now == then && (!py_is_array(now) || find_tracer(r, now) >= 0);
}

/* The caller's object for one of the copies; others are themselves. Borrowed. */
static PyObject *callers(returner *r, PyObject *o) {
  int at = py_is_array(o) ? find_tracer(r, o) : -1;
  if (at >= 0) return r->callers->v[at];
  for (Py_ssize_t i = 0; i < PyList_Size(r->copies); i++) {
    PyObject *entry = PyList_GetItem(r->copies, i);
    if (PyTuple_GetItem(entry, 0) == o) return PyTuple_GetItem(entry, 1);
  }
  return o;
}

static int return_list(returner *r, PyObject *copy, PyObject *original, PyObject *content) {
  Py_ssize_t n = PyList_Size(copy);
  bool same = n == PyList_Size(content);
  for (Py_ssize_t i = 0; same && i < n; i++)
    same = untouched(r, PyList_GetItem(copy, i), PyList_GetItem(content, i));
  if (same) return 0;
  PyObject *now = PyList_New(n);
  for (Py_ssize_t i = 0; now && i < n; i++)
    PyList_SetItem(now, i, Py_NewRef(callers(r, PyList_GetItem(copy, i))));
  int status = now ? PyList_SetSlice(original, 0, PyList_Size(original), now) : -1;
  Py_XDECREF(now);
  return status;
}

static int return_dict(returner *r, PyObject *copy, PyObject *original, PyObject *content) {
  PyObject *now = PyDict_Copy(copy), *key, *value; /* whoever is told of a change may change more */
  int status = now ? 0 : -1;
  for (Py_ssize_t at = 0; status == 0 && PyDict_Next(now, &at, &key, &value);)
    if (!untouched(r, value, PyDict_GetItemWithError(content, key)))
      status = PyErr_Occurred() ? -1 : PyDict_SetItem(original, key, callers(r, value));
  for (Py_ssize_t at = 0; status == 0 && PyDict_Next(content, &at, &key, &value);) {
    int kept = PyDict_Contains(now, key), there = kept == 0 ? PyDict_Contains(original, key) : 0;
    status = kept < 0 || there < 0 ? -1 : there ? PyDict_DelItem(original, key) : 0;
  }
  Py_XDECREF(now);
  return status;
}

int py_traced_return(PyObject *copies, const leaves *of_caller, const leaves *tracers,
                     const mx_array *traced) {
  returner r = {of_caller, tracers, traced, copies, 0};
  int status = 0;
  for (Py_ssize_t i = 0; status == 0 && i < PyList_Size(copies); i++) {
    PyObject *entry = PyList_GetItem(copies, i), *copy = PyTuple_GetItem(entry, 0);
    status = (PyList_Check(copy) ? return_list : return_dict)(&r, copy, PyTuple_GetItem(entry, 1),
                                                              PyTuple_GetItem(entry, 2));
  }
  return status;
}
