/* Launches kernels of the user's: their parameters in a row, as core/kernel_code.h says, and the grid in
 * blocks. */
#include "base/alloc.h"
#include "base/lock.h"
#include "cuda/call.h"
#include "cuda/context.h"
#include "cuda/cuda.h"
#include "cuda/custom_loaded.h"
#include <string.h>

enum { MOST_BYTES = 4096 }; // of parameters

/* ---- Parameters ---- */
struct custom_parameters {
  _Alignas(16) char bytes[MOST_BYTES];
  size_t n;
  bool full; /* they were too many */
};
static void put(struct custom_parameters *p, const void *value, size_t bytes, size_t alignment) {
  size_t at = (p->n + alignment - 1) / alignment * alignment;
  if (at + bytes > sizeof p->bytes) {
    p->full = true;
    return;
  }
  memcpy(p->bytes + at, value, bytes);
  p->n = at + bytes;
}
static void put_address(struct custom_parameters *p, const void *address) {
  put(p, &address, sizeof address, sizeof address);
}
static void put_int(struct custom_parameters *p, int64_t value) {
  int32_t narrow = (int32_t)value;
  put(p, &narrow, sizeof narrow, sizeof narrow);
}

static void put_input(struct custom_parameters *p, const struct mxi_cuda_input *in, int uses) {
  static const int64_t none;
  int n = in->shape.n;
  put_address(p, in->address);
  for (int k = 0; k < mxi_kernel_list(n) && uses & MXI_KERNEL_USES_SHAPE; k++)
    put_int(p, n ? in->shape.v[k] : 1);
  if (uses & MXI_KERNEL_USES_STRIDES)
    put(p, n ? in->strides : &none, (size_t)mxi_kernel_list(n) * sizeof(int64_t), sizeof(int64_t));
  if (uses & MXI_KERNEL_USES_NDIM) put_int(p, n);
}
static int put_all(const struct mxi_call *c, const struct mxi_kernel_code *code,
                   const struct mxi_cuda_input *in, struct custom_parameters *p) {
  for (int i = 0; i < code->ninputs; i++) put_input(p, &in[i], code->uses[i]);
  for (int i = 0; i < c->noutputs; i++) put_address(p, c->out[i]->size ? mxi_cuda_out(c, i) : NULL);
  for (int i = 0; i < code->nscalars; i++)
    put(p, &code->scalars[i].bits, code->scalars[i].bytes, code->scalars[i].bytes);
  if (!p->full) return 0;
  return mxi_fail(MX_NOT_SUPPORTED,
                  "[%s] expected parameters of at most %d bytes, got more: fewer inputs, shapes or strides",
                  code->op, MOST_BYTES);
}

/* The kernel may have them as one structure, or each by itself: their places are the same. */
static int point(struct custom_parameters *p, const struct mxi_custom_kernel *k, void **pointers) {
  enum { WORD = 8 };
  size_t rounded = (p->n + WORD - 1) / WORD * WORD;
  if (k->bytes != p->n && k->bytes != rounded)
    return mxi_fail(
        MX_INVALID_ARGUMENT,
        "[%s] expected a kernel of %zu bytes of parameters (inputs, outputs, scalars), got one of %zu",
        k->code->op, p->n, k->bytes);
  for (int i = 0; i < k->nparameters; i++) pointers[i] = p->bytes + k->offsets[i];
  return 0;
}

/* ---- Launching ---- */
static int allow_shared(struct mxi_custom_kernel *k, int64_t bytes) {
  enum { ALWAYS = 48 << 10 };
  int most = mxi_cuda_device()->shared_bytes;
  if (bytes > most)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected at most %d bytes of shared memory on this GPU, got %lld", k->code->op,
                    most, (long long)bytes);
  if (bytes <= ALWAYS || bytes <= k->shared) return 0;
  MXI_TRY(mxi_cuda_check(mxi_cuda.cuFuncSetAttribute(
                             k->loaded.function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)bytes),
                         "cuFuncSetAttribute"));
  k->shared = (int)bytes;
  return 0;
}

static unsigned blocks(int64_t threads, int64_t each) {
  return (unsigned)(threads / each + (threads % each != 0));
}
static unsigned threads_of(int64_t grid, int64_t group) { return (unsigned)(grid < group ? grid : group); }

static int launch(const struct mxi_call *c, struct mxi_custom_kernel *k, struct custom_parameters *p) {
  const struct mxi_p_CUSTOM_KERNEL *given = MXI_CALL_PARAMS(CUSTOM_KERNEL, c);
  const int64_t *grid = given->geometry.v, *group = grid + 3;
  void *pointers[MXI_CUSTOM_PARAMETERS];
  MXI_TRY(allow_shared(k, given->shared));
  MXI_TRY(point(p, k, pointers));
  return mxi_cuda_submit(c->stream,
                         &(CUlaunchConfig){.gridDimX = blocks(grid[0], group[0]),
                                           .gridDimY = blocks(grid[1], group[1]),
                                           .gridDimZ = blocks(grid[2], group[2]),
                                           .blockDimX = threads_of(grid[0], group[0]),
                                           .blockDimY = threads_of(grid[1], group[1]),
                                           .blockDimZ = threads_of(grid[2], group[2]),
                                           .sharedMemBytes = (unsigned)given->shared},
                         k->loaded.function, k->code->entry, pointers);
}

static int find_and_launch(const struct mxi_call *c, struct mxi_kernel_code *code,
                           struct custom_parameters *p) {
  mxi_lock(MXI_LOCK_CUDA_CUSTOM);
  struct mxi_custom_kernel *k = mxi_custom_kernel_of(code);
  int result = k ? launch(c, k, p) : -1;
  mxi_unlock(MXI_LOCK_CUDA_CUSTOM);
  return result;
}

/* ---- Operands ---- */
static int fill_output(const struct mxi_call *c, int i, int element) {
  static const int64_t still[MXI_MAX_NDIM];
  struct mxi_cuda_input in;
  mx_array out = c->out[i];
  MXI_TRY(mxi_cuda_hold(c, element, &in));
  int result = mxi_cuda_copy_strided(
      c->stream, mxi_shape_of(out),
      (struct mxi_cuda_strided){mxi_cuda_out(c, i), (mx_dtype)out->dtype, mxi_strides(out)},
      (struct mxi_cuda_strided){(void *)in.address, in.dtype, still});
  mxi_cuda_let_go(&in);
  return result;
}

/* One element that is repeated, as zeros and ones are made: kernels that take what lies row-major take these
 * for such. */
static bool is_repeated(mx_array a) {
  bool still = true;
  for (int k = 0; k < a->ndim; k++) still &= mxi_shape(a)[k] == 1 || mxi_strides(a)[k] == 0;
  return still;
}
static int hold(const struct mxi_call *c, bool row_major, int i, struct mxi_cuda_input *in) {
  return row_major || is_repeated(c->in[i]) ? mxi_cuda_hold_row_major(c, i, in) : mxi_cuda_hold(c, i, in);
}

static int run(const struct mxi_call *c, struct mxi_kernel_code *code, struct mxi_cuda_input *in,
               int *nheld) {
  struct custom_parameters p = {.n = 0};
  for (; *nheld < code->ninputs; ++*nheld) MXI_TRY(hold(c, code->row_major, *nheld, &in[*nheld]));
  for (int i = 0; code->ninputs + i < c->ninputs; i++)
    if (c->out[i]->size) MXI_TRY(fill_output(c, i, code->ninputs + i));
  MXI_TRY(put_all(c, code, in, &p));
  return find_and_launch(c, code, &p);
}

int mxi_cuda_CUSTOM_KERNEL(struct mxi_call *c) {
  const struct mxi_p_CUSTOM_KERNEL *given = MXI_CALL_PARAMS(CUSTOM_KERNEL, c);
  struct mxi_kernel_code *code = (struct mxi_kernel_code *)given->code;
  struct mxi_cuda_input *in = mxi_calloc((size_t)code->ninputs + 1, sizeof *in);
  int nheld = 0, result = in ? run(c, code, in, &nheld) : -1;
  for (int i = 0; i < nheld; i++) mxi_cuda_let_go(&in[i]);
  mxi_free(in);
  return result;
}
