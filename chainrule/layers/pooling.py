"""Pooling: one number for each window of a channel, the largest or the mean.

Windows go along one axis after the other, first across, then down: the largest of the rows'
largest is the largest of all, and a sum of sums is the sum. So the loops run over kh + kw elements
of the kernel, never over pixels: all pixels under one element, at every stop of the window, are
one strided view. Padding is never made: where an element lies on it, it is left out.
"""

from __future__ import annotations

import math
from typing import Any

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
    "GlobalAvgPool",
    "GlobalMaxPool",
    "MaxPool1d",
    "MaxPool2d",
]

DOWN, ACROSS = 0, 1  # the axes of an image as a Window counts them


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
        check_seen(self, self.window, x)
        images = as_images(x)  # (N, C, H, W)
        across, winner_across = largest(images, self.window, ACROSS, training)
        y, winner_down = largest(across, self.window, DOWN, training)
        self.save_for_backward(images.shape[2:], winner_across, winner_down, training=training)
        return like(x, y)

    def backward(self, dy: Array) -> Array:
        (height, width), winner_across, winner_down = self.saved_values()
        across = to_winners(as_images(dy), winner_down, self.window, DOWN, height)
        return like(dy, to_winners(across, winner_across, self.window, ACROSS, width))


class MaxPool1d(MaxPool2d):
    """y[n, c, p] = the largest x[n, c, p s + i d] over the kernel's i; see `MaxPool2d`.

    x (N, C, T); y (N, C, stops). Padding is a number, or (left, right).
    """

    axes = 1


def largest(x: Array, window: Window, axis: int, training: bool) -> tuple[Array, Array | None]:
    """Return the largest in each window along one axis, and in training which element it was.

    Among equals the first wins. First across and then down, this is the first row by row.
    """
    y = np.full(
        resized(x, axis, window.output_size((x.shape[2], x.shape[3]))[axis]), -np.inf, x.dtype
    )
    number = np.min_scalar_type(window.size[axis] - 1).type  # bytes, up to 256 elements
    winner = np.zeros(y.shape, number) if training else None
    for element, (stops, places) in enumerate(window.offsets(axis, x.shape[2 + axis])):
        best, seen = y[along(axis, stops)], x[along(axis, places)]
        if element == 0:
            best[...] = seen
            continue
        if winner is not None:
            here = winner[along(axis, stops)]
            np.maximum(here, np.multiply(seen > best, number(element), dtype=number), out=here)
        np.maximum(best, seen, out=best)
    return y, winner


def to_winners(dy: Array, winner: Array, window: Window, axis: int, length: int) -> Array:
    """Return dx, of this length along the axis: each window's gradient at its winner."""
    dx = np.zeros(resized(dy, axis, length), dy.dtype)
    apart = window.stride[axis] >= window.effective_size[axis]
    for element, (stops, places) in enumerate(window.offsets(axis, length)):
        won, here = winner[along(axis, stops)] == element, dx[along(axis, places)]
        if apart:
            np.multiply(dy[along(axis, stops)], won, out=here)
        else:
            here += dy[along(axis, stops)] * won
    return dx


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
            check_seen(self, self.window, x)
        images = as_images(x)  # (N, C, H, W)
        counts = self._counts(images.shape[2:], x.dtype)
        self.save_for_backward(images.shape[2:], counts, training=training)
        y = sums(sums(images, self.window, ACROSS), self.window, DOWN)
        y /= counts
        return like(x, y)

    def backward(self, dy: Array) -> Array:
        (height, width), counts = self.saved_values()
        across = to_all(as_images(dy) / counts, self.window, DOWN, height)
        return like(dy, to_all(across, self.window, ACROSS, width))

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


def sums(x: Array, window: Window, axis: int) -> Array:
    """Return the sum over each window along one axis."""
    y = np.zeros(resized(x, axis, window.output_size((x.shape[2], x.shape[3]))[axis]), x.dtype)
    for stops, places in window.offsets(axis, x.shape[2 + axis]):
        y[along(axis, stops)] += x[along(axis, places)]
    return y


def to_all(dy: Array, window: Window, axis: int, length: int) -> Array:
    """Return dx, of this length along the axis: each window's gradient at all its elements."""
    dx = np.zeros(resized(dy, axis, length), dy.dtype)
    for stops, places in window.offsets(axis, length):
        dx[along(axis, places)] += dy[along(axis, stops)]
    return dx


# ---------------------------------------------------------------- all of a channel


class GlobalAvgPool(Module):
    """y[n, c] = the mean of channel c: x (N, C, ...), y (N, C).

    Lin, Chen, Yan, "Network In Network", 2014.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x.shape, training=training)
        return channels_in_rows(self, x).mean(axis=2)

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved_values()
        share = dy / math.prod(shape[2:])
        return np.broadcast_to(share.reshape(*dy.shape, *[1] * (len(shape) - 2)), shape).copy()


class GlobalMaxPool(Module):
    """y[n, c] = the largest value of channel c: x (N, C, ...), y (N, C).

    The gradient goes to it alone; where several are equal, to the first.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        rows = channels_in_rows(self, x)
        winners = rows.argmax(axis=2)[:, :, np.newaxis]  # (N, C, 1)
        self.save_for_backward(x.shape, winners, training=training)
        return np.take_along_axis(rows, winners, axis=2)[:, :, 0]

    def backward(self, dy: Array) -> Array:
        shape, winners = self.saved_values()
        dx = np.zeros((*dy.shape, math.prod(shape[2:])), dy.dtype)
        np.put_along_axis(dx, winners, dy[:, :, np.newaxis], axis=2)
        return dx.reshape(shape)


# ---------------------------------------------------------------- one axis of an image


def along(axis: int, places: slice) -> tuple[Any, ...]:
    """Return the index of these places along one axis of images (N, C, H, W)."""
    return (..., places) if axis == ACROSS else (..., places, slice(None))


def resized(x: Array, axis: int, length: int) -> tuple[int, ...]:
    """Return the shape of images x (N, C, H, W) with this length along one axis."""
    return (*x.shape[:3], length) if axis == ACROSS else (*x.shape[:2], length, x.shape[3])


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
    counts = np.zeros(window.output_size(image)[axis], int)
    for stops, _ in window.offsets(axis, image[axis]):
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
