"""What a model's file says about the table it was trained on, and how good it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chainrule.checks import is_whole
from chainrule.command.tables.csv_format import CsvFormat
from chainrule.errors import ChainruleError, FileFormatError
from chainrule.preparation.number_format import number_format
from chainrule.storage.schema import (
    anything,
    boolean,
    dict_of,
    kind,
    list_of,
    number,
    optional,
    record,
    text,
    whole,
)

KEY = "table"
"""The name of this metadata in the model's file."""

INTERVAL_PERCENT = 90
"""The prediction interval shown in reports should contain this percentage of the rows."""

PERCENTAGES = [str(percent) for percent in range(1, 100)]
"""The names of prediction intervals."""

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
        What was left out or grouped, and what was made of text.
    target_format : dict or None
        How the target's numbers were written, if they were text: options of a NumberFormat.
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
    target_format: dict[str, Any] | None = None

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
        older = {"keep_na": False, "skip_rows": 0, "comment": None}  # of files of 0.1.0
        values["format"] = {**older, **values["format"]}
        found = TableMetadata(columns=columns, **values)
        _check(found, path)
    except (KeyError, TypeError, ValueError, AttributeError, ChainruleError) as error:
        raise FileFormatError(
            f"What {path} says about its table cannot be read ({error}); a newer version of "
            "chainrule may have written it."
        ) from error
    return found


figure = kind("a number", lambda value: isinstance(value, int | float) and not abs(value) > 1e300)
"""NaN is one: the range of a column without any number."""

COLUMN = record(
    name=text,
    kind=kind("a kind of column", lambda word: word in ("number", "boolean", "category")),
    unit=text,
    missing=whole(),
    low=optional(figure),
    high=optional(figure),
    categories=whole(),
    examples=list_of(text),
    importance=optional(figure),
    used=boolean,
)

TABLE = record(
    task=kind("a task", lambda word: word in ("classification", "regression")),
    target=text,
    target_unit=text,
    why=text,
    columns=list_of(COLUMN),
    classes=list_of(kind("a label", lambda label: isinstance(label, str | int | float))),
    target_low=optional(number()),
    target_high=optional(number()),
    rows=whole(),
    held_out=whole(),
    scores=dict_of(dict_of(figure)),
    half_widths=dict_of(number(0)),
    seed=kind("a whole number", is_whole),
    format=record(
        separator=optional(text),
        decimal=optional(text),
        encoding=text,
        missing=list_of(text),
        keep_na=boolean,
        skip_rows=whole(),
        comment=optional(text),
    ),
    notes=list_of(text),
    target_format=optional(dict_of(anything)),
)


def _check(found: TableMetadata, path: str) -> None:
    """Raise FileFormatError or ValueError unless this is what `as_dict` wrote."""
    TABLE(found.as_dict(), path)
    classes = found.task == "classification"
    ranges = [(c.low, c.high) for c in found.columns if c.kind == "number"]
    if not classes:
        ranges.append((found.target_low, found.target_high))
    valid = (
        (len(found.classes) >= 2) == classes
        and not any(None in bounds for bounds in ranges)
        and all(percent in PERCENTAGES for percent in found.half_widths)
        and "network" in found.scores
        and isinstance(found.csv_format, CsvFormat)
        and (found.target_format is None or number_format(found.target_format) is not None)
    )
    if not valid:
        raise ValueError("what it says does not fit together")


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
