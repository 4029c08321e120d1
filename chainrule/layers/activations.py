"""Activation functions: elementwise (ReLU, Sigmoid ...) or along one axis (Softmax).

The smooth variants of ReLU (ELU, GELU, SiLU ...) are in smooth_activations.py. Only PReLU has a
parameter. The functions `sigmoid`, `softmax` and `log_softmax` are the formulas alone; losses and
other layers use them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from chainrule.checks import check_number, check_sizes, check_whole
from chainrule.errors import ConfigurationError
from chainrule.initializers import Constant
from chainrule.layers.shape_checks import check_channels, check_shape
from chainrule.layers.sums import MANY, sum_along, sum_of_channels
from chainrule.module import Module
from chainrule.parameter import Array, Parameter, filled

__all__ = [
    "GLU",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "LeakyReLU",
    "LogSoftmax",
    "PReLU",
    "ReLU",
    "ReLU6",
    "Sigmoid",
    "Softmax",
    "Softsign",
    "Tanh",
]


@cache
def tiny(dtype: np.dtype[Any]) -> float:
    """Return the smallest normal number of a type: the floor of a probability (see Softmax)."""
    return float(np.finfo(dtype).tiny)


# ---------------------------------------------------------------- elementwise


class ReLU(Module):
    """y = max(x, 0): the rectified linear unit.

    Backward: dx = dy where x > 0, and 0 elsewhere, also at x = 0.

    Examples
    --------
    >>> ReLU()(np.array([[-1.0, 0.0, 2.0]]))
    array([[0., 0., 2.]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.maximum(x, 0)
        self.save_output(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * (y > 0)


class LeakyReLU(Module):
    """y = x where x > 0, and negative_slope · x elsewhere.

    Backward: dx = dy where x > 0, and negative_slope · dy elsewhere. x may have any shape.
    Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.

    Parameters
    ----------
    negative_slope : float
        The slope to the left of 0.

    Examples
    --------
    >>> LeakyReLU(0.1)(np.array([[-2.0, 0.0, 3.0]]))
    array([[-0.2,  0. ,  3. ]])
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

    Backward: dx = dy where x > 0, and a · dy elsewhere; da = Σ dy · min(x, 0), over everything that
    shares the slope. Weight decay leaves the slopes alone, as in the paper: it would pull them
    towards those of a ReLU. He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015.

    Parameters
    ----------
    num_parameters : int
        1 for a single slope. Otherwise one for each channel, axis 1 of x (N, C, ...).
    init : float
        The initial slope, as in PyTorch.

    Raises
    ------
    ShapeError
        In forward: x does not have `num_parameters` channels.

    Examples
    --------
    >>> PReLU(2)(np.array([[-2.0, 3.0]]))
    array([[-0.5,  3. ]])
    """

    def __init__(
        self,
        num_parameters: int = 1,
        *,
        init: float = 0.25,
    ) -> None:
        (self.num_parameters,) = check_sizes(num_parameters=num_parameters)
        self.init = check_number("init", init)
        first = filled((self.num_parameters,), self.init)
        self.weight = Parameter(first, decay=False, initializer=Constant(self.init))

    def forward(self, x: Array, training: bool = True) -> Array:
        if self.num_parameters > 1:
            check_channels(self, x, self.num_parameters)
        self.save_for_backward(x, training=training)
        return np.maximum(x, 0) + self._slope(x) * np.minimum(x, 0)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        products = dy * np.minimum(x, 0)
        shared = self.num_parameters == 1
        self.weight.grad = products.sum().reshape(1) if shared else sum_of_channels(products)
        return np.where(x > 0, dy, self._slope(x) * dy)

    def _slope(self, x: Array) -> Array:
        """Return the slopes as (C, 1, 1 ...), which broadcasts to x (N, C, ...)."""
        return self.weight.value.reshape(-1, *[1] * max(x.ndim - 2, 0))


@np.errstate(over="ignore")
def sigmoid_denominator(x: Array) -> Array:
    """Return 1 + exp(-x), infinite where exp overflows: anything divided by that is 0.

    Formulas in which exp never overflows need a second exp or np.where and take 2 to 5 times as
    long.
    """
    y = np.exp(-x)
    y += 1
    return y


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)); 0 where exp(-x) overflows (x below -88 in float32)."""
    return 1 / sigmoid_denominator(x)


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)), with y and 1 - y kept above 0.

    Backward: dx = dy · y (1 - y). The gradient of the binary cross-entropy has the factor 1 / y or
    1 / (1 - y). Where y or 1 - y underflows to 0, both this layer and the loss use the smallest
    normal number instead, so the product is still exactly y - target.

    Examples
    --------
    >>> Sigmoid()(np.array([[-1.0, 0.0, 1.0]])).round(3)
    array([[0.269, 0.5  , 0.731]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.maximum(sigmoid(x), tiny(x.dtype))
        self.save_output(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * y * np.maximum(1 - y, tiny(y.dtype))


class Tanh(Module):
    """y = tanh(x): a sigmoid from -1 to 1.

    Backward: dx = dy · (1 - y²).

    Examples
    --------
    >>> Tanh()(np.array([[-1.0, 0.0, 1.0]])).round(3)
    array([[-0.762,  0.   ,  0.762]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        y = np.tanh(x)
        self.save_output(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * (1 - y * y)


class Softsign(Module):
    """y = x / (1 + |x|): like tanh, but it saturates more slowly.

    Backward: dx = dy / (1 + |x|)².
    Turian, Bergstra, Bengio, "Quadratic Features and Deep Architectures for Chunking", 2009.

    Examples
    --------
    >>> Softsign()(np.array([[-1.0, 0.0, 3.0]]))
    array([[-0.5 ,  0.  ,  0.75]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        shrink = 1 / (1 + np.abs(x))
        self.save_for_backward(shrink, training=training)
        return x * shrink

    def backward(self, dy: Array) -> Array:
        (shrink,) = self.saved_values()
        return dy * shrink * shrink


def hard_sigmoid(x: Array) -> Array:
    """Return x / 6 + 1 / 2, clipped to [0, 1]: a piecewise linear sigmoid."""
    return np.clip(x / 6 + 0.5, 0, 1)


class HardSigmoid(Module):
    """y = x / 6 + 1 / 2, clipped to [0, 1]: a piecewise linear sigmoid.

    Backward: dx = dy / 6 where -3 < x < 3, and 0 elsewhere.
    Howard et al., "Searching for MobileNetV3", 2019.

    Examples
    --------
    >>> HardSigmoid()(np.array([[-4.0, 0.0, 1.5]]))
    array([[0.  , 0.5 , 0.75]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        y = hard_sigmoid(x)
        self.save_output(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy * ((y > 0) & (y < 1)) / 6


class HardSwish(Module):
    """y = x h(x), where h is HardSigmoid: 0 below -3, x above 3, a parabola in between.

    Backward: dx = dy · (x / 3 + 1 / 2) where -3 < x < 3, dy above, and 0 below.
    Howard et al., "Searching for MobileNetV3", 2019.

    Examples
    --------
    >>> HardSwish()(np.array([[-4.0, 1.5, 4.0]]))
    array([[-0.   ,  1.125,  4.   ]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return x * hard_sigmoid(x)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        inside = np.abs(x) < 3
        return dy * np.where(inside, x / 3 + 0.5, x > 0)


class HardTanh(Module):
    """y = x, clipped to [min_val, max_val]: a piecewise linear tanh.

    Backward: dx = dy where min_val < x < max_val, and 0 elsewhere.
    Collobert, "Large Scale Machine Learning", 2004.

    Parameters
    ----------
    min_val, max_val : float
        The least and the largest y; min_val < max_val.

    Raises
    ------
    ConfigurationError
        min_val is not below max_val.

    Examples
    --------
    >>> HardTanh()(np.array([[-4.0, 0.5, 1.5]]))
    array([[-1. ,  0.5,  1. ]])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = check_number("min_val", min_val)
        self.max_val = check_number("max_val", max_val)
        if min_val >= max_val:
            raise ConfigurationError(
                f"min_val must be less than max_val; got min_val={min_val!r} and "
                f"max_val={max_val!r}."
            )

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(x, training=training)
        return np.clip(x, self.min_val, self.max_val)

    def backward(self, dy: Array) -> Array:
        (x,) = self.saved_values()
        return dy * ((x > self.min_val) & (x < self.max_val))


class ReLU6(HardTanh):
    """y = x, clipped to [0, 6]: a ReLU that saturates.

    Backward: dx = dy where 0 < x < 6, and 0 elsewhere.
    Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010; used by Sandler, Howard,
    Zhu, Zhmoginov, Chen, "MobileNetV2", 2018.

    Examples
    --------
    >>> ReLU6()(np.array([[-1.0, 2.0, 7.0]]))
    array([[0., 2., 6.]])
    """

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)


# ---------------------------------------------------------------- along one axis


class GLU(Module):
    """y = a σ(b), where a and b are the halves of x along `axis`: a gated linear unit.

    For an axis of 2 D numbers, which y has D of.

    Backward: da = dy σ(b), db = dy a σ(b) (1 - σ(b)).
    Dauphin, Fan, Auli, Grangier, "Language Modeling with Gated Convolutional Networks", 2017.

    Parameters
    ----------
    axis : int
        The axis that is halved; never 0, the batch.

    Raises
    ------
    ShapeError
        In forward: x has no such axis, or an odd number along it.

    Examples
    --------
    >>> GLU()(np.array([[4.0, 6.0, 0.0, 100.0]]))
    array([[2., 6.]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = check_whole("axis", axis, least=None)
        if self.axis == 0:
            raise ConfigurationError("axis must not be 0, the batch axis; got 0.")

    def forward(self, x: Array, training: bool = True) -> Array:
        there = -x.ndim < self.axis < x.ndim
        fits = there and x.shape[self.axis] % 2 == 0
        check_shape(self, x, fits, f"an even number along an axis {self.axis}")
        a, b = np.split(x, 2, axis=self.axis)
        gate = sigmoid(b)
        self.save_for_backward(a, gate, training=training)
        return a * gate

    def backward(self, dy: Array) -> Array:
        a, gate = self.saved_values()
        da = dy * gate
        return np.concatenate([da, da * a * (1 - gate)], axis=self.axis)


def softmax(x: Array, axis: int = -1) -> Array:
    """Return exp(x_i) / Σ_j exp(x_j); the largest x is subtracted first, so exp never overflows."""
    # max and sum call reduce, through Python: without them a row of 3 takes 4.7 µs, not 5.9
    e = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True))
    add_up = np.add.reduce if e.shape[axis] < MANY else sum_along
    e /= add_up(e, axis=axis, keepdims=True)
    return e


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Return x_i - log Σ_j exp(x_j), accurate even where the probability would underflow."""
    x = x - x.max(axis=axis, keepdims=True)
    x -= np.log(sum_along(np.exp(x), axis, keepdims=True))
    return x


class Softmax(Module):
    """y_i = exp(x_i) / Σ_j exp(x_j) along `axis`: numbers become probabilities.

    Backward: dx_i = y_i (dy_i - Σ_j dy_j y_j).

    A probability is never below the smallest normal number. The gradient of cross-entropy is -1 / y
    there, and the product y · (-1 / y) is exactly -1; with y = 0 the gradient of the worst mistakes
    would be lost.

    Parameters
    ----------
    axis : int
        The axis along which the probabilities add up to 1.

    Raises
    ------
    ShapeError
        In forward: x has no such axis.

    Examples
    --------
    >>> Softmax()(np.log(np.array([[1.0, 1.0, 2.0]])))
    array([[0.25, 0.25, 0.5 ]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = check_whole("axis", axis, least=None)

    def forward(self, x: Array, training: bool = True) -> Array:
        if not -x.ndim <= self.axis < x.ndim:
            check_shape(self, x, False, f"an axis {self.axis}")
        y = softmax(x, self.axis)
        np.maximum(y, tiny(y.dtype), out=y)
        self.save_output(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        dx = dy * y
        add_up = np.add.reduce if dx.shape[self.axis] < MANY else sum_along
        dx -= y * add_up(dx, axis=self.axis, keepdims=True)
        return dx


class LogSoftmax(Module):
    """y_i = x_i - log Σ_j exp(x_j) along `axis`: log-probabilities.

    Backward: dx_i = dy_i - softmax(x)_i Σ_j dy_j.

    Parameters
    ----------
    axis : int
        The axis along which the probabilities add up to 1.

    Examples
    --------
    >>> LogSoftmax()(np.log(np.array([[1.0, 1.0, 2.0]])))
    array([[-1.38629436, -1.38629436, -0.69314718]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = check_whole("axis", axis, least=None)

    def forward(self, x: Array, training: bool = True) -> Array:
        if not -x.ndim <= self.axis < x.ndim:
            check_shape(self, x, False, f"an axis {self.axis}")
        y = log_softmax(x, self.axis)
        self.save_output(y, training=training)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.saved_values()
        return dy - np.exp(y) * sum_along(dy, self.axis, keepdims=True)
