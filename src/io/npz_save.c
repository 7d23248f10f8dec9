/* Writing npz front to back, so that a stream can take it. Stored members are aligned to 64 bytes by a field
   of padding in their header. Deflated ones, whose size is not known before, are followed by a descriptor. */
#include "base/vec.h"
#include "io/deflate.h"
#include "io/npy.h"
#include "io/writer.h"
#include "io/zip.h"
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, DATE = 1 << 5 | 1 }; // all members are of 1980-01-01: equal arrays make equal files
enum { ZIP64_FIELD = 1, PADDING_FIELD = 0xd935, MODE = 0100644 };
enum { VERSION = 20, VERSION64 = 45, MADE_BY_UNIX = 3 << 8 };
static const uint64_t LARGE = 0xf0000000; // deflating may make a little more of it: from here on 64-bit sizes

/* ---- Records ---- a failed push is remembered until the record is used ---- */
struct record {
  mxi_vec(char) text;
  bool failed;
};
static void put_field(struct record *r, const void *data, size_t n) {
  if (r->failed || mxi_reserve(&r->text, r->text.n + n) < 0) {
    r->failed = true;
    return;
  }
  if (n) memcpy(r->text.v + r->text.n, data, n);
  r->text.n += n;
}
static void put_field16(struct record *r, unsigned v) { put_field(r, &(uint16_t){(uint16_t)v}, 2); }
static void put_field32(struct record *r, uint64_t v) {
  put_field(r, &(uint32_t){v < UINT32_MAX ? (uint32_t)v : UINT32_MAX}, 4);
}
static void put_field64(struct record *r, uint64_t v) { put_field(r, &v, 8); }
static int write_record(struct mxi_writer *w, struct record *r) {
  int status = r->failed ? -1 : mxi_writer_write(w, r->text.v, r->text.n);
  mxi_vec_free(&r->text);
  return status;
}

/* ---- Members ---- */
struct member {
  const char *name; /* without ".npy" */
  uint64_t offset, compressed, size;
  uint32_t crc;
  bool deflate;
  char header[MXI_NPY_HEADER];
  size_t header_bytes;
};

static size_t name_length(const struct member *m) { return strlen(m->name) + 4; }
static void put_name(struct record *r, const struct member *m) {
  put_field(r, m->name, strlen(m->name));
  put_field(r, ".npy", 4);
}
/* What header and directory share, from the version to the checksum. */
static void put_common(struct record *r, const struct member *m, bool wide) {
  bool ascii = true;
  for (const char *c = m->name; *c; c++) ascii &= (unsigned char)*c < 0x80;
  put_field16(r, wide ? VERSION64 : VERSION);
  put_field16(r, (ascii ? 0 : MXI_ZIP_UTF8) | (m->deflate ? MXI_ZIP_HAS_DESCRIPTOR : 0));
  put_field16(r, m->deflate ? MXI_ZIP_DEFLATED : MXI_ZIP_STORED);
  put_field16(r, 0);
  put_field16(r, DATE);
  put_field32(r, m->crc);
}
static void put_zip64(struct record *r, const struct member *m, bool with_offset) {
  put_field16(r, ZIP64_FIELD);
  put_field16(r, with_offset ? 24 : 16);
  put_field64(r, m->size);
  put_field64(r, m->compressed);
  if (with_offset) put_field64(r, m->offset);
}

/* The header before the bytes: sizes and checksum are 0 where they follow behind. */
static int write_local(struct mxi_writer *w, const struct member *m) {
  struct record r = {0};
  bool wide = m->size >= LARGE;
  struct member known = *m;
  if (m->deflate) known.size = known.compressed = known.crc = 0;
  uint64_t bytes = m->offset + 30 + name_length(m) + (wide ? 20 : 0);
  size_t padding = m->deflate ? 0 : 6 + (size_t)(-(bytes + 6) % ALIGNMENT);
  put_field32(&r, MXI_ZIP_LOCAL);
  put_common(&r, &known, wide);
  put_field32(&r, wide ? UINT32_MAX : known.compressed);
  put_field32(&r, wide ? UINT32_MAX : known.size);
  put_field16(&r, (unsigned)name_length(m));
  put_field16(&r, (wide ? 20 : 0) + (unsigned)padding);
  put_name(&r, m);
  if (wide) put_zip64(&r, &known, false);
  if (padding) {
    static const char zeros[ALIGNMENT];
    put_field16(&r, PADDING_FIELD);
    put_field16(&r, (unsigned)padding - 4);
    put_field16(&r, ALIGNMENT);
    put_field(&r, zeros, padding - 6);
  }
  return write_record(w, &r);
}

static int write_descriptor(struct mxi_writer *w, const struct member *m) {
  struct record r = {0};
  put_field32(&r, MXI_ZIP_DESCRIPTOR);
  put_field32(&r, m->crc);
  void (*put_size)(struct record *, uint64_t) = m->size >= LARGE ? put_field64 : put_field32;
  put_size(&r, m->compressed);
  put_size(&r, m->size);
  return write_record(w, &r);
}

static void put_entry(struct record *r, const struct member *m) {
  bool wide = m->size >= LARGE || m->offset >= UINT32_MAX;
  put_field32(r, MXI_ZIP_CENTRAL);
  put_field16(r, MADE_BY_UNIX | (wide ? VERSION64 : VERSION));
  put_common(r, m, wide);
  put_field32(r, wide ? UINT32_MAX : m->compressed);
  put_field32(r, wide ? UINT32_MAX : m->size);
  put_field16(r, (unsigned)name_length(m));
  put_field16(r, wide ? 28 : 0);
  put_field(r, (char[6]){0}, 6); // no comment, the first disk, no internal attributes
  put_field32(r, (uint64_t)MODE << 16);
  put_field32(r, wide ? UINT32_MAX : m->offset);
  put_name(r, m);
  if (wide) put_zip64(r, m, true);
}

/* ---- Bytes ---- */
/* Deflates n bytes; with Z_FINISH also the end. */
static int deflate_bytes(struct mxi_writer *w, z_stream *z, const void *data, size_t n, int flush) {
  uint8_t out[1 << 13];
  z->next_in = (uint8_t *)data;
  size_t left = n;
  do {
    unsigned give = mxi_zlib_part(left);
    z->avail_in = give;
    z->next_out = out;
    z->avail_out = sizeof out;
    deflate(z, left == give ? flush : Z_NO_FLUSH);
    left -= give - z->avail_in;
    MXI_TRY(mxi_writer_write(w, out, sizeof out - z->avail_out));
  } while (left || !z->avail_out);
  return 0;
}

struct job {
  struct mxi_writer *to;
  struct member *member;
};

static int write_deflated(struct mxi_writer *w, struct member *m, const void *data, size_t n) {
  z_stream z = mxi_zlib_stream();
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return mxi_fail_memory(sizeof z);
  uint64_t begin = w->at;
  int status = deflate_bytes(w, &z, m->header, m->header_bytes, Z_NO_FLUSH);
  if (!status) status = deflate_bytes(w, &z, data, n, Z_FINISH);
  deflateEnd(&z);
  m->compressed = w->at - begin;
  return status < 0 ? -1 : write_descriptor(w, m);
}

static int write_member_rows(void *context, const void *data, size_t n) {
  struct job *job = context;
  struct member *m = job->member;
  m->crc = 0;
  MXI_TRY(mxi_checksum(job->to->op, &m->crc, m->header, m->header_bytes));
  MXI_TRY(mxi_checksum(job->to->op, &m->crc, data, n));
  m->offset = job->to->at;
  m->compressed = m->size = m->header_bytes + n;
  MXI_TRY(write_local(job->to, m));
  if (m->deflate) return write_deflated(job->to, m, data, n);
  MXI_TRY(mxi_writer_write(job->to, m->header, m->header_bytes));
  return mxi_writer_write(job->to, data, n);
}

/* ---- The archive ---- */
static int write_end(struct mxi_writer *w, struct record *directory, uint64_t n) {
  uint64_t offset = w->at, bytes = directory->text.n;
  MXI_TRY(write_record(w, directory));
  struct record r = {0};
  if (n >= UINT16_MAX || offset >= UINT32_MAX || bytes >= UINT32_MAX) {
    put_field32(&r, MXI_ZIP_END64);
    put_field64(&r, 44); // bytes that follow
    put_field16(&r, MADE_BY_UNIX | VERSION64);
    put_field16(&r, VERSION64);
    put_field64(&r, 0); // the first disk, twice
    put_field64(&r, n);
    put_field64(&r, n);
    put_field64(&r, bytes);
    put_field64(&r, offset);
    put_field32(&r, MXI_ZIP_LOCATOR);
    put_field32(&r, 0);
    put_field64(&r, offset + bytes);
    put_field32(&r, 1);
  }
  put_field32(&r, MXI_ZIP_END);
  put_field32(&r, 0); // the first disk, twice
  put_field16(&r, n < UINT16_MAX ? (unsigned)n : UINT16_MAX);
  put_field16(&r, n < UINT16_MAX ? (unsigned)n : UINT16_MAX);
  put_field32(&r, bytes);
  put_field32(&r, offset);
  put_field16(&r, 0); // no comment
  return write_record(w, &r);
}

static int write_members(struct mxi_writer *w, struct record *directory, int n, const char *const *names,
                         const mx_array *arrays, bool compressed) {
  for (int i = 0; i < n; i++) {
    struct member m = {.name = names[i], .deflate = compressed};
    m.header_bytes = mxi_npy_header(m.header, arrays[i]);
    MXI_TRY(mxi_with_rows(arrays[i], write_member_rows, &(struct job){w, &m}));
    put_entry(directory, &m);
    if (directory->failed) return -1;
  }
  return 0;
}

static int compare_strings(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_names(int n, const char *const *names) {
  const char **sorted = mxi_malloc((size_t)n * sizeof *sorted);
  if (!sorted) return -1;
  if (n) memcpy(sorted, names, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, compare_strings);
  int status = 0;
  for (int i = 0; i < n && !status; i++) {
    size_t length = strlen(sorted[i]);
    if (!mxi_utf8_valid(sorted[i], length) || length > UINT16_MAX - 4 ||
        (i && !strcmp(sorted[i - 1], sorted[i])))
      status = mxi_fail(MX_INVALID_ARGUMENT,
                        "[save_npz] expected distinct names in UTF-8 of at most %d bytes, got '%.80s'",
                        UINT16_MAX - 4, sorted[i]);
  }
  mxi_free(sorted);
  return status;
}

static int save_npz(const struct mxi_target *to, int n, const char *const *names, const mx_array *arrays,
                    bool compressed) {
  struct mxi_writer w;
  struct record directory = {0};
  MXI_TRY(mxi_check_saved("save_npz", to, n, names, arrays));
  MXI_TRY(check_names(n, names));
  MXI_TRY(mxi_writer_open(&w, "save_npz", to));
  int status = write_members(&w, &directory, n, names, arrays, compressed);
  if (!status) status = write_end(&w, &directory, (uint64_t)n);
  mxi_vec_free(&directory.text);
  return mxi_writer_close(&w, status);
}

int mx_save_npz(const char *path, int n, const char *const *names, const mx_array *arrays, bool compressed) {
  return save_npz(&(struct mxi_target){.path = path}, n, names, arrays, compressed);
}
int mx_write_npz(mx_writer writer, int n, const char *const *names, const mx_array *arrays, bool compressed) {
  return save_npz(&(struct mxi_target){.to_stream = true, .stream = writer}, n, names, arrays, compressed);
}
