"""Metrics of numbers: how far predictions are from the truth.

Of several outputs each has its number, and the metric is their mean.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import ConfigurationError
from chainrule.metrics.inputs import numbers
from chainrule.parameter import Array

__all__ = ["mean_absolute_error", "mean_squared_error", "r2_score", "root_mean_squared_error"]


@np.errstate(over="ignore")
def mean_absolute_error(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean of |p - y|."""
    true, pred, weight = numbers(y_true, y_pred, sample_weight)
    return float((weight @ np.abs(pred - true) / weight.sum()).mean())


def mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean of (p - y)²."""
    return float(_squared_errors(y_true, y_pred, sample_weight).mean())


def root_mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return √ mean (p - y)², in the unit of y; of several outputs the mean of their roots."""
    return float(np.sqrt(_squared_errors(y_true, y_pred, sample_weight)).mean())


@np.errstate(over="ignore")
def _squared_errors(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None) -> Array:
    """Return each output's mean squared error, (outputs,)."""
    true, pred, weight = numbers(y_true, y_pred, sample_weight)
    return weight @ (pred - true) ** 2 / weight.sum()


@np.errstate(over="ignore", invalid="ignore")
def r2_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: str = "uniform_average",
) -> float:
    """Return 1 - Σ (p - y)² / Σ (y - mean of y)²: 1 is perfect, 0 is no better than the mean.

    An output whose true values are all the same counts 1 where it is predicted exactly, and
    otherwise 0. Of a single sample the number is NaN. With
    ``multioutput="variance_weighted"`` outputs count by their variance, not all alike.
    """
    if multioutput not in ("uniform_average", "variance_weighted"):
        raise ConfigurationError(
            f"multioutput must be 'uniform_average' or 'variance_weighted', got {multioutput!r}."
        )
    true, pred, weight = numbers(y_true, y_pred, sample_weight)
    if len(true) < 2:
        return math.nan
    mean = weight @ true / weight.sum()
    errors, spread = weight @ (pred - true) ** 2, weight @ (true - mean) ** 2  # (outputs,)
    counted = true[weight > 0]
    varies = (spread > 0) & (counted != counted[0]).any(axis=0)  # a mean's rounding is no spread
    scores = np.where(errors == 0, 1.0, 0.0)
    scores[varies] = 1 - errors[varies] / spread[varies]
    by_variance = multioutput == "variance_weighted" and varies.any()
    return float(np.average(scores, weights=spread * varies if by_variance else None))
