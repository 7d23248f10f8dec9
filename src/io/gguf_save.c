/* Writing GGUF version 3. The inverse of gguf.c: dimensions innermost first, tensors aligned to 32. */
#include "base/checked.h"
#include "base/vec.h"
#include "io/gguf_types.h"
#include "io/gguf_values.h"
#include "io/place.h"
#include "io/writer.h"
#include "mlx/io.h"
#include "mlx/ops.h"
#include <string.h>

enum { ALIGNMENT = 32, NONE = -1 };

/* The header is built in memory: names, shapes and metadata only. */
typedef mxi_vec(char) text;

static int put_bytes(text *t, const void *data, size_t n) {
  if (mxi_reserve(t, t->n + n) < 0) return -1;
  if (n) memcpy(t->v + t->n, data, n);
  t->n += n;
  return 0;
}
static int put32(text *t, int v) { return put_bytes(t, &(uint32_t){(uint32_t)v}, 4); }
static int put64(text *t, int64_t v) { return put_bytes(t, &v, 8); }
static int put_string(text *t, const char *s) {
  if (!s) return mxi_fail(MX_TYPE_ERROR, "[save_gguf] expected a text, got NULL");
  if (!mxi_utf8_valid(s, strlen(s)))
    return mxi_fail(MX_INVALID_ARGUMENT, "[save_gguf] expected names and strings in UTF-8, got other bytes");
  MXI_TRY(put64(t, (int64_t)strlen(s)));
  return put_bytes(t, s, strlen(s));
}

/* ---- Metadata ---- */
static int put_numbers(text *t, const mx_meta *m) {
  int status = -1;
  MX_SCOPE {
    mx_array a = mx_contiguous(m->array, false);
    int type = mx_ok(a) ? mxi_gguf_value_number(mx_dtype_of(a)) : NONE;
    if (mx_eval(a) < 0) break;
    if (type == NONE || mx_ndim(a) > 1) {
      mxi_fail(MX_INVALID_ARGUMENT,
               "[save_gguf] expected a number or a vector of dtypes that GGUF has at '%.80s', got %s (%d-d)",
               m->key, mx_dtype_name(mx_dtype_of(a)), mx_ndim(a));
      break;
    }
    bool vector = mx_ndim(a) == 1;
    if (vector && (put32(t, MXI_GGUF_VALUE_ARRAY) < 0)) break;
    if (put32(t, type) < 0 || (vector && put64(t, mx_size(a)) < 0)) break;
    status = mx_size(a) ? put_bytes(t, mx_data(a), mx_nbytes(a)) : 0;
  }
  return status;
}

static int put_strings(text *t, const mx_meta *m) {
  if (m->nstrings < 0 || (m->nstrings && !m->strings))
    return mxi_fail(MX_INVALID_ARGUMENT, "[save_gguf] expected a list of %lld strings at '%.80s'",
                    (long long)m->nstrings, m->key);
  MXI_TRY(put32(t, MXI_GGUF_VALUE_ARRAY));
  MXI_TRY(put32(t, MXI_GGUF_VALUE_STRING));
  MXI_TRY(put64(t, m->nstrings));
  for (int64_t i = 0; i < m->nstrings; i++) MXI_TRY(put_string(t, m->strings[i]));
  return 0;
}

static int put_meta(text *t, const mx_meta *m) {
  MXI_TRY(put_string(t, m->key));
  if (m->array) return put_numbers(t, m); // a scalar keeps its dtype
  switch (m->kind) {
  case MX_META_STRING: MXI_TRY(put32(t, MXI_GGUF_VALUE_STRING)); return put_string(t, m->string);
  case MX_META_STRINGS: return put_strings(t, m);
  case MX_META_INT: MXI_TRY(put32(t, mxi_gguf_value_number(MX_INT64))); return put64(t, m->integer);
  case MX_META_DOUBLE:
    MXI_TRY(put32(t, mxi_gguf_value_number(MX_FLOAT64)));
    return put_bytes(t, &m->number, 8);
  case MX_META_BOOL:
    MXI_TRY(put32(t, mxi_gguf_value_number(MX_BOOL)));
    return put_bytes(t, &(uint8_t){m->integer != 0}, 1);
  default: return mxi_fail(MX_INVALID_ARGUMENT, "[save_gguf] expected an array at '%.80s', got none", m->key);
  }
}

/* ---- Tensors ---- */
static int put_info(text *t, const char *name, mx_array a, int64_t *offset) {
  int type = mxi_gguf_number_of(mx_dtype_of(a));
  if (type < 0)
    return mxi_fail(MX_INVALID_ARGUMENT, "[save_gguf] expected floats or signed integers for '%.80s', got %s",
                    name, mx_dtype_name(mx_dtype_of(a)));
  MXI_TRY(put_string(t, name));
  MXI_TRY(put32(t, mx_ndim(a)));
  for (int i = mx_ndim(a) - 1; i >= 0; i--) MXI_TRY(put64(t, mx_dim(a, i)));
  MXI_TRY(put32(t, type));
  MXI_TRY(put64(t, *offset));
  int64_t bytes = (int64_t)mx_nbytes(a);
  if (!mxi_add(bytes, ALIGNMENT - 1, &bytes) || !mxi_add(*offset, bytes / ALIGNMENT * ALIGNMENT, offset))
    return mxi_fail(MX_INVALID_ARGUMENT, "[save_gguf] expected less than 2^63 bytes, got more");
  return 0;
}

static const char zeros[ALIGNMENT];

static int put_header(text *t, int n, const char *const *names, const mx_array *arrays, int nmeta,
                      const mx_meta *meta) {
  int64_t offset = 0;
  if (nmeta < 0 || (nmeta && !meta))
    return mxi_fail(MX_INVALID_ARGUMENT, "[save_gguf] expected a list of %d metadata entries", nmeta);
  MXI_TRY(put_bytes(t, "GGUF", 4));
  MXI_TRY(put32(t, 3));
  MXI_TRY(put64(t, n));
  MXI_TRY(put64(t, nmeta));
  for (int i = 0; i < nmeta; i++) MXI_TRY(put_meta(t, &meta[i]));
  for (int i = 0; i < n; i++) MXI_TRY(put_info(t, names[i], arrays[i], &offset));
  return put_bytes(t, zeros, -t->n % ALIGNMENT);
}

static int write_gguf(struct mxi_writer *w, const text *header, int n, const mx_array *arrays) {
  MXI_TRY(mxi_writer_write(w, header->v, header->n));
  for (int i = 0; i < n; i++) {
    MXI_TRY(mxi_writer_array(w, arrays[i]));
    MXI_TRY(mxi_writer_write(w, zeros, -mx_nbytes(arrays[i]) % ALIGNMENT));
  }
  return 0;
}

static int save_gguf(const struct mxi_target *to, int n, const char *const *names, const mx_array *arrays,
                     int nmeta, const mx_meta *meta) {
  text header = {0};
  struct mxi_writer w;
  MXI_TRY(mxi_check_saved("save_gguf", to, n, names, arrays));
  int status = put_header(&header, n, names, arrays, nmeta, meta);
  if (!status) status = mxi_writer_open(&w, "save_gguf", to);
  if (!status) status = mxi_writer_close(&w, write_gguf(&w, &header, n, arrays));
  mxi_vec_free(&header);
  return status;
}

int mx_save_gguf(const char *path, int n, const char *const *names, const mx_array *arrays, int nmeta,
                 const mx_meta *meta) {
  return save_gguf(&(struct mxi_target){.path = path}, n, names, arrays, nmeta, meta);
}
int mx_write_gguf(mx_writer writer, int n, const char *const *names, const mx_array *arrays, int nmeta,
                  const mx_meta *meta) {
  return save_gguf(&(struct mxi_target){.to_stream = true, .stream = writer}, n, names, arrays, nmeta, meta);
}
