"""Type stubs of mlx.core.distributed, written by tools/stubs.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


from . import DeviceType, Device, Dtype, Stream, ThreadLocalStream, array

_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType

class Group:
    """Processes that compute together. Made by init()."""
    def __reduce__(self) -> tuple:
        """What copies and pickles make of it: the group of their process."""
    def rank(self) -> int:
        """The number of this process in the group: 0."""
    def size(self) -> int:
        """How many processes the group has: 1."""
    def split(self, color: int, key: int = -1) -> Group:
        """RuntimeError: a group of one process can't be split."""

def all_gather(x: _Value, *, group: Any = None, stream: _Stream | None = None) -> array:
    """The processes' x one after the other along axis 0: x itself in a group of one."""

def all_max(x: _Value, *, group: Any = None, stream: _Stream | None = None) -> array:
    """The maximum of the processes' x: x itself in a group of one."""

def all_min(x: _Value, *, group: Any = None, stream: _Stream | None = None) -> array:
    """The minimum of the processes' x: x itself in a group of one."""

def all_sum(x: _Value, *, group: Any = None, stream: _Stream | None = None) -> array:
    """The sum of the processes' x: x itself in a group of one."""

def init(strict: bool = False, backend: str = "any", *, all_gather_factory: Any = None) -> Group:
    """The group of all processes: this one alone. RuntimeError if strict, as no backend connects others. backend: 'any', 'mpi', 'ring', 'nccl' or 'jaccl', else ValueError; all_gather_factory goes with 'jaccl' alone."""

def is_available(backend: str = "any") -> bool:
    """Can processes be connected by the backend? False: this build has none."""

def recv(shape: int | Sequence[int], dtype: Dtype, src: int, *, group: Any = None, stream: _Stream | None = None) -> array:
    """ValueError: a group of one has nobody to receive from."""

def recv_like(x: _Value, src: int, *, group: Any = None, stream: _Stream | None = None) -> array:
    """ValueError: a group of one has nobody to receive from."""

def send(x: _Value, dst: int, *, group: Any = None, stream: _Stream | None = None) -> array:
    """ValueError: a group of one has nobody to send to."""

def sum_scatter(x: _Value, *, group: Any = None, stream: _Stream | None = None) -> array:
    """This process's part, along axis 0, of the sum of the processes' x: x itself in a group of one."""
