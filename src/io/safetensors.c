/* safetensors: an 8-byte little-endian header length, a JSON object { name: { dtype, shape, data_offsets },
   ...,
   "__metadata__": { key: string } }, then the bytes of the tensors; offsets count from the end of the header.
 */
#include "base/checked.h"
#include "io/file.h"
#include "io/mapping.h"
#include "io/spans.h"
#include "io/writer.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 100000000 }; // the format's own limit, which also bounds the JSON parser's memory

static const char *dtype_name(mx_dtype t) {
  switch (t) {
  case MX_BOOL: return "BOOL";
  case MX_UINT8: return "U8";
  case MX_UINT16: return "U16";
  case MX_UINT32: return "U32";
  case MX_UINT64: return "U64";
  case MX_INT8: return "I8";
  case MX_INT16: return "I16";
  case MX_INT32: return "I32";
  case MX_INT64: return "I64";
  case MX_FLOAT16: return "F16";
  case MX_BFLOAT16: return "BF16";
  case MX_FLOAT32: return "F32";
  case MX_FLOAT64: return "F64";
  case MX_COMPLEX64: return "C64";
  case MX_DTYPE_COUNT: break;
  }
  return "";
}
/* 8-bit floats have no dtype here: their bytes are uint8. */
static bool is_small_float(const char *name) { return !strcmp(name, "F8_E4M3") || !strcmp(name, "F8_E8M0"); }

/* ---- Loading ---- */
struct safetensors_reader {
  struct mxi_place place;
  struct mxi_mapping *map;
  size_t data, data_size; /* where the tensors' bytes start, and how many there are */
  mx_file file;
  mxi_spans spans;
};

static int read_dtype(struct safetensors_reader *r, json_t *info, mx_dtype *t) {
  const char *name = json_string_value(json_object_get(info, "dtype"));
  if (!name) return mxi_bad_file(&r->place, "expected a string \"dtype\", got none");
  if (is_small_float(name)) return *t = MX_UINT8, 0;
  for (int known = 0; known < MX_DTYPE_COUNT; known++) {
    if (strcmp(dtype_name((mx_dtype)known), name)) continue;
    *t = (mx_dtype)known;
    return 0;
  }
  return mxi_bad_file(&r->place, "expected a known dtype, got '%.32s'", name);
}

static int read_shape(struct safetensors_reader *r, json_t *info, int64_t shape[MXI_MAX_NDIM], int *ndim) {
  json_t *list = json_object_get(info, "shape");
  if (!json_is_array(list)) return mxi_bad_file(&r->place, "expected a list \"shape\", got none");
  size_t n = json_array_size(list);
  if (n > MXI_MAX_NDIM)
    return mxi_bad_file(&r->place, "expected at most %d dimensions, got %zu", MXI_MAX_NDIM, n);
  for (size_t i = 0; i < n; i++) {
    json_t *dim = json_array_get(list, i);
    if (!json_is_integer(dim) || json_integer_value(dim) < 0)
      return mxi_bad_file(&r->place, "expected dimensions that are whole numbers, got another value");
    shape[i] = json_integer_value(dim);
  }
  *ndim = (int)n;
  return 0;
}

static int read_offsets(struct safetensors_reader *r, json_t *info, struct mxi_span *span) {
  json_t *list = json_object_get(info, "data_offsets");
  json_t *begin = json_array_get(list, 0), *end = json_array_get(list, 1); // NULL where there is none
  if (json_array_size(list) != 2 || !json_is_integer(begin) || !json_is_integer(end))
    return mxi_bad_file(&r->place, "expected \"data_offsets\" of two whole numbers, got another value");
  int64_t b = json_integer_value(begin), e = json_integer_value(end);
  if (b < 0 || e < b || (uint64_t)e > r->data_size)
    return mxi_bad_file(&r->place, "expected offsets within %zu bytes of data, got [%lld, %lld]",
                        r->data_size, (long long)b, (long long)e);
  span->begin = (size_t)b;
  span->end = (size_t)e;
  return 0;
}

static int read_tensor(struct safetensors_reader *r, const char *name, json_t *info) {
  mx_dtype t = MX_BOOL;
  int64_t shape[MXI_MAX_NDIM];
  int ndim = 0;
  struct mxi_span span = {.name = name};
  mxi_place_at(&r->place, "tensor '%.80s'", name);
  if (!json_is_object(info)) return mxi_bad_file(&r->place, "expected a JSON object, got another value");
  MXI_TRY(read_dtype(r, info, &t));
  MXI_TRY(read_shape(r, info, shape, &ndim));
  MXI_TRY(read_offsets(r, info, &span));
  int64_t bytes = mxi_tensor_bytes(t, (mx_ints){shape, ndim});
  if (bytes < 0) return mxi_bad_file(&r->place, "expected a size below 2^63 bytes, got a larger shape");
  if ((size_t)bytes != span.end - span.begin)
    return mxi_bad_file(&r->place, "expected %lld bytes for its shape and dtype, got %zu", (long long)bytes,
                        span.end - span.begin);
  if (bytes && mxi_push(&r->spans, span) < 0) return -1;
  return mxi_file_add(r->file, name, strlen(name),
                      mxi_mapping_array(r->map, r->data + span.begin, t, (mx_ints){shape, ndim}, NULL));
}

static int read_metadata(struct safetensors_reader *r, json_t *object) {
  const char *key;
  json_t *value;
  mxi_place_at(&r->place, "__metadata__");
  if (!json_is_object(object)) return mxi_bad_file(&r->place, "expected a JSON object, got another value");
  json_object_foreach(object, key, value) {
    mxi_place_at(&r->place, "metadata key '%.80s'", key);
    if (!json_is_string(value)) return mxi_bad_file(&r->place, "expected a string, got another value");
    struct mxi_meta_entry *e = mxi_file_add_meta(r->file, key, strlen(key));
    if (!e || mxi_meta_set_string(e, json_string_value(value), json_string_length(value)) < 0) return -1;
  }
  return 0;
}

static int read_entries(struct safetensors_reader *r, json_t *header) {
  const char *name;
  json_t *info;
  if (!json_is_object(header)) return mxi_bad_file(&r->place, "expected a JSON object, got another value");
  json_object_foreach(header, name, info)
      MXI_TRY(strcmp(name, "__metadata__") ? read_tensor(r, name, info) : read_metadata(r, info));
  MXI_TRY(mxi_check_overlaps(&r->spans, &r->place));
  return mxi_file_finish(r->file, &r->place);
}

static int read_safetensors(struct safetensors_reader *r) {
  uint64_t length;
  mxi_place_at(&r->place, "the header");
  if (r->map->size < sizeof length)
    return mxi_bad_file(&r->place, "expected 8 bytes of header length, got a file of %zu", r->map->size);
  memcpy(&length, r->map->data, sizeof length);
  size_t most = r->map->size - sizeof length;
  if (length > most || length > MAX_HEADER)
    return mxi_bad_file(&r->place, "expected a length of at most %zu, got %llu",
                        most < MAX_HEADER ? most : (size_t)MAX_HEADER, (unsigned long long)length);
  r->data = sizeof length + (size_t)length;
  r->data_size = r->map->size - r->data;
  json_error_t error;
  json_t *header =
      json_loadb((const char *)r->map->data + sizeof length, (size_t)length, JSON_REJECT_DUPLICATES, &error);
  if (!header && json_error_code(&error) == json_error_out_of_memory) return mxi_fail_memory((size_t)length);
  if (!header)
    return mxi_bad_file(&r->place, "expected JSON, got: %.100s (byte %d)", error.text, error.position);
  int status = read_entries(r, header);
  json_decref(header);
  return status;
}

/* Takes over the mapping; NULL is the failure that opened it. */
static mx_file load_safetensors(struct mxi_mapping *map, const char *path) {
  struct safetensors_reader r = {.place = {.op = "load_safetensors", .path = path}, .map = map};
  if (!map) return NULL;
  r.file = mxi_file_new();
  int status = r.file && mxi_mapping_fill(map, SIZE_MAX) == 0 ? read_safetensors(&r) : -1;
  mxi_vec_free(&r.spans);
  status = mxi_mapping_close(map, status);
  if (!status) return r.file;
  mx_file_free(r.file);
  return NULL;
}

mx_file mx_load_safetensors(const char *path) {
  return load_safetensors(mxi_mapping_open("load_safetensors", path), path);
}
mx_file mx_read_safetensors(mx_reader reader) {
  return load_safetensors(mxi_mapping_stream("load_safetensors", &reader), mxi_stream_name(reader.name));
}

/* ---- Saving ---- wide elements first, so that every tensor is aligned ---- */
struct item {
  const char *name;
  mx_array array;
  int64_t begin, end;
};

static int lay_out(struct item *items, int n) {
  int64_t at = 0;
  for (size_t width = 8; width; width /= 2) {
    for (int i = 0; i < n; i++) {
      if (mx_dtype_size(mx_dtype_of(items[i].array)) != width) continue;
      items[i].begin = at;
      if (!mxi_add(at, (int64_t)mx_nbytes(items[i].array), &at))
        return mxi_fail(MX_INVALID_ARGUMENT, "[save_safetensors] expected less than 2^63 bytes, got more");
      items[i].end = at;
    }
  }
  return 0;
}

static json_t *describe(const struct item *item) {
  json_t *shape = json_array();
  for (int i = 0; i < mx_ndim(item->array); i++)
    json_array_append_new(shape, json_integer(mx_dim(item->array, i)));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(mx_dtype_of(item->array)), "shape", shape,
                   "data_offsets", (json_int_t)item->begin, (json_int_t)item->end);
}

/* Adds value under a name that is new and valid UTF-8; takes over value. */
static int add_member(json_t *object, const char *name, json_t *value, const char *what) {
  if (!mxi_utf8_valid(name, strlen(name)) || json_object_get(object, name) || !strcmp(name, "__metadata__")) {
    json_decref(value);
    return mxi_fail(MX_INVALID_ARGUMENT, "[save_safetensors] expected distinct %s in UTF-8, got '%.80s'",
                    what, name);
  }
  return json_object_set_new(object, name, value) < 0 ? mxi_fail_memory(strlen(name)) : 0;
}

static int add_metadata(json_t *header, int n, const char *const *keys, const char *const *values) {
  if (n < 0 || !keys || !values)
    return mxi_fail(MX_INVALID_ARGUMENT, "[save_safetensors] expected lists of %d metadata keys and values",
                    n);
  json_t *metadata = json_object();
  if (json_object_set_new(header, "__metadata__", metadata) < 0) return mxi_fail_memory(sizeof(void *));
  for (int i = 0; i < n; i++) {
    if (!keys[i] || !values[i])
      return mxi_fail(MX_TYPE_ERROR, "[save_safetensors] expected metadata key %d and its value, got NULL",
                      i);
    if (!mxi_utf8_valid(values[i], strlen(values[i])))
      return mxi_fail(MX_INVALID_ARGUMENT,
                      "[save_safetensors] expected metadata in UTF-8, got other bytes at key '%.80s'",
                      keys[i]);
    MXI_TRY(add_member(metadata, keys[i], json_string(values[i]), "metadata keys"));
  }
  return 0;
}

/* The header's text; free() it. NULL with the error set. */
static char *make_header(const struct item *items, int n, int nmeta, const char *const *keys,
                         const char *const *values) {
  json_t *header = json_object();
  int status = nmeta ? add_metadata(header, nmeta, keys, values) : 0;
  for (int i = 0; i < n && !status; i++)
    status = add_member(header, items[i].name, describe(&items[i]), "names");
  char *text = status ? NULL : json_dumps(header, JSON_COMPACT);
  if (!status && !text) mxi_fail_memory((size_t)n * sizeof *items);
  json_decref(header);
  if (text && strlen(text) > MAX_HEADER - 8) {
    mxi_fail(MX_INVALID_ARGUMENT, "[save_safetensors] expected a header of at most %d bytes, got %zu",
             MAX_HEADER, strlen(text));
    free(text);
    return NULL;
  }
  return text;
}

static int write_safetensors(struct mxi_writer *w, const char *header, const struct item *items, int n) {
  static const char spaces[8] = "        ";
  uint64_t length = strlen(header), padded = (length + 7) & ~7ull;
  MXI_TRY(mxi_writer_write(w, &padded, sizeof padded));
  MXI_TRY(mxi_writer_write(w, header, length));
  MXI_TRY(mxi_writer_write(w, spaces, padded - length));
  for (size_t width = 8; width; width /= 2)
    for (int i = 0; i < n; i++)
      if (mx_dtype_size(mx_dtype_of(items[i].array)) == width) MXI_TRY(mxi_writer_array(w, items[i].array));
  return 0;
}

static int save_safetensors(const struct mxi_target *to, int n, const char *const *names,
                            const mx_array *arrays, int nmeta, const char *const *keys,
                            const char *const *values) {
  MXI_TRY(mxi_check_saved("save_safetensors", to, n, names, arrays));
  struct item *items = mxi_calloc((size_t)n, sizeof *items);
  if (!items) return -1;
  for (int i = 0; i < n; i++) items[i] = (struct item){.name = names[i], .array = arrays[i]};
  struct mxi_writer w;
  char *header = lay_out(items, n) < 0 ? NULL : make_header(items, n, nmeta, keys, values);
  int status = header ? mxi_writer_open(&w, "save_safetensors", to) : -1;
  if (!status) status = mxi_writer_close(&w, write_safetensors(&w, header, items, n));
  free(header);
  mxi_free(items);
  return status;
}

int mx_save_safetensors(const char *path, int n, const char *const *names, const mx_array *arrays, int nmeta,
                        const char *const *keys, const char *const *values) {
  return save_safetensors(&(struct mxi_target){.path = path}, n, names, arrays, nmeta, keys, values);
}
int mx_write_safetensors(mx_writer writer, int n, const char *const *names, const mx_array *arrays, int nmeta,
                         const char *const *keys, const char *const *values) {
  return save_safetensors(&(struct mxi_target){.to_stream = true, .stream = writer}, n, names, arrays, nmeta,
                          keys, values);
}
