"""Checks who calls whom: check_layers.py BUILD_FOLDER [NM]

Folders of src depend on each other in one direction, and so do the files of a folder. Calls are read from the object
files of a built folder, types and inline functions from the sources' includes. What is allowed stands in the tables
below, each exception with its reason; an exception that nothing needs any more is a fault too.
"""

import collections
import pathlib
import re
import subprocess
import sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"

# What each folder may use, beside itself.
LAYERS = {
    "base": set(),
    "core": {"base"},
    "ops": {"base", "core"},
    "engine": {"base", "core"},
    "transforms": {"base", "core", "ops", "engine", "io"},
    "io": {"base", "core", "ops"},
    "cpu": {"base", "core", "engine"},
    "mock": {"base", "core", "engine", "cpu"},
    "cuda": {"base", "core", "engine"},
}

# Names that a folder may use though one above it defines them.
UPCALLS = {
    **{
        name: "what is below the engine asks of it: core/upcalls.h"
        for name in re.findall(r"^\w+ (\w+)\(", (SRC / "core" / "upcalls.h").read_text(), re.M)
    },
    "mxi_cpu_backend": "the engine's table of devices names each backend",
    "mxi_cuda_backend": "the engine's table of devices names each backend",
    "mxi_mock_backend": "the engine's table of devices names each backend",
}

# Folders whose public functions all their files may call: an op may be made of any other, and a derivative of all.
PUBLIC_LAYERS = {"ops"}

# Circles of files that stay.
CIRCLES = {
    (
        "transforms/autodiff",
        "transforms/compile",
    ): "the derivative of a compiled call is one of the graph it runs",
    (
        "transforms/custom",
        "transforms/vmap",
    ): "the derivatives of a batch are those of one element, under vmap",
    (
        "engine/call",
        "engine/place",
        "engine/run",
        "engine/views",
    ): "a step may be a whole plan; a view may need a copy",
}

Edges = dict[tuple[str, str], set[str]]  # (file, file it uses): the names; files without their suffix


def folder(file: str) -> str:
    return file.split("/")[0]


def counts(user: str, used: str, name: str) -> bool:
    """Does the use tie one file of a folder to another?"""
    return folder(user) == folder(used) and not (folder(user) in PUBLIC_LAYERS and name.startswith("mx_"))


def upward(edges: Edges) -> list[str]:
    """Uses that the order of folders forbids."""
    faults, needed = [], set()
    for (user, used), names in sorted(edges.items()):
        if folder(user) == folder(used) or folder(used) in LAYERS[folder(user)]:
            continue
        needed |= names & UPCALLS.keys()
        faults += [
            f"{user} uses {name} of {used}: {folder(user)} may use {', '.join(sorted(LAYERS[folder(user)]))} alone"
            for name in sorted(names - UPCALLS.keys())
        ]
    return faults + [f"nothing calls {name} upward any more: take it out" for name in UPCALLS.keys() - needed]


def components(edges: Edges) -> list[tuple[str, ...]]:
    """The groups of files that reach each other."""
    uses = collections.defaultdict(set)
    for (user, used), names in edges.items():
        if any(counts(user, used, name) for name in names):
            uses[user].add(used)

    def reach(file: str) -> set[str]:
        seen, stack = set(), [file]
        while stack:
            for used in uses[stack.pop()] - seen:
                seen.add(used)
                stack.append(used)
        return seen

    reached = {file: reach(file) for file in list(uses)}
    groups = {tuple(sorted(b for b in to if a in reached.get(b, ()))) for a, to in reached.items() if a in to}
    return sorted(groups)


def circles(edges: Edges) -> list[str]:
    """Circles of files that no reason excuses."""
    found = components(edges)
    faults = []
    for circle in found:
        if circle in CIRCLES:
            continue
        faults.append("a circle of files: " + ", ".join(circle))
        for (user, used), names in sorted(edges.items()):
            kept = sorted(name for name in names if counts(user, used, name))
            if user in circle and used in circle and kept:
                faults.append(f"  {user} uses {', '.join(kept[:4])} of {used}")
    return faults + [f"{', '.join(c)} is no circle any more: take it out" for c in CIRCLES if c not in found]


def sources() -> dict[str, str]:
    """The sources, without their suffix, by the names that their object files have."""
    paths = [path.relative_to(SRC) for path in SRC.rglob("*.c")]
    return {str(path).replace("/", "_"): str(path.with_suffix("")) for path in paths}


def objects(build: pathlib.Path) -> list[pathlib.Path]:
    return list(build.glob("src/*.a.p/*.o"))


def left_out(build: pathlib.Path) -> list[str]:
    """Sources that no library has."""
    built = {path.stem for path in objects(build)}
    return [
        f"{file}.c is in no library: name it in src/meson.build"
        for o, file in sources().items()
        if o not in built
    ]


def calls(build: pathlib.Path, nm: str) -> Edges:
    """From the object files: who uses which name that another file defines."""
    flat = sources()
    paths = [path for path in objects(build) if path.stem in flat]
    if not paths:
        raise SystemExit(f"expected object files below {build}/src, got none: build first")
    table = subprocess.run([nm, "-A", "-P", *paths], capture_output=True, text=True, check=True).stdout
    defined, wanted = {}, []
    for line in table.splitlines():
        path, _, entry = line.partition(": ")
        name, kind = entry.split()[:2]
        file = flat[pathlib.Path(path).stem]
        if kind == "U":
            wanted.append((file, name))
        elif kind.isupper():
            defined[name] = file
    edges = collections.defaultdict(set)
    for file, name in wanted:
        if defined.get(name, file) != file:
            edges[file, defined[name]].add(name)
    return edges


def includes() -> Edges:
    """From the sources: who includes a header of another folder."""
    edges = collections.defaultdict(set)
    for path in (p for suffix in ("c", "h") for p in SRC.rglob(f"*.{suffix}")):
        user = str(path.relative_to(SRC).with_suffix(""))
        for header in re.findall(r'^#include "(\w+/[^"]+)"', path.read_text(), re.M):
            used = header.rpartition(".")[0]
            if (SRC / header).exists() and folder(used) != folder(user):
                edges[user, used].add(header)
    return edges


def main(build: str, nm: str = "nm") -> int:
    called = calls(pathlib.Path(build), nm)
    every = {pair: called.get(pair, set()) | names for pair, names in includes().items()}
    faults = left_out(pathlib.Path(build)) + upward({**called, **every}) + circles(called)
    print(*faults, f"{len(called)} pairs of files, {len(faults)} faults", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
