"""Convolutions agree with a plain reference, their derivatives with finite differences; bad options are refused."""

import itertools
import math
import os
import subprocess
import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}


def reference(x, w, stride=1, low=0, high=0, kernel_dilation=1, input_dilation=1, groups=1, flip=False):
    """y[m] = sum over k of x'[m stride + k kernel_dilation] w[k], x' the input dilated, padded and cropped."""
    n = x.ndim - 2
    stride, low, high, kernel_dilation, input_dilation = (
        v if isinstance(v, (tuple, list)) else (v,) * n
        for v in (stride, low, high, kernel_dilation, input_dilation)
    )
    spread = np.zeros(
        (x.shape[0], *[(d - 1) * e + 1 for d, e in zip(x.shape[1:-1], input_dilation)], x.shape[-1])
    )
    spread[(slice(None), *[slice(None, None, e) for e in input_dilation])] = x
    spread = np.pad(spread, [(0, 0), *[(max(a, 0), max(b, 0)) for a, b in zip(low, high)], (0, 0)])
    spread = spread[(slice(None), *[slice(max(-a, 0), -max(-b, 0) or None) for a, b in zip(low, high)])]
    if flip:
        w = np.flip(w, tuple(range(1, n + 1)))
    out = [
        (d - (k - 1) * e - 1) // s + 1
        for d, k, e, s in zip(spread.shape[1:-1], w.shape[1:-1], kernel_dilation, stride)
    ]
    y = np.zeros((x.shape[0], *out, w.shape[0]))
    outputs, channels = w.shape[0] // groups, w.shape[-1]
    for tap in itertools.product(*map(range, w.shape[1:-1])):
        window = [
            slice(t * e, t * e + (m - 1) * s + 1, s) for t, e, m, s in zip(tap, kernel_dilation, out, stride)
        ]
        part = spread[(slice(None), *window)]
        for g in range(groups):
            o, c = slice(g * outputs, (g + 1) * outputs), slice(g * channels, (g + 1) * channels)
            y[..., o] += part[..., c] @ w[(o, *tap)].T
    return y


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def to_mlx(a, dtype):
    return mx.array(a, dtype=getattr(mx, dtype))


def to_numpy(a):
    return np.array(a.astype(mx.float64))


def assert_close(got, want, dtype="float64", terms=1):
    assert got.shape == want.shape
    scale = np.abs(want).max(initial=0) + math.sqrt(terms)
    assert np.abs(to_numpy(got) - want).max(initial=0) <= TOLERANCE[dtype] * scale


# Input, weight, options. Every axis count, grouping, border and dilation; more rows and columns than a tile.
CASES = [
    ((2, 9, 3), (5, 3, 3), {}),
    ((1, 1, 1), (1, 1, 1), {}),
    ((3, 40, 2), (4, 5, 2), {"stride": 3, "low": 2, "high": 2}),
    ((2, 11, 4), (6, 3, 2), {"groups": 2, "kernel_dilation": 2}),
    ((1, 12, 1), (3, 4, 1), {"low": 3, "high": 5, "flip": True}),
    ((2, 7, 3), (4, 3, 3), {"input_dilation": 3, "low": 1, "high": 4}),
    ((2, 9, 3), (4, 3, 3), {"low": -2, "high": -1}),
    ((1, 20, 19, 17), (35, 3, 3, 17), {"low": 1, "high": 1}),
    ((2, 9, 8, 3), (7, 3, 2, 3), {"stride": (2, 3), "low": (1, 0), "high": (2, 1)}),
    ((1, 6, 7, 64), (64, 3, 3, 64), {"low": 1, "high": 1}),
    ((1, 6, 7, 8), (8, 3, 3, 2), {"groups": 4, "low": 1, "high": 1}),
    ((2, 6, 7, 4), (6, 3, 3, 2), {"groups": 2, "input_dilation": (2, 1), "kernel_dilation": (1, 2), "flip": True}),
    ((1, 5, 6, 3), (4, 1, 1, 3), {"stride": 2}),
    ((2, 4, 4, 8), (8, 4, 4, 8), {}),
    ((1, 5, 6, 7, 2), (3, 3, 2, 3, 2), {"low": 1, "high": 1}),
    ((2, 4, 5, 4, 4), (4, 2, 2, 2, 2), {"stride": (1, 2, 1), "groups": 2, "kernel_dilation": (2, 1, 2)}),
    ((2, 30, 5), (5, 4, 1), {"groups": 5, "low": 3, "high": 0}),
    ((1, 14, 13, 70), (70, 3, 3, 1), {"groups": 70, "low": 1, "high": 1}),
    ((2, 14, 21, 19), (19, 3, 5, 1), {"groups": 19, "low": (1, 9), "high": (2, 1), "stride": (2, 1)}),
    ((1, 9, 8, 6), (6, 3, 3, 1), {"groups": 6, "input_dilation": (2, 3), "kernel_dilation": (3, 2), "low": 2, "high": 4}),
    ((1, 5, 4, 6, 3), (3, 2, 3, 2, 1), {"groups": 3, "low": 1, "high": 1, "flip": True}),
    ((1, 9, 8, 6), (12, 3, 3, 1), {"groups": 6}),
]  # fmt: skip


def general(x, w, o):
    n = x.ndim - 2
    side = {k: [o.get(k, 0)] * n if isinstance(o.get(k, 0), int) else list(o[k]) for k in ("low", "high")}
    rest = {k: v for k, v in o.items() if k not in side}
    return mx.conv_general(x, w, padding=(side["low"], side["high"]), **rest)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_conv_general_agrees_with_the_reference(case, dtype):
    xs, ws, o = case
    x, w = to_mlx(draw(*xs), dtype), to_mlx(draw(*ws), dtype)
    got = general(x, w, o)
    assert got.dtype == getattr(mx, dtype)
    assert_close(got, reference(to_numpy(x), to_numpy(w), **o), dtype, math.prod(ws[1:]))


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_inputs_of_any_strides_give_the_same(case):
    xs, ws, o = case
    x, w = draw(*xs), draw(*ws)
    want = np.array(general(mx.array(x, dtype=mx.float32), mx.array(w, dtype=mx.float32), o))
    last_first = mx.array(np.moveaxis(x, -1, 1).copy(), dtype=mx.float32)
    backwards = mx.array(w[::-1].copy(), dtype=mx.float32)
    assert np.array_equal(np.array(general(mx.moveaxis(last_first, 1, -1), backwards[::-1], o)), want)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_gradients_agree_with_finite_differences(case):
    """Along random directions: the function is bilinear, so central differences have no truncation error."""
    xs, ws, o = case
    x, w = to_mlx(draw(*xs), "float64"), to_mlx(draw(*ws), "float64")
    y = general(x, w, o)
    g = to_mlx(draw(*y.shape, seed=1), "float64")
    gx, gw = mx.vjp(lambda x, w: general(x, w, o), [x, w], [g])[1]
    dx, dw = to_mlx(draw(*xs, seed=2), "float64"), to_mlx(draw(*ws, seed=3), "float64")
    along_x = (mx.sum(general(x + dx, w, o) * g) - mx.sum(general(x - dx, w, o) * g)).item() / 2
    along_w = (mx.sum(general(x, w + dw, o) * g) - mx.sum(general(x, w - dw, o) * g)).item() / 2
    assert mx.sum(gx * dx).item() == pytest.approx(along_x, rel=1e-8, abs=1e-8)
    assert mx.sum(gw * dw).item() == pytest.approx(along_w, rel=1e-8, abs=1e-8)
    tangent = mx.jvp(lambda x, w: general(x, w, o), [x, w], [dx, dw])[1][0]
    assert_close(tangent, np.array(general(dx, w, o) + general(x, dw, o)), terms=math.prod(ws[1:]))


@pytest.mark.parametrize("case", CASES[-5:], ids=repr)
def test_compiled_is_the_same(case):
    xs, ws, o = case
    x, w = to_mlx(draw(*xs), "float32"), to_mlx(draw(*ws), "float32")
    f = lambda x, w: mx.maximum(general(x, w, o), 0) * 2  # noqa: E731
    assert np.array_equal(np.array(mx.compile(f)(x, w)), np.array(f(x, w)))


def test_second_derivatives():
    x, w = to_mlx(draw(1, 5, 2), "float64"), to_mlx(draw(3, 2, 2), "float64")
    first = mx.grad(lambda x, w: mx.sum(mx.conv1d(x, w, 2, 1) ** 2))
    d = to_mlx(draw(1, 5, 2, seed=1), "float64")
    got = mx.sum(mx.grad(lambda x: mx.sum(first(x, w) * d))(x) * d).item()
    assert got == pytest.approx(2 * mx.sum(mx.conv1d(d, w, 2, 1) ** 2).item(), rel=1e-10)


def test_each_number_of_axes_has_its_function():
    for n, conv in ((1, mx.conv1d), (2, mx.conv2d), (3, mx.conv3d)):
        x, w = draw(2, *[6] * n, 4), draw(6, *[2] * n, 2)
        got = conv(mx.array(x), mx.array(w), stride=2, padding=1, dilation=2, groups=2)
        want = reference(x, w, 2, 1, 1, 2, groups=2)
        assert_close(got, want, "float32", 32)
        if n > 1:
            got = conv(mx.array(x), mx.array(w), (2,) * n, (1,) * n, (2,) * n, 2)
            assert_close(got, want, "float32", 32)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "output_padding"), [(1, 0, 1, 0), (2, 1, 1, 1), (3, 1, 2, 2)]
)
def test_transposed_convolutions(stride, padding, dilation, output_padding, groups):
    """Each is the adjoint of a convolution: <conv_transpose(x), u> = <x, conv(u)>, the weight's sides exchanged."""
    for n, transposed, conv in (
        (1, mx.conv_transpose1d, mx.conv1d),
        (2, mx.conv_transpose2d, mx.conv2d),
        (3, mx.conv_transpose3d, mx.conv3d),
    ):
        x, w = to_mlx(draw(2, *[4] * n, 4), "float64"), to_mlx(draw(6, *[3] * n, 4 // groups), "float64")
        y = transposed(x, w, stride, padding, dilation, output_padding, groups)
        length = 3 * stride - 2 * padding + 2 * dilation + 1 + output_padding
        assert y.shape == (2, *[length] * n, 6)
        u = to_mlx(draw(*y.shape), "float64")
        blocks = w.reshape(groups, 6 // groups, *w.shape[1:])
        exchanged = mx.swapaxes(blocks, 1, -1).reshape(4, *[3] * n, 6 // groups)
        back = conv(u, exchanged, stride, padding, dilation, groups)
        back = back[(slice(None), *[slice(4)] * n)]  # output_padding may make room for one more
        assert mx.sum(y * u).item() == pytest.approx(mx.sum(x * back).item(), rel=1e-10)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(7, 3), (7, 4), (4, 7), (3, 7), (6, 6), (1, 1), (300, 20)])
def test_convolve_is_numpys(n, m, mode):
    a, v = draw(n), draw(m, seed=1)
    assert_close(
        mx.convolve(to_mlx(a, "float64"), to_mlx(v, "float64"), mode), np.convolve(a, v, mode), terms=m
    )


def test_dtypes_are_promoted():
    x, w = mx.ones((1, 4, 2), dtype=mx.float16), mx.ones((3, 2, 2))
    assert mx.conv1d(x, w).dtype == mx.float32
    assert mx.conv1d(x, w.astype(mx.bfloat16)).dtype == mx.float32
    assert mx.conv1d(x, w.astype(mx.float16)).dtype == mx.float16


def test_empty_batches_and_channels():
    assert mx.conv1d(mx.zeros((0, 5, 4)), mx.zeros((3, 2, 4))).shape == (0, 4, 3)
    assert mx.conv1d(mx.ones((2, 5, 4)), mx.zeros((0, 2, 4))).shape == (2, 4, 0)
    none = mx.conv1d(mx.zeros((2, 5, 0)), mx.zeros((3, 2, 0)))
    assert none.shape == (2, 4, 3) and not np.array(none).any()
    border = mx.conv1d(mx.zeros((2, 0, 4)), mx.ones((3, 2, 4)), padding=2)
    assert border.shape == (2, 3, 3) and not np.array(border).any()
    assert mx.grad(lambda x: mx.conv1d(x, mx.ones((3, 2, 4)), padding=2).sum())(
        mx.zeros((2, 0, 4))
    ).shape == (2, 0, 4)


@pytest.mark.parametrize("call", [
    lambda: mx.conv1d(mx.zeros((2, 5)), mx.zeros((4, 3, 2))),
    lambda: mx.conv2d(mx.zeros((2, 5, 3)), mx.zeros((4, 3, 3))),
    lambda: mx.conv1d(mx.zeros((2, 5, 3)), mx.zeros((4, 3, 2))),
    lambda: mx.conv1d(mx.zeros((2, 5, 3)), mx.zeros((4, 6, 3))),
    lambda: mx.conv1d(mx.zeros((2, 5, 3)), mx.zeros((4, 3, 3)), dilation=3),
    lambda: mx.conv1d(mx.zeros((2, 5, 3)), mx.zeros((4, 0, 3))),
    lambda: mx.conv1d(mx.zeros((2, 5, 3)), mx.zeros((4, 2, 3)), stride=0),
    lambda: mx.conv1d(mx.zeros((2, 5, 3)), mx.zeros((4, 2, 3)), stride=-1),
    lambda: mx.conv1d(mx.zeros((2, 5, 3)), mx.zeros((4, 2, 3)), dilation=0),
    lambda: mx.conv1d(mx.zeros((2, 5, 4)), mx.zeros((4, 2, 4)), groups=0),
    lambda: mx.conv1d(mx.zeros((2, 5, 4)), mx.zeros((3, 2, 2)), groups=2),
    lambda: mx.conv1d(mx.zeros((2, 5, 4)), mx.zeros((4, 2, 4)), groups=2),
    lambda: mx.conv1d(mx.zeros((2, 5, 4), dtype=mx.int32), mx.zeros((4, 2, 4), dtype=mx.int32)),
    lambda: mx.conv1d(mx.zeros((2, 5, 4), dtype=mx.complex64), mx.zeros((4, 2, 4))),
    lambda: mx.conv1d(mx.zeros((2, 5, 4)), mx.zeros((4, 2, 4)), padding=2**62),
    lambda: mx.conv1d(mx.zeros((2, 5, 4)), mx.zeros((4, 2, 4)), dilation=2**62),
    lambda: mx.conv_general(mx.zeros((2, 5, 4)), mx.zeros((4, 2, 4)), input_dilation=2**62),
    lambda: mx.conv_general(mx.zeros((2, 5, 4)), mx.zeros((4, 2, 4)), padding=([-3], [-3])),
    lambda: mx.conv_general(mx.zeros((2, 5, 5, 4)), mx.zeros((4, 2, 2, 4)), stride=(1, 2, 3)),
    lambda: mx.conv_general(mx.zeros((2, 5, 5, 4)), mx.zeros((4, 2, 2, 4)), padding=([1, 2, 3], [3, 4])),
    lambda: mx.conv_general(mx.zeros((2, 5, 5, 5, 5, 4)), mx.zeros((4, 2, 2, 2, 2, 4))),
    lambda: mx.conv_transpose1d(mx.zeros((2, 5, 4)), mx.zeros((6, 3, 4)), padding=2**63 - 1),
    lambda: mx.conv_transpose1d(mx.zeros((2, 5, 4)), mx.zeros((6, 3, 4)), stride=2, padding=9),
    lambda: mx.conv_transpose1d(mx.zeros((2, 5, 4)), mx.zeros((6, 3, 3))),
    lambda: mx.convolve(mx.zeros((3,)), mx.zeros((2,)), "most"),
    lambda: mx.convolve(mx.zeros((3, 1)), mx.zeros((2,))),
    lambda: mx.convolve(mx.zeros((0,)), mx.zeros((2,))),
])  # fmt: skip
def test_bad_options_raise_value_errors(call):
    with pytest.raises(ValueError, match=r"\[conv"):
        call()


def test_paddings_may_be_pairs_of_sequences():
    x, w = draw(1, 5, 6, 2), draw(3, 2, 2, 2)
    for padding, low, high in (([1, 2], (1, 2), (1, 2)), (([1, 2], [3, 4]), (1, 2), (3, 4)), (([], []), 0, 0),
                               (((1,), (0,)), 1, 0)):  # fmt: skip
        got = mx.conv_general(mx.array(x), mx.array(w), padding=padding)
        assert_close(got, reference(x, w, 1, low, high), "float32", 8)
    with pytest.raises(TypeError):
        mx.conv_general(mx.array(x), mx.array(w), padding="same")


def test_huge_results_raise_memory_errors():
    with pytest.raises(MemoryError):
        mx.eval(mx.conv1d(mx.zeros((1, 4, 1)), mx.zeros((1, 1, 1)), padding=2**39))


def test_results_do_not_depend_on_the_number_of_threads():
    code = """
import mlx.core as mx, hashlib, numpy as np
mx.random.seed(0)
x, w, d = (mx.random.normal(s) for s in ((2, 23, 19, 48), (40, 3, 3, 48), (48, 3, 3, 1)))
h = hashlib.sha256()
f = lambda x, w: mx.conv2d(x, w, padding=1)
for y in (f(x, w), f(x.astype(mx.bfloat16), w.astype(mx.bfloat16)), mx.conv2d(x, d, groups=48),
          *mx.vjp(f, [x, w], [f(x, w)])[1]):
    h.update(np.array(y.astype(mx.float32)).tobytes())
print(h.hexdigest())
"""
    digests = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "MLX_NUM_THREADS": n}, check=True,
                       capture_output=True).stdout
        for n in ("1", "2", "5")
    }  # fmt: skip
    assert len(digests) == 1


# ---- Layers ----
@pytest.mark.parametrize(("layer", "x", "shape"), [
    (nn.Conv1d(4, 8, 3, stride=2, padding=1, groups=2), (2, 9, 4), (2, 5, 8)),
    (nn.Conv2d(4, 8, (3, 2), stride=(2, 1), padding=1, dilation=2, groups=2, bias=False), (2, 9, 8, 4), (2, 4, 8, 8)),
    (nn.Conv3d(4, 8, 3, padding=1), (1, 5, 4, 3, 4), (1, 5, 4, 3, 8)),
    (nn.ConvTranspose1d(4, 8, 3, stride=2, output_padding=1), (2, 5, 4), (2, 12, 8)),
    (nn.ConvTranspose2d(4, 8, (3, 2), stride=(2, 1), padding=1), (2, 5, 6, 4), (2, 9, 5, 8)),
    (nn.ConvTranspose3d(4, 8, 2, stride=2), (1, 3, 2, 4, 4), (1, 6, 4, 8, 8)),
], ids=str)  # fmt: skip
def test_layers(layer, x, shape):
    assert layer(mx.zeros(x)).shape == shape
    if "bias" in layer:
        layer.bias = mx.arange(8).astype(mx.float32)
        assert np.array_equal(np.array(layer(mx.zeros(x)))[(0,) * (len(shape) - 1)], np.arange(8))
    bound = 1 / math.sqrt(math.prod(layer.weight.shape[1:]))
    assert 0.5 * bound < mx.abs(layer.weight).max().item() <= bound


def test_layers_show_their_options_and_refuse_odd_groups():
    assert repr(nn.Conv1d(4, 8, 3)) == (
        "Conv1d(4, 8, kernel_size=3, stride=1, padding=0, dilation=1, groups=1, bias=True)"
    )
    assert repr(nn.ConvTranspose2d(4, 8, 3)) == (
        "ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=(0, 0), dilation=1, "
        "output_padding=(0, 0), bias=True)"
    )
    with pytest.raises(ValueError, match="groups"):
        nn.Conv2d(4, 8, 3, groups=3)
