/* Other libraries' arrays: the buffer protocol (PEP 3118), DLPack (dmlc/dlpack, versions 0.8 and 1.0), NumPy.
 */
#include "core.h"
#include <stdlib.h>
#include <string.h>

/* The buffer protocol's format of a dtype. */
static const char *format_of(mx_dtype t) {
  switch (t) {
  case MX_BOOL: return "?";
  case MX_UINT8: return "B";
  case MX_UINT16: return "H";
  case MX_UINT32: return "I";
  case MX_UINT64: return "Q";
  case MX_INT8: return "b";
  case MX_INT16: return "h";
  case MX_INT32: return "i";
  case MX_INT64: return "q";
  case MX_FLOAT16: return "e";
  case MX_BFLOAT16: return "bfloat16";
  case MX_FLOAT32: return "f";
  case MX_FLOAT64: return "d";
  case MX_COMPLEX64: return "Zf";
  case MX_DTYPE_COUNT: break;
  }
  return "";
}

/* The array itself when its elements are row-major, else a row-major copy; evaluated. *data: the elements. */
static mx_array row_major(mx_array a, const void **data) {
  static const char empty;
  *data = &empty;
  if (py_eval(1, &a) < 0) return NULL;
  if (mx_size(a) == 0 || (*data = mx_data(a))) return a;
  a = py_checked(mx_contiguous(a, false));
  if (!a || py_eval(1, &a) < 0) return NULL;
  return (*data = mx_data(a)) ? a : py_checked(MX_BAD);
}

/* What another library sees of an evaluated array: its own elements, at its own strides. */
typedef struct shared_elements {
  mx_array a, first; /* first: holds the first element, and keeps its memory */
  const void *data;
  int64_t strides[MX_MAX_NDIM]; /* in elements */
  bool writable;
} shared_elements;

/* The array's elements as they lie; if `packed`, in row-major layout, by a copy where they are not. 0; -1
   with the exception set. */
static int share_elements(mx_array a, bool packed, shared_elements *s) {
  static const char empty;
  if (py_eval(1, &a) < 0) return -1;
  int n = mx_ndim(a);
  const int64_t *strides = mx_size(a) && !packed ? mx_strides(a) : NULL;
  *s = (shared_elements){.a = a, .first = a, .data = &empty, .writable = mx_is_writable(a)};
  if (!strides) { /* none, or one after the other */
    if (!(s->a = s->first = row_major(a, &s->data))) return -1;
    s->writable = mx_is_writable(s->a);
    for (int64_t i = n - 1, stride = 1; i >= 0; i--) {
      s->strides[i] = stride;
      stride *= mx_dim(a, (int)i) ? mx_dim(a, (int)i) : 1;
    }
    return 0;
  }
  int64_t zeros[MX_MAX_NDIM] = {0}, ones[MX_MAX_NDIM];
  for (int i = 0; i < n; i++) {
    ones[i] = 1;
    s->strides[i] = strides[i];
    s->writable &= strides[i] != 0 || mx_dim(a, i) == 1; /* several elements in one place */
  }
  s->first = py_checked(mx_slice(a, (mx_ints){zeros, n}, (mx_ints){ones, n}, (mx_ints){ones, n}));
  if (!s->first || py_eval(1, &s->first) < 0) return -1;
  return (s->data = mx_data(s->first)) ? 0 : (py_raise(), -1);
}

/* ---- Export by buffer ---- */
typedef struct export {
  mx_array a, first; /* kept */
  Py_ssize_t dims[];
}
export;

/* Do the strides go up from the first axis, as Fortran's do? */
static bool column_major(const shared_elements *s) {
  int64_t stride = 1;
  for (int i = 0; i < mx_ndim(s->a); i++) {
    if (s->strides[i] != stride && mx_dim(s->a, i) != 1) return false;
    stride *= mx_dim(s->a, i);
  }
  return true;
}

/* The elements that the flags ask for; -1 with BufferError where they can't be had. */
static int elements_for(mx_array a, int flags, shared_elements *s) {
  bool strided = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  bool by_row = (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS,
       any = (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS,
       by_column = (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS;
  if (share_elements(a, !strided || by_row || any, s) < 0) return -1;
  if (by_column && !by_row && !any && mx_size(a) && !column_major(s))
    PyErr_SetString(PyExc_BufferError, "this array is not in column-major layout");
  else if ((flags & PyBUF_WRITABLE) && !s->writable)
    PyErr_SetString(PyExc_BufferError, "this array is read-only");
  else
    return 0;
  return -1;
}

int py_array_getbuffer(PyObject *self, Py_buffer *view, int flags) {
  mx_scope scope = mx_scope_open();
  shared_elements s;
  view->obj = NULL;
  bool good = elements_for(py_handle(self), flags, &s) == 0;
  mx_array a = good ? s.a : NULL;
  int n = good ? mx_ndim(a) : 0;
  export *e = good ? malloc(sizeof *e + 2 * sizeof(Py_ssize_t) * (size_t)(n + 1)) : NULL;
  if (e) {
    mx_dtype t = mx_dtype_of(a);
    e->a = mx_keep(a);
    e->first = mx_keep(s.first);
    for (int i = 0; i < n; i++) {
      e->dims[i] = (Py_ssize_t)mx_dim(a, i);
      e->dims[n + i] = (Py_ssize_t)(s.strides[i] * (int64_t)mx_dtype_size(t));
    }
    *view = (Py_buffer){.buf = (void *)(uintptr_t)s.data,
                        .obj = Py_NewRef(self),
                        .len = (Py_ssize_t)mx_nbytes(a),
                        .itemsize = (Py_ssize_t)mx_dtype_size(t),
                        .readonly = !s.writable,
                        .ndim = n,
                        .format = flags & PyBUF_FORMAT ? (char *)(uintptr_t)format_of(t) : NULL,
                        .shape = flags & PyBUF_ND ? e->dims : NULL,
                        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? e->dims + n : NULL,
                        .internal = e};
  } else if (!PyErr_Occurred()) {
    PyErr_NoMemory();
  }
  mx_scope_close(&scope);
  return e ? 0 : -1;
}

void py_array_releasebuffer(PyObject *self, Py_buffer *view) {
  (void)self;
  export *e = view->internal;
  mx_release(e->a);
  mx_release(e->first);
  free(e);
}

/* ---- Import by buffer ---- copies ---- */
/* The dtype of a buffer's elements; -1 with the exception set. C's long and size_t are told apart by their
   size. */
static int buffer_dtype(const Py_buffer *v) {
  const char *f = v->format ? v->format : "B";
  if (*f == '@' || *f == '=' || *f == '<') f++;
  if (strlen(f) == 1 && strchr("lnLN", *f))
    f = v->itemsize == 8 ? (*f >= 'a' ? "q" : "Q") : *f >= 'a' ? "i" : "I";
  for (int t = 0; t < MX_DTYPE_COUNT; t++)
    if (!strcmp(f, format_of((mx_dtype)t)) && v->itemsize == (Py_ssize_t)mx_dtype_size((mx_dtype)t)) return t;
  PyErr_Format(PyExc_ValueError, "[array] expected a buffer of numbers, got format '%s'",
               v->format ? v->format : "");
  return -1;
}

mx_array py_from_buffer(PyObject *o, int dtype) {
  Py_buffer v;
  if (PyObject_GetBuffer(o, &v, PyBUF_STRIDES | PyBUF_FORMAT) < 0) return NULL;
  mx_array a = NULL;
  int64_t shape[MX_MAX_NDIM];
  char *packed = NULL;
  bool complex128 = v.format && !strcmp(v.format, "Zd");
  int t = complex128 ? MX_FLOAT64 : buffer_dtype(&v);
  if (t < 0) goto done;
  if (v.ndim > MX_MAX_NDIM - 1) {
    PyErr_Format(PyExc_ValueError, "[array] expected at most %d dimensions, got %d", MX_MAX_NDIM - 1, v.ndim);
    goto done;
  }
  for (int i = 0; i < v.ndim; i++) shape[i] = v.shape[i];
  const void *data = v.buf;
  if (!PyBuffer_IsContiguous(&v, 'C')) {
    data = packed = PyMem_Malloc(v.len ? (size_t)v.len : 1);
    if (!packed) {
      PyErr_NoMemory();
      goto done;
    }
    if (PyBuffer_ToContiguous(packed, &v, v.len, 'C') < 0) goto done;
  }
  if (complex128) { /* pairs of doubles: halve to pairs of floats */
    shape[v.ndim] = 2;
    a = mx_astype(mx_array_from(data, (mx_ints){shape, v.ndim + 1}, MX_FLOAT64), MX_FLOAT32);
    a = mx_reshape(mx_view(a, MX_COMPLEX64), (mx_ints){shape, v.ndim});
  } else {
    a = mx_array_from(data, (mx_ints){shape, v.ndim}, (mx_dtype)t);
  }
  if (dtype < 0 && t == MX_FLOAT64 && !complex128) dtype = MX_FLOAT32;
  if (dtype >= 0) a = mx_astype(a, (mx_dtype)dtype);
  a = py_checked(a);
done:
  PyMem_Free(packed);
  PyBuffer_Release(&v);
  return a;
}

/* ---- DLPack ---- the structures of the specification ---- */
typedef struct dl_device {
  int32_t type, id; /* 1 = CPU */
} dl_device;
typedef struct dl_dtype {
  uint8_t code, bits;
  uint16_t lanes;
} dl_dtype;
typedef struct dl_tensor {
  void *data;
  dl_device device;
  int32_t ndim;
  dl_dtype dtype;
  int64_t *shape, *strides; /* strides in elements; NULL = row-major */
  uint64_t byte_offset;
} dl_tensor;
typedef struct dl_managed {
  dl_tensor t;
  void *context;
  void (*deleter)(struct dl_managed *);
} dl_managed;
typedef struct dl_versioned {
  uint32_t major, minor;
  void *context;
  void (*deleter)(struct dl_versioned *);
  uint64_t flags; /* 1 = read-only */
  dl_tensor t;
} dl_versioned;
enum { DL_CPU = 1, DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_BFLOAT = 4, DL_COMPLEX = 5, DL_BOOL = 6 };

static dl_dtype dl_dtype_of(mx_dtype t) {
  uint8_t bits = (uint8_t)(8 * mx_dtype_size(t));
  uint8_t code = t == MX_BOOL        ? DL_BOOL
                 : t <= MX_UINT64    ? DL_UINT
                 : t <= MX_INT64     ? DL_INT
                 : t == MX_BFLOAT16  ? DL_BFLOAT
                 : t == MX_COMPLEX64 ? DL_COMPLEX
                                     : DL_FLOAT;
  return (dl_dtype){code, bits, 1};
}

/* Shape, strides and, for an array that nobody may write to, a copy of the elements follow the structure. */
static void delete_export(dl_managed *m) {
  mx_release(m->context);
  free(m);
}
static void delete_capsule(PyObject *capsule) {
  dl_managed *m = PyCapsule_IsValid(capsule, "dltensor") ? PyCapsule_GetPointer(capsule, "dltensor") : NULL;
  if (m) m->deleter(m); /* never consumed */
}

METHOD(__dlpack__,
       "self: array, *, stream: object? = None, max_version: object? = None, dl_device: ints? = None, copy: "
       "bool? = None",
       "A DLPack capsule of the evaluated array, at its own strides. copy: True always copies, False raises "
       "BufferError where a copy is needed, None copies what is read-only.") {
  if (py_given(f, 3) && (f->v[3].ints.n != 2 || f->v[3].ints.v[0] != DL_CPU || f->v[3].ints.v[1] != 0)) {
    PyErr_Format(PyExc_BufferError, "[__dlpack__] expected the device (%d, 0), the CPU", DL_CPU);
    return NULL;
  }
  shared_elements s;
  PyObject *capsule = NULL;
  bool copy = py_given(f, 4) && f->v[4].b;
  if (share_elements(f->v[0].a, copy, &s) < 0) return NULL;
  if (!s.writable && !copy) { /* DLPack's first version can't say "read-only" */
    if (py_given(f, 4)) {
      PyErr_SetString(PyExc_BufferError, "[__dlpack__] expected a writable array for copy=False");
      return NULL;
    }
    copy = true;
    if (share_elements(f->v[0].a, copy, &s) < 0) return NULL;
  }
  mx_array a = s.a;
  int n = mx_ndim(a);
  size_t numbers = 2 * sizeof(int64_t) * (size_t)(n + 1);
  dl_managed *m = malloc(sizeof *m + numbers + (copy ? mx_nbytes(a) : 0));
  if (m) {
    int64_t *shape = (int64_t *)(m + 1);
    void *data = copy ? (char *)shape + numbers : (void *)(uintptr_t)s.data;
    if (copy && mx_size(a)) memcpy(data, s.data, mx_nbytes(a));
    for (int i = 0; i < n; i++) {
      shape[i] = mx_dim(a, i);
      shape[n + i] = s.strides[i];
    }
    *m = (dl_managed){.t = {.data = data,
                            .device = {DL_CPU, 0},
                            .ndim = n,
                            .dtype = dl_dtype_of(mx_dtype_of(a)),
                            .shape = shape,
                            .strides = shape + n},
                      .context = copy ? NULL : mx_keep(s.first),
                      .deleter = delete_export};
    capsule = PyCapsule_New(m, "dltensor", delete_capsule);
    if (!capsule) delete_export(m);
  } else if (!PyErr_Occurred()) {
    PyErr_NoMemory();
  }
  return capsule;
}

PyObject *py_array_dlpack_device(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  return Py_BuildValue("(ii)", DL_CPU, 0);
}

static int dtype_of_dl(dl_dtype d) {
  if (d.lanes == 1)
    for (int t = 0; t < MX_DTYPE_COUNT; t++) {
      dl_dtype e = dl_dtype_of((mx_dtype)t);
      if (e.code == d.code && e.bits == d.bits) return t;
    }
  PyErr_Format(PyExc_ValueError, "[from_dlpack] unsupported dtype: code %d, %d bits, %d lanes", d.code,
               d.bits, d.lanes);
  return -1;
}

static void release_managed(void *m) {
  if (((dl_managed *)m)->deleter) ((dl_managed *)m)->deleter(m);
}
static void release_versioned(void *m) {
  if (((dl_versioned *)m)->deleter) ((dl_versioned *)m)->deleter(m);
}

static mx_array from_tensor(const dl_tensor *t, bool read_only, void (*release)(void *), void *owner) {
  int dtype = dtype_of_dl(t->dtype);
  if (dtype < 0) return NULL;
  if (t->device.type != DL_CPU) {
    PyErr_Format(PyExc_ValueError, "[from_dlpack] expected a tensor on the CPU, got device type %d",
                 t->device.type);
    return NULL;
  }
  int64_t strides[MX_MAX_NDIM], stride = 1;
  if (t->ndim < 0 || t->ndim > MX_MAX_NDIM) {
    PyErr_Format(PyExc_ValueError, "[from_dlpack] expected at most %d dimensions, got %d", MX_MAX_NDIM,
                 t->ndim);
    return NULL;
  }
  for (int i = t->ndim - 1; i >= 0; i--) {
    strides[i] = t->strides ? t->strides[i] : stride;
    if (!t->strides && __builtin_mul_overflow(stride, t->shape[i] ? t->shape[i] : 1, &stride)) {
      PyErr_SetString(PyExc_ValueError, "[from_dlpack] the shape is too large");
      return NULL;
    }
  }
  return py_checked(mx_array_foreign((char *)t->data + t->byte_offset, (mx_ints){t->shape, t->ndim},
                                     (mx_ints){strides, t->ndim}, (mx_dtype)dtype, read_only, release,
                                     owner));
}

/* Asks for version 1, which can say "read-only"; older objects don't know the question. */
static PyObject *ask_capsule(PyObject *o) {
  PyObject *method = PyObject_GetAttrString(o, "__dlpack__"), *none = method ? PyTuple_New(0) : NULL;
  PyObject *version = none ? Py_BuildValue("{s(ii)}", "max_version", 1, 0) : NULL;
  PyObject *r = version ? PyObject_Call(method, none, version) : NULL;
  if (!r && version && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    r = PyObject_CallNoArgs(method);
  }
  Py_XDECREF(method);
  Py_XDECREF(none);
  Py_XDECREF(version);
  return r;
}

mx_array py_from_dlpack(PyObject *o) {
  if (!PyCapsule_CheckExact(o) && !PyObject_HasAttrString(o, "__dlpack__")) {
    py_refuse(PyExc_TypeError, "from_dlpack", "an object with __dlpack__", o);
    return NULL;
  }
  PyObject *capsule = PyCapsule_CheckExact(o) ? Py_NewRef(o) : ask_capsule(o);
  if (!capsule) return NULL;
  mx_array a = NULL;
  if (PyCapsule_IsValid(capsule, "dltensor")) {
    dl_managed *m = PyCapsule_GetPointer(capsule, "dltensor");
    a = from_tensor(&m->t, false, release_managed, m);
    if (a) PyCapsule_SetName(capsule, "used_dltensor");
  } else if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
    dl_versioned *m = PyCapsule_GetPointer(capsule, "dltensor_versioned");
    if (m->major != 1)
      PyErr_Format(PyExc_ValueError, "[from_dlpack] expected version 1, got %u", m->major);
    else
      a = from_tensor(&m->t, m->flags & 1, release_versioned, m);
    if (a) PyCapsule_SetName(capsule, "used_dltensor_versioned");
  } else {
    PyErr_SetString(PyExc_TypeError, "[from_dlpack] expected an unused DLPack capsule");
  }
  Py_DECREF(capsule);
  return a;
}

mx_array py_copy_dlpack(PyObject *o) {
  const void *data = NULL;
  mx_array a = py_from_dlpack(o);
  if (a) a = row_major(a, &data);
  return a ? py_checked(mx_array_from(data, mx_shape_ints(a), mx_dtype_of(a))) : NULL;
}

FUNCTION(from_dlpack, "x: object, /, *, copy: bool? = None",
         "An array over the memory of any object with __dlpack__, without a copy unless copy is True.") {
  if (py_is_array(f->v[0].o)) return py_wrap(py_handle(f->v[0].o));
  bool copy = py_given(f, 1) && f->v[1].b;
  mx_array a = copy ? py_copy_dlpack(f->v[0].o) : py_from_dlpack(f->v[0].o);
  return a ? py_wrap(a) : NULL;
}

FUNCTION(asarray, "a: object, dtype: dtype? = None, *, copy: bool? = None",
         "An array from a scalar, sequence, buffer or array. copy=False raises ValueError where a copy is "
         "needed.") {
  PyObject *o = f->v[0].o;
  int dtype = py_given(f, 1) ? (int)f->v[1].t : -1;
  bool never = py_given(f, 2) && !f->v[2].b,
       shared = PyObject_HasAttrString(o, "__dlpack__") && !py_is_array(o);
  if (never && !py_is_array(o) && !shared) goto refused;
  mx_array a = never && shared ? py_from_dlpack(o) : py_to_array(o, never ? -1 : dtype);
  if (a && never && dtype >= 0 && mx_dtype_of(a) != (mx_dtype)dtype) goto refused;
  return a ? py_wrap(a) : NULL;
refused:
  PyErr_SetString(PyExc_ValueError,
                  "[array] expected data that can be used without a copy, got data that can't");
  return NULL;
}

/* ---- NumPy ---- */
PyObject *py_array_numpy(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  PyObject *dtype = n > 0 ? args[0] : Py_None, *copy = n > 1 ? args[1] : Py_None;
  for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++) {
    PyObject *name = PyTuple_GetItem(names, i);
    if (PyUnicode_CompareWithASCIIString(name, "dtype") == 0) dtype = args[n + i];
    if (PyUnicode_CompareWithASCIIString(name, "copy") == 0) copy = args[n + i];
  }
  if (mx_dtype_of(py_handle(self)) == MX_BFLOAT16) {
    PyErr_SetString(PyExc_TypeError, "NumPy has no bfloat16: cast the array first");
    return NULL;
  }
  PyObject *numpy = PyImport_ImportModule("numpy"), *view = numpy ? PyMemoryView_FromObject(self) : NULL;
  PyObject *r =
      view ? PyObject_CallMethod(numpy, copy == Py_True ? "array" : "asarray", "OO", view, dtype) : NULL;
  PyObject *theirs =
      r && copy == Py_False ? PyObject_CallMethod(numpy, "may_share_memory", "OO", r, view) : NULL;
  if (r && copy == Py_False && mx_size(py_handle(self)) && theirs != Py_True) {
    if (theirs)
      PyErr_SetString(PyExc_ValueError,
                      "[__array__] expected the array's own dtype for copy=False, got another");
    Py_CLEAR(r);
  }
  Py_XDECREF(theirs);
  Py_XDECREF(view);
  Py_XDECREF(numpy);
  return r;
}
