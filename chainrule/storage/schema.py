"""Schemas: a description out of a file is looked at as a whole before any of it is used.

A checksum tells that a file is what somebody wrote, not that chainrule wrote it. A schema is a
function of a value and of the place where it stands; it raises FileFormatError, which names the
place, where the value is not of its kind. Larger ones are made of smaller ones::

    CHECKPOINT = record(epoch=whole(), callbacks=list_of(record(name=text)))
    CHECKPOINT(description, "last.npz")
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

from chainrule.checks import is_finite_number, is_whole
from chainrule.errors import FileFormatError

Schema = Callable[[Any, str], None]

LARGEST_WHOLE = 2**53
"""Whole numbers in a description count something: beyond this they are none that was counted."""

LONGEST = 60
"""Characters of a value that are told in a message."""


def refuse(where: str, expected: str, value: Any) -> NoReturn:
    """Raise FileFormatError: this value is not what was expected at this place."""
    raise FileFormatError(f"{where} should be {expected}, got {shortly(value)}.")


def shortly(value: Any) -> str:
    """Return a value in words of a bounded length, whatever it is."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        return "a huge number"
    told = repr(value)
    return told if len(told) <= LONGEST else told[:LONGEST] + " ..."


# ---------------------------------------------------------------- single values


def anything(value: Any, where: str) -> None:
    """Take whatever JSON can say."""


def text(value: Any, where: str) -> None:
    """Take text."""
    if not isinstance(value, str):
        refuse(where, "text", value)


def truth(value: Any, where: str) -> None:
    """Take true or false."""
    if not isinstance(value, bool):
        refuse(where, "true or false", value)


def whole(least: int = 0, most: int = LARGEST_WHOLE) -> Schema:
    """Take whole numbers within these bounds."""

    def schema(value: Any, where: str) -> None:
        if not is_whole(value) or not least <= value <= most:
            refuse(where, f"a whole number from {least} to {most}", value)

    return schema


def number(least: float = -math.inf, infinite: bool = False) -> Schema:
    """Take numbers of at least `least`; never NaN, and infinity only where that is said."""

    def schema(value: Any, where: str) -> None:
        fits = is_finite_number(value) or (infinite and _is_infinite(value))
        if not fits or value < least:
            bound = f" of at least {least:g}" if least > -math.inf else ""
            refuse(where, ("a number" if infinite else "a finite number") + bound, value)

    return schema


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and math.isinf(value)


def optional(schema: Schema) -> Schema:
    """Take null, or what `schema` takes."""

    def either(value: Any, where: str) -> None:
        if value is not None:
            schema(value, where)

    return either


# ---------------------------------------------------------------- made of several


def list_of(item: Schema) -> Schema:
    """Take a list with any number of such items."""

    def schema(value: Any, where: str) -> None:
        if not isinstance(value, list):
            refuse(where, "a list", value)
        for place, entry in enumerate(value):
            item(entry, f"{where}[{place}]")

    return schema


def dict_of(item: Schema) -> Schema:
    """Take a dict of any names, with such an item for each."""

    def schema(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(where, "a dict", value)
        for name, entry in value.items():
            item(entry, f"{where}: {shortly(name)}")

    return schema


def record(**fields: Schema) -> Schema:
    """Take a dict with exactly these names."""

    def schema(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(where, f"a dict of {sorted(fields)}", value)
        missing, unknown = sorted(set(fields) - set(value)), sorted(set(value) - set(fields))
        if missing or unknown:
            raise FileFormatError(
                f"{where} should hold {sorted(fields)}; {missing} is missing and {unknown[:5]} is "
                "unknown."
            )
        for name, field in fields.items():
            field(value[name], f"{where}: {name}")

    return schema


# ---------------------------------------------------------------- arrays


KINDS = {"f": "floating-point numbers", "iu": "whole numbers", "fiu": "numbers"}


def array(kinds: str, axes: int) -> Schema:
    """Take arrays of these NumPy kinds (one of `KINDS`) with so many axes."""

    def schema(value: Any, where: str) -> None:
        if value is None:
            raise FileFormatError(f"{where} is missing.")
        if value.dtype.kind not in kinds or value.ndim != axes:
            raise FileFormatError(
                f"{where} should be an array of {KINDS[kinds]} with {axes} axes, got {value.dtype} "
                f"of shape {value.shape}."
            )

    return schema
