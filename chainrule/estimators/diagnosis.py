"""What an estimator tells the doctor: the network that it would train, and the table as given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.names import Name, Names
from chainrule.errors import InputError
from chainrule.parameter import Array
from chainrule.preparation import Preparation
from chainrule.preparation.frames import as_table, values_of
from chainrule.preparation.values import category_of, holds_numbers, numbers_in


def sources_of(preparation: Preparation | None, names: Sequence[str] | None) -> tuple[Name, ...]:
    """Return of which of the user's columns each number that goes into the network was made."""
    if preparation is None:
        return () if names is None else tuple(map(str, names))
    return tuple(preparation.sources() or ())


def table_case(course: Any, names: Names, X: Any, y: Array) -> Case | None:
    """Return the case of the rows as they were given; None where they are no table.

    Parameters
    ----------
    course : Course
        Whose network and loss the case has.
    X : data frame or array
        The rows before they were prepared.
    y : ndarray, shape (N,) or (N, outputs)
        Numbers of classes, or numbers in the user's units.
    """
    if len(X.shape) != 2:
        return None
    table = as_table(X)
    keys: list[Name] = list(range(table.columns)) if table.names is None else table.names
    numbers = np.column_stack([as_numbers(values_of(table.column(key), key), key) for key in keys])
    network, loss = course.learner.first_network()
    names = dataclasses.replace(names, columns=tuple(keys))
    return Case(network, loss, X=numbers, y=y, names=names, as_given=True)


def as_numbers(values: Array, key: Name) -> Array:
    """Return a column in float64: its numbers, NaN where one is missing, or a code for each text.

    A column without any value is one that never changes.
    """
    try:
        numbers = numbers_in(values, key) if holds_numbers(values, key) else None
    except InputError:  # what a preparation of the user's own takes, and chainrule's does not
        numbers = None
    if numbers is not None:
        return np.zeros(len(numbers)) if np.isnan(numbers).all() else numbers
    codes: dict[str | None, int] = {}
    texts = map(category_of, values.tolist())
    return np.fromiter((codes.setdefault(text, len(codes)) for text in texts), float, len(values))


def weights_by_place(class_weight: Any, classes: Array) -> Any:
    """Return an estimator's class_weight by the numbers of classes, as a training takes it."""
    if not isinstance(class_weight, Mapping):
        return class_weight
    places = {label: place for place, label in enumerate(classes.tolist())}
    return {places[k]: v for k, v in class_weight.items() if k in places} or None
