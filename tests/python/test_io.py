"""Files: what is saved loads the same by path and by file object, NumPy reads and writes the same files, and file
objects that misbehave raise without harm."""

import gc
import gzip
import io
import pathlib
import sys
import threading
import zipfile

import mlx.core as mx
import numpy as np
import pytest
from samples import DTYPES

FORMATS = ["npy", "npz", "npz compressed", "safetensors", "gguf"]
GGUF_DTYPES = {mx.int8, mx.int16, mx.int32, mx.int64, mx.float16, mx.bfloat16, mx.float32, mx.float64}


def save(file, x: mx.array, format: str) -> None:
    """Saves one array, named x where names are."""
    match format:
        case "npy":
            mx.save(file, x)
        case "npz":
            mx.savez(file, x=x)
        case "npz compressed":
            mx.savez_compressed(file, x=x)
        case "safetensors":
            mx.save_safetensors(file, {"x": x})
        case "gguf":
            mx.save_gguf(file, {"x": x})


def load(file, format: str) -> mx.array:
    loaded = mx.load(file, format=format.split()[0])
    return loaded if format == "npy" else loaded["x"]


def ending(format: str) -> str:
    return "." + format.split()[0]


def same(a: mx.array, b: mx.array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(mx.array_equal(a, b))


X = mx.array([[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", ["rows", "columns", "scalar", "empty", "lazy"])
def test_what_is_saved_loads_the_same(tmp_path, format, dtype, layout):
    if format == "gguf" and dtype not in GGUF_DTYPES:
        with pytest.raises(ValueError, match="save_gguf"):
            save(tmp_path / "a", X.astype(dtype), format)
        assert list(tmp_path.iterdir()) == []
        return
    x = X.astype(dtype)
    x = {
        "rows": x,
        "columns": x.T,
        "scalar": x[0, 1],
        "empty": mx.zeros((0, 3), dtype),
        "lazy": mx.concatenate([x, x]),
    }[layout]
    path = tmp_path / f"a{ending(format)}"
    save(path, x, format)
    assert same(load(path, format), x)
    stream = io.BytesIO()
    save(stream, x, format)
    assert stream.getvalue() == path.read_bytes()
    stream.seek(0)
    assert same(load(stream, format), x)


@pytest.mark.parametrize("format", FORMATS)
def test_paths_get_the_ending_they_lack(tmp_path, format):
    end = ending(format)
    for name in ["a", "b.foo", f"c{end}", f"d{end}.x"]:
        save(str(tmp_path / name), X, format)
        save(tmp_path / f"path-{name}", X, format)
    expected = ["a" + end, "b.foo" + end, "c" + end, f"d{end}.x" + end]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(expected + ["path-" + e for e in expected])
    assert same(load(pathlib.Path(tmp_path / f"path-a{end}"), format), X)


@pytest.mark.parametrize("format", FORMATS)
def test_files_opened_by_others_are_read_and_written(tmp_path, format):
    plain, zipped = tmp_path / f"a{ending(format)}", tmp_path / "a.gz"
    with open(plain, "wb") as f:
        save(f, X, format)
    with open(plain, "rb") as f:
        assert same(load(f, format), X)
    with open(plain, "rb", buffering=0) as f:  # the format is that of f.name
        loaded = mx.load(f)
        assert same(loaded if format == "npy" else loaded["x"], X)
    with gzip.open(zipped, "wb") as f:
        save(f, X, format)
    with gzip.open(zipped, "rb") as f:
        assert same(load(f, format), X)


def test_an_array_is_read_to_its_end_only():
    stream = io.BytesIO()
    mx.save(stream, X)
    stream.write(b"tail")
    mx.save(stream, X + 1)
    stream.seek(0)
    assert same(mx.load(stream, format="npy"), X)
    assert stream.read(4) == b"tail"
    assert same(mx.load(stream, format="npy"), X + 1)
    assert stream.read() == b""


def test_an_archive_is_found_from_its_end():
    stream = io.BytesIO()
    mx.savez(stream, X)
    assert same(mx.load(stream, format="npz")["arr_0"], X)


def test_formats_are_told_or_named(tmp_path):
    mx.save(tmp_path / "a", X)
    (tmp_path / "a.npy").rename(tmp_path / "a.other")
    assert same(mx.load(tmp_path / "a.other", format="npy"), X)
    for bad in [tmp_path / "a.other", tmp_path / "none", io.BytesIO()]:
        with pytest.raises(ValueError, match="format"):
            mx.load(bad)
    with pytest.raises(ValueError, match="foo"):
        mx.load(tmp_path / "a.other", format="foo")
    for format in ["npy", "npz"]:
        with pytest.raises(ValueError, match="return_metadata"):
            mx.load(tmp_path / "a.other", format=format, return_metadata=True)


def test_absent_files_raise(tmp_path):
    for format in FORMATS:
        with pytest.raises(OSError, match="No such file"):
            load(tmp_path / "absent", format)
        with pytest.raises(OSError, match="No such file"):
            save(tmp_path / "no" / "folder", X, format)
        for bad in [3, None, 1.5, object()]:
            with pytest.raises(TypeError, match="file"):
                load(bad, format)
            with pytest.raises(TypeError, match="file"):
                save(bad, X, format)


# ---- Metadata ----
@pytest.mark.parametrize("metadata", [None, {}, {"format": "mlx", "é": "ü\n"}])
def test_safetensors_keep_metadata(tmp_path, metadata):
    for file in [tmp_path / "a.safetensors", io.BytesIO()]:
        mx.save_safetensors(file, {"x": X}, metadata=metadata)
        if isinstance(file, io.BytesIO):
            file.seek(0)
        arrays, loaded = mx.load(file, format="safetensors", return_metadata=True)
        assert loaded == (metadata or {}) and same(arrays["x"], X)


def test_gguf_keeps_metadata(tmp_path):
    metadata = {"text": "é", "list": ["a", "", "ü"], "number": mx.array(3.5), "vector": mx.array([1, 2, 3])}
    for file in [tmp_path / "a.gguf", io.BytesIO()]:
        mx.save_gguf(file, {"x": X}, metadata)
        if isinstance(file, io.BytesIO):
            file.seek(0)
        arrays, loaded = mx.load(file, format="gguf", return_metadata=True)
        assert list(loaded) == list(metadata) and same(arrays["x"], X)
        assert loaded["text"] == "é" and loaded["list"] == ["a", "", "ü"]
        assert same(loaded["number"], metadata["number"]) and same(loaded["vector"], metadata["vector"])


def test_metadata_of_other_types_is_refused(tmp_path):
    for bad in [{"k": 3}, {3: "v"}, [], {"k": "a\0b"}]:
        with pytest.raises((TypeError, ValueError), match="save_safetensors"):
            mx.save_safetensors(tmp_path / "a", {"x": X}, bad)
    for bad in [{"k": 3}, {3: "v"}, [], {"k": [1]}, {"k": mx.zeros((2, 2))}, {"k": "a\0b"}]:
        with pytest.raises((TypeError, ValueError), match="save_gguf"):
            mx.save_gguf(tmp_path / "a", {"x": X}, bad)
    for bad in [{"k": 3}, {3: X}, [X], {"k": np.ones(3)}]:
        for f in [mx.save_safetensors, mx.save_gguf]:
            with pytest.raises(TypeError, match="dict from str to array"):
                f(tmp_path / "a", bad)
    assert list(tmp_path.iterdir()) == []


# ---- NumPy ----
NUMPY_DTYPES = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8"]
DTYPE_OF = dict(zip(NUMPY_DTYPES, [t for t in DTYPES if t != mx.bfloat16], strict=True))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("code", NUMPY_DTYPES)
def test_npy_of_numpy_is_read(tmp_path, code, version, order):
    a = np.arange(24).reshape(2, 3, 4).astype(order + code)
    for layout in [a, np.asfortranarray(a), a[:, ::2], a[0, 0, 0], a[:0]]:
        with open(tmp_path / "a.npy", "wb") as f:
            np.lib.format.write_array(f, np.asarray(layout), version)
        x = mx.load(str(tmp_path / "a.npy"))
        assert x.shape == layout.shape
        assert np.array_equal(np.array(x), layout) and np.array(x).dtype == layout.dtype.newbyteorder("=")


def test_npy_of_other_kinds_is_refused(tmp_path):
    others = [
        np.zeros(3, [("a", "f4"), ("b", "i4")]),
        np.array(["a"]),
        np.zeros(2, "c16"),
        np.zeros(2, "M8[s]"),
        np.array([None]),
        np.zeros(2, "S4"),
    ]
    for a in others:
        np.save(tmp_path / "a.npy", a)
        with pytest.raises(ValueError, match="load_npy"):
            mx.load(tmp_path / "a.npy")


@pytest.mark.parametrize("code", NUMPY_DTYPES)
def test_numpy_reads_what_is_saved(tmp_path, code):
    a = np.arange(6).reshape(2, 3).astype(code)
    x = mx.array(a, DTYPE_OF[code])
    mx.save(tmp_path / "a", x)
    loaded = np.load(tmp_path / "a.npy")
    assert loaded.dtype == a.dtype and np.array_equal(loaded, a)
    for savez in [mx.savez, mx.savez_compressed]:
        savez(tmp_path / "a", x, x.T, named=x[:1])
        with np.load(tmp_path / "a.npz") as loaded:
            assert sorted(loaded) == ["arr_0", "arr_1", "named"]
            for name, want in [("arr_0", a), ("arr_1", a.T), ("named", a[:1])]:
                assert loaded[name].dtype == a.dtype and np.array_equal(loaded[name], want)
        with zipfile.ZipFile(tmp_path / "a.npz") as archive:
            assert archive.testzip() is None


def test_npz_of_numpy_is_read(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.eye(3)),
        "b": np.arange(5, dtype=">i4"),
    }
    for savez in [np.savez, np.savez_compressed]:
        savez(tmp_path / "a.npz", np.ones(3), **arrays)
        loaded = mx.load(tmp_path / "a.npz")
        assert list(loaded) == ["a", "f", "b", "arr_0"] or set(loaded) == {"a", "f", "b", "arr_0"}
        for name, a in arrays.items():
            assert np.array_equal(np.array(loaded[name]), a)


def test_npz_written_without_seeking_is_read():
    class Pipe(io.RawIOBase):
        """Write only, so that zipfile appends sizes behind the members."""

        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, b):
            self.data += bytes(b)
            return len(b)

    pipe = Pipe()
    np.savez_compressed(pipe, a=np.arange(1000))
    assert mx.array_equal(mx.load(io.BytesIO(pipe.data), format="npz")["a"], mx.arange(1000))


def test_archives_behind_other_bytes_are_read(tmp_path):
    stream = io.BytesIO(b"junk")
    stream.seek(4)
    mx.savez(stream, a=X)
    with zipfile.ZipFile(stream) as archive:
        assert archive.testzip() is None
    (tmp_path / "a.npz").write_bytes(stream.getvalue())
    assert same(mx.load(tmp_path / "a.npz")["a"], X)


def test_members_may_have_any_name():
    names = ["", "../../etc/x", "a/b", "/abs", "é" * 100, "a.npy", "con"]
    stream = io.BytesIO()
    mx.savez_compressed(stream, **{n: X + i for i, n in enumerate(names)})
    loaded = mx.load(stream, format="npz")
    assert list(loaded) == names
    assert all(same(loaded[n], X + i) for i, n in enumerate(names))
    stream.seek(0)
    with np.load(stream) as f:
        assert np.array_equal(f["../../etc/x"], np.array(X + 1))


def test_savez_names_are_distinct(tmp_path):
    with pytest.raises(ValueError, match="arr_0"):
        mx.savez(tmp_path / "a", X, arr_0=X)
    with pytest.raises(TypeError, match="arrays"):
        mx.savez(tmp_path / "a", 3)
    with pytest.raises(TypeError, match="file"):
        mx.savez()
    mx.savez(file=tmp_path / "a", other=X)
    assert list(mx.load(tmp_path / "a.npz")) == ["other"]


def test_zip_bombs_are_refused():
    stream = io.BytesIO()
    mx.savez_compressed(stream, x=mx.zeros(100_000, mx.uint8))
    data = bytearray(stream.getvalue())
    directory = data.rindex(b"PK\1\2")
    data[directory + 24 : directory + 28] = (0xFFFF0000).to_bytes(4, "little")
    with pytest.raises(ValueError, match="member 'x.npy'"):
        mx.load(io.BytesIO(bytes(data)), format="npz")


# ---- File objects that misbehave ----
class Broken(Exception):
    pass


class Reader:
    """Gives what `read` says; counts what is asked."""

    def __init__(self, read):
        self.calls = 0
        self.answer = read

    def read(self, n):
        self.calls += 1
        return self.answer(n)


def raise_broken(n):
    raise Broken


@pytest.mark.parametrize("format", FORMATS)
def test_readers_that_misbehave_raise(format):
    good = io.BytesIO()
    save(good, X, format)
    good = good.getvalue()
    cases = [
        (raise_broken, Broken),
        (lambda n: "text", TypeError),
        (lambda n: None, TypeError),
        (lambda n: 7, TypeError),
        (lambda n: b"x" * (n + 1), ValueError),
        (lambda n: b"", ValueError),
    ]
    for answer, error in cases:
        with pytest.raises(error):
            load(Reader(answer), format)
    stream = io.BytesIO(good)
    assert same(load(Reader(lambda n: stream.read(min(n, 3))), format), X)  # a little at a time
    stream = io.BytesIO(good)
    assert same(load(Reader(lambda n: bytearray(stream.read(n))), format), X)
    padding = 8 if format == "gguf" else 0  # behind the last tensor, where it may lack
    for n in range(0, len(good) - padding, 7):
        stream = io.BytesIO(good[:n])
        with pytest.raises(ValueError):
            load(Reader(stream.read), format)
        stream = io.BytesIO(good[:n])
        with pytest.raises(Broken):
            load(Reader(lambda m: stream.read(m) or raise_broken(m)), format)
    closed = io.BytesIO(good)
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        load(closed, format)


def test_a_text_file_is_refused(tmp_path):
    (tmp_path / "a.npy").write_text("hello")
    with open(tmp_path / "a.npy") as f, pytest.raises(TypeError, match="bytes"):
        mx.load(f)
    with open(tmp_path / "b.npy", "w") as f, pytest.raises(TypeError):
        mx.save(f, X)


@pytest.mark.parametrize("format", FORMATS)
def test_writers_that_misbehave_raise(format):
    class Writer:
        def __init__(self, answer):
            self.write = answer

    def fail(data):
        raise Broken

    for answer, error in [
        (fail, Broken),
        (lambda b: 0, OSError),
        (lambda b: len(b) + 1, OSError),
        (lambda b: -1, OSError),
    ]:
        with pytest.raises(error):
            save(Writer(answer), X, format)
    kept = []
    save(Writer(kept.append), X, format)  # None: all was taken
    slow = io.BytesIO()
    save(Writer(lambda b: slow.write(b[:3])), X, format)
    assert b"".join(kept) == slow.getvalue()
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        save(closed, X, format)


def test_arguments_may_change_while_a_file_object_writes():
    arrays, metadata = {"a": X + 0, "b": X + 1}, {"k": ["one", "two"], "t": "text"}

    class Writer(io.BytesIO):
        def write(self, data):
            arrays.clear()
            metadata.clear()
            gc.collect()
            return super().write(data)

    file = Writer()
    mx.save_gguf(file, arrays, metadata)
    file.seek(0)
    loaded, meta = mx.load(file, format="gguf", return_metadata=True)
    assert same(loaded["a"], X) and same(loaded["b"], X + 1)
    assert meta == {"k": ["one", "two"], "t": "text"}


def test_failed_loads_and_saves_leak_nothing():
    good = io.BytesIO()
    mx.savez_compressed(good, x=X)
    reader, writer = Reader(raise_broken), Reader(raise_broken)
    writer.write = raise_broken
    before = sys.getrefcount(reader), sys.getrefcount(writer), sys.getrefcount(X)
    for _ in range(100):
        for format in FORMATS:
            with pytest.raises(Broken):
                load(reader, format)
            with pytest.raises(Broken):
                save(writer, X, format)
    gc.collect()
    assert (sys.getrefcount(reader), sys.getrefcount(writer), sys.getrefcount(X)) == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_failed_save_leaves_the_old_file(tmp_path, format):
    path = tmp_path / f"a{ending(format)}"
    save(path, X, format)
    old = path.read_bytes()
    bad = mx.zeros((1 << 40,)) + 1  # more than there is memory
    with pytest.raises((MemoryError, RuntimeError, ValueError)):
        save(path, bad, format)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format", FORMATS)
def test_saving_over_a_loaded_file_is_safe(tmp_path, format):
    path = tmp_path / f"a{ending(format)}"
    save(path, mx.arange(10000), format)
    loaded = load(path, format)
    save(path, loaded * 2, format)
    assert mx.array_equal(loaded, mx.arange(10000))
    assert mx.array_equal(load(path, format), 2 * mx.arange(10000))


def test_threads_may_load_from_file_objects():
    stream = io.BytesIO()
    mx.savez_compressed(stream, x=mx.arange(100_000))
    data, results = stream.getvalue(), []

    def work():
        for _ in range(5):
            results.append(
                bool(mx.array_equal(mx.load(io.BytesIO(data), format="npz")["x"], mx.arange(100_000)))
            )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True] * 20
