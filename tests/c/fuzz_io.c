/* libFuzzer's target for one loader: FUZZ_READER is its function, and FUZZ_ARRAY is defined where that gives
   an array, not a file of several. `make fuzz` runs one for each format. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct stream s = {data, size};
  mx_reader reader = {.context = &s, .read = read_some};
#ifdef FUZZ_ARRAY
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
