"""Sizes beyond 2^31: nothing counts elements, rows or bytes in 32 bits. Views of few bytes stand in for large arrays, and
one array of 2 GiB for those that must exist."""

import mlx.core as mx
import numpy as np
import pytest

N = 2**31 + 4096


@pytest.fixture(scope="module")
def marked():
    """N bytes, all 0 but for a 3 at 2^31 + 5 and a 1 at 2^31 - 1; memory that NumPy lends."""
    a = np.zeros(N, np.uint8)
    a[2**31 + 5], a[2**31 - 1] = 3, 1
    return mx.from_dlpack(a)


def repeated(value, shape, dtype=mx.uint8):
    return mx.broadcast_to(mx.array(value, dtype), shape)


# ---- Reductions over more than 2^31 elements ----
@pytest.mark.parametrize("shape", [(N,), (3, N // 3), (N // 3, 3)], ids=str)
def test_sums_count_all_elements_of_a_broadcast_view(shape):
    a = repeated(1, shape, mx.int64)
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    assert mx.sum(a).item() == count
    if len(shape) > 1:
        ends = mx.sum(a, axis=1)[-2:] if shape[0] < 9 else mx.sum(a, axis=0)[:2]
        assert ends.tolist() == [max(shape)] * 2


def test_reductions_find_what_lies_beyond_two_to_the_31(marked):
    assert mx.argmax(marked).item() == 2**31 + 5
    assert mx.max(marked).item() == 3 and mx.min(marked).item() == 0
    assert mx.sum(marked).item() == 4 and mx.count_nonzero(marked).item() == 2
    assert mx.any(marked).item() and not mx.all(marked).item()


def test_extremes_along_an_axis_of_a_large_view_give_large_indices(marked):
    rows = marked[: 2 * (N // 2)].reshape(2, N // 2)
    assert mx.argmax(rows, axis=1).tolist() == [0, 2**31 + 5 - N // 2]


# ---- Elements and slices far from the start ----
def test_any_index_reaches_elements_beyond_two_to_the_31(marked):
    far = 2**31 + 5
    assert marked[far].item() == marked[far - N].item() == 3
    assert marked[far - 1 : far + 2].tolist() == [0, 3, 0]
    assert marked[far :: -(2**30)].tolist() == [3, 0, 0]
    assert marked[mx.array([far, 2**31 - 1, far - N, 0], mx.int64)].tolist() == [3, 1, 3, 0]
    assert mx.take(marked, mx.array([far, 5], mx.uint32)).tolist() == [3, 0]
    assert mx.take(marked, far).item() == 3
    assert mx.slice(marked, mx.array([far], mx.int64), (0,), (2,)).tolist() == [3, 0]
    with pytest.raises(IndexError):
        marked[N]
    with pytest.raises(IndexError):
        mx.eval(marked[mx.array([N], mx.int64)])


def test_views_reshape_and_transpose_beyond_two_to_the_31(marked):
    table = marked[: 2**31 + 6].reshape(2, 2**30 + 3)
    assert table.T[-1].tolist() == [0, 3] and table.T.shape == (2**30 + 3, 2)
    assert table[1, -3:].tolist() == [0, 0, 3]
    assert mx.as_strided(marked, (2, 2), (2**31 + 4, 1), 1).tolist() == [[0, 0], [3, 0]]


def test_elementwise_results_beyond_two_to_the_31_are_right_at_their_end(marked):
    far = 2**31 + 5
    assert (marked + 1)[far - 1 : far + 2].tolist() == [1, 4, 1]


def test_an_outer_product_beyond_two_to_the_31_has_every_row():
    rows, columns = mx.arange(46342), mx.arange(46342)
    total = (rows.astype(mx.uint8)[:, None] * columns.astype(mx.uint8)[None]).sum(axis=1)
    assert total.shape == (46342,)
    for r in 0, 1, 46341:
        row = np.uint8(r % 256) * np.arange(46342).astype(np.uint8)
        assert total[r].item() == row.sum(dtype=np.int64)


def test_a_product_with_a_matrix_of_more_than_two_to_the_31_bytes_has_its_last_rows(marked):
    rows = marked.view(mx.float16).reshape(-1, 512)  # the 3 is the high byte of element 2^30 + 2: 768 * 2^-24
    product = rows @ mx.ones((512, 1), mx.float16)
    assert product[-5:, 0].tolist() == [2**-16, 768 * 2**-24, 0, 0, 0]


# ---- Shapes of 2^40 elements and more ----
def test_views_of_two_to_the_62_elements_slice_down():
    x = mx.arange(3, dtype=mx.uint8)
    a = mx.broadcast_to(x[:, None, None], (3, 2**30, 2**31 - 1))
    assert a.size == 3 * 2**30 * (2**31 - 1) and a.nbytes == a.size
    assert a[2, 2**30 - 1, 5:8].tolist() == [2, 2, 2]
    assert a.transpose(2, 1, 0)[2**31 - 2, -1].tolist() == [0, 1, 2]
    assert a[::2, :: 2**29, :: 2**30].tolist() == [[[0, 0], [0, 0]], [[2, 2], [2, 2]]]
    assert a[1, mx.array([2**30 - 1, 0]), mx.array([2**31 - 2, 1])].tolist() == [1, 1]
    assert (a[:, -1, :2] + 1).tolist() == [[1, 1], [2, 2], [3, 3]]
    assert mx.expand_dims(a, 1)[0, 0, 7, 9].item() == 0
    assert mx.moveaxis(a, 0, -1)[3, 4].tolist() == [0, 1, 2]


def test_an_empty_array_may_have_huge_sides():
    a = mx.zeros((0, 2**30, 2**20))
    assert a.size == 0 and (a + 1).shape == a.shape and a.sum().item() == 0
    assert mx.sum(a, axis=(0,)).shape == (2**30, 2**20)
    assert mx.concatenate([a, a]).shape == a.shape
    for make in mx.eye, mx.tri:
        assert mx.sum(make(2**40, 0)).item() == 0 and make(0, 2**40).shape == (0, 2**40)


@pytest.mark.parametrize(
    "make",
    [
        lambda: mx.contiguous(mx.zeros(2**45)),
        lambda: mx.zeros((2**20, 2**25), mx.uint8) + mx.arange(2**25, dtype=mx.uint8),
        lambda: mx.arange(2**45),
        lambda: mx.linspace(0, 1, 2**45),
        lambda: mx.eye(2**23),
        lambda: mx.identity(2**23),
        lambda: mx.tri(2**23),
        lambda: mx.full((2**45,), 1.5) * 2,
        lambda: mx.repeat(mx.arange(8), 2**42),
        lambda: mx.tile(mx.arange(8), 2**42) + 1,
        lambda: mx.pad(mx.arange(8), 2**44),
        lambda: mx.broadcast_to(mx.arange(8)[:, None], (8, 2**42)) + 1,
        lambda: mx.contiguous(repeated(1, (2**45,))),
        lambda: mx.concatenate([repeated(1, (2**45,))] * 2),
        lambda: mx.sort(repeated(1, (2**45,))),
        lambda: mx.cumsum(repeated(1, (2**45,))),
        lambda: mx.zeros((2**23, 1)) @ mx.zeros((1, 2**23)),
        lambda: mx.outer(mx.zeros(2**23), mx.zeros(2**23)),
        lambda: mx.random.uniform(shape=(2**45,)),
        lambda: mx.random.normal((2**45,)),
        lambda: mx.random.permutation(2**45),
        lambda: mx.diag(mx.zeros(2**23)),
        lambda: mx.take(mx.arange(8), mx.broadcast_to(mx.array(0), (2**45,))),
        lambda: mx.hanning(2**45),
        lambda: mx.as_strided(mx.arange(8), (2**22, 2**23), (0, 0)) + 1,
    ],
)
def test_what_no_memory_holds_raises_memory_error_and_leaves_all_usable(make):
    with pytest.raises(MemoryError):
        mx.eval(make())
    assert (mx.arange(3) + 1).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "make",
    [
        lambda: mx.zeros((2**32, 2**32)),
        lambda: mx.broadcast_to(mx.array(1), (2**32, 2**32)),
        lambda: mx.repeat(repeated(1, (2**40,)), 2**40),
        lambda: mx.tile(mx.arange(8), (2**40, 2**40)),
        lambda: mx.zeros((2**31, 2**31)).reshape(-1, 2**63 - 1),
        lambda: mx.pad(mx.arange(8), 2**62),
        lambda: mx.outer(repeated(1, (2**40,)), repeated(1, (2**40,))),
        lambda: mx.kron(repeated(1, (2**40,)), repeated(1, (2**40,))),
        lambda: mx.concatenate([repeated(1, (2**62,))] * 2),
        lambda: repeated(1, (2**40, 1)) @ repeated(1, (1, 2**40)),
        lambda: mx.zeros(2**61, mx.float64) + 1,
    ],
)
def test_sizes_that_64_bits_do_not_hold_raise_value_or_memory_error(make):
    with pytest.raises((ValueError, MemoryError)):
        mx.eval(make())
