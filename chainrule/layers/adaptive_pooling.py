"""Adaptive pooling: the size of the output is chosen, and the windows follow from it.

An axis of length L is divided into O bins, the p-th of which begins at floor(p L / O) and ends
before ceil((p + 1) L / O). If O divides L, they are windows of L / O that do not overlap; otherwise
neighbours may share an element, and with O > L elements come several times.

Bins of an image are products of bins of its axes, so one axis is reduced after the other: first
along the rows, then along the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.checks import check_sizes
from chainrule.errors import ConfigurationError
from chainrule.layers.padding import along
from chainrule.layers.shape_checks import check_shape
from chainrule.layers.windows import check_images, from_nchw, to_nchw
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d"]

OutputSize = int | None | Sequence[int | None]
ROWS_THEN_COLUMNS = (3, 2)  # the axes of (N, C, H, W)


class AdaptivePooling(Module):
    """Base class: the size of the output, and the check of the input."""

    axes = 2

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = output_size
        sizes: Any = output_size
        if self.axes == 1 or not isinstance(output_size, Sequence):
            sizes = (output_size,) * self.axes
        if len(sizes) != self.axes:
            raise ConfigurationError(
                f"output_size must be one whole number, or two; got {output_size!r}."
            )
        height_and_width = (
            None if size is None and self.axes == 2 else check_sizes(output_size=size)[0]
            for size in sizes
        )
        self.sizes = (*[None] * (2 - self.axes), *height_and_width)  # None keeps that of x

    def images(self, x: Array) -> Array:
        """Return x as images (N, C, H, W); refuse other shapes, and images without pixels."""
        check_images(self, x, self.axes)
        check_shape(self, x, 0 not in x.shape[2:], "at least one element along every axis")
        return to_nchw(x)

    def size(self, images: Array, axis: int) -> int:
        """Return the output's size along an axis of the images."""
        return self.sizes[axis - 2] or images.shape[axis]


def bins(length: int, count: int) -> Iterator[tuple[int, slice]]:
    """Yield each bin's place in the output, and its elements."""
    for place in range(count):
        yield place, slice(place * length // count, -(-(place + 1) * length // count))


def with_size(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    """Return a shape with another size along one axis."""
    return (*shape[:axis], size, *shape[axis + 1 :])


# ---------------------------------------------------------------- the mean


class AdaptiveAvgPool2d(AdaptivePooling):
    """y[n, c, p, q] = the mean of x[n, c] over bin (p, q), so that y has a given size.

    x (N, C, H, W); y (N, C, H', W') with (H', W') = `output_size`, whatever H and W are. Bin (p, q)
    has the rows from floor(p H / H') to ceil((p + 1) H / H') - 1, and the columns likewise.

    Backward: every pixel gets dy / (number of pixels) from each bin that it is in.
    He, Zhang, Ren, Sun, "Spatial Pyramid Pooling in Deep Convolutional Networks", 2014.

    Parameters
    ----------
    output_size : int or (int, int)
        One number, or (H', W'). None in the place of a number keeps that size of x.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, H, W), or an image has no pixels.

    Examples
    --------
    >>> AdaptiveAvgPool2d((1, 2))(np.arange(9.0).reshape(1, 1, 3, 3))
    array([[[[3.5, 4.5]]]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        images, passed = self.images(x), []
        for axis in ROWS_THEN_COLUMNS:
            passed.append(images.shape)
            images = means_along(images, axis, self.size(images, axis))
        self.save_for_backward(passed, training=training)
        return from_nchw(images, x.ndim)

    def backward(self, dy: Array) -> Array:
        (passed,) = self.saved_values()
        images = to_nchw(dy)
        for axis, shape in zip(reversed(ROWS_THEN_COLUMNS), reversed(passed), strict=True):
            images = means_along_backward(images, axis, shape)
        return from_nchw(images, dy.ndim)


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """y[n, c, p] = the mean of x[n, c] over bin p, so that y has a given length.

    x (N, C, T); y (N, C, T') with T' = `output_size`, whatever T is. Bin p has the elements from
    floor(p T / T') to ceil((p + 1) T / T') - 1: `AdaptiveAvgPool2d` for sequences.

    Backward: every element gets dy / (number of elements) from each bin that it is in.

    Parameters
    ----------
    output_size : int
        T'.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, T), or a sequence has no elements.

    Examples
    --------
    >>> AdaptiveAvgPool1d(2)(np.array([[[1.0, 2.0, 6.0]]]))
    array([[[1.5, 4. ]]])
    """

    axes = 1


def means_along(x: Array, axis: int, count: int) -> Array:
    """Return the mean over each of `count` bins along one axis."""
    y = np.empty_like(x, shape=with_size(x.shape, axis, count))
    for place, elements in bins(x.shape[axis], count):  # a sum in float32 would lose digits
        y[along(axis, place)] = x[along(axis, elements)].mean(axis=axis, dtype=np.float64)
    return y


def means_along_backward(dy: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """Return dx, of this shape: each bin's gradient, shared by its elements."""
    dx = np.zeros_like(dy, shape=shape)
    for place, elements in bins(shape[axis], dy.shape[axis]):
        share = dy[along(axis, slice(place, place + 1))] / (elements.stop - elements.start)
        dx[along(axis, elements)] += share
    return dx


# ---------------------------------------------------------------- the maximum


class AdaptiveMaxPool2d(AdaptivePooling):
    """y[n, c, p, q] = the maximum of x[n, c] over bin (p, q), so that y has a given size.

    x (N, C, H, W); y (N, C, H', W') with (H', W') = `output_size`, whatever H and W are. Bin (p, q)
    has the rows from floor(p H / H') to ceil((p + 1) H / H') - 1, and the columns likewise.

    Backward: each dy goes to the pixel that was the maximum; if several are equal, to the first of
    them, row by row.
    He, Zhang, Ren, Sun, "Spatial Pyramid Pooling in Deep Convolutional Networks", 2014.

    Parameters
    ----------
    output_size : int or (int, int)
        One number, or (H', W'). None in the place of a number keeps that size of x.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, H, W), or an image has no pixels.

    Examples
    --------
    >>> AdaptiveMaxPool2d((1, 2))(np.arange(9.0).reshape(1, 1, 3, 3))
    array([[[[7., 8.]]]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        images, passed = self.images(x), []
        for axis in ROWS_THEN_COLUMNS:
            shape = images.shape
            images, argmax = maxima_along(images, axis, self.size(images, axis))
            passed.append((shape, argmax))
        self.save_for_backward(passed, training=training)
        return from_nchw(images, x.ndim)

    def backward(self, dy: Array) -> Array:
        (passed,) = self.saved_values()
        images = to_nchw(dy)
        for axis, (shape, argmax) in zip(
            reversed(ROWS_THEN_COLUMNS), reversed(passed), strict=True
        ):
            images = maxima_along_backward(images, argmax, axis, shape)
        return from_nchw(images, dy.ndim)


class AdaptiveMaxPool1d(AdaptiveMaxPool2d):
    """y[n, c, p] = the maximum of x[n, c] over bin p, so that y has a given length.

    x (N, C, T); y (N, C, T') with T' = `output_size`, whatever T is. Bin p has the elements from
    floor(p T / T') to ceil((p + 1) T / T') - 1: `AdaptiveMaxPool2d` for sequences.

    Backward: each dy goes to the element that was the maximum, the first of equal ones.

    Parameters
    ----------
    output_size : int
        T'.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, T), or a sequence has no elements.

    Examples
    --------
    >>> AdaptiveMaxPool1d(2)(np.array([[[1.0, 2.0, 6.0]]]))
    array([[[2., 6.]]])
    """

    axes = 1


def maxima_along(x: Array, axis: int, count: int) -> tuple[Array, Array]:
    """Return the maximum over each of `count` bins along one axis, and where on the axis it is."""
    y = np.empty_like(x, shape=with_size(x.shape, axis, count))
    argmax = np.empty_like(y, np.intp)
    for place, elements in bins(x.shape[axis], count):
        inside = x[along(axis, elements)]
        found = inside.argmax(axis=axis, keepdims=True)  # the first of equal ones
        own = along(axis, slice(place, place + 1))
        y[own] = np.take_along_axis(inside, found, axis)
        argmax[own] = found + elements.start
    return y, argmax


def maxima_along_backward(dy: Array, argmax: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """Return dx, of this shape: each bin's gradient at its maximum."""
    dx = np.zeros_like(dy, shape=shape)
    for place in range(dy.shape[axis]):  # an element may be the maximum of several bins
        own = along(axis, slice(place, place + 1))
        total = np.take_along_axis(dx, argmax[own], axis) + dy[own]
        np.put_along_axis(dx, argmax[own], total, axis)
    return dx
