"""What the tests of layers share: parameters with known values, and what must hold of every layer.

A reference is a function of NumPy arrays in float64; a layer's parameters come to it as a dictionary.
"""

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_map

TOLERANCE = {mx.float32: 2e-5, mx.float16: 4e-3, mx.bfloat16: 3e-2}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def fill(layer, seed=1):
    """The layer with normal parameters, of deviation 1/2, in place of its own."""
    rng = np.random.default_rng(seed)
    return layer.update(
        tree_map(lambda p: mx.array(0.5 * rng.normal(size=p.shape)).astype(p.dtype), layer.parameters())
    )


def numbers(a):
    return np.array(a.astype(mx.float32)).astype(np.float64)


def parameters(layer):
    return {name: numbers(p) for name, p in tree_flatten(layer.parameters())}


def close(got, expected, dtype=mx.float32):
    """All results within the dtype's tolerance, relative to the largest."""
    got, expected = as_list(got), as_list(expected)
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a.shape == b.shape
        scale = max(1.0, np.abs(b).max(initial=0))
        np.testing.assert_allclose(numbers(a), b, atol=TOLERANCE[dtype] * scale, rtol=0)


def check(layer, reference, *inputs, dtypes=(mx.float32, mx.float16, mx.bfloat16), differentiate=True):
    """The layer follows its reference in each dtype, also compiled, and its derivatives are those of the
    reference by finite differences.
    """
    whole = layer.parameters()
    for dtype in dtypes:
        layer.update(tree_map(lambda p, dtype=dtype: p.astype(dtype), whole))
        arrays = [mx.array(x).astype(dtype) for x in inputs]
        expected = reference(parameters(layer), *map(numbers, arrays))
        got = layer(*arrays)
        assert as_list(got)[0].dtype == dtype
        close(got, expected, dtype)
        close(mx.compile(lambda *x: layer(*x))(*arrays), expected, dtype)
    layer.update(whole)
    if differentiate:
        check_derivatives(layer, reference, *inputs)


def check_derivatives(layer, reference, *inputs, step=1e-5):
    """The gradient of a weighted sum of the results by every parameter and input, in a random direction."""
    rng = np.random.default_rng(7)
    arrays = [mx.array(x).astype(mx.float32) for x in inputs]
    values = parameters(layer)
    weights = [rng.normal(size=r.shape) for r in as_list(reference(values, *inputs))]

    def total(results):
        return sum((w * r).sum() for w, r in zip(weights, as_list(results)))

    def loss(trained, arrays):
        layer.update(trained)
        results = as_list(layer(*arrays))
        return sum((mx.array(w.astype(np.float32)) * r).sum() for w, r in zip(weights, results))

    own = layer.trainable_parameters()
    by_parameters, by_inputs = mx.grad(loss, argnums=(0, 1))(own, arrays)
    layer.update(own)
    found = dict(tree_flatten(by_parameters)) | dict(enumerate(by_inputs))
    for name, gradient in found.items():
        base = inputs[name] if isinstance(name, int) else values[name]
        direction = rng.normal(size=base.shape)
        sides = []
        for sign in (1, -1):
            moved = base + sign * step * direction
            if isinstance(name, int):
                sides.append(total(reference(values, *inputs[:name], moved, *inputs[name + 1 :])))
            else:
                sides.append(total(reference(values | {name: moved}, *inputs)))
        expected = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(
            (numbers(gradient) * direction).sum(), expected, rtol=2e-3, atol=2e-3, err_msg=str(name)
        )


def as_list(results):
    return list(results) if isinstance(results, (list, tuple)) else [results]


def names(tree):
    return [name for name, _ in tree_flatten(tree)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def linear(p, name, x):
    """x W^T + b with the parameters under a name."""
    y = x @ p[f"{name}.weight"].T
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y
