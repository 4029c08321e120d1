"""Calibration on held-out rows, with NumPy alone.

For classes, a temperature that makes probabilities as confident as they are accurate. For numbers,
the half-width of an interval that covers the target with a given probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.checks import check_range
from chainrule.errors import InputError
from chainrule.layers.activations import log_softmax
from chainrule.loss_functions.cross_entropy import negative_log_sigmoids
from chainrule.parameter import Array

LOWEST, HIGHEST = 0.05, 20.0
"""The range in which a temperature is searched; beyond it there are too few rows to tell."""

GOLDEN = (math.sqrt(5) - 1) / 2


# ---------------------------------------------------------------- probabilities


def fit_temperature(logits: Array, counts: Array, y_true: Array, weight: Array) -> float:
    """Return the temperature T that minimizes the cross-entropy on rows that were not trained on.

    The loss is Σ_n w_n · -log p_n(y_n), where p_n = Σ_k c_k softmax(z_kn / T) is the mean over
    the members k: one temperature for all, chosen for their joint prediction. T > 1 makes
    predictions less confident, T < 1 more; the order of a member's classes does not change.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017. So that a finite
    number of correct predictions never leads to certainty, the target is (N + 1) / (N + C) for
    the true class and 1 / (N + C) for each of the others: Platt, "Probabilistic Outputs for
    Support Vector Machines", 1999, section 2.2.

    Parameters
    ----------
    logits : ndarray, shape (K, N, C)
        The input of each member's Softmax, in float64; log p gives the same result.
    counts : ndarray, shape (K,)
        The weight of each member; they sum to 1.
    y_true : ndarray, shape (N,)
        The classes, counted from 0.
    weight : ndarray, shape (N,)
        How much each row counts.
    """
    rows, classes = logits.shape[1:]
    target = np.full((rows, classes), 1 / (rows + classes))
    target[np.arange(rows), y_true] = (rows + 1) / (rows + classes)

    def cross_entropy(temperature: float) -> float:
        log_p = log_mean(log_softmax(logits / temperature), counts)
        return -float(weight @ (target * log_p).sum(axis=1))

    return _minimum(cross_entropy)


def fit_binary_temperature(logits: Array, counts: Array, y_true: Array, weight: Array) -> float:
    """Return the temperature for independent labels, p = Σ_k c_k σ(z_k / T).

    `logits` has the shape (K, N, outputs) and `y_true` the shape (N, outputs), with 0 and 1.
    """
    rows = len(y_true)
    target = (y_true * rows + 1) / (rows + 2)

    def cross_entropy(temperature: float) -> float:
        of_1, of_0 = negative_log_sigmoids(logits / temperature)
        loss = -target * log_mean(-of_1, counts) - (1 - target) * log_mean(-of_0, counts)
        return float(weight @ loss.sum(axis=1))

    return _minimum(cross_entropy)


def log_mean(log_p: Array, counts: Array) -> Array:
    """Return log Σ_k c_k p_k over the first axis, without underflow."""
    highest = log_p.max(axis=0)
    return highest + np.log(np.einsum("k,k...->...", counts, np.exp(log_p - highest)))


def _minimum(function: Callable[[float], float]) -> float:
    """Return the temperature that minimizes a function, by golden-section search over log T.

    Kiefer, "Sequential Minimax Search for a Maximum", 1953.
    """
    low, high = math.log(LOWEST), math.log(HIGHEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    of_left, of_right = function(math.exp(left)), function(math.exp(right))
    while high - low > 1e-4:
        if of_left < of_right:
            high, right, of_right = right, left, of_left
            left = high - GOLDEN * (high - low)
            of_left = function(math.exp(left))
        else:
            low, left, of_left = left, right, of_right
            right = low + GOLDEN * (high - low)
            of_right = function(math.exp(right))
    return math.exp((low + high) / 2)


# ---------------------------------------------------------------- intervals


def interval_half_width(residuals: Array, weight: Array, coverage: float) -> Array:
    """Return half the width of prediction intervals, (outputs,).

    Split conformal prediction: of n absolute residuals on rows that were not trained on, the
    ⌈(n + 1) · coverage⌉-th smallest. If these rows and the new one are exchangeable, and the
    prediction does not depend on them, the new target lies in the interval with a probability of
    at least `coverage`, and of at most coverage + 1 / (n + 1) if no two residuals are equal. This
    holds for any distribution and any network, on average over all rows (not for each kind of row).

    Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005; Lei, G'Sell, Rinaldo,
    Tibshirani, Wasserman, "Distribution-Free Predictive Inference for Regression", 2018, theorem 2;
    Barber, Candès, Ramdas, Tibshirani, "Predictive Inference with the Jackknife+", 2021, compare it
    with related methods.

    Parameters
    ----------
    residuals : ndarray, shape (n, outputs)
        |y - prediction|.
    weight : ndarray, shape (n,)
        How much each row counts, relative to their mean.
    coverage : float
        The probability that the interval contains the target, 0 < coverage < 1.

    Raises
    ------
    InputError
        There are too few rows for this coverage.
    """
    coverage = check_range("coverage", coverage, high=1, inclusive=False)
    rows = len(residuals)
    weight = weight / weight.mean()
    needed = (rows + 1) * coverage
    if needed > rows * (1 + 1e-12):
        raise InputError(
            f"coverage={coverage:g} needs at least {math.ceil(coverage / (1 - coverage) - 1e-9)} "
            f"held-out rows; there are {rows}. Hold out more (validation_fraction), call "
            "calibrate(X, y) with further rows, or choose a smaller coverage."
        )
    order = np.argsort(residuals, axis=0, kind="stable")
    counted = np.cumsum(weight[order], axis=0)
    place = (counted < needed * (1 - 1e-12)).sum(axis=0).clip(max=rows - 1)
    return np.take_along_axis(residuals, order, axis=0)[place, np.arange(residuals.shape[1])]
