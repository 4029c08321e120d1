"""Prescription: a training set-up with the remedies in it, and what was changed, and why.

Nothing of the user's is changed: the set-up begins as copies. What is done about which finding is
in `remedies.py`, and in which order in `prescribing.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.doctor.conditions.case import Case
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.pytree import PyTree, tree_map
from chainrule.summary.display import html_table
from chainrule.training.callback import Callback
from chainrule.training.history import History
from chainrule.training.trainer import Trainer


class Prescription:
    """A training with the remedies applied: ``prescription.fit(X, y)`` runs it.

    Attributes
    ----------
    network, loss, optimizer : Network, Loss, Optimizer
        To train with; new ones. The network's `preparation` and `target_preparation` are set where
        data are rescaled, so that ``network.predict_raw`` takes and gives raw numbers.
    clip_norm, batch_size, epochs, class_weight, validation_split
        What `Trainer` and its `fit` are given.
    callbacks : list of Callback
        Early stopping, where the cure is that.
    changes : list of (str, str)
        Which finding each change is for, and what it is and why.
    untreated : list of (str, str)
        The findings that no set-up can mend, and what to do about them.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.network: Network
        self.optimizer: Optimizer
        self.network, self.optimizer = copy.deepcopy((case.network, case.optimizer or Adam()))
        self.loss: Loss = case.loss
        self.clip_norm = case.clip_norm
        self.batch_size = case.batch_size
        self.epochs = max(1, case.planned_epochs)
        self.class_weight = case.class_weight
        self.validation_split: float | None = None
        self.callbacks: list[Callback] = []
        self.steps_of_rows: list[Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]] = []
        self.dropped: set[int] = set()
        self.scale = 1.0
        self.search = ""
        self.drawn = False
        self.changes: list[tuple[str, str]] = []
        self.untreated: list[tuple[str, str]] = []

    # ------------------------------------------------------------ using it

    def prepare(self, X: PyTree, y: PyTree) -> tuple[PyTree, PyTree]:
        """Return the data as the network is to get them: mended, rescaled."""
        for step in self.steps_of_rows:
            X, y = step(X, y)
        if self.network.preparation is not None:
            X = self.network.preparation.transform(X)
        if self.scale != 1.0:
            X = np.asarray(X, self.network.dtype) / self.scale
        if self.network.target_preparation is not None:
            y = self.network.target_preparation.transform(y)
        return X, y

    def trainer(self, **options: Any) -> Trainer:
        """Return a `Trainer` of the network; `options` are further ones of it, such as metrics."""
        return Trainer(
            self.network,
            self.loss,
            self.optimizer,
            **({"clip_norm": self.clip_norm, "seed": 0} | options),
        )

    def fit(self, X: PyTree, y: PyTree, *, seed: int = 0, **options: Any) -> History:
        """Train, on raw data as they were before; `options` are those of `Trainer.fit`.

        The order of the samples follows from `seed`. `validation_split` holds out a part only where
        no `validation_data` are given.
        """
        X, y = self.prepare(tree_map(np.asarray, X), tree_map(np.asarray, y))
        validation = options.get("validation_data")
        if validation is not None:
            options["validation_data"] = self.prepare(*validation[:2])
        chosen: dict[str, Any] = {
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "class_weight": self.class_weight,
        }
        if validation is None and self.validation_split is not None:
            chosen["validation_split"] = self.validation_split
        chosen["callbacks"] = self.callbacks
        return self.trainer(seed=seed).fit(X, y, **(chosen | options))

    def explain(self) -> str:
        """Return what was changed, and why."""
        if not self.changes and not self.untreated:
            return "Nothing was changed: the doctor found nothing to treat."
        lines = [f"{len(self.changes)} change{'' if len(self.changes) == 1 else 's'}"]
        lines += [f"  {name}: {what}" for name, what in self.changes]
        if self.untreated:
            lines += ["What no set-up can mend:"]
            lines += [f"  {name}: {what}" for name, what in self.untreated]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.explain()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [*self.changes, *((name, f"not mended: {what}") for name, what in self.untreated)]
        return html_table(("for", "what was changed, and why"), rows, title="Prescription")

    # ------------------------------------------------------------ what remedies use

    def current(self) -> Case:
        """Return the case as it is after the changes so far, to try things on."""
        X, y = self.prepare(self.case.X, self.case.y)
        return Case(
            self.network,
            self.loss,
            self.optimizer,
            X,
            y,
            batch_size=self.batch_size,
            clip_norm=self.clip_norm,
            class_weight=self.class_weight,
            steps=self.case.steps,
        )

    def use(self, network: Network) -> None:
        """Take another network, with the preparations of the one before and a fresh optimizer."""
        network.preparation = self.network.preparation
        network.target_preparation = self.network.target_preparation
        self.network = network
        self.optimizer = fresh(self.optimizer)


def fresh(optimizer: Optimizer) -> Optimizer:
    """Return an optimizer of the same kind and options, without a state."""
    new = copy.copy(optimizer)
    new.reset()
    return new
