"""`chainrule doctor`: what keeps a network from learning a table, and what to do about it."""

from __future__ import annotations

import json
import shutil
from typing import Any

import click

from chainrule.command.options import (
    form_of,
    hidden_sizes,
    json_option,
    network_options,
    table_options,
    target_options,
)

HELP = """Tell what keeps a network from learning a table, why, and what to do.

\b
  chainrule doctor penguins.csv --target species
  chainrule doctor houses.csv --target price --html houses-doctor.html
  chainrule doctor log.csv --target failed --json | jq '.findings[].id'

The table is looked at as it is: columns that give the target away, never change or repeat another,
rows that stand there twice or whose label is doubtful, classes that are rare. Then one of the
networks that `chainrule train` would learn with is tried on it for some seconds, with its rate
and others. What the preparation mends by itself (gaps, text, numbers of any size) is no matter.

The first finding is the root; what merely follows from another stands under it. Rows are counted
from 1, below the names of the columns. Nothing is written but the page of --html.

Ends with the code 1 where there is a problem, and 0 where there are warnings and notes at most, so
that a check of new data can stop at it. --json says "healthy" and lists all findings.
"""

WIDEST, NARROWEST = 100, 40
"""Columns that a report takes of a terminal, at most and at least."""


@click.command(name="doctor", help=HELP)
@click.argument("table")
@target_options
@click.option("--html", metavar="PAGE.html", help="Write the report as a page with pictures, too.")
@network_options
@table_options
@json_option
def command(table: str, html: str | None, as_json: bool, **options: Any) -> int:
    """Look at the table, try a network, and report; return the exit code."""
    sizes = hidden_sizes(options["hidden"])
    if html == "-":
        raise click.UsageError("--html is a file; standard output is for the report.")

    from chainrule.command.kernels import restart_with_fastest
    from chainrule.command.writing import check_apart, check_output

    check_output(html, "--html")
    check_apart(html, "--html", table)
    restart_with_fastest()

    from chainrule.command.cures import Treated
    from chainrule.command.learning import Options, make_estimator
    from chainrule.command.task import decide
    from chainrule.command.training_table import Wishes, read_training_table

    wishes = Wishes(
        options["target"],
        options["drop"],
        options["categories"],
        skip_unusable=True,
        keep_constant=True,
    )
    data = read_training_table(table, form_of(options), wishes)
    task = decide(data.target, options["task"], constant=True)
    wanted = Options(
        seed=options["seed"],
        epochs=options["epochs"],
        hidden_layers=sizes,
        categories=options["categories"],
        balanced=options["balanced"],
    )
    estimator = make_estimator(task, wanted, data.X)
    about = Treated(table, task, data, estimator, options)
    if not as_json:
        for line in about.lines():
            click.echo(line)
    report = estimator.diagnose(data.X, task.y, row_numbers=data.rows, seed=wanted.seed)
    report = report.for_shell(about)
    if html is not None:
        _write(html, report, about)
    if as_json:
        click.echo(json.dumps({**about.as_dict(report), "seed": wanted.seed}, indent=1))
    else:
        width = min(WIDEST, max(NARROWEST, shutil.get_terminal_size((WIDEST, 24)).columns))
        click.echo("\n" + report.text(width))
        if html is not None:
            click.echo(f"\nThe report is in {html}, too")
    return 0 if report.healthy else 1


def _write(path: str, report: Any, about: Any) -> None:
    """Write the page, whole or not at all."""
    from chainrule.command.interruption import cleaned_up_if_interrupted
    from chainrule.command.writing import write_text
    from chainrule.doctor.page import page_of

    lines = about.lines()
    text = page_of(report.verdict(), report.findings, report.plot(), " ".join(lines))
    with cleaned_up_if_interrupted():
        write_text(path, text)
