/* The byte ranges tensors claim in a file. No two may share a byte: a file that makes them overlap is damaged
 * or hostile. */
#ifndef MXI_IO_SPANS_H
#define MXI_IO_SPANS_H
#include "base/vec.h"
#include "io/place.h"
#include <stdint.h>

struct mxi_span {
  size_t begin, end;
  const char *name; /* borrowed */
};
typedef mxi_vec(struct mxi_span) mxi_spans;
/* Sorts them; an overlap is an error at one of its tensors. */
int mxi_check_overlaps(mxi_spans *spans, struct mxi_place *place);
#endif
