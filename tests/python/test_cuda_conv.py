"""Convolutions on the GPU, against those of the CPU."""

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU

pytestmark = pytest.mark.skipif(not HAS_GPU, reason="compares a GPU's results with the CPU's")

TOLERANCES = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 2e-6, "float64": 1e-14}


def random(shape, dtype, rng):
    with mx.stream(mx.cpu):
        return mx.array(rng.standard_normal(shape)).astype(getattr(mx, dtype))


def widened(x):
    with mx.stream(mx.cpu):
        return np.array(x.astype(mx.float64))


def check(x, w, **options):
    got = mx.conv_general(x, w, **options)
    want = mx.conv_general(x, w, **options, stream=mx.cpu)
    got, want = widened(got), widened(want)
    assert got.shape == want.shape
    scale = 4 * np.sqrt(np.prod(w.shape[1:])) + np.abs(want)
    assert (np.abs(got - want) / scale).max(initial=0) < TOLERANCES[str(x.dtype).split(".")[-1]]


CASES = [
    ((2, 9, 8), (6, 3, 8), {}),
    ((2, 9, 5), (4, 4, 5), {"stride": 2, "padding": 3}),
    ((1, 20, 1), (3, 7, 1), {"kernel_dilation": 2}),
    ((2, 8, 9, 16), (12, 3, 3, 16), {"padding": 1}),
    ((2, 8, 9, 3), (5, 3, 2, 3), {"stride": (2, 3), "padding": (1, 0)}),
    ((1, 7, 6, 12), (8, 3, 3, 12), {"kernel_dilation": (2, 1)}),
    ((1, 7, 6, 12), (6, 3, 3, 4), {"groups": 3, "padding": 1}),
    ((2, 5, 5, 16), (8, 2, 2, 8), {"groups": 2, "flip": True}),
    ((2, 5, 4, 6), (8, 3, 3, 6), {"input_dilation": (2, 3), "padding": 2}),
    ((2, 6, 6, 8), (10, 1, 1, 8), {}),
    ((2, 6, 6, 8), (10, 1, 1, 4), {"groups": 2}),
    ((2, 6, 6, 8), (10, 1, 1, 8), {"stride": 2}),
    ((1, 6, 6, 8), (4, 1, 1, 8), {"padding": ([1, 0], [0, 2])}),
    ((2, 6, 7, 8), (8, 3, 3, 1), {"groups": 8, "padding": 1}),
    ((2, 6, 7, 4), (12, 3, 2, 1), {"groups": 4, "stride": (1, 2), "flip": True}),
    ((2, 11, 6), (6, 4, 1), {"groups": 6, "padding": 3, "input_dilation": 2}),
    ((1, 4, 5, 6, 4), (6, 2, 3, 2, 4), {"padding": (1, 1, 0), "stride": (1, 2, 1)}),
    ((1, 4, 5, 6, 4), (6, 2, 2, 2, 2), {"groups": 2, "kernel_dilation": (1, 2, 3)}),
    ((1, 6, 6, 4), (4, 3, 3, 4), {"padding": ([2, 0], [0, 1])}),
    ((3, 0, 4, 6), (5, 1, 1, 6), {"padding": 1}),
]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("x_shape, w_shape, options", CASES)
def test_every_option(x_shape, w_shape, options, dtype):
    rng = np.random.default_rng(1)
    channels = w_shape[-1] * options.get("groups", 1)
    x = random((*x_shape[:-1], channels), dtype, rng)
    check(x, random(w_shape, dtype, rng), **options)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_operands_that_lie_in_another_order(dtype):
    rng = np.random.default_rng(2)
    x = random((2, 8, 7, 6), dtype, rng)
    w = random((8, 3, 3, 4), dtype, rng)
    check(mx.transpose(x, (0, 3, 2, 1)), w[:, :, ::-1].transpose(0, 2, 1, 3), groups=2)
    check(mx.transpose(x, (0, 3, 2, 1))[:, ::-1, :, 1:5], w, padding=1)
    check(x[:, 1:, :, ::2], w[:, ::2, :, 1:], stride=2)
    pointwise = random((10, 1, 1, 4), dtype, rng)
    check(x[:, :, :, 1:5], pointwise)
    check(mx.broadcast_to(x[:1, :, :, :4], (3, 8, 7, 4), stream=mx.cpu), pointwise)


def test_windows_of_many_pixels_are_unfolded_in_parts():
    """More than fit in memory at a time."""
    rng = np.random.default_rng(3)
    x = random((2, 700, 64, 4), "float32", rng)
    check(x, random((2, 14, 14, 4), "float32", rng))
