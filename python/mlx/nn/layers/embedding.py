from __future__ import annotations

import math

import mlx.core as mx
from mlx.nn.layers.base import Module


class Embedding(Module):
    """A table of vectors, looked up by integer ids: ids (...) -> (..., dims). ``weight`` is (num_embeddings, dims)."""

    def __init__(self, num_embeddings: int, dims: int):
        super().__init__()
        self.weight = mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims))

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x):
        return self.weight[x]

    def as_linear(self, x):
        """x (..., dims) times the transposed table: the output layer of models that tie the two."""
        return x @ self.weight.T

    def to_quantized(self, group_size: int | None = None, bits: int | None = None, mode: str = "affine", **_):
        """The same table in a :class:`QuantizedEmbedding`."""
        from mlx.nn.layers.quantized import QuantizedEmbedding

        return QuantizedEmbedding.from_embedding(self, group_size, bits, mode)
