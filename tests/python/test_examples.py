"""The examples in Python that train: in few steps the loss falls, the curve is drawn, and what is printed is right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"
TRAINED = ["linear_regression", "logistic_regression", "mlp_digits", "transformer_lm", "lora_finetune"]
FIRST_BYTES_OF_PNG = b"\x89PNG\r\n\x1a\n"


def train(name: str, steps: int, folder: Path, *options: str) -> tuple[float, float, str]:
    """The first loss, the last one, and all that the example prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", "--steps", str(steps), "--plot", "curve.png", *options],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (folder / "curve.png").read_bytes().startswith(FIRST_BYTES_OF_PNG)
    first, last = re.search(rf"^loss (\S+) -> (\S+) in {steps} steps", done.stdout, re.M).groups()
    return float(first), float(last), done.stdout


@pytest.mark.parametrize("name", TRAINED)
def test_no_steps_are_refused(name):
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", "--steps", "0"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert "argument --steps: expected at least 1, got 0" in done.stderr


def number_after(text: str, printed: str) -> float:
    return float(re.search(re.escape(text) + r"\s+([-+.\de]+)", printed).group(1))


def test_linear_regression_finds_the_weights(tmp_path):
    first, last, printed = train("linear_regression", 100, tmp_path)
    assert first > 1 and last < 0.02  # the noise has variance 0.01
    assert number_after("largest error of a weight", printed) < 0.03
    assert number_after("largest distance from the exact", printed) < 1e-4


def test_logistic_regression_tells_tumours_apart(tmp_path):
    first, last, printed = train("logistic_regression", 200, tmp_path)
    assert abs(first - 0.6931) < 1e-4 and last < 0.1  # log 2 where nothing is known
    assert number_after("test accuracy", printed) > 95
    counts = re.findall(r"^(?:benign|malignant) +(\d+) +(\d+)$", printed, re.M)
    assert sum(int(n) for row in counts for n in row) == 169


def test_the_perceptron_reads_digits(tmp_path):
    _, last, printed = train("mlp_digits", 600, tmp_path)
    assert last < 0.2
    assert number_after("test accuracy", printed) > 96


def test_the_transformer_learns_what_text_looks_like(tmp_path):
    first, last, printed = train("transformer_lm", 15, tmp_path, "--sample", "40", "--start", "The array")
    assert 5 < first < 6 and last < 3.6  # log 256 is 5.5
    assert number_after("text held back:", printed) < 5.5
    sample = printed[printed.index("The array") :]
    assert len(sample.encode(errors="replace")) >= 40


def test_lora_teaches_the_language_model(tmp_path):
    first, last, printed = train("lora_finetune", 6, tmp_path)
    assert first > 2 and last < 0.5 * first
    before, after = re.findall(r"(before|after): +(.*)", printed)[:2]
    assert before[0] == "before" and after[0] == "after" and before[1] != after[1]
