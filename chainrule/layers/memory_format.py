"""How images lie in memory: between convolutions with the batch last, whatever their shape says.

Images are (N, C, H, W) for everybody. But a convolution from a few channels to many, as a network
begins with, lets what comes out lie in memory as (C, H, W, N), and the layers behind it keep that.
So one pixel of all images is a run of N numbers, and whatever is done to a pixel and its neighbour,
NumPy does in loops over at least N numbers side by side; where rows lie innermost, its loops are as
short as a row, and in a pooling they skip every other number. (PyTorch has "memory formats", too,
with the channels last. cuda-convnet, Krizhevsky 2012, had the batch.)

NumPy's functions of single numbers keep the format that they find, so most layers need not know
of it. But two arrays of different formats, added or multiplied, take ten times as long, with the
same result. So the rule is: a gradient lies in memory as the values do that it belongs to. Layers
that make new arrays keep to it, and a network's inputs and outputs are contiguous as usual.
"""

from __future__ import annotations

import numpy as np

from chainrule.parameter import Array

LEAST_RUN = 16
"""Images for which the batch is put last; with 2 to 4 a convolutional network took longer then."""

TILE = 64
"""Rows and columns that are transposed at a time: a core keeps them in its cache.

At once, 128 rows of 21,632 numbers took 5 to 22 ms, by tiles 3; a mere copy takes 1.
"""


def batch_last(x: Array) -> Array:
    """Return x (N, ...) as (..., N), contiguous: a view if it lies in memory like this."""
    turned = x.transpose(*range(1, x.ndim), 0)
    if turned.flags.c_contiguous:
        return turned
    return transposed(x.reshape(len(x), -1)).reshape(turned.shape)


def batch_first(x: Array) -> Array:
    """Return x (..., N) as (N, ...), a view."""
    return x.transpose(-1, *range(x.ndim - 1))


def is_batch_last(x: Array) -> bool:
    """Whether x (N, ...) has several axes besides the batch and lies in memory as (..., N)."""
    if x.ndim < 3 or x.flags.c_contiguous:
        return False
    return x.transpose(*range(1, x.ndim), 0).flags.c_contiguous


def empty_images(like: Array, channels: int, size: tuple[int, int]) -> Array:
    """Return new images (N, channels, *size), in type and format like others."""
    if is_batch_last(like):
        return batch_first(np.empty((channels, *size, len(like)), like.dtype))
    return np.empty((len(like), channels, *size), like.dtype)


def contiguous(x: Array) -> Array:
    """Return x (N, ...), a contiguous copy if it has the batch last, else itself."""
    if not is_batch_last(x):
        return x
    return transposed(batch_last(x).reshape(-1, len(x))).reshape(x.shape)


def in_format(x: Array, with_batch_last: bool) -> Array:
    """Return x (N, ...) with the batch last in memory, or not last."""
    return batch_first(batch_last(x)) if with_batch_last else contiguous(x)


def transposed(matrix: Array) -> Array:
    """Return the transpose as a contiguous copy."""
    copy = np.empty(matrix.shape[::-1], matrix.dtype)
    for row in range(0, len(copy), TILE):
        for column in range(0, len(matrix), TILE):
            tile = matrix[column : column + TILE, row : row + TILE]
            copy[row : row + TILE, column : column + TILE] = tile.T
    return copy
