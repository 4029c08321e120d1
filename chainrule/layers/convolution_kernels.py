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
64→64 and 3 × 3 or 16→32 and 5 × 5, both on 14 × 14. From a few channels to many it is the other
way round (1.3 from a single one on 28 × 28): there all kh · kw neighbours are copied, and the sum
is a single product (`is_widening`).

The copies are made for some images and rows at a time, in about `SCRATCH` bytes, whatever the
batch. Positions, the columns of all these matrices, are in the order in which the images lie in
memory (memory_format.py), and results lie like the images that they are made from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.layers.memory_format import empty_images, is_batch_last
from chainrule.layers.windows import Pair, Window, in_bounds
from chainrule.parameter import Array

SCRATCH = 4 * 2**20
"""Bytes of copied pixels and products at a time.

About twice what a core keeps in its own cache: few, long calls of NumPy matter more, above all
where two threads meet at Python's lock. On two workers a step of the benchmark's convolutional
network took 1.2 to 1.4 times as long with a quarter of it, 1.0 to 1.15 times with half of it.
"""

RUN, FEW_ROWS = 64, 3
"""Where the batch lies last, a block is so many images if so many of their rows fit.

They are what NumPy's innermost loops go over. With 16 of them a step of the same network took 1.1
times as long.
"""


# ---------------------------------------------------------------- the three functions


def correlate(
    x: Array, weight: Array, window: Window, groups: int = 1, bias: Array | None = None
) -> Array:
    """y[n, o, p, q] = bias[o] + Σ_c,i,j weight[o, c, i, j] · x[n, c, p s + i d, q s + j d].

    x (N, C, H, W), padded with zeros; weight (O, C / groups, kh, kw); y (N, O, H', W').
    The outputs of a group see the channels of that group alone.
    """
    outputs, channels, kh, kw = weight.shape
    at_once = rows_at_once(channels, outputs // groups, window)
    kernels = weight.reshape(outputs, channels, kh // at_once, at_once * kw).transpose(2, 0, 1, 3)
    kernels = kernels.reshape(kh // at_once, groups, outputs // groups, -1)
    y = empty_images(x, outputs, window.output_size(x.shape[2:]))
    scratch = Scratch(x)
    for images, rows, patches in im2col_blocks(x, outputs, window, groups):
        sums = sum_of_products(kernels, patches, scratch)
        write_with_bias(y[images, :, rows], sums, bias, scratch)
    return y


def weight_gradient(x: Array, dy: Array, window: Window, groups: int = 1) -> Array:
    """dweight[o, c, i, j] = Σ_n,p,q dy[n, o, p, q] · x[n, c, p s + i d, q s + j d].

    x (N, C, H, W); dy (N, O, H', W'); dweight (O, C / groups, kh, kw).
    """
    outputs, channels, (kh, kw) = dy.shape[1], x.shape[1] // groups, window.size
    at_once = rows_at_once(channels, outputs // groups, window)
    total = np.zeros((kh // at_once, groups, channels * at_once * kw, outputs // groups), x.dtype)
    scratch = Scratch(x)
    for images, rows, patches in im2col_blocks(x, outputs, window, groups):
        block = scratch.matrices(dy[images, :, rows].transpose(1, 2, 0, 3), groups)
        for i, pixels in enumerate(patches):
            total[i] += pixels @ block.transpose(0, 2, 1)
    total = total.reshape(kh // at_once, groups, channels, at_once * kw, outputs // groups)
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
    dx = empty_images(dy, groups * channels, image)
    row_bytes = (outputs + 2 * groups * channels * kw) * dy.shape[3] * dy.itemsize
    scratch = Scratch(dy)
    for phase in range(min(stride, image[0])):
        elements = [i for i in range(kh) if (phase + top - i * dilation) % stride == 0]
        contributing = [(phase + top - i * dilation) // stride for i in elements]  # rows of dy
        for images, rows in blocks(dy, len(range(phase, image[0], stride)), row_bytes):
            block = dx[images, :, phase::stride][:, :, rows]  # (n, C, rows, W)
            if not elements:  # a kernel shorter than the stride leaves rows out
                block[...] = 0 if bias is None else bias[:, np.newaxis, np.newaxis]
                continue
            first = [row + rows.start for row in contributing]
            views = row_views(dy[images], first, block.shape[2], groups, scratch)
            columns = sum_of_products(kernels[elements], views, scratch)
            sums = col2im(columns, window, block, dy.shape[3], scratch)
            write_with_bias(block, sums, bias, scratch)
    return dx


def is_widening(channels: int, outputs: int, window: Window) -> bool:
    """Whether a convolution is from a few channels of a group to many.

    Then all kh · kw neighbours are fewer numbers to copy than products to add up without them.
    """
    return channels * window.size[1] <= outputs


def rows_at_once(channels: int, outputs: int, window: Window) -> int:
    """Return how many of the kernel's rows a product is over: all or a single one."""
    return window.size[0] if is_widening(channels, outputs, window) else 1


def sum_of_products(kernels: Array, views: Sequence[Array], scratch: Scratch) -> Array:
    """Return Σ_i kernels[i] @ views[i], (groups, a, b) times (groups, b, positions)."""
    shape = *kernels.shape[1:3], views[0].shape[2]
    total, product = scratch.flat("total", *shape), scratch.flat("product", *shape)
    # b = 1 (depthwise, backwards): a product of numbers, for which np.matmul took 4 times as long
    multiply = np.multiply if kernels.shape[3] == 1 else np.matmul
    for i, view in enumerate(views):
        multiply(kernels[i], view, out=product if i else total)
        if i:
            total += product
    return total


def write_with_bias(y: Array, sums: Array, bias: Array | None, scratch: Scratch) -> None:
    """Write y (n, C, rows, columns) = sums, matrices of as many numbers, + bias (C,)."""
    count, channels, rows, columns = y.shape
    sums = scratch.images(sums, channels, rows, count, columns).transpose(2, 0, 1, 3)
    if bias is None:
        y[...] = sums
    else:
        np.add(sums, bias[:, np.newaxis, np.newaxis], out=y)


# ---------------------------------------------------------------- block by block


class Scratch:
    """Memory that the blocks of one call use one after the other; it belongs to that call alone.

    Parameters
    ----------
    like : array
        The images, (N, C, H, W), whose type and order in memory its arrays have.
    """

    def __init__(self, like: Array) -> None:
        self.dtype = like.dtype
        self.batch_last = is_batch_last(like)
        self.memory: dict[str, Array] = {}

    def flat(self, name: str, *shape: int) -> Array:
        """Return an array of this shape over the memory of this name, whatever it holds."""
        size = math.prod(shape)
        if name not in self.memory or self.memory[name].size < size:
            self.memory[name] = np.empty(size, self.dtype)
        return self.memory[name][:size].reshape(shape)

    def array(self, name: str, *shape: int) -> Array:
        """Return images as they are worked on, (C, ..., rows, n, W), whatever they hold."""
        return self.images(self.flat(name, *shape), *shape)

    def images(self, matrices: Array, *shape: int) -> Array:
        """Return the positions of matrices as rows, images and columns: (C, ..., rows, n, W)."""
        if self.batch_last:
            *others, count, width = shape
            return matrices.reshape(*others, width, count).swapaxes(-2, -1)
        return matrices.reshape(shape)

    def matrices(self, images: Array, groups: int) -> Array:
        """Return (C, ..., rows, n, W) as matrices (groups, C / groups ..., positions).

        A view, unless other images or rows lie between these in memory.
        """
        if self.batch_last:
            images = images.swapaxes(-2, -1)
        positions = math.prod(images.shape[-3:])
        return images.reshape(groups, -1, positions)


def blocks(images: Array, rows: int, row_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Cut a batch into (images, rows): several whole images, or some rows of some."""
    count = len(images)
    size = SCRATCH // (row_bytes * rows)
    if is_batch_last(images):
        size = max(size, min(RUN, SCRATCH // (row_bytes * FEW_ROWS)))
    size = max(min(size, count), 1)
    height = max(SCRATCH // (row_bytes * size), 1)
    for first in range(0, count, size):
        for top in range(0, rows, height):
            yield slice(first, min(first + size, count)), slice(top, min(top + height, rows))


def im2col_blocks(
    x: Array, outputs: int, window: Window, groups: int
) -> Iterator[tuple[slice, slice, list[Array]]]:
    """Yield (images, rows, patches) for one block after the other, until y is complete.

    patches[i], (groups, C / groups · kw, rows · n · W'), holds the pixels that row i of the
    kernel is multiplied with, for these rows of y; or patches[0] those of all its rows. The next
    block overwrites it.
    """
    channels, image = x.shape[1], (x.shape[2], x.shape[3])
    (kh, kw), sh, dh = window.size, window.stride[0], window.dilation[0]
    (top, _), (left, right) = window.pad_width(image)
    out_height, out_width = window.output_size(image)
    at_once = rows_at_once(channels // groups, outputs // groups, window)
    row_bytes = (channels * at_once * kw * min(sh, kh) + 2 * outputs) * out_width * x.itemsize
    scratch = Scratch(x)
    for images, rows in blocks(x, out_height, row_bytes):
        n, m = images.stop - images.start, rows.stop - rows.start
        steps = m + (kh - 1) * dh // sh  # rows of each phase that are needed
        to, source = in_bounds(rows.start * sh - top, 1, steps * sh, image[0])
        padded = x[images, :, source].transpose(1, 2, 0, 3)
        if padded.shape != (shape := (channels, steps * sh, n, left + image[1] + right)):
            inner, padded = padded, scratch.array("padded", *shape)
            padded[...] = 0
            padded[:, to, :, left : left + image[1]] = inner
        if at_once == kh:
            windows = neighbours(padded, window, kh, m, out_width)
            pixels = scratch.array("patches", *windows.shape)
            pixels[...] = windows
            patches = [pixels]
        else:
            patches = neighbours_in_rows(padded, window, m, out_width, scratch)
        yield images, rows, [scratch.matrices(pixels, groups) for pixels in patches]


def neighbours(padded: Array, window: Window, kh: int, rows: int, columns: int) -> Array:
    """Return the pixels under each element of `kh` kernel rows, of padded (C, H, n, W).

    (C, kh, kw, rows, n, columns) for so many rows and columns of outputs: a view, in which windows
    overlap.
    """
    (c, h, n, w), (sh, sw), (dh, dw) = padded.strides, window.stride, window.dilation
    shape = (padded.shape[0], kh, window.size[1], rows, padded.shape[2], columns)
    return as_strided(padded, shape, (c, h * dh, w * dw, h * sh, n, w * sw), writeable=False)


def neighbours_in_rows(
    padded: Array, window: Window, rows: int, columns: int, scratch: Scratch
) -> list[Array]:
    """Return for each row i of the kernel the pixels under its elements, copied.

    Each is (C, kw, rows, n, columns), a view of what is copied once for all. A kernel row meets
    every s-th row of the image, a "phase": those of another phase never.
    """
    channels, height, count, _ = padded.shape
    (kh, kw), (stride, _), (dilation, _) = window.size, window.stride, window.dilation
    phases = sorted({i * dilation % stride for i in range(kh)})
    steps = height // stride
    pixels = scratch.array("patches", channels, kw, len(phases), steps, count, columns)
    for index, phase in enumerate(phases):
        pixels[:, :, index] = neighbours(padded[:, phase:], window, 1, steps, columns)[:, 0]
    views = []
    for i in range(kh):
        first, phase = divmod(i * dilation, stride)
        views.append(pixels[:, :, phases.index(phase), first : first + rows])
    return views


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
    return [scratch.matrices(padded[:, s : s + rows], groups) for s in starts]


def col2im(columns: Array, window: Window, dx: Array, out_width: int, scratch: Scratch) -> Array:
    """Add up what the kernel's columns j contribute to each pixel of a row, q s + j d for all q.

    columns are matrices of (C, kw, rows, n, W'), with W' = `out_width`; the sums are
    (C, rows, n, W), for dx (n, C, rows, W).
    """
    count, channels, rows, width = dx.shape
    kw, stride, dilation = window.size[1], window.stride[1], window.dilation[1]
    columns = scratch.images(columns, channels, kw, rows, count, out_width)
    left = window.pad_width((rows, width))[1][0]
    sums = scratch.array("sums", channels, rows, count, width)
    sums[...] = 0
    for j in range(kw):
        out, pixels = in_bounds(j * dilation - left, stride, out_width, width)
        sums[..., pixels] += columns[:, j, ..., out]
    return scratch.matrices(sums, 1)
