/* mlx.core.fft: discrete Fourier transforms. */
#include "core.h"
#include <string.h>

#define A                         f->v[0].a
#define FFT(name, signature, doc) FUNCTION_IN(fft, name, signature, doc)

static int norm_of(const frame *f, int i, mx_fft_norm *norm) {
  static const char *const names[] = {"backward", "ortho", "forward"};
  for (int n = 0; n < 3; n++)
    if (!strcmp(f->v[i].s, names[n])) {
      *norm = (mx_fft_norm)n;
      return 0;
    }
  PyErr_Format(PyExc_ValueError, "[%s] expected norm 'backward', 'ortho' or 'forward', got '%s'", f->f->name,
               f->v[i].s);
  return -1;
}

typedef mx_array (*transform)(mx_array a, mx_ints s, mx_ints axes, mx_fft_norm norm);

/* a, n, axis, norm */
static PyObject *one_axis(const frame *f, transform call) {
  mx_fft_norm norm;
  if (norm_of(f, 3, &norm) < 0) return NULL;
  mx_ints s = {&f->v[1].i, py_given(f, 1) ? 1 : -1};
  return py_wrap(call(A, s, (mx_ints){&f->v[2].i, 1}, norm));
}

/* a, s, axes, norm; axes that are not mentioned are those of `absent`. */
static PyObject *many_axes(const frame *f, transform call, mx_ints absent) {
  mx_fft_norm norm;
  if (norm_of(f, 3, &norm) < 0) return NULL;
  mx_ints s = py_given(f, 1) ? f->v[1].ints : MX_ALL_AXES;
  mx_ints axes = py_given(f, 2) ? f->v[2].ints : py_none(f, 2) ? MX_ALL_AXES : absent;
  return py_wrap(call(A, s, axes, norm));
}

#define ONE  "a: array, n: int? = None, axis: axis = -1, norm: str = 'backward', stream: stream = None"
#define MANY "a: array, s: ints? = None, axes: axes? = None, norm: str = 'backward', stream: stream = None"
#define NORM                                                                                                \
  " norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its " \
  "root at both."
#define LENGTH " n: the length to which the axis is cut or padded with zeros; None: its own."
#define LENGTHS                                                                                             \
  " s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of " \
  "the last ones."

FFT(fft, ONE, "The discrete Fourier transform along an axis: complex64." LENGTH NORM) {
  return one_axis(f, mx_fft_fftn);
}
FFT(ifft, ONE, "The inverse transform along an axis: complex64." LENGTH NORM) {
  return one_axis(f, mx_fft_ifftn);
}
FFT(rfft, ONE,
    "The first n // 2 + 1 elements of the transform of real elements along an axis: complex64." LENGTH NORM) {
  return one_axis(f, mx_fft_rfftn);
}
FFT(irfft, ONE,
    "The inverse of rfft: float32. n: the length of the result along the axis; None: 2 * (a.shape[axis] - "
    "1)." NORM) {
  return one_axis(f, mx_fft_irfftn);
}

#define TWO_AXES MX_AXES(-2, -1)
FFT(fft2, MANY,
    "The transform along two axes, the last ones unless said otherwise: complex64." LENGTHS NORM) {
  return many_axes(f, mx_fft_fftn, TWO_AXES);
}
FFT(ifft2, MANY,
    "The inverse transform along two axes, the last ones unless said otherwise: complex64." LENGTHS NORM) {
  return many_axes(f, mx_fft_ifftn, TWO_AXES);
}
FFT(rfft2, MANY,
    "The transform of real elements along two axes, the last ones unless said otherwise: complex64, half of "
    "it along "
    "the last." LENGTHS NORM) {
  return many_axes(f, mx_fft_rfftn, TWO_AXES);
}
FFT(irfft2, MANY, "The inverse of rfft2: float32." LENGTHS NORM) {
  return many_axes(f, mx_fft_irfftn, TWO_AXES);
}
FFT(fftn, MANY, "The transform along axes, all of them if None: complex64." LENGTHS NORM) {
  return many_axes(f, mx_fft_fftn, MX_ALL_AXES);
}
FFT(ifftn, MANY, "The inverse transform along axes, all of them if None: complex64." LENGTHS NORM) {
  return many_axes(f, mx_fft_ifftn, MX_ALL_AXES);
}
FFT(rfftn, MANY,
    "The transform of real elements along axes, all of them if None: complex64, half of it along the "
    "last." LENGTHS NORM) {
  return many_axes(f, mx_fft_rfftn, MX_ALL_AXES);
}
FFT(irfftn, MANY, "The inverse of rfftn: float32." LENGTHS NORM) {
  return many_axes(f, mx_fft_irfftn, MX_ALL_AXES);
}

#define SHIFT "a: array, axes: axes? = None, stream: stream = None"
FFT(fftshift, SHIFT, "Frequency 0 moved to the middle of the axes, all of them if None.") {
  return py_wrap(mx_fft_fftshift(A, f->v[1].ints));
}
FFT(ifftshift, SHIFT, "Undoes fftshift.") { return py_wrap(mx_fft_ifftshift(A, f->v[1].ints)); }

#define FREQUENCIES "n: int, d: float = 1.0, stream: stream = None"
FFT(fftfreq, FREQUENCIES, "The frequencies of a transform of n samples d apart: float32 (n).") {
  return py_wrap(mx_fft_fftfreq(f->v[0].i, f->v[1].d));
}
FFT(rfftfreq, FREQUENCIES, "The frequencies of rfft of n samples d apart: float32 (n // 2 + 1).") {
  return py_wrap(mx_fft_rfftfreq(f->v[0].i, f->v[1].d));
}

/* An option whose zero means its default in C: said to be zero or less, it is an error for the op to name. */
static int64_t said(const frame *f, int i) { return !py_given(f, i) ? 0 : f->v[i].i ? f->v[i].i : -1; }
/* A window said to be 0 long is all zeros. */
static mx_array window_of(const frame *f) {
  bool empty = !py_given(f, 4) && py_given(f, 3) && f->v[3].i == 0;
  return empty ? mx_zeros(MX_SHAPE(0), MX_FLOAT32) : f->v[4].a;
}
static int sides(const frame *f, int i) { return !py_given(f, i) ? 0 : f->v[i].b ? 1 : 2; }

FFT(stft,
    "x: array, n_fft: int = 2048, hop_length: int? = None, win_length: int? = None, window: array? = None, "
    "center: bool "
    "= True, pad_mode: str = 'reflect', norm: str = 'backward', onesided: bool? = None, stream: stream = "
    "None",
    "Transforms of frames of x's last axis, n_fft long and hop_length (n_fft // 4) apart, times the window, "
    "which is "
    "centred in the frame: complex64 (..., frequencies, frames). center: frames are centred on multiples of "
    "hop_length, "
    "the ends padded by pad_mode. onesided: non-negative frequencies only; None: if x is real.") {
  mx_stft_opts o = {.n_fft = f->v[1].i ? f->v[1].i : -1,
                    .hop_length = said(f, 2),
                    .win_length = py_given(f, 3) ? f->v[3].i : 0,
                    .window = window_of(f),
                    .no_center = !f->v[5].b,
                    .pad_mode = f->v[6].s,
                    .sided = sides(f, 8)};
  return norm_of(f, 7, &o.norm) < 0 ? NULL : py_wrap(mx_fft_stft(A, o));
}
FFT(istft,
    "stft_matrix: array, n_fft: int? = None, hop_length: int? = None, win_length: int? = None, window: "
    "array? = None, "
    "center: bool = True, norm: str = 'backward', onesided: bool? = None, length: int? = None, stream: "
    "stream = None",
    "The signal whose stft is stft_matrix (..., frequencies, frames): float32 (..., length), overlapping "
    "frames added "
    "and divided by the sum of squared windows. n_fft: None: what the number of frequencies says, an even "
    "one where "
    "they are onesided. length: of the result; None: what the frames give.") {
  mx_stft_opts o = {.n_fft = said(f, 1),
                    .hop_length = said(f, 2),
                    .win_length = py_given(f, 3) ? f->v[3].i : 0,
                    .window = window_of(f),
                    .no_center = !f->v[5].b,
                    .sided = sides(f, 7),
                    .length = py_given(f, 8) ? &f->v[8].i : NULL};
  return norm_of(f, 6, &o.norm) < 0 ? NULL : py_wrap(mx_fft_istft(A, o));
}

static struct PyModuleDef fft_module = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "mlx.core.fft",
                                        .m_doc = "Discrete Fourier transforms.",
                                        .m_size = -1};

int py_fft_init(PyObject *module) {
  PyObject *m = PyModule_Create(&fft_module);
  if (!m || py_add_functions(m, __start_mx_fft, __stop_mx_fft) < 0) return -1;
  if (PyDict_SetItemString(PyImport_GetModuleDict(), "mlx.core.fft", m) < 0) return -1;
  return py_add_object(module, "fft", m);
}
