"""Layers that put numbers elsewhere and change none of them; the batch axis stays in front."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.checks import check_whole_numbers
from chainrule.errors import ConfigurationError, ShapeError
from chainrule.layers.memory_format import contiguous, in_format, is_batch_last
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["Flatten", "Reshape", "Transpose"]


class Flatten(Module):
    """Each sample as one row: (N, C, H, W) becomes (N, C · H · W)."""

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x.shape, is_batch_last(x), training=training)
        return contiguous(x).reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: Array) -> Array:
        shape, with_batch_last = self.saved_values()
        return in_format(dy.reshape(shape), with_batch_last)


class Reshape(Module):
    """Each sample in another shape, its numbers in the same order: (N, ...) becomes (N, *shape).

    Parameters
    ----------
    shape : sequence of int
        A sample's new shape, without the batch axis. One size may be -1: whatever is left.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = check_whole_numbers("shape", shape, least=None)
        if any(n < 1 and n != -1 for n in self.shape) or self.shape.count(-1) > 1:
            raise ConfigurationError(
                "Reshape's shape holds whole numbers of at least 1, and -1 at most once; "
                f"got {shape!r}."
            )

    def forward(self, x: Array, training: bool = True) -> Array:
        size, known = math.prod(x.shape[1:]), math.prod(n for n in self.shape if n != -1)
        if size % known if -1 in self.shape else size != known:
            multiple = "a multiple of " if -1 in self.shape else ""
            raise ShapeError(
                f"expected samples of {multiple}{known} numbers, to become {self.shape}; "
                f"got an input of shape {x.shape}, with {size} in each.",
                self,
            )
        self.save_for_backward(x.shape, is_batch_last(x), training=training)
        shape = (size // known if n == -1 else n for n in self.shape)
        return contiguous(x).reshape(len(x), *shape)

    def backward(self, dy: Array) -> Array:
        shape, with_batch_last = self.saved_values()
        return in_format(dy.reshape(shape), with_batch_last)


class Transpose(Module):
    """Each sample with its axes in another order: y[n] = np.transpose(x[n], axes).

    Transpose((1, 0)) turns sequences (N, T, features) into (N, features, T), which convolutions
    and BatchNorm take.

    Parameters
    ----------
    axes : sequence of int
        The axes of a sample, counted from 0 without the batch axis, in their new order.
    """

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = check_whole_numbers("axes", axes, least=0)
        if sorted(self.axes) != list(range(len(self.axes))) or not self.axes:
            raise ConfigurationError(
                "Transpose's axes are those of a sample, each once, counted from 0: such as "
                f"(1, 0), or (2, 0, 1); got {axes!r}."
            )

    def forward(self, x: Array, training: bool = True) -> Array:
        if x.ndim != len(self.axes) + 1:
            raise ShapeError(
                f"expected samples of {len(self.axes)} axes, got an input of shape {x.shape}.", self
            )
        self.save_for_backward(training=training)
        return x.transpose(0, *(axis + 1 for axis in self.axes))

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        back = np.argsort(self.axes)  # where each axis went
        return dy.transpose(0, *(int(axis) + 1 for axis in back))
