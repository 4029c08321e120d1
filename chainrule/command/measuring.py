"""How well a trained estimator does on rows it has not seen, beside models that are simple."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from chainrule.checks.extras import require
from chainrule.command.scores import class_scores, number_scores
from chainrule.command.task import Task
from chainrule.parameter import Array
from chainrule.preparation import TablePreparation

LINEAR_ROWS = 20_000
"""The linear model learns from so many rows at most: it is there for comparison."""

LINEAR_CATEGORIES = 300
"""It has a column for so many categories at most where the network embeds them."""

IMPORTANCE_ROWS = 1000
IMPORTANCE_REPEATS = 5


class Rows(NamedTuple):
    """Some rows: a data frame, and their targets."""

    X: Any
    y: Array

    def at(self, places: Array) -> Rows:
        """Return some of them."""
        return Rows(self.X.iloc[places], self.y[places])

    def at_most(self, count: int, seed: int) -> Rows:
        """Return all of them, or so many drawn by chance."""
        if len(self.y) <= count:
            return self
        rng = np.random.default_rng(seed)
        return self.at(np.sort(rng.choice(len(self.y), count, replace=False)))


def predicted(estimator: Any, task: Task, rows: Rows) -> tuple[Array, Array]:
    """Return the truth, as numbers of classes or numbers, and what is put out for it."""
    if task.kind == "regression":
        return rows.y, estimator.predict(rows.X)[:, np.newaxis]
    classes = estimator.classes_
    places = np.searchsorted(classes, rows.y).clip(max=len(classes) - 1)
    true = np.where(classes[places] == rows.y, places, -1)
    return true, estimator.predict_proba(rows.X)


def compared(
    estimator: Any, task: Task, train: Rows, held_out: Rows, true: Array, seed: int
) -> dict[str, dict[str, float]]:
    """Return the scores of a linear model, and of one that always says the same."""
    dummy = require("sklearn.dummy", "cli", "Comparing models")
    linear = require("sklearn.linear_model", "cli", "Comparing models")
    if task.kind == "regression":
        models = {"linear model": linear.Ridge(), "mean": dummy.DummyRegressor()}
    else:
        models = {
            "linear model": linear.LogisticRegression(max_iter=300),
            "majority": dummy.DummyClassifier(strategy="prior"),
        }
    preparation = estimator.network_.preparation
    if preparation.code_categories_:  # as numbers, codes would say nothing
        one_hot = {"embed_from": None, "max_categories": LINEAR_CATEGORIES}
        preparation = TablePreparation(**(preparation.get_params() | one_hot)).fit(train.X)
    some = train.at_most(LINEAR_ROWS, seed)
    x, x_held_out = preparation.transform(some.X), preparation.transform(held_out.X)
    scores = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is not quite converged serves for comparison
            model.fit(x, some.y)
        if task.kind == "regression":
            scores[name] = number_scores(true, model.predict(x_held_out))
        else:  # classes that are none of these few rows have a probability of 0
            p = np.zeros((len(true), len(estimator.classes_)))
            p[:, np.searchsorted(estimator.classes_, model.classes_)] = model.predict_proba(
                x_held_out
            )
            scores[name] = class_scores(true, p)
    return scores


def importance(estimator: Any, held_out: Rows, seed: int) -> Array:
    """Return by how much the score falls where a column's values are shuffled, (columns,).

    Breiman, "Random Forests", 2001, section 10.
    """
    inspection = require("sklearn.inspection", "cli", "Measuring importance")
    some = held_out.at_most(IMPORTANCE_ROWS, seed)
    found = inspection.permutation_importance(
        estimator, some.X, some.y, n_repeats=IMPORTANCE_REPEATS, random_state=seed
    )
    return np.asarray(found.importances_mean)
