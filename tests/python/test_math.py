"""Elementwise functions over wide ranges: remainders bit for bit, float64 functions within two units in the last place."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

N = 1 << 16


def spread(seed: int, decades: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(N) * 10.0 ** rng.integers(-decades, decades, N)).astype(np.float32)


def whole(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-5000, 5000, N).astype(np.float32)


def beside_multiples(y: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 1 << 21, N).astype(np.float32) * y
    return np.nextafter(x, rng.choice([-np.inf, np.inf], N).astype(np.float32))


def special() -> tuple[np.ndarray, np.ndarray]:
    values = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        1e-45,
        -1e-40,
        1.0,
        -3.0,
        3.4e38,
        2.0**22,
        -(2.0**23) + 1,
        1e-38,
    ]
    x, y = np.meshgrid(values, values)
    return x.ravel().astype(np.float32), y.ravel().astype(np.float32)


PAIRS = {
    "near sizes": lambda: (spread(1, 2), spread(2, 2)),
    "far sizes": lambda: (spread(1, 30), spread(2, 30)),
    "whole numbers": lambda: (whole(1), np.abs(whole(2)) + 1),
    "beside multiples": lambda: (beside_multiples(spread(4, 3)), spread(4, 3)),
    "special values": special,
}


@pytest.mark.parametrize("pair", PAIRS)
def test_remainder_is_exact_and_has_the_divisors_sign(pair):
    x, y = PAIRS[pair]()
    with np.errstate(all="ignore"):
        r = np.fmod(x, y)
        expected = np.where((r != 0) & ((r < 0) != (y < 0)), r + y, r)
    got = np.array(mx.remainder(mx.array(x), mx.array(y)))
    both_nan = np.isnan(got) & np.isnan(expected)
    assert (both_nan | (got.view(np.int32) == expected.view(np.int32))).all()


# ---- float64 ----
def sigmoid(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
}


def doubles() -> np.ndarray:
    """All sizes, and the places where reductions are hard: multiples of pi/2, the ends of exp, one, subnormals."""
    rng = np.random.default_rng(5)
    quarter_turns = rng.integers(-600_000, 600_000, N) * (np.pi / 2)
    parts = [
        rng.standard_normal(N) * 10.0 ** rng.uniform(-300, 300, N),
        rng.standard_normal(N) * 10.0 ** rng.uniform(-20, 3, N),
        rng.uniform(-1, 1, N),
        rng.uniform(-750, 712, N),
        1 + rng.standard_normal(N) * 1e-3,
        quarter_turns,
        np.nextafter(quarter_turns, 1e9),
        5e-324 * rng.integers(1, 1 << 40, N),
        [
            0.0,
            -0.0,
            np.inf,
            -np.inf,
            np.nan,
            -1,
            1,
            2,
            8,
            710,
            709.79,
            709.7,
            -745,
            -746,
            -708.5,
            1e308,
            2.0**20,
        ],
    ]
    return np.concatenate(parts)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs a wider type as the reference")
@pytest.mark.parametrize("name", REFERENCES)
def test_float64_functions_stay_within_two_ulp(name):
    x = doubles()
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](x.astype(np.longdouble))
        expected = exact.astype(np.float64)
    got = np.array(getattr(mx, name)(mx.array(x, dtype=mx.float64)))
    finite = np.isfinite(expected)
    assert np.array_equal(got[~finite], expected[~finite], equal_nan=True)
    zero = expected == 0
    assert np.array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))
    error = abs(got[finite] - exact[finite]) / np.spacing(abs(expected[finite]))
    worst = error.argmax()
    assert error[worst] <= 2, f"{name}({x[finite][worst]!r}): {float(error[worst]):.2f} ulp"


def test_a_float64_result_does_not_depend_on_its_neighbours():
    x = doubles()[:1003]
    for name in REFERENCES:
        f = getattr(mx, name)
        whole = np.array(f(mx.array(x, dtype=mx.float64)))
        alone = [np.array(f(mx.array(x[i : i + 1], dtype=mx.float64)))[0] for i in range(995, 1003)]
        assert np.array_equal(whole[995:], alone, equal_nan=True)


def test_complex_logarithms_near_a_zero_have_its_distance():
    """log1p close to -1, and the logarithm of a sum of two numbers that nearly cancel."""
    z = np.array(
        [-1 + 1e-25j, -1 + 0j, -1.0000001 + 1e-9j, -0.99 - 1e-3j, -1 + 1e-42j, 0.5 + 1e-30j], np.complex64
    )
    with np.errstate(divide="ignore"):
        want = np.log(1 + z.astype(np.complex128))
    got = np.array(mx.log1p(mx.array(z)))
    assert np.allclose(got, want, rtol=1e-6, atol=1e-37)
    opposite = np.array([0, np.pi * 1j], np.complex64)  # exp of the second is -1 but for pi's rounding
    want = np.log(np.sum(np.exp(opposite.astype(np.complex128)))).real
    for sum_of in (lambda x: mx.logcumsumexp(x)[1], lambda x: mx.logaddexp(x[0], x[1])):
        assert abs(sum_of(mx.array(opposite)).item().real - want) < 0.1  # by parts in float32


def test_float32_erfinv_stays_within_two_ulp_and_a_half_up_to_one():
    rng = np.random.default_rng(5)
    near_one = 1 - rng.integers(1, 1 << 12, N) * 2.0**-24
    x = np.concatenate([rng.uniform(-1, 1, N), near_one, -near_one, rng.standard_normal(N) * 1e-3]).astype(
        np.float32
    )
    with mx.stream(mx.cpu):
        expected = np.array(mx.erfinv(mx.array(x.astype(np.float64), dtype=mx.float64)))
        got = np.array(mx.erfinv(mx.array(x)))
        edges = np.array(mx.erfinv(mx.array([1.0, -1.0, 0.0, -0.0, 1.5, -1.5, np.inf, np.nan])))
    assert (np.abs(got - expected) <= 2.5 * np.spacing(np.abs(expected.astype(np.float32)))).all()
    assert edges[:2].tolist() == [np.inf, -np.inf] and np.signbit(edges[2:4]).tolist() == [False, True]
    assert np.isnan(edges[4:]).all()
