/* mlx.core.fast: fused layers of language models. */
#include "core.h"
#include <string.h>

#define A                          f->v[0].a
#define FAST(name, signature, doc) FUNCTION_IN(fast, name, signature, doc)

FAST(rms_norm, "x: array, weight: array?, eps: float" STREAM,
     "x / sqrt(mean(x^2) + eps) * weight over the last axis, in float32 inside. weight (D) or None.") {
  return py_wrap(mx_fast_rms_norm(A, f->v[1].a, f->v[2].d));
}
FAST(layer_norm, "x: array, weight: array?, bias: array?, eps: float" STREAM,
     "(x - mean) / sqrt(var + eps) * weight + bias over the last axis, in float32 inside. weight and bias "
     "(D) or None.") {
  return py_wrap(mx_fast_layer_norm(A, f->v[1].a, f->v[2].a, f->v[3].d));
}
FAST(rope,
     "a: array, dims: int32, *, traditional: bool, base: float?, scale: float, offset: object, freqs: array? "
     "= "
     "None, stream: "
     "stream = None",
     "Rotary position embedding of a (B, ..., T, D) over the first dims features. offset: the first "
     "position, an int or an "
     "array (one, or B). freqs: frequencies in place of base, dims / 2.") {
  int64_t i;
  mx_array offset = py_is_array(f->v[5].o) ? py_handle(f->v[5].o) : NULL;
  if (!offset && py_int64(f->v[5].o, &i) < 0) return py_wrong_argument(f, 5, "an int or an array");
  if (!offset) offset = mx_scalar_int(i, i == (int32_t)i ? MX_INT32 : MX_INT64);
  bool based = py_given(f, 3), given = py_given(f, 6);
  if (based == given) {
    PyErr_SetString(PyExc_ValueError, "[rope] expected either base or freqs, got both");
    return NULL;
  }
  mx_rope_opts opts = {(int)f->v[1].i, f->v[2].b, based ? f->v[3].d : 0, f->v[4].d};
  return py_wrap(mx_fast_rope(A, opts, offset, f->v[6].a));
}
FAST(scaled_dot_product_attention,
     "q: array, k: array, v: array, *, scale: float, mask: object? = None, sinks: array? = None, "
     "force_fused: bool = False, "
     "stream: stream = None",
     "softmax(scale q k^T + mask) v. q (B, H, Tq, D), k and v (B, Hkv, Tk, D), H a multiple of Hkv. mask: "
     "None, 'causal', a "
     "bool array (True attends) or one to add. sinks (H): one more logit a head in the denominator.") {
  mx_array mask = NULL;
  bool causal = false;
  if (py_given(f, 4)) {
    PyObject *o = f->v[4].o;
    if (py_is_array(o))
      mask = py_handle(o);
    else if (PyUnicode_Check(o) && PyUnicode_CompareWithASCIIString(o, "causal") == 0)
      causal = true;
    else if (!PyUnicode_Check(o) || PyUnicode_GetLength(o)) {
      PyErr_Format(PyExc_ValueError,
                   "[scaled_dot_product_attention] expected mask None, 'causal' or an array, got %R", o);
      return NULL;
    }
  }
  return py_wrap(
      mx_fast_scaled_dot_product_attention(A, f->v[1].a, f->v[2].a, f->v[3].d, causal, mask, f->v[5].a));
}
FAST(cross_entropy, "logits: array, targets: array" STREAM,
     "logsumexp(logits) - logits[target] over the last axis; targets are integers of the leading shape.") {
  mx_dtype t = mx_dtype_of(A);
  bool half = t == MX_FLOAT16 || t == MX_BFLOAT16; /* computed in float32, and rounded once */
  mx_array logits = half ? mx_astype(A, MX_FLOAT32) : A;
  mx_array picked = mx_take_along_axis(logits, mx_expand_dims(f->v[1].a, MX_AXES(-1)), -1);
  mx_array loss = mx_subtract(mx_logsumexp(logits, MX_AXES(-1), false), mx_squeeze(picked, MX_AXES(-1)));
  return py_wrap(half ? mx_astype(loss, t) : loss);
}

FAST(gated_delta_update,
     "q: array, k: array, v: array, gamma: array, beta: array, initial_state: array? = None, mask: array? = "
     "None, "
     "stream: stream = None",
     "The gated delta rule over T steps: [outputs (B, T, Hv, Dv), last state (B, Hv, Dv, Dk) in float32]. q "
     "and k "
     "(B, T, Hk, Dk), v (B, T, Hv, Dv), Hv a multiple of Hk. A step forgets by gamma (B, T, Hv), or (B, T, "
     "Hv, Dk), "
     "then corrects the state at k towards v by beta (B, T, Hv). mask (B, T), bool: False gives zeros and "
     "leaves "
     "the state.") {
  mx_array out[2];
  if (mx_fast_gated_delta_update(A, f->v[1].a, f->v[2].a, f->v[3].a, f->v[4].a, f->v[5].a, f->v[6].a, out) <
      0)
    return py_raise();
  return py_wrap_list(2, out);
}

static struct PyModuleDef fast_module = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "mlx.core.fast", .m_doc = "Fused layers.", .m_size = -1};

int py_fast_init(PyObject *module) {
  PyObject *m = PyModule_Create(&fast_module);
  if (!m || py_add_functions(m, __start_mx_fast, __stop_mx_fast) < 0) return -1;
  if (PyDict_SetItemString(PyImport_GetModuleDict(), "mlx.core.fast", m) < 0) return -1;
  return py_add_object(module, "fast", m);
}
