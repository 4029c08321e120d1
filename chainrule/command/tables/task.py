"""Whether the target is a class or a number, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.errors import InputError
from chainrule.parameter import Array

Kind = Literal["classification", "regression"]

MOST_WHOLE_NUMBER_CLASSES = 10
"""Up to this many different whole numbers are taken for classes, and more for numbers."""

MOST_CLASSES = 1000
LARGEST_NUMBER = 1e100


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes
    ----------
    kind : {"classification", "regression"}
        Whether the target is a class or a number.
    name : str
        The target's name.
    reason : str
        A sentence that says which it is, and why.
    y : ndarray, shape (N,)
        The labels, as text, numbers or booleans; or the numbers in float64.
    """

    kind: Kind
    name: str
    reason: str
    y: Array


def infer_task(target: Any, requested: Kind | None = None, *, allow_constant: bool = False) -> Task:
    """Return the task that a target without missing values poses.

    Parameters
    ----------
    target : pandas.Series
        The column to predict.
    requested : {"classification", "regression"}, optional
        Overrides what would be inferred.
    allow_constant : bool
        Whether a target with a single value is accepted.

    Raises
    ------
    InputError
        The target suits neither: it has one class, as many classes as rows, or dates.
    """
    name, values = str(target.name), _values(target)
    distinct = np.unique(values)
    if len(distinct) == 1 and not allow_constant:
        raise InputError(
            f"The target {name!r} has only one value, {distinct.tolist()[0]!r}, in all "
            f"{len(values):,} rows, so there is nothing to predict."
        )
    kind, reason = _infer(values, distinct) if requested is None else (requested, "given by --task")
    if kind == "regression":
        _check_numbers(name, values, distinct)
        return Task(kind, name, f"Regression: {reason}.", values.astype(np.float64))
    _check_classes(name, values, distinct)
    if values.dtype.kind == "f":  # fractional numbers as classes become text
        values = np.array([str(value) for value in values.tolist()])
    return Task(kind, name, f"Classification: {reason}.", values)


def _values(target: Any) -> Array:
    """Return the target as text, whole numbers, floats or booleans."""
    target = target.infer_objects()  # booleans are objects if some were missing
    if target.dtype.kind in "Mm":
        raise InputError(
            f"The target {target.name!r} holds dates or times; predict a number made from them, "
            "such as the days since an event."
        )
    if target.dtype.kind in "fiub":
        values: Array = target.to_numpy()
        if not np.isfinite(values).all():
            raise InputError(f"The target {target.name!r} holds infinity.")
        whole = values.dtype.kind == "f" and (values == np.floor(values)).all()
        return values.astype(np.int64) if whole and np.abs(values).max() < 2**53 else values
    return np.array([str(value) for value in target.tolist()])


def _infer(values: Array, distinct: Array) -> tuple[Kind, str]:
    count = f"{len(distinct):,} different values" if len(distinct) > 1 else "a single value"
    if values.dtype.kind not in "fiu":
        return "classification", f"the target holds {_type_name(values)}, {count}"
    if values.dtype.kind == "f":
        return "regression", f"the target holds fractional numbers, {count}"
    if len(distinct) <= MOST_WHOLE_NUMBER_CLASSES:
        return "classification", (
            f"the target holds whole numbers, only {count} (--task regression predicts numbers)"
        )
    return "regression", f"the target holds whole numbers, {count}"


def _type_name(values: Array) -> str:
    return "booleans" if values.dtype.kind == "b" else "text"


def _check_numbers(name: str, values: Array, distinct: Array) -> None:
    if values.dtype.kind not in "fiu":
        raise InputError(
            f"The target {name!r} holds {_type_name(values)} such as {str(distinct[0])[:40]!r}, "
            "and regression needs numbers. If it means a missing value, give it with --missing."
        )
    if np.abs(values).max() > LARGEST_NUMBER:
        raise InputError(
            f"The target {name!r} holds numbers beyond {LARGEST_NUMBER:g}, whose squares overflow; "
            "divide them first, or take their logarithm."
        )


def _check_classes(name: str, values: Array, distinct: Array) -> None:
    if len(distinct) > MOST_CLASSES or len(distinct) > len(values) / 2:
        advice = "Choose another target, or group its values"
        if values.dtype.kind in "fiu":
            advice += ", or give --task regression"
        else:
            advice += "; if it should be a number, give the text that is not one with --missing"
        raise InputError(
            f"The target {name!r} has {len(distinct):,} different values in {len(values):,} rows, "
            f"too many for classes. {advice}."
        )
