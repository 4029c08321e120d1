"""Pooling: one number for each window of a channel, the maximum or the mean.

The loops are over the elements of the kernel, never over pixels: the pixels under one element, for
all outputs, are one strided view. Windows that overlap slide along one axis after the other, first
horizontally, then vertically, which takes kh + kw elements instead of kh · kw: the maximum of the
rows' maxima is the maximum of all, and a sum of sums is the sum. Windows that do not overlap would
gain nothing by that: 2 × 2 along both axes at once takes 0.8 of the time (26 × 26 and 11 × 11).
Padding is never stored: an element that lies on it is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.checks import check_bool
from chainrule.layers.shape_checks import check_shape
from chainrule.layers.sums import sum_along
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

VERTICAL, HORIZONTAL = 0, 1  # the axes of an image, as a Window counts them
Axes = tuple[int, ...]

LARGE = 64
"""Up to this many numbers are added one after the other in float32: an error below 1e-6."""


class Pooling(Module):
    """Base class of the windows that slide: their options, and the checks of the input."""

    axes = 2

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None,
        padding: Padding,
        dilation: Sizes,
        ceil_mode: bool,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.ceil_mode = check_bool("ceil_mode", ceil_mode)
        steps = kernel_size if stride is None else stride
        self.window = read_window(self.axes, kernel_size, steps, padding, dilation, self.ceil_mode)

    def images(self, x: Array, may_be_padding: bool) -> Array:
        """Return x as images (N, C, H, W); refuse it if the windows do not fit.

        `may_be_padding` tells whether a window may lie on nothing but padding.
        """
        check_images(self, x, self.axes)
        check_fit(self, self.window, x)
        images = to_nchw(x)
        if not may_be_padding:
            counts = [elements_on_image(self.window, images.shape[2:], axis) for axis in (0, 1)]
            expected = "every window to cover a part of the input, not only padding"
            fits = all(count.all() for count in counts)
            check_shape(self, x, fits, expected, " Use less padding.")
        return images


# ---------------------------------------------------------------- the maximum


class MaxPool2d(Pooling):
    """y[n, c, p, q] = max x[n, c, p s + i d, q s + j d] over the elements (i, j) of the kernel.

    x (N, C, H, W); y (N, C, H', W') with H' = floor((H + top + bottom - d (k - 1) - 1) / s) + 1,
    and W' likewise, for stride s and dilation d. Padding counts as -∞: it is never the maximum,
    even if all of x is negative.

    Backward: each dy goes to the pixel that was the maximum; if several are equal, to the first of
    them, row by row.

    Parameters
    ----------
    kernel_size : int or (int, int)
        The size of the window.
    stride : int or (int, int), optional
        How far it moves. By default its own size, so that windows do not overlap.
    padding : int, (int, int), ((top, bottom), (left, right)) or "same"
        Rows and columns of padding around the image.
    dilation : int or (int, int)
        The distance between elements of the kernel.
    ceil_mode : bool
        Whether H' and W' are rounded up: what is left over at the end gets one more window, which
        may reach beyond the padding, unless it would begin behind the image.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, H, W), or a window covers nothing or only padding.

    Examples
    --------
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> MaxPool2d(2)(x)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        *,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.dilation = dilation

    def forward(self, x: Array, training: bool = True) -> Array:
        images, passed = self.images(x, may_be_padding=False), []
        for axes in passes(self.window):
            shape = images.shape
            images, argmax = max_along(images, self.window, axes, training)
            passed.append((axes, shape, argmax))
        self.save_for_backward(passed, training=training)
        return from_nchw(images, x.ndim)

    def backward(self, dy: Array) -> Array:
        (passed,) = self.saved_values()
        images = to_nchw(dy)
        for axes, shape, argmax in reversed(passed):
            images = max_along_backward(images, argmax, self.window, axes, shape)
        return from_nchw(images, dy.ndim)


class MaxPool1d(MaxPool2d):
    """y[n, c, p] = max x[n, c, p s + i d] over the elements i of the kernel.

    x (N, C, T); y (N, C, T') with T' = floor((T + left + right - d (k - 1) - 1) / s) + 1, for
    stride s and dilation d: `MaxPool2d` for sequences.

    Backward: each dy goes to the element that was the maximum, the first of equal ones.

    Parameters
    ----------
    kernel_size : int
        The size of the window.
    stride : int, optional
        How far it moves. By default its own size, so that windows do not overlap.
    padding : int, (int, int) or "same"
        Padding on both sides, or (left, right).
    dilation : int
        The distance between elements of the kernel.
    ceil_mode : bool
        Whether T' is rounded up: what is left over at the end gets one more window, which may reach
        beyond the padding, unless it would begin behind the sequence.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, T), or a window covers nothing or only padding.

    Examples
    --------
    >>> MaxPool1d(2)(np.array([[[1.0, 4.0, 3.0, 2.0]]]))
    array([[[4., 3.]]])
    """

    axes = 1


def max_along(x: Array, window: Window, axes: Axes, training: bool) -> tuple[Array, Array | None]:
    """Return the maximum of each window along some axes, and in training its argmax.

    The argmax is the number of the kernel's element, row by row; the first of equal ones. With the
    horizontal pass first and then the vertical one, this is the first row by row, too.
    """
    y = np.full_like(x, -np.inf, shape=out_shape(x.shape, window, axes))
    count = math.prod(window.size[axis] for axis in axes)
    number = np.min_scalar_type(count - 1).type  # a byte, for up to 256 elements
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
    """Return dx, of this shape: the gradient of each window at its maximum."""
    dx = np.zeros_like(dy, shape=shape)
    for element, (outputs, inputs) in enumerate(elements(shape, window, axes)):
        is_max = argmax[outputs] == element
        if overlaps(window, axes):
            dx[inputs] += dy[outputs] * is_max
        else:
            np.multiply(dy[outputs], is_max, out=dx[inputs])
    return dx


# ---------------------------------------------------------------- the mean


class AvgPool2d(Pooling):
    """y[n, c, p, q] = the mean of x[n, c, p s + i, q s + j] over the elements (i, j) of the kernel.

    x (N, C, H, W); y (N, C, H', W') with H' = floor((H + top + bottom - k) / s) + 1, and W'
    likewise, for stride s.

    Backward: every pixel of a window gets dy / (number of pixels).

    Parameters
    ----------
    kernel_size : int or (int, int)
        The size of the window.
    stride : int or (int, int), optional
        How far it moves; by default its own size.
    padding : int, (int, int), ((top, bottom), (left, right)) or "same"
        Rows and columns of zeros around the image.
    count_include_pad : bool
        Whether the mean counts the zeros of the padding, or only pixels of the image.
    ceil_mode : bool
        Whether H' and W' are rounded up: what is left over at the end gets one more window, which
        may reach beyond the padding, unless it would begin behind the image.
        What lies beyond the padding never counts.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, H, W), or a window covers nothing.

    Examples
    --------
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> AvgPool2d(2)(x)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        *,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = check_bool("count_include_pad", count_include_pad)

    def forward(self, x: Array, training: bool = True) -> Array:
        images, passed = self.images(x, may_be_padding=self.count_include_pad), []
        dtype = sum_type(self.window, x.dtype)
        counts = self._counts(images.shape[2:], x.dtype)
        for axes in passes(self.window):
            passed.append((axes, images.shape))
            images = sum_of_windows(images, self.window, axes, dtype)
        self.save_for_backward(passed, counts, training=training)
        return from_nchw((images / counts).astype(x.dtype, copy=False), x.ndim)

    def backward(self, dy: Array) -> Array:
        passed, counts = self.saved_values()
        images, dtype = to_nchw(dy) / counts, sum_type(self.window, dy.dtype)
        for axes, shape in reversed(passed):
            images = sum_of_windows_backward(images, self.window, axes, shape, dtype)
        return from_nchw(images.astype(dy.dtype, copy=False), dy.ndim)

    def _counts(self, image: Pair, dtype: np.dtype) -> Array:
        """Return how many values each mean is over: (H', W'), or a single number."""
        if self.count_include_pad and not self.ceil_mode:
            return np.asarray(math.prod(self.window.size), dtype)
        counted = elements_before_end if self.count_include_pad else elements_on_image
        rows, columns = (counted(self.window, image, axis) for axis in (0, 1))
        return np.outer(rows, columns).astype(dtype)


class AvgPool1d(AvgPool2d):
    """y[n, c, p] = the mean of x[n, c, p s + i] over the elements i of the kernel.

    x (N, C, T); y (N, C, T') with T' = floor((T + left + right - k) / s) + 1, for stride s:
    `AvgPool2d` for sequences.

    Backward: every element of a window gets dy / (number of elements).

    Parameters
    ----------
    kernel_size : int
        The size of the window.
    stride : int, optional
        How far it moves; by default its own size.
    padding : int, (int, int) or "same"
        Zeros on both sides, or (left, right).
    count_include_pad : bool
        Whether the mean counts the zeros of the padding, or only elements of the sequence.
    ceil_mode : bool
        Whether T' is rounded up: what is left over at the end gets one more window, which may reach
        beyond the padding, unless it would begin behind the sequence.
        What lies beyond the padding never counts.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, T), or a window covers nothing.

    Examples
    --------
    >>> AvgPool1d(2)(np.array([[[1.0, 4.0, 3.0, 2.0]]]))
    array([[[2.5, 2.5]]])
    """

    axes = 1


def sum_type(window: Window, dtype: DTypeLike) -> DTypeLike:
    """Return the type to add in: float64 where many numbers are added one after the other."""
    most = max(math.prod(window.size[axis] for axis in axes) for axes in passes(window))
    return dtype if most <= LARGE else np.float64


def sum_of_windows(x: Array, window: Window, axes: Axes, dtype: DTypeLike) -> Array:
    """Return the sum over each window along some axes."""
    y = np.zeros_like(x, dtype, shape=out_shape(x.shape, window, axes))
    for outputs, inputs in elements(x.shape, window, axes):
        y[outputs] += x[inputs]
    return y


def sum_of_windows_backward(
    dy: Array, window: Window, axes: Axes, shape: tuple[int, ...], dtype: DTypeLike
) -> Array:
    """Return dx, of this shape: the gradient of each window at all its elements."""
    dx = np.zeros_like(dy, dtype, shape=shape)
    for outputs, inputs in elements(shape, window, axes):
        dx[inputs] += dy[outputs]
    return dx


# ---------------------------------------------------------------- all of a channel


class GlobalAvgPool(Module):
    """y[n, c] = the mean of channel c: x (N, C, ...), y (N, C).

    Backward: each of the n values of a channel gets dy / n.
    Lin, Chen, Yan, "Network In Network", 2014.

    Raises
    ------
    ShapeError
        In forward: x has no axes after the channels, or is empty.

    Examples
    --------
    >>> GlobalAvgPool()(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[1.5, 5.5]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x.shape, training=training)
        values = flatten_channels(self, x)
        return sum_along(values, 2) / values.shape[2]

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved_values()
        share = dy / math.prod(shape[2:])
        return np.broadcast_to(share.reshape(*dy.shape, *[1] * (len(shape) - 2)), shape).copy()


class GlobalMaxPool(Module):
    """y[n, c] = the maximum of channel c: x (N, C, ...), y (N, C).

    Backward: dy goes to the maximum alone; if several values are equal, to the first.

    Raises
    ------
    ShapeError
        In forward: x has no axes after the channels, or is empty.

    Examples
    --------
    >>> GlobalMaxPool()(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 7.]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        values = flatten_channels(self, x)
        argmax = values.argmax(axis=2)[:, :, np.newaxis]  # (N, C, 1)
        self.save_for_backward(x.shape, argmax, training=training)
        return np.take_along_axis(values, argmax, axis=2)[:, :, 0]

    def backward(self, dy: Array) -> Array:
        shape, argmax = self.saved_values()
        dx = np.zeros((*dy.shape, math.prod(shape[2:])), dy.dtype)
        np.put_along_axis(dx, argmax, dy[:, :, np.newaxis], axis=2)
        return dx.reshape(shape)


def flatten_channels(module: Module, x: Array) -> Array:
    """Return x (N, C, ...) as (N, C, values of the channel)."""
    fits = x.ndim >= 3 and 0 not in x.shape[1:]
    check_shape(module, x, fits, "(N, C, T), (N, C, H, W) or more axes")
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


# ---------------------------------------------------------------- windows, element by element


def overlaps(window: Window, axes: Axes) -> bool:
    """Whether windows overlap along one of these axes."""
    return any(window.stride[axis] < window.effective_size[axis] for axis in axes)


def passes(window: Window) -> list[Axes]:
    """Return the axes along which windows slide, for one pass after the other."""
    both = (VERTICAL, HORIZONTAL)
    return [(HORIZONTAL,), (VERTICAL,)] if overlaps(window, both) else [both]


def elements(shape: tuple[int, ...], window: Window, axes: Axes) -> Iterator[tuple[Any, Any]]:
    """Yield (outputs, inputs), two indices, for each element of the kernel along some axes.

    For these outputs the element lies on these inputs, of images of this shape; for the others it
    lies on the padding.
    """
    for element in itertools.product(*(window.offsets(axis, shape[2 + axis]) for axis in axes)):
        outputs, inputs = [slice(None)] * 4, [slice(None)] * 4
        for axis, (output, pixels) in zip(axes, element, strict=True):
            outputs[2 + axis], inputs[2 + axis] = output, pixels
        yield tuple(outputs), tuple(inputs)


def out_shape(shape: tuple[int, ...], window: Window, axes: Axes) -> tuple[int, ...]:
    """Return the shape of the output if windows slide along these axes only."""
    sizes = window.output_size((shape[2], shape[3]))
    return (*shape[:2], *(sizes[i] if i in axes else shape[2 + i] for i in (0, 1)))


def elements_on_image(window: Window, image: Pair, axis: int) -> Array:
    """Return how many elements of the kernel lie on the image, for each output along one axis."""
    counts = np.zeros(window.output_size(image)[axis], int)
    for outputs, _ in window.offsets(axis, image[axis]):
        counts[outputs] += 1
    return counts


def elements_before_end(window: Window, image: Pair, axis: int) -> Array:
    """Return how many elements lie on the image or its padding, for each output along one axis.

    With `ceil_mode` the last window may reach beyond both. For a dilation of 1.
    """
    padding = replace(window, ceil_mode=False).pad_width(image)[axis]
    first = np.arange(window.output_size(image)[axis]) * window.stride[axis]
    return np.minimum(window.size[axis], image[axis] + sum(padding) - first)
