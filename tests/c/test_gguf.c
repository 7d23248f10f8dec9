/* GGUF: what was saved loads the same, quantised blocks become the affine form without loss, and no file,
   however damaged, does more than set an error. */
#include "files.h"

/* The types' numbers by their names. */
enum {
#define GGUF_ARRAY(number, name, ...)  name = number,
#define GGUF_BLOCKS(number, name, ...) name = number,
#define GGUF_REFUSED(number, name)     name = number,
#include "io/gguf_types.def"
};

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

/* Element i of a packed row, which may lie across two words. */
static unsigned element(const uint32_t *words, int bits, int i) {
  int word = i * bits / 32, shift = i * bits % 32;
  uint64_t both = words[word] | (shift + bits > 32 ? (uint64_t)words[word + 1] << 32 : 0);
  return (unsigned)(both >> shift) & ((1u << bits) - 1);
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

/* Element i of packed rows of `columns` elements, as the affine form says; the group's size follows from the
 * shapes. */
static float affine(mx_file f, const char *stem, int64_t columns, int bits, int i) {
  char scales[32], biases[32];
  snprintf(scales, sizeof scales, "%s.scales", stem);
  snprintf(biases, sizeof biases, "%s.biases", stem);
  mx_array w = mx_file_get(f, stem), s = mx_file_get(f, scales), b = mx_file_get(f, biases);
  assert_true(mx_dtype_of(s) == MX_FLOAT32 && mx_dtype_of(b) == MX_FLOAT32);
  assert_int_equal(mx_dim(w, -1) * 32, columns * bits);
  int64_t group = i / (columns / mx_dim(s, -1));
  return (float)element(mx_data(w), bits, i) * ((const float *)mx_data(s))[group] +
         ((const float *)mx_data(b))[group];
}

static void gguf_q4_k_keeps_scales_and_minima(void **state) {
  struct bytes b = gguf(1, 0);
  info(&b, "a", 1, (uint64_t[]){256}, Q4_K, 0);
  pad(&b, 32);
  put(&b, "\x00\x38\x00\x34", 4); // d = 0.5, m = 0.25
  /* scales 1 2 3 4 33 34 35 36, minima 5 6 7 8 17 18 19 20: of the last four the low nibbles are in the last
     bytes, the high bits above the first ones */
  put(&b, "\x81\x82\x83\x84\x45\x46\x47\x48\x11\x22\x33\x44", 12);
  for (int i = 0; i < 128; i++) put(&b, &(uint8_t){(uint8_t)(i % 16 | (15 - i % 16) << 4)}, 1);
  mx_file f = mx_load_gguf(written(&b));
  assert_non_null(f);
  static const float scales[] = {1, 2, 3, 4, 33, 34, 35, 36}, minima[] = {5, 6, 7, 8, 17, 18, 19, 20};
  for (int i = 0; i < 256; i++) {
    int q = i / 32 % 2 ? 15 - i % 16 : i % 16;
    assert_true(affine(f, "a", 256, 4, i) == 0.5f * scales[i / 32] * (float)q - 0.25f * minima[i / 32]);
  }
  mx_file_free(f);
}

static void gguf_q6_k_has_groups_of_16(void **state) {
  struct bytes b = gguf(1, 0);
  info(&b, "a", 1, (uint64_t[]){256}, Q6_K, 0);
  pad(&b, 32);
  uint8_t low[128] = {0}, high[64] = {0};
  for (int i = 0; i < 256; i++) { // element i is i % 64: its low four bits and its high two lie apart
    int half = i / 128, part = i % 128 / 32, l = i % 32, q = i % 64;
    low[64 * half + 32 * (part % 2) + l] |= (uint8_t)((q & 15) << 4 * (part / 2));
    high[32 * half + l] |= (uint8_t)((q >> 4) << 2 * part);
  }
  put(&b, low, 128);
  put(&b, high, 64);
  for (int i = 0; i < 16; i++) put(&b, &(int8_t){(int8_t)(i * 17 - 128)}, 1);
  put(&b, "\x00\xb8", 2); // d = -0.5
  mx_file f = mx_load_gguf(written(&b));
  assert_non_null(f);
  assert_int_equal(mx_dim(mx_file_get(f, "a.scales"), -1), 16);
  for (int i = 0; i < 256; i++)
    assert_true(affine(f, "a", 256, 6, i) == -0.5f * (float)(i / 16 * 17 - 128) * (float)(i % 64 - 32));
  mx_file_free(f);
}

static void gguf_q5_keeps_the_fifth_bit(void **state) {
  struct bytes b = gguf(2, 0);
  info(&b, "a", 1, (uint64_t[]){32}, Q5_0, 0);
  info(&b, "b", 1, (uint64_t[]){32}, Q5_1, 32);
  pad(&b, 32);
  put(&b, "\x00\x38", 2); // d = 0.5
  put32(&b, 0xffff0000);
  for (int i = 0; i < 16; i++) put(&b, &(uint8_t){(uint8_t)(i * 17)}, 1); // element i is i
  pad(&b, 32);
  put(&b, "\x00\x38\x00\xbc", 4); // d = 0.5, m = -1
  put32(&b, 0x0000ffff);
  for (int i = 0; i < 16; i++) put(&b, &(uint8_t){(uint8_t)(i * 17)}, 1);
  mx_file f = mx_load_gguf(written(&b));
  assert_non_null(f);
  for (int i = 0; i < 32; i++) {
    assert_int_equal(element(mx_data(mx_file_get(f, "a")), 5, i), i);
    assert_int_equal(element(mx_data(mx_file_get(f, "b")), 5, i), i ^ 16);
  }
  assert_int_equal(*(const uint16_t *)mx_data(mx_file_get(f, "a.biases")), 0xc800); // -16 * 0.5
  assert_int_equal(*(const uint16_t *)mx_data(mx_file_get(f, "b.biases")), 0xbc00);
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
      {1, {32}, TQ1_0, 0, "TQ1_0"},
      {1, {32}, Q4_K, 0, "blocks of 256"},
      {1, {256}, Q4_K, 0, "144 bytes"},
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
  b = gguf(1, 0);
  info(&b, "a.weight", 1, (uint64_t[]){256}, Q2_K, 0);
  pad(&b, 32);
  for (int i = 0; i < 84; i++) put(&b, &(uint8_t){(uint8_t)i}, 1);
  damage(load_gguf, &b, b.n);
}

static void failed_allocations_of_gguf_are_errors(void **state) {
  struct bytes b = gguf(2, 2);
  key(&b, "t", 9);
  put32(&b, 8);
  put64(&b, 1);
  put_string(&b, "x");
  key(&b, "n", 4);
  put32(&b, 5);
  info(&b, "a.weight", 1, (uint64_t[]){256}, Q2_K, 0);
  info(&b, "b", 1, (uint64_t[]){32}, Q8_0, 96);
  pad(&b, 32);
  put(&b, (uint8_t[96]){0}, 96);
  put(&b, "\x00\x64", 2); // 1024: its biases become float32
  put(&b, (uint8_t[32]){0}, 32);
  starve(load_gguf, &b);
}

REMOVE_FOLDER("none")

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gguf_metadata_keeps_kinds_and_dtypes),
      cmocka_unit_test(gguf_blocks_become_affine),
      cmocka_unit_test(gguf_q4_k_keeps_scales_and_minima),
      cmocka_unit_test(gguf_q6_k_has_groups_of_16),
      cmocka_unit_test(gguf_q5_keeps_the_fifth_bit),
      cmocka_unit_test(gguf_biases_beyond_half_become_float32),
      cmocka_unit_test(gguf_plain_tensors_keep_their_bytes),
      cmocka_unit_test(a_saved_gguf_loads_the_same),
      cmocka_unit_test(bad_gguf_is_refused),
      cmocka_unit_test(bad_gguf_metadata_is_refused),
      cmocka_unit_test(damaged_gguf_does_no_harm),
      cmocka_unit_test(failed_allocations_of_gguf_are_errors),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
