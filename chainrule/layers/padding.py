"""Padding: what stands around an image, and how its gradient goes back to the pixels.

    constant   0 0 0 | a b c d | 0 0 0      "zeros" in convolutions
    reflect    d c b | a b c d | c b a
    replicate  a a a | a b c d | d d d
    circular   b c d | a b c d | a b c

Rows are padded first, then columns, corners included. Except for a constant, each number of the
padding is a copy of a pixel, whose gradient is the sum of those at all its places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.checks import check_choice, check_number
from chainrule.errors import ConfigurationError
from chainrule.layers.shape_checks import check_shape
from chainrule.layers.windows import (
    Padding,
    Pair,
    check_images,
    from_nchw,
    read_padding,
    to_nchw,
)
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["Pad1d", "Pad2d"]

Widths = tuple[Pair, Pair]  # ((top, bottom), (left, right))

SOURCES: dict[str, Callable[[int, int], int]] = {
    "reflect": lambda place, length: -place if place < 0 else 2 * (length - 1) - place,
    "replicate": lambda place, length: min(max(place, 0), length - 1),
    "circular": lambda place, length: place % length,
}
"""The pixel whose copy stands at a place of the padding: below 0, or from `length` on."""

LEAST: dict[str, Callable[[int], int]] = {
    "reflect": lambda width: width + 1,
    "replicate": lambda width: 1,
    "circular": lambda width: width,
}
"""How long an axis must be for a padding of this width."""


def check_room(module: Module, x: Array, widths: Widths, mode: str) -> None:
    """Raise ShapeError where x is too small to be mirrored or wrapped around."""
    if mode in SOURCES:
        for axis, sides in zip((-2, -1), widths, strict=True):
            least = LEAST[mode](max(sides)) if any(sides) else 0
            expected = f"at least {least} numbers along axis {axis} for this padding by {mode!r}"
            check_shape(module, x, not least or x.shape[axis] >= least, expected)


def pad(images: Array, widths: Widths, mode: str, value: float = 0.0) -> Array:
    """Return images (N, C, H, W) with their padding."""
    for axis, (before, after) in zip((2, 3), widths, strict=True):
        if not before + after:
            continue
        length = images.shape[axis]
        shape = [*images.shape]
        shape[axis] += before + after
        y = np.full_like(images, value, shape=tuple(shape))  # in the memory format of the images
        y[along(axis, slice(before, before + length))] = images
        if mode in SOURCES:
            for place, source in copies(mode, length, before, after):
                y[along(axis, before + place)] = images[along(axis, source)]
        images = y
    return images


def pad_backward(dy: Array, widths: Widths, mode: str) -> Array:
    """Return the gradient at the images, given that at the padded ones."""
    for axis, (before, after) in zip((3, 2), reversed(widths), strict=True):
        length = dy.shape[axis] - before - after
        dx = dy[along(axis, slice(before, before + length))]
        if mode in SOURCES and before + after:
            dx = dx.copy(order="K")
            for place, source in copies(mode, length, before, after):
                dx[along(axis, source)] += dy[along(axis, before + place)]
        dy = dx
    return dy


def copies(mode: str, length: int, before: int, after: int) -> list[tuple[int, int]]:
    """Return (place, source) for each number of the padding along one axis."""
    places = (*range(-before, 0), *range(length, length + after))
    return [(place, SOURCES[mode](place, length)) for place in places]


def along(axis: int, index: Any) -> tuple[Any, ...]:
    """Return an index that picks this along one axis, and everything along those before it."""
    return (*[slice(None)] * axis, index)


# ---------------------------------------------------------------- as a layer


class Pad2d(Module):
    """Each image with rows and columns around it: y[n, c, top + p, left + q] = x[n, c, p, q].

    For x (N, C, H, W); y (N, C, top + H + bottom, left + W + right). What stands around x is a
    constant, or copies of pixels; see `mode`. Convolutions have `padding_mode`, which does the
    same.

    Backward: dx is dy at the place of the image; with copies, plus dy at each place where a pixel
    was copied to.

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int))
        How many rows and columns: the same on all sides, (vertical, horizontal), or ((top, bottom),
        (left, right)).
    mode : str
        ``"constant"``; ``"reflect"``, the image mirrored at its outermost pixels; ``"replicate"``,
        the outermost pixels again and again; ``"circular"``, the image from its other side.
    value : float
        The constant.

    Raises
    ------
    ConfigurationError
        An option makes no sense, such as a value with another mode.
    ShapeError
        In forward: x is not (N, C, H, W), or too small to be mirrored or wrapped around.

    Examples
    --------
    >>> Pad2d((0, 2), mode="reflect")(np.array([[[[1.0, 2.0, 3.0]]]]))
    array([[[[3., 2., 1., 2., 3., 2., 1.]]]])
    """

    axes = 2

    def __init__(self, padding: Padding, *, mode: str = "constant", value: float = 0.0) -> None:
        check_choice("mode", mode, {"constant": None, **SOURCES})
        self.padding, self.mode = padding, mode
        self.value = check_number("value", value)
        if value and mode != "constant":
            raise ConfigurationError(
                f"value is for mode='constant'; got value={value!r} with mode={mode!r}."
            )
        sides: Any = read_padding(padding, self.axes)
        self.widths: Widths = ((0, 0), *sides) if self.axes == 1 else sides

    def forward(self, x: Array, training: bool = True) -> Array:
        check_images(self, x, self.axes)
        check_room(self, x, self.widths, self.mode)
        self.save_for_backward(training=training)
        return from_nchw(pad(to_nchw(x), self.widths, self.mode, self.value), x.ndim)

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        return from_nchw(pad_backward(to_nchw(dy), self.widths, self.mode), dy.ndim)


class Pad1d(Pad2d):
    """Each sequence with numbers before and behind it: y[n, c, left + t] = x[n, c, t].

    For x (N, C, T); y (N, C, left + T + right): `Pad2d` for sequences.

    Backward: dx is dy at the place of the sequence; with copies, plus dy at each place where a
    number was copied to.

    Parameters
    ----------
    padding : int or (int, int)
        How many numbers: the same on both sides, or (left, right).
    mode : str
        ``"constant"``; ``"reflect"``, the sequence mirrored at its ends; ``"replicate"``, the first
        and the last number again and again; ``"circular"``, the sequence from its other end.
    value : float
        The constant.

    Raises
    ------
    ConfigurationError
        An option makes no sense, such as a value with another mode.
    ShapeError
        In forward: x is not (N, C, T), or too short to be mirrored or wrapped around.

    Examples
    --------
    >>> Pad1d((1, 0), mode="circular")(np.array([[[1.0, 2.0, 3.0]]]))
    array([[[3., 1., 2., 3.]]])
    """

    axes = 1
