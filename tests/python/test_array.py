"""The class array: making, reading, printing, operators, properties, interoperation."""

import array
import copy
import gc
import math
import pickle
import reprlib
import weakref

import mlx.core as mx
import numpy as np
import pytest
from samples import DTYPES


@pytest.mark.parametrize(
    "value, dtype, shape",
    [
        (True, mx.bool_, ()),
        (3, mx.int32, ()),
        (2**40, mx.int64, ()),
        (1.5, mx.float32, ()),
        (1 + 2j, mx.complex64, ()),
        ([], mx.float32, (0,)),
        ([1, 2.5], mx.float32, (2,)),
        ([True, 2], mx.int32, (2,)),
        ([1, 2j], mx.complex64, (2,)),
        ([2**40, 1], mx.int64, (2,)),
        (((1, 2), [3, 4]), mx.int32, (2, 2)),
        ([[[]]], mx.float32, (1, 1, 0)),
    ],
)
def test_python_values_give_mlx_dtypes_and_shapes(value, dtype, shape):
    a = mx.array(value)
    assert a.dtype == dtype
    assert a.shape == shape
    assert np.array_equal(np.array(a), np.array(value).astype(np.array(a).dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dtype_converts_lists_and_scalars(dtype):
    a = mx.array([0, 1, 1], dtype)
    assert a.dtype == dtype
    assert a.tolist() == [0, 1, 1]
    assert mx.array(1, dtype).item() == 1
    assert a.itemsize == dtype.size and a.nbytes == 3 * dtype.size


def test_integers_beyond_int64_and_out_of_range_casts():
    assert mx.array(2**64 - 1, mx.uint64).item() == 2**64 - 1
    assert mx.array(300, mx.uint8).item() == 44
    assert mx.array(-1, mx.uint32).item() == 2**32 - 1
    assert mx.array([1.7, -1.7], mx.int32).tolist() == [1, -1]


def test_lists_of_arrays_stack_and_promote():
    a = mx.array([mx.array([1, 2]), mx.array([3.0, 4.0])])
    assert a.dtype == mx.float32 and a.tolist() == [[1, 2], [3, 4]]
    assert mx.array([mx.array([1, 2]), [3, 4]]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "numpy_dtype", ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "c8"]
)
def test_numpy_arrays_round_trip(numpy_dtype):
    n = np.arange(12).reshape(3, 4).astype(numpy_dtype)
    for view in (n, n.T, n[::2], n[:, 1:3]):
        a = mx.array(view)
        assert a.shape == view.shape
        assert np.array(a).dtype == n.dtype
        assert np.array_equal(np.array(a), view)


def test_float64_becomes_float32_unless_asked_for():
    n = np.array([1.0, 1 / 3])
    assert mx.array(n).dtype == mx.float32
    assert np.array_equal(np.array(mx.array(n, mx.float64)), n)
    assert mx.array(np.array([1 + 2j])).dtype == mx.complex64


def test_making_an_array_copies():
    n = np.zeros(3, np.float32)
    a = mx.array(n)
    n[0] = 5
    assert a.tolist() == [0, 0, 0]


def test_buffer_protocol_exports_shape_format_and_bytes():
    a = mx.arange(6, dtype=mx.float32).reshape(2, 3)
    m = memoryview(a)
    assert m.format == "f" and m.shape == (2, 3) and m.strides == (12, 4)
    assert m.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.array_equal(np.asarray(a.T), np.arange(6).reshape(2, 3).T)
    assert memoryview(mx.array([1], mx.float16)).format == "e"
    assert np.asarray(mx.zeros((0, 3))).shape == (0, 3)


def test_buffers_keep_the_memory_alive():
    m = memoryview(mx.arange(1000) + 1)
    gc.collect()
    assert m[999] == 1000


def test_numpy_refuses_bfloat16():
    with pytest.raises((ValueError, TypeError)):
        np.array(mx.array([1.0], mx.bfloat16))


def test_dlpack_shares_and_keeps_alive():
    n = np.arange(6, dtype=np.float32).reshape(2, 3)
    a = mx.from_dlpack(n)
    del n
    gc.collect()
    assert a.tolist() == [[0, 1, 2], [3, 4, 5]]
    back = np.from_dlpack(a + 1)
    assert back.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert a.__dlpack_device__() == (1, 0)


def test_dlpack_copies_keep_every_bit():
    n = np.array([[-0.0, 1.0], [float("nan"), 2.0]], np.float32)
    a = mx.from_dlpack(n.T, copy=True)
    assert np.array(a).tobytes() == n.T.tobytes()
    n[:] = 3
    assert mx.isnan(a[0, 1]).item()


def test_dlpack_capsule_that_nobody_takes_is_freed():
    capsule = mx.arange(5).__dlpack__()
    del capsule
    gc.collect()


@pytest.mark.parametrize("dtype", DTYPES)
def test_pickle_and_copy_keep_everything(dtype):
    a = mx.array([[0, 1], [1, 0]], dtype)
    for b in (pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy([a])[0]):
        assert b.dtype == dtype and b.shape == (2, 2) and b.tolist() == a.tolist()
    assert pickle.loads(pickle.dumps(dtype)) is dtype


def test_weak_references_and_hash_by_identity():
    a = mx.array([1, 2])
    r = weakref.ref(a)
    assert r() is a and len({a: 1, mx.array([1, 2]): 2}) == 2
    del a
    assert r() is None


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: mx.array(1), "array(1, dtype=int32)"),
        (lambda: mx.array([1, 2.5]), "array([1, 2.5], dtype=float32)"),
        (lambda: mx.array([[1, 2], [3, 4]]), "array([[1, 2],\n       [3, 4]], dtype=int32)"),
        (lambda: mx.array([True, False]), "array([True, False], dtype=bool)"),
        (lambda: mx.array([1 + 2j, 3.5 - 1j]), "array([1+2j, 3.5-1j], dtype=complex64)"),
        (lambda: mx.array([]), "array([], dtype=float32)"),
        (lambda: mx.zeros((3, 0)), "array([[],\n       [],\n       []], dtype=float32)"),
        (lambda: mx.arange(1000), "array([0, 1, 2, ..., 997, 998, 999], dtype=int32)"),
        (
            lambda: mx.arange(7).reshape(7, 1),
            "array([[0],\n       [1],\n       [2],\n       ...,\n       [4],\n       [5],\n       [6]], dtype=int32)",
        ),
        (
            lambda: mx.arange(8).reshape(2, 2, 2),
            "array([[[0, 1],\n        [2, 3]],\n       [[4, 5],\n        [6, 7]]], dtype=int32)",
        ),
        (lambda: mx.array([1e10, 1e-10, 1 / 3]), "array([1e+10, 1e-10, 0.333333], dtype=float32)"),
        (lambda: mx.array([float("nan"), float("inf"), -0.0]), "array([nan, inf, -0], dtype=float32)"),
        (lambda: mx.array([0.1, 65504], mx.float16), "array([0.0999756, 65504], dtype=float16)"),
        (lambda: mx.array([0.1], mx.bfloat16), "array([0.100098], dtype=bfloat16)"),
    ],
)
def test_repr_reads_as_in_mlx(make, text):
    assert repr(make()) == text


def test_reprlib_tells_arrays_from_the_standard_librarys():
    assert reprlib.repr([mx.array([1, 2])]) == "[array([1, 2], dtype=int32)]"
    assert reprlib.repr(array.array("i", [1, 2])) == "array('i', [1, 2])"


def test_print_options_set_decimals():
    a = mx.array([1.23456, 2])
    with mx.printoptions(precision=2):
        assert str(a) == "array([1.23, 2.00], dtype=float32)"
    assert str(a) == "array([1.23456, 2], dtype=float32)"
    assert f"{mx.array(1.5):.3f}" == "1.500"


@pytest.mark.parametrize("dtype", ["int32", "float32", "uint8", "float16"])
@pytest.mark.parametrize("op", ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!="])
def test_operators_agree_with_numpy(op, dtype):
    x, y = np.array([5, 2, 3], dtype), np.array([2, 2, 3], dtype)
    a, b = mx.array(x), mx.array(y)
    expected = eval(f"x {op} y")
    for got in (eval(f"a {op} b"), eval(f"a {op} y")):
        assert np.allclose(np.array(got), expected, rtol=1e-3)


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "//", "%", "**"])
def test_scalars_on_either_side(op):
    x = np.array([1, 2, 3], np.float32)
    a = mx.array(x)
    assert np.allclose(np.array(eval(f"a {op} 2")), eval(f"x {op} 2"))
    assert np.allclose(np.array(eval(f"2 {op} a")), eval(f"2 {op} x"))


def test_bitwise_operators():
    a, b = mx.array([1, 2, 3]), mx.array([3, 1, 0])
    assert (a & b).tolist() == [1, 0, 0]
    assert (a | b).tolist() == [3, 3, 3]
    assert (a ^ b).tolist() == [2, 3, 3]
    assert (a << 1).tolist() == [2, 4, 6] and (a >> 1).tolist() == [0, 1, 1]
    assert (~a).tolist() == [-2, -3, -4] and (~mx.array([True])).tolist() == [False]
    assert (-a).tolist() == [-1, -2, -3] and abs(-a).tolist() == [1, 2, 3] and (+a).tolist() == [1, 2, 3]
    assert (mx.array([[1.0, 2.0]]) @ mx.array([[3.0], [4.0]])).item() == 11


@pytest.mark.parametrize(
    "array, scalar, dtype",
    [
        (mx.int32, 1.5, mx.float32),
        (mx.uint8, 1, mx.uint8),
        (mx.float16, 1, mx.float16),
        (mx.float16, 1.5, mx.float16),
        (mx.bfloat16, 1.5, mx.bfloat16),
        (mx.bool_, 1, mx.int32),
        (mx.bool_, True, mx.bool_),
        (mx.bool_, 1.5, mx.float32),
        (mx.int8, True, mx.int8),
        (mx.float16, 1j, mx.complex64),
        (mx.complex64, 1.5, mx.complex64),
        (mx.float64, 1.5, mx.float64),
    ],
)
def test_python_scalars_are_weakly_typed(array, scalar, dtype):
    assert (mx.array([1], array) + scalar).dtype == dtype
    assert (scalar * mx.array([1], array)).dtype == dtype
    assert mx.maximum(mx.array([1], array), scalar).dtype == dtype if dtype != mx.complex64 else True


def test_cached_scalars_are_told_apart():
    a = mx.array([1.0, 2.0])
    assert (a * 0.0).tolist() == [0, 0]
    assert str(a * -0.0) == "array([-0, -0], dtype=float32)"
    assert [(a + i).tolist() for i in range(600)] == [[1 + i, 2 + i] for i in range(600)]
    assert (mx.array([1], mx.int64) + 2**62).item() == 2**62 + 1


def test_in_place_operators_change_the_object():
    a = mx.array([1, 2])
    b = a
    a += 1
    a *= 2
    a -= 1
    assert b is a and b.tolist() == [3, 5]
    a **= 2
    a //= 2
    a &= 4
    assert b.tolist() == [4, 4]
    b /= 2
    assert a.dtype == mx.float32


def test_conversions_to_python_numbers():
    assert int(mx.array([1.7])) == 1 and float(mx.array(3)) == 3.0 and complex(mx.array(3)) == 3
    assert bool(mx.array([1])) and not mx.array(0)
    assert [10, 20, 30][mx.array(1)] == 20
    assert mx.array(1j).item() == 1j and mx.array(1.5, mx.bfloat16).item() == 1.5
    assert isinstance(mx.array(True).item(), bool) and isinstance(mx.array(1).item(), int)
    assert bytes(mx.array([1, 2], mx.int16)) == b"\1\0\2\0"


def test_sequences():
    a = mx.array([[1, 2], [3, 4]])
    assert len(a) == 2 and [r.tolist() for r in a] == [[1, 2], [3, 4]]
    assert 3 in a and 5 not in a
    assert a.T.tolist() == [[1, 3], [2, 4]] and a.mT.tolist() == [[1, 3], [2, 4]]
    assert a.tolist() == [[1, 2], [3, 4]] and a.size == 4 and a.ndim == 2 and a.nbytes == 16


def test_unknown_objects_compare_unequal():
    a = mx.array([1, 2])
    assert (a == "a") is False and (a != "a") is True and (a == [1, 2]) is False
    assert (a == None) is False  # noqa: E711


def test_mlx_array_protocol_is_used():
    class Wrapper:
        def __mlx_array__(self):
            return mx.array([1, 2]) + 1

    assert (mx.array([1, 1]) + Wrapper()).tolist() == [3, 4]
    assert mx.array(Wrapper()).tolist() == [2, 3]


def test_subclasses_of_array_work():
    class Tagged(mx.array):
        pass

    t = Tagged([1, 2])
    assert (t + 1).tolist() == [2, 3] and isinstance(t, mx.array)


def test_methods_agree_with_functions():
    x = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    a = mx.array(x)
    for name in ("sum", "mean", "max", "min", "prod", "std", "var"):
        assert np.allclose(np.array(getattr(a, name)(axis=1)), getattr(x, name)(axis=1), rtol=1e-5), name
        assert np.allclose(
            np.array(getattr(mx, name)(a, 0, True)), getattr(x, name)(0, keepdims=True), rtol=1e-5
        )
    assert np.allclose(np.array(a.exp()), np.exp(x))
    assert (
        a.reshape(-1).shape == (12,) and a.reshape(4, 3).shape == (4, 3) and a.reshape((2, 6)).shape == (2, 6)
    )
    assert a.transpose(1, 0).shape == (4, 3) and a.transpose().shape == (4, 3) and a.flatten().shape == (12,)
    assert [p.shape for p in a.split(2, axis=1)] == [(3, 2), (3, 2)]
    assert np.allclose(np.array(a.var(correction=1)), x.var(ddof=1))


def test_dtype_questions():
    assert mx.issubdtype(mx.float32, mx.floating) and not mx.issubdtype(mx.bool_, mx.number)
    assert mx.finfo(mx.float16).max == 65504 and mx.finfo(mx.float32).eps == 2**-23
    assert mx.iinfo(mx.int8).min == -128 and mx.iinfo(mx.uint64).max == 2**64 - 1
    assert repr(mx.float32) == "mlx.core.float32" and mx.float32.size == 4
    assert mx.result_type(mx.array(1), mx.float16) == mx.float16
    assert mx.can_cast(mx.int32, mx.float32) and not mx.can_cast(mx.float32, mx.int32)
    assert mx.isdtype(mx.float32, ("bool", "real floating"))


def test_streams_and_devices():
    assert mx.default_device() == (mx.gpu if mx.is_available(mx.gpu) else mx.cpu)
    s = mx.new_stream(mx.cpu)
    with mx.stream(s):
        assert mx.default_stream(mx.cpu) == s
        a = mx.array([1]) + 1
    assert mx.default_stream(mx.cpu) != s
    assert a.item() == 2 and mx.add(1, 2, stream=s).item() == 3 and mx.add(1, 2, stream=mx.cpu).item() == 3
    mx.synchronize(s)
    assert mx.is_available(mx.cpu) and mx.Device(mx.cpu) == mx.cpu


def test_reversed_walks_the_first_axis_backwards():
    assert [x.tolist() for x in reversed(mx.arange(6).reshape(3, 2))] == [[4, 5], [2, 3], [0, 1]]
    with pytest.raises(TypeError):
        reversed(mx.array(1))


def test_ints_of_numpy_serve_as_ints():
    x = mx.arange(6)
    assert [p.shape for p in mx.split(x, np.int64(3))] == [(2,)] * 3
    assert [p.shape for p in mx.split(x, np.array(3))] == [(2,)] * 3
    assert [p.shape for p in mx.split(x, np.array([1, 3]))] == [(1,), (2,), (3,)]
    assert mx.zeros(np.array([2, 3])).shape == (2, 3)
    assert x.reshape(np.array([3, 2])).shape == (3, 2)
    assert mx.zeros(np.int32(4)).shape == (4,)


def test_from_dlpack_takes_read_only_arrays_and_never_writes_to_them():
    source = np.arange(4, dtype=np.float32)
    source.flags.writeable = False
    x = mx.from_dlpack(source)
    assert not np.asarray(x).flags.writeable
    x[0] = 5
    assert x.tolist() == [5, 1, 2, 3]
    assert source.tolist() == [0, 1, 2, 3]


VIEWS = {
    "transposed": lambda x: x.T,
    "stepped": lambda x: x[:, ::2],
    "reversed": lambda x: x[::-1, ::-1],
    "broadcast": lambda x: np.broadcast_to(x[0], (3, 4)) if isinstance(x, np.ndarray) else mx.broadcast_to(x[0], (3, 4)),
    "one element": lambda x: x[1:2, 2:3],
    "empty": lambda x: x[:0],
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_shared_at_their_own_strides(name):
    n = np.arange(12, dtype=np.float32).reshape(3, 4)
    want, view = VIEWS[name](n), VIEWS[name](mx.array(n))
    for shared in (memoryview(view), np.asarray(view), np.from_dlpack(view)):
        assert np.array_equal(np.asarray(shared), want)
        if name == "broadcast" and shared.__class__ is not np.ndarray:
            assert shared.readonly
        if want.size > 1 and (name != "broadcast" or shared.__class__ is memoryview):
            assert shared.strides == want.strides
    assert bytes(view) == want.tobytes() == memoryview(view).tobytes()


def test_without_a_copy_only_what_can_be_shared_is():
    x = mx.arange(12, dtype=mx.float32).reshape(3, 4)
    assert np.from_dlpack(x.T, copy=False).strides == (4, 16)
    assert x.__array__(copy=False).tolist() == x.tolist() and x.T.__array__(copy=False).strides == (4, 16)
    with pytest.raises(ValueError, match="copy=False"):
        x.__array__(np.float64, copy=False)
    with pytest.raises(BufferError, match="copy=False"):
        mx.broadcast_to(x[0], (3, 4)).__dlpack__(copy=False)


@pytest.mark.parametrize("name", VIEWS)
def test_arrays_of_any_strides_come_in(name):
    want = VIEWS[name](np.arange(12, dtype=np.float32).reshape(3, 4))
    for take in (mx.array, mx.asarray, mx.from_dlpack, lambda n: mx.array(memoryview(n))):
        assert np.array_equal(np.asarray(take(want)), want)


def test_divmod_gives_quotient_and_remainder():
    q, r = divmod(mx.array([5, -7, 3]), 2)
    assert (q.tolist(), r.tolist()) == ([2, -4, 1], [1, 1, 1])
    assert [a.tolist() for a in divmod(7.5, mx.array([2.0, -2.0]))] == [[3, -4], [1.5, -0.5]]
    with pytest.raises(ValueError, match="divmod"):
        divmod(mx.array(1), "a")
    with pytest.raises(TypeError):
        divmod(mx.array(1), object())


@pytest.mark.parametrize("convert", [round, math.floor, math.ceil, math.trunc, int, float, complex])
def test_the_only_element_converts_as_a_number_of_python(convert):
    for x in (2.5, -2.5, 7, 2**53 + 1, True):
        for a in (mx.array(x), mx.array([[x]])):
            got = convert(a)
            assert got == convert(x) and type(got) is type(convert(x))
    with pytest.raises(ValueError):
        convert(mx.array([1.5, 2.5]))
    if convert is not complex:
        with pytest.raises(TypeError):
            convert(mx.array(1j))


def test_round_to_digits_keeps_arrays():
    assert round(mx.array([1.25, 2.5]), 1).tolist() == pytest.approx([1.2, 2.5])
    assert round(mx.array(2.5), None) == 2


def test_formats_are_of_one_number():
    assert f"{mx.array(2.5):.3f}" == "2.500" and f"{mx.array(1 + 2j):.1f}" == "1.0+2.0j"
    assert f"{mx.array([1, 2])}" == str(mx.array([1, 2]))
    for a in (mx.array([2.5]), mx.array([1.0, 2.0])):
        with pytest.raises(TypeError, match="format"):
            format(a, ".2f")


def test_what_describes_arrays_is_pickled_and_copied():
    for same in (mx.float32, mx.floating, mx.cpu, mx.Device(mx.cpu), mx.add, mx.newaxis):
        assert pickle.loads(pickle.dumps(same)) == same and copy.deepcopy(same) == copy.copy(same) == same
    for info in (mx.finfo(mx.bfloat16), mx.iinfo(mx.int8)):
        again = pickle.loads(pickle.dumps(info))
        assert type(again) is type(info) and (again.dtype, again.max) == (info.dtype, info.max)
    stream = mx.default_stream(mx.cpu)
    assert copy.copy(stream) == copy.deepcopy([stream])[0] == stream
    with pytest.raises(TypeError, match="Stream"):
        pickle.dumps(stream)


@pytest.mark.parametrize(
    "value, dtype, becomes",
    [
        (True, mx.bool_, mx.bool_), (True, mx.int8, mx.int8), (True, mx.float16, mx.float16),
        (1, mx.bool_, mx.int32), (2**40, mx.bool_, mx.int64), (1, mx.int8, mx.int8), (1, mx.float16, mx.float16),
        (1.5, mx.bool_, mx.float32), (1.5, mx.int8, mx.float32), (1.5, mx.float16, mx.float16),
        (1j, mx.float32, mx.complex64), (mx.array(1.5), mx.int8, mx.float32),
    ],
)  # fmt: skip
def test_full_gives_a_scalar_the_dtype_where_its_kind_fits(value, dtype, becomes):
    """MLX's rule; full_like casts to the dtype whatever the kind."""
    a = mx.full((3,), value, dtype)
    assert a.dtype == becomes
    assert a.tolist() == [value.item() if isinstance(value, mx.array) else value] * 3
    assert mx.full_like(mx.zeros((3,)), value, dtype).dtype == dtype
