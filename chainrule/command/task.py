"""Whether a target is a class or a number, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.errors import InputError
from chainrule.parameter import Array

Kind = Literal["classification", "regression"]

FEW = 10
"""So many different whole numbers are taken for classes, and more for numbers."""

MOST_CLASSES = 1000
LARGEST = 1e100


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes
    ----------
    kind : {"classification", "regression"}
        Classes or numbers.
    name : str
        The target's.
    why : str
        A sentence that says which it is, and why.
    y : ndarray, shape (N,)
        Labels, as text, whole numbers, numbers or truth values; or numbers in float64.
    """

    kind: Kind
    name: str
    why: str
    y: Array


def decide(target: Any, wanted: Kind | None = None, *, constant: bool = False) -> Task:
    """Return the task that a column without missing values poses; `wanted` overrules.

    One whose values are all the same is taken where `constant` says so.

    Raises
    ------
    InputError
        It is neither: one class only, as many as rows, dates, numbers asked of text.
    """
    name, values = str(target.name), _values(target)
    distinct = np.unique(values)
    numbers = values.dtype.kind in "fiu"
    if len(distinct) == 1 and not constant:
        raise InputError(
            f"The target {name!r} has one value only, {distinct.tolist()[0]!r}, in all "
            f"{len(values):,} rows: there is nothing to tell apart."
        )
    kind, why = _judged(values, distinct) if wanted is None else (wanted, "--task says so")
    if kind == "regression":
        if not numbers:
            raise InputError(
                f"The target {name!r} holds {_called(values)} such as {str(distinct[0])[:40]!r}, "
                "and a regression needs numbers. Text that means a missing value is told with "
                "--missing."
            )
        if np.abs(values).max() > LARGEST:
            raise InputError(
                f"The target {name!r} holds numbers beyond {LARGEST:g}, whose squares are beyond "
                "all numbers; divide them first, or take their logarithm."
            )
        return Task(kind, name, f"Regression: {why}.", values.astype(np.float64))
    _check_classes(name, values, distinct)
    if values.dtype.kind == "f":  # numbers with fractions as classes: by their text
        values = np.array([str(value) for value in values.tolist()])
    return Task(kind, name, f"Classification: {why}.", values)


def _values(target: Any) -> Array:
    """Return the target as text, whole numbers, numbers or truth values."""
    target = target.infer_objects()  # truth values beside gaps, now left out, are objects
    if target.dtype.kind in "Mm":
        raise InputError(
            f"The target {target.name!r} holds dates or times; predict a number made of them, such "
            "as the days since an event."
        )
    if target.dtype.kind in "fiub":
        values: Array = target.to_numpy()
        if not np.isfinite(values).all():
            raise InputError(f"The target {target.name!r} holds infinity.")
        whole = values.dtype.kind == "f" and (values == np.floor(values)).all()
        return values.astype(np.int64) if whole and np.abs(values).max() < 2**53 else values
    return np.array([str(value) for value in target.tolist()])


def _judged(values: Array, distinct: Array) -> tuple[Kind, str]:
    count = f"{len(distinct):,} different values" if len(distinct) > 1 else "a single value"
    if values.dtype.kind not in "fiu":
        return "classification", f"the target holds {_called(values)}, {count}"
    if values.dtype.kind == "f":
        return "regression", f"the target holds numbers with fractions, {count}"
    if len(distinct) <= FEW:
        return "classification", (
            f"the target holds whole numbers, {count} only (for numbers: --task regression)"
        )
    return "regression", f"the target holds whole numbers, {count}"


def _called(values: Array) -> str:
    return "truth values" if values.dtype.kind == "b" else "text"


def _check_classes(name: str, values: Array, distinct: Array) -> None:
    if len(distinct) > MOST_CLASSES or len(distinct) > len(values) / 2:
        advice = "Choose another target, or group its values"
        if values.dtype.kind in "fiu":
            advice += ", or say --task regression"
        else:
            advice += "; if it is meant to be a number, tell with --missing what is none"
        raise InputError(
            f"The target {name!r} has {len(distinct):,} different values in {len(values):,} rows, "
            f"too many for classes. {advice}."
        )
