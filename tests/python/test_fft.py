"""Fourier transforms against NumPy's in float64: lengths, axes, norms, layouts, derivatives, errors."""

import importlib
import itertools
import math
import os
import subprocess
import sys

import mlx.core as mx
import numpy as np
import pytest

# 1, powers, each radix, products of them, primes beyond the radices, splits into columns and rows, long convolutions.
LENGTHS = [
    *range(1, 34),
    37,
    49,
    61,
    64,
    67,
    81,
    96,
    100,
    121,
    122,
    125,
    127,
    128,
    169,
    210,
    243,
    256,
    257,
    343,
]
LONG = [
    512,
    961,
    1000,
    1021,
    1024,
    1031,
    1155,
    2039,
    2048,
    2187,
    3721,
    4096,
    4099,
    6561,
    10000,
    10007,
    16384,
    20011,
]
HUGE = [32768, 61**3, 2 * 10007, 61 * 1021, 1021 * 64, 100003, 2**17, 3**11]
NORMS = ["backward", "ortho", "forward"]


def sample(shape, kind=complex, seed=0):
    rng = np.random.default_rng([seed, *np.atleast_1d(shape)])
    x = rng.standard_normal(shape)
    return (
        (x + 1j * rng.standard_normal(shape)).astype(np.complex64)
        if kind is complex
        else x.astype(np.float32)
    )


def check(got, want, n):
    """Root mean square error against the reference's, within 3e-7 log2 n."""
    got = np.array(got)
    assert got.shape == want.shape
    assert got.dtype == (np.complex64 if np.iscomplexobj(want) else np.float32)
    norm = np.linalg.norm(want)
    assert np.linalg.norm(got - want) <= max(3e-7 * math.log2(n), 1e-30) * norm


@pytest.mark.parametrize("n", LENGTHS + LONG + HUGE)
@pytest.mark.parametrize("batch", [(), (3,), (37,)])
def test_every_length_is_transformed_both_ways(n, batch):
    if n > 5000 and batch == (37,):
        batch = (5,)
    x = sample((*batch, n))
    wide = x.astype(np.complex128)
    check(mx.fft.fft(mx.array(x)), np.fft.fft(wide), n)
    check(mx.fft.ifft(mx.array(x)), np.fft.ifft(wide), n)


@pytest.mark.parametrize("n", LENGTHS + LONG + HUGE)
@pytest.mark.parametrize("batch", [(), (19,)])
def test_every_length_of_real_lines_is_transformed_both_ways(n, batch):
    if n > 5000 and batch:
        batch = (5,)
    x = sample((*batch, n), float)
    spectrum = sample((*batch, n // 2 + 1))
    check(mx.fft.rfft(mx.array(x)), np.fft.rfft(x.astype(np.float64)), n)
    check(mx.fft.irfft(mx.array(spectrum), n=n), np.fft.irfft(spectrum.astype(np.complex128), n=n), n)


@pytest.mark.parametrize("n", [1, 2, 7, 12, 67, 1024, 1031, 1034, 2187, 4096, 4099])
@pytest.mark.parametrize("batch", [(), (20,)])
@pytest.mark.parametrize("norm", NORMS)
def test_every_kind_of_length_has_norms(n, batch, norm):
    x, real = sample((*batch, n)), sample((*batch, n), float)
    for name in ("fft", "ifft"):
        check(
            getattr(mx.fft, name)(mx.array(x), norm=norm),
            getattr(np.fft, name)(x.astype(complex), norm=norm),
            n,
        )
    check(mx.fft.rfft(mx.array(real), norm=norm), np.fft.rfft(real.astype(np.float64), norm=norm), n)
    half = sample((*batch, n // 2 + 1))
    check(mx.fft.irfft(mx.array(half), n, norm=norm), np.fft.irfft(half.astype(complex), n, norm=norm), n)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 17, 30, 61, 67, 128, 1031, 2048, 4099, 10007])
@pytest.mark.parametrize(
    "shape, axis", [((None, 5), 0), ((3, None, 2), 1), ((None, 16), 0), ((2, None, 48), -2)]
)
def test_any_axis_is_transformed(n, shape, axis):
    shape = tuple(n if d is None else d for d in shape)
    x, real = sample(shape), sample(shape, float)
    check(mx.fft.fft(mx.array(x), axis=axis), np.fft.fft(x.astype(np.complex128), axis=axis), n)
    check(mx.fft.rfft(mx.array(real), axis=axis), np.fft.rfft(real.astype(np.float64), axis=axis), n)
    half = np.fft.rfft(real.astype(np.float64), axis=axis).astype(np.complex64)
    check(mx.fft.irfft(mx.array(half), n, axis), np.fft.irfft(half.astype(np.complex128), n, axis), n)


@pytest.mark.parametrize("n", [2**15, 50000, 32771])
def test_long_columns_are_transformed(n):
    x, real = sample((n, 2, 8)), sample((n, 2, 8), float)
    check(mx.fft.fft(mx.array(x), axis=0), np.fft.fft(x.astype(np.complex128), axis=0), n)
    half = np.fft.rfft(real.astype(np.float64), axis=0)
    check(mx.fft.rfft(mx.array(real), axis=0), half, n)
    check(mx.fft.irfft(mx.array(half.astype(np.complex64)), n, 0), real.astype(np.float64), n)


@pytest.mark.parametrize("n", [6, 7, 64, 67, 1031, 4096, 4099])
def test_any_layout_is_transformed(n):
    x = sample((n, 40))
    for kind in (complex, float):
        a = x if kind is complex else np.ascontiguousarray(x.real)
        f, reference = (mx.fft.fft, np.fft.fft) if kind is complex else (mx.fft.rfft, np.fft.rfft)
        wide = a.astype(np.complex128 if kind is complex else np.float64)
        check(f(mx.array(a).T), reference(wide.T), n)
        check(f(mx.array(a)[::-1, ::3], axis=0), reference(wide[::-1, ::3], axis=0), n)
        check(
            f(mx.broadcast_to(mx.array(a[:, 0]), (20, n))), reference(np.broadcast_to(wide[:, 0], (20, n))), n
        )


@pytest.mark.parametrize("axes", [(0,), (1, 2), (2, 0), (0, 1, 2), (2, 1, 0), None, (-1, -3)])
@pytest.mark.parametrize("norm", NORMS)
def test_several_axes_and_norms(axes, norm):
    x, real = sample((6, 20, 9)), sample((6, 20, 9), float)
    wide = real.astype(np.float64)
    check(
        mx.fft.fftn(mx.array(x), axes=axes, norm=norm),
        np.fft.fftn(x.astype(complex), axes=axes, norm=norm),
        1000,
    )
    check(
        mx.fft.ifftn(mx.array(x), axes=axes, norm=norm),
        np.fft.ifftn(x.astype(complex), axes=axes, norm=norm),
        1000,
    )
    half = np.fft.rfftn(wide, axes=axes, norm=norm)
    check(mx.fft.rfftn(mx.array(real), axes=axes, norm=norm), half, 1000)
    lengths = None if axes is None else [real.shape[i] for i in axes]
    if axes is None:
        check(mx.fft.irfftn(mx.array(x), norm=norm), np.fft.irfftn(x.astype(complex), norm=norm), 1000)
    else:
        got = mx.fft.irfftn(mx.array(half.astype(np.complex64)), lengths, axes, norm)
        check(got, np.fft.irfftn(half, lengths, axes, norm), 1000)
        check(got, wide, 1000)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2"])
def test_two_axes(name):
    x = sample((3, 8, 10), float if name == "rfft2" else complex)
    wide = x.astype(np.float64 if name == "rfft2" else np.complex128)
    for arguments in [{}, {"axes": (0, 1)}, {"s": (5, 12)}, {"s": (9, 4), "axes": (2, 0), "norm": "ortho"}]:
        check(getattr(mx.fft, name)(mx.array(x), **arguments), getattr(np.fft, name)(wide, **arguments), 100)
    every = getattr(mx.fft, name)(mx.array(x), axes=None)
    check(every, getattr(np.fft, name[:-1] + "n")(wide), 100)


@pytest.mark.parametrize("n", [1, 3, 9, 10, 11, 30])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
def test_axes_are_cut_and_padded(name, n):
    x = sample((4, 10, 2), float if name == "rfft" else complex)
    wide = x.astype(np.float64 if name == "rfft" else np.complex128)
    check(getattr(mx.fft, name)(mx.array(x), n, 1), getattr(np.fft, name)(wide, n, 1), max(n, 2))


def test_transforms_of_images():
    x = sample((3, 256, 192))
    check(mx.fft.fft2(mx.array(x)), np.fft.fft2(x.astype(complex)), x[0].size)
    real = sample((3, 256, 192), float)
    check(mx.fft.irfft2(mx.fft.rfft2(mx.array(real))), real.astype(np.float64), x[0].size)


@pytest.mark.parametrize("dtype", ["bool_", "uint8", "int32", "int64", "float16", "bfloat16", "float64"])
def test_other_dtypes_are_converted(dtype):
    x = mx.array([1, 0, 1, 1, 0]).astype(getattr(mx, dtype))
    with mx.stream(mx.cpu):
        check(mx.fft.fft(x), np.fft.fft([1, 0, 1, 1, 0]), 5)
        check(mx.fft.rfft(x), np.fft.rfft([1, 0, 1, 1, 0]), 5)
        check(mx.fft.irfft(x), np.fft.irfft([1, 0, 1, 1, 0]), 5)


def test_real_transforms_of_complex_input_take_the_real_part_and_ends_of_spectra_count_as_real():
    x = sample((7,))
    check(mx.fft.rfft(mx.array(x)), np.fft.rfft(x.real.astype(np.float64)), 7)
    for n in (6, 7, 4096, 4100, 8193):
        s = sample((n // 2 + 1,))
        check(mx.fft.irfft(mx.array(s), n), np.fft.irfft(s.astype(complex), n), n)


@pytest.mark.parametrize("s", [(6,), (5, 8), (2, 5, 8), ()])
def test_lengths_without_axes_are_those_of_the_last_axes(s):
    z, axes = sample((2, 5, 4)), tuple(range(-len(s), 0))
    for name in ("fftn", "ifftn", "rfftn", "irfftn") if s else ("fftn", "ifftn"):
        x = mx.array(z.real) if name == "rfftn" else mx.array(z)
        ours, numpys = getattr(mx.fft, name), getattr(np.fft, name)
        got = ours(x, s=s)
        assert got.tolist() == ours(x, s=s, axes=axes).tolist()
        check(got, numpys(np.array(x), s=s, axes=axes), 1000)


def test_empty_batches_and_no_axes():
    assert mx.fft.fft(mx.zeros((0, 4))).shape == (0, 4)
    assert mx.fft.rfft(mx.zeros((0, 4))).shape == (0, 3)
    assert mx.fft.irfft(mx.zeros((0, 4))).shape == (0, 6)
    assert mx.fft.fft(mx.zeros((0,)), n=4).tolist() == [0j] * 4
    assert mx.fft.fftn(mx.array([[1, 2]]), axes=()).tolist() == [[1, 2]]
    assert mx.fft.fftn(mx.array([[1, 2]]), axes=()).dtype == mx.int32


BITS = """
import hashlib, mlx.core as mx, numpy as np
digest = hashlib.sha256()
for shape in [(1, 60), (33, 60), (1, 4096), (33, 4096), (3, 10007), (40, 4099), (2, 300000)]:
    x = mx.cos(mx.arange(shape[0] * shape[1]).reshape(shape).astype(mx.float32) * 0.7)
    for y in (mx.fft.fft(x), mx.fft.rfft(x), mx.fft.fft2(x), mx.fft.irfft(x)):
        digest.update(np.array(y).tobytes())
print(digest.hexdigest())
"""


def test_the_number_of_threads_changes_no_bit():
    digests = {
        subprocess.run(
            [sys.executable, "-c", BITS],
            env={**os.environ, "MLX_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(digests) == 1


def test_an_input_in_use_is_kept():
    x = mx.array(sample((8, 8)))
    before = np.array(x)
    y = mx.fft.fft2(x * 1)
    mx.eval(y)
    assert np.array_equal(np.array(x), before)
    a = x + 1
    b = mx.fft.fft(a)
    mx.eval(a, b)
    assert np.array_equal(np.array(a), before + 1)


# ---- Derivatives ----
def inner(a, b):
    return float(np.sum(np.real(np.conj(np.asarray(a, complex)) * np.asarray(b, complex))))


FUNCTIONS = {
    "fft": (lambda x: mx.fft.fft(x, norm="ortho"), complex, (3, 7)),
    "ifft": (lambda x: mx.fft.ifft(x, n=5, axis=0), complex, (3, 7)),
    "fft of real": (lambda x: mx.fft.fft(x, n=9), float, (3, 7)),
    "rfft even": (lambda x: mx.fft.rfft(x), float, (3, 8)),
    "rfft odd": (lambda x: mx.fft.rfft(x, axis=0, norm="forward"), float, (7, 2)),
    "irfft even": (lambda x: mx.fft.irfft(x), complex, (3, 5)),
    "irfft odd": (lambda x: mx.fft.irfft(x, n=9, norm="ortho"), complex, (3, 5)),
    "fftn": (lambda x: mx.fft.fftn(x), complex, (3, 4, 5)),
    "rfftn": (lambda x: mx.fft.rfftn(x, axes=(0, 2, 1)), float, (3, 4, 5)),
    "irfftn": (lambda x: mx.fft.irfftn(x, s=(3, 5, 6), axes=(0, 2, 1)), complex, (3, 4, 5)),
    "fftshift": (lambda x: mx.fft.fftshift(x), complex, (3, 4)),
    "stft": (lambda x: mx.fft.stft(x, 8, 3, window=mx.arange(1.0, 7.0)), float, (2, 20)),
    "istft": (lambda x: mx.fft.istft(x, 8, 3), complex, (2, 5, 6)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_agree_with_finite_differences(name):
    f, kind, shape = FUNCTIONS[name]
    x, tangent = sample(shape, kind, 1), sample(shape, kind, 2)
    y = np.array(f(mx.array(x)))
    cotangent = sample(y.shape, complex if np.iscomplexobj(y) else float, 3)
    (pushed,) = mx.jvp(f, [mx.array(x)], [mx.array(tangent)])[1]
    # The transforms are linear: one difference of size 1 is the derivative.
    difference = np.array(f(mx.array(x + tangent))).astype(complex) - y
    assert np.allclose(np.array(pushed), difference, rtol=1e-4, atol=1e-4)
    (pulled,) = mx.vjp(f, [mx.array(x)], [mx.array(cotangent)])[1]
    assert np.array(pulled).dtype == x.dtype
    assert math.isclose(
        inner(np.array(pulled), tangent), inner(cotangent, difference), rel_tol=1e-3, abs_tol=1e-3
    )


@pytest.mark.parametrize("name", ["rfft even", "rfft odd", "irfft even", "irfft odd", "irfftn"])
def test_second_derivatives_agree_with_finite_differences(name):
    f, kind, shape = FUNCTIONS[name]

    def energy(x):
        y = f(x)
        return mx.sum((mx.real(y) ** 2 + mx.imag(y) ** 2) ** 2)

    x, tangent = sample(shape, kind, 4), sample(shape, kind, 5)
    step = 1e-2
    _, (got,) = mx.jvp(mx.grad(energy), [mx.array(x)], [mx.array(tangent)])
    ends = [np.array(mx.grad(energy)(mx.array((x + s * tangent).astype(x.dtype)))) for s in (step, -step)]
    want = (ends[0].astype(complex) - ends[1]) / (2 * step)
    assert np.linalg.norm(np.array(got) - want) <= 1e-2 * np.linalg.norm(want)


# ---- Order and frequencies ----
@pytest.mark.parametrize("shape", [(5,), (6,), (4, 5), (3, 4, 5)])
def test_shifts(shape):
    x = np.arange(math.prod(shape)).reshape(shape)
    every = [None, *(c for k in range(len(shape) + 1) for c in itertools.combinations(range(len(shape)), k))]
    for axes in every:
        assert np.array_equal(np.array(mx.fft.fftshift(mx.array(x), axes)), np.fft.fftshift(x, axes))
        assert np.array_equal(np.array(mx.fft.ifftshift(mx.array(x), axes)), np.fft.ifftshift(x, axes))
    assert np.array_equal(np.array(mx.fft.fftshift(mx.array(x), -1)), np.fft.fftshift(x, -1))


@pytest.mark.parametrize("n", [1, 2, 5, 6, 1000])
@pytest.mark.parametrize("d", [1.0, 0.3, -2])
def test_frequencies(n, d):
    got = mx.fft.fftfreq(n, d)
    assert got.dtype == mx.float32
    assert np.array_equal(np.array(got), np.fft.fftfreq(n, d).astype(np.float32))
    assert np.array_equal(np.array(mx.fft.rfftfreq(n, d)), np.fft.rfftfreq(n, d).astype(np.float32))


# ---- Short frames ----
def stft_reference(x, n_fft, hop, window, center, mode):
    if center:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(n_fft // 2, n_fft // 2)], mode=mode)
    low = (n_fft - len(window)) // 2
    padded = np.pad(window, (low, n_fft - len(window) - low))
    starts = range(0, x.shape[-1] - n_fft + 1, hop)
    return np.stack([np.fft.rfft(x[..., s : s + n_fft] * padded) for s in starts], axis=-1)


@pytest.mark.parametrize("n_fft, hop, width", [(8, 2, 8), (8, 3, 5), (5, 4, 5), (16, 1, 7)])
@pytest.mark.parametrize(
    "center, mode", [(True, "reflect"), (True, "constant"), (True, "edge"), (False, "reflect")]
)
def test_stft(n_fft, hop, width, center, mode):
    x, window = sample((2, 40), float), np.hanning(width + 2)[1:-1].astype(np.float32)
    want = stft_reference(x.astype(np.float64), n_fft, hop, window.astype(np.float64), center, mode)
    got = mx.fft.stft(mx.array(x), n_fft, hop, window=mx.array(window), center=center, pad_mode=mode)
    check(got, want, 40)
    assert mx.fft.stft(mx.array(x), n_fft, hop, onesided=False).shape[-2] == n_fft


@pytest.mark.parametrize("n_fft, hop", [(8, 2), (9, 3), (8, 8), (16, 5)])
@pytest.mark.parametrize("arguments", [{}, {"norm": "ortho"}, {"onesided": False}, {"win_length": 8}])
def test_istft_undoes_stft(n_fft, hop, arguments):
    x = sample((2, 3, 48), float)
    spectra = mx.fft.stft(mx.array(x), n_fft, hop, **arguments)
    back = np.array(mx.fft.istft(spectra, n_fft, hop, **arguments, length=40))
    assert np.allclose(back, x[..., :40], atol=1e-5)


def test_istft_lengths():
    spectra = mx.fft.stft(mx.arange(8.0), n_fft=4, hop_length=1)
    assert mx.fft.istft(spectra).shape == (8,)
    assert np.allclose(np.array(mx.fft.istft(spectra, length=10)), [0, 1, 2, 3, 4, 5, 6, 7, 6, 5], atol=1e-5)
    assert np.allclose(np.array(mx.fft.istft(spectra, length=12))[10:], 0)
    assert mx.fft.istft(spectra, length=0).shape == (0,)
    assert mx.fft.istft(mx.zeros((3, 3)), hop_length=9, center=False).shape == (22,)


def test_the_submodule_can_be_imported():
    assert importlib.import_module("mlx.core.fft") is mx.fft


# ---- Errors ----
def wrong(call, *exceptions):
    with pytest.raises(exceptions):
        mx.eval(call())


def test_errors():
    one, two = mx.ones((4,)), mx.ones((4, 4))
    for n in (0, -1, 2**31, 2**62):
        wrong(lambda n=n: mx.fft.fft(one, n=n), ValueError, TypeError)
        wrong(lambda n=n: mx.fft.irfft(one, n=n), ValueError, TypeError)
    wrong(lambda: mx.fft.fft(mx.ones((3, 0))), ValueError)
    wrong(lambda: mx.fft.irfft(mx.ones((1,))), ValueError)
    wrong(lambda: mx.fft.fft(mx.array(1.0)), IndexError)
    wrong(lambda: mx.fft.fftn(mx.array(1.0)), ValueError)
    wrong(lambda: mx.fft.fft(one, axis=1), IndexError)
    wrong(lambda: mx.fft.fft(one, axis=-2), IndexError)
    wrong(lambda: mx.fft.fft(one, norm="none"), ValueError)
    wrong(lambda: mx.fft.fft2(one), IndexError)
    wrong(lambda: mx.fft.fft2(two, axes=(0, 0)), ValueError)
    wrong(lambda: mx.fft.fft2(two, s=(2,)), ValueError)
    wrong(lambda: mx.fft.fftn(two, s=(2, 2, 2)), ValueError)
    wrong(lambda: mx.fft.fftn(two, s=(), axes=(0,)), ValueError)
    wrong(lambda: mx.fft.fftshift(two, 2), IndexError)
    wrong(lambda: mx.fft.fftfreq(0), ValueError)
    wrong(lambda: mx.fft.rfftfreq(4, 0), ValueError)
    wrong(lambda: mx.fft.fft([1, 2]), TypeError)
    wrong(lambda: mx.fft.fftn(mx.zeros((1,) * 6), s=(2**31 - 1,) * 6, axes=range(6)), ValueError)
    wrong(lambda: mx.fft.fft2(mx.zeros((1, 1)), s=(2**31 - 1,) * 2), MemoryError, ValueError)


def test_errors_of_short_frames():
    x, s = mx.ones((16,)), mx.ones((3, 3))
    wrong(lambda: mx.fft.stft(x, n_fft=0), ValueError)
    wrong(lambda: mx.fft.stft(x, n_fft=2), ValueError)
    wrong(lambda: mx.fft.stft(x, n_fft=8, hop_length=0), ValueError)
    wrong(lambda: mx.fft.stft(x, n_fft=8, win_length=9), ValueError)
    wrong(lambda: mx.fft.stft(x, n_fft=8, win_length=-1), ValueError)
    wrong(lambda: mx.fft.stft(x, n_fft=8, window=mx.ones((2, 4))), ValueError)
    wrong(lambda: mx.fft.stft(x, n_fft=8, pad_mode="none"), ValueError)
    wrong(lambda: mx.fft.stft(x, n_fft=8, norm="none"), ValueError)
    wrong(lambda: mx.fft.stft(mx.ones((7,)), n_fft=8, center=False), ValueError)
    wrong(lambda: mx.fft.stft(mx.array(1.0), n_fft=8), ValueError)
    wrong(lambda: mx.fft.stft(mx.zeros((0,)), n_fft=8), ValueError)
    wrong(lambda: mx.fft.istft(mx.ones((3,))), ValueError)
    wrong(lambda: mx.fft.istft(mx.zeros((3, 0))), ValueError)
    wrong(lambda: mx.fft.istft(mx.zeros((0, 3))), ValueError)
    wrong(lambda: mx.fft.istft(s, hop_length=0), ValueError)
    wrong(lambda: mx.fft.istft(s, win_length=5), ValueError)
    wrong(lambda: mx.fft.istft(s, n_fft=0), ValueError)


def test_real_transforms_read_axes_that_repeat_one_element():
    for shape in [(2, 1), (4, 1), (2, 3), (3, 5), (64, 2), (1, 4)]:
        x = mx.broadcast_to(mx.array([6.0]), shape)
        assert np.allclose(mx.fft.rfft(x, axis=0), np.fft.rfft(np.full(shape, 6.0), axis=0), atol=1e-5)
        assert np.allclose(mx.fft.rfft2(x), np.fft.rfft2(np.full(shape, 6.0)), atol=1e-5)
