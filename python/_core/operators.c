/* The operators of array: + - * / // % ** @ & | ^ << >> and their in-place forms, comparisons. */
#include "core.h"

typedef mx_array (*binary_op)(mx_array, mx_array);

/* Neither an operand nor a type that could know arrays: say so. Else let the other type try. */
static PyObject *not_operand(PyObject *x, PyObject *y, const char *what) {
  PyObject *other = py_is_array(x) ? y : x;
  if (!PyList_Check(other) && !PyTuple_Check(other) && !PyDict_Check(other) && !PyUnicode_Check(other))
    Py_RETURN_NOTIMPLEMENTED;
  py_refuse(PyExc_ValueError, what, "an array or a scalar on the other side", other);
  return NULL;
}

static PyObject *apply_operator(binary_op op, PyObject *x, PyObject *y, const char *what) {
  mx_scope s = mx_scope_open();
  mx_array a, b;
  PyObject *r = NULL;
  if (Py_TYPE(x) == py_array_type && Py_TYPE(y) == py_array_type)
    r = py_wrap(op(py_handle(x), py_handle(y)));
  else if (!py_is_operand(x) || !py_is_operand(y))
    r = not_operand(x, y, what);
  else if (py_operands(x, y, &a, &b) == 0)
    r = py_wrap(op(a, b));
  mx_scope_close(&s);
  return r;
}

/* self keeps its identity and takes the result: other names of the object see it, as in MLX. */
static PyObject *in_place(binary_op op, PyObject *self, PyObject *y, const char *what) {
  if (!py_is_operand(y)) return not_operand(self, y, what);
  mx_scope s = mx_scope_open();
  mx_array a, b;
  int r = py_operands(self, y, &a, &b) == 0 ? py_assign(self, op(a, b)) : -1;
  mx_scope_close(&s);
  return r < 0 ? NULL : Py_NewRef(self);
}

PyObject *py_unary(mx_array (*op)(mx_array), PyObject *x) {
  mx_scope s = mx_scope_open();
  PyObject *r = py_wrap(op(py_handle(x)));
  mx_scope_close(&s);
  return r;
}

#define BINARY_OPERATORS(X)         \
  X(add, "addition")                \
  X(subtract, "subtraction")        \
  X(multiply, "multiplication")     \
  X(divide, "division")             \
  X(floor_divide, "floor division") \
  X(remainder, "modulus")           \
  X(bitwise_and, "bitwise and")     \
  X(bitwise_or, "bitwise or")       \
  X(bitwise_xor, "bitwise xor")     \
  X(left_shift, "left shift")       \
  X(right_shift, "right shift")
#define X(name, what)                                                                                       \
  static PyObject *array_##name(PyObject *x, PyObject *y) { return apply_operator(mx_##name, x, y, what); } \
  static PyObject *array_inplace_##name(PyObject *x, PyObject *y) { return in_place(mx_##name, x, y, what); }
BINARY_OPERATORS(X)
#undef X

/* (x // y, x % y) */
static PyObject *array_divmod(PyObject *x, PyObject *y) {
  if (!py_is_operand(x) || !py_is_operand(y)) return not_operand(x, y, "divmod");
  mx_scope s = mx_scope_open();
  mx_array a, b, out[2];
  PyObject *r = NULL;
  if (py_operands(x, y, &a, &b) == 0)
    r = mx_divmod(a, b, &out[0], &out[1]) < 0 ? py_raise() : py_wrap_tuple(2, out);
  mx_scope_close(&s);
  return r;
}
static PyObject *array_power(PyObject *x, PyObject *y, PyObject *modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return apply_operator(mx_power, x, y, "power");
}
static PyObject *array_inplace_power(PyObject *x, PyObject *y, PyObject *modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return in_place(mx_power, x, y, "power");
}
static PyObject *array_matmul(PyObject *x, PyObject *y) {
  if (!py_is_array(x) || !py_is_array(y)) Py_RETURN_NOTIMPLEMENTED;
  return apply_operator(mx_matmul, x, y, "matmul");
}
static PyObject *array_inplace_matmul(PyObject *x, PyObject *y) {
  if (!py_is_array(y)) Py_RETURN_NOTIMPLEMENTED;
  return in_place(mx_matmul, x, y, "matmul");
}
static PyObject *array_negative(PyObject *x) { return py_unary(mx_negative, x); }
static PyObject *array_absolute(PyObject *x) { return py_unary(mx_abs, x); }
static PyObject *array_positive(PyObject *x) { return py_wrap(py_handle(x)); }
static PyObject *array_invert(PyObject *x) { return py_unary(mx_bitwise_invert, x); }

PyObject *py_array_compare(PyObject *x, PyObject *y, int op) {
  static const binary_op ops[] = {
      [Py_LT] = mx_less,      [Py_LE] = mx_less_equal, [Py_EQ] = mx_equal,
      [Py_NE] = mx_not_equal, [Py_GT] = mx_greater,    [Py_GE] = mx_greater_equal};
  static const char *const names[] = {
      [Py_LT] = "less than",  [Py_LE] = "less than or equal", [Py_EQ] = "equality",
      [Py_NE] = "inequality", [Py_GT] = "greater than",       [Py_GE] = "greater than or equal"};
  if (py_is_operand(y)) return apply_operator(ops[op], x, y, names[op]);
  if (op == Py_EQ || op == Py_NE) return PyBool_FromLong(op == Py_NE);
  return not_operand(x, y, names[op]);
}

PyType_Slot py_operator_slots[] = {{Py_nb_add, array_add},
                                   {Py_nb_subtract, array_subtract},
                                   {Py_nb_multiply, array_multiply},
                                   {Py_nb_true_divide, array_divide},
                                   {Py_nb_floor_divide, array_floor_divide},
                                   {Py_nb_remainder, array_remainder},
                                   {Py_nb_divmod, array_divmod},
                                   {Py_nb_power, array_power},
                                   {Py_nb_matrix_multiply, array_matmul},
                                   {Py_nb_and, array_bitwise_and},
                                   {Py_nb_or, array_bitwise_or},
                                   {Py_nb_xor, array_bitwise_xor},
                                   {Py_nb_lshift, array_left_shift},
                                   {Py_nb_rshift, array_right_shift},
                                   {Py_nb_inplace_add, array_inplace_add},
                                   {Py_nb_inplace_subtract, array_inplace_subtract},
                                   {Py_nb_inplace_multiply, array_inplace_multiply},
                                   {Py_nb_inplace_true_divide, array_inplace_divide},
                                   {Py_nb_inplace_floor_divide, array_inplace_floor_divide},
                                   {Py_nb_inplace_remainder, array_inplace_remainder},
                                   {Py_nb_inplace_power, array_inplace_power},
                                   {Py_nb_inplace_matrix_multiply, array_inplace_matmul},
                                   {Py_nb_inplace_and, array_inplace_bitwise_and},
                                   {Py_nb_inplace_or, array_inplace_bitwise_or},
                                   {Py_nb_inplace_xor, array_inplace_bitwise_xor},
                                   {Py_nb_inplace_lshift, array_inplace_left_shift},
                                   {Py_nb_inplace_rshift, array_inplace_right_shift},
                                   {Py_nb_negative, array_negative},
                                   {Py_nb_positive, array_positive},
                                   {Py_nb_absolute, array_absolute},
                                   {Py_nb_invert, array_invert},
                                   {0, NULL}};
