/* load: the arrays of a file, and its metadata. */
#include "io.h"
#include <string.h>

/* ---- What a file holds ---- */
static PyObject *text(const char *s) { return PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace"); }

static PyObject *file_arrays(mx_file file) {
  PyObject *d = PyDict_New();
  for (int i = 0; d && i < mx_file_count(file); i++) {
    PyObject *a = py_wrap(mx_file_array(file, i));
    if (!a || PyDict_SetItemString(d, mx_file_name(file, i), a) < 0) Py_CLEAR(d);
    Py_XDECREF(a);
  }
  return d;
}

static PyObject *meta_strings(const mx_meta *m) {
  PyObject *l = PyList_New((Py_ssize_t)m->nstrings);
  for (int64_t i = 0; l && i < m->nstrings; i++) {
    PyObject *s = text(m->strings[i]);
    if (!s)
      Py_CLEAR(l);
    else
      PyList_SetItem(l, i, s);
  }
  return l;
}

static PyObject *file_metadata(mx_file file) {
  PyObject *d = PyDict_New();
  for (int i = 0; d && i < mx_file_meta_count(file); i++) {
    const mx_meta *m = mx_file_meta(file, i);
    PyObject *v = m->kind == MX_META_STRING    ? text(m->string)
                  : m->kind == MX_META_STRINGS ? meta_strings(m)
                                               : py_wrap(m->array);
    if (!v || PyDict_SetItemString(d, m->key, v) < 0) Py_CLEAR(d);
    Py_XDECREF(v);
  }
  return d;
}

static PyObject *unpack(mx_file file, bool metadata) {
  PyObject *arrays = file_arrays(file);
  if (!metadata || !arrays) return arrays;
  PyObject *m = file_metadata(file), *r = m ? PyTuple_Pack(2, arrays, m) : NULL;
  Py_DECREF(arrays);
  Py_XDECREF(m);
  return r;
}

/* ---- Formats ---- */
static const struct format {
  const char *name;
  mx_file (*load)(const char *path);
  mx_file (*read)(mx_reader reader);
  bool metadata;
} formats[] = {{"npy", NULL, NULL, false},
               {"npz", mx_load_npz, mx_read_npz, false},
               {"safetensors", mx_load_safetensors, mx_read_safetensors, true},
               {"gguf", mx_load_gguf, mx_read_gguf, true}};

/* The format said, or else the name's ending; NULL with ValueError. */
static const struct format *find_format(const io_file *file, const char *said) {
  const char *name = io_name(file), *dot = name ? strrchr(name, '.') : NULL;
  const char *wanted = said ? said : dot ? dot + 1 : NULL;
  for (size_t i = 0; wanted && i < sizeof formats / sizeof *formats; i++)
    if (!strcmp(formats[i].name, wanted)) return &formats[i];
  if (wanted)
    PyErr_Format(PyExc_ValueError, "[load] expected npy, npz, safetensors or gguf, got format '%s'", wanted);
  else
    PyErr_Format(PyExc_ValueError, "[load] expected a format or a name with an ending, got '%s' without",
                 name ? name : "a file object");
  return NULL;
}

/* The directory of an npz is at its end, so that a reader sees the whole file wherever it stands. */
static int rewind_file(PyObject *o) {
  PyObject *can =
      PyObject_HasAttrString(o, "seekable") ? PyObject_CallMethod(o, "seekable", NULL) : Py_NewRef(Py_False);
  int seekable = can ? PyObject_IsTrue(can) : -1;
  Py_XDECREF(can);
  if (seekable <= 0) return seekable;
  PyObject *at = PyObject_CallMethod(o, "seek", "i", 0);
  Py_XDECREF(at);
  return at ? 0 : -1;
}

static PyObject *load_array(io_file *file) {
  io_begin(file);
  mx_array a = file->path ? mx_load_npy(file->path) : mx_read_npy(io_reader(file));
  io_end(file);
  return py_wrap(a);
}

static PyObject *load_named(io_file *file, const struct format *format, bool metadata) {
  io_begin(file);
  mx_file loaded = file->path ? format->load(file->path) : format->read(io_reader(file));
  io_end(file);
  if (!loaded) return py_raise();
  PyObject *r = unpack(loaded, metadata);
  mx_file_free(loaded);
  return r;
}

static PyObject *load(io_file *file, PyObject *o, const char *said, bool metadata) {
  const struct format *format = find_format(file, said);
  if (!format) return NULL;
  if (metadata && !format->metadata)
    return PyErr_Format(PyExc_ValueError, "[load] expected safetensors or gguf with return_metadata, got %s",
                        format->name);
  if (!format->load) return load_array(file);
  if (file->method && format->load == mx_load_npz && rewind_file(o) < 0) return NULL;
  return load_named(file, format, metadata);
}

FUNCTION(
    load,
    "file: object, /, format: str? = None, return_metadata: bool = False" STREAM
    " -> array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]",
    "The arrays of a file, a path or an object with read(): one array (npy) or a dict (npz, safetensors, "
    "gguf), with return_metadata (dict, metadata). The format is the name's ending unless given. A file "
    "at a path is read, or if it is large mapped and used in place: when another program changes it then, "
    "using its arrays raises OSError. A file object is read once. A bad file raises ValueError, "
    "an absent one OSError.") {
  io_file file;
  PyObject *r = NULL;
  if (io_open_reader(&file, "load", f->v[0].o) == 0)
    r = load(&file, f->v[0].o, py_given(f, 1) ? f->v[1].s : NULL, f->v[2].b);
  io_close(&file);
  return r;
}
