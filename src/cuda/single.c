#include "cuda/single.h"
#include "cuda/call.h"
#include "cuda/kernels/single.h"

#define ROW(ID, name) [MXI_##ID] = {MXI_CUDA_HALVES_AND_FLOAT(single, single_##name)},
static struct mxi_cuda_kernel kernels[MXI_IDENTITY][MX_FLOAT32 + 1] = {MXI_SINGLE_UNARY(ROW)
                                                                           MXI_SINGLE_BINARY(ROW)};

static uint64_t float_bits(mx_array a) {
  float x = (float)mxi_scalar_load(&a->inline_value, (mx_dtype)a->dtype, NULL);
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* An operand that is one element by value, or a line of vectors. */
static bool put_input(struct mxi_single *p, int i, mx_array a, int64_t stride) {
  p->scalar[i] = !a->buffer;
  p->in[i] = a->buffer ? (uint64_t)(uintptr_t)mxi_cuda_address(a) : float_bits(a);
  return !a->buffer || (stride == (int64_t)mxi_itemsize(a) && p->in[i] % 16 == 0);
}

bool mxi_cuda_run_single(const struct mxi_call *c, const struct mxi_iteration *r, int *outcome) {
  const struct mxi_instruction *only = &c->program->instructions[0];
  if (c->program->ninstructions != 1 || r->ndim != 1 || only->op >= MXI_IDENTITY || only->type > MX_FLOAT32)
    return false;
  struct mxi_cuda_kernel *k = &kernels[only->op][only->type];
  mx_array out = c->out[0];
  struct mxi_single p = {.out = (uint64_t)(uintptr_t)mxi_cuda_address(out), .size = r->size};
  int arity = mxi_arity(only->op);
  if (!k->name || r->strides[c->ninputs][0] != (int64_t)mxi_itemsize(out) || p.out % 16) return false;
  for (int i = 0; i < arity; i++)
    if (!put_input(&p, i, c->in[only->src[i]], r->strides[only->src[i]][0])) return false;
  int64_t block = MXI_SINGLE_THREADS * MXI_SINGLE_VECTORS * (16 / (int)mx_dtype_size((mx_dtype)only->type));
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(p.size, block), .threads = MXI_SINGLE_THREADS};
  *outcome = mxi_cuda_launch(c->stream, k, grid, &p, sizeof p);
  return true;
}
