"""What a model's file knows about the table that it learned from, and how good it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chainrule.command.tables import Format
from chainrule.errors import ChainruleError, FileFormatError

KEY = "table"
"""Under this name it stands in the metadata of the file."""

UNITS = (
    *("mm", "cm", "km", "ft", "mi", "mg", "kg", "lb", "lbs", "oz", "ml", "sec", "min", "hours"),
    *("days", "weeks", "months", "years", "usd", "eur", "gbp", "kwh", "kw", "hz", "mhz", "ghz"),
    *("kmh", "mph", "mpg", "hp", "pct", "percent", "celsius", "fahrenheit", "kelvin", "bar", "hpa"),
)
"""What is taken for a unit where it ends the name of a column, behind an underscore."""


@dataclass(frozen=True)
class ColumnInfo:
    """A column of the training table.

    Attributes
    ----------
    name : str
        As in the first line of the file.
    kind : {"number", "boolean", "category"}
        What it held.
    unit : str
        The unit that its name tells, such as "cm" in "petal length (cm)"; or nothing.
    missing : int
        In how many rows it was missing.
    low, high : float or None
        The range of its numbers.
    categories : int
        How many different texts there were.
    examples : list of str
        The most frequent of them.
    importance : float or None
        How much worse predictions of held-out rows become where its values are shuffled.
    used : bool
        Whether the network sees it.
    """

    name: str
    kind: str
    unit: str = ""
    missing: int = 0
    low: float | None = None
    high: float | None = None
    categories: int = 0
    examples: list[str] = field(default_factory=list)
    importance: float | None = None
    used: bool = True


@dataclass(frozen=True)
class Schema:
    """The table, the task, and the scores.

    Attributes
    ----------
    task : {"classification", "regression"}
        Whether classes or numbers are predicted.
    target, target_unit : str
        What is predicted.
    why : str
        Why it is that task.
    columns : list of ColumnInfo
        What is learned from, in the file's order.
    classes : list
        The labels in the order of the network's outputs; empty for numbers.
    target_low, target_high : float or None
        The range of a regression's target.
    rows, held_out : int
        On how many rows it learned, and on how many it was measured.
    scores : dict
        By the name of a model ("network", "linear model", "majority" or "mean"), its scores.
    half_widths : dict
        For so many percent, how far an interval reaches to each side of a number.
    seed : int
        With which it can be repeated.
    format : dict
        How the training file was written.
    notes : list of str
        What was left out or grouped.
    """

    task: str
    target: str
    target_unit: str
    why: str
    columns: list[ColumnInfo]
    classes: list[Any]
    target_low: float | None
    target_high: float | None
    rows: int
    held_out: int
    scores: dict[str, dict[str, float]]
    half_widths: dict[str, float]
    seed: int
    format: dict[str, Any]
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return it as what JSON can say."""
        return asdict(self)

    @property
    def used(self) -> list[ColumnInfo]:
        """The columns that the network sees."""
        return [column for column in self.columns if column.used]

    @property
    def form(self) -> Format:
        """How the training file was written."""
        return Format(**{**self.format, "missing": tuple(self.format["missing"])})


def read_schema(metadata: Any, path: str) -> Schema:
    """Return the schema in a file's metadata, of which nothing is trusted."""
    if KEY not in metadata:
        raise FileFormatError(
            f"{path} is a chainrule file, but no model of a table: `chainrule train` makes those."
        )
    try:
        plain = dict(metadata[KEY])
        columns = [ColumnInfo(**column) for column in plain.pop("columns")]
        schema = Schema(columns=columns, **plain)
        _check(schema)
    except (KeyError, TypeError, ValueError, AttributeError, ChainruleError) as error:
        raise FileFormatError(
            f"What {path} says about its table cannot be read ({error}); a newer chainrule may "
            "have written it."
        ) from error
    return schema


def _check(schema: Schema) -> None:
    """Raise ValueError unless all is of the kind that `as_dict` wrote."""
    right = schema.task in ("classification", "regression")
    right &= all(isinstance(text, str) for text in (schema.target, schema.target_unit, schema.why))
    right &= (len(schema.classes) >= 2) == (schema.task == "classification")
    right &= all(isinstance(label, str | int | float | bool) for label in schema.classes)
    right &= all(type(column.name) is str for column in schema.columns)
    right &= all(column.kind in ("number", "boolean", "category") for column in schema.columns)
    right &= all(isinstance(column.used, bool) for column in schema.columns)
    right &= all(isinstance(width, float) for width in schema.half_widths.values())
    right &= all(isinstance(scores, dict) for scores in schema.scores.values())
    schema.form  # noqa: B018  checks itself when it is made
    if not right:
        raise ValueError("it is not what chainrule writes")


# ---------------------------------------------------------------- made of the training table


def describe_columns(X: Any, used: Sequence[bool]) -> list[ColumnInfo]:
    """Return what there is to know of each column of a pandas data frame."""
    names = list(X.columns)
    return [_described(X[name], name, seen) for name, seen in zip(names, used, strict=True)]


def _described(column: Any, name: str, used: bool) -> ColumnInfo:
    missing = int(column.isna().sum())
    present = column.dropna()
    common: dict[str, Any] = {"unit": unit_of(name), "missing": missing, "used": used}
    if column.dtype.kind in "fiu":
        return ColumnInfo(
            name, "number", low=float(present.min()), high=float(present.max()), **common
        )
    types = set(map(type, present.tolist()))
    if column.dtype.kind == "b" or types == {bool}:
        return ColumnInfo(name, "boolean", low=0.0, high=1.0, **common)
    counts = present.astype(str).value_counts()
    frequent = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    examples = [str(text)[:60] for text, _ in frequent]
    return ColumnInfo(name, "category", categories=len(counts), examples=examples, **common)


def unit_of(name: str) -> str:
    """Return the unit that a column's name tells; nothing where it tells none.

    >>> unit_of("petal length (cm)"), unit_of("body_mass_g [g]"), unit_of("flipper_length_mm")
    ('cm', 'g', 'mm')
    >>> unit_of("island")
    ''
    """
    found = re.search(r"[(\[]([^()\[\]]{1,15})[)\]]\s*$", name)
    if found:
        return found[1].strip()
    last = name.rpartition("_")[2].lower() if "_" in name else ""
    return last if last in UNITS or last in ("g", "m", "s") else ""
