"""Pooling: one number for each window of a channel, the largest or the mean.

The loops run over the kernel's elements, never over pixels: the pixels under one element, for all
outputs, are one strided view. Windows that overlap slide along one axis after the other, first
horizontally, then vertically, which are kh + kw elements instead of kh · kw: the maximum of the
rows' maxima is the maximum of all, and a sum of sums is the sum. Windows that don't overlap would
gain nothing by that: with both axes at once 2 × 2 on 26 × 26 and 11 × 11 took 0.8 of the time.
Padding is never made: where an element lies on it, it is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.layers.memory_format import contiguous, in_format, is_batch_last
from chainrule.layers.windows import (
    Padding,
    Pair,
    Sizes,
    Window,
    check_fit,
    check_images,
    from_nchw,
    read_window,
    to_nchw,
)
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "MaxPool1d",
    "MaxPool2d",
]

VERTICAL, HORIZONTAL = 0, 1  # the axes of an image as a Window counts them
Axes = tuple[int, ...]


# ---------------------------------------------------------------- the largest


class MaxPool2d(Module):
    """y[n, c, p, q] = the largest x[n, c, p s + i d, q s + j d] over the kernel's (i, j).

    x (N, C, H, W); y (N, C, H', W'). Padding counts as -∞: it is never the largest, also where all
    of x is negative. The gradient goes to the largest pixel; where several are equal, to the first
    of them, row by row.

    Parameters
    ----------
    kernel_size : int or (int, int)
        The window's size.
    stride : int or (int, int), optional
        How far it moves; by default its own size, so that windows don't overlap.
    padding : int, (int, int), ((top, bottom), (left, right)) or "same"
        Rows and columns of padding around the image.
    dilation : int or (int, int)
        The distance of the kernel's elements.
    """

    axes = 2

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        *,
        padding: Padding = 0,
        dilation: Sizes = 1,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        steps = kernel_size if stride is None else stride
        self.window = read_window(self.axes, kernel_size, steps, padding, dilation)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_images(self, x, self.axes)
        check_fit(self, self.window, x)
        check_padding(self, self.window, x)
        images, taken = to_nchw(x), []  # (N, C, H, W)
        for axes in passes(self.window):
            shape = images.shape
            images, argmax = max_along(images, self.window, axes, training)
            taken.append((axes, shape, argmax))
        self.save_for_backward(taken, training=training)
        return from_nchw(images, x.ndim)

    def backward(self, dy: Array) -> Array:
        (taken,) = self.saved_values()
        images = to_nchw(dy)
        for axes, shape, argmax in reversed(taken):
            images = max_along_backward(images, argmax, self.window, axes, shape)
        return from_nchw(images, dy.ndim)


class MaxPool1d(MaxPool2d):
    """y[n, c, p] = the largest x[n, c, p s + i d] over the kernel's i; see `MaxPool2d`.

    x (N, C, T); y (N, C, T'). Padding is a number, or (left, right).
    """

    axes = 1


def max_along(x: Array, window: Window, axes: Axes, training: bool) -> tuple[Array, Array | None]:
    """Return the maximum of each window along some axes, and in training its argmax.

    The argmax counts the kernel's elements, row by row; among equals it is the first. Horizontally
    first and then vertically, this is the first row by row, too.
    """
    y = np.full_like(x, -np.inf, shape=out_shape(x.shape, window, axes))
    count = math.prod(window.size[axis] for axis in axes)
    number = np.min_scalar_type(count - 1).type  # bytes, up to 256 elements
    argmax = np.zeros_like(y, number) if training else None
    for element, (outputs, inputs) in enumerate(elements(x.shape, window, axes)):
        maximum, values = y[outputs], x[inputs]
        if element == 0:
            maximum[...] = values
            continue
        if argmax is not None:
            index = argmax[outputs]
            larger = (values > maximum).astype(number)
            larger *= number(element)
            np.maximum(index, larger, out=index)
        np.maximum(maximum, values, out=maximum)
    return y, argmax


def max_along_backward(
    dy: Array, argmax: Array, window: Window, axes: Axes, shape: tuple[int, ...]
) -> Array:
    """Return dx, of this shape: each window's gradient at its maximum."""
    dx = np.zeros_like(dy, shape=shape)
    for element, (outputs, inputs) in enumerate(elements(shape, window, axes)):
        is_max = argmax[outputs] == element
        if overlaps(window, axes):
            dx[inputs] += dy[outputs] * is_max
        else:
            np.multiply(dy[outputs], is_max, out=dx[inputs])
    return dx


# ---------------------------------------------------------------- the mean


class AvgPool2d(Module):
    """y[n, c, p, q] = the mean of x[n, c, p s + i, q s + j] over the kernel's (i, j).

    x (N, C, H, W); y (N, C, H', W'). Every pixel of a window gets the same share of its
    gradient.

    Parameters
    ----------
    kernel_size : int or (int, int)
        The window's size.
    stride : int or (int, int), optional
        How far it moves; by default its own size.
    padding : int, (int, int), ((top, bottom), (left, right)) or "same"
        Rows and columns of zeros around the image.
    count_include_pad : bool
        Whether the mean counts the padding's zeros, or the image's pixels alone.
    """

    axes = 2

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        *,
        padding: Padding = 0,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.count_include_pad = count_include_pad
        steps = kernel_size if stride is None else stride
        self.window = read_window(self.axes, kernel_size, steps, padding, 1)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_images(self, x, self.axes)
        check_fit(self, self.window, x)
        if not self.count_include_pad:
            check_padding(self, self.window, x)
        images = to_nchw(x)  # (N, C, H, W)
        counts = self._counts(images.shape[2:], x.dtype)
        summed = []
        for axes in passes(self.window):
            summed.append((axes, images.shape))
            images = sum_along(images, self.window, axes)
        self.save_for_backward(summed, counts, training=training)
        return from_nchw(images / counts, x.ndim)

    def backward(self, dy: Array) -> Array:
        summed, counts = self.saved_values()
        images = to_nchw(dy) / counts
        for axes, shape in reversed(summed):
            images = sum_along_backward(images, self.window, axes, shape)
        return from_nchw(images, dy.ndim)

    def _counts(self, image: Pair, dtype: np.dtype) -> Array:
        """Return how many values each window's mean is over, (H', W') or a single one."""
        if self.count_include_pad:
            return np.asarray(math.prod(self.window.size), dtype)
        rows, columns = (elements_on_image(self.window, image, axis) for axis in (0, 1))
        return np.outer(rows, columns).astype(dtype)


class AvgPool1d(AvgPool2d):
    """y[n, c, p] = the mean of x[n, c, p s + i] over the kernel's i; see `AvgPool2d`.

    x (N, C, T); y (N, C, T'). Padding is a number, or (left, right).
    """

    axes = 1


def sum_along(x: Array, window: Window, axes: Axes) -> Array:
    """Return the sum over each window along some axes."""
    y = np.zeros_like(x, shape=out_shape(x.shape, window, axes))
    for outputs, inputs in elements(x.shape, window, axes):
        y[outputs] += x[inputs]
    return y


def sum_along_backward(dy: Array, window: Window, axes: Axes, shape: tuple[int, ...]) -> Array:
    """Return dx, of this shape: each window's gradient at all its elements."""
    dx = np.zeros_like(dy, shape=shape)
    for outputs, inputs in elements(shape, window, axes):
        dx[inputs] += dy[outputs]
    return dx


# ---------------------------------------------------------------- all of a channel


class GlobalAvgPool(Module):
    """y[n, c] = the mean of channel c: x (N, C, ...), y (N, C).

    Lin, Chen, Yan, "Network In Network", 2014.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x.shape, is_batch_last(x), training=training)
        return flatten_channels(self, x).mean(axis=2)

    def backward(self, dy: Array) -> Array:
        shape, with_batch_last = self.saved_values()
        share = dy / math.prod(shape[2:])
        share = share.reshape(*dy.shape, *[1] * (len(shape) - 2))
        return in_format(np.broadcast_to(share, shape).copy(), with_batch_last)


class GlobalMaxPool(Module):
    """y[n, c] = the largest value of channel c: x (N, C, ...), y (N, C).

    The gradient goes to it alone; where several are equal, to the first.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        values = flatten_channels(self, contiguous(x))
        argmax = values.argmax(axis=2)[:, :, np.newaxis]  # (N, C, 1)
        self.save_for_backward(x.shape, is_batch_last(x), argmax, training=training)
        return np.take_along_axis(values, argmax, axis=2)[:, :, 0]

    def backward(self, dy: Array) -> Array:
        shape, with_batch_last, argmax = self.saved_values()
        dx = np.zeros((*dy.shape, math.prod(shape[2:])), dy.dtype)
        np.put_along_axis(dx, argmax, dy[:, :, np.newaxis], axis=2)
        return in_format(dx.reshape(shape), with_batch_last)


# ---------------------------------------------------------------- windows, element by element


def overlaps(window: Window, axes: Axes) -> bool:
    """Whether a pixel may lie in several windows, along one of these axes."""
    return any(window.stride[axis] < window.effective_size[axis] for axis in axes)


def passes(window: Window) -> list[Axes]:
    """Return along which axes windows slide, one pass after the other."""
    both = (VERTICAL, HORIZONTAL)
    return [(HORIZONTAL,), (VERTICAL,)] if overlaps(window, both) else [both]


def elements(shape: tuple[int, ...], window: Window, axes: Axes) -> Iterator[tuple[Any, Any]]:
    """Yield (outputs, inputs), two indices, for each element of the kernel along some axes.

    The element lies on these inputs, of images of this shape, for these outputs; for the others it
    lies on the padding.
    """
    for element in itertools.product(*(window.offsets(axis, shape[2 + axis]) for axis in axes)):
        outputs, inputs = [slice(None)] * 4, [slice(None)] * 4
        for axis, (output, pixels) in zip(axes, element, strict=True):
            outputs[2 + axis], inputs[2 + axis] = output, pixels
        yield tuple(outputs), tuple(inputs)


def out_shape(shape: tuple[int, ...], window: Window, axes: Axes) -> tuple[int, ...]:
    """Return the output's shape where windows slide along these axes alone."""
    sizes = window.output_size((shape[2], shape[3]))
    return (*shape[:2], *(sizes[i] if i in axes else shape[2 + i] for i in (0, 1)))


# ---------------------------------------------------------------- checks and counts


def flatten_channels(module: Module, x: Array) -> Array:
    """Return x (N, C, ...) as (N, C, values of the channel); refuse one without such axes."""
    if x.ndim < 3 or x.size == 0:
        raise ShapeError(
            f"expected (N, C, T), (N, C, H, W) or more axes, got an input of shape {x.shape}.",
            module,
        )
    return x.reshape(*x.shape[:2], -1)


def elements_on_image(window: Window, image: Pair, axis: int) -> Array:
    """Return how many of the kernel's elements lie on the image, for each output along one axis."""
    counts = np.zeros(window.output_size(image)[axis], int)
    for outputs, _ in window.offsets(axis, image[axis]):
        counts[outputs] += 1
    return counts


def check_padding(module: Module, window: Window, x: Array) -> None:
    """Raise ShapeError if one of the windows lies on nothing but padding."""
    image = to_nchw(x).shape[2:]
    if any(0 in elements_on_image(window, image, axis) for axis in (0, 1)):
        raise ShapeError(
            "expected every window to cover a part of the input; with this padding one covers "
            f"nothing but padding, for an input of shape {x.shape}. Use less padding.",
            module,
        )
