"""What a model's file says about the table it was trained on, and how good it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chainrule.command.tables.csv_format import CsvFormat
from chainrule.errors import ChainruleError, FileFormatError

KEY = "table"
"""The name of this metadata in the model's file."""

INTERVAL_PERCENT = 90
"""The prediction interval shown in reports should contain this percentage of the rows."""

UNITS = (
    *("mm", "cm", "km", "ft", "mi", "mg", "kg", "lb", "lbs", "oz", "ml", "sec", "min", "hours"),
    *("days", "weeks", "months", "years", "usd", "eur", "gbp", "kwh", "kw", "hz", "mhz", "ghz"),
    *("kmh", "mph", "mpg", "hp", "pct", "percent", "celsius", "fahrenheit", "kelvin", "bar", "hpa"),
    *("g", "m", "s"),
)
"""What counts as a unit at the end of a column's name, after an underscore."""


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
        The unit in its name, such as "cm" in "petal length (cm)"; or empty.
    missing : int
        The number of rows in which it was missing.
    low, high : float or None
        The range of its numbers.
    categories : int
        The number of different categories.
    examples : list of str
        The most frequent categories.
    importance : float or None
        How much the score of held-out rows drops when its values are shuffled.
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
class TableMetadata:
    """The training table, the task and the scores.

    Attributes
    ----------
    task : {"classification", "regression"}
        Whether classes or numbers are predicted.
    target, target_unit : str
        What is predicted.
    why : str
        Why it is that task.
    columns : list of ColumnInfo
        The columns learned from, in the file's order.
    classes : list
        The labels in the order of the network's outputs; empty for regression.
    target_low, target_high : float or None
        The range of a regression's target.
    rows, held_out : int
        The number of rows for training and for evaluation.
    scores : dict
        The scores of each model: "network", "linear model", and "majority" or "mean".
    half_widths : dict
        By percentage, how far a prediction interval extends to each side.
    seed : int
        Repeats the training.
    format : dict
        The training file's CsvFormat.
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
        """Return the metadata as JSON holds it."""
        return asdict(self)

    @property
    def used(self) -> list[ColumnInfo]:
        """The columns that the network sees."""
        return [column for column in self.columns if column.used]

    @property
    def csv_format(self) -> CsvFormat:
        """The format of the training file."""
        return CsvFormat(**{**self.format, "missing": tuple(self.format["missing"])})

    @property
    def interval_width(self) -> float | None:
        """The half-width of the interval shown in reports; None where it is unknown."""
        return self.half_widths.get(str(INTERVAL_PERCENT))


def read_metadata(metadata: Any, path: str) -> TableMetadata:
    """Return the table's metadata in a model's file, which may come from anywhere.

    Raises
    ------
    FileFormatError
        There is none, or it is not what `chainrule train` writes.
    """
    if KEY not in metadata:
        raise FileFormatError(
            f"{path} is a chainrule file, but not a model of a table, as `chainrule train` makes."
        )
    try:
        values = dict(metadata[KEY])
        columns = [ColumnInfo(**column) for column in values.pop("columns")]
        found = TableMetadata(columns=columns, **values)
        _check(found)
    except (KeyError, TypeError, ValueError, AttributeError, ChainruleError) as error:
        raise FileFormatError(
            f"What {path} says about its table cannot be read ({error}); a newer version of "
            "chainrule may have written it."
        ) from error
    return found


def _check(found: TableMetadata) -> None:
    """Raise ValueError unless every value has the type that `as_dict` wrote."""
    valid = (
        found.task in ("classification", "regression")
        and all(isinstance(text, str) for text in (found.target, found.target_unit, found.why))
        and (len(found.classes) >= 2) == (found.task == "classification")
        and all(isinstance(label, str | int | float | bool) for label in found.classes)
        and all(type(column.name) is str for column in found.columns)
        and all(column.kind in ("number", "boolean", "category") for column in found.columns)
        and all(isinstance(column.used, bool) for column in found.columns)
        and all(isinstance(width, float) for width in found.half_widths.values())
        and all(isinstance(scores, dict) for scores in found.scores.values())
        and isinstance(found.csv_format, CsvFormat)
    )
    if not valid:
        raise ValueError("a value has the wrong type")


# ---------------------------------------------------------------- describing the training table


def describe_columns(X: Any, used: Sequence[bool]) -> list[ColumnInfo]:
    """Describe each column of a pandas data frame."""
    return [_describe(X[name], name, seen) for name, seen in zip(X.columns, used, strict=True)]


def _describe(column: Any, name: str, used: bool) -> ColumnInfo:
    present = column.dropna()
    common: dict[str, Any] = {"unit": unit_of(name), "missing": len(column) - len(present)}
    common["used"] = used
    if column.dtype.kind in "fiu":
        low, high = float(present.min()), float(present.max())
        return ColumnInfo(name, "number", low=low, high=high, **common)
    if column.dtype.kind == "b" or set(map(type, present.tolist())) == {bool}:
        return ColumnInfo(name, "boolean", low=0.0, high=1.0, **common)
    counts = present.astype(str).value_counts()
    frequent = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    examples = [str(text)[:60] for text, _ in frequent]
    return ColumnInfo(name, "category", categories=len(counts), examples=examples, **common)


def unit_of(name: str) -> str:
    """Return the unit in a column's name, or an empty text.

    >>> unit_of("petal length (cm)"), unit_of("body_mass [g]"), unit_of("flipper_length_mm")
    ('cm', 'g', 'mm')
    >>> unit_of("island")
    ''
    """
    found = re.search(r"[(\[]([^()\[\]]{1,15})[)\]]\s*$", name)
    if found:
        return found[1].strip()
    last = name.rpartition("_")[2].lower() if "_" in name else ""
    return last if last in UNITS else ""
