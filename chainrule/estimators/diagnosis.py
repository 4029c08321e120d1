"""How the doctor examines an estimator: the rows as given, and the network it would train."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone

from chainrule.doctor.conditions import Examination, all_findings
from chainrule.doctor.conditions.names import Name, Names
from chainrule.doctor.diagnosis import sampled
from chainrule.doctor.examine import MOST_STEPS, examine
from chainrule.doctor.report import Report
from chainrule.errors import InputError
from chainrule.estimators import options
from chainrule.estimators.targets import MulticlassTargets, RegressionTargets
from chainrule.estimators.validation import check_row_numbers
from chainrule.parameter import Array
from chainrule.preparation.frames import as_table, values_of
from chainrule.preparation.values import category_of, holds_numbers, numbers_in


def diagnose(estimator: Any, X: Any, y: Any, row_numbers: Any, seed: int) -> Report:
    """Return the report on an estimator's options and these rows; see `diagnose` of estimators."""
    estimator = clone(estimator)
    options.check(estimator)
    given = estimator._validate(X, y, None, reset=True)
    numbers = check_row_numbers(row_numbers, len(given.y))
    targets = estimator._targets_to_diagnose(given.y)
    state = estimator._start(given, targets, estimator._generator(), False)
    rows = state.encode(given)
    columns: Any = map(str, getattr(estimator, "feature_names_in_", ()))
    if state.preparation is not None:  # for each input of the network the user's column
        columns = state.preparation.input_columns() or ()
    classes = tuple(getattr(targets, "classes", np.empty(0)).tolist())
    names = Names(tuple(columns), rows=numbers, classes=classes)
    table = None
    if state.preparation is not None:
        y = given.y if isinstance(targets, RegressionTargets) else rows.y
        table = examined_table(state.model, names, given.X, y)
    X, y, examined = sampled(rows.X, rows.y, seed)
    network, loss = state.model.first_network()
    make_optimizer = options.optimizer_factory(estimator.optimizer)
    batch_size = options.batch_size(estimator, len(rows.y))
    exam = Examination(
        network,
        loss,
        make_optimizer(estimator.learning_rate, weight_decay=estimator.weight_decay),
        X,
        y,
        batch_size=batch_size,
        steps=estimator.epochs * -(-len(rows.y) // batch_size),
        planned_epochs=estimator.epochs,
        names=names.at(examined),
    )
    if isinstance(targets, MulticlassTargets):
        exam.class_weight = encoded_class_weight(estimator.class_weight, targets.classes)
    examine(exam, min(MOST_STEPS, exam.steps), seed)
    return Report(all_findings(exam, table), exam, examined)


def examined_table(model: Any, names: Names, X: Any, y: Array) -> Examination | None:
    """Return the rows as they were given, for an examination, or None if they are not a table.

    Parameters
    ----------
    model : Model
        Whose network and loss the examination has.
    X : data frame or ndarray
        The rows before they were prepared.
    y : ndarray, shape (N,) or (N, outputs)
        Indices of classes, or numbers in the user's units.
    """
    if len(X.shape) != 2:
        return None
    table = as_table(X)
    keys: list[Name] = list(range(table.columns)) if table.names is None else table.names
    columns = [numeric_column(values_of(table.column(key), key), key) for key in keys]
    network, loss = model.first_network()
    names = dataclasses.replace(names, columns=tuple(keys))
    return Examination(network, loss, X=np.column_stack(columns), y=y, names=names, as_given=True)


def numeric_column(values: Array, key: Name) -> Array:
    """Return a column in float64: its numbers, NaN if one is missing, or a code for each text.

    A column without any value is treated as constant.
    """
    try:
        numbers = numbers_in(values, key) if holds_numbers(values, key) else None
    except InputError:  # what a preparation of the user's takes, and chainrule's does not
        numbers = None
    if numbers is not None:
        return np.zeros(len(numbers)) if np.isnan(numbers).all() else numbers
    codes: dict[str | None, int] = {}
    texts = map(category_of, values.tolist())
    return np.fromiter((codes.setdefault(text, len(codes)) for text in texts), float, len(values))


def encoded_class_weight(class_weight: Any, classes: Array) -> Any:
    """Return an estimator's class_weight by the indices of classes, as `Trainer` takes it."""
    if not isinstance(class_weight, Mapping):
        return class_weight
    labels = classes.tolist()
    return {labels.index(k): v for k, v in class_weight.items() if k in labels} or None
