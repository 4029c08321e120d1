"""How images lie in memory: between convolutions with the batch last, whatever their shape says.

Images have the shape (N, C, H, W) everywhere. But a convolution from a few channels to many, with
which networks begin, returns images that lie in memory as (C, H, W, N), and the layers behind it
keep that. So a pixel of all images is a run of N numbers, and whatever is computed from a pixel and
its neighbour, NumPy computes in loops over at least N consecutive numbers. With rows innermost,
its loops are as short as a row, and in a pooling they skip every other number. The training step
of a convolutional network takes 1.15 to 1.2 times as long without it. (PyTorch has memory formats
too, with the channels last; cuda-convnet, Krizhevsky 2012, had the batch last.)

NumPy's elementwise functions keep the format that they find, so layers need not know of it. But
adding or multiplying two arrays of different formats takes ten times as long, with the same result.
Hence the rule: a gradient has the format of the values that it belongs to. Containers see to that,
for all layers: `Sharing` calls `in_format` on the gradient at each layer's output. The inputs and
outputs of a network are contiguous as usual.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.parameter import Array

LEAST_RUN = 16
"""From this many images on the batch is put last; with 2 to 4 it made a network slower."""

TILE = 64
"""Rows and columns that are transposed at a time, so that they stay in a core's cache.

128 rows of 21,632 numbers took 3 ms by tiles and 5 to 22 ms at once; a mere copy takes 1.
"""


def is_batch_last(x: Any) -> bool:
    """Whether x is an array (N, ...) of three axes or more that lies in memory as (..., N)."""
    if type(x) is not np.ndarray or x.ndim < 3 or x.flags.c_contiguous:
        return False
    return x.transpose(*range(1, x.ndim), 0).flags.c_contiguous


def in_format(x: Any, batch_last: bool) -> Any:
    """Return the array x (N, ...) with the batch last in memory, or with the batch first.

    What has this format already, or is no array, is returned as it is.
    """
    if is_batch_last(x) == batch_last:
        return x
    if batch_last:
        columns = transposed(x.reshape(len(x), -1))  # (C · H · W, N)
        return columns.reshape(*x.shape[1:], len(x)).transpose(-1, *range(x.ndim - 1))
    columns = x.transpose(*range(1, x.ndim), 0).reshape(-1, len(x))  # (C · H · W, N), a view
    return transposed(columns).reshape(x.shape)


def empty_images(like: Array, channels: int, size: tuple[int, int]) -> Array:
    """Return new images (N, channels, *size) in the type and format of other images."""
    dtype = like.dtype.type  # in the machine's byte order
    if is_batch_last(like):
        return np.empty((channels, *size, len(like)), dtype).transpose(3, 0, 1, 2)
    return np.empty((len(like), channels, *size), dtype)


def transposed(matrix: Array) -> Array:
    """Return the transpose as a contiguous copy."""
    copy = np.empty(matrix.shape[::-1], matrix.dtype)
    for row in range(0, len(copy), TILE):
        for column in range(0, len(matrix), TILE):
            tile = matrix[column : column + TILE, row : row + TILE]
            copy[row : row + TILE, column : column + TILE] = tile.T
    return copy
