"""Attention with several heads, and the layers and stacks of the transformer (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx.nn.layers.activations import relu
from mlx.nn.layers.base import Module
from mlx.nn.layers.dropout import Dropout
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.normalization import LayerNorm
from mlx.nn.utils import checkpoint as checkpointed


class MultiHeadAttention(Module):
    """softmax(Q K^T / sqrt(dims / num_heads) + mask) V in each head, with Q, K, V and the joined heads each
    projected by a :class:`Linear`.

    Args:
        dims: Of Q and K, all heads together; a multiple of ``num_heads``, else ValueError.
        num_heads: H.
        query_input_dims: Of the queries. Default: ``dims``.
        key_input_dims: Of the keys. Default: ``dims``.
        value_input_dims: Of the values. Default: that of the keys.
        value_dims: Of V, all heads together; a multiple of ``num_heads`` too. Default: ``dims``.
        value_output_dims: Of the result. Default: ``dims``.
        bias: Whether the projections have biases.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        query_input_dims: int | None = None,
        key_input_dims: int | None = None,
        value_input_dims: int | None = None,
        value_dims: int | None = None,
        value_output_dims: int | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        key_input_dims = key_input_dims or dims
        value_dims = value_dims or dims
        if dims % num_heads != 0 or value_dims % num_heads != 0:
            raise ValueError(
                f"[MultiHeadAttention] expected dims and value_dims that {num_heads} heads divide, "
                f"got {dims} and {value_dims}"
            )
        self.num_heads = num_heads
        self.query_proj = Linear(query_input_dims or dims, dims, bias=bias)
        self.key_proj = Linear(key_input_dims, dims, bias=bias)
        self.value_proj = Linear(value_input_dims or key_input_dims, value_dims, bias=bias)
        self.out_proj = Linear(value_dims, value_output_dims or dims, bias=bias)

    def _heads(self, x: mx.array) -> mx.array:
        """(B, L, H D) -> (B, H, L, D)"""
        return mx.unflatten(x, -1, (self.num_heads, -1)).swapaxes(1, 2)

    def __call__(
        self, queries: mx.array, keys: mx.array, values: mx.array, mask: mx.array | str | None = None
    ) -> mx.array:
        """Attention of queries (B, T, query_input_dims) to keys (B, S, key_input_dims) and values
        (B, S, value_input_dims): (B, T, value_output_dims).

        Args:
            queries, keys, values: See above; ValueError for other dimensions.
            mask: Broadcasts to (B, H, T, S): added to the scores, or bool, True where they count; or
                "causal".
        """
        for what, x in ("queries", queries), ("keys", keys), ("values", values):
            if x.ndim != 3:
                raise ValueError(
                    f"[MultiHeadAttention] expected {what} of 3 dimensions, (B, L, features), "
                    f"got shape {x.shape}"
                )
        q = self._heads(self.query_proj(queries))
        k = self._heads(self.key_proj(keys))
        v = self._heads(self.value_proj(values))
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=1 / math.sqrt(q.shape[-1]), mask=mask)
        return self.out_proj(y.swapaxes(1, 2).flatten(-2))

    @staticmethod
    def create_additive_causal_mask(N: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """A mask (N, N): the dtype's least number where a key comes after the query, else 0."""
        places = mx.arange(N)
        future = mx.expand_dims(places, 1) < places
        return mx.where(future, mx.array(mx.finfo(dtype).min, dtype), mx.array(0, dtype))


class _TransformerLayer(Module):
    """What encoder and decoder layers share: the residual connections, and the network of each position.

    Each part f of a layer is followed by dropout, and is x + f(norm(x)) if ``norm_first`` (Xiong et al.,
    2020), else norm(x + f(x)).
    """

    def _residual(self, x: mx.array, norm: LayerNorm, part: Callable[[mx.array], mx.array]) -> mx.array:
        return x + part(norm(x)) if self.norm_first else norm(x + part(x))

    def _network(self, dropout: Dropout) -> Callable[[mx.array], mx.array]:
        """y = W_2 dropout(f(W_1 x + b_1)) + b_2"""
        return lambda x: self.linear2(dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_TransformerLayer):
    """Attention of a sequence to itself, then a network of each position.

    Args:
        dims: Of x.
        num_heads: Of the attention.
        mlp_dims: Of the network's hidden layer. Default: 4 ``dims``.
        dropout: The probability, in training, that an element is dropped.
        activation: Of the network.
        norm_first: Normalise what goes into each part, instead of what comes out.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or 4 * dims
        self.attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def __call__(self, x: mx.array, mask: mx.array | str | None) -> mx.array:
        """x (B, T, dims), of its shape; ``mask`` as that of :class:`MultiHeadAttention`."""
        x = self._residual(x, self.ln1, lambda x: self.dropout1(self.attention(x, x, x, mask)))
        return self._residual(x, self.ln2, self._network(self.dropout2))


class TransformerDecoderLayer(_TransformerLayer):
    """Attention of a sequence to itself, then to another one, the memory, then a network of each position.

    The arguments are those of :class:`TransformerEncoderLayer`.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = relu,
        norm_first: bool = True,
    ) -> None:
        super().__init__()
        mlp_dims = mlp_dims or 4 * dims
        self.self_attention = MultiHeadAttention(dims, num_heads)
        self.cross_attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.ln3 = LayerNorm(dims)
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation
        self.norm_first = norm_first

    def __call__(
        self,
        x: mx.array,
        memory: mx.array,
        x_mask: mx.array | str | None,
        memory_mask: mx.array | str | None,
    ) -> mx.array:
        """x (B, T, dims), of its shape, with memory (B, S, dims); a mask for each attention."""
        x = self._residual(x, self.ln1, lambda x: self.dropout1(self.self_attention(x, x, x, x_mask)))
        x = self._residual(
            x, self.ln2, lambda x: self.dropout2(self.cross_attention(x, memory, memory, memory_mask))
        )
        return self._residual(x, self.ln3, self._network(self.dropout3))


class _Stack(Module):
    """Layers one after the other, then a :class:`LayerNorm`."""

    def __init__(self, layers: list[Module], dims: int, checkpoint: bool) -> None:
        super().__init__()
        self.layers = layers
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def _run(self, x: mx.array, *rest: Any) -> mx.array:
        for layer in self.layers:
            x = (checkpointed(layer) if self.checkpoint else layer)(x, *rest)
        return self.ln(x)


class TransformerEncoder(_Stack):
    """``num_layers`` :class:`TransformerEncoderLayer`, whose arguments follow, and a last normalisation.

    ``checkpoint`` keeps no intermediate arrays of the layers for the gradient, but computes them again.
    """

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        layers = [
            TransformerEncoderLayer(dims, num_heads, mlp_dims, dropout, activation, norm_first)
            for _ in range(num_layers)
        ]
        super().__init__(layers, dims, checkpoint)

    def __call__(self, x: mx.array, mask: mx.array | str | None) -> mx.array:
        """x (B, T, dims), of its shape."""
        return self._run(x, mask)


class TransformerDecoder(_Stack):
    """``num_layers`` :class:`TransformerDecoderLayer`, whose arguments follow, and a last normalisation.

    ``checkpoint`` keeps no intermediate arrays of the layers for the gradient, but computes them again.
    """

    def __init__(
        self,
        num_layers: int,
        dims: int,
        num_heads: int,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = relu,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        layers = [
            TransformerDecoderLayer(dims, num_heads, mlp_dims, dropout, activation, norm_first)
            for _ in range(num_layers)
        ]
        super().__init__(layers, dims, checkpoint)

    def __call__(
        self,
        x: mx.array,
        memory: mx.array,
        x_mask: mx.array | str | None,
        memory_mask: mx.array | str | None,
    ) -> mx.array:
        """x (B, T, dims), of its shape, with memory (B, S, dims)."""
        return self._run(x, memory, x_mask, memory_mask)


class Transformer(Module):
    """An encoder of one sequence, and a decoder of another that attends to what the encoder gives.

    Args:
        dims: Of both sequences.
        num_heads: Of every attention.
        num_encoder_layers: Of the encoder.
        num_decoder_layers: Of the decoder.
        mlp_dims, dropout, activation, norm_first: See :class:`TransformerEncoderLayer`.
        custom_encoder: Instead of the encoder: a module of a sequence and a mask.
        custom_decoder: Instead of the decoder: a module of a sequence, the memory, and a mask for each.
        checkpoint: See :class:`TransformerEncoder`.
    """

    def __init__(
        self,
        dims: int = 512,
        num_heads: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        mlp_dims: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        norm_first: bool = True,
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        options = (dims, num_heads, mlp_dims, dropout, activation, norm_first, checkpoint)
        if custom_encoder is None:
            custom_encoder = TransformerEncoder(num_encoder_layers, *options)
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(num_decoder_layers, *options)
        self.encoder = custom_encoder
        self.decoder = custom_decoder

    def __call__(
        self,
        src: mx.array,
        tgt: mx.array,
        src_mask: mx.array | str | None,
        tgt_mask: mx.array | str | None,
        memory_mask: mx.array | str | None,
    ) -> mx.array:
        """src (B, S, dims) and tgt (B, T, dims) -> (B, T, dims)."""
        return self.decoder(tgt, self.encoder(src, src_mask), tgt_mask, memory_mask)
