"""`chainrule predict`: the rows of a table, predicted."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import pyarrow as pa

from chainrule.command.models.inputs import InputIssues
from chainrule.command.models.table_model import PredictedBatch, TableModel
from chainrule.command.progress import FileBar
from chainrule.command.tables.csv_format import CsvFormat
from chainrule.command.tables.reader import TableReader
from chainrule.command.tables.writer import PredictionWriter, check_output
from chainrule.errors import InputError

OUTPUT_OPTIONS = ("keep", "keep_all", "probabilities", "interval", "spread")


def predict(
    model: str,
    table: str,
    *,
    output: str,
    jobs: int | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Predict a table, or all tables of a folder; the parameters are the command's options."""
    if jobs is not None and (jobs < -1 or jobs == 0):
        raise click.UsageError(
            f"--jobs must be at least 1, or -1 for one per processor; got {jobs}."
        )
    if jobs is not None and not os.path.isdir(table):
        raise click.UsageError(f"--jobs is for a folder of tables, and {table} is not a folder.")
    loaded = TableModel.load(model)
    predictor = Predictor(
        loaded,
        loaded.metadata.csv_format.updated(options),
        options["on_unknown"] == "refuse",
        **{name: options[name] for name in OUTPUT_OPTIONS},
    )
    if os.path.isdir(table):
        from chainrule.command.predict_folder import predict_folder

        return predict_folder(predictor, model, table, output, jobs or 1, quiet=quiet)
    check_output(output, "--output", table, model)
    with FileBar(os.path.getsize(table) if os.path.isfile(table) else None, quiet=quiet) as bar:
        rows, warnings = predictor.predict(table, output, bar.show)
    for line in warnings:
        click.echo(f"chainrule: warning: {line}", err=True)
    if output != "-" and not quiet:
        click.echo(f"Predicted {rows:,} {'row' if rows == 1 else 'rows'} in {output}", err=True)
    return 0


@dataclass(frozen=True)
class Predictor:
    """Predicts tables, and writes the columns that were asked for.

    Attributes
    ----------
    model : TableModel
        The model.
    csv_format : CsvFormat
        How tables of separated values are written.
    refuse : bool
        Whether to refuse a table that has something that the training table did not have.
    keep : tuple of str
        Columns to copy.
    keep_all : bool
        Whether to copy all columns.
    probabilities, spread : bool
        Whether to add the probability of each class, and how much the networks disagree.
    interval : int or None
        The percentage of rows whose true number is in an interval that is added.
    """

    model: TableModel
    csv_format: CsvFormat
    refuse: bool
    keep: tuple[str, ...]
    keep_all: bool
    probabilities: bool
    interval: int | None
    spread: bool

    def __post_init__(self) -> None:
        metadata = self.model.metadata
        if self.probabilities and metadata.task == "regression":
            raise click.UsageError(
                f"--probabilities is for classes, but {metadata.target!r} is a number."
            )
        if self.interval is None:
            return
        if metadata.task == "classification":
            raise click.UsageError(
                f"--interval is for numbers, but {metadata.target!r} is a class: --probabilities "
                "shows how certain predictions are."
            )
        if str(self.interval) not in metadata.half_widths:
            most = max(map(int, metadata.half_widths), default=0)
            possible = f"intervals of at most {most} %" if most else "no interval"
            raise click.UsageError(
                f"The model was trained on so few rows ({metadata.rows}) that it can promise "
                f"{possible}."
            )

    def predict(
        self, table: str, output: str, on_progress: Callable[[int, int], None]
    ) -> tuple[int, list[str]]:
        """Write the predictions for a table, complete or not at all.

        Parameters
        ----------
        table, output : str
            The table's file and that of the predictions; ``-`` for standard input and output.
        on_progress : callable
            Called after each batch with the bytes read and the rows predicted.

        Returns
        -------
        rows : int
            How many rows there are.
        warnings : list of str
            What the training table did not have.
        """
        writer, issues = PredictionWriter(output), InputIssues(self.refuse)
        with TableReader(table, self.csv_format) as reader:
            kept = list(filter(None, reader.names)) if self.keep_all else list(self.keep)
            batches = self.model.predict_batches(reader, issues, on_progress, kept)
            writer.write(self._output(batch, kept) for batch in batches)
        return writer.rows, issues.lines()

    def _output(self, batch: PredictedBatch, kept: list[str]) -> pa.RecordBatch:
        columns = {name: batch.table.column(name) for name in kept}
        for name, values in self._predicted_columns(batch).items():
            if name in columns:
                raise InputError(
                    f"The kept column {name!r} has the name of a predicted one; rename it first."
                )
            columns[name] = pa.array(values)
        return pa.RecordBatch.from_pydict(columns)

    def _predicted_columns(self, batch: PredictedBatch) -> dict[str, Any]:
        metadata = self.model.metadata
        name, outputs = f"predicted_{metadata.target}", batch.outputs
        if metadata.task == "regression":
            columns = {name: outputs[:, 0]}
            if self.interval is not None:
                width = metadata.half_widths[str(self.interval)]
                columns[f"{name}_low"] = outputs[:, 0] - width
                columns[f"{name}_high"] = outputs[:, 0] + width
            places = np.zeros(len(outputs), np.intp)
        else:
            places = outputs.argmax(axis=1)
            columns = {name: np.array(metadata.classes)[places]}
            if self.probabilities:
                for place, label in enumerate(metadata.classes):
                    columns[f"probability_{label}"] = outputs[:, place]
        if self.spread:
            columns[f"{name}_spread"] = np.take_along_axis(batch.spread, places[:, None], 1)[:, 0]
        return columns
