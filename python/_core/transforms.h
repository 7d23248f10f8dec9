/* What the transformations share: the object that stands for a transformed function, and calls from the
   library back into Python.

   The library calls back with tracers. A callback wraps them, puts them where the arguments' arrays were,
   calls the Python function, and hands its arrays back. A Python exception stays set while the library
   unwinds with MX_CALLBACK_ERROR, and py_raise lets it through. */
#ifndef MLX_PYTHON_TRANSFORMS_H
#define MLX_PYTHON_TRANSFORMS_H
#include "core.h"

enum { MAX_OUTPUTS = 1 << 14 }; /* arrays that a transformed function may return */

typedef struct callable_object callable_object;
typedef PyObject *(*invoke)(callable_object *, PyObject *args, PyObject *kwargs);
typedef struct trace_record { /* what a compiled function returned for one key */
  uint64_t key;
  PyObject *result; /* its tree, with placeholders for arrays */
  int nresult, nstate;
} trace_record;
struct callable_object {
  PyObject_HEAD invoke call;
  PyObject *function, *dict, *weak;
  PyObject *argnums, *argnames; /* value_and_grad: tuples or NULL */
  bool value;                   /* return the value too */
  PyObject *inputs, *outputs;   /* compile: captured state */
  bool shapeless;
  mx_compiled compiled;
  struct compile_call *current;
  trace_record *traces;
  int ntraces, trace_capacity;
  PyObject *in_axes, *out_axes; /* vmap */
  PyObject *vjp, *jvp, *vmap;   /* custom_function */
};
extern PyTypeObject *py_callable_type, *py_custom_type;
extern PyMethodDef py_custom_methods[];

callable_object *py_new_callable(PyTypeObject *type, PyObject *function, invoke call);
/* -1 with a TypeError when o can't be called. */
int py_need_callable(const frame *f, PyObject *o);
/* What a callback returns after a Python exception. */
int py_callback_failed(void);
/* New array objects around n arrays. */
int py_wrap_all(int n, const mx_array *in, leaves *l);
/* Hands the arrays of Python objects to the scope of the callback, so that they outlive the objects. Their
 * number. */
int py_lend_all(const leaves *l, int max_out, mx_array *out);
/* A tree of `shape` with new array objects around the given arrays. */
PyObject *py_rebuild(PyObject *shape, int n, const mx_array *arrays);
/* One axis (MX_UNMAPPED for None) for each of the n arrays of a tree, from a tree of axes that is a prefix of
   it. -1 with ValueError; `name` is what to call the axes. */
int py_expand_axes(const char *name, PyObject *tree, PyObject *axes, int n, int *out);
PyObject *py_custom_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
#endif
