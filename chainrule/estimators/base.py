"""NetworkEstimator: what the classifier and the regressor share, from the door to the attributes.

`_fit` is the whole way: rows come through the door, some are held out, the others are prepared
and learned from, and what was learned becomes the attributes.
"""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from chainrule.doctor.conditions import every_finding
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.names import Names
from chainrule.doctor.diagnosis import some
from chainrule.doctor.examination import MOST_STEPS, examine_case
from chainrule.doctor.report import Report
from chainrule.ensemble.folds import Fold
from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import defaults, options
from chainrule.estimators.diagnosis import sources_of, table_case, weights_by_place
from chainrule.estimators.learners import (
    Learner,
    Outcome,
    Plan,
    Rows,
    make_learner,
    member_outputs,
    member_weights,
)
from chainrule.estimators.rows import check_row_numbers, check_rows, check_weight, folds_of, take
from chainrule.estimators.targets import Numbers, OneClass
from chainrule.parameter import Array
from chainrule.preparation import Preparation, Standardizer
from chainrule.preparation.frames import is_frame

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


class Unseen(NamedTuple):
    """What is predicted for rows that were not learned from, to calibrate by.

    Attributes
    ----------
    outputs : ndarray, shape (K, N, outputs)
        Of K members, in the user's units.
    counts : ndarray, shape (K,)
        How much each counts in the prediction.
    by_all : bool
        Whether it is what all members say that predict together, or each row only by those that
        left it out.
    """

    y: Array
    weight: Array
    outputs: Array
    counts: Array
    by_all: bool


@dataclass
class Course:
    """What stays the same while an estimator goes on learning: `partial_fit`, `warm_start`."""

    rng: np.random.Generator
    targets: Any
    preparation: Preparation | None
    learner: Learner


class NetworkEstimator(BaseEstimator):
    """The parent of `NetworkClassifier` and `NetworkRegressor`; see there."""

    loss_curve_: list[float]

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
        options.check(self)
        with self._as_before_if_it_fails():
            course: Course | None = getattr(self, "_course", None)
            if not (incremental or self.warm_start):
                course = None
            given = self._checked(X, y, sample_weight, reset=course is None)
            rng = self._generator() if course is None else course.rng
            targets = self._targets_of(given.y, classes, course, incremental)
            given = self._counted(given, targets, incremental)
            validation, folds = None, None
            if validation_data is not None:
                validation = self._checked_validation(validation_data)
            elif not incremental:
                folds = self._folds(given, targets, rng)
            if course is None:
                course = self._begin(given, targets, rng, incremental)
            outcome = course.learner.train(
                prepared(given, course),
                folds if validation is None else prepared(validation, course),
                self._plan(len(given.y), incremental),
                go_on=incremental,
            )
            self._course = course
            self._note(outcome, incremental)
            self._finish(given, validation, outcome.out_of_fold)
        if outcome.interrupted:
            warnings.warn(
                f"Training was interrupted after {self.n_iter_} of {self.epochs} epochs; the "
                "estimator has what was learned until then.",
                stacklevel=3,
            )
        return self

    @contextlib.contextmanager
    def _as_before_if_it_fails(self) -> Iterator[None]:
        """Put every attribute back where an error ends this, names and number of columns too."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _begin(
        self, given: Given, targets: Any, rng: np.random.Generator, incremental: bool
    ) -> Course:
        """Measure the rows that are learned from, and build what learns."""
        targets.measure(given.y, given.weight)
        preparation = self._fitted_preparation(given.X, incremental)
        first = take(given.X, np.arange(1))
        x = first if preparation is None else preparation.transform(first)
        batch_norm = self.batch_norm
        if isinstance(batch_norm, str):
            batch_norm = not incremental and len(given.y) >= defaults.ROWS_FOR_BATCH_NORM
        learner = make_learner(
            self,
            x.shape[1:],
            targets,
            rng,
            batch_norm=bool(batch_norm),
            categories=() if preparation is None else preparation.code_categories_,
        )
        return Course(rng, targets, preparation, learner)

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

    def _folds(self, given: Given, targets: Any, rng: np.random.Generator) -> list[Fold] | None:
        """Return which rows each member learns from and leaves out, where any are left out."""
        wanted = self.early_stopping
        if not wanted or (wanted == "auto" and len(given.y) < defaults.ROWS_TO_HOLD_OUT):
            return None
        folds = folds_of(
            given.y,
            self._strata(targets, given.y),
            self.validation_fraction,
            self.members if self.network is None else 1,
            rng,
        )
        if folds is None and wanted != "auto":
            raise InputError(
                f"The validation set is too small: validation_fraction={self.validation_fraction} "
                f"of n_samples = {len(given.y)}. Give more rows or a larger share, or set "
                "early_stopping=False."
            )
        return folds

    def _checked_validation(self, data: Any) -> Given:
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise ConfigurationError(
                "validation_data must be (X, y) or (X, y, sample_weight), got "
                f"{type(data).__name__}."
            )
        X, y, weight = (*data, None)[:3]
        return self._checked(X, y, weight, reset=False)

    def _fitted_preparation(self, X: Any, incremental: bool) -> Preparation | None:
        """Return what prepares rows, fitted on those that are learned from."""
        if self.preparation is None:
            return None
        if self.preparation != "auto":
            return copy.deepcopy(self.preparation).fit(X)
        if self.network is not None:
            return copy.deepcopy(getattr(self.network, "preparation", None))
        if not is_frame(X) and can_be_constant(X, incremental):
            return Standardizer().fit(X)
        rows = 0 if incremental else X.shape[0]  # the first part does not tell how many there are
        return defaults.table_preparation(rows, X.shape[1], dtype=self.dtype).fit(X)

    # ------------------------------------------------------------ what was learned

    def _plan(self, rows: int, incremental: bool) -> Plan:
        """Return how long to train, and on how much at a time."""
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = defaults.batch_size(rows)
        stops = isinstance(self.early_stopping, str) or bool(self.early_stopping)
        return Plan(
            epochs=1 if incremental else self.epochs,
            batch_size=min(batch_size, rows),
            patience=self.patience if stops else None,
            optimizer=options.optimizer_maker(self.optimizer),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            on_epoch_end=self.verbose if callable(self.verbose) else None,
            verbose=bool(self.verbose),
        )

    def _note(self, outcome: Outcome, incremental: bool) -> None:
        """Set the attributes that tell how training went; `partial_fit` adds to its curve."""
        earlier = self.loss_curve_ if incremental and hasattr(self, "loss_curve_") else []
        self.history_ = outcome.history
        self.loss_curve_ = earlier + outcome.loss_curve
        self.n_iter_ = len(self.loss_curve_) if incremental else len(outcome.loss_curve)
        self.loss_ = outcome.loss_curve[outcome.kept_epoch]
        self.validation_scores_ = outcome.scores
        self.best_validation_score_ = None if outcome.scores is None else max(outcome.scores)

    def _finish(self, given: Given, validation: Given | None, out_of_fold: Array | None) -> None:
        """Make what predicts out of what has learned, and calibrate it on rows it has not seen."""
        course = self._course
        self.network_ = course.learner.finished()
        self.network_.preparation = course.preparation
        self.n_outputs_ = course.targets.outputs
        self._note_targets(course.targets)
        unseen = None if validation is None else self._unseen(validation)
        if out_of_fold is not None:
            rows = np.flatnonzero(np.isfinite(out_of_fold).all(axis=1))
            outputs = self._in_units(out_of_fold[rows].astype(np.float64)[np.newaxis])
            kept = given.at(rows)
            by_all = self.network is not None or self.members == 1
            unseen = Unseen(kept.y, weights_of(kept), outputs, np.ones(1), by_all)
        self._calibrate(unseen)

    def _unseen(self, given: Given) -> Unseen:
        """Return what is predicted for rows that were not learned from."""
        outputs = self._outputs_of(given.X, every=True)
        counts = member_weights(self.network_)
        return Unseen(given.y, weights_of(given), outputs, counts, by_all=True)

    # ------------------------------------------------------------ the doctor

    def diagnose(self, X: Any, y: Any, *, row_numbers: Any = None, seed: int = 0) -> Report:
        """Tell what is likely to keep a network with these options from learning, and what to do.

        The rows are looked at as they are: columns and rows that stand there twice, or a column
        that gives the target away. Then they go through the estimator's own preparation, so what it
        mends (gaps, numbers of any size) is no matter, and a network as it would be trained (the
        first one, of several members) is looked at and tried, as `chainrule.diagnose` does. The
        estimator is not changed.

        Parameters
        ----------
        X, y
            As `fit` takes them. There may be a single class: the report says so.
        row_numbers : array_like of int, shape (N,), optional
            What the rows are called in the report, such as their numbers in a file; otherwise their
            places, from 0. Columns and classes are called what they are called in X and y.
        seed : int
            Where the order of the rows in the trials comes from.

        Returns
        -------
        Report
            ``print(report)``; its `prescribe` is a training of that network on prepared rows.
        """
        asked = clone(self)
        options.check(asked)
        given = asked._checked(X, y, None, reset=True)
        numbers = check_row_numbers(row_numbers, len(given.y))
        targets = asked._targets_to_diagnose(given.y)
        course = asked._begin(given, targets, asked._generator(), False)
        rows, plan = prepared(given, course), asked._plan(len(given.y), False)
        names = asked._names(course, numbers)
        table = None
        if course.preparation is not None:
            y = given.y if isinstance(targets, Numbers) else rows.y
            table = table_case(course, names, given.X, y)
        X, y, looked_at = some(rows.X, rows.y, seed)
        network, loss = course.learner.first_network()
        case = Case(
            network,
            loss,
            plan.optimizer(plan.learning_rate, weight_decay=plan.weight_decay),
            X,
            y,
            batch_size=plan.batch_size,
            steps=plan.epochs * -(-len(rows.y) // plan.batch_size),
            planned_epochs=plan.epochs,
            names=names.at(looked_at),
        )
        if isinstance(targets, OneClass):
            case.class_weight = weights_by_place(asked.class_weight, targets.classes)
        examine_case(case, min(MOST_STEPS, case.steps), seed)
        return Report(every_finding(case, table), case, looked_at)

    def _names(self, course: Course, row_numbers: Array | None) -> Names:
        """Return what the user calls the columns that come out, the rows and the classes."""
        return Names(
            columns=sources_of(course.preparation, getattr(self, "feature_names_in_", None)),
            rows=row_numbers,
            classes=tuple(getattr(course.targets, "classes", np.empty(0)).tolist()),
        )

    def _targets_to_diagnose(self, y: Array) -> Any:
        """Return what y holds."""
        return self._targets_of(y, None, None, False)

    # ------------------------------------------------------------ predicting, saving

    def _outputs(self, X: Any) -> Array:
        """Return the prediction for rows as they come, (N, outputs), in the user's units."""
        check_is_fitted(self, "network_")
        return self._outputs_of(self._check_X(X))

    def _outputs_of(self, X: Any, *, every: bool = False) -> Array:
        """Return the same for rows that are checked; or that of every member, (members, N, ...)."""
        if every:
            pieces = [member_outputs(self.network_, x) for x in self._pieces(X)]
            return self._in_units(np.concatenate(pieces, axis=1))
        return self._in_units(np.concatenate([self.network_.predict(x) for x in self._pieces(X)]))

    def _outputs_and_spread(self, X: Any) -> tuple[Array, Array]:
        """Return the prediction for rows as they come, and how far the members are from it."""
        check_is_fitted(self, "network_")
        predictions, members = [], []
        for x in self._pieces(self._check_X(X)):
            predictions.append(self.network_.predict(x))
            members.append(member_outputs(self.network_, x))
        prediction = self._in_units(np.concatenate(predictions))
        outputs = self._in_units(np.concatenate(members, axis=1))
        return prediction, self._spread(outputs, prediction)

    def _pieces(self, X: Any) -> Iterator[Array]:
        """Yield rows that are checked as the network takes them, some at a time."""
        preparation = self._course.preparation
        for start in range(0, X.shape[0], PIECE):
            rows = take(X, np.arange(start, min(start + PIECE, X.shape[0])))
            yield rows if preparation is None else preparation.transform(rows)

    def _spread(self, outputs: Array, prediction: Array) -> Array:
        """Return how far members are from the prediction, (N, outputs), the root mean square.

        All members that have learned something are asked. Were it only those that were chosen to
        predict, who may be one, they would seem to agree.
        """
        if len(outputs) == 1:
            raise ConfigurationError(
                "return_std=True needs several members to compare; this estimator was fitted "
                "with one network. Fit it with members=8, for instance."
            )
        return np.sqrt(((outputs - prediction) ** 2).mean(axis=0))

    def _can_go_on(self) -> bool:
        """Whether there is a partial_fit: it holds nothing out, so nothing could stop it."""
        if isinstance(self.early_stopping, str) or not self.early_stopping:
            return True
        raise AttributeError(
            "partial_fit does not support early_stopping=True; give 'auto' or False."
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained network, its preparation and the names of classes into one file.

        `chainrule` reads it and predicts rows as they are, with NumPy alone: ``model =
        Ensemble.load(path)``, or ``Network.load(path)`` where `network` was given;
        ``model.predict_raw(X)``. The estimator with all its options is kept by pickle or joblib,
        as others of scikit-learn are.
        """
        check_is_fitted(self, "network_")
        self.network_.save(path)

    # ------------------------------------------------------------ what scikit-learn asks

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._prepares()
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")


def can_be_constant(X: Array, incremental: bool) -> bool:
    """Whether columns that never change in these rows have to be kept.

    `TablePreparation` leaves them out. But later parts may tell what the first one does not, and
    where all are constant there has to be something to learn from.
    """
    return bool(np.isfinite(X).all()) and (incremental or not np.ptp(X, axis=0).any())


def weights_of(given: Given) -> Array:
    """Return how much each row counts, (N,)."""
    return np.ones(len(given.y)) if given.weight is None else given.weight


def prepared(given: Given, course: Course) -> Rows:
    """Return rows as the network takes them."""
    preparation = course.preparation
    x = given.X if preparation is None else preparation.transform(given.X)
    return Rows(x, course.targets.encode(given.y), given.weight)
