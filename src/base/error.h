/* The thread's error: one code and one text, set where the failure is known best. */
#ifndef MXI_BASE_ERROR_H
#define MXI_BASE_ERROR_H
#include "mlx/types.h"
#include <stdarg.h>

/* Sets the thread's error and returns -1, so that `return mxi_fail(...)` reads well. Texts are worded
   "[op] expected ..., got ...". */
#define mxi_fail mx_error_set
/* The one text for a failed allocation of `bytes`; returns -1. Allocates nothing. */
int mxi_fail_memory(size_t bytes);
/* Copies an error taken in one thread into another's: tasks carry the error of the thread that ran them. */
struct mxi_error {
  mx_status code;
  bool evaluated; /* found by an evaluation: it names the op that failed */
  char text[500];
};
void mxi_error_take(struct mxi_error *out);   /* moves the thread's error out and clears it */
int mxi_error_put(const struct mxi_error *e); /* makes it the thread's error, of an evaluation; returns -1 */

/* Returns early when an int-returning call fails. */
#define MXI_TRY(expr)          \
  do {                         \
    if ((expr) < 0) return -1; \
  } while (0)
#endif
