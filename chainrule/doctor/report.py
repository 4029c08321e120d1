"""Report: what the doctor found, as text, as a table in a notebook, and as an HTML page."""

from __future__ import annotations

import os
import textwrap
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.doctor.conditions.condition import SEVERITIES, WIDTH, Finding, TrainCommand
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.names import counted
from chainrule.doctor.page import page_of
from chainrule.doctor.prescription import Prescription, prescribe
from chainrule.parameter import Array
from chainrule.storage.atomic import write_text
from chainrule.summary.display import html_table


class Report:
    """What was found: the roots first, each with its consequences.

    A report is true if no problem was found.

    Parameters
    ----------
    findings : list of Finding
        The roots; each has its `consequences`.
    examination : Examination
        What was measured.
    rows : ndarray or None
        Which of the user's samples were looked at; None for all of them in their order.
    """

    def __init__(
        self, findings: list[Finding], examination: Examination, rows: Array | None = None
    ) -> None:
        self.findings = findings
        self.examination = examination
        self.rows = rows

    @property
    def problems(self) -> list[Finding]:
        """The roots that keep the network from learning."""
        return [finding for finding in self.findings if finding.severity == "problem"]

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
        """Return the ids of all findings, the roots first."""
        consequences = [f for root in self.findings for f in root.consequences]
        return [f.id for f in (*self.findings, *consequences)]

    def prescribe(self) -> Prescription:
        """Return a set-up with the remedies applied, ready to train."""
        return prescribe(self.findings, self.examination)

    def for_shell(self, command: TrainCommand) -> Report:
        """Return the report with remedies to type in a shell, for `chainrule doctor`."""

        def shown(finding: Finding) -> Finding:
            finding = replace(finding, consequences=tuple(map(shown, finding.consequences)))
            return finding.condition.for_shell(finding, command)

        findings = sorted(map(shown, self.findings), key=lambda finding: finding.gravity)
        return Report(findings, self.examination, self.rows)

    # ------------------------------------------------------------ showing

    def verdict(self) -> str:
        """Return the report in one line."""
        counts = [sum(f.severity == s for f in self.findings) for s in SEVERITIES]
        told = [counted(n, s) for n, s in zip(counts, SEVERITIES, strict=True) if n]
        if not told:
            return "The doctor found nothing wrong."
        if counts[0] == counts[1] == 0:
            return f"The doctor found nothing wrong ({told[0]})."
        first = self.findings[0]
        return f"The doctor found {', '.join(told)}. First: {first.id} ({first.where})."

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """Return the report as lines for a terminal.

        Parameters
        ----------
        width : int
            The longest line, but for code.
        """
        parts = [textwrap.fill(self.verdict(), width)]
        for number, finding in enumerate(self.findings, start=1):
            text = finding.text(width)
            if finding.severity == "note":
                summary = textwrap.indent(textwrap.fill(finding.summary, width - 2), "  ")
                text = f"note  {finding.id}  ({finding.where})\n{summary}"
            parts.append(f"\n{number}. {text}")
        return "\n".join(parts)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = ("", "what", "where", "measured", "why", "remedy")
        rows: list[tuple[str, ...]] = []
        bold: list[int] = []
        for finding in self.findings:
            if finding.severity == "problem":
                bold.append(len(rows))
            rows.append(_row(finding))
            rows += [
                ("", f"follows: {f.id}", f.where, f.summary, "", "") for f in finding.consequences
            ]
        if not rows:
            return html_table(("",), [], title=self.verdict())
        return html_table(head, rows, title=self.verdict(), bold=bold)

    def plot(self) -> Any:
        """Draw the signal and the gradient of each layer, the updates, and the loss.

        Needs matplotlib (the extra ``plots``).

        Returns
        -------
        Figure
            Matplotlib's.
        """
        from chainrule.plots.training_flow import draw_training_flow

        exam = self.examination
        snapshots = {"before the first step": exam.start, "after the last": exam.end}
        seen = {name: s for name, s in snapshots.items() if s is not None}
        signals = {n: {a.path: a.signal for a in s.layers} for n, s in seen.items()}
        gradients = {n: {a.path: a.gradient for a in s.layers} for n, s in seen.items()}
        updates: dict[str, tuple[list[int], list[float]]] = {}
        for snapshot in exam.measured:
            for p in snapshot.parameters:
                if p.is_weight and np.isfinite(p.update_ratio) and p.update_ratio > 0:
                    steps, ratios = updates.setdefault(p.path, ([], []))
                    steps.append(snapshot.step)
                    ratios.append(p.update_ratio)
        curves = {} if exam.trial is None else {"as it is": exam.trial}
        for other in (exam.slower, exam.faster):
            if other is not None:
                curves[f"rate × {other.factor:g}"] = other
        losses = {name: curve.losses for name, curve in curves.items() if len(curve.losses)}
        return draw_training_flow(signals, gradients, updates, losses)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML file that needs nothing else, pictures included.

        Needs matplotlib (the extra ``plots``).

        Parameters
        ----------
        path : path
            The file to write.
        """
        write_text(path, page_of(self.verdict(), self.findings, self.plot()))


def _row(finding: Finding) -> tuple[str, ...]:
    measured = "\n".join([finding.summary, *map(str, finding.evidence)])
    return (finding.severity, finding.id, finding.where, measured, finding.cause, finding.remedy)
