/* save, savez, save_safetensors, save_gguf. What is saved is held by copies of the dicts: while a file object
   writes, other Python code runs and may change its arguments. */
#include "io.h"
#include <string.h>

/* ---- Names and arrays ---- */
typedef struct items {
  PyObject *arrays, *meta; /* dicts of our own; their strings are borrowed below */
  int n, nmeta;
  const char **names, **keys, **values; /* one block: names; keys and values are those of strings */
  mx_array *handles;
  mx_meta *entries; /* gguf's metadata */
} items;

static void free_items(items *it) {
  for (int i = 0; it->entries && i < it->nmeta; i++) PyMem_Free((void *)(uintptr_t)it->entries[i].strings);
  PyMem_Free(it->entries);
  PyMem_Free(it->names);
  PyMem_Free(it->handles);
  Py_XDECREF(it->arrays);
  Py_XDECREF(it->meta);
}

/* A str as UTF-8, borrowed from it, or NULL with an exception that names what was expected. */
static const char *utf8(const char *function, PyObject *o, const char *expected) {
  Py_ssize_t n = 0;
  if (!PyUnicode_Check(o)) {
    py_wrong_type(function, expected, o);
    return NULL;
  }
  const char *s = PyUnicode_AsUTF8AndSize(o, &n);
  if (s && (Py_ssize_t)strlen(s) != n) {
    PyErr_Format(PyExc_ValueError, "%s(): expected strings without null characters", function);
    return NULL;
  }
  return s;
}

/* Takes a copy of the dict of arrays, and evaluates them. */
static int read_dict(items *it, const char *function, PyObject *dict, const char *expected) {
  PyObject *key, *value;
  Py_ssize_t at = 0;
  if (!PyDict_Check(dict)) return py_wrong_type(function, expected, dict);
  it->arrays = PyDict_Copy(dict);
  if (!it->arrays) return -1;
  it->n = (int)PyDict_Size(it->arrays);
  it->names = PyMem_Malloc(sizeof *it->names * (size_t)(it->n + 1));
  it->handles = PyMem_Malloc(sizeof *it->handles * (size_t)(it->n + 1));
  if (!it->names || !it->handles) return PyErr_NoMemory(), -1;
  for (int i = 0; PyDict_Next(it->arrays, &at, &key, &value); i++) {
    if (!(it->names[i] = utf8(function, key, expected))) return -1;
    if (!py_is_array(value)) return py_wrong_type(function, expected, value);
    it->handles[i] = py_lend(py_handle(value));
  }
  return py_eval(it->n, it->handles);
}

/* Opens the target, saves by one of the two functions, and closes. */
typedef int (*saver)(const items *it, const char *path, mx_writer writer);
static int save_items(const items *it, const char *function, PyObject *o, const char *ending, saver save) {
  io_file file;
  int status = io_open_writer(&file, function, o, ending);
  if (!status) {
    io_begin(&file);
    status = save(it, file.path, io_writer(&file));
    io_end(&file);
    if (status < 0) py_raise();
  }
  io_close(&file);
  return status;
}

/* Saves with what was read, or gives up with its exception; frees the items. */
static PyObject *save_and_free(items *it, int status, const char *function, PyObject *o, const char *ending,
                               saver save) {
  if (!status) status = save_items(it, function, o, ending, save);
  free_items(it);
  if (status < 0) return NULL;
  Py_RETURN_NONE;
}

/* ---- npy and npz ---- */
static int save_npy(const items *it, const char *path, mx_writer writer) {
  return path ? mx_save_npy(path, it->handles[0]) : mx_write_npy(writer, it->handles[0]);
}

FUNCTION(
    save, "file: object, arr: array -> None",
    "Saves one array as npy, to an object with write() or a path, which gets the ending where it lacks it.") {
  mx_array a = py_lend(f->v[1].a);
  items it = {.n = 1, .handles = &a};
  if (py_eval(1, &a) < 0 || save_items(&it, "save", f->v[0].o, ".npy", save_npy) < 0) return NULL;
  Py_RETURN_NONE;
}

static int save_stored(const items *it, const char *path, mx_writer writer) {
  return path ? mx_save_npz(path, it->n, it->names, it->handles, false)
              : mx_write_npz(writer, it->n, it->names, it->handles, false);
}
static int save_deflated(const items *it, const char *path, mx_writer writer) {
  return path ? mx_save_npz(path, it->n, it->names, it->handles, true)
              : mx_write_npz(writer, it->n, it->names, it->handles, true);
}

/* The arrays of savez by name: arr_0, arr_1 ... and the keywords. */
static PyObject *named_arguments(frame *f) {
  PyObject *d = PyDict_New();
  char name[32];
  for (Py_ssize_t i = 0; d && i < f->nrest; i++) {
    snprintf(name, sizeof name, "arr_%zd", i);
    if (f->keywords && PyDict_GetItemString(f->keywords, name)) {
      PyErr_Format(PyExc_ValueError, "%s(): expected distinct names, got %s twice", f->f->name, name);
      Py_CLEAR(d);
    } else if (PyDict_SetItemString(d, name, f->rest[i]) < 0) {
      Py_CLEAR(d);
    }
  }
  if (d && f->keywords && PyDict_Update(d, f->keywords) < 0) Py_CLEAR(d);
  return d;
}

static PyObject *savez(frame *f, saver save) {
  items it = {0};
  PyObject *arrays = named_arguments(f);
  int status = arrays ? read_dict(&it, f->f->name, arrays, "arrays") : -1;
  Py_XDECREF(arrays);
  return save_and_free(&it, status, f->f->name, f->v[0].o, ".npz", save);
}

FUNCTION(savez, "file: object, *args, **kwargs -> None",
         "Saves arrays as npz, to an object with write() or a path, which gets the ending where it lacks it. "
         "They are named arr_0, arr_1 ... and by keyword.") {
  return savez(f, save_stored);
}
FUNCTION(savez_compressed, "file: object, *args, **kwargs -> None", "As savez, compressed.") {
  return savez(f, save_deflated);
}

/* ---- safetensors ---- */
/* Takes a copy of a dict of strings. */
static int read_strings(items *it, const char *function, PyObject *dict) {
  static const char expected[] = "metadata as a dict from str to str";
  PyObject *key, *value;
  Py_ssize_t at = 0;
  if (!PyDict_Check(dict)) return py_wrong_type(function, expected, dict);
  it->meta = PyDict_Copy(dict);
  if (!it->meta) return -1;
  it->nmeta = (int)PyDict_Size(it->meta);
  const char **names = PyMem_Realloc(it->names, sizeof *names * (size_t)(it->n + 2 * it->nmeta + 1));
  if (!names) return PyErr_NoMemory(), -1;
  it->names = names;
  it->keys = names + it->n;
  it->values = it->keys + it->nmeta;
  for (int i = 0; PyDict_Next(it->meta, &at, &key, &value); i++)
    if (!(it->keys[i] = utf8(function, key, expected)) || !(it->values[i] = utf8(function, value, expected)))
      return -1;
  return 0;
}

static int save_tensors(const items *it, const char *path, mx_writer writer) {
  return path ? mx_save_safetensors(path, it->n, it->names, it->handles, it->nmeta, it->keys, it->values)
              : mx_write_safetensors(writer, it->n, it->names, it->handles, it->nmeta, it->keys, it->values);
}

FUNCTION(
    save_safetensors, "file: object, arrays: object, metadata: object? = None -> None",
    "Saves a dict of arrays, and a dict of strings as metadata, as safetensors, to an object with write() or "
    "a path, which gets the ending where it lacks it.") {
  items it = {0};
  int status = read_dict(&it, "save_safetensors", f->v[1].o, "a dict from str to array");
  if (!status && py_given(f, 2)) status = read_strings(&it, "save_safetensors", f->v[2].o);
  return save_and_free(&it, status, "save_safetensors", f->v[0].o, ".safetensors", save_tensors);
}

/* ---- gguf ---- */
/* A list of str: its strings are borrowed from a tuple, which takes the list's place in the dict of ours. */
static int read_list(items *it, PyObject *key, PyObject *list, mx_meta *m) {
  PyObject *tuple = PyList_AsTuple(list);
  if (!tuple) return -1;
  Py_ssize_t n = PyTuple_Size(tuple);
  int status = PyDict_SetItem(it->meta, key, tuple); /* it keeps the strings */
  m->kind = MX_META_STRINGS;
  m->nstrings = n;
  const char **strings = PyMem_Calloc((size_t)(n + 1), sizeof *strings);
  m->strings = strings;
  if (!strings) status = (PyErr_NoMemory(), -1);
  for (Py_ssize_t i = 0; i < n && !status; i++) {
    strings[i] = utf8("save_gguf", PyTuple_GetItem(tuple, i), "lists of str in the metadata");
    if (!strings[i]) status = -1;
  }
  Py_DECREF(tuple);
  return status;
}

static int read_entry(items *it, PyObject *key, PyObject *value, mx_meta *m) {
  m->key = utf8("save_gguf", key, "metadata with str keys");
  if (!m->key) return -1;
  if (PyList_Check(value)) return read_list(it, key, value, m);
  if (py_is_array(value)) {
    m->kind = MX_META_ARRAY;
    m->array = py_lend(py_handle(value));
    return py_eval(1, &m->array);
  }
  m->kind = MX_META_STRING;
  m->string = utf8("save_gguf", value, "metadata of arrays, str or lists of str");
  return m->string ? 0 : -1;
}

static int read_metadata(items *it, PyObject *dict) {
  PyObject *key, *value;
  Py_ssize_t at = 0;
  if (!PyDict_Check(dict)) return py_wrong_type("save_gguf", "metadata as a dict", dict);
  it->meta = PyDict_Copy(dict);
  if (!it->meta) return -1;
  it->nmeta = (int)PyDict_Size(it->meta);
  it->entries = PyMem_Calloc((size_t)(it->nmeta + 1), sizeof *it->entries);
  if (!it->entries) return PyErr_NoMemory(), -1;
  /* py_eval lets other threads run, but the dict is ours; only values of keys that it has are replaced */
  for (int i = 0; PyDict_Next(it->meta, &at, &key, &value); i++)
    if (read_entry(it, key, value, &it->entries[i]) < 0) return -1;
  return 0;
}

static int save_tensors_gguf(const items *it, const char *path, mx_writer writer) {
  return path ? mx_save_gguf(path, it->n, it->names, it->handles, it->nmeta, it->entries)
              : mx_write_gguf(writer, it->n, it->names, it->handles, it->nmeta, it->entries);
}

FUNCTION(
    save_gguf, "file: object, arrays: object, metadata: object? = None -> None",
    "Saves a dict of arrays as GGUF, with metadata: arrays, strings or lists of strings, to an object with "
    "write() or a path, which gets the ending where it lacks it.") {
  items it = {0};
  int status = read_dict(&it, "save_gguf", f->v[1].o, "a dict from str to array");
  if (!status && py_given(f, 2)) status = read_metadata(&it, f->v[2].o);
  return save_and_free(&it, status, "save_gguf", f->v[0].o, ".gguf", save_tensors_gguf);
}
