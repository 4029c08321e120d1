"""What the single values of a column are: missing, numbers, categories, or refused."""

from __future__ import annotations

import datetime
import decimal
import math
from collections import Counter
from typing import Any

import numpy as np

from chainrule.errors import InputError
from chainrule.parameter import Array
from chainrule.preparation.frames import Name
from chainrule.preparation.number_format import NumberFormat
from chainrule.preparation.row_numbers import row_number

MISSING_TYPES = ("NoneType", "NAType", "NaTType")
"""By name, since pandas, which has the last two, is not imported."""

SHOWN = 5
"""How many of the texts that were taken for missing values a note names."""

NUMBER_TYPES = (bool, int, float, decimal.Decimal, np.number, np.bool_)
DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def is_missing_type(kind: type) -> bool:
    """Whether a value of this type says that the value is missing."""
    return kind.__name__ in MISSING_TYPES


def is_number_type(kind: type) -> bool:
    """Whether values of this type are numbers that a float can hold, or booleans."""
    return issubclass(kind, NUMBER_TYPES) and not issubclass(kind, np.complexfloating)


def holds_numbers(array: Array, name: Name) -> bool:
    """Return True if a column holds numbers, False for categories; refuse anything else."""
    if array.dtype.kind in "fiub":
        return True
    if array.dtype.kind in "US":
        return False
    if array.dtype.kind in "Mm":
        raise InputError(_advice_on_dates(name))
    if array.dtype.kind != "O":
        raise InputError(f"Column {name!r} holds {array.dtype}; numbers and categories are taken.")
    types = {kind for kind in set(map(type, array.tolist())) if not is_missing_type(kind)}
    for kind in types:
        if issubclass(kind, DATES) or kind.__name__ == "Period":
            raise InputError(_advice_on_dates(name))
        if not (issubclass(kind, str | bytes) or is_number_type(kind)):
            raise InputError(
                f"Column {name!r} holds values of the type {kind.__name__}; numbers, text and "
                "truth values are taken. Turn it into columns of numbers or text first."
            )
    return all(map(is_number_type, types))


def _advice_on_dates(name: Name) -> str:
    return (
        f"Column {name!r} holds dates or times, which are not numbers to learn from. Leave it "
        "out, or make columns of what matters in it: the year, the month, the day of the week, the "
        "hour, or the days since an event."
    )


def texts_in(array: Array) -> list[str]:
    """Return the values of a column that are text."""
    if array.dtype.kind not in "OUS":
        return []
    return [_as_text(value) for value in array.tolist() if isinstance(value, str | bytes)]


def _as_text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def note_on_numbers(array: Array, name: Name, form: NumberFormat) -> list[str]:
    """Return what a user will want to know about a column of numbers that are written as text."""
    counts = Counter(text.strip() for text in texts_in(array))
    gaps = Counter(
        {text: n for text, n in counts.items() if n and math.isnan(form.read(text) or 0)}
    )
    form_ = form.describe()
    note = f"column {name!r} holds numbers as text" + f", with {form_}" * bool(form_)
    if gaps:
        most = gaps.most_common(SHOWN)
        shown = ", ".join(f"{text[:20]!r} ({count})" for text, count in most)
        cells = "1 cell is" if gaps.total() == 1 else f"{gaps.total():,} cells are"
        note += f"; {cells} taken for missing values: {shown}" + ", ..." * (len(gaps) > len(most))
    return [note]


def note_on_spaces(array: Array, name: Name) -> list[str]:
    """Return what a user will want to know about spaces around the categories of a column."""
    texts = set(texts_in(array))
    same = sorted(text for text in texts if text != text.strip() and text.strip() in texts)
    notes = []
    if any(same):
        notes.append(f"column {name!r}: {same[-1]!r} is taken for {same[-1].strip()!r}")
    if any(not text.strip() for text in texts):
        notes.append(f"column {name!r}: blank cells are taken for missing values")
    return notes


def numbers_in(array: Array, name: Name, form: NumberFormat | None = None) -> Array:
    """Return a column's numbers in float64, NaN for missing values; refuse anything else.

    Text is read by its format, if the training rows held numbers as text.
    """
    if array.dtype.kind in "fiub":
        numbers = array.astype(np.float64)
    elif array.dtype.kind in "Mm":
        raise InputError(_advice_on_dates(name))
    else:
        values = array.tolist()
        numbers = _from_objects(values if form is None else _read_texts(values, name, form), name)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise InputError(
            f"Column {name!r} holds infinity, or a number too large for float64, in row "
            f"{row_number(int(infinite.argmax()))}. A missing value is written as NaN or None."
        )
    return numbers


def _read_texts(values: list[Any], name: Name, form: NumberFormat) -> list[Any]:
    """Return the values with a number, or NaN, in the place of each text."""
    values = [_as_text(value) if isinstance(value, bytes) else value for value in values]
    texts = {value for value in values if isinstance(value, str)}
    numbers = {text: form.read(text) for text in texts}  # each distinct text once
    wrong = {text for text, number in numbers.items() if number is None}
    if wrong:
        row, text = next((row, text) for row, text in enumerate(values) if text in wrong)
        written = form.describe()
        raise InputError(
            f"Column {name!r} holds the text {text[:40]!r} in row {row_number(row)}, which is no "
            f"number as the column writes them{f', with {written}' * bool(written)}. Correct it, "
            "or write a missing value as NaN or None."
        )
    return [numbers[value] if isinstance(value, str) else value for value in values]


def _from_objects(values: list[Any], name: Name) -> Array:
    types = set(map(type, values))
    absent = {kind for kind in types if is_missing_type(kind)}
    wrong = {kind for kind in types - absent if not is_number_type(kind)}
    if wrong:
        row, value = next(pair for pair in enumerate(values) if type(pair[1]) in wrong)
        text = isinstance(value, str | bytes)
        shown = f"the text {str(value)[:40]!r}" if text else f"{value!r:.60}"
        raise InputError(
            f"Column {name!r} held numbers in the rows it was fitted on; now it holds {shown} "
            f"in row {row_number(row)}. Turn it into numbers, and write missing values as NaN or "
            "None."
        )
    if absent:
        values = [math.nan if type(value) in absent else value for value in values]
    try:
        return np.array(values, np.float64)
    except OverflowError:  # an integer that no float can hold
        return np.array([_as_float(value) for value in values])


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def category_of(value: Any) -> str | None:
    """Return a category as text, the same for 3, 3.0 and "3"; None for a missing value."""
    if isinstance(value, str):
        return value.strip() or None  # "No " is "No", and blank is missing
    if is_missing_type(type(value)):
        return None
    if isinstance(value, bytes):
        return category_of(value.decode("utf-8", "replace"))
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, NUMBER_TYPES):
        number = _as_float(value)
        if math.isnan(number):
            return None
        whole = isinstance(value, int | np.integer) or (number.is_integer() and abs(number) < 2**63)
        return str(int(value)) if whole else repr(number)
    return str(value)
