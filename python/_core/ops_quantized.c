/* Quantised matrices: affine integers, and groups of small floats under a shared scale. */
#include "core.h"
#include <stdio.h>
#include <string.h>

#define A f->v[0].a
#define B f->v[1].a

/* ---- Modes ---- */
/* What mode, group_size and bits say: affine integers, or one of the float formats. */
typedef struct mode {
  bool affine;
  mx_quant q;
  mx_float_format format;
} mode;

/* Fails, naming the modes there are. */
static int unknown_mode(const frame *f, const char *name, bool affine) {
  char modes[128];
  int n = snprintf(modes, sizeof modes, "%s", affine ? "'affine'" : "");
  for (int i = 0; i < MX_FLOAT_FORMAT_COUNT; i++)
    n += snprintf(modes + n, sizeof modes - (size_t)n, "%s'%s'",
                  !n                               ? ""
                  : i == MX_FLOAT_FORMAT_COUNT - 1 ? " or "
                                                   : ", ",
                  mx_float_format_name((mx_float_format)i));
  PyErr_Format(PyExc_ValueError, "[%s] expected mode %s, got '%s'", f->f->name, modes, name);
  return -1;
}

/* Reads the arguments group_size, bits (behind it) and mode (behind that). */
static int read_mode(const frame *f, int at, mode *m) {
  const char *name = f->v[at + 2].s;
  int group_size = py_given(f, at) ? (int)f->v[at].i : 0,
      bits = py_given(f, at + 1) ? (int)f->v[at + 1].i : 0;
  if ((py_given(f, at) && group_size <= 0) || (py_given(f, at + 1) && bits <= 0)) {
    PyErr_Format(PyExc_ValueError, "[%s] expected a positive group_size and number of bits", f->f->name);
    return -1;
  }
  *m = (mode){.affine = !strcmp(name, "affine"), .q = {.group_size = group_size, .bits = bits}};
  if (m->affine) return 0;
  for (int i = 0; i < MX_FLOAT_FORMAT_COUNT; i++) {
    m->format = (mx_float_format)i;
    if (strcmp(name, mx_float_format_name(m->format))) continue;
    int own_size = mx_float_format_group_size(m->format), own_bits = mx_float_format_bits(m->format);
    if ((!group_size || group_size == own_size) && (!bits || bits == own_bits)) return 0;
    PyErr_Format(PyExc_ValueError, "[%s] expected a group_size of %d and %d bits for %s, got %d and %d",
                 f->f->name, own_size, own_bits, name, group_size, bits);
    return -1;
  }
  return unknown_mode(f, name, true);
}
/* Affine matrices have biases, the others have none. */
static int check_biases(const frame *f, int biases, const mode *m) {
  if (py_given(f, biases) == m->affine) return 0;
  PyErr_Format(PyExc_ValueError,
               m->affine ? "[%s] expected biases in affine mode" : "[%s] expected biases in affine mode only",
               f->f->name);
  return -1;
}
/* A global scale is for nvfp4 only. The array, or NULL; false with the exception set. */
static bool read_global_scale(const frame *f, int at, const mode *m, mx_array *scale) {
  *scale = py_given(f, at) ? f->v[at].a : NULL;
  if (!*scale || !m->affine) return true;
  PyErr_Format(PyExc_ValueError, "[%s] expected a global scale in mode 'nvfp4' only", f->f->name);
  return false;
}

/* ---- quantize, dequantize ---- */
FUNCTION(
    quantize,
    "w: array, /, group_size: int32? = None, bits: int32? = None, mode: str = 'affine', *, global_scale: "
    "array? = None, stream: stream = None -> list[array]",
    "w (..., N, K) in few bits. 'affine': [packed uint32 (..., N, K * bits / 32), scales, biases (..., N, "
    "K / group_size)], so that w is about q * scale + bias in each group; group_size 16, 32, 64 (default) or "
    "128; bits 2, 3, 4 (default), 5, 6 or 8. 'mxfp4' and 'nvfp4' (e2m1 floats) and 'mxfp8' (e4m3): "
    "[packed uint32, scales uint8], with groups of 32 under a power of two, or for 'nvfp4' of 16 under an "
    "e4m3 float, times global_scale / 2688 if given.") {
  mode m;
  mx_array out[3], global;
  if (read_mode(f, 1, &m) < 0 || !read_global_scale(f, 4, &m, &global)) return NULL;
  if (m.affine) return mx_quantize(A, m.q, &out[0], &out[1], &out[2]) < 0 ? py_raise() : py_wrap_list(3, out);
  return mx_quantize_float(A, m.format, global, &out[0], &out[1]) < 0 ? py_raise() : py_wrap_list(2, out);
}
FUNCTION(dequantize,
         "w: array, /, scales: array, biases: array? = None, group_size: int32? = None, bits: int32? = None, "
         "mode: str = 'affine', global_scale: array? = None, dtype: dtype? = None" STREAM,
         "The matrix that quantize packed. dtype None: that of the scales, or bfloat16 in the float modes.") {
  mode m;
  mx_array global;
  if (read_mode(f, 3, &m) < 0 || check_biases(f, 2, &m) < 0 || !read_global_scale(f, 6, &m, &global))
    return NULL;
  if (!m.affine)
    return py_wrap(mx_dequantize_float(A, B, m.format, global, py_given(f, 7) ? f->v[7].t : MX_BFLOAT16));
  mx_array w = mx_dequantize(A, B, f->v[2].a, m.q);
  return py_wrap(py_given(f, 7) ? mx_astype(w, f->v[7].t) : w);
}

/* ---- Products ---- */
FUNCTION(quantized_matmul,
         "x: array, w: array, /, scales: array, biases: array? = None, transpose: bool = True, group_size: "
         "int? = None, bits: int? = None, mode: str = 'affine'" STREAM,
         "x times the (transposed, by default) matrix that quantize packed.") {
  mode m;
  if (read_mode(f, 5, &m) < 0 || check_biases(f, 3, &m) < 0) return NULL;
  if (!m.affine) return py_wrap(mx_quantized_matmul_float(A, B, f->v[2].a, f->v[4].b, m.format));
  return py_wrap(mx_quantized_matmul(A, B, f->v[2].a, f->v[3].a, f->v[4].b, m.q));
}
#define OPTIONAL(i) (py_given(f, i) ? f->v[i].a : NULL)
FUNCTION(
    gather_qmm,
    "x: array, w: array, /, scales: array, biases: array? = None, lhs_indices: array? = None, "
    "rhs_indices: array? = None, transpose: bool = True, group_size: int32? = None, bits: int32? = None, "
    "mode: str = 'affine', global_scale: array? = None, *, sorted_indices: bool = False, stream: stream "
    "= None",
    "quantized_matmul of matrices picked by flat indices into the batches of x and of w, as gather_mm. "
    "scales and biases have the batch of w.") {
  mode m;
  if (read_mode(f, 7, &m) < 0 || check_biases(f, 3, &m) < 0) return NULL;
  if (py_given(f, 10)) {
    PyErr_SetString(PyExc_ValueError, "[gather_qmm] expected no global scale: it is for GPUs only");
    return NULL;
  }
  mx_array s = f->v[2].a, lhs = OPTIONAL(4), rhs = OPTIONAL(5);
  if (!m.affine) return py_wrap(mx_gather_qmm_float(A, B, s, lhs, rhs, f->v[6].b, m.format));
  return py_wrap(mx_gather_qmm(A, B, s, f->v[3].a, lhs, rhs, f->v[6].b, m.q));
}

/* The float format of a product that rounds both factors. */
static int read_format(const frame *f, int at, mode *m) {
  if (read_mode(f, at, m) < 0) return -1;
  if (!m->affine) return 0;
  return unknown_mode(f, "affine", false);
}
FUNCTION(
    qqmm,
    "x: array, w: array, scales: array? = None, group_size: int32? = None, bits: int32? = None, mode: str = "
    "'nvfp4', global_scale_x: array? = None, global_scale_w: array? = None" STREAM,
    "x times the transpose of w, both rounded to the format of mode first; w may be quantized already: "
    "then with its scales. The result has x's dtype.") {
  mode m;
  if (read_format(f, 3, &m) < 0) return NULL;
  return py_wrap(mx_qqmm(A, B, OPTIONAL(2), m.format, OPTIONAL(6), OPTIONAL(7)));
}
FUNCTION(
    gather_qqmm,
    "x: array, w: array, /, scales: array? = None, lhs_indices: array? = None, rhs_indices: array? = "
    "None, group_size: int32? = None, bits: int32? = None, mode: str = 'nvfp4', global_scale_x: array? = "
    "None, global_scale_w: array? = None, *, sorted_indices: bool = False, stream: stream = None",
    "qqmm of matrices picked by flat indices into the batches of x and of w, as gather_mm.") {
  mode m;
  if (read_format(f, 5, &m) < 0) return NULL;
  return py_wrap(
      mx_gather_qqmm(A, B, OPTIONAL(2), OPTIONAL(3), OPTIONAL(4), m.format, OPTIONAL(8), OPTIONAL(9)));
}

/* ---- fp8 ---- */
FUNCTION(
    to_fp8, "x: array" STREAM,
    "Floats as e4m3 in uint8, rounded half to even; what is larger than 448, infinite or NaN becomes 448.") {
  return py_wrap(mx_to_fp8(A));
}
FUNCTION(from_fp8, "x: array, dtype: dtype = bfloat16" STREAM, "The floats of e4m3 in uint8.") {
  return py_wrap(mx_from_fp8(A, f->v[1].t));
}
