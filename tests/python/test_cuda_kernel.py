"""Kernels of the user's in CUDA C++ run on a GPU, from their source or compiled; without one, calling them is an error."""

import contextlib
import ctypes
import io
import os
import pathlib
import site

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU

needs_gpu = pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")

EXPONENTIAL = """
    auto elem = cooperative_groups::this_grid().thread_rank();
    if (elem >= N) return;
    T x = inp[elem];
    out[elem] = exp((float)x);
"""


def exponential(a: mx.array, **options) -> mx.array:
    kernel = mx.fast.cuda_kernel("myexp", ["inp"], ["out"], EXPONENTIAL)
    return kernel(
        inputs=[a],
        template=[("T", a.dtype), ("N", a.size)],
        grid=(a.size, 1, 1),
        threadgroup=(256, 1, 1),
        output_shapes=[a.shape],
        output_dtypes=[a.dtype],
        **options,
    )[0]


def ones(source: str, inputs=(), names=(), n: int = 4, dtype=mx.float32, **options) -> mx.array:
    """One output of n elements, by a thread each."""
    made = {k: options.pop(k) for k in ("header", "ensure_row_contiguous", "shared_memory") if k in options}
    kernel = mx.fast.cuda_kernel("k", list(names), ["out"], source, **made)
    options = {"grid": (n, 1, 1), "threadgroup": (n, 1, 1), **options}
    return kernel(inputs=list(inputs), output_shapes=[(n,)], output_dtypes=[dtype], **options)[0]


# ---- What sources may say ----
@needs_gpu
@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16, mx.float64])
def test_a_source_is_compiled_for_the_dtypes_of_its_call(dtype):
    with mx.stream(mx.cpu if dtype == mx.float64 else mx.gpu):
        a = mx.arange(-2, 2, 0.013, dtype=mx.float32).astype(dtype)
    got = exponential(a, stream=mx.gpu)
    assert got.dtype == dtype and got.shape == a.shape
    want = np.exp(np.array(a.astype(mx.float32)))
    np.testing.assert_allclose(np.array(got.astype(mx.float32)), want, rtol=1e-6 if dtype.size > 2 else 1e-2)


@needs_gpu
def test_templates_are_types_ints_and_bools():
    source = "out[threadIdx.x] = FLAG ? (T)(BASE + (int)threadIdx.x) : T(0); if (sizeof(T) != 2) out[0] = -1;"
    for flag in (True, False):
        got = ones(source, dtype=mx.float16, template=[("T", mx.float16), ("BASE", -3), ("FLAG", flag)], n=5)
        assert got.tolist() == ([-3, -2, -1, 0, 1] if flag else [0] * 5)
    big = ones("out[threadIdx.x] = BIG;", dtype=mx.int64, template=[("BIG", -(2**40))])
    assert big.tolist() == [-(2**40)] * 4


@needs_gpu
@pytest.mark.parametrize("row_major", [True, False])
def test_sizes_and_strides_are_parameters_where_the_source_speaks_of_them(row_major):
    a = mx.arange(24).astype(mx.float32).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    source = """
        int i = threadIdx.x;
        out[i] = x[elem_to_loc(i, x_shape, x_strides, x_ndim)];
        if (i == 0) { for (int k = 0; k < 3; k++) { meta[k] = x_shape[k]; meta[3 + k] = x_strides.data()[k]; } meta[6] = x_ndim; }
    """
    kernel = mx.fast.cuda_kernel("strided", ["x"], ["out", "meta"], source, ensure_row_contiguous=row_major)
    out, meta = kernel(
        inputs=[a],
        grid=(a.size, 1, 1),
        threadgroup=(a.size, 1, 1),
        output_shapes=[a.shape, (7,)],
        output_dtypes=[mx.float32, mx.int64],
    )
    assert mx.array_equal(out, a)
    assert meta.tolist() == [2, 2, 3, *([6, 3, 1] if row_major else [2, 12, 4]), 3]


@needs_gpu
def test_without_sizes_in_the_source_inputs_are_row_major():
    a = mx.arange(12).reshape(3, 4).T
    assert (
        ones("out[threadIdx.x] = x[threadIdx.x];", [a], ["x"], 12, a.dtype).tolist() == a.flatten().tolist()
    )


@needs_gpu
def test_scalars_are_inputs_and_inputs_may_be_empty():
    assert (
        ones("out[threadIdx.x] = a[0] + b[0] + n_shape[0];", [2.5, 3, mx.zeros((0,))], "abn").tolist()
        == [5.5] * 4
    )


@needs_gpu
def test_a_header_stands_before_the_source_and_may_include_what_programs_for_cuda_include():
    header = """
        #include <cooperative_groups.h>
        #include <cuda_fp16.h>
        #define TWICE(x) (2 * (x))
        template <class T> __device__ T thrice(T x) { return 3 * x; }
    """
    got = ones(
        "out[threadIdx.x] = TWICE(thrice(x[threadIdx.x]));",
        [mx.arange(4)],
        "x",
        dtype=mx.int32,
        header=header,
    )
    assert got.tolist() == [0, 6, 12, 18]


@needs_gpu
def test_outputs_are_several_and_may_be_filled_first():
    kernel = mx.fast.cuda_kernel(
        "two", ["a"], ["b", "c"], "if (threadIdx.x == 1) { b[1] = a[1]; c[1] = true; }"
    )
    b, c = kernel(
        inputs=[mx.array([1.0, 2.0, 3.0])],
        grid=(3, 1, 1),
        threadgroup=(3, 1, 1),
        output_shapes=[(3,), (3,)],
        output_dtypes=[mx.float32, mx.bool_],
        init_value=7,
    )
    assert b.tolist() == [7, 2, 7] and c.tolist() == [True, True, True]


@needs_gpu
def test_a_grid_is_counted_in_threads_and_its_last_blocks_are_whole():
    source = """
        int i = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        auto block = cooperative_groups::this_thread_block();
        if (block.thread_rank() == 0) out[i] = block.size();
    """
    kernel = mx.fast.cuda_kernel("counts", [], ["out"], source)

    def blocks(grid, threadgroup, n):
        return kernel(
            inputs=[],
            grid=grid,
            threadgroup=threadgroup,
            output_shapes=[(n,)],
            output_dtypes=[mx.int32],
            init_value=0,
        )[0].tolist()

    assert blocks((10, 3, 2), (4, 2, 1), 13) == [8] * 12 + [0]
    assert blocks((2, 1, 1), (256, 1, 1), 2) == [2, 0]
    assert blocks((0, 1, 1), (256, 1, 1), 2) == [0, 0]


@needs_gpu
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_block_has_shared_memory(dynamic):
    declared = "extern __shared__ float sums[];" if dynamic else "__shared__ float sums[64];"
    source = (
        declared
        + """
        auto block = cooperative_groups::this_thread_block();
        sums[threadIdx.x] = x[threadIdx.x];
        for (int half = 32; half; half /= 2) {
            block.sync();
            if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        }
        __syncthreads();
        out[threadIdx.x] = sums[0];
    """
    )
    x = mx.arange(64).astype(mx.float32)
    assert ones(source, [x], "x", 64, shared_memory=256 if dynamic else 0).tolist() == [2016.0] * 64
    if dynamic:  # more than 48 KB are asked for first
        assert ones(source, [x], "x", 64, shared_memory=100 << 10).tolist() == [2016.0] * 64


@needs_gpu
def test_tiles_of_a_warp_exchange_values():
    source = """
        auto tile = cg::tiled_partition<8>(cg::this_thread_block());
        out[threadIdx.x] = cg::reduce(tile, x[threadIdx.x], cg::plus<int>()) + 1000 * tile.shfl(x[threadIdx.x], 1);
    """
    x = np.arange(64, dtype=np.int32)
    want = x.reshape(8, 8).sum(1) + 1000 * x.reshape(8, 8)[:, 1]
    assert ones(source, [mx.array(x)], "x", 64, mx.int32).tolist() == np.repeat(want, 8).tolist()


@needs_gpu
def test_halves_compute_as_floats_and_complex_numbers_have_parts():
    x = mx.array([0.1, 1.5, -2.0, 300.0]).astype(mx.bfloat16)
    got = ones("T y = x[threadIdx.x]; y *= y; y += T(1); out[threadIdx.x] = y > T(3) ? y : -y;", [x], "x",
               dtype=mx.bfloat16, template=[("T", mx.bfloat16)])  # fmt: skip
    y = x * x + 1
    assert mx.array_equal(got, mx.where(y > 3, y, -y))
    z = mx.array([1 + 2j, 3j, 4, -1j])
    got = ones(
        "auto z = x[threadIdx.x]; out[threadIdx.x] = complex64_t(z.imag(), z.real());",
        [z],
        "x",
        dtype=mx.complex64,
    )
    assert got.tolist() == [2 + 1j, 3, 4j, -1]


# ---- In a graph ----
@needs_gpu
def test_a_kernel_is_lazy_and_part_of_compiled_functions():
    def f(x):
        return exponential(mx.abs(x) * 2)[::-1] + 1

    x = mx.array([-0.5, 1.0, 0.25])
    want = np.exp(2 * np.abs(np.array(x)))[::-1] + 1
    np.testing.assert_allclose(np.array(f(x)), want, rtol=1e-6)
    compiled = mx.compile(f)
    for _ in range(2):
        np.testing.assert_allclose(np.array(compiled(x)), want, rtol=1e-6)
    np.testing.assert_allclose(
        np.array(compiled(x * 2)), np.exp(4 * np.abs(np.array(x)))[::-1] + 1, rtol=1e-6
    )


@needs_gpu
def test_one_object_serves_calls_of_other_dtypes_and_shapes():
    kernel = mx.fast.cuda_kernel("twice", ["a"], ["b"], "b[threadIdx.x] = 2 * a[threadIdx.x];")
    for dtype, n in [(mx.int32, 3), (mx.float32, 3), (mx.int32, 5)]:
        a = mx.arange(n).astype(dtype)
        (b,) = kernel(
            inputs=[a], grid=(n, 1, 1), threadgroup=(n, 1, 1), output_shapes=[(n,)], output_dtypes=[dtype]
        )
        assert b.dtype == dtype and mx.array_equal(b, 2 * a)


@needs_gpu
def test_kernels_have_no_derivatives_batches_or_records(tmp_path):
    x = mx.array([1.0, 2.0])
    with pytest.raises(NotImplementedError, match=r"\[grad\] .* cuda_kernel"):
        mx.eval(mx.grad(lambda x: exponential(x).sum())(x))
    with pytest.raises(NotImplementedError, match=r"\[vmap\] .* cuda_kernel"):
        mx.eval(mx.vmap(exponential)(x.reshape(2, 1)))
    with pytest.raises(NotImplementedError, match=r"\[export_function\] .* cuda_kernel"):
        mx.export_function(str(tmp_path / "f"), exponential, x)


@needs_gpu
def test_verbose_prints_the_text_that_is_compiled():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        mx.eval(exponential(mx.ones(3), verbose=True))
    assert EXPONENTIAL in out.getvalue() and "using T = float;" in out.getvalue()


# ---- What is wrong ----
@needs_gpu
def test_what_does_not_compile_is_an_error_with_the_compilers_words():
    a = ones("out[threadIdx.x] = nowhere[threadIdx.x];\n")
    with pytest.raises(RuntimeError, match="(?s)nowhere"):
        mx.eval(a)
    with pytest.raises(RuntimeError, match="(?s)k.*3"):  # the user's line
        mx.eval(ones("int i = 1;\n\nout[0] = 1 +;\n"))
    assert ones("out[threadIdx.x] = 1;").tolist() == [1] * 4


@needs_gpu
def test_more_shared_memory_than_a_block_has_is_an_error():
    with pytest.raises(ValueError, match=r"\[cuda_kernel\] expected at most \d+ bytes of shared memory"):
        mx.eval(ones("out[threadIdx.x] = 1;", shared_memory=1 << 30))


GOOD = dict(
    inputs=[1.0], grid=(4, 1, 1), threadgroup=(4, 1, 1), output_shapes=[(4,)], output_dtypes=[mx.float32]
)


@pytest.mark.parametrize(
    "wrong, error",
    [
        (dict(grid=(-1, 1, 1)), ValueError),
        (dict(grid=(4, 1)), ValueError),
        (dict(grid=(1, 65536 * 4, 1), threadgroup=(1, 1, 1)), ValueError),
        (dict(grid=(2**62, 1, 1)), ValueError),
        (dict(grid="abc"), TypeError),
        (dict(threadgroup=(0, 1, 1)), ValueError),
        (dict(threadgroup=(1025, 1, 1)), ValueError),
        (dict(threadgroup=(64, 32, 1)), ValueError),
        (dict(threadgroup=(1, 1, 65)), ValueError),
        (dict(inputs=[]), ValueError),
        (dict(inputs=[1.0, 2.0]), ValueError),
        (dict(inputs=[None]), TypeError),
        (dict(inputs=1), TypeError),
        (dict(output_shapes=[(-4,)]), ValueError),
        (dict(output_shapes=[(4,), (4,)]), ValueError),
        (dict(output_shapes=[("x",)]), TypeError),
        (dict(output_shapes=[(4,)] * 2, output_dtypes=[mx.float32] * 2), ValueError),
        (dict(output_dtypes=["float32"]), TypeError),
        (dict(output_dtypes=[]), ValueError),
        (dict(template=[("T", "float32")]), TypeError),
        (dict(template=[("T", 1.5)]), TypeError),
        (dict(template=["T"]), TypeError),
        (dict(template=[("x y", 1)]), ValueError),
        (dict(template=[("inp", 1)]), ValueError),
        (dict(template=[("N", 2**70)]), ValueError),
        (dict(init_value="1"), TypeError),
        (dict(stream=mx.cpu), ValueError),
    ],
)
def test_calls_that_can_not_be_are_errors(wrong, error):
    kernel = mx.fast.cuda_kernel("k", ["inp"], ["out"], "out[threadIdx.x] = inp[0];")
    with pytest.raises(error, match="cuda_kernel"):
        kernel(**{**GOOD, **wrong})


@pytest.mark.parametrize("names", [["a b"], [""], ["1a"], ["out"], ["a;"]])
def test_names_that_are_no_names_are_errors(names):
    with pytest.raises(ValueError, match=r"\[cuda_kernel\] expected"):
        mx.fast.cuda_kernel("k", names, ["out"], "")(**GOOD)
    with pytest.raises(ValueError, match=r"\[cuda_kernel\] expected"):
        mx.fast.cuda_kernel("k-k", ["a"], ["out"], "")(**GOOD)


def test_a_kernel_can_be_described_without_a_gpu_but_not_run_on_a_cpu():
    kernel = mx.fast.cuda_kernel("k", ["inp"], ["out"], "out[threadIdx.x] = inp[0];")
    with mx.stream(mx.cpu), pytest.raises(ValueError, match=r"\[cuda_kernel\] expected a stream on a GPU"):
        kernel(**GOOD)


# ---- Compiled kernels ----
SCALED = """
#ifdef MXI_EMULATED
#include "emulator/device.h"
struct arguments { const float *a, *b; float *out; int n; float scale; bool add; };
MXI_KERNEL(scaled, arguments, 1024) {
  auto [a, b, out, n, scale, add] = p;
#else
extern "C" __global__ void scaled(const float *a, const float *b, float *out, int n, float scale, bool add) {
#endif
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = scale * a[i] + (add ? b[i] : 0.0f);
}
"""


def compiled() -> bytes:
    """SCALED, by the runtime compiler itself."""
    emulated = "emulated" in os.environ.get("MLX_CUDA_DRIVER", "")
    found = [
        p for s in site.getsitepackages() for p in pathlib.Path(s).glob("nvidia/cu13/lib/libnvrtc.so.13")
    ]
    try:
        nvrtc = ctypes.CDLL(
            os.environ["MLX_CUDA_DRIVER"] if emulated else str(found[0] if found else "libnvrtc.so.13")
        )
    except OSError:
        pytest.skip("needs the runtime compiler")
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    info = mx.device_info(mx.gpu)
    architecture = info.get("compute_capability_major", 9), info.get("compute_capability_minor", 0)
    options = (ctypes.c_char_p * 2)(b"--fmad=false", "-arch=sm_{}{}".format(*architecture).encode())
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), SCALED.encode(), b"scaled.cu", 0, None, None) == 0
    assert nvrtc.nvrtcCompileProgram(program, 2, options) == 0
    assert nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0
    code = ctypes.create_string_buffer(size.value)
    assert nvrtc.nvrtcGetCUBIN(program, code) == 0
    return code.raw


def run_compiled(code, n=5, **changes):
    a, b = mx.arange(n).astype(mx.float32), mx.ones(n)
    call = dict(
        name="scaled",
        compiled_source=code,
        inputs=[a, b],
        output_shapes=[(n,)],
        output_dtypes=[mx.float32],
        scalars=[n, 2.0, True],
        grid=(n, 1, 1),
        threadgroup=(4, 1, 1),
    )
    return mx.fast.precompiled_cuda_kernel(**{**call, **changes})[0]


@needs_gpu
def test_a_compiled_kernel_runs_by_its_name():
    code = compiled()
    assert run_compiled(code).tolist() == [1, 3, 5, 7, 9]
    assert run_compiled(code, scalars=[2, 0.5, False], init_value=-1).tolist() == [0, 0.5, -1, -1, -1]
    backwards = mx.arange(10).astype(mx.float32)[::-2]
    assert (
        run_compiled(code, inputs=[backwards, mx.ones(5)], ensure_row_contiguous=True).tolist()
        == (2 * backwards + 1).tolist()
    )


@needs_gpu
def test_a_compiled_kernel_of_other_parameters_or_another_name_is_an_error():
    code = compiled()
    with pytest.raises(
        ValueError, match=r"\[precompiled_cuda_kernel\] expected a kernel of \d+ bytes of parameters"
    ):
        mx.eval(run_compiled(code, scalars=[]))
    with pytest.raises(RuntimeError, match="nothing"):
        mx.eval(run_compiled(code, name="nothing"))
    with pytest.raises(RuntimeError):
        mx.eval(run_compiled(b"no code at all"))


@pytest.mark.parametrize(
    "wrong, error",
    [
        (dict(scalars=["x"]), TypeError),
        (dict(scalars=[2**40]), ValueError),
        (dict(scalars=[2**70]), ValueError),
        (dict(compiled_source=b""), ValueError),
        (dict(compiled_source=3), TypeError),
        (dict(grid=(-1, 1, 1)), ValueError),
        (dict(shared_memory=-1), ValueError),
        (dict(stream=mx.cpu), ValueError),
    ],
)
def test_calls_of_compiled_kernels_that_can_not_be_are_errors(wrong, error):
    with pytest.raises(error, match="precompiled_cuda_kernel"):
        run_compiled(
            **{"code": b"code", **{("code" if k == "compiled_source" else k): v for k, v in wrong.items()}}
        )
