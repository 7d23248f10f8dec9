/* Fourier transforms by cuFFT, of neighbouring axes together. The real axis, where there is one, is the last
   of the list: first of a transform from real elements, last of one to real ones. */
#include "base/checked.h"
#include "cuda/copy.h"
#include "cuda/cuda.h"
#include "cuda/cufft.h"
#include "cuda/kernels/fft.h"
#include "cuda/call.h"

static struct mxi_cuda_kernel scale_kernel = MXI_CUDA_KERNEL(fft, fft_scale);

/* Row-major arrays of complex64, but for the real side of a real transform, whose shapes agree in all but the
   real axis. */
struct fft {
  mx_stream s;
  int ndim;
  const int64_t *in_shape, *out_shape;
  bool inverse;
};
/* Neighbouring axes that are transformed together. */
struct fft_group {
  int first, count;
};

static int64_t product_of(const int64_t *shape, int begin, int end) {
  int64_t product = 1;
  for (int i = begin; i < end; i++) product *= shape[i];
  return product;
}

/* ---- One group ---- */
/* The array as (outer, run, inner), the run being the group's axes. */
struct fft_extent {
  int64_t outer, in_run, out_run, inner;
};
static bool is_aligned(const void *address) { return (uintptr_t)address % 8 == 0; }
static mx_dtype type_of_side(int type, int real_type) {
  return type == real_type ? MX_FLOAT32 : MX_COMPLEX64;
}

/* By way of copies (outer, inner, run). */
static int run_moved(const struct fft *f, struct mxi_cuda_fft_kind kind, struct fft_extent e, void *in,
                     void *out) {
  mx_dtype in_type = type_of_side(kind.type, CUFFT_R2C), out_type = type_of_side(kind.type, CUFFT_C2R);
  int64_t in_bytes = mxi_round_up(e.outer * e.inner * e.in_run * (int64_t)mx_dtype_size(in_type), 256);
  int64_t out_bytes = e.outer * e.inner * e.out_run * (int64_t)mx_dtype_size(out_type);
  int64_t in_moved[] = {e.inner * e.in_run, e.in_run, 1}, in_given[] = {e.inner * e.in_run, 1, e.inner};
  int64_t out_moved[] = {e.inner * e.out_run, e.out_run, 1}, out_given[] = {e.inner * e.out_run, 1, e.inner};
  int64_t in_shape[] = {e.outer, e.inner, e.in_run}, out_shape[] = {e.outer, e.inner, e.out_run};
  struct mxi_cuda_scratch copies;
  MXI_TRY(mxi_cuda_scratch_take(f->s, (size_t)(in_bytes + out_bytes), &copies));
  void *from = copies.address, *to = (char *)copies.address + in_bytes;
  kind.batch = e.outer * e.inner, kind.stride = 1;
  kind.in_distance = e.in_run, kind.out_distance = e.out_run;
  int result =
      mxi_cuda_copy_strided(f->s, (mx_ints){in_shape, 3}, (struct mxi_cuda_strided){from, in_type, in_moved},
                            (struct mxi_cuda_strided){in, in_type, in_given});
  if (result == 0) result = mxi_cuda_cufft_run(f->s, &kind, f->inverse, from, to);
  if (result == 0)
    result = mxi_cuda_copy_strided(f->s, (mx_ints){out_shape, 3},
                                   (struct mxi_cuda_strided){out, out_type, out_given},
                                   (struct mxi_cuda_strided){to, out_type, out_moved});
  mxi_cuda_scratch_free(&copies);
  return result;
}

/* Where they lie: the inner axes are the batch, the outer ones are looped over. */
static int run_strided(const struct fft *f, struct mxi_cuda_fft_kind kind, struct fft_extent e, char *in,
                       char *out) {
  int64_t in_step = e.in_run * e.inner * (int64_t)mx_dtype_size(type_of_side(kind.type, CUFFT_R2C));
  int64_t out_step = e.out_run * e.inner * (int64_t)mx_dtype_size(type_of_side(kind.type, CUFFT_C2R));
  kind.batch = e.inner, kind.stride = e.inner;
  kind.in_distance = kind.out_distance = 1;
  for (int64_t i = 0; i < e.outer; i++, in += in_step, out += out_step)
    MXI_TRY(mxi_cuda_cufft_run(f->s, &kind, f->inverse, in, out));
  return 0;
}

static int run_group(const struct fft *f, struct fft_group g, int type, void *in, void *out) {
  enum { MOST_CALLS = 16 };
  int end = g.first + g.count;
  struct fft_extent e = {product_of(f->in_shape, 0, g.first), product_of(f->in_shape, g.first, end),
                         product_of(f->out_shape, g.first, end), product_of(f->in_shape, end, f->ndim)};
  struct mxi_cuda_fft_kind kind = {.rank = g.count, .type = type};
  for (int i = 0; i < g.count; i++) kind.n[i] = (type == CUFFT_C2R ? f->out_shape : f->in_shape)[g.first + i];
  if (!is_aligned(in) || !is_aligned(out)) return run_moved(f, kind, e, in, out);
  if (e.inner > 1 && e.outer > (type == CUFFT_C2C ? MOST_CALLS : 1)) return run_moved(f, kind, e, in, out);
  if (e.inner > 1) return run_strided(f, kind, e, in, out);
  kind.batch = e.outer, kind.stride = 1;
  kind.in_distance = e.in_run, kind.out_distance = e.out_run;
  return mxi_cuda_cufft_run(f->s, &kind, f->inverse, in, out);
}

/* ---- All axes ---- */
/* Takes axes from those not done yet, of which some are neighbours: the group that ends at `last`. */
static struct fft_group take_group(bool *pending, int last, int most) {
  struct fft_group g = {last + 1, 0};
  for (int i = last; i >= 0 && pending[i] && g.count < most; i--) {
    pending[i] = false;
    g.first = i, g.count++;
  }
  return g;
}

/* As a transform of one element does. */
static int convert(const struct fft *f, void *in, mx_dtype from, void *out, mx_dtype to) {
  int64_t size = product_of(f->in_shape, 0, f->ndim), one = 1;
  return mxi_cuda_copy_strided(f->s, (mx_ints){&size, 1}, (struct mxi_cuda_strided){out, to, &one},
                               (struct mxi_cuda_strided){in, from, &one});
}

/* The complex transforms along the axes that are pending, the first from in to out, the others in place. */
static int run_complex(const struct fft *f, bool *pending, void *in, void *out) {
  for (int i = f->ndim - 1; i >= 0; i--) {
    if (!pending[i]) continue;
    MXI_TRY(run_group(f, take_group(pending, i, MXI_CUDA_FFT_MOST_AXES), CUFFT_C2C, in, out));
    in = out;
  }
  return in == out ? 0 : convert(f, in, MX_COMPLEX64, out, MX_COMPLEX64);
}

static int run_from_real(const struct fft *f, bool *pending, int real, void *in, void *out) {
  struct fft after = *f;
  after.in_shape = f->out_shape;
  if (f->in_shape[real] == 1)
    MXI_TRY(convert(f, in, MX_FLOAT32, out, MX_COMPLEX64));
  else {
    pending[real] = true;
    MXI_TRY(run_group(f, take_group(pending, real, MXI_CUDA_FFT_MOST_AXES), CUFFT_R2C, in, out));
  }
  return run_complex(&after, pending, out, out);
}

/* Other axes first: with several, cuFFT expects the symmetry of a real signal's transform in them. */
static int run_to_real(const struct fft *f, bool *pending, int real, void *in, void *out) {
  struct fft before = *f;
  before.out_shape = f->in_shape;
  struct mxi_cuda_scratch middle;
  size_t bytes = (size_t)product_of(f->in_shape, 0, f->ndim) * 2 * sizeof(float);
  MXI_TRY(mxi_cuda_scratch_take(f->s, bytes, &middle));
  int result = run_complex(&before, pending, in, middle.address);
  if (result == 0)
    result = f->out_shape[real] == 1
                 ? convert(f, middle.address, MX_COMPLEX64, out, MX_FLOAT32)
                 : run_group(f, (struct fft_group){real, 1}, CUFFT_C2R, middle.address, out);
  mxi_cuda_scratch_free(&middle);
  return result;
}

static int scale_result(mx_stream s, mx_array out, void *address, double scale) {
  struct mxi_cuda_fft_scale p = {address, out->size * (out->dtype == MX_COMPLEX64 ? 2 : 1), (float)scale};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(p.n, MXI_CUDA_FFT_THREADS * MXI_CUDA_FFT_EACH),
                               .threads = MXI_CUDA_FFT_THREADS};
  return scale == 1 ? 0 : mxi_cuda_launch(s, &scale_kernel, grid, &p, sizeof p);
}

int mxi_cuda_FFT(struct mxi_call *c) {
  const struct mxi_p_FFT *p = MXI_CALL_PARAMS(FFT, c);
  mx_array in = c->in[0], out = c->out[0];
  if (!out->size) return 0;
  struct fft f = {c->stream, in->ndim, mxi_shape(in), mxi_shape(out), p->inverse};
  bool pending[MXI_MAX_NDIM] = {0}, same_type = in->dtype == out->dtype;
  int axes = p->axes.n - (same_type ? 0 : 1), real = same_type ? -1 : (int)p->axes.v[axes];
  for (int i = 0; i < axes; i++) pending[p->axes.v[i]] = f.in_shape[p->axes.v[i]] > 1;
  struct mxi_cuda_input held;
  if (mxi_cuda_hold_row_major(c, 0, &held) < 0) return mxi_untouched(c);
  void *from = (void *)held.address, *to = mxi_cuda_out(c, 0);
  int result = same_type                   ? run_complex(&f, pending, from, to)
               : in->dtype == MX_COMPLEX64 ? run_to_real(&f, pending, real, from, to)
                                           : run_from_real(&f, pending, real, from, to);
  mxi_cuda_let_go(&held);
  return result == 0 ? scale_result(c->stream, out, to, p->scale) : result;
}

/* Where cuFFT isn't installed, the CPU runs it. */
bool mxi_cuda_can_FFT(const struct mxi_call *c) { return mxi_cuda_has_cufft(); }
