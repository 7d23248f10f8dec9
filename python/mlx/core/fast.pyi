"""Type stubs of mlx.core.fast, written by tools/stubs.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


from . import DeviceType, Device, Dtype, Stream, ThreadLocalStream, array

_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType

def cross_entropy(logits: array, targets: array, *, stream: _Stream | None = None) -> array:
    """logsumexp(logits) - logits[target] over the last axis; targets are integers of the leading shape."""

def cuda_kernel(name: str, input_names: Any, output_names: Any, source: str, header: str = "", ensure_row_contiguous: bool = True, shared_memory: int = 0) -> Any:
    """A kernel in CUDA C++: a function to be called with inputs. source is the body of a function of the inputs and outputs by their names, and of NAME_shape, NAME_strides and NAME_ndim of inputs where it speaks of them; header stands before it. It is compiled when it first runs; RuntimeError then has the compiler's words."""

def gated_delta_update(q: array, k: array, v: array, gamma: array, beta: array, initial_state: array | None = None, mask: array | None = None, stream: _Stream | None = None) -> array:
    """The gated delta rule over T steps: [outputs (B, T, Hv, Dv), last state (B, Hv, Dv, Dk) in float32]. q and k (B, T, Hk, Dk), v (B, T, Hv, Dv), Hv a multiple of Hk. A step forgets by gamma (B, T, Hv), or (B, T, Hv, Dk), then corrects the state at k towards v by beta (B, T, Hv). mask (B, T), bool: False gives zeros and leaves the state."""

def layer_norm(x: array, weight: array | None, bias: array | None, eps: float, *, stream: _Stream | None = None) -> array:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axis, in float32 inside. weight and bias (D) or None."""

def metal_kernel(name: str, input_names: Any, output_names: Any, source: str, header: str = "", ensure_row_contiguous: bool = True, atomic_outputs: bool = False, compile_options: Any = None) -> array:
    """A kernel in Metal's language. This build has no Metal: calling the kernel raises RuntimeError."""

def precompiled_cuda_kernel(*, name: str, compiled_source: Any, inputs: Any, output_shapes: Any, output_dtypes: Any, scalars: Any, grid: int | Sequence[int], threadgroup: int | Sequence[int], shared_memory: int = 0, init_value: float | None = None, ensure_row_contiguous: bool = False, stream: _Stream | None = None) -> Any:
    """Runs a compiled CUDA kernel by its name in compiled_source, a cubin or PTX. Its parameters are the addresses of inputs and outputs, then the scalars: bools, ints of 32 bits, float32. grid: threads along three axes; threadgroup: those of a block. A list of arrays."""

def rms_norm(x: array, weight: array | None, eps: float, *, stream: _Stream | None = None) -> array:
    """x / sqrt(mean(x^2) + eps) * weight over the last axis, in float32 inside. weight (D) or None."""

def rope(a: array, dims: int, *, traditional: bool, base: float | None, scale: float, offset: Any, freqs: array | None = None, stream: _Stream | None = None) -> array:
    """Rotary position embedding of a (B, ..., T, D) over the first dims features. offset: the first position, an int or an array (one, or B). freqs: frequencies in place of base, dims / 2."""

def scaled_dot_product_attention(q: array, k: array, v: array, *, scale: float, mask: Any = None, sinks: array | None = None, force_fused: bool = False, stream: _Stream | None = None) -> array:
    """softmax(scale q k^T + mask) v. q (B, H, Tq, D), k and v (B, Hkv, Tk, D), H a multiple of Hkv. mask: None, 'causal', a bool array (True attends) or one to add. sinks (H): one more logit a head in the denominator."""
