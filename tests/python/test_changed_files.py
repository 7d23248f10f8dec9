"""Files that other programs change, and who may save over what: each case in a process of its own, which a mistake
would end by a signal."""

import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import textwrap

import mlx.core as mx
import numpy as np
import pytest

FORMATS = ["npy", "npz", "safetensors", "gguf"]
LARGE = (5, 1 << 20)  # float32: 20 MiB, more than is read up front
SMALL = (5, 100)


def save(path, x: mx.array) -> None:
    match path.suffix:
        case ".npy":
            mx.save(path, x)
        case ".npz":
            mx.savez(path, x=x)
        case ".safetensors":
            mx.save_safetensors(path, {"x": x})
        case ".gguf":
            mx.save_gguf(path, {"x": x})


COMMON = """
import os, sys
import numpy as np
import mlx.core as mx

path = sys.argv[1]

def load(p=path):
    loaded = mx.load(p)
    return loaded if isinstance(loaded, mx.array) else loaded["x"]

def cut():
    os.truncate(path, 4096)

def write_over():
    with open(path, "r+b") as f:
        f.write(bytes(os.path.getsize(path)))

def write_anew():
    size = os.path.getsize(path)
    with open(path, "wb") as f:
        f.write(bytes(size))

def raises(f, error=OSError):
    try:
        f()
    except error as e:
        assert os.path.basename(path) in str(e), e
        return True
    return False
"""


def run(code: str, *arguments) -> None:
    code = COMMON + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])


@pytest.mark.parametrize("change", ["cut", "write_over", "write_anew"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_large_file_that_changes_is_an_error_and_results_stay(tmp_path, format, change):
    path = tmp_path / f"a.{format}"
    save(path, mx.ones(LARGE))
    run(
        f"""
        x = load()
        mx.eval(x)
        y, rows = x + x, x[1:3]
        mx.eval(y, rows)
        step = mx.compile(lambda a: a + x)
        mx.eval(step(mx.ones({LARGE})))
        {change}()
        assert raises(lambda: mx.eval(x))
        assert raises(lambda: mx.eval(mx.exp(x)))
        assert raises(lambda: mx.eval(x @ x.T))
        assert raises(lambda: mx.eval(step(mx.ones({LARGE}))))
        assert raises(lambda: mx.eval(mx.take(rows, mx.array([0, 1]))))
        assert raises(lambda: rows.tolist())
        assert raises(lambda: np.array(x))
        assert raises(lambda: memoryview(x))
        assert raises(lambda: str(x))
        assert raises(lambda: x[0, 0].item())
        assert raises(lambda: bytes(x))
        assert raises(lambda: mx.save(path + ".copy.npy", x))
        assert not os.path.exists(path + ".copy.npy")
        assert mx.all(y == 2).item()
        other = mx.ones((3,))
        assert mx.sum(other).item() == 3
        """,
        path,
    )


@pytest.mark.parametrize("change", ["cut", "write_over", "write_anew"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_small_file_stays_what_it_was_when_loaded(tmp_path, format, change):
    path = tmp_path / f"a.{format}"
    save(path, mx.ones(SMALL))
    run(
        f"""
        x = load()
        {change}()
        assert mx.all(x == 1).item() and np.all(np.array(x) == 1)
        """,
        path,
    )


def test_evals_in_other_threads_are_no_crash(tmp_path):
    path = tmp_path / "a.npy"
    save(path, mx.ones(LARGE))
    run(
        """
        import threading
        x, s = load(), mx.new_stream(mx.cpu)
        cut()
        y = mx.exp(x, stream=s)
        mx.async_eval(y)
        assert raises(lambda: mx.eval(y)) or raises(lambda: mx.eval(y + 1))
        seen = []
        t = threading.Thread(target=lambda: seen.append(raises(lambda: mx.eval(mx.exp(x)))))
        t.start()
        t.join()
        assert seen == [True]
        """,
        path,
    )


def test_numpys_view_of_a_file_cut_short_is_no_crash(tmp_path):
    path = tmp_path / "a.npy"
    save(path, mx.ones(LARGE))
    run(
        """
        a = np.array(load(), copy=False)
        cut()
        assert a[-1, -1] == 0
        """,
        path,
    )


@pytest.mark.parametrize("when", ["before", "after"])
def test_faulthandler_may_be_enabled_at_any_time(tmp_path, when):
    path = tmp_path / "a.npy"
    save(path, mx.ones(LARGE))
    enable = "import faulthandler; faulthandler.enable()"
    run(
        f"""
        {enable if when == "before" else ""}
        x = load()
        {enable if when == "after" else ""}
        cut()
        assert raises(lambda: mx.eval(mx.exp(x)))
        """,
        path,
    )


def test_a_large_file_may_be_replaced_or_removed(tmp_path):
    path = tmp_path / "a.npy"
    save(path, mx.ones(LARGE))
    x = mx.load(path)
    save(path, x + 1)
    assert mx.all(mx.load(path) == 2).item()
    path.unlink()
    assert mx.all(x == 1).item()


def test_files_and_streams_beyond_the_limit_of_mappings_load(tmp_path):
    path = tmp_path / "a.npy"
    save(path, mx.ones((4,)))
    run(
        """
        most = int(open("/proc/sys/vm/max_map_count").read())
        if most > 100_000:
            sys.exit(0)
        arrays = [mx.load(path) for _ in range(most + 100)]
        assert mx.sum(arrays[-1]).item() == 4
        """,
        path,
    )


# ---- Saving ----
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path):
    path = tmp_path / "a.npy"
    old = os.umask(0o027)
    try:
        mx.save(path, mx.ones(3))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["a.npy"]


def test_dangling_links_are_followed(tmp_path):
    (tmp_path / "link.npy").symlink_to("target.npy")
    mx.save(tmp_path / "link.npy", mx.ones(3))
    assert (tmp_path / "link.npy").is_symlink()
    assert np.array_equal(np.load(tmp_path / "target.npy"), np.ones(3))


def test_names_may_have_255_bytes(tmp_path):
    path = tmp_path / ("n" * 251 + ".npy")
    for value in [1, 2]:
        mx.save(path, mx.array(value))
        assert mx.load(path).item() == value
    with pytest.raises(OSError, match="too long"):
        mx.save(tmp_path / ("n" * 252 + ".npy"), mx.ones(3))


SAVE_AS_NOBODY = """
    os.setgid(65534)
    os.setuid(65534)
    os.stat(path)  # within reach
    refused = False
    try:
        mx.save(path, mx.array(7))
    except OSError as e:
        refused = "Permission denied" in str(e)
    assert refused == (sys.argv[2] == "refused")
"""


@pytest.fixture
def open_folder():
    """A folder that every user can reach, which those of tmp_path are not."""
    with tempfile.TemporaryDirectory(prefix="mlx-") as name:
        yield pathlib.Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")
@pytest.mark.parametrize(
    "owner, mode, folder_owner, outcome",
    [
        (65534, 0o444, 65534, "refused"),  # one's own, but not to be written to
        (0, 0o644, 65534, "refused"),  # another's, in one's own folder
        (0, 0o666, 65534, "in place"),  # another's that all may write: it stays another's
        (65534, 0o644, 0, "in place"),  # one's own, in a folder that can't be written to
        (65534, 0o640, 65534, "replaced"),
    ],
)
def test_saving_needs_the_rights_of_a_plain_write(open_folder, owner, mode, folder_owner, outcome):
    path = open_folder / "a.npy"
    mx.save(path, mx.array(1))
    path.chmod(mode)
    os.chown(path, owner, owner)
    open_folder.chmod(0o755)
    os.chown(open_folder, folder_owner, folder_owner)
    before = path.stat()
    run(SAVE_AS_NOBODY, path, outcome)
    after = path.stat()
    assert mx.load(path).item() == (1 if outcome == "refused" else 7)
    assert (after.st_ino == before.st_ino) == (outcome != "replaced")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert os.listdir(open_folder) == ["a.npy"]
