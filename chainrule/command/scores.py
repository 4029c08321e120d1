"""How good predictions are, in numbers; what each number means in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule import metrics
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


def measure(task: str, true: Array, outputs: Array, half_width: float | None) -> dict[str, Any]:
    """Return all that can be told of predictions, as what JSON can say.

    Parameters
    ----------
    task : {"classification", "regression"}
        What was predicted.
    true : ndarray, shape (N,)
        Numbers of classes, -1 for one that the model does not know; or numbers.
    outputs : ndarray, shape (N, C) or (N, 1)
        Probabilities, or predictions.
    half_width : float or None
        How far an interval reaches to each side of a predicted number.

    Returns
    -------
    dict
        Its scores; for classes also the confusion matrix and the calibration.
    """
    if task == "regression":
        scores = number_scores(true, outputs[:, 0])
        if half_width is not None:
            inside = np.abs(true - outputs[:, 0]) <= half_width
            scores["coverage"] = float(inside.mean())
        return {"scores": scores}
    return {
        "scores": class_scores(true, outputs),
        "confusion": confusion(true, outputs).tolist(),
        "reliability": reliability(*known_rows(true, outputs)),
    }


def class_scores(true: Array, p: Array) -> dict[str, float]:
    """Return the scores of probabilities (N, C) for true classes (N,), -1 being none of them.

    A row of an unknown class is wrong whatever is predicted, so it counts in the accuracy; what
    needs its probability is measured on the others.
    """
    found = {"accuracy": metrics.accuracy(true, p)}
    true, p = known_rows(true, p)
    if not len(true):
        return found
    found["balanced_accuracy"] = metrics.balanced_accuracy_score(true, p)
    area = metrics.roc_auc_score(true, p)
    if not np.isnan(area):  # a class without rows has no area
        found["roc_auc"] = area
    found["log_loss"] = metrics.log_loss(true, p)
    found["brier"] = metrics.brier_score_loss(true, p)
    found["ece"] = expected_calibration_error(true, p)
    return found


def known_rows(true: Array, p: Array) -> tuple[Array, Array]:
    """Return the rows whose true class is one that the model knows."""
    known = true >= 0
    return true[known], p[known]


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
    tenths = reliability(true, p)
    return sum(t["rows"] * abs(t["right"] - t["sure"]) for t in tenths) / len(true)


def number_scores(true: Array, predicted: Array) -> dict[str, float]:
    """Return the scores of predicted numbers, both (N,)."""
    found = {}
    if true.min() < true.max():  # what never changes cannot be explained
        found["r2"] = metrics.r2_score(true, predicted)
    found["rmse"] = metrics.root_mean_squared_error(true, predicted)
    found["mae"] = metrics.mean_absolute_error(true, predicted)
    return found


def confusion(true: Array, p: Array) -> Array:
    """Return counts (C, C), row = true class, column = predicted class, of known classes."""
    classes = p.shape[1]
    true, p = known_rows(true, p)
    if not len(true):
        return np.zeros((classes, classes), int)
    return metrics.confusion_matrix(true, p, classes=classes)


def names_shown(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return which scores any model has, in the order in which they are shown."""
    return [name for name in MEANINGS if any(name in of_model for of_model in scores.values())]
