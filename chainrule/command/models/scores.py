"""How good predictions are, and what each score means in a few words."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import metrics
from chainrule.parameter import Array

BINS = 10

MEANINGS = {
    "accuracy": "share of rows classified correctly",
    "balanced_accuracy": "the same, averaged over the classes",
    "roc_auc": "1: ranks every row correctly; 0.5: chance",
    "log_loss": "mean of -log p of the true class",
    "brier": "squared error of the probabilities",
    "ece": "gap between confidence and accuracy",
    "r2": "1: perfect; 0: no better than the mean",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "coverage": "share of rows in the 90 % interval",
}
"""By score, its meaning, in the order in which they are shown."""


def evaluate(task: str, true: Array, outputs: Array, half_width: float | None) -> dict[str, Any]:
    """Return the scores of predictions, and for classes the confusion matrix and calibration.

    Parameters
    ----------
    task : {"classification", "regression"}
        What was predicted.
    true : ndarray, shape (N,)
        Class numbers, -1 for a class that the model does not know; or numbers.
    outputs : ndarray, shape (N, C) or (N, 1)
        Probabilities, or predicted numbers.
    half_width : float or None
        How far the prediction interval extends to each side.

    Returns
    -------
    dict
        "scores" and, for classes, "confusion" and "reliability"; JSON can hold it.
    """
    if task == "regression":
        scores = regression_scores(true, outputs[:, 0])
        if half_width is not None:
            inside = np.abs(true - outputs[:, 0]) <= half_width
            scores["coverage"] = float(inside.mean())
        return {"scores": scores}
    known_true, known_p = known_rows(true, outputs)
    counts = np.zeros((outputs.shape[1],) * 2, int)
    if len(known_true):
        counts = metrics.confusion_matrix(known_true, known_p, classes=len(counts))
    return {
        "scores": classification_scores(true, outputs),
        "confusion": counts.tolist(),
        "reliability": reliability(known_true, known_p),
    }


def classification_scores(true: Array, p: Array) -> dict[str, float]:
    """Return the scores of probabilities (N, C) for true classes (N,), -1 if unknown.

    A row of an unknown class is wrong whatever is predicted, so it counts in the accuracy. The
    scores that need the true class's probability ignore it.
    """
    scores = {"accuracy": float(np.mean(p.argmax(axis=1) == true))}
    true, p = known_rows(true, p)
    if not len(true):
        return scores
    scores["balanced_accuracy"] = metrics.balanced_accuracy_score(true, p)
    area = metrics.roc_auc_score(true, p)
    if not np.isnan(area):  # a class without rows has no area
        scores["roc_auc"] = area
    scores["log_loss"] = metrics.log_loss(true, p)
    scores["brier"] = metrics.brier_score_loss(true, p)
    scores["ece"] = expected_calibration_error(true, p)
    return scores


def known_rows(true: Array, p: Array) -> tuple[Array, Array]:
    """Return the rows whose true class the model knows."""
    known = true >= 0
    return true[known], p[known]


def reliability(true: Array, p: Array) -> list[dict[str, float]]:
    """Return the mean confidence, the accuracy and the number of rows in each bin of confidence.

    A row's confidence is the probability of its predicted class; the bins are tenths.
    """
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == true
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "confidence": float(confidence[bins == place].mean()),
            "accuracy": float(correct[bins == place].mean()),
            "rows": int((bins == place).sum()),
        }
        for place in np.unique(bins)
    ]


def expected_calibration_error(true: Array, p: Array) -> float:
    """Return Σ over bins of (rows / N) |accuracy - mean confidence|.

    Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    2015; Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    bins = reliability(true, p)
    return sum(b["rows"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / len(true)


def regression_scores(true: Array, predicted: Array) -> dict[str, float]:
    """Return the scores of predicted numbers, both (N,)."""
    scores = {}
    if true.min() < true.max():  # R² of a constant is undefined
        scores["r2"] = metrics.r2_score(true, predicted)
    scores["rmse"] = metrics.root_mean_squared_error(true, predicted)
    scores["mae"] = metrics.mean_absolute_error(true, predicted)
    return scores
