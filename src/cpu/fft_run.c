/* Running plans. Lines that fit a block are transformed in blocks of as many as a vector has lanes. A longer
   line is split into columns and rows, which are short lines again, or becomes a convolution. */
#include "cpu/fft_run.h"
#include "cpu/cpu.h"
#include <string.h>

enum {
  CHUNK = 1 << 15,     /* elements of a chunk of blocks */
  ROW_CHUNK = 1 << 14, /* elements of a chunk of a row */
  STREAM = 1 << 18     /* elements of a line that leaves the caches before it is read again */
};

/* The first failure in a parallel loop, brought to the thread that waits for it. */
struct failure {
  atomic_int set;
  struct mxi_error error;
};
static void note_failure(struct failure *f) {
  struct mxi_error error;
  mxi_error_take(&error);
  if (!atomic_exchange(&f->set, 1)) f->error = error;
}
static int finish(struct failure *f, int result) {
  return result < 0 ? -1 : atomic_load(&f->set) ? mxi_error_put(&f->error) : 0;
}

static int64_t lanes(void) { return MXI_DISPATCH(mxi_fft_lanes)(); }

/* ---- Blocks ---- */
/* Elements a block has room for: those of a convolution, and the one more of a real line. */
static int64_t block_room(const struct mxi_fft_plan *p) { return (p->n > p->m ? p->n : p->m) + 1; }

/* This thread's two blocks, side by side. */
static float *block_scratch(const struct mxi_fft_plan *p, float **second) {
  int64_t floats = block_room(p) * 2 * lanes();
  float *x = mxi_scratch((size_t)floats * 2 * sizeof(float));
  *second = x ? x + floats : NULL;
  return x;
}

/* Transforms a block; the result is in x or y. */
static float *run_block(const struct mxi_fft_plan *p, float *x, float *y) {
  if (p->kind == MXI_FFT_BLOCK) return MXI_DISPATCH(mxi_fft_run)(&p->stages, x, y);
  MXI_DISPATCH(mxi_fft_chirp)(x, p->n, p->m, p->chirp);
  float *z = MXI_DISPATCH(mxi_fft_run)(&p->stages, x, y);
  MXI_DISPATCH(mxi_fft_spectrum)(z, p->m, p->spectrum);
  z = MXI_DISPATCH(mxi_fft_run)(&p->stages, z, z == x ? y : x);
  MXI_DISPATCH(mxi_fft_unchirp)(z, p->n, p->chirp);
  return z;
}

static bool in_blocks(const struct mxi_fft_plan *p) {
  return p->kind == MXI_FFT_BLOCK || p->kind == MXI_FFT_BLOCK_BLUESTEIN;
}

/* The lanes of lines first, first + 1, ... of `count`, `apart` floats from one to the next. */
static struct mxi_fft_lines lines_at(float *base, int64_t first, int64_t count, int64_t apart, int64_t step,
                                     int64_t imag) {
  struct mxi_fft_lines l = {.lanes = (int)mxi_min(lanes(), count - first), .step = step, .imag = imag};
  for (int i = 0; i < MXI_FFT_LANES; i++) l.line[i] = base + (first + (i < l.lanes ? i : 0)) * apart;
  return l;
}

/* ---- One long line: columns, then rows ----
   With j = j1 n2 + j2 and k = k2 n1 + k1: X[k] = sum over j2 of w^(j2 k1) exp(-2 pi i j2 k2 / n2) times
   sum over j1 of exp(-2 pi i j1 k1 / n1) x[j], w = exp(-2 pi i / n). The inner sums are columns of x as (n1,
   n2), the outer ones rows of the result, which lies in X by columns. */
struct four_step {
  const struct mxi_fft_plan *p;
  struct mxi_fft_row in, out;
  float scale, *middle; /* (n1, pitch, 2) */
  struct failure failure;
};

/* Elements from row to row: a line of the cache more than they need, so that columns don't meet in few of its
 * sets. */
static int64_t pitch(const struct mxi_fft_plan *p) { return mxi_round_up(p->second->n, 8) + 8; }

/* w^j2 for the lanes' j2; those out of use repeat the last. */
static void lane_roots(const struct mxi_fft_plan *p, int64_t j2, double *roots) {
  int64_t width = lanes(), last = p->second->n - 1;
  for (int64_t l = 0; l < width; l++)
    mxi_fft_root(&p->roots, mxi_min(j2 + l, last), roots + l, roots + width + l);
}

static void column_chunk(void *ctx, int64_t chunk) {
  struct four_step *s = ctx;
  const struct mxi_fft_plan *columns = s->p->first;
  int64_t n2 = s->p->second->n, first = chunk * lanes();
  double roots[2 * MXI_FFT_LANES];
  float *y, *x = block_scratch(columns, &y);
  if (!x) {
    note_failure(&s->failure);
    return;
  }
  struct mxi_fft_lines from = lines_at(s->in.first, first, n2, s->in.step, s->in.step * n2, s->in.imag);
  struct mxi_fft_lines to = lines_at(s->middle, first, n2, 2, 2 * pitch(s->p), 1);
  MXI_DISPATCH(mxi_fft_load)(&from, columns->n, s->in.swap, x);
  x = run_block(columns, x, y);
  lane_roots(s->p, first, roots);
  MXI_DISPATCH(mxi_fft_twiddle)(x, columns->n, roots);
  MXI_DISPATCH(mxi_fft_store)(&to, columns->n, false, 1, x);
}

static void row_chunk(void *ctx, int64_t chunk) {
  struct four_step *s = ctx;
  const struct mxi_fft_plan *rows = s->p->second;
  int64_t n1 = s->p->first->n, first = chunk * lanes();
  float *y, *x = block_scratch(rows, &y);
  if (!x) {
    note_failure(&s->failure);
    return;
  }
  struct mxi_fft_lines from = lines_at(s->middle, first, n1, 2 * pitch(s->p), 2, 1);
  struct mxi_fft_lines to = lines_at(s->out.first, first, n1, s->out.step, s->out.step * n1, s->out.imag);
  to.stream = s->p->n >= STREAM;
  MXI_DISPATCH(mxi_fft_load)(&from, rows->n, false, x);
  x = run_block(rows, x, y);
  MXI_DISPATCH(mxi_fft_store)(&to, rows->n, s->out.swap, s->scale, x);
}

static int run_long(const struct mxi_fft_plan *p, struct mxi_fft_row in, struct mxi_fft_row out, float scale,
                    float *work);

static int run_four_step(const struct mxi_fft_plan *p, struct mxi_fft_row in, struct mxi_fft_row out,
                         float scale, float *work) {
  struct four_step s = {.p = p, .in = in, .out = out, .scale = scale, .middle = work};
  int64_t n1 = p->first->n, n2 = p->second->n;
  MXI_TRY(finish(&s.failure, mxi_parallel_for(mxi_ceil_div(n2, lanes()), column_chunk, &s)));
  if (in_blocks(p->second))
    return finish(&s.failure, mxi_parallel_for(mxi_ceil_div(n1, lanes()), row_chunk, &s));
  for (int64_t k1 = 0; k1 < n1; k1++) {
    struct mxi_fft_row row = {work + k1 * 2 * pitch(p), 2, 1, false}, to = out;
    to.first += k1 * out.step;
    to.step *= n1;
    MXI_TRY(run_long(p->second, row, to, scale, work + 2 * n1 * pitch(p)));
  }
  return 0;
}

/* ---- One long line: a convolution ---- */
enum step { CHIRP, SPECTRUM, UNCHIRP, UNPACK_REAL, PACK_REAL, HERMITIAN, COPY };
struct row_job {
  enum step step;
  const struct mxi_fft_plan *p;
  struct mxi_fft_row line; /* what is read, or written */
  float *row;              /* what is written, or read; contiguous */
  int64_t n, length;       /* of the range, of the line */
  float scale;
};

static void run_step(void *ctx, int64_t chunk) {
  const struct row_job *j = ctx;
  const struct mxi_fft_plan *p = j->p;
  int64_t first = chunk * ROW_CHUNK, end = mxi_min(j->n, first + ROW_CHUNK);
  switch (j->step) {
  case CHIRP: MXI_DISPATCH(mxi_fft_chirp_row)(&j->line, first, end, p->chirp, j->row); break;
  case SPECTRUM: MXI_DISPATCH(mxi_fft_spectrum_row)(j->row, first, end, p->spectrum); break;
  case UNCHIRP: MXI_DISPATCH(mxi_fft_unchirp_row)(j->row, first, end, p->chirp, j->scale, &j->line); break;
  case UNPACK_REAL:
    MXI_DISPATCH(mxi_fft_unpack_real_row)
    (j->row, j->length, first, end, p->real_twiddles, j->scale, &j->line);
    break;
  case PACK_REAL:
    MXI_DISPATCH(mxi_fft_pack_real_row)(&j->line, j->length, first, end, p->real_twiddles, j->row);
    break;
  case HERMITIAN: MXI_DISPATCH(mxi_fft_hermitian_row)(&j->line, j->length, first, end, j->row); break;
  case COPY: MXI_DISPATCH(mxi_fft_copy_row)(j->row, first, end, &j->line); break;
  }
}
static int for_row(struct row_job j) { return mxi_parallel_for(mxi_ceil_div(j.n, ROW_CHUNK), run_step, &j); }

static int run_bluestein(const struct mxi_fft_plan *p, struct mxi_fft_row in, struct mxi_fft_row out,
                         float scale, float *work) {
  float *row = work;
  work += 2 * p->m;
  struct mxi_fft_row line = {row, 2, 1, false};
  MXI_TRY(for_row((struct row_job){CHIRP, p, in, row, p->n, p->n, 1}));
  memset(row + 2 * p->n, 0, (size_t)(p->m - p->n) * 2 * sizeof(float));
  MXI_TRY(run_long(p->first, line, line, 1, work));
  MXI_TRY(for_row((struct row_job){SPECTRUM, p, line, row, p->m, p->m, 1}));
  MXI_TRY(run_long(p->first, line, line, 1, work));
  return for_row((struct row_job){UNCHIRP, p, out, row, p->n, p->n, scale});
}

/* A line on its own that would fit a block. */
static int run_alone(const struct mxi_fft_plan *p, struct mxi_fft_row in, struct mxi_fft_row out,
                     float scale) {
  float *y, *x = block_scratch(p, &y);
  if (!x) return -1;
  struct mxi_fft_lines from = lines_at(in.first, 0, 1, 0, in.step, in.imag);
  struct mxi_fft_lines to = lines_at(out.first, 0, 1, 0, out.step, out.imag);
  MXI_DISPATCH(mxi_fft_load)(&from, p->n, in.swap, x);
  x = run_block(p, x, y);
  MXI_DISPATCH(mxi_fft_store)(&to, p->n, out.swap, scale, x);
  return 0;
}

static int run_long(const struct mxi_fft_plan *p, struct mxi_fft_row in, struct mxi_fft_row out, float scale,
                    float *work) {
  switch (p->kind) {
  case MXI_FFT_FOUR_STEP: return run_four_step(p, in, out, scale, work);
  case MXI_FFT_BLUESTEIN: return run_bluestein(p, in, out, scale, work);
  default: return run_alone(p, in, out, scale);
  }
}

/* Floats of work that run_long needs. */
static int64_t work_floats(const struct mxi_fft_plan *p) {
  switch (p->kind) {
  case MXI_FFT_FOUR_STEP: return 2 * p->first->n * pitch(p) + work_floats(p->second);
  case MXI_FFT_BLUESTEIN: return 2 * p->m + work_floats(p->first);
  default: return 0;
  }
}

int mxi_fft_run_line(const struct mxi_fft_plan *p, struct mxi_fft_row in, struct mxi_fft_row out,
                     float scale) {
  mx_buffer *work = mxi_buffer_new((size_t)work_floats(p) * sizeof(float));
  if (!work) return -1;
  int result = run_long(p, in, out, scale, work->data);
  mxi_buffer_unref(work);
  return result;
}

/* ---- Passes ---- */
static const struct mxi_fft_plan *complex_plan(const struct mxi_fft_pass *x) {
  return x->plan->kind == MXI_FFT_PACKED_REAL ? x->plan->first : x->plan;
}
static bool packs_real(const struct mxi_fft_pass *x) { return x->plan->kind == MXI_FFT_PACKED_REAL; }

/* How a pass reads and writes its lines as complex elements: real ones in pairs, or without imaginary parts.
 */
struct layout {
  int64_t step, imag;
};
static struct layout layout_of(const struct mxi_fft_pass *x, bool real, int64_t step) {
  if (!real) return (struct layout){step, 1};
  return packs_real(x) ? (struct layout){2 * step, step} : (struct layout){step, MXI_FFT_NO_IMAG};
}
static struct layout in_layout(const struct mxi_fft_pass *x) {
  return layout_of(x, x->form == MXI_FFT_FROM_REAL, x->in_step);
}
static struct layout out_layout(const struct mxi_fft_pass *x) {
  return layout_of(x, x->form == MXI_FFT_TO_REAL, x->out_step);
}

/* Lanes of both sides, from line `first` on. */
static void place_lanes(const struct mxi_fft_pass *x, int64_t first, struct mxi_fft_lines *from,
                        struct mxi_fft_lines *to) {
  struct layout in = in_layout(x), out = out_layout(x);
  int count = (int)mxi_min(lanes(), x->lines.size - first);
  *from = (struct mxi_fft_lines){.lanes = count, .step = in.step, .imag = in.imag};
  *to = (struct mxi_fft_lines){.lanes = count, .step = out.step, .imag = out.imag};
  struct mxi_region_iter place;
  mxi_region_iter_init(&place, &x->lines, first);
  for (int i = 0; i < MXI_FFT_LANES; i++) {
    from->line[i] = i < count ? x->in + place.offset[0] : from->line[0];
    to->line[i] = i < count ? x->out + place.offset[1] : to->line[0];
    if (i + 1 < count) mxi_region_iter_advance(&place, &x->lines, 1);
  }
}

static void pass_block(const struct mxi_fft_pass *x, int64_t first, float *a, float *b) {
  const struct mxi_fft_plan *p = complex_plan(x);
  bool packed_real = packs_real(x), swap = x->form == MXI_FFT_COMPLEX && x->inverse;
  struct mxi_fft_lines from, to;
  place_lanes(x, first, &from, &to);
  switch (x->form) {
  case MXI_FFT_COMPLEX:
    MXI_DISPATCH(mxi_fft_load)(&from, p->n, swap, a);
    a = run_block(p, a, b);
    MXI_DISPATCH(mxi_fft_store)(&to, p->n, swap, x->scale, a);
    break;
  case MXI_FFT_FROM_REAL:
    MXI_DISPATCH(mxi_fft_load)(&from, p->n, false, a);
    a = run_block(p, a, b);
    if (packed_real) MXI_DISPATCH(mxi_fft_unpack_real)(a, p->n, x->plan->real_twiddles);
    MXI_DISPATCH(mxi_fft_store)(&to, x->plan->n / 2 + 1, false, x->scale, a);
    break;
  case MXI_FFT_TO_REAL:
    MXI_DISPATCH(mxi_fft_load)(&from, x->plan->n / 2 + 1, !packed_real, a);
    if (packed_real)
      MXI_DISPATCH(mxi_fft_pack_real)(a, p->n, x->plan->real_twiddles);
    else
      MXI_DISPATCH(mxi_fft_hermitian)(a, p->n);
    a = run_block(p, a, b);
    MXI_DISPATCH(mxi_fft_store)(&to, p->n, true, x->scale, a);
    break;
  }
}

struct blocks {
  const struct mxi_fft_pass *pass;
  int64_t blocks, batch;
  struct failure failure;
};
static void blocks_chunk(void *ctx, int64_t chunk) {
  struct blocks *j = ctx;
  float *b, *a = block_scratch(complex_plan(j->pass), &b);
  if (!a) {
    note_failure(&j->failure);
    return;
  }
  int64_t end = mxi_min(j->blocks, (chunk + 1) * j->batch);
  for (int64_t i = chunk * j->batch; i < end; i++) pass_block(j->pass, i * lanes(), a, b);
}

/* Real long lines go through a contiguous row, at the start of work: n complex elements, or n / 2. */
static int long_from_real(const struct mxi_fft_pass *x, struct mxi_fft_row in, struct mxi_fft_row out,
                          float *work) {
  const struct mxi_fft_plan *p = complex_plan(x);
  struct mxi_fft_row row = {work, 2, 1, false};
  MXI_TRY(run_long(p, in, row, packs_real(x) ? 1 : x->scale, work + 2 * p->n));
  if (packs_real(x))
    return for_row((struct row_job){UNPACK_REAL, x->plan, out, work, p->n / 2 + 1, p->n, x->scale});
  return for_row((struct row_job){COPY, x->plan, out, work, p->n / 2 + 1, p->n, 1});
}
static int long_to_real(const struct mxi_fft_pass *x, struct mxi_fft_row in, struct mxi_fft_row out,
                        float *work) {
  const struct mxi_fft_plan *p = complex_plan(x);
  struct mxi_fft_row row = {work, 2, 1, false};
  MXI_TRY(for_row(
      (struct row_job){packs_real(x) ? PACK_REAL : HERMITIAN, x->plan, in, work, p->n / 2 + 1, p->n, 1}));
  out.swap = true;
  return run_long(p, row, out, x->scale, work + 2 * p->n);
}

struct long_lines {
  const struct mxi_fft_pass *pass;
  float *work;
  int64_t floats; /* of work for each slot */
  struct failure failure;
};
static void line_chunk(void *ctx, int64_t i, int slot) {
  struct long_lines *j = ctx;
  const struct mxi_fft_pass *x = j->pass;
  float *work = j->work + slot * j->floats;
  struct layout from = in_layout(x), to = out_layout(x);
  struct mxi_region_iter place;
  mxi_region_iter_init(&place, &x->lines, i);
  bool swap = x->form == MXI_FFT_COMPLEX && x->inverse;
  struct mxi_fft_row in = {x->in + place.offset[0], from.step, from.imag, swap};
  struct mxi_fft_row out = {x->out + place.offset[1], to.step, to.imag, swap};
  int result = x->form == MXI_FFT_COMPLEX     ? run_long(x->plan, in, out, x->scale, work)
               : x->form == MXI_FFT_FROM_REAL ? long_from_real(x, in, out, work)
                                              : long_to_real(x, in, out, work);
  if (result < 0) note_failure(&j->failure);
}

/* Many lines go to one thread each; of a few, every one to all threads. */
static int pass_long(const struct mxi_fft_pass *x) {
  const struct mxi_fft_plan *p = complex_plan(x);
  struct long_lines j = {.pass = x, .floats = mxi_round_up(work_floats(p) + 2 * p->n, 16)};
  int slots = mxi_pool_size();
  bool alone = x->lines.size < 2 * slots;
  int64_t bytes;
  if (!mxi_mul(j.floats * (int64_t)sizeof(float), alone ? 1 : slots, &bytes))
    return mxi_fail_memory((size_t)INT64_MAX);
  mx_buffer *work = mxi_buffer_new((size_t)bytes);
  if (!work) return -1;
  j.work = work->data;
  int result = 0;
  if (alone)
    for (int64_t i = 0; i < x->lines.size && !atomic_load(&j.failure.set); i++) line_chunk(&j, i, 0);
  else
    result = mxi_parallel_for_slots(x->lines.size, line_chunk, &j);
  mxi_buffer_unref(work);
  return finish(&j.failure, result);
}

int mxi_fft_run_pass(const struct mxi_fft_pass *pass) {
  if (!pass->lines.size) return 0;
  const struct mxi_fft_plan *p = complex_plan(pass);
  if (!in_blocks(p)) return pass_long(pass);
  struct blocks j = {.pass = pass, .blocks = mxi_ceil_div(pass->lines.size, lanes())};
  j.batch = mxi_max(1, CHUNK / (block_room(p) * lanes()));
  return finish(&j.failure, mxi_parallel_for(mxi_ceil_div(j.blocks, j.batch), blocks_chunk, &j));
}
