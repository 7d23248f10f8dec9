/* GGUF's metadata: key, type, value. Numbers become scalars, arrays of numbers vectors, arrays of strings
 * lists. */
#include "core/dtype.h"
#include "io/gguf.h"
#include "io/gguf_values.h"
#include <string.h>

static int take_type(struct mxi_gguf *g, uint32_t *type) {
  MXI_TRY(mxi_gguf_take(g, type, sizeof *type));
  return *type < MXI_GGUF_VALUE_TYPES
             ? 0
             : mxi_bad_file(&g->place, "expected a value type below %d, got %u", MXI_GGUF_VALUE_TYPES, *type);
}

static int check_bools(struct mxi_gguf *g, const uint8_t *bools, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (bools[i] > 1) return mxi_bad_file(&g->place, "expected a bool of 0 or 1, got %u", bools[i]);
  return 0;
}

static int read_scalar(struct mxi_gguf *g, uint32_t type, mx_meta *m) {
  uint64_t bits = 0;
  mx_dtype t = mxi_gguf_values[type].dtype;
  MXI_TRY(mxi_gguf_take(g, &bits, mx_dtype_size(t)));
  if (t == MX_BOOL) MXI_TRY(check_bools(g, (const uint8_t *)&bits, 1));
  m->kind = mxi_gguf_values[type].kind;
  m->number = mxi_scalar_load(&bits, t, NULL);
  if (m->kind != MX_META_DOUBLE) m->integer = mxi_scalar_load_int(&bits, t);
  m->array = mxi_array_fill(t, MX_NO_SHAPE, &bits);
  return m->array ? 0 : -1;
}

static int read_vector(struct mxi_gguf *g, uint32_t type, uint64_t n, mx_meta *m) {
  mx_dtype t = mxi_gguf_values[type].dtype;
  size_t left = (g->map->size - g->at) / mx_dtype_size(t);
  if (n > left)
    return mxi_bad_file(&g->place, "expected at most %zu elements, got a count of %llu", left,
                        (unsigned long long)n);
  m->kind = MX_META_ARRAY;
  m->array = mxi_array_alloc(t, MX_SHAPE((int64_t)n));
  if (!m->array) return -1;
  if (n) MXI_TRY(mxi_gguf_take(g, m->array->data, (size_t)n * mx_dtype_size(t)));
  return t == MX_BOOL ? check_bools(g, m->array->data, (size_t)n) : 0;
}

/* Walks n strings; with `text` copies them there, each behind its pointer in list. *bytes: their size with
   NULs. A mapped file may change between the two walks. */
static int walk_strings(struct mxi_gguf *g, uint64_t n, const char **list, char *text, size_t *bytes) {
  const char *s = NULL;
  size_t length = 0, total = 0, room = *bytes;
  for (uint64_t i = 0; i < n; i++) {
    MXI_TRY(mxi_gguf_take_string(g, &s, &length));
    if (text) {
      if (length >= room - total)
        return mxi_bad_file(&g->place, "expected the strings read before, got longer ones");
      list[i] = text + total;
      memcpy(text + total, s, length);
      text[total + length] = 0;
    }
    total += length + 1; // each took its length + 8 bytes of the file, so the sum can't overflow
  }
  *bytes = total;
  return 0;
}

static int read_strings(struct mxi_gguf *g, uint64_t n, struct mxi_meta_entry *e) {
  size_t left = (g->map->size - g->at) / sizeof n, start = g->at, bytes = 0;
  if (n > left)
    return mxi_bad_file(&g->place, "expected at most %zu strings, got a count of %llu", left,
                        (unsigned long long)n);
  MXI_TRY(walk_strings(g, n, NULL, NULL, &bytes));
  e->storage = mxi_malloc((size_t)n * sizeof(char *) + bytes);
  if (!e->storage) return -1;
  g->at = start;
  const char **list = (const char **)e->storage;
  MXI_TRY(walk_strings(g, n, list, e->storage + (size_t)n * sizeof(char *), &bytes));
  e->meta.kind = MX_META_STRINGS;
  e->meta.strings = list;
  e->meta.nstrings = (int64_t)n;
  return 0;
}

static int read_list(struct mxi_gguf *g, struct mxi_meta_entry *e) {
  uint32_t type = 0;
  uint64_t n = 0;
  MXI_TRY(take_type(g, &type));
  MXI_TRY(mxi_gguf_take(g, &n, sizeof n));
  if (type == MXI_GGUF_VALUE_ARRAY)
    return mxi_bad_file(&g->place, "expected an array of numbers or strings, got one of arrays");
  return type == MXI_GGUF_VALUE_STRING ? read_strings(g, n, e) : read_vector(g, type, n, &e->meta);
}

static int read_value(struct mxi_gguf *g, struct mxi_meta_entry *e) {
  uint32_t type = 0;
  const char *s = NULL;
  size_t n = 0;
  MXI_TRY(take_type(g, &type));
  if (type == MXI_GGUF_VALUE_ARRAY) return read_list(g, e);
  if (type != MXI_GGUF_VALUE_STRING) return read_scalar(g, type, &e->meta);
  MXI_TRY(mxi_gguf_take_string(g, &s, &n));
  return mxi_meta_set_string(e, s, n);
}

static int read_alignment(struct mxi_gguf *g, const mx_meta *m) {
  if (m->kind != MX_META_INT || m->integer < 8 || m->integer > 1 << 30 || m->integer % 8)
    return mxi_bad_file(&g->place, "expected a multiple of 8 below 2^30, got another value");
  g->alignment = (uint32_t)m->integer;
  return 0;
}

int mxi_gguf_read_meta(struct mxi_gguf *g, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    const char *key = NULL;
    size_t length = 0;
    mxi_place_at(&g->place, "metadata entry %llu", (unsigned long long)i);
    MXI_TRY(mxi_gguf_take_string(g, &key, &length));
    mxi_place_at(&g->place, "metadata key '%.*s'", length < 80 ? (int)length : 80, key);
    struct mxi_meta_entry *e = mxi_file_add_meta(g->file, key, length);
    if (!e) return -1;
    MXI_TRY(read_value(g, e));
    if (!strcmp(e->meta.key, "general.alignment")) MXI_TRY(read_alignment(g, &e->meta));
  }
  return 0;
}
