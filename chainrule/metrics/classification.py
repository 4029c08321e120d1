"""Metrics for classes: how often the right one was predicted, and which ones were confused."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array, check_bool, check_whole
from chainrule.errors import InputError
from chainrule.metrics.inputs import (
    outputs_of,
    scores_of,
    true_and_predicted,
    true_classes,
    weights_of,
)
from chainrule.metrics.precision_recall import recall_score
from chainrule.parameter import Array

MOST_CLASSES = 10_000
"""The largest number of classes of a confusion matrix, which then takes 800 MB."""


def accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the fraction of samples whose predicted class is the true one, from 0 to 1.

    Parameters
    ----------
    y_true : array_like
        Classes: whole numbers (N,), from 0 if `y_pred` holds scores; or one-hot rows (N, C).
    y_pred : array_like
        Classes by the same names; scores (N, C), of which the largest is taken; or, for the
        classes 0 and 1, a column of probabilities, which means 1 at 0.5 or above.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts.

    Raises
    ------
    InputError
        Their lengths differ; they hold NaN; `y_true` holds no classes, or other ones than
        `y_pred` has scores for.

    Examples
    --------
    >>> accuracy([0, 1, 2, 2], [0, 1, 1, 2])
    0.75
    """
    true, pred, weight = true_and_predicted(y_true, y_pred, sample_weight)
    return float(weight @ (true == pred) / weight.sum())


def balanced_accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    adjusted: bool = False,
) -> float:
    """Return the mean recall over the classes, from 0 to 1: all classes count equally.

    Classes without a true sample are left out. Brodersen, Ong, Stephan, Buhmann, "The
    balanced accuracy and its posterior distribution", 2010.

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As in `accuracy`.
    adjusted : bool
        Whether to return (score - 1/C) / (1 - 1/C) for C true classes, which is 0 for guessing, and
        NaN if there is only one class.

    Examples
    --------
    >>> balanced_accuracy_score([0, 0, 0, 1], [0, 0, 0, 0])  # the mean of 1 and 0
    0.5
    """
    adjusted = check_bool("adjusted", adjusted)
    recalls = recall_score(
        y_true, y_pred, average=None, sample_weight=sample_weight, zero_division=math.nan
    )
    recalls = recalls[~np.isnan(recalls)]  # those of the classes that are true somewhere
    score, chance = float(recalls.mean()), 1 / len(recalls)
    if not adjusted:
        return score
    return (score - chance) / (1 - chance) if chance < 1 else math.nan


def top_k_accuracy(
    y_true: ArrayLike, y_score: ArrayLike, *, k: int = 5, sample_weight: ArrayLike | None = None
) -> float:
    """Return the fraction of samples whose true class is among the k highest scores.

    Parameters
    ----------
    y_true : array_like
        Classes, as in `accuracy`.
    y_score : array_like, shape (N, C)
        A score for each class: probabilities or logits.
    k : int
        How many of the highest scores count.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts.

    Examples
    --------
    >>> top_k_accuracy([0, 1], [[0.3, 0.5, 0.2], [0.4, 0.1, 0.5]], k=2)
    0.5
    """
    k = check_whole("k", k)
    scores = scores_of("y_score", y_score)
    labels = check_array("y_true", y_true)
    if labels.shape == scores.shape[:-1]:  # of sequences, (N, T) beside (N, T, C), too
        labels, scores = labels.reshape(-1), scores.reshape(-1, outputs_of(scores))
    true = true_classes(labels, outputs_of(scores))
    if scores.ndim != 2 or len(true) != len(scores) or k > scores.shape[1]:
        raise InputError(
            f"Expected {len(true)} rows of at least k = {k} scores, got {scores.shape}."
        )
    weight = weights_of(sample_weight, scores)
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

    Parameters
    ----------
    y_true, y_pred : array_like
        As in `accuracy`.
    classes : int, optional
        The number of classes; by default the largest class in the data plus one.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts. The matrix then holds sums of weights, in float64.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1], [0, 1, 0])
    array([[1, 0],
           [1, 1]])
    """
    true, pred, weight = true_and_predicted(y_true, y_pred, sample_weight)
    largest = int(max(true.max(), pred.max()))
    count = largest + 1 if classes is None else check_whole("classes", classes)
    if min(true.min(), pred.min()) < 0 or largest >= count:
        raise InputError(f"Classes must run from 0 to {count - 1}, got one outside.")
    if count > MOST_CLASSES:
        raise InputError(
            f"A matrix of {count:,} by {count:,} classes is too large; there may be "
            f"{MOST_CLASSES:,}. Number the classes from 0, without gaps."
        )
    cells = true * count + pred
    weights = None if sample_weight is None else weight
    return np.bincount(cells, weights, minlength=count * count).reshape(count, count)
