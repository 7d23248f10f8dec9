"""scikit-learn computes with our arrays, through the array API standard, what it computes with NumPy's."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[1] / "examples" / "python" / "array_api.py"
GIVES_NUMPY = {"cross_val_score"}  # whatever the arrays are
CALLS = 82


def printed(*command) -> list[str]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_estimators_and_metrics_give_what_they_give_of_numpys_arrays(dtype):
    lines = [line.split("\t") for line in printed(HERE / "estimators.py", dtype)]
    assert len(lines) == CALLS
    assert [line for line in lines if line[1] != "same"] == []
    assert [name for name, _, kinds in lines if "ndarray" in kinds and name not in GIVES_NUMPY] == []


def test_the_example_runs():
    lines = printed(EXAMPLE)
    accuracy = next(line for line in lines if "accuracy" in line)
    assert float(accuracy.split()[-1]) > 0.9
