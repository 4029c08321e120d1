"""`chainrule doctor`: what keeps a network from learning a table, and what to do about it."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from chainrule.command.reports.phrases import counted
from chainrule.command.tables.task import infer_task
from chainrule.command.tables.training_table import read_training_table
from chainrule.command.tables.writer import check_output
from chainrule.command.train import make_estimator
from chainrule.doctor.page import page_of
from chainrule.storage.atomic import write_text

NARROWEST, WIDEST = 40, 100
"""The columns of a terminal that a report uses, at least and at most."""


def diagnose_table(table: str, *, html: str | None, as_json: bool, **options: Any) -> int:
    """Examine the table, try a network, report, and return the exit code.

    The parameters are the command's options.
    """
    if html == "-":
        raise click.UsageError("--html is a file; the report is printed.")
    check_output(html, "--html", table)
    data = read_training_table(table, {**options, "skip_unusable": True}, keep_constant=True)
    task = infer_task(data.target, options["task"], allow_constant=True)
    estimator = make_estimator(task, data.X, options, data.number_formats)
    rows, columns = data.X.shape
    label = "standard input" if table == "-" else table
    intro = [
        task.reason,
        f"X is {label} without its target, y is the target {task.name!r}: "
        f"{counted(rows, 'row')}, {counted(columns, 'column')}.",
        *(f"Note: {note}" for note in data.notes),
    ]
    if not as_json:
        click.echo("\n".join(intro))
    seed = options["seed"]
    report = estimator.diagnose(data.X, task.y, row_numbers=data.rows, seed=seed)
    # `train` leaves nothing out unless it is told to
    given = {**options, "skip_unusable": True} if data.notes else options
    report = report.for_shell(TrainCommand(table, list(data.X), estimator, given))
    if html is not None:
        write_text(html, page_of(report.verdict(), report.findings, report.plot(), " ".join(intro)))
    if as_json:
        found = {
            "table": table,
            "task": task.kind,
            "target": task.name,
            "why": task.reason,
            "rows": rows,
            "columns": list(data.X.columns),
            "notes": data.notes,
            "healthy": report.healthy,
            "verdict": report.verdict(),
            "findings": [finding_as_dict(finding) for finding in report.findings],
            "seed": seed,
        }
        click.echo(json.dumps(found, indent=1))
    else:
        width = shutil.get_terminal_size((WIDEST, 24)).columns
        click.echo("\n" + report.text(min(WIDEST, max(NARROWEST, width))))
        if html is not None:
            click.echo(f"\nThe report is also in {html}")
    return 0 if report.healthy else 1


@dataclass(frozen=True)
class TrainCommand:
    """The call of `chainrule train` that a remedy adds options to.

    Attributes
    ----------
    table : str
        The table's file.
    columns : sequence of str
        The table's columns without the target.
    estimator : NetworkClassifier or NetworkRegressor
        What `train` would fit.
    options : dict
        The options given to `chainrule doctor`.
    """

    table: str
    columns: Sequence[str]
    estimator: Any
    options: Mapping[str, Any]

    @property
    def target(self) -> str:
        """The column to predict."""
        return str(self.options["target"])

    def with_options(self, **added: Any) -> str:
        """Return the command line with these options added."""
        options: dict[str, Any] = {"target": self.target, "output": "model.npz", **self.options}
        for name, value in added.items():
            options[name] = (*options["drop"], *value) if name == "drop" else value
        return shlex.join(["chainrule", "train", self.table, *option_words(options)])


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return options as words of a command line, without those that have no value.

    >>> option_words({"drop": ("id",), "hidden": (64, 32), "balanced": True, "task": None})
    ['--drop', 'id', '--hidden', '64,32', '--balanced']
    """
    words = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "hidden" and isinstance(value, tuple):
            value = ",".join(map(str, value))
        if value is True:
            words.append(option)
        elif value:
            for text in map(str, value if isinstance(value, tuple) else (value,)):
                words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return words


def finding_as_dict(finding: Any) -> dict[str, Any]:
    """Return a finding as JSON holds it; NaN and infinity become null."""
    names = ("id", "severity", "where", "summary", "cause", "remedy", "page")
    return {
        **{name: getattr(finding, name) for name in names},
        "evidence": [
            {
                "what": e.what,
                "value": e.value if isinstance(e.value, str) or math.isfinite(e.value) else None,
                "healthy": e.healthy,
            }
            for e in finding.evidence
        ],
        **{name: list(getattr(finding, name)) for name in ("rows", "columns", "layers")},
        "consequences": [finding_as_dict(f) for f in finding.consequences],
    }
