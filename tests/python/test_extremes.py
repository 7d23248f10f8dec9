"""Activations, losses and normalisations at zero, tiny, huge, infinite and NaN inputs, with their gradients, in each
dtype that trains, against float64 NumPy formulas rounded to the dtype: the values, and which are finite.

What differs on purpose stands in EXCEPT, with the reason.
"""

import math

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from extremes import DTYPES, LIMITS, array, inf, nan, rounded, wide

EXCEPT = {
    ("leaky_relu", "gradient", -inf): "both arguments of the maximum are infinite",
    ("softsign", "gradient", inf): "a quotient of infinities in the derivative of the quotient",
    ("softsign", "gradient", -inf): "the same",
}


def numbers(dtype):
    sizes = [*LIMITS[dtype].magnitudes()[1:], inf]
    return rounded(np.array([0.0, *sizes, *(-s for s in sizes), nan]), dtype)


def same(what, got, want, dtype, scale, unless=None, ulps=4):
    """got is want to a few units in the last place of want and of `scale`, and finite or NaN where want is."""
    got, want = wide(got), rounded(want, dtype)
    got, want, scale = np.broadcast_arrays(got, want, np.asarray(scale, np.float64))
    with np.errstate(invalid="ignore", over="ignore"):
        error = (
            np.abs(got - want) <= ulps * LIMITS[dtype].eps * (np.abs(want) + scale) + LIMITS[dtype].flushed
        )
    good = error | (got == want) | (np.isnan(got) & np.isnan(want))
    if unless is not None:
        good = good | unless
    assert good.all(), f"{what}: got {got[~good]}, want {want[~good]} at {np.argwhere(~good).tolist()}"


def gradient(f, x):
    return mx.grad(lambda x: f(x).astype(mx.float32).sum())(x)


# -- activations --

erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(x):
    return np.where(
        x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))
    ) + 0 * np.sign(x)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gate(p, slope, flat=False):
    """x p(x) and its derivative. flat: beyond some x the gate's slope is 0 itself, so also at infinity."""

    def derivative(x):
        rest = x * slope(x)
        return p(x) + (np.where(np.isinf(x), 0, rest) if flat else rest)

    return lambda x: x * p(x), derivative


def cubic(x):
    near = np.clip(x, -1e3, 1e3)  # so that the cube is finite where the gate no longer moves
    u = math.sqrt(2 / math.pi) * (near + 0.044715 * near**3)
    s = sigmoid(2 * u)
    return s, s * (1 - s) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * near**2)


def mish(x):
    return np.tanh(softplus(x)), (1 - np.tanh(softplus(x)) ** 2) * sigmoid(x)


def exponential(alpha, scale=1.0, width=1.0):
    return (
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / width)),
        lambda x: scale * np.where(x > 0, 1, alpha / width * np.exp(np.minimum(x, 0) / width)),
    )


ACTIVATIONS = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    "relu2": (lambda x: np.maximum(x, 0) ** 2, lambda x: np.where(x > 0, 2 * x, 0)),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: 1.0 * ((x > 0) & (x < 6))),
    "leaky_relu": (
        lambda x: np.where(x < 0, 0.01 * x, x),
        lambda x: np.where(x < 0, 0.01, np.where(np.isnan(x), 0, 1)),
    ),
    "elu": exponential(1.0),
    "celu": exponential(1.0),
    "selu": exponential(1.67326, 1.0507),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "log_sigmoid": (lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "softplus": (softplus, sigmoid),
    "silu": gate(sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "mish": gate(lambda x: mish(x)[0], lambda x: mish(x)[1]),
    "gelu": gate(
        lambda x: (1 + erf(x / math.sqrt(2))) / 2, lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    ),
    "gelu_approx": gate(lambda x: cubic(x)[0], lambda x: cubic(x)[1], flat=True),
    "gelu_fast_approx": gate(
        lambda x: sigmoid(1.702 * x), lambda x: 1.702 * sigmoid(1.702 * x) * sigmoid(-1.702 * x)
    ),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "hard_tanh": (lambda x: np.clip(x, -1, 1), lambda x: 1.0 * (np.abs(x) < 1)),
    "hardswish": gate(lambda x: np.clip(x + 3, 0, 6) / 6, lambda x: 1.0 * (np.abs(x) < 3) / 6, flat=True),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "hard_shrink": (lambda x: np.where(np.abs(x) <= 0.5, 0, x), lambda x: 1.0 * ~(np.abs(x) <= 0.5)),
    "softshrink": (
        lambda x: np.where(np.abs(x) <= 0.5, 0, x - 0.5 * np.sign(x)),
        lambda x: 1.0 * ~(np.abs(x) <= 0.5),
    ),
}


def test_every_activation_of_one_array_has_a_row():
    over_an_axis = {"glu", "softmax", "softmin", "log_softmax"}
    others = {"prelu", "step"}  # prelu has its own test; a step is an integer
    functions = {n for n in nn.layers.activations.__all__ if n[0].islower()}
    assert set(ACTIVATIONS) == functions - over_an_axis - others


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype):
    function, (value, slope) = getattr(nn, name), ACTIVATIONS[name]
    x = numbers(dtype)
    scale = np.where(np.isfinite(x), np.minimum(np.abs(x), 1), 0)
    given = array(x, dtype)
    with np.errstate(all="ignore"):
        same(name, function(given), value(x), dtype, scale)
        unless = np.isin(x, [at for n, part, at in EXCEPT if (n, part) == (name, "gradient")])
        same(f"the gradient of {name}", gradient(function, given), slope(x), dtype, scale, unless)


@pytest.mark.parametrize("dtype", DTYPES)
def test_prelu(dtype):
    x = numbers(dtype)
    given, slope = array(x, dtype), mx.array(0.25).astype(dtype)
    same("prelu", nn.prelu(given, slope), np.where(x < 0, 0.25 * x, x), dtype, 0)
    want = np.where(x > 0, 1, 0.25)
    same("the gradient", gradient(lambda x: nn.prelu(x, slope), given), want, dtype, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_exponential_units_of_other_widths(alpha, dtype):
    x = numbers(dtype)
    given, scale = array(x, dtype), np.minimum(np.abs(np.nan_to_num(x)), 1)
    for function, (value, slope) in {
        nn.elu: exponential(alpha),
        nn.celu: exponential(alpha, width=alpha),
    }.items():
        with np.errstate(all="ignore"):
            same(function.__name__, function(given, alpha), value(x), dtype, scale)
            same("the gradient", gradient(lambda x: function(x, alpha), given), slope(x), dtype, scale)


# -- over an axis --


def rows(dtype):
    """Rows of 4 that have no infinite or NaN result, and those that have."""
    huge, tiny = LIMITS[dtype].huge, LIMITS[dtype].tiny
    finite = [
        [0, 0, 0, 0], [tiny, -tiny, 0, tiny], [1, 2, 3, 4], [huge, huge, huge, huge], [-huge, -huge, -huge, -huge],
        [huge / 4, -huge / 8, 0, huge / 4], [100, 99, -100, 0], [3e4, 3e4, 3e4, 29952],
    ]  # fmt: skip
    if dtype != mx.float16:
        finite += [[1e8, 1e8, 1e8, 1e8], [1e8, 0, 1e8, -1e8]]
    return rounded(finite, dtype), rounded(
        [[-inf, 0, 1, -inf], [nan, 0, 1, 2], [inf, 0, 1, 2], [-inf] * 4], dtype
    )


def log_softmax(x):
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_and_its_logarithm(dtype):
    weight = np.array([1.0, -2.0, 0.5, 3.0])
    w = array(weight, dtype)
    with np.errstate(all="ignore"):
        for x in rows(dtype):
            given, p = array(x, dtype), np.exp(log_softmax(x))
            same("softmax", nn.softmax(given), p, dtype, 0)
            same("softmin", nn.softmin(given), np.exp(log_softmax(-x)), dtype, 0)
            same("log_softmax", nn.log_softmax(given), log_softmax(x), dtype, 0)
            want = p * (weight - (weight * p).sum(-1, keepdims=True))
            same("of softmax", gradient(lambda x: nn.softmax(x) * w, given), want, dtype, 1)
            want = weight - weight.sum() * p
            same("of log_softmax", gradient(lambda x: nn.log_softmax(x) * w, given), want, dtype, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", [0, 0.25])
def test_cross_entropy(smoothing, dtype):
    one_hot = np.eye(4)[1]
    q = (1 - smoothing) * one_hot + smoothing / 4
    finite, others = rows(dtype)
    with np.errstate(all="ignore"):
        for x in (finite, others[1:]):
            given, classes = array(x, dtype), mx.full((len(x),), 1, dtype=mx.int32)
            want = -np.where(q == 0, 0, q * log_softmax(x)).sum(-1)
            for targets in (classes, array(np.broadcast_to(one_hot, x.shape), dtype)):

                def loss(x, targets=targets):
                    return nn.losses.cross_entropy(x, targets, label_smoothing=smoothing)

                scale = np.abs(np.nan_to_num(want, posinf=0)) if smoothing else 0
                unless = ~np.isfinite(want)  # an infinite logit: NaN as a probability, or by its class
                same("loss", loss(given), want, dtype, scale, unless)
                same(
                    "gradient",
                    gradient(loss, given),
                    np.exp(log_softmax(x)) - q,
                    dtype,
                    1,
                    unless[:, None] & np.ones(4, bool),
                )
                assert (np.isfinite(wide(loss(given))) <= np.isfinite(rounded(want, dtype))).all()


# -- losses of single elements --


def cross(x, t):
    return np.where(x < 0, -t, 1 - t) * x + np.log1p(np.exp(-np.abs(x))), sigmoid(x) - t


def huber(width, scale):
    def reference(x, t):
        d = np.abs(x - t)
        inner = scale * np.minimum(d, width) ** 2 / 2 + scale * width * (d - np.minimum(d, width))
        return inner, scale * np.clip(x - t, -width, width)

    return reference


def nll(variance):
    def reference(x, t):
        v = max(variance, 1e-6)
        return 0.5 * (np.log(v) + (t - x) ** 2 / v), (x - t) / v

    return reference


def log_cosh(x, t):
    d = np.abs(x - t)
    return np.where(
        d < 1, np.log(np.cosh(np.minimum(d, 1))), d + np.log1p(np.exp(-2 * d)) - math.log(2)
    ), np.tanh(x - t)


LOSSES = {
    "l1_loss": (nn.losses.l1_loss, lambda x, t: (np.abs(x - t), np.sign(x - t))),
    "mse_loss": (nn.losses.mse_loss, lambda x, t: ((x - t) ** 2, 2 * (x - t))),
    "huber_loss": (nn.losses.huber_loss, huber(1.0, 1.0)),
    "huber_loss, delta 3": (lambda x, t, **k: nn.losses.huber_loss(x, t, 3.0, **k), huber(3.0, 1.0)),
    "smooth_l1_loss": (nn.losses.smooth_l1_loss, huber(1.0, 1.0)),
    "smooth_l1_loss, beta 2": (lambda x, t, **k: nn.losses.smooth_l1_loss(x, t, 2.0, **k), huber(2.0, 0.5)),
    "log_cosh_loss": (nn.losses.log_cosh_loss, log_cosh),
    "binary_cross_entropy": (nn.losses.binary_cross_entropy, cross),
    "hinge_loss": (
        nn.losses.hinge_loss,
        lambda x, t: (np.maximum(1 - x * t, 0), np.where(1 - x * t > 0, -t, 0)),
    ),
    "gaussian_nll_loss": (
        lambda x, t, **k: nn.losses.gaussian_nll_loss(x, t, mx.full(x.shape, 2, dtype=x.dtype), **k),
        nll(2.0),
    ),
    "gaussian_nll_loss of no variance": (
        lambda x, t, **k: nn.losses.gaussian_nll_loss(x, t, mx.zeros(x.shape, x.dtype), **k),
        nll(0.0),
    ),
    "margin_ranking_loss": (
        lambda x, t, **k: nn.losses.margin_ranking_loss(x, t, mx.ones(x.shape, x.dtype), 0.5, **k),
        lambda x, t: (np.maximum(0.5 - (x - t), 0), np.where(0.5 - (x - t) >= 0, -1, 0)),
    ),
    "nll_loss": (
        lambda x, t, **k: nn.losses.nll_loss(mx.expand_dims(x, -1), mx.zeros(x.shape, mx.int32), **k),
        lambda x, t: (-x, -1.0 * np.ones(x.shape)),
    ),
}


def test_every_loss_is_tested():
    rows_of = {"cross_entropy", "cosine_similarity_loss", "kl_div_loss", "triplet_loss"}
    assert {name.split()[0].rstrip(",") for name in LOSSES} | rows_of == set(nn.losses.__all__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_single_elements(name, dtype):
    loss, reference = LOSSES[name]
    for target in (0.0, 1.0, -1.0) if "entropy" not in name else (0.0, 1.0, 0.25):
        x = numbers(dtype)
        t = np.full(x.shape, target)
        given, targets = array(x, dtype), array(t, dtype)

        def call(x, targets=targets):
            return loss(x, targets, reduction="none")

        with np.errstate(all="ignore"):
            value, slope = reference(x, t)
            scale = np.where(np.isfinite(x), np.minimum(np.abs(x), 1), 0)
            same(name, call(given), value, dtype, scale if target else 0)
            unless = np.isnan(x) if name == "nll_loss" else None
            unless = (
                np.isinf(x) if name == "binary_cross_entropy" else unless
            )  # an infinity times no distance
            same(f"the gradient of {name}", gradient(call, given), slope, dtype, scale, unless)


@pytest.mark.parametrize("dtype", DTYPES)
def test_means_of_losses_whose_elements_overflow_the_dtype(dtype):
    x = array([300.0, 0.0, 0.0, 0.0], dtype)
    zero = mx.zeros(4, dtype)
    same("mse_loss", nn.losses.mse_loss(x, zero), 22500, dtype, 0)
    same("the gradient", gradient(lambda x: nn.losses.mse_loss(x, zero), x), [150, 0, 0, 0], dtype, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_cross_entropy_of_probabilities(dtype):
    p = rounded([0.0, LIMITS[dtype].tiny, 0.25, 0.5, 0.75, 1.0], dtype)
    for target in (0.0, 1.0, 0.25):
        t = np.full(p.shape, target)

        def loss(p, t=t):
            return nn.losses.binary_cross_entropy(p, array(t, p.dtype), with_logits=False, reduction="none")

        with np.errstate(all="ignore"):
            value = -(t * np.maximum(np.log(p), -100) + (1 - t) * np.maximum(np.log(1 - p), -100))
            slope = np.where(p == 0, 0, -t / p) + np.where(p == 1, 0, (1 - t) / (1 - p))
            same("loss", loss(array(p, dtype)), value, dtype, LIMITS[dtype].eps)
            same("gradient", gradient(loss, array(p, dtype)), slope, dtype, 0)


# -- losses of rows --


def vectors(dtype):
    huge, tiny = LIMITS[dtype].huge, LIMITS[dtype].tiny
    x = [[200, 200, 200], [1e-4, 1e-4, 1e-4], [0, 0, 0], [huge, 0, -huge], [1, 2, 3], [tiny, 0, tiny]]
    y = [[200, -100, 300], [1e-4, 2e-4, 0], [1, 1, 1], [huge, huge, 0], [0, 0, 0], [1, 2, 3]]
    return rounded(x, dtype), rounded(y, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cosine_similarity(dtype):
    x, y = vectors(dtype)
    lengths = np.sqrt((x * x).sum(-1)) * np.sqrt((y * y).sum(-1))

    def loss(x):
        return nn.losses.cosine_similarity_loss(x, array(y, dtype), axis=-1)

    value = (x * y).sum(-1) / np.maximum(lengths, 1e-8)
    same("loss", loss(array(x, dtype)), value, dtype, 1)
    with np.errstate(all="ignore"):
        square = (x * x).sum(-1, keepdims=True)
        slope = y / np.maximum(lengths, 1e-8)[:, None] - np.where(
            lengths[:, None] > 1e-8, value[:, None] * x / square, 0
        )
    scale = np.abs(y).max(-1, keepdims=True) / np.maximum(lengths, 1e-8)[:, None]
    got = gradient(loss, array(x, dtype))
    same("gradient", got, slope, dtype, scale)


@pytest.mark.parametrize("dtype", DTYPES)
def test_triplet_loss(dtype):
    x, y = vectors(dtype)
    x, y = x / 2, y / 2
    with np.errstate(over="ignore"):
        d = np.sqrt(((x - y) ** 2).sum(-1) + 1e-6)

    def loss(x):
        given = array(y, dtype)
        return nn.losses.triplet_loss(x, given, x, margin=0.0)

    want = np.maximum(d - np.sqrt(1e-6), 0)
    same("loss", loss(array(x, dtype)), want, dtype, 1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_divergence(dtype):
    t = rounded(np.log([[0.25, 0.25, 0.5], [1e-3, 0.5, 0.499]]), dtype)
    x = rounded([[0, -LIMITS[dtype].tiny, -3], [-LIMITS[dtype].huge / 8, -1, -1]], dtype)

    def loss(x):
        return nn.losses.kl_div_loss(x, array(t, dtype))

    same("loss", loss(array(x, dtype)), (np.exp(t) * (t - x)).sum(-1), dtype, 1)
    same("gradient", gradient(loss, array(x, dtype)), -np.exp(t), dtype, 0)


# -- normalisations --

SIZE = 4


def batch_norm(x):
    return nn.BatchNorm(x.shape[0])(x.T).T


NORMS = {
    "LayerNorm": lambda x: nn.LayerNorm(SIZE)(x),
    "RMSNorm": lambda x: nn.RMSNorm(SIZE)(x),
    "InstanceNorm": lambda x: nn.InstanceNorm(1)(x[..., None]).squeeze(-1),
    "GroupNorm": lambda x: nn.GroupNorm(1, 1)(x[..., None]).squeeze(-1),
    "BatchNorm": batch_norm,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NORMS)
def test_normalisations(name, dtype):
    huge, tiny = LIMITS[dtype].large, LIMITS[dtype].tiny
    x = [
        [0, 0, 0, 0],
        [tiny, -tiny, tiny, 0],
        [1, 2, 3, -4],
        [huge, -huge, huge, 0],
        [300, 300, 300, -300],
        [1e-3, 0, 0, 0],
    ]
    x = rounded([*x, [nan, 1, 2, 3], [inf, 1, 2, 3]], dtype)
    weight = np.array([1.0, -2.0, 0.5, 3.0])
    with np.errstate(all="ignore"):
        mean = 0 if name == "RMSNorm" else x.mean(-1, keepdims=True)
        r = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)
        y = (x - mean) * r
        slope = (
            weight - (0 if name == "RMSNorm" else weight.mean()) - y * (weight * y).mean(-1, keepdims=True)
        )
        given, w = array(x, dtype), array(weight, mx.float32)
        infinite = ~np.isfinite(x).all(-1, keepdims=True) & np.ones(x.shape, bool)
        same(name, NORMS[name](given), y, dtype, 1, infinite)
        got = gradient(lambda x: NORMS[name](x) * w, given)
        same(f"the gradient of {name}", got, r * slope, dtype, 3 * r, infinite)
        assert np.isnan(wide(NORMS[name](given))[6]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_whose_squares_overflow_are_normalised(dtype):
    huge = LIMITS[dtype].huge
    x = rounded([[huge, -huge, huge / 2, 0], [huge, huge, huge, -huge], [1, 2, 3, 4]], dtype)
    x = np.tile(x, 11)  # longer than a vector
    weight, bias = np.linspace(-1, 2, x.shape[1]), np.linspace(3, 4, x.shape[1])
    w, b = array(weight, mx.float32), array(bias, mx.float32)
    for mean, got in (
        (0, mx.fast.rms_norm(array(x, dtype), w, 1e-5) + b),
        (x.mean(-1, keepdims=True), mx.fast.layer_norm(array(x, dtype), w, b, 1e-5)),
    ):
        y = (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)
        same("normalised", got, y * weight + bias, dtype, 4)


def test_logaddexp_shares_its_gradient_between_large_inputs():
    for x in (1e8, -1e8, 3e38):
        gradient = mx.grad(mx.logaddexp, argnums=(0, 1))(mx.array(x), mx.array(x))
        assert [g.item() for g in gradient] == [0.5, 0.5]
    assert mx.grad(mx.logaddexp)(mx.array(inf), mx.array(0.0)).item() == 1
