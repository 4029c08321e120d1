"""Rows and columns of a file that belong to its layout, not to its table: found and left out.

Spreadsheets and other programs repeat the column names, leave rows and columns empty, add a row of
totals, and save the numbers of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from chainrule.errors import InputError
from chainrule.parameter import Array

TOTALS = ("total", "totals", "grand total", "sum", "summe", "gesamt", "subtotal", "average")
ROW_NUMBERS = ("", "rownames", "row.names", "row_names", "unnamed: 0", "...1", "index", "row", "x")
"""What columns of saved row numbers are called, in lower case."""


def drop_stray_rows(table: pa.Table, notes: list[str]) -> tuple[pa.Table, Array]:
    """Return a table of text without stray rows, and the places of the rows that are left.

    Parameters
    ----------
    table : pyarrow.Table
        Text, with null for missing values.
    notes : list of str
        Where to say what was left out.
    """
    names = table.column_names
    if not all(pa.types.is_string(column.type) for column in table.columns):  # not from text
        return table, np.arange(table.num_rows)
    header = _where(compute.and_, [compute.equal(table.column(name), name) for name in names])
    empty = _where(compute.and_, [table.column(name).is_null() for name in names])
    stray = {"repeats the column names": header}
    if len(names) > 1 and not empty.all():  # in a single column an empty line is a missing value
        stray["is empty"] = empty
    if row := _total(table):
        stray[f"is a total ({row[1]!r})"] = np.arange(table.num_rows) == row[0]
    keep = np.ones(table.num_rows, bool)
    for what, rows in stray.items():
        if rows.any():
            first, count = int(rows.argmax()) + 1, int(rows.sum())
            others = f", and {count - 1:,} more like it" if count > 1 else ""
            notes.append(f"row {first} {what}{others}: left out")
        keep &= ~rows
    places = np.flatnonzero(keep)
    return (table if keep.all() else table.take(places)), places


def _where(combine: Any, masks: Sequence[Any]) -> Array:
    mask = compute.fill_null(reduce(combine, masks), False)
    return np.asarray(mask.to_numpy(zero_copy_only=False), bool)


def _total(table: pa.Table) -> tuple[int, str] | None:
    """Return the last row's place and its word, if the row says that it is a total."""
    last = table.num_rows - 1
    for name in table.column_names if last > 0 else ():
        word = table.column(name)[last].as_py()
        if word is None or word.lower().rstrip(":") not in TOTALS:
            continue
        if compute.sum(compute.equal(table.column(name), word)).as_py() == 1:
            return last, word
    return None


def drop_stray_columns(
    table: pa.Table, unnamed: Sequence[str], label: str, notes: list[str]
) -> Any:
    """Return a table without columns that have no name, and without saved row numbers.

    Raises
    ------
    InputError
        A column without a name, which is not the first, holds something.
    """
    for name in unnamed:
        column = table.column(name)
        if column.null_count < len(column):
            raise InputError(f"{name.capitalize()} of {label} has no name in the first line.")
        notes.append(f"{name} has no name and is empty: left out")
        table = table.drop_columns([name])
    for name in table.column_names:
        if name.lower() in ROW_NUMBERS and (not name or _counts(table.column(name), name)):
            said = f"column {name!r} holds row numbers" if name else "the first column has no name"
            notes.append(f"{said}{'' if name else ', as saved row numbers have none'}: left out")
            table = table.drop_columns([name])
    return table


def _counts(column: Any, name: str) -> bool:
    """Return whether a column holds 1, 2, 3 ... or 0, 1, 2 ..., or names of rows."""
    try:
        numbers = np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        distinct = compute.count_distinct(column).as_py()
        return name.lower().startswith("row") and distinct == len(column)
    first = numbers[0] if len(numbers) else 0
    return first in (0, 1) and bool((numbers == first + np.arange(len(numbers))).all())
