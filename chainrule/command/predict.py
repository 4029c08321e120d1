"""`chainrule predict`: the rows of a table, or of all tables in a folder, predicted."""

from __future__ import annotations

import os
from typing import Any

import click

from chainrule.command.models.predictor import Predictor
from chainrule.command.models.table_model import TableModel
from chainrule.command.progress import FileBar
from chainrule.command.reports.phrases import counted
from chainrule.command.tables.writer import check_output


def predict(
    model: str, table: str, *, output: str, jobs: int | None, quiet: bool, **options: Any
) -> int:
    """Predict a table, or all tables of a folder; the parameters are the command's options."""
    if jobs is not None and (jobs < -1 or jobs == 0):
        raise click.UsageError(
            f"--jobs must be at least 1, or -1 for one per processor; got {jobs}."
        )
    if jobs is not None and not os.path.isdir(table):
        raise click.UsageError(f"--jobs is for a folder of tables, and {table} is not a folder.")
    predictor = Predictor(TableModel.load(model), options)
    if os.path.isdir(table):
        from chainrule.command.predict_folder import predict_folder

        return predict_folder(predictor, model, table, output, jobs or 1, quiet=quiet)
    check_output(output, "--output", table, model)
    with FileBar(os.path.getsize(table) if os.path.isfile(table) else None, quiet=quiet) as bar:
        rows, warnings = predictor.predict(table, output, bar.show)
    for line in warnings:
        click.echo(f"chainrule: warning: {line}", err=True)
    if output != "-" and not quiet:
        click.echo(f"Predicted {counted(rows, 'row')} in {output}", err=True)
    return 0
