"""The mathematics of convolution: three functions on images, each linear in both its arguments.

They are each other's gradients:

    correlate(x, weight) -> y                   what a convolution computes
    transposed_convolution(dy, weight) -> dx    its transpose, the gradient at x
    weight_gradient(x, dy) -> dweight           the gradient at the weight

Conv1d and Conv2d go forward by `correlate` and back by `transposed_convolution`, ConvTranspose2d
the other way round. Each is a sum over the kernel's rows i of one large matrix product:

    y's rows p = Σ_i  weight[:, :, i] (O, C·kw)  @  x's rows p s + i d, each pixel with its kw - 1
                                                    neighbours to the right (C·kw, positions)

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

from chainrule.layers.windows import Pair, Window, in_bounds
from chainrule.parameter import Array

SCRATCH = 2 * 2**20
"""Bytes of copied pixels and products at a time: about what a core keeps in its own cache."""


# ---------------------------------------------------------------- the three functions


def correlate(
    x: Array, weight: Array, window: Window, groups: int = 1, bias: Array | None = None
) -> Array:
    """y[n, o, p, q] = bias[o] + Σ_c,i,j weight[o, c, i, j] · x[n, c, p s + i d, q s + j d].

    x (N, C, H, W), padded with zeros; weight (O, C / groups, kh, kw); y (N, O, H', W').
    The outputs of a group see the channels of that group alone.
    """
    outputs, channels, kh, kw = weight.shape
    kernels = weight.transpose(2, 0, 1, 3).reshape(kh, groups, outputs // groups, channels * kw)
    y = np.empty((len(x), outputs, *window.output_size(x.shape[2:])), x.dtype)
    scratch = Scratch(x.dtype)
    for images, rows, patches in im2col_blocks(x, outputs, window, groups):
        sums = sum_of_products(kernels, patches, scratch)
        write_with_bias(y[images, :, rows], sums, bias)
    return y


def weight_gradient(x: Array, dy: Array, window: Window, groups: int = 1) -> Array:
    """dweight[o, c, i, j] = Σ_n,p,q dy[n, o, p, q] · x[n, c, p s + i d, q s + j d].

    x (N, C, H, W); dy (N, O, H', W'); dweight (O, C / groups, kh, kw).
    """
    outputs, channels, (kh, kw) = dy.shape[1], x.shape[1] // groups, window.size
    total = np.zeros((kh, groups, channels * kw, outputs // groups), x.dtype)
    scratch = Scratch(x.dtype)
    for images, rows, patches in im2col_blocks(x, outputs, window, groups):
        block = dy[images, :, rows].transpose(1, 2, 0, 3)
        copy = scratch.array("dy", *block.shape)  # (O, rows, n, W')
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

    The sum is over all o, p, q, i, j with the same pixel on the left. dy (N, O, H', W'); weight
    (O, C / groups, kh, kw); dx (N, C, H, W), with (H, W) = `image`. What falls on the padding is
    dropped.

    Rows are gathered: a row of dx is the sum over the kernel's rows i of a product with the row
    of dy that contributes to it by way of i. At a stride of s, every s-th row of dx meets the same
    kernel rows. Columns are scattered: the product holds what each j adds, j d pixels apart.
    """
    outputs, channels, kh, kw = weight.shape
    stride, dilation, top = window.stride[0], window.dilation[0], window.pad_width(image)[0][0]
    kernels = weight.reshape(groups, outputs // groups, channels, kh, kw).transpose(3, 0, 2, 4, 1)
    kernels = kernels.reshape(kh, groups, channels * kw, outputs // groups)
    dx = np.empty((len(dy), groups * channels, *image), dy.dtype)
    row_bytes = (outputs + 2 * groups * channels * kw) * dy.shape[3] * dy.itemsize
    scratch = Scratch(dy.dtype)
    for phase in range(min(stride, image[0])):
        elements = [i for i in range(kh) if (phase + top - i * dilation) % stride == 0]
        contributing = [(phase + top - i * dilation) // stride for i in elements]  # rows of dy
        for images, rows in blocks(len(dy), len(range(phase, image[0], stride)), row_bytes):
            block = dx[images, :, phase::stride][:, :, rows]  # (n, C, rows, W)
            if not elements:  # a kernel shorter than the stride leaves rows out
                block[...] = 0 if bias is None else bias[:, np.newaxis, np.newaxis]
                continue
            first = [row + rows.start for row in contributing]
            views = row_views(dy[images], first, block.shape[2], groups, scratch)
            columns = sum_of_products(kernels[elements], views, scratch)
            sums = col2im(columns, window, block, dy.shape[3], scratch)
            write_with_bias(block, sums, bias)
    return dx


def sum_of_products(kernels: Array, views: Sequence[Array], scratch: Scratch) -> Array:
    """Return Σ_i kernels[i] @ views[i], (groups, a, b) times (groups, b, positions)."""
    shape = *kernels.shape[1:3], views[0].shape[2]
    total, product = scratch.array("total", *shape), scratch.array("product", *shape)
    # b = 1 (depthwise, backwards): a product of numbers, for which np.matmul took 4 times as long
    multiply = np.multiply if kernels.shape[3] == 1 else np.matmul
    for i, view in enumerate(views):
        multiply(kernels[i], view, out=product if i else total)
        if i:
            total += product
    return total


def write_with_bias(y: Array, sums: Array, bias: Array | None) -> None:
    """Write y (n, C, rows, columns) = sums, (C, rows, n, columns) in this order, + bias (C,)."""
    count, channels, rows, columns = y.shape
    sums = sums.reshape(channels, rows, count, columns).transpose(2, 0, 1, 3)
    if bias is None:
        y[...] = sums
    else:
        np.add(sums, bias[:, np.newaxis, np.newaxis], out=y)


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


def im2col_blocks(
    x: Array, outputs: int, window: Window, groups: int
) -> Iterator[tuple[slice, slice, list[Array]]]:
    """Yield (images, rows, patches) for one block after the other, until y is complete.

    patches[i], (groups, C / groups · kw, rows · n · W'), holds the pixels that row i of the
    kernel is multiplied with, for these rows of y. The next block overwrites it.
    """
    count, channels = x.shape[:2]
    image = x.shape[2], x.shape[3]
    (kh, kw), (sh, sw), (dh, dw) = window.size, window.stride, window.dilation
    (top, _), (left, right) = window.pad_width(image)
    out_height, out_width = window.output_size(image)
    phases = sorted({i * dh % sh for i in range(kh)})  # a kernel row skips the rows between
    row_bytes = (channels * kw * len(phases) + 2 * outputs) * out_width * x.itemsize
    scratch = Scratch(x.dtype)
    for images, rows in blocks(count, out_height, row_bytes):
        n, m = images.stop - images.start, rows.stop - rows.start
        steps = m + (kh - 1) * dh // sh  # rows of each phase that are needed
        padded = scratch.array("padded", channels, steps * sh, n, left + image[1] + right)
        padded[...] = 0
        to, source = in_bounds(rows.start * sh - top, 1, steps * sh, image[0])
        padded[:, to, :, left : left + image[1]] = x[images, :, source].transpose(1, 2, 0, 3)
        pixels = scratch.array("patches", channels, kw, len(phases), steps, n, out_width)
        for j in range(kw):
            shifted = padded[..., j * dw : j * dw + (out_width - 1) * sw + 1 : sw]
            for index, phase in enumerate(phases):
                pixels[:, j, index] = shifted[:, phase::sh]
        first_rows = [(phases.index(i * dh % sh), i * dh // sh) for i in range(kh)]
        yield (
            images,
            rows,
            [
                pixels[:, :, index, first : first + m].reshape(groups, channels // groups * kw, -1)
                for index, first in first_rows
            ],
        )


def row_views(
    dy: Array, first: Sequence[int], rows: int, groups: int, scratch: Scratch
) -> list[Array]:
    """Return views of dy (n, O, H', W'): `rows` rows, beginning with each of the `first` ones.

    Each is (groups, O / groups, rows · n · W'), zero where dy has no such row.
    """
    count, outputs, length, columns = dy.shape
    lowest, height = min(first), max(first) - min(first) + rows
    padded = scratch.array("dy", outputs, height, count, columns)
    to, source = in_bounds(lowest, 1, height, length)
    padded[:, : to.start] = 0
    padded[:, to] = dy[:, :, source].transpose(1, 2, 0, 3)
    padded[:, to.stop :] = 0
    starts = [row - lowest for row in first]
    return [padded[:, s : s + rows].reshape(groups, outputs // groups, -1) for s in starts]


def col2im(columns: Array, window: Window, dx: Array, out_width: int, scratch: Scratch) -> Array:
    """Add up what the kernel's columns j contribute to each pixel of a row, q s + j d for all q.

    columns holds (C, kw, rows, n, W') in this order, with W' = `out_width`; the sums are
    (C, rows, n, W), for dx (n, C, rows, W).
    """
    count, channels, rows, width = dx.shape
    kw, stride, dilation = window.size[1], window.stride[1], window.dilation[1]
    columns = columns.reshape(channels, kw, rows, count, out_width)
    left = window.pad_width((rows, width))[1][0]
    sums = scratch.array("sums", channels, rows, count, width)
    sums[...] = 0
    for j in range(kw):
        out, pixels = in_bounds(j * dilation - left, stride, out_width, width)
        sums[..., pixels] += columns[:, j, ..., out]
    return sums
