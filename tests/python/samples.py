"""Dtypes, layouts and sample values for the table of ops.

Sample values are drawn in float64, rounded to the dtype under test, and handed to the reference widened: float64,
complex128, or the integers themselves.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
SIGNED = ("int8", "int16", "int32", "int64")
INTEGERS = UNSIGNED + SIGNED
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64",)
REALS = ("bool_",) + INTEGERS + FLOATS
NUMBERS = INTEGERS + FLOATS + COMPLEX
EVERY = ("bool_",) + NUMBERS
DTYPES = [getattr(mx, t) for t in EVERY]
EPS = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23, "float64": 2**-52, "complex64": 2**-23}
LAYOUTS = ("contiguous", "transposed", "stepped", "reversed", "broadcast")


# ---- Result dtypes, as MLX has them ----
def same(t):
    return t


def at_least_float(t):
    return t if t in EPS else "float32"


def always(t):
    return lambda _: t


def real_part(t):
    return "float32" if t == "complex64" else t


def real_float(t):
    return real_part(at_least_float(t))


def summed(t):
    """bool and small integers add up in 32 bits."""
    if t in UNSIGNED:
        return t if t == "uint64" else "uint32"
    return t if t in EPS or t == "int64" else "int32"


@dataclass(frozen=True)
class Op:
    name: str
    call: Callable  # of MLX arrays; an array or a tuple of them
    reference: Callable  # of NumPy arrays; the same structure
    inputs: tuple  # a sampler or (sampler, shape) for each input
    dtypes: tuple = FLOATS
    result: Callable = same
    smooth: tuple = ()  # the inputs with derivatives
    order: int = 2  # how many derivatives are checked
    ulps: float = 2
    scale: float = 1
    layouts: tuple = LAYOUTS
    follows: tuple = ()  # inputs in the dtype under test; others keep their own. (): all
    elementwise: bool = False

    def __repr__(self):
        return self.name

    def samples(self, dtype, small=False):
        """The inputs as NumPy arrays of a dtype wide enough, holding values that `dtype` has."""
        rng = np.random.default_rng(zlib.crc32(f"{self.name} {dtype}".encode()))
        out = []
        for i, spec in enumerate(self.inputs):
            sampler, shape = spec if isinstance(spec, tuple) else (spec, (3, 4) if small else (5, 67))
            values = sampler(rng, shape, dtype if not self.follows or i in self.follows else None)
            out.append(rounded(values, dtype) if not self.follows or i in self.follows else values)
        return out


def numpy_dtype(t):
    return np.dtype({"bool_": "bool", "bfloat16": "float32"}.get(t, t))


def rounded(values, dtype):
    """values as `dtype` holds them, widened for the reference."""
    if dtype == "bfloat16":
        return np.array(mx.array(values.astype(np.float32)).astype(mx.bfloat16).astype(mx.float32)).astype(
            np.float64
        )
    values = values.astype(numpy_dtype(dtype))
    return values.astype({"f": np.float64, "c": np.complex128}.get(values.dtype.kind, values.dtype))


def to_mlx(values, dtype=None):
    if dtype is None:
        return mx.array(values)
    narrow = values.astype(numpy_dtype(dtype))
    return mx.array(narrow, mx.float64) if dtype == "float64" else mx.array(narrow).astype(getattr(mx, dtype))


def to_numpy(a):
    if a.dtype == mx.bfloat16:
        a = a.astype(mx.float32)
    return np.array(a)


def laid_out(values, dtype, layout):
    """(MLX array, the values it holds): the same elements, elsewhere in memory; broadcast ones repeat."""
    if values.ndim == 0 or layout == "contiguous":
        return to_mlx(values, dtype), values
    if layout == "transposed":
        return mx.transpose(to_mlx(np.ascontiguousarray(values.T), dtype)), values
    if layout == "reversed":
        flip = (slice(None, None, -1),) * values.ndim
        return to_mlx(np.ascontiguousarray(values[flip]), dtype)[flip], values
    if layout == "broadcast":
        values = np.ascontiguousarray(np.broadcast_to(values[:1], values.shape))
        return mx.broadcast_to(to_mlx(values[:1], dtype), values.shape), values
    wide = np.repeat(values, 2, axis=-1)
    wide[..., ::2] = values.flat[0]
    return to_mlx(wide, dtype)[..., 1::2], values


# ---- Samplers: (generator, shape, dtype) -> float64, complex128 or integers ----
def between(low, high, low_int=None, high_int=None):
    """Floats in (low, high); integers in [low_int, high_int], which default to the integers between."""
    low_int, high_int = (
        math.ceil(low) if low_int is None else low_int,
        math.floor(high) if high_int is None else high_int,
    )

    def sample(rng, shape, dtype):
        if dtype == "bool_":
            return rng.integers(0, 2, shape)
        if dtype in INTEGERS:
            return rng.integers(max(low_int, 0) if dtype in UNSIGNED else low_int, high_int + 1, shape)
        if dtype in COMPLEX:
            return rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)
        return rng.uniform(low, high, shape)

    return sample


def few(rng, shape, dtype):
    """Few different values, so that comparisons meet equals."""
    values = rng.integers(0 if dtype in UNSIGNED else -2, 3, shape)
    return values + 1j * rng.integers(-2, 3, shape) if dtype in COMPLEX else values


def distinct(rng, shape, dtype):
    return rng.permutation(math.prod(shape)).reshape(shape) - (
        0 if dtype in UNSIGNED else math.prod(shape) // 2
    )


def specials(rng, shape, dtype):
    values = np.array([0, 1, np.nan, np.inf, -np.inf, -1])[rng.integers(0, 6, shape)]
    return values if dtype in EPS else np.nan_to_num(values, nan=2, posinf=3, neginf=4)


def halves(rng, shape, dtype):
    values = rng.integers(-9 if dtype not in UNSIGNED else 0, 10, shape)
    return values / 2 if dtype in FLOATS + COMPLEX else values


def indices(n, negative=True):
    return lambda rng, shape, dtype: rng.integers(-n if negative else 0, n, shape).astype(np.int32)


def single(sampler):
    return lambda *a: sampler(*a).astype(np.float32)


def truths(rng, shape, dtype):
    return rng.integers(0, 2, shape).astype(bool)


ANY = between(-4, 4)
POSITIVE = between(0.1, 4, 1, 9)
UNIT = between(-0.95, 0.95)
AWAY = lambda rng, shape, dtype: (
    (s := between(0.5, 3, 1, 5)(rng, shape, dtype))
    * (  # noqa: E731
        1 if dtype in UNSIGNED + ("bool_",) else rng.choice([-1, 1], shape)
    )
)
