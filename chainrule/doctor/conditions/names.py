"""Names: what the user calls the columns, rows and classes that an array has by position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.parameter import Array

Name = str | int

MOST_NAMED = 8
"""At most so many columns or rows are named in a sentence; a finding's `columns` and `rows` hold
all of them."""


@dataclass(frozen=True)
class Names:
    """What columns, rows and classes are called; positions from 0 where no names are given.

    Attributes
    ----------
    columns : tuple of str or int
        For each column of X, the column of the user's table that it was made from. Several may
        come from the same one.
    rows : ndarray of int or None
        The number of each sample.
    classes : tuple
        The label of each class.
    """

    columns: tuple[Name, ...] = ()
    rows: Array | None = None
    classes: tuple[object, ...] = ()

    def at(self, samples: Array) -> Names:
        """Return the names for some of the samples."""
        return replace(self, rows=samples if self.rows is None else self.rows[samples])

    def of_columns(self, positions: Iterable[int]) -> tuple[Name, ...]:
        """Return the names of these columns, each name once."""
        return tuple(dict.fromkeys(self.columns[p] if self.columns else int(p) for p in positions))

    def of_rows(self, positions: Iterable[int]) -> tuple[int, ...]:
        """Return the numbers of these samples."""
        return tuple(int(p) if self.rows is None else int(self.rows[p]) for p in positions)

    def of_class(self, index: int) -> str:
        """Return a class's label, for use in a sentence."""
        return repr(self.classes[index]) if index < len(self.classes) else str(index)

    def column_positions(self, columns: Sequence[Name]) -> tuple[int, ...]:
        """Return the columns of X that were made from these."""
        if not self.columns:
            return tuple(int(column) for column in columns)
        return tuple(p for p, name in enumerate(self.columns) if name in set(columns))

    def row_positions(self, rows: Sequence[int]) -> Array:
        """Return the positions of the samples that have these numbers."""
        if self.rows is None:
            return np.array(rows, np.intp)
        return np.flatnonzero(np.isin(self.rows, rows))


def listed(names: Sequence[Name], most: int = MOST_NAMED) -> str:
    """Return names as a comma-separated list, with text in quotation marks.

    >>> listed((3, "size"))
    "3, 'size'"
    """
    return ", ".join(map(repr, names[:most])) + (" ..." if len(names) > most else "")


def counted(number: int, what: str, plural: str = "") -> str:
    """Return a number with its noun in the singular or plural.

    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {what if number == 1 else plural or what + 's'}"
