"""What moves data on a GPU has the CPU's bits: copies between layouts, arrays put together and written to in part, indexing,
random bits."""

import itertools
from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU
from test_device_programs import DTYPES, numbers, same

pytestmark = pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")

INDEX_DTYPES = [mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32, mx.int64]
UPDATES = ["add", "multiply", "maximum", "minimum"]
rng = np.random.default_rng(0)


def indices(shape: tuple[int, ...], bound: int, dtype: mx.Dtype) -> mx.array:
    """Counted from the front, or from the back where the dtype can."""
    values = rng.integers(-bound if mx.issubdtype(dtype, mx.signedinteger) else 0, bound, shape)
    with mx.stream(mx.cpu):
        a = mx.array(values).astype(dtype)
        mx.eval(a)
    return a


# ---- Copies ----
# Small and odd sizes, whole tiles, more than one of them, matrices with few rows or columns, and a batch.
MATRICES = [
    (7, 9),
    (64, 128),
    (70, 131),
    (132, 196),
    (300, 3),
    (2, 5000),
    (5, 64, 256),
    (9, 4, 4),
    (4, 33, 8),
]
VIEWS: dict[str, Callable[[mx.array], mx.array]] = {
    "transposed": lambda a: mx.swapaxes(a, -1, -2),
    "reversed axes": mx.transpose,
    "backwards": lambda a: a[..., ::-1],
    "backwards, transposed": lambda a: mx.swapaxes(a[..., ::-1, ::-1], -1, -2),
    "every other": lambda a: a[..., ::2],
    "unaligned": lambda a: a[..., 1:],
    "unaligned, transposed": lambda a: mx.swapaxes(a[..., 1:, 1:], -1, -2),
    "aligned to words, transposed": lambda a: mx.swapaxes(a[..., 4:, 4:], -1, -2),
    "one column": lambda a: mx.broadcast_to(a[..., :1], (*a.shape[:-1], 32)),
    "one row": lambda a: mx.broadcast_to(a[..., :1, :], a.shape),
    "one element": lambda a: mx.broadcast_to(a[..., :1, :1], a.shape),
}


@pytest.mark.parametrize("dtype", [mx.uint8, mx.bfloat16, mx.float32, mx.complex64], ids=str)
@pytest.mark.parametrize("view", VIEWS)
def test_every_layout_becomes_row_major(view: str, dtype: mx.Dtype) -> None:
    for shape in MATRICES:
        a = numbers(dtype, shape)
        same(lambda a=a: [mx.contiguous(VIEWS[view](a))])


def test_any_order_of_axes_becomes_row_major() -> None:
    for dtype, order in itertools.product([mx.uint8, mx.float16, mx.int32], itertools.permutations(range(4))):
        a = numbers(dtype, (5, 8, 16, 6))
        same(lambda a=a, order=order: [mx.contiguous(mx.transpose(a, order))])


# ---- Arrays put together, and written to in part ----
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_arrays_are_put_together(dtype: mx.Dtype) -> None:
    a, b, one = numbers(dtype, (3, 5, 7)), numbers(dtype, (3, 2, 7), 1), numbers(dtype, (1,), 2).reshape(())
    same(lambda: [mx.concatenate([a, b, a[:, ::2]], 1), mx.concatenate([a, a], -1)])
    same(lambda: [mx.pad(a, ((1, 2), (0, 3), (4, 0)), constant_values=one), mx.pad(a[:0], 1)])


@pytest.mark.parametrize("dtype", DTYPES[1:-1], ids=str)
def test_arange_counts_as_on_the_cpu(dtype: mx.Dtype) -> None:
    start = 0 if mx.issubdtype(dtype, mx.unsignedinteger) else -7.3
    same(lambda: [mx.arange(start, 100, 0.7, dtype=dtype), mx.arange(0, 3000, 3, dtype=dtype), mx.arange(0)])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_slices_are_updated(dtype: mx.Dtype) -> None:
    a, b = numbers(dtype, (4, 64, 32)), numbers(dtype, (4, 32, 32), 1)

    def put() -> mx.array:
        x = mx.array(a)
        x[:, 1::2, ::-1] = b
        return x

    same(lambda: [put()])
    for update in UPDATES:
        same(
            lambda update=update: [getattr(a.at[:, 8:40], update)(b), getattr(a.at[:, ::2, ::-1], update)(b)]
        )


@pytest.mark.parametrize("dtype", [mx.uint8, mx.float16, mx.float32, mx.complex64], ids=str)
def test_slices_start_where_data_says_and_are_moved_to_fit(dtype: mx.Dtype) -> None:
    a, b = numbers(dtype, (3, 5, 8)), numbers(dtype, (3, 2, 8), 1)
    for index_dtype, start in ((mx.int32, [1, 2]), (mx.int64, [-5, 100]), (mx.uint8, [200, 0])):
        at = mx.array(start, dtype=index_dtype)
        same(lambda at=at: [mx.slice(a, at, (0, 2), (2, 5, 3)), mx.slice(a.T, at, (0, 1), (2, 2, 3))])
        same(lambda at=at: [mx.slice_update(a, b, at[1:], (1,)), mx.slice_update(a, b[..., :4], at, (1, 2))])


# ---- Indexing ----
@pytest.mark.parametrize("index_dtype", INDEX_DTYPES, ids=str)
def test_indices_of_every_dtype_and_layout_pick_slices(index_dtype: mx.Dtype) -> None:
    for dtype in (mx.uint8, mx.bfloat16, mx.float32, mx.complex64):
        a = numbers(dtype, (20, 6, 32))
        for axis, bound in enumerate(a.shape):
            i = indices((4, 5), bound, index_dtype)
            same(lambda a=a, i=i, axis=axis: [mx.take(a, i, axis), mx.take(a[..., ::-1], i.T, axis)])
        i, j, k = (indices(s, n, index_dtype) for s, n in (((8, 3), 20), ((1, 3), 6), ((8, 1), 32)))
        same(lambda a=a, i=i, j=j, k=k: [a[i, j], a[i, j, k], a[i, :, k], a.T[k, j]])
        along = indices((20, 9, 32), 6, index_dtype)
        same(lambda a=a, i=along: [mx.take_along_axis(a, i, 1), mx.take_along_axis(a.T, i.T, 1)])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_updates_of_one_place_are_made_in_order(dtype: mx.Dtype) -> None:
    """Also of so many positions that they are sorted digit by digit, and of long runs."""
    many = numbers(dtype, (300,))
    a, rows = numbers(dtype, (20, 6, 32)), numbers(dtype, (50, 6, 32), 1)
    i, j, k = indices((50,), 20, mx.int32), indices((8, 3), 20, mx.uint8), indices((8, 3), 32, mx.int64)
    lots, values = indices((9000,), 120, mx.int32), numbers(dtype, (9000,), 2)
    along, put = indices((20, 9, 32), 6, mx.int16), numbers(dtype, (20, 9, 32), 3)
    pairs = numbers(dtype, (8, 3, 6), 4)

    def assigned() -> list[mx.array]:
        x, y, z = mx.array(a), mx.array(a), mx.array(many)
        x[i], y[j, :, k], z[lots] = rows, pairs, values
        return [x, y, z]

    same(assigned)
    same(lambda: [mx.put_along_axis(a, along, put, 1), mx.put_along_axis(a, along, put[:1, :1, :1], 1)])
    for update in UPDATES:
        same(
            lambda update=update: [
                getattr(a.at[i], update)(rows),
                getattr(a.at[i[:1]], update)(rows[:1]),
                getattr(a.at[j, :, k], update)(pairs),
                getattr(many.at[lots], update)(values),
            ]
        )


@pytest.mark.parametrize("f", [
    lambda a: mx.take(a, mx.array([0, 5]), 0),
    lambda a: mx.take(a, mx.array([0, -4]), 0),
    lambda a: mx.take(a, mx.array([0, 2**63 + 5], dtype=mx.uint64), 1),
    lambda a: mx.take(a[:, :0], mx.array([0, 7]), 0),
    lambda a: a[mx.array([0]), mx.array([9])],
    lambda a: mx.take_along_axis(a, mx.array([[9]]), 1),
    lambda a: mx.put_along_axis(a, mx.array([[9]]), mx.array(1.0), 1),
    lambda a: a.at[mx.array([9, 1])].add(1.0),
    lambda a: a.at[mx.array([1, 1]), mx.array([1, -5])].add(1.0),
])  # fmt: skip
def test_an_index_out_of_bounds_is_the_cpus_error(f: Callable[[mx.array], mx.array]) -> None:
    words = []
    for device in (mx.cpu, mx.gpu):
        with mx.stream(device), pytest.raises(IndexError) as error:
            mx.eval(f(mx.arange(12, dtype=mx.float32).reshape(3, 4)))
        words.append(str(error.value))
    assert words[0] == words[1]


# ---- Random bits ----
@pytest.mark.parametrize("n", [1, 2, 3, 7, 4096, 4097, 5001])
def test_keys_give_the_cpus_bits(n: int) -> None:
    key = mx.random.key(7)
    for dtype in (mx.float32, mx.float16, mx.bfloat16):
        same(lambda dtype=dtype: [mx.random.uniform(shape=(n,), dtype=dtype, key=key)])
    keys = numbers(mx.uint32, (2, 3, 2))
    split = mx.vmap(mx.vmap(lambda k: mx.random.split(k, n)))
    draw = mx.vmap(mx.vmap(lambda k: mx.random.uniform(shape=(n,), dtype=mx.float16, key=k)))
    same(lambda: [split(keys), split(mx.swapaxes(keys, 0, 1)), draw(keys)])
