"""Condition: one thing that can keep a network from learning, and everything known about it.

A condition is one class: how it is found, why it does harm, what it is a symptom of, how it is
treated. Defining the class is all there is to adding one. What a condition says about a particular
training is a `Finding`.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.names import Name
from chainrule.doctor.conditions.setup import TrainingSetup

SEVERITIES = ("problem", "warning", "note")
"""What keeps a network from learning; what may do so; what is merely worth knowing."""

WIDTH = 100
"""The width of a report, in characters."""

FILLED_WIDTH = 76
"""The width of a remedy that is a sentence."""

PAGES = "docs/doctor/"
"""The project's folder with a page about every condition."""

Evidence = tuple[str, float | str, str]
"""What was measured, its value, and the healthy range."""

CONDITIONS: dict[str, Condition] = {}
"""All conditions by their id; a class puts itself here when it is defined."""


class TrainCommand(Protocol):
    """The call of `chainrule train` that a remedy for the shell adds options to."""

    target: str
    columns: Sequence[str]
    estimator: Any

    def with_options(self, **options: Any) -> str:
        """Return the command line with these options added."""


class Condition:
    """One thing that can be wrong with a training.

    Subclass it and write `find`. The class's docstring is what users read: its first line is the
    title, its second paragraph the cause. From the definition on, `diagnose`, the callback `Doctor`
    and the trainer look for the condition, and reports and prescriptions treat it like all others.

    Attributes
    ----------
    id : str
        A stable name, such as ``"dead-relu"``.
    order : int
        Its place among the causes: a condition with a lower number may explain one with a higher
        number, and is reported first. Data and labels come first, symptoms last.
    static : bool
        Whether it is found without a pass through the network. The trainer shows these before the
        first step.
    of_table : bool
        Whether it concerns the user's table. Where the network's inputs were prepared from a
        table, the condition is given that table instead.
    setup_fault : bool
        Whether it spoils training as a whole, so that every symptom of training may follow from it.
    symptom_of : tuple of str
        The ids of the conditions that explain it; ``"setup faults"`` stands for all conditions
        with `setup_fault`, and ``"all problems"`` for all findings of this severity.
    remedy : str
        Code to paste, where `find` gives none.
    treats_notes : bool
        Whether a prescription treats it even if it is only a note.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import MeanSquaredError, Network, diagnose
    >>> from chainrule.doctor.conditions import CONDITIONS, Condition
    >>> class FewRows(Condition):
    ...     '''Fewer rows than parameters.
    ...
    ...     A network with more parameters than rows can memorise each of them.
    ...     '''
    ...
    ...     id = "few-rows"
    ...     static = True
    ...     remedy = "network = Network([features, 8, outputs])"
    ...
    ...     def find(self, exam):
    ...         rows, size = len(exam.X), len(exam.network.flat)
    ...         if rows < size:
    ...             yield self.finding("warning", "X", "too few rows", ("rows", rows, f">= {size}"))
    >>> X, y = np.random.default_rng(0).standard_normal((2, 20, 1))
    >>> report = diagnose(Network([1, 16, 1], seed=0), X, y, loss=MeanSquaredError())
    >>> "few-rows" in report.ids()
    True
    >>> del CONDITIONS["few-rows"]
    """

    id: ClassVar[str]
    order: ClassVar[int] = 1000
    static: ClassVar[bool] = False
    of_table: ClassVar[bool] = False
    setup_fault: ClassVar[bool] = False
    symptom_of: ClassVar[tuple[str, ...]] = ()
    remedy: ClassVar[str] = ""
    treats_notes: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        CONDITIONS[cls.id] = cls()

    @property
    def title(self) -> str:
        """The condition in a few words: the first line of the docstring."""
        if self.__doc__ is None:  # python -OO removes docstrings
            return self.id.replace("-", " ")
        return inspect.cleandoc(self.__doc__).partition("\n")[0].rstrip(".")

    @property
    def cause(self) -> str:
        """Why it does harm: the second paragraph of the docstring."""
        paragraphs = inspect.cleandoc(self.__doc__ or "").split("\n\n")
        return " ".join(paragraphs[1].split()) if len(paragraphs) > 1 else f"See {self.page}."

    @property
    def page(self) -> str:
        """The condition's page in the guide."""
        return f"{PAGES}{self.id}.md"

    def find(self, exam: Examination) -> Iterator[Finding]:
        """Yield what is found, if anything; nothing where the needed measurements are missing."""
        raise NotImplementedError

    def finding(
        self,
        severity: str,
        where: str,
        summary: str,
        *evidence: Evidence,
        **options: Any,
    ) -> Finding:
        """Return a finding of this condition.

        Parameters
        ----------
        severity, where, summary : str
            See `Finding`.
        *evidence : tuple of (str, float or str, str)
            What was measured, its value, and the healthy range; see `Measurement`.
        **options
            Further attributes of `Finding`: `cause` and `remedy`, where they are not the
            condition's own, `rows`, `columns`, `layers`, `impossible`.
        """
        measured = tuple(Measurement(*m) for m in evidence)
        texts = {"cause": self.cause, "remedy": self.remedy}
        return Finding(self, severity, where, summary, measured, **(texts | options))

    def is_symptom_of(self, root: Finding) -> bool:
        """Whether that finding explains this condition; a note explains nothing.

        A warning may explain a problem: that there is one shows that it does harm.
        """
        if root.severity == "note":
            return False
        return (
            root.id in self.symptom_of
            or (root.condition.setup_fault and "setup faults" in self.symptom_of)
            or (root.severity == "problem" and "all problems" in self.symptom_of)
        )

    # ------------------------------------------------------------ what to do about it

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        """Change the set-up so that the condition is gone; return what was changed and why.

        Returns ``""`` where an earlier change has treated it already, or where the learning rate
        is still to be tried; None where no change of the set-up helps.
        """
        return None

    @property
    def treatable(self) -> bool:
        """Whether the class writes `treat`."""
        return type(self).treat is not Condition.treat

    def shell_remedy(self, finding: Finding, command: TrainCommand) -> str | None:
        """Return the remedy for users of `chainrule train`; None to keep the Python code."""
        return None

    def for_shell(self, finding: Finding, command: TrainCommand) -> Finding:
        """Return the finding as `chainrule doctor` shows it."""
        remedy = self.shell_remedy(finding, command)
        return finding if remedy is None else replace(finding, remedy=remedy)


@dataclass(frozen=True)
class Measurement:
    """One measured value, next to its healthy range.

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

    @property
    def text(self) -> str:
        """The value as text, with three significant digits."""
        return self.value if isinstance(self.value, str) else f"{self.value:.3g}"

    def __str__(self) -> str:
        return f"{self.what}: {self.text} (healthy: {self.healthy})"


@dataclass(frozen=True)
class Finding:
    """What the doctor found: a condition, where it is, and how bad.

    Attributes
    ----------
    condition : Condition
        What is wrong; `id` and `page` are its own.
    severity : str
        ``"problem"``, ``"warning"`` or ``"note"``.
    where : str
        The layer's path, the parameter, or the rows or columns of the data.
    summary : str
        What is wrong and what to do, in one line. The trainer prints it before its first step.
    evidence : tuple of Measurement
        The measured values behind it.
    cause : str
        Why it does harm, in two sentences.
    remedy : str
        Code to paste.
    consequences : tuple of Finding
        The findings that it explains.
    impossible : bool
        Whether training cannot work at all; the trainer then refuses to start.
    rows, columns, layers : tuple
        The same place as `where`, for programs: rows and columns of the data, by the user's names,
        and paths of layers.
    """

    condition: Condition = field(repr=False)
    severity: str
    where: str
    summary: str
    evidence: tuple[Measurement, ...]
    cause: str
    remedy: str
    consequences: tuple[Finding, ...] = ()
    impossible: bool = False
    rows: tuple[int, ...] = field(default=(), repr=False)
    columns: tuple[Name, ...] = field(default=(), repr=False)
    layers: tuple[str, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """The condition's stable name, such as ``"dead-relu"``."""
        return self.condition.id

    @property
    def page(self) -> str:
        """The condition's page in the guide."""
        return self.condition.page

    @property
    def gravity(self) -> int:
        """0 for a problem, 1 for a warning, 2 for a note."""
        return SEVERITIES.index(self.severity)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """Return the finding as lines of at most `width` characters."""
        head = f"{self.severity.upper()}  {self.id}  ({self.where})"
        lines = [*_wrapped(head, 2, width, ""), *_wrapped(self.summary, 2, width)]
        for measurement in self.evidence:
            lines += _wrapped(str(measurement), 12, width, "  measured  ")
        lines += _wrapped(self.cause, 12, width, "  why       ")
        lines += ["  remedy", *(f"    {line}" for line in self.remedy.splitlines())]
        lines += [f"  more      {self.page}"]
        if self.consequences:
            lines += ["  and what follows from it"]
        for finding in self.consequences:
            line = f"{finding.severity}  {finding.id}  ({finding.where}): {finding.summary}"
            lines += _wrapped(line, 6, width, "    ")
        return "\n".join(lines)


def filled(text: str) -> str:
    """Return a sentence that stands for code, in lines that fit under a finding."""
    return textwrap.fill(text, FILLED_WIDTH, break_long_words=False, break_on_hyphens=False)


def _wrapped(text: str, indent: int, width: int, first: str | None = None) -> list[str]:
    """Return the text in lines; all but the first are indented by so many spaces."""
    before = " " * indent if first is None else first
    return textwrap.wrap(
        text,
        width,
        initial_indent=before,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
