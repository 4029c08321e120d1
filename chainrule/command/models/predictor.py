"""The columns of predictions that the command was asked for, written for whole tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
import numpy as np
import pyarrow as pa

from chainrule.command.models.inputs import InputIssues
from chainrule.command.models.table_model import PredictedBatch, TableModel
from chainrule.command.tables.reader import TableReader
from chainrule.command.tables.writer import PredictionWriter
from chainrule.errors import InputError


class Predictor:
    """Predicts tables, and writes the columns that were asked for.

    Parameters
    ----------
    model : TableModel
        The model.
    options : dict
        The command's options: on_unknown, keep, keep_all, probabilities, interval, spread, and
        those of CsvFormat.

    Raises
    ------
    click.UsageError
        The model cannot give what is asked for.
    """

    def __init__(self, model: TableModel, options: Mapping[str, Any]) -> None:
        self.model, self.options = model, options
        metadata, interval = model.metadata, options["interval"]
        if options["probabilities"] and metadata.task == "regression":
            raise click.UsageError(
                f"--probabilities is for classes, but {metadata.target!r} is a number."
            )
        if interval is not None and metadata.task == "classification":
            raise click.UsageError(
                f"--interval is for numbers, but {metadata.target!r} is a class: --probabilities "
                "shows how certain predictions are."
            )
        if interval is not None and str(interval) not in metadata.half_widths:
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
        csv_format = self.model.metadata.csv_format.updated(self.options)
        issues = InputIssues(refuse=self.options["on_unknown"] == "refuse")
        writer, kept = PredictionWriter(output), list(self.options["keep"])
        with TableReader(table, csv_format) as reader:
            if self.options["keep_all"]:
                kept = list(filter(None, reader.names))
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
            if self.options["interval"] is not None:
                width = metadata.half_widths[str(self.options["interval"])]
                columns[f"{name}_low"] = outputs[:, 0] - width
                columns[f"{name}_high"] = outputs[:, 0] + width
            places = np.zeros(len(outputs), np.intp)
        else:
            places = outputs.argmax(axis=1)
            columns = {name: np.array(metadata.classes)[places]}
            if self.options["probabilities"]:
                for place, label in enumerate(metadata.classes):
                    columns[f"probability_{label}"] = outputs[:, place]
        if self.options["spread"]:
            columns[f"{name}_spread"] = np.take_along_axis(batch.spread, places[:, None], 1)[:, 0]
        return columns
