/* Cholesky factors, inverses and systems of large matrices, by cuSOLVER. The CPU takes small ones, which it
   is quicker with, the other ops of linear algebra, and all where cuSOLVER isn't installed. */
#include "base/alloc.h"
#include "base/checked.h"
#include "cuda/context.h"
#include "cuda/call.h"
#include "cuda/copy.h"
#include "cuda/cuda.h"
#include "cuda/cusolver.h"
#include "cuda/kernels/linalg.h"
#include "cuda/transfer.h"

static struct mxi_cuda_kernel triangle_kernels[MX_DTYPE_COUNT] = {
    MXI_CUDA_OF(linalg, triangle, FLOAT32, float32), MXI_CUDA_OF(linalg, triangle, FLOAT64, float64)};

static bool suits(const struct mxi_call *c) {
  enum { SMALL = 256, MANY = 64 };
  mx_array a = c->in[0];
  const int64_t *shape = mxi_shape(a);
  int64_t n = shape[a->ndim - 1], count = 1;
  for (int i = 0; i < a->ndim - 2; i++) count *= shape[i];
  bool real = a->dtype == MX_FLOAT32 || a->dtype == MX_FLOAT64;
  return real && n >= SMALL && count > 0 && count <= MANY && c->in[c->ninputs - 1]->size &&
         mxi_cuda_has_cusolver();
}
bool mxi_cuda_can_CHOLESKY(const struct mxi_call *c) { return suits(c); }
bool mxi_cuda_can_INVERSE(const struct mxi_call *c) { return suits(c); }
bool mxi_cuda_can_SOLVE(const struct mxi_call *c) { return suits(c); }

/* ---- What the ops share ---- */
static int start_solver(struct mxi_call *c, const char *op, struct mxi_cuda_solver *v,
                        struct mxi_cuda_scratch *infos) {
  mx_array a = c->in[0];
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(c->stream);
  int64_t n = mxi_shape(a)[a->ndim - 1];
  *v = (struct mxi_cuda_solver){
      .s = c->stream, .op = op, .dtype = (mx_dtype)a->dtype, .count = a->size / (n * n), .n = n};
  if (!stream) return -1;
  size_t bytes = 2 * (size_t)v->count * sizeof *v->infos;
  MXI_TRY(mxi_cuda_scratch_take(c->stream, bytes, infos));
  v->infos = infos->address;
  CUresult set = mxi_cuda.cuMemsetD8Async((CUdeviceptr)v->infos, 0, bytes, stream->handle);
  mxi_cuda_count(stream);
  return mxi_cuda_check(set, "cuMemsetD8Async");
}

enum { ALL_WELL = -1, NOT_KNOWN = -2 /* the error is set */ };
/* The first matrix of which cuSOLVER had something to say; waits for it. */
static int64_t find_faulty(const struct mxi_cuda_solver *v) {
  size_t bytes = 2 * (size_t)v->count * sizeof *v->infos;
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(v->s);
  int *infos = mxi_calloc(2 * (size_t)v->count, sizeof *infos);
  if (!infos) return NOT_KNOWN;
  int result =
      mxi_cuda_check(mxi_cuda.cuMemcpyDtoHAsync_v2(infos, (CUdeviceptr)v->infos, bytes, stream->handle),
                     "cuMemcpyDtoHAsync");
  mxi_cuda_count(stream);
  if (result == 0)
    result = mxi_cuda_check(mxi_cuda.cuStreamSynchronize(stream->handle), "cuStreamSynchronize");
  int64_t faulty = result == 0 ? ALL_WELL : NOT_KNOWN;
  for (int64_t i = 0; i < v->count && faulty == ALL_WELL; i++)
    if (infos[i] || infos[v->count + i]) faulty = i;
  mxi_free(infos);
  return faulty;
}

/* The matrices of input i, contiguous in memory of their own, as strides of (count, rows, columns) say. */
static int copy_matrices(struct mxi_call *c, int i, void *to, const int64_t *strides) {
  struct mxi_cuda_input in;
  MXI_TRY(mxi_cuda_hold_row_major(c, i, &in));
  int64_t rows = in.shape.v[in.shape.n - 2], columns = in.shape.v[in.shape.n - 1];
  int64_t shape[] = {c->in[i]->size / (rows * columns), rows, columns}, own[] = {rows * columns, columns, 1};
  int result =
      mxi_cuda_copy_strided(c->stream, (mx_ints){shape, 3}, (struct mxi_cuda_strided){to, in.dtype, strides},
                            (struct mxi_cuda_strided){(void *)in.address, in.dtype, own});
  mxi_cuda_let_go(&in);
  return result;
}

/* ---- Cholesky: the row-major lower triangle is cuSOLVER's upper one ---- */
static int factor(struct mxi_call *c, struct mxi_cuda_solver *v, bool upper) {
  int64_t strides[] = {v->n * v->n, v->n, 1};
  v->a = mxi_cuda_out(c, 0);
  MXI_TRY(copy_matrices(c, 0, v->a, strides));
  MXI_TRY(mxi_cuda_cusolver_cholesky(v, upper));
  struct mxi_cuda_triangle p = {v->a, v->infos, v->count * v->n * v->n, v->n, upper};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(p.size, MXI_CUDA_LINALG_THREADS),
                               .threads = MXI_CUDA_LINALG_THREADS};
  MXI_TRY(mxi_cuda_launch(c->stream, &triangle_kernels[v->dtype], grid, &p, sizeof p));
  int64_t faulty = find_faulty(v);
  if (faulty == NOT_KNOWN) return -1;
  if (faulty == ALL_WELL) return 0;
  return mxi_fail(MX_RUNTIME_ERROR, "[%s] expected positive definite matrices, got another (number %lld)",
                  v->op, (long long)faulty);
}

int mxi_cuda_CHOLESKY(struct mxi_call *c) {
  struct mxi_cuda_solver v;
  struct mxi_cuda_scratch infos = {0};
  int result = start_solver(c, "cholesky", &v, &infos);
  if (result == 0) result = factor(c, &v, MXI_CALL_PARAMS(CHOLESKY, c)->upper);
  mxi_cuda_scratch_free(&infos);
  return result;
}

/* ---- Systems: cuSOLVER sees the transpose of a ---- */
static int finish_systems(const struct mxi_cuda_solver *v) {
  int64_t faulty = find_faulty(v);
  if (faulty == NOT_KNOWN) return -1;
  if (faulty == ALL_WELL) return 0;
  return mxi_fail(MX_RUNTIME_ERROR, "[%s] expected invertible matrices, got a singular one (number %lld)",
                  v->op, (long long)faulty);
}

/* b is copied with its columns one after the other, and so is what becomes of it. */
static int solve(struct mxi_call *c, struct mxi_cuda_solver *v, void *b) {
  mx_array out = c->out[0];
  int64_t columns = mxi_shape(out)[out->ndim - 1];
  int64_t a_strides[] = {v->n * v->n, v->n, 1}, moved[] = {v->n * columns, 1, v->n};
  int64_t shape[] = {v->count, v->n, columns}, own[] = {v->n * columns, columns, 1};
  MXI_TRY(copy_matrices(c, 0, v->a, a_strides));
  MXI_TRY(copy_matrices(c, 1, b, moved));
  MXI_TRY(mxi_cuda_cusolver_solve(v, true, columns, b));
  MXI_TRY(mxi_cuda_copy_strided(c->stream, (mx_ints){shape, 3},
                                (struct mxi_cuda_strided){mxi_cuda_out(c, 0), v->dtype, own},
                                (struct mxi_cuda_strided){b, v->dtype, moved}));
  return finish_systems(v);
}

/* The transpose of the inverse of the transpose, which is written where it belongs. */
static int invert(struct mxi_call *c, struct mxi_cuda_solver *v, void *one) {
  static const double one64 = 1;
  static const float one32 = 1;
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(c->stream);
  size_t item = mx_dtype_size(v->dtype), bytes = (size_t)(v->count * v->n * v->n) * item;
  int64_t strides[] = {v->n * v->n, v->n, 1}, shape[] = {v->count, v->n};
  int64_t diagonal[] = {v->n * v->n, v->n + 1}, same[] = {0, 0};
  void *out = mxi_cuda_out(c, 0);
  MXI_TRY(copy_matrices(c, 0, v->a, strides));
  MXI_CUDA_TRY(cuMemsetD8Async((CUdeviceptr)out, 0, bytes, stream->handle));
  mxi_cuda_count(stream);
  MXI_TRY(mxi_cuda_put(c->stream, one, v->dtype == MX_FLOAT64 ? (const void *)&one64 : &one32, item));
  MXI_TRY(mxi_cuda_copy_strided(c->stream, (mx_ints){shape, 2},
                                (struct mxi_cuda_strided){out, v->dtype, diagonal},
                                (struct mxi_cuda_strided){one, v->dtype, same}));
  MXI_TRY(mxi_cuda_cusolver_solve(v, false, v->n, out));
  return finish_systems(v);
}

static int run_systems(struct mxi_call *c, const char *op,
                       int (*run)(struct mxi_call *c, struct mxi_cuda_solver *v, void *b)) {
  struct mxi_cuda_solver v;
  struct mxi_cuda_scratch infos = {0}, copies = {0};
  int result = start_solver(c, op, &v, &infos);
  if (result == 0) {
    int64_t item = (int64_t)mx_dtype_size(v.dtype), bytes = mxi_round_up(v.count * v.n * v.n * item, 256);
    result = mxi_cuda_scratch_take(c->stream, (size_t)(bytes + c->out[0]->size * item), &copies);
    v.a = copies.address;
    if (result == 0) result = run(c, &v, (char *)copies.address + bytes);
  }
  mxi_cuda_scratch_free(&copies);
  mxi_cuda_scratch_free(&infos);
  return result;
}
int mxi_cuda_SOLVE(struct mxi_call *c) { return run_systems(c, "solve", solve); }
int mxi_cuda_INVERSE(struct mxi_call *c) { return run_systems(c, "inv", invert); }
