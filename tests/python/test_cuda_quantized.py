"""Quantised matrices on the GPU against the CPU: what depends on how the device's kernels share out the work, which the
small shapes of test_quantized.py don't reach."""

import mlx.core as mx
import numpy as np
import pytest
from formats import BITS, FLOAT_MODES, GROUP_SIZES

pytestmark = pytest.mark.skipif(not mx.is_available(mx.gpu), reason="no GPU")

EPS = {"float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7}
FORMATS = [("affine", g, b) for b in BITS["affine"] for g in GROUP_SIZES["affine"]]
FORMATS += [(mode, *FLOAT_MODES[mode]) for mode in FLOAT_MODES]


def values(shape, dtype, seed=0):
    with mx.stream(mx.cpu):
        a = mx.array(np.random.default_rng(seed).normal(size=shape).astype(np.float32)).astype(
            getattr(mx, dtype)
        )
        mx.eval(a)
    return a


def quantized(w, mode, group, bits, stream=mx.cpu):
    parts = mx.quantize(w, group, bits, mode, stream=stream)
    mx.eval(*parts)
    return parts


def numpy(a):
    return np.array(a.astype(mx.float32, stream=mx.cpu)).astype(np.float64)


def raw(a):
    return np.array(a.view(mx.uint8, stream=mx.cpu))


def check_product(x, parts, mode, group, bits, transpose, dtype, rounded_weights=False):
    """Sums as accurate as float32's, rounded once; many rows of x meet weights that are rounded to its dtype."""
    options = {"group_size": group, "bits": bits, "mode": mode, "transpose": transpose}
    with mx.stream(mx.cpu):
        full = numpy(mx.dequantize(*[p if p.dtype in (mx.uint32, mx.uint8) else p.astype(mx.float32) for p in parts],
                                   group_size=group, bits=bits, mode=mode, dtype=mx.float32))  # fmt: skip
    got = mx.quantized_matmul(x, *parts, **options, stream=mx.gpu)
    assert got.dtype == x.dtype
    factor = full.swapaxes(-1, -2) if transpose else full
    want, size = numpy(x) @ factor, np.abs(numpy(x)) @ np.abs(factor)
    slack = EPS[dtype] if rounded_weights else 2.0**-15 if dtype != "float32" else 2.0**-20
    assert (np.abs(numpy(got) - want) <= slack * size + EPS[dtype] * np.abs(want)).all()


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("mode, group, bits", [f for f in FORMATS if f[0] == "affine"])
def test_quantize_and_dequantize_give_the_bits_of_the_cpu(mode, group, bits, dtype):
    w = values((37, 384), dtype)
    here, there = quantized(w, mode, group, bits), quantized(w, mode, group, bits, mx.gpu)
    assert all((raw(a) == raw(b)).all() for a, b in zip(here, there, strict=True))
    a, b = (mx.dequantize(*here, group, bits, stream=s) for s in (mx.cpu, mx.gpu))
    assert (raw(a) == raw(b)).all()


@pytest.mark.parametrize("special", [np.nan, np.inf, -0.0, 1e-9])
def test_quantize_of_special_values_gives_the_codes_of_the_cpu(special):
    w = np.random.default_rng(0).normal(size=(4, 256)).astype(np.float32)
    w[0, 3], w[1], w[2, 64:128] = special, special, [special, 0] * 32
    w = mx.array(w)
    for a, b in zip(quantized(w, "affine", 64, 4), quantized(w, "affine", 64, 4, mx.gpu), strict=True):
        np.testing.assert_array_equal(np.array(a), np.array(b))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("mode, group, bits", [f for f in FORMATS if f[2] in (4, 8)])
def test_products_of_few_rows_in_every_form(mode, group, bits, dtype):
    """All numbers of groups and rows that the tensor-core kernels are made for, columns that fill no chunk, and rows that
    fill no tile. Weights are not rounded there."""
    for n, k in ((40, 512), (23, 512 + max(group, 32))):
        parts = quantized(values((n, k), dtype), mode, group, bits)
        for m in (1, 2, 3, 5, 8, 11, 16, 19, 33):
            dense = m > 8 and group < 32
            check_product(values((m, k), dtype, m), parts, mode, group, bits, True, dtype, dense)


@pytest.mark.parametrize(
    "n, k, m", [(6001, 512, 1), (530, 2048, 3), (72, 14336, 16), (40, 11008, 8), (1040, 1024, 48)]
)
def test_work_is_shared_out_over_tiles_columns_and_rows(n, k, m):
    """More tiles than wait to be added up, columns in parts, passes over x, scales that vectors can't load."""
    parts = quantized(values((n, k), "bfloat16"), "affine", 64, 4)
    check_product(values((m, k), "bfloat16", 1), parts, "affine", 64, 4, True, "bfloat16")


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("mode, group, bits", FORMATS)
def test_many_rows_meet_dense_weights(mode, group, bits, dtype, transpose):
    w = values((136, 128) if transpose else (96, 256), dtype)
    parts = quantized(w, mode, group, bits)
    x = values((70, w.shape[1] if transpose else w.shape[0]), dtype, 1)
    check_product(x, parts, mode, group, bits, transpose, dtype, dtype != "float32")


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("m", [1, 12, 70])
def test_batches_of_matrices_and_of_rows(m, transpose):
    parts = quantized(values((3, 2, 64, 128), "bfloat16"), "affine", 64, 4)
    x = values((3, 2, m, 128 if transpose else 64), "bfloat16", 1)
    check_product(x, parts, "affine", 64, 4, transpose, "bfloat16", m > 8)
    check_product(x[:, :1], parts, "affine", 64, 4, transpose, "bfloat16", m > 8)
    check_product(x[0], [p[:1] for p in parts], "affine", 64, 4, transpose, "bfloat16", m > 8)
    check_product(x, [p[0, 0] for p in parts], "affine", 64, 4, transpose, "bfloat16", True)


def test_views_that_are_not_aligned():
    """Rows of W from the second on, of 5 bits; x that starts at an odd element."""
    packed, scales, biases = quantized(values((41, 96), "float16"), "affine", 32, 5)
    x = values((3, 97), "float16", 1)[:, 1:]
    check_product(x, [packed[1:], scales[1:], biases[1:]], "affine", 32, 5, True, "float16")
    packed, scales, biases = quantized(values((41, 160), "float16"), "affine", 32, 4)
    x = values((1, 161), "float16", 1)[:, 1:]
    check_product(x, [packed[1:], scales[1:], biases[1:]], "affine", 32, 4, True, "float16")


def test_scales_may_be_narrower_than_x():
    packed, scales, biases = quantized(values((40, 128), "float16"), "affine", 64, 4)
    check_product(values((5, 128), "float32", 1), [packed, scales, biases], "affine", 64, 4, True, "float32")
