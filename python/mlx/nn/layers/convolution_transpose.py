"""Transposed convolutions: the maps that derivatives of convolutions by their input are."""

from __future__ import annotations

import mlx.core as mx
from mlx.nn.layers.convolution import Size2, Size3, _Convolution


class ConvTranspose1d(_Convolution):
    """y = x * W + b, a 1D transposed convolution: x (N, L, in_channels) -> (N, M, out_channels).

    ``weight`` is (out_channels, kernel_size, in_channels).
    M = (L - 1) stride - 2 padding + (kernel_size - 1) dilation + 1 + output_padding.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        output_padding: int = 0,
        bias: bool = True,
    ) -> None:
        per_axis = {"stride": stride, "padding": padding, "output_padding": output_padding}
        super().__init__(1, in_channels, out_channels, kernel_size, bias, per_axis, dilation=dilation)

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv_transpose1d(x, self.weight, self.stride, self.padding, self.dilation, self.output_padding)
        return self._add_bias(y)


class ConvTranspose2d(_Convolution):
    """y = x * W + b, a 2D transposed convolution: x (N, H, W, in_channels) -> (N, H', W', out_channels).

    ``weight`` is (out_channels, KH, KW, in_channels). Each size is an int or one for H and W; each axis
    changes as in ``ConvTranspose1d``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2 = 1,
        padding: Size2 = 0,
        dilation: Size2 = 1,
        output_padding: Size2 = 0,
        bias: bool = True,
    ) -> None:
        per_axis = {"stride": stride, "padding": padding, "output_padding": output_padding}
        super().__init__(2, in_channels, out_channels, kernel_size, bias, per_axis, dilation=dilation)

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv_transpose2d(x, self.weight, self.stride, self.padding, self.dilation, self.output_padding)
        return self._add_bias(y)


class ConvTranspose3d(_Convolution):
    """y = x * W + b, a 3D transposed convolution.

    x (N, D, H, W, in_channels) -> (N, D', H', W', out_channels).

    ``weight`` is (out_channels, KD, KH, KW, in_channels). Each size is an int or one for D, H and W; each
    axis changes as in ``ConvTranspose1d``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size3,
        stride: Size3 = 1,
        padding: Size3 = 0,
        dilation: Size3 = 1,
        output_padding: Size3 = 0,
        bias: bool = True,
    ) -> None:
        per_axis = {"stride": stride, "padding": padding, "output_padding": output_padding}
        super().__init__(3, in_channels, out_channels, kernel_size, bias, per_axis, dilation=dilation)

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv_transpose3d(x, self.weight, self.stride, self.padding, self.dilation, self.output_padding)
        return self._add_bias(y)
