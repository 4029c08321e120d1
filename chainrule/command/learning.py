"""The estimator, trained on most rows and measured on the others, beside models that are simple."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.command.schema import KEY, Schema, describe_columns, unit_of
from chainrule.command.scores import class_scores, confusion, number_scores, reliability
from chainrule.command.tables import Format
from chainrule.command.task import Task
from chainrule.command.training_table import TrainingTable
from chainrule.errors import InputError
from chainrule.extras import require
from chainrule.parameter import Array

MOST_IMPORTANCE_COLUMNS = 300
"""Of more columns the importance would take longer than the training."""

IMPORTANCE_ROWS = 1000
IMPORTANCE_REPEATS = 5

LINEAR_ROWS = 20_000
"""The linear model learns from so many rows at most: it is there for comparison."""

COVERAGE = 90
"""Percent of rows that the interval in the report shall hold."""


@dataclass(frozen=True)
class Options:
    """How to learn; None leaves an option of the estimator at its default."""

    seed: int
    holdout: float
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
    curves : dict of str to list of float
        By name, the loss of each epoch.
    """

    estimator: Any
    schema: Schema
    true: Array
    outputs: Array
    curves: dict[str, list[float]]

    @property
    def confusion(self) -> Array:
        """Row = true class, column = predicted class."""
        return confusion(self.true, self.outputs)

    @property
    def reliability(self) -> list[dict[str, float]]:
        """How often predictions of each sureness are right."""
        return reliability(self.true, self.outputs)

    def save(self, path: str) -> None:
        """Write model, preparation and schema into one file, atomically."""
        self.estimator.network_.metadata[KEY] = self.schema.as_dict()
        self.estimator.network_.metadata["metrics"] = self.schema.scores["network"]
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
    train, held_out = _split(task, options)
    estimator = _estimator(task, options, on_epoch)
    on_stage("training")
    estimator.fit(table.X.iloc[train], task.y[train])
    X_held, y_held = table.X.iloc[held_out], task.y[held_out]
    on_stage("measuring")
    true, outputs = _measured(estimator, task, X_held, y_held)
    scores = {"network": _scores(task, true, outputs)}
    scores |= _simple_models(estimator, table.X, task, train, held_out, true, options.seed)
    half_widths: dict[str, float] = {}
    if task.kind == "regression":
        residuals = np.abs(true - outputs[:, 0])
        half_widths = _half_widths(residuals)
        scores["network"] |= _coverage(residuals, options.seed)
    preparation = estimator.network_.preparation
    columns = describe_columns(table.X.iloc[train], [c.width > 0 for c in preparation.columns_])
    if options.importance and table.X.shape[1] <= MOST_IMPORTANCE_COLUMNS:
        on_stage("importance of columns")
        found = _importance(estimator, X_held, y_held, options.seed)
        columns = [
            dataclasses.replace(column, importance=float(value))
            for column, value in zip(columns, found, strict=True)
        ]
    numbers = task.kind == "regression"
    schema = Schema(
        task=task.kind,
        target=str(table.target.name),
        target_unit=unit_of(str(table.target.name)),
        why=task.why,
        columns=columns,
        classes=[] if numbers else estimator.classes_.tolist(),
        target_low=float(task.y[train].min()) if numbers else None,
        target_high=float(task.y[train].max()) if numbers else None,
        rows=len(train),
        held_out=len(held_out),
        scores=scores,
        half_widths=half_widths,
        seed=options.seed,
        format={**dataclasses.asdict(form), "missing": list(form.missing)},
        notes=[*table.notes, *preparation.notes_],
    )
    curves = {"training": estimator.loss_curve_}
    if estimator.validation_scores_ is not None:
        curves["validation"] = [-score for score in estimator.validation_scores_]
    return Trained(estimator, schema, true, outputs, curves)


def _split(task: Task, options: Options) -> tuple[Array, Array]:
    """Return the rows to learn from and those to measure on, of each class the same share."""
    from chainrule.estimators.rows import held_out_rows

    labels = None
    if task.kind == "classification":
        labels = np.unique(task.y, return_inverse=True)[1]
    rng = np.random.default_rng(options.seed)
    held_out = held_out_rows(len(task.y), options.holdout, labels, rng)
    if held_out is None:
        raise InputError(
            f"{len(task.y)} rows are too few to hold a share of {options.holdout:g} out for "
            "measuring; give more rows, or a larger --holdout."
        )
    train = np.setdiff1d(np.arange(len(task.y)), held_out)
    if labels is not None and len(np.unique(labels[train])) < 2:
        raise InputError("Too few rows are left to learn two classes from.")
    return train, held_out


def _estimator(task: Task, options: Options, on_epoch: Callable[[int, Any], Any]) -> Any:
    from chainrule.estimators import NetworkClassifier, NetworkRegressor
    from chainrule.preparation import TablePreparation

    wanted = {
        name: value
        for name in ("epochs", "members", "hidden_layers")
        if (value := getattr(options, name)) is not None
    }
    if options.balanced and task.kind == "classification":
        wanted["class_weight"] = "balanced"
    kind = NetworkClassifier if task.kind == "classification" else NetworkRegressor
    preparation = TablePreparation(categorical_features=options.categories)
    return kind(preparation=preparation, random_state=options.seed, verbose=on_epoch, **wanted)


# ---------------------------------------------------------------- measuring


def _measured(estimator: Any, task: Task, X: Any, y: Array) -> tuple[Array, Array]:
    """Return the truth, as numbers of classes or numbers, and what is put out for it."""
    if task.kind == "regression":
        return y, estimator.predict(X)[:, np.newaxis]
    places = np.searchsorted(estimator.classes_, y).clip(max=len(estimator.classes_) - 1)
    places = np.where(estimator.classes_[places] == y, places, -1)
    return places, estimator.predict_proba(X)


def _scores(task: Task, true: Array, outputs: Array) -> dict[str, float]:
    if task.kind == "regression":
        return number_scores(true, outputs[:, 0])
    return class_scores(true, outputs)


def _simple_models(
    estimator: Any,
    X: Any,
    task: Task,
    train: Array,
    held_out: Array,
    true: Array,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Return the scores of a linear model, and of one that always says the same."""
    dummy = require("sklearn.dummy", "cli", "Comparing models")
    linear = require("sklearn.linear_model", "cli", "Comparing models")
    some = train
    if len(train) > LINEAR_ROWS:
        some = np.sort(np.random.default_rng(seed).choice(train, LINEAR_ROWS, replace=False))
    prepare = estimator.network_.preparation.transform
    x, x_held, y = prepare(X.iloc[some]), prepare(X.iloc[held_out]), task.y[some]
    numbers = task.kind == "regression"
    models = {
        "linear model": linear.Ridge() if numbers else linear.LogisticRegression(max_iter=300),
        "mean" if numbers else "majority": (
            dummy.DummyRegressor() if numbers else dummy.DummyClassifier(strategy="prior")
        ),
    }
    scores = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is not quite converged serves for comparison
            model.fit(x, y)
        if numbers:
            scores[name] = number_scores(true, model.predict(x_held))
        else:
            p = np.zeros((len(held_out), len(estimator.classes_)))
            p[:, np.searchsorted(estimator.classes_, model.classes_)] = model.predict_proba(x_held)
            scores[name] = class_scores(true, p)
    return scores


def _half_widths(residuals: Array, percents: Iterable[int] = range(1, 100)) -> dict[str, float]:
    """Return how far intervals reach, for as many percent as so many held-out rows can promise.

    These rows had no part in training, not even in its early stopping, so that the promise holds
    (see `interval_half_width`).
    """
    from chainrule.estimators.calibration import interval_half_width

    widths = {}
    for percent in percents:
        try:
            width = interval_half_width(
                residuals[:, np.newaxis], np.ones(len(residuals)), percent / 100
            )
        except InputError:  # so few rows cannot promise so much
            break
        widths[str(percent)] = float(width[0])
    return widths


def _coverage(residuals: Array, seed: int) -> dict[str, float]:
    """Return which share of the held-out rows lies in intervals measured on the others.

    Each half of them is measured with the intervals of the other half: with its own, the share
    would be what was asked for by construction. Nothing where halves are too few rows.
    """
    order = np.random.default_rng(seed).permutation(len(residuals))
    halves = np.array_split(residuals[order], 2)
    widths = [_half_widths(half, [COVERAGE]).get(str(COVERAGE)) for half in halves]
    if None in widths:
        return {}
    inside = [half <= width for half, width in zip(halves, reversed(widths), strict=True)]
    return {"coverage": float(np.concatenate(inside).mean())}


def _importance(estimator: Any, X: Any, y: Array, seed: int) -> Array:
    """Return by how much the score falls where a column's values are shuffled, (columns,)."""
    inspection = require("sklearn.inspection", "cli", "Measuring importance")
    if len(X) > IMPORTANCE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(X), IMPORTANCE_ROWS, replace=False))
        X, y = X.iloc[rows], y[rows]
    found = inspection.permutation_importance(
        estimator, X, y, n_repeats=IMPORTANCE_REPEATS, random_state=seed
    )
    return np.asarray(found.importances_mean)
