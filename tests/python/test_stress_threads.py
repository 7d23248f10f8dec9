"""Threads that share lazy arrays, streams, derivatives and compiled functions at random. Meant to run under
ThreadSanitizer too, so it asks for right values and little time."""

import random
import threading
import time

import mlx.core as mx
import pytest
from threads import outcome_in_a_thread

SECONDS = 1.0
THREADS = 4


def in_threads(work) -> int:
    """work(random, until) in several threads at once; how many rounds they did together."""
    rounds, failures = [], []

    def run(seed):
        try:
            rounds.append(work(random.Random(seed), time.monotonic() + SECONDS))
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    assert len(rounds) == THREADS and min(rounds) > 0
    return sum(rounds)


def test_shared_lazy_arrays_have_one_value_in_every_thread():
    streams = [mx.new_stream(mx.cpu) for _ in range(3)]

    def work(r, until):
        rounds = 0
        while time.monotonic() < until:
            n = rounds % len(shared)
            base = shared[n]
            y = base
            for _ in range(r.randrange(1, 12)):
                y = mx.add(y, 1.0, stream=r.choice(streams)) - 1.0
            (mx.async_eval if r.random() < 0.5 else mx.eval)(y, base)
            assert y[0].item() == n + 1.0 and mx.transpose(base)[0].item() == n + 1.0
            rounds += 1
        return rounds

    shared = [mx.cumsum(mx.ones((64,)) * 2.0 - 1.0)[n : n + 2] for n in range(50)]
    in_threads(work)


def test_arrays_that_leave_their_gradient_are_evaluated_by_other_threads():
    leaked = [mx.zeros((8, 8)) for _ in range(THREADS)]

    def work(r, until):
        place, rounds = r.randrange(THREADS), 0
        x = mx.ones((8, 8))

        def loss(a):
            leaked[place] = 0.5 * leaked[place] + a @ a
            value = (leaked[r.randrange(THREADS)] * 0.0 + a).sum()
            if r.random() < 0.3:
                value.item()
            return value

        while time.monotonic() < until:
            gradient = mx.grad(loss)(x)
            mx.async_eval(leaked[r.randrange(THREADS)])
            assert gradient.sum().item() == 64.0
            rounds += 1
        return rounds

    in_threads(work)
    mx.eval(leaked)


@pytest.mark.parametrize("stateful", [False, True])
def test_compiled_functions_are_called_and_traced_by_every_thread(stateful):
    state = {"w": mx.array(3.0)}
    captured = {"inputs": state} if stateful else {}
    f = mx.compile(lambda x: (x * state["w"] + 1.0).sum(), **captured)

    def work(r, until):
        rounds = 0
        while time.monotonic() < until:
            n = r.randrange(1, 40)
            assert f(mx.ones((n,))).item() == 4.0 * n
            assert mx.grad(f)(mx.ones((n,)))[0].item() == 3.0
            rounds += 1
        return rounds

    in_threads(work)


def test_gradients_of_threads_do_not_meet():
    w = mx.arange(6, dtype=mx.float32)

    def work(r, until):
        rounds, c = 0, float(r.randrange(1, 9))
        while time.monotonic() < until:
            value, gradient = mx.value_and_grad(lambda a: (c * a * w).sum())(w + 0.0)
            assert value.item() == c * 55.0 and gradient.tolist() == [c * k for k in range(6)]
            rows = mx.vmap(lambda a: mx.grad(lambda b: (b * b).sum())(a))(mx.ones((3, 2)))
            assert rows.tolist() == [[2.0, 2.0]] * 3
            rounds += 1
        return rounds

    in_threads(work)


def test_a_loop_that_never_waits_holds_a_bounded_number_of_evaluations():
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    y = None
    for _ in range(300):
        x = mx.ones((64, 64)) * 1e-3
        for _ in range(3):
            x = x @ x
        mx.async_eval(x)
        y = x
    mx.eval(y)
    assert mx.get_peak_memory() - before < 80 * 8 * 64 * 64 * 4


def test_a_thread_that_ends_leaves_its_arrays_usable():
    made = outcome_in_a_thread(
        lambda: [mx.exp(mx.zeros((4,))), mx.grad(lambda a: (a * a).sum())(mx.ones((4,)))]
    )
    assert made[0].tolist() == [1.0] * 4 and made[1].tolist() == [2.0] * 4
