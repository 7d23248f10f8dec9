"""What holds for any shape, layout, key and dtype: hypothesis draws them, NumPy says what the answer is."""

import math

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import EVERY, FLOATS, INTEGERS, NUMBERS, REALS, numpy_dtype, to_numpy

settings.register_profile(
    "properties", deadline=None, max_examples=80, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
settings.load_profile("properties")

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
FULL_SHAPES = st.lists(st.integers(1, 5), max_size=4).map(tuple)
EXACT = [t for t in EVERY if t != "bfloat16"]  # NumPy has no bfloat16
SEEDS = st.integers(0, 2**32)


def values(seed, shape, dtype="int32"):
    """Small integers, which every dtype holds."""
    rng = np.random.default_rng(seed)
    low, high = (0, 2) if dtype == "bool_" else (0, 9) if dtype.startswith("u") else (-9, 10)
    return rng.integers(low, high, shape).astype(numpy_dtype(dtype))


def pair(a):
    """The same elements here and there."""
    return mx.array(a) if a.dtype != np.float64 else mx.array(a, mx.float64), a


def check(got, want):
    want = np.asarray(want)
    got = to_numpy(got)
    assert got.shape == want.shape
    np.testing.assert_array_equal(got, want.astype(got.dtype))


# ---- Views ----
@st.composite
def slices(draw, n):
    ends = st.none() | st.integers(-n - 2, n + 2)
    return slice(draw(ends), draw(ends), draw(st.none() | st.sampled_from([1, 2, 3, -1, -2, -7])))


@st.composite
def view_step(draw, shape):
    """A function that makes a view of an array of the shape, in either library."""
    n = len(shape)
    kinds = ["expand", "broadcast"] + (["transpose", "slice", "slice", "reverse"] if n else [])
    kinds += ["flatten"] if n > 1 else []
    kind = draw(st.sampled_from(kinds))
    if kind == "transpose":
        order = draw(st.permutations(range(n)))
        return lambda xp, a: xp.transpose(a, order)
    if kind == "slice":
        key = tuple(draw(slices(d)) for d in shape)
        return lambda xp, a: a[key]
    if kind == "reverse":
        axis = draw(st.integers(0, n - 1))
        return lambda xp, a: a[(slice(None),) * axis + (slice(None, None, -1),)]
    if kind == "expand":
        axis = draw(st.integers(-n - 1, n))
        return lambda xp, a: xp.expand_dims(a, axis)
    if kind == "flatten":
        return lambda xp, a: a.reshape(shape[:-2] + (shape[-2] * shape[-1],))
    front = draw(st.integers(1, 3))
    sides = tuple(draw(st.integers(0, 3)) if d == 1 else d for d in shape)
    return lambda xp, a: xp.broadcast_to(a, (front, *sides))


@st.composite
def views(draw, dtypes=("int32",), shapes=SHAPES, steps=4):
    """(MLX array, NumPy array): the same view of the same elements."""
    dtype = draw(st.sampled_from(dtypes))
    a, b = pair(values(draw(SEEDS), draw(shapes), dtype))
    for _ in range(draw(st.integers(0, steps))):
        if a.ndim < 6:
            step = draw(view_step(b.shape))
            a, b = step(mx, a), step(np, b)
    return a, b


@given(views(EXACT, steps=7))
def test_a_chain_of_views_holds_the_same_elements(both):
    check(*both)
    check(mx.contiguous(both[0]), both[1])


@given(views(("int32", "float32", "bool_", "uint8"), steps=5), views(("int32", "float32"), FULL_SHAPES))
def test_elementwise_ops_of_views_follow_the_views(both, other):
    (a, b), (c, d) = both, other
    check(mx.where(a > 1, a, mx.negative(a.astype(mx.float32))), np.where(b > 1, b, -b.astype(np.float32)))
    check(mx.maximum(a.T.astype(mx.int32), 2) * 3 + 1, np.maximum(b.T.astype(np.int32), 2) * 3 + 1)
    check((c * c + c).astype(mx.float32).sum(), (d * d + d).astype(np.float32).sum())


@given(st.data())
def test_operands_broadcast_as_in_numpy(data):
    full = data.draw(SHAPES)

    def operand():
        shape = tuple(1 if data.draw(st.integers(0, 3)) == 0 else d for d in full)
        shape = shape[data.draw(st.integers(0, len(shape))) :] if shape else shape
        return pair(values(data.draw(SEEDS), shape))

    (a, b), (c, d), (e, f) = operand(), operand(), operand()
    check(a + c * e, b + d * f)
    check(mx.where(a > 0, c, e), np.where(b > 0, d, f))
    check((a + c).T - 1, (b + d).T - 1)
    assert mx.broadcast_shapes(b.shape, d.shape, f.shape) == np.broadcast_shapes(b.shape, d.shape, f.shape)
    for got, want in zip(mx.broadcast_arrays(a, c, e), np.broadcast_arrays(b, d, f)):
        check(got, want)


@given(SHAPES, SHAPES)
def test_shapes_that_do_not_broadcast_are_refused_as_in_numpy(x, y):
    try:
        want = np.broadcast_shapes(x, y)
    except ValueError:
        with pytest.raises(ValueError):
            mx.zeros(x) + mx.zeros(y)
    else:
        assert (mx.zeros(x) + mx.zeros(y)).shape == want


@given(views(steps=4), st.data())
def test_reshaping_keeps_the_order_of_elements(both, data):
    a, b = both
    sides = (
        [data.draw(st.sampled_from([d for d in range(1, b.size + 1) if b.size % d == 0]))]
        if b.size
        else [0, 3]
    )
    shape = (*sides, -1) if b.size and data.draw(st.booleans()) else (*sides, b.size // max(sides[0], 1))
    check(a.reshape(shape), b.reshape(shape))
    check(
        a.reshape(shape).T.reshape(-1) if b.size else a.reshape(shape),
        b.reshape(shape).T.reshape(-1) if b.size else b.reshape(shape),
    )
    check(a.flatten(), b.flatten())
    if b.ndim:
        i, j = (data.draw(st.integers(-b.ndim, b.ndim - 1)) for _ in range(2))
        check(mx.moveaxis(a, i, j), np.moveaxis(b, i, j))
        check(mx.swapaxes(a, i, j), np.swapaxes(b, i, j))
        check(mx.flip(a, i), np.flip(b, i))
    check(mx.squeeze(a), np.squeeze(b))


# ---- Keys ----
@st.composite
def index_arrays(draw, n, shape):
    return np.array(draw(st.lists(st.integers(-n, n - 1), min_size=math.prod(shape), max_size=math.prod(shape))),
                    np.int32).reshape(shape)  # fmt: skip


@st.composite
def keys(draw, shape, arrays=True):
    """A key for NumPy; as_mlx gives MLX's."""
    common = draw(st.sampled_from([(), (1,), (3,), (2, 1), (2, 3), (0,)]))
    items, used = [], draw(st.integers(0, len(shape)))
    kinds = ["int", "slice", "slice"] + (["array"] * 2 if arrays else [])
    for d in shape[:used]:
        kind = draw(st.sampled_from(kinds if d else ["slice"]))
        if kind == "int":
            items.append(draw(st.integers(-d, d - 1)))
        elif kind == "slice":
            items.append(draw(slices(d)))
        else:
            own = tuple(1 if draw(st.booleans()) else s for s in common)
            items.append(draw(index_arrays(d, own)))
    for extra in draw(st.lists(st.sampled_from([None, None, ...]), max_size=2)):
        if extra is None or not any(i is ... for i in items):
            at = len(items) if extra is ... else draw(st.integers(0, len(items)))
            items.insert(at, extra)
    if len(items) == 1 and draw(st.booleans()):
        return items[0]
    return tuple(items)


def as_mlx(key):
    if isinstance(key, tuple):
        return tuple(as_mlx(k) for k in key)
    return mx.array(key) if isinstance(key, np.ndarray) else key


@settings(max_examples=250)
@given(views(("int32", "float16", "uint8", "complex64")), st.data())
def test_any_key_reads_what_numpy_reads(both, data):
    a, b = both
    key = data.draw(keys(b.shape))
    check(a[as_mlx(key)], b[key])


@settings(max_examples=150)
@given(views(steps=2), st.data())
def test_assignment_through_any_key_writes_what_numpy_writes(both, data):
    a, b = both
    key = data.draw(keys(b.shape))
    b = b.copy()
    part = b[key]
    one = part.shape[data.draw(st.integers(0, part.ndim)) :]
    one = tuple(1 if data.draw(st.integers(0, 3)) == 0 else d for d in one)
    # A place that is named twice may take either value: there, all are equal.
    repeats = np.unique(np.arange(b.size).reshape(b.shape)[key]).size < part.size
    value = np.full(one, 77, np.int32) if repeats else values(data.draw(SEEDS), one)
    b[key] = value
    a = mx.array(a)
    before = a + 0
    kept, checksum = a, before.sum().item()
    a[as_mlx(key)] = mx.array(value)
    check(a, b)
    assert before.sum().item() == checksum


@settings(max_examples=150)
@given(views(("int32", "float32"), steps=2), st.data())
def test_updates_at_any_key_accumulate_as_in_numpy(both, data):
    a, b = both
    key = data.draw(keys(b.shape))
    value = values(data.draw(SEEDS), np.empty(b.shape, bool)[key].shape).astype(b.dtype)
    name = data.draw(st.sampled_from(["add", "subtract", "multiply", "maximum", "minimum"]))
    if name == "multiply":
        value = np.sign(value)
    b = b.copy()
    getattr(np, name).at(b, key, value)
    check(getattr(a.at[as_mlx(key)], name)(mx.array(value)), b)


@given(views(shapes=FULL_SHAPES), st.data())
def test_masks_choose_and_assign_as_in_numpy(both, data):
    a, b = both
    n = data.draw(st.integers(1, b.ndim)) if b.ndim else 0
    if n == 0:
        return
    mask = np.random.default_rng(data.draw(SEEDS)).integers(0, 2, b.shape[:n]).astype(bool)
    check(a[mx.array(mask)], b[mask])
    b = b.copy()
    b[mask] = 5
    a = mx.array(a)
    a[mx.array(mask)] = 5
    check(a, b)


@given(views(shapes=FULL_SHAPES), st.data())
def test_take_and_put_along_an_axis_agree_with_numpy(both, data):
    a, b = both
    if b.size == 0 or b.ndim == 0:
        return
    axis = data.draw(st.integers(-b.ndim, b.ndim - 1))
    indices = data.draw(index_arrays(b.shape[axis], data.draw(st.sampled_from([(), (2,), (2, 2), (0,)]))))
    check(mx.take(a, mx.array(indices), axis=axis), np.take(b, indices, axis=axis))
    flat = data.draw(index_arrays(b.size, (3,)))
    check(mx.take(a, mx.array(flat)), np.take(b, flat))
    along = np.argsort(np.random.default_rng(data.draw(SEEDS)).random(b.shape), axis)
    check(mx.take_along_axis(a, mx.array(along), axis=axis), np.take_along_axis(b, along, axis))
    new = values(data.draw(SEEDS), b.shape)
    c = b.copy()
    np.put_along_axis(c, along, new, axis)
    check(mx.put_along_axis(a, mx.array(along), mx.array(new), axis=axis), c)


# ---- Joining, splitting, padding ----
@given(views(EXACT, steps=3), st.data())
def test_joining_splitting_and_repeating_agree_with_numpy(both, data):
    a, b = both
    check(mx.concatenate([a, a], axis=None), np.concatenate([b, b], axis=None))
    at = data.draw(st.integers(-b.ndim - 1, b.ndim))
    check(mx.stack([a, a, a], axis=at), np.stack([b, b, b], axis=at))
    count = data.draw(st.integers(0, 3))
    check(mx.repeat(a, count), np.repeat(b, count))
    reps = data.draw(st.lists(st.integers(0, 2), max_size=4).map(tuple))
    check(mx.tile(a, reps), np.tile(b, reps))
    if b.ndim == 0:
        return
    axis = data.draw(st.integers(-b.ndim, b.ndim - 1))
    part = (slice(None),) * (axis % b.ndim) + (slice(0, data.draw(st.integers(0, 3))),)
    check(mx.concatenate([a, a[part], a], axis=axis), np.concatenate([b, b[part], b], axis=axis))
    check(mx.repeat(a, count, axis), np.repeat(b, count, axis))
    shift = data.draw(st.integers(-20, 20))
    check(mx.roll(a, shift, axis), np.roll(b, shift, axis))
    check(mx.roll(a, shift), np.roll(b, shift))
    cuts = sorted(data.draw(st.lists(st.integers(0, 6), max_size=3)))
    for got, want in zip(mx.split(a, cuts, axis), np.split(b, cuts, axis), strict=True):
        check(got, want)
    n = b.shape[axis]
    for got, want in zip(mx.split(a, n, axis) if n else [], np.split(b, n, axis) if n else [], strict=True):
        check(got, want)


@given(views(shapes=FULL_SHAPES, steps=2), st.data())
def test_padding_agrees_with_numpy_in_every_mode(both, data):
    a, b = both
    widths = [(data.draw(st.integers(0, 7)), data.draw(st.integers(0, 7))) for _ in range(b.ndim)]
    for mode in ("constant", "edge", "reflect", "symmetric"):
        if mode == "constant" or b.size:
            check(mx.pad(a, widths, mode), np.pad(b, widths, mode) if b.ndim else b)


# ---- Reductions ----
@settings(max_examples=150)
@given(views(REALS[:-2] + ("float64",), steps=4), st.data())
def test_reductions_over_any_axes_of_any_layout_agree_with_numpy(both, data):
    a, b = both
    axes = (
        data.draw(st.lists(st.integers(0, max(b.ndim - 1, 0)), unique=True, max_size=b.ndim))
        if b.ndim
        else []
    )
    axes = tuple(i - b.ndim if data.draw(st.booleans()) else i for i in axes)
    how = dict(axis=data.draw(st.sampled_from([axes, None])), keepdims=data.draw(st.booleans()))
    wide = b.astype(np.float64)
    check(mx.sum(a, **how), wide.sum(**how))
    check(mx.any(a, **how), b.any(**how))
    check(mx.all(a, **how), b.all(**how))
    check(mx.count_nonzero(a, **how), np.count_nonzero(b, **how))
    if b.size:
        check(mx.max(a, **how), b.max(**how))
        check(mx.min(a, **how), b.min(**how))
        np.testing.assert_allclose(to_numpy(mx.mean(a, **how)), wide.mean(**how), rtol=2e-3, atol=2e-3)
        signs = mx.where(a > 0, 1, mx.where(a < 0, -1, 0)) if a.dtype != mx.bool_ else a.astype(mx.int32)
        check(mx.prod(signs, **how), np.sign(wide).prod(**how))


@settings(max_examples=100)
@given(views(("int32", "float32", "uint8", "float16"), steps=4), st.data())
def test_scans_sorts_and_extremes_along_any_axis_agree_with_numpy(both, data):
    a, b = both
    if b.ndim == 0:
        return
    axis = data.draw(st.integers(-b.ndim, b.ndim - 1))
    check(mx.cumsum(a, axis), np.cumsum(b, axis, dtype=np.float64 if b.dtype.kind == "f" else np.int32))
    check(mx.cummax(a, axis), np.maximum.accumulate(b, axis))
    check(mx.sort(a, axis), np.sort(b, axis))
    check(mx.argsort(a, axis), np.argsort(b, axis, kind="stable"))
    if b.shape[axis]:
        check(mx.argmax(a, axis), np.argmax(b, axis))
        check(mx.argmin(a, axis, keepdims=True), np.argmin(b, axis, keepdims=True))
        check(mx.softmax(a.astype(mx.float32), axis).sum(axis).round(), np.ones_like(b).sum(axis) * 0 + 1)


# ---- Casts ----
@given(st.sampled_from(EXACT), st.sampled_from(EXACT), views(("int32",)))
def test_values_that_both_dtypes_hold_survive_any_cast(x, y, both):
    a, b = mx.abs(both[0]), np.abs(both[1])
    got = a.astype(getattr(mx, x)).astype(getattr(mx, y))
    assert got.dtype == getattr(mx, y)
    check(got, b.astype(numpy_dtype(x)).real.astype(numpy_dtype(y)))


@given(
    st.sampled_from(INTEGERS),
    st.sampled_from(INTEGERS + ("bool_",)),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=70),
)
def test_integers_wrap_around_as_in_numpy(x, y, numbers):
    b = np.array(numbers, np.int64).astype(x)
    check(mx.array(b).astype(getattr(mx, y)), b.astype(numpy_dtype(y)))


@given(st.sampled_from(FLOATS), st.lists(st.floats(width=32), min_size=1, max_size=70))
def test_floats_round_and_overflow_as_in_numpy(t, numbers):
    b = np.array(numbers, np.float32)
    got = to_numpy(mx.array(b).astype(getattr(mx, t)))
    if t == "bfloat16":  # round to nearest even on the upper half of the bits
        bits = b.view(np.uint32)
        rounded = (
            ((bits.astype(np.uint64) + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16)
            .astype(np.uint32)
            .view(np.float32)
        )
        want = np.where(np.isnan(b), b, rounded)
    else:
        with np.errstate(all="ignore"):
            want = b.astype(numpy_dtype(t))
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(b)]), np.signbit(want[~np.isnan(b)]))
    check(mx.array(b).astype(mx.bool_), b.astype(bool))


@given(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS), SEEDS)
def test_arithmetic_of_mixed_dtypes_has_the_promoted_dtype_and_value(x, y, seed):
    a, b = (mx.abs(mx.array(values(seed + i, (7,)))) for i in range(2))
    got = a.astype(getattr(mx, x)) * b.astype(getattr(mx, y)) + b.astype(getattr(mx, y))
    assert got.dtype == mx.result_type(getattr(mx, x), getattr(mx, y))
    check(got, np.array(a).astype(np.int64) * np.array(b) + np.array(b))
