"""Samples whose label other samples speak against.

Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.finding import NOTE, WARNING, Evidence, Finding
from chainrule.doctor.conditions.names import Names, listed
from chainrule.parameter import Array

FEWEST = 50
"""Of fewer samples nothing is said."""


def mislabelled_rows(case: Case) -> Iterator[Finding]:
    """Find samples that networks which know the others are sure are of another class."""
    if case.labels is not None and case.out_of_fold is not None:
        yield from by_others(case.labels, case.out_of_fold, case.names)
    elif case.labels is not None and case.losses_of_samples is not None:
        yield from by_itself(case.losses_of_samples, case.names)


def by_others(labels: Array, probabilities: Array, names: Names) -> Iterator[Finding]:
    """Tell of samples by what networks say that were trained without them.

    A sample is suspect where another class is at least as likely as that class usually is for its
    own samples, and the sample's own class unlikely.
    """
    known = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    if len(known) < FEWEST or labels[known].max() >= probabilities.shape[1]:
        return
    labels, probabilities = labels[known], probabilities[known]
    samples = np.arange(len(labels))
    own = probabilities[samples, labels]
    usual = np.array([own[labels == c].mean() if (labels == c).any() else 1.0
                      for c in range(probabilities.shape[1])])  # fmt: skip
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
    yield _told(
        names.of_rows(known[suspect][np.argsort(-losses[suspect])]),
        WARNING if blamed else NOTE,
        "networks that did not see them are sure of another class",
        Evidence("part of the errors that are such samples", share, f"below {t.MOSTLY_LABELS:g}"),
    )


def by_itself(losses: Array, names: Names) -> Iterator[Finding]:
    """Tell of samples that were trained on and are not believed all the same."""
    usual = float(np.nanmedian(losses))
    if len(losses) < FEWEST or not usual < t.KNOWN_WELL:
        return
    rows = np.flatnonzero(losses > t.SURPRISING)
    if len(rows):
        yield _told(
            names.of_rows(rows[np.argsort(-losses[rows])]),
            NOTE,
            f"their losses go up to {losses[rows].max():.3g}, where most have {usual:.2g}",
            Evidence(
                "largest loss of a sample", float(losses[rows].max()), f"below {t.SURPRISING:g}"
            ),
        )


def _told(rows: tuple[int, ...], severity: str, why: str, evidence: Evidence) -> Finding:
    one = len(rows) == 1
    return Finding(
        "mislabelled-rows",
        severity,
        f"rows {listed(rows)}",
        f"the label{'' if one else 's'} of {len(rows)} sample{'' if one else 's'} "
        f"{'is' if one else 'are'} worth a look: {why}",
        (Evidence("samples worth a look", float(len(rows)), "0"), evidence),
        "A network that is right about nearly all samples is sure that these are of another "
        "class. Often the label is wrong, and where it is not, these are the samples to learn "
        "from.",
        f"print(X[{list(rows[:8])}], y[{list(rows[:8])}])",
        rows=rows,
    )


CONDITIONS = ()
MEASURED = (mislabelled_rows,)
