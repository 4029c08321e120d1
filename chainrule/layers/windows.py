"""How a window slides over images: its size, stride, dilation and padding.

Convolution and pooling share this. Along one axis of length L, a kernel of k elements with
`dilation` d has the effective size e = d (k - 1) + 1; with `stride` s and p values of padding on
both sides together, the output has length floor((L + p - e) / s) + 1. With `ceil_mode` it is
ceil((L + p - e) / s) + 1: one more window for what is left over, unless it would begin behind the
input.

Everything here is two-dimensional, (vertical, horizontal). A sequence (N, C, T) is treated as an
image of height 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import is_whole
from chainrule.errors import ConfigurationError, ShapeError
from chainrule.module import Module
from chainrule.parameter import Array

Pair = tuple[int, int]
Sizes = int | Sequence[int]
Padding = int | str | Sequence[int] | Sequence[Sequence[int]]


@dataclass(frozen=True)
class Window:
    """A kernel's size, stride and dilation, (vertical, horizontal), and the padding.

    `padding` is ((top, bottom), (left, right)), or None for "same". With `ceil_mode` a last window
    may reach beyond the padding: `pad_width` grows by what it lacks.
    """

    size: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[Pair, Pair] | None
    ceil_mode: bool = False

    @property
    def effective_size(self) -> Pair:
        """The extent of the kernel, dilation included: d (k - 1) + 1."""
        (kh, kw), (dh, dw) = self.size, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def pad_width(self, image: Pair) -> tuple[Pair, Pair]:
        """Return the padding of an image (H, W): ((top, bottom), (left, right)).

        "same" makes the output ceil(L / stride) long; if the number of zeros is odd, the extra one
        goes to the bottom and to the right.
        """
        if self.padding is not None:
            return self._to_the_last_window(image, self.padding) if self.ceil_mode else self.padding
        vertical, horizontal = (
            max((-(-length // stride) - 1) * stride + size - length, 0)
            for length, stride, size in zip(image, self.stride, self.effective_size, strict=True)
        )
        return (
            (vertical // 2, vertical - vertical // 2),
            (horizontal // 2, horizontal - horizontal // 2),
        )

    def _to_the_last_window(self, image: Pair, padding: tuple[Pair, Pair]) -> tuple[Pair, Pair]:
        """Return the padding, with what the last window of `ceil_mode` lacks added behind."""
        vertical, horizontal = (
            (before, after + behind(length, before, after, size, stride))
            for length, (before, after), size, stride in zip(
                image, padding, self.effective_size, self.stride, strict=True
            )
        )
        return vertical, horizontal

    def pads(self, image: Pair) -> bool:
        """Whether an image (H, W) gets any padding."""
        return any(map(any, self.pad_width(image)))

    def output_size(self, image: Pair) -> Pair:
        """Return (H', W') for an image (H, W); 0 or less if the kernel does not fit."""
        height, width = (
            (length + sum(padding) - size) // stride + 1
            for length, padding, size, stride in zip(
                image, self.pad_width(image), self.effective_size, self.stride, strict=True
            )
        )
        return height, width

    def offsets(self, axis: int, length: int) -> Iterator[tuple[slice, slice]]:
        """Yield (outputs, inputs), two slices, for each element of the kernel along one axis.

        For these outputs the element lies on these inputs; for the others it lies on the padding.
        """
        before, after = self.pad_width((length, length))[axis]
        count = (length + before + after - self.effective_size[axis]) // self.stride[axis] + 1
        for element in range(self.size[axis]):
            first = element * self.dilation[axis] - before
            yield in_bounds(first, self.stride[axis], count, length)


def behind(length: int, before: int, after: int, size: int, stride: int) -> int:
    """Return how far one more window, for what is left over, reaches beyond the padding.

    0 if nothing is left over, or if that window would begin behind the input.
    """
    start = -(-(length + before + after - size) // stride) * stride
    return max(start + size - (length + before + after), 0) if start < length + before else 0


def in_bounds(first: int, step: int, count: int, length: int) -> tuple[slice, slice]:
    """Return which of the indices first, first + step, ... (`count` of them) are on an axis.

    As two slices: of these indices, and of the axis, which has this length.
    """
    start = min(max(-(first // step), 0), count)
    stop = max(min(-((first - length) // step), count), start)
    return slice(start, stop), slice(first + start * step, first + stop * step, step)


# ---------------------------------------------------------------- the options of layers


def read_window(
    axes: int,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    ceil_mode: bool = False,
) -> Window:
    """Return the window for the options of a layer with this many axes (1 or 2)."""
    size: Any = read_sizes("kernel_size", kernel_size, axes)
    steps: Any = read_sizes("stride", stride, axes)
    spacing: Any = read_sizes("dilation", dilation, axes)
    sides: Any = (
        None if isinstance(padding, str) and padding == "same" else read_padding(padding, axes)
    )
    if axes == 1:  # an image of height 1
        size, steps, spacing = (1, *size), (1, *steps), (1, *spacing)
        sides = None if sides is None else ((0, 0), *sides)
    return Window(size, steps, spacing, sides, ceil_mode)


def read_sizes(name: str, value: Sizes, axes: int, least: int = 1) -> tuple[int, ...]:
    """Return one whole number for each axis; a single number counts for all of them."""
    numbers: Any = (value,) * axes if is_whole(value) else value
    if (
        not isinstance(numbers, list | tuple)
        or len(numbers) != axes
        or not all(is_whole(n) and n >= least for n in numbers)
    ):
        several = "" if axes == 1 else ", or a pair of them (vertical, horizontal)"
        raise ConfigurationError(
            f"{name} must be a whole number of at least {least}{several}; got {value!r}."
        )
    return tuple(int(n) for n in numbers)


def read_padding(padding: Padding, axes: int) -> tuple[Pair, ...]:
    """Return (before, after) for each axis, from one number, one for each axis, or all sides."""
    sides: Any = (padding,) * axes if is_whole(padding) else padding
    if isinstance(sides, list | tuple) and axes == 1 and len(sides) == 2:
        sides = (sides,)  # (left, right)
    if isinstance(sides, list | tuple) and len(sides) == axes:
        sides = tuple((p, p) if is_whole(p) else p for p in sides)
        if all(
            isinstance(p, list | tuple) and len(p) == 2 and all(is_whole(n) and n >= 0 for n in p)
            for p in sides
        ):
            return tuple((int(before), int(after)) for before, after in sides)
    forms = (
        "(left, right)"
        if axes == 1
        else "a pair (vertical, horizontal), all sides ((top, bottom), (left, right))"
    )
    raise ConfigurationError(
        f"padding must be a whole number of at least 0, {forms}, or 'same' if the layer has it; "
        f"got {padding!r}."
    )


# ---------------------------------------------------------------- checks; sequences as images


def check_images(module: Module, x: Array, axes: int, channels: int | None = None) -> None:
    """Raise ShapeError unless x is (N, channels, T), for one axis, or (N, channels, H, W)."""
    if x.ndim != 2 + axes or (channels is not None and x.shape[1] != channels):
        lengths = "T" if axes == 1 else "H, W"
        raise ShapeError(
            f"expected (N, {'C' if channels is None else channels}, {lengths}), "
            f"got an input of shape {x.shape}.{_hint(x, axes, channels)}",
            module,
        )


def _hint(x: Array, axes: int, channels: int | None) -> str:
    """Return advice if the channels come last, as in Keras, or are missing."""
    if x.ndim == 2 + axes and x.shape[-1] == channels:
        order = ", ".join(map(str, (0, axes + 1, *range(1, axes + 1))))
        return f" Channels come first here: x.transpose({order})."
    if x.ndim == 1 + axes and channels in (None, 1):
        return " x[:, None] gives each sample its one channel."
    return ""


def check_fit(module: Module, window: Window, x: Array) -> None:
    """Raise ShapeError if the window does not fit into the padded input."""
    image = to_nchw(x).shape[2:]
    if min(window.output_size(image)) < 1:
        padded = [n + sum(p) for n, p in zip(image, window.pad_width(image), strict=True)]
        axes = slice(4 - x.ndim, None)
        raise ShapeError(
            f"expected an input of at least {window.effective_size[axes]}, padding included, which "
            f"is the extent of the kernel; got an input of shape {x.shape}, padded to "
            f"{tuple(padded)[axes]}.",
            module,
        )


def to_nchw(x: Array) -> Array:
    """Return sequences (N, C, T) as images of height 1, (N, C, 1, T); images as they are."""
    return x[:, :, np.newaxis] if x.ndim == 3 else x


def from_nchw(y: Array, ndim: int) -> Array:
    """Undo `to_nchw`: return images as sequences (N, C, T) if `ndim` is 3."""
    return y[:, :, 0] if ndim == 3 else y
