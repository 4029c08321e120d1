"""NetworkClassifier: a scikit-learn classifier that is an ensemble of small networks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import defaults
from chainrule.estimators.base import Course, Given, NetworkEstimator, Unseen
from chainrule.estimators.calibration import fit_binary_temperature, fit_temperature
from chainrule.estimators.learners import can_cool, cool
from chainrule.estimators.options import check_truth
from chainrule.estimators.rows import weighted_by_class
from chainrule.estimators.targets import ClassTargets, OneClass, check_labels, class_targets
from chainrule.layers.activations import tiny
from chainrule.parameter import Array

LEAST = float(np.finfo(np.float32).tiny)
"""A probability of 0 was rounded from something: it is taken for this where a logarithm is."""


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A classifier for tables: small networks, trained at once, that predict together.

    It takes the place of another of scikit-learn's classifiers, in pipelines, searches and
    cross-validation. y holds labels of any kind, or a table of 0 and 1 for several labels.

    Parameters
    ----------
    hidden_layers : int or sequence of int
        The sizes of the hidden layers; ``()`` is a linear model.
    activation : str
        Behind each hidden layer: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``, ``"silu"``,
        ``"mish"``, ``"elu"``, ``"selu"`` or ``"leaky_relu"``.
    dropout : float
        The probability of dropping behind each hidden layer, 0 <= dropout < 1.
    batch_norm : bool or "auto"
        Whether there is a `BatchNorm` before each activation. "auto" is True from 50 rows on, and
        False where learning begins with `partial_fit`, which may bring single rows.
    optimizer : str or callable
        ``"adamw"``, ``"adam"``, ``"sgd"``, ``"momentum"``, ``"nesterov"``, ``"rmsprop"``,
        ``"nadam"``, ``"radam"``, ``"lion"``; or the class of an optimizer, or a function with its
        arguments, such as ``functools.partial(Adam, beta2=0.95)``.
    learning_rate, weight_decay : float
        The optimizer's. Of several members they are what the members' own are drawn around.
    loss : "log_loss" or Loss
        The cross-entropy; or a loss on probabilities, such as `CategoricalFocalCrossEntropy`.
    epochs : int
        How often to go through the rows, at most. It is a plan and not a limit: reaching it warns
        of nothing.
    batch_size : int or "auto"
        Rows in a step; "auto" is a 64th of the rows, from 32 up to 256.
    early_stopping : bool or "auto"
        Whether to hold rows out, keep each member's best epoch on them, and stop a member that gets
        no better. "auto" does so from 50 rows on: with fewer, each is needed to learn from.
    validation_fraction : float
        The share to hold out, classes alike. Of several members each leaves out a part of its own,
        one of as many as make about this share, so that no row is lost to learning. A single
        network leaves out one.
    patience : int
        How many epochs without getting better to bear. (scikit-learn's MLP says n_iter_no_change;
        what is counted here are epochs, as in `EarlyStopping`.)
    class_weight : dict, "balanced" or None
        How much each class counts, by its label; those that are not named count 1. "balanced"
        makes all classes count the same in sum.
    members : int
        How many networks are trained at once and predict together. One is a single network.
    temperature_scaling : bool
        Whether to calibrate probabilities on held-out rows (Guo et al., 2017): `validation_data`,
        or the part that a single network leaves out. Where each of several members leaves out a
        part of its own, what they predict together is left as it is: the mean is less sure than
        each alone, and a temperature found for each alone would make it too unsure.
    preparation : "auto", Preparation or None
        What turns rows into numbers for the network: "auto" is a `TablePreparation`, which takes
        data frames, categories and missing values, with ``n_bins=16`` from 4,000 rows on and
        ``embed_from=50``: of a column with more categories than 50 each network learns a vector
        for each. Or one of one's own, which is copied. With None rows go in as they are. A ready
        network is given rows as they are, unless it has a preparation or one is given here.
    network : Network or callable, optional
        A ready network, which is copied and never changed, or a function ``(features, outputs) ->
        Network``. It is trained by `Trainer`; what would build one here (`hidden_layers`,
        `activation`, `dropout`, `batch_norm`, `members`, `dtype`) does not count then.
    dtype : {"float32", "float64"}
        What it learns in. Predictions are computed in float64 from what was learned, so that
        those for a row do not depend on the rows beside it.
    warm_start : bool
        Whether `fit` goes on from where the last one ended, with the networks and the preparation
        that there are. A changed learning rate or weight decay is followed.
    random_state : int, RandomState or None
        The same whole number gives the same estimator, to the last bit.
    verbose : bool or callable
        Whether to tell of every epoch, on standard error; or a function to tell it to, as
        `Ensemble.fit` takes for on_epoch_end (a ready network prints lines in any case).

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted; of several labels the numbers of the columns.
    network_ : Ensemble or Network
        What was learned, with its preparation. It can be saved as one file, which predicts rows as
        they are with NumPy alone.
    n_features_in_, feature_names_in_
        How many columns there are, and their names where there are any.
    n_outputs_ : int
        How many numbers the network puts out.
    history_ : dict of str to ndarray, or History
        What happened in each epoch: `Ensemble.history`, or that of the `Trainer`.
    loss_curve_ : list of float
        The loss of each epoch, on the rows that are learned from; a mean over members.
    loss_ : float
        Its value in the last epoch, or the kept one of a ready network.
    n_iter_ : int
        How many epochs there were; `partial_fit` counts on.
    validation_scores_ : list of float or None
        What early stopping went by in each epoch, greater being better: minus the loss on the
        held-out rows, a mean over the members that learn. None where nothing was held out.
    best_validation_score_ : float or None
        The largest of them.
    temperature_ : float
        What the last layer's outputs were divided by: above 1, the networks were too sure. It is
        1 where nothing was calibrated.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from chainrule.estimators import NetworkClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = NetworkClassifier(members=4, epochs=40, random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        hidden_layers: Any = defaults.HIDDEN_LAYERS,
        *,
        activation: str = defaults.ACTIVATION,
        dropout: float = defaults.DROPOUT,
        batch_norm: Any = "auto",
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
        """Learn from rows, and return the estimator.

        Parameters
        ----------
        X : data frame, array_like or sparse matrix, shape (N, features)
            The rows. Missing values are welcome, infinity is not, and dates are refused: say what
            matters in them. Sparse rows are made dense.
        y : array_like
            Labels of any kind, (N,), or 0 and 1 for each of several labels, (N, labels).
        sample_weight : array_like, shape (N,), optional
            How much each row counts; one of weight 0 is left out.
        validation_data : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` to hold out in place of a share of these rows.

        Raises
        ------
        InputError, ConfigurationError
            Something given cannot be used; told before the first step. Both are ValueErrors.
        NotFiniteError
            Training met NaN or infinity.
        """
        return self._fit(X, y, sample_weight, validation_data)

    @available_if(lambda estimator: estimator._can_go_on())
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from rows for one epoch, and return the estimator.

        The optimizer goes on where the last call left it. Nothing is held out, so nothing is
        calibrated; `calibrate` does it when all is learned. What prepares the rows is measured on
        those of the first call.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array_like, optional
            All labels that there will be; needed at the first call.
        """
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Calibrate the probabilities on rows that were not trained on, and return the estimator.

        One temperature is found for all; it is multiplied onto the present one.
        """
        check_is_fitted(self, "network_")
        self._fit_temperature(self._unseen(self._checked(X, y, sample_weight, reset=False)))
        return self

    # ------------------------------------------------------------ predicting

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the most probable label of each row.

        With ``return_std=True`` also the standard deviation between the members' probabilities of
        that label, (N,); of several labels, of each of them.
        """
        if not return_std:
            probabilities = self._outputs(X)
            return self._course.targets.decode(probabilities)
        probabilities, std = self._outputs_and_spread(X)
        targets = self._course.targets
        if isinstance(targets, OneClass):
            std = np.take_along_axis(std, probabilities.argmax(axis=1)[:, None], axis=1)[:, 0]
        return targets.decode(probabilities), std

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the probability of each class, (N, classes), in the order of ``classes_``.

        With ``return_std=True`` also the standard deviation between the members, shaped alike. Of
        several labels it is the probability that each applies.
        """
        return self._outputs_and_spread(X) if return_std else self._outputs(X)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`."""
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

    def _targets_to_diagnose(self, y: Array) -> ClassTargets:
        """Return what y holds; beside a single class another one, of which there is no row."""
        classes = np.unique(y) if y.ndim == 1 else y
        if len(classes) != 1 or y.ndim != 1:
            return class_targets(y)
        only = classes.tolist()[0]
        if isinstance(only, bool):
            return OneClass(np.array([False, True]))
        return OneClass(np.array([only, f"{only} " if isinstance(only, str) else only + 1]))

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
                f"Only one class, {given.y[:1].tolist()[0]!r}, is left after rows of weight 0 are "
                "taken out; a classifier needs at least two."
            )

    def _strata(self, targets: ClassTargets, y: Array) -> Array | None:
        return targets.encode(y) if isinstance(targets, OneClass) else None

    def _note_targets(self, targets: ClassTargets) -> None:
        self.classes_ = targets.classes
        self.network_.metadata["class_names"] = [str(label) for label in targets.classes]

    def _calibrate(self, unseen: Unseen | None) -> None:
        self.temperature_ = 1.0
        wanted = self.temperature_scaling and can_cool(self.network_)
        if wanted and unseen is not None and unseen.by_all:
            self._fit_temperature(unseen)

    def _fit_temperature(self, unseen: Unseen) -> None:
        """Divide what goes into the last Softmax or Sigmoid by the temperature that fits best."""
        if not can_cool(self.network_):
            raise ConfigurationError(
                "The network's probabilities cannot be calibrated: a temperature needs a Linear "
                "layer before a last Softmax or Sigmoid."
            )
        targets = self._course.targets
        y, weight, counts = unseen.y, unseen.weight, unseen.counts
        outputs = np.maximum(unseen.outputs, LEAST)
        if isinstance(targets, OneClass):
            found = fit_temperature(np.log(outputs), counts, targets.encode(y), weight)
        else:
            logits = np.log(outputs) - np.log(np.maximum(1 - outputs, tiny(outputs.dtype)))
            found = fit_binary_temperature(logits, counts, y, weight)
        cool(self.network_, found)
        self.temperature_ *= found

    def _in_units(self, outputs: Array) -> Array:
        """Return probabilities of every class: one output that says yes says no, too."""
        if isinstance(self._course.targets, OneClass) and outputs.shape[-1] == 1:
            no = np.maximum(1 - outputs, tiny(outputs.dtype))
            outputs = np.concatenate([no, outputs], axis=-1)
        return outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
