"""The ROC curve, true positives over false positives at every threshold, and the area under it.

The area says how well scores rank positive samples above negative ones.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_bool, check_choice
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions.inputs import one_hot
from chainrule.metrics.inputs import (
    check_distributions,
    check_same_count,
    measurable,
    outputs_of,
    refuse_several_classes,
    scores_of,
    true_classes,
    weights_of,
)
from chainrule.parameter import Array

# ---------------------------------------------------------------- the area

AVERAGES = {"ovr": ("macro", "weighted", "micro", None), "ovo": ("macro", "weighted")}


def roc_auc_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    average: str | None = "macro",
    sample_weight: ArrayLike | None = None,
    multi_class: str = "ovr",
) -> Any:
    """Return P(score of a positive > score of a negative) + ½ P(they are equal), 0 to 1.

    This is the area under the ROC curve: 0.5 is chance, 1 a perfect ranking. Hanley, McNeil, "The
    meaning and use of the area under a receiver operating characteristic (ROC) curve", 1982.

    Parameters
    ----------
    y_true : array_like
        Two classes (N,), the greater of which is the positive one, if `y_score` is one column;
        classes from 0 to C - 1 (N,) or one-hot rows (N, C), if it has C columns; or several labels
        per sample, (N, C) of 0 and 1, where each column is scored on its own.
    y_score : array_like
        Scores of any scale, (N,) or (N, 1); probabilities (N, C), whose rows sum to 1 if there is
        one class per sample; or scores of several labels (N, C). Of two columns the second counts.
    average : {"macro", "weighted", "micro"} or None
        How the areas of several classes or labels are averaged: their mean; their mean weighted by
        how often each is true; one area for all columns together; or None for an array of all.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts. Not available for ``multi_class="ovo"``.
    multi_class : {"ovr", "ovo"}
        One class against the rest, or one against one: Hand, Till, "A simple generalisation
        of the area under the ROC curve for multiple class classification problems", 2001.
        (scikit-learn has no default for this; its values are the same.)

    Returns
    -------
    float, or ndarray with ``average=None``
        NaN if a class that counts, or all other classes together, have no sample.

    Raises
    ------
    InputError
        Labels and scores do not match, or rows of probabilities do not sum to 1.
    ConfigurationError
        The options contradict each other.

    Examples
    --------
    >>> roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    check_options(average, multi_class, sample_weight)
    true, scores = measurable("y_true", y_true), scores_of("y_score", y_score)
    weight = weights_of(sample_weight, scores)
    outputs = outputs_of(scores)
    if outputs > 1 and true.shape == scores.shape:
        labels, scores = true.reshape(-1, outputs), scores.reshape(-1, outputs)
        if not np.isin(labels, (0, 1)).all():
            raise InputError("Rows of y_true must hold 0 and 1: which classes are true.")
        if multi_class == "ovr":
            return averaged_over_columns(labels == 1, scores, weight, average)
        refuse_several_classes(labels)
        true = labels.argmax(axis=1)
    true = true.reshape(-1)
    check_same_count(len(true), scores.size // outputs)
    if outputs == 1:
        return area(positives(true), scores.reshape(-1), weight)
    check_distributions(scores)
    scores = scores.reshape(-1, outputs)
    rows = one_hot(true_classes(true, outputs), outputs, np.bool_)
    if outputs == 2:
        return area(rows[:, 1], scores[:, 1], weight)
    if multi_class == "ovr":
        return averaged_over_columns(rows, scores, weight, average)
    return averaged_over_pairs(rows, scores, average)


def check_options(average: str | None, multi_class: str, sample_weight: Any) -> None:
    """Raise ConfigurationError for options that scikit-learn refuses, too."""
    averages = check_choice("multi_class", multi_class, AVERAGES)
    if average not in averages:
        raise ConfigurationError(
            f"average must be one of {averages} with multi_class={multi_class!r}, got {average!r}."
        )
    if multi_class == "ovo" and sample_weight is not None:
        raise ConfigurationError("sample_weight is not for multi_class='ovo'; 'ovr' takes it.")


def positives(true: Array) -> Array:
    """Return which samples belong to the greater of two classes."""
    found = np.unique(true_classes(true))
    if len(found) > 2:
        raise InputError(
            f"y_true has {len(found)} classes, but y_score has one column. Give a column for each "
            "class."
        )
    return true == found[-1] if len(found) == 2 else np.full(len(true), found[0] == 1)


def area(positive: Array, scores: Array, weight: Array) -> float:
    """Return the area under the curve; NaN if there is no positive or no negative sample."""
    order = np.argsort(scores)
    scores = scores[order]
    first = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))  # of each run of equals
    up = np.add.reduceat((weight * positive)[order], first)
    down = np.add.reduceat((weight * ~positive)[order], first)
    pairs = up.sum() * down.sum()
    before = np.cumsum(down) - down
    return float(up @ (before + down / 2) / pairs) if pairs > 0 else math.nan


def averaged_over_columns(
    true: Array, scores: Array, weight: Array, average: str | None
) -> float | Array:
    """Return the areas of the columns (M, C), averaged."""
    if average == "micro":
        return area(true.reshape(-1), scores.reshape(-1), weight.repeat(scores.shape[1]))
    areas = np.array([area(true[:, c], scores[:, c], weight) for c in range(scores.shape[1])])
    if average is None:
        return areas
    if average == "macro":
        return float(areas.mean())
    how_often = weight @ true
    areas[how_often == 0] = 0  # these do not count, and may be undefined
    return float(how_often @ areas / max(how_often.sum(), np.finfo(np.float64).tiny))


def averaged_over_pairs(true: Array, scores: Array, average: str | None) -> float:
    """Return the mean area over all ordered pairs of classes that have samples."""
    areas, how_often = [], []
    for a, b in combinations(np.flatnonzero(true.any(axis=0)), 2):
        of_both = true[:, a] | true[:, b]
        ones = np.ones(of_both.sum())
        of_a, of_b = (area(true[of_both, c], scores[of_both, c], ones) for c in (a, b))
        areas.append((of_a + of_b) / 2)
        how_often.append(len(ones))
    if not areas:
        return math.nan
    return float(np.average(areas, weights=how_often if average == "weighted" else None))


# ---------------------------------------------------------------- the curve


def roc_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    pos_label: int | None = None,
    drop_intermediate: bool = True,
) -> tuple[Array, Array, Array]:
    """Return the false and true positive rates of two classes at every threshold.

    At the threshold t the samples with score >= t are predicted as positive. Values and options
    are those of scikit-learn's function.

    Parameters
    ----------
    y_true : array_like
        The true classes: 0 and 1, -1 and 1, or any two with `pos_label`.
    y_score : array_like
        The score of each sample for the positive class, (N,) or (N, 1).
    pos_label : int, optional
        The positive class; 1 by default.
    drop_intermediate : bool
        Whether to leave out points that are on a straight line between others.

    Returns
    -------
    fpr : ndarray
        The fraction of negative samples predicted as positive at each threshold, from 0 to 1.
    tpr : ndarray
        The fraction of positive samples predicted as positive at each threshold.
    thresholds : ndarray
        Decreasing; the first is infinity, where nothing is predicted as positive.

    Raises
    ------
    InputError
        There are not two classes, or the numbers of scores and labels differ.

    Examples
    --------
    >>> fpr, tpr, thresholds = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr, tpr
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    drop_intermediate = check_bool("drop_intermediate", drop_intermediate)
    positive = two_classes(y_true, pos_label)
    score = scores_of("y_score", y_score).reshape(-1)
    check_same_count(len(positive), len(score))
    order = np.argsort(-score.astype(np.float64), kind="stable")
    positive, score = positive[order], score[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # of equal scores, the last
    true_positives = np.cumsum(positive)[last]
    false_positives = 1 + last - true_positives
    thresholds = score[last]
    if drop_intermediate and len(last) > 2:
        bent = np.diff(false_positives, 2).astype(bool) | np.diff(true_positives, 2).astype(bool)
        kept = np.concatenate([[True], bent, [True]])
        true_positives, false_positives = true_positives[kept], false_positives[kept]
        thresholds = thresholds[kept]
    fpr = np.append(0, false_positives) / false_positives[-1]
    tpr = np.append(0, true_positives) / true_positives[-1]
    return fpr, tpr, np.append(np.inf, thresholds)


def two_classes(y_true: ArrayLike, pos_label: int | None) -> Array:
    """Return which samples are positive; both classes must have samples."""
    true = measurable("y_true", y_true).reshape(-1)
    labels = np.unique(true)
    if pos_label is None and not (set(labels) <= {0, 1} or set(labels) <= {-1, 1}):
        raise InputError(
            f"y_true must hold 0 and 1, or -1 and 1, got {labels[:10].tolist()}; for other labels "
            "give pos_label."
        )
    positive = true == (1 if pos_label is None else pos_label)
    if len(labels) != 2 or not positive.any():
        raise InputError(
            "A ROC curve needs samples of the positive class and of one other; y_true holds "
            f"{labels[:10].tolist()}."
        )
    return positive
