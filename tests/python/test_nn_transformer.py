"""Attention, transformers and encodings of positions against NumPy."""

import math

import mlx.core as mx
import numpy as np
import pytest
from layers import check, close, fill, linear, names, numbers, parameters, random
from mlx import nn
from mlx.utils import tree_flatten

X, M = random(2, 5, 8), random(2, 3, 8, seed=1)
CAUSAL = np.where(np.arange(5)[:, None] < np.arange(5), -1e9, 0)


def part(p, name):
    """The parameters below a name."""
    return {key.removeprefix(name + "."): value for key, value in p.items() if key.startswith(name + ".")}


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(p, queries, keys, values, heads=2, mask=0):
    q, k, v = linear(p, "query_proj", queries), linear(p, "key_proj", keys), linear(p, "value_proj", values)
    q, k, v = (np.stack(np.split(a, heads, -1), 1) for a in (q, k, v))
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]) + mask
    return linear(p, "out_proj", np.concatenate(list((softmax(scores) @ v).swapaxes(0, 1)), -1))


def norm(p, name, x):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return y * p[name + ".weight"] + p[name + ".bias"]


def residual(p, name, x, f, norm_first):
    return x + f(norm(p, name, x)) if norm_first else norm(p, name, x + f(x))


def network(p, x):
    return linear(p, "linear2", np.maximum(linear(p, "linear1", x), 0))


def encoder_layer(p, x, mask=0, norm_first=True):
    a = part(p, "attention")
    x = residual(p, "ln1", x, lambda x: attention(a, x, x, x, mask=mask), norm_first)
    return residual(p, "ln2", x, lambda x: network(p, x), norm_first)


def decoder_layer(p, x, memory, mask=0, norm_first=True):
    own, cross = part(p, "self_attention"), part(p, "cross_attention")
    x = residual(p, "ln1", x, lambda x: attention(own, x, x, x, mask=mask), norm_first)
    x = residual(p, "ln2", x, lambda x: attention(cross, x, memory, memory), norm_first)
    return residual(p, "ln3", x, lambda x: network(p, x), norm_first)


class Fixed(nn.Module):
    """A layer with its last arguments."""

    def __init__(self, layer, *rest):
        super().__init__()
        self._layer, self._rest = [layer], [*rest]

    def parameters(self):
        return self._layer[0].parameters()

    trainable_parameters = parameters

    def update(self, tree, strict=True):
        self._layer[0].update(tree, strict)
        return self

    def __call__(self, *x):
        return self._layer[0](*x, *self._rest)


# -- attention --


@pytest.mark.parametrize("bias", [True, False])
def test_attention_follows_its_equation(bias):
    check(fill(nn.MultiHeadAttention(8, 2, bias=bias)), attention, X, M, M)


def test_attention_takes_inputs_of_different_sizes():
    layer = fill(nn.MultiHeadAttention(8, 2, 3, 4, 5, value_dims=6, value_output_dims=7))
    check(layer, attention, random(2, 5, 3), random(2, 4, 4), random(2, 4, 5))
    layer = nn.MultiHeadAttention(8, 2, key_input_dims=4)
    assert layer.value_proj.weight.shape == (8, 4)  # values are like keys


@pytest.mark.parametrize(
    "mask",
    [
        "causal",
        nn.MultiHeadAttention.create_additive_causal_mask(5),
        mx.array(CAUSAL == 0),
        mx.array(CAUSAL == 0)[None, None],
    ],
    ids=["causal", "additive", "bool", "four dimensions"],
)
def test_masks_hide_what_comes_later(mask):
    layer, x = fill(nn.MultiHeadAttention(8, 2)), mx.array(X).astype(mx.float32)
    close(layer(x, x, x, mask), attention(parameters(layer), X, X, X, mask=CAUSAL))


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
def test_the_additive_causal_mask_has_the_least_number_above_the_diagonal(dtype):
    mask = nn.MultiHeadAttention.create_additive_causal_mask(4, dtype)
    assert mask.dtype == dtype and mask.shape == (4, 4)
    upper = np.triu(np.ones((4, 4), bool), 1)
    assert (numbers(mask)[upper] == numbers(mx.array(mx.finfo(dtype).min, dtype))).all()
    assert (numbers(mask)[~upper] == 0).all()


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nn.MultiHeadAttention(5, 2), "2 heads divide, got 5"),
        (lambda: nn.MultiHeadAttention(4, 2, value_dims=5), "2 heads divide"),
        (
            lambda: nn.MultiHeadAttention(4, 2)(mx.zeros((3, 4)), mx.zeros((3, 4)), mx.zeros((3, 4))),
            "queries of 3",
        ),
        (
            lambda: nn.MultiHeadAttention(4, 2)(mx.zeros((1, 3, 4)), mx.zeros((1, 3, 4)), mx.zeros(4)),
            "values of 3",
        ),
        (lambda: nn.MultiHeadAttention(4, 2)(*[mx.zeros((1, 3, 5))] * 3), "."),
    ],
)
def test_sizes_that_do_not_fit_are_value_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# -- transformers --


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_layers_follow_their_equations(norm_first):
    layer = fill(nn.TransformerEncoderLayer(8, 2, 12, norm_first=norm_first))
    mask = mx.array(CAUSAL == 0)
    check(Fixed(layer, mask), lambda p, x: encoder_layer(p, x, CAUSAL, norm_first), X)


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder_layers_follow_their_equations(norm_first):
    layer = fill(nn.TransformerDecoderLayer(8, 2, 12, norm_first=norm_first))
    mask = mx.array(CAUSAL == 0)
    check(Fixed(layer, mask, None), lambda p, x, m: decoder_layer(p, x, m, CAUSAL, norm_first), X, M)


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_transformer_is_its_layers_one_after_the_other(checkpoint):
    model = fill(nn.Transformer(8, 2, 2, 3, 12, checkpoint=checkpoint))

    def reference(p, src, tgt):
        memory, y = src, tgt
        for i in range(2):
            memory = encoder_layer(part(p, f"encoder.layers.{i}"), memory)
        memory = norm(p, "encoder.ln", memory)
        for i in range(3):
            y = decoder_layer(part(p, f"decoder.layers.{i}"), y, memory, CAUSAL)
        return norm(p, "decoder.ln", y)

    check(Fixed(model, None, mx.array(CAUSAL == 0), None), reference, M, X, dtypes=[mx.float32])


def test_a_checkpointed_transformer_has_the_gradients_of_another():
    plain, kept = nn.Transformer(8, 2, 1, 2), nn.Transformer(8, 2, 1, 2, checkpoint=True)
    kept.update(plain.parameters())
    src, tgt = mx.array(M).astype(mx.float32), mx.array(X).astype(mx.float32)

    def gradients(model):
        return nn.value_and_grad(model, lambda: model(src, tgt, None, "causal", None).square().mean())()

    for (name, a), (_, b) in zip(tree_flatten(gradients(plain)), tree_flatten(gradients(kept))):
        np.testing.assert_allclose(numbers(a), numbers(b), atol=1e-5, err_msg=name)


def test_custom_parts_get_the_sequences_and_their_masks():
    class Part(nn.Module):
        def __call__(self, *arguments):
            self.arguments = list(arguments)
            return arguments[0]

    encoder, decoder = Part(), Part()
    model = nn.Transformer(8, 2, custom_encoder=encoder, custom_decoder=decoder)
    src, tgt = mx.array(M), mx.array(X)
    assert model(src, tgt, "a", "b", "c") is tgt
    assert encoder.arguments == [src, "a"]
    assert decoder.arguments[0] is tgt and decoder.arguments[1] is src and decoder.arguments[2:] == ["b", "c"]


def test_dropout_and_activation_reach_every_layer():
    mx.random.seed(0)
    x = mx.array(X).astype(mx.float32)
    for layer, rest in [
        (nn.TransformerEncoderLayer(8, 2, dropout=0.5), (None,)),
        (nn.TransformerDecoderLayer(8, 2, dropout=0.5), (x, None, None)),
        (nn.Transformer(8, 2, 1, 1, dropout=0.5), (x, None, None, None)),
    ]:
        assert not mx.allclose(layer(x, *rest), layer(x, *rest)).item()
        layer.eval()
        assert mx.array_equal(layer(x, *rest), layer(x, *rest)).item()
    model = nn.Transformer(8, 2, 2, 2, activation=nn.gelu)
    kinds = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    assert [m.activation for m in model.modules() if isinstance(m, kinds)] == [nn.gelu] * 4
    assert nn.TransformerEncoderLayer(8, 2).linear1.weight.shape == (32, 8)


# -- positions --


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 1},
        {"cos_first": True},
        {"full_turns": True},
        {"min_freq": 0.01, "max_freq": 2, "scale": 3.0},
    ],
)
@pytest.mark.parametrize("dims", [2, 6])
def test_sinusoidal_encodings_have_frequencies_in_a_geometric_series(dims, options):
    positions = np.array([[0, 1, 5], [2.5, 7, 30]])
    low, high = options.get("min_freq", 1e-4), options.get("max_freq", 1)
    w = high * (low / high) ** (np.arange(dims // 2) / max(1, dims // 2 - 1))
    w = w * (2 * math.pi if options.get("full_turns") else 1)
    parts = [np.sin(positions[..., None] * w), np.cos(positions[..., None] * w)]
    expected = np.concatenate(parts[:: -1 if options.get("cos_first") else 1], -1)
    layer = nn.SinusoidalPositionalEncoding(dims, **options)
    close(layer(mx.array(positions)), expected * options.get("scale", math.sqrt(2 / dims)))
    assert names(layer.parameters()) == []
    assert layer(mx.array([1, 2])).dtype == mx.float32


@pytest.mark.parametrize("dims", [0, 5, -2])
def test_an_odd_number_of_sines_and_cosines_is_a_value_error(dims):
    with pytest.raises(ValueError, match="positive even"):
        nn.SinusoidalPositionalEncoding(dims)


def test_alibi_slopes_halve_from_head_to_head():
    def slopes(n):
        return nn.ALiBi.create_alibi_slope(n).flatten().tolist()

    assert slopes(8) == [2**-i for i in range(1, 9)] and slopes(4) == [2**-2, 2**-4, 2**-6, 2**-8]
    assert slopes(1) == [2**-8] and nn.ALiBi.create_alibi_slope(4).shape == (4, 1, 1)
    assert slopes(12) == pytest.approx([2**-i for i in range(1, 9)] + [2 ** -(i + 0.5) for i in range(4)])
    assert slopes(3) == [2**-4, 2**-8, 2**-2]


@pytest.mark.parametrize("offset", [0, 2])
@pytest.mark.parametrize("dtype", [mx.float32, mx.float16])
def test_alibi_lowers_scores_by_slope_times_distance(offset, dtype):
    scores, mask = random(2, 4, 3, 5), random(3, 5, seed=1)
    distance = np.abs(np.arange(3)[:, None] + offset - np.arange(5))
    expected = scores - np.array([2**-2, 2**-4, 2**-6, 2**-8])[:, None, None] * distance
    got = nn.ALiBi()(mx.array(scores).astype(dtype), offset=offset)
    assert got.dtype == dtype
    close(got, expected, dtype)
    got = nn.ALiBi()(mx.array(scores).astype(dtype), offset, mx.array(mask).astype(dtype))
    close(got, expected + mask, dtype)


def test_alibi_needs_scores_of_four_dimensions():
    with pytest.raises(ValueError, match="scores"):
        nn.ALiBi()(mx.zeros((4, 3, 3)))
    assert nn.ALiBi.create_alibi_matrix(2, 3, 2, 5).shape == (1, 2, 0, 3)
