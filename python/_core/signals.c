/* Signals. While the library works with the interpreter's lock released, it calls check_signals now and then
   in the main thread, the one that runs signal handlers. A handler that raises ends the call. Handlers are
   Python's business: whoever set one, and when, it is run. */
#include "core.h"
#include <pthread.h>
#include <unistd.h>

static _Thread_local enum { NOT_ASKED, MAIN_THREAD, OTHER_THREAD } thread_kind;

static bool in_main_thread(void) {
  if (thread_kind == NOT_ASKED) thread_kind = gettid() == getpid() ? MAIN_THREAD : OTHER_THREAD;
  return thread_kind == MAIN_THREAD;
}

/* In a forked child the thread that forked is the main one. */
static void become_main_thread(void) { thread_kind = MAIN_THREAD; }

/* ---- asyncio ---- Its handler of SIGINT doesn't raise: it cancels the running task, which would be felt at
   the task's next await, after the evaluation. So the evaluation ends with the exception that waits for the
   task, once for each cancellation: what the task does to clean up runs to its end. */
static PyObject *cancelled_task; // a weak reference: the last one that was ended
static long cancelled_times;     // how often it had been cancelled then

/* An attribute's truth, or a method's number; -1 with an exception. */
static long ask_task(PyObject *task, const char *name, bool call) {
  PyObject *o = call ? PyObject_CallMethod(task, name, NULL) : PyObject_GetAttrString(task, name);
  long answer = !o ? -1 : call ? PyLong_AsLong(o) : PyObject_IsTrue(o);
  Py_XDECREF(o);
  return answer;
}

/* Remembers the task's cancellation; 1 when it was known. */
static int remember(PyObject *task, long times) {
  if (cancelled_task && PyWeakref_GetObject(cancelled_task) == task && cancelled_times == times) return 1;
  PyObject *weak = PyWeakref_NewRef(task, NULL);
  if (!weak) return -1;
  Py_XDECREF(cancelled_task);
  cancelled_task = weak;
  cancelled_times = times;
  return 0;
}

static int end_cancelled_task(PyObject *asyncio, PyObject *task) {
  long waits = ask_task(task, "_must_cancel", false);
  if (waits <= 0) return (int)waits;
  long times = ask_task(task, "cancelling", true);
  int known = times < 0 ? -1 : remember(task, times);
  if (known) return known < 0 ? -1 : 0;
  PyObject *type = PyObject_GetAttrString(asyncio, "CancelledError");
  if (type) PyErr_SetNone(type);
  Py_XDECREF(type);
  return -1;
}

/* -1 with CancelledError if this thread runs a task that is to be cancelled. */
static int check_task(void) {
  PyObject *asyncio = PyDict_GetItemString(PyImport_GetModuleDict(), "asyncio"); // if it was imported
  if (!asyncio) return 0;
  Py_INCREF(asyncio);
  PyObject *task = PyObject_CallMethod(asyncio, "current_task", NULL);
  int status = !task ? -1 : task == Py_None ? 0 : end_cancelled_task(asyncio, task);
  Py_XDECREF(task);
  Py_DECREF(asyncio);
  /* No loop runs, or the task is of another kind; what a handler raised meanwhile stays. */
  if (status < 0 &&
      (PyErr_ExceptionMatches(PyExc_RuntimeError) || PyErr_ExceptionMatches(PyExc_AttributeError))) {
    PyErr_Clear();
    status = 0;
  }
  return status;
}

/* ---- The check ---- */
static int check_signals(void *unused) {
  (void)unused;
  PyGILState_STATE state = PyGILState_Ensure();
  int status =
      PyErr_Occurred() ? -1 : PyErr_CheckSignals(); // a handler that raised may have been asked before
  if (status == 0) status = check_task();
  PyGILState_Release(state);
  return status;
}

PyThreadState *py_unlock(void) {
  if (in_main_thread()) mx_set_interrupt_check(check_signals, NULL);
  return PyEval_SaveThread();
}
void py_lock(PyThreadState *state) {
  PyEval_RestoreThread(state);
  if (in_main_thread()) mx_set_interrupt_check(NULL, NULL);
}

void py_signals_init(void) { pthread_atfork(NULL, NULL, become_main_thread); }
