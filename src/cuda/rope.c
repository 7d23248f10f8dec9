/* Rotary position embedding of x (B, ..., T, D), whose offsets are read on the device. */
#include "cuda/kernels/rope.h"
#include "cuda/call.h"
#include "cuda/context.h"
#include "cuda/reduce_plan.h"
#include <math.h>

enum { BLOCK = MXI_CUDA_ROPE_BLOCK, VECTOR_BYTES = 16, ITEMS_EACH = 4 /* of a thread */ };

static struct mxi_cuda_kernel in_vectors[MX_DTYPE_COUNT] = {MXI_CUDA_FLOATS(rope, rope)};
static struct mxi_cuda_kernel by_elements[MX_DTYPE_COUNT] = {MXI_CUDA_FLOATS(rope, rope_any)};

/* How many rows a block's angles serve: enough for its threads, unless the device would stand idle. */
static void share_rows(struct mxi_cuda_rope *p, int64_t vector) {
  p->tile_pairs = (int32_t)(p->pairs < BLOCK ? p->pairs : BLOCK);
  p->tile_positions = BLOCK / p->tile_pairs;
  if (p->tile_positions > p->positions) p->tile_positions = (int32_t)p->positions;
  p->pair_tiles = mxi_cuda_blocks(p->pairs, p->tile_pairs);
  p->position_tiles = mxi_cuda_blocks(p->positions, p->tile_positions);
  int64_t items = mxi_cuda_blocks((int64_t)p->tile_positions * p->tile_pairs, vector); // of a row
  int64_t tiles = p->batches * p->pair_tiles * p->position_tiles;
  int each = ITEMS_EACH;
  while (each > 1 && tiles * mxi_cuda_blocks(p->rows * items, (int64_t)each * BLOCK) <
                         4 * (int64_t)mxi_cuda_device()->multiprocessors)
    each /= 2;
  p->rows_each = mxi_cuda_blocks((int64_t)each * BLOCK, items);
  if (p->rows_each > p->rows) p->rows_each = p->rows;
  p->row_tiles = mxi_cuda_blocks(p->rows, p->rows_each);
}

/* Are all rows, and the two halves of what turns in them, aligned to whole vectors? */
static bool is_whole(const struct mxi_cuda_rope *p, const struct mxi_region *r, int64_t vector) {
  if ((uintptr_t)p->x % VECTOR_BYTES || (uintptr_t)p->out % VECTOR_BYTES) return false;
  if (p->pairs % vector || p->width % vector || p->x_step % vector || p->out_step % vector) return false;
  for (int i = 0; i < r->ndim; i++)
    if (r->strides[0][i] % vector || r->strides[1][i] % vector) return false;
  return true;
}

static int rotate(struct mxi_call *c, const struct mxi_cuda_input *x, const struct mxi_cuda_input *offset,
                  const struct mxi_cuda_input *freqs) {
  const struct mxi_p_ROPE *given = MXI_CALL_PARAMS(ROPE, c);
  mx_array out = c->out[0];
  int ndim = x->shape.n;
  const int64_t *shape = x->shape.v;
  struct mxi_region r;
  mxi_region_init(&r, ndim - 2, shape, 2, (const int64_t *[]){x->strides, mxi_strides(out)});
  mxi_region_merge(&r);
  bool own_offsets = c->in[1]->size > 1;
  struct mxi_cuda_rope p = {.x = x->address,
                            .out = mxi_cuda_out(c, 0),
                            .offset = offset->address,
                            .offset_step = own_offsets ? offset->strides[0] : 0,
                            .offset_bytes = (int32_t)mx_dtype_size(offset->dtype),
                            .offset_signed = offset->dtype >= MX_INT8 && offset->dtype <= MX_INT64,
                            .factor = given->inverse ? -given->scale : given->scale,
                            .batches = own_offsets ? shape[0] : 1,
                            .positions = shape[ndim - 2],
                            .width = shape[ndim - 1],
                            .pairs = given->dims / 2,
                            .x_step = x->strides[ndim - 2],
                            .out_step = mxi_strides(out)[ndim - 2],
                            .traditional = given->traditional != 0,
                            .axes = mxi_cuda_axes_of(&r)};
  p.rows = r.size / p.batches;
  if (freqs) {
    p.frequencies = freqs->address;
    p.frequency_step = freqs->strides[0];
  } else
    p.log_ratio = -log(given->base) / (double)p.pairs;
  int64_t vector = VECTOR_BYTES / (int64_t)mx_dtype_size(x->dtype);
  bool whole = is_whole(&p, &r, vector);
  share_rows(&p, whole ? vector : 1);
  struct mxi_cuda_grid grid = {
      .x = p.batches * p.row_tiles * p.pair_tiles * p.position_tiles, .threads = BLOCK, .overlaps = true};
  return mxi_cuda_launch(c->stream, &(whole ? in_vectors : by_elements)[x->dtype], grid, &p, sizeof p);
}

/* A row that is not contiguous is copied first; any other stride is followed. */
static int hold_rows(struct mxi_call *c, struct mxi_cuda_input *x) {
  mx_array in = c->in[0];
  bool contiguous = mxi_strides(in)[in->ndim - 1] == 1 || mxi_shape(in)[in->ndim - 1] == 1;
  return contiguous ? mxi_cuda_hold(c, 0, x) : mxi_cuda_hold_row_major(c, 0, x);
}

int mxi_cuda_ROPE(struct mxi_call *c) {
  if (!c->out[0]->size) return 0;
  struct mxi_cuda_input x = {0}, offset = {0}, freqs = {0};
  bool given = c->ninputs > 2;
  int result = hold_rows(c, &x);
  if (result == 0) result = mxi_cuda_hold(c, 1, &offset);
  if (result == 0 && given) result = mxi_cuda_hold(c, 2, &freqs);
  if (result == 0)
    result = rotate(c, &x, &offset, given ? &freqs : NULL);
  else
    c->untouched = true;
  mxi_cuda_let_go(&x);
  mxi_cuda_let_go(&offset);
  mxi_cuda_let_go(&freqs);
  return result;
}
