"""Precision, recall and F1: how reliable predictions of a class are, how much of it is found.

All three are ratios of counts for a class: its true positives TP (predicted and true), its
predictions, and its true samples. The rest is about averaging over several classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_whole, check_whole_numbers
from chainrule.errors import ConfigurationError
from chainrule.metrics.inputs import outputs_of, true_and_predicted
from chainrule.parameter import Array

AVERAGES = ("binary", "macro", "micro", "weighted", None)


def precision_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[int] | None = None,
    pos_label: int = 1,
    average: str | None = "binary",
    sample_weight: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> Any:
    """Return TP / predicted: the fraction of the predictions of a class that are right.

    Parameters
    ----------
    y_true, y_pred : array_like
        Classes, as in `accuracy`.
    labels : sequence of int, optional
        The classes to include; by default all that are true or predicted at least once.
    pos_label : int
        The class to report with ``average="binary"``.
    average : {"binary", "macro", "micro", "weighted"} or None
        ``"binary"``: the class `pos_label` of two. ``"macro"``: the mean over the classes.
        ``"weighted"``: their mean, each weighted by its number of true samples. ``"micro"``:
        computed from the counts summed over all classes. None: an array with one value per class.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts.
    zero_division : 0, 1 or NaN
        The result for a class where the denominator is 0: here, if the class is never predicted.
        Classes whose result is NaN are left out of means.

    Returns
    -------
    float, or ndarray with ``average=None``

    Raises
    ------
    ConfigurationError
        ``average="binary"`` with more than two classes, or an invalid option.

    Examples
    --------
    >>> precision_score([0, 1, 1, 1, 1], [1, 1, 0, 1, 1])
    0.75
    """
    hits, predicted, true = counts(y_true, y_pred, labels, pos_label, average, sample_weight)
    return averaged(hits, predicted, true, average, zero_division)


def recall_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[int] | None = None,
    pos_label: int = 1,
    average: str | None = "binary",
    sample_weight: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> Any:
    """Return TP / true: the fraction of the samples of a class that are found.

    Parameters
    ----------
    y_true, y_pred, labels, pos_label, average, sample_weight
        As in `precision_score`.
    zero_division : 0, 1 or NaN
        The result for a class without true samples.

    Examples
    --------
    >>> recall_score([0, 1, 1, 1, 1], [1, 1, 0, 1, 1])
    0.75
    """
    hits, _, true = counts(y_true, y_pred, labels, pos_label, average, sample_weight)
    return averaged(hits, true, true, average, zero_division)


def f1_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[int] | None = None,
    pos_label: int = 1,
    average: str | None = "binary",
    sample_weight: ArrayLike | None = None,
    zero_division: float = 0.0,
) -> Any:
    """Return 2 TP / (true + predicted): the harmonic mean of precision and recall.

    Parameters
    ----------
    y_true, y_pred, labels, pos_label, average, sample_weight
        As in `precision_score`.
    zero_division : 0, 1 or NaN
        The result for a class that is neither true nor predicted anywhere.

    Examples
    --------
    >>> f1_score([0, 1, 1, 1, 1], [1, 1, 0, 1, 1])
    0.75
    """
    hits, predicted, true = counts(y_true, y_pred, labels, pos_label, average, sample_weight)
    return averaged(2 * hits, true + predicted, true, average, zero_division)


def counts(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    labels: Sequence[int] | None,
    pos_label: int,
    average: str | None,
    sample_weight: ArrayLike | None,
) -> tuple[Array, Array, Array]:
    """Return for each class its true positives, predictions and true samples; each (classes,).

    With ``average="micro"`` they are summed over the classes, (1,).
    """
    check_options(labels, pos_label, average)
    true, pred, weight = true_and_predicted(y_true, y_pred, sample_weight)
    present = np.union1d(true, pred)
    if average == "binary":
        refuse_more_than_two(present, outputs_of(np.asarray(y_pred)), pos_label)
        labels = [pos_label]
    elif labels is not None:
        labels = check_whole_numbers("labels", labels, least=None)
    counted = present if labels is None else np.array(labels, np.intp)
    classes = np.union1d(present, counted)
    found = [
        np.bincount(np.searchsorted(classes, of), weights, len(classes))
        for of, weights in ((true, weight * (true == pred)), (pred, weight), (true, weight))
    ]
    hits, predicted, true = np.array(found)[:, np.searchsorted(classes, counted)]
    if average == "micro":
        return hits.sum(keepdims=True), predicted.sum(keepdims=True), true.sum(keepdims=True)
    return hits, predicted, true


def averaged(
    numerator: Array, denominator: Array, true: Array, average: str | None, zero_division: float
) -> Any:
    """Return the ratios of the classes, averaged; `true` holds how often each class is true."""
    is_nan = isinstance(zero_division, float | np.floating) and math.isnan(zero_division)
    if zero_division not in (0, 1) and not is_nan:
        raise ConfigurationError(f"zero_division must be 0, 1 or NaN, got {zero_division!r}.")
    scores = np.full(len(numerator), float(zero_division))
    np.divide(numerator, denominator, out=scores, where=denominator > 0)
    if average is None:
        return scores
    known = ~np.isnan(scores)
    if not known.any():
        return math.nan
    weight = true[known]
    if average != "weighted" or not weight.any():  # no class with a result has a sample
        weight = np.ones(known.sum())
    return float(weight @ scores[known] / weight.sum())


def check_options(labels: Any, pos_label: int, average: str | None) -> None:
    """Raise ConfigurationError for an unknown average, or an option that it does not use."""
    if average not in AVERAGES:
        raise ConfigurationError(f"average must be one of {AVERAGES}, got {average!r}.")
    check_whole("pos_label", pos_label, least=None)
    if average == "binary" and labels is not None:
        raise ConfigurationError("average='binary' takes pos_label, not labels.")
    if average != "binary" and pos_label != 1:
        raise ConfigurationError(
            f"pos_label is only for average='binary'; for one class give labels=[{pos_label}]."
        )
    if labels is not None and np.size(labels) == 0:
        raise ConfigurationError("labels must name at least one class.")


def refuse_more_than_two(found: Array, outputs: int, pos_label: int) -> None:
    """Raise ConfigurationError if average="binary" is used without two classes."""
    classes = max(outputs, len(found))
    if classes > 2:
        raise ConfigurationError(
            f"average='binary' is for two classes, and there are {classes}. Choose "
            "average='macro', 'weighted' or 'micro'; for a Trainer, "
            "functools.partial(f1_score, average='macro')."
        )
    if len(found) == 2 and pos_label not in found:
        raise ConfigurationError(
            f"pos_label={pos_label} is not one of the classes, {found.tolist()}."
        )
