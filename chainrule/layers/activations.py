"""Functions applied to every number alone (ReLU, Sigmoid ...) or along one axis (Softmax).

The smooth relatives of ReLU (ELU, GELU, SiLU ...) are next door, in smooth_activations.py. Only
PReLU has a weight. The functions `sigmoid`, `softmax` and `log_softmax` are the mathematics
alone, for use by losses and other layers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from chainrule.checks import check_number, check_sizes, check_whole
from chainrule.errors import ShapeError
from chainrule.initializers import Constant
from chainrule.module import Module
from chainrule.parameter import Array, Parameter, filled

__all__ = [
    "HardSigmoid",
    "HardSwish",
    "LeakyReLU",
    "LogSoftmax",
    "PReLU",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Softsign",
    "Tanh",
]


@cache
def tiny(dtype: np.dtype[Any]) -> float:
    """Return the smallest normal number of a type: a probability's floor (see Softmax)."""
    return float(np.finfo(dtype).tiny)


# ---------------------------------------------------------------- each number alone


class ReLU(Module):
    """y = max(x, 0). At 0 the gradient is 0."""

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.maximum(x, 0)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * (y > 0)


class LeakyReLU(Module):
    """y = x where x > 0, and negative_slope · x elsewhere.

    Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = check_number("negative_slope", negative_slope)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return np.maximum(x, 0) + self.negative_slope * np.minimum(x, 0)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        return np.where(x > 0, dy, self.negative_slope * dy)


class PReLU(Module):
    """y = x where x > 0, and a · x elsewhere; the slope a is learned.

    da = Σ dy · min(x, 0), over everything that shares the slope.
    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015. Weight decay leaves the slope alone,
    as it does in the paper: it would pull it towards that of a ReLU.

    Parameters
    ----------
    num_parameters : int
        1: one slope for all. Otherwise one for each channel, axis 1 of x (N, C, ...).
    init : float
        The first value of every slope.
    """

    def __init__(self, num_parameters: int = 1, *, init: float = 0.25) -> None:
        (self.num_parameters,) = check_sizes(num_parameters=num_parameters)
        self.init = check_number("init", init)
        first = filled((self.num_parameters,), self.init)
        self.weight = Parameter(first, decay=False, initializer=Constant(self.init))

    def forward(self, x: Array, training: bool = True) -> Array:
        if self.num_parameters > 1 and (x.ndim < 2 or x.shape[1] != self.num_parameters):
            raise ShapeError(
                f"expected {self.num_parameters} channels (N, {self.num_parameters}, ...), "
                f"got an input of shape {x.shape}.",
                self,
            )
        self.save_for_backward(x, training=training)
        return np.maximum(x, 0) + self._slope(x) * np.minimum(x, 0)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        shared = tuple(axis for axis in range(x.ndim) if axis != 1 or self.num_parameters == 1)
        self.weight.grad = (dy * np.minimum(x, 0)).sum(axis=shared).reshape(-1)
        return np.where(x > 0, dy, self._slope(x) * dy)

    def _slope(self, x: Array) -> Array:
        """Return the slopes as (C, 1, 1 ...), to be multiplied with x (N, C, ...)."""
        return self.weight.value.reshape(-1, *[1] * max(x.ndim - 2, 0))


@np.errstate(over="ignore")
def sigmoid_denominator(x: Array) -> Array:
    """1 + exp(-x). Where exp overflows, far to the left, it is infinite: divided by it, all is 0.

    (Formulas in which exp never overflows need a second one, or np.where: 2 to 5 times as long.)
    """
    y = np.exp(-x)
    y += 1
    return y


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)): from 0, where exp(-x) overflows (x below -88 in float32), up to 1."""
    return 1 / sigmoid_denominator(x)


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)), with y and 1 - y kept from vanishing.

    dy/dx = y (1 - y). The binary cross-entropy's gradient has the factor 1 / y or 1 / (1 - y);
    where that one underflows to 0, both sides put the smallest normal number in its place, and
    the product is still exactly y - target.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.maximum(sigmoid(x), tiny(x.dtype))
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * y * np.maximum(1 - y, tiny(y.dtype))


class Tanh(Module):
    """y = tanh(x), dy/dx = 1 - y²."""

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.tanh(x)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * (1 - y * y)


class Softsign(Module):
    """y = x / (1 + |x|), dy/dx = 1 / (1 + |x|)²: like tanh, but slower to saturate.

    Turian, Bergstra, Bengio, "Quadratic Features and Deep Architectures for Chunking", 2009.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        shrink = 1 / (1 + np.abs(x))
        self.save_for_backward(shrink, training=training)
        return x * shrink

    def backward(self, dy: Array) -> Array:
        (shrink,) = self.saved_values()
        return dy * shrink * shrink


def hard_sigmoid(x: Array) -> Array:
    """Return x / 6 + 1 / 2, cut off at 0 and 1: a sigmoid of straight lines."""
    return np.clip(x / 6 + 0.5, 0, 1)


class HardSigmoid(Module):
    """y = x / 6 + 1 / 2, cut off at 0 and 1; dy/dx = 1 / 6 where -3 < x < 3, and 0 elsewhere.

    Howard et al., "Searching for MobileNetV3", 2019.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        y = hard_sigmoid(x)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * ((y > 0) & (y < 1)) / 6


class HardSwish(Module):
    """y = x h(x), where h is HardSigmoid: 0 below -3, x above 3, a parabola between.

    dy/dx = 0 up to -3, x / 3 + 1 / 2 between, and 1 from 3 on.
    Howard et al., "Searching for MobileNetV3", 2019.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return x * hard_sigmoid(x)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        inside = np.abs(x) < 3
        return dy * np.where(inside, x / 3 + 0.5, x > 0)


# ---------------------------------------------------------------- along one axis


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x_i) / Σ_j exp(x_j); the largest x is taken off first, so exp never overflows."""
    # reduce is what max and sum call by way of Python: 1.2 of the 5.9 µs of a row of 3
    e = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True))
    e /= np.add.reduce(e, axis=axis, keepdims=True)
    return e


def log_softmax(x: Array, axis: int = -1) -> Array:
    """x_i - log Σ_j exp(x_j), exact also where the probability itself would underflow."""
    x = x - x.max(axis=axis, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=axis, keepdims=True))
    return x


def check_axis(module: Module, x: Array, axis: int) -> None:
    """Raise ShapeError unless `x` has this axis."""
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"expected an axis {axis}, got an input of shape {x.shape}.", module)


class Softmax(Module):
    """y_i = exp(x_i) / Σ_j exp(x_j) along `axis`: numbers become probabilities.

    dx_i = y_i (dy_i - Σ_j dy_j y_j).

    A probability never falls below the smallest normal number. Cross-entropy's gradient is
    -1 / y there, and the product of the two, y · (-1 / y) = -1, comes out exactly; with y = 0 the
    gradient of the worst mistakes would be lost.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = check_whole("axis", axis, least=None)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_axis(self, x, self.axis)
        y = softmax(x, self.axis)
        np.maximum(y, tiny(y.dtype), out=y)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        dx = dy * y
        dx -= y * np.add.reduce(dx, axis=self.axis, keepdims=True)
        return dx


class LogSoftmax(Module):
    """y_i = x_i - log Σ_j exp(x_j) along `axis`: log-probabilities.

    dx_i = dy_i - softmax(x)_i Σ_j dy_j.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = check_whole("axis", axis, least=None)

    def forward(self, x: Array, training: bool = True) -> Array:
        check_axis(self, x, self.axis)
        y = log_softmax(x, self.axis)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy - np.exp(y) * dy.sum(axis=self.axis, keepdims=True)
