"""What a gradient check returns: results that print as a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chainrule.summary.display import html_table

TOLERANCE = 1e-6


@dataclass(repr=False)
class GradientResult:
    """The verdict on one gradient: that of the input, or of one parameter.

    Attributes
    ----------
    name : str
        ``"input"``, the name of a further argument, or the parameter's path.
    shape : tuple of int
    error : float
        The worst relative error, of one element or along a random direction.
    worst : tuple of int, optional
        Where the worst element is; None where only a direction shows the error.
    got, expected : float
        What backward says there, and what finite differences say.
    hint : str
        What the error looks like. Empty where the gradient is right.
    compared : int
        How many elements were compared one by one.
    moved : int
        How many of them at another point nearby, because of a kink.
    zero : bool
        The gradient is right and too small to be told from zero: nothing is tested at this input.
    """

    name: str
    shape: tuple[int, ...]
    error: float = 0.0
    worst: tuple[int, ...] | None = None
    got: float = 0.0
    expected: float = 0.0
    hint: str = ""
    compared: int = 0
    moved: int = 0
    zero: bool = False
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """Whether this gradient is right."""
        return not self.hint and self.error <= self.tolerance

    @property
    def verdict(self) -> str:
        """``"right"`` or ``"WRONG"``."""
        return "right" if self.passed else "WRONG"

    def findings(self) -> list[str]:
        """Return, in lines for people, how large the error is, where, and what it looks like."""
        if not self.compared:
            return [self.hint]
        line = "zero, as it should be" if self.zero else f"relative error {self.error:.1e}"
        if self.compared < np.prod(self.shape):
            line += f", {self.compared} elements compared"
        if self.moved:
            line += f", {self.moved} of them at a point moved away from a kink"
        lines = [line]
        if self.error > self.tolerance and self.got != self.expected:
            where = "along a direction" if self.worst is None else f"worst at {self.worst}"
            says = f"{where}: backward says {self.got:.6g}, "
            lines.append(says + f"finite differences say {self.expected:.6g}")
        return lines + ([f"it looks like: {self.hint}"] if self.hint else [])

    def __str__(self) -> str:
        findings = "\n         ".join(self.findings())
        return f"  {self.verdict}  {self.name} {self.shape}: {findings}"

    def __repr__(self) -> str:
        return str(self).strip()


@dataclass(repr=False)
class Report:
    """The verdict on a module or a loss; true if everything is right. It shows itself in words.

    Attributes
    ----------
    subject : str
        What was checked.
    gradients : list of GradientResult
        Empty where `problems` made a measurement impossible.
    problems : list of str
        Rules of a module that are broken, such as writing into the input.
    notes : list of str
        What is worth knowing, and no error.
    """

    subject: str
    gradients: list[GradientResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every gradient is right and no rule of a module is broken."""
        return not self.problems and all(result.passed for result in self.gradients)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def verdict(self) -> str:
        """What the check found, in one line."""
        wrong = [result.name for result in self.gradients if not result.passed]
        if self.passed:
            verdict = "all gradients are right"
        elif wrong:
            verdict = f"wrong: {', '.join(wrong)}"
        elif self.gradients:
            verdict = "the gradients are right, but a rule is broken"
        else:
            verdict = "cannot be checked"
        return f"{self.subject}: {verdict}"

    def __str__(self) -> str:
        lines = [self.verdict, *map(str, self.gradients)]
        lines += [f"  WRONG  {problem}" for problem in self.problems]
        return "\n".join(lines + [f"  note   {note}" for note in self.notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [(r.verdict, r.name, str(r.shape), "\n".join(r.findings())) for r in self.gradients]
        rows += [("WRONG", "", "", problem) for problem in self.problems]
        rows += [("note", "", "", note) for note in self.notes]
        wrong = [i for i, row in enumerate(rows) if row[0] == "WRONG"]
        head = ("verdict", "gradient", "shape", "found")
        return html_table(head, rows, title=self.verdict, bold=wrong)
