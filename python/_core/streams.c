/* Devices, streams and the context that makes one of them the default. */
#include "core.h"
#include <string.h>
#include <sys/utsname.h>

PyTypeObject *py_stream_type;
static PyTypeObject *device_type, *thread_stream_type, *context_type;
static PyObject *device_kinds[2]; /* DeviceType.cpu, DeviceType.gpu */
static const char *const device_names[] = {"cpu", "gpu"};

typedef struct device_object {
  PyObject_HEAD mx_device d;
} device_object;
typedef struct stream_object {
  PyObject_HEAD mx_stream s;
} stream_object;
/* A stream of its own for each thread that uses it. */
typedef struct thread_stream_object {
  PyObject_HEAD mx_device d;
  int id;
} thread_stream_object;
typedef struct context_object {
  PyObject_HEAD PyObject *target;
  mx_device device;
  mx_stream stream; /* the defaults before */
  int depth;
} context_object;

static int thread_stream_count;

/* ---- Reading arguments ---- */
/* 1 when o names a device, 0 when it doesn't. */
static int as_device(PyObject *o, mx_device *d) {
  for (int i = 0; i < 2; i++)
    if (o == device_kinds[i]) return *d = (mx_device){(mx_device_type)i, 0}, 1;
  if (Py_TYPE(o) == device_type) return *d = ((device_object *)o)->d, 1;
  return 0;
}

int py_need_device(PyObject *o, mx_device *d, const char *function) {
  if (as_device(o, d)) return 0;
  py_wrong_type(function, "a Device or DeviceType", o);
  return -1;
}

/* The stream of this thread, made at its first use and remembered in the interpreter's dict of the thread.
   NULL with the library's error or an exception set. */
static mx_stream thread_stream(thread_stream_object *o) {
  PyObject *dict = PyThreadState_GetDict(), *key = PyUnicode_FromFormat("mlx.core.stream %d", o->id);
  PyObject *known = dict && key ? PyDict_GetItemWithError(dict, key) : NULL;
  mx_stream s = known ? PyLong_AsVoidPtr(known) : NULL;
  if (!known && dict && key && !PyErr_Occurred() && (s = mx_stream_new(o->d))) {
    PyObject *address = PyLong_FromVoidPtr(s);
    if (!address || PyDict_SetItem(dict, key, address) < 0) s = NULL;
    Py_XDECREF(address);
  }
  Py_XDECREF(key);
  return s;
}

int py_stream_value(PyObject *o, mx_stream *s) {
  mx_device d;
  if (Py_TYPE(o) == py_stream_type)
    *s = ((stream_object *)o)->s;
  else if (Py_TYPE(o) == thread_stream_type)
    *s = thread_stream((thread_stream_object *)o);
  else if (as_device(o, &d))
    *s = mx_default_stream(d);
  else {
    py_refuse(PyExc_TypeError, "stream", "a Stream, Device, DeviceType or None for argument 'stream'", o);
    return -1;
  }
  if (*s) return 0;
  if (PyErr_Occurred()) return -1;
  if (mx_error_code() == MX_DEVICE_ERROR)
    PyErr_SetString(PyExc_ValueError, mx_error());
  else
    py_raise();
  return -1;
}

/* ---- Device ---- */
static PyObject *wrap_device(mx_device d) {
  device_object *o = PyObject_New(device_object, device_type);
  if (o) o->d = d;
  return (PyObject *)o;
}
static PyObject *device_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  if (!py_arguments_fit("Device", args, kwargs, 2, "type", "index")) return NULL;
  PyObject *kind = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : NULL;
  PyObject *index = PyTuple_Size(args) > 1 ? PyTuple_GetItem(args, 1) : NULL;
  if (kwargs && !kind) kind = PyDict_GetItemString(kwargs, "type");
  if (kwargs && !index) index = PyDict_GetItemString(kwargs, "index");
  mx_device d;
  int64_t i = 0;
  if (!kind || !as_device(kind, &d) || (index && py_int64(index, &i) < 0)) {
    PyErr_Clear();
    PyErr_SetString(PyExc_TypeError, "Device(): expected a DeviceType and an optional int as index");
    return NULL;
  }
  if (i != (int32_t)i) {
    PyErr_Format(PyExc_ValueError, "Device(): expected an index of 32 bits, got %lld", (long long)i);
    return NULL;
  }
  device_object *o = (device_object *)PyType_GenericAlloc(type, 0);
  if (o) o->d = (mx_device){d.type, (int)i};
  return (PyObject *)o;
}
static PyObject *device_repr(PyObject *o) {
  mx_device d = ((device_object *)o)->d;
  return PyUnicode_FromFormat("Device(%s, %d)", device_names[d.type], d.index);
}
static PyObject *device_get_type(PyObject *o, void *unused) {
  (void)unused;
  return Py_NewRef(device_kinds[((device_object *)o)->d.type]);
}
static PyObject *device_compare(PyObject *x, PyObject *y, int op) {
  mx_device a, b;
  if ((op != Py_EQ && op != Py_NE) || !as_device(x, &a)) Py_RETURN_NOTIMPLEMENTED;
  bool equal = as_device(y, &b) && a.type == b.type && a.index == b.index;
  return PyBool_FromLong(equal == (op == Py_EQ));
}
static Py_hash_t device_hash(PyObject *o) {
  mx_device d = ((device_object *)o)->d;
  return d.type * 1000 + d.index;
}
static PyGetSetDef device_properties[] = {{"type", device_get_type, NULL, "mx.cpu or mx.gpu.", NULL},
                                          {NULL, NULL, NULL, NULL, NULL}};
static PyObject *device_reduce(PyObject *o, PyObject *unused) {
  (void)unused;
  return Py_BuildValue("O(Ni)", Py_TYPE(o), device_get_type(o, NULL), ((device_object *)o)->d.index);
}
static PyMethodDef device_methods[] = {{"__reduce__", device_reduce, METH_NOARGS, NULL},
                                       {NULL, NULL, 0, NULL}};
static PyType_Slot device_slots[] = {{Py_tp_new, device_new},
                                     {Py_tp_methods, device_methods},
                                     {Py_tp_repr, device_repr},
                                     {Py_tp_richcompare, device_compare},
                                     {Py_tp_hash, device_hash},
                                     {Py_tp_getset, device_properties},
                                     {Py_tp_doc, "Device(type, index=0)\n--\n\nA device to compute on."},
                                     {0, NULL}};
static PyType_Spec device_spec = {"mlx.core.Device", sizeof(device_object), 0, Py_TPFLAGS_DEFAULT,
                                  device_slots};

/* ---- Streams ---- */
static PyObject *wrap_stream(mx_stream s) {
  if (!s) {
    if (mx_error_code() == MX_DEVICE_ERROR)
      PyErr_SetString(PyExc_ValueError, mx_error());
    else
      py_raise();
    return NULL;
  }
  stream_object *o = PyObject_New(stream_object, py_stream_type);
  if (o) o->s = s;
  return (PyObject *)o;
}
static PyObject *stream_repr(PyObject *o) {
  mx_stream s = ((stream_object *)o)->s;
  mx_device d = mx_stream_device(s);
  return PyUnicode_FromFormat("Stream(Device(%s, %d), %d)", device_names[d.type], d.index,
                              mx_stream_index(s));
}
static PyObject *stream_device(PyObject *o, void *unused) {
  (void)unused;
  return wrap_device(mx_stream_device(((stream_object *)o)->s));
}
static PyObject *stream_compare(PyObject *x, PyObject *y, int op) {
  if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
  bool equal = Py_TYPE(y) == py_stream_type && ((stream_object *)x)->s == ((stream_object *)y)->s;
  return PyBool_FromLong(equal == (op == Py_EQ));
}
static Py_hash_t stream_hash(PyObject *o) { return (Py_hash_t)((uintptr_t)((stream_object *)o)->s >> 4); }
static PyGetSetDef stream_properties[] = {{"device", stream_device, NULL, "The stream's device.", NULL},
                                          {NULL, NULL, NULL, NULL, NULL}};
/* A stream is its process's: a copy is the same stream, and there is none to pickle. */
static PyObject *stream_itself(PyObject *o, PyObject *unused) {
  (void)unused;
  return Py_NewRef(o);
}
static PyObject *stream_reduce(PyObject *o, PyObject *unused) {
  (void)unused;
  PyErr_Format(PyExc_TypeError, "cannot pickle a %R: streams belong to their process", Py_TYPE(o));
  return NULL;
}
static PyMethodDef stream_methods[] = {{"__copy__", stream_itself, METH_NOARGS, NULL},
                                       {"__deepcopy__", stream_itself, METH_O, NULL},
                                       {"__reduce__", stream_reduce, METH_NOARGS, NULL},
                                       {NULL, NULL, 0, NULL}};
static PyType_Slot stream_slots[] = {
    {Py_tp_methods, stream_methods},
    {Py_tp_repr, stream_repr},
    {Py_tp_richcompare, stream_compare},
    {Py_tp_hash, stream_hash},
    {Py_tp_getset, stream_properties},
    {Py_tp_doc, "A queue of work on a device: operations on it run in order."},
    {0, NULL}};
static PyType_Spec stream_spec = {"mlx.core.Stream", sizeof(stream_object), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, stream_slots};

static PyObject *thread_stream_repr(PyObject *o) {
  thread_stream_object *s = (thread_stream_object *)o;
  return PyUnicode_FromFormat("ThreadLocalStream(Device(%s, %d), %d)", device_names[s->d.type], s->d.index,
                              s->id);
}
static PyObject *thread_stream_device(PyObject *o, void *unused) {
  (void)unused;
  return wrap_device(((thread_stream_object *)o)->d);
}
static PyGetSetDef thread_stream_properties[] = {
    {"device", thread_stream_device, NULL, "The stream's device.", NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot thread_stream_slots[] = {{Py_tp_methods, stream_methods},
                                            {Py_tp_repr, thread_stream_repr},
                                            {Py_tp_getset, thread_stream_properties},
                                            {Py_tp_doc, "A stream of its own for each thread that uses it."},
                                            {0, NULL}};
static PyType_Spec thread_stream_spec = {"mlx.core.ThreadLocalStream", sizeof(thread_stream_object), 0,
                                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                         thread_stream_slots};

/* ---- with mx.stream(s): ---- */
static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  if (!py_arguments_fit("StreamContext", args, kwargs, 1, "s")) return NULL;
  PyObject *target = PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0)
                     : kwargs                ? PyDict_GetItemString(kwargs, "s")
                                             : NULL;
  mx_stream s;
  if (!target || py_stream_value(target, &s) < 0) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "StreamContext(): expected a Stream, Device or DeviceType");
    py_name_error("StreamContext");
    return NULL;
  }
  context_object *o = (context_object *)PyType_GenericAlloc(type, 0);
  if (o) o->target = Py_NewRef(target);
  return (PyObject *)o;
}
static void context_dealloc(PyObject *o) {
  PyTypeObject *type = Py_TYPE(o);
  Py_XDECREF(((context_object *)o)->target);
  PyObject_Free(o);
  Py_DECREF(type);
}
static PyObject *stream_context_enter(PyObject *self, PyObject *unused) {
  (void)unused;
  context_object *o = (context_object *)self;
  mx_stream s;
  if (o->depth) {
    PyErr_SetString(PyExc_RuntimeError, "StreamContext: already entered");
    return NULL;
  }
  if (py_stream_value(o->target, &s) < 0) return NULL;
  o->device = mx_default_device();
  o->stream = mx_default_stream(mx_stream_device(s));
  if (mx_set_default_device(mx_stream_device(s)) < 0 || mx_set_default_stream(s) < 0) return py_raise();
  o->depth = 1;
  Py_RETURN_NONE;
}
static PyObject *stream_context_exit(PyObject *self, PyObject *args) {
  (void)args;
  context_object *o = (context_object *)self;
  if (o->depth && (mx_set_default_stream(o->stream) < 0 || mx_set_default_device(o->device) < 0))
    return py_raise();
  o->depth = 0;
  Py_RETURN_NONE;
}
static PyMethodDef context_methods[] = {{"__enter__", stream_context_enter, METH_NOARGS, NULL},
                                        {"__exit__", stream_context_exit, METH_VARARGS, NULL},
                                        {NULL, NULL, 0, NULL}};
static PyType_Slot context_slots[] = {
    {Py_tp_new, context_new},
    {Py_tp_dealloc, context_dealloc},
    {Py_tp_methods, context_methods},
    {Py_tp_doc, "StreamContext(s)\n--\n\nMakes s the default stream inside `with`."},
    {0, NULL}};
static PyType_Spec context_spec = {"mlx.core.StreamContext", sizeof(context_object), 0, Py_TPFLAGS_DEFAULT,
                                   context_slots};

/* ---- Functions ---- */
FUNCTION(default_device, "-> Device", "The device that operations run on unless told otherwise.") {
  (void)f;
  return wrap_device(mx_default_device());
}
FUNCTION(set_default_device, "device: object -> None",
         "Sets the default device. ValueError when it is absent.") {
  mx_device d;
  if (py_need_device(f->v[0].o, &d, "set_default_device") < 0) return NULL;
  if (mx_set_default_device(d) == 0) Py_RETURN_NONE;
  PyErr_SetString(PyExc_ValueError, mx_error());
  return NULL;
}
FUNCTION(is_available, "device: object -> bool", "Can this build and machine compute on the device?") {
  mx_device d;
  if (py_need_device(f->v[0].o, &d, "is_available") < 0) return NULL;
  return PyBool_FromLong(mx_is_available(d));
}
FUNCTION(device_count, "device_type: object -> int", "The number of devices of a type.") {
  mx_device d;
  if (py_need_device(f->v[0].o, &d, "device_count") < 0) return NULL;
  return PyLong_FromLong(mx_device_count(d.type));
}
FUNCTION(device_info, "d: object? = None -> dict[str, Any]",
         "What is known of a device, a dict; of the default device without argument.") {
  mx_device d = mx_default_device();
  if (py_given(f, 0) && py_need_device(f->v[0].o, &d, "device_info") < 0) return NULL;
  mx_device_info info;
  if (mx_device_describe(d, &info) < 0) return py_raise();
  if (d.type == MX_GPU_DEVICE && info.compute_major) {
    char architecture[32];
    snprintf(architecture, sizeof architecture, "sm_%d%d", info.compute_major, info.compute_minor);
    return Py_BuildValue("{ss ss si si si sn sn sn}", "architecture", architecture, "device_name", info.name,
                         "compute_capability_major", info.compute_major, "compute_capability_minor",
                         info.compute_minor, "multiprocessors", info.multiprocessors, "memory_size",
                         (Py_ssize_t)info.memory_bytes, "total_memory", (Py_ssize_t)info.memory_bytes,
                         "free_memory", (Py_ssize_t)info.free_bytes);
  }
  struct utsname machine;
  return Py_BuildValue("{ssss}", "architecture", uname(&machine) < 0 ? "" : machine.machine, "device_name",
                       device_names[d.type]);
}
FUNCTION(default_stream, "device: object -> Stream", "The thread's default stream of a device.") {
  mx_device d;
  if (py_need_device(f->v[0].o, &d, "default_stream") < 0) return NULL;
  return wrap_stream(mx_default_stream(d));
}
FUNCTION(set_default_stream, "stream: object -> None", "Makes a stream the default one of its device.") {
  mx_stream s;
  if (py_stream_value(f->v[0].o, &s) < 0) return NULL;
  if (mx_set_default_stream(s) < 0) return py_raise();
  Py_RETURN_NONE;
}
FUNCTION(new_stream, "device: object -> Stream", "A new stream on a device.") {
  mx_device d;
  if (py_need_device(f->v[0].o, &d, "new_stream") < 0) return NULL;
  return wrap_stream(mx_stream_new(d));
}
FUNCTION(new_thread_unsafe_stream, "device: object -> Stream",
         "The same as new_stream: every stream may be used from any thread.") {
  mx_device d;
  if (py_need_device(f->v[0].o, &d, "new_thread_unsafe_stream") < 0) return NULL;
  return wrap_stream(mx_stream_new(d));
}
FUNCTION(new_thread_local_stream, "device: object -> ThreadLocalStream",
         "A stream of its own for each thread that uses it.") {
  mx_device d;
  if (py_need_device(f->v[0].o, &d, "new_thread_local_stream") < 0) return NULL;
  thread_stream_object *o = PyObject_New(thread_stream_object, thread_stream_type);
  if (!o) return NULL;
  o->d = d;
  o->id = thread_stream_count++;
  return (PyObject *)o;
}
FUNCTION(clear_streams, "-> None", "Waits for all work on the default streams.") {
  (void)f;
  if (py_synchronize(NULL) < 0) return NULL;
  Py_RETURN_NONE;
}
FUNCTION(synchronize, "stream: object? = None -> None", "Waits until all work queued on a stream is done.") {
  mx_stream s = NULL;
  if (py_given(f, 0) && py_stream_value(f->v[0].o, &s) < 0) return NULL;
  if (py_synchronize(s) < 0) return NULL;
  Py_RETURN_NONE;
}
FUNCTION(stream, "s: object -> StreamContext",
         "A context in which s is the default stream: `with mx.stream(mx.cpu): ...`.") {
  return PyObject_CallFunctionObjArgs((PyObject *)context_type, f->v[0].o, NULL);
}

int py_streams_init(PyObject *module) {
  device_type = (PyTypeObject *)PyType_FromSpec(&device_spec);
  py_stream_type = (PyTypeObject *)PyType_FromSpec(&stream_spec);
  thread_stream_type = (PyTypeObject *)PyType_FromSpec(&thread_stream_spec);
  context_type = (PyTypeObject *)PyType_FromSpec(&context_spec);
  if (!device_type || !py_stream_type || !thread_stream_type || !context_type) return -1;
  if (py_add_type(module, "Device", device_type) < 0 || py_add_type(module, "Stream", py_stream_type) < 0 ||
      py_add_type(module, "ThreadLocalStream", thread_stream_type) < 0 ||
      py_add_type(module, "StreamContext", context_type) < 0)
    return -1;
  return py_add_enum(module, "DeviceType", 2, device_names, device_kinds);
}
