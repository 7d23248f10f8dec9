/* libFuzzer's target for one loader: FUZZ_READER is its function, and FUZZ_ARRAY is defined where that gives
   an array, not a file of several; FUZZ_FUNCTION, where it is a function, which is called too. `make fuzz`
   runs one for each format. */
#include "mlx/mlx.h"
#include <string.h>

struct stream {
  const uint8_t *data;
  size_t left;
};
static int64_t read_some(void *context, void *to, size_t n) {
  struct stream *s = context;
  if (n > s->left) n = s->left;
  if (n) memcpy(to, s->data, n);
  s->data += n;
  s->left -= n;
  return (int64_t)n;
}

/* Every byte is touched: a wrong bound faults here. */
static void touch(mx_array a) {
  static volatile uint8_t sum;
  if (!mx_ok(a) || !mx_size(a)) return;
  const uint8_t *p = mx_data(a);
  for (size_t i = 0; p && i < mx_nbytes(a); i++) sum = (uint8_t)(sum + p[i]);
}

#ifdef FUZZ_FUNCTION
/* Calls trace i with ones, where its arrays are small. */
static void call(mx_imported f, int i) {
  enum { INPUTS = 8, OUTPUTS = 16, SMALL = 4096 };
  mx_call c = mx_imported_inputs(f, i);
  mx_array in[INPUTS], out[OUTPUTS];
  if (c.n > INPUTS) return;
  for (int k = 0; k < c.n; k++) {
    if (mx_size(c.in[k]) > SMALL) return;
    in[k] = mx_ones(mx_shape_ints(c.in[k]), mx_dtype_of(c.in[k]));
  }
  c.in = in;
  int n = mx_imported_call(f, c, OUTPUTS, out);
  for (int k = 0; k < n; k++)
    if (mx_size(out[k]) <= SMALL && mx_eval(out[k]) == 0) touch(out[k]);
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct stream s = {data, size};
  mx_reader reader = {.context = &s, .read = read_some};
#ifdef FUZZ_FUNCTION
  mx_set_memory_limit((size_t)256 << 20);
  mx_imported f = mx_read_function(reader);
  for (int i = 0; f && i < mx_imported_count(f); i++)
    MX_SCOPE
      call(f, i);
  mx_imported_free(f);
#elif defined(FUZZ_ARRAY)
  MX_SCOPE
    touch(FUZZ_READER(reader));
#else
  mx_file f = FUZZ_READER(reader);
  for (int i = 0; i < mx_file_count(f); i++) touch(mx_file_array(f, i));
  for (int i = 0; i < mx_file_meta_count(f); i++)
    if (mx_file_meta(f, i)->array) touch(mx_file_meta(f, i)->array);
  mx_file_free(f);
#endif
  mx_drain_foreign();
  return 0;
}
