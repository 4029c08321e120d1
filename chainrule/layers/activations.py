"""Functions applied to every number alone (ReLU, Sigmoid ...) or along one axis (Softmax).

None has weights. The functions `sigmoid`, `softmax` and `log_softmax` are the mathematics alone,
for use by losses and other layers.
"""

from __future__ import annotations

import numpy as np

from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["LeakyReLU", "LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Tanh"]


def tiny(x: Array) -> float:
    """Return the smallest normal number of x's type: a probability's floor (see Softmax)."""
    return float(np.finfo(x.dtype).tiny)


# ---------------------------------------------------------------- each number alone


class ReLU(Module):
    """y = max(x, 0). At 0 the gradient is 0."""

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.maximum(x, 0)
        self.save(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return dy * (y > 0)


class LeakyReLU(Module):
    """y = x where x > 0, and negative_slope · x elsewhere.

    Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save(x, training=training)
        return np.where(x > 0, x, self.negative_slope * x)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved()
        return np.where(x > 0, dy, self.negative_slope * dy)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written so that exp never overflows: only exp(-|x|) is taken."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)), with y and 1 - y kept from vanishing.

    dy/dx = y (1 - y). The binary cross-entropy's gradient has the factor 1 / y or 1 / (1 - y);
    where that one underflows to 0, both sides put the smallest normal number in its place, and
    the product is still exactly y - target.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.maximum(sigmoid(x), tiny(x))
        self.save(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return dy * y * np.maximum(1 - y, tiny(y))


class Tanh(Module):
    """y = tanh(x), dy/dx = 1 - y²."""

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.tanh(x)
        self.save(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return dy * (1 - y * y)


# ---------------------------------------------------------------- along one axis


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x_i) / Σ_j exp(x_j); the largest x is taken off first, so exp never overflows."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    e /= e.sum(axis=axis, keepdims=True)
    return e


def log_softmax(x: Array, axis: int = -1) -> Array:
    """x_i - log Σ_j exp(x_j), exact also where the probability itself would underflow."""
    x = x - x.max(axis=axis, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=axis, keepdims=True))
    return x


class Softmax(Module):
    """y_i = exp(x_i) / Σ_j exp(x_j) along `axis`: numbers become probabilities.

    dx_i = y_i (dy_i - Σ_j dy_j y_j).

    A probability never falls below the smallest normal number. Cross-entropy's gradient is
    -1 / y there, and the product of the two, y · (-1 / y) = -1, comes out exactly; with y = 0 the
    gradient of the worst mistakes would be lost.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array, training: bool = True) -> Array:
        y = softmax(x, self.axis)
        np.maximum(y, tiny(y), out=y)
        self.save(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        weighted = dy * y
        return weighted - y * weighted.sum(axis=self.axis, keepdims=True)


class LogSoftmax(Module):
    """y_i = x_i - log Σ_j exp(x_j) along `axis`: log-probabilities.

    dx_i = dy_i - softmax(x)_i Σ_j dy_j.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array, training: bool = True) -> Array:
        y = log_softmax(x, self.axis)
        self.save(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved()
        return dy - np.exp(y) * dy.sum(axis=self.axis, keepdims=True)
