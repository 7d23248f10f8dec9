#include "io/spans.h"
#include <stdlib.h>

static int compare_spans(const void *a, const void *b) {
  const struct mxi_span *x = a, *y = b;
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

int mxi_check_overlaps(mxi_spans *spans, struct mxi_place *place) {
  if (spans->n) qsort(spans->v, spans->n, sizeof *spans->v, compare_spans);
  for (size_t i = 1; i < spans->n; i++) {
    if (spans->v[i].begin >= spans->v[i - 1].end) continue;
    mxi_place_at(place, "tensor '%.80s'", spans->v[i].name);
    return mxi_bad_file(place, "expected bytes of its own, got an overlap with '%.80s'",
                        spans->v[i - 1].name);
  }
  return 0;
}
