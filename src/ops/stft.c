/* Short-time Fourier transforms: the frames of a signal (..., T) are a view (..., frames, n_fft) of it. */
#include "mlx/fft.h"
#include "ops/common.h"

static int check_lengths(const char *op, mx_stft_opts *o) {
  if (o->hop_length == 0) o->hop_length = o->n_fft / 4;
  if (o->n_fft < 1 || o->n_fft > INT32_MAX)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected n_fft from 1 to 2^31 - 1, got %lld", op,
                    (long long)o->n_fft);
  if (o->hop_length < 1)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a positive hop_length, got %lld", op,
                    (long long)o->hop_length);
  if (o->win_length < 0)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected win_length >= 0, got %lld", op,
                    (long long)o->win_length);
  return 0;
}

/* The window, (n_fft), zeros around what is shorter. */
static mx_array window_of(const char *op, const mx_stft_opts *o) {
  mx_array w = o->window;
  if (w == MX_BAD) return MX_BAD;
  if (w && w->ndim != 1)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected a window of one dimension, got shape %s", op,
                   MXI_SHAPE_TEXT(w));
  int64_t length = w ? w->dims[0] : o->win_length ? o->win_length : o->n_fft;
  if (length > o->n_fft)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected a window of at most n_fft = %lld elements, got %lld",
                   op, (long long)o->n_fft, (long long)length);
  if (!w) w = mx_ones(MX_SHAPE(length), MX_FLOAT32);
  int64_t low = (o->n_fft - length) / 2;
  return length == o->n_fft
             ? w
             : mx_pad(w, MX_SHAPE(low), MX_SHAPE(o->n_fft - length - low), MX_PAD_CONSTANT, NULL);
}

static int pad_mode_of(const char *name) {
  static const char *const modes[] = {"constant", "edge", "reflect", "symmetric"};
  if (!name) return MX_PAD_REFLECT;
  for (int i = 0; i < 4; i++)
    if (!strcmp(name, modes[i])) return i;
  return mxi_fail(MX_INVALID_ARGUMENT,
                  "[stft] expected pad_mode constant, edge, reflect or symmetric, got '%s'", name);
}

/* Half a frame more at both ends of the last axis. */
static mx_array centred(mx_array a, const mx_stft_opts *o) {
  int64_t more[MX_MAX_NDIM];
  int mode = pad_mode_of(o->pad_mode);
  if (mode < 0) return MX_BAD;
  mxi_fill_ints(more, a->ndim, 0);
  more[a->ndim - 1] = o->n_fft / 2;
  mx_ints ends = {more, a->ndim};
  return mx_pad(a, ends, ends, (mx_pad_mode)mode, NULL);
}

/* (..., T) as (..., frames, n_fft), a view of row-major elements. */
static mx_array frames_of(mx_array a, const mx_stft_opts *o) {
  int64_t shape[MX_MAX_NDIM + 1], strides[MX_MAX_NDIM + 1], stride = 1;
  int last = a->ndim - 1;
  for (int i = last; i >= 0; i--) {
    shape[i] = a->dims[i];
    strides[i] = stride;
    stride *= a->dims[i];
  }
  shape[last] = (a->dims[last] - o->n_fft) / o->hop_length + 1;
  strides[last] = o->hop_length;
  shape[last + 1] = o->n_fft;
  strides[last + 1] = 1;
  return mx_as_strided(a, (mx_ints){shape, last + 2}, (mx_ints){strides, last + 2}, 0);
}

static mx_array stft(mx_array a, mx_stft_opts o) {
  if (!mxi_usable1("stft", a)) return MX_BAD;
  if (o.n_fft == 0) o.n_fft = 2048;
  if (check_lengths("stft", &o) < 0) return MX_BAD;
  if (a->ndim == 0 || a->ndim == MX_MAX_NDIM)
    return mxi_bad(MX_INVALID_ARGUMENT, "[stft] expected an array with 1 to %d dimensions, got shape %s",
                   MX_MAX_NDIM - 1, MXI_SHAPE_TEXT(a));
  mx_array window = window_of("stft", &o);
  bool one_sided = o.sided ? o.sided == 1 : mxi_dtype(a) != MX_COMPLEX64;
  if (!o.no_center) a = centred(a, &o);
  if (!mx_ok(a) || !mx_ok(window)) return MX_BAD;
  if (a->dims[a->ndim - 1] < o.n_fft)
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[stft] expected a last axis of at least n_fft = %lld elements, got shape %s",
                   (long long)o.n_fft, MXI_SHAPE_TEXT(a));
  mx_array frames = mx_multiply(frames_of(a, &o), window);
  mx_array spectra = (one_sided ? mx_fft_rfft : mx_fft_fft)(frames, 0, -1, o.norm);
  return mx_swapaxes(spectra, -1, -2);
}
mx_array mx_fft_stft(mx_array a, mx_stft_opts opts) { return MXI_COMPOSED(stft(a, opts)); }

/* Frames (..., frames, n_fft) added where they overlap: (..., length). */
static mx_array overlap_add(mx_array frames, int64_t hop, int64_t length) {
  int ndim = frames->ndim, batch = ndim - 2;
  int64_t count = frames->dims[batch], n = frames->dims[batch + 1], order[MX_MAX_NDIM],
          shape[MX_MAX_NDIM + 1];
  mx_array start = mx_multiply(mx_arange(0, (double)count, 1, MX_INT64), mx_scalar_int(hop, MX_INT64));
  mx_array places = mx_add(mx_reshape(start, MX_SHAPE(count, 1)), mx_arange(0, (double)n, 1, MX_INT64));
  order[0] = batch, order[1] = batch + 1;
  for (int i = 0; i < batch; i++) order[i + 2] = i;
  mx_array updates = mx_expand_dims(mx_transpose(frames, (mx_ints){order, ndim}), MX_AXES(-1));
  memcpy(shape, frames->dims, (size_t)batch * sizeof *shape);
  shape[batch] = length;
  mx_array zeros = mxi_constant(0, mxi_dtype(frames), (mx_ints){shape, batch + 1});
  return mx_scatter(zeros, 1, &places, updates, MX_AXES(batch), MX_UPDATE_ADD);
}

/* Elements [start, start + length) of the last axis, zeros beyond its end. */
static mx_array cut(mx_array a, int64_t start, int64_t length) {
  int64_t from[MX_MAX_NDIM], to[MX_MAX_NDIM], ones[MX_MAX_NDIM], more[MX_MAX_NDIM], none[MX_MAX_NDIM];
  if (!mx_ok(a)) return MX_BAD;
  int ndim = a->ndim, last = ndim - 1;
  int64_t have = mxi_max(0, mxi_min(length, a->dims[last] - start));
  mx_ints first = mxi_fill_ints(from, ndim, 0), step = mxi_fill_ints(ones, ndim, 1);
  mx_ints before = mxi_fill_ints(none, ndim, 0), after = mxi_fill_ints(more, ndim, 0);
  mxi_copy_ints(to, mxi_shape_of(a));
  from[last] = mxi_min(start, a->dims[last]);
  to[last] = from[last] + have;
  more[last] = length - have;
  a = mx_slice(a, first, (mx_ints){to, ndim}, step);
  return more[last] ? mx_pad(a, before, after, MX_PAD_CONSTANT, NULL) : a;
}

/* Squares of windows that sum to less than this are taken for this. */
static const double least_envelope = 1e-8;

static mx_array istft(mx_array a, mx_stft_opts o) {
  if (!mxi_usable1("istft", a)) return MX_BAD;
  if (a->ndim < 2)
    return mxi_bad(MX_INVALID_ARGUMENT, "[istft] expected an array (..., frequencies, frames), got shape %s",
                   MXI_SHAPE_TEXT(a));
  bool one_sided = o.sided != 2;
  int64_t heard = a->dims[a->ndim - 2], count = a->dims[a->ndim - 1], length;
  if (o.n_fft == 0) o.n_fft = one_sided ? 2 * (heard - 1) : heard;
  if (check_lengths("istft", &o) < 0) return MX_BAD;
  mx_array window = window_of("istft", &o);
  if (count == 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[istft] expected at least one frame, got shape %s",
                   MXI_SHAPE_TEXT(a));
  if (!mxi_mul(count - 1, o.hop_length, &length) || !mxi_add(length, o.n_fft, &length))
    return mxi_bad(MX_INVALID_ARGUMENT, "[istft] expected a signal below 2^63 elements, got %lld frames",
                   (long long)count);
  mx_array spectra = mx_swapaxes(a, -1, -2);
  mx_array frames = one_sided ? mx_fft_irfft(spectra, o.n_fft, -1, o.norm)
                              : mx_real(mx_fft_ifft(spectra, o.n_fft, -1, o.norm));
  frames = mx_multiply(frames, window);
  mx_array squares = mx_broadcast_to(mx_square(window), MX_SHAPE(count, o.n_fft));
  if (!mx_ok(frames) || !mx_ok(squares)) return MX_BAD;
  mx_array envelope = overlap_add(squares, o.hop_length, length);
  mx_array signal = mx_divide(overlap_add(frames, o.hop_length, length),
                              mx_maximum(envelope, mx_like(envelope, least_envelope)));
  int64_t margin = o.no_center ? 0 : o.n_fft / 2;
  return cut(signal, margin, o.length ? mxi_max(0, *o.length) : mxi_max(0, length - 2 * margin));
}
mx_array mx_fft_istft(mx_array a, mx_stft_opts opts) { return MXI_COMPOSED(istft(a, opts)); }
