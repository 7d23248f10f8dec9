/* safetensors, npy and the system: what was saved loads the same, and no file, however damaged, does more
   than set an error. */
#include "files.h"

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
    assert_string_equal(mx_file_meta_get(f, "format")->string, values[0]);
    assert_null(mx_file_get(f, "absent"));
    assert_null(mx_file_meta_get(f, "absent"));
    expect_arrays(f, N + 2, names, arrays);
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
  const loader loaders[] = {load_safetensors, load_gguf, load_npy, load_npz};
  for (int i = 0; i < 4; i++) {
    mx_error_clear();
    assert_int_equal(loaders[i](path_of("absent"), NULL), -1);
    assert_int_equal(mx_error_code(), MX_IO_ERROR);
    assert_non_null(strstr(mx_error(), "No such file"));
    assert_int_equal(loaders[i](folder, NULL), -1);
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

static void failed_allocations_of_loads_are_errors(void **state) {
  struct bytes b = safetensors(
      "{\"__metadata__\":{\"k\":\"v\"},\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
  starve(load_safetensors, &b);
  b = npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }", "abcdefghijkl", 12);
  starve(load_npy, &b);
}

/* ---- Streams ---- */
static void streams_get_the_bytes_of_a_file(void **state) {
  MX_SCOPE {
    mx_array x = mx_array_from((float[]){1, 2, 3}, MX_SHAPE(3), MX_FLOAT32);
    const char *name = "x";
    for (int format = 0; format < 4; format++) {
      struct sink s = {.left = SIZE_MAX};
      const char *path = path_of("all");
      switch (format) {
      case 0:
        assert_int_equal(mx_save_npy(path, x), 0);
        assert_int_equal(mx_write_npy(writer_of(&s), x), 0);
        break;
      case 1:
        assert_int_equal(mx_save_npz(path, 1, &name, &x, true), 0);
        assert_int_equal(mx_write_npz(writer_of(&s), 1, &name, &x, true), 0);
        break;
      case 2:
        assert_int_equal(mx_save_safetensors(path, 1, &name, &x, 1, &name, &name), 0);
        assert_int_equal(mx_write_safetensors(writer_of(&s), 1, &name, &x, 1, &name, &name), 0);
        break;
      default:
        assert_int_equal(mx_save_gguf(path, 1, &name, &x, 0, NULL), 0);
        assert_int_equal(mx_write_gguf(writer_of(&s), 1, &name, &x, 0, NULL), 0);
      }
      struct bytes file = read_back("all");
      assert_int_equal(file.n, s.bytes.n);
      assert_memory_equal(file.data, s.bytes.data, file.n);
    }
  }
}

static void a_stream_that_breaks_ends_the_save(void **state) {
  MX_SCOPE {
    mx_array x = mx_array_from((float[]){1, 2, 3}, MX_SHAPE(3), MX_FLOAT32);
    const char *name = "x";
    for (int format = 0; format < 5; format++)
      for (size_t left = 0;; left++) {
        struct sink s = {.left = left};
        mx_error_clear();
        int status = format == 0   ? mx_write_npy(writer_of(&s), x)
                     : format == 1 ? mx_write_npz(writer_of(&s), 1, &name, &x, false)
                     : format == 2 ? mx_write_npz(writer_of(&s), 1, &name, &x, true)
                     : format == 3 ? mx_write_safetensors(writer_of(&s), 1, &name, &x, 0, NULL, NULL)
                                   : mx_write_gguf(writer_of(&s), 1, &name, &x, 0, NULL);
        if (!status) break;
        assert_int_equal(mx_error_code(), MX_RUNTIME_ERROR);
      }
  }
}

static void a_stream_is_read_to_the_arrays_end_only(void **state) {
  struct bytes b = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "abc", 3);
  size_t first = b.n;
  struct bytes again = b;
  put(&b, again.data, again.n);
  struct stream s = {&b, 0, SIZE_MAX};
  MX_SCOPE {
    for (size_t i = 1; i <= 2; i++) {
      mx_array a = mx_read_npy(reader_of(&s));
      assert_memory_equal(mx_data(a), "abc", 3);
      assert_int_equal(s.at, i * first);
    }
    assert_int_equal(mx_ok(mx_read_npy(reader_of(&s))), 0);
  }
}

static int64_t give_too_much(void *context, void *data, size_t n) { return (int64_t)n + 1; }
static void a_reader_that_claims_too_much_is_refused(void **state) {
  mx_reader r = {.read = give_too_much};
  mx_error_clear();
  assert_null(mx_read_gguf(r));
  assert_int_equal(mx_error_code(), MX_IO_ERROR);
}

REMOVE_FOLDER("all", "t", "t.npy", "a.npy", "old.npy", "self.npy")

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(safetensors_of_every_dtype_load_as_saved),
      cmocka_unit_test(a_saved_transpose_is_row_major),
      cmocka_unit_test(arrays_outlive_their_file),
      cmocka_unit_test(unaligned_safetensors_are_read),
      cmocka_unit_test(bad_safetensors_are_refused),
      cmocka_unit_test(damaged_safetensors_do_no_harm),
      cmocka_unit_test(npy_of_every_dtype_loads_as_saved),
      cmocka_unit_test(npy_orders_are_understood),
      cmocka_unit_test(bad_npy_is_refused),
      cmocka_unit_test(damaged_npy_does_no_harm),
      cmocka_unit_test(a_missing_file_is_the_systems_error),
      cmocka_unit_test(a_failed_save_leaves_the_old_file),
      cmocka_unit_test(saving_over_a_loaded_file_is_safe),
      cmocka_unit_test(failed_allocations_of_loads_are_errors),
      cmocka_unit_test(streams_get_the_bytes_of_a_file),
      cmocka_unit_test(a_stream_that_breaks_ends_the_save),
      cmocka_unit_test(a_stream_is_read_to_the_arrays_end_only),
      cmocka_unit_test(a_reader_that_claims_too_much_is_refused),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
