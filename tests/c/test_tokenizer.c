/* The example's tokenizer gives the ids of the reference tokenizer of SmolLM2 (the `tokenizers` package,
   built from the same vocabulary), and its text comes back byte for byte. Needs the model: its path is the
   argument, or MLX_TEST_MODEL; without one the tests are skipped. */
#include "tokenizer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *model_path;
static struct tokenizer *tokenizer;

static const struct {
  const char *text;
  int n;
  int32_t ids[64];
} rows[] = {
    {"Hello world", 2, {19556, 905}},
    {"  two  spaces ", 5, {216, 827, 216, 5600, 216}},
    {"\n\n\x09mixed \x0d\n ws \n", 7, {1116, 197, 35781, 216, 2738, 37844, 3717}},
    {"I'm you're we'll they'd 'S 'LL", 12, {57, 5248, 346, 2316, 392, 3060, 502, 6737, 637, 67, 637, 16421}},
    {"price 12345.67 x\xef\xbc\x92\xef\xbc\x93",
     15,
     {17517, 216, 33, 34, 35, 36, 37, 30, 38, 39, 1792, 8083, 236, 8083, 237}},
    {"\xc2\xbd \xe2\x85\x93 \xc2\xb2 \xe2\x85\xa7",
     11,
     {16738, 216, 173, 223, 237, 216, 19133, 216, 173, 223, 117}},
    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe3\x83\x86\xe3\x82\xad\xe3\x82\xb9\xe3\x83\x88\xe3"
     "\x80\x81\xe3\x81\xa7\xe3\x81\x99\xe3\x80\x82",
     20,
     {23274, 115,   40993, 179,   120, 248,   26453, 11100, 224,   10391,
      251,   10391, 134,   11100, 226, 29917, 7365,  117,   39958, 19076}},
    {"\xf0\x9f\x99\x82\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 flags "
     "\xf0\x9f\x87\xab\xf0\x9f\x87\xb7",
     22,
     {10813, 38887, 10813, 235, 118,   321,   231, 10813, 235,   119, 321,
      231,   10813, 235,   117, 13198, 15107, 225, 121,   10813, 225, 132}},
    {"<|im_start|>user\nhi<|im_end|>\n", 6, {1, 4093, 198, 6004, 2, 198}},
    {"a<|im_end", 6, {81, 44, 108, 306, 79, 486}},
    {"e\xcc\x81 \xc3\xa9 \xc3\xb1", 6, {85, 151, 219, 26411, 5549, 126}},
    {"\xc2\xa0nbsp\xe2\x80\x83"
     "em\xe2\x80\x8bzw\xe3\x80\x80",
     12,
     {15442, 94, 32093, 321, 221, 391, 321, 229, 106, 103, 12109, 218}},
    {"def f(x):\n    return x**2  # ok\n",
     14,
     {1604, 275, 24, 104, 727, 472, 1003, 1792, 828, 34, 216, 907, 10907, 198}},
    {"", 0, {0}},
    {"   ", 1, {333}},
    {"\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 123", 9, {21706, 20602, 44626, 31462, 10805, 216, 33, 34, 35}},
    {"\xce\x95\xce\xbb\xce\xbb\xce\xb7\xce\xbd\xce\xb9\xce\xba\xce\xac",
     9,
     {153, 239, 17162, 17162, 25723, 11517, 12001, 21118, 26112}},
    {"<repo_name><reponame><file_sep>", 3, {3, 4, 5}},
    {"a1b2c3 1 2  3", 12, {81, 33, 82, 34, 83, 35, 216, 33, 216, 34, 256, 35}},
    {"http://x.y/z?q=1&r=2", 15, {5031, 1742, 104, 30, 105, 31, 106, 47, 97, 45, 33, 22, 98, 45, 34}},
    {"\xc2\x85x\xe2\x80\xa8y", 6, {141, 223, 104, 321, 118, 105}},
};
enum { NROWS = sizeof rows / sizeof *rows };

static void ids_are_those_of_the_reference(void **state) {
  if (!tokenizer) skip();
  for (int i = 0; i < NROWS; i++) {
    struct tokens out = {0};
    assert_int_equal(tokenizer_encode(tokenizer, rows[i].text, strlen(rows[i].text), true, &out), 0);
    assert_int_equal(out.n, rows[i].n);
    for (int k = 0; k < out.n; k++) assert_int_equal(out.v[k], rows[i].ids[k]);
    tokens_free(&out);
  }
}

static void text_comes_back(void **state) {
  if (!tokenizer) skip();
  for (int i = 0; i < NROWS; i++) {
    struct tokens out = {0};
    struct stream stream = {.n = 0};
    char text[512];
    size_t length = 0;
    assert_int_equal(tokenizer_encode(tokenizer, rows[i].text, strlen(rows[i].text), false, &out), 0);
    for (int k = 0; k < out.n; k++) {
      size_t n;
      const char *bytes = tokenizer_bytes(tokenizer, out.v[k], &n);
      length += stream_push(&stream, bytes, n, text + length);
    }
    assert_int_equal(stream.n, 0);
    assert_int_equal(length, strlen(rows[i].text));
    assert_memory_equal(text, rows[i].text, length);
    tokens_free(&out);
  }
}

static void special_tokens_in_plain_text_stay_text(void **state) {
  if (!tokenizer) skip();
  int32_t mark = tokenizer_find(tokenizer, "<|im_start|>");
  struct tokens out = {0};
  assert_true(mark >= 0);
  assert_int_equal(tokenizer_encode(tokenizer, "<|im_start|>", 12, false, &out), 0);
  assert_true(out.n > 1);
  for (int k = 0; k < out.n; k++) assert_true(out.v[k] != mark);
  tokens_free(&out);
}

static void invalid_utf8_is_encoded_as_bytes(void **state) {
  if (!tokenizer) skip();
  struct tokens out = {0};
  assert_int_equal(tokenizer_encode(tokenizer, "a\xff\xe2\x82", 4, true, &out), 0);
  tokens_free(&out);
}

static void a_stream_holds_back_incomplete_characters(void **state) {
  struct stream stream = {.n = 0};
  char out[16];
  assert_int_equal(stream_push(&stream, "a\xf0\x9f", 3, out), 1);
  assert_int_equal(stream_push(&stream, "\x99", 1, out), 0);
  assert_int_equal(stream_push(&stream, "\x82!", 2, out), 5);
  assert_memory_equal(out, "\xf0\x9f\x99\x82!", 5);
  assert_int_equal(stream_push(&stream, "\x82\x82\x82\x82", 4, out), 4); // no start of a character: as it is
}

static void a_file_without_a_vocabulary_is_refused(void **state) {
  mx_error_clear();
  assert_null(tokenizer_new(NULL));
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
}

/* ---- A vocabulary of the test's own: the bytes a to d, then 60 merges of two earlier tokens each. ---- */
enum { BYTES = 4, MERGES = 60 };
static struct {
  char text[BYTES + MERGES][32];
  int left[BYTES + MERGES], right[BYTES + MERGES];
  struct tokenizer *tokenizer;
} made;

static uint32_t random_below(uint32_t n) {
  static uint32_t state = 1;
  state = state * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)state * n >> 32);
}

static bool is_new(int i) {
  for (int k = 0; k < i; k++)
    if (!strcmp(made.text[k], made.text[i])) return false;
  return true;
}

static void make_vocabulary(void) {
  static char lines[MERGES][64];
  const char *tokens[BYTES + MERGES], *merges[MERGES], *path = "test_tokenizer.gguf";
  for (int i = 0; i < BYTES + MERGES; i++) {
    do {
      made.left[i] = (int)random_below((uint32_t)(i < BYTES ? 1 : i));
      made.right[i] = (int)random_below((uint32_t)(i < BYTES ? 1 : i));
      if (i < BYTES)
        snprintf(made.text[i], sizeof *made.text, "%c", 'a' + i);
      else
        snprintf(made.text[i], sizeof *made.text, "%.8s%.8s", made.text[made.left[i]],
                 made.text[made.right[i]]);
    } while (i >= BYTES && (strlen(made.text[i]) > 8 || !is_new(i)));
    tokens[i] = made.text[i];
    if (i < BYTES) continue;
    snprintf(lines[i - BYTES], sizeof *lines, "%s %s", made.text[made.left[i]], made.text[made.right[i]]);
    merges[i - BYTES] = lines[i - BYTES];
  }
  mx_meta meta[] = {
      {.key = "tokenizer.ggml.tokens",
       .kind = MX_META_STRINGS,
       .strings = tokens,
       .nstrings = BYTES + MERGES},
      {.key = "tokenizer.ggml.merges", .kind = MX_META_STRINGS, .strings = merges, .nstrings = MERGES}};
  assert_int_equal(mx_save_gguf(path, 0, NULL, NULL, 2, meta), 0);
  mx_file f = mx_load_gguf(path);
  made.tokenizer = tokenizer_new(f);
  mx_file_free(f);
  remove(path);
  assert_non_null(made.tokenizer);
}

/* By the definition: the earliest learned merge that a pair of neighbours has, the leftmost of equal ones. */
static int merge_plainly(int32_t *v, int n) {
  for (;;) {
    int token = BYTES + MERGES, at = 0;
    for (int i = 0; i + 1 < n; i++)
      for (int k = BYTES; k < token; k++)
        if (made.left[k] == v[i] && made.right[k] == v[i + 1]) token = k, at = i;
    if (token == BYTES + MERGES) return n;
    v[at] = token;
    memmove(v + at + 1, v + at + 2, (size_t)(--n - at - 1) * sizeof *v);
  }
}

static void the_earliest_merge_goes_first(void **state) {
  for (int round = 0; round < 200; round++) {
    char word[300];
    int32_t expected[300];
    int n = (int)random_below(300);
    for (int i = 0; i < n; i++) word[i] = (char)('a' + (expected[i] = (int32_t)random_below(BYTES)));
    struct tokens out = {0};
    assert_int_equal(tokenizer_encode(made.tokenizer, word, (size_t)n, true, &out), 0);
    n = merge_plainly(expected, n);
    assert_int_equal(out.n, n);
    for (int i = 0; i < n; i++) assert_int_equal(out.v[i], expected[i]);
    tokens_free(&out);
  }
}

/* In quadratic time this would take minutes or hours. Spaces are no token here, and leave nothing behind. */
static void long_words_and_long_texts_are_encoded_in_time(void **state) {
  enum { LENGTH = 2000000 };
  char *text = malloc(LENGTH);
  assert_non_null(text);
  for (int words = 0; words < 2; words++) {
    size_t at = 0;
    for (int i = 0; i < LENGTH; i++) text[i] = words && i % 5 == 4 ? ' ' : (char)('a' + random_below(BYTES));
    struct tokens out = {0};
    assert_int_equal(tokenizer_encode(made.tokenizer, text, LENGTH, true, &out), 0);
    assert_true(out.n > LENGTH / 8 && out.n < LENGTH);
    for (int i = 0; i < out.n; i++) {
      size_t n = strlen(made.text[out.v[i]]);
      at += text[at] == ' ';
      assert_memory_equal(text + at, made.text[out.v[i]], n);
      at += n;
    }
    assert_int_equal(at, LENGTH - words);
    tokens_free(&out);
  }
  free(text);
}

static int open_model(void **state) {
  make_vocabulary();
  mx_file f = model_path ? mx_load_gguf(model_path) : NULL;
  if (f) tokenizer = tokenizer_new(f);
  mx_file_free(f);
  return model_path && !tokenizer ? -1 : 0;
}
static int close_model(void **state) {
  tokenizer_free(tokenizer);
  tokenizer_free(made.tokenizer);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_are_those_of_the_reference),
      cmocka_unit_test(text_comes_back),
      cmocka_unit_test(special_tokens_in_plain_text_stay_text),
      cmocka_unit_test(invalid_utf8_is_encoded_as_bytes),
      cmocka_unit_test(the_earliest_merge_goes_first),
      cmocka_unit_test(long_words_and_long_texts_are_encoded_in_time),
      cmocka_unit_test(a_stream_holds_back_incomplete_characters),
      cmocka_unit_test(a_file_without_a_vocabulary_is_refused),
  };
  model_path = argc > 1 ? argv[1] : getenv("MLX_TEST_MODEL");
  return cmocka_run_group_tests(tests, open_model, close_model);
}
