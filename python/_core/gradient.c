/* grad, value_and_grad, vjp, jvp. */
#include "transforms.h"
#include <stdlib.h>
#include <string.h>

/* ---- value_and_grad ---- */
typedef struct gradient_call {
  callable_object *o;
  PyObject *args, *kwargs; /* the caller's */
  PyObject *chosen;        /* the list of trees to differentiate by */
  PyObject *result;        /* what the function returned, with tracers */
  const leaves *arrays;    /* of the chosen trees */
} gradient_call;

static int chosen_index(PyObject *argnums, Py_ssize_t i) {
  return (int)PyLong_AsLong(PyTuple_GetItem(argnums, i));
}

/* Calls the function with the chosen trees' arrays replaced by tracers; what it writes to their containers,
   also before it raises, is written to the caller's. */
static int call_with_tracers(gradient_call *c, const leaves *tracers, const mx_array *traced) {
  PyObject *copies, *trees = py_traced_copy(c->chosen, tracers, &copies);
  if (!trees) return -1;
  Py_ssize_t n = PyTuple_Size(c->args), at = 0;
  PyObject *args = PyTuple_New(n), *kwargs = c->kwargs ? PyDict_Copy(c->kwargs) : PyDict_New();
  for (Py_ssize_t i = 0; args && i < n; i++) PyTuple_SetItem(args, i, Py_NewRef(PyTuple_GetItem(c->args, i)));
  Py_ssize_t nnums = c->o->argnums ? PyTuple_Size(c->o->argnums) : 0;
  for (Py_ssize_t i = 0; args && i < nnums; i++)
    PyTuple_SetItem(args, chosen_index(c->o->argnums, i), Py_NewRef(PyList_GetItem(trees, at++)));
  Py_ssize_t nnames = c->o->argnames ? PyTuple_Size(c->o->argnames) : 0;
  for (Py_ssize_t i = 0; kwargs && i < nnames; i++)
    if (PyDict_SetItem(kwargs, PyTuple_GetItem(c->o->argnames, i), PyList_GetItem(trees, at++)) < 0)
      Py_CLEAR(kwargs);
  if (args && kwargs) c->result = PyObject_Call(c->o->function, args, kwargs);
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  Py_DECREF(trees);
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  if (py_traced_return(copies, c->arrays, tracers, traced) < 0 && c->result)
    Py_CLEAR(c->result);
  else if (type)
    PyErr_Restore(type, value, traceback);
  Py_DECREF(copies);
  return c->result ? 0 : -1;
}

static int check_scalar(const gradient_call *c) {
  PyObject *r = c->result, *first = r;
  if (c->o->value && (PyTuple_Check(r) || PyList_Check(r)))
    first = PyTuple_Check(r) ? (PyTuple_Size(r) ? PyTuple_GetItem(r, 0) : Py_None)
                             : (PyList_Size(r) ? PyList_GetItem(r, 0) : Py_None);
  if (py_is_array(first)) return 0;
  return c->o->value
             ? py_refuse(PyExc_ValueError, "value_and_grad",
                         "the function to return a scalar array or a tuple that starts with one", first)
             : py_refuse(PyExc_ValueError, "grad", "the function to return a scalar array", first);
}

static int gradient_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  gradient_call *c = context;
  leaves tracers = {0}, results = {0};
  int count = -1;
  if (py_wrap_all(n, in, &tracers) == 0 && call_with_tracers(c, &tracers, in) == 0 && check_scalar(c) == 0 &&
      py_tree_leaves(c->result, &results, false) == 0)
    count = py_lend_all(&results, max_out, out);
  py_leaves_free(&tracers);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
}

/* The trees that argnums and argnames choose, checked against the call. */
static PyObject *choose(callable_object *o, PyObject *args, PyObject *kwargs) {
  PyObject *list = PyList_New(0);
  Py_ssize_t n = PyTuple_Size(args);
  for (Py_ssize_t i = 0; list && o->argnums && i < PyTuple_Size(o->argnums); i++) {
    int at = chosen_index(o->argnums, i);
    if (at >= n) {
      PyErr_Format(PyExc_ValueError,
                   "[grad] expected a call with argument %d, which argnums chose, got %zd positional ones",
                   at, n);
      Py_CLEAR(list);
    } else if (PyList_Append(list, PyTuple_GetItem(args, at)) < 0) {
      Py_CLEAR(list);
    }
  }
  for (Py_ssize_t i = 0; list && o->argnames && i < PyTuple_Size(o->argnames); i++) {
    PyObject *name = PyTuple_GetItem(o->argnames, i),
             *v = kwargs ? PyDict_GetItemWithError(kwargs, name) : NULL;
    if (!v) {
      PyErr_Format(PyExc_ValueError,
                   "[grad] expected a call with keyword argument '%U', which argnames chose", name);
      Py_CLEAR(list);
    } else if (PyList_Append(list, v) < 0) {
      Py_CLEAR(list);
    }
  }
  return list;
}

/* One argnum: its tree. Several: a tuple. With argnames: (that or None, {name: tree}). */
static PyObject *shape_gradients(callable_object *o, PyObject *trees) {
  Py_ssize_t nnums = o->argnums ? PyTuple_Size(o->argnums) : 0,
             nnames = o->argnames ? PyTuple_Size(o->argnames) : 0;
  PyObject *positional;
  if (nnums == 0)
    positional = Py_NewRef(Py_None);
  else if (nnums == 1)
    positional = Py_NewRef(PyList_GetItem(trees, 0));
  else {
    PyObject *part = PyList_GetSlice(trees, 0, nnums);
    positional = part ? PyList_AsTuple(part) : NULL;
    Py_XDECREF(part);
  }
  if (!positional || !nnames) return positional;
  PyObject *named = PyDict_New();
  for (Py_ssize_t i = 0; named && i < nnames; i++)
    if (PyDict_SetItem(named, PyTuple_GetItem(o->argnames, i), PyList_GetItem(trees, nnums + i)) < 0)
      Py_CLEAR(named);
  PyObject *r = named ? PyTuple_Pack(2, positional, named) : NULL;
  Py_DECREF(positional);
  Py_XDECREF(named);
  return r;
}

static PyObject *gradient_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  leaves in = {0};
  gradient_call c = {o, args, kwargs, choose(o, args, kwargs), NULL, &in};
  PyObject *r = NULL, *values = NULL, *form = NULL, *trees = NULL, *gradients = NULL;
  mx_array *handles = NULL, *grads = NULL, *outs = NULL;
  int64_t *argnums = NULL;
  if (!c.chosen || py_tree_leaves(c.chosen, &in, true) < 0) goto done;
  handles = py_leaves_handles(&in);
  grads = PyMem_Malloc(sizeof *grads * (size_t)(in.n + 1));
  argnums = PyMem_Malloc(sizeof *argnums * (size_t)(in.n + 1));
  outs = PyMem_Malloc(sizeof *outs * MAX_OUTPUTS);
  if (!handles || !grads || !argnums || !outs) {
    PyErr_NoMemory();
    goto done;
  }
  form = py_hollow(c.chosen, in.n); /* before the function changes the trees */
  if (!form) goto done;
  for (int i = 0; i < in.n; i++) argnums[i] = i;
  int n = mx_value_and_grad(gradient_callback, &c, in.n, handles, (mx_ints){argnums, in.n}, MAX_OUTPUTS, outs,
                            grads);
  if (n < 0) {
    py_raise();
    goto done;
  }
  trees = py_rebuild(form, in.n, grads);
  gradients = trees ? shape_gradients(o, trees) : NULL;
  if (!gradients) goto done;
  if (o->value) {
    values = py_rebuild(c.result, n, outs);
    r = values ? PyTuple_Pack(2, values, gradients) : NULL;
  } else {
    r = Py_NewRef(gradients);
  }
done:
  py_leaves_free(&in);
  PyMem_Free(handles);
  PyMem_Free(grads);
  PyMem_Free(argnums);
  PyMem_Free(outs);
  Py_XDECREF(c.chosen);
  Py_XDECREF(c.result);
  Py_XDECREF(form);
  Py_XDECREF(values);
  Py_XDECREF(trees);
  Py_XDECREF(gradients);
  if (!r) py_name_error(o->value ? "value_and_grad" : "grad");
  return r;
}

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* argnums as a tuple of distinct, nonnegative ints, in the order of the arguments. */
static PyObject *read_argnums(PyObject *o) {
  int64_t *v;
  int n = py_int_list(o, &v);
  if (n < 0) {
    bool large = PyErr_ExceptionMatches(PyExc_OverflowError);
    PyErr_Clear();
    PyErr_Format(large ? PyExc_ValueError : PyExc_TypeError, "[grad] expected ints as argnums, got %R", o);
    return NULL;
  }
  qsort(v, (size_t)n, sizeof *v, ascending);
  PyObject *t = PyTuple_New(n);
  for (int i = 0; t && i < n; i++) {
    bool again = false;
    for (int j = 0; j < i; j++) again |= v[j] == v[i];
    if (v[i] < 0 || again || v[i] > INT32_MAX) {
      PyErr_Format(PyExc_ValueError,
                   again ? "[grad] expected distinct argnums, got %lld twice"
                         : "[grad] expected non-negative argnums, got %lld",
                   (long long)v[i]);
      Py_CLEAR(t);
    } else {
      PyTuple_SetItem(t, i, PyLong_FromLongLong(v[i]));
    }
  }
  PyMem_Free(v);
  return t;
}

static PyObject *read_argnames(PyObject *o) {
  PyObject *t = PyUnicode_Check(o) ? PyTuple_Pack(1, o) : PySequence_Tuple(o);
  if (!t && PyErr_ExceptionMatches(PyExc_TypeError))
    PyErr_SetString(PyExc_TypeError, "[grad] expected argnames of type str");
  for (Py_ssize_t i = 0; t && i < PyTuple_Size(t); i++) {
    bool again = false;
    for (Py_ssize_t j = 0; j < i; j++)
      again |= PyUnicode_Compare(PyTuple_GetItem(t, i), PyTuple_GetItem(t, j)) == 0;
    if (!PyUnicode_Check(PyTuple_GetItem(t, i)) || again) {
      PyErr_SetString(again ? PyExc_ValueError : PyExc_TypeError,
                      again ? "[grad] expected distinct argnames" : "[grad] expected argnames of type str");
      Py_CLEAR(t);
    }
  }
  return t;
}

static PyObject *make_gradient(frame *f, bool value) {
  if (py_need_callable(f, f->v[0].o) < 0) return NULL;
  callable_object *o = py_new_callable(py_callable_type, f->v[0].o, gradient_invoke);
  if (!o) return NULL;
  o->value = value;
  bool named = py_given(f, 2);
  if (named && !(o->argnames = read_argnames(f->v[2].o))) goto fail;
  named = named && PyTuple_Size(o->argnames) > 0;
  if (py_given(f, 1))
    o->argnums = read_argnums(f->v[1].o);
  else if (!named)
    o->argnums = Py_BuildValue("(i)", 0);
  if (!o->argnums && (py_given(f, 1) || !named)) goto fail;
  if (!named && PyTuple_Size(o->argnums) == 0) {
    PyErr_SetString(PyExc_ValueError, "[grad] expected an argument to differentiate by, got none");
    goto fail;
  }
  return (PyObject *)o;
fail:
  Py_DECREF(o);
  return NULL;
}

#define GRADIENT_SIGNATURE "fun: object, argnums: object? = None, argnames: object = []"
FUNCTION(value_and_grad, GRADIENT_SIGNATURE " -> Callable[..., tuple[Any, Any]]",
         "A function that returns fun's value and its gradient. fun returns a scalar array, or a tuple that "
         "starts with one. "
         "argnums: the positions (int or sequence; 0 when neither is given) and argnames: the keywords to "
         "differentiate by; "
         "each may be a tree of arrays. The gradient has the trees' form: a tuple for several positions, in "
         "ascending "
         "order, and (positional, "
         "{name: gradient}) with argnames.") {
  return make_gradient(f, true);
}
FUNCTION(grad, GRADIENT_SIGNATURE " -> Callable[..., Any]",
         "A function that returns the gradient of fun, which returns a scalar array. See value_and_grad.") {
  return make_gradient(f, false);
}

/* ---- vjp, jvp ---- */
typedef struct product_call {
  PyObject *function, *result;
} product_call;

static int product_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  product_call *c = context;
  PyObject *args = py_wrap_tuple(n, in);
  int count = -1;
  leaves results = {0};
  if (args && (c->result = PyObject_Call(c->function, args, NULL))) {
    bool list = PyList_Check(c->result) || PyTuple_Check(c->result);
    if (!py_is_array(c->result) && !list)
      PyErr_SetString(PyExc_ValueError, "expected a function that returns an array or a sequence of arrays");
    else if (py_tree_leaves(c->result, &results, true) == 0)
      count = py_lend_all(&results, max_out, out);
  }
  Py_XDECREF(args);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
}

static PyObject *product(frame *f, bool forward) {
  if (py_need_callable(f, f->v[0].o) < 0) return NULL;
  mx_array *primals = NULL, *others = NULL, *values = NULL, *products = NULL;
  product_call c = {f->v[0].o, NULL};
  PyObject *r = NULL, *first = NULL, *second = NULL;
  int n = py_array_list(f->f->name, f->v[1].o, &primals),
      m = n < 0 ? -1 : py_array_list(f->f->name, f->v[2].o, &others);
  if (m < 0) goto done;
  if (forward && m != n) {
    PyErr_Format(PyExc_ValueError, "[jvp] expected as many tangents as primals, got %d and %d", m, n);
    goto done;
  }
  values = PyMem_Malloc(sizeof *values * MAX_OUTPUTS);
  products = PyMem_Malloc(sizeof *products * MAX_OUTPUTS);
  if (!values || !products) {
    PyErr_NoMemory();
    goto done;
  }
  int count = forward ? mx_jvp(product_callback, &c, n, primals, others, MAX_OUTPUTS, values, products)
                      : mx_vjp(product_callback, &c, n, primals, m, others, MAX_OUTPUTS, values, products);
  if (count < 0) {
    py_raise();
    goto done;
  }
  first = py_wrap_list(count, values);
  second = py_wrap_list(forward ? count : n, products);
  r = first && second ? PyTuple_Pack(2, first, second) : NULL;
done:
  PyMem_Free(primals);
  PyMem_Free(others);
  PyMem_Free(values);
  PyMem_Free(products);
  Py_XDECREF(c.result);
  Py_XDECREF(first);
  Py_XDECREF(second);
  return r;
}

FUNCTION(vjp, "fun: object, primals: object, cotangents: object -> tuple[list[array], list[array]]",
         "fun's outputs at the primals, and the cotangents pulled back to the primals. Lists of arrays.") {
  return product(f, false);
}
FUNCTION(jvp, "fun: object, primals: object, tangents: object -> tuple[list[array], list[array]]",
         "fun's outputs at the primals, and the tangents pushed forward to the outputs. Lists of arrays.") {
  return product(f, true);
}
