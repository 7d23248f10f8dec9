"""The notebook of the tour has the code of examples/python/tour.py, and its cells print what it shows."""

import importlib.util
import json
import math
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOUR = ROOT / "examples" / "python" / "tour.py"
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
MEASURED = re.compile(r"\d+(\.\d+)? (ms|us|s)\b|(?<=ratio )\d+\.\d+|\d+\.\d+(?= of it)")


def tool():
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "tools" / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells():
    return json.loads(TOUR.with_suffix(".ipynb").read_text())["cells"]


def agree(shown: str, printed: str) -> bool:
    """The same words; times may be any, and numbers differ by what another processor's order of sums makes."""
    a, b = (re.sub(r"\s+", " ", MEASURED.sub("TIME", text)) for text in (shown, printed))
    numbers = zip(map(float, NUMBER.findall(a)), map(float, NUMBER.findall(b)))
    return NUMBER.sub("N", a) == NUMBER.sub("N", b) and all(
        math.isclose(x, y, rel_tol=0.05, abs_tol=1e-4) for x, y in numbers
    )


def test_the_notebook_has_the_code_of_the_tour():
    made = tool().cells_of(TOUR.read_text())
    assert [cell["source"] for cell in cells()] == [cell["source"] for cell in made], "run make notebook"


def test_cells_print_what_the_notebook_shows():
    shown = ["".join(o["text"] for o in c["outputs"]) for c in cells() if c["cell_type"] == "code"]
    printed = tool().run(cells())
    assert [i for i, pair in enumerate(zip(shown, printed)) if not agree(*pair)] == []
    assert sum(map(bool, shown)) == 7


@pytest.mark.parametrize(
    "shown, printed, same",
    [
        ("took 1.2 ms, ratio 0.5", "took 0.12 ms, ratio 0.9", True),
        ("loss 0.0167", "loss 0.0168", True),
        ("loss 0.0167", "loss 0.5", False),
        ("array([1, 2])", "array([1, 3])", False),
        ("one 1", "two 1", False),
        ("1 2", "1", False),
    ],
)
def test_outputs_agree_up_to_times_and_rounding(shown, printed, same):
    assert agree(shown, printed) is same
