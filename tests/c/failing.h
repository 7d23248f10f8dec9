/* Work that is done again and again, each time with a later allocation that fails. */
#ifndef MXI_TESTS_FAILING_H
#define MXI_TESTS_FAILING_H
#include "scope.h"
#include "base/alloc.h"
#include <math.h>
#include <stdbool.h>

/* work gives a value and 0; or it is out of memory, whichever allocation is the first to fail, until none
   does and the value is the same. Returns it. */
static inline double try_every_failure(int (*work)(void *context, double *value), void *context) {
  double want, got = NAN;
  MX_SCOPE {
    if (work(context, &want) < 0) fail_msg("%s", mx_error());
  }
  bool done = false;
  for (long n = 0; !done; n++) {
    assert_true(n < 10000);
    MX_SCOPE {
      mx_clear_cache(); /* so that buffers are allocations too */
      mxi_alloc_fail_after(n);
      done = work(context, &got) == 0;
      mxi_alloc_fail_after(-1);
    }
    if (!done && mx_error_code() != MX_OUT_OF_MEMORY) fail_msg("allocation %ld: %s", n, mx_error());
  }
  assert_true(got == want);
  return want;
}
#endif
