"""Metrics for regression: how far predictions are from the targets.

With several outputs, the metric is the mean over the outputs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_choice
from chainrule.layers.sums import power_of_two
from chainrule.metrics.inputs import numbers
from chainrule.parameter import Array

MULTIOUTPUT = {"uniform_average": False, "variance_weighted": True}


@np.errstate(over="ignore")
def mean_absolute_error(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean of |p - y|.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (N,) or (N, outputs)
        Targets and predictions.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts.

    Raises
    ------
    InputError
        The shapes differ, or something is not a finite number.

    Examples
    --------
    >>> mean_absolute_error([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    true, pred, weight = numbers(y_true, y_pred, sample_weight)
    return float((weight @ np.abs(pred - true) / weight.sum()).mean())


def mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean of (p - y)².

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As in `mean_absolute_error`.

    Examples
    --------
    >>> mean_squared_error([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    return float(_squared_errors(y_true, y_pred, sample_weight).mean())


def root_mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return √ mean (p - y)², in the unit of y; with several outputs, the mean of their roots.

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As in `mean_absolute_error`.

    Examples
    --------
    >>> root_mean_squared_error([1.0, 2.0], [5.0, 6.0])
    4.0
    """
    true, pred, weight = numbers(y_true, y_pred, sample_weight)
    with np.errstate(over="ignore", invalid="ignore"):
        size = power_of_two(np.abs(pred - true).max(axis=0))  # whose square may overflow or vanish
        mean = weight @ ((pred - true) / size) ** 2 / weight.sum()
        return float((np.sqrt(mean) * size).mean())


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

    An output whose true values are all the same scores 1 if it is predicted exactly and 0
    otherwise. For a single sample the result is NaN.

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As in `mean_absolute_error`.
    multioutput : {"uniform_average", "variance_weighted"}
        Whether all outputs count equally, or each in proportion to its variance.

    Examples
    --------
    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """
    weighted = check_choice("multioutput", multioutput, MULTIOUTPUT)
    true, pred, weight = numbers(y_true, y_pred, sample_weight)
    if len(true) < 2:
        return math.nan
    size = power_of_two(np.abs(true).max(axis=0))  # R² is that of y and p divided by anything
    true, pred = true / size, pred / size
    mean = weight @ true / weight.sum()
    errors, spread = weight @ (pred - true) ** 2, weight @ (true - mean) ** 2  # (outputs,)
    counted = true[weight > 0]
    varies = (spread > 0) & (counted != counted[0]).any(axis=0)  # rounding of the mean is no spread
    scores = np.where(errors == 0, 1.0, 0.0)
    scores[varies] = 1 - errors[varies] / spread[varies]
    if not weighted or not varies.any():
        return float(scores.mean())
    return float(np.average(scores, weights=spread * varies * (size / size.max()) ** 2))
