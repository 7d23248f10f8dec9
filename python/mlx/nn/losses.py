"""Losses. ``reduction`` says what becomes of each element's or row's: "none", their "mean" or "sum".

Losses of halves are computed and reduced in float32, and rounded once: squares, sums and products of large
halves overflow, and those of small ones vanish.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Literal

import mlx.core as mx

Reduction = Literal["none", "mean", "sum"]

__all__ = [
    "binary_cross_entropy", "cosine_similarity_loss", "cross_entropy", "gaussian_nll_loss", "hinge_loss",
    "huber_loss", "kl_div_loss", "l1_loss", "log_cosh_loss", "margin_ranking_loss", "mse_loss",
    "nll_loss", "smooth_l1_loss", "triplet_loss",
]  # fmt: skip


def _reduce(loss: mx.array, reduction: str) -> mx.array:
    if reduction == "none":
        return loss
    if reduction == "mean":
        return mx.mean(loss)
    if reduction == "sum":
        return mx.sum(loss)
    raise ValueError(f"expected reduction to be 'none', 'mean' or 'sum', got {reduction!r}")


_HALVES = (mx.float16, mx.bfloat16)


def _rounded_once(loss: Callable[..., mx.array]) -> Callable[..., mx.array]:
    """The loss of arrays that are halves: of the same in float32, in the dtype that they have in common."""

    def wide(value):
        return value.astype(mx.float32) if isinstance(value, mx.array) and value.dtype in _HALVES else value

    @functools.wraps(loss)
    def wrapped(*args, **kwargs):
        dtypes = [a.dtype for a in (*args, *kwargs.values()) if isinstance(a, mx.array)]
        if not any(dtype in _HALVES for dtype in dtypes):
            return loss(*args, **kwargs)
        result = loss(*map(wide, args), **{name: wide(value) for name, value in kwargs.items()})
        common = functools.reduce(mx.result_type, dtypes)
        return result.astype(common) if common in _HALVES else result

    return wrapped


def _expect_shape(name: str, what: str, array: mx.array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"[{name}] expected {what} of shape {shape}, got {array.shape}")


@_rounded_once
def cross_entropy(
    logits: mx.array,
    targets: mx.array,
    weights: mx.array | None = None,
    axis: int = -1,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    """-sum_c q_c log softmax(logits)_c, for classes c along ``axis``.

    Args:
        logits: Unnormalised log-probabilities.
        targets: Class numbers, of the shape of ``logits`` without ``axis``, or probabilities q of its whole
            shape.
        weights: Factors of the losses, of their shape. Default: none.
        axis: Of the classes.
        label_smoothing: The share s, 0 <= s < 1, of q that is spread evenly over the classes (Szegedy et al.,
            2015).
        reduction: See the module.

    Raises:
        ValueError: A shape that does not fit, a share outside [0, 1), another reduction.
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"[cross_entropy] expected label_smoothing in [0, 1), got {label_smoothing}")
    rows = list(logits.shape)
    rows.pop(axis)
    largest = mx.stop_gradient(mx.max(logits, axis=axis, keepdims=True))  # less it, the sum keeps its digits
    normalizer = mx.log(mx.sum(mx.exp(logits - largest), axis=axis))
    if targets.ndim == logits.ndim:
        _expect_shape("cross_entropy", "target probabilities", targets, logits.shape)
        score = mx.sum((logits - largest) * targets, axis=axis)
        loss = normalizer * mx.sum(targets, axis=axis) - score
    else:
        _expect_shape("cross_entropy", "target classes", targets, tuple(rows))
        score = mx.take_along_axis(logits, mx.expand_dims(targets, axis), axis) - largest
        loss = normalizer - score.squeeze(axis)
    if label_smoothing > 0:
        even = normalizer - mx.mean(logits - largest, axis=axis)
        loss = (1 - label_smoothing) * loss + label_smoothing * even
    if weights is not None:
        _expect_shape("cross_entropy", "weights", weights, loss.shape)
        loss = loss * weights
    return _reduce(loss, reduction)


@_rounded_once
def binary_cross_entropy(
    inputs: mx.array,
    targets: mx.array,
    weights: mx.array | None = None,
    with_logits: bool = True,
    reduction: Reduction = "mean",
) -> mx.array:
    """-(t log p + (1 - t) log(1 - p)) of each element.

    Args:
        inputs: Logits, p = sigmoid(inputs); or p itself if not ``with_logits``, then with logarithms held
            above -100.
        targets: t, of the same shape.
        weights: Factors of the losses, of their shape. Default: none.
        with_logits: What ``inputs`` are.
        reduction: See the module.

    Raises:
        ValueError: A shape that does not fit, another reduction.
    """
    _expect_shape("binary_cross_entropy", "targets", targets, inputs.shape)
    if with_logits:
        negative = inputs < 0  # what remains of the logit cancels exactly where the target agrees with it
        remains = inputs * mx.where(negative, -targets, 1 - targets)
        loss = remains + mx.log1p(mx.exp(mx.where(negative, inputs, -inputs)))
    else:
        loss = -(targets * _bounded_log(inputs) + (1 - targets) * _bounded_log(1 - inputs))
    if weights is not None:
        _expect_shape("binary_cross_entropy", "weights", weights, loss.shape)
        loss = loss * weights
    return _reduce(loss, reduction)


def _bounded_log(p: mx.array) -> mx.array:
    """max(log p, -100), with gradient 0 where p is 0."""
    zero = p == 0
    return mx.where(zero, -100, mx.maximum(mx.log(mx.where(zero, 1, p)), -100))


@_rounded_once
def l1_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """|predictions - targets|; ValueError unless the shapes are the same."""
    _expect_shape("l1_loss", "targets", targets, predictions.shape)
    return _reduce(mx.abs(predictions - targets), reduction)


@_rounded_once
def mse_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """(predictions - targets)^2; ValueError unless the shapes are the same."""
    _expect_shape("mse_loss", "targets", targets, predictions.shape)
    return _reduce(mx.square(predictions - targets), reduction)


@_rounded_once
def nll_loss(inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none") -> mx.array:
    """-inputs at the class ``targets``: ``inputs`` are log-probabilities, with classes along ``axis``.

    ``targets`` has the shape of ``inputs`` without ``axis``.
    """
    loss = -mx.take_along_axis(inputs, mx.expand_dims(targets, axis), axis).squeeze(axis)
    return _reduce(loss, reduction)


@_rounded_once
def gaussian_nll_loss(
    inputs: mx.array,
    targets: mx.array,
    vars: mx.array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> mx.array:
    """(log v + (inputs - targets)^2 / v) / 2, with v = max(vars, eps) (Nix and Weigend, 1994).

    Args:
        inputs: Means.
        targets: Observed, of the same shape.
        vars: Variances, of the same shape.
        full: Add the constant log(2 pi) / 2.
        eps: The least variance.
        reduction: See the module.

    Raises:
        ValueError: A shape that does not fit, another reduction.
    """
    _expect_shape("gaussian_nll_loss", "targets", targets, inputs.shape)
    _expect_shape("gaussian_nll_loss", "vars", vars, inputs.shape)
    variance = mx.maximum(vars, eps)
    error = targets - inputs
    loss = 0.5 * (mx.log(variance) + error * (error / variance))
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


@_rounded_once
def kl_div_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    """sum along ``axis`` of exp(targets) (targets - inputs): the divergence of Kullback and Leibler.

    Both are log-probabilities.
    """
    return _reduce(mx.sum(mx.exp(targets) * (targets - inputs), axis), reduction)


@_rounded_once
def smooth_l1_loss(
    predictions: mx.array, targets: mx.array, beta: float = 1.0, reduction: Reduction = "mean"
) -> mx.array:
    """d^2 / (2 beta) where d = |predictions - targets| < beta, else d - beta / 2 (Girshick, "Fast R-CNN",
    2015).

    ValueError unless the shapes are the same.
    """
    _expect_shape("smooth_l1_loss", "targets", targets, predictions.shape)
    distance = mx.abs(predictions - targets)
    if beta == 0:  # no parabola, and none to differentiate
        return _reduce(distance, reduction)
    parabola = 0.5 / beta * mx.square(mx.minimum(distance, beta))  # constant where the line counts
    return _reduce(mx.where(distance < beta, parabola, distance - 0.5 * beta), reduction)


@_rounded_once
def huber_loss(
    inputs: mx.array, targets: mx.array, delta: float = 1.0, reduction: Reduction = "none"
) -> mx.array:
    """d^2 / 2 where d = |inputs - targets| <= delta, else delta (d - delta / 2) (Huber, 1964)."""
    distance = mx.abs(inputs - targets)
    parabola = 0.5 * mx.square(mx.minimum(distance, delta))  # constant where the line counts
    line = delta * (distance - 0.5 * delta)
    return _reduce(mx.where(distance < delta, parabola, line), reduction)


@_rounded_once
def log_cosh_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """log(cosh(inputs - targets)), without overflow; small errors keep their digits"""
    error = inputs - targets
    near = -0.5 * mx.log1p(-mx.square(mx.tanh(mx.clip(error, -1, 1))))  # 1 / cosh^2 = 1 - tanh^2
    far = mx.logaddexp(error, -error) - math.log(2)
    return _reduce(mx.where(mx.abs(error) < 1, near, far), reduction)


@_rounded_once
def hinge_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """max(1 - inputs targets, 0), for targets of 1 and -1"""
    return _reduce(mx.maximum(1 - inputs * targets, 0), reduction)


@_rounded_once
def margin_ranking_loss(
    inputs1: mx.array,
    inputs2: mx.array,
    targets: mx.array,
    margin: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    """max(margin - targets (inputs1 - inputs2), 0): a target of 1 wants ``inputs1`` higher, -1 ``inputs2``.

    ValueError unless the shapes are the same.
    """
    _expect_shape("margin_ranking_loss", "inputs2", inputs2, inputs1.shape)
    _expect_shape("margin_ranking_loss", "targets", targets, inputs1.shape)
    return _reduce(mx.maximum(0, margin - targets * (inputs1 - inputs2)), reduction)


@_rounded_once
def cosine_similarity_loss(
    x1: mx.array, x2: mx.array, axis: int = 1, eps: float = 1e-8, reduction: Reduction = "none"
) -> mx.array:
    """x1 . x2 / max(|x1| |x2|, eps) along ``axis``; eps keeps zero vectors from dividing by zero."""
    (x1, size1), (x2, size2) = _scaled(x1, axis), _scaled(x2, axis)  # squares neither overflow nor vanish
    least = mx.square(eps / size1 / size2).squeeze(axis)
    squares = mx.sum(mx.square(x1), axis) * mx.sum(mx.square(x2), axis)
    return _reduce(mx.sum(x1 * x2, axis) / mx.sqrt(mx.maximum(squares, least)), reduction)


def _scaled(x: mx.array, axis: int) -> tuple[mx.array, mx.array]:
    """x over its largest magnitude along ``axis``, and that as a constant: at least 1e-16, 1 where infinite."""
    size = mx.stop_gradient(mx.max(mx.abs(x), axis, keepdims=True))
    size = mx.where(size < math.inf, mx.maximum(size, 1e-16), 1)
    return x / size, size


@_rounded_once
def triplet_loss(
    anchors: mx.array,
    positives: mx.array,
    negatives: mx.array,
    axis: int = -1,
    p: int = 2,
    margin: float = 1.0,
    eps: float = 1e-6,
    reduction: Reduction = "none",
) -> mx.array:
    """max(d(anchors, positives) - d(anchors, negatives) + margin, 0) (Schroff et al., "FaceNet", 2015).

    d(a, b) = (sum along ``axis`` of |a - b|^p + eps)^(1/p); ``eps`` keeps its gradient finite where a = b.
    """

    def distance(a: mx.array, b: mx.array) -> mx.array:
        difference = mx.abs(a - b)
        size = mx.stop_gradient(mx.max(difference, axis, keepdims=True))
        size = mx.where((size > 1) & (size < math.inf), size, 1)  # so that the powers stay finite
        total = mx.sum((difference / size) ** p, axis) + eps / size.squeeze(axis) ** p
        return size.squeeze(axis) * total ** (1 / p)

    return _reduce(
        mx.maximum(distance(anchors, positives) - distance(anchors, negatives) + margin, 0), reduction
    )
