"""The ROC curve of two classes: the rates of true and false positives, at every threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_bool
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
    """Return the rates of false and true positives of two classes, at every threshold.

    At the threshold t the samples with score >= t are predicted as positive. Values and options
    are those of scikit-learn's function.

    Parameters
    ----------
    y_true : array_like
        The true classes: 0 and 1, -1 and 1, or any two with `pos_label`.
    y_score : array_like
        The score of each sample for the positive class, (N,) or (N, 1).
    pos_label : int, optional
        Which class is the positive one; 1 by default.
    drop_intermediate : bool
        Whether to leave out points on a straight line between others.

    Returns
    -------
    fpr : ndarray
        The share of the negative samples predicted as positive, at each threshold, rising from 0.
    tpr : ndarray
        The share of the positive samples predicted as positive.
    thresholds : ndarray
        Falling; the first is infinity, at which nothing is predicted as positive.

    Raises
    ------
    InputError
        There are not two classes, or not as many scores as labels.

    Examples
    --------
    >>> fpr, tpr, thresholds = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr, tpr
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    drop_intermediate = check_bool("drop_intermediate", drop_intermediate)
    positive = two_classes(y_true, pos_label)
    score = measurable("y_score", y_score).reshape(-1)
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
