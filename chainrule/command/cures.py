"""What `chainrule doctor` says of a table: the doctor's findings, with remedies to type in a shell.

Where the remedy of a finding is a change of the table or an option of `chainrule train`, that
stands in the place of the code for Python.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Any

from chainrule.command.task import Task
from chainrule.command.texts import counted
from chainrule.command.training_table import TrainingTable
from chainrule.doctor.conditions import Finding
from chainrule.doctor.report import Report


@dataclass(frozen=True)
class Treated:
    """What the doctor is asked about: a table, its task, and the estimator that would learn it."""

    path: str
    task: Task
    data: TrainingTable
    estimator: Any
    options: dict[str, Any]

    def lines(self) -> list[str]:
        """Return what is looked at, for people."""
        rows, columns = self.data.X.shape
        label = "standard input" if self.path == "-" else self.path
        return [
            self.task.why,
            f"X is {label} without its target, y is the target {self.task.name!r}: "
            f"{counted(rows, 'row')}, {counted(columns, 'column')}.",
            *(f"Note: {note}" for note in self.data.notes),
        ]

    @property
    def target(self) -> str:
        """The column to predict."""
        return self.task.name

    @property
    def columns(self) -> list[str]:
        """The columns without the target."""
        return list(self.data.X.columns)

    def with_options(self, **more: Any) -> str:
        """Return the command that trains with the options given, and with more of them."""
        options = {"target": self.task.name, "output": "model.npz", **self.options}
        if self.data.notes:  # `train` leaves nothing out without being told to
            options["skip_unusable"] = True
        for name, value in more.items():
            earlier = options.get(name)
            options[name] = (*earlier, *value) if isinstance(earlier, tuple) else value
        if isinstance(options.get("hidden"), tuple):
            options["hidden"] = ",".join(map(str, options["hidden"]))
        return shlex.join(["chainrule", "train", self.path, *words_of(options)])

    def as_dict(self, report: Report) -> dict[str, Any]:
        """Return the report as what JSON can say."""
        return {
            "table": self.path,
            "task": self.task.kind,
            "target": self.task.name,
            "why": self.task.why,
            "rows": len(self.data.X),
            "columns": list(self.data.X.columns),
            "notes": self.data.notes,
            "healthy": report.healthy,
            "verdict": report.verdict(),
            "findings": [plain(finding) for finding in report.findings],
        }


def words_of(options: dict[str, Any]) -> list[str]:
    """Return options as they are written in a shell; those without a value are left out.

    >>> words_of({"drop": ("id",), "balanced": True, "task": None})
    ['--drop', 'id', '--balanced']
    """
    words = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value:
            for text in map(str, value if isinstance(value, tuple) else (value,)):
                words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return words


# ---------------------------------------------------------------- for programs


def plain(finding: Finding) -> dict[str, Any]:
    """Return a finding as what JSON can say."""
    return {
        "id": finding.id,
        "severity": finding.severity,
        "where": finding.where,
        "summary": finding.summary,
        "evidence": [
            {"what": e.what, "value": _number(e.value), "healthy": e.healthy}
            for e in finding.evidence
        ],
        "cause": finding.cause,
        "remedy": finding.remedy,
        "page": finding.page,
        "rows": list(finding.rows),
        "columns": list(finding.columns),
        "layers": list(finding.layers),
        "consequences": [plain(f) for f in finding.consequences],
    }


def _number(value: float | str) -> float | str | None:
    """Return a number; None for NaN and infinity, which JSON has not."""
    if isinstance(value, str):
        return value
    return float(value) if math.isfinite(value) else None
