/* Copies, updates, gathers and scatters against plain loops; random bits against known numbers. */
#include "call.h"
#include "core/reduce.h"

#define ONLY(a) ((mx_array[]){a})

/* Elements of every size, transposed: edges that no square fits included. */
static void transposes_are_copied(void **state) {
  static const int64_t shapes[][2] = {{1, 5}, {17, 33}, {300, 130}, {1000, 700}};
  static const mx_dtype types[] = {MX_UINT8, MX_FLOAT16, MX_FLOAT32, MX_COMPLEX64};
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
    for (size_t d = 0; d < sizeof types / sizeof *types; d++) {
      int64_t rows = shapes[k][0], columns = shapes[k][1];
      mx_array a = mxi_array_alloc(types[d], MX_SHAPE(rows, columns)), t = transposed(a);
      size_t bytes = mxi_itemsize(a);
      for (size_t i = 0; i < (size_t)a->size * bytes; i++) mxi_data(uint8_t, a)[i] = (uint8_t)test_random();
      mx_array b = mxi_row_major(t);
      for (int64_t i = 0; i < columns; i++)
        for (int64_t j = 0; j < rows; j++)
          assert_memory_equal(mxi_data(char, b) + (size_t)(i * rows + j) * bytes,
                              mxi_data(char, a) + (size_t)(j * columns + i) * bytes, bytes);
      mxi_unref(b);
      mxi_unref(t);
      mxi_unref(a);
    }
}

/* The cache of a language model: a donated array is updated where it lies. */
static void a_donated_array_is_updated_in_place(void **state) {
  float x[24] = {0}, u[4] = {1, 2, 3, 4};
  for (int donated = 0; donated < 2; donated++) {
    mx_array in[] = {array_of(MX_FLOAT32, MX_SHAPE(4, 6), x), array_of(MX_FLOAT32, MX_SHAPE(2, 2), u)};
    void *memory = in[0]->data;
    mx_array out = CALL(SLICE_UPDATE, MX_FLOAT32, MX_SHAPE(4, 6), (uint64_t)donated, in,
                        .start = MX_SHAPE(1, 4), .step = MX_SHAPE(2, -3), .mode = MXI_UPDATE_SET);
    assert_int_equal(out->data == memory, donated);
    float *y = out->data;
    assert_true(y[6 + 4] == 1 && y[6 + 1] == 2 && y[18 + 4] == 3 && y[18 + 1] == 4 && y[0] == 0);
    mxi_unref(out);
    mxi_unref(in[0]);
    mxi_unref(in[1]);
  }
}

static void bad_indices_write_nothing(void **state) {
  float x[6] = {1, 2, 3, 4, 5, 6}, u[2] = {10, 20};
  int32_t good[2] = {-1, 2}, bad[2] = {2, 6};
  mx_array in[] = {array_of(MX_FLOAT32, MX_SHAPE(6), x), array_of(MX_FLOAT32, MX_SHAPE(2, 1), u),
                   array_of(MX_INT32, MX_SHAPE(2), bad)};
  assert_null(CALL(SCATTER, MX_FLOAT32, MX_SHAPE(6), 1, in, .axes = MX_AXES(0), .mode = MXI_UPDATE_ADD));
  assert_int_equal(mx_error_code(), MX_INDEX_ERROR);
  assert_string_equal(mx_error(), "[scatter] expected indices in [-6, 6) on axis 0, got 6");
  assert_memory_equal(in[0]->data, x, sizeof x);
  memcpy(in[2]->data, good, sizeof good);
  mx_array out = CALL(SCATTER, MX_FLOAT32, MX_SHAPE(6), 1, in, .axes = MX_AXES(0), .mode = MXI_UPDATE_ADD);
  assert_true(mxi_data(float, out)[5] == 16 && mxi_data(float, out)[2] == 23);
  mxi_unref(out);
  for (int i = 0; i < 3; i++) mxi_unref(in[i]);
}

static void rows_are_gathered(void **state) {
  enum { ROWS = 50, WIDTH = 37, N = 5000 };
  mx_array table = mxi_array_alloc(MX_INT32, MX_SHAPE(ROWS, WIDTH)),
           index = mxi_array_alloc(MX_INT64, MX_SHAPE(N));
  for (int i = 0; i < ROWS * WIDTH; i++) mxi_data(int32_t, table)[i] = i;
  for (int i = 0; i < N; i++) mxi_data(int64_t, index)[i] = (int64_t)(test_random() % (2 * ROWS)) - ROWS;
  mx_array in[] = {table, index};
  mx_array out = CALL(GATHER, MX_INT32, MX_SHAPE(N, 1, WIDTH), 0, in, .axes = MX_AXES(0),
                      .slice_sizes = MX_SHAPE(1, WIDTH));
  for (int i = 0; i < N; i++) {
    int64_t row = (mxi_data(int64_t, index)[i] + ROWS) % ROWS;
    assert_memory_equal(mxi_data(int32_t, out) + i * WIDTH, mxi_data(int32_t, table) + row * WIDTH,
                        WIDTH * 4);
  }
  mxi_unref(out);
  mxi_unref(table);
  mxi_unref(index);
}

/* Of several updates of one element the last one stays, however many there are. */
static void the_last_of_duplicate_updates_stays(void **state) {
  enum { N = 200000, M = 1000 };
  mx_array in[] = {mxi_array_alloc(MX_INT32, MX_SHAPE(M)), mxi_array_alloc(MX_INT32, MX_SHAPE(N, 1)),
                   mxi_array_alloc(MX_UINT32, MX_SHAPE(N))};
  int32_t last[M];
  for (int i = 0; i < M; i++) last[i] = mxi_data(int32_t, in[0])[i] = -1;
  for (int i = 0; i < N; i++) {
    uint32_t to = (uint32_t)(test_random() % M);
    mxi_data(uint32_t, in[2])[i] = to;
    last[to] = mxi_data(int32_t, in[1])[i] = i;
  }
  mx_array out = CALL(SCATTER, MX_INT32, MX_SHAPE(M), 0, in, .axes = MX_AXES(0), .mode = MXI_UPDATE_SET);
  assert_memory_equal(out->data, last, sizeof last);
  mxi_unref(out);
  for (int i = 0; i < 3; i++) mxi_unref(in[i]);
}

/* The published answer of Threefry-2x32-20 for a zero key and counter is 6b200159 99ba4efe. */
static void threefry_gives_its_known_answers(void **state) {
  uint32_t zero[2] = {0, 0};
  mx_array key = array_of(MX_UINT32, MX_SHAPE(2), zero);
  mx_array out = CALL(RANDOM_BITS, MX_UINT32, MX_SHAPE(1), 0, ONLY(key), .width = 4);
  assert_int_equal(mxi_data(uint32_t, out)[0], 0x6b200159); /* one word: counter (0, 0), its first word */
  mxi_unref(out);
  mxi_unref(key);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(transposes_are_copied),
      cmocka_unit_test(a_donated_array_is_updated_in_place),
      cmocka_unit_test(bad_indices_write_nothing),
      cmocka_unit_test(rows_are_gathered),
      cmocka_unit_test(the_last_of_duplicate_updates_stays),
      cmocka_unit_test(threefry_gives_its_known_answers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
