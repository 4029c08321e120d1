"""The ROC curve of two classes: what is found and what is mistaken, at every threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import InputError
from chainrule.metrics.inputs import measurable
from chainrule.parameter import Array

__all__ = ["roc_curve"]


def roc_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    pos_label: int | None = None,
    drop_intermediate: bool = True,
) -> tuple[Array, Array, Array]:
    """Return what a classifier of two classes finds and mistakes, at every threshold.

    At the threshold t the samples with score >= t are called positive. As scikit-learn's function
    of this name, to its values and options.

    Parameters
    ----------
    y_true : array_like
        The true classes: 0 and 1, -1 and 1, or any two with `pos_label`.
    y_score : array_like
        The score of each sample for being positive, (N,) or (N, 1).
    pos_label : int, optional
        Which class is the positive one; 1 without it.
    drop_intermediate : bool
        Whether to leave out points on a straight line between others.

    Returns
    -------
    fpr : ndarray
        The share of the negatives that are called positive, at each threshold, rising from 0.
    tpr : ndarray
        The share of the positives that are called so.
    thresholds : ndarray
        Falling; the first is infinity, at which nothing is called positive.
    """
    positive, score = two_classes(y_true, pos_label), measurable(y_score).reshape(-1)
    if len(positive) != len(score):
        raise InputError(f"Got {len(positive)} labels and {np.shape(y_score)} scores.")
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
    """Return which samples are positive; there must be positive ones and one other class."""
    true = measurable(y_true).reshape(-1)
    labels = np.unique(true)
    if pos_label is None and not (set(labels) <= {0, 1} or set(labels) <= {-1, 1}):
        raise InputError(
            f"y_true must hold 0 and 1, or -1 and 1, got {labels[:10].tolist()}; give pos_label "
            "for two other labels."
        )
    positive = true == (1 if pos_label is None else pos_label)
    if len(labels) != 2 or not positive.any():
        raise InputError(
            "A ROC curve needs positive samples and those of one other class; y_true holds "
            f"{labels[:10].tolist()}."
        )
    return positive
