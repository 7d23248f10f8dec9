"""quantize, dequantize and quantized_matmul against a plain model: w = q * scale + bias for each group of the last
axis, the q packed into 32-bit words from the lowest bits up."""

import mlx.core as mx
import numpy as np
import pytest
from formats import BITS, FLOAT_MODES, GROUP_SIZES

FORMATS = [(b, g) for b in BITS["affine"] for g in GROUP_SIZES["affine"]]
EPS = {"float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7}


def weights(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def numpy(a):
    return np.array(a.astype(mx.float32)).astype(np.float64)


def unpacked(packed, bits):
    """The integers in rows of uint32 words: bit i of the row is bit i % 32 of word i // 32."""
    words = np.array(packed)
    stream = np.unpackbits(words.view(np.uint8).reshape(*words.shape[:-1], -1), axis=-1, bitorder="little")
    parts = stream.reshape(*words.shape[:-1], -1, bits)
    return (parts * (1 << np.arange(bits))).sum(-1)


def dense(packed, scales, biases, bits, group):
    q = unpacked(packed, bits)
    grouped = q.reshape(*q.shape[:-1], -1, group)
    return (grouped * numpy(scales)[..., None] + numpy(biases)[..., None]).reshape(q.shape)


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("bits, group", FORMATS)
def test_quantize_keeps_every_weight_within_half_a_step(bits, group, dtype):
    w = mx.array(weights((3, 2, 256))).astype(getattr(mx, dtype))
    packed, scales, biases = mx.quantize(w, group, bits)
    assert packed.dtype == mx.uint32 and packed.shape == (3, 2, 256 * bits // 32)
    assert scales.dtype == biases.dtype == w.dtype and scales.shape == biases.shape == (3, 2, 256 // group)
    step = np.repeat(np.abs(numpy(scales)), group, -1)
    error = np.abs(dense(packed, scales, biases, bits, group) - numpy(w))
    # The step that makes the group's edge a multiple of itself may cut the other edge by up to half a step more.
    assert (error <= 1.01 * step + 4 * EPS[dtype]).all()
    assert np.mean(error <= 0.51 * step + 4 * EPS[dtype]) > 0.9


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("bits, group", FORMATS)
def test_dequantize_is_scale_times_integer_plus_bias(bits, group, dtype):
    packed, scales, biases = mx.quantize(mx.array(weights((5, 384))).astype(getattr(mx, dtype)), group, bits)
    got, want = mx.dequantize(packed, scales, biases, group, bits), dense(packed, scales, biases, bits, group)
    assert got.dtype == getattr(mx, dtype)
    np.testing.assert_allclose(numpy(got), want, rtol=2 * EPS[dtype], atol=8 * EPS[dtype])


@pytest.mark.parametrize("rows", [1, 2, 5, 40])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("bits, group", FORMATS)
def test_quantized_matmul_multiplies_by_the_dense_weights(bits, group, transpose, rows):
    for dtype, tolerance in {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}.items():
        t = getattr(mx, dtype)
        inner, outer = (384, 136) if transpose else (72, 256)
        w = mx.array(weights((outer, inner) if transpose else (inner, outer))).astype(t)
        x = mx.array(weights((rows, inner), 1)).astype(t)
        parts = mx.quantize(w, group, bits)
        got = mx.quantized_matmul(x, *parts, transpose=transpose, group_size=group, bits=bits)
        full = dense(*parts, bits, group)
        want = numpy(x) @ (full.T if transpose else full)
        assert got.dtype == t and got.shape == want.shape
        np.testing.assert_allclose(numpy(got), want, rtol=tolerance, atol=tolerance * np.sqrt(inner))


def test_quantized_matmul_takes_batches_vectors_and_views():
    parts = mx.quantize(mx.array(weights((48, 128))))
    full = dense(*parts, 4, 64)
    x = mx.array(weights((128, 3, 2, 4), 1)).transpose(2, 3, 1, 0)[::-1]
    np.testing.assert_allclose(numpy(mx.quantized_matmul(x, *parts)), numpy(x) @ full.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        numpy(mx.quantized_matmul(x[0, 0, 0], *parts)), numpy(x)[0, 0, 0] @ full.T, rtol=1e-4, atol=1e-4
    )
    experts = mx.quantize(mx.array(weights((2, 48, 128))))
    got = mx.quantized_matmul(x[:, 0], *experts)
    np.testing.assert_allclose(
        numpy(got), numpy(x)[:, 0] @ dense(*experts, 4, 64).swapaxes(1, 2), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("transpose", [True, False])
def test_the_gradient_is_the_product_with_the_dense_weights(transpose):
    parts = mx.quantize(mx.array(weights((64, 128))))
    full = dense(*parts, 4, 64)
    x = mx.array(weights((5, 128 if transpose else 64), 2))
    c = mx.array(weights((5, 64 if transpose else 128), 3))
    g = mx.grad(lambda x: mx.sum(c * mx.quantized_matmul(x, *parts, transpose=transpose)))(x)
    np.testing.assert_allclose(numpy(g), numpy(c) @ (full if transpose else full.T), rtol=1e-4, atol=1e-4)
    _, tangents = mx.jvp(lambda x: mx.quantized_matmul(x, *parts, transpose=transpose), [x], [x])
    np.testing.assert_allclose(
        numpy(tangents[0]), numpy(x) @ (full.T if transpose else full), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5])
def test_constant_groups_come_back(value):
    for bits, group in FORMATS:
        w = mx.full((2, 128), value)
        np.testing.assert_allclose(
            numpy(mx.dequantize(*mx.quantize(w, group, bits), group, bits)), value, atol=1e-5
        )


@pytest.mark.parametrize("mode", BITS)
def test_the_modes_have_the_formats_of_the_list_and_no_others(mode):
    """Any other group size or number of bits is an error."""
    w = mx.ones((2, 512))
    for group in range(1, 257):
        for bits in range(1, 10) if group in GROUP_SIZES[mode] else [BITS[mode][0]]:
            if group in GROUP_SIZES[mode] and bits in BITS[mode]:
                assert mx.quantize(w, group, bits, mode)[0].shape == (2, 512 * bits // 32)
                continue
            with pytest.raises(ValueError, match=r"\[quantize\] expected"):
                mx.quantize(w, group, bits, mode)


# ---- Floats of few bits ----
@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_products_in_float_modes_are_those_with_the_dequantized_weights(mode, transpose, rows):
    inner, outer = (352, 72) if transpose else (72, 352)
    w = mx.array(weights((outer, inner) if transpose else (inner, outer)))
    parts = mx.quantize(w, mode=mode)
    full = numpy(mx.dequantize(*parts, mode=mode, dtype=mx.float32))
    for dtype, eps in EPS.items():
        x = mx.array(weights((rows, inner), 1)).astype(getattr(mx, dtype))
        got = mx.quantized_matmul(x, *parts, transpose=transpose, mode=mode)
        factor = full.T if transpose else full
        want, size = numpy(x) @ factor, np.abs(numpy(x)) @ np.abs(factor)
        assert got.dtype == x.dtype
        assert (np.abs(numpy(got) - want) <= 2.0**-21 * size + eps * np.abs(want)).all()


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_every_code_and_every_scale_is_multiplied_as_it_is_dequantized(mode):
    """All codes of a format under each scale; NaN stays NaN. Left out are powers of two with which a sum may pass
    float32's range, or lose bits below it."""
    group, bits = FLOAT_MODES[mode]
    scales = np.arange(256) if mode == "nvfp4" else np.arange(40, 252)
    codes = (np.arange(max(group, 2**bits)) % 2**bits).astype(np.uint8)
    packed = codes if bits == 8 else codes[0::2] | codes[1::2] << 4
    repeats = len(codes) // group
    w = mx.array(np.tile(packed, (len(scales), 1)).view(np.uint32))
    s = mx.array(np.repeat(scales.astype(np.uint8)[:, None], repeats, axis=1))
    full = np.array(mx.dequantize(w, s, mode=mode, dtype=mx.float32)).astype(np.float64)
    broken = np.isnan(full)
    largest = np.abs(np.where(broken, 0, full)).max(axis=1)
    for k in range(len(codes)):
        x = np.zeros((1, len(codes)), np.float32)
        x[0, k] = 1
        got = np.array(mx.quantized_matmul(mx.array(x), w, s, mode=mode))[0].astype(np.float64)
        assert np.isnan(got[broken[:, k]]).all()
        assert (np.abs(got - full[:, k]) <= 2.0**-22 * largest)[~broken.any(axis=1)].all()


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_float_modes_have_gradients_for_x(mode):
    parts = mx.quantize(mx.array(weights((64, 128))), mode=mode)
    full = numpy(mx.dequantize(*parts, mode=mode, dtype=mx.float32))
    x, c = mx.array(weights((5, 128), 2)), mx.array(weights((5, 64), 3))
    product = lambda x: mx.quantized_matmul(x, *parts, mode=mode)  # noqa: E731
    g = mx.grad(lambda x: mx.sum(c * product(x)))(x)
    np.testing.assert_allclose(numpy(g), numpy(c) @ full, rtol=1e-4, atol=1e-4)
    _, tangents = mx.jvp(product, [x], [x])
    np.testing.assert_allclose(numpy(tangents[0]), numpy(x) @ full.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("call", [
    lambda: mx.quantize(mx.ones((2, 65))), lambda: mx.quantize(mx.ones((2, 64)), bits=7),
    lambda: mx.quantize(mx.ones((2, 64)), group_size=8), lambda: mx.quantize(mx.ones((2, 48)), group_size=16), lambda: mx.quantize(mx.ones((2, 64), mx.int32)),
    lambda: mx.quantize(mx.ones(64)), lambda: mx.dequantize(mx.ones((2, 8), mx.int32), mx.ones((2, 1)), mx.ones((2, 1))),
    lambda: mx.dequantize(mx.ones((2, 8), mx.uint32), mx.ones((2, 2)), mx.ones((2, 1))),
    lambda: mx.dequantize(mx.ones((2, 6), mx.uint32), mx.ones((2, 3)), mx.ones((2, 3)), 16, 4),
    lambda: mx.quantized_matmul(mx.ones((2, 65)), *mx.quantize(mx.ones((8, 64)))),
    lambda: mx.quantized_matmul(mx.ones((2, 64)), *mx.quantize(mx.ones((8, 64)), bits=8), bits=4),
])  # fmt: skip
def test_wrong_shapes_and_formats_raise_value_errors(call):
    with pytest.raises(ValueError):
        call()
