"""measure: any metric, own or of others, of samples that do not all count the same."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule.parameter import Array
from chainrule.pytree import PyTree, tree_map


def takes_weights(metric: Callable[..., Any]) -> bool:
    """Whether a metric has the option sample_weight, as scikit-learn's have.

    >>> from chainrule.metrics import accuracy
    >>> takes_weights(accuracy), takes_weights(lambda y_true, y_pred: 0.0)
    (True, False)
    """
    if isinstance(metric, partial) and metric.keywords.get("multi_class") == "ovo":
        return False  # the area over pairs of classes refuses them, as scikit-learn's does
    try:
        return "sample_weight" in inspect.signature(metric).parameters
    except (TypeError, ValueError):  # of a function in C
        return False


def measure(
    metric: Callable[..., Any], y_true: PyTree, y_pred: PyTree, sample_weight: Array | None = None
) -> tuple[Any, bool]:
    """Return a metric, and whether it is what the weights ask for.

    What has the weight 0 is left out, so that a mask holds for every metric. If the others differ,
    they go to the metric's option sample_weight; one without it counts them all the same, and the
    second value is then False. NaN if nothing is left.

    Parameters
    ----------
    metric : callable
        ``(y_true, y_pred) -> float``, perhaps with the option sample_weight.
    y_true, y_pred : array, or a tuple or dict of arrays
        Targets and predictions.
    sample_weight : ndarray, shape (N,) or (N, T), optional
        How much each sample counts, or each position of a sequence. In the second case the metric
        is given positions, (M,) and (M, outputs).

    Examples
    --------
    >>> from chainrule.metrics import accuracy
    >>> y_true, y_pred = np.array([0, 1, 1]), np.array([0, 0, 1])
    >>> measure(accuracy, y_true, y_pred, np.array([3.0, 1.0, 0.0]))
    (0.75, True)
    """
    if sample_weight is None:
        return metric(y_true, y_pred), True
    counts = sample_weight > 0
    weight = sample_weight[counts]
    if not weight.size:
        return math.nan, True
    if counts.ndim > 1 or not counts.all():
        y_true, y_pred = (tree_map(lambda a: _where(a, counts), y) for y in (y_true, y_pred))
    if (weight == weight[0]).all():
        return metric(y_true, y_pred), True
    if takes_weights(metric):
        return metric(y_true, y_pred, sample_weight=weight), True
    return metric(y_true, y_pred), False


def _where(array: Array, counts: Array) -> Array:
    """Return the samples, or the positions of sequences, that count."""
    return np.asarray(array)[counts]
