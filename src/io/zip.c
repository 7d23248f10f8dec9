/* Reading a zip archive: its end names the central directory, whose entries name the members. Everything must
   agree exactly; only bytes before the archive are skipped, as other readers do. */
#include "io/zip.h"
#include "io/deflate.h"
#include "io/spans.h"
#include <limits.h>
#include <string.h>

static uint64_t number(const uint8_t *p, int bytes) {
  uint64_t v = 0;
  memcpy(&v, p, (size_t)bytes);
  return v;
}
static unsigned get16(const uint8_t *p) { return (unsigned)number(p, 2); }
static uint32_t get32(const uint8_t *p) { return (uint32_t)number(p, 4); }
static uint64_t get64(const uint8_t *p) { return number(p, 8); }

struct directory_reader {
  struct mxi_place *place;
  const struct mxi_mapping *map;
  size_t directory, directory_end; /* the central directory's bytes */
  size_t start;                    /* where the archive's offsets count from */
  uint64_t count;
  mxi_spans spans;
};

/* ---- The archive's end ---- */
/* The end record is the last one whose comment fills the file. */
static int find_end(struct directory_reader *r, size_t *at) {
  const uint8_t *data = r->map->data;
  size_t size = r->map->size;
  for (size_t comment = 0; comment <= 0xffff && size >= 22 + comment; comment++) {
    *at = size - 22 - comment;
    if (get32(data + *at) == MXI_ZIP_END && get16(data + *at + 20) == comment) return 0;
  }
  return mxi_bad_file(r->place, "expected a zip archive, got a file without its end record");
}

static int read_end(struct directory_reader *r) {
  size_t at = 0;
  mxi_place_at(r->place, "the end record");
  MXI_TRY(find_end(r, &at));
  const uint8_t *end = r->map->data + at;
  uint64_t disk = get16(end + 4), size = get32(end + 12), offset = get32(end + 16);
  r->count = get16(end + 10);
  if (at >= 76 && get32(end - 20) == MXI_ZIP_LOCATOR) {
    end -= 76;
    at -= 76;
    if (get32(end) != MXI_ZIP_END64)
      return mxi_bad_file(r->place, "expected the zip64 end record before its locator, got other bytes");
    disk = get32(end + 16);
    r->count = get64(end + 32);
    size = get64(end + 40);
    offset = get64(end + 48);
  }
  if (disk)
    return mxi_bad_file(r->place, "expected an archive in one file, got part %llu of several",
                        (unsigned long long)disk);
  if (size > at || offset > at - size)
    return mxi_bad_file(r->place, "expected a directory within %zu bytes, got %llu at offset %llu", at,
                        (unsigned long long)size, (unsigned long long)offset);
  if (r->count > size / 46 || r->count > INT_MAX / 4)
    return mxi_bad_file(r->place, "expected a count of members that fits the directory, got %llu",
                        (unsigned long long)r->count);
  r->directory_end = at;
  r->directory = at - (size_t)size;
  r->start = r->directory - (size_t)offset;
  return 0;
}

/* ---- Members ---- */
/* Sizes and offset of 2^32 - 1 stand in the zip64 field instead, in this order. */
static int read_zip64(struct directory_reader *r, const uint8_t *extra, size_t n, uint64_t *const values[3]) {
  bool wanted = false;
  for (int i = 0; i < 3; i++) wanted |= *values[i] == UINT32_MAX;
  for (size_t length; wanted && n >= 4; extra += 4 + length, n -= 4 + length) {
    length = get16(extra + 2);
    if (length > n - 4) break;
    if (get16(extra) != 1) continue;
    const uint8_t *p = extra + 4;
    for (int i = 0; i < 3; i++) {
      if (*values[i] != UINT32_MAX) continue;
      if (p + 8 > extra + 4 + length)
        return mxi_bad_file(r->place, "expected 64-bit sizes, got a short field");
      *values[i] = get64(p);
      p += 8;
    }
    return 0;
  }
  return 0; // without the field, 2^32 - 1 is meant
}

/* Checks the member's local header against its entry; *begin is where its bytes start. */
static int read_local(struct directory_reader *r, const char *name, uint64_t offset, size_t *begin) {
  size_t room = r->directory - r->start, name_length = strlen(name);
  const uint8_t *local = r->map->data + r->start + (offset < room ? offset : 0);
  if (offset > room || room - offset < 30 + name_length || get32(local) != MXI_ZIP_LOCAL ||
      get16(local + 26) != name_length || memcmp(local + 30, name, name_length))
    return mxi_bad_file(r->place, "expected the member's header at offset %llu, got other bytes",
                        (unsigned long long)offset);
  *begin = (size_t)(local - r->map->data) + 30 + name_length + get16(local + 28);
  return 0;
}

static int check_sizes(struct directory_reader *r, struct mxi_zip_member *m, uint64_t compressed,
                       uint64_t size) {
  if (m->begin > r->directory || compressed > r->directory - m->begin)
    return mxi_bad_file(r->place, "expected bytes before the directory at %zu, got %llu at %zu", r->directory,
                        (unsigned long long)compressed, m->begin);
  uint64_t most = compressed; // deflate makes at most 258 bytes of two bits
  if (m->method == MXI_ZIP_DEFLATED && __builtin_mul_overflow(compressed, 1032, &most)) most = UINT64_MAX;
  if (size > most || (m->method == MXI_ZIP_STORED && size != compressed))
    return mxi_bad_file(r->place, "expected at most %llu bytes from %llu of the file, got a size of %llu",
                        (unsigned long long)most, (unsigned long long)compressed, (unsigned long long)size);
  m->compressed = (size_t)compressed;
  m->size = (size_t)size;
  return 0;
}

/* The entry at p, `left` bytes before the directory's end; its name is m's. *used: its length. */
static int read_entry(struct directory_reader *r, const uint8_t *p, size_t left, struct mxi_zip_member *m,
                      size_t *used) {
  if (left < 46 || get32(p) != MXI_ZIP_CENTRAL)
    return mxi_bad_file(r->place, "expected an entry of the directory, got other bytes");
  size_t name_length = get16(p + 28), extra = get16(p + 30);
  *used = 46 + name_length + extra + get16(p + 32);
  if (*used > left || !mxi_utf8_valid((const char *)p + 46, name_length))
    return mxi_bad_file(r->place, "expected a name in UTF-8 within the directory, got other bytes");
  m->name = mxi_malloc(name_length + 1);
  if (!m->name) return -1;
  memcpy(m->name, p + 46, name_length);
  m->name[name_length] = 0;
  mxi_place_at(r->place, "member '%.80s'", m->name);
  if (get16(p + 8) & 1)
    return mxi_bad_file(r->place, "expected a member without encryption, got one with it");
  m->method = get16(p + 10);
  if (m->method != MXI_ZIP_STORED && m->method != MXI_ZIP_DEFLATED)
    return mxi_bad_file(r->place, "expected a member stored or deflated, got method %u", m->method);
  m->crc = get32(p + 16);
  uint64_t compressed = get32(p + 20), size = get32(p + 24), offset = get32(p + 42);
  MXI_TRY(read_zip64(r, p + 46 + name_length, extra, (uint64_t *const[]){&size, &compressed, &offset}));
  MXI_TRY(read_local(r, m->name, offset, &m->begin));
  MXI_TRY(check_sizes(r, m, compressed, size));
  struct mxi_span span = {r->start + (size_t)offset, m->begin + m->compressed, m->name};
  return mxi_push(&r->spans, span);
}

static int read_directory(struct directory_reader *r, mxi_zip_members *out) {
  size_t at = r->directory, used = 0;
  for (uint64_t i = 0; i < r->count; i++, at += used) {
    struct mxi_zip_member m = {0};
    mxi_place_at(r->place, "directory entry %llu", (unsigned long long)i);
    int status = read_entry(r, r->map->data + at, r->directory_end - at, &m, &used);
    if (!status) status = mxi_push(out, m);
    if (!status) continue;
    mxi_free(m.name);
    return -1;
  }
  mxi_place_at(r->place, "the directory's end");
  if (at != r->directory_end)
    return mxi_bad_file(r->place, "expected %llu entries, got more bytes", (unsigned long long)r->count);
  return mxi_check_overlaps(&r->spans, r->place);
}

int mxi_zip_list(struct mxi_mapping *map, struct mxi_place *place, mxi_zip_members *out) {
  struct directory_reader r = {.place = place, .map = map};
  int status = read_end(&r);
  if (!status) status = read_directory(&r, out);
  mxi_vec_free(&r.spans);
  return status;
}

void mxi_zip_free(mxi_zip_members *members) {
  for (size_t i = 0; i < members->n; i++) mxi_free(members->v[i].name);
  mxi_vec_free(members);
}

/* ---- Inflating ---- */
/* Inflates all of m's bytes into its size bytes at out, no more and no less. zlib's status; Z_ERRNO with the
   error set when interrupted. */
static int inflate_all(z_stream *z, const char *op, const uint8_t *in, uint8_t *out,
                       const struct mxi_zip_member *m) {
  uint8_t none; // room of no bytes needs an address too
  size_t in_left = m->compressed, out_left = m->size;
  int status = Z_OK;
  while (status == Z_OK) {
    if (mxi_go_on(op) < 0) return Z_ERRNO;
    unsigned give = mxi_zlib_part(in_left), room = mxi_zlib_part(out_left);
    z->next_in = (uint8_t *)in + (m->compressed - in_left);
    z->avail_in = give;
    z->next_out = out ? out + (m->size - out_left) : &none;
    z->avail_out = room;
    status = inflate(z, Z_NO_FLUSH);
    in_left -= give - z->avail_in;
    out_left -= room - z->avail_out;
  }
  return status == Z_STREAM_END && (in_left || out_left) ? Z_DATA_ERROR : status;
}

static int inflate_member(struct mxi_mapping *to, const struct mxi_mapping *map,
                          const struct mxi_zip_member *m, struct mxi_place *place) {
  z_stream z = mxi_zlib_stream();
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return mxi_fail_memory(sizeof z);
  int status = inflate_all(&z, place->op, map->data + m->begin, (uint8_t *)to->data, m);
  inflateEnd(&z);
  if (status == Z_ERRNO) return -1;
  if (status == Z_MEM_ERROR) return mxi_fail_memory(sizeof z);
  if (status != Z_STREAM_END)
    return mxi_bad_file(place, "expected deflated data of %zu bytes, got other bytes", m->size);
  uint32_t crc = 0;
  MXI_TRY(mxi_checksum(place->op, &crc, to->data, m->size));
  if (crc != m->crc) return mxi_bad_file(place, "expected the checksum %08x, got %08x", m->crc, crc);
  return 0;
}

struct mxi_mapping *mxi_zip_inflate(struct mxi_mapping *map, const struct mxi_zip_member *member,
                                    struct mxi_place *place) {
  mxi_place_at(place, "member '%.80s'", member->name);
  struct mxi_mapping *to = mxi_mapping_memory(member->size);
  if (!to) return NULL;
  if (inflate_member(to, map, member, place) == 0) {
    mxi_mapping_drop(map, member->begin, member->begin + member->compressed);
    return to;
  }
  mxi_mapping_unref(to);
  return NULL;
}
