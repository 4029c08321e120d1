"""Schemas: a description from a file is checked as a whole before any of it is used.

A schema is a function ``schema(value, where)`` that raises FileFormatError, which names the place
`where`, unless the value is of its kind. Larger ones are made of smaller ones::

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
"""Integers in a description are counts: none is larger than this."""

LONGEST = 60
"""Characters of a value that a message shows."""


def refuse(where: str, expected: str, value: Any) -> NoReturn:
    """Raise FileFormatError: this is not what was expected here."""
    raise FileFormatError(f"{where} should be {expected}, got {shortly(value)}.")


def shortly(value: Any) -> str:
    """Return a description of any value, of limited length."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        return "a huge number"
    shown = repr(value)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + " ..."


# ---------------------------------------------------------------- single values


def kind(expected: str, fits: Callable[[Any], bool]) -> Schema:
    """Return a schema that accepts the values that fit; `expected` describes them."""

    def schema(value: Any, where: str) -> None:
        if not fits(value):
            refuse(where, expected, value)

    return schema


def anything(value: Any, where: str) -> None:
    """Accept whatever JSON can represent."""


text = kind("text", lambda value: isinstance(value, str))
boolean = kind("true or false", lambda value: isinstance(value, bool))


def whole(least: int = 0, most: int = LARGEST_WHOLE) -> Schema:
    """Accept integers within these bounds."""
    return kind(
        f"a whole number from {least} to {most}",
        lambda value: is_whole(value) and least <= value <= most,
    )


def number(least: float = -math.inf, infinite: bool = False) -> Schema:
    """Accept numbers of at least `least`; never NaN, and infinity only where `infinite` is true."""
    bound = f" of at least {least:g}" if least > -math.inf else ""

    def fits(value: Any) -> bool:
        is_infinite = infinite and isinstance(value, float) and math.isinf(value)
        return (is_finite_number(value) or is_infinite) and value >= least

    return kind(("a number" if infinite else "a finite number") + bound, fits)


def optional(schema: Schema) -> Schema:
    """Accept null, and what `schema` accepts."""

    def either(value: Any, where: str) -> None:
        if value is not None:
            schema(value, where)

    return either


# ---------------------------------------------------------------- several values


def list_of(item: Schema) -> Schema:
    """Accept lists of any number of such items."""

    def schema(value: Any, where: str) -> None:
        if not isinstance(value, list):
            refuse(where, "a list", value)
        for place, entry in enumerate(value):
            item(entry, f"{where}[{place}]")

    return schema


def one_or_several(item: Schema) -> Schema:
    """Accept such an item, or a list of them."""

    def schema(value: Any, where: str) -> None:
        (list_of(item) if isinstance(value, list) else item)(value, where)

    return schema


def dict_of(item: Schema) -> Schema:
    """Accept dicts with any names and such an item for each."""

    def schema(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(where, "a dict", value)
        for name, entry in value.items():
            item(entry, f"{where}: {name!r:.60}")

    return schema


def record(**fields: Schema) -> Schema:
    """Accept dicts with exactly these names."""

    def schema(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(where, f"a dict of {sorted(fields)}", value)
        missing, unknown = sorted(set(fields) - set(value)), sorted(set(value) - set(fields))
        if missing or unknown:
            raise FileFormatError(
                f"{where} should hold {sorted(fields)}; {missing} is missing and "
                f"{unknown[:5]!r:.200} is unknown."
            )
        for name, field in fields.items():
            field(value[name], f"{where}: {name}")

    return schema


# ---------------------------------------------------------------- arrays


KINDS = {"f": "floating-point numbers", "iu": "whole numbers", "fiu": "numbers"}


def array(kinds: str, axes: int) -> Schema:
    """Accept arrays of these NumPy kinds (one of `KINDS`) with this many axes."""

    def schema(value: Any, where: str) -> None:
        if value is None:
            raise FileFormatError(f"{where} is missing.")
        if value.dtype.kind not in kinds or value.ndim != axes:
            raise FileFormatError(
                f"{where} should be an array of {KINDS[kinds]} with {axes} axes, got {value.dtype} "
                f"of shape {value.shape}."
            )

    return schema
