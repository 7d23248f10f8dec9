"""x[key], x[key] = v and x.at[key] agree with NumPy."""

import mlx.core as mx
import numpy as np
import pytest

SHAPE = (3, 4, 5)


def both(shape=SHAPE):
    n = np.arange(np.prod(shape)).reshape(shape).astype(np.int32)
    return mx.array(n), n


def to_mlx(key):
    """The same key with index arrays as mx.array."""
    if isinstance(key, tuple):
        return tuple(to_mlx(k) for k in key)
    return mx.array(key) if isinstance(key, np.ndarray) else key


I = np.array
SOME = np.arange(60).reshape(SHAPE) % 7 < 3
KEYS = [
    0,
    -1,
    2,
    (0, 1),
    (-1, -1, -1),
    (1, 2, 3),
    ...,
    (),
    None,
    (None, None),
    (..., None),
    (None, 1),
    (1, None, 2),
    slice(None),
    slice(1, 3),
    slice(None, None, 2),
    slice(None, None, -1),
    slice(5, 9),
    slice(2, 0),
    slice(2, 0, -1),
    slice(-2, None),
    slice(None, -1),
    slice(10, None, -2),
    (slice(None), 0),
    (slice(None), slice(1, 3), -1),
    (..., 0),
    (0, ...),
    (1, ..., 2),
    (slice(1, 2), ..., 0),
    (..., slice(None, None, -1)),
    (slice(None, None, -1), slice(None, None, -2), slice(None, None, 3)),
    (0, None, slice(None), None, 1),
    I([0, 2]),
    I([0, -1]),
    I([[0, 1], [2, 0]]),
    I(1),
    I([], dtype=np.int32),
    (I([0, 2]), 1),
    (I([0, 2]), slice(1, 3)),
    (slice(None), I([0, 2])),
    (slice(1, 3), I([0, 2])),
    (slice(None), I([0, 2]), I([1, 3])),
    (I([0, 1]), slice(None), I([1, 3])),
    (0, slice(None), I([1, 3])),
    (slice(None), 0, I([1, 3])),
    (I([0, 1]), None, I([1, 2])),
    (None, slice(None), I([1, 2])),
    (..., I([1, 2])),
    (..., I([1, 2]), None),
    (I([[0], [1]]), I([0, 1, 2])),
    (I([0, 1]), I([1, 2]), I([3, 4])),
    (slice(None, None, -1), I([3, 0]), slice(None, None, 2)),
    (I([2, 1]), ..., I([0])),
    ([0, 2],),
    ([0, 2], [1, 3]),
    (None, I([0, 1]), None, slice(None), I([1, 2])),
    SOME[:, 0, 0],
    SOME[:, :, 0],
    SOME,
    SOME & False,
    SOME | True,
    (slice(None), SOME[0, :, 0]),
    (0, SOME[0, :, 0]),
    (..., SOME[0, 0]),
    (SOME[:, :, 0], 1),
    (SOME[:, :, 0], slice(1, 4)),
    (0, SOME[0]),
    (SOME[:, 0, 0], I([1])),
    (None, SOME[:, 0, 0] & False),
    ([True, False, True],),
    (np.arange(3) < 2, slice(None), np.arange(5) % 2 > 0),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_getitem_agrees_with_numpy(key):
    a, n = both()
    got = a[to_mlx(key)]
    assert got.shape == n[key].shape
    assert np.array_equal(np.array(got), n[key])


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_setitem_with_a_scalar_agrees_with_numpy(key):
    a, n = both()
    a[to_mlx(key)] = -7
    n[key] = -7
    assert np.array_equal(np.array(a), n)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_setitem_with_an_array_agrees_with_numpy(key):
    a, n = both()
    values = -1 - np.arange(n[key].size).reshape(n[key].shape).astype(np.int32)
    a[to_mlx(key)] = mx.array(values)
    n[key] = values
    assert np.array_equal(np.array(a), n)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_setitem_broadcasts_the_value(key):
    a, n = both()
    if n[key].ndim == 0 or n[key].size == 0:
        return
    values = -1 - np.arange(n[key].shape[-1]).astype(np.int32)
    a[to_mlx(key)] = mx.array(values)
    n[key] = values
    assert np.array_equal(np.array(a), n)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_at_add_counts_every_index(key):
    a, n = both()
    before = n.copy()
    values = 1 + np.arange(n[key].size).reshape(n[key].shape).astype(np.int32)
    np.add.at(n, key, values)
    assert np.array_equal(np.array(a.at[to_mlx(key)].add(mx.array(values))), n)
    assert np.array_equal(np.array(a), before)


def test_at_updates():
    a = mx.array([0.0, 1, 2, 3])
    i = mx.array([2, 2])
    assert a.at[i].add(1).tolist() == [0, 1, 4, 3]
    assert a.at[i].subtract(1).tolist() == [0, 1, 0, 3]
    assert a.at[i].multiply(3).tolist() == [0, 1, 18, 3]
    assert a.at[i].divide(2).tolist() == [0, 1, 0.5, 3]
    assert a.at[1:3].maximum(1.5).tolist() == [0, 1.5, 2, 3]
    assert a.at[1:3].minimum(1.5).tolist() == [0, 1, 1.5, 3]
    assert mx.array([6, 7]).at[1].divide(2).tolist() == [6, 3]


def test_setitem_swaps_the_array_inside_the_object():
    a = mx.array([1, 2, 3])
    b, shared = a, a + 0
    a[0] = 9
    assert b.tolist() == [9, 2, 3] and shared.tolist() == [1, 2, 3]


def test_setitem_casts_the_value():
    a = mx.array([1, 2, 3])
    a[0] = 1.7
    a[1] = mx.array(2.9)
    assert a.tolist() == [1, 2, 3] and a.dtype == mx.int32
    with pytest.raises(ValueError, match="int32"):
        a[0] = 2**40


def test_boolean_masks_assign():
    n = np.arange(12).reshape(3, 4)
    for mask, value in [
        (n > 5, 0),
        (n > 5, np.arange(6) * 100),
        (np.array([True, False, True]), 0),
        (np.array([True, False, True]), np.array([1, 2, 3, 4])),
        (np.array([True, False, True]), np.array([[1, 2, 3, 4], [5, 6, 7, 8]])),
        (n > 50, 3),
    ]:
        a, expected = mx.array(n), n.copy()
        a[mx.array(mask)] = mx.array(value) if isinstance(value, np.ndarray) else value
        expected[mask] = value
        assert np.array_equal(np.array(a), expected)


@pytest.mark.parametrize(
    "key, error",
    [
        (3, IndexError),
        (-4, IndexError),
        (2**40, IndexError),
        (2**70, IndexError),
        ((0, 4), IndexError),
        ((0, 0, 0, 0), ValueError),
        (1.0, ValueError),
        ("a", ValueError),
        ((..., ...), ValueError),
        (slice(1.0, 2), ValueError),
        (slice(None, None, 0), ValueError),
        (True, ValueError),
        (mx.array([1.0]), ValueError),
        (mx.array([True, False]), IndexError),
        ((0, mx.array([True])), IndexError),
        (mx.zeros((1, 1, 1, 1)) > 0, IndexError),
        ((0, mx.zeros((4, 5, 1)) > 0), ValueError),
    ],
    ids=repr,
)
def test_bad_keys_raise_at_the_call(key, error):
    with pytest.raises(error):
        both()[0][key]


def test_empty_selections_agree_with_numpy():
    for shape, key in [
        ((1,), slice(-3, None, -2)),
        ((3, 1, 2), (slice(None), slice(-2, None, -1))),
        ((0, 0, 0), (slice(None), np.zeros((0, 0), bool))),
        ((2, 0, 1), (np.zeros((2, 0), bool), slice(None))),
        ((3, 0), (I([], dtype=int), I([], dtype=int))),
    ]:
        a, n = both(shape)
        assert a[to_mlx(key)].shape == n[key].shape
        a[to_mlx(key)] = 1
        assert a.shape == shape


def test_a_mask_of_no_axes_takes_all_or_nothing():
    a, n = both()
    for mask in (True, False):
        assert np.array_equal(np.array(a[mx.array(mask)]), n[np.array(mask)])


def test_gradients_flow_through_masks():
    x = mx.array([1.0, 2.0, 3.0])
    assert mx.grad(lambda x: (x[mx.array([True, False, True])] ** 2).sum())(x).tolist() == [2, 0, 6]


def test_scalars_have_no_axis_to_index():
    with pytest.raises(ValueError, match="0 dimensions"):
        mx.array(1)[0]
    assert mx.array(1)[None].tolist() == [1] and mx.array(1)[...].item() == 1
    a = mx.array(1)
    a[...] = 5
    assert a.item() == 5


def test_indices_in_data_raise_at_eval():
    a = mx.array([1, 2, 3])
    for make in (lambda: a[mx.array([5])], lambda: a[mx.array([-4])], lambda: a.at[mx.array([3])].add(1)):
        bad = make()
        with pytest.raises(IndexError):
            mx.eval(bad)


def test_values_that_do_not_fit_raise():
    a = mx.zeros((3, 4))
    for key, value in [
        (0, mx.zeros(3)),
        (slice(None), mx.zeros((2, 4))),
        (mx.array([0, 1]), mx.zeros((3, 4))),
    ]:
        with pytest.raises(ValueError):
            a[key] = value
    with pytest.raises(TypeError):
        a[0] = None
    with pytest.raises(ValueError):
        a[0] = "a"
    with pytest.raises(TypeError):
        del a[0]


def test_take_and_friends():
    a, n = both((3, 4))
    assert mx.take(a, mx.array([0, 5])).tolist() == [0, 5]
    assert mx.take(a, 1, axis=1).tolist() == n[:, 1].tolist()
    with pytest.raises(IndexError):
        mx.take(a, 12)
    i = np.argsort(-n, axis=1)
    assert np.array_equal(np.array(mx.take_along_axis(a, mx.array(i), 1)), np.take_along_axis(n, i, 1))
    assert mx.put_along_axis(a, mx.array([[1], [0], [3]]), mx.array([[9], [8], [7]]), 1).tolist() == [
        [0, 9, 2, 3],
        [8, 5, 6, 7],
        [8, 9, 10, 7],
    ]
    assert mx.put_along_axis(a, mx.array([0, 3]), mx.array([9, 8]), None)[0].tolist() == [9, 1, 2, 8]
    floats = mx.put_along_axis(a, mx.array([0, 3]), mx.array([9.0, 8.5]), axis=None)
    assert floats.dtype == a.dtype and floats[0].tolist() == [9, 1, 2, 8]


def test_gradients_flow_through_indexing():
    x = mx.arange(12, dtype=mx.float32).reshape(3, 4)
    g = mx.grad(lambda x: (x[1:, ::2] * x[mx.array([0, 2])][:, 1:3]).sum())(x)
    eps, n = 1e-2, np.array(x, dtype=np.float64)

    def f(n):
        return (n[1:, ::2] * n[[0, 2]][:, 1:3]).sum()

    for i in np.ndindex(3, 4):
        d = np.zeros((3, 4))
        d[i] = eps
        assert np.allclose(np.array(g)[i], (f(n + d) - f(n - d)) / (2 * eps), atol=1e-3)


def test_only_the_last_value_set_in_one_place_has_a_gradient():
    weights = mx.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    rows, columns = mx.array([2, 0, 2, 2]), mx.array([[0, 0], [1, 1], [1, 0]])

    def by_rows(u):
        x = mx.ones((3, 2))
        x[rows] = u
        return x * weights

    def by_columns(u):
        return mx.put_along_axis(mx.ones((3, 2)), columns, u, 1) * weights

    by_row, by_column = [[0, 0], [1, 2], [0, 0], [5, 6]], [[0, 1], [0, 4], [6, 5]]
    for f, expected in ((by_rows, by_row), (by_columns, by_column)):
        u = mx.ones((len(expected), 2))
        assert mx.grad(lambda u, f=f: f(u).sum())(u).tolist() == expected
        batch = mx.broadcast_to(u, (3, *u.shape))
        assert mx.grad(lambda u, f=f: mx.vmap(f)(u).sum())(batch).tolist() == [expected] * 3
        assert mx.jvp(lambda u, f=f: f(u).sum(), [u], [u])[1][0].item() == sum(map(sum, expected))


def test_an_int_of_more_than_64_bits_is_an_index_error():
    x = mx.arange(6).reshape(2, 3)
    for key in (2**70, (2**70,), (0, -(2**70))):
        with pytest.raises(IndexError):
            x[key]
    assert x[-(2**70) : 2**70].shape == (2, 3)


def test_assigning_to_true_sets_everything_and_to_false_nothing():
    x = mx.arange(6).reshape(2, 3)
    x[False] = 7
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    x[True] = mx.array([7, 8, 9])
    assert x.tolist() == [[7, 8, 9], [7, 8, 9]]
    with pytest.raises(ValueError):
        x[True]


def test_put_along_no_axis_takes_values_of_as_many_elements():
    a, i = mx.zeros((2, 3)), mx.array([1, 3])
    for v in (mx.array([7.0, 8.0]), mx.array([[7.0, 8.0]]), mx.array([7, 8])):
        assert mx.put_along_axis(a, i, v, axis=None).tolist() == [[0, 7, 0], [8, 0, 0]]
    with pytest.raises(ValueError, match="put_along_axis"):
        mx.put_along_axis(a, i, mx.ones(3), axis=None)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
def test_errors_of_updates_have_their_names(name):
    for x in (mx.ones(3), mx.arange(3)):
        for key in (0, mx.array([0]), slice(0, 2)):
            with pytest.raises(ValueError, match=rf"\[at.{name}\]"):
                getattr(x.at[key], name)(mx.ones((7, 5)))
