/* matmul and addmm: arrays as products of matrices. An operand that cuBLASLt can't read where it lies is
   copied; batch axes that lie evenly in memory count as one, and what is left of them is looped over. */
#include "cuda/call.h"
#include "cuda/copy.h"
#include "cuda/cuda.h"
#include "cuda/gemm.h"
#include <string.h>

enum { A, B, C, MATRICES };
struct matmul {
  mx_ints shape; /* of the result */
  struct mxi_cuda_input in[MATRICES];
  struct mxi_cuda_scratch copies[MATRICES];
  int nin;
  struct mxi_cuda_gemm g; /* of the first product of each axis below */
  /* Batch axes, the outermost first; none of one element. */
  int naxes;
  struct {
    int64_t size, stride[MATRICES], d;
  } axes[MXI_MAX_NDIM];
};

static struct mxi_cuda_matrix *matrix_of(struct matmul *mm, int which) {
  return which == A ? &mm->g.a : which == B ? &mm->g.b : &mm->g.c;
}

/* ---- Operands ---- */
/* Strides over the result's axes, operands aligned at the last one; 0 where one broadcasts. */
static void align_to_result(const struct matmul *mm, int which, int64_t *strides) {
  const struct mxi_cuda_input *in = &mm->in[which];
  int missing = mm->shape.n - in->shape.n;
  for (int d = 0; d < mm->shape.n; d++) {
    bool given = d >= missing && in->shape.v[d - missing] != 1;
    strides[d] = given ? in->strides[d - missing] : 0;
  }
}

/* The operand row-major, but for the axes over which it broadcasts: the two last of `lengths` are the
   matrix's. */
static int copy_operand(struct mxi_call *c, struct matmul *mm, int which, const int64_t *lengths,
                        int64_t *strides) {
  int64_t shape[MXI_MAX_NDIM], to[MXI_MAX_NDIM], size = 1;
  int n = mm->shape.n;
  for (int d = n - 1; d >= 0; d--) {
    bool broadcasts = d < n - 2 && strides[d] == 0;
    shape[d] = broadcasts ? 1 : lengths[d];
    to[d] = broadcasts ? 0 : size;
    size *= shape[d];
  }
  struct mxi_cuda_scratch *copy = &mm->copies[which];
  MXI_TRY(mxi_cuda_scratch_take(c->stream, (size_t)size * mx_dtype_size(mm->g.dtype), copy));
  MXI_TRY(mxi_cuda_copy_strided(
      c->stream, (mx_ints){shape, n}, (struct mxi_cuda_strided){copy->address, mm->g.dtype, to},
      (struct mxi_cuda_strided){(void *)mm->in[which].address, mm->g.dtype, strides}));
  memcpy(strides, to, (size_t)n * sizeof *to);
  matrix_of(mm, which)->address = copy->address;
  return 0;
}

static int place_operand(struct mxi_call *c, struct matmul *mm, int which) {
  int n = mm->shape.n;
  int64_t strides[MXI_MAX_NDIM], lengths[MXI_MAX_NDIM];
  struct mxi_cuda_matrix *x = matrix_of(mm, which);
  memcpy(lengths, mm->shape.v, (size_t)n * sizeof *lengths);
  if (which == A) lengths[n - 1] = mm->g.k;
  if (which == B) lengths[n - 2] = mm->g.k;
  align_to_result(mm, which, strides);
  *x = (struct mxi_cuda_matrix){mm->in[which].address, strides[n - 2], strides[n - 1], 0};
  if (which != C && !mxi_cuda_order_of(x, lengths[n - 2], lengths[n - 1]).possible)
    MXI_TRY(copy_operand(c, mm, which, lengths, strides));
  x->row = strides[n - 2], x->column = strides[n - 1];
  for (int d = 0, at = 0; d < n - 2; d++)
    if (mm->shape.v[d] != 1) mm->axes[at++].stride[which] = strides[d];
  return 0;
}

/* ---- Batch axes ---- */
static void find_axes(struct matmul *mm) {
  int64_t d = mm->g.m * mm->g.n;
  for (int i = 0; i < mm->shape.n - 2; i++)
    if (mm->shape.v[i] != 1) mm->axes[mm->naxes++].size = mm->shape.v[i];
  for (int i = mm->naxes - 1; i >= 0; i--) {
    mm->axes[i].d = d;
    d *= mm->axes[i].size;
  }
}

/* Neighbours that lie in every operand as one axis would. */
static void merge_axes(struct matmul *mm) {
  int n = 0;
  for (int i = 1; i < mm->naxes; i++) {
    bool same = true;
    for (int w = 0; w < MATRICES; w++)
      same = same && mm->axes[n].stride[w] == mm->axes[i].stride[w] * mm->axes[i].size;
    int64_t size = mm->axes[i].size * (same ? mm->axes[n].size : 1);
    if (!same) n++;
    mm->axes[n] = mm->axes[i];
    mm->axes[n].size = size;
  }
  if (mm->naxes) mm->naxes = n + 1;
}

/* Does x's batch go on where its rows end? */
static bool follows_rows(const struct mxi_cuda_matrix *x, int64_t m, int64_t stride) {
  return m == 1 || x->row * m == stride;
}

/* Where b is the same in all of the innermost axis, the batch is rows of a. */
static bool fold_innermost(struct matmul *mm) {
  struct mxi_cuda_gemm *g = &mm->g;
  if (!mm->naxes) return false;
  int last = mm->naxes - 1;
  const int64_t *stride = mm->axes[last].stride, size = mm->axes[last].size;
  if (stride[B] || !follows_rows(&g->a, g->m, stride[A])) return false;
  if (g->c.address && !follows_rows(&g->c, g->m, stride[C])) return false;
  struct mxi_cuda_matrix a = g->a;
  if (g->m == 1) a.row = stride[A];
  if (!mxi_cuda_order_of(&a, g->m * size, g->k).possible) return false;
  if (g->m == 1) g->c.row = stride[C];
  g->a = a;
  g->m *= size;
  mm->naxes--;
  return true;
}

/* The largest is the batch of a launch. */
static void choose_batch(struct matmul *mm) {
  int largest = 0;
  if (!mm->naxes) return;
  for (int i = 1; i < mm->naxes; i++)
    if (mm->axes[i].size > mm->axes[largest].size) largest = i;
  mm->g.batch = mm->axes[largest].size;
  mm->g.d_batch = mm->axes[largest].d;
  for (int w = 0; w < MATRICES; w++) matrix_of(mm, w)->batch = mm->axes[largest].stride[w];
  mm->naxes--;
  memmove(&mm->axes[largest], &mm->axes[largest + 1], (size_t)(mm->naxes - largest) * sizeof *mm->axes);
}

/* ---- Products ---- */
static int run_axes(mx_stream s, const struct matmul *mm, int axis, struct mxi_cuda_gemm g) {
  if (axis == mm->naxes) return mxi_cuda_gemm_run(s, &g);
  int64_t element = (int64_t)mx_dtype_size(g.dtype);
  const int64_t *stride = mm->axes[axis].stride;
  for (int64_t i = 0; i < mm->axes[axis].size; i++) {
    MXI_TRY(run_axes(s, mm, axis + 1, g));
    g.a.address = (const char *)g.a.address + stride[A] * element;
    g.b.address = (const char *)g.b.address + stride[B] * element;
    if (g.c.address) g.c.address = (const char *)g.c.address + stride[C] * element;
    g.d = (char *)g.d + mm->axes[axis].d * element;
  }
  return 0;
}

static int multiply(struct mxi_call *c, struct matmul *mm) {
  for (int i = 0; i < c->ninputs; i++) {
    MXI_TRY(mxi_cuda_hold(c, i, &mm->in[i]));
    mm->nin++;
  }
  find_axes(mm);
  for (int i = 0; i < c->ninputs; i++) MXI_TRY(place_operand(c, mm, i));
  merge_axes(mm);
  while (fold_innermost(mm)) {}
  choose_batch(mm);
  return run_axes(c->stream, mm, 0, mm->g);
}

static int multiply_arrays(struct mxi_call *c, double alpha, double beta) {
  mx_array a = c->in[A], out = c->out[0];
  if (out->size == 0) return 0;
  mx_ints shape = mxi_shape_of(out);
  struct matmul mm = {.shape = shape,
                      .g = {.dtype = (mx_dtype)out->dtype,
                            .m = shape.v[shape.n - 2],
                            .n = shape.v[shape.n - 1],
                            .k = mxi_shape(a)[a->ndim - 1],
                            .batch = 1,
                            .d = mxi_cuda_out(c, 0),
                            .d_row = shape.v[shape.n - 1],
                            .alpha = alpha,
                            .beta = beta}};
  int result = multiply(c, &mm);
  for (int i = 0; i < MATRICES; i++) mxi_cuda_scratch_free(&mm.copies[i]);
  for (int i = 0; i < mm.nin; i++) mxi_cuda_let_go(&mm.in[i]);
  return result;
}

int mxi_cuda_MATMUL(struct mxi_call *c) { return multiply_arrays(c, 1, 0); }

int mxi_cuda_ADDMM(struct mxi_call *c) {
  const struct mxi_p_ADDMM *p = MXI_CALL_PARAMS(ADDMM, c);
  return multiply_arrays(c, p->alpha, p->beta);
}
