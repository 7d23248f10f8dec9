"""Times mlx.c and its peers, alternating, and prints each time and the ratio ours / peer (below 1 is faster).

usage: run.py [--peers torch llama] [--peer-dir DIR] [--only SUBSTRING ...] [--repeats N] [--markdown FILE]

Each library runs in a worker process of its own environment, and holds its inputs warm. A round times every library
once; the minimum over the rounds counts. Peers that are not installed are left out unless --peers asks for them.
"""

from __future__ import annotations

import argparse
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


class Worker:
    """A process that answers each case's name with the seconds it took, or null when it doesn't have the case."""

    def __init__(self, python: str, backend: str):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads()), MKL_NUM_THREADS=str(threads()))
        for old in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # settings for old versions of OpenBLAS
            env.pop(old, None)
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), backend, str(threads())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    def ask(self, request: str):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended while it ran {request!r}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


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


def show(seconds: float | None, unit: str) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} tok/s" if unit == "tok/s" else f"{seconds * 1e3:.3f} ms"


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

    workers = {"mlx.c": Worker(sys.executable, "mlx")}
    for peer, environment in PEERS.items():
        python = Path(args.peer_dir) / environment / "bin" / "python"
        if python.exists():
            workers[peer] = Worker(str(python), peer)
    for worker in workers.values():
        worker.ask("forget")  # answered when its library is loaded, which would disturb the first case
    names = workers["mlx.c"].ask("list")
    if args.only:
        names = [n for n in names if any(c in n["name"] for c in args.only)]

    head = f"{cpu_name()}, {threads()} cores, {instruction_sets()}"
    print(head)
    print(f"{'case':44} {'mlx.c':>14} {'peer':>22} {'ratio':>7}")
    rows = []
    for case in names:
        best: dict[str, float] = {}
        for _ in range(case.get("repeats") or args.repeats):
            for name, worker in workers.items():
                time.sleep(SETTLE)
                value = worker.ask(case["name"])
                if value is None:
                    continue
                better = max if case["unit"] == "tok/s" else min
                best[name] = better(best.get(name, value), value)
        for worker in workers.values():
            worker.ask("forget")
        ours = best.pop("mlx.c")
        limit = best.pop("limit", None)
        peers = best or {"-": None}
        for peer, value in peers.items():
            if value is None:
                ratio = None
            else:
                ratio = value / ours if case["unit"] == "tok/s" else ours / value
            rows.append(
                (case["name"], show(ours, case["unit"]), peer, show(value, case["unit"]), ratio, limit)
            )
            text = f"{ratio:7.2f}" if ratio is not None else "      -"
            print(
                f"{case['name']:44} {show(ours, case['unit']):>14} {peer + ' ' + show(value, case['unit']):>22} {text}",
                flush=True,
            )
    for worker in workers.values():
        worker.close()
    if args.markdown:
        lines = [
            f"Measured on {head}.",
            "",
            "| case | mlx.c | peer | peer's time | ratio |",
            "|---|---|---|---|---|",
        ]
        for name, ours, peer, theirs, ratio, _ in rows:
            lines.append(
                f"| {name} | {ours} | {peer} | {theirs} | {ratio:.2f} |"
                if ratio
                else f"| {name} | {ours} | - | - | - |"
            )
        Path(args.markdown).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
