"""NetworkEstimator: what the classifier and the regressor share, from the door to the attributes.

`_fit` is the whole way: rows come through the door, some are held out, the others are prepared
and learned from, and what was learned becomes the attributes.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import defaults, options
from chainrule.estimators.learners import Learner, Outcome, Plan, Rows, member_outputs
from chainrule.estimators.rows import check_rows, check_weight, held_out_rows, take
from chainrule.parameter import Array
from chainrule.preparation import Preparation, TablePreparation

PIECE = 1024
"""Rows that are predicted at a time, so that memory stays bounded."""


class Given(NamedTuple):
    """Rows as the user gives them, checked: X an array or a data frame, y and weights arrays."""

    X: Any
    y: Array
    weight: Array | None

    def at(self, rows: Array) -> Given:
        """Return some of them."""
        weight = None if self.weight is None else self.weight[rows]
        return Given(take(self.X, rows), self.y[rows], weight)


@dataclass
class Course:
    """What stays the same while an estimator goes on learning: `partial_fit`, `warm_start`."""

    rng: np.random.Generator
    targets: Any
    preparation: Preparation | None
    learner: Learner


class NetworkEstimator(BaseEstimator):
    """The parent of `NetworkClassifier` and `NetworkRegressor`; see there."""

    # ------------------------------------------------------------ learning

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: Any = None,
        *,
        incremental: bool = False,
        classes: Any = None,
    ) -> Self:
        """Learn: anew, or (`incremental`, `warm_start`) on from where it stands."""
        options.check(self, incremental)
        course: Course | None = getattr(self, "_course", None)
        if not (incremental or self.warm_start):
            course = None
        given = self._checked(X, y, sample_weight, reset=course is None)
        rng = self._generator() if course is None else course.rng
        targets = self._targets_of(given.y, classes, course, incremental)
        given = self._counted(given, targets, incremental)
        given, held_out = self._split(given, validation_data, targets, rng, incremental)
        if course is None:
            course = self._begin(given, targets, rng)
        rows, validation = prepared(given, course), prepared(held_out, course)
        outcome = course.learner.train(
            rows, validation, self._plan(len(given.y), incremental), go_on=incremental
        )
        self._course = course
        self._note(outcome, incremental)
        self._finish(held_out)
        return self

    def _begin(self, given: Given, targets: Any, rng: np.random.Generator) -> Course:
        """Measure the rows that are learned from, and build what learns."""
        targets.measure(given.y, given.weight)
        preparation = self._fitted_preparation(given.X)
        x = given.X if preparation is None else preparation.transform(given.X)
        return Course(rng, targets, preparation, self._make_learner(x.shape[1:], targets, rng))

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))

    # ------------------------------------------------------------ the door

    def _checked(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Given:
        """Return what was given to `fit` after all checks."""
        X = self._check_X(X, reset=reset)
        y = self._check_y(y)
        check_consistent_length(X, y)
        return Given(X, y, check_weight(sample_weight, X))

    def _check_X(self, X: Any, *, reset: bool = False) -> Any:
        prepares = self._prepares()
        return check_rows(self, X, reset=reset, missing=prepares, tables=prepares)

    def _prepares(self) -> bool:
        """Whether rows go through a preparation, which takes data frames and missing values."""
        own = getattr(self.network, "preparation", None)
        if self.preparation == "auto" and self.network is not None:
            return own is not None
        return self.preparation is not None

    def _counted(self, given: Given, targets: Any, incremental: bool) -> Given:
        """Return the rows with their final weights, without those that do not count."""
        weight = self._weigh(given, targets, incremental)
        if weight is None or (weight > 0).all():
            return given._replace(weight=weight)
        kept = np.flatnonzero(weight > 0)
        given = given._replace(weight=weight).at(kept)
        self._refuse_what_is_left(given, targets)
        return given

    def _split(
        self,
        given: Given,
        validation_data: Any,
        targets: Any,
        rng: np.random.Generator,
        incremental: bool,
    ) -> tuple[Given, Given | None]:
        """Return the rows to learn from and those that are held out to measure on, if any."""
        if validation_data is not None:
            return given, self._checked_validation(validation_data)
        wanted = self.early_stopping
        if incremental or wanted is False:
            return given, None
        if wanted == "auto" and len(given.y) < defaults.ROWS_TO_HOLD_OUT:
            return given, None
        held_out = held_out_rows(
            len(given.y), self.validation_fraction, self._strata(targets, given.y), rng
        )
        if held_out is None and wanted == "auto":
            return given, None
        if held_out is None:
            raise InputError(
                f"The validation set is too small: validation_fraction={self.validation_fraction} "
                f"of {len(given.y)} rows. Give more rows or a larger share, or set "
                "early_stopping=False."
            )
        rest = np.setdiff1d(np.arange(len(given.y)), held_out)
        return given.at(rest), given.at(held_out)

    def _checked_validation(self, data: Any) -> Given:
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise ConfigurationError(
                "validation_data must be (X, y) or (X, y, sample_weight), got "
                f"{type(data).__name__}."
            )
        X, y, weight = (*data, None)[:3]
        return self._checked(X, y, weight, reset=False)

    def _fitted_preparation(self, X: Any) -> Preparation | None:
        """Return what prepares rows, fitted on those that are learned from."""
        if self.preparation is None:
            return None
        if self.preparation != "auto":
            return copy.deepcopy(self.preparation).fit(X)
        if self.network is None:
            return TablePreparation().fit(X)
        return copy.deepcopy(getattr(self.network, "preparation", None))

    # ------------------------------------------------------------ what was learned

    def _plan(self, rows: int, incremental: bool) -> Plan:
        """Return how long to train, and on how much at a time."""
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = min(defaults.BATCH_SIZE, max(32, rows // 4))
        return Plan(
            epochs=1 if incremental else self.epochs,
            batch_size=min(batch_size, rows),
            patience=None if incremental or self.early_stopping is False else self.patience,
            progress="auto" if self.verbose else False,
        )

    def _note(self, outcome: Outcome, incremental: bool) -> None:
        """Set the attributes that tell how training went; `partial_fit` adds to its curve."""
        earlier = self.loss_curve_ if incremental and hasattr(self, "loss_curve_") else []
        self.history_ = outcome.history
        self.loss_curve_ = earlier + outcome.loss_curve
        self.n_iter_ = len(self.loss_curve_) if incremental else len(outcome.loss_curve)
        self.loss_ = outcome.loss_curve[outcome.kept_epoch]
        self.validation_scores_ = outcome.scores
        self.best_validation_score_ = (
            None if outcome.scores is None else outcome.scores[outcome.kept_epoch]
        )

    def _finish(self, held_out: Given | None) -> None:
        """Make what predicts out of what has learned, and calibrate it on the held-out rows."""
        course = self._course
        self.network_ = course.learner.finished()
        self.network_.preparation = course.preparation
        self.n_outputs_ = course.targets.outputs
        self._note_targets(course.targets)
        self._calibrate(held_out)

    # ------------------------------------------------------------ predicting, saving

    def _outputs(self, X: Any) -> Array:
        """Return what every member puts out for rows as they are, (members, N, outputs)."""
        check_is_fitted(self, "network_")
        return self._outputs_of(self._check_X(X))

    def _outputs_of(self, X: Any) -> Array:
        """Return the same for rows that are checked, computed in pieces."""
        preparation = self._course.preparation
        pieces = []
        for start in range(0, X.shape[0], PIECE):
            rows = take(X, np.arange(start, min(start + PIECE, X.shape[0])))
            x = rows if preparation is None else preparation.transform(rows)
            pieces.append(member_outputs(self.network_, x))
        return np.concatenate(pieces, axis=1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained network, its preparation and the classes into one file.

        `chainrule` reads it with NumPy alone, and predicts rows as they are: ``network =
        Network.load(path)``, ``network.predict_raw(X)``. The estimator itself, with all its
        options, is kept by pickle or joblib, as others of scikit-learn are.
        """
        check_is_fitted(self, "network_")
        self.network_.save(path)

    def _spread(self, outputs: Array) -> Array:
        """Return the standard deviation between the members, (N, outputs)."""
        if len(outputs) == 1:
            raise ConfigurationError(
                "return_std=True needs several members to compare; this estimator was fitted "
                "with one network. Fit it with members=8, for instance."
            )
        return outputs.std(axis=0)

    # ------------------------------------------------------------ what scikit-learn asks

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._prepares()
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")


def prepared(given: Given | None, course: Course) -> Rows | None:
    """Return rows as the network takes them."""
    if given is None:
        return None
    preparation = course.preparation
    x = given.X if preparation is None else preparation.transform(given.X)
    return Rows(x, course.targets.encode(given.y), given.weight)
