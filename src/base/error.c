#include "base/error.h"
#include <stdio.h>
#include <string.h>

static _Thread_local struct mxi_error thread_error;

int mx_error_set(mx_status code, const char *format, ...) {
  char text[sizeof thread_error.text]; // arguments may point into the old text
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(thread_error.text, text, sizeof text);
  thread_error.code = code;
  thread_error.evaluated = false;
  return -1;
}

int mxi_fail_memory(size_t bytes) {
  return mxi_fail(MX_OUT_OF_MEMORY, "[malloc] expected %zu bytes of memory, got none", bytes);
}

void mxi_error_take(struct mxi_error *out) {
  *out = thread_error;
  mx_error_clear();
}

int mxi_error_put(const struct mxi_error *e) {
  thread_error = *e;
  thread_error.evaluated = true;
  return -1;
}

void mx_error_name(const char *op) {
  if (!op) return;
  const char *text = thread_error.text, *end = strchr(text, ']');
  size_t n = strlen(op);
  mx_status code = thread_error.code;
  if (code == MX_OUT_OF_MEMORY || code == MX_IO_ERROR || thread_error.evaluated || *text != '[' || !end)
    return;
  if (!strncmp(text + 1, op, n) && (text[1 + n] == ']' || text[1 + n] == '_')) return;
  mx_error_set(code, "[%s%s", op, end);
}

const char *mx_error(void) { return thread_error.text; }
mx_status mx_error_code(void) { return thread_error.code; }
void mx_error_clear(void) {
  thread_error.code = MX_OK;
  thread_error.text[0] = 0;
}
