"""A cast has one result, whichever path makes it: of one element or many, alone, fused, compiled, strided, on the
way into an update, or of a Python number, with every instruction set.

The reference is exact: Python's integers and fractions, and NumPy's rounding to float32.
"""

import fractions
import math
import os
import subprocess
import sys

import mlx.core as mx
import numpy as np
import pytest
from samples import EVERY, FLOATS, INTEGERS

BITS = {"float16": np.uint16, "bfloat16": np.uint16}
HOSTILE_INTEGERS = [0, 1, 2, -1, -2, 100, 127, 128, 255, 256, 300, 2049, 4098, 65519, 65520, 65535, 65536, 16973823,
                    16973824, 16973825, 2**24 + 1, 2**25 + 3, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1,
                    2**53 + 2**45, 2**53 + 2**45 + 1, 9007199791611905, 2**62 + 2**38 + 1, 2**62 + 2**54,
                    2**62 + 2**54 + 1, 2**62 + 3 * 2**54 - 1, 2**63 + 2**55 + 1, 2**63 - 1,
                    2**63 - 513, 2**63, 2**63 + 1025, 2**64 - 2**39 - 1, 2**64 - 1]  # fmt: skip
HOSTILE_FLOATS = [0.0, 0.25, 0.5, 0.999, 1.0, 1.5, 2.5, 100.7, 127.9, 128.0, 255.5, 256.0, 300.0, 32767.5, 32768.0,
                  65503.0, 65519.0, 65520.0, 65535.5, 65536.0, 16777217.0, 2.0**31 - 128, 2.0**31 - 0.5, 2.0**31,
                  3e9, 2.0**32 - 256, 2.0**32 - 0.5, 2.0**32, 2.0**32 + 300, 2.0**53 - 1, 2.0**63 - 1024,
                  2.0**63 - 2.0**39, 2.0**63, 1.5 * 2.0**63, 2.0**64 - 2048, 2.0**64 - 2.0**40, 2.0**64, 1e19, 1e20,
                  3.3895e38, 3.4e38, 1e39, 1e300, math.inf, math.nan, 1e-8, 6e-8, 1e-40, 5e-324,
                  1 + 2.0**-11, 1 + 2.0**-11 + 2.0**-40, 1 + 3 * 2.0**-11 - 2.0**-40, 1 + 2.0**-8 + 2.0**-50,
                  1 + 3 * 2.0**-8 - 2.0**-50, 65520 - 2.0**-20, 2.0**-25, 2.0**-25 + 2.0**-60, 3 * 2.0**-25 - 2.0**-60,
                  2.0**-134 + 2.0**-180, 3 * 2.0**-134 - 2.0**-180, 2.0**128 - 2.0**119 - 2.0**80]  # fmt: skip


# ---- Reference ----
def truncated(x, bits):
    """x as a signed integer; the least one for what doesn't fit."""
    limit = 2 ** (bits - 1)
    return int(x) if -limit <= x < limit else -limit


def integer_of_float(x, target):
    """The low bits of an integer of 32 bits, or 64; unsigned ones move their upper half down and back."""
    width = int(target.lstrip("uint"))
    bits = 64 if width == 64 else 32
    half = 2 ** (bits - 1)
    upper = target == f"uint{bits}" and x >= half
    return truncated(x - half, bits) + half if upper else truncated(x, bits)


def wrapped(i, target):
    width = int(target.lstrip("uint"))
    i %= 2**width
    return i - 2**width if target[0] == "i" and i >= 2 ** (width - 1) else i


# Bits of a significand, the least power of two, and what rounds to infinity.
HALVES = {"float16": (11, -24, 65520), "bfloat16": (8, -133, 2**128 - 2**119)}


def half(x, target):
    """x, a Python number, rounded once to the nearest half, of two as near to the even one."""
    digits, least, beyond = HALVES[target]
    if not math.isfinite(x) or x == 0:
        return x
    exact = fractions.Fraction(x)
    if abs(exact) >= beyond:
        return math.copysign(math.inf, x)
    exponent = x.bit_length() if isinstance(x, int) else math.frexp(x)[1]
    quantum = fractions.Fraction(2) ** max(exponent - digits, least)
    return math.copysign(float(round(exact / quantum) * quantum), x)


@np.errstate(all="ignore")
def expected(values, target):
    """What `values` are as dtype `target`, as NumPy holds it; bfloat16 as float32."""
    if target == "bool_":
        return values != 0
    if target == "complex64":
        return values.astype(np.complex64)
    real = values.real
    if target in INTEGERS:
        of_float = real.dtype.kind == "f"
        whole = [integer_of_float(float(x), target) if of_float else int(x) for x in real]
        return np.array([wrapped(i, target) for i in whole], target)
    if target == "float64":
        return real.astype(np.float64)
    if target in HALVES:
        halves = [half(x, target) for x in real.tolist()]
        return np.array(halves, np.float32 if target == "bfloat16" else np.float16)
    return real.astype(np.float32)


# ---- Values ----
def source_values(source):
    """The hostile values that dtype `source` has, as NumPy holds them; bfloat16 as float32."""
    if source == "bool_":
        return np.array([False, True, True, False])
    if source in INTEGERS:
        return np.array(sorted({wrapped(i, source) for n in HOSTILE_INTEGERS for i in (n, -n)}), source)
    numbers = np.array(HOSTILE_FLOATS + [-x for x in HOSTILE_FLOATS])
    if source == "complex64":
        narrow = expected(numbers, "float32")
        both = np.stack([np.r_[narrow, 0, 0, 0], np.roll(np.r_[narrow, 0, 1, 0], 5)], 1)
        return both.astype(np.float32).view(np.complex64)[:, 0]
    return expected(numbers, source)


def as_array(values, dtype):
    if dtype == "bfloat16":
        return mx.array((values.view(np.uint32) >> 16).astype(np.uint16)).view(mx.bfloat16)
    return mx.array(values, getattr(mx, dtype))


def as_numpy(a):
    if a.dtype == mx.bfloat16:
        return (np.array(a.view(mx.uint16)).astype(np.uint32) << 16).view(np.float32)
    return np.array(a)


def check(got, want, path):
    got = as_numpy(got).reshape(-1)
    assert got.dtype == want.dtype and got.shape == want.shape, path
    for g, w in ((got.real, want.real), (got.imag, want.imag)):
        same = (g == w) & (np.signbit(g) == np.signbit(w)) if g.dtype.kind == "f" else g == w
        if g.dtype.kind == "f":
            same |= np.isnan(g) & np.isnan(w)
        assert same.all(), (
            f"{path}: {g[~same][:5]} where {w[~same][:5]} was expected, at {np.nonzero(~same)[0][:5]}"
        )


# ---- Paths ----
def kept(a):
    """a, by way of an elementwise op that doesn't change it."""
    return mx.where(mx.ones(a.shape, mx.bool_), a, a)


def in_a_chain(a, t):
    return kept(kept(a).astype(t))


def updated(a, t):
    target = mx.zeros(a.shape, t)
    target[:] = a
    return target


def scattered(a, t):
    target = mx.zeros(a.shape, t)
    target[mx.arange(a.size)] = a
    return target


def put_along(a, t):
    return mx.put_along_axis(mx.zeros(a.shape, t), mx.arange(a.size), a.astype(t), 0)


def masked(a, t):
    target = mx.zeros(a.shape, t)
    target[mx.ones(a.shape, mx.bool_)] = a
    return target


PATHS = {
    "alone": lambda a, t: a.astype(t),
    "in a chain": in_a_chain,
    "compiled": lambda a, t: mx.compile(lambda x: in_a_chain(x, t))(a),
    "strided": lambda a, t: mx.repeat(a, 3)[::3].astype(t),
    "reversed": lambda a, t: a[::-1].astype(t)[::-1],
    "transposed": lambda a, t: mx.stack([a, a]).T.astype(t)[:, 1],
    "stepped result": lambda a, t: mx.stack([a, a]).T[:, :1].astype(t),
    "full": lambda a, t: mx.full((2, *a.shape), a).astype(t)[1],
    "update": updated,
    "scatter": scattered,
    "put_along_axis": put_along,
    "mask": masked,
    "of a vmap": lambda a, t: mx.vmap(lambda x: x.astype(t))(a),
}


@pytest.mark.parametrize("target", EVERY)
@pytest.mark.parametrize("source", EVERY)
def test_a_cast_has_one_result_on_every_path(source, target):
    values, t = source_values(source), getattr(mx, target)
    want = expected(values, target)
    for size in (1, 7, 64, 1000):
        some = np.arange(size) * (7 if size == 7 else 1) % len(values)
        a = as_array(values[some], source)
        for path, cast in PATHS.items():
            check(cast(a, t), want[some], f"{path}, {size} elements")
    for i in range(len(values)):
        a = as_array(values[i : i + 1], source)
        one = mx.array(a.item(), a.dtype) if source not in ("bfloat16", "float16") else a.reshape(())
        check(a.reshape(()).astype(t), want[i : i + 1], "one element, lazy")
        check(one.astype(t), want[i : i + 1], "one element")
        check(mx.broadcast_to(one, (3,)).astype(t), want[[i, i, i]], "one element, repeated")


@pytest.mark.parametrize("target", EVERY)
def test_a_python_number_is_cast_as_an_array_of_it_is(target):
    t = getattr(mx, target)
    for number in HOSTILE_FLOATS + [-x for x in HOSTILE_FLOATS]:
        want = expected(np.array([number]), target)
        check(mx.array(number, t), want, number)
        check(mx.array([number], t), want, [number])
    for number in (
        0,
        1,
        -1,
        255,
        2**24 + 1,
        16973823,
        9007199791611905,
        2**62 + 2**38 + 1,
        2**62 + 2**54 + 1,
    ):
        want = expected(np.array([number]), target)
        check(mx.array(number, t), want, number)
        check(mx.array([number], t), want, [number])
    for number in (0j, 1j, 3 + 1j):
        want = expected(np.array([number]), target)
        check(mx.array(number, t), want, number)
        check(mx.array([number], t), want, [number])


def test_equal_bits_of_an_int_and_a_float_are_different_numbers():
    for one, tiny in ((mx.array(1, t), mx.array(5e-324, t)) for t in (mx.int32, mx.float32, mx.float64)):
        assert one.item() == 1 and tiny.item() < 1


@pytest.mark.parametrize("target", INTEGERS + FLOATS)
def test_a_range_of_integers_wraps_and_one_of_floats_rounds(target):
    t = getattr(mx, target)
    for start, step in ((0, 1), (5, -1), (0, 100), (0, 2**30), (-(2**33), 2**33), (2**52 + 1, 2)):
        got = mx.arange(start, start + 700 * step, step, t)
        if target in INTEGERS:
            first, by = (integer_of_float(float(x), target) for x in (start, step))
            want = np.array([wrapped(first + i * by, target) for i in range(700)], target)
        else:
            with np.errstate(all="ignore"):
                first, by = (
                    expected(np.array([float(x)]), target).astype(np.float64)[0] for x in (start, step)
                )
                want = expected(first + np.arange(700) * by, target)
        check(got, want, (start, step))


@pytest.mark.parametrize("isa", ["v2", "v3", "v4"])
def test_every_instruction_set_casts_alike(isa):
    """One that the machine lacks falls back to the best it has."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            __file__,
            "-k",
            "not instruction_set",
        ],
        env={**os.environ, "MLX_CPU_ISA": isa},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]
