"""Pieces of a table as a model takes them, and what in them the training table had not.

Nothing in a piece makes a row disappear: a value that cannot be taken is refused with its row, or
taken for missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.checks.extras import require
from chainrule.command.schema import ColumnInfo, Schema
from chainrule.command.tables import Format
from chainrule.command.training_table import hint
from chainrule.errors import InputError
from chainrule.parameter import Array
from chainrule.preparation.report import Finding

EXAMPLES = 5

# ---------------------------------------------------------------- columns that are missing


def missing_columns(schema: Schema, names: list[str]) -> list[Finding]:
    """Return a finding for each column that the model needs and a table has not."""
    there = set(names)
    return [
        Finding(column.name, "missing column", examples=(_advice(column, names),))
        for column in schema.used
        if column.name not in there
    ]


def _advice(column: ColumnInfo, names: list[str]) -> str:
    advice = hint(column.name, names)
    return f"trained on values in {column.unit}; {advice}" if column.unit else advice


# ---------------------------------------------------------------- values


class Reader:
    """Turns pieces into columns of numbers and texts, and notes what could not be one.

    Attributes
    ----------
    rows : int
        How many rows came so far.
    findings : Findings
        What was odd in them.
    """

    def __init__(self, schema: Schema, form: Format) -> None:
        self.schema, self.form = schema, form
        self.rows = 0
        self.findings = Findings()
        self._missing = form.missing_texts

    def columns(self, piece: Any) -> dict[str, Array]:
        """Return the columns that the model sees, by name; one that is not there is all missing."""
        count = piece.num_rows
        there = set(piece.schema.names)
        made = {}
        for column in self.schema.used:
            if column.name not in there:
                made[column.name] = _nothing(column, count)
            elif column.kind == "category":
                made[column.name] = self._texts(piece.column(column.name))
            else:
                made[column.name] = self._numbers(piece.column(column.name), column)
        return made

    def note(self, found: Iterable[Finding], rows: int) -> None:
        """Take over what the preparation found in this piece, and go on to the next."""
        for finding in found:
            self.findings.add(finding, self.rows)
        self.rows += rows

    def _texts(self, values: Any) -> Array:
        pa = require("pyarrow", "cli", "Reading a table")
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        return _objects(self._with_gaps(values))

    def _numbers(self, values: Any, column: ColumnInfo) -> Array:
        pa, compute = _arrow()
        if pa.types.is_temporal(values.type) or pa.types.is_nested(values.type):
            raise InputError(
                f"Column {column.name!r} held numbers in the training table, and holds "
                f"{values.type} here."
            )
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        if not _is_text(values.type):
            return _as_floats(values.cast(pa.float64(), safe=False))
        values = self._with_gaps(values)
        if self.form.decimal == ",":
            values = compute.replace_substring(values, ",", ".")
        numbers = self._parsed(values, column)
        infinite = np.isinf(numbers)
        if infinite.any():
            self._add(column, "infinity", infinite, ())
            numbers[infinite] = np.nan
        return numbers

    def _parsed(self, values: Any, column: ColumnInfo) -> Array:
        pa, _ = _arrow()
        try:
            kind = pa.bool_() if column.kind == "boolean" else pa.float64()
            values = values.cast(kind)
            return _as_floats(values.cast(pa.float64()))
        except pa.ArrowInvalid:
            return self._parsed_one_by_one(_objects(values), column)

    def _parsed_one_by_one(self, texts: Array, column: ColumnInfo) -> Array:
        """Return numbers, NaN for what is none; slow, for pieces with spaces or bad values."""
        numbers = np.array([number_in(text) for text in texts], np.float64)
        bad = np.isnan(numbers) & np.array([text is not None for text in texts], bool)
        if bad.any():
            found = list(dict.fromkeys(texts[bad].tolist()))[:EXAMPLES]
            self._add(
                column, "text in a column of numbers", bad, tuple(repr(t[:40]) for t in found)
            )
        return numbers

    def _with_gaps(self, values: Any) -> Any:
        """Return text with nothing in the place of what means that it is missing."""
        pa, compute = _arrow()
        if not _is_text(values.type):
            return values
        if not pa.types.is_string(values.type):
            values = values.cast(pa.string())
        absent = compute.is_in(values, value_set=pa.array(self._missing))
        return compute.if_else(absent, pa.scalar(None, pa.string()), values)

    def _add(self, column: ColumnInfo, kind: str, where: Array, examples: tuple[str, ...]) -> None:
        self.findings.add(Finding.of_rows(column.name, kind, where, examples), self.rows)


def number_in(text: str | None) -> float:
    """Return the number that a text stands for; NaN where it stands for none.

    >>> number_in(" 2.5"), number_in("TRUE"), number_in("about 3")
    (2.5, 1.0, nan)
    """
    if text is None:
        return np.nan
    text = text.strip()
    truth = {"true": 1.0, "false": 0.0}.get(text.lower())
    if truth is not None:
        return truth
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", text, re.IGNORECASE):
        return float(text)
    return np.nan


def _nothing(column: ColumnInfo, count: int) -> Array:
    if column.kind == "category":
        return np.full(count, None, object)
    return np.full(count, np.nan)


def _objects(values: Any) -> Array:
    return np.array(values.to_pylist(), object) if len(values) else np.empty(0, object)


def _as_floats(values: Any) -> Array:
    numbers: Array = values.to_numpy(zero_copy_only=False)
    return np.array(numbers, np.float64)


def _is_text(kind: Any) -> bool:
    pa, _ = _arrow()
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _arrow() -> tuple[Any, Any]:
    purpose = "Reading a table"
    return require("pyarrow", "cli", purpose), require("pyarrow.compute", "cli", purpose)


# ---------------------------------------------------------------- what is odd


@dataclass
class Findings:
    """What is odd in all pieces so far; each column and kind once, with rows counted from 1."""

    found: dict[tuple[Any, str], Finding] = field(default_factory=dict)

    def add(self, finding: Finding, before: int) -> None:
        """Add what was found in a piece that comes behind so many rows."""
        if finding.kind == "unused column":
            return
        key = finding.column, finding.kind
        first = None if finding.first_row is None else finding.first_row + before + 1
        earlier = self.found.get(key)
        if earlier is None:
            self.found[key] = Finding(*key, finding.rows, first, finding.examples)
            return
        examples = earlier.examples
        if finding.kind in ("unknown category", "text in a column of numbers"):
            examples = tuple(dict.fromkeys((*examples, *finding.examples)))[:EXAMPLES]
        self.found[key] = Finding(*key, earlier.rows + finding.rows, earlier.first_row, examples)

    def __len__(self) -> int:
        return len(self.found)

    def lines(self) -> list[str]:
        """Return a line for each, for people; of very many, the first."""
        every = [str(finding) for finding in self.found.values()]
        more = [f"and {len(every) - 10} more like these"] if len(every) > 10 else []
        return every[:10] + more

    def as_list(self) -> list[dict[str, Any]]:
        """Return them as what JSON can say."""
        return [
            {"column": f.column, "kind": f.kind, "rows": f.rows, "first_row": f.first_row}
            | {"examples": list(f.examples)}
            for f in self.found.values()
        ]
