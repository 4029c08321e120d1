"""How good predictions are, in numbers; what each number means in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.extras import require
from chainrule.parameter import Array

BINS = 10

MEANINGS = {
    "accuracy": "share of rows whose class is right",
    "balanced_accuracy": "the same, a mean over the classes",
    "roc_auc": "1: ranks every row right; 0.5: by chance",
    "log_loss": "mean of -log p of the true class",
    "brier": "squared error of the probabilities",
    "ece": "how far sureness is from the share that is right",
    "r2": "1: perfect; 0: no better than the mean",
    "rmse": "root of the mean squared error",
    "mae": "mean absolute error",
    "coverage": "share of rows in the 90 % interval",
}
"""By name, in the order in which they are shown."""

GREATER_IS_BETTER = ("accuracy", "balanced_accuracy", "roc_auc", "r2")


def class_scores(true: Array, p: Array) -> dict[str, float]:
    """Return the scores of probabilities (N, C) for true classes (N,), -1 being none of them.

    A row of an unknown class is wrong whatever is predicted, so it counts in the accuracy; what
    needs its probability is measured on the others.
    """
    metrics = require("sklearn.metrics", "cli", "Measuring a model")
    found = {"accuracy": float((p.argmax(axis=1) == true).mean())}
    known = true >= 0
    true, p = true[known], p[known]
    if not len(true):
        return found
    classes = p.shape[1]
    recalls = [(p[true == c].argmax(axis=1) == c).mean() for c in np.unique(true)]
    found["balanced_accuracy"] = float(np.mean(recalls))
    present = len(np.unique(true))
    if classes == 2 and present == 2:
        found["roc_auc"] = float(metrics.roc_auc_score(true, p[:, 1]))
    elif present == classes:
        shares = p / p.sum(axis=1, keepdims=True)
        found["roc_auc"] = float(metrics.roc_auc_score(true, shares, multi_class="ovr"))
    of_truth = p[np.arange(len(true)), true]
    found["log_loss"] = float(-np.log(np.maximum(of_truth, np.finfo(p.dtype).tiny)).mean())
    found["brier"] = brier(true, p)
    found["ece"] = expected_calibration_error(true, p)
    return found


def brier(true: Array, p: Array) -> float:
    """Return the mean of Σ_c (p_c - y_c)²; half of it for two classes, as it was first defined.

    Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950; scikit-learn's
    `brier_score_loss` has the same scale.
    """
    truth = np.zeros_like(p)
    truth[np.arange(len(true)), true] = 1
    scale = 0.5 if p.shape[1] == 2 else 1.0
    return float(scale * ((p - truth) ** 2).sum(axis=1).mean())


def reliability(true: Array, p: Array) -> list[dict[str, float]]:
    """Return, for each tenth of sureness that occurs, its mean, the share that is right, and rows.

    A row's sureness is the probability of its predicted class.
    """
    sure, right = p.max(axis=1), p.argmax(axis=1) == true
    tenth = np.minimum((sure * BINS).astype(int), BINS - 1)
    return [
        {
            "sure": float(sure[tenth == place].mean()),
            "right": float(right[tenth == place].mean()),
            "rows": int((tenth == place).sum()),
        }
        for place in np.unique(tenth)
    ]


def expected_calibration_error(true: Array, p: Array) -> float:
    """Return Σ over tenths of sureness of (rows / N) |share right - mean sureness|.

    Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    2015; Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    return sum(bin["rows"] * abs(bin["right"] - bin["sure"]) for bin in reliability(true, p)) / len(
        true
    )


def number_scores(true: Array, predicted: Array) -> dict[str, float]:
    """Return the scores of predicted numbers, both (N,)."""
    left = predicted - true
    whole = float(((true - true.mean()) ** 2).sum())
    found = {"r2": 1 - float((left**2).sum()) / whole} if whole > 0 else {}
    found["rmse"] = float(np.sqrt((left**2).mean()))
    found["mae"] = float(np.abs(left).mean())
    return found


def coverage(true: Array, predicted: Array, half_width: float) -> float:
    """Return the share of rows whose truth lies in the interval."""
    return float((np.abs(true - predicted) <= half_width).mean())


def confusion(true: Array, p: Array) -> Array:
    """Return counts (C, C), row = true class, column = predicted class, of known classes."""
    from chainrule.metrics import confusion_matrix

    known = true >= 0
    if not known.any():
        return np.zeros((p.shape[1], p.shape[1]), int)
    return confusion_matrix(true[known], p[known].argmax(axis=1), classes=p.shape[1])


def names_shown(scores: dict[str, dict[str, float]]) -> Sequence[str]:
    """Return which scores there are, in their order."""
    return [name for name in MEANINGS if any(name in of_model for of_model in scores.values())]


def rounded(values: Any) -> Any:
    """Return numbers with what a person reads of them: four significant digits."""
    if abs(values) >= 1000:
        return f"{values:,.0f}"
    return f"{values:.3f}" if abs(values) < 10 else f"{values:.4g}"
