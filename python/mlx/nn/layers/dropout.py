"""Dropout: parts of x become 0 at random in training, and the others larger, so that the mean stays."""

from __future__ import annotations

import mlx.core as mx
from mlx.nn.layers.base import Module


class _Dropout(Module):
    """What the layers share: the probability, and how x is thinned out."""

    def __init__(self, p: float) -> None:
        super().__init__()
        if p < 0 or p >= 1:
            raise ValueError(f"[{type(self).__name__}] expected a probability in [0, 1), got {p}")
        self._keep = 1 - p

    def _extra_repr(self) -> str:
        return f"p={1 - self._keep}"

    def _drop(self, x: mx.array, shape: tuple[int, ...]) -> mx.array:
        """x / (1 - p) where a mask of that shape, which broadcasts to x, has 1; else 0."""
        if self._keep == 1 or not self.training:
            return x
        return mx.random.bernoulli(self._keep, shape) * ((1 / self._keep) * x)

    def _expect(self, x: mx.array, least: int, forms: str) -> None:
        if x.ndim not in (least, least + 1):
            raise ValueError(f"[{type(self).__name__}] expected x {forms}, got shape {x.shape}")


class Dropout(_Dropout):
    """In training, zeroes each element with probability ``p`` and scales the rest by 1 / (1 - p) (Srivastava
    et al., 2014).

    ValueError unless 0 <= p < 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def __call__(self, x: mx.array) -> mx.array:
        return self._drop(x, x.shape)


class Dropout2d(_Dropout):
    """As :class:`Dropout`, but zeroes whole channels (Tompson et al., 2014), as neighbours in a picture say
    much the same.

    x is (N, H, W, C) or (H, W, C), else ValueError.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def __call__(self, x: mx.array) -> mx.array:
        self._expect(x, 3, "(N, H, W, C) or (H, W, C)")
        return self._drop(x, (*x.shape[:-3], 1, 1, x.shape[-1]))


class Dropout3d(_Dropout):
    """As :class:`Dropout2d` for volumes: x is (N, D, H, W, C) or (D, H, W, C), else ValueError."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)

    def __call__(self, x: mx.array) -> mx.array:
        self._expect(x, 4, "(N, D, H, W, C) or (D, H, W, C)")
        return self._drop(x, (*x.shape[:-4], 1, 1, 1, x.shape[-1]))
