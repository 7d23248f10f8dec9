from __future__ import annotations

import math

import mlx.core as mx
from mlx.nn.layers.base import Module


class Embedding(Module):
    """A table of vectors, looked up by integer ids: ids (...) -> (..., dims). ``weight`` is (num_embeddings,
    dims), normal with variance 1 / dims at first.
    """

    def __init__(self, num_embeddings: int, dims: int) -> None:
        super().__init__()
        self.weight = mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims))

    def _extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x: mx.array) -> mx.array:
        return self.weight[x]

    def as_linear(self, x: mx.array) -> mx.array:
        """x (..., dims) times the transposed table: the output layer of models that tie the two."""
        return x @ self.weight.T

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> Module:
        """The same table in a :class:`QuantizedEmbedding`. ValueError for ``quantize_input``: ids are not
        quantised.
        """
        if quantize_input:
            raise ValueError("[Embedding] expected quantize_input to be False: ids are not quantised")
        from mlx.nn.layers.quantized import QuantizedEmbedding

        return QuantizedEmbedding.from_embedding(self, group_size, bits, mode)
