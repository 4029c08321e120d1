"""GradientReport: the result of a gradient check, which prints as a verdict."""

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
        The largest relative error, of one element or along a random direction.
    worst : tuple of int, optional
        The index of the worst element; None if only a direction shows the error.
    got, expected : float
        The gradient there, from backward and from finite differences.
    hint : str
        A description of the error; empty if the gradient is right.
    compared : int
        How many elements were compared one by one.
    moved : int
        How many of these were compared at a nearby point, because of a kink.
    zero : bool
        Whether the gradient is right but cannot be told from zero, so this input tests nothing.
    tolerance : float
        The largest relative error that passes.
    told_by : tuple of str
        Who says that it is `got`, and who that it is `expected`.
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
    told_by: tuple[str, str] = ("backward says", "finite differences say")

    @property
    def passed(self) -> bool:
        """Whether this gradient is right."""
        return not self.hint and self.error <= self.tolerance

    @property
    def verdict(self) -> str:
        """``"right"`` or ``"WRONG"``."""
        return "right" if self.passed else "WRONG"

    def lines(self) -> list[str]:
        """Return the size, the place and the description of the error, as lines of text."""
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
            one, other = self.told_by
            lines.append(f"{where}: {one} {self.got:.6g}, {other} {self.expected:.6g}")
        return lines + ([f"it looks like: {self.hint}"] if self.hint else [])

    def __str__(self) -> str:
        text = "\n         ".join(self.lines())
        return f"  {self.verdict}  {self.name} {self.shape}: {text}"

    def __repr__(self) -> str:
        return str(self).strip()


@dataclass(repr=False)
class GradientReport:
    """The verdict on a module or a loss: true if everything is right; prints as text.

    Attributes
    ----------
    subject : str
        What was checked.
    gradients : list of GradientResult
        Empty if `problems` made a measurement impossible.
    problems : list of str
        The rules that the module breaks, such as not writing into its input.
    notes : list of str
        Remarks that are not errors.
    outputs : list of GradientResult
        How each output compares with the reference's, if there is one.
    """

    subject: str
    gradients: list[GradientResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    outputs: list[GradientResult] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every gradient and every output is right and no rule of a module is broken."""
        return not self.problems and all(result.passed for result in self._results)

    @property
    def _results(self) -> list[GradientResult]:
        return [*self.outputs, *self.gradients]

    def __bool__(self) -> bool:
        return self.passed

    @property
    def verdict(self) -> str:
        """The result of the check, in one line."""
        wrong = [result.name for result in self._results if not result.passed]
        if self.passed:
            verdict = "all gradients are right"
            if self.outputs:
                verdict = "the output and all gradients are right"
        elif wrong:
            verdict = f"wrong: {', '.join(wrong)}"
        elif self.gradients:
            verdict = "the gradients are right, but a rule is broken"
        else:
            verdict = "cannot be checked"
        return f"{self.subject}: {verdict}"

    def __str__(self) -> str:
        lines = [self.verdict, *map(str, self._results)]
        lines += [f"  WRONG  {problem}" for problem in self.problems]
        return "\n".join(lines + [f"  note   {note}" for note in self.notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [(r.verdict, r.name, str(r.shape), "\n".join(r.lines())) for r in self._results]
        rows += [("WRONG", "", "", problem) for problem in self.problems]
        rows += [("note", "", "", note) for note in self.notes]
        wrong = [i for i, row in enumerate(rows) if row[0] == "WRONG"]
        head = ("verdict", "gradient", "shape", "found")
        return html_table(head, rows, title=self.verdict, bold=wrong)
