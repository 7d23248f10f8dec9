"""Threads that share arrays, and processes that fork. Each program runs in a process of its own, which may crash."""

import subprocess
import sys

import pytest


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
