"""Pooling: one number for each window of a channel, the largest or the mean.

The loops run over the kernel's elements, never over pixels: all the pixels that lie under one
element, at every stop of the window, are one strided view.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from chainrule.errors import ShapeError
from chainrule.layers.windows import (
    Padding,
    Pair,
    Sizes,
    Window,
    as_images,
    check_fit,
    check_images,
    like,
    read_window,
)
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool1d",
    "MaxPool2d",
]

Place = tuple[slice, slice]


def under_each_element(window: Window, image: Pair) -> Iterator[tuple[Place, Place]]:
    """Yield (stops, places) for each element of the kernel, row by row.

    At these stops of the window the element lies on these places of the image (H, W); at all
    others it lies on the padding.
    """
    rows, columns = window.taps(0, image[0]), window.taps(1, image[1])
    for (stop_row, row), (stop_column, column) in itertools.product(rows, columns):
        yield (stop_row, stop_column), (row, column)


# ---------------------------------------------------------------- the largest


class MaxPool2d(Module):
    """y[n, c, p, q] = the largest x[n, c, p s + i d, q s + j d] over the kernel's (i, j).

    x (N, C, H, W); y (N, C, rows, columns). Padding counts as -∞: it never wins, also where all of
    x is negative. The gradient goes to the one pixel that won; where several are equal, to
    the first of them, row by row.

    Parameters
    ----------
    kernel_size : int or (int, int)
        The window's size.
    stride : int or (int, int), optional
        How far it moves; by default its own size, so that windows don't overlap.
    padding : int, (int, int), ((top, bottom), (left, right)) or "same"
        How many places are added around the image.
    dilation : int or (int, int)
        The distance of the kernel's elements.
    """

    axes = 2

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
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
        check_seen(self, self.window, x)
        images = as_images(x)  # (N, C, H, W)
        image = images.shape[2:]
        y = np.full((*images.shape[:2], *self.window.stops(image)), -np.inf, x.dtype)
        for stops, places in under_each_element(self.window, image):
            best = y[:, :, *stops]
            np.maximum(best, images[:, :, *places], out=best)
        self.save(x, y, training=training)
        return like(x, y)

    def backward(self, dy: Array) -> Array:
        x, y = self.saved()
        images, dy = as_images(x), as_images(dy)
        dx = np.zeros_like(images)
        unclaimed = np.ones(y.shape, np.bool_)  # the windows whose winner is not found yet
        for stops, places in under_each_element(self.window, images.shape[2:]):
            here = unclaimed[:, :, *stops]
            won = (images[:, :, *places] == y[:, :, *stops]) & here
            dx[:, :, *places] += dy[:, :, *stops] * won
            here &= ~won
        return like(x, dx)


class MaxPool1d(MaxPool2d):
    """y[n, c, p] = the largest x[n, c, p s + i d] over the kernel's i; see `MaxPool2d`.

    x (N, C, T); y (N, C, stops). Padding is a number, or (left, right).
    """

    axes = 1


# ---------------------------------------------------------------- the mean


class AvgPool2d(Module):
    """y[n, c, p, q] = the mean of x[n, c, p s + i, q s + j] over the kernel's (i, j).

    x (N, C, H, W); y (N, C, rows, columns). Every pixel of a window gets the same share of its
    gradient.

    Parameters
    ----------
    kernel_size : int or (int, int)
        The window's size.
    stride : int or (int, int), optional
        How far it moves; by default its own size.
    padding : int, (int, int), ((top, bottom), (left, right)) or "same"
        How many zeros are added around the image.
    count_include_pad : bool
        Whether the mean counts the padding's zeros, or the image's pixels alone.
    """

    axes = 2

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
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
            check_seen(self, self.window, x)
        images = as_images(x)  # (N, C, H, W)
        image = images.shape[2:]
        y = np.zeros((*images.shape[:2], *self.window.stops(image)), x.dtype)
        for stops, places in under_each_element(self.window, image):
            y[:, :, *stops] += images[:, :, *places]
        y /= self._counts(image, x.dtype)
        self.save(x, training=training)
        return like(x, y)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        image = as_images(x).shape[2:]
        shares = as_images(dy) / self._counts(image, x.dtype)
        dx = np.zeros_like(as_images(x))
        for stops, places in under_each_element(self.window, image):
            dx[:, :, *places] += shares[:, :, *stops]
        return like(x, dx)

    def _counts(self, image: Pair, dtype: np.dtype) -> Array:
        """Return how many values each window's mean is over, (rows, columns) or a single one."""
        if self.count_include_pad:
            return np.asarray(math.prod(self.window.size), dtype)
        down, right = (pixels_seen(self.window, image, axis) for axis in (0, 1))
        return np.outer(down, right).astype(dtype)


class AvgPool1d(AvgPool2d):
    """y[n, c, p] = the mean of x[n, c, p s + i] over the kernel's i; see `AvgPool2d`.

    x (N, C, T); y (N, C, stops). Padding is a number, or (left, right).
    """

    axes = 1


# ---------------------------------------------------------------- all of a channel


class GlobalAveragePool(Module):
    """y[n, c] = the mean of channel c: x (N, C, ...), y (N, C).

    Lin, Chen, Yan, "Network In Network", 2014.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save(x.shape, training=training)
        return channels_in_rows(self, x).mean(axis=2)

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved()
        share = dy / math.prod(shape[2:])
        return np.broadcast_to(share.reshape(*dy.shape, *[1] * (len(shape) - 2)), shape).copy()


class GlobalMaxPool(Module):
    """y[n, c] = the largest value of channel c: x (N, C, ...), y (N, C).

    The gradient goes to it alone; where several are equal, to the first.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        rows = channels_in_rows(self, x)
        winners = rows.argmax(axis=2)[:, :, np.newaxis]  # (N, C, 1)
        self.save(x.shape, winners, training=training)
        return np.take_along_axis(rows, winners, axis=2)[:, :, 0]

    def backward(self, dy: Array) -> Array:
        shape, winners = self.saved()
        dx = np.zeros((*dy.shape, math.prod(shape[2:])), dy.dtype)
        np.put_along_axis(dx, winners, dy[:, :, np.newaxis], axis=2)
        return dx.reshape(shape)


# ---------------------------------------------------------------- checks and counts


def channels_in_rows(module: Module, x: Array) -> Array:
    """Return x (N, C, ...) as (N, C, values of the channel); refuse one without such axes."""
    if x.ndim < 3:
        raise ShapeError(
            f"expected (N, C, T), (N, C, H, W) or more axes, got an input of shape {x.shape}.",
            module,
        )
    return x.reshape(*x.shape[:2], -1)


def pixels_seen(window: Window, image: Pair, axis: int) -> Array:
    """Return how many of the kernel's elements lie on the image at each stop along one axis."""
    counts = np.zeros(window.stops(image)[axis], int)
    for stops, _ in window.taps(axis, image[axis]):
        counts[stops] += 1
    return counts


def check_seen(module: Module, window: Window, x: Array) -> None:
    """Raise ShapeError if the window sees nothing but padding at one of its stops."""
    image = as_images(x).shape[2:]
    if any(0 in pixels_seen(window, image, axis) for axis in (0, 1)):
        raise ShapeError(
            "expected every window to see a part of the input; with this padding one sees nothing "
            f"but padding, for an input of shape {x.shape}. Use less padding.",
            module,
        )
