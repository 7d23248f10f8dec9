#!/usr/bin/env python3
"""Builds the kernels' machine code: cuda_images.py find | compile NVCC TARGETS SOURCE OUTPUT DEPFILE INCLUDE... | list OUTPUT FATBIN...

`find` prints the path of nvcc: the one on PATH, else that of the wheels nvidia-cuda-nvcc and friends. `compile` makes a
fat binary for the targets, separated by commas: 90a is machine code for sm_90a, 80+ptx is PTX as well. `list` writes an
assembly file that has the fat binaries as mxi_cuda_image_NAME.
"""

import pathlib
import shutil
import subprocess
import sys
import sysconfig


def find() -> str | None:
    on_path = shutil.which("nvcc")
    if on_path:
        return on_path
    for folder in sorted(pathlib.Path(sysconfig.get_path("purelib"), "nvidia").glob("cu*/bin/nvcc")):
        return str(folder)
    return None


def codes(target: str) -> list[str]:
    number, _, ptx = target.partition("+")
    kinds = [f"sm_{number}"] + ([f"compute_{number}"] if ptx else [])
    return [f"-gencode=arch=compute_{number},code=[{','.join(kinds)}]"]


def compile_one(
    nvcc: str, targets: str, source: str, output: str, depfile: str, *include: str, compress: str = "size"
) -> None:
    # --fmad=false: contraction is explicit, as on the CPU, so that a result doesn't depend on what it is fused with.
    command = [nvcc, "-std=c++17", "-O3", "--fmad=false", "-fatbin", "--expt-relaxed-constexpr"]
    command += [f"--compress-mode={compress}", "-Werror=all-warnings", "-lineinfo"]
    command += [f"-I{folder}" for folder in include]
    for target in targets.split(","):
        command += codes(target)
    subprocess.run([*command, "-MD", "-MF", depfile, "-o", output, source], check=True)


def write_list(output: str, *fatbins: str) -> None:
    lines = ['.section .rodata.mxi_cuda_images, "a"']
    for path in map(pathlib.Path, fatbins):
        name = f"mxi_cuda_image_{path.stem}"
        lines += [f'.balign 64\n.globl {name}\n.hidden {name}\n{name}:\n.incbin "{path.resolve()}"']
    lines += ['.section .note.GNU-stack, "", @progbits', ""]
    pathlib.Path(output).write_text("\n".join(lines))


if __name__ == "__main__":
    if sys.argv[1] == "find":
        found = find()
        print(found or "")
        sys.exit(found is None)
    {"compile": compile_one, "list": write_list}[sys.argv[1]](*sys.argv[2:])
