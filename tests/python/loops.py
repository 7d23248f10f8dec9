"""What vmap promises, as a loop, and comparing the two."""

import itertools

import mlx.core as mx
import numpy as np
from samples import EPS, to_numpy


def as_list(r):
    return list(r) if isinstance(r, (tuple, list)) else [r]


def loop(f, inputs, axes, size, out_axis=0):
    """What vmap promises: f of each element, stacked."""
    elements = [
        [a if x is None else mx.take(a, i, x) for a, x in zip(inputs, axes, strict=True)] for i in range(size)
    ]
    results = [as_list(f(*e)) for e in elements]
    return [mx.stack(list(r), out_axis) for r in zip(*results, strict=True)]


def check_same(got, want, ulps=2.0, scale=1.0):
    got, want = as_list(got), as_list(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape
        tolerance = 2 * ulps * EPS.get(str(g.dtype).removeprefix("mlx.core."), 0)
        np.testing.assert_allclose(to_numpy(g), to_numpy(w), rtol=tolerance, atol=tolerance * scale)


def check_against_loop(f, *inputs, in_axes=None, out_axes=0, **tolerance):
    axes = [0] * len(inputs) if in_axes is None else list(in_axes)
    size = next(a.shape[x] for a, x in zip(inputs, axes, strict=True) if x is not None)
    got = mx.vmap(f, tuple(axes), out_axes)(*inputs)
    check_same(got, loop(f, inputs, axes, size, out_axes), **tolerance)


def normal(*shape, seed=0):
    return mx.random.normal(shape, key=mx.random.key(seed + sum(shape)))


def subsets(n):
    return [s for s in itertools.product([True, False], repeat=n) if any(s)]
