"""What the examples that train share: their options, a bar with the loss, and the picture of its curve."""

import argparse
import time
from collections.abc import Iterator

from tqdm import tqdm


def parser(description: str, steps: int) -> argparse.ArgumentParser:
    """--steps, --seed and --plot; the description is the docstring of the program, of which the first line counts."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(
        "--steps", type=at_least_one, default=steps, help=f"updates of the parameters (default {steps})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default 0)")
    parser.add_argument("--plot", metavar="FILE", help="save the curve of the loss as a PNG")
    return parser


def at_least_one(text: str) -> int:
    """The number of an option that must be positive."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number


class Training:
    """The steps of a training, behind a bar:

    for step in training:
        ...
        training.record(loss)
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []
        self.seconds = 0.0

    def __iter__(self) -> Iterator[int]:
        start = time.perf_counter()
        with tqdm(range(self.steps), unit="step") as self._bar:
            yield from self._bar
        self.seconds = time.perf_counter() - start

    def record(self, loss: float) -> None:
        self.losses.append(loss)
        self._bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)

    def report(self, plot: str | None, title: str) -> None:
        """Prints how far the loss fell and how long it took, and saves the curve where a file is named."""
        first, last = self.losses[0], self.losses[-1]
        print(f"loss {first:.4f} -> {last:.4f} in {self.steps} steps, {self.seconds:.1f} s")
        if plot:
            save_curve(self.losses, plot, title)
            print("curve:", plot)


def save_curve(losses: list[float], path: str, title: str) -> None:
    """The loss by the step, on a logarithmic scale where it falls far."""
    import matplotlib

    matplotlib.use("Agg")  # writes files, opens no window
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(range(1, len(losses) + 1), losses, linewidth=1)
    axes.set(title=title, xlabel="step", ylabel="loss")
    if max(losses) > 20 * min(losses) > 0:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
    plt.close(figure)
