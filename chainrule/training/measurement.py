"""Measurement: the loss and the metrics of an epoch, from its batches.

The loss is a running mean. A metric need not be a mean: the R² or the F1 score of an epoch is not
the mean of its batches' scores. So predictions, targets and weights are kept, and measured once at
the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.data.weights import without_class_weight
from chainrule.errors import ConfigurationError, FileFormatError, InputError
from chainrule.loss_functions import Loss, LossPerOutput
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.metrics.weighting import measure
from chainrule.parallel.strategy import PassResult, WeightedMean
from chainrule.parameter import Array
from chainrule.pytree import (
    PyTree,
    as_dict,
    by_name,
    concatenate,
    first_array,
    from_dict,
    tree_leaves,
    tree_map,
)
from chainrule.storage.names import with_prefix, without_prefix


class Measurement:
    """What the numbers of an epoch are computed from.

    Parameters
    ----------
    metrics : mapping of str to callable
        Functions ``(y_true, y_pred) -> float``. Without any, no predictions are kept.
    loss : Loss
        The loss: targets that it ignores are left out of the metrics, too.

    Attributes
    ----------
    unweighted : list of str
        The metrics that were measured as if all samples counted the same, though they do not.
    """

    def __init__(self, metrics: Mapping[str, Any], loss: Loss) -> None:
        self.metrics, self.loss = metrics, loss
        self.unweighted: list[str] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything, for a new epoch."""
        self.mean = WeightedMean()
        self.targets: list[PyTree] = []
        self.predictions: list[PyTree] = []
        self.weights: list[Array | None] = []

    def add(
        self,
        result: PassResult,
        y: PyTree,
        predictions: Sequence[PyTree],
        sample_weight: Array | None,
    ) -> None:
        """Include a batch: its result, its targets and its samples' weights.

        The predictions are those of its parts, in the order of the samples.
        """
        self.mean.add(result.weight, result.means)
        if self.metrics:
            self.targets.append(y)
            self.predictions += predictions
            self.weights.append(sample_weight)

    def result(self, class_weight: ClassWeight | None = None) -> dict[str, float]:
        """Return the mean loss and each metric by name.

        The weights of classes, with which those of the samples were multiplied, are for the loss
        alone: they do not count in the metrics.
        """
        if not np.any(self.mean.weight):
            raise InputError("All weights are 0; at least one sample has to count.")
        measured = {"loss": float(np.sum(self.mean.means))}
        if self.metrics:
            y, y_pred, weight = self._all()
            weight = without_class_weight(y, weight, class_weight)
            for name, metric in self.metrics.items():
                try:
                    value, as_weighted = measured_by(self.loss, metric, y, y_pred, weight)
                except Exception as error:
                    error.add_note(f"in the metric {name!r}")
                    raise
                measured[name] = float(value)
                if not as_weighted and name not in self.unweighted:
                    self.unweighted.append(name)
        return measured

    def _all(self) -> tuple[PyTree, PyTree, Array | None]:
        """Return all targets, predictions and weights.

        A batch without weights has ones. Of sequences whose length differs from batch to batch,
        the positions are returned.
        """
        targets, predictions, weights = self.targets, self.predictions, self.weights
        if lengths_differ(predictions):
            targets, predictions = as_positions(targets), as_positions(predictions)
            weights = [
                None if weight is None else weight_of_positions(weight, len(first_array(y)))
                for weight, y in zip(weights, targets, strict=True)
            ]
        y, y_pred = concatenate(targets), concatenate(predictions)
        given = next((weight for weight in weights if weight is not None), None)
        if given is None:
            return y, y_pred, None
        filled = [
            np.ones((len(first_array(y)), *given.shape[1:])) if weight is None else weight
            for weight, y in zip(weights, targets, strict=True)
        ]
        return y, y_pred, np.concatenate(filled)

    def note(self) -> str:
        """Return what there is to say about metrics that take no weights."""
        if not self.unweighted:
            return ""
        return (
            f"{', '.join(self.unweighted)}: takes no sample_weight, so all samples of a weight "
            "above 0 count the same in it; define it as metric(y_true, y_pred, sample_weight=None)"
        )

    # ------------------------------------------------------------ in a checkpoint

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the means so far and their weights, and the arrays of an unfinished epoch."""
        arrays: dict[str, Array] = {}
        if self.targets:
            y, y_pred, weight = self._all()
            arrays |= with_prefix("truth", as_dict(y))
            arrays |= with_prefix("prediction", as_dict(y_pred))
            arrays |= {} if weight is None else {"weight": weight}
        sums = {"weight": self.mean.weight, "loss": self.mean.means}
        return {name: np.asarray(value).tolist() for name, value in sums.items()}, arrays

    def load_state(self, sums: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Restore what `state` returned."""
        self.reset()
        shape = () if self.loss.means == 1 else (self.loss.means,)
        weight, means = np.array(sums["weight"], float), np.array(sums["loss"], float)
        if not weight.ndim and shape:  # nothing yet, or of a version that kept the sum of the means
            weight = np.full(shape, weight)
            means = np.where(np.arange(self.loss.means) == 0, means, 0.0)
        if weight.shape != shape or means.shape != shape:
            raise FileFormatError("The checkpoint does not hold a mean for each loss.")
        self.mean.weight, self.mean.means = weight[()], means[()]
        wanted = bool(self.metrics) and bool(weight.any())
        if (wanted and not arrays) or (arrays and not self.metrics):
            raise FileFormatError("The checkpoint does not hold what this epoch's metrics need.")
        if arrays:
            self.targets, self.predictions = (
                [from_dict(without_prefix(name, arrays), f"The epoch's {name}")]
                for name in ("truth", "prediction")
            )
            self.weights = [arrays.get("weight")]


# ---------------------------------------------------------------- sequences of several lengths


def lengths_differ(batches: Sequence[PyTree]) -> bool:
    """Whether the samples of one batch have another shape than those of another."""
    leaves = zip(*map(tree_leaves, batches), strict=True)
    return any(len({array.shape[1:] for array in arrays}) > 1 for arrays in leaves)


def as_positions(batches: Sequence[PyTree]) -> list[PyTree]:
    """Return sequences (N, T, ...) as positions (N T, ...); what is that already stays as it is."""
    axes = tree_map(lambda *arrays: max(a.ndim for a in arrays), batches[0], *batches[1:])

    def flat(array: Array, most: int) -> Array:
        return array.reshape(-1, *array.shape[2:]) if array.ndim == most > 1 else array

    return [tree_map(flat, batch, axes) for batch in batches]


def weight_of_positions(weight: Array, positions: int) -> Array:
    """Return the weight of each position, given those of the samples or of the positions."""
    return weight.reshape(-1).repeat(positions // weight.size)


# ---------------------------------------------------------------- one metric


def metric_of_output(metric: Any, name: str) -> partial[Any]:
    """Return a metric of one of several outputs as a metric of all."""
    return partial(_of_output, metric, name)


def _of_output(metric: Any, name: str, y_true: PyTree, y_pred: PyTree) -> Any:
    return metric(*targets_and_output(name, y_true, y_pred))


def targets_and_output(name: str, y_true: PyTree, y_pred: PyTree) -> tuple[Array, Array]:
    """Return the targets and the predictions of one of several outputs."""
    outputs = by_name(y_pred, list(y_pred), "The outputs")
    if name not in outputs:
        raise ConfigurationError(
            f"There is no output {name!r} to measure; there are {list(y_pred)}."
        )
    return by_name(y_true, list(y_pred), "The targets")[name], outputs[name]


def its_output(metric: Any) -> tuple[Any, str | None]:
    """Return the function behind a metric, and the output that it measures if it is for one."""
    if isinstance(metric, partial) and metric.func is _of_output:
        return metric.args
    return metric, None


def measured_by(
    loss: Loss, metric: Any, y_true: PyTree, y_pred: PyTree, sample_weight: Array | None
) -> tuple[Any, bool]:
    """Return a metric as `measure` does, also leaving out the targets that the loss ignores."""
    function, name = its_output(metric)
    if name is not None:
        y_true, y_pred = targets_and_output(name, y_true, y_pred)
        if isinstance(loss, LossPerOutput):
            loss = loss.losses_by_output.get(name, loss)
    if loss.ignore_index is not None:
        counts = np.asarray(y_true) != loss.ignore_index
        if sample_weight is None:
            sample_weight = counts.astype(np.float64)
        else:
            missing_axes = (1,) * (counts.ndim - sample_weight.ndim)
            sample_weight = counts * sample_weight.reshape(sample_weight.shape + missing_axes)
    return measure(function, y_true, y_pred, sample_weight)
