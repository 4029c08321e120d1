"""Losses of networks with several outputs: one for each output, or one for all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_instance, check_range, is_own
from chainrule.checks.own_code import described
from chainrule.errors import ConfigurationError, InputError
from chainrule.loss_functions.base import Loss, Weights
from chainrule.loss_functions.inputs import check_predictions, weight_of_rows
from chainrule.parameter import Array
from chainrule.pytree import PyTree, by_name, tree_map

__all__ = ["JointLoss", "LossPerOutput"]


class LossPerOutput(Loss):
    """loss = Σ_k weight_k · loss_k(y_true_k, y_pred_k), over the outputs k of a network.

    Targets are a dict by the outputs' names, or a tuple in their order. `Trainer` makes one of
    these if it is given a dict of losses.

    Parameters
    ----------
    losses : mapping of str to Loss
        A loss for each output, by its name.
    weights : mapping of str to float, optional
        How much each loss counts; 1 for those that are not named.

    Raises
    ------
    ConfigurationError
        Something is not a loss, or a weight is negative or for an output without a loss.

    Examples
    --------
    >>> from chainrule import MeanAbsoluteError, MeanSquaredError
    >>> loss = LossPerOutput(
    ...     {"price": MeanSquaredError(), "size": MeanAbsoluteError()}, weights={"size": 0.5}
    ... )
    >>> loss({"price": [1.0], "size": [3.0]}, {"price": [2.0], "size": [1.0]})  # 1 + 0.5 · 2
    2.0
    """

    def __init__(
        self, losses: Mapping[str, Loss], *, weights: Mapping[str, float] | None = None
    ) -> None:
        if not losses:
            raise ConfigurationError("Give a loss for each output; got none.")
        for name, loss in losses.items():
            check_instance(loss, Loss, f"The loss of {name!r} must be a Loss")
            if is_own(loss):
                loss.check_usable()
        unknown = [name for name in weights or {} if name not in losses]
        if unknown:
            raise ConfigurationError(
                f"There are weights for {unknown}, and losses for {[*losses]}."
            )
        self.losses_by_output = dict(losses)
        self.weights = None if weights is None else dict(weights)
        self.means = sum(loss.means for loss in losses.values())
        self._weight_of = {
            name: check_range(f"the weight of {name!r}", (weights or {}).get(name, 1.0))
            for name in losses
        }

    def forward(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> float:
        weight, means = self.mean_of_part(y_true, y_pred, sample_weight)
        _refuse_no_weight(weight)
        return float(means.sum())

    def backward(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> Any:
        return self.value_and_gradient(y_true, y_pred, sample_weight)[1]

    def value_and_gradient(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Any]:
        weight, means, gradients = self.mean_and_gradient_of_part(y_true, y_pred, sample_weight)
        _refuse_no_weight(weight)
        return float(means.sum()), gradients

    # ------------------------------------------------------------ each mean by itself

    def total_weight(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> Array:
        """Return what each loss's mean is divided by, (means,).

        Class weights, and rows for each position of a sequence, make them differ. So the mean over
        several batches is taken of each loss for itself.
        """
        true, pred = self._by_output(y_true, y_pred)
        return np.hstack(
            [
                loss.total_weight(true[name], pred[name], sample_weight)
                for name, loss in self.losses_by_output.items()
            ]
        ).astype(np.float64)

    def mean_of_part(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Return how much each loss's rows count, and its part of the sum, both (means,).

        A loss of which no row counts adds nothing.
        """
        true, pred = self._by_output(y_true, y_pred)
        weights, means = [], []
        for name, loss in self.losses_by_output.items():
            weight, mean = loss.mean_of_part(true[name], pred[name], sample_weight)
            weights.append(weight)
            means.append(self._weight_of[name] * mean)
        return np.hstack(weights), np.hstack(means)

    def mean_and_gradient_of_part(
        self, y_true: PyTree, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array, Any]:
        true, pred = self._by_output(y_true, y_pred)
        weights, means, gradients = [], [], {}
        for name, loss in self.losses_by_output.items():
            weight, mean, gradient = loss.mean_and_gradient_of_part(
                true[name], pred[name], sample_weight
            )
            weights.append(weight)
            means.append(self._weight_of[name] * mean)
            if gradient is None:
                gradient = tree_map(np.zeros_like, pred[name])
            gradients[name] = loss.share_of_gradient(
                gradient, np.full(loss.means, self._weight_of[name])
            )
        return np.hstack(weights), np.hstack(means), gradients

    def share_of_gradient(self, gradient: Any, share: Weights) -> Any:
        shares = np.split(
            np.atleast_1d(share), np.cumsum([loss.means for loss in self.losses_by_output.values()])
        )
        return {
            name: loss.share_of_gradient(gradient[name], own)
            for (name, loss), own in zip(self.losses_by_output.items(), shares, strict=False)
        }

    def takes(self, y_pred: PyTree) -> bool:
        return all(
            name not in self.losses_by_output or self.losses_by_output[name].takes(array)
            for name, array in y_pred.items()
        )

    def _by_output(self, y_true: PyTree, y_pred: PyTree) -> tuple[dict[str, Any], dict[str, Any]]:
        names = list(self.losses_by_output)
        pred = by_name(y_pred, names, "The outputs that have a loss")
        return by_name(y_true, names, "The targets"), pred

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={self.weights!r}"
        return f"LossPerOutput({self.losses_by_output!r}{weights})"


class JointLoss(Loss):
    """The base class of losses that take all outputs of a network together.

    A subclass writes, next to each other, `losses`, the loss of each sample, and `gradients`, its
    gradient at each output, both for dicts of arrays by the outputs' names. Sample weights and
    the mean over the batch are the base class's. Examples are the distance between the two codes
    of a siamese network, and the two parts of a variational autoencoder's loss.

    Examples
    --------
    >>> import numpy as np
    >>> class Distance(JointLoss):
    ...     def losses(self, y_true, y_pred):
    ...         return ((y_pred["a"] - y_pred["b"]) ** 2).sum(axis=1)
    ...
    ...     def gradients(self, y_true, y_pred):
    ...         difference = 2 * (y_pred["a"] - y_pred["b"])
    ...         return {"a": difference, "b": -difference}
    >>> codes = {"a": np.array([[1.0, 2.0]]), "b": np.array([[1.0, 0.0]])}
    >>> Distance().forward(None, codes)
    4.0
    >>> Distance().backward(None, codes)["a"]
    array([[0., 4.]])
    """

    def total_weight(
        self, y_true: Any, y_pred: PyTree, sample_weight: ArrayLike | None = None
    ) -> float:
        return float(_weight_of_samples(y_pred, sample_weight).sum())

    def _validate(
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None
    ) -> tuple[Any, Any, Array]:
        if not isinstance(y_pred, Mapping):
            raise InputError(
                f"{type(self).__name__} takes several outputs, a dict by their names; got one "
                f"{type(y_pred).__name__}."
            )
        for array in y_pred.values():
            check_predictions(array)
        weight = _weight_of_samples(y_pred, sample_weight)
        if not weight.any():
            raise InputError("All weights of this batch are 0; at least one sample has to count.")
        return y_true, y_pred, weight / weight.sum()

    def _gradient_of_mean(self, gradients: Any, share: Any, pred: Any) -> dict[str, Array]:
        if not isinstance(gradients, Mapping) or set(gradients) != set(pred):
            given = described(gradients)
            if isinstance(gradients, Mapping):
                given = f"gradients at {list(gradients)}"
            raise ConfigurationError(
                f"{type(self).__name__}.gradients returned {given}; it must return a dict with the "
                f"gradient at each output: {list(pred)}."
            )
        for output, gradient in gradients.items():
            if getattr(gradient, "shape", None) != pred[output].shape:
                self.refuse_gradients(gradient, pred[output].shape, f" for the output {output!r}")
        return {
            name: gradient * share.astype(gradient.dtype).reshape(-1, *[1] * (gradient.ndim - 1))
            for name, gradient in gradients.items()
        }


def _refuse_no_weight(weight: Array) -> None:
    """Raise InputError if no row of any output counts."""
    if not weight.any():
        raise InputError("All weights of this batch are 0; at least one row has to count.")


def _weight_of_samples(y_pred: PyTree, sample_weight: ArrayLike | None) -> Array:
    """Return how much each sample counts, (N,) in float64."""
    count = len(next(iter(y_pred.values())))
    return np.ones(count) if sample_weight is None else weight_of_rows(sample_weight, (count,))
