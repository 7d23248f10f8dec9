/* vmap: trees of axes, matched with the trees of arguments and results. */
#include "transforms.h"
#include <string.h>

/* ---- Trees of axes ---- an int or None stands for all arrays below it ---- */
typedef struct axes_list {
  const char *name; /* of the argument, for errors */
  int *v;
  int n, room;
} axes_list;

static int expand(PyObject *tree, PyObject *axes, axes_list *l);

static Py_ssize_t container_size(PyObject *o) {
  return PyList_Check(o)    ? PyList_Size(o)
         : PyTuple_Check(o) ? PyTuple_Size(o)
         : PyDict_Check(o)  ? PyDict_Size(o)
                            : -1;
}
static bool same_container(PyObject *a, PyObject *b) {
  return (PyList_Check(a) && PyList_Check(b)) || (PyTuple_Check(a) && PyTuple_Check(b)) ||
         (PyDict_Check(a) && PyDict_Check(b));
}
/* "tuple of 2", "array" */
static PyObject *describe(PyObject *o) {
  PyObject *name = PyType_GetName(Py_TYPE(o));
  Py_ssize_t size = container_size(o);
  PyObject *r = !name ? NULL : size < 0 ? Py_NewRef(name) : PyUnicode_FromFormat("%U of %zd", name, size);
  Py_XDECREF(name);
  return r;
}
/* ValueError with a description of an object; the format has a place for `name` and one for that. */
static int refuse_axis(const char *format, const char *name, PyObject *o) {
  PyObject *what = describe(o);
  if (what) PyErr_Format(PyExc_ValueError, format, name, what);
  Py_XDECREF(what);
  return -1;
}
static int mismatch(const char *name, PyObject *tree, PyObject *axes) {
  PyObject *have = describe(tree), *got = describe(axes);
  if (have && got) PyErr_Format(PyExc_ValueError, "[vmap] expected %s for a %U, got a %U", name, have, got);
  Py_XDECREF(have);
  Py_XDECREF(got);
  return -1;
}

/* An axis as the library wants it; one far out of range stays out of range. */
static int read_axis(PyObject *o, int *axis) {
  int64_t v;
  *axis = MX_UNMAPPED;
  if (o == Py_None) return 0;
  if (py_int64(o, &v) < 0) return -1;
  *axis = v > INT32_MAX ? INT32_MAX : v <= INT32_MIN ? INT32_MIN + 1 : (int)v;
  return 0;
}

/* Gives one axis to every array of the tree; what is no array has none. */
static int fill_axes(PyObject *tree, int axis, PyObject *axes, axes_list *l) {
  if (py_is_array(tree)) {
    if (l->n < l->room) l->v[l->n] = axis;
    l->n++;
    return 0;
  }
  Py_ssize_t size = container_size(tree);
  if (size < 0)
    return axis == MX_UNMAPPED
               ? 0
               : refuse_axis("[vmap] expected %s of None for what is not an array, got an axis for a %U",
                             l->name, tree);
  if (!PyDict_Check(tree)) {
    for (Py_ssize_t i = 0; i < size; i++)
      if (expand(PyList_Check(tree) ? PyList_GetItem(tree, i) : PyTuple_GetItem(tree, i), axes, l) < 0)
        return -1;
    return 0;
  }
  PyObject *key, *value;
  for (Py_ssize_t at = 0; PyDict_Next(tree, &at, &key, &value);)
    if (expand(value, axes, l) < 0) return -1;
  return 0;
}

static int expand_dict(PyObject *tree, PyObject *axes, axes_list *l) {
  PyObject *key, *value;
  for (Py_ssize_t at = 0; PyDict_Next(tree, &at, &key, &value);) {
    PyObject *below = PyDict_GetItemWithError(axes, key);
    if (!below && !PyErr_Occurred())
      PyErr_Format(PyExc_ValueError, "[vmap] expected %s with the key %R, got none", l->name, key);
    if (!below || expand(value, below, l) < 0) return -1;
  }
  return 0;
}

static int expand_children(PyObject *tree, PyObject *axes, axes_list *l) {
  if (axes == Py_None || PyIndex_Check(axes)) {
    int axis;
    return read_axis(axes, &axis) < 0 ? -1 : fill_axes(tree, axis, axes, l);
  }
  if (container_size(axes) < 0)
    return refuse_axis("[vmap] expected %s as int, None or a tree of them, got a %U", l->name, axes);
  if (!same_container(tree, axes) || container_size(tree) != container_size(axes))
    return mismatch(l->name, tree, axes);
  if (PyDict_Check(tree)) return expand_dict(tree, axes, l);
  bool list = PyList_Check(tree);
  for (Py_ssize_t i = 0, size = container_size(tree); i < size; i++)
    if (expand(list ? PyList_GetItem(tree, i) : PyTuple_GetItem(tree, i),
               list ? PyList_GetItem(axes, i) : PyTuple_GetItem(axes, i), l) < 0)
      return -1;
  return 0;
}
/* Either may be NULL, of a list that has become shorter: reading an axis may run Python code. */
static int expand(PyObject *tree, PyObject *axes, axes_list *l) {
  if (!tree || !axes || Py_EnterRecursiveCall(" in a tree of axes")) return -1;
  Py_INCREF(tree);
  Py_INCREF(axes);
  int r = expand_children(tree, axes, l);
  Py_DECREF(axes);
  Py_DECREF(tree);
  Py_LeaveRecursiveCall();
  return r;
}

int py_expand_axes(const char *name, PyObject *tree, PyObject *axes, int n, int *out) {
  axes_list l = {name, out, 0, n};
  if (expand(tree, axes, &l) < 0) return -1;
  if (l.n == n) return 0;
  PyErr_Format(PyExc_ValueError, "[vmap] expected %s for %d arrays, got %d", name, n, l.n);
  return -1;
}

/* ---- vmap ---- */
typedef struct vmap_call {
  callable_object *o;
  PyObject *args, *result; /* the caller's; what the function returned, with placeholders */
  int *out_axes;
} vmap_call;

static int vmap_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  vmap_call *c = context;
  PyObject *axes = c->o->out_axes;
  leaves elements = {0}, results = {0};
  int count = -1, next = 0;
  PyObject *args = py_wrap_all(n, in, &elements) == 0 ? py_tree_build(c->args, elements.v, n, &next) : NULL;
  if (args && (c->result = PyObject_Call(c->o->function, args, NULL)) &&
      py_tree_leaves(c->result, &results, true) == 0 && (count = py_lend_all(&results, max_out, out)) >= 0) {
    if (py_is_array(c->result) && PyTuple_Check(axes) && PyTuple_Size(axes) == 1)
      axes = PyTuple_GetItem(axes, 0); /* of the one result */
    if (py_expand_axes("out_axes", c->result, axes, count, c->out_axes) < 0) count = -1;
  }
  Py_XDECREF(args);
  py_leaves_free(&elements);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
}

/* Axes of all arguments; those of a function of one argument may be that argument's. */
static int argument_axes(PyObject *args, PyObject *axes, int n, int *out) {
  PyObject *only = PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0) : NULL;
  bool of_all = PyTuple_Check(axes) && PyTuple_Size(axes) == 1;
  if (!only || (of_all && !(PyTuple_Check(only) && PyTuple_Size(only) == 1)))
    return py_expand_axes("in_axes", args, axes, n, out);
  return py_expand_axes("in_axes", only, axes, n, out);
}

static PyObject *vmap_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  if (kwargs && PyDict_Size(kwargs)) {
    PyErr_SetString(PyExc_TypeError, "[vmap] expected positional arguments alone, got keyword arguments");
    return NULL;
  }
  vmap_call c = {.o = o, .args = args};
  leaves in = {0};
  PyObject *r = NULL;
  mx_array *handles = NULL, *outs = PyMem_Malloc(sizeof *outs * MAX_OUTPUTS);
  int *axes = NULL, n;
  c.out_axes = PyMem_Malloc(sizeof *c.out_axes * MAX_OUTPUTS);
  if (py_tree_leaves(args, &in, false) < 0) goto done;
  handles = py_leaves_handles(&in);
  axes = PyMem_Malloc(sizeof *axes * (size_t)(in.n + 1));
  if (!handles || !axes || !outs || !c.out_axes) {
    PyErr_NoMemory();
    goto done;
  }
  if (argument_axes(args, o->in_axes, in.n, axes) < 0) goto done;
  n = mx_vmap(vmap_callback, &c, in.n, handles, axes, MAX_OUTPUTS, outs, c.out_axes);
  r = n < 0 ? py_raise() : py_rebuild(c.result, n, outs);
done:
  py_leaves_free(&in);
  PyMem_Free(handles);
  PyMem_Free(axes);
  PyMem_Free(outs);
  PyMem_Free(c.out_axes);
  Py_XDECREF(c.result);
  return r;
}

static PyObject *axes_argument(const frame *f, int i) {
  return py_given(f, i) ? Py_NewRef(f->v[i].o) : py_none(f, i) ? Py_NewRef(Py_None) : PyLong_FromLong(0);
}
FUNCTION(
    vmap, "fun: object, in_axes: object? = 0, out_axes: object? = 0 -> Callable[..., Any]",
    "A function that applies fun, a function of one element, to every element along an axis of its "
    "arguments at once. "
    "in_axes: the axis, or a tree of axes that is a prefix of the arguments' tree (of the one argument's, if "
    "there is one): an int (negative from the end), or None for what every element gets whole. out_axes: the "
    "same "
    "for the results: where they have the axis; None for what doesn't depend on mapped arguments. fun takes "
    "and returns trees of arrays, by position, and must not evaluate what depends on mapped arguments. "
    "Random numbers without a key are the same for every element.") {
  if (py_need_callable(f, f->v[0].o) < 0) return NULL;
  callable_object *o = py_new_callable(py_callable_type, f->v[0].o, vmap_invoke);
  if (!o) return NULL;
  o->in_axes = axes_argument(f, 1);
  o->out_axes = axes_argument(f, 2);
  if (o->in_axes && o->out_axes) return (PyObject *)o;
  Py_DECREF(o);
  return NULL;
}
