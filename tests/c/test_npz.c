/* npz: what was saved loads the same, also as other writers lay it out, and no archive, however damaged or
   cunning, does more than set an error. */
#include "core/array.h"
#include "files.h"
#include <zlib.h>

/* ---- An archive under construction ---- */
struct member {
  const char *name;
  struct bytes data; /* an npy file */
  unsigned method, flags;
  bool zip64;                     /* sizes and offset in the 64-bit field */
  uint64_t size, compressed, crc; /* set by archive(); ... */
  uint64_t more_size, more_crc;   /* ... plus this, to lie about them */
  size_t offset;
};

static struct bytes npy_of(const char *elements) {
  struct bytes b = {.n = 0};
  char header[96];
  int n = snprintf(header, sizeof header, "{'descr': '|u1', 'fortran_order': False, 'shape': (%zu,), }",
                   strlen(elements));
  put(&b, "\x93NUMPY\1\0", 8);
  put(&b, &(uint16_t){(uint16_t)n}, 2);
  put_text(&b, header);
  put_text(&b, elements);
  return b;
}
static struct member member_of(const char *name, const char *elements) {
  return (struct member){.name = name, .data = npy_of(elements)};
}
static void put16(struct bytes *b, unsigned v) { put(b, &(uint16_t){(uint16_t)v}, 2); }

static struct bytes deflated(const struct bytes *b) {
  struct bytes out = {.n = 0};
  z_stream z = {0};
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = (uint8_t *)b->data;
  z.avail_in = (unsigned)b->n;
  z.next_out = out.data;
  z.avail_out = sizeof out.data;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.n = z.total_out;
  deflateEnd(&z);
  return out;
}

static void put_sizes(struct bytes *b, const struct member *m) {
  put16(b, m->flags);
  put16(b, m->method);
  put32(b, 0);
  put32(b, (uint32_t)m->crc);
  put32(b, m->zip64 ? UINT32_MAX : (uint32_t)m->compressed);
  put32(b, m->zip64 ? UINT32_MAX : (uint32_t)m->size);
  put16(b, (unsigned)strlen(m->name));
}
static void put_local(struct bytes *b, struct member *m) {
  struct bytes data = m->method == 8 ? deflated(&m->data) : m->data;
  m->offset = b->n;
  m->crc = crc32(0, m->data.data, (unsigned)m->data.n) + m->more_crc;
  m->compressed = data.n;
  m->size = m->data.n + m->more_size;
  put32(b, 0x04034b50);
  put16(b, 20);
  put_sizes(b, m);
  put16(b, 0);
  put_text(b, m->name);
  put(b, data.data, data.n);
}
static void put_entry(struct bytes *b, const struct member *m) {
  put32(b, 0x02014b50);
  put16(b, 20);
  put16(b, 20);
  put_sizes(b, m);
  put16(b, m->zip64 ? 5 + 28 : 0);
  put16(b, 0);
  put64(b, 0); // disk, attributes
  put32(b, m->zip64 ? UINT32_MAX : (uint32_t)m->offset);
  put_text(b, m->name);
  if (!m->zip64) return;
  put(b, "\xff\xff\1\0x", 5); // somebody else's field goes first
  put16(b, 1);
  put16(b, 24);
  put64(b, m->size);
  put64(b, m->compressed);
  put64(b, m->offset);
}
static struct bytes archive(size_t n, struct member *members, bool zip64) {
  struct bytes b = {.n = 0};
  for (size_t i = 0; i < n; i++) put_local(&b, &members[i]);
  size_t directory = b.n;
  for (size_t i = 0; i < n; i++) put_entry(&b, &members[i]);
  size_t end = b.n;
  if (zip64) {
    put32(&b, 0x06064b50);
    put64(&b, 44);
    put32(&b, 0);
    put64(&b, 0);
    put64(&b, n);
    put64(&b, n);
    put64(&b, end - directory);
    put64(&b, directory);
    put32(&b, 0x07064b50);
    put32(&b, 0);
    put64(&b, end);
    put32(&b, 1);
  }
  put32(&b, 0x06054b50);
  put32(&b, 0);
  put16(&b, zip64 ? 0xffff : (unsigned)n);
  put16(&b, zip64 ? 0xffff : (unsigned)n);
  put32(&b, zip64 ? UINT32_MAX : (uint32_t)(end - directory));
  put32(&b, zip64 ? UINT32_MAX : (uint32_t)directory);
  put16(&b, 0);
  return b;
}
static struct bytes archive_of(struct member m) { return archive(1, &m, false); }

static void expect_bytes(mx_file f, const char *name, const char *elements) {
  mx_array a = mx_file_get(f, name);
  assert_non_null(a);
  assert_int_equal(mx_nbytes(a), strlen(elements));
  assert_memory_equal(mx_data(a), elements, strlen(elements));
}

/* ---- Round trips ---- */
static void npz_of_every_dtype_loads_as_saved(void **state) {
  mx_array arrays[MX_DTYPE_COUNT + 2];
  const char *names[MX_DTYPE_COUNT + 2];
  uint8_t ones[3 * 5 * 8];
  memset(ones, 1, sizeof ones);
  for (int compressed = 0; compressed < 2; compressed++)
    MX_SCOPE {
      int n = 0;
      for (; n < MX_DTYPE_COUNT; n++) {
        names[n] = mx_dtype_name((mx_dtype)n);
        arrays[n] = mx_array_from(ones, MX_SHAPE(3, 5), (mx_dtype)n);
      }
      names[n] = "../h\xc3\xa9/x.npy";
      arrays[n++] = mx_float(2.5);
      names[n] = "";
      arrays[n++] = mx_transpose(mx_array_from(ones, MX_SHAPE(4, 0), MX_FLOAT32), MX_ALL_AXES);
      assert_int_equal(mx_save_npz(path_of("a.npz"), n, names, arrays, compressed), 0);
      mx_file f = mx_load_npz(path_of("a.npz"));
      assert_non_null(f);
      expect_arrays(f, n, names, arrays);
      mx_file_free(f);
    }
}

static void stored_members_are_used_in_place(void **state) {
  MX_SCOPE {
    enum { N = 10000 };
    mx_array x[] = {mx_contiguous(mx_arange(0, N, 1, MX_FLOAT64), false), mx_int(3)};
    const char *names[] = {"odd name", "y"};
    assert_int_equal(mx_save_npz(path_of("a.npz"), 2, names, x, false), 0);
    size_t old = mxi_set_mapped_from(1);
    mx_file f = mx_load_npz(path_of("a.npz"));
    mxi_set_mapped_from(old);
    mx_array a = mx_file_get(f, "odd name");
    assert_true(atomic_load(&a->buffer->flags) & MXI_BUFFER_MAPPED);
    assert_int_equal((uintptr_t)mx_data(a) % 64, 0);
    mx_keep(a);
    mx_file_free(f);
    assert_memory_equal(mx_data(a), mx_data(x[0]), N * 8); // the array holds the mapping
    mx_release(a);
  }
}

static void an_archive_without_members_is_empty(void **state) {
  assert_int_equal(mx_save_npz(path_of("a.npz"), 0, NULL, NULL, false), 0);
  mx_file f = mx_load_npz(path_of("a.npz"));
  assert_non_null(f);
  assert_int_equal(mx_file_count(f), 0);
  mx_file_free(f);
}

static void more_members_than_16_bits_count_load_as_saved(void **state) {
  enum { N = 70000 };
  mx_array *arrays = malloc(N * sizeof *arrays);
  char(*texts)[8] = malloc(N * sizeof *texts);
  const char **names = malloc(N * sizeof *names);
  MX_SCOPE {
    mx_array one = mx_array_from("x", MX_SHAPE(1), MX_UINT8);
    for (int i = 0; i < N; i++) {
      snprintf(texts[i], sizeof *texts, "%d", i);
      names[i] = texts[i];
      arrays[i] = one;
    }
    assert_int_equal(mx_save_npz(path_of("a.npz"), N, names, arrays, false), 0);
    mx_file f = mx_load_npz(path_of("a.npz"));
    assert_non_null(f);
    assert_int_equal(mx_file_count(f), N);
    expect_bytes(f, "69999", "x");
    mx_file_free(f);
  }
  free(arrays);
  free(texts);
  free(names);
}

static void saved_names_are_distinct_utf8_and_fit(void **state) {
  static char longest[65536];
  memset(longest, 'a', sizeof longest - 1);
  MX_SCOPE {
    mx_array x[] = {mx_int(1), mx_int(2)};
    const char *same[] = {"x", "x"}, *invalid[] = {"x", "\xff"}, *large[] = {"x", longest};
    assert_int_equal(mx_save_npz(path_of("a.npz"), 1, same, x, false), 0);
    assert_int_equal(mx_save_npz(path_of("a.npz"), 2, same, x, false), -1);
    assert_int_equal(mx_save_npz(path_of("a.npz"), 2, invalid, x, false), -1);
    assert_int_equal(mx_save_npz(path_of("a.npz"), 2, large, x, false), -1);
    mx_file f = mx_load_npz(path_of("a.npz")); // the old file stands
    assert_int_equal(mx_file_count(f), 1);
    mx_file_free(f);
    longest[65531] = 0;
    assert_int_equal(mx_save_npz(path_of("a.npz"), 2, large, x, true), 0);
    f = mx_load_npz(path_of("a.npz"));
    assert_non_null(mx_file_get(f, longest));
    mx_file_free(f);
  }
}

/* ---- Archives by others ---- */
static void members_of_any_layout_load(void **state) {
  for (int zip64 = 0; zip64 < 2; zip64++)
    for (int prefix = 0; prefix < 2; prefix++) {
      struct member m[] = {member_of("stored.npy", "abc"), member_of("../up/no ending", "defghijk")};
      m[1].method = 8;
      m[0].zip64 = m[1].zip64 = zip64;
      struct bytes made = archive(2, m, zip64), b = {.n = 0};
      if (prefix) put_text(&b, "#!/bin/sh\n"); // offsets count from the archive's start
      put(&b, made.data, made.n);
      mx_file f = mx_load_npz(written(&b));
      if (!f) fail_msg("%s", mx_error());
      expect_bytes(f, "stored", "abc");
      expect_bytes(f, "../up/no ending", "defghijk");
      mx_file_free(f);
    }
  struct bytes b = archive_of(member_of("x", "abc"));
  b.data[b.n - 2] = 5;
  put_text(&b, "hello"); // the archive's comment
  assert_int_equal(load_all(load_npz, &b), 0);
}

static void bad_npz_is_refused(void **state) {
  struct bytes b = {.n = 0};
  expect_bad(load_npz, &b, "zip archive");
  put_text(&b, "PK\5\6 and no more than 22 bytes");
  expect_bad(load_npz, &b, "zip archive");
  struct member m = member_of("x", "abc");
  const struct bytes good = archive_of(m);
  size_t end = good.n - 22, entry = end - 47;
  static const struct {
    bool at_end;
    size_t offset;
    uint8_t value;
    const char *word;
  } rows[] = {
      {true, 4, 1, "part 1"},        {true, 10, 2, "count"},       {true, 10, 0, "more bytes"},
      {true, 12, 255, "directory"},  {true, 15, 255, "directory"}, {true, 16, 255, "directory"},
      {false, 0, 'Q', "entry"},      {false, 8, 1, "encryption"},  {false, 10, 12, "method 12"},
      {false, 10, 1, "method 1"},    {false, 24, 9, "size of 9"},  {false, 23, 9, "before the directory"},
      {false, 28, 99, "directory"},  {false, 42, 1, "header at"},  {false, 45, 255, "header at"},
      {false, 46, 'y', "header at"}, {false, 46, 0xff, "UTF-8"},   {false, 46, 0, "UTF-8"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    b = good;
    b.data[(rows[i].at_end ? end : entry) + rows[i].offset] = rows[i].value;
    expect_bad(load_npz, &b, rows[i].word);
  }
  struct member twice[] = {member_of("x", "abc"), member_of("x.npy", "abc")};
  b = archive(2, twice, false);
  expect_bad(load_npz, &b, "duplicate");
  m = member_of("x.txt", "");
  m.data.data[0] = 'h';
  b = archive_of(m);
  expect_bad(load_npz, &b, "member 'x.txt'");
}

static void members_may_not_overlap(void **state) {
  struct member m[] = {member_of("x", "abc"), member_of("x", "abc")};
  struct bytes b = archive(2, m, false);
  size_t entry = b.n - 22 - 47;
  memcpy(b.data + entry + 42, &(uint32_t){0}, 4); // both entries name the first member
  expect_bad(load_npz, &b, "overlap");
}

static void sizes_that_deflate_cannot_reach_are_refused(void **state) {
  struct member m = member_of("x", "abc");
  m.method = 8;
  m.more_size = (uint64_t)1 << 31; // far above 1032 times what is there
  struct bytes b = archive_of(m);
  expect_bad(load_npz, &b, "expected at most");
  m.zip64 = true;
  m.more_size = UINT64_MAX / 2;
  b = archive(1, &m, true);
  expect_bad(load_npz, &b, "expected at most");
  m.zip64 = false;
  static const int64_t wrong[] = {1, -1, 60};
  for (size_t i = 0; i < 3; i++) {
    m.more_size = (uint64_t)wrong[i];
    b = archive_of(m);
    expect_bad(load_npz, &b, "deflated data");
  }
}

static void checksums_of_deflated_members_are_verified(void **state) {
  struct member m = member_of("x", "abc");
  m.method = 8;
  m.more_crc = 1;
  struct bytes b = archive_of(m);
  expect_bad(load_npz, &b, "checksum");
}

static void damaged_npz_does_no_harm(void **state) {
  struct member m[] = {member_of("a.npy", "abc"), member_of("b.npy", "defghijklm")};
  m[1].method = 8;
  struct bytes b = archive(2, m, false);
  damage(load_npz, &b, b.n);
  m[0].zip64 = m[1].zip64 = true;
  b = archive(2, m, true);
  damage(load_npz, &b, b.n);
}

static void failed_allocations_are_errors(void **state) {
  struct member m[] = {member_of("a", "abc"), member_of("b", "defghijklm")};
  m[1].method = 8;
  struct bytes b = archive(2, m, false);
  starve(load_npz, &b);
  MX_SCOPE {
    mx_array x = mx_array_from("abc", MX_SHAPE(3), MX_UINT8);
    const char *name = "x";
    long n = 0;
    for (int status = -1; status; n++) {
      struct sink s = {.left = SIZE_MAX};
      mx_error_clear();
      mxi_alloc_fail_after(n);
      status = mx_write_npz(writer_of(&s), 1, &name, &x, true);
      mxi_alloc_fail_after(-1);
      if (status) assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
    }
    assert_true(n > 4);
  }
}

REMOVE_FOLDER("a.npz")

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(npz_of_every_dtype_loads_as_saved),
      cmocka_unit_test(stored_members_are_used_in_place),
      cmocka_unit_test(an_archive_without_members_is_empty),
      cmocka_unit_test(more_members_than_16_bits_count_load_as_saved),
      cmocka_unit_test(saved_names_are_distinct_utf8_and_fit),
      cmocka_unit_test(members_of_any_layout_load),
      cmocka_unit_test(bad_npz_is_refused),
      cmocka_unit_test(members_may_not_overlap),
      cmocka_unit_test(sizes_that_deflate_cannot_reach_are_refused),
      cmocka_unit_test(checksums_of_deflated_members_are_verified),
      cmocka_unit_test(damaged_npz_does_no_harm),
      cmocka_unit_test(failed_allocations_are_errors),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
