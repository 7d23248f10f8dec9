"""What tests at the ends of the dtypes that train share: the dtypes' limits, inputs, and the way to float64 and back."""

import math
from typing import NamedTuple

import mlx.core as mx
import numpy as np

inf, nan = math.inf, math.nan


class Limits(NamedTuple):
    """Of a dtype that trains."""

    digits: int  # bits of a significand
    least: float  # positive number, not normal
    normal: float  # the least normal number
    largest: float

    @property
    def eps(self):
        """From 1 to the next number."""
        return 2.0 ** (1 - self.digits)

    @property
    def flushed(self):
        """What rounding to zero may take away: where halves are computed in float32, that takes no more from bfloat16 than
        float32's own numbers below the normal ones."""
        return max(2 * self.least, 2.0**-126)

    @property
    def tiny(self):
        """Normal, as is its product with one that isn't small."""
        return self.normal if self.digits == 11 else 1e-30

    @property
    def huge(self):
        """Near the largest."""
        return 6e4 if self.digits == 11 else 3e38

    @property
    def large(self):
        """float32, in which all three are computed, has its square and inverse cube."""
        return 6e4 if self.digits == 11 else 1e12

    def magnitudes(self):
        """From zero to the largest: where results vanish, where they turn, and where they overflow."""
        small = [self.least, math.sqrt(self.least), self.tiny, 1e-3, 0.125, 0.5]
        large = [12.0, 89.0, 300.0, 1e3, math.sqrt(self.largest), self.largest / 4, self.huge, self.largest]
        return [0.0, *small, 1.0, 3.0, *large]


LIMITS = {
    mx.float16: Limits(11, 2.0**-24, 2.0**-14, 65504.0),
    mx.bfloat16: Limits(8, 2.0**-133, 2.0**-126, 2.0**128 - 2.0**120),
    mx.float32: Limits(24, 2.0**-149, 2.0**-126, 2.0**128 - 2.0**104),
}
DTYPES = list(LIMITS)


def array(x, dtype):
    return mx.array(np.asarray(x, np.float32)).astype(dtype)


def wide(a):
    """As float64."""
    return np.array(a.astype(mx.float32)).astype(np.float64)


def rounded(x, dtype):
    """float64 numbers that are the dtype's."""
    with np.errstate(over="ignore"):
        return wide(array(x, dtype))
