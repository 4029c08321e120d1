"""What is odd in new rows, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.parameter import Array
from chainrule.preparation.frames import Name


@dataclass(frozen=True)
class Finding:
    """One oddity of one column.

    Attributes
    ----------
    column : str or int
        The column's name, or its place where columns have no names.
    kind : str
        ``"unknown category"``, ``"missing value"`` (in a column that had none in training),
        ``"far outside the training range"`` (by more than the range's own length) or ``"unused
        column"``.
    rows : int
        In how many rows; 0 for an unused column.
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
    ) -> Finding:
        """Return a finding about the rows in which `where` is true."""
        return cls(column, kind, int(np.count_nonzero(where)), int(where.argmax()), examples)

    def __str__(self) -> str:
        told = f"column {self.column!r}: {self.kind}"
        if self.rows:
            plural = "" if self.rows == 1 else "s"
            told += f" in {self.rows} row{plural}, the first is row {self.first_row}"
        return told + (f" ({', '.join(self.examples)})" if self.examples else "")


@dataclass(frozen=True)
class TableReport:
    """All that is odd in new rows; true where there is anything, and a list of its findings."""

    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        if not self.findings:
            return "These rows hold nothing that the training rows did not."
        return "\n".join(str(finding) for finding in self.findings)
