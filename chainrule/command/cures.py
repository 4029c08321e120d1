"""What `chainrule doctor` says of a table: the doctor's findings, with remedies to type in a shell.

Where the remedy of a finding is a change of the table or an option of `chainrule train`, that
stands in the place of the code for Python.
"""

from __future__ import annotations

import math
import shlex
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from chainrule.command.task import Task
from chainrule.command.texts import counted
from chainrule.command.training_table import TrainingTable
from chainrule.doctor.conditions.finding import SEVERITIES, WARNING, Finding
from chainrule.doctor.conditions.names import listed
from chainrule.doctor.report import Report
from chainrule.estimators import defaults

WIDTH = 76
MOST_ROWS = 20
"""So many rows are named in a remedy."""


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

    def training(self, **more: Any) -> str:
        """Return the command that trains with the options given, and with more of them."""
        options = {"target": self.task.name, "output": "model.npz", **self.options}
        if self.data.notes:  # `train` leaves nothing out without being told to
            options["skip_unusable"] = True
        for name, value in more.items():
            earlier = options.get(name)
            options[name] = (*earlier, *value) if isinstance(earlier, tuple) else value
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


def treated(report: Report, about: Treated) -> Report:
    """Return the report with remedies for the shell."""
    findings = [for_the_shell(finding, about) for finding in report.findings]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(findings, report.case, report.rows)


def for_the_shell(finding: Finding, about: Treated) -> Finding:
    """Return a finding with what to do in a shell."""
    under = tuple(for_the_shell(f, about) for f in finding.consequences)
    finding = replace(finding, consequences=under)
    if finding.id == "constant-columns":  # no matter to a network, but `train` refuses the table
        finding = replace(
            finding,
            severity=WARNING,
            summary=f"{finding.summary}, so `chainrule train` refuses the table",
        )
    cure = CURES.get(finding.id)
    told = None if cure is None else cure(finding, about)
    return finding if told is None else replace(finding, remedy=told)


# ---------------------------------------------------------------- cures


def without(finding: Finding, about: Treated) -> str:
    """Leave columns out."""
    return about.training(drop=tuple(map(str, finding.columns)))


def without_unless_known(finding: Finding, about: Treated) -> str:
    """Leave a column out that knows too much."""
    return f"{without(finding, about)}\n# unless it is known before the target is"


def another_target(finding: Finding, about: Treated) -> str:
    """Predict something that changes."""
    names = listed(tuple(about.data.X.columns), most=12)
    return sentence(f"give another --target ({names}), or the rows that a filter has left out")


def balanced(finding: Finding, about: Treated) -> str:
    """Let classes count the same."""
    return about.training(balanced=True)


def wider(finding: Finding, about: Treated) -> str:
    """Take twice as many neurons, or as many as `train` would by itself."""
    usual = defaults.HIDDEN_LAYERS
    sizes = about.estimator.hidden_layers
    more = usual if sum(sizes) < sum(usual) else tuple(2 * size for size in sizes)
    return about.training(hidden=",".join(map(str, more)))


def longer(finding: Finding, about: Treated) -> str:
    """Take ten times as many steps, as the learning rate of `train` is what it is."""
    return about.training(epochs=10 * about.estimator.epochs)


def look_at_rows(finding: Finding, about: Treated) -> str | None:
    """Look at rows, and mend them."""
    if not finding.rows:
        return None
    told = f"look at the rows {listed(finding.rows, MOST_ROWS)}: mend {about.task.name!r} there"
    if finding.id == "mislabelled-rows":
        return sentence(f"{told}, or take them out")
    return sentence(
        f"{told}, or tell with --missing what stands for none, as in the file: --missing=-999"
    )


def without_copies(finding: Finding, about: Treated) -> str:
    """Keep each row once."""
    told = sentence(f"take out the rows {listed(finding.rows, MOST_ROWS)}; all of them in Python:")
    return f"{told}\ntable = table.drop_duplicates()  # a data frame of pandas"


def sentence(text: str) -> str:
    """Return a sentence in lines that fit under a finding."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


CURES: dict[str, Callable[[Finding, Treated], str | None]] = {
    "leaking-column": without_unless_known,
    "constant-columns": without,
    "duplicate-columns": without,
    "duplicate-rows": without_copies,
    "constant-target": another_target,
    "class-imbalance": balanced,
    "underfitting": wider,
    "cannot-overfit-a-batch": wider,
    "learning-rate-too-low": longer,
    "mislabelled-rows": look_at_rows,
    "dominating-samples": look_at_rows,
}
"""By the name of a condition. The others have no option of `train`: their code is for Python."""


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
