"""Convolution: one small kernel of weights, the same at every place of an image or a sequence.

The work is done by three functions. Each is linear in both its arguments, and they are each
other's gradients:

    correlate(x, weight) -> y             what a convolution does
    transposed_convolution(dy, weight) -> dx              its transpose, the gradient at x
    weight_gradient(x, dy) -> dweight     the gradient at the weight

Conv1d and Conv2d go forward by `correlate` and back by `transposed_convolution`, ConvTranspose2d
the other way round. Each is a sum over the kernel's rows i of one large matrix product:

    y's rows p = Σ_i  weight[:, :, i] (O, C·kw)  @  x's rows p s + i d, each pixel with its kw - 1
                                                    neighbours to the right (C·kw, places)

The neighbours are copied, kw times the image ("im2col": Chellapilla, Puri, Simard, "High
Performance Convolutional Neural Networks for Document Processing", 2006), but only those within a
row: rows lie one after the other in memory, so that another row i is a view of the same copy.
Against copies of all kh · kw neighbours, a single product, and kh · kw additions on the way back,
forward and backward took 0.9 of the time for 32→64 channels and 3 × 3 on 26 × 26, and 0.8 for
64→64 and 3 × 3 or 16→32 and 5 × 5, both on 14 × 14; but 1.3 from a single channel on 28 × 28.

The copies are made for a few images at a time, or a few rows of a large one, in about `SCRATCH`
bytes, whatever the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from chainrule.checks import check_seed, check_sizes
from chainrule.errors import ConfigurationError, ShapeError
from chainrule.initializers import Zero, get_initializer
from chainrule.layers.windows import (
    Padding,
    Pair,
    Sizes,
    Window,
    as_images,
    check_fit,
    check_images,
    inside,
    like,
    read_sizes,
    read_window,
)
from chainrule.module import Module
from chainrule.parameter import Array, Initializer, Parameter

__all__ = ["Conv1d", "Conv2d", "ConvTranspose2d"]

SCRATCH = 2 * 2**20
"""Bytes of copied pixels and products at a time: about what a core keeps in its own cache."""


# ---------------------------------------------------------------- layers


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
        self.save_for_backward(x, training=training)
        bias = None if self.bias is None else self.bias.value
        weight = as_images(self.weight.value)
        return like(x, correlate(as_images(x), weight, self.window, self.groups, bias))

    def backward(self, dy: Array) -> Array:
        x = self._backward_parameters(dy)
        weight, size = as_images(self.weight.value), as_images(x).shape[2:]
        return like(
            x, transposed_convolution(as_images(dy), weight, self.window, size, self.groups)
        )

    def backward_parameters(self, dy: Array) -> None:
        self._backward_parameters(dy)

    def _backward_parameters(self, dy: Array) -> Array:
        """Set the gradients, and return the input that was saved."""
        (x,) = self.saved_values()
        images, dy = as_images(x), as_images(dy)
        dweight = weight_gradient(images, dy, self.window, self.groups)
        self.weight.grad = like(self.weight.value, dweight)
        if self.bias is not None:
            self.bias.grad = dy.sum(axis=(0, 2, 3))  # (out_channels,)
        return x


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
        How many elements, how far from stop to stop, how far from element to element.
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
        window = self.window
        sides = window.sides(x.shape[2:])
        height, width = (
            (length - 1) * stride - sum(cut) + reach + extra
            for length, stride, cut, reach, extra in zip(
                x.shape[2:], window.stride, sides, window.effective_size, self.extra, strict=True
            )
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


# ---------------------------------------------------------------- the mathematics


def correlate(
    x: Array, weight: Array, window: Window, groups: int = 1, bias: Array | None = None
) -> Array:
    """y[n, o, p, q] = bias[o] + Σ_c,i,j weight[o, c, i, j] · x[n, c, p s + i d, q s + j d].

    x (N, C, H, W), padded with zeros; weight (O, C / groups, kh, kw); y (N, O, rows, columns).
    The outputs of a group see the channels of that group alone.
    """
    outputs, channels, kh, kw = weight.shape
    kernels = weight.transpose(2, 0, 1, 3).reshape(kh, groups, outputs // groups, channels * kw)
    y = np.empty((len(x), outputs, *window.output_size(x.shape[2:])), x.dtype)
    scratch = Scratch(x.dtype)
    for images, rows, patches in patch_blocks(x, outputs, window, groups):
        sums = add_products(kernels, patches, scratch)
        put(y[images, :, rows], sums, bias)
    return y


def weight_gradient(x: Array, dy: Array, window: Window, groups: int = 1) -> Array:
    """dweight[o, c, i, j] = Σ_n,p,q dy[n, o, p, q] · x[n, c, p s + i d, q s + j d].

    x (N, C, H, W); dy (N, O, rows, columns); dweight (O, C / groups, kh, kw).
    """
    outputs, channels, (kh, kw) = dy.shape[1], x.shape[1] // groups, window.size
    total = np.zeros((kh, groups, channels * kw, outputs // groups), x.dtype)
    scratch = Scratch(x.dtype)
    for images, rows, patches in patch_blocks(x, outputs, window, groups):
        block = dy[images, :, rows].transpose(1, 2, 0, 3)
        copy = scratch.array("dy", *block.shape)  # (O, rows, n, columns)
        copy[...] = block
        copy = copy.reshape(groups, outputs // groups, -1)
        for i in range(kh):
            total[i] += patches[i] @ copy.transpose(0, 2, 1)
    total = total.reshape(kh, groups, channels, kw, outputs // groups)
    return total.transpose(1, 4, 2, 0, 3).reshape(outputs, channels, kh, kw)


def transposed_convolution(
    dy: Array,
    weight: Array,
    window: Window,
    image: Pair,
    groups: int = 1,
    bias: Array | None = None,
) -> Array:
    """dx[n, c, p s + i d, q s + j d] = bias[c] + the sum of weight[o, c, i, j] · dy[n, o, p, q].

    The sum is over all o, p, q, i, j that arrive at the same pixel. dy (N, O, rows, columns);
    weight (O, C / groups, kh, kw); dx (N, C, H, W), with (H, W) = `image`. What arrives at the
    padding is dropped.

    Rows are gathered: a row of dx is the sum over the kernel's rows i of a product with the row
    of dy that arrives there by way of i. At a stride of s, every s-th row of dx meets the same
    kernel rows. Columns are spread: the product holds what each j adds, j d places apart.
    """
    outputs, channels, kh, kw = weight.shape
    stride, dilation, top = window.stride[0], window.dilation[0], window.sides(image)[0][0]
    kernels = weight.reshape(groups, outputs // groups, channels, kh, kw).transpose(3, 0, 2, 4, 1)
    kernels = kernels.reshape(kh, groups, channels * kw, outputs // groups)
    dx = np.empty((len(dy), groups * channels, *image), dy.dtype)
    row_bytes = (outputs + 2 * groups * channels * kw) * dy.shape[3] * dy.itemsize
    scratch = Scratch(dy.dtype)
    for phase in range(min(stride, image[0])):
        elements = [i for i in range(kh) if (phase + top - i * dilation) % stride == 0]
        arriving = [(phase + top - i * dilation) // stride for i in elements]  # rows of dy
        for images, rows in blocks(len(dy), len(range(phase, image[0], stride)), row_bytes):
            block = dx[images, :, phase::stride][:, :, rows]  # (n, C, rows, W)
            if not elements:  # a kernel shorter than the stride leaves rows out
                block[...] = 0 if bias is None else bias[:, np.newaxis, np.newaxis]
                continue
            first = [row + rows.start for row in arriving]
            views = row_views(dy[images], first, block.shape[2], groups, scratch)
            parts = add_products(kernels[elements], views, scratch)
            put(block, add_columns(parts, window, block, dy.shape[3], scratch), bias)
    return dx


def add_products(kernels: Array, views: Sequence[Array], scratch: Scratch) -> Array:
    """Return Σ_i kernels[i] @ views[i], (groups, a, b) times (groups, b, places)."""
    shape = *kernels.shape[1:3], views[0].shape[2]
    total, product = scratch.array("total", *shape), scratch.array("product", *shape)
    # b = 1 (depthwise, backwards): a product of numbers, for which np.matmul took 4 times as long
    multiply = np.multiply if kernels.shape[3] == 1 else np.matmul
    for i, view in enumerate(views):
        multiply(kernels[i], view, out=product if i else total)
        if i:
            total += product
    return total


def put(target: Array, sums: Array, bias: Array | None) -> None:
    """Write sums, (C, rows, n, columns) in this order, into target (n, C, rows, columns)."""
    count, channels, rows, columns = target.shape
    sums = sums.reshape(channels, rows, count, columns).transpose(2, 0, 1, 3)
    if bias is None:
        target[...] = sums
    else:
        np.add(sums, bias[:, np.newaxis, np.newaxis], out=target)


# ---------------------------------------------------------------- block by block


class Scratch:
    """Memory that the blocks of one call use one after the other; it belongs to that call alone."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = dtype
        self.memory: dict[str, Array] = {}

    def array(self, name: str, *shape: int) -> Array:
        """Return an array of this shape over the memory of this name, whatever it holds."""
        size = math.prod(shape)
        if name not in self.memory or self.memory[name].size < size:
            self.memory[name] = np.empty(size, self.dtype)
        return self.memory[name][:size].reshape(shape)


def blocks(count: int, rows: int, row_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Cut a batch into (images, rows): several whole images, or some rows of a large one."""
    images = max(SCRATCH // (row_bytes * rows), 1)
    height = rows if images > 1 else max(SCRATCH // row_bytes, 1)
    for first in range(0, count, images):
        for top in range(0, rows, height):
            yield slice(first, min(first + images, count)), slice(top, min(top + height, rows))


def patch_blocks(
    x: Array, outputs: int, window: Window, groups: int
) -> Iterator[tuple[slice, slice, list[Array]]]:
    """Yield (images, rows, patches) until every stop of the window has been seen once.

    patches[i], (groups, C / groups · kw, rows · n · columns), holds what lies under row i of
    the kernel at each stop in these rows of the output. The next block overwrites it.
    """
    count, channels = x.shape[:2]
    image = x.shape[2], x.shape[3]
    (kh, kw), (sh, sw), (dh, dw) = window.size, window.stride, window.dilation
    (top, _), (left, right) = window.sides(image)
    stops, columns = window.output_size(image)
    phases = sorted({i * dh % sh for i in range(kh)})  # a kernel row steps over the rows between
    row_bytes = (channels * kw * len(phases) + 2 * outputs) * columns * x.itemsize
    scratch = Scratch(x.dtype)
    for images, rows in blocks(count, stops, row_bytes):
        n, m = images.stop - images.start, rows.stop - rows.start
        steps = m + (kh - 1) * dh // sh  # rows of each phase that are seen
        padded = scratch.array("padded", channels, steps * sh, n, left + image[1] + right)
        padded[...] = 0
        to, there = inside(rows.start * sh - top, 1, steps * sh, image[0])
        padded[:, to, :, left : left + image[1]] = x[images, :, there].transpose(1, 2, 0, 3)
        pixels = scratch.array("patches", channels, kw, len(phases), steps, n, columns)
        for j in range(kw):
            under = padded[..., j * dw : j * dw + (columns - 1) * sw + 1 : sw]
            for place, phase in enumerate(phases):
                pixels[:, j, place] = under[:, phase::sh]
        seen = [(phases.index(i * dh % sh), i * dh // sh) for i in range(kh)]
        yield (
            images,
            rows,
            [
                pixels[:, :, place, first : first + m].reshape(groups, channels // groups * kw, -1)
                for place, first in seen
            ],
        )


def row_views(
    dy: Array, first: Sequence[int], rows: int, groups: int, scratch: Scratch
) -> list[Array]:
    """Return views of dy (n, O, rows of dy, columns): the `rows` rows from each first one on.

    Each is (groups, O / groups, rows · n · columns), zero where dy has no such row.
    """
    count, outputs, length, columns = dy.shape
    lowest, height = min(first), max(first) - min(first) + rows
    padded = scratch.array("dy", outputs, height, count, columns)
    to, there = inside(lowest, 1, height, length)
    padded[:, : to.start] = 0
    padded[:, to] = dy[:, :, there].transpose(1, 2, 0, 3)
    padded[:, to.stop :] = 0
    starts = [row - lowest for row in first]
    return [padded[:, s : s + rows].reshape(groups, outputs // groups, -1) for s in starts]


def add_columns(parts: Array, window: Window, dx: Array, columns: int, scratch: Scratch) -> Array:
    """Add up the parts of all kernel columns j, j d places apart and s from stop to stop.

    parts holds (C, kw, rows, n, columns) in this order; the sums are (C, rows, n, W), for dx
    (n, C, rows, W).
    """
    count, channels, rows, width = dx.shape
    kw, stride, dilation = window.size[1], window.stride[1], window.dilation[1]
    parts = parts.reshape(channels, kw, rows, count, columns)
    left = window.sides((rows, width))[1][0]
    sums = scratch.array("sums", channels, rows, count, width)
    sums[...] = 0
    for j in range(kw):
        stops, places = inside(j * dilation - left, stride, columns, width)
        sums[..., places] += parts[:, j, ..., stops]
    return sums
