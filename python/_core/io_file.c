/* Paths and file objects. A file object is read and written in pieces of bytes, copied from and to them: what
   a Python object keeps of a call must not be the library's memory. Its exceptions go through to the caller.
 */
#include "io.h"
#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 22 };

/* ---- Paths ---- */
static bool is_path(PyObject *o) {
  return PyUnicode_Check(o) || PyBytes_Check(o) || PyObject_HasAttrString(o, "__fspath__");
}

/* The bytes of a path, or NULL with an exception. */
static PyObject *path_bytes(PyObject *o) {
  PyObject *os = PyImport_ImportModule("os");
  PyObject *bytes = os ? PyObject_CallMethod(os, "fsencode", "O", o) : NULL;
  Py_XDECREF(os);
  return bytes;
}

static int read_path(io_file *file, PyObject *o, const char *ending) {
  PyObject *bytes = path_bytes(o);
  char *s = NULL;
  Py_ssize_t n;
  if (!bytes) return -1;
  if (PyBytes_AsStringAndSize(bytes, &s, &n) < 0 || (Py_ssize_t)strlen(s) != n) {
    Py_DECREF(bytes);
    PyErr_Format(PyExc_ValueError, "%s(): expected a path without null bytes", file->function);
    return -1;
  }
  size_t length = (size_t)n, more = ending ? strlen(ending) : 0;
  if (length >= more && more && !strcmp(s + length - more, ending)) more = 0;
  file->path = PyMem_Malloc(length + more + 1);
  if (file->path) {
    memcpy(file->path, s, length);
    if (more) memcpy(file->path + length, ending, more);
    file->path[length + more] = 0;
  }
  Py_DECREF(bytes);
  return file->path ? 0 : (PyErr_NoMemory(), -1);
}

/* ---- File objects ---- */
static int open_file(io_file *file, const char *function, PyObject *o, const char *method,
                     const char *ending) {
  *file = (io_file){.function = function};
  if (is_path(o)) return read_path(file, o, ending);
  file->method = PyObject_HasAttrString(o, method) ? PyObject_GetAttrString(o, method) : NULL;
  if (!file->method) {
    char expected[96];
    snprintf(expected, sizeof expected, "a str, a path or a file object with %s() for argument 'file'",
             method);
    return PyErr_Occurred() ? -1 : py_wrong_type(function, expected, o);
  }
  PyObject *name = PyObject_HasAttrString(o, "name") ? PyObject_GetAttrString(o, "name") : NULL;
  if (name && is_path(name)) file->name = path_bytes(name); // a number names a file descriptor
  Py_XDECREF(name);
  PyErr_Clear(); // a name that can't be told is none
  return 0;
}

int io_open_reader(io_file *file, const char *function, PyObject *o) {
  return open_file(file, function, o, "read", NULL);
}
int io_open_writer(io_file *file, const char *function, PyObject *o, const char *ending) {
  return open_file(file, function, o, "write", ending);
}

void io_close(io_file *file) {
  PyMem_Free(file->path);
  Py_XDECREF(file->name);
  Py_XDECREF(file->method);
}

const char *io_name(const io_file *file) {
  return file->path ? file->path : file->name ? PyBytes_AsString(file->name) : NULL;
}

void io_begin(io_file *file) { file->state = py_unlock(); }
void io_end(io_file *file) { py_lock(file->state); }

/* A call of the file object failed with an exception, which py_raise leaves as it is. */
static int failed(const io_file *file) {
  return mx_error_set(MX_IO_ERROR, "[%s] expected a working file object, got an exception", file->function);
}

/* Copies what read() gave to data: its bytes, or -1 with an exception. */
static int64_t take(io_file *file, PyObject *bytes, void *data, Py_ssize_t most) {
  Py_buffer view;
  if (!PyObject_CheckBuffer(bytes)) return py_wrong_type(file->function, "bytes from read()", bytes);
  if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0) return -1;
  int64_t n = view.len;
  if (n > most) {
    PyErr_Format(PyExc_ValueError, "[%s] expected at most %zd bytes from read(), got %zd", file->function,
                 most, view.len);
    n = -1;
  } else if (n) {
    memcpy(data, view.buf, (size_t)n);
  }
  PyBuffer_Release(&view);
  return n;
}

static int64_t read_piece(void *context, void *data, size_t n) {
  io_file *file = context;
  Py_ssize_t most = n < PIECE ? (Py_ssize_t)n : PIECE;
  py_lock(file->state);
  PyObject *bytes = PyObject_CallFunction(file->method, "n", most);
  int64_t got = bytes ? take(file, bytes, data, most) : -1;
  if (got >= 0 && PyErr_CheckSignals() < 0) got = -1; // read() may be of C, in which no handler runs
  Py_XDECREF(bytes);
  file->state = py_unlock();
  return got < 0 ? failed(file) : got;
}

/* Writes at most PIECE bytes; returns how many write() took, or -1 with an exception. */
static Py_ssize_t write_some(io_file *file, const char *data, size_t left) {
  Py_ssize_t n = left < PIECE ? (Py_ssize_t)left : PIECE;
  PyObject *bytes = PyBytes_FromStringAndSize(data, n);
  PyObject *taken = bytes ? PyObject_CallFunctionObjArgs(file->method, bytes, NULL) : NULL;
  Py_XDECREF(bytes);
  if (!taken) return -1;
  if (PyErr_CheckSignals() < 0) { // write() may be of C, in which no handler runs
    Py_DECREF(taken);
    return -1;
  }
  Py_ssize_t count = PyLong_Check(taken) ? PyLong_AsSsize_t(taken) : n; // what gives no number took all
  Py_DECREF(taken);
  if (PyErr_Occurred()) return -1;
  if (count >= 1 && count <= n) return count;
  PyErr_Format(PyExc_OSError, "[%s] expected write() to take 1 to %zd bytes, got %zd", file->function, n,
               count);
  return -1;
}

static int write_all(void *context, const void *data, size_t n) {
  io_file *file = context;
  const char *p = data;
  Py_ssize_t done = 0;
  py_lock(file->state);
  for (; n && done >= 0; p += done, n -= (size_t)done) {
    done = write_some(file, p, n);
    if (done < 0) break;
  }
  file->state = py_unlock();
  return done < 0 ? failed(file) : 0;
}

mx_reader io_reader(io_file *file) { return (mx_reader){file, io_name(file), read_piece}; }
mx_writer io_writer(io_file *file) { return (mx_writer){file, io_name(file), write_all}; }
