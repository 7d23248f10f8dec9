"""Pooling against a loop over the windows."""

import itertools

import mlx.core as mx
import numpy as np
import pytest
from layers import check, close, numbers, random
from mlx import nn

CASES = [
    (1, 2, None, 0), (1, 3, 1, 1), (1, 3, 2, 0), (1, 2, 3, 1), (1, 7, 1, 0), (1, (4,), (1,), (2,)),
    (2, 2, None, 0), (2, 3, 2, 1), (2, (2, 3), (1, 2), (0, 1)), (2, (3, 1), None, (1, 0)), (2, 2, 3, 0),
    (3, 2, None, 0), (3, (1, 2, 3), (2, 1, 1), (0, 1, 1)), (3, 2, 1, 0),
]  # fmt: skip
KINDS = {
    "Max": (lambda x, axis: x.max(axis, initial=-np.inf), -np.inf),
    "Avg": (lambda x, axis: x.mean(axis), 0),
}
SIZES = {1: (7,), 2: (7, 5), 3: (5, 4, 6)}


def sizes(value, n):
    return (value,) * n if isinstance(value, int) else tuple(value)


def pooled(kind, x, kernel, stride, padding):
    """The reduction of each window of x (N, *spatial, C), one after the other."""
    reduce, edge = KINDS[kind]
    n = x.ndim - 2
    kernel, padding = sizes(kernel, n), sizes(padding, n)
    stride = kernel if stride is None else sizes(stride, n)
    x = np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)], constant_values=edge)
    places = [max(0, (size - k) // s + 1) for size, k, s in zip(x.shape[1:-1], kernel, stride)]
    y = np.zeros((x.shape[0], *places, x.shape[-1]))
    for place in itertools.product(*map(range, places)):
        window = tuple(slice(i * s, i * s + k) for i, s, k in zip(place, stride, kernel))
        y[(slice(None), *place)] = reduce(x[(slice(None), *window)], tuple(range(1, n + 1)))
    return y


def layer_of(kind, n, kernel, stride, padding):
    return getattr(nn, f"{kind}Pool{n}d")(kernel, stride, padding)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n, kernel, stride, padding", CASES)
def test_pooling_reduces_every_window(kind, n, kernel, stride, padding):
    layer = layer_of(kind, n, kernel, stride, padding)
    check(layer, lambda p, x: pooled(kind, x, kernel, stride, padding), random(2, *SIZES[n], 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "view", [lambda x: x.transpose(0, 2, 1, 3), lambda x: x.transpose(3, 1, 2, 0), lambda x: x[:, ::-1, ::2]]
)
def test_pooling_reads_views_of_any_layout(kind, view):
    x = random(3, 6, 5, 4)
    for stride in (None, 1):
        got = layer_of(kind, 2, 2, stride, 0)(view(mx.array(x).astype(mx.float32)))
        close(got, pooled(kind, view(x), 2, stride, 0))


@pytest.mark.parametrize("dtype", [mx.int8, mx.uint8, mx.int32, mx.uint64, mx.bool_])
def test_maxima_of_integers_stay_exact_and_means_are_float32(dtype):
    low, high = {mx.bool_: (0, 2), mx.uint8: (0, 200), mx.uint64: (0, 200)}.get(dtype, (-100, 100))
    x = np.random.default_rng(0).integers(low, high, (1, 6, 2))
    for kernel, stride, padding in [(2, None, 0), (3, 1, 1)]:
        y = nn.MaxPool1d(kernel, stride, padding)(mx.array(x).astype(dtype))
        assert y.dtype == dtype
        assert np.array_equal(
            np.array(y).astype(float), pooled("Max", x.astype(float), kernel, stride, padding)
        )
        y = nn.AvgPool1d(kernel, stride, padding)(mx.array(x).astype(dtype))
        assert y.dtype == mx.float32
        close(y, pooled("Avg", x.astype(float), kernel, stride, padding))


def test_windows_that_do_not_fit_give_no_places():
    for layer in (nn.MaxPool1d(8), nn.AvgPool1d(8, 1), nn.MaxPool1d(8, 3)):
        assert layer(mx.zeros((2, 6, 3))).shape == (2, 0, 3)
    assert nn.MaxPool2d(3, 1)(mx.zeros((0, 6, 6, 3))).shape == (0, 4, 4, 3)


def test_a_window_of_padding_alone_has_the_least_value():
    assert nn.MaxPool1d(2, padding=3)(mx.zeros((1, 2, 1))).flatten().tolist() == [-np.inf, 0, 0, -np.inf]


def test_equal_maxima_share_the_gradient():
    x = mx.array([1.0, 1.0, 2.0, 3.0]).reshape(1, 4, 1)
    gradient = mx.grad(lambda x: nn.MaxPool1d(2)(x).sum())(x)
    assert gradient.flatten().tolist() == [0.5, 0.5, 0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_is_vectorised_over_another_axis(kind):
    layer, x = layer_of(kind, 1, 3, 1, 1), random(3, 2, 5, 4)
    close(mx.vmap(layer)(mx.array(x).astype(mx.float32)), np.stack([pooled(kind, a, 3, 1, 1) for a in x]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "n, arguments, what",
    [
        (1, (0,), "kernel_size"), (1, (2.5,), "kernel_size"), (1, ((2, 3),), "kernel_size"), (1, ("a",), "kernel_size"),
        (2, (2, 0), "stride"), (2, (2, -1), "stride"), (2, (2, (1, 2, 3)), "stride"),
        (3, (2, 1, -1), "padding"), (3, (2, 1, None), "padding"), (3, ((1, 2),), "kernel_size"),
    ],
)  # fmt: skip
def test_sizes_out_of_range_are_value_errors(kind, n, arguments, what):
    with pytest.raises(ValueError, match=rf"\[{kind}Pool{n}d\] expected {what}"):
        getattr(nn, f"{kind}Pool{n}d")(*arguments)


def test_another_number_of_dimensions_is_a_value_error():
    for layer, shape in [
        (nn.MaxPool1d(2), (6, 2)),
        (nn.AvgPool2d(2), (4, 4, 2)),
        (nn.MaxPool1d(2), (1, 6, 2, 1)),
    ]:
        with pytest.raises(ValueError, match="expected x of"):
            layer(mx.zeros(shape))


def test_numbers_of_windows_are_those_of_the_formula():
    for size, kernel, stride, padding in itertools.product((1, 5, 8), (1, 2, 3), (1, 2, 3), (0, 1)):
        places = max(0, (size + 2 * padding - kernel) // stride + 1)
        y = nn.AvgPool1d(kernel, stride, padding)(mx.ones((1, size, 1)))
        assert y.shape == (1, places, 1) and (numbers(y) <= 1).all()
