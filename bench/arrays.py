"""The cases of the array API: sorting, moving, drawing, transforming, reducing; and NumPy's matrix product. One
function a library.

Each returns name -> setup; setup() returns the function to time. Inputs are held warm, and peers write into memory
they have already where they take it.
"""

from __future__ import annotations

import time

MILLION = 1 << 20
SIZE = 16 * MILLION
SIDE = 4096
PRIME = 1_000_003  # a length whose transform no small radix divides
IMAGE = (1, 56, 56, 64)  # batch, height, width, channels
AXES = {"all": None, "last": -1, "first": 0}
REDUCTIONS = ("sum", "max", "argmax", "mean", "var", "cumsum")


def reduction_name(op: str, axis: str) -> str:
    return f"{op} f32 {SIDE}x{SIDE}, {axis}"


def fastest(*functions):
    """The fastest of functions that do the same, by a short trial."""

    def trial(f):
        f()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            f()
            times.append(time.perf_counter() - start)
        return min(times)

    return min(functions, key=trial)


def mlx_arrays():
    import mlx.core as mx

    def unary(f, *shape):
        def setup():
            x = mx.random.normal(shape)
            mx.eval(x)
            return lambda: mx.eval(f(x))

        return setup

    def drawn(f):
        return lambda: lambda: mx.eval(f((SIZE,)))

    def reduction(op, axis):
        return unary(lambda x: getattr(mx, op)(x, axis=axis), SIDE, SIDE)

    def fourier(*shape):
        def setup():
            x = mx.random.normal(shape) + 1j * mx.random.normal(shape)
            mx.eval(x)
            return lambda: mx.eval(mx.fft.fft(x))

        return setup

    def convolution(groups):
        def setup():
            x, w = mx.random.normal(IMAGE), mx.random.normal((64, 3, 3, 64 // groups))
            mx.eval(x, w)
            return lambda: mx.eval(mx.conv2d(x, w, padding=1, groups=groups))

        return setup

    def rows():
        x, i = mx.random.normal((MILLION, 64)), mx.random.randint(0, MILLION, (MILLION,))
        mx.eval(x, i)
        return x, i

    def take():
        x, i = rows()
        return lambda: mx.eval(mx.take(x, i, axis=0))

    def scatter_add():
        updates, i = rows()
        total = mx.zeros((MILLION, 64))
        mx.eval(total)

        def run():
            nonlocal total
            total = total.at[i].add(updates)
            mx.eval(total)

        return run

    return {
        "sort f32 1M": unary(mx.sort, MILLION),
        "argsort f32 1M": unary(mx.argsort, MILLION),
        "partition f32 1M": unary(lambda x: mx.partition(x, MILLION // 2), MILLION),
        "argpartition f32 1M": unary(lambda x: mx.argpartition(x, MILLION // 2), MILLION),
        "transpose copy f32 4096x4096": unary(lambda x: mx.contiguous(x.T), SIDE, SIDE),
        "uniform f32 16M": drawn(lambda shape: mx.random.uniform(shape=shape)),
        "normal f32 16M": drawn(mx.random.normal),
        "fft c64 1024x1024": fourier(1024, 1024),
        "fft c64 1,000,003": fourier(PRIME),
        "conv2d 3x3 f32 1x56x56x64": convolution(1),
        "depthwise conv2d 3x3 f32 1x56x56x64": convolution(64),
        **{reduction_name(op, axis): reduction(op, AXES[axis]) for op in REDUCTIONS for axis in AXES},
        "take 1M rows of 64 f32": take,
        "scatter-add 1M rows of 64 f32": scatter_add,
    }


def torch_arrays():
    import torch
    import torch.nn.functional as F

    def sort(f):
        def setup():
            x, out = torch.randn(MILLION), (torch.empty(MILLION), torch.empty(MILLION, dtype=torch.int64))
            return lambda: f(x, out)

        return setup

    def reduction(op, axis):
        def setup():
            x = torch.randn(SIDE, SIDE)
            if op == "cumsum":
                flat, dim = (x.view(-1), 0) if axis is None else (x, axis)
                out = torch.empty_like(flat)
                return lambda: torch.cumsum(flat, dim, out=out)
            f = getattr(torch, "amax" if op == "max" else op)
            if axis is None:
                return lambda: f(x)
            out = f(x, dim=axis)
            return lambda: f(x, dim=axis, out=out)

        return setup

    def transpose():
        x, out = torch.randn(SIDE, SIDE), torch.empty(SIDE, SIDE)
        return lambda: out.copy_(x.T)

    def drawn(method):
        def setup():
            out = torch.empty(SIZE)
            return getattr(out, method)

        return setup

    def convolution(groups):
        def setup():
            b, h, w, c = IMAGE
            x, k = torch.randn(b, c, h, w), torch.randn(64, 64 // groups, 3, 3)
            last = torch.channels_last
            x_last, k_last = x.to(memory_format=last), k.to(memory_format=last)
            return fastest(
                lambda: F.conv2d(x, k, padding=1, groups=groups),
                lambda: F.conv2d(x_last, k_last, padding=1, groups=groups),
            )

        return setup

    def take():
        x, i = torch.randn(MILLION, 64), torch.randint(0, MILLION, (MILLION,))
        out = torch.empty(MILLION, 64)
        return lambda: torch.index_select(x, 0, i, out=out)

    def scatter_add():
        updates, i = torch.randn(MILLION, 64), torch.randint(0, MILLION, (MILLION,))
        total = torch.zeros(MILLION, 64)
        return lambda: total.index_add_(0, i, updates)

    return {
        "sort f32 1M": sort(lambda x, out: torch.sort(x, out=out)),
        "argsort f32 1M": sort(lambda x, out: torch.sort(x, out=out)),
        "transpose copy f32 4096x4096": transpose,
        "uniform f32 16M": drawn("uniform_"),
        "normal f32 16M": drawn("normal_"),
        "conv2d 3x3 f32 1x56x56x64": convolution(1),
        "depthwise conv2d 3x3 f32 1x56x56x64": convolution(64),
        **{reduction_name(op, axis): reduction(op, AXES[axis]) for op in REDUCTIONS for axis in AXES},
        "take 1M rows of 64 f32": take,
        "scatter-add 1M rows of 64 f32": scatter_add,
    }


def numpy_arrays():
    import numpy as np

    rng = np.random.default_rng()

    def in_place(method, *args):
        """Sorts a copy that is made into memory at hand."""

        def setup():
            x = rng.standard_normal(MILLION, dtype=np.float32)
            out = np.empty_like(x)

            def run():
                np.copyto(out, x)
                getattr(out, method)(*args)

            return run

        return setup

    def indices(f):
        def setup():
            x = rng.standard_normal(MILLION, dtype=np.float32)
            return lambda: f(x)

        return setup

    def transpose():
        x = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
        out = np.empty_like(x)
        return lambda: np.copyto(out, x.T)

    def drawn(f):
        def setup():
            out = np.empty(SIZE, np.float32)
            return lambda: f(dtype=np.float32, out=out)

        return setup

    def product():
        a, b = (rng.standard_normal((1024, 1024), dtype=np.float32) for _ in range(2))
        out = np.empty_like(a)
        return lambda: np.matmul(a, b, out=out)

    return {
        "matmul 1024^3 f32": product,
        "sort f32 1M": in_place("sort"),
        "argsort f32 1M": indices(np.argsort),
        "partition f32 1M": in_place("partition", MILLION // 2),
        "argpartition f32 1M": indices(lambda x: np.argpartition(x, MILLION // 2)),
        "transpose copy f32 4096x4096": transpose,
        "uniform f32 16M": drawn(rng.random),
        "normal f32 16M": drawn(rng.standard_normal),
    }


def scipy_arrays(threads: int):
    import numpy as np
    import scipy.fft

    rng = np.random.default_rng()

    def fourier(*shape):
        def setup():
            x = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
            return lambda: scipy.fft.fft(x, workers=threads)

        return setup

    return {"fft c64 1024x1024": fourier(1024, 1024), "fft c64 1,000,003": fourier(PRIME)}
