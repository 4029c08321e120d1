"""The doctor's remedies as commands for the shell, where `chainrule train` has an option.

Until the conditions know their own: see CONDITIONS.
"""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import Any

from chainrule.doctor.conditions.finding import SEVERITIES, WARNING, Finding
from chainrule.doctor.conditions.names import listed
from chainrule.doctor.report import Report
from chainrule.estimators import defaults

WIDTH = 76
MOST_ROWS = 20


def with_shell_remedies(report: Report, command: Any) -> Report:
    """Return the report with remedies for the shell."""
    findings = [for_shell(finding, command) for finding in report.findings]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(findings, report.case, report.rows)


def for_shell(finding: Finding, command: Any) -> Finding:
    """Return the finding as `chainrule doctor` shows it."""
    under = tuple(for_shell(f, command) for f in finding.consequences)
    finding = replace(finding, consequences=under)
    if finding.id == "constant-columns":
        finding = replace(
            finding,
            severity=WARNING,
            summary=f"{finding.summary}, so `chainrule train` refuses the table",
        )
    remedy = _remedy(finding, command)
    return finding if remedy is None else replace(finding, remedy=remedy)


def _remedy(finding: Finding, command: Any) -> str | None:
    match finding.id:
        case "leaking-column" | "constant-columns" | "duplicate-columns":
            without = command.with_options(drop=tuple(map(str, finding.columns)))
            note = "\n# unless it is known before the target is"
            return without + note * (finding.id == "leaking-column")
        case "class-imbalance":
            return command.with_options(balanced=True)
        case "underfitting" | "cannot-overfit-a-batch":
            usual, sizes = defaults.HIDDEN_LAYERS, command.estimator.hidden_layers
            return command.with_options(
                hidden=usual if sum(sizes) < sum(usual) else tuple(2 * size for size in sizes)
            )
        case "learning-rate-too-low":
            return command.with_options(epochs=10 * command.estimator.epochs)
        case "constant-target":
            names = listed(tuple(command.columns), most=12)
            return _filled(
                f"give another --target ({names}), or the rows that a filter has left out"
            )
        case "duplicate-rows":
            rows = listed(finding.rows, MOST_ROWS)
            text = _filled(f"take out the rows {rows}; all of them in Python:")
            return f"{text}\ntable = table.drop_duplicates()  # a data frame of pandas"
        case "mislabelled-rows" | "dominating-samples" if finding.rows:
            text = f"look at the rows {listed(finding.rows, MOST_ROWS)}: "
            if finding.id == "mislabelled-rows":
                return _filled(f"{text}correct {command.target!r} there, or take them out")
            return _filled(
                f"{text}correct {command.target!r} there, or say with --missing which value "
                "stands for a missing one: --missing=-999"
            )
    return None


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
