"""What messages call rows: their numbers in the table that the user gave, not in a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chainrule.parameter import Array

_numbers: ContextVar[Array | None] = ContextVar("row numbers", default=None)


@contextmanager
def row_numbers(numbers: Array | None) -> Iterator[None]:
    """Call rows by these numbers within the block; by their place if None."""
    token = _numbers.set(numbers)
    try:
        yield
    finally:
        _numbers.reset(token)


def row_number(place: int) -> int:
    """Return what the row at this place is called."""
    numbers = _numbers.get()
    return int(place if numbers is None else numbers[place])
