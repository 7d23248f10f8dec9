import mlx.core as mx
from mlx.nn.layers.base import Module


class Dropout(Module):
    """In training, zeroes each element with probability ``p`` and scales the rest by 1 / (1 - p) (Srivastava
    et al., 2014).

    ValueError unless 0 <= p < 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if p < 0 or p >= 1:
            raise ValueError(f"[Dropout] expected a probability in [0, 1), got {p}")
        self._keep = 1 - p

    def _extra_repr(self) -> str:
        return f"p={1 - self._keep}"

    def __call__(self, x: mx.array) -> mx.array:
        if self._keep == 1 or not self.training:
            return x
        return mx.random.bernoulli(self._keep, x.shape) * ((1 / self._keep) * x)
