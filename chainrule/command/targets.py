"""The target's column of a piece, as numbers of classes or as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.command.rows import number_in
from chainrule.command.schema import Schema
from chainrule.command.tables import Format
from chainrule.errors import InputError
from chainrule.parameter import Array


def known_targets(
    values: Any, schema: Schema, form: Format, before: int, unknown: dict[str, int]
) -> Array:
    """Return the true values of some rows, (rows,): numbers of classes, -1 for an unknown one.

    Parameters
    ----------
    values : pyarrow.Array
        The target's column: text from a file of separated values, otherwise of any type.
    before : int
        How many rows came before these.
    unknown : dict of str to int
        To which rows of unknown classes are added.

    Raises
    ------
    InputError
        A value is missing, or is no number where one is predicted.
    """
    plain = [None if _absent(value, form) else value for value in values.to_pylist()]
    if None in plain:
        raise InputError(
            f"The target {schema.target!r} is missing in row {before + plain.index(None) + 1}; a "
            "row can only be measured where it is known."
        )
    if schema.task == "classification":
        return _classes(plain, schema, unknown)
    return np.array([_number(v, schema, form, before + row) for row, v in enumerate(plain, 1)])


def _absent(value: Any, form: Format) -> bool:
    if isinstance(value, str):
        return value in form.missing_texts
    return value is None or value != value  # NaN


def _classes(values: list[Any], schema: Schema, unknown: dict[str, int]) -> Array:
    places: dict[str, int] = {label_text(label): n for n, label in enumerate(schema.classes)}
    numbers = not any(isinstance(label, str) for label in schema.classes)
    found = np.empty(len(values), np.intp)
    for row, value in enumerate(values):
        text = label_text(value)
        if numbers and text not in places and isinstance(value, str):
            number = number_in(value)
            truths = isinstance(schema.classes[0], bool)
            text = label_text(bool(number) if truths and number in (0, 1) else number)
        found[row] = places.get(text, -1)
        if found[row] < 0:
            unknown[str(value)[:60]] = unknown.get(str(value)[:60], 0) + 1
    return found


def label_text(label: Any) -> str:
    """Return a label as text, the same for 3 and 3.0."""
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def _number(value: Any, schema: Schema, form: Format, row: int) -> float:
    if isinstance(value, str):
        value = number_in(value.replace(",", ".") if form.decimal == "," else value)
    number = float(value)
    if not np.isfinite(number):
        raise InputError(f"The target {schema.target!r} holds no number in row {row}.")
    return number
