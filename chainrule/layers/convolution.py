"""Convolution: one small kernel of weights, the same everywhere on an image or a sequence.

What the layers compute, and how, stands in convolution_kernels.py: Conv1d and Conv2d go forward by
`correlate` and back by `transposed_convolution`, ConvTranspose2d the other way round.
"""

from __future__ import annotations

import numpy as np

from chainrule.checks import check_seed, check_sizes
from chainrule.errors import ConfigurationError, ShapeError
from chainrule.initializers import Zero, get_initializer
from chainrule.layers.convolution_kernels import (
    correlate,
    is_widening,
    transposed_convolution,
    weight_gradient,
)
from chainrule.layers.memory_format import LEAST_RUN, in_format, is_batch_last
from chainrule.layers.windows import (
    Padding,
    Pair,
    Sizes,
    check_fit,
    check_images,
    from_nchw,
    read_sizes,
    read_window,
    to_nchw,
)
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter

__all__ = ["Conv1d", "Conv2d", "ConvTranspose2d"]


class _Convolution(Module):
    """What Conv1d and Conv2d share: a sequence (N, C, T) is an image (N, C, 1, T)."""

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        initialization: str | Initializer = "kaiming",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        in_channels, out_channels, groups = check_channels(in_channels, out_channels, groups)
        rng = check_seed(seed)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        self.window = read_window(self.axes, kernel_size, stride, padding, dilation)
        shape = (out_channels, in_channels // groups, *self.window.size[2 - self.axes :])
        self.weight = Parameter.from_initializer(shape, get_initializer(initialization), rng)
        self.bias = (
            Parameter.from_initializer((out_channels,), Zero(), rng, decay=False) if bias else None
        )

    def forward(self, x: Array, training: bool = True) -> Array:
        check_images(self, x, self.axes, self.in_channels)
        check_fit(self, self.window, x)
        with_batch_last = is_batch_last(x)
        images = to_nchw(self._as_wanted(x))
        self.save_for_backward(images, with_batch_last, training=training)
        bias = None if self.bias is None else self.bias.value
        weight = to_nchw(self.weight.value)
        y = correlate(images, weight, self.window, self.groups, bias)
        return from_nchw(y, x.ndim)

    def _as_wanted(self, x: Array) -> Array:
        """Return x, with the batch last if it widens to many channels here and is long enough.

        Then few numbers have to be moved, and all layers that follow gain; see memory_format.py.
        """
        groups = self.in_channels // self.groups, self.out_channels // self.groups
        if self.axes == 2 and len(x) >= LEAST_RUN and is_widening(*groups, self.window):
            return in_format(x, with_batch_last=True)
        return x

    def backward(self, dy: Array) -> Array:
        size, with_batch_last = self._backward_parameters(dy)
        weight = to_nchw(self.weight.value)
        dx = transposed_convolution(to_nchw(dy), weight, self.window, size, self.groups)
        return in_format(from_nchw(dx, dy.ndim), with_batch_last)

    def backward_parameters(self, dy: Array) -> None:
        self._backward_parameters(dy)

    def _backward_parameters(self, dy: Array) -> tuple[Pair, bool]:
        """Set the gradients; return the size of the images, and whether the batch lay last."""
        images, with_batch_last = self.saved_values()
        dy = to_nchw(dy)
        dweight = weight_gradient(images, dy, self.window, self.groups)
        self.weight.grad = from_nchw(dweight, self.weight.value.ndim)
        if self.bias is not None:
            self.bias.grad = dy.sum(axis=(0, 2, 3))  # (out_channels,)
        return images.shape[2:], with_batch_last


class Conv2d(_Convolution):
    """Slide kernels over images: y[n, o, p, q] = b[o] + Σ_c,i,j w[o, c, i, j] x[n, c, p', q'].

    The pixel under element (i, j) of the kernel is p' = p s + i d, q' = q s + j d, for stride s
    and dilation d, counted in the padded image. x (N, in_channels, H, W); y (N, out_channels,
    H', W') with H' = floor((H + top + bottom - d (k - 1) - 1) / s) + 1, and W' likewise.

    This is cross-correlation, as in every such library: the kernel is not flipped.
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size, stride, dilation : int or (int, int)
        One number, or (vertical, horizontal).
    padding : int, (int, int), ((int, int), (int, int)) or "same"
        Rows and columns of zeros around the image: the same on all sides, (vertical,
        horizontal), or ((top, bottom), (left, right)). With "same" H' = ceil(H / s), so the
        size is kept at stride 1; where the number of zeros is odd, the extra one goes to the
        bottom and to the right. (PyTorch agrees at stride 1 and refuses larger strides; ONNX
        calls it SAME_UPPER.)
    groups : int
        Channels are divided into so many groups, each with kernels of its own that see nothing
        of the others. With groups = in_channels the convolution is "depthwise".
    bias : bool
        Whether to add b.
    initialization : str or callable
        How w, (out_channels, in_channels / groups, kh, kw), begins; b begins at 0.
    seed : int, optional
        The same seed gives the same weights.
    """


class Conv1d(_Convolution):
    """Slide kernels over sequences: y[n, o, t] = b[o] + Σ_c,i w[o, c, i] x[n, c, t s + i d].

    x (N, in_channels, T); y (N, out_channels, T') with T' = floor((T + left + right - d (k - 1)
    - 1) / s) + 1, for stride s and dilation d. It is a Conv2d on images of height 1, and takes
    the same arguments, for one axis.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size, stride, dilation : int
        How many elements the kernel has, how far it moves from one output to the next, and how
        far its elements are apart.
    padding : int, (int, int) or "same"
        Zeros on both sides, (left, right), or as many as make T' = ceil(T / s), the extra one
        on the right. ((k - 1) d, 0) makes a causal convolution.
    groups : int
        Channels are divided into so many groups that see nothing of each other.
    bias : bool
        Whether to add b.
    initialization : str or callable
        How w, (out_channels, in_channels / groups, k), begins; b begins at 0.
    seed : int, optional
        The same seed gives the same weights.
    """

    axes = 1


class ConvTranspose2d(Module):
    """The transpose of Conv2d: each pixel of x adds a kernel, weighed by it, to y.

    y[n, o, p s + i d, q s + j d] += Σ_c x[n, c, p, q] w[c, o, i, j], for stride s and dilation d,
    then `padding` is cut off the sides and b[o] added. So it makes images larger: x (N,
    in_channels, H, W), y (N, out_channels, H', W') with H' = (H - 1) s - top - bottom + d (k - 1)
    + 1 + output_padding, and W' likewise. What Conv2d does to gradients, this does to images,
    and the other way round.

    Zeiler, Krishnan, Taylor, Fergus, "Deconvolutional Networks", 2010.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size, stride, dilation : int or (int, int)
        One number, or (vertical, horizontal).
    padding : int, (int, int) or ((int, int), (int, int))
        Rows and columns to leave out of y: those with which a Conv2d would have padded it.
    output_padding : int or (int, int)
        Rows and columns to add at the bottom and on the right, less than the stride: several
        sizes of y go with one of x, and this chooses among them.
    groups : int
        Channels are divided into so many groups that see nothing of each other.
    bias : bool
        Whether to add b.
    initialization : str or callable
        How w, (in_channels, out_channels / groups, kh, kw), begins; b begins at 0.
    seed : int, optional
        The same seed gives the same weights.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        stride: Sizes = 1,
        padding: Padding = 0,
        output_padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        initialization: str | Initializer = "kaiming",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        in_channels, out_channels, groups = check_channels(in_channels, out_channels, groups)
        if padding == "same":
            raise ConfigurationError(
                "ConvTranspose2d has no padding='same'; give numbers, and choose the size of the "
                "output with output_padding."
            )
        rng = check_seed(seed)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.output_padding = output_padding
        self.dilation = dilation
        self.groups = groups
        self.window = read_window(2, kernel_size, stride, padding, dilation)
        self.extra = read_sizes("output_padding", output_padding, 2, least=0)
        if any(e >= s for e, s in zip(self.extra, self.window.stride, strict=True)):
            raise ConfigurationError(
                f"output_padding must be less than the stride, got output_padding="
                f"{output_padding!r} with stride={stride!r}."
            )
        shape = (in_channels, out_channels // groups, *self.window.size)
        self.weight = Parameter.from_initializer(shape, get_initializer(initialization), rng)
        self.bias = (
            Parameter.from_initializer((out_channels,), Zero(), rng, decay=False) if bias else None
        )

    def forward(self, x: Array, training: bool = True) -> Array:
        check_images(self, x, 2, self.in_channels)
        size = self._output_size(x)
        self.save_for_backward(x, training=training)
        bias = None if self.bias is None else self.bias.value
        return transposed_convolution(x, self.weight.value, self.window, size, self.groups, bias)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        self.weight.grad = weight_gradient(dy, x, self.window, self.groups)
        if self.bias is not None:
            self.bias.grad = dy.sum(axis=(0, 2, 3))  # (out_channels,)
        return correlate(dy, self.weight.value, self.window, self.groups)

    def _output_size(self, x: Array) -> Pair:
        """Return (H', W'), or raise ShapeError if the padding cuts all of it off."""
        stride, effective_size = self.window.stride, self.window.effective_size
        padding = self.window.pad_width(x.shape[2:])
        height, width = (
            (x.shape[2 + axis] - 1) * stride[axis]
            - sum(padding[axis])
            + effective_size[axis]
            + self.extra[axis]
            for axis in (0, 1)
        )
        if min(height, width) < 1:
            raise ShapeError(
                f"expected an input of which padding={self.padding!r} leaves something: for one "
                f"of shape {x.shape} the output would be {height} × {width}.",
                self,
            )
        return height, width


def check_channels(in_channels: int, out_channels: int, groups: int) -> tuple[int, ...]:
    """Return all three as ints; refuse channels that cannot be divided into groups."""
    sizes = check_sizes(in_channels=in_channels, out_channels=out_channels, groups=groups)
    if in_channels % groups or out_channels % groups:
        raise ConfigurationError(
            f"groups must divide in_channels and out_channels: {in_channels} and {out_channels} "
            f"channels do not make {groups} equal groups."
        )
    return sizes
