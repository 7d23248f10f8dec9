#include "core/region.h"
#include <string.h>

void mxi_region_init(struct mxi_region *r, int ndim, const int64_t *shape, int noperands,
                     const int64_t *const *strides) {
  r->ndim = 0;
  r->noperands = noperands;
  r->size = 1;
  for (int k = 0; k < noperands; k++) r->offset[k] = 0;
  for (int i = 0; i < ndim; i++) {
    r->size *= shape[i];
    if (shape[i] == 1) continue;
    r->shape[r->ndim] = shape[i];
    for (int k = 0; k < noperands; k++) r->strides[k][r->ndim] = strides[k][i];
    r->ndim++;
  }
}

/* Is dim i the repetition of dim i + 1 for every operand? */
static bool mergeable(const struct mxi_region *r, int i) {
  for (int k = 0; k < r->noperands; k++)
    if (r->strides[k][i] != r->strides[k][i + 1] * r->shape[i + 1]) return false;
  return true;
}

void mxi_region_merge(struct mxi_region *r) {
  int last = 0; /* dims [0, last] are merged so far */
  for (int i = 1; i < r->ndim; i++) {
    r->shape[last + 1] = r->shape[i];
    for (int k = 0; k < r->noperands; k++) r->strides[k][last + 1] = r->strides[k][i];
    if (mergeable(r, last)) {
      r->shape[last] *= r->shape[i];
      for (int k = 0; k < r->noperands; k++) r->strides[k][last] = r->strides[k][i];
    } else
      last++;
  }
  if (r->ndim) r->ndim = last + 1;
}

static void swap_dims(struct mxi_region *r, int i, int j) {
  int64_t t = r->shape[i];
  r->shape[i] = r->shape[j], r->shape[j] = t;
  for (int k = 0; k < r->noperands; k++) {
    t = r->strides[k][i];
    r->strides[k][i] = r->strides[k][j], r->strides[k][j] = t;
  }
}

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* Does dim j belong outside dim i? */
static bool outside(const struct mxi_region *r, int j, int i) {
  for (int k = 0; k < r->noperands; k++) {
    int64_t sj = magnitude(r->strides[k][j]), si = magnitude(r->strides[k][i]);
    if (sj != si) return sj > si;
  }
  return false;
}

void mxi_region_sort(struct mxi_region *r) {
  for (int i = 0; i < r->ndim; i++) {
    if (r->strides[0][i] >= 0) continue;
    for (int k = 0; k < r->noperands; k++) {
      r->offset[k] += (r->shape[i] - 1) * r->strides[k][i];
      r->strides[k][i] = -r->strides[k][i];
    }
  }
  for (int i = 1; i < r->ndim; i++)
    for (int j = i; j > 0 && outside(r, j, j - 1); j--) swap_dims(r, j, j - 1);
  mxi_region_merge(r);
}

void mxi_region_drop(struct mxi_region *r, int i) {
  r->size /= r->shape[i];
  r->ndim--;
  for (int j = i; j < r->ndim; j++) {
    r->shape[j] = r->shape[j + 1];
    for (int k = 0; k < r->noperands; k++) r->strides[k][j] = r->strides[k][j + 1];
  }
}

void mxi_region_iter_init(struct mxi_region_iter *it, const struct mxi_region *r, int64_t index) {
  for (int k = 0; k < r->noperands; k++) it->offset[k] = r->offset[k];
  for (int i = r->ndim - 1; i >= 0; i--) {
    it->at[i] = index % r->shape[i];
    index /= r->shape[i];
    for (int k = 0; k < r->noperands; k++) it->offset[k] += it->at[i] * r->strides[k][i];
  }
}

void mxi_region_iter_advance(struct mxi_region_iter *it, const struct mxi_region *r, int64_t n) {
  int i = r->ndim - 1;
  if (i < 0) return;
  it->at[i] += n;
  for (int k = 0; k < r->noperands; k++) it->offset[k] += n * r->strides[k][i];
  while (i > 0 && it->at[i] == r->shape[i]) {
    it->at[i] = 0;
    it->at[i - 1]++;
    for (int k = 0; k < r->noperands; k++)
      it->offset[k] += r->strides[k][i - 1] - r->shape[i] * r->strides[k][i];
    i--;
  }
}
