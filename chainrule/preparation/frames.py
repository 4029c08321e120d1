"""Data frames, recognised by what they can do: pandas and polars are never imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.errors import InputError


def is_frame(X: Any) -> bool:
    """Whether this is a data frame: it has a shape, names of columns, and columns by name."""
    return (
        hasattr(X, "shape")
        and hasattr(X, "columns")
        and hasattr(X, "__getitem__")
        and not isinstance(X, type)
    )


def column_names(X: Any) -> list[Any] | None:
    """Return a data frame's names of columns; None for what has none, such as an array."""
    if not is_frame(X):
        return None
    names = list(X.columns)
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"Several columns have the name {twice[0]!r}; give each its own.")
    for name in names:
        if not isinstance(name, str | int) or isinstance(name, bool):
            raise InputError(
                f"The names of columns must be text or whole numbers, got {name!r}. Rename them "
                "first: frame.columns = [str(name) for name in frame.columns]."
            )
    return names


def check_columns(names: Sequence[Any], wanted: Sequence[Any]) -> None:
    """Raise InputError unless every column that is wanted is there."""
    there = set(names)
    missing = [name for name in wanted if name not in there]
    if missing:
        told = ", ".join(repr(name) for name in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise InputError(
            f"The column{'s' * (len(missing) > 1)} {told}{more} "
            f"{'are' if len(missing) > 1 else 'is'} missing; there are {list(names)!r:.300}."
        )


def in_order(X: Any, wanted: Sequence[Any] | None) -> Any:
    """Return a data frame's columns in this order; what has no names is returned as it is."""
    names = column_names(X)
    if names is None or wanted is None or names == list(wanted):
        return X
    check_columns(names, wanted)
    return X[list(wanted)]
