"""Metrics for probabilities: how well predicted probabilities match the outcomes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array
from chainrule.metrics.inputs import distributions


def log_loss(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean over the samples of -Σ_c y_c log p_c: 0 is perfect.

    Guessing 1/C for each class scores log C. Probabilities are clipped to [ε, 1 - ε], with ε the
    rounding error of their type, so that no single sample makes the result infinite.

    Parameters
    ----------
    y_true : array_like
        Classes from 0, or rows of probabilities, such as one-hot rows.
    y_pred : array_like
        Rows of probabilities (N, C), or those of class 1, (N,) or (N, 1).
    sample_weight : array_like, shape (N,), optional
        How much each sample counts.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.8, 0.5]), 4)  # -(log 0.8 + log 0.5) / 2
    0.4581
    """
    pred = check_array("y_pred", y_pred)
    true, p, weight = distributions(y_true, pred, sample_weight)
    least = float(np.finfo(pred.dtype if pred.dtype.kind == "f" else np.float64).eps)
    losses = -(true * np.log(np.clip(p, least, 1 - least))).sum(axis=1)
    return float(weight @ losses / weight.sum())


def brier_score_loss(
    y_true: ArrayLike, y_proba: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean over the samples of Σ_c (p_c - y_c)², halved if there are two classes.

    For two classes this is the mean of (p - y)², with p the probability of class 1. Brier,
    "Verification of forecasts expressed in terms of probability", 1950.

    Parameters
    ----------
    y_true : array_like
        Classes from 0, or rows of probabilities, such as one-hot rows.
    y_proba : array_like
        Rows of probabilities (N, C), or those of class 1, (N,) or (N, 1).
    sample_weight : array_like, shape (N,), optional
        How much each sample counts.

    Examples
    --------
    >>> brier_score_loss([1, 0], [0.5, 0.5])
    0.25
    """
    true, p, weight = distributions(y_true, y_proba, sample_weight)
    losses = ((p - true) ** 2).sum(axis=1)
    score = float(weight @ losses / weight.sum())
    return score / 2 if p.shape[1] == 2 else score
