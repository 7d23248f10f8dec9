import mlx.core as mx
from mlx.nn.layers.base import Module


class RoPE(Module):
    """Rotary position embedding (Su et al., 2021) of the first ``dims`` features of x (..., T, D).

    Args:
        dims: Features that turn; even.
        traditional: Pairs are neighbours; else the first half pairs with the second.
        base: Of the geometric series of frequencies.
        scale: Of positions.
    """

    def __init__(self, dims: int, traditional: bool = False, base: float = 10000, scale: float = 1.0) -> None:
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self.base = base
        self.scale = scale

    def _extra_repr(self) -> str:
        return f"{self.dims}, traditional={self.traditional}"

    def __call__(self, x: mx.array, offset: int = 0) -> mx.array:
        """x (..., T, D); ``offset`` is the position of the first row."""
        return mx.fast.rope(
            x, self.dims, traditional=self.traditional, base=self.base, scale=self.scale, offset=offset
        )
