"""The benchmark's harness, with small programs in place of the libraries."""

import importlib.util
import pathlib
import sys

import pytest

RUN = pathlib.Path(__file__).resolve().parents[2] / "bench" / "run.py"
ANSWER = """
import os, signal, sys
for line in sys.stdin:
    name = line.strip()
    if name == "kills":
        os.kill(os.getpid(), signal.SIGILL)
    if name == "raises":
        sys.exit(3)
    print("null" if name == "forget" else "0.5", flush=True)
"""


@pytest.fixture
def run(monkeypatch):
    spec = importlib.util.spec_from_file_location("bench_run", RUN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SETTLE", 0)
    return module


def worker(run, code):
    return run.Worker([sys.executable, "-c", code])


@pytest.mark.parametrize("name, how", [("kills", "crashed (signal 4)"), ("raises", "failed (status 3)")])
def test_a_peer_that_dies_says_so_in_its_row_and_goes_on_with_the_next_case(run, name, how):
    workers = {
        "mlx.c": worker(run, "import sys\nfor _ in sys.stdin: print('0.25', flush=True)"),
        "peer": worker(run, ANSWER),
    }
    died = run.best_times({"name": name, "unit": "ms"}, workers, 3)
    assert run.rows_of({"name": name, "unit": "ms"}, died) == [(name, "250.000 ms", "peer", how, "-")]
    lived = run.best_times({"name": "next", "unit": "ms"}, workers, 3)
    assert run.rows_of({"name": "next", "unit": "ms"}, lived) == [
        ("next", "250.000 ms", "peer", "500.000 ms", "0.50")
    ]
    for w in workers.values():
        w.close()
