"""NetworkRegressor: a scikit-learn regressor that is an ensemble of small networks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from chainrule.errors import ConfigurationError
from chainrule.estimators import defaults
from chainrule.estimators.base import Course, Given, NetworkEstimator
from chainrule.estimators.calibration import interval_half_width
from chainrule.estimators.learners import Learner, make_learner
from chainrule.estimators.targets import Numbers, check_numbers
from chainrule.parameter import Array


class NetworkRegressor(RegressorMixin, MultiOutputMixin, NetworkEstimator):
    def __init__(
        self,
        hidden_layers: Any = defaults.HIDDEN_LAYERS,
        *,
        activation: str = defaults.ACTIVATION,
        dropout: float = defaults.DROPOUT,
        batch_norm: bool = False,
        optimizer: Any = defaults.OPTIMIZER,
        learning_rate: float = defaults.LEARNING_RATE,
        weight_decay: float = defaults.WEIGHT_DECAY,
        loss: Any = "squared_error",
        epochs: int = defaults.EPOCHS,
        batch_size: Any = "auto",
        early_stopping: Any = "auto",
        validation_fraction: float = defaults.VALIDATION_FRACTION,
        patience: int = defaults.PATIENCE,
        members: int = defaults.MEMBERS,
        preparation: Any = "auto",
        network: Any = None,
        dtype: Any = "float32",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: Any = False,
    ) -> None:
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.loss = loss
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.members = members
        self.preparation = preparation
        self.network = network
        self.dtype = dtype
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------ learning

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None
    ) -> Self:
        return self._fit(X, y, sample_weight, validation_data)

    @available_if(lambda estimator: estimator._can_go_on())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        return self._fit(X, y, sample_weight, incremental=True)

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        check_is_fitted(self, "network_")
        self._calibrate(self._checked(X, y, sample_weight, reset=False))
        return self

    # ------------------------------------------------------------ predicting

    def predict(self, X: Any, return_std: bool = False) -> Any:
        outputs = self._outputs(X)
        decode = self._course.targets.decode
        prediction = decode(self._mean(outputs))
        return (prediction, decode(self._spread(outputs))) if return_std else prediction

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        check_is_fitted(self, "network_")
        if self._residuals is None:
            raise ConfigurationError(
                "There are no held-out rows to measure intervals on: rows were too few for "
                "early_stopping='auto', or it is False, or partial_fit came last. Fit with "
                "early_stopping=True or validation_data, or call calibrate(X, y) with rows that "
                "were not trained on."
            )
        width = interval_half_width(*self._residuals, coverage)
        prediction = self._mean(self._outputs(X))
        decode = self._course.targets.decode
        return decode(prediction - width), decode(prediction + width)

    def _outputs_of(self, X: Any) -> Array:
        """Return what every member predicts, in the units of y."""
        return self._course.targets.in_units(super()._outputs_of(X))

    # ------------------------------------------------------------ the parts of _fit

    def _check_y(self, y: Any) -> Array:
        return check_numbers(y)

    def _targets_of(
        self, y: Array, classes: Any, course: Course | None, incremental: bool
    ) -> Numbers:
        if course is None:
            return Numbers(y, counts=isinstance(self.loss, str) and self.loss == "poisson")
        course.targets.encode(y)
        return course.targets

    def _weigh(self, given: Given, targets: Numbers, incremental: bool) -> Array | None:
        return given.weight

    def _refuse_what_is_left(self, given: Given, targets: Numbers) -> None:
        """Numbers may all be the same."""

    def _strata(self, targets: Numbers, y: Array) -> None:
        return None

    def _make_learner(
        self, features: tuple[int, ...], targets: Numbers, rng: np.random.Generator
    ) -> Learner:
        return make_learner(self, features, targets, rng)

    def _note_targets(self, targets: Numbers) -> None:
        self.network_.target_preparation = targets.scaler

    def _calibrate(self, held_out: Given | None) -> None:
        """Keep how far predictions are from the truth on rows that were not trained on."""
        self._residuals = None
        if held_out is not None:
            y = held_out.y.reshape(len(held_out.y), -1)
            residuals = np.abs(y - self._mean(self._outputs_of(held_out.X)))
            weight = np.ones(len(y)) if held_out.weight is None else held_out.weight
            self._residuals = residuals, weight
