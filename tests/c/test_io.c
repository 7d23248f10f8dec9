/* Files: what was saved loads the same, and no file, however damaged, does more than set an error. */
#include "mlx/mlx.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- A file under construction ---- */
struct bytes {
  uint8_t data[4096];
  size_t n;
};
static void put(struct bytes *b, const void *data, size_t n) {
  assert_true(b->n + n <= sizeof b->data);
  if (n) memcpy(b->data + b->n, data, n);
  b->n += n;
}
static void put32(struct bytes *b, uint32_t v) { put(b, &v, sizeof v); }
static void put64(struct bytes *b, uint64_t v) { put(b, &v, sizeof v); }
static void put_text(struct bytes *b, const char *s) { put(b, s, strlen(s)); }
static void put_string(struct bytes *b, const char *s) {
  put64(b, strlen(s));
  put_text(b, s);
}
static void pad(struct bytes *b, size_t alignment) {
  while (b->n % alignment) put(b, "", 1);
}

static char folder[] = "/tmp/mlxc-io-XXXXXX";
static const char *path_of(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}
static const char *written(const struct bytes *b) {
  const char *path = path_of("file");
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(b->data, 1, b->n, f), b->n);
  fclose(f);
  return path;
}

/* Loads with the format's loader; 0 or -1. */
typedef int (*loader)(const char *path);
static int read_all(mx_file f) {
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
static int load_safetensors(const char *path) { return read_all(mx_load_safetensors(path)); }
static int load_gguf(const char *path) { return read_all(mx_load_gguf(path)); }
static int load_npy(const char *path) {
  int status = -1;
  MX_SCOPE {
    mx_array a = mx_load_npy(path);
    if (mx_ok(a)) {
      volatile uint8_t sum = 0;
      const uint8_t *p = mx_data(a);
      for (size_t k = 0; p && k < mx_nbytes(a); k++) sum = (uint8_t)(sum + p[k]);
      status = 0;
    }
  }
  return status;
}

/* The load fails with a text that names the file and holds `word`. */
static void expect_bad(loader load, const struct bytes *b, const char *word) {
  mx_error_clear();
  assert_int_equal(load(written(b)), -1);
  if (!strstr(mx_error(), word) || !strstr(mx_error(), folder)) fail_msg("'%s' lacks '%s'", mx_error(), word);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
}

/* Every prefix and every flipped byte loads or fails with an error; a strict prefix of `fixed` bytes fails.
 */
static void damage(loader load, const struct bytes *good, size_t fixed) {
  assert_int_equal(load(written(good)), 0);
  for (size_t n = 0; n < good->n; n++) {
    struct bytes cut = *good;
    cut.n = n;
    mx_error_clear();
    int status = load(written(&cut));
    if (n < fixed) assert_int_equal(status, -1);
    if (status) assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  }
  static const uint8_t flips[] = {0x01, 0x02, 0x10, 0x20, 0x80, 0xff};
  for (size_t i = 0; i < good->n; i++)
    for (size_t k = 0; k < sizeof flips; k++) {
      struct bytes flipped = *good;
      flipped.data[i] ^= flips[k];
      mx_error_clear();
      if (load(written(&flipped)) < 0) assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
    }
}

/* ---- safetensors ---- */
static struct bytes safetensors(const char *header, size_t ndata) {
  struct bytes b = {.n = 0};
  put_string(&b, header);
  for (size_t i = 0; i < ndata; i++) put(&b, &(uint8_t){(uint8_t)i}, 1);
  return b;
}

static void safetensors_of_every_dtype_load_as_saved(void **state) {
  static const mx_dtype types[] = {MX_BOOL,     MX_UINT8,   MX_UINT16,  MX_UINT32,   MX_UINT64,
                                   MX_INT8,     MX_INT16,   MX_INT32,   MX_INT64,    MX_FLOAT16,
                                   MX_BFLOAT16, MX_FLOAT32, MX_FLOAT64, MX_COMPLEX64};
  enum { N = sizeof types / sizeof *types };
  mx_array arrays[N + 2];
  const char *names[N + 2];
  uint8_t ones[3 * 5 * 8];
  memset(ones, 1, sizeof ones);
  MX_SCOPE {
    for (int i = 0; i < N; i++) {
      names[i] = mx_dtype_name(types[i]);
      arrays[i] = mx_array_from(ones, MX_SHAPE(3, 5), types[i]);
    }
    names[N] = "scalar \"\xc3\xa9\\";
    arrays[N] = mx_float(2.5);
    names[N + 1] = "empty";
    arrays[N + 1] = mx_array_from(ones, MX_SHAPE(4, 0), MX_FLOAT32);
    const char *keys[] = {"format"}, *values[] = {"mlx \xf0\x9f\x99\x82"};
    assert_int_equal(mx_save_safetensors(path_of("all"), N + 2, names, arrays, 1, keys, values), 0);
    mx_file f = mx_load_safetensors(path_of("all"));
    assert_non_null(f);
    assert_int_equal(mx_file_count(f), N + 2);
    assert_string_equal(mx_file_meta_get(f, "format")->string, values[0]);
    assert_null(mx_file_get(f, "absent"));
    assert_null(mx_file_meta_get(f, "absent"));
    for (int i = 0; i < N + 2; i++) {
      mx_array a = mx_file_array(f, i);
      assert_string_equal(mx_file_name(f, i), names[i]);
      assert_int_equal(mx_dtype_of(a), mx_dtype_of(arrays[i]));
      assert_int_equal(mx_ndim(a), mx_ndim(arrays[i]));
      for (int d = 0; d < mx_ndim(a); d++) assert_int_equal(mx_dim(a, d), mx_dim(arrays[i], d));
      if (mx_size(a)) assert_memory_equal(mx_data(a), mx_data(arrays[i]), mx_nbytes(a));
    }
    mx_file_free(f);
  }
}

static void a_saved_transpose_is_row_major(void **state) {
  MX_SCOPE {
    mx_array a = mx_array_from((float[]){1, 2, 3, 4, 5, 6}, MX_SHAPE(2, 3), MX_FLOAT32);
    mx_array t = mx_transpose(a, MX_ALL_AXES);
    const char *name = "t";
    assert_int_equal(mx_save_safetensors(path_of("t"), 1, &name, &t, 0, NULL, NULL), 0);
    mx_file f = mx_load_safetensors(path_of("t"));
    assert_memory_equal(mx_data(mx_file_array(f, 0)), ((float[]){1, 4, 2, 5, 3, 6}), 24);
    mx_file_free(f);
    assert_int_equal(mx_save_npy(path_of("t.npy"), t), 0);
    mx_array back = mx_load_npy(path_of("t.npy"));
    assert_memory_equal(mx_data(back), ((float[]){1, 4, 2, 5, 3, 6}), 24);
  }
}

static void arrays_outlive_their_file(void **state) {
  struct bytes b = safetensors("{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
  mx_file f = mx_load_safetensors(written(&b));
  mx_array x = mx_keep(mx_file_get(f, "x"));
  mx_file_free(f);
  remove(path_of("file"));
  assert_memory_equal(mx_data(x), "\0\1\2\3", 4);
  mx_release(x);
}

static void unaligned_safetensors_are_read(void **state) {
  struct bytes b = safetensors("{\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]},"
                               "\"x\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[3,7]}}",
                               7);
  mx_file f = mx_load_safetensors(written(&b));
  assert_non_null(f);
  assert_int_equal(*(const int32_t *)mx_data(mx_file_get(f, "x")), 0x06050403);
  assert_memory_equal(mx_data(mx_file_get(f, "b")), "\0\1\1", 3); // a bool is 0 or 1, whatever the file holds
  mx_file_free(f);
}

static void bad_safetensors_are_refused(void **state) {
#define X(dtype, shape, offsets) \
  "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
  static const struct {
    const char *header, *word;
  } rows[] = {
      {"", "JSON"},
      {"[1]", "JSON object"},
      {"{\"x\":1}", "JSON object"},
      {"{\"x\":{}}", "dtype"},
      {"{\"__metadata__\":1}", "__metadata__"},
      {"{\"__metadata__\":{\"k\":1}}", "string"},
      {"{\"x\":{},\"x\":{}}", "duplicate"},
      {"{\"\xff\":1}", "JSON"},
      {"{\"a\\u0000b\":1}", "JSON"},
      {X("\"F8_E5M2\"", "[8]", "[0,8]"), "F8_E5M2"},
      {X("\"Q9\"", "[8]", "[0,8]"), "Q9"},
      {X("7", "[8]", "[0,8]"), "dtype"},
      {X("\"F32\"", "[3]", "[0,8]"), "12 bytes"},
      {X("\"F32\"", "[2]", "[4,12]"), "offsets"},
      {X("\"F32\"", "[2]", "[8,0]"), "offsets"},
      {X("\"F32\"", "[2]", "[-8,0]"), "offsets"},
      {X("\"F32\"", "[2]", "[0]"), "data_offsets"},
      {X("\"F32\"", "[2]", "[0,8.0]"), "data_offsets"},
      {X("\"F32\"", "2", "[0,8]"), "shape"},
      {X("\"F32\"", "[-2]", "[0,8]"), "dimensions"},
      {X("\"F32\"", "[2.0]", "[0,8]"), "dimensions"},
      {X("\"F32\"", "[9223372036854775807,4]", "[0,8]"), "2^63"},
      {X("\"F32\"", "[4611686018427387905]", "[0,4]"), "2^63"},
      {X("\"F32\"", "[4294967296,4294967296,0]", "[0,0]"), "2^63"},
      {X("\"F32\"", "[99999999999999999999]", "[0,8]"), "JSON"},
      {X("\"U8\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"),
       "32 dimensions"},
      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
       "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
       "overlap"},
  };
#undef X
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct bytes b = safetensors(rows[i].header, 8);
    expect_bad(load_safetensors, &b, rows[i].word);
  }
  struct bytes deep = {.n = 0};
  put64(&deep, 4000);
  for (int i = 0; i < 4000; i++) put_text(&deep, "[");
  expect_bad(load_safetensors, &deep, "JSON");
  static const uint64_t lengths[] = {3, 9, 1u << 31, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    struct bytes b = {.n = 0};
    put64(&b, lengths[i]);
    put_text(&b, "{}");
    expect_bad(load_safetensors, &b, "length");
  }
}

static void damaged_safetensors_do_no_harm(void **state) {
  struct bytes b =
      safetensors("{\"__metadata__\":{\"k\":\"v\"},\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":"
                  "[0,8]},\"y\":{\"dtype\":\"I8\",\"shape\":[2,2],\"data_offsets\":[8,12]}}",
                  12);
  damage(load_safetensors, &b, b.n);
}

/* ---- GGUF ---- */
enum { F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q8_0 = 8, Q4_K = 12, I8 = 24, BF16 = 30 };

static struct bytes gguf(uint64_t ntensors, uint64_t nmeta) {
  struct bytes b = {.n = 0};
  put_text(&b, "GGUF");
  put32(&b, 3);
  put64(&b, ntensors);
  put64(&b, nmeta);
  return b;
}
static void key(struct bytes *b, const char *name, uint32_t type) {
  put_string(b, name);
  put32(b, type);
}
static void info(struct bytes *b, const char *name, uint32_t ndim, const uint64_t *dims, uint32_t type,
                 uint64_t offset) {
  put_string(b, name);
  put32(b, ndim);
  put(b, dims, ndim * sizeof *dims);
  put32(b, type);
  put64(b, offset);
}
static struct bytes gguf_of(uint32_t ndim, const uint64_t *dims, uint32_t type, uint64_t offset) {
  struct bytes b = gguf(1, 0);
  info(&b, "a.weight", ndim, dims, type, offset);
  pad(&b, 32);
  for (int i = 0; i < 80; i++) put(&b, &(uint8_t){(uint8_t)i}, 1);
  return b;
}

static void gguf_metadata_keeps_kinds_and_dtypes(void **state) {
  struct bytes b = gguf(0, 6);
  key(&b, "int", 1);
  put(&b, &(int8_t){-3}, 1);
  key(&b, "double", 6);
  put(&b, &(float){0.5f}, 4);
  key(&b, "bool", 7);
  put(&b, "\1", 1);
  key(&b, "text", 8);
  put_string(&b, "h\xc3\xa9");
  key(&b, "texts", 9);
  put32(&b, 8);
  put64(&b, 2);
  put_string(&b, "");
  put_string(&b, "two");
  key(&b, "numbers", 9);
  put32(&b, 10);
  put64(&b, 2);
  put64(&b, 5);
  put64(&b, UINT64_MAX);
  mx_file f = mx_load_gguf(written(&b));
  assert_non_null(f);
  const mx_meta *m = mx_file_meta_get(f, "int");
  assert_true(m->kind == MX_META_INT && m->integer == -3 && mx_dtype_of(m->array) == MX_INT8);
  m = mx_file_meta_get(f, "double");
  assert_true(m->kind == MX_META_DOUBLE && m->number == 0.5 && mx_dtype_of(m->array) == MX_FLOAT32);
  m = mx_file_meta_get(f, "bool");
  assert_true(m->kind == MX_META_BOOL && m->integer == 1);
  assert_string_equal(mx_file_meta_get(f, "text")->string, "h\xc3\xa9");
  m = mx_file_meta_get(f, "texts");
  assert_int_equal(m->nstrings, 2);
  assert_string_equal(m->strings[0], "");
  assert_string_equal(m->strings[1], "two");
  m = mx_file_meta_get(f, "numbers");
  assert_true(mx_dtype_of(m->array) == MX_UINT64 && mx_size(m->array) == 2);
  assert_true(((const uint64_t *)mx_data(m->array))[1] == UINT64_MAX);
  assert_string_equal(mx_file_meta(f, 0)->key, "int");
  mx_file_free(f);
}

/* Element i of a packed row. */
static unsigned element(const uint32_t *words, int bits, int i) {
  return words[i * bits / 32] >> i * bits % 32 & ((1u << bits) - 1);
}

static void gguf_blocks_become_affine(void **state) {
  struct bytes b = gguf(3, 0);
  info(&b, "a.weight", 2, (uint64_t[]){32, 2}, Q4_1, 0);
  info(&b, "b.weight", 1, (uint64_t[]){32}, Q4_0, 64);
  info(&b, "c", 1, (uint64_t[]){32}, Q8_0, 96);
  pad(&b, 32);
  uint8_t nibbles[16];
  for (int i = 0; i < 16; i++) nibbles[i] = (uint8_t)(i | (15 - i) << 4);
  for (int row = 0; row < 2; row++) {
    put(&b, "\x00\x38\x00\xbc", 4); // d = 0.5, m = -1
    put(&b, nibbles, 16);
  }
  put(&b, (uint8_t[24]){0}, 24);
  put(&b, "\x00\x38", 2);
  put(&b, nibbles, 16);
  put(&b, (uint8_t[14]){0}, 14);
  put(&b, "\x00\xb8", 2); // d = -0.5
  for (int i = 0; i < 32; i++) put(&b, &(int8_t){(int8_t)(i * 8 - 128)}, 1);
  mx_file f = mx_load_gguf(written(&b));
  assert_non_null(f);
  assert_int_equal(mx_file_count(f), 9);
  mx_array w = mx_file_get(f, "a.weight"), bias = mx_file_get(f, "a.biases");
  assert_true(mx_dim(w, 0) == 2 && mx_dim(w, 1) == 4 && mx_dim(bias, 0) == 2 && mx_dim(bias, 1) == 1);
  for (int i = 0; i < 64; i++) {
    unsigned expected = i % 32 < 16 ? (unsigned)(i % 16) : 15u - (unsigned)(i % 16);
    assert_int_equal(element((const uint32_t *)mx_data(w) + i / 32 * 4, 4, i % 32), expected);
  }
  assert_int_equal(((const uint16_t *)mx_data(mx_file_get(f, "a.scales")))[1], 0x3800);
  assert_int_equal(((const uint16_t *)mx_data(bias))[1], 0xbc00);
  assert_int_equal(((const uint16_t *)mx_data(mx_file_get(f, "b.biases")))[0], 0xc400); // -8 * 0.5
  const uint32_t *c = mx_data(mx_file_get(f, "c"));
  for (int i = 0; i < 32; i++) assert_int_equal(element(c, 8, i), i * 8);
  assert_int_equal(((const uint16_t *)mx_data(mx_file_get(f, "c.biases")))[0], 0x5400); // -128 * -0.5
  mx_file_free(f);
}

static void gguf_biases_beyond_half_become_float32(void **state) {
  struct bytes b = gguf(1, 0);
  info(&b, "a.weight", 1, (uint64_t[]){32}, Q8_0, 0);
  pad(&b, 32);
  put(&b, "\x00\x64", 2); // 1024: 128 times it is no half
  put(&b, (uint8_t[32]){0}, 32);
  mx_file f = mx_load_gguf(written(&b));
  assert_non_null(f);
  assert_int_equal(mx_dtype_of(mx_file_get(f, "a.scales")), MX_FLOAT32);
  assert_true(*(const float *)mx_data(mx_file_get(f, "a.scales")) == 1024);
  assert_true(*(const float *)mx_data(mx_file_get(f, "a.biases")) == -131072);
  mx_file_free(f);
}

static void gguf_plain_tensors_keep_their_bytes(void **state) {
  struct bytes b = gguf_of(3, (uint64_t[]){2, 5, 4}, BF16, 0);
  mx_file f = mx_load_gguf(written(&b));
  assert_non_null(f);
  mx_array a = mx_file_array(f, 0);
  assert_true(mx_dtype_of(a) == MX_BFLOAT16 && mx_dim(a, 0) == 4 && mx_dim(a, 1) == 5 && mx_dim(a, 2) == 2);
  assert_memory_equal(mx_data(a), b.data + b.n - 80, 80);
  mx_file_free(f);
}

static void a_saved_gguf_loads_the_same(void **state) {
  static const mx_dtype saved[] = {MX_INT8,    MX_INT16,    MX_INT32,   MX_INT64,
                                   MX_FLOAT16, MX_BFLOAT16, MX_FLOAT32, MX_FLOAT64};
  enum { N = sizeof saved / sizeof *saved };
  uint8_t ones[3 * 5 * 8];
  memset(ones, 1, sizeof ones);
  MX_SCOPE {
    mx_array arrays[N];
    const char *names[N];
    for (int i = 0; i < N; i++) {
      names[i] = mx_dtype_name(saved[i]);
      arrays[i] = mx_array_from(ones, MX_SHAPE(3, 5), saved[i]);
    }
    const mx_meta meta[] = {
        {.key = "text", .kind = MX_META_STRING, .string = "one"},
        {.key = "texts", .kind = MX_META_STRINGS, .strings = (const char *[]){"a", ""}, .nstrings = 2},
        {.key = "int", .kind = MX_META_INT, .integer = -5},
        {.key = "scalar", .kind = MX_META_INT, .array = mx_int(7)},
        {.key = "vector", .kind = MX_META_ARRAY, .array = mx_array_from(ones, MX_SHAPE(3), MX_BOOL)}};
    assert_int_equal(mx_save_gguf(path_of("file"), N, names, arrays, 5, meta), 0);
    mx_file f = mx_load_gguf(path_of("file"));
    assert_non_null(f);
    assert_int_equal(mx_file_count(f), N);
    for (int i = 0; i < N; i++) {
      mx_array a = mx_file_get(f, names[i]);
      assert_true(mx_dtype_of(a) == saved[i] && mx_dim(a, 0) == 3 && mx_dim(a, 1) == 5);
      assert_memory_equal(mx_data(a), ones, mx_nbytes(a));
    }
    assert_string_equal(mx_file_meta_get(f, "text")->string, "one");
    assert_int_equal(mx_file_meta_get(f, "texts")->nstrings, 2);
    assert_int_equal(mx_file_meta_get(f, "int")->integer, -5);
    assert_int_equal(mx_dtype_of(mx_file_meta_get(f, "scalar")->array), MX_INT32);
    assert_int_equal(mx_dim(mx_file_meta_get(f, "vector")->array, 0), 3);
    mx_file_free(f);
    arrays[0] = mx_array_from(ones, MX_SHAPE(3), MX_UINT32);
    assert_int_equal(mx_save_gguf(path_of("file"), 1, names, arrays, 0, NULL), -1);
  }
}

static void bad_gguf_is_refused(void **state) {
  static const struct {
    uint32_t ndim;
    uint64_t dims[4];
    uint32_t type;
    uint64_t offset;
    const char *word;
  } rows[] = {
      {1, {32}, Q4_K, 0, "Q4_K"},
      {1, {32}, 99, 0, "99"},
      {1, {33}, Q4_1, 0, "blocks"},
      {0, {0}, Q8_0, 0, "blocks"},
      {1, {8}, F32, 16, "aligned"},
      {1, {8}, F32, 64, "offset 64"},
      {1, {8}, F32, UINT64_MAX - 31, "offset"},
      {1, {21}, F32, 0, "84 bytes"},
      {1, {1ull << 63}, F32, 0, "2^63"},
      {2, {1ull << 62, 4}, F32, 0, "2^63"},
      {2, {1ull << 62, 1ull << 62}, Q4_0, 0, "2^63"},
      {2, {1ull << 32, 1ull << 32}, I8, 0, "2^63"},
      {2, {32, 1ull << 62}, Q8_0, 0, "2^63"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct bytes b = gguf_of(rows[i].ndim, rows[i].dims, rows[i].type, rows[i].offset);
    expect_bad(load_gguf, &b, rows[i].word);
    assert_non_null(strstr(mx_error(), "a.weight"));
  }
  struct bytes b = gguf_of(0, NULL, F32, 0);
  b.data[24 + 16] = 33;
  expect_bad(load_gguf, &b, "32 dimensions");
  b = gguf_of(0, NULL, F32, 0);
  b.data[4] = 1;
  expect_bad(load_gguf, &b, "version");
  b = gguf(1ull << 60, 0);
  expect_bad(load_gguf, &b, "tensor count");
  b = gguf(0, UINT64_MAX);
  expect_bad(load_gguf, &b, "metadata count");
  b = gguf(2, 0);
  info(&b, "a", 1, (uint64_t[]){4}, F32, 0);
  info(&b, "b", 1, (uint64_t[]){4}, F32, 0);
  pad(&b, 32);
  put(&b, (uint8_t[32]){0}, 32);
  expect_bad(load_gguf, &b, "overlap");
  b = gguf(2, 0);
  info(&b, "a", 1, (uint64_t[]){4}, F32, 0);
  info(&b, "a", 1, (uint64_t[]){4}, F32, 32);
  pad(&b, 32);
  put(&b, (uint8_t[48]){0}, 48);
  expect_bad(load_gguf, &b, "duplicate");
  b = gguf(2, 0); // "a.weight" makes "a.scales" too
  info(&b, "a.weight", 1, (uint64_t[]){32}, Q4_1, 0);
  info(&b, "a.scales", 1, (uint64_t[]){4}, F32, 32);
  pad(&b, 32);
  put(&b, (uint8_t[48]){0}, 48);
  expect_bad(load_gguf, &b, "duplicate");
}

static void bad_gguf_metadata_is_refused(void **state) {
  struct bytes b = gguf(0, 1);
  key(&b, "k", 13);
  put32(&b, 0);
  expect_bad(load_gguf, &b, "value type");
  b = gguf(0, 1);
  key(&b, "k", 7);
  put(&b, "\2", 1);
  expect_bad(load_gguf, &b, "bool");
  b = gguf(0, 1);
  key(&b, "k", 8);
  put64(&b, UINT64_MAX);
  expect_bad(load_gguf, &b, "string");
  b = gguf(0, 1);
  key(&b, "k", 8);
  put_string(&b, "\xc0\x80");
  expect_bad(load_gguf, &b, "UTF-8");
  b = gguf(0, 1);
  put64(&b, 1);
  put(&b, "", 1);
  put32(&b, 0);
  put32(&b, 0);
  expect_bad(load_gguf, &b, "NUL");
  static const uint32_t items[] = {0, 8, 12};
  for (size_t i = 0; i < 3; i++) {
    b = gguf(0, 1);
    key(&b, "k", 9);
    put32(&b, items[i]);
    put64(&b, 1ull << 61);
    expect_bad(load_gguf, &b, "count");
  }
  b = gguf(0, 1);
  key(&b, "k", 9);
  put32(&b, 9);
  put64(&b, 0);
  expect_bad(load_gguf, &b, "arrays");
  b = gguf(0, 1);
  key(&b, "general.alignment", 4);
  put32(&b, 0);
  expect_bad(load_gguf, &b, "multiple of 8");
  b = gguf(0, 2);
  key(&b, "k", 0);
  put(&b, "", 1);
  key(&b, "k", 0);
  put(&b, "", 1);
  expect_bad(load_gguf, &b, "duplicate");
}

static void damaged_gguf_does_no_harm(void **state) {
  struct bytes b = gguf(2, 2);
  key(&b, "general.alignment", 4);
  put32(&b, 8);
  key(&b, "t", 9);
  put32(&b, 8);
  put64(&b, 1);
  put_string(&b, "x");
  info(&b, "a.weight", 2, (uint64_t[]){32, 1}, Q4_1, 0);
  info(&b, "b", 1, (uint64_t[]){2}, F32, 24);
  pad(&b, 8);
  put(&b, (uint8_t[32]){0}, 32);
  damage(load_gguf, &b, b.n);
}

/* ---- npy ---- */
static struct bytes npy(const char *header, const void *data, size_t n) {
  struct bytes b = {.n = 0};
  put(&b, "\x93NUMPY\1\0", 8);
  put(&b, &(uint16_t){(uint16_t)strlen(header)}, 2);
  put_text(&b, header);
  put(&b, data, n);
  return b;
}

static void npy_of_every_dtype_loads_as_saved(void **state) {
  uint8_t ones[6 * 8];
  memset(ones, 1, sizeof ones);
  for (int t = 0; t < MX_DTYPE_COUNT; t++)
    MX_SCOPE {
      mx_array a = mx_array_from(ones, MX_SHAPE(2, 1, 3), (mx_dtype)t);
      assert_int_equal(mx_save_npy(path_of("a.npy"), a), 0);
      mx_array b = mx_load_npy(path_of("a.npy"));
      assert_true(mx_ok(b) && mx_dtype_of(b) == (mx_dtype)t && mx_ndim(b) == 3 && mx_dim(b, 2) == 3);
      assert_memory_equal(mx_data(b), ones, mx_nbytes(a));
    }
  MX_SCOPE {
    assert_int_equal(mx_save_npy(path_of("a.npy"), mx_float(1.5)), 0);
    double value = 0;
    assert_int_equal(mx_item(mx_load_npy(path_of("a.npy")), &value), 0);
    assert_true(value == 1.5);
    assert_int_equal(mx_save_npy(path_of("a.npy"), mx_array_from(ones, MX_SHAPE(0, 7), MX_INT32)), 0);
    assert_int_equal(mx_dim(mx_load_npy(path_of("a.npy")), 1), 7);
  }
}

static void npy_orders_are_understood(void **state) {
  static const uint8_t big[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff};
  struct bytes b = npy("{'descr': '>i4', 'fortran_order': False, 'shape': (4,), }\n", big, 16);
  MX_SCOPE {
    mx_array a = mx_load_npy(written(&b));
    assert_memory_equal(mx_data(a), ((int32_t[]){1, 2, 256, -1}), 16);
  }
  b = npy("{\"shape\": (2L, 3), \"fortran_order\": True, \"descr\": \"|u1\"}", "\1\2\3\4\5\6", 6);
  MX_SCOPE {
    mx_array a = mx_contiguous(mx_load_npy(written(&b)), false);
    assert_int_equal(mx_eval(a), 0);
    assert_memory_equal(mx_data(a), "\1\3\5\2\4\6", 6);
  }
}

static void bad_npy_is_refused(void **state) {
  static const struct {
    const char *header, *word;
  } rows[] = {
      {"", "'{'"},
      {"{}", "fewer keys"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "','"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "|O"},
      {"{'descr': '<c16', 'fortran_order': False, 'shape': (2,)}", "c16"},
      {"{'descr': '', 'fortran_order': False, 'shape': (2,)}", "dtype"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "records"},
      {"{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}", "True or False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': 2}", "tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "dimension"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "12 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}", "2^63"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "bytes"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "twice"},
      {"{'descr': '<f4', 'other': False, 'shape': (2,)}", "other"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "end"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
       "32 dimensions"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct bytes b = npy(rows[i].header, "12345678", 8);
    expect_bad(load_npy, &b, rows[i].word);
  }
  struct bytes b = npy(rows[1].header, "", 0);
  b.data[6] = 4;
  expect_bad(load_npy, &b, "version");
  b.data[6] = 2; // a length of four bytes, two of them the text
  expect_bad(load_npy, &b, "length");
}

static void damaged_npy_does_no_harm(void **state) {
  struct bytes b = npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }   \n", "abcdefghijkl", 12);
  damage(load_npy, &b, b.n);
}

/* ---- The system ---- */
static void a_missing_file_is_the_systems_error(void **state) {
  const loader loaders[] = {load_safetensors, load_gguf, load_npy};
  for (int i = 0; i < 3; i++) {
    mx_error_clear();
    assert_int_equal(loaders[i](path_of("absent")), -1);
    assert_int_equal(mx_error_code(), MX_IO_ERROR);
    assert_non_null(strstr(mx_error(), "No such file"));
    assert_int_equal(loaders[i](folder), -1);
    assert_int_equal(mx_error_code(), MX_IO_ERROR);
  }
}

static void a_failed_save_leaves_the_old_file(void **state) {
  MX_SCOPE {
    assert_int_equal(mx_save_npy(path_of("old.npy"), mx_int(7)), 0);
    assert_int_equal(mx_save_npy(path_of("old.npy"), MX_BAD), -1);
    mx_array x[] = {mx_int(1), mx_int(2)};
    const char *same[] = {"x", "x"}, *invalid[] = {"x", "\xff"};
    assert_int_equal(mx_save_safetensors(path_of("old.npy"), 2, same, x, 0, NULL, NULL), -1);
    assert_int_equal(mx_save_safetensors(path_of("old.npy"), 2, invalid, x, 0, NULL, NULL), -1);
    int64_t value = 0;
    assert_int_equal(mx_item_int(mx_load_npy(path_of("old.npy")), &value), 0);
    assert_int_equal(value, 7);
    mx_error_clear();
    assert_int_equal(mx_save_npy(path_of("no/such/folder"), x[0]), -1);
    assert_int_equal(mx_error_code(), MX_IO_ERROR);
  }
}

static void saving_over_a_loaded_file_is_safe(void **state) {
  MX_SCOPE {
    mx_array big = mx_contiguous(mx_arange(0, 100000, 1, MX_FLOAT32), false);
    assert_int_equal(mx_save_npy(path_of("self.npy"), big), 0);
    chmod(path_of("self.npy"), 0640);
    mx_array loaded = mx_load_npy(path_of("self.npy"));
    assert_int_equal(mx_save_npy(path_of("self.npy"), mx_add(loaded, loaded)), 0);
    struct stat info;
    assert_int_equal(stat(path_of("self.npy"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_memory_equal(mx_data(loaded), mx_data(big), mx_nbytes(big));
    assert_true(((const float *)mx_data(mx_load_npy(path_of("self.npy"))))[99999] == 199998);
  }
}

static int make_folder(void **state) { return mkdtemp(folder) ? 0 : -1; }
static int remove_folder(void **state) {
  static const char *const names[] = {"file", "all", "t", "t.npy", "a.npy", "old.npy", "self.npy"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(path_of(names[i]));
  mx_drain_foreign();
  return rmdir(folder); // fails if a temporary file was left behind
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(safetensors_of_every_dtype_load_as_saved),
      cmocka_unit_test(a_saved_transpose_is_row_major),
      cmocka_unit_test(arrays_outlive_their_file),
      cmocka_unit_test(unaligned_safetensors_are_read),
      cmocka_unit_test(bad_safetensors_are_refused),
      cmocka_unit_test(damaged_safetensors_do_no_harm),
      cmocka_unit_test(gguf_metadata_keeps_kinds_and_dtypes),
      cmocka_unit_test(gguf_blocks_become_affine),
      cmocka_unit_test(gguf_biases_beyond_half_become_float32),
      cmocka_unit_test(gguf_plain_tensors_keep_their_bytes),
      cmocka_unit_test(a_saved_gguf_loads_the_same),
      cmocka_unit_test(bad_gguf_is_refused),
      cmocka_unit_test(bad_gguf_metadata_is_refused),
      cmocka_unit_test(damaged_gguf_does_no_harm),
      cmocka_unit_test(npy_of_every_dtype_loads_as_saved),
      cmocka_unit_test(npy_orders_are_understood),
      cmocka_unit_test(bad_npy_is_refused),
      cmocka_unit_test(damaged_npy_does_no_harm),
      cmocka_unit_test(a_missing_file_is_the_systems_error),
      cmocka_unit_test(a_failed_save_leaves_the_old_file),
      cmocka_unit_test(saving_over_a_loaded_file_is_safe),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
