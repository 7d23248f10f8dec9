"""Encodings of positions: what attention knows of the order of a sequence."""

from __future__ import annotations

import math

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


class SinusoidalPositionalEncoding(Module):
    """scale [sin(w_0 p), ..., sin(w_k p), cos(w_0 p), ..., cos(w_k p)] of positions p (Vaswani et al., 2017),
    with dims / 2 frequencies w in a geometric series from ``max_freq`` down to ``min_freq``.

    Args:
        dims: Of the encoding; positive and even, else ValueError.
        min_freq: The lowest frequency.
        max_freq: The highest frequency.
        scale: Default: sqrt(2 / dims), for encodings of length 1.
        cos_first: The cosines come first.
        full_turns: Frequencies count turns, 2 pi each, instead of radians.
    """

    def __init__(
        self,
        dims: int,
        min_freq: float = 0.0001,
        max_freq: float = 1,
        scale: float | None = None,
        cos_first: bool = False,
        full_turns: bool = False,
    ) -> None:
        super().__init__()
        if dims <= 0 or dims % 2 != 0:
            raise ValueError(
                f"[SinusoidalPositionalEncoding] expected a positive even number of dims, got {dims}"
            )
        frequencies = mx.exp(mx.linspace(math.log(max_freq), math.log(min_freq), dims // 2))
        self._frequencies = 2 * math.pi * frequencies if full_turns else frequencies
        self.scale = math.sqrt(2 / dims) if scale is None else scale
        self.cos_first = cos_first

    def __call__(self, x: mx.array) -> mx.array:
        """Positions x (...) -> their encodings (..., dims), float32 or wider."""
        angles = mx.expand_dims(x, -1) * self._frequencies
        sine, cosine = mx.sin(angles), mx.cos(angles)
        y = mx.concatenate([cosine, sine] if self.cos_first else [sine, cosine], axis=-1)
        return y if self.scale == 1 else y * self.scale


class ALiBi(Module):
    """Attention with linear biases (Press et al., 2021): the score of query i and key j falls by a slope
    times |i - j|, each head with a slope of its own.
    """

    @staticmethod
    def create_alibi_slope(num_heads: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """The slopes, (num_heads, 1, 1): 2^(-8 / n), 2^(-16 / n), ... 2^-8 for a power of two n; for another
        number of heads those of the power of two below, and every second one of twice that power.
        """
        below = 2 ** int(math.log2(num_heads))
        exponents = [8 * (head + 1) / below for head in range(below)]
        exponents += [8 * (2 * head + 1) / (2 * below) for head in range(num_heads - below)]
        return mx.array([2**-exponent for exponent in exponents], dtype).reshape(num_heads, 1, 1)

    @staticmethod
    def create_alibi_matrix(
        q_sequence_length: int,
        k_sequence_length: int,
        num_heads: int,
        offset: int = 0,
        dtype: mx.Dtype = mx.float32,
    ) -> mx.array:
        """The biases -slope |i - j| of queries i = offset ... q_sequence_length - 1 and keys j = 0 ...
        k_sequence_length - 1: (1, num_heads, q_sequence_length - offset, k_sequence_length).
        """
        queries = mx.arange(offset, max(offset, q_sequence_length))
        distance = mx.abs(mx.expand_dims(queries, 1) - mx.arange(k_sequence_length))
        return -(distance.astype(dtype) * ALiBi.create_alibi_slope(num_heads, dtype))[None]

    def __call__(self, attention_scores: mx.array, offset: int = 0, mask: mx.array | None = None) -> mx.array:
        """Scores (B, H, T, S) with the biases added, and the additive ``mask`` if there is one; ``offset`` is
        the position of the first query. ValueError for scores of other dimensions.
        """
        if attention_scores.ndim != 4:
            raise ValueError(f"[ALiBi] expected scores (B, H, T, S), got shape {attention_scores.shape}")
        _, heads, queries, keys = attention_scores.shape
        biases = self.create_alibi_matrix(queries + offset, keys, heads, offset, attention_scores.dtype)
        return attention_scores + (biases if mask is None else biases + mask)
