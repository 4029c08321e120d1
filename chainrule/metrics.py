"""How good predictions are, in numbers for people. What is trained on are losses, elsewhere.

Classes may be given as indices (N,), as one-hot rows, or as rows of scores (N, C), where the
largest counts; a single column of probabilities (N, 1) means class 1 from 0.5 on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_array, check_whole
from chainrule.errors import InputError
from chainrule.parameter import Array


def class_indices(y: ArrayLike) -> Array:
    """Return the class of each sample, (N,), given in any of the ways above."""
    y = _measurable(y)
    if y.ndim > 1 and y.shape[-1] > 1:
        return y.argmax(axis=-1).reshape(-1)
    y = y.reshape(-1)
    if y.dtype.kind == "f" and (y != np.floor(y)).any():  # probabilities
        return (y >= 0.5).astype(np.intp)
    return y.astype(np.intp)


def _measurable(y: ArrayLike) -> Array:
    y = check_array("truth or predictions", y)
    if y.size == 0:
        raise InputError(f"There is nothing to measure: the shape is {y.shape}.")
    if y.dtype.kind not in "fiub":
        raise InputError(
            f"Truth and predictions must be numbers, got {y.dtype}; number classes from 0."
        )
    if not np.isfinite(y).all():
        raise InputError("Truth or predictions hold NaN or infinity.")
    return y


def _both(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    true, pred = check_array("y_true", y_true), check_array("y_pred", y_pred)
    if true.shape == pred.shape[:-1]:
        true = true.reshape(-1)  # a sequence's labels, (N, T) beside (N, T, C), are no scores
    true, pred = class_indices(true), class_indices(pred)
    if len(true) != len(pred):
        raise InputError(f"Got {len(true)} labels and {len(pred)} predictions.")
    return true, pred


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the share of samples whose predicted class is the true one, 0 to 1."""
    true, pred = _both(y_true, y_pred)
    return float((true == pred).mean())


def top_k_accuracy(y_true: ArrayLike, y_pred: ArrayLike, *, k: int = 5) -> float:
    """Return the share of samples whose true class is among the k highest scores (N, C)."""
    k = check_whole("k", k)
    true, scores = class_indices(y_true), _measurable(y_pred)
    if scores.ndim != 2 or len(true) != len(scores) or k > scores.shape[1]:
        raise InputError(
            f"Expected {len(true)} rows of at least k = {k} scores, got {scores.shape}."
        )
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    return float((best == true[:, np.newaxis]).any(axis=1).mean())


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, *, classes: int | None = None) -> Array:
    """Return counts (classes, classes): row = true class, column = predicted class."""
    true, pred = _both(y_true, y_pred)
    largest = int(max(true.max(), pred.max()))
    count = largest + 1 if classes is None else check_whole("classes", classes)
    if min(true.min(), pred.min()) < 0 or largest >= count:
        raise InputError(f"Classes must run from 0 to {count - 1}, got one outside.")
    return np.bincount(true * count + pred, minlength=count * count).reshape(count, count)


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the mean of |prediction - truth|."""
    true, pred = _numbers(y_true, y_pred)
    return float(np.abs(pred - true).mean())


def r2_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return 1 - Σ (p - y)² / Σ (y - mean of y)²: 1 is perfect, 0 is no better than the mean.

    Both sums go over all outputs (scikit-learn's ``multioutput="variance_weighted"``).
    """
    true, pred = _numbers(y_true, y_pred)
    if (true == true[0]).all():
        raise InputError("R² has no meaning where all true values are the same.")
    spread = float(((true - true.mean(axis=0)) ** 2).sum())
    return 1.0 - float(((pred - true) ** 2).sum()) / spread


def _numbers(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    true, pred = _measurable(y_true), _measurable(y_pred)
    true, pred = true.astype(np.float64), pred.astype(np.float64)
    one_column = {true.shape, pred.shape} == {true.shape[:1], (*true.shape[:1], 1)}
    if true.ndim == 0 or not (one_column or true.shape == pred.shape):
        raise InputError(f"Truth and predictions must match, got {true.shape} and {pred.shape}.")
    return true, pred.reshape(true.shape)


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
    positive, score = _two_classes(y_true, pos_label), _measurable(y_score).reshape(-1)
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


def _two_classes(y_true: ArrayLike, pos_label: int | None) -> Array:
    """Return which samples are positive; there must be positive ones and one other class."""
    true = _measurable(y_true).reshape(-1)
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
