"""A bool is 0 or 1, whichever way its bytes came in; and what is counted first is filled with as many."""

import io
import json
import pickle

import mlx.core as mx
import numpy as np
import pytest

BYTES = np.array([0, 1, 2, 3, 127, 128, 254, 255, 0, 255] * 13, np.uint8)
NUMPY = BYTES.view(np.bool_)


class Exporter:
    """DLPack of the first version, from a library that says "bool" of any bytes."""

    def __init__(self, a):
        self.a = a

    def __dlpack__(self):
        return self.a.__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)


def unpickled():
    a = mx.zeros((1,), mx.bool_)
    a.__setstate__((BYTES.tobytes(), BYTES.shape, mx.bool_))
    return a


def npy():
    out = io.BytesIO()
    np.save(out, BYTES)
    return out.getvalue().replace(b"|u1", b"|b1")


def safetensors():
    header = json.dumps(
        {"x": {"dtype": "BOOL", "shape": BYTES.shape, "data_offsets": [0, len(BYTES)]}}
    ).encode()
    return len(header).to_bytes(8, "little") + header + BYTES.tobytes()


def npz(compressed):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, x=NUMPY)
    return out.getvalue()


def from_path(folder, suffix, data):
    path = folder / f"x{suffix}"
    path.write_bytes(data)
    loaded = mx.load(str(path))
    return loaded["x"] if isinstance(loaded, dict) else loaded


def from_stream(suffix, data):
    loaded = mx.load(io.BytesIO(data), format=suffix[1:])
    return loaded["x"] if isinstance(loaded, dict) else loaded


WAYS_IN = {
    "view of uint8": lambda folder: mx.array(BYTES).view(mx.bool_),
    "view of int8": lambda folder: mx.array(BYTES).view(mx.int8).view(mx.bool_),
    "view of uint16": lambda folder: mx.array(BYTES).view(mx.uint16).view(mx.bool_),
    "view of a part": lambda folder: mx.array(np.r_[BYTES[:3], BYTES])[3:].view(mx.bool_),
    "view of every other": lambda folder: mx.array(np.repeat(BYTES, 2))[::2].view(mx.bool_),
    "view of 0-d": lambda folder: mx.stack([mx.array(int(b), mx.uint8).view(mx.bool_) for b in BYTES]),
    "view, compiled": lambda folder: mx.compile(lambda a: a.view(mx.bool_))(mx.array(BYTES)),
    "view, by vmap": lambda folder: mx.vmap(lambda a: a.view(mx.bool_))(
        mx.array(BYTES).reshape(-1, 2)
    ).flatten(),
    "NumPy": lambda folder: mx.array(NUMPY),
    "NumPy, strided": lambda folder: mx.array(NUMPY[::-1])[::-1],
    "asarray": lambda folder: mx.asarray(NUMPY),
    "memoryview": lambda folder: mx.array(memoryview(NUMPY)),
    "a list of arrays": lambda folder: mx.array([NUMPY, NUMPY])[1],
    "DLPack": lambda folder: mx.from_dlpack(NUMPY),
    "DLPack, first version": lambda folder: mx.from_dlpack(Exporter(NUMPY)),
    "DLPack, strided": lambda folder: mx.from_dlpack(NUMPY[::-1])[::-1],
    "DLPack, two axes": lambda folder: mx.from_dlpack(NUMPY.reshape(10, 13, order="F")).T.flatten(),
    "DLPack, broadcast": lambda folder: mx.from_dlpack(np.broadcast_to(NUMPY, (3, *NUMPY.shape)))[2],
    "DLPack, copied": lambda folder: mx.from_dlpack(NUMPY, copy=True),
    "DLPack through array": lambda folder: mx.array(Exporter(NUMPY)),
    "pickle": lambda folder: unpickled(),
    "npy": lambda folder: from_path(folder, ".npy", npy()),
    "npz": lambda folder: from_path(folder, ".npz", npz(False)),
    "compressed npz": lambda folder: from_path(folder, ".npz", npz(True)),
    "safetensors": lambda folder: from_path(folder, ".safetensors", safetensors()),
    "npy stream": lambda folder: from_stream(".npy", npy()),
    "npz stream": lambda folder: from_stream(".npz", npz(False)),
    "safetensors stream": lambda folder: from_stream(".safetensors", safetensors()),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_bools_are_0_or_1_whichever_way_they_come_in(way, tmp_path):
    b, want = WAYS_IN[way](tmp_path), BYTES != 0
    assert b.dtype == mx.bool_ and b.shape == BYTES.shape
    np.testing.assert_array_equal(np.array(b.view(mx.uint8)), want)
    np.testing.assert_array_equal(np.array(b == True), want)  # noqa: E712
    np.testing.assert_array_equal(np.array(b != True), ~want)  # noqa: E712
    np.testing.assert_array_equal(np.array(mx.nonzero(b)[0]), np.nonzero(want)[0])
    np.testing.assert_array_equal(np.array(mx.arange(b.size)[b]), np.nonzero(want)[0])
    assert mx.sum(b).item() == want.sum() and sorted(mx.unique(b).tolist()) == [False, True]


def test_a_view_as_bool_of_wide_elements_tests_each_byte():
    a = mx.array([0x01000200, 0, -1], mx.int32)
    assert a.view(mx.bool_).tolist() == [False, True, False, True] + [False] * 4 + [True] * 4


def test_bools_are_shared_where_their_bytes_allow():
    n = np.array([True, False, True])
    a = mx.from_dlpack(n)
    n[1] = True
    assert a.tolist() == [True, True, True]


def test_memory_that_is_copied_is_let_go():
    freed = []

    class Owner(np.ndarray):
        def __del__(self):
            freed.append(True)

    a = mx.from_dlpack(BYTES.copy().view(np.bool_).view(Owner))
    mx.eval(a + 1)
    assert freed and a.tolist() == (BYTES != 0).tolist()


def test_pickled_bools_come_back():
    a = mx.array(NUMPY)
    assert pickle.loads(pickle.dumps(a)).tolist() == a.tolist()


def test_elements_out_of_step_with_their_size_are_right():
    bytes = np.arange(4 * 8 + 1, dtype=np.uint8)
    n = bytes[1:].view(np.float32)
    a = mx.from_dlpack(n)
    np.testing.assert_array_equal(np.array(a), n)
    np.testing.assert_array_equal(np.array(mx.from_dlpack(n[::-2]) * 1), n[::-2])
