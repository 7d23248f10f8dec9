/* Convolutions: inputs (N, spatial..., C), weights (O, spatial..., C / groups). */
#include "core.h"
#include <string.h>

#define A       f->v[0].a
#define W       f->v[1].a
#define OPTIONS ", stride: ints = 1, padding: ints = 0, dilation: ints = 1"
#define CONV    "input: array, weight: array, /" OPTIONS ", groups: int = 1" STREAM
#define CONV_TRANSPOSE \
  "input: array, weight: array, /" OPTIONS ", output_padding: ints = 0, groups: int = 1" STREAM

/* Sets the options of n spatial axes from one value for all or one value each. A stride or dilation (`least`
   1) is positive, for 0 would stand for the default. */
static int spread(const frame *f, const char *what, mx_ints given, int n, int64_t least, int64_t *out) {
  if (given.n != 1 && given.n != n) {
    PyErr_Format(PyExc_ValueError, "[%s] expected one %s or %d, got %d", f->f->name, what, n, given.n);
    return -1;
  }
  for (int i = 0; i < n; i++) {
    out[i] = given.v[given.n == 1 ? 0 : i];
    if (least == 0 || out[i] >= least) continue;
    PyErr_Format(PyExc_ValueError, "[%s] expected a positive %s, got %lld", f->f->name, what,
                 (long long)out[i]);
    return -1;
  }
  return 0;
}
static int read_groups(const frame *f, int64_t groups) {
  if (groups >= 1) return 0;
  PyErr_Format(PyExc_ValueError, "[%s] expected a positive number of groups, got %lld", f->f->name,
               (long long)groups);
  return -1;
}
/* The spatial axes of an op that has its number of them in its name. */
static int check_axes(const frame *f, int n) {
  if (mx_ndim(A) == n + 2) return 0;
  PyErr_Format(PyExc_ValueError, "[%s] expected an input with %d dimensions (N, spatial..., C), got %d",
               f->f->name, n + 2, mx_ndim(A));
  return -1;
}

static PyObject *conv(frame *f, int n) {
  mx_conv_opts o = {.groups = f->v[5].i};
  if (check_axes(f, n) < 0 || read_groups(f, o.groups) < 0 ||
      spread(f, "stride", f->v[2].ints, n, 1, o.stride) < 0 ||
      spread(f, "padding", f->v[3].ints, n, 0, o.padding_low) < 0 ||
      spread(f, "dilation", f->v[4].ints, n, 1, o.kernel_dilation) < 0)
    return NULL;
  memcpy(o.padding_high, o.padding_low, sizeof o.padding_high);
  return py_wrap(mx_conv(A, W, o));
}
FUNCTION(conv1d, CONV,
         "The 1D convolution of input (N, L, C) with weight (O, K, C / groups), (N, M, O); the weight is not "
         "flipped. padding: zeros at both ends; dilation: distance of the weight's taps.") {
  return conv(f, 1);
}
FUNCTION(conv2d, CONV,
         "The 2D convolution of input (N, H, W, C) with weight (O, KH, KW, C / groups), (N, MH, MW, O); the "
         "weight is not flipped. stride, padding and dilation: an int, or one for each of H and W.") {
  return conv(f, 2);
}
FUNCTION(
    conv3d, CONV,
    "The 3D convolution of input (N, D, H, W, C) with weight (O, KD, KH, KW, C / groups), (N, MD, MH, MW, "
    "O); the weight is not flipped. stride, padding and dilation: an int, or one for each of D, H and "
    "W.") {
  return conv(f, 3);
}

static PyObject *conv_transpose(frame *f, int n) {
  mx_conv_transpose_opts o = {.groups = f->v[6].i};
  if (check_axes(f, n) < 0 || read_groups(f, o.groups) < 0 ||
      spread(f, "stride", f->v[2].ints, n, 1, o.stride) < 0 ||
      spread(f, "padding", f->v[3].ints, n, 0, o.padding) < 0 ||
      spread(f, "dilation", f->v[4].ints, n, 1, o.dilation) < 0 ||
      spread(f, "output_padding", f->v[5].ints, n, 0, o.output_padding) < 0)
    return NULL;
  return py_wrap(mx_conv_transpose(A, W, o));
}
FUNCTION(
    conv_transpose1d, CONV_TRANSPOSE,
    "The 1D transposed convolution of input (N, L, C) with weight (O, K, C / groups), (N, M, O), M = (L - "
    "1) stride - 2 padding + (K - 1) dilation + 1 + output_padding.") {
  return conv_transpose(f, 1);
}
FUNCTION(conv_transpose2d, CONV_TRANSPOSE,
         "The 2D transposed convolution of input (N, H, W, C) with weight (O, KH, KW, C / groups); each axis "
         "as in conv_transpose1d. The options: an int, or one for each of H and W.") {
  return conv_transpose(f, 2);
}
FUNCTION(conv_transpose3d, CONV_TRANSPOSE,
         "The 3D transposed convolution of input (N, D, H, W, C) with weight (O, KD, KH, KW, C / groups); "
         "each axis as in conv_transpose1d. The options: an int, or one for each of D, H and W.") {
  return conv_transpose(f, 3);
}

/* One list of paddings: an int, or a sequence that may be empty for none. */
static int read_side(const frame *f, PyObject *o, int n, int64_t *out) {
  int64_t *list;
  int count = o ? py_int_list(o, &list) : -1;
  if (count < 0) return -1;
  int status = count == 0 ? 0 : spread(f, "padding", (mx_ints){list, count}, n, 0, out);
  PyMem_Free(list);
  return status;
}
/* An int or a sequence for both ends, or a pair of sequences (low, high). */
static int read_padding(const frame *f, PyObject *o, int n, mx_conv_opts *opts) {
  PyObject *first =
      PySequence_Check(o) && !py_is_array(o) && PySequence_Size(o) == 2 ? PySequence_GetItem(o, 0) : NULL;
  int status;
  if (first && PySequence_Check(first) && !py_is_array(first)) {
    PyObject *second = PySequence_GetItem(o, 1);
    status = read_side(f, first, n, opts->padding_low) < 0 ? -1 : read_side(f, second, n, opts->padding_high);
    Py_XDECREF(second);
  } else {
    status = read_side(f, o, n, opts->padding_low);
    memcpy(opts->padding_high, opts->padding_low, sizeof opts->padding_high);
  }
  Py_XDECREF(first);
  return PyErr_Occurred() ? -1 : status;
}
FUNCTION(
    conv_general,
    "input: array, weight: array, /, stride: ints = 1, padding: object = 0, kernel_dilation: ints = 1, "
    "input_dilation: ints = 1, groups: int = 1, flip: bool = False" STREAM,
    "The convolution of input (N, spatial..., C) with weight (O, spatial..., C / groups), 1 to 3 spatial "
    "axes. padding: an int, one an axis, or a pair (low, high) of sequences, one value an axis; negative "
    "crops. input_dilation: distance of the input's elements, with zeros between them. flip: the weight "
    "reversed along its spatial axes.") {
  mx_conv_opts o = {.groups = f->v[6].i, .flip = f->v[7].b};
  int n = mx_ndim(A) - 2;
  if (n < 1 || n > MX_CONV_AXES) return py_wrap(mx_conv(A, W, o));
  if (read_groups(f, o.groups) < 0 || spread(f, "stride", f->v[2].ints, n, 1, o.stride) < 0 ||
      (py_given(f, 3) && read_padding(f, f->v[3].o, n, &o) < 0 &&
       !py_wrong_argument(f, 3, "an int, a sequence of ints, or a pair of sequences")) ||
      spread(f, "kernel dilation", f->v[4].ints, n, 1, o.kernel_dilation) < 0 ||
      spread(f, "input dilation", f->v[5].ints, n, 1, o.input_dilation) < 0)
    return NULL;
  return py_wrap(mx_conv(A, W, o));
}

FUNCTION(convolve, "a: array, v: array, /, mode: str = 'full'" STREAM,
         "The convolution of two vectors. mode 'full': N + M - 1 elements; 'same': max(N, M); 'valid': those "
         "where the vectors overlap completely.") {
  static const char *const names[] = {"full", "same", "valid"};
  for (int mode = 0; mode < 3; mode++)
    if (!strcmp(f->v[2].s, names[mode])) return py_wrap(mx_convolve(A, W, (mx_convolve_mode)mode));
  PyErr_Format(PyExc_ValueError, "[convolve] expected mode 'full', 'same' or 'valid', got '%s'", f->v[2].s);
  return NULL;
}
