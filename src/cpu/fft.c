/* Fourier transforms, axis by axis. The real axis, where there is one, is the last of the list: first of a
   transform from real elements, last of one to real ones. */
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/fft_planner.h"
#include "cpu/fft_run.h"

enum {
  FEW_LINES = 8, /* less would leave most lanes idle */
  /* Lines this long are transposed where neighbouring elements lie this far apart: else each element would
     take a line of the cache of its own. */
  LONG_LINE = 1 << 15,
  FAR_STEP = 8
};

/* The side of a pass that an array is: its floats, the axis' step, the other axes' strides, all in floats. */
struct side {
  float *data;
  int64_t step, strides[MXI_MAX_NDIM];
};
static struct side side_of(mx_array a, int64_t axis) {
  int64_t floats = (int64_t)(mxi_itemsize(a) / sizeof(float));
  struct side s = {.data = a->data};
  int n = 0;
  for (int i = 0; i < a->ndim; i++)
    if (i == axis)
      s.step = mxi_strides(a)[i] * floats;
    else
      s.strides[n++] = mxi_strides(a)[i] * floats;
  return s;
}

/* Transforms in along an axis into out, which may be in. n: the complex or real length. */
static int run_lines(mx_array in, mx_array out, int64_t axis, int64_t n, enum mxi_fft_form form, bool inverse,
                     double scale) {
  struct side from = side_of(in, axis), to = side_of(out, axis);
  int64_t shape[MXI_MAX_NDIM], count = 0;
  for (int i = 0; i < in->ndim; i++)
    if (i != axis) shape[count++] = mxi_shape(in)[i];
  struct mxi_fft_pass pass = {
      .form = form, .inverse = inverse, .scale = (float)scale, .in = from.data, .out = to.data};
  pass.in_step = from.step;
  pass.out_step = to.step;
  const int64_t *strides[2] = {from.strides, to.strides};
  mxi_region_init(&pass.lines, (int)count, shape, 2, strides);
  mxi_region_merge(&pass.lines);
  enum mxi_fft_use use = pass.lines.size < FEW_LINES ? MXI_FFT_FEW : MXI_FFT_MANY;
  struct mxi_fft_plan *plan = mxi_fft_plan_get(n, form != MXI_FFT_COMPLEX && n % 2 == 0, use);
  if (!plan) return -1;
  pass.plan = plan;
  int result = mxi_fft_run_pass(&pass);
  mxi_fft_plan_unref(plan);
  return result;
}

/* The shape and strides of a with an axis moved last. */
static void moved_last(mx_array a, int64_t axis, int64_t *shape, int64_t *strides) {
  int n = 0;
  for (int i = 0; i < a->ndim; i++)
    if (i != axis) {
      shape[n] = mxi_shape(a)[i];
      strides[n++] = mxi_strides(a)[i];
    }
  shape[n] = mxi_shape(a)[axis];
  strides[n] = mxi_strides(a)[axis];
}

/* The same by way of copies whose last axis is the transform's. */
static int run_transposed(mx_array in, mx_array out, int64_t axis, int64_t n, enum mxi_fft_form form,
                          bool inverse, double scale) {
  int64_t shape[2][MXI_MAX_NDIM], strides[2][MXI_MAX_NDIM];
  int ndim = in->ndim;
  moved_last(in, axis, shape[0], strides[0]);
  moved_last(out, axis, shape[1], strides[1]);
  mx_array from = mxi_array_alloc((mx_dtype)in->dtype, (mx_ints){shape[0], ndim});
  mx_array to = from && form != MXI_FFT_COMPLEX
                    ? mxi_array_alloc((mx_dtype)out->dtype, (mx_ints){shape[1], ndim})
                    : from;
  struct mxi_strided source = {in->data, (mx_dtype)in->dtype, strides[0]};
  struct mxi_strided target = {out->data, (mx_dtype)out->dtype, strides[1]};
  int result = to ? mxi_copy_strided(ndim, shape[0], mxi_strided_of(from), source) : -1;
  if (result == 0) result = run_lines(from, to, ndim - 1, n, form, inverse, scale);
  if (result == 0) result = mxi_copy_strided(ndim, shape[1], target, mxi_strided_of(to));
  if (to != from) mxi_unref(to);
  mxi_unref(from);
  return result;
}

static int run_axis(mx_array in, mx_array out, int64_t axis, int64_t n, enum mxi_fft_form form, bool inverse,
                    double scale) {
  bool transposed = n >= LONG_LINE && mxi_strides(out)[axis] >= FAR_STEP;
  return (transposed ? run_transposed : run_lines)(in, out, axis, n, form, inverse, scale);
}

/* The complex transforms along `axes`, the first from in to out, the others in place. */
static int run_complex(mx_array in, mx_array out, mx_ints axes, bool inverse, double scale) {
  for (int i = axes.n - 1; i >= 0; i--, in = out)
    MXI_TRY(run_axis(in, out, axes.v[i], mxi_shape(out)[axes.v[i]], MXI_FFT_COMPLEX, inverse, i ? 1 : scale));
  return 0;
}

static int to_real(mx_array in, mx_array out, mx_ints axes, int64_t real, double scale) {
  int64_t n = mxi_shape(out)[real];
  if (!axes.n) return run_axis(in, out, real, n, MXI_FFT_TO_REAL, true, scale);
  mx_array middle = mxi_array_alloc(MX_COMPLEX64, mxi_shape_of(in));
  if (!middle) return -1;
  int result = run_complex(in, middle, axes, true, 1);
  if (result == 0) result = run_axis(middle, out, real, n, MXI_FFT_TO_REAL, true, scale);
  mxi_unref(middle);
  return result;
}

int mxi_cpu_FFT(struct mxi_call *c) {
  const struct mxi_p_FFT *p = MXI_CALL_PARAMS(FFT, c);
  mx_array in = c->in[0], out = c->out[0];
  if (!out->size) return 0;
  if (in->dtype == out->dtype) return run_complex(in, out, p->axes, p->inverse, p->scale);
  mx_ints complex_axes = {p->axes.v, p->axes.n - 1};
  int64_t real = p->axes.v[p->axes.n - 1];
  if (p->inverse) return to_real(in, out, complex_axes, real, p->scale);
  MXI_TRY(
      run_axis(in, out, real, mxi_shape(in)[real], MXI_FFT_FROM_REAL, false, complex_axes.n ? 1 : p->scale));
  return run_complex(out, out, complex_axes, false, p->scale);
}
