"""Joins: several arrays become one, at the nodes of a graph where branches meet.

Each takes a tuple of arrays, ``Add().forward((a, b))``, and returns a tuple of gradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.checks import check_bool, check_epsilon, check_whole
from chainrule.errors import ConfigurationError, ShapeError
from chainrule.layers.sums import directions
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["Add", "Concatenate", "DotProduct", "Multiply"]

Arrays = Sequence[Array]


class Add(Module):
    """y = x_1 + x_2 + ..., all of the same shape.

    Backward: dx_i = dy for each of them.

    Raises
    ------
    ShapeError
        In forward: the shapes differ.

    Examples
    --------
    >>> Add().forward((np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])))
    array([[11., 22.]])
    """

    joins = True

    def forward(self, x: Arrays, training: bool = True) -> Array:
        check_equal_shapes(self, x)
        self.save_for_backward(len(x), training=training)
        return sum(x[1:], start=x[0])

    def backward(self, dy: Array) -> tuple[Array, ...]:
        (count,) = self.saved_values()
        return (dy,) * count


class Multiply(Module):
    """y = x_1 · x_2 · ..., elementwise, all of the same shape: a gate.

    Backward: dx_i = dy times the product of all others.

    Raises
    ------
    ShapeError
        In forward: the shapes differ.

    Examples
    --------
    >>> Multiply().forward((np.array([[1.0, 2.0]]), np.array([[0.0, 1.0]])))
    array([[0., 2.]])
    """

    joins = True

    def forward(self, x: Arrays, training: bool = True) -> Array:
        check_equal_shapes(self, x)
        self.save_for_backward(tuple(x), training=training)
        return math.prod(x[1:], start=x[0])

    def backward(self, dy: Array) -> tuple[Array, ...]:
        (x,) = self.saved_values()
        return tuple(math.prod(x[:i] + x[i + 1 :], start=dy) for i in range(len(x)))


class Concatenate(Module):
    """y = [x_1, x_2, ...] along one axis; all other axes must have equal sizes.

    Backward: dx_i is the part of dy at the place of x_i.

    Parameters
    ----------
    axis : int
        1, the features or channels, by default; never 0, the batch.

    Raises
    ------
    ShapeError
        In forward: the sizes of the other axes differ.

    Examples
    --------
    >>> Concatenate().forward((np.zeros((5, 2)), np.zeros((5, 3)))).shape
    (5, 5)
    """

    joins = True

    def __init__(self, axis: int = 1) -> None:
        self.axis = check_whole("axis", axis, least=None)
        if self.axis == 0:
            raise ConfigurationError("axis must not be 0, the batch axis; got 0.")

    def forward(self, x: Arrays, training: bool = True) -> Array:
        check_equal_shapes(self, x, but=self.axis)
        widths = [array.shape[self.axis] for array in x]
        self.save_for_backward(np.cumsum(widths)[:-1], training=training)
        return np.concatenate(x, axis=self.axis)

    def backward(self, dy: Array) -> tuple[Array, ...]:
        (cuts,) = self.saved_values()
        return tuple(np.split(dy, cuts, axis=self.axis))


class DotProduct(Module):
    """y = Σ_i a_i b_i over the last axis, for two arrays of one shape: (N, ..., D) to (N, ..., 1).

    With `normalize` it is the cosine similarity Σ a_i b_i / (|a| |b|), between -1 and 1.

    Backward: da = dy b and db = dy a. With `normalize`, da = dy (b / |b| - y a / |a|) / |a|, and db
    likewise.

    Parameters
    ----------
    normalize : bool
        Whether to divide by both lengths.
    epsilon : float
        A lower bound of the lengths, so that a row of zeros gives 0.

    Raises
    ------
    ShapeError
        In forward: there are not two arrays, or their shapes differ.

    Examples
    --------
    >>> DotProduct(normalize=True).forward((np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]])))
    array([[0.96]])
    """

    joins = True

    def __init__(self, *, normalize: bool = False, epsilon: float = 1e-8) -> None:
        self.normalize = check_bool("normalize", normalize)
        self.epsilon = check_epsilon(epsilon)

    def forward(self, x: Arrays, training: bool = True) -> Array:
        if len(x) != 2:
            raise ShapeError(f"expected two arrays, got {len(x)}.", self)
        check_equal_shapes(self, x)
        (a, length_a), (b, length_b) = (self._direction(array) for array in x)
        y = np.einsum("...d,...d->...", a, b)[..., np.newaxis]
        self.save_output(y, a, b, (length_a, length_b), training=training)
        return y

    def backward(self, dy: Array) -> tuple[Array, ...]:
        y, a, b, (length_a, length_b) = self.saved_values()
        if not self.normalize:
            return dy * b, dy * a
        # a length that is held at epsilon is a constant, without a gradient
        through_a, through_b = y * (length_a > self.epsilon), y * (length_b > self.epsilon)
        return dy * (b - through_a * a) / length_a, dy * (a - through_b * b) / length_b

    def _direction(self, x: Array) -> tuple[Array, Array | None]:
        """Return x / |x| over the last axis and |x|; x itself without `normalize`."""
        return directions(x, self.epsilon) if self.normalize else (x, None)


def check_equal_shapes(module: Module, arrays: Arrays, but: int | None = None) -> None:
    """Raise ShapeError unless all arrays have the same shape, except along the axis `but`."""
    first = arrays[0].shape
    if but is not None and not -len(first) < but < len(first):
        raise ShapeError(f"expected arrays that have an axis {but}, got the shape {first}.", module)

    def compared(shape: tuple[int, ...]) -> list[int]:
        return list(shape) if but is None else np.delete(shape, but).tolist()

    for number, array in enumerate(arrays, start=1):
        if array.ndim != len(first) or compared(array.shape) != compared(first):
            exception = "" if but is None else f", except along axis {but}"
            raise ShapeError(
                f"expected equal shapes{exception}; array 1 has the shape {first}, and array "
                f"{number} {array.shape}.",
                module,
            )
