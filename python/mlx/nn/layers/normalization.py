"""Normalisations: x with mean 0 and variance 1 over some axes, then scaled and moved channel by channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module


def _wide(x: mx.array) -> mx.array:
    """x for statistics: halves in float32, so that squares neither overflow nor vanish."""
    return x.astype(mx.float32) if x.dtype in (mx.float16, mx.bfloat16) else x


def _normalize(x: mx.array, mean: mx.array, variance: mx.array, eps: float) -> mx.array:
    """(x - mean) / sqrt(variance + eps), in x's dtype if that is floating."""
    y = (_wide(x) - mean) * mx.rsqrt(variance + eps)
    return y.astype(x.dtype) if mx.issubdtype(x.dtype, mx.floating) else y


class RMSNorm(Module):
    """y = x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich, 2019).

    ``weight`` (dims) is 1 at first.
    """

    def __init__(self, dims: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = mx.ones((dims,))
        self.eps = eps

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.rms_norm(x, self["weight"], self.eps)


class LayerNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over the last axis of size ``dims`` (Ba et al., 2016).

    ``affine`` gives the layer a weight, and a bias unless ``bias`` is false.
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = True, bias: bool = True) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            if bias:
                self.bias = mx.zeros((dims,))
        self.eps = eps
        self.dims = dims

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.layer_norm(x, self.get("weight"), self.get("bias"), self.eps)


class InstanceNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over the spatial axes of x (N, ..., C), for each item
    and channel (Ulyanov et al., 2016).

    Args:
        dims: C, the channels.
        eps: Keeps the quotient finite.
        affine: Whether there are ``weight`` (dims), 1 at first, and ``bias`` (dims), 0 at first.
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            self.bias = mx.zeros((dims,))
        self.dims = dims
        self.eps = eps

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        """x (N, ..., C), of its shape and dtype; ValueError without spatial axes."""
        if x.ndim < 3:
            raise ValueError(f"[InstanceNorm] expected x (N, ..., C), got shape {x.shape}")
        wide, axes = _wide(x), tuple(range(1, x.ndim - 1))
        mean, variance = mx.mean(wide, axes, keepdims=True), mx.var(wide, axes, keepdims=True)
        x = _normalize(x, mean, variance, self.eps)
        return x * self.weight + self.bias if "weight" in self else x


class GroupNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the spatial axes and one group of channels of
    x (N, ..., C) at a time (Wu and He, 2018).

    Args:
        num_groups: G, of the groups; it divides ``dims``, else ValueError.
        dims: C, the channels.
        eps: Keeps the quotient finite.
        affine: Whether there are ``weight`` (dims), 1 at first, and ``bias`` (dims), 0 at first.
        pytorch_compatible: Channels that follow each other are a group. Otherwise those are whose numbers are
            equal modulo G.
    """

    def __init__(
        self,
        num_groups: int,
        dims: int,
        eps: float = 1e-5,
        affine: bool = True,
        pytorch_compatible: bool = False,
    ) -> None:
        super().__init__()
        if num_groups < 1 or dims % num_groups != 0:
            raise ValueError(
                f"[GroupNorm] expected a number of groups that divides {dims} channels, got {num_groups}"
            )
        if affine:
            self.bias = mx.zeros((dims,))
            self.weight = mx.ones((dims,))
        self.num_groups = num_groups
        self.dims = dims
        self.eps = eps
        self.pytorch_compatible = pytorch_compatible

    def _extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.dims}, eps={self.eps}, affine={'weight' in self}, "
            f"pytorch_compatible={self.pytorch_compatible}"
        )

    def _over_groups(self, statistic: mx.array, reduce: Callable) -> mx.array:
        """(N, 1, C) -> (N, 1, C): a statistic of each channel, reduced to one of its group."""
        members = self.dims // self.num_groups
        groups = (self.num_groups, members) if self.pytorch_compatible else (members, self.num_groups)
        grouped = statistic.reshape(-1, 1, *groups)
        reduced = reduce(grouped, 3 if self.pytorch_compatible else 2, keepdims=True)
        return mx.broadcast_to(reduced, grouped.shape).reshape(statistic.shape)

    def __call__(self, x: mx.array) -> mx.array:
        """x (N, ..., C), of its shape and dtype."""
        if x.ndim < 2 or x.shape[-1] != self.dims:
            raise ValueError(f"[GroupNorm] expected x (N, ..., {self.dims}), got shape {x.shape}")
        flat = x.reshape(x.shape[0], math.prod(x.shape[1:-1]), self.dims)
        mean, variance = mx.mean(_wide(flat), 1, keepdims=True), mx.var(_wide(flat), 1, keepdims=True)
        # the variance of a group is the mean of its channels' plus the variance of their means
        variance = self._over_groups(variance, mx.mean) + self._over_groups(mean, mx.var)
        mean = self._over_groups(mean, mx.mean)
        x = _normalize(flat, mean, variance, self.eps).reshape(x.shape)
        return x * self.weight + self.bias if "weight" in self else x


class BatchNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel, over all other axes of the batch
    (Ioffe and Szegedy, 2015).

    Outside training the mean and variance are running means of those seen in training, which move by
    running = (1 - momentum) running + momentum seen; the variance seen is that of the population, with n - 1.

    Args:
        num_features: C, the channels.
        eps: Keeps the quotient finite.
        momentum: See above.
        affine: Whether there are ``weight`` (C), 1 at first, and ``bias`` (C), 0 at first.
        track_running_stats: Whether there are ``running_mean`` (C), 0 at first, and ``running_var`` (C), 1 at
            first, which never train. Without them the batch's own count outside training too.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = mx.ones((num_features,))
            self.bias = mx.zeros((num_features,))
        if track_running_stats:
            self.running_mean = mx.zeros((num_features,))
            self.running_var = mx.ones((num_features,))
            self._freeze_running()

    def _freeze_running(self) -> None:
        self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def unfreeze(self, *args: Any, **kwargs: Any) -> Module:
        """As :meth:`Module.unfreeze`, but the running mean and variance stay frozen."""
        super().unfreeze(*args, **kwargs)
        self._freeze_running()
        return self

    def _extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={'weight' in self}, track_running_stats={self.track_running_stats}"
        )

    def _track(self, mean: mx.array, variance: mx.array, n: int) -> None:
        """Moves the running mean and variance towards those of a batch with n values a channel."""
        for name, seen in ("running_mean", mean), ("running_var", variance * (n / (n - 1))):
            moved = (1 - self.momentum) * self[name] + self.momentum * seen
            self[name] = moved.astype(self[name].dtype)

    def __call__(self, x: mx.array) -> mx.array:
        """x (N, C), (N, L, C) or (N, H, W, C), of its shape; ValueError for other shapes, and in training for
        one value a channel.
        """
        if not 2 <= x.ndim <= 4 or x.shape[-1] != self.num_features:
            raise ValueError(
                f"[BatchNorm] expected x (N, C), (N, L, C) or (N, H, W, C) with C = {self.num_features}, "
                f"got shape {x.shape}"
            )
        n = math.prod(x.shape[:-1])
        if self.training and n <= 1:
            raise ValueError(f"[BatchNorm] expected more than one value a channel in training, got {n}")
        if self.training or not self.track_running_stats:
            axes = tuple(range(x.ndim - 1))
            mean, variance = mx.mean(_wide(x), axes), mx.var(_wide(x), axes)
        else:
            mean, variance = self.running_mean, self.running_var
        if self.training and self.track_running_stats:
            self._track(mean, variance, n)
        x = _normalize(x, mean, variance, self.eps)
        return x * self.weight + self.bias if "weight" in self else x
