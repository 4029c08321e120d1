"""Losses for numbers, counts and directions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_bool, check_range
from chainrule.errors import InputError
from chainrule.layers.activations import tiny
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
    """loss_n = mean over outputs of (p - y)²."""

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        error = y_pred - y_true
        return dot_of_rows(error, error) / error.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return (y_pred - y_true) * (2 / y_pred.shape[1])


class MeanAbsoluteError(Loss):
    """loss_n = mean over outputs of |p - y|; where p = y the gradient is 0."""

    def losses(self, y_true: Array, y_pred: Array) -> Array:
        return np.abs(y_pred - y_true).sum(axis=1) / y_pred.shape[1]

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        return np.sign(y_pred - y_true) / y_pred.shape[1]


class Huber(Loss):
    """Squared for small errors, absolute for large: outliers pull with a bounded force.

    With e = p - y: e² / 2 where |e| <= delta, and delta (|e| - delta / 2) elsewhere; the mean over
    outputs. Huber, "Robust Estimation of a Location Parameter", 1964.
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

    What minimises it is the q-quantile: with q = 0.9, nine true values in ten lie below the
    prediction. Where p = y the gradient is 0. Koenker, Bassett, "Regression Quantiles", 1978.
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

    The negative log-likelihood of a Poisson distribution, less what does not depend on r.

    Parameters
    ----------
    log_input : bool
        True where the network puts out log r: any number will then do. A rate is held at the
        root of the largest number (e^44 in float32), so that sums do not overflow.
    """

    def __init__(self, *, log_input: bool = False) -> None:
        self.log_input = check_bool("log_input", log_input)

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        true, pred = super().rows(y_true, y_pred)
        if true.min() < 0:
            raise InputError(f"Counts cannot be negative, got y_true down to {true.min():g}.")
        if self.log_input:
            return true, pred
        if pred.min() < 0:
            raise InputError(
                f"Rates cannot be negative, got y_pred down to {pred.min():g}. End the network "
                "with something positive, or give the loss log_input=True."
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
    """Return exp(log_rate), held at the root of the largest number there is."""
    return np.exp(np.minimum(log_rate, math.log(np.finfo(log_rate.dtype).max) / 2))


class CosineSimilarity(Loss):
    """loss_n = 1 - y · p / (|y| |p|): 0 in the same direction, 1 at right angles, 2 opposite.

    Lengths do not count; they are kept from vanishing at 1e-8.
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
        return 1 - np.vecdot(y_true / length(y_true), y_pred / length(y_pred))

    def gradients(self, y_true: Array, y_pred: Array) -> Array:
        size = length(y_pred)
        y, p = y_true / length(y_true), y_pred / size
        return (p * np.vecdot(y, p)[:, np.newaxis] - y) / size


def length(rows: Array) -> Array:
    """Return the length of each row, (N, 1), at least 1e-8."""
    return np.maximum(np.sqrt(np.vecdot(rows, rows)), 1e-8)[:, np.newaxis]
