/* Errors of the library as Python exceptions, and evaluation: with the interpreter's lock released, while
   signal handlers run. */
#include "core.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

PyObject *py_axis_error;

static PyObject *exception_of(mx_status code) {
  switch (code) {
  case MX_INVALID_ARGUMENT: return PyExc_ValueError;
  case MX_TYPE_ERROR: return PyExc_TypeError;
  case MX_INDEX_ERROR: return PyExc_IndexError;
  case MX_AXIS_ERROR: return py_axis_error;
  case MX_OUT_OF_MEMORY: return PyExc_MemoryError;
  case MX_IO_ERROR: return PyExc_OSError;
  case MX_INTERRUPTED: return PyExc_KeyboardInterrupt;
  case MX_NOT_SUPPORTED: return PyExc_NotImplementedError;
  default: return PyExc_RuntimeError;
  }
}

PyObject *py_raise(void) {
  mx_status code = mx_error_code();
  if (PyErr_Occurred()) return NULL; /* a callback's own exception, or a signal handler's */
  const char *text = mx_error();
  PyErr_SetString(exception_of(code), *text ? text : "unknown error");
  return NULL;
}

static int raise_with_type(PyObject *exception, const char *format, const char *name, const char *expected,
                           PyObject *got) {
  PyObject *type = PyType_GetName(Py_TYPE(got));
  if (type) PyErr_Format(exception, format, name, expected, type);
  Py_XDECREF(type);
  return -1;
}
int py_wrong_type(const char *function, const char *expected, PyObject *got) {
  return raise_with_type(PyExc_TypeError, "%s(): expected %s, got %U", function, expected, got);
}
int py_refuse(PyObject *exception, const char *op, const char *expected, PyObject *got) {
  return raise_with_type(exception, "[%s] expected %s, got %U", op, expected, got);
}

/* ---- Evaluation ---- */
static int status_or_raise(int status) { return status < 0 ? (py_raise(), -1) : 0; }

int py_eval(int n, const mx_array *arrays) {
  int pending = 0;
  for (int i = 0; i < n; i++) pending += !mx_is_ready(arrays[i]);
  if (!pending) return mx_eval_all(n, arrays) < 0 ? (py_raise(), -1) : 0; // only looks, so nobody need wait
  /* Without the lock another thread may swap the arrays that Python objects hold. */
  for (int i = 0; i < n; i++) py_lend(arrays[i]);
  PyThreadState *state = py_unlock();
  int status = n == 1 ? mx_eval(*arrays) : mx_eval_all(n, arrays);
  py_lock(state);
  return status_or_raise(status);
}

int py_async_eval(int n, const mx_array *arrays) {
  for (int i = 0; i < n; i++) py_lend(arrays[i]);
  PyThreadState *state = py_unlock();
  int status = mx_async_eval(n, arrays);
  py_lock(state);
  return status_or_raise(status);
}

int py_synchronize(mx_stream s) {
  PyThreadState *state = py_unlock();
  int status = mx_synchronize(s);
  py_lock(state);
  return status_or_raise(status);
}

/* ---- Destructors of Python objects that lent their memory ---- */
static atomic_bool drain_queued;
static void forget_drain(void) { atomic_store(&drain_queued, false); }
static int drain(void *unused) {
  (void)unused;
  atomic_store(&drain_queued, false);
  mx_drain_foreign();
  return 0;
}
static void wake(void) {
  if (!atomic_exchange(&drain_queued, true) && Py_AddPendingCall(drain, NULL) < 0)
    atomic_store(&drain_queued, false);
}

int py_errors_init(PyObject *module) {
  PyObject *bases = PyTuple_Pack(2, PyExc_IndexError, PyExc_ValueError);
  py_axis_error =
      bases ? PyErr_NewExceptionWithDoc("mlx.core.AxisError", "An axis out of range.", bases, NULL) : NULL;
  Py_XDECREF(bases);
  if (!py_axis_error || PyModule_AddObjectRef(module, "AxisError", py_axis_error) < 0) return -1;
  pthread_atfork(NULL, NULL, forget_drain);
  py_signals_init();
  mx_on_foreign(wake);
  return 0;
}
