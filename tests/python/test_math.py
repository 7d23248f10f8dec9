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
