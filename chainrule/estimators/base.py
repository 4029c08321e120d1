"""NetworkEstimator: what the classifier and the regressor share.

`_fit` is the whole path: rows are validated, some are held out, the others are prepared and learned
from, and what was learned becomes the estimator's attributes.
"""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from chainrule.checks import check_bool
from chainrule.checks.habits import (
    ESTIMATOR_ATTRIBUTES,
    ESTIMATOR_OPTIONS,
    GivesAdvice,
    gives_advice,
)
from chainrule.doctor.report import Report
from chainrule.ensemble.folds import Fold
from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import defaults, options
from chainrule.estimators.diagnosis import diagnose
from chainrule.estimators.ensemble_model import EnsembleModel
from chainrule.estimators.model import HeldOut, TrainingResult, member_outputs, member_weights
from chainrule.estimators.network_model import NetworkModel
from chainrule.estimators.samples import LabeledRows, member_folds, take_rows
from chainrule.estimators.targets import Targets
from chainrule.estimators.validation import check_sample_weight, check_X
from chainrule.parameter import Array
from chainrule.preparation import Preparation, Standardizer
from chainrule.preparation.frames import is_frame
from chainrule.preparation.row_numbers import row_numbers

ROWS_AT_ONCE = 1024
"""Rows that are predicted at a time, so that memory stays bounded."""


class HeldOutPredictions(NamedTuple):
    """What is predicted for rows that were not learned from, to calibrate with.

    Attributes
    ----------
    y : ndarray
        Their targets.
    weight : ndarray, shape (N,)
        How much each row counts.
    outputs : ndarray, shape (K, N, outputs)
        The predictions of K members, in the units of y.
    member_weights : ndarray, shape (K,)
        The weight of each member.
    by_all : bool
        Whether all members that predict together made them, or for each row only those that left
        it out.
    """

    y: Array
    weight: Array
    outputs: Array
    member_weights: Array
    by_all: bool


@dataclass
class TrainingState:
    """What `partial_fit` and warm_start continue from."""

    rng: np.random.Generator
    targets: Any
    preparation: Preparation | None
    model: EnsembleModel | NetworkModel
    options: dict[str, Any]

    def prepare(self, X: Any) -> Array:
        """Return rows as the network takes them."""
        return X if self.preparation is None else self.preparation.transform(X)

    def encode(self, rows: LabeledRows) -> LabeledRows:
        """Return rows as the network takes them, with what it learns of them."""
        encoded = self.targets.encode(rows.y)
        with row_numbers(rows.numbers):
            return rows._replace(X=self.prepare(rows.X), y=encoded)


@dataclass(eq=False, repr=False)
class NetworkEstimator(GivesAdvice, BaseEstimator):
    """The parent of `NetworkClassifier` and `NetworkRegressor`, where its options are explained."""

    attribute_advice, option_advice = ESTIMATOR_ATTRIBUTES, ESTIMATOR_OPTIONS

    hidden_layers: Any = defaults.HIDDEN_LAYERS
    _: KW_ONLY
    activation: str = defaults.ACTIVATION
    dropout: float = defaults.DROPOUT
    batch_norm: Any = "auto"
    optimizer: Any = defaults.OPTIMIZER
    learning_rate: float = defaults.LEARNING_RATE
    weight_decay: float = defaults.WEIGHT_DECAY
    loss: Any = None  # each child has its own default
    epochs: int = defaults.EPOCHS
    batch_size: Any = "auto"
    early_stopping: Any = "auto"
    validation_fraction: float = defaults.VALIDATION_FRACTION
    patience: int = defaults.PATIENCE
    members: int = defaults.MEMBERS
    preparation: Any = "auto"
    network: Any = None
    dtype: Any = "float32"
    warm_start: bool = False
    random_state: Any = None
    verbose: Any = False

    # What each child defines:
    _check_y: ClassVar[Callable[..., Array]]  # y as an array, checked
    _make_targets: ClassVar[Callable[..., Any]]  # the kind of targets
    _calibrate: ClassVar[Callable[..., None]]  # what predicts, with held-out rows if there are any

    def _targets_to_diagnose(self, y: Array) -> Any:
        """Return the kind of targets, for `diagnose`."""
        return self._make_targets(y, None, None, False)

    def _weigh(self, rows: LabeledRows, targets: Any, incremental: bool) -> Array | None:
        """Return the final weights of the rows."""
        return rows.sample_weight

    # ------------------------------------------------------------ training

    @gives_advice
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None
    ) -> Self:
        """Train on rows, and return the estimator.

        Parameters
        ----------
        X : data frame, array_like or sparse matrix, shape (N, features)
            The rows. Missing values are allowed, infinity is not, and dates are refused: derive
            numbers from them first. Sparse rows are made dense.
        y : array_like
            For a classifier labels of any kind, (N,), or 0 and 1 for each of several labels,
            (N, labels). For a regressor numbers, (N,) or (N, outputs).
        sample_weight : array_like, shape (N,), optional
            How much each row counts; rows of weight 0 are left out.
        validation_data : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` to validate on, instead of a share of the rows.

        Raises
        ------
        InputError, ConfigurationError
            The data or an option cannot be used. Raised before the first step;
            both are ValueErrors.
        NotFiniteError
            Training met NaN or infinity.
        """
        return self._fit(X, y, sample_weight, validation_data)

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
        """Train from the start, or (`incremental`, warm_start) continue."""
        options.check(self)
        with self._unchanged_if_it_fails():
            state: TrainingState | None = None
            if incremental or self.warm_start:
                state = getattr(self, "_state", None)
            if state is not None:
                options.check_unchanged(self, state.options)
            rows = self._validate(X, y, sample_weight, reset=state is None)
            rng = self._generator() if state is None else state.rng
            before = None if state is None else state.targets
            targets = self._make_targets(rows.y, classes, before, incremental)
            rows = self._weighted(rows, targets, incremental)
            validation: LabeledRows | None = None
            held_out: HeldOut = None
            if validation_data is not None:
                validation = self._validate(*unpack(validation_data), reset=False).that_count()
            elif not incremental:
                held_out = self._folds(rows, targets, rng)
            if state is None:
                state = self._start(rows, targets, rng, incremental)
            if validation is not None:
                held_out = state.encode(validation)
            result = state.model.train(self, state.encode(rows), held_out, incremental)
            self._state = state
            self._set_training_attributes(result, incremental)
            self._set_predictor(rows, validation, result.out_of_fold)
        if result.interrupted:
            warnings.warn(
                f"Training was interrupted after {self.n_iter_} of {self.epochs} epochs; the "
                "estimator has what it had learned by then.",
                stacklevel=3,
            )
        return self

    @contextlib.contextmanager
    def _unchanged_if_it_fails(self) -> Iterator[None]:
        """Restore every attribute if an error ends the `with` block."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _start(
        self, rows: LabeledRows, targets: Targets, rng: np.random.Generator, incremental: bool
    ) -> TrainingState:
        """Fit the preparation to the rows that are learned from, and build the model."""
        targets.fit(rows.y, rows.sample_weight)
        count = 0 if incremental else len(rows.y)  # the first part does not tell how many come
        with row_numbers(rows.numbers):
            preparation = self._fitted_preparation(rows.X, count)
        x = take_rows(rows.X, np.arange(1))
        x = x if preparation is None else preparation.transform(x)
        model: EnsembleModel | NetworkModel
        if self.network is not None:
            model = NetworkModel(self, x, targets, rng)
        else:
            categories = () if preparation is None else preparation.code_categories_
            model = EnsembleModel(self, x, targets, rng, count, categories)
        return TrainingState(rng, targets, preparation, model, options.fixed_options(self))

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))

    # ------------------------------------------------------------ input validation

    def _validate(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> LabeledRows:
        """Return what was given to `fit` after all checks."""
        X = check_X(self, X, reset=reset, prepared=self._prepares())
        y = self._check_y(y)
        check_consistent_length(X, y)
        return LabeledRows(X, y, check_sample_weight(sample_weight, X))

    def _prepares(self) -> bool:
        """Whether rows go through a preparation, which takes data frames and missing values."""
        if self.preparation == "auto" and self.network is not None:
            return getattr(self.network, "preparation", None) is not None
        return self.preparation is not None

    def _weighted(self, rows: LabeledRows, targets: Targets, incremental: bool) -> LabeledRows:
        """Return the rows with their final weights, without those of weight 0."""
        weight = self._weigh(rows, targets, incremental)
        rows = rows._replace(sample_weight=weight)
        if weight is None or (weight > 0).all():
            return rows
        rows = rows.take(np.flatnonzero(weight > 0))
        targets.check_remaining(rows.y)
        return rows

    def _folds(
        self, rows: LabeledRows, targets: Targets, rng: np.random.Generator
    ) -> list[Fold] | None:
        """Return which rows each member learns from and leaves out, if any are held out."""
        wanted, count = self.early_stopping, len(rows.y)
        if not wanted or (wanted == "auto" and count < defaults.ROWS_TO_HOLD_OUT):
            return None
        members = self.members if self.network is None else 1
        folds = member_folds(rows.y, targets.strata(rows.y), self.validation_fraction, members, rng)
        if folds is None and wanted != "auto":
            raise InputError(
                f"The validation set is too small: validation_fraction={self.validation_fraction} "
                f"of n_samples = {count}. Give more rows or a larger share, or set "
                "early_stopping=False."
            )
        return folds

    def _fitted_preparation(self, X: Any, count: int) -> Preparation | None:
        """Return what prepares rows, fitted to those that are learned from.

        `count` is how many there will be; 0 if that is not known.
        """
        if self.preparation is None:
            return None
        if self.preparation != "auto":
            return copy.deepcopy(self.preparation).fit(X)
        if self.network is not None:
            return copy.deepcopy(getattr(self.network, "preparation", None))
        if not is_frame(X) and keeps_constant_columns(X, not count):
            return Standardizer().fit(X)
        return defaults.table_preparation(count, X.shape[1], dtype=self.dtype).fit(X)

    # ------------------------------------------------------------ what was learned

    def _set_training_attributes(self, result: TrainingResult, incremental: bool) -> None:
        """Set the attributes that describe the training; `partial_fit` extends its curve."""
        earlier = getattr(self, "loss_curve_", []) if incremental else []
        self.history_ = result.history
        self.loss_curve_: list[float] = earlier + result.losses
        self.n_iter_ = len(self.loss_curve_)
        self.loss_ = result.losses[result.kept_epoch]
        self.validation_scores_ = result.scores
        self.best_validation_score_ = None if result.scores is None else max(result.scores)

    def _set_predictor(
        self, rows: LabeledRows, validation: LabeledRows | None, out_of_fold: Array | None
    ) -> None:
        """Make what predicts out of what has learned, and calibrate it on held-out rows."""
        state = self._state
        self.network_ = state.model.predictor()
        self.network_.preparation = state.preparation
        self.n_outputs_ = state.targets.n_outputs
        held_out = None if validation is None else self._predict_held_out(validation)
        if out_of_fold is not None:
            kept = np.flatnonzero(np.isfinite(out_of_fold).all(axis=1))
            outputs = state.targets.in_units(out_of_fold[kept].astype(np.float64)[np.newaxis])
            rows = rows.take(kept)
            by_all = self.network is not None or self.members == 1
            held_out = HeldOutPredictions(rows.y, weights_of(rows), outputs, np.ones(1), by_all)
        self._calibrate(held_out)

    def _predict_held_out(self, rows: LabeledRows) -> HeldOutPredictions:
        """Return the predictions for rows that were not learned from."""
        batches = [member_outputs(self.network_, x) for x in self._batches(rows.X)]
        outputs = self._state.targets.in_units(np.concatenate(batches, axis=1))
        weights = member_weights(self.network_)
        return HeldOutPredictions(rows.y, weights_of(rows), outputs, weights, by_all=True)

    # ------------------------------------------------------------ predicting, saving

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the prediction for each row: its most probable label, or numbers in y's shape.

        Parameters
        ----------
        X : data frame, array_like or sparse matrix, shape (N, features)
            The rows.
        return_std : bool
            Whether to return the standard deviation between the members, too: how far they
            disagree. For a classifier it is that of the label's probability, (N,), or of each
            label's, (N, labels). For a regressor it has the shape of y. It is no interval for y;
            `predict_interval` returns one.
        """
        outputs, std = self._outputs(X, return_std)
        targets = self._state.targets
        y = targets.decode(outputs)
        return y if std is None else (y, targets.decode_std(outputs, std))

    def _outputs(self, X: Any, return_std: bool = False) -> tuple[Array, Array | None]:
        """Return the prediction for rows, (N, outputs), and the deviation if it is wanted.

        Predictions are in the units of y. The deviation is the root mean square of those of all
        members that have learned something. If only those that were chosen to predict were asked,
        of which there may be one, they would seem to agree.
        """
        return_std = check_bool("return_std", return_std)
        check_is_fitted(self, "network_")
        X = check_X(self, X, reset=False, prepared=self._prepares())
        in_units, means, outputs = self._state.targets.in_units, [], []
        for x in self._batches(X):
            means.append(self.network_.predict(x))
            if return_std:
                outputs.append(member_outputs(self.network_, x))
        prediction = in_units(np.concatenate(means))
        if not return_std:
            return prediction, None
        if len(outputs[0]) == 1:
            raise ConfigurationError(
                "return_std=True needs several members to compare; this estimator was fitted "
                "with one network. Fit it with members=8, for instance."
            )
        members = in_units(np.concatenate(outputs, axis=1))
        return prediction, np.sqrt(((members - prediction) ** 2).mean(axis=0))

    def _batches(self, X: Any) -> Iterator[Array]:
        """Yield checked rows as the network takes them, some at a time."""
        for start in range(0, X.shape[0], ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, X.shape[0]))
            with row_numbers(rows):
                prepared = self._state.prepare(take_rows(X, rows))
            yield prepared

    def _has_partial_fit(self) -> bool:
        """Whether there is a partial_fit: it holds nothing out, so nothing could stop it."""
        if isinstance(self.early_stopping, str) or not self.early_stopping:
            return True
        raise AttributeError(
            "partial_fit does not support early_stopping=True; give 'auto' or False."
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained network, its preparation and the names of classes into one file.

        `chainrule` reads it and predicts raw rows with NumPy alone: ``Ensemble.load(path)``, or
        ``Network.load(path)`` if `network` was given, and then ``model.predict_raw(X)``. To keep
        the estimator with all its options use pickle or joblib, as with others of scikit-learn.

        Parameters
        ----------
        path : str or path
            Where to write.
        """
        check_is_fitted(self, "network_")
        self.network_.save(path)

    def diagnose(self, X: Any, y: Any, *, row_numbers: Any = None, seed: int = 0) -> Report:
        """Report what is likely to keep a network with these options from learning, and remedies.

        The rows are examined as they are: duplicate columns and rows, or a column that gives the
        target away. Then they go through the estimator's own preparation, so that what it repairs
        (missing values, numbers of any size) is not reported, and the network that would be
        trained (of several members, the first) is examined and tried out, as by
        `chainrule.diagnose`. The estimator does not change.

        Parameters
        ----------
        X, y
            As in `fit`. There may be a single class; the report says so.
        row_numbers : array_like of int, shape (N,), optional
            What rows are called in the report, such as their numbers in a file; by default they are
            counted from 0. Columns and classes have the names that they have in X and y.
        seed : int
            Determines the order of the rows in the trials.

        Returns
        -------
        Report
            ``print(report)``; its `prescribe` trains that network on prepared rows.

        Raises
        ------
        InputError, ConfigurationError
            The data or an option cannot be used.
        """
        return diagnose(self, X, y, row_numbers, seed)

    # ------------------------------------------------------------ what scikit-learn asks

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._prepares()
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")


def unpack(validation_data: Any) -> tuple[Any, Any, Any]:
    """Return X, y and the weights of validation data; refuse anything else."""
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
        raise ConfigurationError(
            "validation_data must be (X, y) or (X, y, sample_weight), got "
            f"{type(validation_data).__name__}."
        )
    X, y, weight = (*validation_data, None)[:3]
    return X, y, weight


def keeps_constant_columns(X: Array, incremental: bool) -> bool:
    """Whether columns that never change in these rows have to be kept.

    `TablePreparation` drops them. But with `partial_fit` later rows may differ, and if all columns
    are constant there has to be something to learn from.
    """
    return bool(np.isfinite(X).all()) and (incremental or not np.ptp(X, axis=0).any())


def weights_of(rows: LabeledRows) -> Array:
    """Return how much each row counts, (N,)."""
    return np.ones(len(rows.y)) if rows.sample_weight is None else rows.sample_weight
