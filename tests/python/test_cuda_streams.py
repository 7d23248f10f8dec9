"""The GPU under load and in trouble: streams and threads beside each other, arrays on their way between the devices, memory
that runs out, indices out of bounds, and processes that fork."""

import os
import subprocess
import sys
import threading

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU, IS_CUDA

pytestmark = pytest.mark.skipif(not (HAS_GPU and IS_CUDA), reason="needs a CUDA device")

MEBI = 1 << 20


def integers(shape, seed, low=-8, high=8):
    """Numbers whose sums and products are exact in float32, made on the CPU."""
    return mx.array(np.random.default_rng(seed).integers(low, high, shape).astype(np.float32))


def run(program: str, **variables: str) -> str:
    """What a program prints in a process of its own, under these variables."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- Streams and threads ----
def work(x: mx.array, stream, steps: int) -> mx.array:
    """Products, reductions, sorting, indexing and elementwise steps, all of them exact."""
    for step in range(steps):
        y = mx.matmul(x, mx.transpose(x, stream=stream), stream=stream)
        y = mx.remainder(mx.add(y, step, stream=stream), 17, stream=stream)
        order = mx.argsort(y[0], stream=stream)
        y = mx.take(y, order, axis=1, stream=stream)
        y = mx.subtract(y, mx.max(y, axis=1, keepdims=True, stream=stream), stream=stream)
        x = mx.remainder(mx.add(x, mx.cumsum(y, axis=0, stream=stream), stream=stream), 8, stream=stream)
    return x


def test_threads_on_two_streams_compute_what_the_cpu_does():
    streams = [mx.new_stream(mx.gpu) for _ in range(2)]
    inputs = [integers((24, 24), seed) for seed in range(4)]
    want = [np.array(work(x, mx.cpu, 6)) for x in inputs]
    wrong, start = [], threading.Barrier(4)

    def run_one(i: int) -> None:
        try:
            start.wait()
            for turn in range(6):
                got = work(inputs[i], streams[(i + turn) % 2], 6)
                if turn % 2:
                    mx.async_eval(got)
                if not np.array_equal(np.array(got), want[i]):
                    wrong.append((i, turn))
        except Exception as e:
            wrong.append((i, repr(e)))

    threads = [threading.Thread(target=run_one, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in streams:
        mx.synchronize(s)
    assert not wrong


def test_results_of_one_stream_serve_others_while_they_are_computed():
    streams = [mx.new_stream(mx.gpu) for _ in range(3)]
    x = integers((64, 64), 1)
    parts = [x]
    for step in range(40):
        a, b = parts[-1], parts[-3 if len(parts) > 2 else 0]
        parts.append(
            mx.remainder(mx.add(a, mx.multiply(b, 2, stream=streams[step % 3]), stream=streams[step % 2]), 11)
        )
        if step % 5 == 0:
            mx.async_eval(parts[-1])
    values = [np.array(x)]
    for _ in range(40):
        values.append(np.remainder(values[-1] + 2 * values[-3 if len(values) > 2 else 0], 11))
    for got, want in zip(parts, values):
        np.testing.assert_array_equal(np.array(got), want)


def test_memory_that_another_stream_still_reads_is_not_given_away():
    """Each array is let go of by its own stream while the other reads it."""
    one, other = mx.new_stream(mx.gpu), mx.new_stream(mx.gpu)
    sums = []
    for i in range(60):
        x = mx.full((4096,), i, stream=one)
        mx.async_eval(x)
        sums.append(mx.sum(mx.add(x, 1, stream=other), stream=other))
        mx.async_eval(sums[-1])
        del x
        mx.async_eval(mx.full((4096,), -1.0, stream=one))
    assert [s.item() for s in sums] == [4096 * (i + 1) for i in range(60)]


# ---- Between the CPU and the GPU ----
def test_arrays_flow_between_the_devices_in_one_graph():
    a, b = integers((100, 30), 2), integers((100, 30), 3)
    x = mx.add(a, b, stream=mx.gpu)
    y = mx.multiply(x, b, stream=mx.cpu)
    z = mx.subtract(mx.sum(y, axis=0, stream=mx.gpu), mx.max(x, axis=0, stream=mx.cpu), stream=mx.gpu)
    w = mx.sort(mx.concatenate([z, y[0]], stream=mx.cpu), stream=mx.gpu)
    na, nb = np.array(a), np.array(b)
    ny = (na + nb) * nb
    want = np.sort(np.concatenate([ny.sum(0) - (na + nb).max(0), ny[0]]))
    np.testing.assert_array_equal(np.array(w), want)
    np.testing.assert_array_equal(np.array(y), ny)


@pytest.mark.parametrize("first, second", [(mx.cpu, mx.gpu), (mx.gpu, mx.cpu)], ids=["cpu-gpu", "gpu-cpu"])
def test_a_chain_that_changes_its_device_at_each_step_is_right(first, second):
    x = integers((50, 7), 4)
    for step in range(30):
        x = mx.remainder(mx.add(x, step, stream=first), 13, stream=second)
    want = np.array(integers((50, 7), 4))
    for step in range(30):
        want = np.remainder(want + step, 13)
    np.testing.assert_array_equal(np.array(x), want)


def test_views_of_what_the_other_device_made_are_right():
    x = mx.multiply(integers((16, 24), 5), 2, stream=mx.gpu)
    y = mx.add(x[::-2, 3::4].T, 1, stream=mx.cpu)
    z = mx.add(y[1:], x[0, 1], stream=mx.gpu)
    want = 2 * np.array(integers((16, 24), 5))
    np.testing.assert_array_equal(np.array(z), (want[::-2, 3::4].T + 1)[1:] + want[0, 1])


def test_what_is_updated_on_one_device_is_seen_on_the_other():
    x = mx.zeros((8, 8), stream=mx.gpu)
    for i in range(8):
        with mx.stream(mx.gpu if i % 2 else mx.cpu):
            x[i] = x[i - 1] + i
            x = x + 0
            mx.eval(x)
    want = np.zeros((8, 8), np.float32)
    for i in range(8):
        want[i] = want[i - 1] + i
    np.testing.assert_array_equal(np.array(x), want)


def test_derivatives_flow_between_the_devices():
    def f(x):
        return mx.sum(mx.multiply(mx.square(x, stream=mx.gpu), x, stream=mx.cpu), stream=mx.gpu)

    x = integers((9,), 6)
    np.testing.assert_array_equal(np.array(mx.grad(f)(x)), 3 * np.array(x) ** 2)
    compiled = mx.compile(mx.grad(f))
    for _ in range(2):
        np.testing.assert_array_equal(np.array(compiled(x)), 3 * np.array(x) ** 2)


# ---- Memory that runs out ----
@pytest.fixture
def limited():
    """The limit is the memory in use and 8 MiB more."""
    mx.synchronize()
    old = mx.set_memory_limit(mx.get_active_memory() + 8 * MEBI)
    yield
    mx.set_memory_limit(old)


def test_beyond_the_limit_is_a_memory_error_and_the_next_op_works(limited):
    for _ in range(3):
        with pytest.raises(MemoryError, match="GPU"):
            mx.eval(mx.ones((16 * MEBI,), mx.uint8) + 1)
        x = mx.arange(1000) + 1
        assert mx.sum(x).item() == 500500


def test_what_failed_for_memory_can_be_evaluated_when_there_is_some(limited):
    x = mx.arange(1000)
    y = mx.sum(mx.broadcast_to(x[:, None], (1000, 5000)) * mx.arange(5000) + 0, axis=0)
    wide = mx.sort(mx.broadcast_to(x[:, None], (1000, 5000)) + 0, axis=0)
    with pytest.raises(MemoryError):
        mx.eval(wide)
    mx.set_memory_limit(1 << 40)
    assert mx.array_equal(wide[:, 7], x) and y[1].item() == 499500


def test_an_asynchronous_eval_beyond_the_limit_is_told_and_hurts_nothing_else(limited):
    good = mx.arange(100) * 2
    bad = mx.ones((16 * MEBI,), mx.uint8) + 1
    with pytest.raises(MemoryError):
        mx.async_eval(good, bad)
        mx.synchronize()
    assert good.tolist() == list(range(0, 200, 2))


EXHAUSTED = """
import mlx.core as mx
mx.set_default_device(mx.gpu)
total = mx.device_info(mx.gpu)["memory_size"]
held = []
try:
    while len(held) < 100:
        held.append(mx.arange(total // 32) + len(held))
        mx.eval(held[-1])
    print("no end")
except MemoryError as e:
    print("MemoryError" if "GPU" in str(e) else e)
print(5 <= len(held) <= 8, (mx.arange(10) + 1).sum().item())
print([mx.min(x).item() for x in held[:-1]] == list(range(len(held) - 1)))
held = None
mx.synchronize()
print(mx.get_cache_memory() > total // 2)
x = mx.arange(total * 5 // 8, dtype=mx.uint8)  # more than any piece that the cache has
print(mx.max(x).item(), mx.get_cache_memory() < total // 4)
print(mx.get_active_memory() > total // 2)
"""


@pytest.mark.skipif("MLX_CUDA_DRIVER" not in os.environ, reason="would fill the memory of a real device")
def test_where_the_device_has_no_memory_the_cache_is_emptied_and_asked_again():
    out = run(EXHAUSTED, MLX_EMULATOR_MEMORY=str(160 * MEBI))
    assert out.split("\n")[:-1] == ["MemoryError", "True 55", "True", "True", "255 True", "True"], out


# ---- Indices out of bounds ----
def out_of_bounds(index: int):
    """A gather whose indices the host doesn't see before the GPU does."""
    indices = mx.add(mx.array([0, 1, index]), 0, stream=mx.gpu)
    return mx.take(mx.arange(10, stream=mx.gpu) * 1, indices, stream=mx.gpu)


@pytest.mark.parametrize("index", [10, 123456, -11])
def test_an_index_out_of_bounds_is_an_index_error_that_names_op_index_and_bound(index):
    with pytest.raises(IndexError, match=rf"\[gather\].*\[-10, 10\).*got {index}$"):
        mx.eval(out_of_bounds(index))


def test_each_read_of_an_array_that_failed_raises_again():
    bad = out_of_bounds(77)
    mx.async_eval(bad)
    for _ in range(3):
        with pytest.raises(IndexError, match="got 77"):
            bad.tolist()
    with pytest.raises(IndexError, match="got 77"):
        mx.eval(bad)
    with pytest.raises(IndexError, match="got 77"):
        np.array(mx.add(bad, 1, stream=mx.cpu))


def test_arrays_beside_one_that_failed_are_right():
    before, bad = mx.arange(5) * 3, out_of_bounds(10)
    after = mx.take(mx.arange(10) * 1, mx.array([2, 3]) + 0)
    mx.async_eval(before, bad, after)
    assert after.tolist() == [2, 3] and before.tolist() == [0, 3, 6, 9, 12]
    with pytest.raises(IndexError):
        bad.tolist()
    assert out_of_bounds(9).tolist() == [0, 1, 9]


def test_what_is_computed_of_an_array_that_failed_fails_each_time():
    beside = mx.arange(4) * 2
    bad = out_of_bounds(10)
    late = mx.add(mx.sum(mx.multiply(bad, 2, stream=mx.gpu), stream=mx.gpu), beside, stream=mx.gpu)
    mx.async_eval(beside, late)
    other = mx.add(late, 1, stream=mx.new_stream(mx.gpu))
    mx.async_eval(other)
    assert beside.tolist() == [0, 2, 4, 6]
    for _ in range(2):
        for a in (late, other, late[1:], bad):
            with pytest.raises(IndexError, match="got 10"):
                a.tolist()


def test_what_is_computed_of_many_gathers_fails_if_one_does():
    for wrong in (None, 0, 7, 29):
        parts = [out_of_bounds(44 if i == wrong else 2) for i in range(30)]
        total = parts[0]
        for p in parts[1:]:
            total = mx.add(total, p, stream=mx.gpu)
            mx.async_eval(total)
        for _ in range(2):
            if wrong is None:
                assert total.tolist() == [0, 30, 60]
            else:
                with pytest.raises(IndexError, match="got 44"):
                    total.tolist()


def test_the_wait_for_a_stream_tells_once_of_an_index_that_no_read_has_told_of():
    s = mx.new_stream(mx.gpu)
    with mx.stream(s):
        mx.async_eval(mx.take(mx.arange(10) * 1, mx.array([0, 99]) + 0))
        beside = mx.arange(3) + 1
        assert beside.tolist() == [1, 2, 3]
        with pytest.raises(IndexError, match="got 99"):
            mx.synchronize(s)
        mx.synchronize(s)
        bad = mx.take(mx.arange(10) * 1, mx.array([0, 98]) + 0)
        mx.async_eval(bad)
        with pytest.raises(IndexError, match="got 98"):
            bad.tolist()
        mx.synchronize(s)


def test_of_many_posted_gathers_exactly_the_wrong_ones_fail():
    """More than the stream keeps words for."""
    arrays = [out_of_bounds(i % 13) for i in range(400)]
    for a in arrays:
        try:
            mx.async_eval(a)
        except IndexError:
            pass
    wrong = []
    for i, a in enumerate(arrays):
        try:
            assert a.tolist() == [0, 1, i % 13]
        except IndexError:
            wrong.append(i)
    assert wrong == [i for i in range(400) if i % 13 >= 10]


OPS = {
    "gather": lambda i: mx.take(mx.zeros((4, 10)), i, axis=1),
    "take_along_axis": lambda i: mx.take_along_axis(mx.zeros((1, 10)), i[None], axis=1),
    "put_along_axis": lambda i: mx.put_along_axis(mx.zeros((1, 10)), i[None], mx.array(1.0), axis=1),
    "scatter": lambda i: mx.zeros((10,)).at[i].add(1.0),
}


@pytest.mark.parametrize("op", OPS)
def test_every_op_with_indices_refuses_those_out_of_bounds(op):
    with mx.stream(mx.gpu):
        assert mx.all(mx.isfinite(OPS[op](mx.array([0, 9, -10]) + 0))).item()
        for index in (10, -11, 2**31 - 1):
            with pytest.raises(IndexError, match=rf"\[{op}\].*got {index}"):
                mx.eval(OPS[op](mx.array([0, index]) + 0))


# ---- Processes that fork ----
FORKED = """
import os, signal
import mlx.core as mx

x = mx.array([1.0, 2.0, 3.0])
{before}
child = os.fork()
if child == 0:
    signal.alarm(20)
    {work}
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
USED = "made = x * 2\nmx.eval(made)"


def test_a_child_forked_after_the_gpu_was_used_is_told_so():
    work = """
    for use in (lambda: mx.eval(x + 1), made.tolist, lambda: mx.device_info(mx.gpu)):
        try:
            use()
            os._exit(2)
        except RuntimeError as e:
            if "forked" not in str(e) or "spawn" not in str(e) or "mx.cpu" not in str(e):
                os._exit(3)"""
    assert run(FORKED.format(before=USED, work=work)) == "0\n"


def test_such_a_child_computes_on_the_cpu_and_its_parent_goes_on_with_the_gpu():
    work = """
    mx.set_default_device(mx.cpu)
    if (mx.sort(x + 1) @ x).item() != 20 or mx.sum(mx.arange(1000)).item() != 499500:
        os._exit(2)"""
    after = "print(made.tolist(), (made + x).tolist())"
    assert run(FORKED.format(before=USED, work=work) + after) == "0\n[2.0, 4.0, 6.0] [3.0, 6.0, 9.0]\n"


def test_a_child_forked_before_the_gpu_was_used_can_use_it():
    work = """
    if (x + 1).tolist() != [2, 3, 4] or mx.default_device() != mx.gpu:
        os._exit(2)"""
    after = "print((x + 2).tolist())"
    assert run(FORKED.format(before="", work=work) + after) == "0\n[3.0, 4.0, 5.0]\n"
