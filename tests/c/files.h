/* What the tests of file formats share: files under construction, and what no damage to them may do. Every
   format has a test of what loads as saved, of what is refused, and of every truncation and every flipped
   byte. */
#ifndef MXI_TESTS_FILES_H
#define MXI_TESTS_FILES_H
#include "base/alloc.h"
#include "io/mapping.h"
#include "mlx/mlx.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- A file under construction ---- */
struct bytes {
  uint8_t data[8192];
  size_t n;
};
static inline void put(struct bytes *b, const void *data, size_t n) {
  assert_true(b->n + n <= sizeof b->data);
  if (n) memcpy(b->data + b->n, data, n);
  b->n += n;
}
static inline void put32(struct bytes *b, uint32_t v) { put(b, &v, sizeof v); }
static inline void put64(struct bytes *b, uint64_t v) { put(b, &v, sizeof v); }
static inline void put_text(struct bytes *b, const char *s) { put(b, s, strlen(s)); }
static inline void put_string(struct bytes *b, const char *s) {
  put64(b, strlen(s));
  put_text(b, s);
}
static inline void pad(struct bytes *b, size_t alignment) {
  while (b->n % alignment) put(b, "", 1);
}

static char folder[] = "/tmp/mlxc-io-XXXXXX";
static inline const char *path_of(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}
static inline const char *written(const struct bytes *b) {
  const char *path = path_of("file");
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(b->data, 1, b->n, f), b->n);
  fclose(f);
  return path;
}

/* A file of the folder. */
static inline struct bytes read_back(const char *name) {
  struct bytes b;
  FILE *f = fopen(path_of(name), "rb");
  assert_non_null(f);
  b.n = fread(b.data, 1, sizeof b.data, f);
  assert_true(b.n < sizeof b.data);
  fclose(f);
  return b;
}

/* A stream over bytes that gives at most 7 at once, or fails after `left` of them. */
struct stream {
  const struct bytes *bytes;
  size_t at, left;
};
static inline int64_t stream_read(void *context, void *data, size_t n) {
  struct stream *s = context;
  size_t there = s->bytes->n - s->at, most = there < 7 ? there : 7;
  if (!s->left) return mx_error_set(MX_RUNTIME_ERROR, "the stream broke");
  if (n > most) n = most;
  if (n > s->left) n = s->left;
  if (n) memcpy(data, s->bytes->data + s->at, n);
  s->at += n;
  s->left -= n;
  return (int64_t)n;
}
static inline mx_reader reader_of(struct stream *s) {
  return (mx_reader){.context = s, .name = folder, .read = stream_read};
}
/* Takes what is written, or fails once `left` bytes were taken. */
struct sink {
  struct bytes bytes;
  size_t left;
};
static inline int sink_write(void *context, const void *data, size_t n) {
  struct sink *s = context;
  if (n > s->left) return mx_error_set(MX_RUNTIME_ERROR, "the stream broke");
  s->left -= n;
  put(&s->bytes, data, n);
  return 0;
}
static inline mx_writer writer_of(struct sink *s) { return (mx_writer){.context = s, .write = sink_write}; }

/* Loads with the format's loader from a path, or from the stream if that is NULL; 0 or -1. */
typedef int (*loader)(const char *path, struct stream *s);
static inline int read_all(mx_file f) {
  if (!f) return -1;
  volatile uint8_t sum = 0; // every byte is touched: a wrong bound faults here
  for (int i = 0; i < mx_file_count(f); i++) {
    const uint8_t *p = mx_data(mx_file_array(f, i));
    for (size_t k = 0; k < mx_nbytes(mx_file_array(f, i)); k++) sum = (uint8_t)(sum + p[k]);
    assert_true(mx_file_get(f, mx_file_name(f, i)) == mx_file_array(f, i));
  }
  for (int i = 0; i < mx_file_meta_count(f); i++)
    assert_true(mx_file_meta_get(f, mx_file_meta(f, i)->key) == mx_file_meta(f, i));
  mx_file_free(f);
  return 0;
}
static inline int load_safetensors(const char *path, struct stream *s) {
  return read_all(path ? mx_load_safetensors(path) : mx_read_safetensors(reader_of(s)));
}
static inline int load_gguf(const char *path, struct stream *s) {
  return read_all(path ? mx_load_gguf(path) : mx_read_gguf(reader_of(s)));
}
static inline int load_npz(const char *path, struct stream *s) {
  return read_all(path ? mx_load_npz(path) : mx_read_npz(reader_of(s)));
}
static inline int load_npy(const char *path, struct stream *s) {
  int status = -1;
  MX_SCOPE {
    mx_array a = path ? mx_load_npy(path) : mx_read_npy(reader_of(s));
    if (mx_ok(a)) {
      volatile uint8_t sum = 0;
      const uint8_t *p = mx_data(a);
      for (size_t k = 0; p && k < mx_nbytes(a); k++) sum = (uint8_t)(sum + p[k]);
      status = 0;
    }
  }
  return status;
}

/* The file holds these arrays under these names, in this order. */
static inline void expect_arrays(mx_file f, int n, const char *const *names, const mx_array *arrays) {
  assert_int_equal(mx_file_count(f), n);
  for (int i = 0; i < n; i++) {
    mx_array a = mx_file_array(f, i);
    assert_string_equal(mx_file_name(f, i), names[i]);
    assert_int_equal(mx_dtype_of(a), mx_dtype_of(arrays[i]));
    assert_int_equal(mx_ndim(a), mx_ndim(arrays[i]));
    for (int d = 0; d < mx_ndim(a); d++) assert_int_equal(mx_dim(a, d), mx_dim(arrays[i], d));
    if (mx_size(a)) assert_memory_equal(mx_data(a), mx_data(arrays[i]), mx_nbytes(a));
  }
}

/* With the file mapped, however small; and old, so that the load need not wait for the clock to move on. */
static inline int load_mapped(loader load, const char *path) {
  const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
  size_t old = mxi_set_mapped_from(1);
  int status = load(path, NULL);
  mxi_set_mapped_from(old);
  return status;
}

/* From the path, read and mapped, and from a stream, with the same outcome. */
static inline int load_all(loader load, const struct bytes *b) {
  const char *path = written(b);
  int status[3];
  for (int way = 0; way < 3; way++) {
    mx_error_clear();
    status[way] = way == 0   ? load(NULL, &(struct stream){b, 0, SIZE_MAX})
                  : way == 1 ? load_mapped(load, path)
                             : load(path, NULL);
    if (status[way]) assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
    assert_int_equal(status[way], status[0]);
  }
  return status[0];
}

/* The load fails with a text that names the file and holds `word`. */
static inline void expect_bad(loader load, const struct bytes *b, const char *word) {
  assert_int_equal(load_all(load, b), -1);
  if (!strstr(mx_error(), word) || !strstr(mx_error(), folder)) fail_msg("'%s' lacks '%s'", mx_error(), word);
}

/* Every prefix and every flipped byte loads or fails with an error; a strict prefix of `fixed` bytes fails.
 */
static inline void damage(loader load, const struct bytes *good, size_t fixed) {
  assert_int_equal(load_all(load, good), 0);
  for (size_t n = 0; n < good->n; n++) {
    struct bytes cut = *good;
    cut.n = n;
    int status = load_all(load, &cut);
    if (n < fixed) assert_int_equal(status, -1);
    mx_error_clear();
    assert_int_equal(load(NULL, &(struct stream){good, 0, n}), -1); // the stream itself fails there
    assert_int_equal(mx_error_code(), MX_RUNTIME_ERROR);
  }
  static const uint8_t flips[] = {0x01, 0x02, 0x10, 0x20, 0x80, 0xff};
  for (size_t i = 0; i < good->n; i++)
    for (size_t k = 0; k < sizeof flips; k++) {
      struct bytes flipped = *good;
      flipped.data[i] ^= flips[k];
      mx_error_clear();
      int status = k ? load(NULL, &(struct stream){&flipped, 0, SIZE_MAX}) : load_all(load, &flipped);
      if (status) assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
    }
}

/* Every allocation fails in turn, from the path, read and mapped, and from a stream: MX_OUT_OF_MEMORY, and
   nothing is lost. */
static inline void starve(loader load, const struct bytes *good) {
  const char *path = written(good);
  for (int way = 0; way < 3; way++) {
    long n = 0;
    for (int status = -1; status; n++) {
      struct stream s = {good, 0, SIZE_MAX};
      mx_error_clear();
      mxi_alloc_fail_after(n);
      status = way == 1 ? load_mapped(load, path) : load(way ? NULL : path, &s);
      mxi_alloc_fail_after(-1);
      if (status) assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
    }
    assert_true(n > 2);
  }
}

/* ---- The folder of a group of tests ---- */
static inline int make_folder(void **state) { return mkdtemp(folder) ? 0 : -1; }
/* Fails if a file was left behind beside those that the tests name. */
static inline int remove_files(const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++) remove(path_of(names[i]));
  mx_drain_foreign();
  return rmdir(folder);
}
#define REMOVE_FOLDER(...)                                    \
  static int remove_folder(void **state) {                    \
    static const char *const names[] = {"file", __VA_ARGS__}; \
    return remove_files(names, sizeof names / sizeof *names); \
  }
#endif
