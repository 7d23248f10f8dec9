/* Discrete Fourier transforms: X[k] = sum_j x[j] exp(-2 pi i jk / n), and its inverse, of any length.
   Computed in float32: complex results are complex64, real ones float32, whatever the input's dtype. */
#ifndef MLX_FFT_H
#define MLX_FFT_H
#include "mlx/array.h"
MX_BEGIN

/* Where the factor 1 / n stands: at the inverse; as 1 / sqrt(n) at both; at the forward transform. */
typedef enum mx_fft_norm { MX_FFT_BACKWARD, MX_FFT_ORTHO, MX_FFT_FORWARD } mx_fft_norm;

/* Along `axes`, in any order, each once; MX_ALL_AXES: every one. s: the lengths of the transformed axes, to
   which a is cut or padded with zeros; s.n < 0: a's own. s with MX_ALL_AXES: the last s.n axes. With an empty
   list of axes the result is a itself. */
MX_API mx_array mx_fft_fftn(mx_array a, mx_ints s, mx_ints axes, mx_fft_norm norm);
MX_API mx_array mx_fft_ifftn(mx_array a, mx_ints s, mx_ints axes, mx_fft_norm norm);
/* Of real a: the first n / 2 + 1 elements along the last of the axes, which determine the others. */
MX_API mx_array mx_fft_rfftn(mx_array a, mx_ints s, mx_ints axes, mx_fft_norm norm);
/* The way back; the length of the last of the axes is 2 (a's - 1) unless s says otherwise. */
MX_API mx_array mx_fft_irfftn(mx_array a, mx_ints s, mx_ints axes, mx_fft_norm norm);
/* The same along one axis; n = 0: a's own length. */
MX_API mx_array mx_fft_fft(mx_array a, int64_t n, int axis, mx_fft_norm norm);
MX_API mx_array mx_fft_ifft(mx_array a, int64_t n, int axis, mx_fft_norm norm);
MX_API mx_array mx_fft_rfft(mx_array a, int64_t n, int axis, mx_fft_norm norm);
MX_API mx_array mx_fft_irfft(mx_array a, int64_t n, int axis, mx_fft_norm norm);

/* Moves frequency 0 to the middle of the axes, and back. */
MX_API mx_array mx_fft_fftshift(mx_array a, mx_ints axes);
MX_API mx_array mx_fft_ifftshift(mx_array a, mx_ints axes);
/* The frequencies of the elements of a transform of n samples, d apart: float32 (n), and (n / 2 + 1). */
MX_API mx_array mx_fft_fftfreq(int64_t n, double d);
MX_API mx_array mx_fft_rfftfreq(int64_t n, double d);

typedef struct mx_stft_opts {
  int64_t n_fft;      /* length of a frame; 0: 2048, or for the inverse what the number of frequencies says */
  int64_t hop_length; /* between the starts of frames; 0: n_fft / 4 */
  int64_t win_length; /* of the default window, all ones; 0: n_fft */
  mx_array window;    /* (up to n_fft), centred in the frame, or NULL */
  bool no_center;     /* the first frame starts at the signal's start, not centres on it */
  const char *pad_mode; /* at the ends when centred: NULL = "reflect", "constant", "edge", "symmetric" */
  mx_fft_norm norm;
  int sided; /* 1: non-negative frequencies; 2: all; 0: 1 for real signals (and for the inverse) */
  const int64_t *length; /* of the inverse's result, cut or padded with zeros; NULL: what the frames give */
} mx_stft_opts;
/* Transforms of overlapping frames of a's last axis: (..., T) to complex64 (..., frequencies, frames). */
MX_API mx_array mx_fft_stft(mx_array a, mx_stft_opts opts);
/* The signal whose frames they are, float32: overlapping frames added, over the windows' squares. */
MX_API mx_array mx_fft_istft(mx_array a, mx_stft_opts opts);
MX_END
#endif
