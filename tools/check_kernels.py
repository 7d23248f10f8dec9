#!/usr/bin/env python3
"""Compiles every file of kernels with nvcc and compares what is in them with what is launched: check_kernels.py BUILD [TARGET]

For one architecture, and not compressed, into BUILD/kernels; what is there and up to date stays. The emulated driver of
BUILD is given each image and asked for each kernel that a launcher names, as the real one is at run time; and a kernel that
no launcher names is a fault too. Without nvcc there is nothing to check.
"""

import concurrent.futures
import ctypes
import os
import pathlib
import re
import shlex
import subprocess
import sys

import cuda_images

ROOT = pathlib.Path(__file__).resolve().parent.parent
Kernels = set[tuple[str, str]]  # (file, kernel)


def launched() -> Kernels:
    """What the tables of the launchers name, once the compiler has expanded them."""
    compiler = [*shlex.split(os.environ.get("CC", "cc")), "-E", "-P", "-D_GNU_SOURCE", "-Isrc", "-Iinclude"]
    found = set()
    for source in sorted((ROOT / "src" / "cuda").glob("*.c")):
        text = subprocess.run(
            [*compiler, source], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        found |= set(re.findall(r'\{\s*MXI_CUDA_FILE_(\w+),\s*"(\w+)"', text))
    return found


def is_current(output: pathlib.Path) -> bool:
    depfile = output.with_suffix(".d")
    if not output.exists() or not depfile.exists():
        return False
    sources = depfile.read_text().replace("\\\n", " ").partition(":")[2].split()
    made = output.stat().st_mtime
    return all(os.path.exists(s) and os.path.getmtime(s) < made for s in sources)


def compile_file(nvcc: str, target: str, folder: pathlib.Path, source: pathlib.Path) -> pathlib.Path:
    output = folder / f"{source.stem}.fatbin"
    if not is_current(output):
        include = [str(ROOT / "src"), str(ROOT / "include")]
        depfile = str(output.with_suffix(".d"))
        cuda_images.compile_one(nvcc, target, str(source), str(output), depfile, *include, compress="none")
    return output


def in_image(path: pathlib.Path) -> Kernels:
    """The functions that the machine code inside exports."""
    image = path.read_bytes()
    start = image.find(b"\x7fELF")
    if start < 0:
        return set()
    elf = path.with_suffix(".elf")
    elf.write_bytes(image[start:])
    table = subprocess.run(["readelf", "-sW", elf], capture_output=True, text=True, check=True).stdout
    return {(path.stem, name) for name in re.findall(r" FUNC +GLOBAL +.* (\w+)$", table, re.M)}


def open_driver(path: pathlib.Path) -> ctypes.CDLL:
    driver, context = ctypes.CDLL(str(path.resolve())), ctypes.c_void_p()
    driver.cuInit(0)
    driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
    driver.cuCtxSetCurrent(context)
    return driver


def refused_by_driver(driver: ctypes.CDLL, path: pathlib.Path, names: list[str]) -> list[str]:
    """The kernels that the driver doesn't give; all of them where it doesn't take the image."""
    image, library, kernel = path.read_bytes(), ctypes.c_void_p(), ctypes.c_void_p()
    nothing = [None, None, 0, None, None, 0]
    if driver.cuLibraryLoadData(ctypes.byref(library), image, *nothing):
        return names
    return [n for n in names if driver.cuLibraryGetKernel(ctypes.byref(kernel), library, n.encode())]


def main(build: str, target: str = "90a") -> int:
    nvcc = cuda_images.find()
    if not nvcc:
        print("no nvcc: kernels are not checked")
        return 0
    folder = pathlib.Path(build, "kernels")
    folder.mkdir(exist_ok=True)
    # Those that take longest tend to be the longest; they come first.
    sources = sorted((ROOT / "src/cuda/kernels").glob("*.cu"), key=lambda p: -p.stat().st_size)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        images = list(pool.map(lambda s: compile_file(nvcc, target, folder, s), sources))
    driver = open_driver(pathlib.Path(build, "tests/emulator/libcuda_emulated.so"))
    names = launched()
    compiled = set().union(*map(in_image, images))
    faults = []
    for image in images:
        wanted = sorted(name for file, name in names if file == image.stem)
        faults += [
            f"{image.stem}.cu lacks {n}, which is launched" for n in refused_by_driver(driver, image, wanted)
        ]
    faults += [f"{file}.cu lacks {name}, which is launched" for file, name in sorted(names - compiled)]
    faults += [f"nothing launches {name} of {file}.cu" for file, name in sorted(compiled - names)]
    print(*dict.fromkeys(faults), f"{len(compiled)} kernels, {len(set(faults))} faults", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
