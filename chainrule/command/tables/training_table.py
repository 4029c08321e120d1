"""The table that `train` and `doctor` learn from, checked, as columns and a target.

A column that cannot teach anything is refused, not silently dropped: most often it is a sign that
the table is not what its owner believes. `--skip-unusable` drops it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import pyarrow as pa

from chainrule.command.tables.column_types import texts_with_nulls, typed_columns
from chainrule.command.tables.csv_format import CsvFormat
from chainrule.command.tables.reader import TableReader
from chainrule.command.tables.stray_rows import drop_stray_columns, drop_stray_rows
from chainrule.errors import InputError
from chainrule.parameter import Array
from chainrule.preparation.number_format import NumberFormat

MOST_COLUMNS = 10_000
"""More columns would be too much for the network and for what is kept about each of them."""

MOST_CATEGORIES = 100_000
FEWEST_ROWS = 10

SKIP = "give --skip-unusable to leave out everything that cannot be learned from"


@dataclass
class TrainingTable:
    """A table that can be learned from.

    Attributes
    ----------
    X : pandas.DataFrame
        The columns to learn from.
    target : pandas.Series
        The column to predict, without missing values.
    rows : ndarray
        The rows' numbers in the file, counted from 1 below the column names.
    csv_format : CsvFormat
        How the file is written.
    notes : list of str
        What was left out, and what was made of text.
    number_formats : dict of str to NumberFormat
        How the numbers of some columns, the target too, are written.
    """

    X: Any
    target: Any
    rows: Array
    csv_format: CsvFormat
    notes: list[str] = field(default_factory=list)
    number_formats: dict[str, NumberFormat] = field(default_factory=dict)


def read_training_table(
    path: str, options: Mapping[str, Any], *, keep_constant: bool = False
) -> TrainingTable:
    """Read and check the table in a file.

    Parameters
    ----------
    path : str
        The file, or ``-`` for standard input.
    options : dict
        The command's options: target, drop, categories, numbers, skip_unusable, and those of
        CsvFormat.
    keep_constant : bool
        Whether to keep columns that never change, for the doctor to report.

    Raises
    ------
    InputError
        The table cannot be learned from; the message says why.
    """
    target, skip = options["target"], options["skip_unusable"]
    csv_format = CsvFormat().updated(options)
    with TableReader(path, csv_format) as reader:
        _check_columns(reader, target, options["drop"], options["categories"], options["numbers"])
        table, label, unnamed = reader.read_all(), reader.label, reader.unnamed
    notes: list[str] = []
    table = table.drop_columns(list(options["drop"]))
    texts = texts_with_nulls(table, csv_format)
    texts, places = drop_stray_rows(texts, notes)
    texts = drop_stray_columns(texts, [n for n in unnamed if n in texts.column_names], label, notes)
    declared = options["categories"], options["numbers"]
    typed = typed_columns(table.take(places), texts, csv_format.decimal, *declared)
    notes += typed.notes
    frame = pa.table(typed.columns).to_pandas()
    frame.columns = [str(name) for name in frame.columns]
    if not len(frame):
        raise InputError(f"{label} has no rows below the column names.")
    if target in typed.doubts and options["task"] != "classification":
        raise InputError(f"{typed.doubts.pop(target)}")
    typed.doubts.pop(target, None)
    rows = places[frame[target].notna().to_numpy()] + 1
    frame = _rows_with_target(frame, target, places, skip, label, notes)
    X = frame.drop(columns=[target, *_doubtful(typed.doubts, skip, notes)])
    X = _usable_columns(X, skip, keep_constant, label, notes)
    if len(frame) < FEWEST_ROWS:
        raise InputError(
            f"{label} has {len(frame)} rows with a target; at least {FEWEST_ROWS} are needed, to "
            "train on some and evaluate on the others."
        )
    return TrainingTable(X, frame[target], rows, csv_format, notes, typed.formats)


def _check_columns(
    reader: TableReader,
    target: str,
    drop: Sequence[str],
    categories: Sequence[str],
    numbers: Sequence[str],
) -> None:
    """Check the column names before reading rows, of which there may be many."""
    for name in (target, *drop, *categories, *numbers):
        if name not in reader.names:
            title = " If that is a title, give --skip-rows 1." * (len(reader.names) == 1)
            raise InputError(
                f"{reader.label} has no column {name!r}; {suggest(name, reader.names)}.{title}"
            )
    for name in set(categories) & set(numbers):
        raise InputError(f"Column {name!r} cannot be both: give --categories or --numbers.")
    if target in drop:
        raise InputError(f"Column {target!r} is the target, so it cannot be dropped.")
    others = len(reader.names) - 1 - len(set(drop))
    if others < 1:
        raise InputError(
            f"{reader.label} has no column besides the target {target!r} to learn from. "
            "If its values have an unusual separator, give it with --separator."
        )
    if others > MOST_COLUMNS:
        raise InputError(
            f"{reader.label} has {others:,} columns to learn from; the limit is {MOST_COLUMNS:,}. "
            "Keep those that matter, or combine them first."
        )


def suggest(name: str, names: Sequence[str]) -> str:
    """Return the column that was probably meant, and the columns there are.

    >>> suggest("colr", ["size", "color"])
    "did you mean 'color'? The columns are 'size', 'color'"
    """
    close = get_close_matches(name, names, n=1)
    columns = ", ".join(repr(other) for other in names[:12]) + ", ..." * (len(names) > 12)
    return (
        f"did you mean {close[0]!r}? The columns are {columns}"
        if close
        else f"the columns are {columns}"
    )


def _rows_with_target(
    frame: Any, target: str, places: Array, skip: bool, label: str, notes: list[str]
) -> Any:
    missing = frame[target].isna()
    count = int(missing.sum())
    if count == len(frame):
        raise InputError(f"The target {target!r} is missing in every row of {label}.")
    if not count:
        return frame
    what = f"the target {target!r} is missing in {count:,} of {len(frame):,} rows"
    if not skip:
        first = int(places[missing.to_numpy()][0]) + 1
        raise InputError(f"In {label} {what}, first in row {first}: fill them in, or {SKIP}.")
    notes.append(f"{what}: left out")
    return frame[~missing].reset_index(drop=True)


def _doubtful(doubts: Mapping[str, str], skip: bool, notes: list[str]) -> list[str]:
    """Return the columns to leave out since they may mean two things, or refuse the first."""
    for doubt in doubts.values():
        if not skip:
            raise InputError(doubt)
        notes.append(f"{doubt.partition('. Say what')[0]}: left out")
    return list(doubts)


def _usable_columns(X: Any, skip: bool, keep_constant: bool, label: str, notes: list[str]) -> Any:
    unusable = {name: why for name in X.columns if (why := _why_unusable(X[name]))}
    if len(unusable) == X.shape[1]:
        name, why = next(iter(unusable.items()))
        others = f", and the {len(unusable) - 1:,} others are no better" * (len(unusable) > 1)
        raise InputError(f"{label} has no column to learn from: column {name!r} {why}{others}.")
    if keep_constant:
        unusable = {name: why for name, why in unusable.items() if X[name].nunique() > 1}
    if unusable and not skip:
        name, why = next(iter(unusable.items()))
        others = f" ({len(unusable) - 1:,} more are unusable too)" * (len(unusable) > 1)
        quoted = name if name.isidentifier() else f"'{name}'"
        raise InputError(
            f"Column {name!r} of {label} {why}{others}, so it cannot be learned from: leave it "
            f"out with --drop {quoted}, or {SKIP}."
        )
    notes += [f"column {name!r} {why}: left out" for name, why in unusable.items()]
    return X.drop(columns=list(unusable))


def _why_unusable(column: Any) -> str:
    """Return why a column cannot be learned from; empty if it can."""
    present = column.dropna()
    if not len(present):
        return "is missing in every row"
    try:
        distinct = present.nunique()
    except TypeError:  # lists and the like, which the preparation refuses with advice
        return ""
    if distinct == 1 and len(present) == len(column):
        return f"has the same value in every row, {str(present.iloc[0])[:40]!r}"
    is_text = present.dtype.kind not in "fiubMm"
    if is_text and distinct > MOST_CATEGORIES:
        return f"has {distinct:,} different texts, like a name or free text"
    return ""
