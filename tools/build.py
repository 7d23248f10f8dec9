"""Builds a configured folder, and says how far it is: build.py FOLDER [TARGET ...]

On a terminal one line is kept up to date; elsewhere a line is printed every half minute. What the compiler prints comes
through.
"""

import os
import re
import subprocess
import sys
import time

EVERY = 30  # seconds between lines where there is no terminal
KERNEL_WEIGHT = 7  # a kernel takes about seven times as long as another file
SECONDS = 0.15  # of one core, for a file of weight 1; corrected while it builds
STEP = re.compile(r"^\x02(\d+) (.*)$")


def weight(description: str) -> int:
    return KERNEL_WEIGHT if "mlxc_kernels" in description and "Compiling" in description else 1


def minutes(seconds: float) -> str:
    return "less than a minute" if seconds < 55 else f"about {max(1.0, seconds / 60):.1f} minutes"


class Progress:
    """The share of the work that is done, by weight, and the time that the rest will take."""

    def __init__(self, folder: str, steps: list[str], cores: int):
        self.folder, self.steps = folder, len(steps)
        self.total, self.done = sum(map(weight, steps)), 0
        self.start = self.said = time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.estimate = self.total * SECONDS / cores
        print(f"building {folder}: {self.steps} steps, {minutes(self.estimate)} on {cores} cores", flush=True)

    def step(self, finished: int, description: str) -> None:
        self.done += weight(description)
        now = time.monotonic()
        if not self.terminal and now - self.said < EVERY:
            return
        self.said = now
        # As if a tenth had been done at the rate first thought: the first few steps alone tell little.
        rate = (now - self.start + 0.1 * self.estimate) / (self.done + 0.1 * self.total)
        rest = rate * max(0, self.total - self.done)
        text = f"  {finished} of {self.steps} done, {minutes(rest)} left"
        print(f"\r{text:60}" if self.terminal else text, end="" if self.terminal else "\n", flush=True)

    def clear(self) -> None:
        if self.terminal:
            print("\r" + " " * 60 + "\r", end="", flush=True)

    def end(self) -> None:
        self.clear()
        print(f"built {self.folder} in {time.monotonic() - self.start:.0f} s", flush=True)


def ninja(folder: str, *arguments: str) -> list[str]:
    return ["ninja", "-C", folder, *arguments]


def main(folder: str, targets: list[str]) -> int:
    cores = len(os.sched_getaffinity(0))
    env = dict(os.environ, NINJA_STATUS="\x02%f ")
    fresh = subprocess.run(ninja(folder, "build.ninja"), capture_output=True, text=True)
    if fresh.returncode:
        print(fresh.stdout, fresh.stderr, file=sys.stderr)
        return fresh.returncode
    plan = subprocess.run(ninja(folder, "-n", *targets), capture_output=True, text=True, env=env)
    steps = [m[2] for m in map(STEP.match, plan.stdout.splitlines()) if m]
    if not steps and plan.returncode == 0:
        return 0
    progress = Progress(folder, steps, cores)
    run = subprocess.Popen(ninja(folder, f"-j{cores}", *targets), stdout=subprocess.PIPE, text=True, env=env)
    for line in run.stdout:
        if m := STEP.match(line):
            progress.step(int(m[1]), m[2])
        elif not line.startswith("ninja: Entering"):
            progress.clear()
            print(line, end="", flush=True)
    if run.wait() == 0:
        progress.end()
    return run.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
