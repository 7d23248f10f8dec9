"""Upsample against a sum over all samples, weighted by the kernel of their distance."""

import mlx.core as mx
import numpy as np
import pytest
from layers import check, close, numbers, random
from mlx import nn

SCALES = [1, 2, 3, 1.3, 1.5, 2.5, 0.5, 0.75, 0.3]


def triangle(d):
    return np.maximum(0, 1 - np.abs(d))


def keys(d, a):
    """The cubic that is 1 at 0, 0 at 1 and from 2 on, with slope a at 1."""
    d = np.abs(d)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def matrix(n, scale, mode, align_corners=False, antialias=False):
    """(m, n): row i has the weights of the n samples in result i."""
    m = int(n * scale)
    i = np.arange(m)
    if align_corners:
        p = i * ((n - 1) / (m - 1) if m > 1 else 0)
    else:
        p = (i - (m - 1) / 2) / scale + (n - 1) / 2
    w = np.zeros((m, n))
    if mode == "nearest":
        p = (i + 0.5) * n / m - 0.5
        w[i, np.clip(np.round(p), 0, n - 1).astype(int) if m > n else i * n // m] = 1
        return w
    width = max(1, 1 / scale) if antialias else 1
    kernel = triangle if mode == "linear" else lambda d: keys(d, -0.5 if antialias else -0.75)
    reach = int(np.ceil(2 * width)) + 1
    for sample in range(-reach, n + reach):
        inside = 0 <= sample < n
        if inside or not antialias:
            w[:, np.clip(sample, 0, n - 1)] += kernel((p - sample) / width)
    return w / w.sum(1, keepdims=True) if antialias else w


def upsampled(x, scales, *how):
    for axis, scale in enumerate(scales, 1):
        x = np.moveaxis(np.tensordot(matrix(x.shape[axis], scale, *how), x, (1, axis)), 0, axis)
    return x


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("n", [1, 4, 7])
def test_results_are_sums_of_samples_weighted_by_distance(n, scale, mode, align_corners):
    if int(scale * n) == 0:
        return
    x = random(2, n, 3)
    y = nn.Upsample(scale, mode, align_corners)(mx.array(x).astype(mx.float32))
    close(y, upsampled(x, [scale], mode, align_corners))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("scale", SCALES)
def test_antialiased_results_average_all_samples_of_their_cell(scale, mode):
    x = random(2, 9, 3)
    y = nn.Upsample(scale, mode, antialias=True)(mx.array(x).astype(mx.float32))
    close(y, upsampled(x, [scale], mode, False, True))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scales", [(2, 1.5), (0.5, 2), (1.5, 2, 0.5), (2,)])
def test_each_axis_has_its_own_factor(mode, scales):
    layer = nn.Upsample(scales, mode)
    shape = (2, *(5, 4, 6)[: len(scales)], 3)
    check(layer, lambda p, x: upsampled(x, scales, mode), random(*shape), dtypes=[mx.float32])
    assert nn.Upsample(list(scales), mode).scale_factor == tuple(map(float, scales))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("align_corners, antialias", [(False, False), (True, False), (False, True)])
def test_constants_stay_and_lines_go_on_inside(mode, align_corners, antialias):
    layer = nn.Upsample(2, mode, align_corners, antialias)
    close(layer(mx.full((1, 8, 1), 3.0)), np.full((1, 16, 1), 3.0))
    y = numbers(layer(mx.arange(8.0).reshape(1, 8, 1)))[0, :, 0]
    steps = np.diff(y[4:-4])
    assert (steps > 0).all()
    if mode == "linear":
        np.testing.assert_allclose(steps, 7 / 15 if align_corners else 0.5, atol=1e-5)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16, mx.int32, mx.uint8])
def test_nearest_keeps_the_dtype_and_sums_are_float32(dtype):
    x = mx.array([[[1], [2], [4]]]).astype(dtype)
    assert nn.Upsample(2)(x).dtype == dtype
    assert nn.Upsample(2)(x).flatten().tolist() == [1, 1, 2, 2, 4, 4]
    assert nn.Upsample(2, "linear")(x).dtype == nn.Upsample(2, "cubic")(x).dtype == mx.float32


def test_a_factor_that_leaves_nothing_gives_no_samples():
    for mode in ("nearest", "linear", "cubic"):
        assert nn.Upsample(0.1, mode)(mx.zeros((2, 4, 3))).shape == (2, 0, 3)
        assert nn.Upsample((2, 0), mode)(mx.zeros((2, 4, 4, 3))).shape == (2, 8, 0, 3)
        y = nn.Upsample(2, mode)(mx.zeros((2, 0, 3), dtype=mx.float16))
        assert y.shape == (2, 0, 3) and y.dtype == (mx.float16 if mode == "nearest" else mx.float32)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nn.Upsample(2, "area"), "mode"),
        (lambda: nn.Upsample("a"), "."),
        (lambda: nn.Upsample(0.5, antialias=True), "antialias"),
        (lambda: nn.Upsample(0.5, "linear", True, True), "antialias"),
        (lambda: nn.Upsample((2, 2))(mx.zeros((1, 4, 1))), "1 spatial axes"),
        (lambda: nn.Upsample(-1)(mx.zeros((1, 4, 1))), "factor of 0 or more"),
        (lambda: nn.Upsample(2)(mx.zeros((3, 4))), "got shape"),
    ],
)
def test_options_and_shapes_that_do_not_fit_are_value_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()
