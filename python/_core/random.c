/* mlx.core.random: counter-based random numbers. Without a key, each call splits the thread's own. */
#include "core.h"
#include <string.h>

PyTypeObject *py_random_state_type;

#define KEY(i)                       (f->v[i].a)
#define KEY_SIGNATURE                ", key: array? = None, stream: stream = None"
#define RANDOM(name, signature, doc) FUNCTION_IN(random, name, signature, doc)

static mx_array scalar_or(const frame *f, int i, double value) {
  return py_given(f, i) ? py_to_array(f->v[i].o, -1) : py_checked(mx_float(value));
}

RANDOM(seed, "seed: int", "Sets this thread's key from an integer.") {
  if (mx_random_seed((uint64_t)f->v[0].i) < 0) return py_raise();
  Py_RETURN_NONE;
}
RANDOM(key, "seed: int", "A key, uint32 (2), from an integer.") {
  return py_wrap(mx_random_key((uint64_t)f->v[0].i));
}
RANDOM(split, "key: array, num: int = 2, stream: stream = None",
       "num independent keys, uint32 (num, 2), from one.") {
  return py_wrap(mx_random_split(f->v[0].a, (int)f->v[1].i));
}
RANDOM(uniform,
       "low: operand = 0, high: operand = 1, shape: ints = [], dtype: dtype? = float32" KEY_SIGNATURE,
       "Uniform over [low, high), which broadcast to the shape.") {
  mx_array low = scalar_or(f, 0, 0), high = low ? scalar_or(f, 1, 1) : NULL;
  return high ? py_wrap(mx_random_uniform(low, high, f->v[2].ints, f->v[3].t, KEY(4))) : NULL;
}
RANDOM(
    normal,
    "shape: ints = [], dtype: dtype? = float32, loc: operand? = None, scale: operand? = None" KEY_SIGNATURE,
    "Normal with mean loc (0) and standard deviation scale (1).") {
  mx_array loc = NULL, scale = NULL;
  if (py_given(f, 2) && !(loc = py_weak_array(f->v[2].o, f->v[1].t))) return NULL;
  if (py_given(f, 3) && !(scale = py_weak_array(f->v[3].o, f->v[1].t))) return NULL;
  return py_wrap(mx_random_normal(f->v[0].ints, f->v[1].t, loc, scale, KEY(4)));
}
RANDOM(randint, "low: operand, high: operand, shape: ints = [], dtype: dtype? = int32" KEY_SIGNATURE,
       "Integers in [low, high), which broadcast to the shape.") {
  mx_array low = py_to_array(f->v[0].o, -1), high = low ? py_to_array(f->v[1].o, -1) : NULL;
  return high ? py_wrap(mx_random_randint(low, high, f->v[2].ints, f->v[3].t, KEY(4))) : NULL;
}
RANDOM(bernoulli, "p: operand = 0.5, shape: ints? = None" KEY_SIGNATURE,
       "True with probability p; p's shape unless given.") {
  mx_array p = scalar_or(f, 0, 0.5);
  return p ? py_wrap(mx_random_bernoulli(p, f->v[1].ints, KEY(2))) : NULL;
}
RANDOM(truncated_normal,
       "lower: operand, upper: operand, shape: ints? = None, dtype: dtype? = float32" KEY_SIGNATURE,
       "Standard normal, restricted to [lower, upper]; their common shape unless given.") {
  mx_array lower = py_weak_array(f->v[0].o, f->v[3].t),
           upper = lower ? py_weak_array(f->v[1].o, f->v[3].t) : NULL;
  if (!upper) return NULL;
  int64_t shape[MX_MAX_NDIM];
  mx_ints both[2] = {mx_shape_ints(lower), mx_shape_ints(upper)}, s = f->v[2].ints;
  if (!py_given(f, 2)) {
    int n = mx_broadcast_shapes(2, both, shape);
    if (n < 0) return py_raise();
    s = (mx_ints){shape, n};
  }
  return py_wrap(mx_random_truncated_normal(lower, upper, s, f->v[3].t, KEY(4)));
}
RANDOM(multivariate_normal,
       "mean: array, cov: array, shape: ints = [], dtype: dtype? = float32" KEY_SIGNATURE,
       "Normal vectors (..., N) with mean (..., N) and covariance (..., N, N), symmetric and positive "
       "semidefinite, by "
       "its singular values. shape: of the batch, to which the leading axes of both broadcast; [] for "
       "theirs. float32; "
       "another dtype raises ValueError, and so do NaN and infinities of cov when evaluated.") {
  return py_wrap(mx_random_multivariate_normal(f->v[0].a, f->v[1].a, f->v[2].ints, f->v[3].t, KEY(4)));
}
RANDOM(gumbel, "shape: ints = [], dtype: dtype? = float32" KEY_SIGNATURE,
       "The standard Gumbel distribution.") {
  return py_wrap(mx_random_gumbel(f->v[0].ints, f->v[1].t, KEY(2)));
}
RANDOM(laplace,
       "shape: ints = [], dtype: dtype? = float32, loc: operand = 0.0, scale: operand = 1.0" KEY_SIGNATURE,
       "Laplace with mean loc and scale.") {
  mx_array loc = py_given(f, 2) ? py_weak_array(f->v[2].o, f->v[1].t) : NULL;
  if (py_given(f, 2) && !loc) return NULL;
  mx_array scale = py_given(f, 3) ? py_weak_array(f->v[3].o, f->v[1].t) : NULL;
  if (py_given(f, 3) && !scale) return NULL;
  return py_wrap(mx_random_laplace(f->v[0].ints, f->v[1].t, loc, scale, KEY(4)));
}
RANDOM(categorical,
       "logits: array, axis: int = -1, shape: ints? = None, num_samples: int? = None" KEY_SIGNATURE,
       "Indices with the probabilities softmax(logits, axis), uint32: one for each row unless a shape or a "
       "number of samples "
       "is given.") {
  if (py_given(f, 2) && py_given(f, 3)) {
    PyErr_SetString(PyExc_ValueError, "[categorical] expected shape or num_samples, got both");
    return NULL;
  }
  int axis = (int)f->v[1].i;
  return py_wrap(py_given(f, 3) ? mx_random_categorical_n(f->v[0].a, axis, (int)f->v[3].i, KEY(4))
                                : mx_random_categorical(f->v[0].a, axis, f->v[2].ints, KEY(4)));
}
RANDOM(permutation, "x: object, axis: int = 0" KEY_SIGNATURE,
       "The slices of an array along an axis in random order; for an int n, 0 ... n - 1 in random order.") {
  int64_t n;
  if (py_is_array(f->v[0].o))
    return py_wrap(mx_random_permutation(py_handle(f->v[0].o), (int)f->v[1].i, KEY(2)));
  return py_int64(f->v[0].o, &n) < 0 ? NULL : py_wrap(mx_random_permutation_n(n, KEY(2)));
}

FUNCTION_IN(random, __getattr__, "arg: object, /", "The names of this module are all set: AttributeError.") {
  PyErr_Format(PyExc_AttributeError, "module 'mlx.core.random' has no attribute %R", f->v[0].o);
  return NULL;
}

/* ---- mx.random.state ---- a sequence of one: the calling thread's key ---- */
static Py_ssize_t state_length(PyObject *self) { return (void)self, 1; }
static PyObject *state_item(PyObject *self, Py_ssize_t i) {
  (void)self;
  if (i != 0) {
    PyErr_SetString(PyExc_IndexError, "random.state holds one key");
    return NULL;
  }
  mx_scope s = mx_scope_open();
  PyObject *r = py_wrap(mx_random_state());
  mx_scope_close(&s);
  return r;
}
static int state_set(PyObject *self, Py_ssize_t i, PyObject *value) {
  (void)self;
  if (i != 0 || !value || !py_is_array(value)) {
    PyErr_SetString(i ? PyExc_IndexError : PyExc_TypeError, "random.state holds one key, an array");
    return -1;
  }
  return mx_random_set_state(py_handle(value)) < 0 ? (py_raise(), -1) : 0;
}
static PyType_Slot state_slots[] = {
    {Py_sq_length, state_length},
    {Py_sq_item, state_item},
    {Py_sq_ass_item, state_set},
    {Py_tp_doc, "The random key of the calling thread; an input or output of compiled functions."},
    {0, NULL}};
static PyType_Spec state_spec = {"mlx.core.random._RandomState", sizeof(PyObject), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, state_slots};

static struct PyModuleDef random_module = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "mlx.core.random", .m_doc = "Random numbers.", .m_size = -1};

int py_random_init(PyObject *module) {
  PyObject *m = PyModule_Create(&random_module);
  if (!m || py_add_functions(m, __start_mx_random, __stop_mx_random) < 0) return -1;
  py_random_state_type = (PyTypeObject *)PyType_FromSpec(&state_spec);
  PyObject *state = py_random_state_type ? (PyObject *)PyObject_New(PyObject, py_random_state_type) : NULL;
  if (py_add_type(m, "_RandomState", py_random_state_type) < 0 || py_add_object(m, "state", state) < 0)
    return -1;
  if (PyDict_SetItemString(PyImport_GetModuleDict(), "mlx.core.random", m) < 0) return -1;
  return py_add_object(module, "random", m);
}
