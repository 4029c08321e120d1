"""Tables of every kind as columns: data frames, dicts of columns, arrays.

Data frames are recognised by what they can do; pandas and polars are never imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_array
from chainrule.errors import InputError
from chainrule.parameter import Array

Name = str | int
"""The name of a column."""

# ---------------------------------------------------------------- columns by name


def is_frame(X: Any) -> bool:
    """Whether this is a data frame: it has a shape, names of columns, and columns by name."""
    wanted = ("shape", "columns", "__getitem__")
    return all(hasattr(X, name) for name in wanted) and not isinstance(X, type)


def column_names(X: Any) -> list[Name] | None:
    """Return the names of a data frame's columns; None for an array or anything else."""
    return _checked_names(X.columns) if is_frame(X) else None


def _checked_names(names: Any) -> list[Name]:
    names = list(names)
    for name in names:
        if not isinstance(name, str | int | np.integer) or isinstance(name, bool):
            raise InputError(
                f"The names of columns must be text or whole numbers, got {name!r:.60}. Rename "
                "them first, for pandas: frame.columns = [str(name) for name in frame.columns]."
            )
    names = [str(name) if isinstance(name, str) else int(name) for name in names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"Several columns have the name {twice!r}; give each its own.")
    return names


def check_columns(names: Sequence[Name], wanted: Sequence[Name]) -> None:
    """Raise InputError unless every wanted column is among `names`."""
    available = set(names)
    missing = [name for name in wanted if name not in available]
    if missing:
        shown = ", ".join(map(repr, missing[:10]))
        if len(missing) > 10:
            shown += f" and {len(missing) - 10} more"
        subject = f"column {shown} is" if len(missing) == 1 else f"columns {shown} are"
        raise InputError(f"The {subject} missing; there are {list(names)!r:.300}.")


def in_order(X: Any, wanted: Sequence[Name] | None) -> Any:
    """Return a data frame with its columns in this order; anything without names unchanged."""
    names = column_names(X)
    if names is None or wanted is None or names == list(wanted):
        return X
    check_columns(names, wanted)
    return X[list(wanted)]


# ---------------------------------------------------------------- any table


@dataclass(frozen=True)
class Table:
    """A table whose columns are read one at a time.

    `names` is None if the columns have none; a column is then read by its number.
    """

    names: list[Name] | None
    rows: int
    columns: int
    column: Callable[[Any], Any]


def as_table(X: Any) -> Table:
    """Return a data frame, a dict of columns, a structured array or a 2-D array as a table."""
    if is_frame(X):
        names = _checked_names(X.columns)
        return Table(names, int(X.shape[0]), len(names), X.__getitem__)
    if isinstance(X, Mapping):
        return _table_of_dict(X)
    masked = isinstance(X, np.ma.MaskedArray)
    array = X if masked else check_array("X", X)
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
        array = np.array(X, object)  # NumPy made text of the numbers beside the text
    if array.dtype.names is not None and array.ndim == 1:
        names = _checked_names(array.dtype.names)
        return Table(names, len(array), len(names), array.__getitem__)
    if array.ndim != 2:
        raise InputError(
            "Expected a table (a data frame, a dict of columns or an array of rows and columns), "
            f"got {type(X).__name__}"
            + (f" of the shape {array.shape}." if array.ndim else ".")
            + (" A lazy frame is collected first: frame.collect()." * hasattr(X, "collect"))
        )
    return Table(None, array.shape[0], array.shape[1], lambda number: array[:, number])


def _table_of_dict(X: Mapping[Any, Any]) -> Table:
    names = _checked_names(X)
    lengths = {}
    for name, column in X.items():
        if not hasattr(column, "__len__") or isinstance(column, str):
            raise InputError(f"Column {name!r} must be an array or a list, got {column!r:.60}.")
        lengths[name] = len(column)
    if len(set(lengths.values())) > 1:
        raise InputError(f"The columns differ in length: {lengths!r:.300}.")
    return Table(names, next(iter(lengths.values()), 0), len(names), X.__getitem__)


def is_categorical(column: Any) -> bool:
    """Whether a data frame's column declares its values to be categories."""
    return str(getattr(column, "dtype", "")).startswith(("category", "Categorical", "Enum"))


def values_of(column: Any, name: Name) -> Array:
    """Return a column as an array (N,) of numbers, text, dates or Python objects."""
    if isinstance(column, list | tuple):  # asarray would turn numbers beside a text into text
        return np.fromiter(column, object, len(column))
    if isinstance(column, np.ma.MaskedArray):
        values = np.array(column.data, object)
        values[np.ma.getmaskarray(column)] = None  # a masked value is missing
        return values
    array = check_array(f"column {name!r}", column)
    if array.dtype.kind == "f" and "int" in str(getattr(column, "dtype", "")).lower():
        with np.errstate(invalid="ignore"):
            if (np.abs(array) >= 2**53).any():  # whole numbers with gaps keep all their digits
                return np.fromiter(column, object, len(column))
    if array.ndim != 1:
        raise InputError(f"Column {name!r} holds several values in a row; make a column of each.")
    return array
