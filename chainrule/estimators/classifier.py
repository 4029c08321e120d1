"""NetworkClassifier: a scikit-learn classifier that is an ensemble of small networks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import defaults
from chainrule.estimators.base import Course, Given, NetworkEstimator
from chainrule.estimators.calibration import fit_binary_temperature, fit_temperature
from chainrule.estimators.learners import Learner, can_cool, cool, make_learner, member_weights
from chainrule.estimators.options import check_truth
from chainrule.estimators.rows import weighted_by_class
from chainrule.estimators.targets import ClassTargets, OneClass, check_labels, class_targets
from chainrule.layers.activations import tiny
from chainrule.parameter import Array


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
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
        loss: Any = "log_loss",
        epochs: int = defaults.EPOCHS,
        batch_size: Any = "auto",
        early_stopping: Any = "auto",
        validation_fraction: float = defaults.VALIDATION_FRACTION,
        patience: int = defaults.PATIENCE,
        class_weight: Any = None,
        members: int = defaults.MEMBERS,
        temperature_scaling: bool = defaults.TEMPERATURE_SCALING,
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
        self.class_weight = class_weight
        self.members = members
        self.temperature_scaling = temperature_scaling
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
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        check_is_fitted(self, "network_")
        self._fit_temperature(self._checked(X, y, sample_weight, reset=False))
        return self

    # ------------------------------------------------------------ predicting

    def predict(self, X: Any, return_std: bool = False) -> Any:
        outputs = self._outputs(X)
        probabilities = self._mean(outputs)
        targets = self._course.targets
        labels = targets.decode(probabilities)
        if not return_std:
            return labels
        std = self._spread(outputs)
        if isinstance(targets, OneClass):
            std = np.take_along_axis(std, probabilities.argmax(axis=1)[:, None], axis=1)[:, 0]
        return labels, std

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        outputs = self._outputs(X)
        probabilities = self._mean(outputs)
        return (probabilities, self._spread(outputs)) if return_std else probabilities

    def predict_log_proba(self, X: Any) -> Array:
        return np.log(self.predict_proba(X))

    # ------------------------------------------------------------ the parts of _fit

    def _check_y(self, y: Any) -> Array:
        return check_labels(y)

    def _targets_of(
        self, y: Array, classes: Any, course: Course | None, incremental: bool
    ) -> ClassTargets:
        check_truth("temperature_scaling", self.temperature_scaling)
        if course is None:
            if incremental and classes is None:
                raise ConfigurationError("classes must be passed on the first call to partial_fit.")
            targets = class_targets(y, classes if incremental else None)
            targets.encode(y)
            return targets
        targets = course.targets
        if classes is not None and not np.array_equal(targets.classes, np.unique(classes)):
            raise InputError(
                f"classes={classes!r} is not the same as on the first call to partial_fit, "
                f"{targets.classes}."
            )
        if not incremental and isinstance(targets, OneClass):
            found = np.unique(y)
            if not np.array_equal(found, targets.classes):
                raise InputError(
                    "warm_start can only be used where `y` has the same classes as in the "
                    f"previous call to fit. Previously got {targets.classes}, `y` has {found}"
                )
        targets.encode(y)
        return targets

    def _weigh(self, given: Given, targets: ClassTargets, incremental: bool) -> Array | None:
        if incremental and isinstance(self.class_weight, str):
            raise ConfigurationError(
                "class_weight='balanced' needs all rows at once, and partial_fit sees a part. Give "
                "a dict such as {'no': 1.0, 'yes': 5.0}."
            )
        return weighted_by_class(self.class_weight, targets, given.y, given.weight)

    def _refuse_what_is_left(self, given: Given, targets: ClassTargets) -> None:
        """Refuse rows of one class, where the weights of all others are zero."""
        if isinstance(targets, OneClass) and len(np.unique(given.y)) < 2:
            raise InputError(
                f"Only one class, {given.y[0]!r}, is left after rows of weight 0 are taken out; a "
                "classifier needs at least two."
            )

    def _strata(self, targets: ClassTargets, y: Array) -> Array | None:
        return targets.encode(y) if isinstance(targets, OneClass) else None

    def _make_learner(
        self, features: tuple[int, ...], targets: ClassTargets, rng: np.random.Generator
    ) -> Learner:
        return make_learner(self, features, targets, rng)

    def _note_targets(self, targets: ClassTargets) -> None:
        self.classes_ = targets.classes
        self.network_.metadata["class_names"] = [str(label) for label in targets.classes]

    def _calibrate(self, held_out: Given | None) -> None:
        self.temperature_ = 1.0
        if self.temperature_scaling and held_out is not None and can_cool(self.network_):
            self._fit_temperature(held_out)

    def _fit_temperature(self, given: Given) -> None:
        """Divide what goes into the last Softmax or Sigmoid by the temperature that fits best."""
        if not can_cool(self.network_):
            raise ConfigurationError(
                "The network's probabilities cannot be calibrated: a temperature needs a Linear "
                "layer before a last Softmax or Sigmoid."
            )
        targets = self._course.targets
        outputs = self._outputs_of(given.X)
        counts = member_weights(self.network_)
        weight = np.ones(len(given.y)) if given.weight is None else given.weight
        if isinstance(targets, OneClass):
            found = fit_temperature(np.log(outputs), counts, targets.encode(given.y), weight)
        else:
            logits = np.log(outputs) - np.log(np.maximum(1 - outputs, tiny(outputs)))
            found = fit_binary_temperature(logits, counts, given.y, weight)
        cool(self.network_, found)
        self.temperature_ *= found

    def _outputs_of(self, X: Any) -> Array:
        """Return the probabilities of each member; one output that says yes says no, too."""
        outputs = super()._outputs_of(X)
        if isinstance(self._course.targets, OneClass) and outputs.shape[-1] == 1:
            no = np.maximum(1 - outputs, tiny(outputs))
            outputs = np.concatenate([no, outputs], axis=-1)
        return outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
