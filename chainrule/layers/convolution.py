"""Convolution: one small kernel of weights, applied at every position of an image or a sequence.

The mathematics is in convolution_kernels.py. Conv1d and Conv2d go forward by `correlate` and
backward by `transposed_convolution`; their transposes do the opposite.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chainrule.checks import check_choice, check_seed, check_sizes
from chainrule.errors import ConfigurationError
from chainrule.initializers import get_initializer
from chainrule.layers.convolution_kernels import (
    correlate,
    transposed_convolution,
    weight_gradient,
)
from chainrule.layers.linear import new_bias
from chainrule.layers.memory_format import LEAST_RUN, in_format
from chainrule.layers.padding import SOURCES, Widths, check_room, pad, pad_backward
from chainrule.layers.shape_checks import check_shape
from chainrule.layers.sums import sum_of_channels
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

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]


class Kernels(Module):
    """Base class of the convolutions: their options, weight and bias.

    A sequence (N, C, T) is treated as an image of height 1, (N, C, 1, T).
    """

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        *,
        padding: Padding = 0,
        padding_mode: str = "zeros",
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        initialization: str | Initializer = "kaiming",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        sizes = check_sizes(in_channels=in_channels, out_channels=out_channels, groups=groups)
        self.in_channels, self.out_channels, self.groups = sizes
        if in_channels % groups or out_channels % groups:
            raise ConfigurationError(
                f"groups must divide in_channels and out_channels: {in_channels} and "
                f"{out_channels} channels do not make {groups} equal groups."
            )
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        check_choice("padding_mode", padding_mode, {"zeros": None, **SOURCES})
        self.padding_mode = padding_mode
        self.window = read_window(self.axes, kernel_size, stride, padding, dilation)
        # over images that are padded already, unless it is by zeros, which need not be stored
        zeros = padding_mode == "zeros"
        self.sliding = self.window if zeros else replace(self.window, padding=((0, 0), (0, 0)))
        rng, draw = check_seed(seed), get_initializer(initialization)
        shape = (*self.weight_channels(), *self.window.size[2 - self.axes :])
        self.weight = Parameter.from_initializer(shape, draw, rng)
        self.bias = new_bias((self.out_channels,), bias)

    def weight_channels(self) -> Pair:
        """Return the first two sizes of the weight."""
        return self.out_channels, self.in_channels // self.groups

    def bias_value(self) -> Array | float:
        """Return the bias, or 0 without one."""
        return 0.0 if self.bias is None else self.bias.value

    def set_gradients(self, x: Array, dy: Array, bias_from: Array) -> None:
        """Set the gradients of the weight and of the bias.

        x (N, C, H, W) and dy (N, O, H', W') are the input and the output's gradient of
        `correlate`; `bias_from` is the gradient at what the bias was added to.
        """
        dweight = weight_gradient(x, dy, self.sliding, self.groups)
        self.weight.grad = from_nchw(dweight, self.weight.value.ndim)
        if self.bias is not None:
            self.bias.grad = sum_of_channels(bias_from)  # (out_channels,)


class Convolution(Kernels):
    """The two passes of Conv1d and Conv2d."""

    def forward(self, x: Array, training: bool = True) -> Array:
        check_images(self, x, self.axes, self.in_channels)
        check_fit(self, self.window, x)
        images = to_nchw(self.in_wanted_format(x))
        widths = self.window.pad_width(images.shape[2:])
        if self.padding_mode != "zeros":
            check_room(self, x, widths, self.padding_mode)
            images = pad(images, widths, self.padding_mode)
        self.save_for_backward(images, widths, training=training)
        weight = to_nchw(self.weight.value)
        y = correlate(images, weight, self.sliding, self.groups, self.bias_value())
        return from_nchw(y, x.ndim)

    def in_wanted_format(self, x: Array) -> Array:
        """Return x, with the batch last if that costs little and the following layers gain.

        It costs little in a convolution from a few channels to many; see memory_format.py.
        """
        few = self.in_channels * self.window.size[1] <= self.out_channels
        return in_format(x, True) if x.ndim == 4 and few and len(x) >= LEAST_RUN else x

    def backward(self, dy: Array) -> Array:
        size, widths = self._backward_parameters(dy)
        weight = to_nchw(self.weight.value)
        dx = transposed_convolution(to_nchw(dy), weight, self.sliding, size, self.groups)
        if self.padding_mode != "zeros":
            dx = pad_backward(dx, widths, self.padding_mode)
        return from_nchw(dx, dy.ndim)

    def backward_parameters(self, dy: Array) -> None:
        self._backward_parameters(dy)

    def _backward_parameters(self, dy: Array) -> tuple[Pair, Widths]:
        """Set the gradients; return the size of the images, and their padding."""
        images, widths = self.saved_values()
        dy = to_nchw(dy)
        self.set_gradients(images, dy, dy)
        return images.shape[2:], widths


class Conv2d(Convolution):
    """Slide kernels over images: y[n, o, p, q] = b[o] + Σ_c,i,j w[o, c, i, j] x[n, c, p', q'].

    The pixel under element (i, j) of the kernel is p' = p s + i d, q' = q s + j d in the padded
    image, for stride s and dilation d. x (N, in_channels, H, W); y (N, out_channels, H', W') with
    H' = floor((H + top + bottom - d (k - 1) - 1) / s) + 1, and W' likewise.

    Backward: dw[o, c, i, j] = Σ_n,p,q dy[n, o, p, q] x[n, c, p', q'], db[o] = Σ_n,p,q of dy[n, o],
    and dx[n, c, p', q'] is the sum of w[o, c, i, j] dy[n, o, p, q] over all o, p, q, i, j with that
    p' and q'.

    This is cross-correlation, as in every deep learning library: the kernel is not flipped.
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size, stride, dilation : int or (int, int)
        One number, or (vertical, horizontal).
    padding : int, (int, int), ((int, int), (int, int)) or "same"
        Rows and columns of zeros around the image: the same on all sides, (vertical,
        horizontal), or ((top, bottom), (left, right)). With "same", H' = ceil(H / s), so stride 1
        keeps the size; if the number of zeros is odd, the extra one goes to the bottom and to the
        right. (PyTorch agrees at stride 1 and refuses larger strides; ONNX calls it SAME_UPPER.)
    padding_mode : str
        ``"zeros"``, or what stands in their place: ``"reflect"``, the image mirrored at its
        outermost pixels; ``"replicate"``, these pixels again and again; ``"circular"``, the image
        from its other side, as on a torus. dx collects the gradients of all copies of a pixel.
    groups : int
        The channels are divided into this many groups, each with its own kernels, which see only
        the channels of their group. groups = in_channels is a "depthwise" convolution.
    bias : bool
        Whether to add b.
    initialization : str or callable
        The initial w, (out_channels, in_channels / groups, kh, kw); see `chainrule.initializers`.
        b starts at 0.
    seed : int, optional
        The same seed gives the same weights.

    Raises
    ------
    ConfigurationError
        An option makes no sense, or `groups` does not divide the channels.
    ShapeError
        In forward: x is not (N, in_channels, H, W), smaller than the kernel, or too small to be
        mirrored or wrapped around.

    Examples
    --------
    >>> Conv2d(3, 8, 5, stride=2, padding="same")(np.zeros((1, 3, 32, 32))).shape
    (1, 8, 16, 16)
    """


class Conv1d(Convolution):
    """Slide kernels over sequences: y[n, o, t] = b[o] + Σ_c,i w[o, c, i] x[n, c, t s + i d].

    x (N, in_channels, T); y (N, out_channels, T') with T' = floor((T + left + right - d (k - 1)
    - 1) / s) + 1, for stride s and dilation d. It is a Conv2d on images of height 1, with the same
    gradients.

    Backward: dw[o, c, i] = Σ_n,t dy[n, o, t] x[n, c, t s + i d], db[o] = Σ_n,t dy[n, o, t], and
    dx[n, c, t s + i d] collects w[o, c, i] dy[n, o, t].

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size, stride, dilation : int
        How many elements the kernel has, how far it moves from one output to the next, and how
        far apart its elements are.
    padding : int, (int, int) or "same"
        Zeros on both sides, (left, right), or as many as make T' = ceil(T / s), the extra one
        on the right. ((k - 1) d, 0) makes a causal convolution.
    padding_mode : str
        ``"zeros"``, or what stands in their place: ``"reflect"``, the sequence mirrored at its
        ends; ``"replicate"``, its first and last numbers again and again; ``"circular"``, the
        sequence from its other end.
    groups : int
        The channels are divided into this many groups that do not see each other.
    bias : bool
        Whether to add b.
    initialization : str or callable
        The initial w, (out_channels, in_channels / groups, k); see `chainrule.initializers`. b
        starts at 0.
    seed : int, optional
        The same seed gives the same weights.

    Raises
    ------
    ConfigurationError
        An option makes no sense, or `groups` does not divide the channels.
    ShapeError
        In forward: x is not (N, in_channels, T), shorter than the kernel, or too short to be
        mirrored or wrapped around.

    Examples
    --------
    >>> Conv1d(2, 4, 3, padding=1)(np.zeros((1, 2, 10))).shape
    (1, 4, 10)
    """

    axes = 1


class ConvTranspose2d(Kernels):
    """The transpose of Conv2d: y[n, o, p s + i d, q s + j d] += Σ_c x[n, c, p, q] w[c, o, i, j].

    Each pixel of x adds a kernel, multiplied by that pixel, to y, for stride s and dilation d; then
    `padding` is cut off the sides and b[o] added. So images become larger: x (N, in_channels, H,
    W), y (N, out_channels, H', W') with H' = (H - 1) s - top - bottom + d (k - 1) + 1 +
    output_padding, and W' likewise.

    Backward: dx is the convolution (`Conv2d`) of dy with w; dw[c, o, i, j] =
    Σ_n,p,q x[n, c, p, q] dy[n, o, p s + i d, q s + j d], and db[o] = Σ_n,p,q dy[n, o, p, q].
    Zeiler, Krishnan, Taylor, Fergus, "Deconvolutional Networks", 2010.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size, stride, dilation : int or (int, int)
        One number, or (vertical, horizontal).
    padding : int, (int, int) or ((int, int), (int, int))
        Rows and columns to cut off y: those with which a Conv2d would have padded it.
    output_padding : int or (int, int)
        Rows and columns to add at the bottom and on the right, less than the stride: with a stride,
        several sizes of y belong to one of x, and this chooses among them.
    groups : int
        The channels are divided into this many groups that do not see each other.
    bias : bool
        Whether to add b.
    initialization : str or callable
        The initial w, (in_channels, out_channels / groups, kh, kw); see `chainrule.initializers`.
        b starts at 0.
    seed : int, optional
        The same seed gives the same weights.

    Raises
    ------
    ConfigurationError
        An option makes no sense, or `groups` does not divide the channels.
    ShapeError
        In forward: x is not (N, in_channels, H, W), or the padding leaves nothing of y.

    Examples
    --------
    >>> ConvTranspose2d(8, 3, 4, stride=2, padding=1)(np.zeros((1, 8, 16, 16))).shape
    (1, 3, 32, 32)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        *,
        padding: Padding = 0,
        output_padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        initialization: str | Initializer = "kaiming",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if isinstance(padding, str) and padding == "same":
            raise ConfigurationError(
                f"{type(self).__name__} has no padding='same'; give numbers, and choose the size "
                "of the output with output_padding."
            )
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            initialization=initialization,
            seed=seed,
        )
        self.output_padding = output_padding
        extra = read_sizes("output_padding", output_padding, self.axes, least=0)
        self.extra = (*[0] * (2 - self.axes), *extra)
        if any(e >= s for e, s in zip(self.extra, self.window.stride, strict=True)):
            raise ConfigurationError(
                f"output_padding must be less than the stride, got output_padding="
                f"{output_padding!r} with stride={stride!r}."
            )

    def weight_channels(self) -> Pair:
        return self.in_channels, self.out_channels // self.groups

    def forward(self, x: Array, training: bool = True) -> Array:
        check_images(self, x, self.axes, self.in_channels)
        images = to_nchw(x)
        size = self._output_size(x, images.shape[2:])
        self.save_for_backward(images, training=training)
        weight, bias = to_nchw(self.weight.value), self.bias_value()
        y = transposed_convolution(images, weight, self.window, size, self.groups, bias)
        return from_nchw(y, x.ndim)

    def backward(self, dy: Array) -> Array:
        (images,) = self.saved_values()
        dimages, weight = to_nchw(dy), to_nchw(self.weight.value)
        self.set_gradients(dimages, images, bias_from=dimages)
        return from_nchw(correlate(dimages, weight, self.window, self.groups), dy.ndim)

    def _output_size(self, x: Array, image: Pair) -> Pair:
        """Return (H', W'), or raise ShapeError if the padding cuts all of it off."""
        parts = (image, self.window.stride, self.window.effective_size, self.extra)
        padding = self.window.pad_width(image)
        size = tuple(
            (length - 1) * stride + extent + extra - sum(cut)
            for length, stride, extent, extra, cut in zip(*parts, padding, strict=True)
        )
        check_shape(
            self,
            x,
            min(size) > 0,
            f"an input of which padding={self.padding!r} leaves something",
            f" The output would be {' × '.join(map(str, size[2 - self.axes :]))}.",
        )
        height, width = size
        return height, width


class ConvTranspose1d(ConvTranspose2d):
    """The transpose of Conv1d: y[n, o, t s + i d] += Σ_c x[n, c, t] w[c, o, i].

    Each number of x adds a kernel, multiplied by that number, to y, for stride s and dilation d;
    then `padding` is cut off both ends and b[o] added. So sequences become longer: x (N,
    in_channels, T), y (N, out_channels, T') with T' = (T - 1) s - left - right + d (k - 1) + 1 +
    output_padding. It is a ConvTranspose2d on images of height 1.

    Backward: dx is the convolution (`Conv1d`) of dy with w; dw[c, o, i] =
    Σ_n,t x[n, c, t] dy[n, o, t s + i d], and db[o] = Σ_n,t dy[n, o, t].

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of x and of y.
    kernel_size, stride, dilation : int
        How many elements the kernel has, how far apart the kernels of neighbouring numbers lie, and
        how far apart its elements are.
    padding : int or (int, int)
        How much to cut off y: that with which a Conv1d would have padded it.
    output_padding : int
        How much longer y is made on the right, less than the stride: with a stride, several lengths
        of y belong to one of x, and this chooses among them.
    groups : int
        The channels are divided into this many groups that do not see each other.
    bias : bool
        Whether to add b.
    initialization : str or callable
        The initial w, (in_channels, out_channels / groups, k); see `chainrule.initializers`. b
        starts at 0.
    seed : int, optional
        The same seed gives the same weights.

    Raises
    ------
    ConfigurationError
        An option makes no sense, or `groups` does not divide the channels.
    ShapeError
        In forward: x is not (N, in_channels, T), or the padding leaves nothing of y.

    Examples
    --------
    >>> ConvTranspose1d(8, 3, 4, stride=2, padding=1)(np.zeros((1, 8, 16))).shape
    (1, 3, 32)
    """

    axes = 1
