"""Layers that rearrange numbers without changing them; the batch axis stays in front."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.checks import check_whole_numbers
from chainrule.errors import ConfigurationError, ShapeError
from chainrule.layers.shape_checks import check_shape
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["Flatten", "Identity", "Reshape", "Transpose"]


class Identity(Module):
    """y = x: in the place of a layer that is not wanted.

    Backward: dx = dy.

    Examples
    --------
    >>> Identity()(np.array([[1.0, 2.0]]))
    array([[1., 2.]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(training=training)
        return x

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        return dy


class Flatten(Module):
    """Each sample as one row: (N, C, H, W) becomes (N, C · H · W).

    Backward: dx is dy in the shape of x.

    Examples
    --------
    >>> Flatten()(np.zeros((5, 3, 4, 4))).shape
    (5, 48)
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x.shape, training=training)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved_values()
        return dy.reshape(shape)


class Reshape(Module):
    """Each sample in another shape, its numbers in the same order: (N, ...) becomes (N, *shape).

    Backward: dx is dy in the shape of x.

    Parameters
    ----------
    shape : sequence of int
        The new shape of a sample, without the batch axis. One size may be -1, to be inferred.

    Raises
    ------
    ShapeError
        In forward: the samples do not have as many numbers as `shape` needs.

    Examples
    --------
    >>> Reshape((1, 28, 28))(np.zeros((5, 784))).shape
    (5, 1, 28, 28)
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = check_whole_numbers("shape", shape, least=None)
        if any(n < 1 and n != -1 for n in self.shape) or self.shape.count(-1) > 1:
            raise ConfigurationError(
                "Reshape's shape must hold whole numbers of at least 1, and -1 at most once; "
                f"got {shape!r}."
            )

    def forward(self, x: Array, training: bool = True) -> Array:
        size, known = math.prod(x.shape[1:]), math.prod(n for n in self.shape if n != -1)
        if size % known if -1 in self.shape else size != known:
            multiple = "a multiple of " if -1 in self.shape else ""
            raise ShapeError(
                f"expected samples of {multiple}{known} numbers for the shape {self.shape}, "
                f"got an input of shape {x.shape}, with {size} numbers in each.",
                self,
            )
        self.save_for_backward(x.shape, training=training)
        return x.reshape(len(x), *(size // known if n == -1 else n for n in self.shape))

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved_values()
        return dy.reshape(shape)


class Transpose(Module):
    """Each sample with its axes in another order: y[n] = np.transpose(x[n], axes).

    Transpose((1, 0)) turns sequences (N, T, features) into (N, features, T), which convolutions
    and BatchNorm take.

    Backward: dx is dy with the axes back in their old order.

    Parameters
    ----------
    axes : sequence of int
        The axes of a sample in their new order, numbered from 0 without the batch axis.

    Raises
    ------
    ShapeError
        In forward: the samples have another number of axes.

    Examples
    --------
    >>> Transpose((1, 0))(np.zeros((5, 20, 3))).shape
    (5, 3, 20)
    """

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = check_whole_numbers("axes", axes, least=0)
        if sorted(self.axes) != list(range(len(self.axes))) or not self.axes:
            raise ConfigurationError(
                "Transpose's axes must be those of a sample, each once, numbered from 0, such as "
                f"(1, 0) or (2, 0, 1); got {axes!r}."
            )

    def forward(self, x: Array, training: bool = True) -> Array:
        check_shape(self, x, x.ndim == len(self.axes) + 1, f"samples of {len(self.axes)} axes")
        self.save_for_backward(training=training)
        return x.transpose(0, *(axis + 1 for axis in self.axes))

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        back = np.argsort(self.axes)  # where each axis went
        return dy.transpose(0, *(int(axis) + 1 for axis in back))
