"""Objects whose methods change the arrays or lists that are being read: no memory that is gone may be used.

Each case runs in a process of its own whose allocator overwrites what is freed.
"""

import os
import subprocess
import sys

import pytest

SETUP = """
import mlx.core as mx
x = mx.ones(1000) * 3
index = mx.zeros(4, mx.int32) + 1
mx.eval(x, index)

def change():
    x[0] = 7
    index[0] = 2
    mx.eval(x, index)
    return [mx.ones(1000) * i for i in range(5)]

class Array:
    def __mlx_array__(self):
        change()
        return mx.ones(1000)

class Index:
    def __index__(self):
        change()
        return 1
"""

READS_THE_ARRAY_AS_IT_WAS = {
    "operator": "x + Array()",
    "reflected": "(Array() - x) + 6",
    "comparison": "(x < Array()) + 4",
    "function": "mx.add(x, Array())",
    "clip": "mx.clip(x, Array(), None) + 1",
    "where": "mx.where(x, x, Array()) + 1",
    "repeat": "mx.repeat(x, Index()) + 1",
    "reshape": "x.reshape(Index(), 1000) + 1",
    "row": "x[Index()] + 1",
    "slice": "x[Index():] + 1",
    "place": "mx.ones((3, 3))[index, Index()] + 3",
}


def run(code):
    environment = dict(os.environ, MALLOC_PERTURB_="165")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("case", READS_THE_ARRAY_AS_IT_WAS)
def test_an_array_read_before_python_code_runs_stays_valid(case):
    run(f"{SETUP}\nr = {READS_THE_ARRAY_AS_IT_WAS[case]}\nassert mx.all(r == 4).item(), r")


def test_an_assignment_survives_a_change_by_its_value_or_key():
    run(f"{SETUP}\nx[:] = Array()\nassert mx.all(x == 1).item()")
    run(f"{SETUP}\nx[Index()] = 5\nassert x[:2].tolist() == [3, 5]")
    run(f"{SETUP}\ny = x.at[Index()].add(Array().__mlx_array__()[0])\nassert y[1].item() == 4")
    run(f"{SETUP}\nz = mx.zeros((2, 1000))\nz[Index()] = x\nassert z[1].tolist() == [3] * 1000")


def test_a_list_that_changes_while_it_is_read_is_an_error():
    number = "class N(int):\n  def __float__(self):\n    data.clear()\n    return 1.0\n"
    scanned = "class N:\n  def __getattr__(self, name):\n    data.clear()\n    raise AttributeError(name)\n"
    attempt = "try:\n  mx.array(data)\nexcept ValueError:\n  pass\nelse:\n  raise SystemExit(1)"
    run(f"{SETUP}\n{number}\ndata = [N(1), 2, 1.5]\n{attempt}")
    run(f"{SETUP}\n{number}\ndata = [[N(1), 2.5], [3, 4]]\n{attempt}")
    run(f"{SETUP}\n{scanned}\ndata = [1, N(), 3]\n{attempt}")
