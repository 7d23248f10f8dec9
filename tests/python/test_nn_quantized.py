"""Layers with quantised weights, in each format: they compute with the dequantised weight."""

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest
from layers import close, names, numbers, random
from mlx import nn
from mlx.utils import tree_flatten

FORMATS = {"affine": (64, 4), "mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}
FLOATS = [mode for mode in FORMATS if mode != "affine"]
X = random(2, 3, 64)


def options(layer):
    return {"group_size": layer.group_size, "bits": layer.bits, "mode": layer.mode}


def weight(layer):
    return numbers(
        mx.dequantize(layer.weight, layer.scales, layer.biases, dtype=mx.float32, **options(layer))
    )


def rounded(x, mode):
    group_size, bits = FORMATS[mode]
    how = {"group_size": group_size, "bits": bits, "mode": mode}
    return numbers(mx.dequantize(*mx.quantize(x, **how), dtype=mx.float32, **how))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mode", FORMATS)
def test_a_quantized_linear_layer_multiplies_by_its_dequantized_weight(mode, bias):
    layer = nn.Linear(64, 32, bias=bias)
    quantized = layer.to_quantized(mode=mode)
    assert (quantized.group_size, quantized.bits) == FORMATS[mode]
    w = weight(quantized)
    assert np.abs(w - numbers(layer.weight)).max() < 0.2 * np.abs(w).max()  # 4 bits: from 4 to 6
    expected = X @ w.T + (numbers(layer.bias) if bias else 0)
    for dtype in (mx.float32, mx.float16, mx.bfloat16):
        x = mx.array(X).astype(dtype)
        close(quantized(x), numbers(x) @ w.T + (expected - X @ w.T), dtype)
    close(mx.compile(lambda x: quantized(x))(mx.array(X).astype(mx.float32)), expected)
    assert ("biases" in quantized) == (mode == "affine") and ("bias" in quantized) == bias


@pytest.mark.parametrize("mode", FORMATS)
def test_a_quantized_embedding_gives_dequantized_rows(mode):
    for dtype in (mx.float32, mx.bfloat16):
        table = nn.Embedding(10, 64)
        table.set_dtype(dtype)
        layer, ids = table.to_quantized(mode=mode), mx.array([[1, 9], [0, 1]])
        w = weight(layer)
        assert layer(ids).dtype == (dtype if mode == "affine" else mx.bfloat16)
        close(layer(ids), w[[[1, 9], [0, 1]]], mx.bfloat16)
        close(layer.as_linear(mx.array(X).astype(mx.float32)), X @ w.T, dtype)


@pytest.mark.parametrize("mode", FORMATS)
def test_gradients_pass_through_a_frozen_quantized_layer(mode):
    layer = nn.Linear(64, 32).to_quantized(mode=mode)
    gradient = mx.grad(lambda x: layer(x).sum())(mx.array(X).astype(mx.float32))
    close(gradient, np.broadcast_to(weight(layer).sum(0), X.shape))
    trained = nn.value_and_grad(layer, lambda x: layer(x).sum())(mx.array(X).astype(mx.float32))[1]
    assert names(trained) == ["bias"] and trained["bias"].tolist() == [6] * 32


@pytest.mark.parametrize("mode", FORMATS)
def test_quantize_takes_every_format(mode):
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Embedding(4, 64), nn.Linear(64, 4, bias=False))
    nn.quantize(model, mode=mode)
    kinds = [type(m).__name__ for m in model.layers]
    assert kinds == ["QuantizedLinear", "ReLU", "QuantizedEmbedding", "QuantizedLinear"]
    for layer in model.layers[::2]:
        assert (layer.mode, layer.group_size, layer.bits) == (mode, *FORMATS[mode])


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nn.QuantizedLinear(64, 8, mode="int4"), "expected one of the modes"),
        (lambda: nn.QuantizedEmbedding(8, 64, mode="int4"), "expected one of the modes"),
        (lambda: nn.quantize(nn.Sequential(nn.Linear(64, 8)), mode="int4"), "expected one of the modes"),
        (lambda: nn.QuantizedLinear(64, 8, mode="mxfp4", bits=8), "."),
        (lambda: nn.QuantizedLinear(64, 8, mode="nvfp4", group_size=32), "."),
        (lambda: nn.QuantizedLinear(60, 8), "."),
        (lambda: nn.Embedding(4, 64).to_quantized(mode="nvfp4", quantize_input=True), "quantize_input"),
        (lambda: nn.QQLinear(64, 8, mode="affine"), "small floats"),
        (lambda: nn.QQLinear(64, 8, mode="int4"), "expected one of the modes"),
        (lambda: nn.QQLinear(64, 8, group_size=32), "small floats"),
        (lambda: nn.Linear(64, 8, bias=False).to_quantized(quantize_input=True), "small floats"),
    ],
)
def test_formats_that_do_not_exist_are_value_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# -- rounded inputs --


@pytest.mark.parametrize("mode", FLOATS)
@pytest.mark.parametrize("shape", [(64,), (5, 64), (2, 3, 64)])
def test_both_sides_of_the_product_are_rounded(mode, shape):
    layer, x = nn.QQLinear(64, 32, mode=mode), mx.array(random(*shape)).astype(mx.float32)
    expected = rounded(x.reshape(-1, 64), mode).reshape(shape) @ rounded(layer.weight, mode).T
    close(layer(x), expected, mx.bfloat16)
    packed = layer(x)
    layer.eval()
    assert mx.allclose(layer(x), packed, atol=1e-5).item()
    assert layer(x.astype(mx.float16)).dtype == mx.float16


def test_the_weight_is_packed_outside_training():
    model = nn.Sequential(nn.QQLinear(64, 32), nn.ReLU(), nn.QQLinear(32, 8, mode="mxfp8"))
    before = model.layers[0].weight
    model.eval()
    assert [f"{n} {a.shape} {a.dtype}" for n, a in tree_flatten(model.parameters())] == [
        "layers.0.weight (32, 8) mlx.core.uint32", "layers.0.scales (32, 4) mlx.core.uint8",
        "layers.2.weight (8, 8) mlx.core.uint32", "layers.2.scales (8, 1) mlx.core.uint8",
    ]  # fmt: skip
    assert "input_dims=64, output_dims=32" in repr(model)
    model.train()
    after = model.layers[0].weight
    assert names(model.parameters()) == ["layers.0.weight", "layers.2.weight"]
    close(after, rounded(before, "nvfp4"))
    assert after.dtype == before.dtype
    model.train()
    assert model.layers[0].weight is after


def test_quantize_and_dequantize_do_nothing_twice():
    layer = nn.QQLinear(64, 32)
    layer.dequantize()
    layer.quantize()
    packed = layer.weight
    layer.quantize()
    assert layer.weight is packed and layer.weight.dtype == mx.uint32
    layer.dequantize()
    assert layer.weight.shape == (32, 64) and "scales" not in layer


def test_a_frozen_weight_stays_frozen_when_it_is_packed():
    model = nn.Sequential(nn.QQLinear(64, 32, mode="mxfp8"), nn.Linear(32, 1)).freeze()
    model.layers[1].unfreeze()
    model.eval()
    assert names(model.trainable_parameters()) == ["layers.1.weight", "layers.1.bias"]
    _, gradients = nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((2, 64)))
    assert names(gradients) == ["layers.1.weight", "layers.1.bias"]
    model.train()
    assert names(model.trainable_parameters()) == ["layers.1.weight", "layers.1.bias"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", FLOATS)
def test_the_derivative_passes_the_rounding(mode, training):
    layer, x = nn.QQLinear(64, 32, mode=mode), mx.array(X).astype(mx.float32)
    w, dy = numbers(layer.weight), random(2, 3, 32, seed=5)

    def loss(x):
        return (layer(x) * mx.array(dy.astype(np.float32))).sum()

    if training:
        _, gradients = nn.value_and_grad(layer, loss)(x)
        close(gradients["weight"], np.einsum("abm,abn->mn", dy, X))
    else:
        layer.eval()
        w = rounded(mx.array(w.astype(np.float32)), mode)
    close(mx.grad(loss)(x), dy @ w)
    close(mx.compile(mx.grad(loss))(x), dy @ w)


def test_a_layer_with_rounded_inputs_learns():
    mx.random.seed(0)
    target = mx.random.normal((64, 8))
    layer, optimizer = nn.QQLinear(64, 8, mode="mxfp8"), optim.Adam(0.02)
    step = nn.value_and_grad(layer, lambda x: nn.losses.mse_loss(layer(x), x @ target))
    losses = []
    for _ in range(200):
        loss, gradients = step(mx.random.normal((64, 64)))
        optimizer.update(layer, gradients)
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_a_linear_layer_becomes_one_with_rounded_inputs():
    layer = nn.Linear(64, 32, bias=False)
    got = layer.to_quantized(mode="nvfp4", quantize_input=True)
    assert isinstance(got, nn.QQLinear) and got.weight is layer.weight and got.training
    assert nn.QQLinear.from_linear(layer.eval()).weight.dtype == mx.uint32
    with pytest.raises(NotImplementedError, match="without bias"):
        nn.QQLinear.from_linear(nn.Linear(64, 32))
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Embedding(4, 64))
    nn.quantize(
        model, mode="mxfp8", quantize_input=True, class_predicate=lambda p, m: isinstance(m, nn.Linear)
    )
    assert isinstance(model.layers[0], nn.QQLinear) and isinstance(model.layers[1], nn.Embedding)
