/* Functions in files: what export.c and export_graph.c share. */
#ifndef MLX_PYTHON_EXPORT_H
#define MLX_PYTHON_EXPORT_H
#include "transforms.h"

/* The arrays of a call: positional ones, then named ones. */
typedef struct export_call {
  PyObject *function; /* borrowed; NULL: of a call of an imported one */
  leaves arrays;
  PyObject *names; /* a list of the names */
  mx_call c;
  mx_array *handles;
  const char **texts;
} export_call;
/* Reads arguments: arrays and named arrays, or a tuple or list and a dict of them. -1 with an exception.
   export_call_free it whatever follows. */
int export_call_read(export_call *e, const char *op, PyObject *args, PyObject *kwargs);
void export_call_free(export_call *e);
/* Calls e->function with tracers; its context is e. */
int export_callback(void *e, int n, const mx_array *in, int max_out, mx_array *out);
/* Gives a Python function the parts of the traced graph, one after the other. */
PyObject *export_to_callback(PyObject *callback, export_call *e, bool shapeless);
#endif
