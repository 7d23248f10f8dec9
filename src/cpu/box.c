#include "cpu/box.h"
#include <string.h>

void mxi_box_init(struct mxi_box *b, int ndim, const int64_t *shape, int noperands,
                  const int64_t *const *strides) {
  b->ndim = 0;
  b->noperands = noperands;
  b->size = 1;
  for (int k = 0; k < noperands; k++) b->offset[k] = 0;
  for (int i = 0; i < ndim; i++) {
    b->size *= shape[i];
    if (shape[i] == 1) continue;
    b->shape[b->ndim] = shape[i];
    for (int k = 0; k < noperands; k++) b->strides[k][b->ndim] = strides[k][i];
    b->ndim++;
  }
}

/* Is dim i the repetition of dim i + 1 for every operand? */
static bool mergeable(const struct mxi_box *b, int i) {
  for (int k = 0; k < b->noperands; k++)
    if (b->strides[k][i] != b->strides[k][i + 1] * b->shape[i + 1]) return false;
  return true;
}

void mxi_box_merge(struct mxi_box *b) {
  int last = 0; /* dims [0, last] are merged so far */
  for (int i = 1; i < b->ndim; i++) {
    b->shape[last + 1] = b->shape[i];
    for (int k = 0; k < b->noperands; k++) b->strides[k][last + 1] = b->strides[k][i];
    if (mergeable(b, last)) {
      b->shape[last] *= b->shape[i];
      for (int k = 0; k < b->noperands; k++) b->strides[k][last] = b->strides[k][i];
    } else
      last++;
  }
  if (b->ndim) b->ndim = last + 1;
}

static void swap_dims(struct mxi_box *b, int i, int j) {
  int64_t t = b->shape[i];
  b->shape[i] = b->shape[j], b->shape[j] = t;
  for (int k = 0; k < b->noperands; k++) {
    t = b->strides[k][i];
    b->strides[k][i] = b->strides[k][j], b->strides[k][j] = t;
  }
}

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* Does dim j belong outside dim i? */
static bool outside(const struct mxi_box *b, int j, int i) {
  for (int k = 0; k < b->noperands; k++) {
    int64_t sj = magnitude(b->strides[k][j]), si = magnitude(b->strides[k][i]);
    if (sj != si) return sj > si;
  }
  return false;
}

void mxi_box_sort(struct mxi_box *b) {
  for (int i = 0; i < b->ndim; i++) {
    if (b->strides[0][i] >= 0) continue;
    for (int k = 0; k < b->noperands; k++) {
      b->offset[k] += (b->shape[i] - 1) * b->strides[k][i];
      b->strides[k][i] = -b->strides[k][i];
    }
  }
  for (int i = 1; i < b->ndim; i++)
    for (int j = i; j > 0 && outside(b, j, j - 1); j--) swap_dims(b, j, j - 1);
  mxi_box_merge(b);
}

void mxi_place_init(struct mxi_place *p, const struct mxi_box *b, int64_t index) {
  for (int k = 0; k < b->noperands; k++) p->offset[k] = b->offset[k];
  for (int i = b->ndim - 1; i >= 0; i--) {
    p->at[i] = index % b->shape[i];
    index /= b->shape[i];
    for (int k = 0; k < b->noperands; k++) p->offset[k] += p->at[i] * b->strides[k][i];
  }
}

void mxi_place_advance(struct mxi_place *p, const struct mxi_box *b, int64_t n) {
  int i = b->ndim - 1;
  if (i < 0) return;
  p->at[i] += n;
  for (int k = 0; k < b->noperands; k++) p->offset[k] += n * b->strides[k][i];
  while (i > 0 && p->at[i] == b->shape[i]) {
    p->at[i] = 0;
    p->at[i - 1]++;
    for (int k = 0; k < b->noperands; k++)
      p->offset[k] += b->strides[k][i - 1] - b->shape[i] * b->strides[k][i];
    i--;
  }
}
