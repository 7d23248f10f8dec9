/* Errors of the library as Python exceptions, and evaluation: with the interpreter's lock released, ended by
 * Ctrl-C. */
#include "core.h"
#include <pthread.h>
#include <signal.h>
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
  if (PyErr_Occurred()) return NULL; /* a callback's own exception */
  if (code == MX_INTERRUPTED) {
    mx_interrupt_clear();
    if (PyErr_CheckSignals() < 0) return NULL;
  }
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

/* ---- Ctrl-C ---- a handler in front of Python's asks evaluations on the main thread to stop ---- */
static struct sigaction python_handler;
static pthread_t main_thread;
static atomic_bool evaluating, asked;
static atomic_bool drain_queued; /* see below */

static void on_interrupt(int number, siginfo_t *info, void *context) {
  if (atomic_load(&evaluating)) {
    atomic_store(&asked, true);
    mx_interrupt();
  }
  if (python_handler.sa_flags & SA_SIGINFO)
    python_handler.sa_sigaction(number, info, context);
  else
    python_handler.sa_handler(number);
}

/* In a forked child the thread that forked is the main one; what others were about never ends. */
static void start_child(void) {
  main_thread = pthread_self();
  atomic_store(&evaluating, false);
  if (atomic_exchange(&asked, false)) mx_interrupt_clear();
  atomic_store(&drain_queued, false);
}

static void watch_interrupts(void) {
  main_thread = pthread_self();
  pthread_atfork(NULL, NULL, start_child);
  if (sigaction(SIGINT, NULL, &python_handler) < 0) return;
  if (!(python_handler.sa_flags & SA_SIGINFO) &&
      (python_handler.sa_handler == SIG_DFL || python_handler.sa_handler == SIG_IGN))
    return; /* Python doesn't want it */
  struct sigaction ours = python_handler;
  ours.sa_flags |= SA_SIGINFO;
  ours.sa_sigaction = on_interrupt;
  sigaction(SIGINT, &ours, NULL);
}

static int finish(int status, bool main) {
  if (main) {
    atomic_store(&evaluating, false);
    if (atomic_exchange(&asked, false) && status == 0) mx_interrupt_clear();
  }
  if (status == 0) return 0;
  py_raise();
  return -1;
}

static bool begin(void) {
  bool main = pthread_equal(pthread_self(), main_thread);
  if (main) atomic_store(&evaluating, true);
  return main;
}

int py_eval(int n, const mx_array *arrays) {
  int pending = 0;
  for (int i = 0; i < n; i++) pending += !mx_is_ready(arrays[i]);
  if (!pending) return mx_eval_all(n, arrays) < 0 ? (py_raise(), -1) : 0; // only looks, so nobody need wait
  /* Without the lock another thread may swap the arrays that Python objects hold. */
  for (int i = 0; i < n; i++) py_lend(arrays[i]);
  bool main = begin();
  PyThreadState *state = PyEval_SaveThread();
  int status = n == 1 ? mx_eval(*arrays) : mx_eval_all(n, arrays);
  PyEval_RestoreThread(state);
  return finish(status, main);
}

int py_async_eval(int n, const mx_array *arrays) {
  for (int i = 0; i < n; i++) py_lend(arrays[i]);
  bool main = begin();
  PyThreadState *state = PyEval_SaveThread();
  int status = mx_async_eval(n, arrays);
  PyEval_RestoreThread(state);
  return finish(status, main);
}

int py_synchronize(mx_stream s) {
  bool main = begin();
  PyThreadState *state = PyEval_SaveThread();
  int status = mx_synchronize(s);
  PyEval_RestoreThread(state);
  return finish(status, main);
}

/* ---- Destructors of Python objects that lent their memory ---- */
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
  watch_interrupts();
  mx_on_foreign(wake);
  return 0;
}
