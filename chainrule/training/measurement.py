"""Measurement: the loss and the metrics over an epoch, out of its batches.

The loss is a mean, which moves on with every batch. A metric need not be one: the R² or the F1 of
an epoch is not the mean of its batches'. So predictions and targets are kept, and measured once at
the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.errors import FileFormatError
from chainrule.parameter import Array
from chainrule.pytree import PyTree, as_dict, concatenate, from_dict
from chainrule.storage.names import with_prefix, without_prefix


class Measurement:
    """What the numbers of an epoch are made of.

    Parameters
    ----------
    metrics : mapping of str to callable
        Functions ``(y_true, y_pred) -> float``. Without any, no prediction is kept.
    """

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        self.metrics = metrics
        self.reset()

    def reset(self) -> None:
        """Forget everything, for a new epoch."""
        self.weight = self.loss = 0.0
        self.truths: list[PyTree] = []
        self.predictions: list[PyTree] = []

    def add(self, value: float, counts: float, y: PyTree, predictions: Sequence[PyTree]) -> None:
        """Take in a batch: its mean loss, and what it counts among others (`Loss.total_weight`).

        The predictions are those of its parts, in the order of the samples.
        """
        self.weight += counts
        if counts:  # the mean so far moves towards this batch's: no sum that could overflow
            self.loss += counts / self.weight * (value - self.loss)
        if self.metrics:
            self.truths.append(y)
            self.predictions += predictions

    def result(self) -> dict[str, float]:
        """Return the mean loss and each metric by their names."""
        measured = {"loss": self.loss}
        if self.metrics:
            y, y_pred = concatenate(self.truths), concatenate(self.predictions)
            measured |= {name: float(metric(y, y_pred)) for name, metric in self.metrics.items()}
        return measured

    # ------------------------------------------------------------ in a checkpoint

    def state(self) -> tuple[dict[str, float], dict[str, Array]]:
        """Return the mean so far and its weight, and what is kept of an epoch that is half done."""
        arrays: dict[str, Array] = {}
        if self.truths:
            arrays |= with_prefix("truth", as_dict(concatenate(self.truths)))
            arrays |= with_prefix("prediction", as_dict(concatenate(self.predictions)))
        return {"weight": self.weight, "loss": self.loss}, arrays

    def load_state(self, sums: Mapping[str, float], arrays: Mapping[str, Array]) -> None:
        """Take over what `state` returned."""
        self.reset()
        self.weight, self.loss = sums["weight"], sums["loss"]
        wanted = bool(self.metrics) and self.weight > 0
        if (wanted and not arrays) or (arrays and not self.metrics):
            raise FileFormatError("The checkpoint does not hold what this epoch's metrics need.")
        if arrays:
            self.truths, self.predictions = (
                [from_dict(without_prefix(name, arrays), f"The epoch's {name}")]
                for name in ("truth", "prediction")
            )
