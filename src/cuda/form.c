/* From a region to the form of its kernel and the kernel's parameters. */
#include "cuda/codegen.h"
#include "core/dtype.h"
#include "base/checked.h"
#include <string.h>

/* Below these an index of 32 bits holds every index and offset, with some to spare for the last block. */
static const int64_t most_narrow = (int64_t)1 << 30;

static int operand_count(const struct mxi_program *p) { return p->ninputs + p->noutputs; }
static int operand_bytes(const struct mxi_program *p, int k) {
  return (int)mx_dtype_size((mx_dtype)(k < p->ninputs ? p->input_type[k] : p->output_type[k - p->ninputs]));
}

/* ---- Kinds ---- */
static bool is_one(const struct mxi_fused_region *r, int k) {
  for (int d = 0; d < r->ndim; d++)
    if (r->strides[k][d]) return false;
  return true;
}
static bool is_line(const struct mxi_fused_region *r, int k) {
  int64_t stride = 1;
  for (int d = r->ndim - 1; d >= 0; d--) {
    if (r->shape[d] != 1 && r->strides[k][d] != stride) return false;
    stride *= r->shape[d];
  }
  return true;
}
static enum mxi_operand_kind kind_of(const struct mxi_program *p, const struct mxi_fused_region *r, int k) {
  if (k < p->ninputs && r->by_value[k]) return MXI_OPERAND_VALUE;
  if (k < p->ninputs && is_one(r, k)) return MXI_OPERAND_ONE;
  if (is_line(r, k)) return MXI_OPERAND_LINE;
  int64_t last = r->strides[k][r->ndim - 1];
  return last == 1                     ? MXI_OPERAND_UNIT
         : last == 0 && k < p->ninputs ? MXI_OPERAND_REPEAT
                                       : MXI_OPERAND_STRIDED;
}
static bool is_vector(const struct mxi_cuda_form *f, int k) {
  return f->kind[k] == MXI_OPERAND_LINE || f->kind[k] == MXI_OPERAND_UNIT;
}

/* ---- Vectors ---- */
static bool takes_vectors(const struct mxi_program *p, const struct mxi_fused_region *r,
                          const struct mxi_cuda_form *f, int vector) {
  for (int k = 0; k < operand_count(p); k++) {
    if (!is_vector(f, k)) continue;
    if (r->at[k] % (uint64_t)(vector * operand_bytes(p, k))) return false;
    for (int d = 0; f->kind[k] == MXI_OPERAND_UNIT && d < r->ndim - 1; d++)
      if (r->strides[k][d] % vector) return false;
  }
  return true;
}
/* Elements that the widest operand has in 16 bytes, or a part of them. There are as many copies of the
   instructions. */
enum { MOST_COPIES = 256 };
static int vector_of(const struct mxi_program *p, const struct mxi_fused_region *r,
                     const struct mxi_cuda_form *f, int64_t size) {
  int widest = 0;
  for (int k = 0; k < operand_count(p); k++)
    if (is_vector(f, k)) widest = operand_bytes(p, k) > widest ? operand_bytes(p, k) : widest;
  if (widest == 0) return 1;
  int vector = MXI_CODEGEN_VECTOR_BYTES / widest;
  while (vector > 4 && vector * p->ninstructions > MOST_COPIES) vector /= 2;
  if (f->ndim == 1 && size < vector) return 1;
  /* Only of lines are elements left over that make no vector. */
  bool whole = f->ndim > 1;
  for (int k = 0; k < operand_count(p); k++) whole |= f->kind[k] > MXI_OPERAND_LINE;
  while (vector > 1 && ((whole && r->shape[r->ndim - 1] % vector) || !takes_vectors(p, r, f, vector)))
    vector /= 2;
  return vector;
}

static bool is_wide(const struct mxi_program *p, const struct mxi_fused_region *r, int64_t size) {
  if (size > most_narrow) return true;
  for (int k = 0; k < operand_count(p); k++) {
    int64_t reach = 0;
    for (int d = 0; d < r->ndim; d++) {
      int64_t stride = r->strides[k][d] < 0 ? -r->strides[k][d] : r->strides[k][d];
      reach += (r->shape[d] - 1) * stride;
    }
    if (reach > most_narrow) return true;
  }
  return false;
}

/* ---- Parameters ---- */
static void put(struct mxi_cuda_words *w, uint64_t word) { w->word[w->n++] = word; }

/* Division by a number that is known before: n / d = (n * magic / 2^32 + n) >> shift, for n < 2^31
   (Hacker's Delight, 10-9). */
static void put_divisor(struct mxi_cuda_words *w, const struct mxi_cuda_form *f, int64_t divisor) {
  if (f->wide) {
    put(w, (uint64_t)divisor);
    return;
  }
  int shift = 0;
  while (((int64_t)1 << shift) < divisor) shift++;
  uint64_t d = (uint64_t)divisor;
  put(w, d | (uint64_t)shift << 32);
  put(w, ((((uint64_t)1 << shift) - d) << 32) / d + 1);
}

void mxi_cuda_form_words(const struct mxi_program *p, const struct mxi_fused_region *r,
                         const struct mxi_cuda_form *f, struct mxi_cuda_words *w) {
  int64_t size = 1;
  for (int d = 0; d < r->ndim; d++) size *= r->shape[d];
  w->n = 0;
  put(w, (uint64_t)(size / f->vector));
  put(w, (uint64_t)size);
  for (int k = 0; k < operand_count(p); k++) put(w, r->at[k]);
  if (f->ndim == 1 && r->ndim > 1) return;
  for (int d = f->ndim - 1; d > 0; d--)
    put_divisor(w, f, d == f->ndim - 1 ? r->shape[d] / f->vector : r->shape[d]);
  for (int k = 0; k < operand_count(p); k++)
    for (int d = 0; d < mxi_form_strides(f, k); d++) put(w, (uint64_t)r->strides[k][d]);
}

bool mxi_cuda_form_of(const struct mxi_program *p, const struct mxi_fused_region *r,
                      struct mxi_cuda_form *form, struct mxi_cuda_words *words) {
  memset(form, 0, sizeof *form);
  int64_t size = 1;
  for (int d = 0; d < r->ndim; d++) size *= r->shape[d];
  if (r->ndim > MXI_CODEGEN_DIMS || size == 0) return false;
  form->ndim = 1;
  for (int k = 0; k < operand_count(p); k++) {
    form->kind[k] = (uint8_t)kind_of(p, r, k);
    if (form->kind[k] > MXI_OPERAND_LINE) form->ndim = (uint8_t)r->ndim;
  }
  form->vector = (uint8_t)vector_of(p, r, form, size);
  form->wide = is_wide(p, r, size);
  mxi_cuda_form_words(p, r, form, words);
  return true;
}

int64_t mxi_cuda_form_blocks(const struct mxi_program *p, const struct mxi_cuda_form *form,
                             const struct mxi_cuda_words *words) {
  return mxi_ceil_div((int64_t)words->word[0], (int64_t)MXI_CODEGEN_THREADS * mxi_form_unroll(p, form));
}
