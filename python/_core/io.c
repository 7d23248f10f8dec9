/* Files: safetensors, GGUF, npy, npz (a zip of npy, by Python's zipfile). Paths are str or os.PathLike. */
#include "core.h"
#include <string.h>

/* A path as UTF-8 bytes: *holder keeps them alive. */
static const char *read_path(const char *function, PyObject *o, PyObject **holder) {
  *holder = NULL;
  PyObject *os = PyImport_ImportModule("os");
  PyObject *bytes = os ? PyObject_CallMethod(os, "fsencode", "O", o) : NULL;
  Py_XDECREF(os);
  char *s = NULL;
  Py_ssize_t n;
  if (!bytes) {
    if (PyErr_ExceptionMatches(PyExc_TypeError))
      PyErr_Format(PyExc_TypeError, "%s(): expected a str or a path for argument 'file'", function);
    return NULL;
  }
  if (PyBytes_AsStringAndSize(bytes, &s, &n) < 0 || (Py_ssize_t)strlen(s) != n) {
    Py_DECREF(bytes);
    PyErr_Format(PyExc_ValueError, "%s(): expected a path without null bytes", function);
    return NULL;
  }
  *holder = bytes;
  return s;
}

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && !strcmp(s + n - m, end);
}

/* ---- Loading ---- */
static PyObject *file_arrays(mx_file file) {
  PyObject *d = PyDict_New();
  for (int i = 0; d && i < mx_file_count(file); i++) {
    PyObject *a = py_wrap(mx_file_array(file, i));
    if (!a || PyDict_SetItemString(d, mx_file_name(file, i), a) < 0) Py_CLEAR(d);
    Py_XDECREF(a);
  }
  return d;
}

static PyObject *meta_value(const mx_meta *m) {
  switch (m->kind) {
  case MX_META_STRING: return PyUnicode_DecodeUTF8(m->string, (Py_ssize_t)strlen(m->string), "replace");
  case MX_META_STRINGS: {
    PyObject *l = PyList_New((Py_ssize_t)m->nstrings);
    for (int64_t i = 0; l && i < m->nstrings; i++) {
      PyObject *s = PyUnicode_DecodeUTF8(m->strings[i], (Py_ssize_t)strlen(m->strings[i]), "replace");
      if (!s)
        Py_CLEAR(l);
      else
        PyList_SetItem(l, i, s);
    }
    return l;
  }
  default: return py_wrap(m->array);
  }
}

static PyObject *file_metadata(mx_file file) {
  PyObject *d = PyDict_New();
  for (int i = 0; d && i < mx_file_meta_count(file); i++) {
    const mx_meta *m = mx_file_meta(file, i);
    PyObject *v = meta_value(m);
    if (!v || PyDict_SetItemString(d, m->key, v) < 0) Py_CLEAR(d);
    Py_XDECREF(v);
  }
  return d;
}

static PyObject *load_named(const char *path, bool gguf, bool metadata) {
  PyThreadState *state = PyEval_SaveThread();
  mx_file file = gguf ? mx_load_gguf(path) : mx_load_safetensors(path);
  PyEval_RestoreThread(state);
  if (!file) return py_raise();
  PyObject *arrays = file_arrays(file), *r = NULL;
  if (!metadata)
    r = Py_XNewRef(arrays);
  else {
    PyObject *m = arrays ? file_metadata(file) : NULL;
    r = m ? PyTuple_Pack(2, arrays, m) : NULL;
    Py_XDECREF(m);
  }
  Py_XDECREF(arrays);
  mx_file_free(file);
  return r;
}

/* The members of a zip, unpacked one at a time beside each other in a temporary folder. A mapped file
 * outlives its name. */
static const char load_npz_source[] =
    "import os, tempfile, zipfile\n"
    "def load_npz(path, load):\n"
    "    try:\n"
    "        archive = zipfile.ZipFile(path)\n"
    "    except zipfile.BadZipFile as error:\n"
    "        raise ValueError(f'[load_npz] {os.fspath(path)}: {error}') from None\n"
    "    arrays = {}\n"
    "    with archive, tempfile.TemporaryDirectory() as folder:\n"
    "        for number, name in enumerate(archive.namelist()):\n"
    "            part = os.path.join(folder, f'{number}.npy')\n"
    "            with archive.open(name) as source, open(part, 'wb') as target:\n"
    "                while block := source.read(1 << 20):\n"
    "                    target.write(block)\n"
    "            arrays[name[:-4] if name.endswith('.npy') else name] = load(part)\n"
    "    return arrays\n"
    "def save_npz(path, arrays, compressed, save):\n"
    "    path = os.fspath(path)\n"
    "    if not path.endswith('.npz'):\n"
    "        path += '.npz'\n"
    "    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED\n"
    "    whole = f'{path}.{os.getpid()}.part'\n"
    "    try:\n"
    "        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(whole, 'w', kind) as archive:\n"
    "            for number, (name, array) in enumerate(arrays.items()):\n"
    "                part = os.path.join(folder, f'{number}.npy')\n"
    "                save(part, array)\n"
    "                archive.write(part, name + '.npy')\n"
    "        os.replace(whole, path)\n"
    "    finally:\n"
    "        if os.path.exists(whole):\n"
    "            os.remove(whole)\n";

static PyObject *zip_function(const char *name) {
  static PyObject *space;
  if (!space) {
    PyObject *d = PyDict_New(), *code = Py_CompileString(load_npz_source, "<mlx npz>", Py_file_input),
             *r = NULL;
    PyObject *builtins = PyImport_ImportModule("builtins");
    if (d && code && builtins && PyDict_SetItemString(d, "__builtins__", builtins) == 0)
      r = PyEval_EvalCode(code, d, d);
    Py_XDECREF(code);
    Py_XDECREF(builtins);
    if (!r) {
      Py_XDECREF(d);
      return NULL;
    }
    Py_DECREF(r);
    space = d;
  }
  return Py_XNewRef(PyDict_GetItemString(space, name));
}

static PyObject *own_function(const char *name) { return PyObject_GetAttrString(py_module, name); }

static PyObject *load_npz(PyObject *path) {
  PyObject *load = own_function("load"), *unzip = load ? zip_function("load_npz") : NULL;
  PyObject *r = unzip ? PyObject_CallFunctionObjArgs(unzip, path, load, NULL) : NULL;
  Py_XDECREF(load);
  Py_XDECREF(unzip);
  return r;
}

FUNCTION(load, "file: object, /, format: str? = None, return_metadata: bool = False" STREAM,
         "The arrays of a file: one array (npy) or a dict (npz, safetensors, gguf), with return_metadata "
         "(dict, metadata). The "
         "format is the name's ending unless given. A bad file raises ValueError, an absent one OSError.") {
  PyObject *holder, *r = NULL;
  const char *path = read_path("load", f->v[0].o, &holder);
  if (!path) return NULL;
  const char *dot = strrchr(path, '.'), *format = py_given(f, 1) ? f->v[1].s : dot ? dot + 1 : "";
  bool metadata = f->v[2].b;
  if (!strcmp(format, "safetensors") || !strcmp(format, "gguf"))
    r = load_named(path, *format == 'g', metadata);
  else if (metadata && (!strcmp(format, "npy") || !strcmp(format, "npz")))
    PyErr_Format(PyExc_ValueError, "[load] expected safetensors or gguf with return_metadata, got %s",
                 format);
  else if (!strcmp(format, "npy"))
    r = py_wrap(mx_load_npy(path));
  else if (!strcmp(format, "npz"))
    r = load_npz(f->v[0].o);
  else
    PyErr_Format(PyExc_ValueError, "[load] expected npy, npz, safetensors or gguf, got format '%s'", format);
  Py_DECREF(holder);
  return r;
}

/* ---- Saving ---- */
/* The path with an ending, when it lacks it; for PyMem_Free. */
static char *with_ending(const char *path, const char *end) {
  size_t n = strlen(path), m = ends_with(path, end) ? 0 : strlen(end);
  char *s = PyMem_Malloc(n + m + 1);
  if (!s) return (char *)PyErr_NoMemory();
  memcpy(s, path, n);
  memcpy(s + n, end, m);
  s[n + m] = 0;
  return s;
}

FUNCTION(save, "file: object, arr: array", "Saves one array as npy; the ending is added where it lacks.") {
  PyObject *holder;
  const char *path = read_path("save", f->v[0].o, &holder);
  char *full = path ? with_ending(path, ".npy") : NULL;
  Py_XDECREF(holder);
  if (!full) return NULL;
  mx_array a = f->v[1].a;
  int r = py_eval(1, &a);
  if (r == 0 && (r = mx_save_npy(full, a)) < 0) py_raise();
  PyMem_Free(full);
  if (r < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *save_zip(PyObject *const *args, Py_ssize_t n, PyObject *names, bool compressed,
                          const char *function) {
  if (n < 1) {
    PyErr_Format(PyExc_TypeError, "%s(): missing argument 'file'", function);
    return NULL;
  }
  PyObject *arrays = PyDict_New(), *save = own_function("save"), *zip = zip_function("save_npz"), *r = NULL;
  for (Py_ssize_t i = 1; arrays && i < n; i++) {
    char name[32];
    snprintf(name, sizeof name, "arr_%zd", i - 1);
    if (PyDict_SetItemString(arrays, name, args[i]) < 0) Py_CLEAR(arrays);
  }
  for (Py_ssize_t i = 0; arrays && names && i < PyTuple_Size(names); i++)
    if (PyDict_SetItem(arrays, PyTuple_GetItem(names, i), args[n + i]) < 0) Py_CLEAR(arrays);
  if (arrays && save && zip)
    r = PyObject_CallFunctionObjArgs(zip, args[0], arrays, compressed ? Py_True : Py_False, save, NULL);
  Py_XDECREF(arrays);
  Py_XDECREF(save);
  Py_XDECREF(zip);
  return r;
}
/* Any keyword is an array's name, so these two don't go through the parser. */
static PyObject *call_savez(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  (void)self;
  return save_zip(args, n, names, false, "savez");
}
static PyObject *call_savez_compressed(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  (void)self;
  return save_zip(args, n, names, true, "savez_compressed");
}
static function function_savez = {"savez",
                                  "file: object, *args, **kwargs",
                                  "Saves arrays as npz: arr_0, arr_1 ... and keywords by name.",
                                  NULL,
                                  call_savez,
                                  NULL,
                                  0,
                                  0,
                                  0,
                                  0,
                                  -1,
                                  0};
MXI_ROW(core, savez);
static function function_savez_compressed = {"savez_compressed",
                                             "file: object, *args, **kwargs",
                                             "As savez, compressed.",
                                             NULL,
                                             call_savez_compressed,
                                             NULL,
                                             0,
                                             0,
                                             0,
                                             0,
                                             -1,
                                             0};
MXI_ROW(core, savez_compressed);

/* Names and arrays, or keys and strings, of a dict: borrowed from it. */
static int read_dict(PyObject *d, const char **names, mx_array *arrays, const char **strings) {
  PyObject *key, *value;
  Py_ssize_t at = 0;
  for (int i = 0; PyDict_Next(d, &at, &key, &value); i++) {
    if (!PyUnicode_Check(key) || (arrays ? !py_is_array(value) : !PyUnicode_Check(value))) {
      PyErr_Format(PyExc_TypeError, "[save] expected a dict from str to %s", arrays ? "array" : "str");
      return -1;
    }
    if (!(names[i] = PyUnicode_AsUTF8AndSize(key, NULL))) return -1;
    if (arrays)
      arrays[i] = py_handle(value);
    else if (!(strings[i] = PyUnicode_AsUTF8AndSize(value, NULL)))
      return -1;
  }
  return 0;
}

FUNCTION(save_safetensors, "file: object, arrays: object, metadata: object? = None",
         "Saves a dict of arrays, and a dict of strings as metadata; the ending is added where it lacks.") {
  PyObject *arrays = f->v[1].o, *meta = py_given(f, 2) ? f->v[2].o : NULL, *holder = NULL;
  if (!PyDict_Check(arrays) || (meta && !PyDict_Check(meta))) {
    PyErr_SetString(PyExc_TypeError,
                    "save_safetensors(): expected a dict of arrays and an optional dict of str");
    return NULL;
  }
  int n = (int)PyDict_Size(arrays), m = meta ? (int)PyDict_Size(meta) : 0, r = -1;
  const char **names = PyMem_Malloc(sizeof *names * (size_t)(n + 2 * m + 1)), *path = NULL;
  mx_array *handles = PyMem_Malloc(sizeof *handles * (size_t)(n + 1));
  char *full = NULL;
  if (!names || !handles)
    PyErr_NoMemory();
  else if (read_dict(arrays, names, handles, NULL) == 0 &&
           (!meta || read_dict(meta, names + n, NULL, names + n + m) == 0) &&
           (path = read_path("save_safetensors", f->v[0].o, &holder)) &&
           (full = with_ending(path, ".safetensors")) && py_eval(n, handles) == 0) {
    r = mx_save_safetensors(full, n, names, handles, m, names + n, names + n + m);
    if (r < 0) py_raise();
  }
  Py_XDECREF(holder);
  PyMem_Free(full);
  PyMem_Free(names);
  PyMem_Free(handles);
  if (r < 0) return NULL;
  Py_RETURN_NONE;
}

/* The strings of a list into meta->strings (freed by the caller). */
static int read_strings(PyObject *list, mx_meta *meta) {
  Py_ssize_t n = PyList_Size(list);
  const char **s = PyMem_Calloc((size_t)(n + 1), sizeof *s);
  if (!s) return PyErr_NoMemory(), -1;
  meta->kind = MX_META_STRINGS;
  meta->strings = s;
  meta->nstrings = n;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *e = PyList_GetItem(list, i);
    s[i] = PyUnicode_Check(e) ? PyUnicode_AsUTF8AndSize(e, NULL) : NULL;
    if (s[i]) continue;
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "save_gguf(): expected a list of str in the metadata");
    return -1;
  }
  return 0;
}

static int read_meta(PyObject *d, mx_meta *meta) {
  PyObject *key, *value;
  Py_ssize_t at = 0;
  for (int i = 0; PyDict_Next(d, &at, &key, &value); i++) {
    meta[i].key = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, NULL) : NULL;
    if (!meta[i].key) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "save_gguf(): expected metadata with str keys");
      return -1;
    }
    if (py_is_array(value)) {
      meta[i].kind = MX_META_ARRAY;
      meta[i].array = py_handle(value);
      if (py_eval(1, &meta[i].array) < 0) return -1;
    } else if (PyList_Check(value)) {
      if (read_strings(value, &meta[i]) < 0) return -1;
    } else if (PyUnicode_Check(value)) {
      meta[i].kind = MX_META_STRING;
      if (!(meta[i].string = PyUnicode_AsUTF8AndSize(value, NULL))) return -1;
    } else {
      PyErr_SetString(PyExc_TypeError, "save_gguf(): expected metadata of arrays, str or lists of str");
      return -1;
    }
  }
  return 0;
}

FUNCTION(save_gguf, "file: object, arrays: object, metadata: object? = None",
         "Saves a dict of arrays as GGUF, with metadata: arrays, strings or lists of strings. The ending is "
         "added where it lacks.") {
  PyObject *arrays = f->v[1].o, *meta = py_given(f, 2) ? f->v[2].o : NULL, *holder = NULL;
  if (!PyDict_Check(arrays) || (meta && !PyDict_Check(meta))) {
    PyErr_SetString(PyExc_TypeError,
                    "save_gguf(): expected a dict of arrays and an optional dict of metadata");
    return NULL;
  }
  int n = (int)PyDict_Size(arrays), m = meta ? (int)PyDict_Size(meta) : 0, r = -1;
  const char **names = PyMem_Malloc(sizeof *names * (size_t)(n + 1)), *path = NULL;
  mx_array *handles = PyMem_Malloc(sizeof *handles * (size_t)(n + 1));
  mx_meta *entries = PyMem_Calloc((size_t)(m + 1), sizeof *entries);
  char *full = NULL;
  if (!names || !handles || !entries)
    PyErr_NoMemory();
  else if (read_dict(arrays, names, handles, NULL) == 0 && (!meta || read_meta(meta, entries) == 0) &&
           (path = read_path("save_gguf", f->v[0].o, &holder)) && (full = with_ending(path, ".gguf")) &&
           py_eval(n, handles) == 0) {
    r = mx_save_gguf(full, n, names, handles, m, entries);
    if (r < 0) py_raise();
  }
  for (int i = 0; entries && i < m; i++) PyMem_Free((void *)(uintptr_t)entries[i].strings);
  Py_XDECREF(holder);
  PyMem_Free(full);
  PyMem_Free(names);
  PyMem_Free(handles);
  PyMem_Free(entries);
  if (r < 0) return NULL;
  Py_RETURN_NONE;
}
