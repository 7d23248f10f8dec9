"""Random programs under mx.vmap, with grad and compile, against loops."""

import random

import mlx.core as mx
import numpy as np
import pytest
from loops import check_against_loop, check_same, loop


def axis_of(a, r):
    return r.randrange(max(1, a.ndim))


# One step: from two earlier values and an index vector, with choices of r. One that doesn't fit is left out.
STEPS = [
    lambda a, b, i, r: mx.transpose(a, r.sample(range(a.ndim), a.ndim)),
    lambda a, b, i, r: a.reshape(-1),
    lambda a, b, i, r: mx.tanh(a) + b,
    lambda a, b, i, r: a @ b,
    lambda a, b, i, r: mx.sum(a, axis=axis_of(a, r), keepdims=r.random() < 0.5),
    lambda a, b, i, r: mx.softmax(a, axis=axis_of(a, r)),
    lambda a, b, i, r: mx.sort(a, axis=axis_of(a, r)),
    lambda a, b, i, r: mx.cumsum(a, axis=axis_of(a, r)) * 0.3,
    lambda a, b, i, r: mx.concatenate([a, b], axis=axis_of(a, r)),
    lambda a, b, i, r: mx.where(a > 0, a, b),
    lambda a, b, i, r: mx.take(a, i, axis=axis_of(a, r)),
    lambda a, b, i, r: a[::2],
    lambda a, b, i, r: mx.expand_dims(a, r.randrange(a.ndim + 1)),
    lambda a, b, i, r: mx.pad(a, [(r.randrange(2), r.randrange(2)) for _ in range(a.ndim)]),
    lambda a, b, i, r: a.at[i].add(b[:1]),
    lambda a, b, i, r: mx.max(a, axis=-1, keepdims=True) * b,
    lambda a, b, i, r: mx.broadcast_to(a, (2, *a.shape)),
    lambda a, b, i, r: mx.logsumexp(a, axis=axis_of(a, r)),
    lambda a, b, i, r: mx.take_along_axis(a, mx.argsort(a, axis=0), axis=0),
    lambda a, b, i, r: mx.flatten(a)[:5],
    lambda a, b, i, r: mx.fast.rms_norm(a, None, 1e-3),
    lambda a, b, i, r: mx.stack([a, a * 2], axis=r.randrange(a.ndim + 1)),
    lambda a, b, i, r: mx.vmap(lambda z: mx.tanh(z) * z.sum(), axis_of(a, r))(a),
]


def program(seed):
    def run(x, y, i):
        r = random.Random(seed)
        values = [x, y]
        for _ in range(14):
            a, b, step = r.choice(values), r.choice(values), r.choice(STEPS)
            try:
                v = step(a, b, i, r)
            except (ValueError, IndexError):
                continue
            if 0 < v.size < 2000 and v.ndim <= 6:
                values.append(v)
        return [mx.tanh(v * 0.1) for v in values[-3:]]

    return run


def arguments(seed):
    """Two arrays and an index vector, some of them mapped."""
    r = np.random.default_rng(seed)
    first = [int(n) for n in r.integers(1, 5, r.integers(1, 4))]
    second = first if seed % 2 else [int(n) for n in r.integers(1, 5, r.integers(1, 3))]
    size = 1 + seed % 3
    arrays = [mx.array(r.normal(size=(size, *shape)).astype(np.float32)) for shape in (first, second)]
    arrays.append(mx.zeros((size, 2), mx.int32))
    axes = [0 if seed >> k & 1 else None for k in range(3)]
    axes[seed % 3] = 0
    return [a if x == 0 else a[0] for a, x in zip(arrays, axes, strict=True)], tuple(axes), size


@pytest.mark.parametrize("seed", range(60))
def test_programs_agree_with_a_loop(seed):
    f, (inputs, axes, size) = program(seed), arguments(seed)
    total = lambda *a: sum(mx.sum(v) for v in f(*a))  # noqa: E731
    gradient = mx.grad(total, (0, 1))
    check_against_loop(f, *inputs, in_axes=axes, ulps=500)
    check_against_loop(lambda *a: list(gradient(*a)), *inputs, in_axes=axes, ulps=5000, scale=10)
    got = mx.grad(lambda *a: mx.sum(mx.vmap(total, axes)(*a)), (0, 1))(*inputs)
    want = mx.grad(lambda *a: mx.sum(loop(total, a, axes, size)[0]), (0, 1))(*inputs)
    check_same(got, want, ulps=5000, scale=10)
    check_same(mx.compile(mx.vmap(f, axes))(*inputs), mx.vmap(f, axes)(*inputs), ulps=50)
