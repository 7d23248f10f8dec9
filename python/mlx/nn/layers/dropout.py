import mlx.core as mx
from mlx.nn.layers.base import Module


class Dropout(Module):
    """In training, zeroes each element with probability ``p`` and scales the rest by 1 / (1 - p)."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        if p < 0 or p >= 1:
            raise ValueError(f"The dropout probability {p} is not in [0, 1)")
        self._keep = 1 - p

    def _extra_repr(self):
        return f"p={1 - self._keep}"

    def __call__(self, x):
        if self._keep == 1 or not self.training:
            return x
        return mx.random.bernoulli(self._keep, x.shape) * ((1 / self._keep) * x)
