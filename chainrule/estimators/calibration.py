"""How sure predictions may be, learned from rows that were held out: NumPy alone.

For classes, one temperature that makes probabilities as sure as they are right. For numbers, how
far the truth lies from the prediction in the share of cases that an interval shall cover.
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
"""Between these a temperature is looked for: what lies beyond is a sign of too few rows."""

GOLDEN = (math.sqrt(5) - 1) / 2


# ---------------------------------------------------------------- probabilities


def fit_temperature(logits: Array, counts: Array, y_true: Array, weight: Array) -> float:
    """Return the temperature T for which the mean of softmax(z / T) over members fits best.

    What becomes small is the cross-entropy Σ w_n -log p_n(y_n) on rows that were not trained on,
    p_n = Σ_k c_k softmax(z_kn / T) over members k: one temperature for all, chosen for what they
    say together. T > 1 makes less sure, T < 1 surer; the order of a member's classes stays.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017. That no finite
    number of right answers may ask for certainty, the truth is taken as (N + 1) / (N + C) for
    the class that was seen and 1 / (N + C) for each other one: Platt, "Probabilistic Outputs for
    Support Vector Machines", 1999, section 2.2.

    Parameters
    ----------
    logits : ndarray, shape (K, N, C)
        What each member puts out before its Softmax, in float64; log p does as well.
    counts : ndarray, shape (K,)
        How much each member counts; they sum to 1.
    y_true : ndarray, shape (N,)
        The classes, from 0.
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
    """Return the same for independent yes-or-no questions, p = Σ_k c_k σ(z_k / T).

    `logits` has the shape (K, N, outputs) and `y_true` (N, outputs), of 0 and 1.
    """
    rows = len(y_true)
    yes = (y_true * rows + 1) / (rows + 2)

    def cross_entropy(temperature: float) -> float:
        of_yes, of_no = negative_log_sigmoids(logits / temperature)
        loss = -yes * log_mean(-of_yes, counts) - (1 - yes) * log_mean(-of_no, counts)
        return float(weight @ loss.sum(axis=1))

    return _minimum(cross_entropy)


def log_mean(log_p: Array, counts: Array) -> Array:
    """Return log Σ_k c_k p_k over the first axis, without underflow."""
    highest = log_p.max(axis=0)
    return highest + np.log(np.einsum("k,k...->...", counts, np.exp(log_p - highest)))


def _minimum(function: Callable[[float], float]) -> float:
    """Return where a function of the temperature is smallest, by golden sections of log T.

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
    """Return how far an interval reaches to each side of a prediction, (outputs,).

    Split conformal: of n absolute residuals on rows that were not trained on, the
    ⌈(n + 1) · coverage⌉-th smallest. Where these rows and the new one are exchangeable, and
    nothing of the prediction depends on them, the new truth lies in the interval with a
    probability of at least `coverage`, and at most coverage + 1 / (n + 1) where no two residuals
    are equal: for any distribution and any network, over all rows (not for each kind of row).

    Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005; Lei, G'Sell, Rinaldo,
    Tibshirani, Wasserman, "Distribution-Free Predictive Inference for Regression", 2018, theorem 2;
    Barber, Candès, Ramdas, Tibshirani, "Predictive Inference with the Jackknife+", 2021, compare it
    with its kin.

    Parameters
    ----------
    residuals : ndarray, shape (n, outputs)
        |y - prediction|.
    weight : ndarray, shape (n,)
        How much each row counts: their mean counts as one row.
    coverage : float
        In which share of the cases the interval shall hold the truth.

    Raises
    ------
    InputError
        So few rows cannot promise so much.
    """
    coverage = check_range("coverage", coverage, high=1, inclusive=False)
    rows = len(residuals)
    weight = weight / weight.mean()
    needed = (rows + 1) * coverage
    if needed > rows * (1 + 1e-12):
        raise InputError(
            f"coverage={coverage:g} needs at least {math.ceil(coverage / (1 - coverage) - 1e-9)} "
            f"held-out rows; there are {rows}. Hold out more (validation_fraction), call "
            "calibrate(X, y) with further rows, or ask for less."
        )
    order = np.argsort(residuals, axis=0, kind="stable")
    counted = np.cumsum(weight[order], axis=0)
    place = (counted < needed * (1 - 1e-12)).sum(axis=0).clip(max=rows - 1)
    return np.take_along_axis(residuals, order, axis=0)[place, np.arange(residuals.shape[1])]
