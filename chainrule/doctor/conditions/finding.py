"""Finding: one thing that is wrong (or worth knowing), told so that someone learning can act on it.

Nothing is measured here: conditions are found in the files beside this one.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from chainrule.doctor.conditions.names import Name

PROBLEM, WARNING, NOTE = "problem", "warning", "note"
SEVERITIES = (PROBLEM, WARNING, NOTE)
"""What keeps a network from learning; what may; what is merely worth knowing."""

WIDTH = 100
"""Columns of a terminal that a report takes."""

PAGES = "docs/doctor/"
"""Where the guide to every condition stands, in the folder of the project."""


@dataclass(frozen=True)
class Evidence:
    """One number that was measured, and what it is where all is well.

    Attributes
    ----------
    what : str
        What was measured.
    value : float or str
    healthy : str
        The healthy range in words, such as ``"below 0.5"``.
    """

    what: str
    value: float | str
    healthy: str

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else f"{self.value:.3g}"
        return f"{self.what}: {value} (healthy: {self.healthy})"


@dataclass(frozen=True)
class Finding:
    """What the doctor found.

    Attributes
    ----------
    id : str
        A stable name, such as ``"dead-relu"``: it does not change from version to version.
    severity : str
        ``"problem"``, ``"warning"`` or ``"note"``.
    where : str
        The layer's path, the parameter, or the rows or columns of the data.
    summary : str
        What is wrong and what to do, in one line: also what the trainer prints before its first
        step.
    evidence : tuple of Evidence
        The numbers behind it.
    cause : str
        Why that is so, in two sentences.
    remedy : str
        Code to paste.
    consequences : tuple of Finding
        What merely follows from it.
    impossible : bool
        Whether training cannot work at all, so that the trainer refuses it.
    rows, columns, layers : tuple
        The same place as `where` for programs: rows and columns of the data, as the user calls
        them, and paths of layers.
    """

    id: str
    severity: str
    where: str
    summary: str
    evidence: tuple[Evidence, ...]
    cause: str
    remedy: str
    consequences: tuple[Finding, ...] = ()
    impossible: bool = False
    rows: tuple[int, ...] = field(default=(), repr=False)
    columns: tuple[Name, ...] = field(default=(), repr=False)
    layers: tuple[str, ...] = field(default=(), repr=False)

    @property
    def page(self) -> str:
        """Where its page in the guide stands."""
        return f"{PAGES}{self.id}.md"

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """Return it as lines for a terminal of so many columns."""
        head = f"{self.severity.upper()}  {self.id}  ({self.where})"
        lines = [*_wrapped(head, 2, width, ""), *_wrapped(self.summary, 2, width)]
        for evidence in self.evidence:
            lines += _wrapped(str(evidence), 12, width, "  measured  ")
        lines += _wrapped(self.cause, 12, width, "  why       ")
        lines += ["  remedy", *(f"    {line}" for line in self.remedy.splitlines())]
        lines += [f"  more      {self.page}"]
        if self.consequences:
            lines += ["  and what follows from it"]
        for finding in self.consequences:
            told = f"{finding.severity}  {finding.id}  ({finding.where}): {finding.summary}"
            lines += _wrapped(told, 6, width, "    ")
        return "\n".join(lines)


def _wrapped(text: str, indent: int, width: int, first: str | None = None) -> list[str]:
    """Return a text in lines for a terminal."""
    before = " " * indent if first is None else first
    return textwrap.wrap(
        text,
        width,
        initial_indent=before,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
