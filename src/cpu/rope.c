/* Rotary position embedding of x (B, ..., T, D). The cosines and sines of a position are computed once, into
   a table (T, width), or (B, T, width) when every batch row has its own offset, and serve all heads. */
#include "cpu/cpu.h"
#include "cpu/kernels/rope.h"
#include <math.h>

enum { TABLE_CHUNK = 4096 /* pairs */, ROW_CHUNK = 65536 /* elements */ };

struct rope {
  mx_array x, out;
  const double *frequencies; /* (pairs), scaled and signed */
  float *table;
  int64_t pairs, width, positions; /* positions: T */
  bool traditional;
  mx_array offset;
  int64_t table_rows, table_chunk; /* rows in all, and in a chunk */
  int64_t rows, row_chunk;
};

static int64_t offset_of(const struct rope *r, int64_t batch) {
  const mx_array o = r->offset;
  int64_t step = o->ndim == 1 ? mxi_strides(o)[0] : 0;
  return mxi_scalar_load_int((const char *)o->data +
                                 (o->size > 1 ? batch * step : 0) * (int64_t)mxi_itemsize(o),
                             (mx_dtype)o->dtype);
}

static void table_chunk(void *ctx, int64_t chunk) {
  const struct rope *r = ctx;
  int64_t end = mxi_min((chunk + 1) * r->table_chunk, r->table_rows);
  for (int64_t i = chunk * r->table_chunk; i < end; i++) {
    double position = (double)offset_of(r, i / r->positions) + (double)(i % r->positions);
    MXI_DISPATCH(mxi_rope_table)(position, r->frequencies, r->pairs, r->traditional, r->table + i * r->width);
  }
}

/* In double throughout, for float64 arrays, whose angles don't come from the table. */
static void rotate_f64(const struct rope *r, const double *x, double *out, int64_t batch, int64_t t,
                       int64_t width) {
  double position = (double)offset_of(r, batch) + (double)t;
  for (int64_t i = 0; i < r->pairs; i++) {
    int64_t first = r->traditional ? 2 * i : i, second = r->traditional ? 2 * i + 1 : i + r->pairs;
    double a = x[first], b = x[second], c = cos(position * r->frequencies[i]),
           s = sin(position * r->frequencies[i]);
    out[first] = a * c - b * s;
    out[second] = b * c + a * s;
  }
  for (int64_t i = 2 * r->pairs; i < width; i++) out[i] = x[i];
}

/* Rows of x in row-major order of its leading axes; the last axis is contiguous. */
static void rope_chunk(void *ctx, int64_t chunk) {
  const struct rope *r = ctx;
  int last = r->x->ndim - 1;
  const int64_t *shape = mxi_shape(r->x), *strides = mxi_strides(r->x);
  int64_t item = (int64_t)mxi_itemsize(r->x), per_batch = r->rows / shape[0];
  int64_t end = mxi_min((chunk + 1) * r->row_chunk, r->rows);
  for (int64_t i = chunk * r->row_chunk; i < end; i++) {
    int64_t from = 0;
    for (int64_t axis = last - 1, rest = i; axis >= 0; rest /= shape[axis--])
      from += rest % shape[axis] * strides[axis];
    const char *x = (const char *)r->x->data + from * item;
    char *out = (char *)r->out->data + i * shape[last] * item;
    int64_t batch = i / per_batch, t = i % r->positions;
    if (!r->table) {
      rotate_f64(r, (const double *)(const void *)x, (double *)(void *)out, batch, t, shape[last]);
      continue;
    }
    const float *table = r->table + ((r->offset->size > 1 ? batch * r->positions : 0) + t) * r->width;
    MXI_DISPATCH(mxi_rope_row)((mx_dtype)r->x->dtype, x, out, shape[last], r->pairs, r->traditional, table);
  }
}

/* 1 / freqs[i], or base^(-i / pairs) as powers of one ratio; times the scale, negated to turn back. */
static double *frequencies_of(const struct mxi_p_ROPE *p, int64_t pairs, mx_array freqs) {
  double *f = mxi_malloc((size_t)(pairs + 1) * sizeof *f);
  if (!f) return NULL;
  double factor = p->inverse ? -p->scale : p->scale;
  double ratio = freqs || pairs == 0 ? 1 : exp(-log(p->base) / (double)pairs), power = 1;
  for (int64_t i = 0; i < pairs; i++, power *= ratio) f[i] = factor * power;
  for (int64_t i = 0; freqs && i < pairs; i++) {
    const char *element =
        (const char *)freqs->data + i * mxi_strides(freqs)[0] * (int64_t)mxi_itemsize(freqs);
    f[i] = factor / mxi_scalar_load(element, (mx_dtype)freqs->dtype, NULL);
  }
  return f;
}

static int make_table(struct rope *r) {
  r->width = mxi_rope_table_width(r->pairs, r->traditional);
  r->table_rows = (r->offset->size > 1 ? mxi_shape(r->x)[0] : 1) * r->positions;
  r->table_chunk = mxi_max(1, TABLE_CHUNK / mxi_max(1, r->pairs));
  int64_t floats;
  if (!mxi_mul(r->table_rows, r->width + 1, &floats) || floats > INT64_MAX / 8)
    return mxi_fail_memory(SIZE_MAX);
  r->table = mxi_malloc_aligned((size_t)floats * sizeof(float));
  if (!r->table) return -1;
  return mxi_parallel_for(mxi_ceil_div(r->table_rows, r->table_chunk), table_chunk, r);
}

static int rotate(struct rope *r, const struct mxi_p_ROPE *p, mx_array freqs) {
  int last = r->x->ndim - 1;
  int64_t width = mxi_shape(r->x)[last];
  r->pairs = p->dims / 2;
  r->traditional = p->traditional;
  r->positions = mxi_shape(r->x)[last - 1];
  r->rows = r->x->size / width;
  r->row_chunk = mxi_max(1, ROW_CHUNK / width);
  double *frequencies = frequencies_of(p, r->pairs, freqs);
  if (!frequencies) return -1;
  r->frequencies = frequencies;
  int status = r->x->dtype == MX_FLOAT64 ? 0 : make_table(r);
  if (status == 0) status = mxi_parallel_for(mxi_ceil_div(r->rows, r->row_chunk), rope_chunk, r);
  mxi_free(frequencies);
  mxi_free(r->table);
  return status;
}

/* A row that is not contiguous is copied first; any other stride is followed. */
int mxi_cpu_ROPE(struct mxi_call *c) {
  mx_array in = c->in[0], out = c->out[0];
  bool contiguous_rows = mxi_strides(in)[in->ndim - 1] == 1 || mxi_shape(in)[in->ndim - 1] == 1;
  mx_array x = contiguous_rows ? mxi_ref(in) : mxi_row_major(in);
  if (!x) return mxi_untouched(c);
  int status = 0;
  struct rope r = {.x = x, .out = out, .offset = c->in[1]};
  if (out->size > 0) status = rotate(&r, MXI_CALL_PARAMS(ROPE, c), c->ninputs > 2 ? c->in[2] : NULL);
  mxi_unref(x);
  return status;
}
