/* Fourier transforms: lengths, dtypes and scales. Along axes of real signals one primitive serves three
   forms, told apart by the dtypes of its input and output. */
#include "mlx/fft.h"
#include "ops/common.h"
#include "ops/rules.h"
#include <math.h>

enum form { COMPLEX, FROM_REAL, TO_REAL };

/* ---- Arguments ---- */
/* The axes in their order, normalised; of lengths s without axes, the last ones. Their number, or -1. */
static int transform_axes(const char *op, mx_ints axes, mx_ints s, int ndim, int64_t *out) {
  if (axes.n < 0 && s.n >= 0) {
    if (s.n > ndim)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at most one length for each of %d axes, got %d", op,
                      ndim, s.n);
    for (int i = 0; i < s.n; i++) out[i] = ndim - s.n + i;
    return s.n;
  }
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_axes(op, axes, ndim, sorted);
  for (int i = 0; i < n; i++) out[i] = axes.n < 0 ? sorted[i] : mxi_axis(op, axes.v[i], ndim);
  return n;
}

static int check_norm(const char *op, mx_fft_norm norm) {
  if ((unsigned)norm <= MX_FFT_FORWARD) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected norm backward, ortho or forward, got %d", op,
                  (int)norm);
}

/* The transforms' lengths, in the order of the axes. */
static int transform_lengths(const char *op, mx_array a, mx_ints s, mx_ints axes, enum form form,
                             int64_t *out) {
  if (s.n >= 0 && s.n != axes.n)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected one length for each of %d axes, got %d", op, axes.n,
                    s.n);
  for (int i = 0; i < axes.n; i++) {
    int64_t own = a->dims[axes.v[i]];
    if (form == TO_REAL && i == axes.n - 1) own = 2 * (own - 1);
    out[i] = s.n < 0 ? own : s.v[i];
    if (out[i] < 1 || out[i] > INT32_MAX)
      return mxi_fail(MX_INVALID_ARGUMENT,
                      "[%s] expected lengths from 1 to 2^31 - 1, got %lld for axis %lld of shape %s", op,
                      (long long)out[i], (long long)axes.v[i], MXI_SHAPE_TEXT(a));
  }
  return 0;
}

/* a cut or padded with zeros at its ends. */
static mx_array resized(mx_array a, const int64_t *shape) {
  int64_t zeros[MX_MAX_NDIM], ones[MX_MAX_NDIM], kept[MX_MAX_NDIM], missing[MX_MAX_NDIM];
  mx_ints low = mxi_fill_ints(zeros, a->ndim, 0), step = mxi_fill_ints(ones, a->ndim, 1);
  bool cut = false, short_of = false;
  for (int i = 0; i < a->ndim; i++) {
    kept[i] = mxi_min(a->dims[i], shape[i]);
    missing[i] = shape[i] - kept[i];
    cut |= kept[i] < a->dims[i];
    short_of |= missing[i] > 0;
  }
  int ndim = a->ndim;
  if (cut) a = mx_slice(a, low, (mx_ints){kept, ndim}, step);
  return short_of ? mx_pad(a, low, (mx_ints){missing, ndim}, MX_PAD_CONSTANT, NULL) : a;
}

static mx_array apply_fft(mx_array a, mx_ints axes, bool inverse, double scale, enum form form,
                          mx_ints shape) {
  struct mxi_p_FFT p = {.axes = axes, .inverse = inverse, .scale = scale};
  return mxi_apply(MXI_FFT, &p, 1, &a, form == TO_REAL ? MX_FLOAT32 : MX_COMPLEX64, shape);
}

/* The factor of a transform of `size` elements. */
static double scale_of(mx_fft_norm norm, bool inverse, double size) {
  if (norm == MX_FFT_ORTHO) return 1 / sqrt(size);
  return (norm == MX_FFT_FORWARD) == inverse ? 1 : 1 / size;
}

static mx_array transform(const char *op, mx_array a, mx_ints s, mx_ints axes, mx_fft_norm norm, bool inverse,
                          enum form form) {
  int64_t axis[MX_MAX_NDIM], length[MX_MAX_NDIM], in[MX_MAX_NDIM], out[MX_MAX_NDIM];
  if (!mxi_usable1(op, a) || check_norm(op, norm) < 0) return MX_BAD;
  if (a->ndim == 0 && axes.n < 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected an array with dimensions, got a scalar", op);
  if (mxi_check_list(op, s) < 0) return MX_BAD;
  axes = (mx_ints){axis, transform_axes(op, axes, s, a->ndim, axis)};
  if (axes.n < 0 || transform_lengths(op, a, s, axes, form, length) < 0) return MX_BAD;
  if (axes.n == 0) return mxi_itself(a);
  mxi_copy_ints(in, mxi_shape_of(a));
  mx_ints shape = mxi_copy_ints(out, mxi_shape_of(a));
  double size = 1;
  for (int i = 0; i < axes.n; i++) {
    int64_t half = form != COMPLEX && i == axes.n - 1 ? length[i] / 2 + 1 : length[i];
    in[axis[i]] = form == TO_REAL ? half : length[i];
    out[axis[i]] = form == FROM_REAL ? half : length[i];
    size *= (double)length[i];
  }
  if (mxi_check_shape(op, (mx_ints){in, a->ndim}, NULL) < 0 || mxi_check_shape(op, shape, NULL) < 0)
    return MX_BAD;
  mx_array x = resized(mx_astype(a, form == FROM_REAL ? MX_FLOAT32 : MX_COMPLEX64), in);
  return apply_fft(x, axes, inverse, scale_of(norm, inverse, size), form, shape);
}

/* The form of a record's transform, by its dtypes; false for others. */
static bool form_of(const struct mxi_build *b, enum form *form) {
  mx_dtype from = mxi_dtype(b->in[0]), to = b->outputs[0].dtype;
  if (from != MX_COMPLEX64 && from != MX_FLOAT32) return false;
  *form = from == MX_FLOAT32 ? FROM_REAL : to == MX_FLOAT32 ? TO_REAL : COMPLEX;
  return to == (*form == TO_REAL ? MX_FLOAT32 : MX_COMPLEX64);
}

/* The scale holds the sizes of the trace, so its axes keep them. */
MXI_BUILD(FFT) {
  const struct mxi_p_FFT *p = MXI_BUILD_PARAMS(FFT, b);
  int64_t axis[MX_MAX_NDIM], length[MX_MAX_NDIM], out[MX_MAX_NDIM];
  enum form form;
  if (!mxi_build_takes(b, 1, 1)) return -1;
  mx_array a = b->in[0];
  mx_ints had = mxi_build_shape(b, 0), recorded = b->outputs[0].shape, axes = {axis, p->axes.n};
  if (!form_of(b, &form) || axes.n < 1 || !mxi_build_list(b, had, a->ndim) ||
      !mxi_build_list(b, recorded, a->ndim))
    return mxi_build_refuse(b, "dtypes and axes of a transform");
  MXI_TRY(transform_axes("fft", p->axes, MX_ALL_AXES, a->ndim, axis));
  mx_ints shape = mxi_copy_ints(out, mxi_shape_of(a));
  for (int i = 0; i < axes.n; i++) {
    if (had.v[axis[i]] != a->dims[axis[i]]) return mxi_build_fixed(b, (int)axis[i]);
    bool half = form != COMPLEX && i == axes.n - 1;
    length[i] = half && form == TO_REAL ? recorded.v[axis[i]] : a->dims[axis[i]];
    out[axis[i]] = half && form == FROM_REAL ? length[i] / 2 + 1 : length[i];
    if (half && form == TO_REAL && length[i] / 2 + 1 != a->dims[axis[i]])
      return mxi_build_refuse(b, "half as many frequencies as elements");
  }
  MXI_TRY(transform_lengths("fft", a, (mx_ints){length, axes.n}, axes, form, length));
  MXI_TRY(mxi_check_shape("fft", shape, NULL));
  return mxi_build_done(b, apply_fft(a, axes, p->inverse != 0, p->scale, form, shape));
}

#define TRANSFORM(name, inverse, form)                                                    \
  mx_array mx_fft_##name##n(mx_array a, mx_ints s, mx_ints axes, mx_fft_norm norm) {      \
    return MXI_COMPOSED(transform(#name "n", a, s, axes, norm, inverse, form));           \
  }                                                                                       \
  mx_array mx_fft_##name(mx_array a, int64_t n, int axis, mx_fft_norm norm) {             \
    mx_ints length = {&n, n ? 1 : -1};                                                    \
    return MXI_COMPOSED(transform(#name, a, length, MX_AXES(axis), norm, inverse, form)); \
  }
TRANSFORM(fft, false, COMPLEX)
TRANSFORM(ifft, true, COMPLEX)
TRANSFORM(rfft, false, FROM_REAL)
TRANSFORM(irfft, true, TO_REAL)

/* ---- Derivatives ---- */
/* 1 at the first element along the axis, and at the last where n is even; w between: (n / 2 + 1, 1, ...). */
static mx_array half_weights(int64_t n, int axis, int ndim, double w) {
  mx_array k = mx_arange(0, (double)(n / 2 + 1), 1, MX_INT32);
  mx_array once = mx_equal(k, mx_int(0));
  if (n % 2 == 0) once = mx_logical_or(once, mx_equal(k, mx_int(n / 2)));
  int64_t shape[MX_MAX_NDIM];
  mxi_fill_ints(shape, ndim - axis, 1);
  shape[0] = n / 2 + 1;
  return mx_reshape(mx_where(once, mx_float(1), mx_float(w)), (mx_ints){shape, ndim - axis});
}

static mx_array weighted(mx_array g, mx_array weights) { return mx_multiply(g, weights); }

/* The adjoint of a transform is its inverse without normalisation. Half a spectrum stands for the whole: a
   gradient with respect to it counts each frequency twice that stands for two; one from it, once, and so half
   of what the inverse to real elements would make of it. */
MXI_VJP(FFT) {
  const struct mxi_p_FFT *p = MXI_PARAMS(FFT, n);
  mx_array x = n->inputs[0], y = outputs[0], g = cotangents[0];
  mx_ints shape = mxi_shape_of(x);
  int axis = (int)p->axes.v[p->axes.n - 1], ndim = x->ndim;
  bool inverse = !p->inverse;
  mx_array gradient;
  if (x->dtype == y->dtype)
    gradient = apply_fft(g, p->axes, inverse, p->scale, COMPLEX, shape);
  else if (inverse)
    gradient = MXI_COMPOSED(apply_fft(weighted(g, half_weights(x->dims[axis], axis, ndim, 0.5)), p->axes,
                                      inverse, p->scale, TO_REAL, shape));
  else
    gradient = MXI_COMPOSED(weighted(apply_fft(g, p->axes, inverse, p->scale, FROM_REAL, shape),
                                     half_weights(y->dims[axis], axis, ndim, 2)));
  return mxi_only_grad(n, gradient, grads);
}

/* ---- Order and frequencies ---- */
static mx_array shifted(const char *op, mx_array a, mx_ints axes, bool back) {
  int64_t all[MX_MAX_NDIM];
  if (!mxi_usable1(op, a) || mxi_check_list(op, axes) < 0) return MX_BAD;
  if (axes.n < 0) axes = (mx_ints){all, mxi_axes(op, axes, a->ndim, all)};
  for (int i = 0; i < axes.n && mx_ok(a); i++) {
    int axis = mxi_axis(op, axes.v[i], a->ndim);
    if (axis < 0) return MX_BAD;
    int64_t half = a->dims[axis] / 2;
    a = mx_roll(a, MX_SHAPE(back ? -half : half), MX_AXES(axis));
  }
  return axes.n ? a : mxi_itself(a);
}
mx_array mx_fft_fftshift(mx_array a, mx_ints axes) {
  return MXI_COMPOSED(shifted("fftshift", a, axes, false));
}
mx_array mx_fft_ifftshift(mx_array a, mx_ints axes) {
  return MXI_COMPOSED(shifted("ifftshift", a, axes, true));
}

/* count elements k / (n d): k from 0 to positive - 1, then from positive - n. */
static mx_array frequencies(const char *op, int64_t n, int64_t count, int64_t positive, double d) {
  if (n < 1 || n > INT32_MAX)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected n from 1 to 2^31 - 1, got %lld", op, (long long)n);
  if (d == 0) return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected d other than 0, got 0", op);
  double unit = 1 / ((double)n * d);
  mx_array f = mxi_own(mxi_array_alloc(MX_FLOAT32, MX_SHAPE(count)));
  if (!mx_ok(f)) return MX_BAD;
  for (int64_t k = 0; k < count; k++)
    mxi_data(float, f)[k] = (float)((double)(k < positive ? k : k - n) * unit);
  return f;
}
mx_array mx_fft_fftfreq(int64_t n, double d) { return frequencies("fftfreq", n, n, n / 2 + n % 2, d); }
mx_array mx_fft_rfftfreq(int64_t n, double d) { return frequencies("rfftfreq", n, n / 2 + 1, n / 2 + 1, d); }
