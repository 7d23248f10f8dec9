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
typedef struct trace_record { /* what a compiled function returned in one trace */
  PyObject *result;           /* its tree, with placeholders for arrays */
  int nresult, nstate;
  struct trace_record *next, **link; /* in the function's list; what points here */
} trace_record;
/* Held by the thread that traces. A thread that waits lets go of the interpreter's lock; one that has it
   takes it again; in a forked child it is free. */
typedef struct trace_lock {
  PyThread_type_lock lock; /* made when it is first taken */
  unsigned long owner;     /* while depth > 0 */
  int depth, forks;        /* forks: of the process, when it was last taken */
} trace_lock;
struct callable_object {
  PyObject_HEAD invoke call;
  PyObject *function, *dict, *weak;
  PyObject *argnums, *argnames; /* value_and_grad: tuples or NULL */
  bool value;                   /* return the value too */
  PyObject *inputs, *outputs;   /* compile: captured state */
  mx_compiled compiled;
  struct compile_call *current; /* the one that is being traced; under its lock */
  trace_record *records;        /* those of the traces that exist */
  trace_lock lock;
  PyObject *in_axes, *out_axes; /* vmap */
  PyObject *vjp, *jvp, *vmap;   /* custom_function */
};
extern PyTypeObject *py_callable_type, *py_custom_type;
extern PyMethodDef py_custom_methods[];

callable_object *py_new_callable(PyTypeObject *type, PyObject *function, invoke call);
/* Rows of a table of methods. */
PyObject *py_callable_itself(PyObject *o, PyObject *unused);
PyObject *py_callable_reduce(PyObject *o, PyObject *unused);
#define PY_COPIED_AS_ITSELF                                                                                  \
  {"__copy__", py_callable_itself, METH_NOARGS, NULL}, {"__deepcopy__", py_callable_itself, METH_O, NULL}, { \
    "__reduce__", py_callable_reduce, METH_NOARGS, NULL                                                      \
  }
/* -1 with a TypeError when o can't be called. */
int py_need_callable(const frame *f, PyObject *o);
/* What a callback returns after a Python exception. */
int py_callback_failed(void);
/* New array objects around n arrays. */
int py_wrap_all(int n, const mx_array *in, leaves *l);
/* ValueError: a function returned more arrays than it may. -1. */
int py_too_many(int n, int max_out);
/* Hands the arrays of Python objects to the scope of the callback, so that they outlive the objects. Their
 * number. */
int py_lend_all(const leaves *l, int max_out, mx_array *out);
/* A tree of `shape` with new array objects around the given arrays. */
PyObject *py_rebuild(PyObject *shape, int n, const mx_array *arrays);
/* The tuple as one of a subclass, such as a named tuple. Takes over the reference. */
PyObject *py_tuple_of_type(PyTypeObject *type, PyObject *tuple);
/* A tree like the caller's, its containers copied and its arrays replaced by tracers. *copies: a new
   reference to what py_traced_return needs. */
PyObject *py_traced_copy(PyObject *tree, const leaves *tracers, PyObject **copies);
/* Makes the changes of the copied containers in the caller's. `of_caller`: the arrays that the tracers stood
   for; traced: what the tracers held at first. -1 with the exception set. */
int py_traced_return(PyObject *copies, const leaves *of_caller, const leaves *tracers,
                     const mx_array *traced);
/* The tree with one placeholder for each of its n arrays, so that it keeps none of them. */
PyObject *py_hollow(PyObject *tree, int n);
/* 0; -1 with an exception, such as KeyboardInterrupt while it waited. */
int py_trace_lock(trace_lock *l);
void py_trace_unlock(trace_lock *l);
void py_trace_lock_free(trace_lock *l);
/* One axis (MX_UNMAPPED for None) for each of the n arrays of a tree, from a tree of axes that is a prefix of
   it. -1 with ValueError; `name` is what to call the axes. */
int py_expand_axes(const char *name, PyObject *tree, PyObject *axes, int n, int *out);
PyObject *py_custom_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
#endif
