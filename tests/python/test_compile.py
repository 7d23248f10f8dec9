"""Compiled functions: how many traces they keep, what these hold, and calls from several threads."""

import gc
import re
import signal
import subprocess
import sys
import threading
import weakref
from functools import partial
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import pytest
from devices import in_host_memory, with_fork

KEPT = 1024  # traces of a function, as include/mlx/transforms.h says


def test_this_file_knows_how_many_traces_are_kept():
    header = Path(__file__).parents[2] / "include/mlx/transforms.h"
    assert re.search(r"MX_TRACES_KEPT = (\d+)", header.read_text())[1] == str(KEPT)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def counted(function, **options):
    """The function compiled, and a list that grows with each trace."""
    traces = []

    def traced(*args):
        traces.append(args)
        return function(*args)

    return mx.compile(traced, **options), traces


# ---- What is kept, and what is let go ----
@pytest.mark.parametrize("shapeless", [False, True])
def test_memory_is_flat_over_many_calls_with_many_shapes(shapeless):
    f, traces = counted(lambda x: mx.sin(x) * 2 + mx.cos(x), shapeless=shapeless)
    inputs = [mx.ones((n,)) for n in range(1, 1001)]
    mx.eval(inputs)

    def call_all():
        for x in inputs:
            f(x)

    for _ in range(2):
        call_all()
    active, resident = mx.get_active_memory(), resident_bytes()
    for _ in range(18):
        call_all()
    assert len(traces) == (1 if shapeless else len(inputs))
    assert mx.get_active_memory() == active
    assert resident_bytes() - resident < 2 << 20


def test_memory_is_flat_however_many_shapes_there_are():
    table = mx.ones((64,))
    f = mx.compile(lambda x: {"y": mx.sin(x) * 2, "rest": [(table * 3 + x[:1, :1]).sum(), len(x.shape)]})

    def call_shapes(first, last):
        for n in range(first, last):
            mx.eval(f(mx.ones((n % 50 + 1, n // 50 + 1))))
            gc.collect(0)

    call_shapes(0, 3 * KEPT)
    active, resident = mx.get_active_memory(), resident_bytes()
    call_shapes(3 * KEPT, 9 * KEPT)
    assert mx.get_active_memory() - active < 1 << 16
    assert resident_bytes() - resident < 4 << 20


def test_a_trace_that_was_dropped_is_made_again():
    f, traces = counted(lambda x, n: [x * n] * (n % 3 + 1))
    x = mx.array([1.0, 2.0])
    for n in [*range(KEPT + 10), *range(20)]:
        results = f(x, n)
        assert len(results) == n % 3 + 1
        assert all(r.tolist() == [n, 2 * n] for r in results[: 1 if n > 20 else None])
    assert len(traces) == KEPT + 30
    f(x, 19), f(x, KEPT + 9)
    assert len(traces) == KEPT + 30


class Marker:
    pass


def test_what_a_function_returned_beside_arrays_goes_with_its_trace():
    markers = [Marker()]
    seen = weakref.ref(markers[0])
    f = mx.compile(lambda x, n: (x + n, markers[0]) if n < 0 else x + n)
    x = mx.array(1.0)
    assert f(x, -1)[1] is markers.pop()
    assert f(x, -1)[1] is seen()
    for n in range(KEPT - 1):
        f(x, n)
    assert seen() is not None
    f(x, KEPT)
    gc.collect()
    assert seen() is None


@in_host_memory
def test_constants_of_a_trace_go_with_the_function():
    before = mx.get_active_memory()
    held = [mx.ones((1 << 20,))]
    held.append(mx.compile(lambda x: (x * (held[0] + 1)).sum()))
    assert held[1](mx.array(1.0)).item() == 2 << 20
    assert mx.get_active_memory() - before >= 4 << 20
    held.clear()
    gc.collect()
    assert mx.get_active_memory() - before < 1 << 16


def test_clearing_gives_the_memory_of_a_dropped_function_back():
    def chain(x):
        for _ in range(10000):
            x = mx.sort(x) + 1
        return x

    gc.collect()
    mx.clear_cache()
    before = resident_bytes()
    functions = [mx.compile(chain)]
    for n in range(1, 9):
        functions[0](mx.zeros(n))
    used = resident_bytes() - before
    assert used > 20 << 20
    functions.clear()
    gc.collect()
    mx.clear_cache()
    assert resident_bytes() - before < used // 5


def test_a_dropped_result_may_call_the_function():
    """Its finaliser runs when the trace is dropped."""
    calls = []

    class Calls:
        def __del__(self):
            calls.append(f(mx.array(5.0), 0).item())

    f = mx.compile(lambda x, n: (x, Calls()) if n == -1 else x + n)
    f(mx.array(1.0), -1)
    for n in range(KEPT + 1):
        f(mx.array(1.0), n)
    assert calls == [5.0]


# ---- The number of results ----
def test_later_traces_may_have_more_results_or_others():
    rows = mx.compile(lambda x: [x[i] * 2 for i in range(x.shape[0])])
    parts = mx.compile(lambda x: mx.split(x, x.shape[0]))
    for n in [1, 3, 40, 2, 40, 1, 0, 300, 3]:
        x = mx.arange(2 * n).reshape(n, 2)
        assert [r.tolist() for r in rows(x)] == (x * 2).tolist()
        if n:
            assert [r.tolist() for r in parts(x)] == [[row] for row in x.tolist()]
    either = mx.compile(lambda x: {"x": x, "n": x.shape[0]} if x.shape[0] % 2 else [x, (x + 1, x + 2)])
    for n in [1, 2, 3, 2, 1, 4]:
        r = either(mx.zeros(n))
        assert r["n"] == n if n % 2 else r[1][1].tolist() == [2] * n


def test_captured_outputs_may_grow_with_the_shape():
    state = {}

    def f(x):
        state["parts"] = [x[i] + 1 for i in range(x.shape[0])]
        return x.sum()

    g = mx.compile(f, outputs=state)
    for n in [1, 5, 2, 30]:
        g(mx.arange(n))
        assert [p.item() for p in state["parts"][:n]] == list(range(1, n + 1))


def test_inner_functions_may_return_more_in_another_trace():
    inner = mx.compile(lambda x: [x[i] for i in range(x.shape[0])])
    assert len(inner(mx.arange(2))) == 2
    outer = mx.compile(lambda x: sum(r * (i + 1) for i, r in enumerate(inner(x))))
    assert outer(mx.arange(4)).item() == 20
    assert len(inner(mx.arange(3))) == 3


# ---- State ----
@pytest.mark.parametrize("shapeless", [False, True])
def test_a_learning_rate_set_between_calls_is_seen(shapeless):
    model, optimizer = nn.Linear(3, 1, bias=False), optim.SGD(learning_rate=1.0)
    model.weight = mx.zeros((1, 3))
    optimizer.init(model.trainable_parameters())
    loss = nn.value_and_grad(model, lambda x: model(x).sum())
    traces = []

    def step(x):
        traces.append(1)
        value, gradients = loss(x)
        optimizer.update(model, gradients)
        return value

    state = [model.state, optimizer.state]
    f = mx.compile(step, inputs=state, outputs=state, shapeless=shapeless)
    moved = 0.0
    for rate, rows in [(1.0, 2), (0.5, 2), (0.0, 3), (2.0, 5)]:
        optimizer.learning_rate = rate
        f(mx.ones((rows, 3)))
        moved += rate * rows
        assert model.weight.tolist() == [[-moved] * 3]
    assert len(traces) == (1 if shapeless else 3)


# ---- Keys ----
def test_keys_of_dicts_with_the_same_hash_are_told_apart():
    x = mx.ones(1)
    f = mx.compile(lambda d: sum(k * v for k, v in d.items()))
    assert [f({-1.0: x}).item(), f({-2.0: x}).item()] == [-1, -2]
    g = mx.compile(lambda d: sum(k[0] * v for k, v in d.items()))
    assert [g({(-1,): x}).item(), g({(-2,): x}).item()] == [-1, -2]


def test_the_random_state_is_told_from_its_key():
    f = mx.compile(lambda s: isinstance(s, mx.array))
    assert f(mx.random.key(0)) is True
    assert f(mx.random.state) is False


# ---- Threads ----
def in_threads(n, f):
    """f(i) for i < n, all at once; what they return, or raise."""
    start, outcomes = threading.Barrier(n), [None] * n

    def run(i):
        start.wait()
        try:
            outcomes[i] = f(i)
        except BaseException as e:
            outcomes[i] = e

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for o in outcomes:
        if isinstance(o, BaseException):
            raise o
    return outcomes


@pytest.fixture
def frequent_switches():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_first_calls_from_several_threads_trace_once_each_shape(frequent_switches):
    for _ in range(20):
        f, traces = counted(lambda x: mx.sin(x) + x.shape[0])
        got = in_threads(8, lambda i: f(mx.zeros(i % 2 + 1)).tolist())
        assert got == [[1.0], [2.0, 2.0]] * 4
        assert len(traces) == 2


def test_state_sees_every_call_of_every_thread(frequent_switches):
    for _ in range(20):
        state = {"n": mx.array(0), "w": [mx.zeros(2)]}

        def update(x):
            state["n"] = state["n"] + 1
            state["w"][0] = state["w"][0] + x
            return state["n"]

        step = mx.compile(update, inputs=state, outputs=state)
        got = in_threads(8, lambda i: [step(mx.ones(2)).item() for _ in range(5)])
        assert sorted(sum(got, [])) == list(range(1, 41))
        assert state["n"].item() == 40 and state["w"][0].tolist() == [40, 40]


def test_functions_that_share_state_may_be_called_from_several_threads(frequent_switches):
    for _ in range(20):
        state = [mx.array(1.0)]

        def grow():
            for _ in range(20):
                state[0] = state[0] + 1
            return state[0]

        train = mx.compile(grow, inputs=state, outputs=state)
        look = mx.compile(lambda x: state[0] * x, inputs=state)
        read = partial(look, mx.array(3.0))
        got = in_threads(6, lambda i: (train if i % 2 else read)().item())
        assert sorted(got[1::2]) == [21, 41, 61]
        assert set(got[::2]) <= {3, 63, 123, 183}


def test_threads_that_drop_each_others_traces_get_right_results(frequent_switches):
    f = mx.compile(lambda x, n: [x + n] * (n % 3 + 1))

    def call(i):
        for n in range(i, 2 * KEPT, 3):
            r = f(mx.array([n]), n % (KEPT + 30))
            assert len(r) == n % (KEPT + 30) % 3 + 1
            if n % 10 == 0:
                assert r[0].item() == n + n % (KEPT + 30)

    in_threads(4, call)


def test_state_is_as_it_was_when_what_was_traced_can_not_be_planned():
    leaked, logged = [], {"loss": mx.array(1.0)}
    mx.compile(lambda x: leaked.append(x))(mx.array(1.0))

    def f(x):
        logged["loss"] = x + leaked[0]
        return x

    with pytest.raises(ValueError):
        mx.compile(f, outputs=logged)(mx.array(2.0))
    assert logged["loss"].item() == 1


def run(program: str, timeout: float = 60) -> None:
    """A program in a process of its own, which may hang."""
    done = subprocess.run(
        [sys.executable, "-c", "import os, signal, sys, threading, time\nimport mlx.core as mx\n" + program],
        capture_output=True,
        text=True,
        timeout=timeout,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.returncode == 0, done.stderr


def test_functions_that_call_themselves_and_each_other_end():
    run("""
sys.setswitchinterval(1e-6)
state = [mx.array(0.0)]

def f(x, n):
    time.sleep(1e-4)
    state[0] = state[0] + 1
    return x if n == 0 else compiled_g(x + 1, n - 1)

def g(x, n):
    time.sleep(1e-4)
    return x if n == 0 else compiled_f(x * 2, n - 1)

compiled_f = mx.compile(f, inputs=state, outputs=state)
compiled_g = mx.compile(g)
results = []

def call(h, n):
    results.append((h is compiled_f, n, h(mx.array(1.0), n).item()))

threads = [threading.Thread(target=call, args=(h, n)) for n in range(8) for h in (compiled_f, compiled_g)]
for t in threads: t.start()
for t in threads: t.join()
assert len(results) == 16

def want(is_f, n, x=1.0):
    return x if n == 0 else want(not is_f, n - 1, x + 1 if is_f else x * 2)

assert all(r == want(is_f, n) for is_f, n, r in results), results
assert state[0].item() == sum(n // 2 + 1 for n in range(8)) + sum((n + 1) // 2 for n in range(8))
""")


def test_others_go_on_while_one_traces_and_a_wait_can_be_interrupted():
    run("""
tracing, release, went_on = threading.Event(), threading.Event(), []

@mx.compile
def slow(x):
    tracing.set()
    release.wait()
    return x + 1

result = []
first = threading.Thread(target=lambda: result.append(slow(mx.array(1.0)).item()))
first.start()
tracing.wait()
other = mx.compile(lambda x: x * 3)
assert other(mx.array(2.0)).item() == 6
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    slow(mx.array(1.0))
    raise SystemExit("not interrupted")
except KeyboardInterrupt:
    pass
release.set()
first.join()
assert result == [2.0] and slow(mx.array(4.0)).item() == 5
""")


@with_fork
@pytest.mark.parametrize("stateful", [False, True])
def test_a_child_forked_while_a_thread_traces_can_trace(stateful):
    run(f"""
tracing, release, state = threading.Event(), threading.Event(), [mx.array(1.0)]

def slow(x):
    if not tracing.is_set():
        tracing.set()
        release.wait()
    return x + 1

f = mx.compile(slow, {"inputs=state" if stateful else ""})
waits = [threading.Thread(target=f, args=(mx.array(1.0),)) for _ in range(3)]
for t in waits: t.start()
tracing.wait()
time.sleep(0.05)
child = os.fork()
if child == 0:
    signal.alarm(20)
    state[0] = mx.array(1.0)
    got = []
    others = [threading.Thread(target=lambda: got.append(f(mx.array(1.0)).item())) for _ in range(3)]
    for t in others: t.start()
    for t in others: t.join()
    os._exit(0 if got == [2.0] * 3 and f(mx.array([5.0])).item() == 6 else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
release.set()
for t in waits: t.join()
assert status == 0, status
""")


@with_fork
def test_a_function_that_forks_goes_on_in_the_child():
    run("""
def f(x, fork=True):
    if fork and os.fork() == 0:
        signal.alarm(20)
    return x + 1

f = mx.compile(f)
parent = os.getpid()
assert f(mx.array(1.0)).item() == 2
assert f(mx.array(1.0), fork=False).item() == 2
thread = threading.Thread(target=lambda: f(mx.zeros(3), fork=False))
thread.start()
thread.join()
if os.getpid() != parent:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
""")
