"""Samples whose label is likely to be wrong.

Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Evidence, Finding, TrainCommand, filled
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.names import Names, counted, listed
from chainrule.parameter import Array

FEWEST = 50
"""Of fewer samples nothing is said."""


class MislabelledRows(Condition):
    """Labels that are worth a look.

    A network that is right about nearly all samples is sure that these are of another class. Often
    the label is wrong, and where it is not, these are the samples to learn from.
    """

    id = "mislabelled-rows"
    order = 390
    symptom_of = ("setup faults", "learning-rate-too-high", "train-predict-gap")

    def find(self, exam: Examination) -> Iterator[Finding]:
        if exam.labels is not None and exam.out_of_fold is not None:
            yield from self.by_others(exam.labels, exam.out_of_fold, exam.names)
        elif exam.labels is not None and exam.sample_losses is not None:
            yield from self.by_itself(exam.sample_losses, exam.names)

    def by_others(self, labels: Array, probabilities: Array, names: Names) -> Iterator[Finding]:
        """Judge each sample by networks that were trained without it.

        A sample is suspect where another class is at least as likely as that class usually is for
        its own samples, and the sample's own class unlikely.

        Parameters
        ----------
        labels : ndarray of int, shape (N,)
        probabilities : ndarray, shape (N, C)
            NaN where a sample was not predicted.
        names : Names
        """
        known = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
        if len(known) < FEWEST or labels[known].max() >= probabilities.shape[1]:
            return
        labels, probabilities = labels[known], probabilities[known]
        samples = np.arange(len(labels))
        own = probabilities[samples, labels]
        classes = range(probabilities.shape[1])
        usual = np.array([own[labels == c].mean() if (labels == c).any() else 1.0 for c in classes])
        others = probabilities.copy()
        others[samples, labels] = 0
        other = others.argmax(axis=1)
        losses = -np.log(np.maximum(own, 1e-7))
        suspect = (others[samples, other] >= usual[other]) & (losses > t.SURE_OF_ANOTHER)
        wrong = others.max(axis=1) > own
        if not suspect.any():
            return
        share = float(suspect.sum() / wrong.sum())
        mostly = share >= t.MOSTLY_LABELS
        if not (mostly or wrong.mean() <= t.FEW_ERRORS or suspect.mean() >= t.MANY_SUSPECTS):
            return
        blamed = mostly and suspect.mean() >= t.MANY_LABELS
        yield self._about(
            names.of_rows(known[suspect][np.argsort(-losses[suspect])]),
            "warning" if blamed else "note",
            "networks that did not see them are sure of another class",
            ("share of the errors that are such samples", share, f"below {t.MOSTLY_LABELS:g}"),
        )

    def by_itself(self, losses: Array, names: Names) -> Iterator[Finding]:
        """Find samples that were trained on, and still have a high loss."""
        usual = float(np.nanmedian(losses))
        if len(losses) < FEWEST or not usual < t.KNOWN_WELL:
            return
        rows = np.flatnonzero(losses > t.SURPRISING)
        if len(rows):
            worst = float(losses[rows].max())
            yield self._about(
                names.of_rows(rows[np.argsort(-losses[rows])]),
                "note",
                f"their losses go up to {worst:.3g}, where most have {usual:.2g}",
                ("largest loss of a sample", worst, f"below {t.SURPRISING:g}"),
            )

    def _about(self, rows: tuple[int, ...], severity: str, why: str, evidence: Evidence) -> Finding:
        told = counted(len(rows), "label is", "labels are")
        return self.finding(
            severity,
            f"rows {listed(rows)}",
            f"{told} worth a look: {why}",
            ("labels worth a look", len(rows), "0"),
            evidence,
            remedy=f"print(X[{list(rows[:8])}], y[{list(rows[:8])}])",
            rows=rows,
        )

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str:
        rows = listed(finding.rows, most=20)
        return filled(f"look at the rows {rows}: correct {command.target!r} there, or drop them")
