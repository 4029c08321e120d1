"""Prescription: a training set-up with the remedies applied, and what was changed and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.doctor.conditions.condition import Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.search import all_findings
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.doctor.examine import MOST_STEPS, examine
from chainrule.doctor.trials import best_rate, scale_rate
from chainrule.pytree import PyTree, tree_map
from chainrule.summary.display import html_table
from chainrule.training.callback import Callback
from chainrule.training.early_stopping import EarlyStopping
from chainrule.training.history import History
from chainrule.training.trainer import Trainer

FACTORS = {
    "lower": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001),
    "higher": (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0),
    "any": (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0),
}
"""What the learning rate is multiplied by in the trials that choose another one."""

NEARLY, SURELY_BETTER = 0.005, 0.2
"""Rates whose final loss is within this share of the range of losses are as good as the best: of
those the one nearest to the user's is taken. Where the rate is not the root it takes more to change
it."""

TRIAL_STEPS = 400

FURTHER_ROUNDS = 2
"""How often the treated set-up is examined again."""


class Prescription(TrainingSetup):
    """A training with the remedies applied: ``prescription.fit(X, y)`` runs it.

    `Report.prescribe` makes one. Nothing of the user's is changed.

    Attributes
    ----------
    network, loss, optimizer : Network, Loss, Optimizer
        To train with; new ones. The network's `preparation` and `target_preparation` are set where
        data are rescaled, so that ``network.predict_raw`` takes and returns raw values.
    clip_norm, batch_size, epochs, class_weight, validation_split
        What `Trainer` and its `fit` are given.
    callbacks : list of Callback
        Early stopping, where that is a remedy.
    changes : list of (str, str)
        The condition that each change is for, and what was changed and why.
    untreated : list of (str, str)
        The conditions that no change of the set-up can treat, and what to do about them.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Adam, CategoricalCrossEntropy, Network, diagnose
    >>> X = np.random.default_rng(0).standard_normal((200, 4)) * 1000
    >>> y = (X > 0).sum(axis=1) // 2
    >>> report = diagnose(Network([4, 8, 3], seed=0), X, y, loss=CategoricalCrossEntropy())
    >>> prescription = report.prescribe()
    >>> prescription.changes[0]
    ('input-scale', 'X is standardised: every column gets mean 0 and standard deviation 1')
    >>> history = prescription.fit(X, y, epochs=5, progress=False)
    """

    def __init__(self, exam: Examination) -> None:
        super().__init__(exam)
        self.changes: list[tuple[str, str]] = []
        self.untreated: list[tuple[str, str]] = []

    # ------------------------------------------------------------ using it

    @property
    def callbacks(self) -> list[Callback]:
        """New callbacks for one training."""
        return [] if self.early_stopping is None else [EarlyStopping(**self.early_stopping)]

    def prepare(self, X: PyTree, y: PyTree) -> tuple[PyTree, PyTree]:
        """Return the data as the network gets them.

        Parameters
        ----------
        X, y : arrays
            Raw data, as they were given to `diagnose`.

        Returns
        -------
        X, y : arrays
            Without the rows and columns that are left out, and rescaled.
        """
        for change in self.row_changes:
            X, y = change(X, y)
        if self.network.preparation is not None:
            X = self.network.preparation.transform(X)
        if self.input_divisor != 1.0:
            X = np.asarray(X, self.network.dtype) / self.input_divisor
        if self.network.target_preparation is not None:
            y = self.network.target_preparation.transform(y)
        return X, y

    def trainer(self, **options: Any) -> Trainer:
        """Return a `Trainer` of the network.

        Parameters
        ----------
        **options
            Further options of `Trainer`, such as metrics.
        """
        chosen = {"clip_norm": self.clip_norm, "seed": 0} | options
        return Trainer(self.network, self.loss, self.optimizer, **chosen)

    def fit(self, X: PyTree, y: PyTree, *, seed: int = 0, **options: Any) -> History:
        """Train on raw data.

        Parameters
        ----------
        X, y : arrays
            Raw data, as they were given to `diagnose`.
        seed : int
            The order of the samples follows from it.
        **options
            Further options of `Trainer.fit`. `validation_split` holds out a part only where no
            `validation_data` are given.
        """
        X, y = self.prepare(tree_map(np.asarray, X), tree_map(np.asarray, y))
        chosen: dict[str, Any] = {
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "class_weight": self.class_weight,
            "callbacks": self.callbacks,
        }
        validation = options.get("validation_data")
        if validation is not None:
            options["validation_data"] = self.prepare(*validation[:2])
        elif self.validation_split is not None:
            chosen["validation_split"] = self.validation_split
        return self.trainer(seed=seed).fit(X, y, **(chosen | options))

    def explain(self) -> str:
        """Return what was changed, and why."""
        if not self.changes and not self.untreated:
            return "Nothing was changed: the doctor found nothing to treat."
        lines = [f"{len(self.changes)} change{'' if len(self.changes) == 1 else 's'}"]
        lines += [f"  {name}: {what}" for name, what in self.changes]
        if self.untreated:
            lines += ["What no change of the set-up can treat:"]
            lines += [f"  {name}: {what}" for name, what in self.untreated]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.explain()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [*self.changes, *((name, f"not treated: {what}") for name, what in self.untreated)]
        return html_table(("for", "what was changed, and why"), rows, title="Prescription")

    # ------------------------------------------------------------ putting it together

    def treat_all(self, findings: Sequence[Finding]) -> None:
        """Apply the remedies, and note what was changed and what has no remedy."""
        for finding in findings:
            told = finding.condition.treat(self, finding)
            if told is None:
                self.untreated.append((finding.id, finding.remedy.partition("\n")[0]))
            elif told:
                self.changes.append((finding.id, told))

    def choose_rate(self, findings: Sequence[Finding]) -> None:
        """Choose the learning rate by trials, where a remedy or a finding asks for it."""
        of_the_rate = [finding.id for finding in findings if _of_the_rate(finding)]
        if of_the_rate and self.changes:
            self.try_rates("any")
        if not self.rates_to_try or self.optimizer.finds_step_lengths:
            return
        factors = FACTORS[self.rates_to_try]
        steps = max(20, min(TRIAL_STEPS, self.examination.steps or TRIAL_STEPS))
        nearly = NEARLY if of_the_rate or self.rates_to_try != "any" else SURELY_BETTER
        factor = best_rate(self.as_examination(), steps, factors, nearly)
        name = of_the_rate[0] if of_the_rate else self.changes[0][0]
        if factor != 1.0:
            scale_rate(self.optimizer, factor)
            told = (
                f"the learning rate is {self.optimizer.current_learning_rate():.2g}: of "
                f"{len(factors)} that were tried for {steps} steps each, it is the nearest to "
                "yours whose final loss is the lowest, or nearly"
            )
            self.changes.append((name, told))
        elif not self.changes:
            told = f"of {len(factors)} learning rates none had a clearly lower final loss"
            self.untreated.append((name, told))

    def as_examination(self) -> Examination:
        """Return the set-up after the changes so far, to try things on."""
        X, y = self.prepare(self.examination.X, self.examination.y)
        return Examination(
            self.network, self.loss, self.optimizer, X, y, batch_size=self.batch_size,
            clip_norm=self.clip_norm, class_weight=self.class_weight, steps=self.examination.steps,
        )  # fmt: skip

    def remaining_findings(self) -> list[Finding]:
        """Return what is found in the set-up after the changes: problems, and a wrong rate."""
        exam = self.as_examination()
        examine(exam, max(10, min(MOST_STEPS, exam.steps)), 0)
        found = [f for f in all_findings(exam) if f.severity == "problem" or _of_the_rate(f)]
        return [f for f in found if f.condition.treatable]


def prescribe(findings: Sequence[Finding], exam: Examination) -> Prescription:
    """Return a set-up in which every root that is a problem or a warning is treated.

    The treated set-up is examined again, for problems that were hidden behind the first.

    Parameters
    ----------
    findings : sequence of Finding
        The roots, with their consequences.
    exam : Examination
        The examination that found them.
    """
    plan = Prescription(exam)
    plan.treat_all([f for f in findings if f.severity != "note" or f.condition.treats_notes])
    plan.choose_rate([f for root in findings for f in (root, *root.consequences)])
    for _ in range(FURTHER_ROUNDS):
        if not plan.changes:
            break
        known = {name for name, _ in plan.changes + plan.untreated}
        hidden = [f for f in plan.remaining_findings() if f.id not in known or _of_the_rate(f)]
        if not hidden:
            break
        plan.rates_to_try = ""
        plan.treat_all(hidden)
        plan.choose_rate(hidden)
    return plan


def _of_the_rate(finding: Finding) -> bool:
    return finding.id.startswith("learning-rate") and finding.severity != "note"
