/* What tests of public functions share: cmocka and its headers, and a scope around each test. */
#ifndef MXI_TESTS_SCOPE_H
#define MXI_TESTS_SCOPE_H
#include "mlx/mlx.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static mx_scope scope;
/* The set-up and tear-down of each test. */
static inline int open_scope(void **state) {
  scope = mx_scope_open();
  mx_error_clear();
  return 0;
}
static inline int close_scope(void **state) {
  mx_scope_close(&scope);
  return 0;
}
#endif
