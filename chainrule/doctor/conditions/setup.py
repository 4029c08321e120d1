"""TrainingSetup: everything about a training that a remedy may change.

It starts as a copy of what the user gave, so nothing of the user's is changed. A `Prescription` is
a set-up that can be run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.doctor.conditions import rebuilding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.names import Name
from chainrule.layers import Sigmoid, Tanh
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.preparation import Standardizer
from chainrule.pytree import PyTree, take

ChangeRows = Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]


class TrainingSetup:
    """A network, a loss, an optimizer, and the options of `Trainer` and its `fit`.

    Parameters
    ----------
    exam : Examination
        What was examined.

    Attributes
    ----------
    network, loss, optimizer : Network, Loss, Optimizer
        Copies; the optimizer starts without a state once the network was replaced.
    clip_norm, batch_size, epochs, class_weight, validation_split
        What `Trainer` and its `fit` are given.
    early_stopping : dict or None
        Options of `EarlyStopping`, where a remedy wants it.
    row_changes : list of callable
        Functions from (X, y) to (X, y), applied to the raw data in this order.
    input_divisor : float
        What X is divided by.
    rates_to_try : str
        Which learning rates to try in the end: ``"lower"``, ``"higher"``, ``"any"``, or none.
    """

    def __init__(self, exam: Examination) -> None:
        self.examination = exam
        self.network: Network
        self.optimizer: Optimizer
        self.network, self.optimizer = copy.deepcopy((exam.network, exam.optimizer or Adam()))
        self.loss: Loss = exam.loss
        self.clip_norm = exam.clip_norm
        self.batch_size = exam.batch_size
        self.epochs = max(1, exam.planned_epochs)
        self.class_weight = exam.class_weight
        self.validation_split: float | None = None
        self.early_stopping: dict[str, Any] | None = None
        self.row_changes: list[ChangeRows] = []
        self.input_divisor = 1.0
        self.rates_to_try = ""
        self._dropped_columns: set[int] = set()
        self._weights_are_new = False

    def raw_data(self) -> tuple[Any, Any]:
        """Return the examined samples with the rows changed, before anything is rescaled."""
        X, y = self.examination.X, self.examination.y
        for change in self.row_changes:
            X, y = change(X, y)
        return X, y

    def try_rates(self, which: str) -> None:
        """Have learning rates tried in the end, unless an earlier remedy has said which."""
        self.rates_to_try = self.rates_to_try or which

    def replace_network(self, network: Network) -> None:
        """Take another network; it keeps the preparations, and the optimizer starts afresh."""
        network.preparation = self.network.preparation
        network.target_preparation = self.network.target_preparation
        self.network = network
        self.optimizer = fresh(self.optimizer)

    def keep_rows(self, wanted: Callable[[PyTree, PyTree], Array]) -> None:
        """Keep only the rows for which `wanted(X, y)`, of shape (N,), is true."""

        def change(X: PyTree, y: PyTree) -> tuple[PyTree, PyTree]:
            rows = np.flatnonzero(wanted(X, y))
            return take(X, rows), take(y, rows)

        self.row_changes.append(change)

    def drop_columns(self, names: Sequence[Name]) -> str | None:
        """Leave out columns of X and the weights of these inputs."""
        positions = self.examination.names.column_positions(names)
        new = [c for c in positions if c not in self._dropped_columns]
        if positions and not new:
            return ""
        columns = [c - sum(gone < c for gone in self._dropped_columns) for c in new]
        network = rebuilding.without_columns(self.network, columns) if columns else None
        if network is None:
            return None
        self._dropped_columns.update(new)
        self.row_changes.append(lambda X, y: (np.delete(X, columns, axis=1), y))
        self.replace_network(network)
        return (
            f"the columns {list(names)} are left out, and the first layer has as many fewer inputs"
        )

    def standardize_targets(self) -> str | None:
        """Standardise y; None where there are several targets."""
        _, y = self.raw_data()
        if not isinstance(y, np.ndarray):
            return None
        self.network.target_preparation = Standardizer().fit(y)
        self.try_rates("any")
        return "y is standardised; network.predict_raw answers in its own units"

    def initialize(self) -> str:
        """Draw new weights, unless an earlier remedy has done so."""
        return "" if self._weights_are_new else self._initialize()

    def _initialize(self) -> str:
        network = copy.deepcopy(self.network)
        name = "xavier" if self.has_hidden(Tanh, Sigmoid) else "kaiming"
        rebuilding.initialize(network, name)
        self.replace_network(network)
        self._weights_are_new = True
        self.try_rates("any")
        return f"all weights are drawn anew ({name}), scaled to the size of each layer"

    def has_hidden(self, *kinds: type) -> bool:
        """Whether a hidden layer is of one of these kinds."""
        layers = rebuilding.copied_layers(self.network) or []
        return any(isinstance(layer, kinds) for layer in layers[:-1])

    def replace_activations(self, old: tuple[type, ...], new: type, change: str) -> str:
        """Replace hidden activations and draw new weights; only these where there are none."""
        network = rebuilding.with_activations(self.network, old, new)
        if network is None:
            return self.initialize()
        self.replace_network(network)
        return f"{change}; {self._initialize()}"


def fresh(optimizer: Optimizer) -> Optimizer:
    """Return an optimizer of the same kind and options, without a state."""
    new = copy.copy(optimizer)
    new.reset()
    return new
