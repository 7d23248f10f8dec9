/* npy, NumPy's format of one array: "\x93NUMPY", version, a header length of 2 bytes (version 1) or 4, and a
   Python dict literal {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, padded so that the data is
   aligned to 64. bfloat16, which NumPy lacks, is '<V2' as MLX writes it. */
#include "base/alloc.h"
#include "base/checked.h"
#include "io/npy.h"
#include "io/writer.h"
#include <stdio.h>
#include <string.h>

static const char magic[6] = "\x93NUMPY";

/* NumPy's code of a dtype, without the order of the bytes. */
static const char *code_of(mx_dtype t) {
  switch (t) {
  case MX_BOOL: return "b1";
  case MX_UINT8: return "u1";
  case MX_UINT16: return "u2";
  case MX_UINT32: return "u4";
  case MX_UINT64: return "u8";
  case MX_INT8: return "i1";
  case MX_INT16: return "i2";
  case MX_INT32: return "i4";
  case MX_INT64: return "i8";
  case MX_FLOAT16: return "f2";
  case MX_BFLOAT16: return "V2";
  case MX_FLOAT32: return "f4";
  case MX_FLOAT64: return "f8";
  case MX_COMPLEX64: return "c8";
  case MX_DTYPE_COUNT: break;
  }
  return "";
}

/* ---- The header ---- */
struct header {
  mx_dtype dtype;
  bool swapped, fortran; /* big-endian elements; column-major order */
  int ndim;
  int64_t shape[MXI_MAX_NDIM];
};
struct scanner {
  struct mxi_place place;
  const char *p, *end;
};

static int expected(struct scanner *s, const char *what) {
  int left = (int)mxi_min(s->end - s->p, 16);
  return mxi_bad_file(&s->place, "expected %s, got '%.*s'", what, left, s->p);
}

static void skip_spaces(struct scanner *s) {
  while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p) s->p++;
}

static bool accept(struct scanner *s, const char *text) {
  size_t n = strlen(text);
  skip_spaces(s);
  if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n)) return false;
  s->p += n;
  return true;
}

/* A quoted string without escapes, of at most 31 bytes. */
static int scan_string(struct scanner *s, char out[32], const char *what) {
  skip_spaces(s);
  char quote = s->p < s->end ? *s->p : 0;
  const char *close =
      quote == '\'' || quote == '"' ? memchr(s->p + 1, quote, (size_t)(s->end - s->p - 1)) : NULL;
  if (!close || close - s->p > 32) return expected(s, what);
  size_t n = (size_t)(close - s->p - 1);
  memcpy(out, s->p + 1, n);
  out[n] = 0;
  s->p = close + 1;
  return 0;
}

static int scan_dtype(struct scanner *s, struct header *h) {
  char text[32];
  MXI_TRY(scan_string(s, text, "a 'descr' string (records are not supported)"));
  bool order = text[0] && strchr("<>|=", text[0]);
  h->swapped = text[0] == '>';
  for (int t = 0; t < MX_DTYPE_COUNT; t++) {
    if (strcmp(code_of((mx_dtype)t), text + order)) continue;
    h->dtype = (mx_dtype)t;
    return 0;
  }
  return mxi_bad_file(&s->place, "expected a dtype of bools, integers or floats, got '%s'", text);
}

static int scan_dim(struct scanner *s, int64_t *dim) {
  skip_spaces(s);
  const char *start = s->p;
  *dim = 0;
  for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
    if (!mxi_mul(*dim, 10, dim) || !mxi_add(*dim, *s->p - '0', dim))
      return expected(s, "a dimension below 2^63");
  if (s->p == start) return expected(s, "a dimension");
  if (s->p < s->end && *s->p == 'L') s->p++; // Python 2 wrote long integers so
  return 0;
}

static int scan_shape(struct scanner *s, struct header *h) {
  if (!accept(s, "(")) return expected(s, "a 'shape' tuple");
  while (!accept(s, ")")) {
    if (h->ndim == MXI_MAX_NDIM) return expected(s, "at most 32 dimensions");
    MXI_TRY(scan_dim(s, &h->shape[h->ndim++]));
    if (accept(s, ",")) continue;
    if (!accept(s, ")")) return expected(s, "',' or ')'");
    break;
  }
  return 0;
}

static int scan_order(struct scanner *s, struct header *h) {
  h->fortran = accept(s, "True");
  return h->fortran || accept(s, "False") ? 0 : expected(s, "True or False");
}

static int scan_member(struct scanner *s, struct header *h, unsigned *seen) {
  static const char *const keys[] = {"descr", "fortran_order", "shape"};
  static int (*const scan[])(struct scanner *, struct header *) = {scan_dtype, scan_order, scan_shape};
  char key[32];
  MXI_TRY(scan_string(s, key, "a key"));
  if (!accept(s, ":")) return expected(s, "':'");
  for (unsigned i = 0; i < 3; i++) {
    if (strcmp(key, keys[i])) continue;
    if (*seen & 1u << i) return mxi_bad_file(&s->place, "expected distinct keys, got '%s' twice", key);
    *seen |= 1u << i;
    return scan[i](s, h);
  }
  return mxi_bad_file(&s->place, "expected 'descr', 'fortran_order' and 'shape', got '%s'", key);
}

static int scan_header(struct scanner *s, struct header *h) {
  unsigned seen = 0;
  if (!accept(s, "{")) return expected(s, "'{'");
  while (!accept(s, "}")) {
    MXI_TRY(scan_member(s, h, &seen));
    if (accept(s, ",")) continue;
    if (!accept(s, "}")) return expected(s, "',' or '}'");
    break;
  }
  skip_spaces(s);
  if (s->p < s->end && *s->p) return expected(s, "the header's end");
  return seen == 7 ? 0
                   : mxi_bad_file(&s->place, "expected 'descr', 'fortran_order' and 'shape', got fewer keys");
}

/* ---- Loading ---- */
/* The array's bytes: from `begin`, which a stream's reader moves on from, to `end` at most. */
struct part {
  struct mxi_mapping *map;
  size_t begin, end;
};

/* The bytes that are there of the n from `begin` on. */
static int have(const struct part *p, size_t n, size_t *bytes) {
  if (p->map->reader) MXI_TRY(mxi_mapping_fill(p->map, n > SIZE_MAX - p->begin ? SIZE_MAX : p->begin + n));
  size_t end = p->end < p->map->size ? p->end : p->map->size;
  *bytes = end - p->begin < n ? end - p->begin : n;
  return 0;
}

/* Finds the header's text; *data is where the elements start. */
static int find_header(struct scanner *s, const struct part *p, size_t *data) {
  size_t n = 0;
  MXI_TRY(have(p, 10, &n));
  const uint8_t *bytes = p->map->data + p->begin;
  if (n < 10 || memcmp(bytes, magic, sizeof magic))
    return mxi_bad_file(&s->place, "expected the magic of an npy file, got other bytes");
  int version = bytes[6];
  if (version < 1 || version > 3)
    return mxi_bad_file(&s->place, "expected version 1, 2 or 3, got %d", version);
  size_t start = version == 1 ? 10 : 12;
  uint32_t length = 0;
  MXI_TRY(have(p, start, &n));
  if (n == start) memcpy(&length, p->map->data + p->begin + 8, start - 8);
  size_t wanted = start + length;
  MXI_TRY(have(p, wanted, &n));
  if (n < start || n < wanted)
    return mxi_bad_file(&s->place, "expected a header within the file's %zu bytes, got a length of %u", n,
                        length);
  s->p = (const char *)p->map->data + p->begin + start;
  s->end = s->p + length;
  *data = p->begin + wanted;
  return 0;
}

/* n bytes as elements of `width` with their bytes reversed; complex numbers swap each half. */
static void swap_bytes(uint8_t *to, const uint8_t *from, int64_t n, size_t width) {
  for (int64_t i = 0; i < n; i++)
    to[i] = from[i - i % (int64_t)width + (int64_t)width - 1 - i % (int64_t)width];
}

static mx_array swapped_array(const struct mxi_mapping *m, size_t offset, const struct header *h,
                              const int64_t *strides) {
  mx_ints shape = {h->shape, h->ndim};
  int64_t n = mxi_tensor_bytes(h->dtype, shape);
  mx_array a = mxi_array_new(h->dtype, shape);
  mx_buffer *b = a ? mxi_buffer_new((size_t)n) : NULL;
  if (!b) {
    mxi_unref(a);
    return NULL;
  }
  swap_bytes(b->data, m->data + offset, n, h->dtype == MX_COMPLEX64 ? 4 : mx_dtype_size(h->dtype));
  mxi_set_data(a, b, 0, strides);
  mxi_publish(a);
  return a;
}

/* Names what of the file, or of the member of an archive, is being read. */
static void place_at(struct scanner *s, const char *what, const char *member) {
  if (member)
    mxi_place_at(&s->place, "%s of member '%.80s'", what, member);
  else
    mxi_place_at(&s->place, "%s", what);
}

static mx_array read_array(struct scanner *s, const struct part *p, const char *member) {
  struct header h = {0};
  size_t offset = 0, there = 0;
  place_at(s, "the header", member);
  if (find_header(s, p, &offset) < 0 || scan_header(s, &h) < 0) return NULL;
  int64_t bytes = mxi_tensor_bytes(h.dtype, (mx_ints){h.shape, h.ndim});
  place_at(s, "the data", member);
  if (have(&(struct part){p->map, offset, p->end}, bytes < 0 ? 0 : (size_t)bytes, &there) < 0) return NULL;
  if (bytes < 0 || (uint64_t)bytes > there) {
    mxi_bad_file(&s->place, "expected %lld bytes for the shape, got %zu", (long long)bytes, there);
    return NULL;
  }
  int64_t strides[MXI_MAX_NDIM], step = 1;
  for (int i = 0; i < h.ndim; i++) {
    strides[i] = step;
    step *= h.shape[i] && bytes ? h.shape[i] : 1;
  }
  const int64_t *layout = h.fortran && h.ndim > 1 ? strides : NULL;
  if (h.swapped && mx_dtype_size(h.dtype) > 1) return swapped_array(p->map, offset, &h, layout);
  return mxi_mapping_array(p->map, offset, h.dtype, (mx_ints){h.shape, h.ndim}, layout);
}

mx_array mxi_npy_read(struct mxi_mapping *map, size_t begin, size_t size, const struct mxi_place *place,
                      const char *member) {
  struct scanner s = {.place = *place};
  return read_array(&s, &(struct part){map, begin, begin + size}, member);
}

/* Takes over the mapping; NULL is the failure that opened it. */
static mx_array load_npy(struct mxi_mapping *map, const char *path) {
  if (!map) return MX_BAD;
  struct scanner s = {.place = {.op = "load_npy", .path = path}};
  mx_array a = read_array(&s, &(struct part){map, 0, SIZE_MAX}, NULL);
  if (mxi_mapping_close(map, a ? 0 : -1) == 0) return mxi_own(a);
  mxi_unref(a);
  return MX_BAD;
}

mx_array mx_load_npy(const char *path) { return load_npy(mxi_mapping_open("load_npy", path), path); }
mx_array mx_read_npy(mx_reader reader) {
  return load_npy(mxi_mapping_stream("load_npy", &reader), mxi_stream_name(reader.name));
}

/* ---- Saving ---- */
/* 32 dims of 20 digits fit, so version 1 always does. */
size_t mxi_npy_header(char out[MXI_NPY_HEADER], mx_array a) {
  mx_dtype t = mx_dtype_of(a);
  int n = snprintf(out + 10, 1014, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                   mx_dtype_size(t) == 1 ? '|' : '<', code_of(t));
  for (int i = 0; i < mx_ndim(a); i++)
    n += snprintf(out + 10 + n, (size_t)(1014 - n), i ? " %lld," : "%lld,", (long long)mx_dim(a, i));
  n += snprintf(out + 10 + n, (size_t)(1014 - n), "), }");
  size_t total = ((size_t)n + 11 + 63) / 64 * 64;
  memset(out + 10 + n, ' ', total - 10 - (size_t)n);
  out[total - 1] = '\n';
  uint16_t length = (uint16_t)(total - 10);
  memcpy(out, magic, sizeof magic);
  out[6] = 1;
  out[7] = 0;
  memcpy(out + 8, &length, sizeof length);
  return total;
}

static int save_npy(const struct mxi_target *to, mx_array a) {
  struct mxi_writer w;
  char header[MXI_NPY_HEADER];
  MXI_TRY(mxi_check_saved("save_npy", to, 1, (const char *[]){"the array"}, &a));
  size_t n = mxi_npy_header(header, a);
  MXI_TRY(mxi_writer_open(&w, "save_npy", to));
  int status = mxi_writer_write(&w, header, n);
  return mxi_writer_close(&w, status < 0 ? status : mxi_writer_array(&w, a));
}

int mx_save_npy(const char *path, mx_array a) { return save_npy(&(struct mxi_target){.path = path}, a); }
int mx_write_npy(mx_writer writer, mx_array a) {
  return save_npy(&(struct mxi_target){.to_stream = true, .stream = writer}, a);
}
