/* Taking values from a GGUF file, one behind the other. */
#include "io/gguf.h"
#include <string.h>

int mxi_gguf_take(struct mxi_gguf *g, void *out, size_t n) {
  if (n > g->map->size - g->at)
    return mxi_bad_file(&g->place, "expected %zu more bytes, got the file's end at byte %zu", n,
                        g->map->size);
  memcpy(out, g->map->data + g->at, n);
  g->at += n;
  return 0;
}

int mxi_gguf_take_string(struct mxi_gguf *g, const char **s, size_t *n) {
  uint64_t length = 0;
  MXI_TRY(mxi_gguf_take(g, &length, sizeof length));
  if (length > g->map->size - g->at)
    return mxi_bad_file(&g->place, "expected a string within %zu bytes, got a length of %llu",
                        g->map->size - g->at, (unsigned long long)length);
  *s = (const char *)g->map->data + g->at;
  *n = (size_t)length;
  g->at += *n;
  return mxi_utf8_valid(*s, *n)
             ? 0
             : mxi_bad_file(&g->place, "expected a string in UTF-8 without NUL, got other bytes");
}
