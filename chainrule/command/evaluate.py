"""`chainrule evaluate`: how good a model is on a table with a known target."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import click
import numpy as np

from chainrule.command.models.inputs import InputIssues, parse_number, read_with
from chainrule.command.models.metadata import TableMetadata
from chainrule.command.models.scores import evaluate
from chainrule.command.models.table_model import TableModel
from chainrule.command.progress import FileBar
from chainrule.command.reports.text import evaluation_report
from chainrule.command.tables.csv_format import CsvFormat
from chainrule.command.tables.reader import TableReader
from chainrule.errors import InputError
from chainrule.parameter import Array
from chainrule.preparation.number_format import number_format


def evaluate_table(model: str, table: str, *, as_json: bool, quiet: bool, **options: Any) -> None:
    """Predict every row, compare, and report; the parameters are the command's options."""
    loaded = TableModel.load(model)
    metadata = loaded.metadata
    csv_format = metadata.csv_format.updated(options)
    issues = InputIssues(options["on_unknown"] == "refuse")
    targets, outputs = TargetReader(metadata, csv_format), []
    with TableReader(table, csv_format) as reader, FileBar(reader.size, quiet=quiet) as bar:
        for batch in loaded.predict_batches(reader, issues, bar.show, [metadata.target]):
            targets.read(batch.table.column(metadata.target))
            outputs.append(batch.outputs)
    for line in issues.lines():
        click.echo(f"chainrule: warning: {line}", err=True)
    true = np.concatenate(targets.values)
    found = {
        "rows": len(true),
        "unknown_classes": targets.unknown_classes,
        **evaluate(metadata.task, true, np.concatenate(outputs), metadata.interval_width),
    }
    if as_json:
        values = {"model": model, "table": table, "classes": metadata.classes, **found}
        click.echo(json.dumps({**values, "findings": issues.as_list()}, indent=1))
    else:
        click.echo("\n".join(evaluation_report(metadata, found)))


class TargetReader:
    """Reads the true values of the target batch by batch.

    Attributes
    ----------
    values : list of ndarray
        For each batch, class numbers (-1 for a class the model does not know), or numbers.
    unknown_classes : dict of str to int
        The number of rows of each class that the model does not know.
    """

    def __init__(self, metadata: TableMetadata, csv_format: CsvFormat) -> None:
        self.metadata, self.format = metadata, csv_format
        form = metadata.target_format
        self.number_format = read_with(None if form is None else number_format(form), csv_format)
        self.values: list[Array] = []
        self.unknown_classes: Counter[str] = Counter()
        classes = metadata.classes
        self._by_text = {_label_text(label): number for number, label in enumerate(classes)}
        self._by_number: dict[float, int] = {}
        if not any(isinstance(label, str) for label in classes):  # "3.0" is the class 3
            self._by_number = {float(label): number for number, label in enumerate(classes)}

    def read(self, column: Any) -> None:
        """Read the target of a batch.

        Raises
        ------
        InputError
            A value is missing, or is not a number where one is expected.
        """
        convert = self._number if self.metadata.task == "regression" else self._class_number
        rows_before = sum(map(len, self.values))
        numbers = []
        for row, value in enumerate(column.to_pylist(), rows_before + 1):
            value = value.strip() if isinstance(value, str) else value
            if value is None or value != value or value in self.format.missing_values:
                raise InputError(
                    f"The target {self.metadata.target!r} is missing in row {row}; evaluation "
                    "needs it in every row."
                )
            numbers.append(convert(value, row))
        self.values.append(np.array(numbers))

    def _class_number(self, value: Any, row: int) -> int:
        number = self._by_text.get(_label_text(value))
        if number is None:
            parsed = parse_number(str(value), self.number_format)
            number = -1 if parsed is None else self._by_number.get(parsed, -1)
        if number < 0:
            self.unknown_classes[str(value)[:60]] += 1
        return number

    def _number(self, value: Any, row: int) -> float:
        if isinstance(value, str):
            value = parse_number(value, self.number_format)
        number = np.nan if value is None else float(value)
        if not np.isfinite(number):
            raise InputError(f"The target {self.metadata.target!r} is not a number in row {row}.")
        return number


def _label_text(label: Any) -> str:
    """Return a label as text, the same for 3 and 3.0."""
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)
