"""The cases of linear algebra: one large matrix, and many small ones. One function a library, as in arrays.py."""

from __future__ import annotations

NAMES = ("svd", "qr", "eigh", "inv", "solve")
SIZES = {"of 512^2": (512, 512), "of 4096 matrices 8x8": (4096, 8, 8)}


def cases(module, normal, finish=lambda result: result):
    """Name -> setup, for a library's functions; eigh of symmetric matrices, solve with as many columns as rows."""

    def case(name, shape):
        def setup():
            a, b = normal(*shape), normal(*shape)
            if name == "eigh":
                a = a + a.swapaxes(-1, -2)
            arguments = (a, b) if name == "solve" else (a,)
            return lambda: finish(getattr(module, name)(*arguments))

        return setup

    return {f"{name} f32 {size}": case(name, shape) for size, shape in SIZES.items() for name in NAMES}


def mlx_linalg():
    import mlx.core as mx

    def normal(*shape):
        x = mx.random.normal(shape)
        mx.eval(x)
        return x

    return cases(mx.linalg, normal, mx.eval)


def torch_linalg():
    import torch

    return cases(torch.linalg, torch.randn)


def numpy_linalg():
    import numpy as np

    generator = np.random.default_rng(0)
    return cases(np.linalg, lambda *shape: generator.standard_normal(shape, np.float32))
