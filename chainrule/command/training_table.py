"""What may be learned from: a table for `train`, checked at its door, as columns and a target.

What can teach nothing is refused rather than dropped in silence: a column of one value is most
often a sign that the table is not what its owner believes. `--skip-unusable` drops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from chainrule.command.tables import Format, Source
from chainrule.errors import InputError
from chainrule.parameter import Array

MOST_COLUMNS = 10_000
"""A network has weights for each of them, and importance, ranges and categories are kept."""

MOST_CATEGORIES = 100_000
FEWEST_ROWS = 10

ASIDE = "give --skip-unusable to leave out all that nothing can be learned from"


@dataclass
class TrainingTable:
    """A table that can be learned from.

    Attributes
    ----------
    X : pandas.DataFrame
        The columns to learn from.
    target : pandas.Series
        What is to be predicted, without missing values.
    rows : ndarray
        The numbers of the rows in the file, from 1 below the names.
    notes : list of str
        What was left out.
    """

    X: Any
    target: Any
    rows: Array
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Wishes:
    """What the user says about the columns."""

    target: str
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    skip_unusable: bool = False
    keep_constant: bool = False
    """Whether columns that never change are to be looked at, too."""


def read_training_table(path: str, form: Format, wishes: Wishes) -> TrainingTable:
    """Return the table of a file, or raise InputError with what is wrong with it."""
    with Source(path, form) as source:
        _check_names(source, wishes)
        frame = _as_frame(source.whole(as_text=wishes.categories))
        label = source.label
    if not len(frame):
        raise InputError(f"{label} has no rows below the names of its columns.")
    notes: list[str] = []
    if "" in frame.columns:
        frame = frame.drop(columns="")
        notes.append("the first column has no name, as a saved row number has none: left out")
    frame = frame.drop(columns=list(wishes.drop))
    rows = np.flatnonzero(frame[wishes.target].notna()) + 1
    frame = _with_a_target(frame, wishes, label, notes)
    X = _usable(frame.drop(columns=wishes.target), wishes, label, notes)
    if len(frame) < FEWEST_ROWS:
        raise InputError(
            f"{label} has {len(frame)} rows with a target; at least {FEWEST_ROWS} are needed to "
            "learn from some and measure on others."
        )
    return TrainingTable(X, frame[wishes.target], rows, notes)


def _as_frame(table: Any) -> Any:
    frame = table.to_pandas()
    frame.columns = [str(name) for name in frame.columns]
    return frame


def _check_names(source: Source, wishes: Wishes) -> None:
    """Check the names of columns, before anything is read that may be large."""
    names = source.names
    for name in (wishes.target, *wishes.drop, *wishes.categories):
        if name not in names:
            raise InputError(f"{source.label} has no column {name!r}; {hint(name, names)}.")
    if wishes.target in wishes.drop:
        raise InputError(f"Column {wishes.target!r} is the target, and cannot be dropped as well.")
    rest = len(names) - 1 - len(set(wishes.drop))
    if rest < 1:
        raise InputError(
            f"{source.label} has no column besides the target {wishes.target!r} to learn from. If "
            "its values are separated by something unusual, say so with --separator."
        )
    if rest > MOST_COLUMNS:
        raise InputError(
            f"{source.label} has {rest:,} columns to learn from; {MOST_COLUMNS:,} are the most "
            "that a table's network is made for. Keep those that matter, or combine them first."
        )


def hint(name: str, names: Sequence[str]) -> str:
    """Return what may have been meant, and what there is."""
    close = get_close_matches(name, names, n=1)
    shown = ", ".join(repr(other) for other in names[:12]) + (", ..." if len(names) > 12 else "")
    there = f"{'is' if len(names) == 1 else 'are'} {shown}"
    return f"did you mean {close[0]!r}? There {there}" if close else f"there {there}"


def _with_a_target(frame: Any, wishes: Wishes, label: str, notes: list[str]) -> Any:
    """Return the rows that have a target."""
    absent = frame[wishes.target].isna()
    count = int(absent.sum())
    if count == len(frame):
        raise InputError(f"The target {wishes.target!r} is missing in every row of {label}.")
    if not count:
        return frame
    told = f"the target {wishes.target!r} is missing in {count:,} of {len(frame):,} rows"
    if not wishes.skip_unusable:
        first = int(np.flatnonzero(absent.to_numpy())[0]) + 1
        raise InputError(
            f"In {label} {told}, the first being row {first}: fill them in or take them out, or "
            f"{ASIDE}."
        )
    notes.append(f"{told}: left out")
    return frame[~absent].reset_index(drop=True)


def _usable(X: Any, wishes: Wishes, label: str, notes: list[str]) -> Any:
    """Return the columns that something can be learned from."""
    useless = {name: why for name in X.columns if (why := _useless(X[name]))}
    if len(useless) == X.shape[1]:
        name, why = next(iter(useless.items()))
        raise InputError(
            f"{label} has no column to learn from: column {name!r} {why}"
            + (f", and the {len(useless) - 1:,} others are no better." if len(useless) > 1 else ".")
        )
    if wishes.keep_constant:
        useless = {name: why for name, why in useless.items() if X[name].nunique() > 1}
    if useless and not wishes.skip_unusable:
        name, why = next(iter(useless.items()))
        others = f" (and {len(useless) - 1:,} more are like it)" if len(useless) > 1 else ""
        raise InputError(
            f"Column {name!r} of {label} {why}{others}, so that nothing can be learned from it: "
            f"leave it out with --drop {_quoted(name)}, or {ASIDE}."
        )
    notes += [f"column {name!r} {why}: left out" for name, why in useless.items()]
    return X.drop(columns=list(useless))


def _useless(column: Any) -> str:
    """Return why nothing can be learned from a column; nothing if something can."""
    present = column.dropna()
    if not len(present):
        return "is missing in every row"
    try:
        distinct = present.nunique()
    except TypeError:  # lists and the like, which the preparation refuses with advice
        return ""
    if distinct == 1 and len(present) == len(column):
        return f"holds the same value in every row, {str(present.iloc[0])[:40]!r}"
    is_text = present.dtype.kind not in "fiubMm"
    if is_text and distinct > MOST_CATEGORIES:
        return f"holds {distinct:,} different texts, as a name or a free text does"
    return ""


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"'{name}'"
