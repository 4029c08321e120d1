"""What the columns of a file of separated values hold: read as text, then as what fits all cells.

Numbers are recognised in many spellings (`chainrule.preparation.number_format`); what was made of
them is noted, and what is doubtful is refused with the option that decides it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from chainrule.command.tables.csv_format import CsvFormat
from chainrule.errors import InputError
from chainrule.preparation.number_format import NumberFormat, find_format
from chainrule.preparation.values import SHOWN, note_on_numbers, note_on_spaces

PLAIN_TYPES = (pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("ns"))
"""What a column of text is tried to be read as, in this order."""

FIRST = 1000
"""So many cells are tried first."""


@dataclass
class TypedColumns:
    """The columns of a table, each of one type.

    Attributes
    ----------
    columns : dict of str to pyarrow array
        By name.
    formats : dict of str to NumberFormat
        How numbers were written that are not written as programs write them.
    notes : list of str
        What was made of text.
    doubts : dict of str to str
        Why a column could not be read: it may mean two things.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    formats: dict[str, NumberFormat] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: dict[str, str] = field(default_factory=dict)


def texts_with_nulls(table: pa.Table, csv_format: CsvFormat) -> pa.Table:
    """Return a table whose text has no spaces around it and null for missing values."""
    columns = [
        with_nulls(column, csv_format) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, names=table.column_names)


def typed_columns(
    raw: pa.Table,
    table: pa.Table,
    decimal: str | None,
    categories: Sequence[str],
    numbers: Sequence[str],
) -> TypedColumns:
    """Return the columns of a table of text with their types.

    Parameters
    ----------
    raw : pyarrow.Table
        The table as it was read.
    table : pyarrow.Table
        What `texts_with_nulls` made of it. Columns of other types stay as they are.
    decimal : {".", ","} or None
        The decimal point, if it was given.
    categories, numbers : sequence of str
        Columns that were declared to hold categories, or numbers.
    """
    typed = TypedColumns()
    for name in table.column_names:
        values = table.column(name)
        if pa.types.is_string(values.type) and name not in categories:
            values = _typed(values, name, decimal, name in numbers, typed)
        if pa.types.is_string(values.type):
            before = raw.column(name)
            distinct = [text for text in before.unique().to_pylist() if text]
            typed.notes += note_on_spaces(np.array(distinct, object), name)
            typed.notes += _note_on_words(before.filter(values.is_null()), name)
        typed.columns[name] = values
    return typed


def _note_on_words(absent: Any, name: str) -> list[str]:
    """Return what to say of words, such as "NA", that were taken for missing values."""
    words = Counter(text.strip() for text in absent.to_pylist() if text and text.strip())
    shown = ", ".join(f"{word!r} ({count:,})" for word, count in words.most_common(SHOWN))
    if not words:
        return []
    return [f"column {name!r}: {shown} taken for missing values; --keep-na keeps them as text"]


def _typed(values: Any, name: str, decimal: str | None, declared: bool, typed: TypedColumns) -> Any:
    """Return a column of text as what it holds; note what is worth knowing."""
    for kind in PLAIN_TYPES:
        if kind != pa.float64() or decimal != ",":
            with contextlib.suppress(pa.ArrowInvalid):
                values[:FIRST].cast(kind)  # it soon fails
                plain = values.cast(kind)
                if kind != pa.int64() or not _has_leading_zeros(values):
                    return plain
                break
    texts = np.array(values.to_pylist(), object)
    advice = (
        f"Say what it is: --numbers '{name}', with --decimal '.' or ',' where that is in doubt; "
        f"--categories '{name}'; --missing TEXT for text that means a missing value; or leave it "
        f"out with --drop '{name}'."
    )
    try:
        counts = Counter(text for text in texts.tolist() if text is not None)
        form = find_format(counts, name, decimal=decimal, declared=declared, advice=advice)
    except InputError as doubt:
        typed.doubts[name] = str(doubt)
        return values
    if form is None:
        return values
    typed.formats[name] = form
    typed.notes += note_on_numbers(texts, name, form)
    read = {text: form.read(text) for text in counts}
    found = [None if text is None else read[text] for text in texts.tolist()]
    array = pa.array(found, pa.float64(), from_pandas=True)  # NaN is missing
    whole = compute.all(compute.equal(array, compute.floor(array))).as_py()
    small = np.nanmax(np.abs(np.array(array.to_numpy(zero_copy_only=False)))) < 2**53
    return array.cast(pa.int64()) if whole and small and not form.unit else array


def _has_leading_zeros(values: Any) -> bool:
    return bool(compute.any(compute.match_substring_regex(values, "^[+-]?0[0-9]")).as_py())


def with_nulls(values: Any, csv_format: CsvFormat) -> Any:
    """Return text without spaces around it, and null for text that means a missing value."""
    values = compute.utf8_trim_whitespace(values.cast(pa.string()))
    missing = compute.is_in(values, value_set=pa.array(csv_format.missing_values))
    return compute.if_else(missing, pa.scalar(None, pa.string()), values)
