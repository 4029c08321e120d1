"""Simple models to compare the network with, and how much each column matters to it."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from chainrule.checks.extras import require
from chainrule.command.models.scores import classification_scores, regression_scores
from chainrule.command.tables.task import Task
from chainrule.parameter import Array
from chainrule.preparation import TablePreparation

LINEAR_ROWS = 20_000
"""The linear model is only for comparison, so it learns from at most this many rows."""

LINEAR_CATEGORIES = 300
"""The most one-hot columns of a category that the network embeds."""

IMPORTANCE_ROWS = 1000
IMPORTANCE_REPEATS = 5


class LabelledRows(NamedTuple):
    """Some rows: a data frame and the targets."""

    X: Any
    y: Array

    def take(self, rows: Array) -> LabelledRows:
        """Return some of the rows."""
        return LabelledRows(self.X.iloc[rows], self.y[rows])

    def sample(self, count: int, seed: int) -> LabelledRows:
        """Return all rows, or a random sample if there are more than `count`."""
        if len(self.y) <= count:
            return self
        rng = np.random.default_rng(seed)
        return self.take(np.sort(rng.choice(len(self.y), count, replace=False)))


def baseline_scores(
    estimator: Any, task: Task, train: LabelledRows, held_out: LabelledRows, true: Array, seed: int
) -> dict[str, dict[str, float]]:
    """Return the scores of a linear model, and of one that ignores the columns.

    Parameters
    ----------
    estimator : NetworkClassifier or NetworkRegressor
        Fitted; the baselines learn from the same prepared columns.
    true : ndarray, shape (N,)
        The held-out rows' class numbers, or numbers.
    """
    dummy = require("sklearn.dummy", "cli", "Comparing models")
    linear = require("sklearn.linear_model", "cli", "Comparing models")
    classification = task.kind == "classification"
    models = {
        "linear model": linear.LogisticRegression(max_iter=300)
        if classification
        else linear.Ridge()
    }
    if classification:
        models["majority"] = dummy.DummyClassifier(strategy="prior")
    else:
        models["mean"] = dummy.DummyRegressor()
    preparation = estimator.network_.preparation
    if preparation.code_categories_:  # codes for an embedding mean nothing to a linear model
        one_hot = {"embed_from": None, "max_categories": LINEAR_CATEGORIES}
        preparation = TablePreparation(**(preparation.get_params() | one_hot)).fit(train.X)
    sample = train.sample(LINEAR_ROWS, seed)
    x, x_held_out = preparation.transform(sample.X), preparation.transform(held_out.X)
    scores = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # near convergence is enough for a comparison
            model.fit(x, sample.y)
        if classification:  # a class that is not in the sample has the probability 0
            p = np.zeros((len(true), len(estimator.classes_)))
            places = np.searchsorted(estimator.classes_, model.classes_)
            p[:, places] = model.predict_proba(x_held_out)
            scores[name] = classification_scores(true, p)
        else:
            scores[name] = regression_scores(true, model.predict(x_held_out))
    return scores


def permutation_importance(estimator: Any, held_out: LabelledRows, seed: int) -> Array:
    """Return how much the score drops when a column's values are shuffled, (columns,).

    Breiman, "Random Forests", 2001, section 10.
    """
    inspection = require("sklearn.inspection", "cli", "Measuring importance")
    sample = held_out.sample(IMPORTANCE_ROWS, seed)
    found = inspection.permutation_importance(
        estimator, sample.X, sample.y, n_repeats=IMPORTANCE_REPEATS, random_state=seed
    )
    return np.asarray(found.importances_mean)
