"""Programs in a process of their own, which may crash or be interrupted."""

import signal
import subprocess
import sys


def heed_interrupts() -> None:
    """A shell starts what runs in the background with interrupts ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(program: str, timeout: float = 60) -> str:
    """What the program prints; it has to end well."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=timeout,
        preexec_fn=heed_interrupts,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
