"""Metrics of classes: how often the right one was predicted, and what was taken for what."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_whole
from chainrule.errors import InputError
from chainrule.metrics.inputs import class_indices, measurable, true_and_predicted, weights_of
from chainrule.parameter import Array

__all__ = ["accuracy", "balanced_accuracy_score", "confusion_matrix", "top_k_accuracy"]


MOST_CLASSES = 10_000
"""Of a table of what is taken for what: 800 MB."""


def accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the share of samples whose predicted class is the true one, 0 to 1."""
    true, pred, weight = true_and_predicted(y_true, y_pred, sample_weight)
    return float(weight @ (true == pred) / weight.sum())


def balanced_accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    adjusted: bool = False,
) -> float:
    """Return the mean over the true classes of the share that was found (its recall), 0 to 1.

    So a rare class counts as much as a common one. Classes that are predicted but never true
    do not count. With ``adjusted=True``, (score - 1/C) / (1 - 1/C) for C true classes: 0 is what
    chance reaches, NaN where there is only one class. Brodersen, Ong, Stephan, Buhmann, "The
    balanced accuracy and its posterior distribution", 2010.
    """
    true, pred, weight = true_and_predicted(y_true, y_pred, sample_weight)
    present, index = np.unique(true, return_inverse=True)
    total = np.bincount(index, weight, len(present))
    found = np.bincount(index, weight * (true == pred), len(present))
    counted = total > 0  # a class whose samples all weigh 0 is none
    score = float((found[counted] / total[counted]).mean())
    if not adjusted:
        return score
    chance = 1 / int(counted.sum())
    return (score - chance) / (1 - chance) if chance < 1 else math.nan


def top_k_accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    k: int = 5,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the share of samples whose true class is among the k highest scores (N, C)."""
    k = check_whole("k", k)
    true, scores = class_indices(y_true), measurable(y_pred)
    if scores.ndim != 2 or len(true) != len(scores) or k > scores.shape[1]:
        raise InputError(
            f"Expected {len(true)} rows of at least k = {k} scores, got {scores.shape}."
        )
    weight = weights_of(sample_weight, scores.shape[:1])
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    return float(weight @ (best == true[:, np.newaxis]).any(axis=1) / weight.sum())


def confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    classes: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> Array:
    """Return counts (classes, classes): row = true class, column = predicted class.

    With sample weights it is their sums that are returned, in float64.
    """
    true, pred, weight = true_and_predicted(y_true, y_pred, sample_weight)
    largest = int(max(true.max(), pred.max()))
    count = largest + 1 if classes is None else check_whole("classes", classes)
    if min(true.min(), pred.min()) < 0 or largest >= count:
        raise InputError(f"Classes must run from 0 to {count - 1}, got one outside.")
    if count > MOST_CLASSES:
        raise InputError(
            f"A table of {count:,} classes by {count:,} is more than can be shown; there may be "
            f"{MOST_CLASSES:,}. Number the classes from 0, without gaps."
        )
    cells = true * count + pred
    counted = None if sample_weight is None else weight
    return np.bincount(cells, counted, minlength=count * count).reshape(count, count)
