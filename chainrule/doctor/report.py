"""Report: what the doctor found, as text, as a table in a notebook, and as a page of its own."""

from __future__ import annotations

import os
import textwrap
from typing import Any

import numpy as np

from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.finding import PROBLEM, SEVERITIES, WARNING, WIDTH, Finding
from chainrule.doctor.page import page_of
from chainrule.doctor.prescribing import prescribe
from chainrule.doctor.prescription import Prescription
from chainrule.parameter import Array
from chainrule.summary.display import html_table


class Report:
    """What was found, the root first and what follows from it under it.

    Attributes
    ----------
    findings : list of Finding
        The roots; each has its `consequences`.
    case : Case
        What was measured.
    rows : ndarray or None
        Which samples of the user's were looked at; None for all of them in their order.
    """

    def __init__(self, findings: list[Finding], case: Case, rows: Array | None = None) -> None:
        self.findings = findings
        self.case = case
        self.rows = rows

    @property
    def problems(self) -> list[Finding]:
        """The roots that keep the network from learning."""
        return [finding for finding in self.findings if finding.severity == PROBLEM]

    @property
    def healthy(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.healthy

    def every_finding(self) -> list[Finding]:
        """Return the roots and all consequences, as one list."""
        return [f for root in self.findings for f in (root, *root.consequences)]

    def ids(self) -> list[str]:
        """Return the names of all findings, the roots first."""
        return [f.id for f in self.findings] + [
            f.id for root in self.findings for f in root.consequences
        ]

    def prescribe(self) -> Prescription:
        """Return a set-up with the remedies applied, ready to train."""
        return prescribe(self.findings, self.case)

    # ------------------------------------------------------------ showing

    def verdict(self) -> str:
        """Return the whole in one line."""
        counts = [sum(f.severity == s for f in self.findings) for s in SEVERITIES]
        told = [
            f"{n} {s}{'' if n == 1 else 's'}" for n, s in zip(counts, SEVERITIES, strict=True) if n
        ]
        if not told:
            return "The doctor found nothing wrong."
        if counts[0] == counts[1] == 0:
            return f"The doctor found nothing wrong ({told[0]})."
        first = self.findings[0]
        return f"The doctor found {', '.join(told)}. First: {first.id} ({first.where})."

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """Return it as lines for a terminal of so many columns."""
        parts = [textwrap.fill(self.verdict(), width)]
        for number, finding in enumerate(self.findings, start=1):
            if finding.severity in (PROBLEM, WARNING):
                parts.append(f"\n{number}. {finding.text(width)}")
            else:
                told = textwrap.fill(
                    finding.summary, width, initial_indent="  ", subsequent_indent="  "
                )
                parts.append(f"\n{number}. note  {finding.id}  ({finding.where})\n{told}")
        return "\n".join(parts)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = ("", "what", "where", "measured", "why", "remedy")
        rows: list[tuple[str, ...]] = []
        bold: list[int] = []
        for finding in self.findings:
            if finding.severity == PROBLEM:
                bold.append(len(rows))
            rows.append(_row(finding))
            rows += [
                ("", f"follows: {f.id}", f.where, f.summary, "", "") for f in finding.consequences
            ]
        if not rows:
            return html_table(("",), [], title=self.verdict())
        return html_table(head, rows, title=self.verdict(), bold=bold)

    def plot(self) -> Any:
        """Draw the signal and the gradient by layer, the updates, and the loss.

        Needs matplotlib (the extra ``plots``). Returns the figure.
        """
        from chainrule.plots.training_flow import draw_training_flow

        case = self.case
        snapshots = {"before the first step": case.start, "after the last": case.end}
        seen = {name: s for name, s in snapshots.items() if s is not None}
        signals = {n: {a.path: a.signal for a in s.layers} for n, s in seen.items()}
        gradients = {n: {a.path: a.gradient for a in s.layers} for n, s in seen.items()}
        updates: dict[str, tuple[list[int], list[float]]] = {}
        for snapshot in case.measured:
            for p in snapshot.parameters:
                if p.weighs and np.isfinite(p.update_ratio) and p.update_ratio > 0:
                    steps, ratios = updates.setdefault(p.path, ([], []))
                    steps.append(snapshot.step)
                    ratios.append(p.update_ratio)
        trials = {} if case.trial is None else {"as it is": case.trial}
        for other in (case.slower, case.faster):
            if other is not None:
                trials[f"rate × {other.factor:g}"] = other
        losses = {name: t.losses for name, t in trials.items() if len(t.losses)}
        return draw_training_flow(signals, gradients, updates, losses)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML file that needs nothing else, drawings included.

        Needs matplotlib (the extra ``plots``).
        """
        with open(path, "w", encoding="utf-8") as file:
            file.write(page_of(self.verdict(), self.findings, self.plot()))


def _row(finding: Finding) -> tuple[str, ...]:
    measured = "\n".join([finding.summary, *map(str, finding.evidence)])
    return (finding.severity, finding.id, finding.where, measured, finding.cause, finding.remedy)
