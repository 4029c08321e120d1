"""Losses for numbers, counts and directions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_bool, check_range
from chainrule.errors import InputError
from chainrule.layers.activations import tiny
from chainrule.layers.sums import directions
from chainrule.loss_functions.base import Loss, dot_of_rows
from chainrule.parameter import Array

__all__ = [
    "CosineSimilarity",
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "Quantile",
]


class MeanSquaredError(Loss):
    """loss_n = mean over outputs of (p - y)².

    Examples
    --------
    >>> loss = MeanSquaredError()
    >>> loss([1.0, 2.0], [1.0, 4.0])
    2.0
    >>> loss.backward([1.0, 2.0], [1.0, 4.0])
    array([0., 2.])
    """

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        error = y_pred - y_true
        return dot_of_rows(error, error) / error.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return (y_pred - y_true) * (2 / y_pred.shape[1])


class MeanAbsoluteError(Loss):
    """loss_n = mean over outputs of |p - y|; where p = y the gradient is 0.

    Examples
    --------
    >>> MeanAbsoluteError()([1.0, 2.0], [1.0, 4.0])
    1.0
    """

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        return np.abs(y_pred - y_true).sum(axis=1) / y_pred.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return np.sign(y_pred - y_true) / y_pred.shape[1]


class Huber(Loss):
    """Squared for small errors, absolute for large ones: outliers pull with a bounded force.

    With e = p - y: e² / 2 where |e| <= delta, and delta (|e| - delta / 2) elsewhere; the mean over
    outputs. Huber, "Robust Estimation of a Location Parameter", 1964.

    Parameters
    ----------
    delta : float
        The size of an error from which on it counts linearly.

    Examples
    --------
    >>> Huber(delta=1.0)([0.0, 0.0], [0.5, 3.0])  # the mean of 0.125 and 2.5
    1.3125
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = check_range("delta", delta, inclusive=False)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        size = np.abs(y_pred - y_true)
        inside = np.minimum(size, self.delta)  # the part of the error that counts squared
        return (inside * (size - inside / 2)).sum(axis=1) / size.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return np.clip(y_pred - y_true, -self.delta, self.delta) / y_pred.shape[1]


class Quantile(Loss):
    """With e = y - p: q e where e >= 0, and (q - 1) e elsewhere; the mean over outputs.

    Its minimum is the q-quantile: with q = 0.9, nine true values in ten lie below the prediction.
    Where p = y the gradient is 0. Koenker, Bassett, "Regression Quantiles", 1978.

    Parameters
    ----------
    quantile : float
        q, 0 < q < 1; with 0.5 the prediction is the median.

    Examples
    --------
    >>> Quantile(0.75)([1.0], [0.0]), Quantile(0.75)([0.0], [1.0])  # too low costs more
    (0.75, 0.25)
    """

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = check_range("quantile", quantile, high=1, inclusive=False)

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        error = y_true - y_pred
        loss = np.maximum(self.quantile * error, (self.quantile - 1) * error)
        return loss.sum(axis=1) / error.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        above = (y_pred > y_true).astype(y_pred.dtype)
        below = (y_pred < y_true).astype(y_pred.dtype)
        return ((1 - self.quantile) * above - self.quantile * below) / y_pred.shape[1]


class Poisson(Loss):
    """loss_n = mean over outputs of r - y log r, for counts y and the predicted rate r.

    The negative log-likelihood of a Poisson distribution, without the part that does not depend
    on r.

    Parameters
    ----------
    log_input : bool
        True where the network returns log r, which may be any number. A rate is capped at the
        root of the largest number (e^44 in float32), so that sums do not overflow.

    Examples
    --------
    >>> Poisson()([3.0], [1.0]), Poisson(log_input=True)([3.0], [0.0])  # r = 1 both times
    (1.0, 1.0)
    """

    def __init__(self, *, log_input: bool = False) -> None:
        self.log_input = check_bool("log_input", log_input)

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        true, pred = super().rows(y_true, y_pred)
        if true.min() < 0:
            raise InputError(
                f"Counts cannot be negative, got y_true down to {true.min():g}. "
                f"{type(self).__name__} takes counts as they are, so leave out what standardises "
                "the targets. Numbers that may be negative go with MeanSquaredError."
            )
        if self.log_input:
            return true, pred
        if pred.min() < 0:
            raise InputError(
                f"Rates cannot be negative, got y_pred down to {pred.min():g}. End the network "
                "with an activation that is positive, or give the loss log_input=True."
            )
        return true, np.maximum(pred, tiny(pred.dtype))

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        if self.log_input:
            loss = rate(y_pred) - y_true * y_pred
        else:
            loss = y_pred - y_true * np.log(y_pred)
        return loss.sum(axis=1) / loss.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        gradient = rate(y_pred) - y_true if self.log_input else 1 - y_true / y_pred
        return gradient / gradient.shape[1]


def rate(log_rate: Array) -> Array:
    """Return exp(log_rate), capped at the root of the largest number there is."""
    return np.exp(np.minimum(log_rate, math.log(np.finfo(log_rate.dtype).max) / 2))


SHORTEST = 1e-8
"""The length that a shorter vector is taken to have, as in PyTorch."""


class CosineSimilarity(Loss):
    """loss_n = 1 - y · p / (|y| |p|): 0 in the same direction, 1 at right angles, 2 opposite.

    Lengths do not count; those below 1e-8 are taken as 1e-8.

    Examples
    --------
    >>> CosineSimilarity()([[1.0, 0.0], [1.0, 0.0]], [[5.0, 0.0], [0.0, 1.0]])
    0.5
    """

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        rows = super().rows(y_true, y_pred)
        if np.ndim(y_pred) == 1:
            raise InputError(
                f"y_pred must be (N, features), got the shape {np.shape(y_pred)}: a single number "
                "has no direction."
            )
        return rows

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        y, p = directions(y_true, SHORTEST)[0], directions(y_pred, SHORTEST)[0]
        return 1 - np.vecdot(y, p)

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return CosineSimilarity.losses_and_gradients(self, y_true, y_pred)[1]

    def losses_and_gradients(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        (y, _), (p, length) = directions(y_true, SHORTEST), directions(y_pred, SHORTEST)
        cosine = np.vecdot(y, p)
        # a length that is taken as 1e-8 is a constant, without a gradient
        through = cosine[:, np.newaxis] * (length > SHORTEST)
        return 1 - cosine, (p * through - y) / length
