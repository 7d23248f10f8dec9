/* What load and the saves read from or write to: a path, or a Python object with read or write (io_file.c).
 */
#ifndef MLX_PYTHON_IO_H
#define MLX_PYTHON_IO_H
#include "core.h"

typedef struct io_file {
  const char *function; /* "load" */
  char *path;           /* NULL: a file object; for PyMem_Free */
  PyObject *name;       /* of a file object: its str attribute `name` as bytes, or NULL */
  PyObject *method;     /* of a file object: its read or write */
  PyThreadState *state; /* between io_begin and io_end: the lock that the callbacks take again */
} io_file;

/* Opens the argument `file`; a path gets `ending` where it lacks it, if that isn't NULL. -1 with TypeError or
   ValueError. Close it whatever follows. */
int io_open_reader(io_file *file, const char *function, PyObject *o);
int io_open_writer(io_file *file, const char *function, PyObject *o, const char *ending);
void io_close(io_file *file);
/* The path's or the file object's name; NULL when there is none. */
const char *io_name(const io_file *file);

/* Around a call of the library: the lock is released, and taken again by the callbacks. */
void io_begin(io_file *file);
void io_end(io_file *file);
mx_reader io_reader(io_file *file);
mx_writer io_writer(io_file *file);
#endif
