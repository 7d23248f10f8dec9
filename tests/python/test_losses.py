"""mlx.nn.losses against NumPy in double precision."""

import math

import mlx.core as mx
import numpy as np
import pytest
from mlx.nn import losses

RNG = np.random.default_rng(7)
X = RNG.normal(size=(5, 4)) * 2
Y = RNG.normal(size=(5, 4)) * 2
Z = RNG.normal(size=(5, 4))
P = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
Q = np.exp(Y) / np.exp(Y).sum(-1, keepdims=True)
CLASSES = np.array([1, 0, 3, 2, 2])
SIGNS = np.sign(Z)
D = np.abs(X - Y)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def distance(a, b, p):
    return ((np.abs(a - b) ** p).sum(-1) + 1e-6) ** (1 / p)


CASES = {
    "cross_entropy of classes": (losses.cross_entropy, (X, CLASSES), {}, -log_softmax(X)[range(5), CLASSES]),
    "cross_entropy of probabilities": (losses.cross_entropy, (X, Q), {}, -(Q * log_softmax(X)).sum(-1)),
    "cross_entropy of shares whose sum isn't 1": (
        losses.cross_entropy,
        (X, D),
        {},
        -(D * log_softmax(X)).sum(-1),
    ),
    "cross_entropy of such shares, smoothed": (
        losses.cross_entropy,
        (X, D),
        {"label_smoothing": 0.2},
        -((0.8 * D + 0.05) * log_softmax(X)).sum(-1),
    ),
    "cross_entropy, smoothed": (
        losses.cross_entropy,
        (X, CLASSES),
        {"label_smoothing": 0.2},
        -0.8 * log_softmax(X)[range(5), CLASSES] - 0.2 * log_softmax(X).mean(-1),
    ),
    "cross_entropy, weighted": (
        losses.cross_entropy,
        (X, CLASSES),
        {"weights": Z[:, 0]},
        -log_softmax(X)[range(5), CLASSES] * Z[:, 0],
    ),
    "cross_entropy along the first axis": (
        losses.cross_entropy,
        (X.T, CLASSES),
        {"axis": 0},
        -log_softmax(X)[range(5), CLASSES],
    ),
    "binary_cross_entropy of logits": (
        losses.binary_cross_entropy,
        (X, Q),
        {},
        -(Q * np.log(1 / (1 + np.exp(-X))) + (1 - Q) * np.log(1 / (1 + np.exp(X)))),
    ),
    "binary_cross_entropy of probabilities": (
        losses.binary_cross_entropy,
        (P, Q),
        {"with_logits": False, "weights": Y},
        -(Q * np.log(P) + (1 - Q) * np.log(1 - P)) * Y,
    ),
    "l1_loss": (losses.l1_loss, (X, Y), {}, D),
    "mse_loss": (losses.mse_loss, (X, Y), {}, D**2),
    "nll_loss": (losses.nll_loss, (np.log(P), CLASSES), {}, -np.log(P)[range(5), CLASSES]),
    "gaussian_nll_loss": (
        losses.gaussian_nll_loss,
        (X, Y, P),
        {"full": True},
        0.5 * (np.log(P) + D**2 / P + math.log(2 * math.pi)),
    ),
    "kl_div_loss": (losses.kl_div_loss, (np.log(P), np.log(Q)), {}, (Q * np.log(Q / P)).sum(-1)),
    "smooth_l1_loss": (
        losses.smooth_l1_loss,
        (X, Y),
        {"beta": 1.5},
        np.where(D < 1.5, D**2 / 3, D - 0.75),
    ),
    "huber_loss": (losses.huber_loss, (X, Y), {"delta": 0.7}, np.where(D <= 0.7, D**2 / 2, 0.7 * (D - 0.35))),
    "log_cosh_loss": (losses.log_cosh_loss, (X, Y), {}, np.log(np.cosh(X - Y))),
    "hinge_loss": (losses.hinge_loss, (X, SIGNS), {}, np.maximum(0, 1 - X * SIGNS)),
    "margin_ranking_loss": (
        losses.margin_ranking_loss,
        (X, Y, SIGNS),
        {"margin": 0.3},
        np.maximum(0, 0.3 - SIGNS * (X - Y)),
    ),
    "cosine_similarity_loss": (
        losses.cosine_similarity_loss,
        (X, Y),
        {},
        (X * Y).sum(1) / np.sqrt((X**2).sum(1) * (Y**2).sum(1)),
    ),
    "triplet_loss": (
        losses.triplet_loss,
        (X, Y, Z),
        {"p": 3},
        np.maximum(0, distance(X, Y, 3) - distance(X, Z, 3) + 1),
    ),
}


def array(x):
    return mx.array(x if x.dtype.kind == "i" else x.astype(np.float32))


@pytest.mark.parametrize("name", CASES)
def test_losses_are_their_formulas_and_reduce(name):
    loss, inputs, options, expected = CASES[name]
    inputs = [array(x) for x in inputs]
    options = {k: array(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    for reduction, value in [("none", expected), ("mean", expected.mean()), ("sum", expected.sum())]:
        result = loss(*inputs, reduction=reduction, **options)
        assert result.dtype == mx.float32
        np.testing.assert_allclose(np.array(result), value, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_another_reduction_is_a_value_error(name):
    loss, inputs, options, _ = CASES[name]
    axis = {"axis": options["axis"]} if "axis" in options else {}
    with pytest.raises(ValueError, match="reduction"):
        loss(*[array(x) for x in inputs], reduction="median", **axis)


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.cross_entropy(array(X), mx.array([1, 2])),
        lambda: losses.cross_entropy(array(X), array(Q[:, :3])),
        lambda: losses.cross_entropy(array(X), mx.array(CLASSES), weights=mx.ones(3)),
        lambda: losses.cross_entropy(array(X), mx.array(CLASSES), label_smoothing=1.0),
        lambda: losses.binary_cross_entropy(array(X), array(Y[0])),
        lambda: losses.binary_cross_entropy(array(X), array(Y), weights=mx.ones(4)),
        lambda: losses.l1_loss(array(X), array(Y[0])),
        lambda: losses.mse_loss(array(X), array(Y[0])),
        lambda: losses.smooth_l1_loss(array(X), array(Y[0])),
        lambda: losses.gaussian_nll_loss(array(X), array(Y[0]), array(P)),
        lambda: losses.gaussian_nll_loss(array(X), array(Y), array(P[0])),
        lambda: losses.margin_ranking_loss(array(X), array(Y[0]), array(SIGNS)),
    ],
)
def test_shapes_and_options_that_do_not_fit_are_value_errors(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_extreme_inputs_give_finite_losses():
    big = mx.array([1e4, -1e4])
    assert losses.log_cosh_loss(big, mx.zeros(2)).tolist() == pytest.approx([1e4 - math.log(2)] * 2)
    assert losses.binary_cross_entropy(big, mx.array([0.0, 1.0]), reduction="none").tolist() == [1e4, 1e4]
    certain = losses.binary_cross_entropy(
        mx.array([0.0, 1.0]), mx.array([1.0, 0.0]), with_logits=False, reduction="none"
    )
    assert certain.tolist() == [100, 100]
    assert losses.cosine_similarity_loss(mx.zeros((1, 3)), mx.zeros((1, 3))).tolist() == [0]


def test_the_gradient_of_cross_entropy_is_softmax_minus_target():
    gradient = mx.grad(lambda x: losses.cross_entropy(x, mx.array(CLASSES), reduction="sum"))(array(X))
    np.testing.assert_allclose(np.array(gradient), P - np.eye(4)[CLASSES], atol=1e-5)


def test_the_gradient_of_cross_entropy_by_the_target_probabilities():
    gradient = mx.grad(lambda q: losses.cross_entropy(mx.array(X), q).sum())(mx.array(Q))
    assert np.allclose(np.array(gradient), -log_softmax(X), rtol=1e-5, atol=1e-5)
