"""Sums of many float32 numbers, whatever axis they lie along, and of squares of any size.

NumPy adds numbers in pairs, and pairs of pairs, along the axis that is contiguous in memory, but
one after the other along any other. The sum of 5 million times 0.1 is then 4 % off.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.checks import all_finite
from chainrule.layers.memory_format import is_batch_last
from chainrule.parameter import Array

MANY = 512
"""Up to this many numbers may be added one after the other: an error of about 1e-6."""

VERY_MANY = 131_072
"""Up to this many numbers may be added up by einsum, which adds several at a time."""

SMALL = 1024
"""Up to this many numbers a result is small for BLAS, and its sums have to be cut into blocks."""

BLOCK, LARGE_BLOCK = 64, 256
"""How many rows are added up at a time, and how many products; fewer of these take longer."""


def sum_of_rows(x: Array, out: Array | None = None) -> Array:
    """Return Σ_n x_n: (N, ...) -> (...).

    Rows are added up by blocks, and the blocks' sums in the same way. As a product with ones this
    takes a third of the time of np.add.reduce along the first axis (5,000 rows of 64).
    """
    if len(x) < MANY:
        return np.add.reduce(x, axis=0, out=out)
    width = math.prod(x.shape[1:])
    rows, ones = x.reshape(len(x), width), np.ones(BLOCK, x.dtype)
    while len(rows) >= 2 * BLOCK:
        whole = len(rows) // BLOCK * BLOCK
        blocks = rows[:whole].reshape(whole // BLOCK, BLOCK, width)
        rows = np.concatenate([np.matmul(ones, blocks), rows[whole:]])
    return np.add.reduce(rows.reshape(len(rows), *x.shape[1:]), axis=0, out=out)


def sum_of_products(x: Array, z: Array, out: Array | None = None) -> Array:
    """Return Σ_n x_n z_nᵀ: (N, i) and (N, o) -> (i, o).

    For small results BLAS, too, adds one product after the other: of 40,000 rows of 5 and of 3,
    2e-4 was lost.
    """
    if len(x) < MANY or x.shape[1] * z.shape[1] > SMALL:
        return np.matmul(x.T, z, out=out)
    count = len(x) // LARGE_BLOCK
    whole = count * LARGE_BLOCK
    blocks = x[:whole].reshape(count, LARGE_BLOCK, -1).swapaxes(1, 2)
    total = sum_of_rows(blocks @ z[:whole].reshape(count, LARGE_BLOCK, -1))
    return np.add(total, x[whole:].T @ z[whole:], out=out)


def sum_of_channels(images: Array) -> Array:
    """Return the sum of each channel over the batch: (N, C, ...) -> (C,).

    What is next to each other in memory is added up first: pixels, or with the batch last all of
    a channel.
    """
    x = images.reshape(*images.shape[:2], math.prod(images.shape[2:]))  # (N, C, pixels)
    if is_batch_last(x):
        return np.add.reduce(x.transpose(1, 2, 0).reshape(x.shape[1], -1), axis=1)
    return sum_of_rows(x[:, :, 0] if x.shape[2] == 1 else np.add.reduce(x, axis=2))


def sum_along(x: Array, axis: int, keepdims: bool = False) -> Array:
    """Return the sum along one axis."""
    one_by_one = x.shape[axis] >= MANY and x.strides[axis] != x.itemsize
    dtype = np.float64 if one_by_one else x.dtype
    total: Array = x.sum(axis=axis, keepdims=keepdims, dtype=dtype)
    return total.astype(x.dtype, copy=False)


# ---------------------------------------------------------------- squares that would overflow


def power_of_two(x: Array) -> Array:
    """Return the largest power of two up to |x|: dividing by it does not round."""
    return np.ldexp(np.ones_like(x), np.frexp(x)[1] - 1)


def directions(x: Array, least: float) -> tuple[Array, Array]:
    """Return x / |x| along the last axis, and the lengths |x|, (..., 1), of at least `least`.

    Where squares overflow (from 1e19 in float32) or the shortest length has no square, it is
    computed from z = x / s, with a power of two s near the largest |x_i|.
    """
    squares = np.einsum("...d,...d->...", x, x)[..., np.newaxis]
    info = np.finfo(x.dtype)
    if least**2 * float(info.eps) > float(info.tiny) and all_finite(squares):
        length = np.maximum(np.sqrt(squares), x.dtype.type(least))
        return x / length, length
    with np.errstate(all="ignore"):
        scale = power_of_two(np.abs(x).max(axis=-1, keepdims=True))
        z = x / scale
        length = np.sqrt(np.einsum("...d,...d->...", z, z)[..., np.newaxis])
        z /= np.maximum(length, least / scale)
        return z, np.maximum(length * scale, x.dtype.type(least))
