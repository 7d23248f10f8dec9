/* Random bits: cpu/random.c says which. */
#include "cuda/call.h"
#include "cuda/cuda.h"
#include "cuda/kernels/random.h"
#include "cuda/region.h"

static struct mxi_cuda_kernel draw_kernels[2][2] = {
    {MXI_CUDA_KERNEL(random, random_bits), MXI_CUDA_KERNEL(random, random_bits_bytes)},
    {MXI_CUDA_KERNEL(random, random_bits_many), MXI_CUDA_KERNEL(random, random_bits_many_bytes)}};

struct draws {
  mx_stream stream;
  struct mxi_cuda_random of_key; /* the first that is left to draw with */
};

static int draw(void *ctx, const struct mxi_region *keys) {
  struct draws *d = ctx;
  struct mxi_cuda_random p = d->of_key;
  p.keys += keys->offset[0];
  p.each = mxi_cuda_region_of(keys);
  int64_t counters = keys->size * (p.half + p.odd);
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(counters, MXI_CUDA_RANDOM_THREADS * MXI_CUDA_RANDOM_EACH),
                               .threads = MXI_CUDA_RANDOM_THREADS};
  d->of_key.to += keys->size * p.bytes;
  return mxi_cuda_launch(d->stream, &draw_kernels[keys->size > 1][p.bytes % 4 != 0], grid, &p, sizeof p);
}

int mxi_cuda_RANDOM_BITS(struct mxi_call *c) {
  mx_array out = c->out[0];
  struct mxi_cuda_input key;
  struct mxi_region keys;
  if (!out->size) return 0;
  MXI_TRY(mxi_cuda_hold(c, 0, &key));
  int ndim = key.shape.n - 1;
  mxi_region_init(&keys, ndim, key.shape.v, 1, &key.strides);
  mxi_region_merge(&keys);
  int64_t bytes = out->size / keys.size * MXI_CALL_PARAMS(RANDOM_BITS, c)->width;
  int64_t words = bytes / 4 + (bytes % 4 != 0);
  struct draws d = {c->stream,
                    {.to = mxi_cuda_out(c, 0), .keys = key.address, .key_step = key.strides[ndim]}};
  d.of_key.bytes = bytes;
  d.of_key.half = words / 2;
  d.of_key.odd = words % 2;
  int result = mxi_cuda_pieces(&keys, MXI_CUDA_PIECE, draw, &d);
  mxi_cuda_let_go(&key);
  return result;
}
