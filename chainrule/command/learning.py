"""The estimator, trained on most rows and measured on the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.command.intervals import COVERAGE, half_widths
from chainrule.command.measuring import Rows, compared, importance, predicted
from chainrule.command.schema import KEY, ColumnInfo, Schema, describe_columns, unit_of
from chainrule.command.scores import measure
from chainrule.command.tables import Format
from chainrule.command.task import Task
from chainrule.command.training_table import TrainingTable
from chainrule.errors import InputError
from chainrule.parameter import Array

MOST_IMPORTANCE_COLUMNS = 300
"""Of more columns the importance would take longer than the training."""


@dataclass(frozen=True)
class Options:
    """How to learn; None leaves an option of the estimator at its default."""

    seed: int
    holdout: float = 0.2
    epochs: int | None = None
    members: int | None = None
    hidden_layers: tuple[int, ...] | None = None
    categories: tuple[str, ...] = ()
    balanced: bool = False
    importance: bool = True


@dataclass(frozen=True)
class Trained:
    """A trained estimator with its schema, and what it did on the held-out rows.

    Attributes
    ----------
    true : ndarray, shape (N,)
        Numbers of classes, or numbers.
    outputs : ndarray, shape (N, outputs)
        Probabilities or predictions.
    found : dict
        How good they are; see `measure`.
    curves : dict of str to list of float
        By name, the loss of each epoch.
    """

    estimator: Any
    schema: Schema
    true: Array
    outputs: Array
    found: dict[str, Any]
    curves: dict[str, list[float]]

    def save(self, path: str) -> None:
        """Write model, preparation and schema into one file, atomically."""
        self.estimator.network_.metadata[KEY] = self.schema.as_dict()
        self.estimator.network_.metadata["metrics"] = self.found["scores"]
        self.estimator.save(path)


def learn(
    table: TrainingTable,
    task: Task,
    form: Format,
    options: Options,
    on_epoch: Callable[[int, Any], Any],
    on_stage: Callable[[str], None],
) -> Trained:
    """Train on most rows, measure on the held-out ones, and return all there is to tell."""
    train, held_out = _split(table, task, options)
    estimator = make_estimator(task, options, train.X, on_epoch)
    on_stage("training")
    estimator.fit(train.X, train.y)
    on_stage("measuring")
    widths = half_widths(estimator) if task.kind == "regression" else {}
    true, outputs = predicted(estimator, task, held_out)
    found = measure(task.kind, true, outputs, widths.get(str(COVERAGE)))
    scores = {"network": found["scores"]}
    scores |= compared(estimator, task, train, held_out, true, options.seed)
    columns = _columns(estimator, train)
    if options.importance and len(columns) <= MOST_IMPORTANCE_COLUMNS:
        on_stage("importance of columns")
        lost = importance(estimator, held_out, options.seed)
        columns = [
            dataclasses.replace(column, importance=float(value))
            for column, value in zip(columns, lost, strict=True)
        ]
    schema = Schema(
        task=task.kind,
        target=task.name,
        target_unit=unit_of(task.name),
        why=task.why,
        columns=columns,
        **_range_of_target(estimator, task, train),
        rows=len(train.y),
        held_out=len(held_out.y),
        scores=scores,
        half_widths=widths,
        seed=options.seed,
        format=form.as_dict(),
        notes=[*table.notes, *estimator.network_.preparation.notes_],
    )
    return Trained(estimator, schema, true, outputs, found, _curves(estimator))


def _split(table: TrainingTable, task: Task, options: Options) -> tuple[Rows, Rows]:
    """Return the rows to learn from and those to measure on, of each class the same share."""
    from chainrule.estimators.splitting import held_out_rows

    count, labels = len(task.y), None
    if task.kind == "classification":
        labels = np.unique(task.y, return_inverse=True)[1]
    held_out = held_out_rows(count, options.holdout, labels, np.random.default_rng(options.seed))
    if held_out is None:
        raise InputError(
            f"{count} rows are too few to hold a share of {options.holdout:g} out for measuring; "
            "give more rows, or a larger --holdout."
        )
    train = np.setdiff1d(np.arange(count), held_out)
    if labels is not None and len(np.unique(labels[train])) < 2:
        raise InputError("Too few rows are left to learn two classes from.")
    every = Rows(table.X, task.y)
    return every.at(train), every.at(held_out)


def make_estimator(
    task: Task, options: Options, X: Any, on_epoch: Callable[[int, Any], Any] | None = None
) -> Any:
    """Return the estimator that learns these rows."""
    from chainrule.estimators import NetworkClassifier, NetworkRegressor, defaults

    wanted = {
        name: value
        for name in ("epochs", "members", "hidden_layers")
        if (value := getattr(options, name)) is not None
    }
    if options.balanced and task.kind == "classification":
        wanted["class_weight"] = "balanced"
    kind = NetworkClassifier if task.kind == "classification" else NetworkRegressor
    preparation = defaults.table_preparation(*X.shape, categorical_features=options.categories)
    verbose = False if on_epoch is None else on_epoch
    return kind(preparation=preparation, random_state=options.seed, verbose=verbose, **wanted)


def _columns(estimator: Any, train: Rows) -> list[ColumnInfo]:
    preparation = estimator.network_.preparation
    return describe_columns(train.X, [column.width > 0 for column in preparation.columns_])


def _range_of_target(estimator: Any, task: Task, train: Rows) -> dict[str, Any]:
    if task.kind == "classification":
        return {"classes": estimator.classes_.tolist(), "target_low": None, "target_high": None}
    low, high = float(train.y.min()), float(train.y.max())
    return {"classes": [], "target_low": low, "target_high": high}


def _curves(estimator: Any) -> dict[str, list[float]]:
    curves = {"training": estimator.loss_curve_}
    if estimator.validation_scores_ is not None:
        curves["validation"] = [-score for score in estimator.validation_scores_]
    return curves
