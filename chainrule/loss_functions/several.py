"""Losses of networks with several outputs: a loss for each, or one that takes them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_instance, check_range
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions.base import Loss
from chainrule.loss_functions.inputs import check_predictions, weight_of_rows
from chainrule.parameter import Array
from chainrule.pytree import PyTree, by_name

__all__ = ["JointLoss", "LossPerOutput"]


class LossPerOutput(Loss):
    """loss = Σ_k weight_k · loss_k(y_true_k, y_pred_k), over the outputs k of a network.

    Targets are a dict by the outputs' names, or a tuple in their order. `Trainer` makes one of
    these where it is given a dict of losses.

    Parameters
    ----------
    losses : mapping of str to Loss
        A loss for each output, by its name.
    weights : mapping of str to float, optional
        How much each loss counts; 1 for those that are not named.
    """

    def __init__(
        self, losses: Mapping[str, Loss], *, weights: Mapping[str, float] | None = None
    ) -> None:
        if not losses:
            raise ConfigurationError("Give a loss for each output; got none.")
        for name, loss in losses.items():
            check_instance(loss, Loss, f"The loss of {name!r} must be a Loss")
        unknown = [name for name in weights or {} if name not in losses]
        if unknown:
            raise ConfigurationError(
                f"There are weights for {unknown}, and losses for {[*losses]}."
            )
        self.losses_by_output = dict(losses)
        self.weights = None if weights is None else dict(weights)
        self._weights_of = {
            name: check_range(f"the weight of {name!r}", (weights or {}).get(name, 1.0))
            for name in losses
        }

    def forward(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> float:
        true, pred = self._by_output(y_true, y_pred)
        return float(
            sum(
                weight * self.losses_by_output[name].forward(true[name], pred[name], sample_weight)
                for name, weight in self._weights_of.items()
            )
        )

    def backward(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> Any:
        return self.value_and_gradient(y_true, y_pred, sample_weight)[1]

    def value_and_gradient(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Any]:
        true, pred = self._by_output(y_true, y_pred)
        total, gradients = 0.0, {}
        for name, weight in self._weights_of.items():
            loss = self.losses_by_output[name]
            value, gradient = loss.value_and_gradient(true[name], pred[name], sample_weight)
            total += weight * value
            gradients[name] = gradient * gradient.dtype.type(weight)
        return total, gradients

    def total_weight(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return how much this batch counts among others: its samples, or their weights.

        The mean over parts of a batch is then the mean over the whole for losses that count
        their rows alike; one with class weights, or with rows of its own for each position,
        is a mean over the parts' means.
        """
        count = len(next(iter(y_pred.values())))
        if sample_weight is None:
            return float(count)
        return float(np.asarray(sample_weight, np.float64).reshape(count, -1).mean(axis=1).sum())

    def _by_output(self, y_true: PyTree, y_pred: PyTree) -> tuple[dict[str, Any], dict[str, Any]]:
        names = list(self.losses_by_output)
        pred = by_name(y_pred, names, "The outputs that have a loss")
        return by_name(y_true, names, "The targets"), pred

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={self.weights!r}"
        return f"LossPerOutput({self.losses_by_output!r}{weights})"


class JointLoss(Loss):
    """The parent of losses that take all outputs of a network together.

    A subclass writes, next to each other, `losses`, each sample's own loss, and `gradients`, the
    gradient of that at each output. Weights and the mean over the batch are the parent's. The
    distance between the two codes of a siamese network, or the two parts of a variational
    autoencoder's loss, are such::

        class Distance(JointLoss):
            def losses(self, y_true, y_pred):
                return ((y_pred["a"] - y_pred["b"]) ** 2).sum(axis=1)

            def gradients(self, y_true, y_pred):
                difference = 2 * (y_pred["a"] - y_pred["b"])
                return {"a": difference, "b": -difference}
    """

    def losses(self, y_true: Any, y_pred: Any) -> Array:
        """Return each sample's loss, (N,), for the outputs by their names."""
        raise NotImplementedError(f"{type(self).__name__} has no losses(y_true, y_pred).")

    def gradients(self, y_true: Any, y_pred: Any) -> Any:
        """Return each sample's gradient at its own outputs: a dict with the outputs' names."""
        raise NotImplementedError(f"{type(self).__name__} has no gradients(y_true, y_pred).")

    def forward(self, y_true: Any, y_pred: PyTree, sample_weight: ArrayLike | None = None) -> float:
        count = self._checked(y_pred)
        weights = _normalized(sample_weight, count)
        return float(weights @ np.asarray(self.losses(y_true, y_pred), np.float64))

    def backward(self, y_true: Any, y_pred: PyTree, sample_weight: ArrayLike | None = None) -> Any:
        weights = _normalized(sample_weight, self._checked(y_pred))
        gradients = by_name(self.gradients(y_true, y_pred), list(y_pred), "The gradients")
        return {name: _times(gradient, weights) for name, gradient in gradients.items()}

    def value_and_gradient(
        self, y_true: Any, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Any]:
        return (
            self.forward(y_true, y_pred, sample_weight),
            self.backward(y_true, y_pred, sample_weight),
        )

    def total_weight(
        self, y_true: Any, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> float:
        count = len(next(iter(y_pred.values())))
        return float(_weights(sample_weight, count).sum())

    def _checked(self, y_pred: Any) -> int:
        """Return the number of samples; refuse a single output, and NaN."""
        if not isinstance(y_pred, Mapping):
            raise InputError(
                f"{type(self).__name__} takes several outputs, a dict by their names; got one "
                f"{type(y_pred).__name__}."
            )
        for array in y_pred.values():
            check_predictions(array)
        return len(next(iter(y_pred.values())))


def _weights(sample_weight: ArrayLike | None, count: int) -> Array:
    """Return how much each sample counts, (N,) in float64."""
    return np.ones(count) if sample_weight is None else weight_of_rows(sample_weight, (count,))


def _normalized(sample_weight: ArrayLike | None, count: int) -> Array:
    """Return how much each sample counts in the mean, (N,); the sum is 1."""
    weights = _weights(sample_weight, count)
    if not weights.any():
        raise InputError("All weights of this batch are 0; at least one sample has to count.")
    return weights / weights.sum()


def _times(gradient: Array, weights: Sequence[float] | Array) -> Array:
    """Return each sample's gradient times its weight."""
    weights = np.asarray(weights, gradient.dtype)
    return gradient * weights.reshape(-1, *[1] * (gradient.ndim - 1))
