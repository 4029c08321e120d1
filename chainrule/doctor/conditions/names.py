"""Names: what the user calls the columns, the rows and the classes that a case has by places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.parameter import Array

Name = str | int

MOST_NAMED = 8
"""So many columns or rows are named in a sentence; a finding's `columns` and `rows` hold all."""


@dataclass(frozen=True)
class Names:
    """What things are called; where nothing is given, by their places from 0.

    Attributes
    ----------
    columns : tuple of str or int
        Of each column of X, the one of the user's table that it was made of: several may be of one.
    rows : ndarray of int or None
        The number of each sample.
    classes : tuple
        The label of each class.
    """

    columns: tuple[Name, ...] = ()
    rows: Array | None = None
    classes: tuple[object, ...] = ()

    def at(self, samples: Array) -> Names:
        """Return the names of some of the samples."""
        return replace(self, rows=samples if self.rows is None else self.rows[samples])

    def of_columns(self, places: Iterable[int]) -> tuple[Name, ...]:
        """Return what these columns are called, each name once."""
        return tuple(dict.fromkeys(self.columns[p] if self.columns else int(p) for p in places))

    def of_rows(self, places: Iterable[int]) -> tuple[int, ...]:
        """Return the numbers of these samples."""
        return tuple(int(p) if self.rows is None else int(self.rows[p]) for p in places)

    def of_class(self, place: int) -> str:
        """Return what a class is called, as it stands in a sentence."""
        return repr(self.classes[place]) if place < len(self.classes) else str(place)

    def places_of(self, columns: Sequence[Name]) -> tuple[int, ...]:
        """Return the columns of X that were made of these."""
        if not self.columns:
            return tuple(int(column) for column in columns)
        return tuple(place for place, name in enumerate(self.columns) if name in set(columns))

    def samples_of(self, rows: Sequence[int]) -> Array:
        """Return the places of the samples that have these numbers."""
        if self.rows is None:
            return np.array(rows, np.intp)
        return np.flatnonzero(np.isin(self.rows, rows))


def listed(names: Sequence[Name], most: int = MOST_NAMED) -> str:
    """Return names as they stand in a sentence: text in quotation marks.

    >>> listed((3, "size"))
    "3, 'size'"
    """
    return ", ".join(map(repr, names[:most])) + (" ..." if len(names) > most else "")


def without_columns(names: Sequence[Name], most: int = 20) -> str:
    """Return the code that leaves columns out: of a frame, or of an array."""
    few = list(names[:most])
    if any(isinstance(name, str) for name in few):
        return f"X = X.drop(columns={few})"
    return f"X = np.delete(X, {few[0] if len(names) == 1 else few}, axis=1)"
