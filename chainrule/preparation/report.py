"""What is unusual in new rows, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.parameter import Array
from chainrule.preparation.frames import Name
from chainrule.preparation.row_numbers import row_number


@dataclass(frozen=True)
class ColumnIssue:
    """Something in one column that the training rows did not have.

    Attributes
    ----------
    column : str or int
        The column's name, or its number where columns have no names.
    kind : str
        ``"unknown category"``, ``"missing value"`` (in a column that had none in training),
        ``"far outside the training range"`` (by more than the range's own length) or ``"unused
        column"``.
    rows : int
        The number of rows; 0 for an unused column.
    first_row : int or None
        The first of them.
    examples : tuple of str
        Some of the values.
    """

    column: Name
    kind: str
    rows: int = 0
    first_row: int | None = None
    examples: tuple[str, ...] = ()

    @classmethod
    def of_rows(
        cls, column: Name, kind: str, where: Array, examples: tuple[str, ...] = ()
    ) -> ColumnIssue:
        """Return an issue with the rows in which `where`, an array of booleans, is true."""
        first_row = row_number(int(where.argmax()))
        return cls(column, kind, int(np.count_nonzero(where)), first_row, examples)

    def __str__(self) -> str:
        text = f"column {self.column!r}: {self.kind}"
        if self.rows:
            plural = "" if self.rows == 1 else "s"
            text += f" in {self.rows} row{plural}, the first is row {self.first_row}"
        return text + (f" ({', '.join(self.examples)})" if self.examples else "")


@dataclass(frozen=True)
class TableReport:
    """What new rows have that the training rows did not: a sequence of issues, false if empty.

    `TablePreparation.report` returns it.

    Parameters
    ----------
    issues : tuple of ColumnIssue
        Each is about one column.

    Examples
    --------
    >>> preparation = TablePreparation().fit({"size": [1, 2, 3], "colour": ["red", "blue", "red"]})
    >>> report = preparation.report({"size": [2, 90], "colour": ["green", "red"]})
    >>> print(report)
    column 'size': far outside the training range in 1 row, the first is row 1 (90, trained on 1 \
to 3)
    column 'colour': unknown category in 1 row, the first is row 0 ('green')
    >>> [issue.column for issue in report if issue.rows]
    ['size', 'colour']
    """

    issues: tuple[ColumnIssue, ...] = ()

    def __len__(self) -> int:
        return len(self.issues)

    def __iter__(self) -> Iterator[ColumnIssue]:
        return iter(self.issues)

    def __str__(self) -> str:
        if not self.issues:
            return "These rows hold nothing that the training rows did not."
        return "\n".join(str(issue) for issue in self.issues)
