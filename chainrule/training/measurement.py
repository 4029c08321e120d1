"""Measurement: the loss and the metrics of an epoch, from its batches.

The loss is a running mean. A metric need not be a mean: the R² or the F1 score of an epoch is not
the mean of its batches' scores. So predictions and targets are kept, and measured once at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.errors import FileFormatError
from chainrule.parallel.strategy import WeightedMean
from chainrule.parameter import Array
from chainrule.pytree import PyTree, as_dict, concatenate, from_dict
from chainrule.storage.names import with_prefix, without_prefix


class Measurement:
    """What the numbers of an epoch are computed from.

    Parameters
    ----------
    metrics : mapping of str to callable
        Functions ``(y_true, y_pred) -> float``. Without any, no predictions are kept.
    """

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        self.metrics = metrics
        self.reset()

    def reset(self) -> None:
        """Forget everything, for a new epoch."""
        self.mean = WeightedMean()
        self.targets: list[PyTree] = []
        self.predictions: list[PyTree] = []

    def add(self, loss: float, weight: float, y: PyTree, predictions: Sequence[PyTree]) -> None:
        """Include a batch: its mean loss, and the weight it counts with (`Loss.total_weight`).

        The predictions are those of its parts, in the order of the samples.
        """
        self.mean.add(weight, loss)
        if self.metrics:
            self.targets.append(y)
            self.predictions += predictions

    def result(self) -> dict[str, float]:
        """Return the mean loss and each metric by name."""
        measured = {"loss": self.mean.loss}
        if self.metrics:
            y, y_pred = concatenate(self.targets), concatenate(self.predictions)
            measured |= {name: float(metric(y, y_pred)) for name, metric in self.metrics.items()}
        return measured

    # ------------------------------------------------------------ in a checkpoint

    def state(self) -> tuple[dict[str, float], dict[str, Array]]:
        """Return the mean so far and its weight, and the arrays of an unfinished epoch."""
        arrays: dict[str, Array] = {}
        if self.targets:
            arrays |= with_prefix("truth", as_dict(concatenate(self.targets)))
            arrays |= with_prefix("prediction", as_dict(concatenate(self.predictions)))
        return {"weight": self.mean.weight, "loss": self.mean.loss}, arrays

    def load_state(self, sums: Mapping[str, float], arrays: Mapping[str, Array]) -> None:
        """Restore what `state` returned."""
        self.reset()
        self.mean.weight, self.mean.loss = sums["weight"], sums["loss"]
        wanted = bool(self.metrics) and self.mean.weight > 0
        if (wanted and not arrays) or (arrays and not self.metrics):
            raise FileFormatError("The checkpoint does not hold what this epoch's metrics need.")
        if arrays:
            self.targets, self.predictions = (
                [from_dict(without_prefix(name, arrays), f"The epoch's {name}")]
                for name in ("truth", "prediction")
            )
