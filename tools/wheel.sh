#!/bin/sh
# Makes the package that is installed with pip: dist/*.whl, for CPython 3.11 and later and glibc 2.35 and later, with the
# libraries that it needs inside, and with kernels for NVIDIA GPUs where nvcc is found. What is built stays in build-wheel.
# usage: tools/wheel.sh [GPU_TARGETS]     (as meson.options explains them; for a quick one: 90a)
set -eu
python=.venv/bin/python
PATH=$PWD/.venv/bin:$PATH
cuda=disabled
"$python" tools/cuda_images.py find >/dev/null && cuda=enabled
rm -rf build-wheel/*.whl dist
mkdir -p build-wheel
"$python" -m build --wheel --no-isolation --outdir build-wheel -Cbuild-dir=build-wheel/objects -Csetup-args=-Dcuda=$cuda \
  ${1:+-Csetup-args=-Dgpu_targets="$1"} -Csetup-args=-Dpython.install_env=auto >build-wheel.log 2>&1 ||
  { tail -50 build-wheel.log; exit 1; }
auditwheel repair --plat manylinux_2_35_x86_64 --strip --wheel-dir dist build-wheel/*.whl
ls -l dist
