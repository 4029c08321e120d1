"""Batches of a table converted to the model's columns, and the issues found in them.

No row disappears: a value that the model cannot take is refused, or treated as missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.command.models.metadata import ColumnInfo, TableMetadata
from chainrule.command.tables.column_types import with_nulls
from chainrule.command.tables.csv_format import CsvFormat
from chainrule.command.tables.training_table import suggest
from chainrule.errors import InputError
from chainrule.parameter import Array
from chainrule.preparation.number_format import NumberFormat
from chainrule.preparation.report import ColumnIssue

MOST_EXAMPLES = 5
MOST_SHOWN = 10


class InputIssues:
    """What the training table did not have, over all batches; each column and kind once.

    Parameters
    ----------
    refuse : bool
        Whether `check` raises an error if there is any.
    """

    def __init__(self, refuse: bool) -> None:
        self.refuse = refuse
        self._found: dict[tuple[Any, str], ColumnIssue] = {}

    def check(self, label: str) -> None:
        """Raise InputError about the table `label` if there are issues that are to be refused."""
        if self._found and self.refuse:
            raise InputError(
                f"{label} differs from the training table: {'; '.join(self.lines())}. Correct "
                "it, or go on with a warning: --on-unknown warn."
            )

    def add(self, issue: ColumnIssue, rows_before: int) -> None:
        """Add an issue of a batch that has this many rows before it; rows are counted from 1."""
        key = issue.column, issue.kind
        earlier = self._found.get(key)
        if earlier is None:
            first = None if issue.first_row is None else issue.first_row + rows_before + 1
            self._found[key] = ColumnIssue(*key, issue.rows, first, issue.examples)
            return
        examples = earlier.examples
        if issue.kind in ("unknown category", "text in a column of numbers"):
            examples = tuple(dict.fromkeys((*examples, *issue.examples)))[:MOST_EXAMPLES]
        rows = earlier.rows + issue.rows
        self._found[key] = ColumnIssue(*key, rows, earlier.first_row, examples)

    def lines(self) -> list[str]:
        """Return a line for each issue, and a final one for those beyond the limit."""
        lines = [str(issue) for issue in self._found.values()]
        more = len(lines) - MOST_SHOWN
        return lines[:MOST_SHOWN] + [f"and {more} more like these"] * (more > 0)

    def as_list(self) -> list[dict[str, Any]]:
        """Return the issues as JSON holds them."""
        keys = ("column", "kind", "rows", "first_row", "examples")
        return [{key: getattr(issue, key) for key in keys} for issue in self._found.values()]


class InputConverter:
    """Converts batches to the arrays that a model takes.

    Parameters
    ----------
    metadata : TableMetadata
        Describes the model's columns.
    csv_format : CsvFormat
        How the table's text is written.
    formats : dict of str to NumberFormat
        How numbers were written in columns of the training table where they were text.
    issues : InputIssues
        Collects what the training table did not have.

    Attributes
    ----------
    rows : int
        The number of rows so far.
    """

    def __init__(
        self,
        metadata: TableMetadata,
        csv_format: CsvFormat,
        formats: Mapping[str, NumberFormat],
        issues: InputIssues,
    ) -> None:
        self.metadata, self.format, self.formats = metadata, csv_format, formats
        self.issues = issues
        self.rows = 0
        self._absent: set[str] = set()

    def note_missing_columns(self, names: list[str]) -> None:
        """Note each column that the model needs and the table does not have."""
        there = set(names)
        for column in self.metadata.used:
            if column.name not in there:
                self._absent.add(column.name)
                advice = suggest(column.name, names)
                if column.unit:
                    advice = f"trained on values in {column.unit}; {advice}"
                self.issues.add(ColumnIssue(column.name, "missing column", examples=(advice,)), 0)

    def convert(self, batch: pa.RecordBatch) -> dict[str, Array]:
        """Return the model's columns by name; a missing column is filled with missing values."""
        columns = {}
        for column in self.metadata.used:
            if column.name not in self._absent:
                convert = self._texts if column.kind == "category" else self._numbers
                columns[column.name] = convert(batch.column(column.name), column)
            elif column.kind == "category":
                columns[column.name] = np.full(batch.num_rows, None, object)
            else:
                columns[column.name] = np.full(batch.num_rows, np.nan)
        return columns

    def finish_batch(self, found: Iterable[ColumnIssue], rows: int) -> None:
        """Add what the preparation found in a batch of so many rows."""
        for issue in found:
            if issue.kind != "unused column" and issue.column not in self._absent:
                self.issues.add(issue, self.rows)
        self.rows += rows

    def _texts(self, values: Any, column: ColumnInfo) -> Array:
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        return _as_objects(with_nulls(values, self.format) if _is_text(values) else values)

    def _numbers(self, values: Any, column: ColumnInfo) -> Array:
        if pa.types.is_temporal(values.type) or pa.types.is_nested(values.type):
            raise InputError(
                f"Column {column.name!r} held numbers in the training table, but {values.type} "
                "here."
            )
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        if not _is_text(values):
            return _as_floats(values.cast(pa.float64(), safe=False))
        values = with_nulls(values, self.format)
        form = read_with(self.formats.get(column.name), self.format)
        try:
            if form != NumberFormat():
                raise pa.ArrowInvalid
            kind = pa.bool_() if column.kind == "boolean" else pa.float64()
            numbers = _as_floats(values.cast(kind).cast(pa.float64()))
        except pa.ArrowInvalid:
            numbers = self._numbers_one_by_one(_as_objects(values), column, form)
        infinite = np.isinf(numbers)
        if infinite.any():
            self._note(column, "infinity", infinite)
            numbers[infinite] = np.nan
        return numbers

    def _numbers_one_by_one(self, texts: Array, column: ColumnInfo, form: NumberFormat) -> Array:
        """Return numbers, NaN for other text; slow, for what is not written as programs do."""
        distinct = {text for text in texts.tolist() if text is not None}
        read = {None: np.nan, **{text: parse_number(text, form) for text in distinct}}
        found = [read[text] for text in texts.tolist()]
        bad = np.array([number is None for number in found], bool)
        numbers = np.array([np.nan if number is None else number for number in found])
        if bad.any():
            examples = list(dict.fromkeys(texts[bad].tolist()))[:MOST_EXAMPLES]
            shown = tuple(repr(text[:40]) for text in examples)
            self._note(column, "text in a column of numbers", bad, shown)
        return numbers

    def _note(
        self, column: ColumnInfo, kind: str, where: Array, examples: tuple[str, ...] = ()
    ) -> None:
        self.issues.add(ColumnIssue.of_rows(column.name, kind, where, examples), self.rows)


def read_with(form: NumberFormat | None, csv_format: CsvFormat) -> NumberFormat:
    """Return how numbers are read: as in training, but for a decimal point that was given."""
    form = form or NumberFormat()
    decimal = csv_format.decimal or form.decimal
    thousands = "" if decimal == form.thousands else form.thousands
    return replace(form, decimal=decimal, thousands=thousands)


def parse_number(text: str, form: NumberFormat) -> float | None:
    """Return the number that a text stands for, NaN if it means a missing value, None for neither.

    >>> parse_number(" 2.5", NumberFormat()), parse_number("TRUE", NumberFormat())
    (2.5, 1.0)
    >>> parse_number("about 3", NumberFormat()) is None
    True
    """
    if text.strip().lower() in ("true", "false"):
        return float(text.strip().lower() == "true")
    if re.fullmatch(r"[+-]?inf(inity)?", text.strip(), re.IGNORECASE):
        return float(text)
    return form.read(text)


def _is_text(values: Any) -> bool:
    types, kind = pa.types, values.type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _as_objects(values: Any) -> Array:
    return np.array(values.to_pylist(), object) if len(values) else np.empty(0, object)


def _as_floats(values: Any) -> Array:
    return np.array(values.to_numpy(zero_copy_only=False), np.float64)
