"""Losses. ``reduction`` says what becomes of each element's or row's: "none", their "mean" or "sum"."""

from __future__ import annotations

import math
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


def _expect_shape(name: str, what: str, array: mx.array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"[{name}] expected {what} of shape {shape}, got {array.shape}")


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
    dtype, rows = logits.dtype, list(logits.shape)
    rows.pop(axis)
    half = dtype in (mx.float16, mx.bfloat16)
    if half:  # computed in float32, and rounded once
        logits = logits.astype(mx.float32)
    if targets.ndim == logits.ndim:
        _expect_shape("cross_entropy", "target probabilities", targets, logits.shape)
        dtype = mx.result_type(dtype, targets)
        score = mx.sum(logits * targets, axis=axis)
    else:
        _expect_shape("cross_entropy", "target classes", targets, tuple(rows))
        score = mx.take_along_axis(logits, mx.expand_dims(targets, axis), axis).squeeze(axis)
    if label_smoothing > 0:
        score = (1 - label_smoothing) * score + label_smoothing * mx.mean(logits, axis=axis)
    loss = mx.logsumexp(logits, axis=axis) - score
    if half:
        loss = loss.astype(dtype)
    if weights is not None:
        _expect_shape("cross_entropy", "weights", weights, loss.shape)
        loss = loss * weights
    return _reduce(loss, reduction)


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
        loss = mx.logaddexp(0.0, inputs) - inputs * targets
    else:
        log_p = mx.maximum(mx.log(inputs), -100)
        log_not_p = mx.maximum(mx.log(1 - inputs), -100)
        loss = -(targets * log_p + (1 - targets) * log_not_p)
    if weights is not None:
        _expect_shape("binary_cross_entropy", "weights", weights, loss.shape)
        loss = loss * weights
    return _reduce(loss, reduction)


def l1_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """|predictions - targets|; ValueError unless the shapes are the same."""
    _expect_shape("l1_loss", "targets", targets, predictions.shape)
    return _reduce(mx.abs(predictions - targets), reduction)


def mse_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """(predictions - targets)^2; ValueError unless the shapes are the same."""
    _expect_shape("mse_loss", "targets", targets, predictions.shape)
    return _reduce(mx.square(predictions - targets), reduction)


def nll_loss(inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none") -> mx.array:
    """-inputs at the class ``targets``: ``inputs`` are log-probabilities, with classes along ``axis``.

    ``targets`` has the shape of ``inputs`` without ``axis``.
    """
    loss = -mx.take_along_axis(inputs, mx.expand_dims(targets, axis), axis).squeeze(axis)
    return _reduce(loss, reduction)


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
    loss = 0.5 * (mx.log(variance) + mx.square(targets - inputs) / variance)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


def kl_div_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    """sum along ``axis`` of exp(targets) (targets - inputs): the divergence of Kullback and Leibler.

    Both are log-probabilities.
    """
    return _reduce(mx.sum(mx.exp(targets) * (targets - inputs), axis), reduction)


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
    parabola = 0.5 * mx.square(distance) / beta
    return _reduce(mx.where(distance < beta, parabola, distance - 0.5 * beta), reduction)


def huber_loss(
    inputs: mx.array, targets: mx.array, delta: float = 1.0, reduction: Reduction = "none"
) -> mx.array:
    """d^2 / 2 where d = |inputs - targets| <= delta, else delta (d - delta / 2) (Huber, 1964)."""
    distance = mx.abs(inputs - targets)
    line = delta * (distance - 0.5 * delta)
    return _reduce(mx.where(distance <= delta, 0.5 * mx.square(distance), line), reduction)


def log_cosh_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """log(cosh(inputs - targets)), without overflow"""
    error = inputs - targets
    return _reduce(mx.logaddexp(error, -error) - math.log(2), reduction)


def hinge_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """max(1 - inputs targets, 0), for targets of 1 and -1"""
    return _reduce(mx.maximum(1 - inputs * targets, 0), reduction)


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


def cosine_similarity_loss(
    x1: mx.array, x2: mx.array, axis: int = 1, eps: float = 1e-8, reduction: Reduction = "none"
) -> mx.array:
    """x1 . x2 / max(|x1| |x2|, eps) along ``axis``; eps keeps zero vectors from dividing by zero."""
    lengths = mx.sqrt(mx.sum(mx.square(x1), axis)) * mx.sqrt(mx.sum(mx.square(x2), axis))
    return _reduce(mx.sum(x1 * x2, axis) / mx.maximum(lengths, eps), reduction)


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
        return (mx.sum(mx.abs(a - b) ** p, axis) + eps) ** (1 / p)

    return _reduce(
        mx.maximum(distance(anchors, positives) - distance(anchors, negatives) + margin, 0), reduction
    )
