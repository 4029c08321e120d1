"""`chainrule predict`: the rows of a table, predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from chainrule.command.options import on_unknown_option, quiet_option, table_options
from chainrule.errors import InputError
from chainrule.extras import require

HELP = """Predict the rows of a table.

\b
  chainrule predict penguins.npz new.csv --output predictions.csv
  chainrule predict penguins.npz new.csv --keep id --probabilities -o predictions.csv
  chainrule predict houses.npz new.parquet --interval 90 -o predictions.parquet

There is one line of output for each row, in the same order: the column predicted_TARGET, and what
is asked for besides. The table may have its columns in any order, and others beside them. It is
read and written piece by piece, so that it may be larger than the memory; the file of predictions
appears when it is complete.
"""


@click.command(name="predict", help=HELP)
@click.argument("model")
@click.argument("table")
@click.option(
    "--output",
    "-o",
    default="-",
    metavar="FILE",
    help="Where to: .csv, .tsv or .parquet (.csv.gz, .csv.xz ...).  [default: standard output]",
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
    keep: tuple[str, ...],
    keep_all: bool,
    probabilities: bool,
    interval: int | None,
    spread: bool,
    on_unknown: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Check what is given, and write one piece after the other."""
    from chainrule.command.model import load_model, predicted_pieces
    from chainrule.command.progress import FileBar
    from chainrule.command.rows import Findings
    from chainrule.command.tables import Source
    from chainrule.command.writing import Predictions, check_apart, check_output

    loaded = load_model(model)
    _check_options(loaded.schema, probabilities, interval)
    check_output(output, "--output")
    check_apart(output, "--output", table, model)
    predictions, findings = Predictions(output), Findings()
    with (
        Source(table, loaded.schema.form.updated(**options)) as source,
        FileBar(source.size, quiet=quiet) as bar,
    ):
        kept = tuple(name for name in source.names if name) if keep_all else keep
        pieces = predicted_pieces(
            loaded,
            source,
            refuse=on_unknown == "refuse",
            also=kept,
            findings=findings,
            progress=bar.update,
        )
        columns = Columns(loaded.schema, kept, probabilities, interval, spread)
        predictions.write(columns.tables(pieces))
    for line in findings.lines():
        click.echo(f"chainrule: warning: {line}", err=True)
    if output != "-" and not quiet:
        are = "row is" if columns.rows == 1 else "rows are"
        click.echo(f"{columns.rows:,} {are} predicted in {output}", err=True)


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


class Columns:
    """What is written for each piece.

    Attributes
    ----------
    rows : int
        How many so far.
    """

    def __init__(
        self,
        schema: Any,
        kept: tuple[str, ...],
        probabilities: bool,
        interval: int | None,
        spread: bool,
    ) -> None:
        self.schema, self.kept = schema, kept
        self.probabilities, self.interval, self.spread = probabilities, interval, spread
        self.rows = 0

    def tables(self, pieces: Iterator[Any]) -> Iterator[Any]:
        """Yield what is written for each piece, as a pyarrow.RecordBatch."""
        pa = require("pyarrow", "cli", "Writing predictions")
        for piece in pieces:
            columns = {name: piece.table.column(name) for name in self.kept}
            made = self._predicted(piece)
            twice = [name for name in made if name in columns]
            if twice:
                raise InputError(
                    f"The column {twice[0]!r} that is to be kept has the name of one that is "
                    "predicted; rename it first."
                )
            columns |= {name: pa.array(values) for name, values in made.items()}
            self.rows += piece.table.num_rows
            yield pa.RecordBatch.from_pydict(columns)

    def _predicted(self, piece: Any) -> dict[str, Any]:
        """Return the columns of predictions, by name."""
        import numpy as np

        name, outputs = f"predicted_{self.schema.target}", piece.outputs
        if self.schema.task == "regression":
            made = {name: outputs[:, 0]}
            if self.interval is not None:
                width = self.schema.half_widths[str(self.interval)]
                made[f"{name}_low"] = outputs[:, 0] - width
                made[f"{name}_high"] = outputs[:, 0] + width
            if self.spread:
                made[f"{name}_spread"] = piece.spread[:, 0]
            return made
        places = outputs.argmax(axis=1)
        made = {name: np.array(self.schema.classes)[places]}
        if self.probabilities:
            for place, label in enumerate(self.schema.classes):
                made[f"probability_{label}"] = outputs[:, place]
        if self.spread:
            made[f"{name}_spread"] = np.take_along_axis(piece.spread, places[:, None], 1)[:, 0]
        return made
