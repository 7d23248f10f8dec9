/* What the files of the extension share. Everything here is called with the interpreter's lock held.

   Conventions: a function returning PyObject * gives a new reference, or NULL with a Python exception set.
   One that returns mx_array gives an array of the innermost scope, or NULL with a Python exception set. */
#ifndef MLX_PYTHON_CORE_H
#define MLX_PYTHON_CORE_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>
#include "mlx/mlx.h"

/* ---- Objects ---- */
typedef struct array_object {
  PyObject_HEAD mx_array h; /* owned, never NULL */
  PyObject *weak;           /* weak references */
} array_object;

extern PyTypeObject *py_array_type, *py_dtype_type, *py_stream_type, *py_random_state_type;
extern PyObject *py_axis_error;
extern PyObject *py_module; /* mlx.core, borrowed */

static inline bool py_is_array(PyObject *o) {
  return Py_TYPE(o) == py_array_type || PyType_IsSubtype(Py_TYPE(o), py_array_type);
}
static inline mx_array py_handle(PyObject *o) { return ((array_object *)o)->h; }
/* A Python array holding a reference of its own; a failed result raises. */
PyObject *py_wrap(mx_array a);
/* Keeps an array alive until the innermost scope closes, whatever becomes of its Python object. Returns it.
 */
mx_array py_lend(mx_array a);
/* A tuple or list of n arrays. */
PyObject *py_wrap_tuple(int n, const mx_array *arrays);
PyObject *py_wrap_list(int n, const mx_array *arrays);
/* Replaces the array inside o. Returns -1 with the exception set when a is a failed result. */
int py_assign(PyObject *o, mx_array a);

/* ---- Errors ---- */
/* Raises the library's error of this thread. Returns NULL. */
PyObject *py_raise(void);
/* What the exception, if it is the library's or a conversion's, says of an inner op it says of the function
   that was called. */
void py_name_error(const char *function);
/* TypeError: FUNCTION(): expected ..., got the type of the object. Returns -1. */
int py_wrong_type(const char *function, const char *expected, PyObject *got);
/* The exception with the text [OP] expected ..., got the type of the object. Returns -1. */
int py_refuse(PyObject *exception, const char *op, const char *expected, PyObject *got);
/* NULL for a failed result (the exception is set), else a. */
static inline mx_array py_checked(mx_array a) { return mx_ok(a) ? a : (py_raise(), NULL); }
/* Around calls of the library that may take long: the lock is released, and in the main thread signal
   handlers run meanwhile. A handler's exception makes the call fail, and stays set. */
PyThreadState *py_unlock(void);
void py_lock(PyThreadState *state);
void py_signals_init(void);
/* Evaluates with the lock released. Needs an open scope, which keeps the arrays. -1 with the exception set.
 */
int py_eval(int n, const mx_array *arrays);
int py_async_eval(int n, const mx_array *arrays);
int py_synchronize(mx_stream s);
int py_errors_init(PyObject *module);

/* ---- Functions: one table row each, one parser for all (args.c) ---- */
enum { MAX_PARAMS = 16, FRAME_INTS = 64 };
typedef enum kind {
  KIND_ARRAY,   /* an mx.array */
  KIND_VALUE,   /* an array, scalar, or buffer; converted by its own type */
  KIND_OPERAND, /* the same, left as an object so that scalars can take their partner's dtype */
  KIND_OBJECT,
  KIND_INT,
  KIND_INTS, /* an int or a sequence of ints */
  KIND_FLOAT,
  KIND_BOOL,
  KIND_DTYPE,
  KIND_STR,
  KIND_STREAM
} kind;

/* Which ints an `int` or `ints` takes: others raise ValueError, or an axis error. */
typedef enum range { RANGE_INT64, RANGE_INT32, RANGE_AXIS } range;

typedef struct param {
  PyObject *name; /* interned */
  uint8_t kind, range;
  bool optional, none_ok;
  int64_t integer; /* the default, for int, bool and dtype */
  double number;   /* the default, for float */
  const char *text;
} param;

typedef union value {
  mx_array a;
  PyObject *o;
  int64_t i;
  double d;
  bool b;
  mx_ints ints;
  mx_dtype t;
  const char *s;
} value;

typedef struct frame frame;
typedef struct function function;
typedef PyObject *(*fast_call)(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names);
struct function {
  const char *name, *signature, *doc;
  PyObject *(*body)(frame *);
  fast_call call, method;
  param *params; /* from here on read from the signature when the module starts */
  int n, npositional_only, npositional;
  int stream;          /* index of the stream parameter, or -1 */
  uint8_t variadic;    /* what `*name` and `**name` take */
  const char *returns; /* the type behind "->"; NULL: an array */
};
enum { REST_POSITIONAL = 1, REST_KEYWORDS = 2 };
struct frame {
  const function *f;
  uint32_t given; /* bit i: argument i is present and not None */
  uint32_t none;  /* bit i: argument i is None, said explicitly */
  value v[MAX_PARAMS];
  PyObject *const *rest; /* of a variadic function */
  Py_ssize_t nrest;
  PyObject *keywords; /* a dict of the keywords that `**name` took; NULL: none */
  int nints, nblocks;
  int64_t ints[FRAME_INTS];
  int64_t *blocks[MAX_PARAMS]; /* longer integer lists */
};

/* A signature reads `a: array, /, axis: ints? = None, keepdims: bool = False, *, stream: stream = None`:
   names with a kind, a question mark where None is accepted, and defaults; behind them ` -> int` or another
   Python type where the result isn't an array. It is also the function's text signature, and its line in the
   type stubs. */
PyObject *py_call(const function *f, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names);
/* TypeError: what was `expected` for the object that is argument i. An OverflowError that is set becomes
   ValueError, another exception stays. Returns NULL. py_wrong_rest: of one of a variadic function. */
PyObject *py_wrong_argument(const frame *f, int i, const char *expected);
PyObject *py_wrong_rest(const frame *f, PyObject *got, const char *expected);
/* Adds the rows between two pointers to a module; to a table of methods of the type `owner`. */
int py_add_functions(PyObject *module, function *const *first, function *const *last);
PyMethodDef *py_method_table(const char *owner, function *const *first, function *const *last,
                             const PyMethodDef *more);

#define MXI_ROW(section_name, name)                     \
  static function *const row_##name##_in_##section_name \
      __attribute__((used, section("mx_" #section_name))) = &function_##name
#define MXI_DECLARE(name)                                                                         \
  static PyObject *body_##name(frame *f);                                                         \
  static function function_##name;                                                                \
  static __attribute__((unused))                                                                  \
  PyObject *call_##name(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {   \
    (void)self;                                                                                   \
    return py_call(&function_##name, NULL, args, n, names);                                       \
  }                                                                                               \
  static __attribute__((unused))                                                                  \
  PyObject *method_##name(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) { \
    return py_call(&function_##name, self, args, n, names);                                       \
  }
/* FUNCTION_IN(module, ...) { body }: a function of core, random or fast. FUNCTION: of core.
   FUNCTION_AND_METHOD: also a method of array, whose self is the first parameter. METHOD: only that. */
#define FUNCTION_IN(module, name, signature, doc)                                                       \
  MXI_DECLARE(name)                                                                                     \
  static function function_##name = {#name, signature, doc, body_##name, call_##name, method_##name, 0, \
                                     0,     0,         0,   -1,          0,           NULL};            \
  MXI_ROW(module, name);                                                                                \
  static PyObject *body_##name(frame *f)
#define FUNCTION(name, signature, doc) FUNCTION_IN(core, name, signature, doc)
#define METHOD(name, signature, doc)   FUNCTION_IN(methods, name, signature, doc)
#define FUNCTION_AND_METHOD(name, signature, doc)                                                       \
  MXI_DECLARE(name)                                                                                     \
  static function function_##name = {#name, signature, doc, body_##name, call_##name, method_##name, 0, \
                                     0,     0,         0,   -1,          0,           NULL};            \
  MXI_ROW(core, name);                                                                                  \
  MXI_ROW(methods, name);                                                                               \
  static PyObject *body_##name(frame *f)
/* A second name for the function of this file called `name`. */
#define ALIAS(alias, name)                                                                              \
  static function function_##alias;                                                                     \
  static PyObject *call_##alias(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) { \
    (void)self;                                                                                         \
    return py_call(&function_##alias, NULL, args, n, names);                                            \
  }                                                                                                     \
  static function function_##alias =                                                                    \
      {#alias, NULL, (const char *)&function_##name, body_##name, call_##alias, NULL, 0, 0, 0, 0, -1,   \
       0,      NULL};                                                                                   \
  MXI_ROW(core, alias)
/* A method whose function of the same name has another signature: its body is method_<name>_body. */
#define METHOD_ROW(name, signature, doc)                                                               \
  static function function_method_##name;                                                              \
  static PyObject *call_method_##name(PyObject *self, PyObject *const *args, Py_ssize_t n,             \
                                      PyObject *names) {                                               \
    return py_call(&function_method_##name, self, args, n, names);                                     \
  }                                                                                                    \
  static function function_method_##name = {                                                           \
      #name, signature, doc, method_##name##_body, NULL, call_method_##name, 0, 0, 0, 0, -1, 0, NULL}; \
  MXI_ROW(methods, method_##name)
#define MXI_SECTION(name)                                                           \
  extern function *const __start_mx_##name[] __attribute__((visibility("hidden"))); \
  extern function *const __stop_mx_##name[] __attribute__((visibility("hidden")))
MXI_SECTION(core);
MXI_SECTION(methods);
MXI_SECTION(random);
MXI_SECTION(fast);
MXI_SECTION(kernels);
MXI_SECTION(fft);
MXI_SECTION(linalg);

static inline bool py_given(const frame *f, int i) { return f->given >> i & 1; }
static inline bool py_none(const frame *f, int i) { return f->none >> i & 1; }
#define STREAM ", *, stream: stream = None"

/* ---- Numbers ---- */
/* An integer from an int or anything with __index__; -1 with the exception set on failure. */
int py_int64(PyObject *o, int64_t *value);
/* An int, or an object that stands for one, such as an integer scalar of NumPy. */
bool py_is_integer(PyObject *o);
PyObject *py_shape_tuple(mx_ints shape);
/* The integers of an int or a sequence; *out comes from PyMem_Malloc. Returns their number, or -1 with an
 * exception. */
int py_int_list(PyObject *o, int64_t **out);

/* ---- Variadic functions ---- */
/* The arrays that `*name` took, with room for as many results behind them: *out comes from PyMem_Malloc.
   Their number, or -1 with TypeError. */
int py_rest_arrays(frame *f, mx_array **out);

/* ---- Conversion (convert.c) ---- */
/* Is this a scalar or array that arithmetic accepts: array, bool, int, float, complex, buffer, __mlx_array__?
 */
bool py_is_operand(PyObject *o);
/* Any accepted value: also lists. dtype < 0: by the value's own type. */
mx_array py_to_array(PyObject *o, int dtype);
/* An operand; a Python scalar takes a dtype that suits `like`. */
mx_array py_weak_array(PyObject *o, mx_dtype like);
/* A pair: scalars adapt to the array they meet. 0 or -1. */
int py_operands(PyObject *x, PyObject *y, mx_array *a, mx_array *b);
/* The arrays of a list or tuple: *out comes from PyMem_Malloc (items are borrowed or in the scope). Count or
 * -1. */
int py_array_list(const char *function, PyObject *o, mx_array **out);
/* tolist, item. */
PyObject *py_to_list(mx_array a);
PyObject *py_item(mx_array a);

/* ---- Indexing ---- */
PyObject *py_array_getitem(PyObject *self, PyObject *key);
int py_array_setitem(PyObject *self, PyObject *key, PyObject *value);
/* A copy of a with value applied at the key. */
mx_array py_update(mx_array a, PyObject *key, mx_array value, mx_update_mode mode);
/* The new value of an update, an array or a scalar of a dtype that suits t. */
mx_array py_update_value(PyObject *o, mx_dtype t);
int py_at_init(PyObject *module);
PyObject *py_array_at(PyObject *self, void *unused);

/* ---- The array API standard ---- */
PyObject *py_array_device(PyObject *self, void *unused);

/* ---- Operators ---- */
extern PyType_Slot py_operator_slots[];
PyObject *py_unary(mx_array (*op)(mx_array), PyObject *x);
PyObject *py_array_compare(PyObject *x, PyObject *y, int op);

/* ---- Interop ---- */
int py_array_getbuffer(PyObject *self, Py_buffer *view, int flags);
void py_array_releasebuffer(PyObject *self, Py_buffer *view);
mx_array py_from_buffer(PyObject *o, int dtype);
mx_array py_from_dlpack(PyObject *o);
mx_array py_copy_dlpack(PyObject *o); /* the source may change afterwards */

/* ---- Dtypes, streams ---- */
PyObject *py_dtype(mx_dtype t);
typedef struct dtype_object {
  PyObject_HEAD mx_dtype t;
} dtype_object;
static inline bool py_is_dtype(PyObject *o) { return Py_TYPE(o) == py_dtype_type; }
static inline mx_dtype py_dtype_value(PyObject *o) { return ((dtype_object *)o)->t; }
/* Is the dtype of a kind: a Dtype, a kind of the array API standard, or one of a tuple of these? -1:
 * exception. */
int py_dtype_is(mx_dtype t, PyObject *kind);
int py_dtypes_init(PyObject *module);
int py_streams_init(PyObject *module);
/* A device from a Device or DeviceType; -1 with TypeError. */
int py_need_device(PyObject *o, mx_device *d, const char *function);
/* A stream from a Stream, ThreadLocalStream, Device or DeviceType; -1 with the exception set. */
int py_stream_value(PyObject *o, mx_stream *s);

/* ---- Trees of lists, tuples and dicts ---- */
typedef struct leaves {
  PyObject **v; /* owned array objects, in order */
  int n, capacity;
} leaves;
/* Collects the arrays; with only_arrays anything else raises ValueError. */
int py_tree_leaves(PyObject *tree, leaves *l, bool only_arrays);
void py_leaves_free(leaves *l);
/* Their arrays, kept alive by the scope: an in-place operator may swap what an object holds. PyMem_Malloc'd;
   NULL with MemoryError. */
mx_array *py_leaves_handles(const leaves *l);
/* The same tree with arrays taken in order from values, from *next on. ValueError when n are
   too few: the tree has changed. */
PyObject *py_tree_build(PyObject *tree, PyObject *const *values, int n, int *next);
/* Puts values in place of the arrays of lists and dicts, in place. */
int py_tree_fill(PyObject *tree, PyObject *const *values, int n);
/* Puts to[i] wherever from[i] stands. */
int py_tree_replace(PyObject *tree, PyObject *const *from, PyObject *const *to, int n);
/* Mixes its structure and constants, not its arrays, into the hash. */
int py_tree_hash(PyObject *tree, uint64_t *hash);

/* ---- The parts of the module ---- */
int py_array_init(PyObject *module);
int py_transforms_init(PyObject *module);
int py_export_init(PyObject *module);
int py_random_init(PyObject *module);
int py_fast_init(PyObject *module);
int py_fft_init(PyObject *module);
int py_linalg_init(PyObject *module);
int py_backends_init(PyObject *module);
int py_cuda_kernel_init(void);
int py_distributed_init(PyObject *module);
int py_namespace_info_init(void);
int py_print_init(PyObject *module);
int py_array_like_init(PyObject *module);
extern int py_print_precision; /* -1: six significant digits; else decimals */
PyObject *py_repr(PyObject *self);
/* Adds an object to the module and lets go of it; adds a type. */
int py_add_object(PyObject *module, const char *name, PyObject *o);
/* Adds an enum of n members, whose values count from 0, and its members too. A member's repr is
   "Name.member". */
int py_add_enum(PyObject *module, const char *name, int n, const char *const *names, PyObject **members);
/* TypeError unless a constructor got at most n arguments, by position or by the names that follow. */
bool py_arguments_fit(const char *name, PyObject *args, PyObject *kwargs, int n, ...);
int py_add_type(PyObject *module, const char *name, PyTypeObject *type);
/* Puts a new reference in a slot and lets go of the old one. */
static inline void py_set(PyObject **slot, PyObject *o) {
  PyObject *old = *slot;
  *slot = o;
  Py_XDECREF(old);
}
#endif
