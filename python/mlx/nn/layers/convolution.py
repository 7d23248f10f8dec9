from __future__ import annotations

import math

import mlx.core as mx
from mlx.nn.layers.base import Module

Size2 = int | tuple[int, int]
Size3 = int | tuple[int, int, int]


def _tuple(value: int | tuple[int, ...], n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)


class _Convolution(Module):
    """What the layers share: a weight (out_channels, *kernel_size, in_channels / groups), uniform within
    1 / sqrt(inputs of one output), a bias (out_channels) of zeros, and the options of the convolution as
    attributes. ``per_axis`` options hold one value a spatial axis where there is more than one axis."""

    def __init__(
        self,
        dimensions: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        bias: bool,
        per_axis: dict[str, int | tuple[int, ...]],
        **options: int,
    ) -> None:
        super().__init__()
        groups = options.get("groups", 1)
        if in_channels % groups != 0:
            raise ValueError(
                f"expected a number of groups that divides the {in_channels} input channels, got {groups}"
            )
        shape = (out_channels, *_tuple(kernel_size, dimensions), in_channels // groups)
        bound = math.sqrt(1 / math.prod(shape[1:]))
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=shape)
        if bias:
            self.bias = mx.zeros((out_channels,))
        for name, value in per_axis.items():
            setattr(self, name, value if dimensions == 1 else _tuple(value, dimensions))
        for name, value in options.items():
            setattr(self, name, value)

    def _options(self) -> str:
        kernel = self.weight.shape[1:-1]
        parts = [f"kernel_size={kernel[0] if len(kernel) == 1 else kernel}"]
        for name in ("stride", "padding", "dilation", "output_padding", "groups"):
            if hasattr(self, name):
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join([*parts, f"bias={'bias' in self}"])

    def _extra_repr(self) -> str:
        channels = self.weight.shape[-1] * getattr(self, "groups", 1)
        return f"{channels}, {self.weight.shape[0]}, {self._options()}"

    def _add_bias(self, y: mx.array) -> mx.array:
        return y + self.bias if "bias" in self else y


class Conv1d(_Convolution):
    """y = x * W + b, a 1D convolution: x (N, L, in_channels) -> (N, M, out_channels).

    ``weight`` is (out_channels, kernel_size, in_channels / groups).
    M = (L + 2 padding - (kernel_size - 1) dilation - 1) / stride + 1, rounded down.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        per_axis = {"stride": stride, "padding": padding}
        super().__init__(
            1, in_channels, out_channels, kernel_size, bias, per_axis, dilation=dilation, groups=groups
        )

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv1d(x, self.weight, self.stride, self.padding, self.dilation, self.groups)
        return self._add_bias(y)


class Conv2d(_Convolution):
    """y = x * W + b, a 2D convolution: x (N, H, W, in_channels) -> (N, H', W', out_channels).

    ``weight`` is (out_channels, KH, KW, in_channels / groups). Each size is an int or one for H and W; each
    axis changes as in ``Conv1d``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2 = 1,
        padding: Size2 = 0,
        dilation: Size2 = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        per_axis = {"stride": stride, "padding": padding}
        super().__init__(
            2, in_channels, out_channels, kernel_size, bias, per_axis, dilation=dilation, groups=groups
        )

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv2d(x, self.weight, self.stride, self.padding, self.dilation, self.groups)
        return self._add_bias(y)


class Conv3d(_Convolution):
    """y = x * W + b, a 3D convolution: x (N, D, H, W, in_channels) -> (N, D', H', W', out_channels).

    ``weight`` is (out_channels, KD, KH, KW, in_channels). Each size is an int or one for D, H and W; each
    axis changes as in ``Conv1d``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size3,
        stride: Size3 = 1,
        padding: Size3 = 0,
        dilation: Size3 = 1,
        bias: bool = True,
    ) -> None:
        per_axis = {"stride": stride, "padding": padding}
        super().__init__(3, in_channels, out_channels, kernel_size, bias, per_axis, dilation=dilation)

    def __call__(self, x: mx.array) -> mx.array:
        return self._add_bias(mx.conv3d(x, self.weight, self.stride, self.padding, self.dilation))
