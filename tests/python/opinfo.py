"""One table of ops: how to call each, what NumPy says, its dtypes, its derivatives. test_ops.py walks it.

A result may differ by `ulps` units in the last place of its dtype, counted at the larger of its own magnitude and 1
(times the row's `scale`, for sums of many terms).
"""

import math
from statistics import NormalDist

import mlx.core as mx
import numpy as np
from samples import (
    ANY,
    AWAY,
    COMPLEX,
    EVERY,
    FLOATS,
    INTEGERS,
    LAYOUTS,
    NUMBERS,
    POSITIVE,
    REALS,
    UNIT,
    Op,
    always,
    at_least_float,
    between,
    distinct,
    few,
    halves,
    indices,
    numpy_dtype,
    real_float,
    real_part,
    same,
    single,
    specials,
    summed,
    truths,
)

OPS: list[Op] = []


def op(name, call, reference, *inputs, **more):
    OPS.append(Op(name, call, reference, inputs, **more))


def both(name, call, *inputs, **more):
    """One expression serves MLX and NumPy: call(xp, *arrays)."""
    op(name, lambda *a: call(mx, *a), lambda *a: call(np, *a), *inputs, **more)


# ---- Unary ----
def lifted(f):
    return np.vectorize(f, otypes=[np.float64])


def wide(f):
    """Integers go to float64 first, as MLX takes them to float32."""
    return lambda *a: f(*(x.astype(np.float64) if x.dtype.kind in "biu" else x for x in a))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def erfinv(x):
    inverse = NormalDist().inv_cdf
    return lifted(lambda v: inverse((v + 1) / 2) / math.sqrt(2) if abs(v) < 1 else v * math.inf if abs(v) == 1
                  else math.nan)(x)  # fmt: skip


def unary(name, inputs, dtypes=EVERY, result=at_least_float, reference=None, smooth=True, **more):
    op(name, getattr(mx, name), wide(reference or getattr(np, name)), inputs, dtypes=dtypes, result=result,
       smooth=(0,) if smooth else (), elementwise=True, **more)  # fmt: skip


def exact(name, inputs, dtypes, result=same, reference=None, smooth=False, **more):
    op(name, getattr(mx, name), reference or getattr(np, name), inputs, dtypes=dtypes, result=result, ulps=0,
       smooth=(0,) if smooth else (), elementwise=True, **more)  # fmt: skip


for name, inputs in {
    "sqrt": POSITIVE, "exp": ANY, "log": POSITIVE, "log2": POSITIVE, "log10": POSITIVE, "log1p": POSITIVE,
    "sin": ANY, "cos": ANY, "tan": UNIT, "arcsin": UNIT, "arccos": UNIT, "arctan": ANY, "sinh": ANY, "cosh": ANY,
    "tanh": ANY, "arcsinh": ANY, "arccosh": between(1.1, 4, 2, 9), "arctanh": between(-0.95, 0.95, 0, 0),
    "reciprocal": AWAY, "degrees": ANY, "radians": ANY,
}.items():  # fmt: skip
    dtypes = EVERY[1:] if inputs is POSITIVE or name in ("arccosh", "arctanh", "reciprocal") else EVERY
    if name in ("degrees", "radians"):
        dtypes = REALS
    unary(name, inputs, dtypes, ulps=8 if name in ("degrees", "radians") else 4,
          scale=60 if name in ("exp", "sinh", "cosh") else 1)  # fmt: skip
unary("rsqrt", POSITIVE, EVERY[1:], reference=lambda x: 1 / np.sqrt(x), ulps=4)
unary("expm1", ANY, REALS, scale=4)
unary("erf", ANY, REALS, reference=lifted(math.erf))
unary("erfinv", between(-0.95, 0.95, 0, 0), REALS, reference=erfinv, ulps=8)
unary("sigmoid", ANY, REALS, reference=sigmoid)
unary("square", ANY, result=same, scale=4, reference=lambda x: np.square(x))
exact("negative", halves, NUMBERS, smooth=True)
exact("abs", halves, REALS, smooth=True, order=1)
op("abs.complex", mx.abs, np.abs, ANY, dtypes=COMPLEX, result=always("float32"))
exact("sign", halves, REALS, reference=lambda x: x if x.dtype == bool else np.sign(x))
op("sign.complex", mx.sign, lambda z: z / np.abs(z), ANY, dtypes=COMPLEX)
for name in ("floor", "ceil", "trunc"):
    exact(name, halves, REALS)
exact("round", halves, EVERY, reference=lambda x: np.round(x) if x.dtype != bool else x)
op("round.decimals", lambda a: mx.round(a, 1), lambda a: np.round(a, 1), ANY, dtypes=("float32", "float64"))
exact("logical_not", few, EVERY, always("bool_"))
exact("bitwise_invert", few, ("bool_",) + INTEGERS, reference=np.invert)
for name in ("isnan", "isinf", "isfinite"):
    exact(name, specials, EVERY, always("bool_"))
for name in ("isposinf", "isneginf"):
    exact(name, specials, REALS, always("bool_"), wide(getattr(np, name)))
exact("real", ANY, EVERY, real_part, reference=np.real)
exact("imag", ANY, EVERY, real_part, reference=np.imag)
exact("conjugate", ANY, EVERY)
op("nan_to_num", lambda a: mx.nan_to_num(a, 7.0, 8.0, 9.0), lambda a: np.nan_to_num(a, nan=7, posinf=8, neginf=9),
   specials, dtypes=REALS[:-1], ulps=0)  # fmt: skip
exact("stop_gradient", ANY, EVERY, reference=lambda x: x)
for target in EVERY:  # every cast, over values that every dtype has
    exact_cast = (lambda t: lambda a: a.astype(getattr(mx, t)))(target)
    in_numpy = (lambda t: lambda a: np.real(a).astype(bool) | (np.imag(a) != 0) if t == "bool_"
                else (a if t in COMPLEX else np.real(a)).astype(numpy_dtype(t)))(target)  # fmt: skip
    op(f"astype.{target}", exact_cast, in_numpy, between(0, 4, 0, 100), dtypes=EVERY, result=always(target), ulps=1,
       scale=100, elementwise=True)  # fmt: skip


# ---- Binary and ternary ----
def binary(name, inputs, dtypes=EVERY, result=same, reference=None, smooth=True, **more):
    op(name, getattr(mx, name), reference or getattr(np, name), *inputs, dtypes=dtypes, result=result,
       smooth=(0, 1) if smooth else (), elementwise=True, **more)  # fmt: skip


binary("add", (ANY, ANY), scale=4)
binary("subtract", (ANY, ANY), NUMBERS, scale=4)
binary("multiply", (ANY, ANY), scale=8)
binary("divide", (ANY, AWAY), EVERY[1:], at_least_float, wide(np.divide), scale=4)
binary("floor_divide", (between(-9, 9, -90, 90), AWAY), REALS[1:], smooth=False,
       reference=lambda a, b: a // b if a.dtype.kind in "iu" else np.floor(a / b))  # fmt: skip
binary("remainder", (between(-9, 9, -90, 90), AWAY), REALS[1:], smooth=False, scale=4)
binary("power", (POSITIVE, between(-2, 2, 0, 2)), NUMBERS, ulps=8, scale=16)
binary("maximum", (ANY, distinct), REALS, ulps=0, order=1)
binary("minimum", (ANY, distinct), REALS, ulps=0, order=1)
binary("logaddexp", (ANY, ANY), REALS, at_least_float, wide(np.logaddexp), ulps=4)
binary("arctan2", (AWAY, AWAY), REALS, at_least_float, wide(np.arctan2), ulps=4)
for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
             "logical_and", "logical_or", "logical_xor"):  # fmt: skip
    binary(name, (few, few), EVERY, always("bool_"), smooth=False)
for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    binary(name, (few, few), ("bool_",) + INTEGERS, smooth=False)
binary("left_shift", (few, between(0, 4)), INTEGERS, smooth=False)
binary("right_shift", (between(-9, 9), between(0, 4)), INTEGERS, smooth=False)
op("divmod", mx.divmod, np.divmod, between(-9, 9, -90, 90), AWAY, dtypes=REALS[1:], scale=4)
op("where", mx.where, np.where, truths, ANY, ANY, dtypes=EVERY, follows=(1, 2), smooth=(1, 2), ulps=0,
   elementwise=True)  # fmt: skip
op("clip", mx.clip, np.clip, halves, lambda *a: between(-2, 0)(*a), between(1, 3), dtypes=INTEGERS + FLOATS, ulps=0,
   elementwise=True)  # fmt: skip
op("isclose", mx.isclose, np.isclose, few, few, dtypes=EVERY, result=always("bool_"))
op("allclose", mx.allclose, np.allclose, few, few, dtypes=EVERY, result=always("bool_"))
op("array_equal", mx.array_equal, np.array_equal, few, few, dtypes=EVERY, result=always("bool_"))
both("broadcast binary", lambda xp, a, b: xp.add(a, b), (ANY, (5, 1, 7)), (ANY, (6, 1)), dtypes=EVERY, scale=4,
     smooth=(0, 1))  # fmt: skip

# ---- Creation ----
both("zeros_like", lambda xp, a: xp.zeros_like(a), ANY, dtypes=EVERY, ulps=0)
both("ones_like", lambda xp, a: xp.ones_like(a), ANY, dtypes=EVERY, ulps=0)
both("full", lambda xp, a: xp.full((3, 7), a), (ANY, (7,)), dtypes=EVERY, ulps=0)
both("tril", lambda xp, a: xp.tril(a, 1), (ANY, (2, 5, 7)), dtypes=EVERY, ulps=0, smooth=(0,))
both("triu", lambda xp, a: xp.triu(a, -1), (ANY, (2, 5, 7)), dtypes=EVERY, ulps=0, smooth=(0,))
both("diag", lambda xp, a: xp.diag(a, -1), (ANY, (7,)), dtypes=EVERY, ulps=0)
both("diagonal", lambda xp, a: xp.diagonal(a, 1, 0, 2), (ANY, (4, 3, 5)), dtypes=EVERY, ulps=0, smooth=(0,))
both("trace", lambda xp, a: xp.trace(a), (ANY, (4, 5)), dtypes=NUMBERS, result=summed, scale=16)
both("meshgrid", lambda xp, a, b: tuple(xp.meshgrid(a, b)), (ANY, (3,)), (ANY, (4,)), dtypes=EVERY, ulps=0)

# ---- Shape ----
for name, call in {
    "reshape": lambda xp, a: xp.reshape(a, (4, -1)),
    "transpose": lambda xp, a: xp.transpose(a),
    "transpose.axes": lambda xp, a: xp.transpose(a, (1, 2, 0)),
    "swapaxes": lambda xp, a: xp.swapaxes(a, 0, -1),
    "moveaxis": lambda xp, a: xp.moveaxis(a, 0, 1),
    "expand_dims": lambda xp, a: xp.expand_dims(a, (0, -1)),
    "squeeze": lambda xp, a: xp.squeeze(xp.expand_dims(a, 1), 1),
    "squeeze.all": lambda xp, a: xp.squeeze(a[:1]),
    "broadcast_to": lambda xp, a: xp.broadcast_to(a, (2, 4, 6, 5)),
    "slice": lambda xp, a: a[1:3, ::2, -2:],
    "slice.negative": lambda xp, a: a[::-2, 4:0:-1, None, ..., 1],
    "split": lambda xp, a: tuple(xp.split(a, 2, axis=1)),
    "split.indices": lambda xp, a: tuple(xp.split(a, [1, 3], axis=-2)),
    "repeat": lambda xp, a: xp.repeat(a, 3, axis=1),
    "repeat.flat": lambda xp, a: xp.repeat(a, 2),
    "tile": lambda xp, a: xp.tile(a, (2, 1, 3, 1)),
    "roll": lambda xp, a: xp.roll(a, (2, -8), axis=(0, 2)),
    "roll.flat": lambda xp, a: xp.roll(a, 7),
    "pad": lambda xp, a: xp.pad(a, ((1, 2), (0, 0), (3, 1))),
    "pad.value": lambda xp, a: xp.pad(a, 1, constant_values=1),
    "pad.edge": lambda xp, a: xp.pad(a, ((1, 2), (0, 0), (3, 1)), mode="edge"),
    "atleast": lambda xp, a: (xp.atleast_1d(a[0, 0, 0]), xp.atleast_2d(a[0, 0]), xp.atleast_3d(a[0])),
    "concatenate": lambda xp, a: xp.concatenate([a, a[:, :2], a], axis=1),
    "concatenate.flat": lambda xp, a: xp.concatenate([a, a], axis=None),
    "stack": lambda xp, a: xp.stack([a, a[::-1]], axis=-1),
    "gather.basic": lambda xp, a: a[2],
}.items():  # fmt: skip
    both(name, call, (ANY, (4, 6, 5)), dtypes=EVERY, ulps=0, smooth=(0,))
op(
    "flip",
    lambda a: a[::-1, :, ::-1],
    lambda a: np.flip(a, (0, 2)),
    (ANY, (4, 6, 5)),
    dtypes=EVERY,
    ulps=0,
    smooth=(0,),
)
op("flatten", lambda a: mx.flatten(a, 1), lambda a: a.reshape(4, 30), (ANY, (4, 6, 5)), dtypes=EVERY, ulps=0)
op("unflatten", lambda a: mx.unflatten(a, 1, (2, -1)), lambda a: a.reshape(4, 2, 3, 5), (ANY, (4, 6, 5)), dtypes=EVERY,
   ulps=0, smooth=(0,))  # fmt: skip
op("as_strided", lambda a: mx.as_strided(a, (3, 4), (2, 3), 1),
   lambda a: a.reshape(-1)[1 + 2 * np.arange(3)[:, None] + 3 * np.arange(4)], (ANY, (4, 6)), dtypes=EVERY, ulps=0,
   smooth=(0,))  # fmt: skip
op("contiguous", mx.contiguous, np.ascontiguousarray, (ANY, (4, 6, 5)), dtypes=EVERY, ulps=0, smooth=(0,))
op("view", lambda a: mx.view(a, mx.uint8), lambda a: a.astype(np.float32).view(np.uint8), (ANY, (3, 7)),
   dtypes=("float32",), result=always("uint8"))  # fmt: skip
op("slice_update", lambda a, b: mx.slice_update(a, b, mx.array([1, 2]), (0, 1)),
   lambda a, b: np.concatenate([a[:1], np.concatenate([a[1:3, :2], b, a[1:3, 6:]], 1), a[3:]]),
   (ANY, (5, 9)), (ANY, (2, 4)), dtypes=EVERY, ulps=0, smooth=(0, 1))  # fmt: skip

# ---- Indexing ----
A, I = (ANY, (5, 6, 4)), (indices(5), (3, 2))
more = dict(dtypes=EVERY, ulps=0, follows=(0,), smooth=(0,))
both("take", lambda xp, a, i: xp.take(a, i, axis=0), A, I, **more)
both("take.last", lambda xp, a, i: xp.take(a, i, axis=-1), A, (indices(4), (7,)), **more)
both("take.flat", lambda xp, a, i: xp.take(a, i), A, (indices(120), (7,)), **more)
both("take_along_axis", lambda xp, a, i: xp.take_along_axis(a, i, axis=1), A, (indices(6), (5, 3, 4)), **more)
both("gather", lambda xp, a, i, j: a[i, :, j], A, I, (indices(4), (2,)), **more)
both("gather.middle", lambda xp, a, i, j: a[:, i, j], A, (indices(6), (3, 1)), (indices(4), (2,)), **more)


def put(xp, a, i, v):
    if xp is mx:
        return mx.put_along_axis(a, i, v, axis=1)
    a = a.copy()
    np.put_along_axis(a, i, v, axis=1)
    return a


def scatter_add(xp, a, i, v):
    if xp is mx:
        return a.at[i].add(v)
    a = a.copy()
    np.add.at(a, i, v)
    return a


def assign(xp, a, v):
    a = xp.array(a)
    a[1:4:2, ..., -1] = v
    return a


def one_column_each(rng, shape, dtype):
    """Indices along axis 1 that never repeat in a column, so that the order of writes does not matter."""
    return np.argsort(rng.random((shape[0], 6, shape[2])), axis=1)[:, : shape[1]].astype(np.int32)


more = dict(dtypes=EVERY, ulps=0, follows=(0, 2), smooth=(0, 2))
both("put_along_axis", put, A, (one_column_each, (5, 3, 4)), (ANY, (5, 3, 4)), **more)
both(
    "scatter.add",
    scatter_add,
    A,
    (indices(5), (3,)),
    (ANY, (3, 6, 4)),
    **(more | dict(dtypes=NUMBERS, ulps=2, scale=8)),
)
both("slice.assign", assign, A, (ANY, (2, 6)), dtypes=EVERY, ulps=0, smooth=(0, 1))

# ---- Reductions ----
for label, axes in {"": None, ".first": 0, ".middle": 1, ".last": -1, ".outer": (0, 2)}.items():
    R, over = (ANY, (6, 9, 37)), dict(axis=axes)
    both(
        "sum" + label,
        lambda xp, a, o=over: xp.sum(a, **o),
        R,
        dtypes=EVERY,
        result=summed,
        smooth=(0,),
        scale=400,
    )
    both("mean" + label, lambda xp, a, o=over: xp.mean(a, **o), R, dtypes=EVERY, result=at_least_float, smooth=(0,),
         ulps=16)  # fmt: skip
    both("prod" + label, lambda xp, a, o=over: xp.prod(a, **o), (lambda r, s, t: 2 ** between(-0.1, 0.1, 0, 0)(r, s, t), (2, 9, 5)),
         dtypes=NUMBERS, result=summed, smooth=(0,), ulps=100, scale=4)  # fmt: skip
    for name in ("max", "min"):
        both(
            name + label,
            lambda xp, a, o=over, n=name: getattr(xp, n)(a, **o),
            (halves, (6, 9, 37)),
            dtypes=REALS,
            ulps=0,
        )
    both(
        "max.gradient" + label,
        lambda xp, a, o=over: xp.max(a, **o),
        (distinct, (2, 3, 4)),
        smooth=(0,),
        order=1,
        ulps=0,
    )
    for name in ("all", "any"):
        both(name + label, lambda xp, a, o=over, n=name: getattr(xp, n)(a, **o), (few, (3, 2, 2)), dtypes=EVERY,
             result=always("bool_"))  # fmt: skip
    both("var" + label, lambda xp, a, o=over: xp.var(a, keepdims=True, **o), R, dtypes=REALS, result=real_float,
         smooth=(0,), ulps=32, scale=8)  # fmt: skip
    both("std" + label, lambda xp, a, o=over: xp.std(a, ddof=1, **o), R, dtypes=REALS, result=real_float, smooth=(0,),
         ulps=32)  # fmt: skip
    log_sum = lambda a, o=over: np.log(np.sum(np.exp(a.astype(np.float64)), **o))  # noqa: E731
    op("logsumexp" + label, lambda a, o=over: mx.logsumexp(a, **o), log_sum, R, dtypes=REALS, result=at_least_float,
       smooth=(0,), ulps=16)  # fmt: skip
    soft = lambda a, o=over: np.exp(a) / np.sum(np.exp(a), **o, keepdims=True)  # noqa: E731
    op("softmax" + label, lambda a, o=over: mx.softmax(a, **o), soft, R, smooth=(0,))
op(
    "softmax.precise",
    lambda a: mx.softmax(a, -1, precise=True),
    lambda a: np.exp(a) / np.exp(a).sum(-1, keepdims=True),
    R,
)
op(
    "median",
    lambda a: mx.median(a, 1),
    wide(lambda a: np.median(a, 1)),
    R,
    dtypes=REALS,
    result=at_least_float,
    scale=4,
)
op("count_nonzero", lambda a: mx.count_nonzero(a, axis=1), lambda a: np.count_nonzero(a, 1), (few, (6, 9, 4)), dtypes=EVERY,
   result=always("int32"))  # fmt: skip

# ---- Order ----
for label, axis in {".first": 0, ".last": -1}.items():
    S, over = (distinct, (6, 17)), dict(axis=axis)
    order = dict(dtypes=INTEGERS + FLOATS[:1] + FLOATS[2:], ulps=0)
    for name in ("argmax", "argmin"):
        both(name + label, lambda xp, a, o=over, n=name: getattr(xp, n)(a, **o), (few, (6, 17)), dtypes=REALS,
             result=always("uint32"))  # fmt: skip
    both("sort" + label, lambda xp, a, o=over: xp.sort(a, **o), S, smooth=(0,), order=1, **order)
    op("argsort" + label, lambda a, o=over: mx.argsort(a, **o), lambda a, o=over: np.argsort(a, kind="stable", **o),
       (few, (6, 300)), dtypes=REALS, result=always("uint32"))  # fmt: skip
    op("partition" + label, lambda a, o=over: mx.take(mx.partition(a, 2, **o), 2, **o),
       lambda a, o=over: np.sort(a, **o).take(2, **o), S, **order)  # fmt: skip
    op("argpartition" + label,
       lambda a, o=over: mx.take(mx.take_along_axis(a, mx.argpartition(a, 3, **o), **o), 3, **o),
       lambda a, o=over: np.sort(a, **o).take(3, **o), S, **order)  # fmt: skip
    op("topk" + label, lambda a, o=over: mx.sort(mx.topk(a, 3, **o), **o),
       lambda a, o=over: np.sort(a, **o)[(-3 if o["axis"] else slice(-3, None), slice(None))]
       if o["axis"] == 0 else np.sort(a, -1)[:, -3:], S, smooth=(0,), order=1, **order)  # fmt: skip
op("argmax.flat", lambda a: mx.argmax(a), np.argmax, (few, (6, 17)), dtypes=REALS, result=always("uint32"))
op("searchsorted", lambda a, v: mx.searchsorted(mx.sort(a), v), lambda a, v: np.searchsorted(np.sort(a), v),
   (few, (9,)), (few, (7,)), dtypes=REALS, result=always("uint32"))  # fmt: skip


# ---- Scans ----
def scanned(f, axis, reverse=False, inclusive=True, initial=0):
    def run(a):
        a = np.flip(a, axis) if reverse else a
        r = f(a, axis)
        if not inclusive:
            first = np.full_like(r.take([0], axis), initial)
            r = np.concatenate([first, r.take(range(r.shape[axis] - 1), axis)], axis)
        return np.flip(r, axis) if reverse else r

    return run


SCANS = {
    "cumsum": (lambda a, x: np.cumsum(a, x, dtype=None if a.dtype == bool else a.dtype), ANY, NUMBERS, 0),
    "cumprod": (lambda a, x: np.cumprod(a, x, dtype=a.dtype), lambda r, s, t: 2 ** between(-0.1, 0.1, 0, 1)(r, s, t), NUMBERS, 1),
    "cummax": (np.maximum.accumulate, distinct, ("int32",) + FLOATS[2:], None),
    "cummin": (np.minimum.accumulate, distinct, ("int32",) + FLOATS[2:], None),
    "logcumsumexp": (np.logaddexp.accumulate, ANY, FLOATS, -np.inf),
}  # fmt: skip
for name, (f, values, dtypes, initial) in SCANS.items():
    for axis in (0, 1, 2):
        for reverse in (False, True):
            for inclusive in (True, False):
                if not inclusive and initial in (None, -np.inf):
                    continue
                label = f"{name}.{axis}" + ".reverse" * reverse + ".exclusive" * (not inclusive)
                how = dict(axis=axis, reverse=reverse, inclusive=inclusive)
                op(label, lambda a, n=name, h=how: getattr(mx, n)(a, **h), scanned(f, **how, initial=initial),
                   (values, (3, 4, 7)), dtypes=dtypes, smooth=(0,), ulps=16, scale=16,
                   order=1 if name in ("cummax", "cummin") else 2)  # fmt: skip
both("diff", lambda xp, a: xp.diff(a, 2, axis=0), (ANY, (5, 6)), dtypes=NUMBERS, scale=8)

# ---- Products ----
PRODUCTS = FLOATS + COMPLEX
more = dict(dtypes=PRODUCTS, smooth=(0, 1), ulps=2, scale=400)
for label, (a, b) in {
    "": ((7, 33), (33, 19)), ".vectors": ((33,), (33,)), ".row": ((33,), (33, 19)), ".column": ((7, 33), (33,)),
    ".batch": ((3, 7, 33), (3, 33, 5)), ".broadcast": ((2, 1, 4, 9), (3, 9, 5)), ".few_rows": ((1, 130), (130, 40)),
    ".shared": ((3, 4, 9), (9, 5)),
}.items():  # fmt: skip
    both("matmul" + label, lambda xp, a, b: xp.matmul(a, b), (ANY, a), (ANY, b), **more)
op("addmm", lambda c, a, b: mx.addmm(c, a, b, 0.5, 2.0), lambda c, a, b: 0.5 * (a @ b) + 2 * c, (ANY, (19,)),
   (ANY, (7, 33)), (ANY, (33, 19)), **(more | dict(smooth=(0, 1, 2))))  # fmt: skip
both("outer", lambda xp, a, b: xp.outer(a, b), (ANY, (5,)), (ANY, (2, 3)), **(more | dict(dtypes=EVERY)))
both("inner", lambda xp, a, b: xp.inner(a, b), (ANY, (3, 4, 9)), (ANY, (5, 9)), **more)
both("tensordot", lambda xp, a, b: xp.tensordot(a, b), (ANY, (3, 4, 5)), (ANY, (4, 5, 6)), **more)
both(
    "tensordot.axes",
    lambda xp, a, b: xp.tensordot(a, b, [[1, 0], [0, 2]]),
    (ANY, (3, 4, 5)),
    (ANY, (4, 2, 3)),
    **more,
)
both("kron", lambda xp, a, b: xp.kron(a, b), (ANY, (2, 3)), (ANY, (3, 2)), **(more | dict(dtypes=NUMBERS)))
for label, (subscripts, *shapes) in {
    "": ("ij,jk->ik", (4, 5), (5, 3)), ".batch": ("bhqd,bkhd->bhqk", (2, 3, 4, 5), (2, 2, 3, 5)),
    ".diagonal": ("iij,jk->ik", (3, 3, 4), (4, 2)), ".ellipsis": ("...ij,j->...", (2, 3, 4), (4,)),
    ".sum": ("ij,ij->", (4, 5), (4, 5)), ".outer": ("i,jk->kij", (4,), (2, 3)),
}.items():  # fmt: skip
    both(
        "einsum" + label,
        lambda xp, a, b, s=subscripts: xp.einsum(s, a, b),
        *((ANY, x) for x in shapes),
        **more,
    )
picks = [[2, 0], [1, 1]]
op("gather_mm", lambda a, b: mx.gather_mm(a, b, mx.array(picks[0]), mx.array(picks[1])),
   lambda a, b: a[picks[0]] @ b[picks[1]], (ANY, (3, 4, 5)), (ANY, (2, 5, 3)),
   **(more | dict(dtypes=FLOATS)))  # fmt: skip
op("segmented_mm", lambda a, b: mx.segmented_mm(a, b, mx.array([[0, 2], [2, 7]])),
   lambda a, b: np.stack([a[:, :2] @ b[:2], a[:, 2:] @ b[2:]]), (ANY, (4, 7)), (ANY, (7, 3)),
   **(more | dict(dtypes=FLOATS)))  # fmt: skip
SYLVESTER = [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
op("hadamard_transform", mx.hadamard_transform, wide(lambda a: a @ SYLVESTER / 2), (ANY, (3, 4)), dtypes=EVERY,
   result=at_least_float, smooth=(0,), scale=100)  # fmt: skip


# ---- Linear algebra ---- more, and spectra, in test_linalg.py
def regular(rng, shape, dtype):
    """Square matrices with a large diagonal."""
    return rng.uniform(-1, 1, shape) + 4 * np.eye(shape[-1])


def symmetric(xp, a):
    return a @ xp.swapaxes(a, -1, -2)


SQUARE, RIGHT = (regular, (2, 5, 5)), (ANY, (2, 5, 3))
more = dict(dtypes=("float32", "float64"), smooth=(0,), ulps=32, scale=4,
            layouts=tuple(x for x in LAYOUTS if x != "broadcast"))  # fmt: skip
both("inv", lambda xp, a: xp.linalg.inv(a), SQUARE, **more)
both("pinv", lambda xp, a: xp.linalg.pinv(a), (regular, (2, 4, 4)), **more)
both("det", lambda xp, a: xp.linalg.det(a), SQUARE, **(more | dict(scale=2000)))
both("slogdet", lambda xp, a: tuple(xp.linalg.slogdet(a)), SQUARE, **more)
both("cholesky", lambda xp, a: xp.linalg.cholesky(symmetric(xp, a)), SQUARE, **more)
both("solve", lambda xp, a, b: xp.linalg.solve(a, b), SQUARE, RIGHT, **(more | dict(smooth=(0, 1))))
op("solve_triangular", mx.linalg.solve_triangular, lambda a, b: np.linalg.solve(np.tril(a), b), SQUARE, RIGHT,
   **(more | dict(smooth=(0, 1))))  # fmt: skip
op("tri_inv", lambda a: mx.linalg.tri_inv(a, upper=True), lambda a: np.linalg.inv(np.triu(a)), SQUARE, **more)
both("svdvals", lambda xp, a: xp.linalg.svd(a, compute_uv=False), (ANY, (2, 3, 4)), **more)
both(
    "eigvalsh",
    lambda xp, a: xp.linalg.eigvalsh(symmetric(xp, a)),
    (ANY, (2, 4, 4)),
    **(more | dict(scale=40)),
)
both(
    "cross",
    lambda xp, a, b: xp.linalg.cross(a, b),
    (ANY, (4, 3)),
    (ANY, (4, 3)),
    dtypes=FLOATS,
    smooth=(0, 1),
    scale=8,
)
for order in (None, 1, 3, "fro"):
    over = (1, 2) if order == "fro" else 1
    both(f"norm.{order}", lambda xp, a, o=order, x=over: xp.linalg.norm(a, o, axis=x), (AWAY, (3, 4, 5)), dtypes=FLOATS,
         smooth=(0,), order=1 if order == 1 else 2, ulps=8, scale=4)  # fmt: skip


# ---- fast ----
def rms_norm(x, w=1):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-3) * w


def layer_norm(x, w=1, b=0):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-3) * w + b


def rope(x, dims, traditional, base=100.0, scale=0.5, offset=3, freqs=None):
    """x (..., T, D): pairs of features turned by position / base^(2i/dims) (Su et al., "RoFormer", 2021)."""
    half = dims // 2
    theta = base ** (-np.arange(half) / half) if freqs is None else 1 / freqs.astype(np.float64)
    angle = (offset + np.arange(x.shape[-2]))[:, None] * scale * theta
    pairs = x[..., :dims]
    a, b = (pairs[..., ::2], pairs[..., 1::2]) if traditional else (pairs[..., :half], pairs[..., half:])
    turned = a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)
    out = x.copy()
    out[..., :dims] = np.stack(turned, -1).reshape(pairs.shape) if traditional else np.concatenate(turned, -1)
    return out


def attention(q, k, v, mask=None, causal=False, scale=0.3):
    groups = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, groups, 1), np.repeat(v, groups, 1)
    scores = scale * q @ np.swapaxes(k, -1, -2)
    if causal:
        mask = np.tri(q.shape[2], k.shape[2], k.shape[2] - q.shape[2], dtype=bool)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True) @ v


X, W = (ANY, (3, 5, 36)), (ANY, (36,))
op("rms_norm", lambda x, w: mx.fast.rms_norm(x, w, 1e-3), rms_norm, X, W, smooth=(0, 1), scale=4)
op("rms_norm.plain", lambda x: mx.fast.rms_norm(x, None, 1e-3), rms_norm, X, smooth=(0,), ulps=4)
op(
    "layer_norm",
    lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-3),
    layer_norm,
    X,
    W,
    W,
    smooth=(0, 1, 2),
    scale=8,
)
op("layer_norm.plain", lambda x: mx.fast.layer_norm(x, None, None, 1e-3), layer_norm, X, smooth=(0,), ulps=4)
for traditional in (False, True):
    label = ".traditional" * traditional
    turn = dict(dims=8, traditional=traditional)
    op("rope" + label, lambda x, t=turn: mx.fast.rope(x, **t, base=100.0, scale=0.5, offset=3),
       lambda x, t=turn: rope(x, **t), (ANY, (2, 3, 5, 12)), smooth=(0,), ulps=4, scale=4)  # fmt: skip
    op("rope.freqs" + label,
       lambda x, f, t=turn: mx.fast.rope(x, **t, base=None, scale=0.5, offset=3, freqs=f),
       lambda x, f, t=turn: rope(x, **t, freqs=f), (ANY, (2, 3, 5, 8)), (single(POSITIVE), (4,)), follows=(0,), smooth=(0,),
       ulps=4, scale=4)  # fmt: skip
Q, K, M = (UNIT, (2, 4, 5, 16)), (UNIT, (2, 2, 9, 16)), (UNIT, (5, 9))
attend = mx.fast.scaled_dot_product_attention
more = dict(smooth=(0, 1, 2), ulps=8, scale=2)
op("attention", lambda q, k, v: attend(q, k, v, scale=0.3), attention, Q, K, K, **more)
op("attention.causal", lambda q, k, v: attend(q, k, v, scale=0.3, mask="causal"),
   lambda q, k, v: attention(q, k, v, causal=True), Q, K, K, **more)  # fmt: skip
op("attention.bool", lambda q, k, v, m: attend(q, k, v, scale=0.3, mask=m), attention, Q, K, K,
   (lambda r, s, t: truths(r, s, t) | (np.arange(9) == 4), (5, 9)), follows=(0, 1, 2), **more)  # fmt: skip
op("attention.additive", lambda q, k, v, m: attend(q, k, v, scale=0.3, mask=m), attention, Q, K, K, M,
   **(more | dict(smooth=(0, 1, 2, 3))))  # fmt: skip
op("attention.decode", lambda q, k, v: attend(q, k, v, scale=0.3), attention, (UNIT, (2, 4, 1, 64)), (UNIT, (2, 2, 70, 64)),
   (UNIT, (2, 2, 70, 64)), **more)  # fmt: skip


def gated_delta(q, k, v, gamma, beta, state, mask=None):
    """S' = gamma S, S = S' + beta (v - S' k) k^T, y = S q, a step at a time (Yang et al., "Gated delta networks", 2024)."""
    q, k = (np.repeat(a, v.shape[2] // a.shape[2], 2) for a in (q, k))
    gamma = gamma[..., None] if gamma.ndim == 3 else gamma
    outputs = np.zeros(v.shape)
    for b, t in np.ndindex(v.shape[:2]):
        if mask is None or mask[b, t]:
            for h in range(v.shape[2]):
                forgotten = state[b, h] * gamma[b, t, h]
                error = beta[b, t, h] * (v[b, t, h] - forgotten @ k[b, t, h])
                state[b, h] = forgotten + np.outer(error, k[b, t, h])
                outputs[b, t, h] = state[b, h] @ q[b, t, h]
    return outputs, state


def gated_delta_here(*inputs):
    outputs, state = mx.fast.gated_delta_update(*inputs)
    return outputs, state.astype(outputs.dtype)


KEYS, VALUES, GATES = (UNIT, (2, 5, 2, 4)), (UNIT, (2, 5, 4, 3)), (between(0.2, 0.9), (2, 5, 4))
more = dict(smooth=(0, 1, 2, 3, 4, 5), ulps=8)
op("gated_delta", gated_delta_here, lambda *a: gated_delta(*a[:5], a[5].copy()), KEYS, KEYS, VALUES, GATES, GATES,
   (UNIT, (2, 4, 3, 4)), **more)  # fmt: skip
op("gated_delta.per_key", gated_delta_here, lambda *a: gated_delta(*a[:5], a[5].copy()), KEYS, KEYS, VALUES,
   (between(0.2, 0.9), (2, 5, 4, 4)), GATES, (UNIT, (2, 4, 3, 4)), **more)  # fmt: skip
op("gated_delta.mask", gated_delta_here, lambda *a: gated_delta(*a[:5], a[5].copy(), a[6]), KEYS, KEYS, VALUES, GATES,
   GATES, (UNIT, (2, 4, 3, 4)), (truths, (2, 5)), follows=(0, 1, 2, 3, 4, 5), **more)  # fmt: skip
