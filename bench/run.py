"""Times mlx.c and its peers, alternating, and prints each time and the ratio ours / peer (below 1 is faster).

usage: run.py [--peers torch llama] [--peer-dir DIR] [--only SUBSTRING ...] [--repeats N] [--markdown FILE]

Each library runs in a worker process of its own environment, and holds its inputs warm. A round times every library
once; the minimum over the rounds counts. Peers that are not installed are left out unless --peers asks for them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTLE = 0.1  # seconds; the threads of the library timed before wait busily for up to half of that
PEERS = {"torch": "torch", "numpy": "torch", "scipy": "torch", "llama": "llama"}  # peer: its environment


class WorkerDied(Exception):
    """A worker's process ended in the middle of a question; the text says how."""


class Worker:
    """A process that answers each case's name with the seconds it took, or null when it doesn't have the case. One that
    dies of a question is started again for the next."""

    def __init__(self, command: list[str]):
        self.command = command
        self.start()

    def start(self) -> None:
        env = dict(os.environ, OMP_NUM_THREADS=str(threads()), MKL_NUM_THREADS=str(threads()))
        for old in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # settings for old versions of OpenBLAS
            env.pop(old, None)
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )

    def ask(self, request: str):
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended, which reading tells too
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        code = self.process.wait()
        self.start()
        raise WorkerDied(f"crashed (signal {-code})" if code < 0 else f"failed (status {code})")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def start_workers(peer_dir: str) -> dict[str, Worker]:
    """Ours and those of the peers that are installed, their libraries loaded. A peer that dies while it loads is left out."""
    pythons = {"mlx": sys.executable}
    for peer, environment in PEERS.items():
        python = Path(peer_dir) / environment / "bin" / "python"
        if python.exists():
            pythons[peer] = str(python)
    workers = {}
    for name, python in pythons.items():
        worker = Worker([python, str(HERE / "worker.py"), name, str(threads())])
        try:
            worker.ask("forget")  # answered when its library is loaded, which would disturb the first case
        except WorkerDied as death:
            print(f"{name} {death} while it loaded, and is left out")
            continue
        workers["mlx.c" if name == "mlx" else name] = worker
    return workers


def best_times(case: dict, workers: dict[str, Worker], repeats: int) -> dict[str, float | str]:
    """Each library's best time of the case, or how it died of it. A library without the case has none."""
    better = max if case["unit"] == "tok/s" else min
    best: dict[str, float | str] = {}
    for _ in range(repeats):
        for name, worker in workers.items():
            if isinstance(best.get(name), str):
                continue
            time.sleep(SETTLE)
            try:
                value = worker.ask(case["name"])
            except WorkerDied as death:
                best[name] = str(death)
                continue
            if value is not None:
                best[name] = better(best.get(name, value), value)
    for worker in workers.values():
        with contextlib.suppress(WorkerDied):
            worker.ask("forget")
    return best


def threads() -> int:
    return len(os.sched_getaffinity(0))


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def instruction_sets() -> str:
    flags = Path("/proc/cpuinfo").read_text()
    names = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16")
    return " ".join(n for n in names if f" {n}" in flags)


def show(time: float | str | None, unit: str) -> str:
    if time is None:
        return "-"
    if isinstance(time, str):
        return time
    return f"{time:.1f} tok/s" if unit == "tok/s" else f"{time * 1e3:.3f} ms"


def rows_of(case: dict, best: dict[str, float | str]) -> list[tuple[str, str, str, str, str]]:
    """The table's rows for one case, one a peer: case, our time, peer, its time, ratio."""
    ours, rows = best.pop("mlx.c", None), []
    for peer, theirs in (best or {"-": None}).items():
        ratio = "-"
        if isinstance(ours, float) and isinstance(theirs, float):
            ratio = f"{theirs / ours if case['unit'] == 'tok/s' else ours / theirs:.2f}"
        rows.append((case["name"], show(ours, case["unit"]), peer, show(theirs, case["unit"]), ratio))
    return rows


def write_markdown(path: str, head: str, rows: list[tuple[str, str, str, str, str]]) -> None:
    lines = [
        f"Measured on {head}.",
        "",
        "| case | mlx.c | peer | peer's time | ratio |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    Path(path).write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--peers", nargs="*", default=None, help="install these peers first: torch llama")
    parser.add_argument(
        "--peer-dir", default=str(HERE.parent / ".peers"), help="folder of the peers' environments"
    )
    parser.add_argument("--only", nargs="*", default=[], help="only cases whose name contains one of these")
    parser.add_argument("--repeats", type=int, default=7, help="rounds; the minimum counts")
    parser.add_argument("--markdown", help="also write the table to this file")
    args = parser.parse_args()
    if args.peers:
        subprocess.run([str(HERE / "peers.sh"), *args.peers], cwd=HERE.parent, check=True)

    workers = start_workers(args.peer_dir)
    cases = workers["mlx.c"].ask("list")
    if args.only:
        cases = [c for c in cases if any(word in c["name"] for word in args.only)]
    head = f"{cpu_name()}, {threads()} cores, {instruction_sets()}"
    print(head)
    print(f"{'case':50} {'mlx.c':>14} {'peer':>8} {'its time':>20} {'ratio':>7}")
    rows = []
    for case in cases:
        best = best_times(case, workers, case.get("repeats") or args.repeats)
        for row in rows_of(case, best):
            name, ours, peer, theirs, ratio = row
            print(f"{name:50} {ours:>14} {peer:>8} {theirs:>20} {ratio:>7}", flush=True)
            rows.append(row)
    for worker in workers.values():
        worker.close()
    if args.markdown:
        write_markdown(args.markdown, head, rows)


if __name__ == "__main__":
    main()
