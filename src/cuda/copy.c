/* Copies. The region is sorted so that the destination is written in order; where both sides are contiguous
   inside, elements are joined to words of up to 16 bytes. Then words are moved one after the other, or by
   tiles where `from` is contiguous along another dim than `to`. */
#include "cuda/copy.h"
#include "base/checked.h"
#include "cuda/call.h"
#include "cuda/kernels/copy.h"
#include "cuda/region.h"

enum { TO, FROM };

static struct mxi_cuda_kernel words_kernels[] = {MXI_CUDA_SIZES(copy, copy_words),
                                                 MXI_CUDA_KERNEL(copy, copy_words_16)};
static struct mxi_cuda_kernel repeat_kernels[] = {MXI_CUDA_SIZES(copy, copy_repeat)};
static struct mxi_cuda_kernel slice_kernels[2][5] = {
    [TO] = {MXI_CUDA_SIZES(copy, slice_to), MXI_CUDA_KERNEL(copy, slice_to_16)},
    [FROM] = {MXI_CUDA_SIZES(copy, slice_from), MXI_CUDA_KERNEL(copy, slice_from_16)}};
static struct mxi_cuda_kernel transpose_kernels[] = {MXI_CUDA_SIZES(copy, transpose),
                                                     MXI_CUDA_KERNEL(copy, transpose_16)};
static struct mxi_cuda_kernel packed_kernels[] = {MXI_CUDA_KERNEL(copy, transpose_packed_1),
                                                  MXI_CUDA_KERNEL(copy, transpose_packed_2)};

/* A copy of words; what a kernel is given is a piece of its region. */
struct word_copy {
  mx_stream stream;
  char *to;
  const char *from;
  int log_bytes;    /* of a word */
  int log_repeated; /* `to` has words of so many of them: `from` repeats */
  struct mxi_region region;
  const struct mxi_cuda_origin *origin; /* of the slice on side `sliced`; NULL: neither is one */
  int sliced;
};

static char *to_start(const struct word_copy *j, const struct mxi_region *piece) {
  return j->to + piece->offset[TO] * ((int64_t)1 << (j->log_bytes + j->log_repeated));
}
static const char *from_start(const struct word_copy *j, const struct mxi_region *piece) {
  return j->from + piece->offset[FROM] * ((int64_t)1 << j->log_bytes);
}

static struct mxi_cuda_grid grid_for(const struct mxi_region *piece, int each) {
  return (struct mxi_cuda_grid){.x = mxi_cuda_blocks(piece->size, MXI_CUDA_COPY_THREADS * each),
                                .threads = MXI_CUDA_COPY_THREADS};
}

static int move_words(void *ctx, const struct mxi_region *piece) {
  const struct word_copy *j = ctx;
  struct mxi_cuda_copy p = {
      .to = to_start(j, piece), .from = from_start(j, piece), .region = mxi_cuda_region_of(piece)};
  return mxi_cuda_launch(j->stream, (j->log_repeated ? repeat_kernels : words_kernels) + j->log_bytes,
                         grid_for(piece, MXI_CUDA_COPY_EACH), &p, sizeof p);
}

static int move_slice(void *ctx, const struct mxi_region *piece) {
  const struct word_copy *j = ctx;
  struct mxi_cuda_slice p = {
      .copy = {.to = to_start(j, piece), .from = from_start(j, piece), .region = mxi_cuda_region_of(piece)},
      .origin = *j->origin};
  return mxi_cuda_launch(j->stream, &slice_kernels[j->sliced][j->log_bytes],
                         grid_for(piece, MXI_CUDA_SLICE_EACH), &p, sizeof p);
}

/* ---- Transposes ---- */
enum { LOG_TILE = 12, LOG_SIDE = 6, LEAST_TILE = 256, LEAST_SIDE = 32 };

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* The dim along which `from` is closest together, other than `to`'s innermost: -1 if it is that one. */
static int row_dim(const struct mxi_region *r) {
  int last = r->ndim - 1, found = -1;
  int64_t least = r->ndim ? magnitude(r->strides[FROM][last]) : 0;
  for (int i = 0; i < last; i++)
    if (r->strides[FROM][i] && magnitude(r->strides[FROM][i]) < least) {
      least = magnitude(r->strides[FROM][i]);
      found = i;
    }
  return found;
}

static uint32_t log_above(int64_t n, uint32_t most) {
  uint32_t log = 0;
  while (log < most && ((int64_t)1 << log) < n) log++;
  return log;
}

/* A tile is square unless the matrices are narrow. */
static void shape_tile(struct mxi_cuda_transpose *p, int log_bytes) {
  uint32_t log_words = LOG_TILE - (uint32_t)(log_bytes > 2 ? log_bytes - 2 : 0), side = log_words / 2;
  uint32_t log_columns = log_above(p->columns, side);
  p->log_rows = log_above(p->rows, log_columns < side ? log_words - log_columns : side);
  p->log_columns = log_above(p->columns, log_words - p->log_rows);
}

/* Are 4 bytes of elements side by side in each row of both sides? */
static bool packs(const struct word_copy *j, const struct mxi_cuda_transpose *p,
                  const struct mxi_region *matrices) {
  int64_t log = 2 - j->log_bytes;
  if (log <= 0 || p->to_column != 1 || p->from_row != 1 || mxi_min(p->rows, p->columns) < LEAST_SIDE)
    return false;
  uint64_t all = (uint64_t)p->to_row | (uint64_t)p->from_column | p->rows | p->columns;
  for (int i = 0; i < matrices->ndim; i++)
    all |= (uint64_t)matrices->strides[TO][i] | (uint64_t)matrices->strides[FROM][i];
  return (all & (((uint64_t)1 << log) - 1)) == 0 && (((uintptr_t)p->to | (uintptr_t)p->from) & 3) == 0;
}

static int transpose(void *ctx, const struct mxi_region *piece) {
  const struct word_copy *j = ctx;
  int last = piece->ndim - 1, row = row_dim(piece);
  if (row < 0) return move_words(ctx, piece);
  struct mxi_cuda_transpose p = {.to = to_start(j, piece),
                                 .from = from_start(j, piece),
                                 .to_row = piece->strides[TO][row],
                                 .to_column = piece->strides[TO][last],
                                 .from_row = piece->strides[FROM][row],
                                 .from_column = piece->strides[FROM][last],
                                 .rows = (uint32_t)piece->shape[row],
                                 .columns = (uint32_t)piece->shape[last]};
  struct mxi_region matrices = *piece;
  mxi_region_drop(&matrices, last);
  mxi_region_drop(&matrices, row);
  bool packed = packs(j, &p, &matrices);
  shape_tile(&p, j->log_bytes);
  if (1 << (p.log_rows + p.log_columns) < LEAST_TILE) return move_words(ctx, piece);
  if (packed) p.log_rows = p.log_columns = 7 - (uint32_t)j->log_bytes;
  int64_t down = mxi_cuda_blocks(p.rows, 1 << p.log_rows),
          across = mxi_cuda_blocks(p.columns, 1 << p.log_columns);
  p.tiles_down = mxi_cuda_divisor_of(down);
  p.tiles_across = mxi_cuda_divisor_of(across);
  p.matrices = mxi_cuda_region_of(&matrices);
  size_t word = (size_t)1 << (j->log_bytes < 2 ? 2 : j->log_bytes);
  struct mxi_cuda_grid grid = {.x = matrices.size * down * across, .threads = MXI_CUDA_COPY_THREADS};
  if (!packed) grid.shared = (((size_t)1 << p.log_rows) + 1) * ((size_t)1 << p.log_columns) * word;
  return mxi_cuda_launch(j->stream, (packed ? packed_kernels : transpose_kernels) + j->log_bytes, grid, &p,
                         sizeof p);
}

/* ---- Words ---- */
/* How far elements can be joined: the strides of a slice's origin must allow it too. */
static int joinable(const struct word_copy *j, unsigned which) {
  const void *addresses[] = {j->to, j->from};
  int log = mxi_cuda_joinable(&j->region, addresses, j->log_bytes, which);
  for (int i = 0; j->origin && which >> j->sliced & 1 && i < j->origin->naxes; i++)
    log = (int)mxi_min(log, mxi_cuda_trailing_zeros((uint64_t)j->origin->stride[i]));
  return log;
}

static void make_words(struct word_copy *j) {
  const unsigned both = 1 << TO | 1 << FROM;
  struct mxi_region *r = &j->region;
  int last = r->ndim - 1, log;
  if (last < 0) return;
  if ((log = joinable(j, both)) > 0) {
    mxi_cuda_join(r, log, both);
    j->log_bytes += log;
  } else if (!j->origin && r->strides[FROM][last] == 0 && joinable(j, 1 << TO) == 4 - j->log_bytes) {
    j->log_repeated = 4 - j->log_bytes;
    mxi_cuda_join(r, j->log_repeated, 1 << TO);
  }
}

static struct word_copy word_copy_of(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                                     struct mxi_cuda_strided from) {
  struct word_copy j = {.stream = s, .log_bytes = mxi_cuda_trailing_zeros(mx_dtype_size(to.dtype))};
  const int64_t *strides[] = {to.strides, from.strides};
  mxi_region_init(&j.region, shape.n, shape.v, 2, strides);
  if (j.region.size) mxi_region_sort(&j.region);
  j.to = (char *)to.address + j.region.offset[TO] * ((int64_t)1 << j.log_bytes);
  j.from = (char *)from.address + j.region.offset[FROM] * ((int64_t)1 << j.log_bytes);
  j.region.offset[TO] = j.region.offset[FROM] = 0;
  return j;
}

int mxi_cuda_copy_strided(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                          struct mxi_cuda_strided from) {
  if (to.dtype != from.dtype) return mxi_cuda_cast_strided(s, shape, to, from);
  struct word_copy j = word_copy_of(s, shape, to, from);
  if (!j.region.size) return 0;
  make_words(&j);
  return mxi_cuda_pieces(&j.region, MXI_CUDA_PIECE, j.log_repeated ? move_words : transpose, &j);
}

static int copy_slice(mx_stream s, mx_ints shape, struct mxi_cuda_strided to, struct mxi_cuda_strided from,
                      int sliced, const struct mxi_cuda_origin *origin) {
  struct mxi_cuda_origin in_words = *origin;
  struct word_copy j = word_copy_of(s, shape, to, from);
  if (!j.region.size) return 0;
  j.origin = &in_words;
  j.sliced = sliced;
  int log_element = j.log_bytes;
  make_words(&j);
  for (int i = 0; i < origin->naxes; i++) in_words.stride[i] >>= j.log_bytes - log_element;
  return mxi_cuda_pieces(&j.region, MXI_CUDA_PIECE, move_slice, &j);
}
int mxi_cuda_copy_from_slice(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                             struct mxi_cuda_strided from, const struct mxi_cuda_origin *origin) {
  return copy_slice(s, shape, to, from, FROM, origin);
}
int mxi_cuda_copy_to_slice(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                           struct mxi_cuda_strided from, const struct mxi_cuda_origin *origin) {
  return copy_slice(s, shape, to, from, TO, origin);
}

int mxi_cuda_copy_into(const struct mxi_call *c, int i) {
  struct mxi_cuda_input in;
  MXI_TRY(mxi_cuda_hold(c, i, &in));
  int result = 0;
  if (in.address != mxi_cuda_out(c, 0))
    result = mxi_cuda_copy_strided(c->stream, in.shape, mxi_cuda_strided_out(c), mxi_cuda_strided_of(&in));
  mxi_cuda_let_go(&in);
  return result;
}

int mxi_cuda_COPY(struct mxi_call *c) { return mxi_cuda_copy_into(c, 0); }
