"""Layers that change the size of images: pixels from channels and back, and between pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.checks import check_choice, check_sizes, check_whole_numbers, is_whole
from chainrule.layers.padding import along
from chainrule.layers.shape_checks import check_shape
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["PixelShuffle", "PixelUnshuffle", "Upsample"]


class Upsample(Module):
    """Each axis s times as long: y[i] = x[floor(i / s)], or numbers in between.

    With ``mode="linear"``, y[i] = (1 - |d|) x[j] + |d| x[j ± 1], where j = floor(i / s) and d =
    (i - j s + 1/2) / s - 1/2 is how far the middle of y's number lies from that of x's, to the
    right (+) or the left (-). Beyond the edge stands the number at the edge. For x (N, C, T) or (N,
    C, H, W), whose axes after the channels become longer, one after the other ("bilinear").

    Backward: dx[j] = Σ dy[i] times the share that x[j] has in y[i].

    Parameters
    ----------
    scale_factor : int or sequence of int
        s: the same for all axes, or one for each, (vertical, horizontal).
    mode : str
        ``"nearest"`` or ``"linear"``.

    Raises
    ------
    ShapeError
        In forward: x has no axes after the channels, or another number of them.

    Examples
    --------
    >>> Upsample(2)(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    >>> Upsample(2, mode="linear")(np.array([[[1.0, 2.0]]]))
    array([[[1.  , 1.25, 1.75, 2.  ]]])
    """

    option_advice: ClassVar[dict[str, str]] = {
        "size": "give whole numbers that the sizes are multiplied with: Upsample(2)"
    }

    def __init__(self, scale_factor: int | Sequence[int], *, mode: str = "nearest") -> None:
        given: Any = scale_factor
        self.scale_factor: int | tuple[int, ...]
        if is_whole(given):
            (self.scale_factor,) = check_sizes(scale_factor=given)
        else:
            self.scale_factor = check_whole_numbers("scale_factor", given)
        check_choice("mode", mode, {"nearest": None, "linear": None})
        self.mode = mode

    def forward(self, x: Array, training: bool = True) -> Array:
        scales = self._scales(x)
        self.save_for_backward(training=training)
        for axis, scale in enumerate(scales, start=2):
            x = stretched(x, axis, self._phases(scale))
        return x

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        for axis, scale in reversed([*enumerate(self._scales(dy), start=2)]):
            dy = stretched_backward(dy, axis, self._phases(scale))
        return dy

    def _scales(self, x: Array) -> tuple[int, ...]:
        """Return s for each axis after the channels."""
        axes = max(x.ndim - 2, 0)
        scales = self.scale_factor
        scales = (scales,) * axes if isinstance(scales, int) else scales
        fits = axes > 0 and len(scales) == axes and 0 not in x.shape[2:]
        expected = "(N, C, T) or (N, C, H, W)"
        if not isinstance(self.scale_factor, int):
            expected = f"(N, C, ...) with an axis for each of {self.scale_factor}"
        check_shape(self, x, fits, expected)
        return scales

    def _phases(self, scale: int) -> list[float]:
        """Return d for each of the numbers that one number of x becomes."""
        if self.mode == "nearest":
            return [0.0] * scale
        return [(place + 0.5) / scale - 0.5 for place in range(scale)]


def stretched(x: Array, axis: int, phases: Sequence[float]) -> Array:
    """Return (1 - |d|) x + |d| times its neighbour, for each d, side by side along one axis."""
    length, scale = x.shape[axis], len(phases)
    shape = (*x.shape[:axis], length * scale, *x.shape[axis + 1 :])
    y = np.empty_like(x, shape=shape)  # in the memory format of x
    for place, d in enumerate(phases):
        own = y[along(axis, slice(place, None, scale))]
        np.multiply(x, 1 - abs(d), out=own)
        for here, there in neighbours(length, d):
            own[along(axis, here)] += abs(d) * x[along(axis, there)]
    return y


def stretched_backward(dy: Array, axis: int, phases: Sequence[float]) -> Array:
    """Return dx of `stretched`: its transpose."""
    scale = len(phases)
    length = dy.shape[axis] // scale
    dx = np.zeros_like(dy, shape=(*dy.shape[:axis], length, *dy.shape[axis + 1 :]))
    for place, d in enumerate(phases):
        own = dy[along(axis, slice(place, None, scale))]
        dx += (1 - abs(d)) * own
        for here, there in neighbours(length, d):
            dx[along(axis, there)] += abs(d) * own[along(axis, here)]
    return dx


def neighbours(length: int, d: float) -> list[tuple[slice, slice]]:
    """Return, as (here, there), the neighbour of each place: its right one if d > 0."""
    first, last = slice(0, 1), slice(length - 1, length)
    left, right = slice(0, length - 1), slice(1, length)
    if d == 0:
        return []
    return [(left, right), (last, last)] if d > 0 else [(right, left), (first, first)]


# ---------------------------------------------------------------- pixels and channels


class PixelShuffle(Module):
    """Channels become pixels: y[n, c, p r + i, q r + j] = x[n, c r² + i r + j, p, q].

    For x (N, C r², H, W); y (N, C, H r, W r).

    Backward: dx is dy with each number back at its place (`PixelUnshuffle`).
    Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network", 2016.

    Parameters
    ----------
    upscale_factor : int
        r.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C r², H, W).

    Examples
    --------
    >>> PixelShuffle(2)(np.array([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]))
    array([[[[1., 2.],
             [3., 4.]]]])
    """

    def __init__(self, upscale_factor: int) -> None:
        (self.upscale_factor,) = check_sizes(upscale_factor=upscale_factor)

    def forward(self, x: Array, training: bool = True) -> Array:
        count = self.upscale_factor**2
        fits = x.ndim == 4 and x.shape[1] % count == 0
        check_shape(self, x, fits, f"images (N, a multiple of {count}, H, W)")
        self.save_for_backward(training=training)
        return to_pixels(x, self.upscale_factor)

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        return to_channels(dy, self.upscale_factor)


class PixelUnshuffle(Module):
    """Pixels become channels: y[n, c r² + i r + j, p, q] = x[n, c, p r + i, q r + j].

    For x (N, C, H r, W r); y (N, C r², H, W): the inverse of `PixelShuffle`.

    Backward: dx is dy with each number back at its place.

    Parameters
    ----------
    downscale_factor : int
        r.

    Raises
    ------
    ShapeError
        In forward: x is not (N, C, H r, W r).

    Examples
    --------
    >>> PixelUnshuffle(2)(np.array([[[[1.0, 2.0], [3.0, 4.0]]]])).shape
    (1, 4, 1, 1)
    """

    def __init__(self, downscale_factor: int) -> None:
        (self.downscale_factor,) = check_sizes(downscale_factor=downscale_factor)

    def forward(self, x: Array, training: bool = True) -> Array:
        r = self.downscale_factor
        fits = x.ndim == 4 and x.shape[2] % r == 0 and x.shape[3] % r == 0
        check_shape(self, x, fits, f"images (N, C, H, W) with H and W multiples of {r}")
        self.save_for_backward(training=training)
        return to_channels(x, r)

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        return to_pixels(dy, self.downscale_factor)


def to_pixels(x: Array, r: int) -> Array:
    """Return (N, C r², H, W) as (N, C, H r, W r)."""
    n, channels, height, width = x.shape
    parts = x.reshape(n, channels // r**2, r, r, height, width)
    parts = parts.transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, channels // r**2, height * r, width * r)


def to_channels(x: Array, r: int) -> Array:
    """Return (N, C, H r, W r) as (N, C r², H, W)."""
    n, channels, height, width = x.shape
    parts = x.reshape(n, channels, height // r, r, width // r, r)
    parts = parts.transpose(0, 1, 3, 5, 2, 4)
    return parts.reshape(n, channels * r**2, height // r, width // r)
