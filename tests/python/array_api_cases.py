"""Calls of every function of the array API standard, on NumPy arrays that a test gives to two namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
FLOATS = ("float32", "float64")
DTYPES = ("bool", *INTEGERS, *FLOATS, "complex64")
NUMBERS = DTYPES[1:]
INEXACT = (*FLOATS, "complex64")
SHAPES = ((3, 4), (5,), (), (0, 3), (2, 1, 3))


class Case(NamedTuple):
    """function(*args, **kwargs); label says which dtype or property is tried."""

    label: str
    args: tuple
    kwargs: dict[str, Any] = {}


class Dtype(NamedTuple):
    """Of either namespace."""

    name: str


def random(dtype: str, shape: tuple[int, ...] = (3, 4), seed: int = 0) -> np.ndarray:
    """Numbers of small size, so that sums of them fit and functions of them don't overflow."""
    generator = np.random.default_rng([seed, *shape])
    if dtype == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    if dtype in UNSIGNED:
        return generator.integers(0, 6, shape).astype(dtype)
    if dtype in SIGNED:
        return generator.integers(-4, 5, shape).astype(dtype)
    if dtype in FLOATS:
        return np.asarray(generator.uniform(-2, 2, shape), dtype)
    return np.asarray(generator.uniform(-2, 2, shape) + 1j * generator.uniform(-2, 2, shape), dtype)


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e30, np.inf, -np.inf, np.nan]


def special(dtype: str) -> np.ndarray:
    """What a function may have to treat apart."""
    if dtype in FLOATS:
        return np.array(SPECIAL, dtype)
    if dtype in INTEGERS:
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, info.max, info.min], dtype)
    return random(dtype, (4,))


# ---- Elementwise ----
UNARY = """abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite isinf
isnan log log10 log1p log2 logical_not negative positive real reciprocal round sign signbit sin sinh sqrt square tan
tanh trunc""".split()
BINARY = """add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal
floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum
multiply nextafter not_equal pow remainder subtract""".split()
PROMOTIONS = [(a, b) for kind in (SIGNED + UNSIGNED, INEXACT) for a in kind for b in kind if a != b]


def unary_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape in SHAPES:
            yield Case(f"{dtype} {shape}", (random(dtype, shape),))
        yield Case(f"{dtype} special", (special(dtype),))
    yield Case("scalar", (1.5,))


def binary_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for a, b in (((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2, 3)), ((0, 3), (1, 3)), ((), ())):
            yield Case(f"{dtype} {a} {b}", (random(dtype, a), random(dtype, b, seed=1)))
        yield Case(f"{dtype} special", (special(dtype)[:, None], special(dtype)))
        scalar = {"bool": True, "complex64": 1.5 - 1j}.get(dtype, 2)
        yield Case(f"{dtype} and scalar", (random(dtype), scalar))
        yield Case(f"scalar and {dtype}", (scalar, random(dtype)))
        if dtype in FLOATS:
            yield Case(f"{dtype} and float", (random(dtype), 1.5))
            yield Case(f"float and {dtype}", (1.5, random(dtype)))
    for a, b in PROMOTIONS:
        yield Case(f"{a} {b}", (random(a), random(b, seed=1)))
    yield Case("scalars", (1, 2))


def natural_cases() -> Iterator[Case]:
    """The right operand is from 0 to 7: the standard says nothing of integers that are raised to a negative power, or
    shifted by such a count or by all their bits."""
    for case in binary_cases():
        x1, x2 = case.args
        if isinstance(x2, np.ndarray) and x2.dtype.name in INTEGERS:
            x2 = np.clip(x2, 0, 7).astype(x2.dtype)
        yield Case(case.label, (x1, x2))


def clip_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        x = random(dtype)
        for low, high in ((None, None), (1, None), (None, 2), (1, 2)):
            yield Case(f"{dtype} {low} {high}", (x, low, high))
        yield Case(f"{dtype} keywords", (x,), {"min": 0, "max": 1})
        yield Case(f"{dtype} arrays", (x, np.zeros((4,), dtype), np.ones((3, 1), dtype)))
        yield Case(f"{dtype} float", (x, 0.5, 1.5))
    yield Case("int8 wide", (random("int8"), -1000, 1000))
    yield Case("float32 nan", (np.array([1, np.nan, 3], "float32"), 0.0, 2.0))


# ---- Creation ----
def dtype_keywords(dtypes: tuple[str, ...] = DTYPES) -> list[tuple[str, dict]]:
    return [("default", {}), ("device", {"device": None})] + [(d, {"dtype": Dtype(d)}) for d in dtypes]


def asarray_cases() -> Iterator[Case]:
    for value in (True, 3, -2.5, 1 + 2j, [1, 2], [[1.0], [2.0]], [True, False], (1, 2.5), [], 2**40, 2**70):
        yield Case(f"{value}", (value,))
    for dtype in DTYPES:
        x = random(dtype)
        yield Case(f"array {dtype}", (x,))
        yield Case(f"copy {dtype}", (x,), {"copy": True})
        yield Case(f"no copy {dtype}", (x,), {"copy": False})
        for to in ("float64", "complex64"):
            if not (dtype == "complex64" and to == "float64"):
                yield Case(f"{dtype} as {to}", (x,), {"dtype": Dtype(to)})
    yield Case("wrong dtype", (1,), {"dtype": "float"})
    yield Case("wrong device", (1,), {"device": "nowhere"})


def arange_cases() -> Iterator[Case]:
    for args in ((5,), (5.0,), (1, 5), (1, 7, 2), (5, 1, -1), (0, 1, 0.25), (3, 3), (0.5, 3)):
        for label, kwargs in dtype_keywords(NUMBERS[:-1]):
            fits = all(isinstance(a, int) for a in args) or "float" in label or not kwargs
            if fits and not ("u" in label and args[-1] == -1):
                yield Case(f"{args} {label}", args, kwargs)


def shape_cases() -> Iterator[Case]:
    for shape in ((2, 3), (), (0,), 4):
        for label, kwargs in dtype_keywords():
            yield Case(f"{shape} {label}", (shape,), kwargs)
    yield Case("wrong dtype", (2,), {"dtype": "float"})


def like_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for label, kwargs in dtype_keywords():
            yield Case(f"{dtype} {label}", (random(dtype),), kwargs)


def eye_cases() -> Iterator[Case]:
    for args in ((3,), (3, 4), (0,), (4, 2)):
        for k in (-1, 0, 2):
            yield Case(f"{args} {k}", args, {"k": k})
    for label, kwargs in dtype_keywords():
        yield Case(label, (3,), kwargs)


def full_cases() -> Iterator[Case]:
    for value in (True, 3, 2.5, 1j, 2**40):
        yield Case(f"{value}", ((2, 3), value))
        yield Case(f"{value} 0-d", ((), value))
    for dtype in DTYPES:
        yield Case(dtype, (3, 1), {"dtype": Dtype(dtype)})
    yield Case("array", (3, random("int32")))


def full_like_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        yield Case(dtype, (random(dtype), 1))
        yield Case(f"{dtype} float64", (random(dtype), 2.5), {"dtype": Dtype("float64")})


def linspace_cases() -> Iterator[Case]:
    for args in ((0, 1, 5), (2.5, -1, 4), (0, 1, 1), (0, 1, 0), (1j, 2 + 1j, 3)):
        for endpoint in (True, False):
            yield Case(f"{args} {endpoint}", args, {"endpoint": endpoint})
    for dtype in INEXACT:
        yield Case(dtype, (0, 1, 5), {"dtype": Dtype(dtype)})


def meshgrid_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for indexing in ("xy", "ij"):
            vectors = tuple(random(dtype, (n,)) for n in (2, 3, 4))
            yield Case(f"{dtype} {indexing}", vectors, {"indexing": indexing})
            yield Case(f"{dtype} {indexing} one", vectors[:1], {"indexing": indexing})
    yield Case("none", ())
    yield Case("dtypes", (random("int8", (2,)), random("int16", (2,))))


def triangle_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape in ((3, 4), (2, 3, 3), (0, 2), (4,)):
            yield Case(f"{dtype} {shape}", (random(dtype, shape),))
        for k in (-1, 1, 5):
            yield Case(f"{dtype} {k}", (random(dtype),), {"k": k})


def from_dlpack_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for copy in (None, True, False):
            yield Case(f"{dtype} {copy}", (random(dtype),), {"copy": copy})


# ---- Dtypes ----
def astype_cases() -> Iterator[Case]:
    for a in DTYPES:
        for b in DTYPES:
            if not (b in UNSIGNED and a in INEXACT):  # negative floats: each machine's own
                for copy in (True, False):
                    yield Case(f"{a} {b}", (random(a), Dtype(b)), {"copy": copy})


def can_cast_cases() -> Iterator[Case]:
    for a in DTYPES:
        for b in DTYPES:
            yield Case(f"{a} {b}", (Dtype(a), Dtype(b)))
            yield Case(f"array {a} {b}", (random(a), Dtype(b)))


def finfo_cases() -> Iterator[Case]:
    for dtype in INEXACT:
        yield Case(dtype, (Dtype(dtype),))
        yield Case(f"array {dtype}", (random(dtype),))
    yield Case("int32", (Dtype("int32"),))
    yield Case("wrong", (1,))


def iinfo_cases() -> Iterator[Case]:
    for dtype in INTEGERS:
        yield Case(dtype, (Dtype(dtype),))
        yield Case(f"array {dtype}", (random(dtype),))
    yield Case("float32", (Dtype("float32"),))
    yield Case("wrong", (1,))


def isdtype_cases() -> Iterator[Case]:
    kinds = [
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
    ]
    for dtype in DTYPES:
        for kind in (*kinds, ("bool", "integral"), Dtype("int8"), (Dtype("int8"), "bool"), "nonsense", 1, ()):
            yield Case(f"{dtype} {kind}", (Dtype(dtype), kind))


def result_type_cases() -> Iterator[Case]:
    for a, b in PROMOTIONS:
        yield Case(f"{a} {b}", (Dtype(a), random(b)))
    for dtype in DTYPES:
        yield Case(dtype, (Dtype(dtype),))
        if dtype != "bool":
            yield Case(f"{dtype} int", (1, Dtype(dtype)))
        if dtype in INEXACT:
            yield Case(f"{dtype} scalars", (Dtype(dtype), 1.5, 1j))
    yield Case("none", ())
    yield Case("scalar", (1,))
    yield Case("wrong", (Dtype("int8"), "x"))


# ---- Statistics ----
AXES = [((3, 4), a) for a in (None, 0, -1, (0, 1), ())] + [
    ((2, 3, 4), (0, -1)),
    ((), None),
    ((0, 3), 0),
    ((0, 3), 1),
]


def reduction_cases(dtypes: tuple[str, ...] = (), corrections: tuple[float, ...] = ()) -> Iterator[Case]:
    for dtype in DTYPES:
        for shape, axis in AXES:
            for keepdims in (False, True):
                yield Case(f"{dtype} {shape} {axis} {keepdims}", (random(dtype, shape),),
                           {"axis": axis, "keepdims": keepdims})  # fmt: skip
        yield Case(f"{dtype} default", (random(dtype),))
        for correction in corrections:
            yield Case(
                f"{dtype} correction {correction}", (random(dtype),), {"correction": correction, "axis": 0}
            )
        if dtype in FLOATS:
            yield Case(f"{dtype} special", (special(dtype),))
        for to in dtypes:
            if not (dtype == "complex64" or (dtype == "bool")):
                yield Case(f"{dtype} as {to}", (random(dtype),), {"dtype": Dtype(to), "axis": 1})
    yield Case("wrong axis", (random("float32"),), {"axis": 2})


def sum_cases() -> Iterator[Case]:
    yield from reduction_cases(dtypes=("float32", "float64", "int64", "int8"))


def variance_cases() -> Iterator[Case]:
    yield from reduction_cases(corrections=(0.0, 1, 0.5, 3, 4.0))


def running_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape, axis in (
            ((3, 4), 0),
            ((3, 4), -1),
            ((5,), None),
            ((0,), None),
            ((0, 3), 1),
            ((3, 4), None),
        ):
            for initial in (False, True):
                yield Case(f"{dtype} {shape} {axis} {initial}", (random(dtype, shape),),
                           {"axis": axis, "include_initial": initial})  # fmt: skip
        if dtype not in ("bool", "complex64"):
            yield Case(f"{dtype} as float64", (random(dtype),), {"axis": 0, "dtype": Dtype("float64")})


def diff_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for n in (0, 1, 2, 5):
            for axis in (0, -1):
                yield Case(f"{dtype} {n} {axis}", (random(dtype),), {"n": n, "axis": axis})
        ends = {"prepend": random(dtype, (3, 1)), "append": random(dtype, (3, 2))}
        yield Case(f"{dtype} ends", (random(dtype),), ends)


# ---- Sorting, searching, sets ----
def sort_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape, axis in (((3, 4), 0), ((3, 4), -1), ((50,), 0), ((0, 3), 0), ((2, 3, 4), 1)):
            for descending in (False, True):
                yield Case(f"{dtype} {shape} {axis} {descending}", (random(dtype, shape),),
                           {"axis": axis, "descending": descending})  # fmt: skip
        yield Case(f"{dtype} stable", (random(dtype),), {"stable": True})
    yield Case("wrong axis", (random("float32"),), {"axis": 2})


def extreme_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape, axis in (
            ((3, 4), None),
            ((3, 4), 0),
            ((2, 3, 4), -2),
            ((), None),
            ((0, 3), 1),
            ((0, 3), 0),
        ):
            for keepdims in (False, True):
                if (shape, axis) != ((0, 3), 1):
                    yield Case(f"{dtype} {shape} {axis} {keepdims}", (random(dtype, shape),),
                               {"axis": axis, "keepdims": keepdims})  # fmt: skip
        if dtype in FLOATS:
            yield Case(f"{dtype} nan", (np.array([1, np.nan, 5, np.nan, 0], dtype),))


def nonzero_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape in ((3, 4), (5,), (0, 2), (2, 2, 2)):
            yield Case(f"{dtype} {shape}", (random(dtype, shape),))
    yield Case("0-d", (random("int8", ()),))


def searchsorted_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        x, values = random(dtype, (9,)), random(dtype, (2, 3), seed=1)
        for side in ("left", "right"):
            yield Case(f"{dtype} {side}", (np.sort(x), values), {"side": side})
            yield Case(f"{dtype} {side} sorter", (x, values), {"side": side, "sorter": np.argsort(x)})
            if dtype not in ("bool", "complex64"):
                yield Case(f"{dtype} {side} scalar", (np.sort(x), 1), {"side": side})
        yield Case(f"{dtype} 0-d", (np.sort(x), values[0, 0] + np.zeros((), dtype)))
        yield Case(f"{dtype} empty", (x[:0], values))


def where_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for c, a, b in (((3, 4),) * 3, ((3, 1), (4,), ()), ((), (2, 3), (3,)), ((0, 3), (3,), ())):
            yield Case(
                f"{dtype} {c} {a} {b}", (random("bool", c), random(dtype, a), random(dtype, b, seed=1))
            )
        scalar = {"bool": True}.get(dtype, 1)
        yield Case(f"{dtype} scalar", (random("bool"), random(dtype), scalar))
        yield Case(f"scalar {dtype}", (random("bool"), scalar, random(dtype)))
        yield Case(f"condition {dtype}", (random(dtype), random("float32"), random("float32")))
    for a, b in PROMOTIONS:
        yield Case(f"{a} {b}", (random("bool"), random(a), random(b)))


def unique_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape in ((3, 4), (20,), (), (0,)):
            yield Case(f"{dtype} {shape}", (random(dtype, shape),))
        if dtype in FLOATS:
            yield Case(f"{dtype} nan", (np.array([np.nan, 1, np.nan, 1, -np.inf], dtype),))


def isin_cases() -> Iterator[Case]:
    for dtype in INTEGERS:
        for a, b in (((3, 4), (3,)), ((), (2, 2)), ((5,), (0,)), ((0, 2), (3,)), ((3,), ())):
            yield Case(f"{dtype} {a} {b}", (random(dtype, a), random(dtype, b, seed=1)))
        yield Case(f"{dtype} scalar", (random(dtype), 2))
        yield Case(f"scalar {dtype}", (2, random(dtype)))


# ---- Shapes ----
def each_dtype(*calls: tuple) -> Iterator[Case]:
    """Calls of (shape, other arguments..., keywords) for each dtype."""
    for dtype in DTYPES:
        for number, (shape, *args, kwargs) in enumerate(calls):
            yield Case(f"{dtype} {number}", (random(dtype, shape), *args), kwargs)


def broadcast_arrays_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        yield Case(dtype, (random(dtype, (3, 1)), random("int8", (4,)), random(dtype, ())))
    yield Case("one", (random("int8"),))
    yield Case("misfit", (random("int8", (2,)), random("int8", (3,))))


def broadcast_shapes_cases() -> Iterator[Case]:
    for shapes in (((3, 1), (4,)), ((2,),), ((), (3,)), ((2,), (3,)), ((0, 1), (1, 5))):
        yield Case(f"{shapes}", shapes)


def broadcast_to_cases() -> Iterator[Case]:
    yield from each_dtype(((3, 1), (3, 4), {}), ((), (2, 2), {}), ((1, 0), (3, 0), {}), ((3,), (4,), {}))


def concat_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for axis in (0, -2, None):
            yield Case(f"{dtype} {axis}", ([random(dtype, (2, 3)), random(dtype, (4, 3))],), {"axis": axis})
        yield Case(f"{dtype} empty", ((random(dtype, (0, 3)), random(dtype, (4, 3))),))
    for a, b in PROMOTIONS:
        yield Case(f"{a} {b}", ([random(a), random(b)],))
    yield Case("misfit", ([random("int8", (2, 3)), random("int8", (2, 2))],))
    yield Case("wrong axis", ([random("int8"), random("int8")],), {"axis": 2})


def stack_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for axis in (0, 1, -1):
            yield Case(f"{dtype} {axis}", ([random(dtype), random(dtype, seed=1)],), {"axis": axis})
        yield Case(f"{dtype} 0-d", ((random(dtype, ()), random(dtype, ())),))
    for a, b in PROMOTIONS:
        yield Case(f"{a} {b}", ([random(a), random(b)],))
    yield Case("misfit", ([random("int8", (2, 3)), random("int8", (2, 2))],))


def expand_dims_cases() -> Iterator[Case]:
    yield from each_dtype(*(((3, 4), a, {}) for a in (0, 1, 2, -1, -3)), ((), 0, {}), ((3,), 5, {}))


def flip_cases() -> Iterator[Case]:
    yield from each_dtype(*(((3, 4), {"axis": a}) for a in (None, 0, -1, (0, 1))), ((), {}), ((0, 2), {}))


def moveaxis_cases() -> Iterator[Case]:
    yield from each_dtype(((2, 3, 4), 0, 2, {}), ((2, 3, 4), -1, 0, {}), ((2, 3, 4), (0, 1), (2, 0), {}),
                          ((2, 3, 4), (2, 0), (0, -1), {}), ((2, 3, 4), 0, 3, {}))  # fmt: skip


def permute_dims_cases() -> Iterator[Case]:
    yield from each_dtype(
        ((2, 3, 4), (2, 0, 1), {}), ((3, 4), (1, 0), {}), ((), (), {}), ((3, 4), (0, 0), {})
    )


def repeat_cases() -> Iterator[Case]:
    counts = np.array([1, 0, 2, 3])
    yield from each_dtype(
        ((3, 4), 2, {}), ((3, 4), 3, {"axis": 0}), ((3, 4), counts, {"axis": 1}), ((4,), counts, {}), ((4,), 0, {}),
        ((3, 4), np.array(2), {"axis": -1}), ((3, 4), np.array([2]), {"axis": 0}), ((), 3, {}), ((0, 3), 2, {"axis": 1}),
        ((4,), np.array([1, 2]), {}), ((0,), np.zeros((0,), "int64"), {}),
    )  # fmt: skip
    yield Case("floats", (random("int8", (4,)), counts.astype("float32")))


def reshape_cases() -> Iterator[Case]:
    yield from each_dtype(*(((3, 4), s, {"copy": c}) for s in ((4, 3), (12,), (-1, 2), (2, 3, 2)) for c in (None, True, False)),
                          ((), (1, 1), {}), ((0, 3), (3, 0), {}), ((3, 4), (5, 2), {}))  # fmt: skip


def roll_cases() -> Iterator[Case]:
    yield from each_dtype(((3, 4), 1, {}), ((3, 4), -5, {"axis": 1}), ((3, 4), (1, 2), {"axis": (0, 1)}),
                          ((3, 4), (1, 1), {"axis": 0}), ((3, 4), 2, {"axis": (0, 1)}), ((0, 3), 1, {"axis": 0}))  # fmt: skip


def squeeze_cases() -> Iterator[Case]:
    yield from each_dtype(((1, 3, 1), 0, {}), ((1, 3, 1), (0, 2), {}), ((1, 3, 1), -1, {}), ((1, 3, 1), 1, {}),
                          ((1,), 3, {}))  # fmt: skip


def tile_cases() -> Iterator[Case]:
    yield from each_dtype(((2, 3), (2,), {}), ((2, 3), (1, 2, 3), {}), ((3,), (2, 2), {}), ((), (2,), {}), ((2, 3), (), {}),
                          ((2, 3), (0, 1), {}))  # fmt: skip


def unstack_cases() -> Iterator[Case]:
    yield from each_dtype(*(((2, 3, 4), {"axis": a}) for a in (0, 1, -1)), ((2, 3), {"axis": 2}))


def take_cases() -> Iterator[Case]:
    yield from each_dtype(((3, 4), np.array([2, 0, 2]), {"axis": 0}), ((5,), np.array([-1, 1]), {}),
                          ((3, 4), np.zeros((0,), "int32"), {"axis": 1}), ((3, 4), np.array([0]), {}),
                          ((3, 4), np.array([1], "uint8"), {"axis": -1}))  # fmt: skip
    yield Case("floats", (random("int8", (4,)), np.array([1.0])))


def take_along_axis_cases() -> Iterator[Case]:
    yield from each_dtype(((3, 4), np.array([[0, 2], [1, 1], [3, -1]]), {}), ((3, 4), np.array([[0, 2, 1, 1]]), {"axis": 0}),
                          ((5,), np.array([4, 0]), {"axis": 0}))  # fmt: skip


# ---- Products ----
def matmul_cases() -> Iterator[Case]:
    shapes = (((3, 4), (4, 2)), ((4,), (4,)), ((4,), (2, 4, 3)), ((2, 3, 4), (4,)), ((2, 1, 3, 4), (5, 4, 2)),
              ((0, 4), (4, 3)), ((3, 0), (0, 2)), ((3, 4), (3, 4)), ((), (3,)))  # fmt: skip
    for dtype in DTYPES:
        for a, b in shapes:
            yield Case(f"{dtype} {a} {b}", (random(dtype, a), random(dtype, b, seed=1)))
        if dtype in INTEGERS:
            large = np.random.default_rng(0).integers(
                np.iinfo(dtype).min, np.iinfo(dtype).max, (2, 5, 5), dtype
            )
            yield Case(f"{dtype} large", (large[0], large[1]))
    for a, b in PROMOTIONS:
        yield Case(f"{a} {b}", (random(a, (3, 4)), random(b, (4, 2))))


def tensordot_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        x, y = random(dtype, (2, 3, 4)), random(dtype, (3, 4, 5), seed=1)
        for axes in (2, ((1, 2), (0, 1)), ((2,), (1,)), ((-2,), (0,)), 0):
            yield Case(f"{dtype} {axes}", (x, y), {"axes": axes})
        yield Case(f"{dtype} misfit", (x, y), {"axes": 1})


def vecdot_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for a, b, axis in (((3, 4), (3, 4), -1), ((4,), (2, 4), -1), ((3, 4), (3, 1), -2), ((3,), (4,), -1)):
            yield Case(f"{dtype} {a} {b}", (random(dtype, a), random(dtype, b, seed=1)), {"axis": axis})


def outer_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for a, b in (((3,), (4,)), ((0,), (2,)), ((3, 1), (4,))):
            yield Case(f"{dtype} {a} {b}", (random(dtype, a), random(dtype, b, seed=1)))


def cross_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        if dtype not in UNSIGNED:
            for a, b, axis in (((3,), (3,), -1), ((2, 3), (3,), -1), ((3, 4), (3, 1), -2), ((2,), (2,), -1)):
                yield Case(f"{dtype} {a} {b}", (random(dtype, a), random(dtype, b, seed=1)), {"axis": axis})


# ---- Linear algebra ----
def definite(dtype: str, shape: tuple[int, ...] = (4, 4)) -> np.ndarray:
    x = random(dtype, shape)
    return (x @ np.conj(np.swapaxes(x, -1, -2)) + 3 * np.eye(shape[-1])).astype(dtype)


def square_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape in ((4, 4), (2, 3, 3), (1, 1), (0, 3, 3), (2, 3)):
            x = random(dtype, shape)
            regular = x + 3 * np.eye(*shape[-2:]).astype(dtype) if dtype in INEXACT else x
            yield Case(f"{dtype} {shape}", (regular,))


def definite_cases() -> Iterator[Case]:
    for dtype in INEXACT:
        for shape in ((4, 4), (2, 3, 3), (1, 1)):
            yield Case(f"{dtype} {shape}", (definite(dtype, shape),))
    yield Case("int32", (np.eye(3, dtype="int32"),))


def cholesky_cases() -> Iterator[Case]:
    for case in definite_cases():
        for upper in (False, True):
            yield Case(f"{case.label} {upper}", case.args, {"upper": upper})


def matrix_cases(**kwargs: Any) -> Iterator[Case]:
    for dtype in DTYPES:
        for shape in ((4, 4), (5, 3), (3, 5), (2, 4, 3), (4,)):
            yield Case(f"{dtype} {shape}", (random(dtype, shape),), kwargs)


def qr_cases() -> Iterator[Case]:
    for mode in ("reduced", "complete"):
        yield from matrix_cases(mode=mode)


def svd_cases() -> Iterator[Case]:
    for full in (True, False):
        yield from matrix_cases(full_matrices=full)


def rank_cases() -> Iterator[Case]:
    for dtype in INEXACT:
        x = random(dtype, (5, 4))
        x[:, 0] = x[:, 1]
        yield Case(f"{dtype} deficient", (x,))
        yield Case(f"{dtype} {0.5}", (random(dtype, (2, 5, 4)),), {"rtol": 0.5})
        yield Case(f"{dtype} array", (random(dtype, (2, 5, 4)),), {"rtol": np.array([0.1, 0.5], "float32")})


def solve_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for a, b in (
            ((4, 4), (4,)),
            ((4, 4), (4, 2)),
            ((2, 3, 3), (3, 2)),
            ((3, 3), (2, 3, 1)),
            ((2, 3, 3), (3,)),
        ):
            x = random(dtype, a)
            regular = x + 4 * np.eye(a[-1]).astype(dtype) if dtype in INEXACT else x
            yield Case(f"{dtype} {a} {b}", (regular, random(dtype, b)))


def diagonal_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for shape in ((3, 4), (2, 4, 3), (0, 2)):
            for offset in (-1, 0, 2):
                yield Case(f"{dtype} {shape} {offset}", (random(dtype, shape),), {"offset": offset})


def vector_norm_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for ord in (2, 1, 0, 3, 0.5, -1, np.inf, -np.inf):
            for axis, keepdims in ((None, False), (0, True), ((0, 2), False)):
                yield Case(f"{dtype} {ord} {axis}", (random(dtype, (2, 3, 4)),),
                           {"ord": ord, "axis": axis, "keepdims": keepdims})  # fmt: skip


def matrix_norm_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            for keepdims in (False, True):
                yield Case(
                    f"{dtype} {ord} {keepdims}",
                    (random(dtype, (2, 3, 4)),),
                    {"ord": ord, "keepdims": keepdims},
                )


def power_cases() -> Iterator[Case]:
    for case in square_cases():
        for n in (0, 1, 3, -2):
            yield Case(f"{case.label} {n}", (*case.args, n))


def transpose_cases() -> Iterator[Case]:
    yield from each_dtype(((3, 4), {}), ((2, 3, 4), {}), ((3,), {}))


# ---- Transforms ----
NORMS = ("backward", "ortho", "forward")


def line_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for norm in NORMS:
            for n, axis in ((None, -1), (4, 0), (7, -1)):
                yield Case(
                    f"{dtype} {norm} {n}", (random(dtype, (4, 6)),), {"norm": norm, "n": n, "axis": axis}
                )


def plane_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        for norm in NORMS:
            for s, axes in ((None, None), (None, (0, 1)), ((3, 8), (0, 2))):
                yield Case(
                    f"{dtype} {norm} {s}", (random(dtype, (3, 4, 6)),), {"norm": norm, "s": s, "axes": axes}
                )


def frequency_cases() -> Iterator[Case]:
    for n in (1, 4, 7):
        for d in (1.0, 0.25):
            yield Case(f"{n} {d}", (n,), {"d": d})
    for dtype in ("int32", *INEXACT):
        yield Case(dtype, (5,), {"dtype": Dtype(dtype)})


def shift_cases() -> Iterator[Case]:
    yield from each_dtype(((5, 4), {}), ((5, 4), {"axes": 0}), ((2, 5, 4), {"axes": (0, 2)}))


CASES = {
    "": {
        **dict.fromkeys(UNARY, unary_cases), **dict.fromkeys(BINARY, binary_cases),
        **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift", "pow"), natural_cases),
        "all": reduction_cases, "any": reduction_cases, "arange": arange_cases, "argmax": extreme_cases,
        "argmin": extreme_cases, "argsort": sort_cases, "asarray": asarray_cases, "astype": astype_cases,
        "broadcast_arrays": broadcast_arrays_cases, "broadcast_shapes": broadcast_shapes_cases,
        "broadcast_to": broadcast_to_cases, "can_cast": can_cast_cases, "clip": clip_cases, "concat": concat_cases,
        "count_nonzero": reduction_cases, "cumulative_prod": running_cases, "cumulative_sum": running_cases,
        "diff": diff_cases, "empty": shape_cases, "empty_like": like_cases, "expand_dims": expand_dims_cases,
        "eye": eye_cases, "finfo": finfo_cases, "flip": flip_cases, "from_dlpack": from_dlpack_cases,
        "full": full_cases, "full_like": full_like_cases, "iinfo": iinfo_cases, "isdtype": isdtype_cases,
        "isin": isin_cases, "linspace": linspace_cases, "matmul": matmul_cases, "matrix_transpose": transpose_cases,
        "max": reduction_cases, "mean": reduction_cases, "meshgrid": meshgrid_cases, "min": reduction_cases,
        "moveaxis": moveaxis_cases, "nonzero": nonzero_cases, "ones": shape_cases, "ones_like": like_cases,
        "permute_dims": permute_dims_cases, "prod": sum_cases, "repeat": repeat_cases, "reshape": reshape_cases,
        "result_type": result_type_cases, "roll": roll_cases, "searchsorted": searchsorted_cases, "sort": sort_cases,
        "squeeze": squeeze_cases, "stack": stack_cases, "std": variance_cases, "sum": sum_cases, "take": take_cases,
        "take_along_axis": take_along_axis_cases, "tensordot": tensordot_cases, "tile": tile_cases,
        "tril": triangle_cases, "triu": triangle_cases, "unique_all": unique_cases, "unique_counts": unique_cases,
        "unique_inverse": unique_cases, "unique_values": unique_cases, "unstack": unstack_cases,
        "var": variance_cases, "vecdot": vecdot_cases, "where": where_cases, "zeros": shape_cases,
        "zeros_like": like_cases,
    },
    "linalg": {
        "cholesky": cholesky_cases, "cross": cross_cases, "det": square_cases, "diagonal": diagonal_cases,
        "eig": square_cases, "eigh": definite_cases, "eigvals": square_cases, "eigvalsh": definite_cases,
        "inv": square_cases, "matmul": matmul_cases, "matrix_norm": matrix_norm_cases, "matrix_power": power_cases,
        "matrix_rank": rank_cases, "matrix_transpose": transpose_cases, "outer": outer_cases, "pinv": matrix_cases,
        "qr": qr_cases, "slogdet": square_cases, "solve": solve_cases, "svd": svd_cases, "svdvals": matrix_cases,
        "tensordot": tensordot_cases, "trace": diagonal_cases, "vecdot": vecdot_cases,
        "vector_norm": vector_norm_cases,
    },
    "fft": {
        **dict.fromkeys(("fft", "ifft", "hfft", "ihfft", "irfft", "rfft"), line_cases),
        **dict.fromkeys(("fftn", "ifftn", "irfftn", "rfftn"), plane_cases),
        "fftfreq": frequency_cases, "rfftfreq": frequency_cases, "fftshift": shift_cases, "ifftshift": shift_cases,
    },
}  # fmt: skip
