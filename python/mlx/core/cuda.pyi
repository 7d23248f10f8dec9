"""Type stubs of mlx.core.cuda, written by tools/stubs.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


from . import DeviceType, Device, Dtype, Stream, ThreadLocalStream, array

_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType

def is_available(*args: Any, **kwargs: Any) -> Any: ...
