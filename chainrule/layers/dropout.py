"""Layers that disturb training on purpose, so that no unit relies on a single other one.

In `predict` each of them passes x through unchanged.
"""

from __future__ import annotations

import numpy as np

from chainrule.checks import check_range, check_seed
from chainrule.errors import ShapeError
from chainrule.layers.memory_format import in_format, is_batch_last
from chainrule.module import Module
from chainrule.parameter import Array

__all__ = ["Dropout", "GaussianNoise", "SpatialDropout"]


class Dropout(Module):
    """In training, each number becomes 0 with probability p and x / (1 - p) otherwise.

    The expected output is x ("inverted" scaling), so `predict` passes x through unchanged.
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    Parameters
    ----------
    p : float
        The probability of dropping, 0 <= p < 1.
    seed : int, optional
        The same seed gives the same masks; a network with a seed hands its own down.
    """

    def __init__(self, p: float = 0.5, *, seed: int | np.random.Generator | None = None) -> None:
        self.p = check_range("p", p, high=1)
        self.rng = check_seed(seed)

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training or self.p == 0:
            self.save_for_backward(None, training=training)
            return x
        kept = self.rng.random(self.mask_shape(x), dtype=np.float32) >= self.p
        mask = in_format(kept * x.dtype.type(1 / (1 - self.p)), is_batch_last(x))
        self.save_for_backward(mask, training=training)
        return x * mask

    def backward(self, dy: Array) -> Array:
        (mask,) = self.saved_values()
        return dy if mask is None else dy * mask

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """Return the mask's shape, which multiplies x: a number each."""
        return x.shape


class SpatialDropout(Dropout):
    """In training, each channel of each sample becomes 0 with probability p, else x / (1 - p).

    For x (N, C, T) or (N, C, H, W). Neighbours in an image tell nearly the same, so that dropping
    single numbers hides little. Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object
    Localization Using Convolutional Networks", 2015.

    Parameters
    ----------
    p : float
        The probability of dropping, 0 <= p < 1.
    seed : int, optional
        The same seed gives the same masks; a network with a seed hands its own down.
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        if x.ndim < 3:
            raise ShapeError(
                f"expected (N, C, T) or (N, C, H, W), got an input of shape {x.shape}; "
                "Dropout is for single numbers.",
                self,
            )
        return super().forward(x, training)

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """Return the mask's shape, which multiplies x: one number a channel, (N, C, 1, ...)."""
        return *x.shape[:2], *(1 for _ in x.shape[2:])


class GaussianNoise(Module):
    """In training, y = x + noise, drawn from a normal distribution of mean 0; dy/dx = 1.

    Parameters
    ----------
    std : float
        The noise's standard deviation, at least 0.
    seed : int, optional
        The same seed gives the same noise; a network with a seed hands its own down.
    """

    def __init__(self, std: float = 0.1, *, seed: int | np.random.Generator | None = None) -> None:
        self.std = check_range("std", std)
        self.rng = check_seed(seed)

    def forward(self, x: Array, training: bool = True) -> Array:
        self.save_for_backward(training=training)
        if not training or self.std == 0:
            return x
        noise = self.rng.standard_normal(x.shape, dtype=x.dtype)
        noise = in_format(noise, is_batch_last(x))
        noise *= self.std
        noise += x
        return noise

    def backward(self, dy: Array) -> Array:
        self.saved_values()
        return dy
