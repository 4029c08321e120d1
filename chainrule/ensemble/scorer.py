"""Scorer: how good each member is on validation samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_function
from chainrule.data.weights import without_class_weight
from chainrule.ensemble.objective import losses_of_members
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import Loss, MeanSquaredError
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.metrics import accuracy
from chainrule.metrics.weighting import measure
from chainrule.parameter import Array
from chainrule.training.monitor import better_is

Metric = Callable[[Any, Any], float]


def root_mean_squared_error(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the square root of the mean of (y_pred - y_true)²."""
    return math.sqrt(MeanSquaredError().forward(y_true, y_pred, sample_weight))


METRICS: dict[str, Metric] = {"accuracy": accuracy, "rmse": root_mean_squared_error}


class Scorer:
    """Scores every member by one metric.

    Parameters
    ----------
    metric : str or callable
        ``"loss"``, ``"accuracy"``, ``"rmse"``, or a function (y_true, y_pred) -> float.
    mode : {"min", "max"}, optional
        Whether smaller or larger is better, if a function's name does not say so.
    loss : Loss
        The loss, computed from predictions.
    multilabel : bool
        Whether each output answers a question of its own, so that all answers count in an accuracy.

    Attributes
    ----------
    unweighted : bool
        Whether samples counted the same in the metric, though their weights differ.
    """

    def __init__(
        self, metric: str | Metric, mode: str | None, loss: Loss, multilabel: bool
    ) -> None:
        if isinstance(metric, str):
            if metric not in ("loss", *METRICS):
                raise ConfigurationError(
                    f"metric must be 'loss', 'accuracy', 'rmse' or a function; got {metric!r}."
                )
            self.name, self.function = metric, METRICS.get(metric)
        else:
            check_function(metric, "metric must be a name or a function (y_true, y_pred)")
            self.name, self.function = getattr(metric, "__name__", "metric"), metric
        self.mode = better_is(self.name, mode)
        self.loss = loss
        self.unweighted = False
        self.flat = multilabel and metric == "accuracy"

    def __call__(
        self,
        y: tuple[Array, Array],
        y_pred: Array,
        weight: Array | None,
        class_weight: ClassWeight | None = None,
    ) -> Array:
        """Return each member's score, (K,); NaN if its predictions are not finite.

        Parameters
        ----------
        y : tuple of two ndarrays
            The targets as they were given, for a metric, and as rows (N, outputs), for the loss.
        y_pred : ndarray, shape (N, K, outputs)
            The predictions of K members.
        weight : ndarray, shape (N,), or None
            How much each sample counts.
        class_weight : mapping or sequence, optional
            The weights of classes that are part of it: they count in the loss alone.
        """
        given, rows = y
        if self.function is None:
            return losses_of_members(self.loss, rows, y_pred, weight)
        weight = without_class_weight(given, weight, class_weight)
        if self.flat:
            weight = None if weight is None else weight.repeat(rows.shape[1])
        scores = np.full(y_pred.shape[1], np.nan)
        for k in range(len(scores)):
            own = y_pred[:, k]
            if np.isfinite(own).all():
                pair = (given.reshape(-1), own.reshape(-1)) if self.flat else (given, own)
                scores[k], as_weighted = measure(self.function, *pair, weight)
                self.unweighted = not as_weighted
        return scores

    def cost(self, scores: Array) -> Array:
        """Return scores as numbers of which the smallest is the best: infinity for NaN."""
        return np.where(np.isnan(scores), np.inf, scores if self.mode == "min" else -scores)
