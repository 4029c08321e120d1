"""The mathematics of convolution: three functions, each the gradient of another.

    correlate               y[n,o,p,q] = b[o] + Σ_c,i,j w[o,c,i,j] x[n, c, p s + i d, q s + j d]
    weight_gradient         dw[o,c,i,j] = Σ_n,p,q dy[n,o,p,q] x[n, c, p s + i d, q s + j d]
    transposed_convolution  dx[n, c, p s + i d, q s + j d] += Σ_o w[o,c,i,j] dy[n,o,p,q]

for stride s and dilation d, with x padded by zeros. Conv1d and Conv2d use the first in the forward
pass and the third in the backward pass, ConvTranspose2d the other way round.

Each is a matrix product. With K = C · kh · kw, and a column for every output position:

    y  (O, positions) = w (O, K) @ patches (K, positions)
    dw (O, K)         = dy (O, positions) @ patchesᵀ
    dpatches          = wᵀ @ dy, each entry of which is added to the pixel that it was copied from

`patches` holds, for each position, the pixels under the kernel: "im2col" (Chellapilla, Puri,
Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006). They are
copied for some images and output rows at a time, about `SCRATCH` bytes, whatever the batch.

Images may have the batch first or last in memory (memory_format.py). So that one formula serves
both, they are seen as (C, A, H, W, B): the batch is A and B = 1, or the batch is B and A = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from chainrule.layers.memory_format import empty_images, is_batch_last
from chainrule.layers.windows import Pair, Window
from chainrule.parameter import Array

SCRATCH = 4 * 2**20
"""Bytes of copied pixels and products at a time.

About twice what a core has as its own cache: a few long calls of NumPy are better than many short
ones, above all where two threads compete for Python's lock.
"""

RUN, FEW_ROWS = 64, 3
"""With the batch last, a block has this many images if this many of their rows fit.

NumPy's innermost loops run over the images. With 16 of them a training step of a convolutional
network took 1.1 times as long.
"""


# ---------------------------------------------------------------- the three functions


def correlate(
    x: Array, weight: Array, window: Window, groups: int = 1, bias: Array | float = 0.0
) -> Array:
    """Return y = bias + w @ patches(x): what a convolution computes.

    x (N, C, H, W); weight (O, C / groups, kh, kw); bias (O,); y (N, O, H', W'). The outputs of a
    group see only the channels of that group.
    """
    kernels = weight.reshape(groups, len(weight) // groups, -1)  # (G, O / G, K)
    bias = np.asarray(bias, x.dtype).reshape(-1, 1, 1, 1, 1)
    y = empty_images(x, len(weight), window.output_size(x.shape[2:]))
    scratch = Scratch(x)
    for images, rows, patches in im2col(x, len(weight), window, groups):
        out = scratch.by_channel(y[images])[:, :, rows]  # (O, A, rows, W', B)
        product = scratch.product(kernels, patches)  # (G, O / G, positions)
        np.add(product.reshape(out.shape), bias, out=out)
    return y


def weight_gradient(x: Array, dy: Array, window: Window, groups: int = 1) -> Array:
    """Return dw = dy @ patches(x)ᵀ: the gradient with respect to the weight of `correlate`.

    x (N, C, H, W); dy (N, O, H', W'); dw (O, C / groups, kh, kw).
    """
    outputs, channels = dy.shape[1], x.shape[1] // groups
    scratch = Scratch(x)
    dw = np.zeros((groups, outputs // groups, channels * math.prod(window.size)), scratch.dtype)
    for images, rows, patches in im2col(x, outputs, window, groups):
        block = scratch.copy("dy", scratch.by_channel(dy[images])[:, :, rows])
        dw += block.reshape(*dw.shape[:2], -1) @ patches.swapaxes(1, 2)
    return dw.reshape(outputs, channels, *window.size)


def transposed_convolution(
    dy: Array,
    weight: Array,
    window: Window,
    image: Pair,
    groups: int = 1,
    bias: Array | float = 0.0,
) -> Array:
    """Return dx: wᵀ @ dy, each entry added to its pixel, which is the transpose of `correlate`.

    dy (N, O, H', W'); weight (O, C / groups, kh, kw); bias (C,); dx (N, C, H, W), with (H, W) =
    `image`. What falls on the padding is dropped. The product is computed for one row of the
    kernel at a time, since all of its entries would not stay in the cache.
    """
    outputs, channels, (kh, kw) = len(weight), weight.shape[1] * groups, window.size
    kernels = weight.reshape(groups, outputs // groups, -1, kh, kw).transpose(3, 0, 2, 4, 1)
    kernels = kernels.reshape(kh, groups, -1, outputs // groups)  # (kh, G, C / G · kw, O / G)
    bias = np.asarray(bias, dy.dtype).reshape(-1, 1, 1, 1, 1)
    dx = empty_images(dy, channels, image)
    scratch = Scratch(dy)
    row_size = (channels * kh * kw + outputs) * dy.shape[3]
    for images, slices_of_rows in blocks(dy, dy.shape[2], row_size):
        out = scratch.by_channel(dx[images])  # (C, A, H, W, B)
        padded, inner = scratch.padded(out.shape, window)
        dpatches = windows(padded, window)  # (C, kh, kw, A, H', W', B)
        for rows in slices_of_rows:
            block = scratch.copy("dy", scratch.by_channel(dy[images])[:, :, rows])
            matrix = block.reshape(groups, outputs // groups, -1)  # (G, O / G, positions)
            for i in range(kh):
                product = scratch.product(kernels[i], matrix)
                product = product.reshape(channels, kw, *block.shape[1:])
                for j in range(kw):  # windows overlap, but not under one element of the kernel
                    dpatches[:, i, j, :, rows] += product[:, j]
        np.add(inner, bias, out=out)
    return dx


# ---------------------------------------------------------------- patches, block by block


def im2col(
    x: Array, outputs: int, window: Window, groups: int
) -> Iterator[tuple[slice, slice, Array]]:
    """Yield (images, rows, patches), block by block, until every output row has been covered.

    patches (G, K, positions) holds the pixels under the kernel at each position of these rows of
    y, with K = C / groups · kh · kw. The next block overwrites it.
    """
    scratch = Scratch(x)
    inputs = x.shape[1] * math.prod(window.size)  # of all groups
    out_height, out_width = window.output_size(x.shape[2:])
    for images, slices_of_rows in blocks(x, out_height, (inputs + outputs) * out_width):
        pixels = scratch.by_channel(x[images])  # (C, A, H, W, B)
        if window.pads(x.shape[2:]):
            padded, inner = scratch.padded(pixels.shape, window)
            inner[...] = pixels
            pixels = padded
        view = windows(pixels, window)  # (C, kh, kw, A, H', W', B)
        for rows in slices_of_rows:
            patches = scratch.copy("patches", view[:, :, :, :, rows])
            yield images, rows, patches.reshape(groups, inputs // groups, -1)


def windows(padded: Array, window: Window) -> Array:
    """Return (C, A, H, W, B) as (C, kh, kw, A, H', W', B): what each element of the kernel meets.

    It is a view, in which windows overlap.
    """
    (sh, sw), (dh, dw) = window.stride, window.dilation
    view = sliding_window_view(padded, window.effective_size, axis=(2, 3), writeable=True)
    return view[:, :, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 5, 6, 1, 2, 3, 4)


def blocks(images: Array, rows: int, row_size: int) -> Iterator[tuple[slice, list[slice]]]:
    """Cut a batch into blocks of about SCRATCH bytes: yield some images, and slices of their rows.

    An image has this many `rows` of `row_size` numbers, copies and products included.
    """
    row_bytes = row_size * images.itemsize
    size = SCRATCH // (row_bytes * rows)
    if is_batch_last(images):
        size = max(size, min(RUN, SCRATCH // (row_bytes * FEW_ROWS)))
    size = max(min(size, len(images)), 1)
    slices_of_rows = slices(rows, max(SCRATCH // (row_bytes * size), 1))
    for some in slices(len(images), size):
        yield some, slices_of_rows


def slices(length: int, size: int) -> list[slice]:
    """Return slices of at most this size that cover a length."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


class Scratch:
    """Memory that the blocks of one call reuse: fresh memory for each would cost as much again.

    Parameters
    ----------
    images : array
        (N, C, H, W), whose type and memory format the arrays have.
    """

    def __init__(self, images: Array) -> None:
        self.dtype = images.dtype.type  # in the machine's byte order
        self.batch_last = is_batch_last(images)
        self.memory: dict[str, Array] = {}

    def by_channel(self, images: Array) -> Array:
        """Return images (N, C, H, W) as (C, A, H, W, B), a view; see the top of this file."""
        if self.batch_last:
            return images.transpose(1, 2, 3, 0)[:, np.newaxis]
        return images.swapaxes(0, 1)[..., np.newaxis]

    def array(self, name: str, *shape: int) -> Array:
        """Return the array of this name in this shape, with whatever values it has."""
        size = math.prod(shape)
        if name not in self.memory or self.memory[name].size < size:
            self.memory[name] = np.empty(size, self.dtype)
        return self.memory[name][:size].reshape(shape)

    def copy(self, name: str, x: Array) -> Array:
        """Return a contiguous copy of `x`."""
        copied = self.array(name, *x.shape)
        copied[...] = x
        return copied

    def product(self, kernels: Array, matrix: Array) -> Array:
        """Return kernels @ matrix: (G, a, b) times (G, b, positions)."""
        # b = 1 (depthwise, backward) is elementwise, for which np.matmul takes 4 times as long
        multiply = np.multiply if kernels.shape[2] == 1 else np.matmul
        out = self.array("product", *kernels.shape[:2], matrix.shape[2])
        return multiply(kernels, matrix, out=out)

    def padded(self, shape: tuple[int, ...], window: Window) -> tuple[Array, Array]:
        """Return zeros for images (C, A, H, W, B) with their padding, and the part without it."""
        channels, a, height, width, b = shape
        (top, bottom), (left, right) = window.pad_width((height, width))
        zeros = self.array("padded", channels, a, height + top + bottom, width + left + right, b)
        zeros[...] = 0
        return zeros, zeros[:, :, top : top + height, left : left + width]
