"""Layers that disturb training on purpose, so that no unit relies on a single other one.

In `predict` each of them returns x unchanged. ``layer(x)`` is a pass in training.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.checks import check_range, check_seed
from chainrule.layers.shape_checks import check_shape
from chainrule.layers.smooth_activations import SELU
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["AlphaDropout", "Dropout", "GaussianNoise", "SpatialDropout"]


class Dropout(Module):
    """In training, each number becomes 0 with probability p and x / (1 - p) otherwise.

    The expected output is x ("inverted" scaling), so `predict` returns x unchanged. Note that
    ``layer(x)`` and ``layer.forward(x)`` are passes in training, which drop; use ``predict(x)`` or
    ``training=False`` otherwise.

    Backward: dx = dy · mask, with the mask of the forward pass: 0, or 1 / (1 - p).
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    Parameters
    ----------
    p : float
        The probability of dropping, 0 <= p < 1.
    seed : int, optional
        The same seed gives the same masks. A network that is built with a seed gives each of its
        layers a generator.

    Examples
    --------
    >>> layer = Dropout(0.5, seed=0)
    >>> layer(np.ones((1, 6)))
    array([[2., 2., 2., 0., 0., 0.]])
    >>> layer.predict(np.ones((1, 6)))
    array([[1., 1., 1., 1., 1., 1.]])
    """

    def __init__(self, p: float = 0.5, *, seed: int | np.random.Generator | None = None) -> None:
        self.p = check_range("p", p, high=1)
        self.rng = check_seed(seed)

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training or self.p == 0:
            self.save_for_backward(None, training=training)
            return x
        mask = np.empty_like(self.dropped_alone(x))  # in the memory format of x
        kept = self.rng.random(mask.shape, dtype=np.float32) >= self.p
        np.multiply(kept, x.dtype.type(1 / (1 - self.p)), out=mask)
        self.save_for_backward(mask, training=training)
        return x * mask

    def backward(self, dy: Array) -> Array:
        (mask,) = self.saved_values()
        return dy if mask is None else dy * mask

    def dropped_alone(self, x: Array) -> Array:
        """Return a part of x with one number for each draw: here, all of x."""
        return x


class SpatialDropout(Dropout):
    """In training, each channel of each sample becomes 0 with probability p, else x / (1 - p).

    For x (N, C, T) or (N, C, H, W). Neighbouring pixels carry nearly the same information, so
    dropping single numbers hides little. Like `Dropout`, it drops in ``layer(x)`` and not in
    ``predict(x)``.

    Backward: dx = dy · mask, with the mask (N, C, 1, ...) of the forward pass.
    Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization Using Convolutional
    Networks", 2015.

    Parameters
    ----------
    p : float
        The probability of dropping, 0 <= p < 1.
    seed : int, optional
        The same seed gives the same masks. A network that is built with a seed gives each of its
        layers a generator.

    Raises
    ------
    ShapeError
        In forward: x has no axes after the channels.

    Examples
    --------
    >>> SpatialDropout(0.5, seed=2)(np.ones((1, 3, 2)))
    array([[[2., 2.],
            [0., 0.],
            [0., 0.]]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        expected, hint = "(N, C, T) or (N, C, H, W)", " Dropout is for single numbers."
        check_shape(self, x, x.ndim >= 3, expected, hint)
        return super().forward(x, training)

    def dropped_alone(self, x: Array) -> Array:
        """Return the first number of each channel, (N, C, 1, ...)."""
        return x[(slice(None), slice(None), *[slice(1)] * (x.ndim - 2))]


class AlphaDropout(Dropout):
    """In training, each number becomes α' with probability p; then y = a x + b.

    For behind `SELU`: α' = -λ α is what SELU approaches far to the left, and a = 1 /
    sqrt((1 - p) (1 + p α'²)) and b = -a p α' keep mean 0 and variance 1, which zeros would not.
    Like `Dropout`, it drops in ``layer(x)`` and not in ``predict(x)``.

    Backward: dx = a dy where the number was kept, and 0 elsewhere.
    Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017.

    Parameters
    ----------
    p : float
        The probability of dropping, 0 <= p < 1.
    seed : int, optional
        The same seed gives the same masks. A network that is built with a seed gives each of its
        layers a generator.

    Examples
    --------
    >>> AlphaDropout(0.5, seed=0)(np.ones((1, 6))).round(3)
    array([[ 1.666,  1.666,  1.666, -0.779, -0.779, -0.779]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training or self.p == 0:
            self.save_for_backward(None, training=training)
            return x
        dropped = -SELU.SCALE * SELU.ALPHA
        a = 1 / math.sqrt((1 - self.p) * (1 + self.p * dropped**2))
        kept, mask = self.rng.random(x.shape, dtype=np.float32) >= self.p, np.empty_like(x)
        np.multiply(kept, x.dtype.type(a), out=mask)  # in the memory format of x
        self.save_for_backward(mask, training=training)
        y = x * mask
        y += (a - mask) * dropped
        y -= a * self.p * dropped
        return y


class GaussianNoise(Module):
    """In training, y = x + noise, drawn from a normal distribution with mean 0; otherwise y = x.

    Backward: dx = dy. Note that ``layer(x)`` is a pass in training, which adds noise.

    Parameters
    ----------
    std : float
        The standard deviation of the noise, at least 0.
    seed : int, optional
        The same seed gives the same noise. A network that is built with a seed gives each of its
        layers a generator.

    Examples
    --------
    >>> GaussianNoise(0.1, seed=0)(np.zeros((1, 3))).round(3)
    array([[ 0.013, -0.013,  0.064]])
    """

    def __init__(self, std: float = 0.1, *, seed: int | np.random.Generator | None = None) -> None:
        self.std = check_range("std", std)
        self.rng = check_seed(seed)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(training=training)
        if not training or self.std == 0:
            return x
        y = np.empty_like(x)  # in the memory format of x
        np.multiply(self.rng.standard_normal(x.shape, dtype=x.dtype.type), self.std, out=y)
        y += x
        return y

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        return dy
