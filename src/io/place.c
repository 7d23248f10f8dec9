#include "io/place.h"
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 sequence at s, 0 if it is malformed, overlong, a surrogate, or cut by the end. */
static size_t utf8_length(const unsigned char *s, size_t n) {
  if (s[0] < 0x80) return 1;
  size_t length = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
                  : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                : 0;
  if (!length || length > n) return 0;
  unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
  unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
  if (s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < length; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  return length;
}

bool mxi_utf8_valid(const char *text, size_t n) {
  const unsigned char *s = (const unsigned char *)text;
  for (size_t i = 0, step; i < n; i += step) {
    step = utf8_length(s + i, n - i);
    if (!step || !s[i]) return false;
  }
  return true;
}

bool mxi_text_valid(const char *s) { return mxi_utf8_valid(s, strlen(s)); }

/* Control characters and broken sequences (a cut may have made one) become '?'. */
static void clean(char *text) {
  unsigned char *s = (unsigned char *)text;
  size_t n = strlen(text);
  for (size_t i = 0, step; i < n; i += step) {
    step = utf8_length(s + i, n - i);
    if (!step || s[i] < 0x20 || s[i] == 0x7f) {
      s[i] = '?';
      step = 1;
    }
  }
}

void mxi_place_at(struct mxi_place *p, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(p->at, sizeof p->at, format, args);
  va_end(args);
  clean(p->at);
}

const char *mxi_path_end(const char *path) {
  size_t n = strlen(path);
  return n > 200 ? path + n - 200 : path;
}

int mxi_bad_file(const struct mxi_place *p, const char *format, ...) {
  char text[160];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  clean(text);
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] %s in %s at %s", p->op, text, mxi_path_end(p->path), p->at);
}

int mxi_io_fail(const char *op, const char *verb, const char *path, int code) {
  char reason[128];
  return mxi_fail(MX_IO_ERROR, "[%s] expected to %s %s, got: %s", op, verb, mxi_path_end(path),
                  strerror_r(code, reason, sizeof reason));
}

bool mxi_given_path(const char *op, const char *path) {
  if (!path) mxi_fail(MX_TYPE_ERROR, "[%s] expected a path, got NULL", op);
  return path;
}
bool mxi_given_function(const char *op, const char *name, void (*function)(void)) {
  if (!function) mxi_fail(MX_TYPE_ERROR, "[%s] expected a stream with a function to %s, got NULL", op, name);
  return function;
}
