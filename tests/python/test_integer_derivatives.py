"""Derivatives where there are integers: the table of ops with integer inputs, casts between floats and integers,
comparisons. A tangent has the dtype of its output, but a bool's zeros are float32; its value is that of the same op on
floats, where that is a whole number.
"""

import mlx.core as mx
import numpy as np
import pytest
from opinfo import OPS
from samples import INTEGERS

# Ops whose integers are not the floats' numbers.
OTHER_NUMBERS = {
    "divmod": "its quotient is rounded",
    "astype.int32": "a cast of floats to integers has no derivative",
    "power": "the derivative by the exponent is a logarithm, truncated",
}


def as_given(op, dtype):
    return [mx.array(v) for v in op.samples(dtype)]


def tangents(call, inputs):
    return mx.jvp(call, inputs, [mx.ones_like(x) for x in inputs])


CASES = [(op, dtype) for op in OPS for dtype in ("bool_", "uint8", "int32", "int64") if dtype in op.dtypes]


@pytest.mark.parametrize("op, dtype", CASES, ids=[f"{op.name} {dtype}" for op, dtype in CASES])
def test_a_tangent_has_the_dtype_of_its_output_and_the_value_of_the_same_op_on_floats(op, dtype):
    inputs = as_given(op, dtype)
    values, got = tangents(op.call, inputs)
    for value, tangent in zip(values, got, strict=True):
        want = {mx.bool_, mx.float32} if value.dtype == mx.bool_ else {value.dtype}
        assert tangent.dtype in want and tangent.shape == value.shape
    if dtype != "int32" or "float32" not in op.dtypes or op.name in OTHER_NUMBERS:
        return
    floats = [x.astype(mx.float32) if x.dtype == mx.int32 and (not op.follows or i in op.follows) else x
              for i, x in enumerate(inputs)]  # fmt: skip
    for tangent, of_floats in zip(got, tangents(op.call, floats)[1], strict=True):
        if tangent.dtype != mx.int32:
            continue
        of_floats = np.array(of_floats, np.float64)
        whole = (of_floats == np.rint(of_floats)) & (abs(of_floats) < 2**24)
        np.testing.assert_array_equal(np.array(tangent)[whole], of_floats[whole])


@pytest.mark.parametrize("name", ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"])
@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.int32, mx.bool_])
def test_the_tangent_of_a_comparison_is_zeros_of_float32(name, dtype):
    x = mx.array([0, 1, 1]).astype(dtype)
    (value,), (tangent,) = mx.jvp(getattr(mx, name), [x, x[::-1]], [x, x])
    assert value.dtype == mx.bool_
    assert tangent.dtype == mx.float32 and tangent.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["bool_", *INTEGERS])
@pytest.mark.parametrize("around", [lambda f: f, mx.compile])
def test_a_cast_of_floats_to_integers_and_back_has_no_derivative(name, around):
    t, x = getattr(mx, name), mx.array([1.5, 2.5, 0.0])

    @around
    def f(x):
        return x.astype(t).astype(mx.float32) * 2.5

    assert mx.grad(lambda x: f(x).sum())(x).tolist() == [0, 0, 0]
    assert mx.grad(lambda x: (f(x) + x).sum())(x).tolist() == [1, 1, 1]
    _, (tangent,) = mx.jvp(f, [x], [mx.ones(3)])
    assert tangent.dtype == mx.float32 and tangent.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round"])
@pytest.mark.parametrize("dtype", [mx.int32, mx.uint8, mx.float32])
def test_rounding_has_no_derivative_of_integers_either(name, dtype):
    x = mx.array([1, 2, 3]).astype(dtype)
    (value,), (tangent,) = mx.jvp(getattr(mx, name), [x], [mx.ones_like(x)])
    assert value.tolist() == [1, 2, 3] and tangent.dtype == dtype and tangent.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["min", "max"])
@pytest.mark.parametrize("ties", [3, 5, 7, 49])
def test_the_tangent_of_an_extremum_is_the_mean_of_those_that_reach_it(name, ties):
    x = mx.zeros((ties,), mx.int32)
    _, (tangent,) = mx.jvp(getattr(mx, name), [x], [mx.full((ties,), 6, mx.int32)])
    assert tangent.dtype == mx.int32 and tangent.item() == 6
