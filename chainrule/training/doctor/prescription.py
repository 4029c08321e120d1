"""Prescription: a training set-up with the remedies in it, and what was changed, and why.

Nothing of the user's is changed: the set-up begins as copies. What is done about which finding is
in `remedies.py`; the learning rate is chosen here, in the end, by trials.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.diagnosis.doctor.case import Case
from chainrule.diagnosis.doctor.finding import NOTE, Finding
from chainrule.display import html_table
from chainrule.loss_functions import Loss
from chainrule.nested import Nested, map_arrays
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.training.callback import Callback
from chainrule.training.doctor import trial
from chainrule.training.doctor.remedies import NOTES_TREATED, REMEDIES
from chainrule.training.history import History
from chainrule.training.trainer import Trainer

RATES_TO_TRY = {
    "lower": (1.0, 0.3, 0.1, 0.03, 0.01, 0.001),
    "higher": (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0),
    "any": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0),
}
"""What the learning rate is multiplied with in the trials that choose another one."""

NEARLY, SURELY_BETTER = 0.05, 0.2
"""Rates whose loss ends within this part of the range of losses are as good as the best: of those
the one nearest to the user's is taken. Where the rate is not the root it takes more to leave it."""

TRIAL_STEPS = 200


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
        self.steps_of_rows: list[Callable[[Nested, Nested], tuple[Nested, Nested]]] = []
        self.scale = 1.0
        self.search = ""
        self.changes: list[tuple[str, str]] = []
        self.untreated: list[tuple[str, str]] = []

    # ------------------------------------------------------------ using it

    def prepare(self, X: Nested, y: Nested) -> tuple[Nested, Nested]:
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

    def fit(self, X: Nested, y: Nested, **options: Any) -> History:
        """Train, on raw data as they were before; `options` are those of `Trainer.fit`."""
        X, y = self.prepare(map_arrays(np.asarray, X), map_arrays(np.asarray, y))
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
        return self.trainer().fit(X, y, **(chosen | options))

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
    new.steps, new.state_vectors = 0, {}
    new._network, new._blocks, new._decays = None, [], None
    return new


def prescribe(findings: Sequence[Finding], case: Case, rows: Array | None = None) -> Prescription:
    """Return a set-up in which every root that is a problem or a warning is treated."""
    plan = Prescription(case)
    everything = [f for root in findings for f in (root, *root.consequences)]
    treated = [f for f in findings if f.severity != NOTE or f.id in NOTES_TREATED]
    # with a root that no set-up mends, what follows from it is no reason for changes
    for finding in treated:
        remedy = REMEDIES.get(finding.id)
        said = None if remedy is None else remedy(plan, finding)
        if said is None:
            plan.untreated.append((finding.id, finding.remedy.splitlines()[0]))
        else:
            plan.changes.append((finding.id, said))
    _rate(plan, everything)
    return plan


def _rate(plan: Prescription, everything: Sequence[Finding]) -> None:
    """Choose the learning rate by trials, where a finding that was treated asks for it."""
    for finding in everything:
        if finding.id.startswith("learning-rate"):
            plan.search = plan.search or "any"
    if not plan.search or not plan.changes:
        return
    factors = RATES_TO_TRY[plan.search]
    steps = max(20, min(TRIAL_STEPS, plan.case.steps or TRIAL_STEPS))
    enough = SURELY_BETTER if plan.search == "any" else NEARLY
    factor = trial.best_rate(plan.current(), steps, 0, factors, enough)
    if factor != 1.0:
        trial.scale_rate(plan.optimizer, factor)
        name = next(
            (f.id for f in everything if f.id.startswith("learning-rate")), plan.changes[0][0]
        )
        plan.changes.append(
            (
                name,
                f"the learning rate is {plan.optimizer.current_learning_rate():.2g}: of "
                f"{len(factors)} that were tried for {steps} steps each, it ended lowest",
            )
        )
