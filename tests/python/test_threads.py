"""Threads that share arrays, and processes that fork. Each program runs in a process of its own, which may crash."""

import pytest
from devices import with_fork
from programs import run

SHARED = """
import sys, threading, time
import mlx.core as mx

sys.setswitchinterval(1e-6)
one = mx.ones((1,))
end = time.monotonic() + 2
while time.monotonic() < end:
    y = one
    for _ in range(400):
        y = mx.sort(y)
    other = threading.Thread(target=mx.eval, args=(y,))
    other.start()
    for _ in range(3):
        result = {transform}(lambda x: (x * y).sum())(one)
    other.join()
    assert result.item() == 1
"""


@pytest.mark.parametrize("transform", ["mx.grad", "mx.compile"])
def test_a_function_may_capture_what_another_thread_evaluates(transform):
    run(SHARED.format(transform=transform))


ASYNCHRONOUS = """
import sys, threading, time
import mlx.core as mx

sys.setswitchinterval(1e-6)
x = mx.arange(100, dtype=mx.float32)
end = time.monotonic() + 3

def evaluate():
    while time.monotonic() < end:
        mx.async_eval(x * 2)
        assert (x + 1).sum().item() == 5050

threads = [threading.Thread(target=evaluate) for _ in range(6)]
for t in threads:
    t.start()
for t in threads:
    t.join()
mx.synchronize()
"""


def test_threads_that_evaluate_asynchronously_on_one_stream_all_end():
    run(ASYNCHRONOUS)


FORKED = """
import os, signal
import mlx.core as mx

start = mx.ones((8,))
mx.async_eval(start * 2)  # starts the stream's thread
mx.synchronize()
{before}
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        {work}
    except RuntimeError as e:
        os._exit(3 if "forked" in str(e) else 4)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@with_fork
@pytest.mark.parametrize("work", ["mx.async_eval(start + 1); mx.synchronize()", "mx.eval(mx.sort(start))"])
def test_a_forked_child_evaluates_on_the_streams_of_its_parent(work):
    assert run(FORKED.format(before="", work=work)) == "0\n"


@with_fork
def test_a_forked_child_does_not_wait_for_what_its_parent_evaluates():
    before = """
slow = mx.ones((600, 600))
for _ in range(60):
    slow = slow @ slow * 0.001
mx.async_eval(slow)"""
    work = "mx.eval(start + 1); mx.eval(slow)"
    assert run(FORKED.format(before=before, work=work)) == "3\n"


BUSY = """
import os, signal, sys, tempfile, threading
import mlx.core as mx

sys.setswitchinterval(1e-5)
x = mx.arange(64, dtype=mx.float32)
mx.eval(x)
doubled = mx.compile(lambda a: mx.sin(a) * 2)
stop = False

def evaluate():
    for n in range(1 << 40):
        if stop:
            return
        whole, rest = mx.divmod(x, 7)
        mx.eval(whole + rest, doubled(x[: 8 + n % 32]), mx.fft.fft(x[: 8 + n % 32]).real, mx.zeros((n % 64, 100)))

def check():
    assert mx.array_equal(mx.fft.irfft(mx.fft.rfft(x)).round(), x)
    whole, rest = mx.divmod(x, 8)
    mx.eval(whole, rest, doubled(x), x + 1)
    mx.async_eval(x * 2)
    mx.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        for suffix, save in (".npz", mx.savez), (".safetensors", lambda p, **a: mx.save_safetensors(p, a)):
            save(folder + "/x" + suffix, x=x)
            assert mx.array_equal(mx.load(folder + "/x" + suffix)["x"], x)

threads = [threading.Thread(target=evaluate) for _ in range(3)]
for t in threads:
    t.start()
results = set()
for _ in range(200):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            check()
        except BaseException as e:
            print(repr(e), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    results.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if results != {0}:
        break
stop = True
for t in threads:
    t.join()
print(results)
"""


@with_fork
def test_a_child_forked_while_threads_evaluate_evaluates_saves_and_loads():
    assert run(BUSY) == "{0}\n"


FORKED_BY_A_THREAD = """
import os, signal, threading, time
import mlx.core as mx

x = mx.random.uniform(shape=(512, 512))
mx.eval(x)

def fork():
    time.sleep(0.3)  # while the main thread evaluates
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            try:
                mx.eval(x + 1)  # not interrupted any more
            except KeyboardInterrupt:
                os._exit(2)
            os._exit(0)
        os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.kill(os.getpid(), signal.SIGINT)

y = x
for _ in range(5000):
    y = (y @ x) / 256
thread = threading.Thread(target=fork)
thread.start()
try:
    mx.eval(y)
except KeyboardInterrupt:
    pass
thread.join()
"""


@with_fork
def test_a_child_of_a_thread_takes_interrupts_for_its_own():
    assert run(FORKED_BY_A_THREAD) == "0\n"


INTERRUPTED = """
import signal, threading, time
import mlx.core as mx

x = mx.random.uniform(shape=(1024, 1024))
mx.eval(x)
y = x
for _ in range(2000):  # tens of seconds of work
    y = (y @ x) / 512
timer = threading.Timer(0.2, lambda: signal.raise_signal(signal.SIGINT))
timer.start()
start = time.monotonic()
try:
    mx.eval(y)
    print("not interrupted")
except KeyboardInterrupt:
    assert time.monotonic() - start < 5
    print("interrupted")
timer.join()
assert (mx.array([1]) + 1).item() == 2
"""


def test_ctrl_c_ends_an_eval_between_chunks():
    assert run(INTERRUPTED) == "interrupted\n"
