"""Scores of the predictions for the test rows."""

import numpy as np
from sklearn import metrics

BINS = 15
PRIMARY = {"classification": "accuracy", "regression": "r2"}
"""What methods are ranked by. Both are at most 1; greater is better."""


def expected_calibration_error(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean difference between confidence and accuracy.

    With B_m the rows whose largest probability lies in the m-th of 15 bins of equal width,
    ECE = Σ |B_m| / N · |accuracy(B_m) - mean confidence(B_m)|. Guo et al., 2017.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, right - confidence, minlength=BINS)
    return float(np.abs(gap).sum() / len(y))


def of_classes(y: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the scores of class indices (N,) and probabilities (N, classes)."""
    probabilities = np.asarray(probabilities, float)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)  # of float32
    classes = np.arange(probabilities.shape[1])
    return {
        "accuracy": float(metrics.accuracy_score(y, predicted)),
        "balanced_accuracy": float(metrics.recall_score(y, predicted, average="macro")),
        "log_loss": float(metrics.log_loss(y, probabilities, labels=classes)),
        "ece": expected_calibration_error(y, probabilities),
    }


def of_numbers(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the scores of predictions (N,)."""
    return {
        "r2": float(metrics.r2_score(y, predicted)),
        "rmse": float(metrics.root_mean_squared_error(y, predicted)),
    }


def of_intervals(
    y: np.ndarray, low: np.ndarray, high: np.ndarray, deviation: float
) -> dict[str, float]:
    """Return the coverage, and the mean width in standard deviations of y."""
    return {
        "coverage_90": float(((low <= y) & (y <= high)).mean()),
        "width_90": float((high - low).mean() / deviation),
    }
