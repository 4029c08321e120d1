"""Precision, recall and F1: how reliable the predictions of a class are, how much of it is found.

All three are ratios of counts of a class: TP, the samples both predicted and true; all predicted
ones; all true ones. The rest is about how the numbers of several classes become one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_whole, check_whole_numbers
from chainrule.errors import ConfigurationError
from chainrule.metrics.inputs import true_and_predicted
from chainrule.parameter import Array

__all__ = ["f1_score", "precision_score", "recall_score"]

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
    """Return TP / predicted: the share of the predictions of a class that are right, 0 to 1.

    Parameters
    ----------
    y_true, y_pred : array_like
        Classes, in any of the forms that `class_indices` takes.
    labels : sequence of int, optional
        The classes to count; by default those that are true or predicted somewhere.
    pos_label : int
        The class to report with ``average="binary"``.
    average : {"binary", "macro", "micro", "weighted"} or None
        ``"binary"``: the class `pos_label` alone, if there are two. ``"macro"``: the mean over
        the classes. ``"weighted"``: their mean, each weighted by its number of true samples.
        ``"micro"``: from the sums of all counts. None: each class's own number, in an array.
    sample_weight : array_like, shape (N,), optional
        How much each sample counts.
    zero_division : 0, 1 or NaN
        The result for a class where the denominator is 0: here, if the class is never predicted.
        Classes with NaN are left out of means.

    Returns
    -------
    float, or ndarray with ``average=None``

    Raises
    ------
    ConfigurationError
        ``average="binary"`` with more than two classes, or an option that makes no sense.

    Examples
    --------
    >>> precision_score([0, 1, 1, 1, 1], [1, 1, 0, 1, 1])
    0.75
    """
    counts = Counts(y_true, y_pred, labels, pos_label, average, sample_weight)
    return counts.averaged(counts.hits, counts.predicted, zero_division)


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
    """Return TP / true: the share of the samples of a class that are found, 0 to 1.

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
    counts = Counts(y_true, y_pred, labels, pos_label, average, sample_weight)
    return counts.averaged(counts.hits, counts.true, zero_division)


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
    """Return 2 TP / (true + predicted): the harmonic mean of precision and recall, 0 to 1.

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
    counts = Counts(y_true, y_pred, labels, pos_label, average, sample_weight)
    return counts.averaged(2 * counts.hits, counts.true + counts.predicted, zero_division)


class Counts:
    """The counts of each class: TP, its predictions, its true samples; each (classes,).

    With ``average="micro"`` they are summed over the classes, (1,).
    """

    def __init__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        labels: Sequence[int] | None,
        pos_label: int,
        average: str | None,
        sample_weight: ArrayLike | None,
    ) -> None:
        check_options(labels, pos_label, average)
        true, pred, weight = true_and_predicted(y_true, y_pred, sample_weight)
        counted = np.union1d(true, pred)
        if average == "binary":
            refuse_more_than_two(counted, np.shape(y_pred), pos_label)
            labels = [pos_label]
        elif labels is not None:
            labels = check_whole_numbers("labels", labels, least=None)
        wanted = counted if labels is None else np.array(labels, np.intp)
        classes = np.union1d(counted, wanted)
        hit = true == pred
        self.average = average
        self.hits = count(true[hit], weight[hit], classes, wanted)
        self.predicted = count(pred, weight, classes, wanted)
        self.true = count(true, weight, classes, wanted)
        if average == "micro":
            self.hits, self.predicted, self.true = (
                a.sum(keepdims=True) for a in (self.hits, self.predicted, self.true)
            )

    def averaged(self, numerator: Array, denominator: Array, zero_division: float) -> Any:
        """Return the ratios of the classes, averaged as asked for."""
        if zero_division not in (0, 1) and not is_nan(zero_division):
            raise ConfigurationError(f"zero_division must be 0, 1 or NaN, got {zero_division!r}.")
        scores = np.full(len(numerator), float(zero_division))
        np.divide(numerator, denominator, out=scores, where=denominator > 0)
        if self.average is None:
            return scores
        known = ~np.isnan(scores)
        if not known.any():
            return math.nan
        weight = self.true[known] if self.average == "weighted" else np.ones(known.sum())
        if not weight.any():  # no class with a result has a sample
            weight = np.ones(known.sum())
        return float(weight @ scores[known] / weight.sum())


def count(of: Array, weight: Array, classes: Array, wanted: Array) -> Array:
    """Return the sum of the weights for each wanted class; `classes` are all classes, sorted."""
    sums = np.bincount(np.searchsorted(classes, of), weight, minlength=len(classes))
    return sums[np.searchsorted(classes, wanted)]


def is_nan(value: Any) -> bool:
    """Whether this is the number NaN, Python's or NumPy's."""
    return isinstance(value, float | np.floating) and math.isnan(value)


def check_options(labels: Any, pos_label: int, average: str | None) -> None:
    """Raise ConfigurationError for an unknown average, and for options it does not use."""
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


def refuse_more_than_two(found: Array, shape: tuple[int, ...], pos_label: int) -> None:
    """Raise ConfigurationError where average="binary" does not find its two classes."""
    outputs = shape[-1] if len(shape) > 1 else 1
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
