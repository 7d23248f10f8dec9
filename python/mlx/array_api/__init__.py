"""The Python array API standard, 2024.12, over mlx.core.

``x.__array_namespace__()`` of an ``mx.array`` is this module. Its functions have the standard's names, signatures
and dtype rules; arrays are ``mx.array`` objects, lazy and differentiable as ever. What depends on data in its
shape (``nonzero``, ``unique_*``, ``repeat`` by an array, indexing by a mask) evaluates at once.

Operators and methods of an array stay MLX's, also where the standard says otherwise; docs/array-api.md lists
these. Dtypes: all of the standard but complex128; by default float32, complex64, int32, and int64 for indices.
"""

from math import e, inf, nan, pi

from mlx.core import bool_ as bool
from mlx.core import (
    complex64,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

from . import fft, linalg
from ._creation import *
from ._dtypes import *
from ._elementwise import *
from ._manipulation import *
from ._products import *
from ._searching import *
from ._statistical import *

__array_api_version__ = "2024.12"
newaxis = None
