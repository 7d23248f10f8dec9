/* Memory: what is in use, and limits. All in bytes. */
#include "core.h"

FUNCTION(get_active_memory, "-> int",
         "Bytes of memory in use by arrays; memory kept for reuse doesn't count.") {
  (void)f;
  return PyLong_FromSize_t(mx_active_memory());
}
FUNCTION(get_peak_memory, "-> int",
         "The most bytes that were in use at once, since the start or reset_peak_memory.") {
  (void)f;
  return PyLong_FromSize_t(mx_peak_memory());
}
FUNCTION(reset_peak_memory, "-> None", "Starts measuring the peak anew.") {
  (void)f;
  mx_reset_peak_memory();
  Py_RETURN_NONE;
}
FUNCTION(get_cache_memory, "-> int", "Bytes of freed memory that are kept for reuse.") {
  (void)f;
  return PyLong_FromSize_t(mx_cache_memory());
}
FUNCTION(get_memory_limit, "-> int", "The most bytes that arrays may use.") {
  (void)f;
  return PyLong_FromSize_t(mx_memory_limit());
}

static int limit(const frame *f, size_t *bytes) {
  if (f->v[0].i < 0) {
    PyErr_Format(PyExc_ValueError, "%s(): expected a limit of 0 bytes or more", f->f->name);
    return -1;
  }
  *bytes = (size_t)f->v[0].i;
  return 0;
}

FUNCTION(
    set_memory_limit, "limit: int -> int",
    "Sets the most bytes that arrays may use: allocations beyond raise MemoryError. Returns the old limit.") {
  size_t bytes;
  return limit(f, &bytes) < 0 ? NULL : PyLong_FromSize_t(mx_set_memory_limit(bytes));
}
FUNCTION(set_cache_limit, "limit: int -> int",
         "Sets the most bytes of freed memory that are kept for reuse. Returns the old limit.") {
  size_t bytes;
  return limit(f, &bytes) < 0 ? NULL : PyLong_FromSize_t(mx_set_cache_limit(bytes));
}
FUNCTION(set_wired_limit, "limit: int -> int", "Has no effect here: memory isn't wired. Returns 0.") {
  size_t bytes;
  return limit(f, &bytes) < 0 ? NULL : PyLong_FromLong(0);
}
FUNCTION(clear_cache, "-> None", "Gives the memory kept for reuse back to the system.") {
  (void)f;
  mx_clear_cache();
  Py_RETURN_NONE;
}
FUNCTION(get_array_buffer_size, "a: array -> int", "Bytes of the elements of an array.") {
  return PyLong_FromSize_t(mx_nbytes(f->v[0].a));
}
