"""`chainrule predict`: the rows of a table, predicted."""

from __future__ import annotations

import os
from typing import Any

import click

from chainrule.command.options import on_unknown_option, quiet_option, table_options
from chainrule.errors import InputError

HELP = """Predict the rows of a table, or of every table in a folder.

\b
  chainrule predict penguins.npz new.csv --output predictions.csv
  chainrule predict penguins.npz new.csv --keep id --probabilities -o predictions.csv
  chainrule predict houses.npz new.parquet --interval 90 -o predictions.parquet
  chainrule predict houses.npz new/ --jobs 2 --output predictions/

There is one line of output for each row, in the same order: the column predicted_TARGET, and what
is asked for besides. The table may have its columns in any order, and others beside them. It is
read and written piece by piece, so that it may be larger than the memory; the file of predictions
appears when it is complete.

Of a folder each table (.csv, .tsv, .txt, .parquet, compressed or not) has a file of predictions of
the same name in the output folder, which is made where there is none. --jobs tables are predicted
side by side. One that cannot be is named, and the others are predicted.
"""


@click.command(name="predict", help=HELP)
@click.argument("model")
@click.argument("table")
@click.option(
    "--output",
    "-o",
    default="-",
    metavar="FILE",
    help="Where to: .csv, .tsv or .parquet (.csv.gz, .csv.xz ...), or a folder for those of a "
    "folder.  [default: standard output]",
)
@click.option(
    "--jobs",
    "-j",
    type=int,
    metavar="N",
    help="How many tables of a folder to predict at a time, each in a process of its own; -1 for "
    "as many as there are processors.  [default: 1]",
)
@click.option("--keep", multiple=True, metavar="COLUMN", help="A column to copy, such as an id.")
@click.option("--keep-all", is_flag=True, help="Copy all columns.")
@click.option("--probabilities", is_flag=True, help="Add the probability of each class.")
@click.option(
    "--interval",
    type=click.IntRange(1, 99),
    metavar="PERCENT",
    help="Add the ends of an interval that holds the true number in so many percent of the rows.",
)
@click.option(
    "--spread",
    is_flag=True,
    help="Add how far the networks disagree: the standard deviation between them.",
)
@on_unknown_option
@table_options
@quiet_option
def command(
    model: str,
    table: str,
    output: str,
    jobs: int | None,
    keep: tuple[str, ...],
    keep_all: bool,
    probabilities: bool,
    interval: int | None,
    spread: bool,
    on_unknown: str,
    quiet: bool,
    **options: Any,
) -> int:
    """Check what is given, and predict one table or all of a folder."""
    from chainrule.command.model import load_model
    from chainrule.command.scoring import Request

    _check_jobs(jobs, table)
    loaded = load_model(model)
    _check_options(loaded.schema, probabilities, interval)
    form = loaded.schema.form.updated(**options)
    refuse = on_unknown == "refuse"
    request = Request(form, keep, keep_all, probabilities, interval, spread, refuse)
    if os.path.isdir(table):
        from chainrule.command.folder import predict_folder

        return predict_folder(model, loaded, request, table, output, jobs or 1, quiet=quiet)
    _predict_file(model, loaded, request, table, output, quiet)
    return 0


def _predict_file(
    model: str, loaded: Any, request: Any, table: str, output: str, quiet: bool
) -> None:
    """Write one piece after the other."""
    from chainrule.command.progress import FileBar
    from chainrule.command.scoring import write_predictions
    from chainrule.command.tables import Source
    from chainrule.command.writing import Predictions, check_apart, check_output

    check_output(output, "--output")
    check_apart(output, "--output", table, model)
    predictions = Predictions(output)
    with Source(table, request.form) as source, FileBar(source.size, quiet=quiet) as bar:
        rows, findings = write_predictions(loaded, request, source, predictions, bar.update)
    for line in findings.lines():
        click.echo(f"chainrule: warning: {line}", err=True)
    if output != "-" and not quiet:
        are = "row is" if rows == 1 else "rows are"
        click.echo(f"{rows:,} {are} predicted in {output}", err=True)


def _check_jobs(jobs: int | None, table: str) -> None:
    """Refuse a number of jobs that cannot be, or where there is but one table."""
    if jobs is None:
        return
    if jobs < -1 or jobs == 0:
        raise click.UsageError(
            f"--jobs must be 1 or more, or -1 for as many as there are processors; got {jobs}."
        )
    if table != "-" and not os.path.exists(table):
        raise InputError(f"There is no folder {table}.")
    if not os.path.isdir(table):
        raise click.UsageError(f"--jobs is for the tables of a folder, and {table} is none.")


def _check_options(schema: Any, probabilities: bool, interval: int | None) -> None:
    """Refuse what a model cannot give."""
    if probabilities and schema.task == "regression":
        raise click.UsageError(f"--probabilities is for classes; {schema.target!r} is a number.")
    if interval is None:
        return
    if schema.task == "classification":
        raise click.UsageError(
            f"--interval is for numbers; {schema.target!r} is a class: --probabilities tells how "
            "sure predictions are."
        )
    if str(interval) not in schema.half_widths:
        most = max(map(int, schema.half_widths), default=0)
        can = f"intervals of at most {most} %" if most else "no interval"
        raise click.UsageError(
            f"The model learned from so few rows ({schema.rows}) that {can} can be promised."
        )
