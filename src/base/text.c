#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool has_room(struct mxi_string *s, size_t chars) {
  if (!s->failed && mxi_reserve(&s->chars, s->chars.n + chars + 1) < 0) s->failed = true;
  return !s->failed;
}

void mxi_string_print(struct mxi_string *s, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (n < 0)
    s->failed = true;
  else if (has_room(s, (size_t)n))
    s->chars.n += (size_t)vsnprintf(s->chars.v + s->chars.n, (size_t)n + 1, format, again);
  va_end(again);
}

void mxi_string_add(struct mxi_string *s, const char *text) {
  size_t n = strlen(text);
  if (!has_room(s, n)) return;
  memcpy(s->chars.v + s->chars.n, text, n + 1);
  s->chars.n += n;
}

char *mxi_string_take(struct mxi_string *s) {
  char *text = NULL;
  if (has_room(s, 0)) {
    text = s->chars.v;
    text[s->chars.n] = 0;
    s->chars.v = NULL;
  }
  mxi_vec_free(&s->chars);
  s->failed = false;
  return text;
}
