/* einsum and its path. */
#include "core.h"
#include <string.h>

FUNCTION(
    einsum, "subscripts: str, *operands, stream: stream = None",
    "Einstein summation: each operand's axes are named by letters, equal letters run together, and those "
    "that the output (after '->') lacks are summed. '...' stands for leading axes that broadcast, a "
    "repeated letter for a diagonal; without '->' the output has the letters that occur once, sorted. "
    "Contractions are matrix products: they need floating point or complex dtypes.") {
  mx_array *in;
  int n = py_rest_arrays(f, &in);
  if (n < 0) return NULL;
  PyObject *r = py_wrap(mx_einsum(f->v[0].s, n, in));
  PyMem_Free(in);
  return r;
}

static PyObject *path_list(int n, const mx_einsum_step *steps) {
  PyObject *list = PyList_New(0);
  for (int i = 0; list && i < (n > 1 ? n - 1 : 1); i++) {
    PyObject *step =
        n == 1 ? Py_BuildValue("(i)", 0) : Py_BuildValue("(ii)", steps[i].first, steps[i].second);
    if (!step || PyList_Append(list, step) < 0) Py_CLEAR(list);
    Py_XDECREF(step);
  }
  return list;
}

/* The subscripts without spaces and with the output that they imply left out, and the costs. */
static PyObject *path_text(const char *subscripts, const mx_einsum_cost *c) {
  char costs[256];
  snprintf(costs, sizeof costs,
           "         Naive scaling:  %d\n     Optimized scaling:  %d\n      Naive FLOP count:  %.0f\n"
           "  Optimized FLOP count:  %.0f\n",
           c->naive_scaling, c->scaling, c->naive_flops, c->flops);
  return PyUnicode_FromFormat("  Complete contraction:  %s\n%s", subscripts, costs);
}

FUNCTION(einsum_path, "subscripts: str, *operands -> tuple[list[tuple[int, ...]], str]",
         "The order in which einsum contracts, and its cost: ([(i, j), ...], text). Each step multiplies the "
         "operands at places i < j of those left and puts the product at the end.") {
  mx_array *in;
  int n = py_rest_arrays(f, &in);
  if (n < 0) return NULL;
  mx_einsum_step *steps = PyMem_Calloc((size_t)n + 1, sizeof *steps);
  mx_einsum_cost cost;
  PyObject *path = NULL, *text = NULL, *r = NULL;
  if (!steps)
    PyErr_NoMemory();
  else if (mx_einsum_path(f->v[0].s, n, in, steps, &cost) < 0)
    py_raise();
  else {
    path = path_list(n, steps);
    text = path ? path_text(f->v[0].s, &cost) : NULL;
    r = text ? PyTuple_Pack(2, path, text) : NULL;
  }
  Py_XDECREF(path);
  Py_XDECREF(text);
  PyMem_Free(steps);
  PyMem_Free(in);
  return r;
}
