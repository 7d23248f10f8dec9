"""Composites at zero, tiny, huge, infinite and NaN inputs, in float16, bfloat16 and float32, forward and backward,
against float64 rounded to the dtype. What such a row gives is finite wherever the true result is.
"""

import math

import mlx.core as mx
import numpy as np
import pytest
from extremes import DTYPES, LIMITS, array, rounded, wide


# ---- Inputs ----
def rows(dtype):
    """Rows of finite numbers of a dtype, then rows with what is not finite."""
    x = LIMITS[dtype].magnitudes()
    finite = [[a, b, -a] for a in x for b in x[2:]] + [[a, a, a] for a in x]
    special = [[math.inf, 1.0, 2.0], [-math.inf, 1.0, 2.0], [math.nan, 1.0, 2.0], [math.inf, -math.inf, 1.0]]
    return np.array(finite), np.array(special)


# ---- The table: name, the op along the last axis or of each element, and NumPy's on float64 ----
def np_softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def np_logsumexp(x):
    m = x.max(-1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    return np.log(np.exp(x - m).sum(-1)) + m[..., 0]


def np_rms_norm(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def np_layer_norm(x):
    d = x - x.mean(-1, keepdims=True)
    return d / np.sqrt((d * d).mean(-1, keepdims=True) + 1e-5)


def np_sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


REDUCTIONS = {
    "norm": (lambda x: mx.linalg.norm(x, axis=-1), lambda x: np.sqrt((x * x).sum(-1))),
    "norm 1": (lambda x: mx.linalg.norm(x, 1, axis=-1), lambda x: abs(x).sum(-1)),
    "norm 3": (lambda x: mx.linalg.norm(x, 3, axis=-1), lambda x: (abs(x) ** 3).sum(-1) ** (1 / 3)),
    "norm inf": (lambda x: mx.linalg.norm(x, math.inf, axis=-1), lambda x: abs(x).max(-1)),
    "mean": (lambda x: mx.mean(x, -1), lambda x: x.mean(-1)),
    "var": (lambda x: mx.var(x, -1), lambda x: x.var(-1)),
    "std": (lambda x: mx.std(x, -1), lambda x: x.std(-1)),
    "median": (lambda x: mx.median(x[..., :2], -1), lambda x: np.median(x[..., :2], -1)),
    "logsumexp": (lambda x: mx.logsumexp(x, -1), np_logsumexp),
    "softmax": (lambda x: mx.softmax(x, -1), np_softmax),
    "softmax precise": (lambda x: mx.softmax(x, -1, precise=True), np_softmax),
    "logcumsumexp": (lambda x: mx.logcumsumexp(x, -1), lambda x: np.logaddexp.accumulate(x, -1)),
    "cumsum": (lambda x: mx.cumsum(x, -1), lambda x: x.cumsum(-1)),
    "cross": (
        lambda x: mx.linalg.cross(x, mx.stop_gradient(x[..., ::-1])),
        lambda x: np.cross(x, x[..., ::-1]),
    ),
    "rms_norm": (lambda x: mx.fast.rms_norm(x, None, 1e-5), np_rms_norm),
    "layer_norm": (lambda x: mx.fast.layer_norm(x, None, None, 1e-5), np_layer_norm),
}
ELEMENTWISE = {
    "sinh": (mx.sinh, np.sinh),
    "cosh": (mx.cosh, np.cosh),
    "tanh": (mx.tanh, np.tanh),
    "arcsinh": (mx.arcsinh, np.arcsinh),
    "arctan": (mx.arctan, np.arctan),
    "sigmoid": (mx.sigmoid, np_sigmoid),
    "exp": (mx.exp, np.exp),
    "expm1": (mx.expm1, np.expm1),
    "square": (mx.square, np.square),
    "log1p of squares": (lambda x: mx.log1p(mx.abs(x)), lambda x: np.log1p(abs(x))),
    "sqrt of magnitudes": (lambda x: mx.sqrt(mx.abs(x)), lambda x: np.sqrt(abs(x))),
    "rsqrt of magnitudes": (lambda x: mx.rsqrt(mx.abs(x)), lambda x: 1 / np.sqrt(abs(x))),
    "reciprocal": (mx.reciprocal, lambda x: 1 / x),
    "cube": (lambda x: mx.power(x, 3), lambda x: x**3),
    "round to hundredths": (lambda x: mx.round(x, 2), lambda x: np.round(x, 2)),
    "degrees": (mx.degrees, np.degrees),
    "logaddexp": (
        lambda x: mx.logaddexp(x[..., :1], x[..., 1:]),
        lambda x: np.logaddexp(x[..., :1], x[..., 1:]),
    ),
    "arctan2": (lambda x: mx.arctan2(x[..., :1], x[..., 1:]), lambda x: np.arctan2(x[..., :1], x[..., 1:])),
    "quotient": (lambda x: x[..., :1] / x[..., 1:], lambda x: x[..., :1] / x[..., 1:]),
}
TABLE = REDUCTIONS | ELEMENTWISE


# ---- Rows that can't hold ----
# name: the largest magnitude and the least, as powers of the dtype's largest number, and why. Halves are computed in
# float32, so that bfloat16 has its limits.
SQUARES = "beyond it a square leaves float32, as in NumPy's float32"
SUMS = "beyond it a sum leaves the dtype, as in NumPy's"
BOUNDS = {
    "norm": (0.49, SQUARES),
    "norm 3": (0.32, "beyond it a cube leaves float32"),
    "var": (0.49, SQUARES),
    "std": (0.49, SQUARES),
    "cross": (0.49, SQUARES),
    "rms_norm": (0.49, SQUARES),
    "layer_norm": (0.49, SQUARES),
    "mean": (0.98, SUMS),
    "median": (0.98, SUMS),
    "cumsum": (0.87, SUMS),
    "round to hundredths": (0.92, "beyond it a hundredfold leaves float32"),
}
# Gradients that are a small difference of numbers near 1, or a power of what was rounded: units of error that they have.
CANCEL = {"layer_norm": 64, "logcumsumexp": 2048}
ONLY_WIDE = {
    "norm",
    "norm 3",
    "var",
    "std",
    "cross",
    "rms_norm",
    "layer_norm",
    "mean",
    "median",
}  # float16 is free


def holds(name, x, dtype):
    """Of each row of x: is it one that can hold?"""
    if name not in BOUNDS or (dtype == mx.float16 and name in ONLY_WIDE):
        return np.ones(len(x), bool)
    power = BOUNDS[name][0]
    size = abs(x).max(-1)
    large = LIMITS[dtype].largest ** power
    return ~np.isfinite(size) | (size == 0) | ((size <= large) & ((size >= 1 / large) | (power > 0.5)))


# ---- Comparison ----
@np.errstate(all="ignore")
def check(got, function, x, dtype, held_rows, cancels=0):
    """got against function(x), with the error that inputs off by half a unit would make, and 16 units of the largest
    of the row; `cancels`: so many units of 1 too."""
    (digits, least, _, largest) = LIMITS[dtype]
    want, unit = function(x), 2.0**-digits
    rest = tuple(range(1, want.ndim))
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (8, *x.shape))
    moved = np.stack([function(x * (1 + unit * s)) for s in signs])
    finite = np.where(np.isfinite(want), abs(want), 0)
    error = np.nan_to_num(8 * abs(moved - want).max(0), nan=0.0, posinf=0.0)
    error += 16 * unit * finite.max(rest, keepdims=True) + 16 * 2.0**least + cancels * unit
    got = wide(got)
    good = (abs(got - want) <= error) | (got == want) | (np.isnan(want) & np.isnan(got))
    beyond = abs(want) + error > largest
    good |= beyond & (np.sign(got) == np.sign(want)) & (abs(got) > largest / 2)
    i = np.nonzero(~good.all(rest) & held_rows)[0]
    assert len(i) == 0, [(x[k].tolist(), got[k].tolist(), want[k].tolist()) for k in i[:4]]


def gradient_of(op):
    """The gradient of the sum of the results, each taken in its own proportion."""

    def loss(x):
        y = op(x)
        return (y * (mx.arange(y.size).reshape(y.shape) % 3 + 1).astype(y.dtype)).sum()

    return mx.grad(loss)


def in_double(f):
    def g(x):
        with mx.stream(mx.cpu):
            return np.array(f(mx.array(x, mx.float64)))

    return g


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TABLE)
def test_a_result_is_that_of_real_numbers(name, dtype):
    ours, numpys = TABLE[name]
    for x in rows(dtype):
        a, exact = array(x, dtype), rounded(x, dtype)
        check(ours(a), numpys, exact, dtype, holds(name, exact, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TABLE)
def test_a_gradient_is_that_of_real_numbers(name, dtype):
    a, exact = array(rows(dtype)[0], dtype), rounded(rows(dtype)[0], dtype)
    gradient = gradient_of(TABLE[name][0])
    check(gradient(a), in_double(gradient), exact, dtype, holds(name, exact, dtype), CANCEL.get(name, 0))


# ---- Slopes far below 1, to their last digits ----
NEAR_ONE = [-1 + 2**-20, 3 * 2**-13 - 1, -0.5, 0, 0.9, 1 - 2**-9, 1 - 3 * 2**-13, 1 - 2**-24]
SLOPES = {
    "tanh": (
        mx.tanh,
        lambda x: 4 / (np.exp(x) + np.exp(-x)) ** 2,
        [-40, -12, -8, -4, -0.1, 0, 1, 3, 8, 16, 40],
    ),
    "sigmoid": (mx.sigmoid, lambda x: 1 / (2 + np.exp(x) + np.exp(-x)), [-80, -9, -1, 0, 2, 9, 16, 40, 80]),
    "expm1": (mx.expm1, np.exp, [-80, -20, -9, -1, 0, 1, 9]),
    "arcsin": (mx.arcsin, lambda x: 1 / np.sqrt((1 - x) * (1 + x)), NEAR_ONE),
    "arccos": (mx.arccos, lambda x: -1 / np.sqrt((1 - x) * (1 + x)), NEAR_ONE),
    "arctanh": (mx.arctanh, lambda x: 1 / ((1 - x) * (1 + x)), NEAR_ONE),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SLOPES)
def test_a_slope_keeps_its_digits(name, dtype):
    function, slope, at = SLOPES[name]
    x = rounded(at, dtype)
    x = x[abs(x) < 1] if name.startswith("arc") else x
    want = slope(x)
    got = wide(mx.grad(lambda x: function(x).astype(mx.float32).sum())(array(x, dtype)))
    error = 6 * LIMITS[dtype].eps * abs(want) + 4 * LIMITS[dtype].flushed
    assert (abs(got - want) <= error).all(), list(zip(x, got, want))


@pytest.mark.parametrize("function", [mx.tanh, mx.sigmoid])
def test_slopes_at_zero_have_slopes(function):
    """Those of order 5, where the first is computed of |x|."""
    want = {mx.tanh: [1, 0, -2, 0, 16], mx.sigmoid: [0.25, 0, -0.125, 0, 0.25]}[function]
    got = []
    for _ in range(5):
        function = mx.grad(function)
        got.append(function(mx.array(0.0)).item())
    assert np.allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("cotangent", [np.inf, np.nan])
def test_what_was_not_taken_has_no_gradient_whatever_comes_back(cotangent):
    for function, takes_first in ((mx.maximum, [False, True]), (mx.minimum, [True, False])):
        x, y, g = mx.array([1.0, 2.0]), mx.array([2.0, 1.0]), mx.full((2,), cotangent)
        _, gradients = mx.vjp(function, [x, y], [g])
        _, (by_first,) = mx.jvp(lambda x, f=function, y=y: f(x, y), [x], [g])
        for got, taken in zip((*gradients, by_first), (takes_first, takes_first[::-1], takes_first)):
            want = np.where(taken, cotangent, 0)
            assert np.array_equal(np.array(got), want, equal_nan=True)
