/* Cumulative operations along an axis. Of bools, products are minima and sums maxima; sums and products of
   integers are the same for either sign. */
#include "core/reduce.h"
#include "cuda/call.h"
#include "cuda/kernels/scan.h"
#include "cuda/reduce_plan.h"

enum {
  BLOCK = MXI_CUDA_SCAN_BLOCK,
  SHORT_LINE = 16,   /* elements of one that a thread scans by itself */
  FEW_COLUMNS = 8,   /* fewer lines than this next to each other are scanned as lines */
  WARP_LINE = 1024,  /* elements of one that a warp scans */
  LONG_LINE = 16384, /* a longer one may be cut into chunks of so many */
  MANY_LINES = 1024, /* that fill the device without being cut */
  LONG_COLUMN = 256, /* the same of columns */
  COLUMN_CHUNK = 128,
  MANY_COLUMNS = 65536,
  OPS = 5
};

#define OF(form, op, DTYPE, dtype) MXI_CUDA_OF(scan, scan_##form##_##op, DTYPE, dtype)
#define FLOATS(form, op)           MXI_CUDA_FLOATS(scan, scan_##form##_##op), OF(form, op, COMPLEX64, complex64)
#define UNSIGNED(form, op)                                                                \
  OF(form, op, UINT8, uint8), OF(form, op, UINT16, uint16), OF(form, op, UINT32, uint32), \
      OF(form, op, UINT64, uint64)
#define SIGNED(form, op) \
  OF(form, op, INT8, int8), OF(form, op, INT16, int16), OF(form, op, INT32, int32), OF(form, op, INT64, int64)
#define KERNELS(form)                                                                                      \
  {                                                                                                        \
    [MXI_SCAN_SUM] = {FLOATS(form, sum), UNSIGNED(form, sum)},                                             \
    [MXI_SCAN_PROD] = {FLOATS(form, product), UNSIGNED(form, product)},                                    \
    [MXI_SCAN_MIN] = {FLOATS(form, min), UNSIGNED(form, min), SIGNED(form, min)},                          \
    [MXI_SCAN_MAX] = {FLOATS(form, max), UNSIGNED(form, max), SIGNED(form, max)}, [MXI_SCAN_LOGADDEXP] = { \
      FLOATS(form, logaddexp)                                                                              \
    }                                                                                                      \
  }
static struct mxi_cuda_kernel lines[OPS][MX_DTYPE_COUNT] = KERNELS(lines);
static struct mxi_cuda_kernel columns[OPS][MX_DTYPE_COUNT] = KERNELS(columns);

struct scan_kind {
  enum mxi_scan_op op;
  mx_dtype type, acc; /* of elements, of accumulators */
};
/* A minimum of bools is a product, whose identity is a bool. */
static struct scan_kind kind_of(enum mxi_scan_op op, mx_dtype t) {
  if (t == MX_BOOL) {
    op = op == MXI_SCAN_PROD || op == MXI_SCAN_MIN ? MXI_SCAN_PROD : MXI_SCAN_MAX;
    t = MX_UINT8;
  }
  bool arithmetic = op == MXI_SCAN_SUM || op == MXI_SCAN_PROD;
  if (arithmetic && t == MX_INT8) t = MX_UINT8;
  if (arithmetic && t == MX_INT16) t = MX_UINT16;
  if (arithmetic && t == MX_INT32) t = MX_UINT32;
  if (arithmetic && t == MX_INT64) t = MX_UINT64;
  mx_dtype acc = mxi_is_half(t) ? MX_FLOAT32 : t;
  if (arithmetic && (t == MX_UINT8 || t == MX_UINT16)) acc = MX_UINT32;
  return (struct scan_kind){op, t, acc};
}

static int launch(mx_stream s, const struct scan_kind *k, bool by_columns, struct mxi_cuda_scan *p) {
  int64_t blocks = mxi_cuda_blocks(p->lines * p->chunks, by_columns ? BLOCK : BLOCK / p->team);
  return mxi_cuda_launch(s, &(by_columns ? columns : lines)[k->op][k->type],
                         (struct mxi_cuda_grid){.x = blocks, .threads = BLOCK, .overlaps = true}, p,
                         sizeof *p);
}

static int scan(mx_stream s, const struct scan_kind *k, bool by_columns, struct mxi_cuda_scan *p);

/* The totals of the chunks become what came before each: an exclusive scan of accumulators. */
static int scan_totals(mx_stream s, const struct scan_kind *k, bool by_columns,
                       const struct mxi_cuda_scan *p) {
  struct scan_kind acc = {k->op, k->acc, k->acc};
  int64_t step = by_columns ? p->lines : 1, line = by_columns ? 1 : p->chunks;
  struct mxi_cuda_scan totals = {.in = p->totals,
                                 .out = p->totals,
                                 .lines = p->lines,
                                 .length = p->chunks,
                                 .in_step = step,
                                 .out_step = step,
                                 .exclusive = true,
                                 .axes = {.ndim = 1, .shape = {p->lines}, .in = {line}, .out = {line}}};
  return scan(s, &acc, by_columns, &totals);
}

static int scan(mx_stream s, const struct scan_kind *k, bool by_columns, struct mxi_cuda_scan *p) {
  bool cut = by_columns ? p->length > LONG_COLUMN && p->lines < MANY_COLUMNS
                        : p->length > LONG_LINE && p->lines < MANY_LINES;
  p->chunk = !cut ? p->length : by_columns ? COLUMN_CHUNK : LONG_LINE;
  p->chunks = mxi_cuda_blocks(p->length, p->chunk);
  p->team = p->length <= WARP_LINE ? 32 : BLOCK;
  if (!cut) return launch(s, k, by_columns, p);
  struct mxi_cuda_scratch totals;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(p->lines * p->chunks) * mx_dtype_size(k->acc), &totals));
  p->totals = totals.address;
  p->only_totals = true;
  int result = launch(s, k, by_columns, p);
  if (result == 0) result = scan_totals(s, k, by_columns, p);
  p->only_totals = false;
  if (result == 0) result = launch(s, k, by_columns, p);
  mxi_cuda_scratch_free(&totals);
  return result;
}

/* Do E neighbours, counted from the beginning of each line, lie together on both sides? */
static bool in_vectors(const struct mxi_cuda_scan *p, const struct mxi_region *r, size_t bytes) {
  enum { VECTOR_BYTES = 16 };
  int64_t each = bytes < 8 ? 8 : 4;
  if ((p->in_step != 1 && p->in_step != -1) || p->out_step != p->in_step || p->length % each) return false;
  int64_t back = p->in_step < 0 ? p->length - 1 : 0; // to the end that is first in memory
  const char *in = (const char *)p->in - back * (int64_t)bytes,
             *out = (const char *)p->out - back * (int64_t)bytes;
  if ((uintptr_t)in % VECTOR_BYTES || (uintptr_t)out % VECTOR_BYTES) return false;
  for (int i = 0; i < r->ndim; i++)
    if (r->strides[0][i] % each || r->strides[1][i] % each) return false;
  return true;
}

int mxi_cuda_SCAN(struct mxi_call *c) {
  const struct mxi_p_SCAN *given = MXI_CALL_PARAMS(SCAN, c);
  mx_array out = c->out[0];
  struct mxi_cuda_input in;
  if (!out->size) return 0;
  if (mxi_cuda_hold(c, 0, &in) < 0) return mxi_untouched(c);
  struct scan_kind k = kind_of((enum mxi_scan_op)given->op, in.dtype);
  int64_t bytes = (int64_t)mx_dtype_size(in.dtype);
  struct mxi_region r, axis;
  mxi_cuda_split_axes(in.shape, (mx_ints){&given->axis, 1}, in.strides, mxi_strides(out), &r, &axis);
  struct mxi_cuda_scan p = {.in = in.address,
                            .out = mxi_cuda_out(c, 0),
                            .lines = r.size,
                            .length = in.shape.v[given->axis],
                            .in_step = in.strides[given->axis],
                            .out_step = mxi_strides(out)[given->axis],
                            .exclusive = !given->inclusive,
                            .axes = mxi_cuda_axes_of(&r)};
  if (given->reverse) {
    p.in = (const char *)p.in + (p.length - 1) * p.in_step * bytes;
    p.out = (char *)p.out + (p.length - 1) * p.out_step * bytes;
    p.in_step = -p.in_step;
    p.out_step = -p.out_step;
  }
  p.vectors = in_vectors(&p, &r, (size_t)bytes);
  int last = r.ndim - 1;
  bool side_by_side = last >= 0 && r.strides[1][last] == 1 && r.shape[last] >= FEW_COLUMNS;
  int result = scan(c->stream, &k, side_by_side || p.length <= SHORT_LINE, &p);
  mxi_cuda_let_go(&in);
  return result;
}
