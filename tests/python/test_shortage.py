"""Linear algebra where memory or threads are short, beside others that use the same library. Each program runs in a
process of its own, which may crash, and forks a child for each case."""

import os
import subprocess
import sys

import pytest

PRELUDE = """
import os, resource, sys
import mlx.core as mx

mx.set_default_device(mx.cpu)  # a child may not use a GPU that its parent used
mx.random.seed(0)
def matrix(n):
    a = mx.random.normal((n, n)) + n * mx.eye(n)
    mx.eval(a)
    return a

def close(a, b):
    return mx.abs(a - b).max().item() <= 1e-3 * mx.abs(b).max().item()

def svd(a):
    u, s, vt = mx.linalg.svd(a)
    return close(u * s @ vt, a)
def eigh(a):
    b = a + a.T
    w, v = mx.linalg.eigh(b)
    return close(v * w @ v.T, b)
def qr(a):
    q, r = mx.linalg.qr(a)
    return close(q @ r, a)
def cholesky(a):
    b = a + a.T
    l = mx.linalg.cholesky(b)
    return close(l @ l.T, b)
def inv(a):
    return close(mx.linalg.inv(a) @ a, mx.eye(a.shape[0]))
def solve(a):
    return close(a @ mx.linalg.solve(a, a), a)
def eig(a):
    w, v = mx.linalg.eig(a)
    return close(a.astype(mx.complex64) @ v, v * w)
def pinv(a):
    return close(mx.linalg.pinv(a) @ a, mx.eye(a.shape[0]))

def child(work):
    "What became of the work in a child: 0, an exit status, or a signal as a negative number."
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as e:
            print(repr(e), file=sys.stderr, flush=True)
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""

LIMITED = """
def size():
    return int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

def limited(op, a, margin):
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (size() + (margin << 20), hard))
    for _ in range(3):
        try:
            assert op(a), "a wrong result"
        except MemoryError:
            pass
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    assert op(a), "a wrong result afterwards"

ops = [svd, eigh, qr, cholesky, inv, solve, eig, pinv]
a = matrix({n})
bad = []
for op in ops:
    for margin in (0, 1, 4, 16, 24, 32, 48, 64, 72, 80, 96, 112, 128, 256, 512):
        status = child(lambda: limited(op, a, margin))
        if status:
            bad.append((op.__name__, margin, status))
print(len(ops), bad)
"""


def run(program: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("n", [100, 300])
@pytest.mark.parametrize("threads", ["1", "4"])
def test_whatever_memory_is_left_linear_algebra_gives_a_result_or_memory_error(n, threads):
    assert run(LIMITED.format(n=n), MLX_NUM_THREADS=threads) == "8 []\n"


def test_a_batch_runs_on_the_threads_that_memory_allows():
    program = """
def batch(margin):
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    a = mx.random.normal((64, 40, 40))
    mx.eval(a, mx.linalg.svd(a[0])[1])  # opens the library
    size = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + (margin << 20), hard))
    u, s, vt = mx.linalg.svd(a)
    assert close(u * s[:, None] @ vt, a)

print([child(lambda: batch(margin)) for margin in (20, 40, 100, 300)])
"""
    assert run(program, MLX_NUM_THREADS="8") == "[0, 0, 0, 0]\n"


def test_where_no_thread_can_be_started_linear_algebra_runs_in_the_calling_one():
    program = """
def alone(op):
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    if os.getuid() == 0:
        os.setuid(65534)  # the limit isn't root's
    assert op(a), "a wrong result"

a = matrix(200)
print([child(lambda: alone(op)) for op in (svd, eigh, qr, cholesky, eig)])
"""
    assert run(program) == "[0, 0, 0, 0, 0]\n"


SHARED = """
import ctypes, threading
import scipy_openblas32

path = scipy_openblas32.get_lib_dir() + "/libscipy_openblas.so"
def count():
    return library.scipy_openblas_get_num_threads()

def used_beside():
    global library
    library = ctypes.CDLL(path)
    library.scipy_openblas_set_num_threads(3)
    a = matrix(200)
    assert svd(a) and eigh(a) and qr(a) and cholesky(a) and eig(a)
    assert count() == 3, count()
    threads = [threading.Thread(target=svd, args=(a,)) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert count() == 3, count()

print(child(used_beside))
"""


def test_who_shares_the_library_keeps_its_number_of_threads():
    pytest.importorskip("scipy_openblas32")
    assert run(SHARED) == "0\n"


@pytest.mark.parametrize("margin", [40, 100, 200, 300, 600])
def test_a_shared_library_is_opened_for_as_many_threads_as_there_is_room(margin):
    """The path names it, as it would a library of the system."""
    scipy_openblas32 = pytest.importorskip("scipy_openblas32")
    program = f"""
def opened():
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    size = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + ({margin} << 20), hard))
    try:
        assert svd(a)
    except MemoryError:
        pass
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    assert svd(a)

a = matrix(100)
print(child(opened))
"""
    path = scipy_openblas32.get_lib_dir() + "/libscipy_openblas.so"
    assert run(program, MLX_LAPACK=path) == "0\n"
