"""NetworkClassifier: a scikit-learn classifier that is an ensemble of small networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from chainrule.errors import ConfigurationError, InputError
from chainrule.estimators import defaults
from chainrule.estimators.base import HeldOutPredictions, NetworkEstimator
from chainrule.estimators.calibration import fit_binary_temperature, fit_temperature
from chainrule.estimators.model import apply_temperature, has_logits
from chainrule.estimators.samples import LabeledRows
from chainrule.estimators.targets import (
    MulticlassTargets,
    MultilabelTargets,
    check_labels,
    class_targets,
)
from chainrule.estimators.validation import check_sample_weight, multiply_class_weight
from chainrule.layers.activations import tiny
from chainrule.parameter import Array

SMALLEST = float(np.finfo(np.float32).tiny)
"""A probability of 0 was rounded: its logarithm is taken of this instead."""


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A classifier for tables: small networks, trained at once, that predict together.

    It can replace any classifier of scikit-learn, in pipelines, searches and cross-validation. y
    holds labels of any kind, or a table of 0 and 1 for several labels.

    Parameters
    ----------
    hidden_layers : int or sequence of int
        The sizes of the hidden layers; ``()`` is a linear model.
    activation : str
        After each hidden layer: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``, ``"silu"``,
        ``"mish"``, ``"elu"``, ``"selu"`` or ``"leaky_relu"``.
    dropout : float
        The probability of dropping a unit after each hidden layer, 0 <= dropout < 1.
    batch_norm : bool or "auto"
        Whether there is a `BatchNorm` before each activation. "auto" is True from 50 rows on, and
        False if training starts with `partial_fit`, which may bring single rows.
    optimizer : str or callable
        ``"adamw"``, ``"adam"``, ``"sgd"``, ``"momentum"``, ``"nesterov"``, ``"rmsprop"``,
        ``"nadam"``, ``"radam"``, ``"lion"``, ``"adagrad"``, ``"adadelta"``, ``"adamax"``; or the
        class of an optimizer, or a function with its arguments, such as
        ``functools.partial(Adam, beta2=0.95)``.
    learning_rate : float
        The optimizer's learning rate. With several members theirs are drawn around it.
    weight_decay : float
        The optimizer's weight decay. With several members theirs are drawn around it.
    loss : "log_loss" or Loss
        The cross-entropy, or a loss that takes probabilities, such as
        `CategoricalFocalCrossEntropy`.
    epochs : int
        How often to go through the rows, at most. Reaching it is no failure to converge: there is
        no warning.
    batch_size : int or "auto"
        Rows in a step; "auto" is a 64th of the rows, but from 32 to 256.
    early_stopping : bool or "auto"
        Whether to hold rows out, keep each member's best epoch on them, and stop a member that no
        longer improves. "auto" does so from 50 rows on; with fewer, each is needed to learn from.
    validation_fraction : float
        The share of the rows to hold out, stratified by class. With several members each leaves
        out a fold of its own, of about this share, so that no row is lost to training; a single
        network leaves out one.
    patience : int
        How many epochs without an improvement to wait before stopping; scikit-learn's MLP calls it
        n_iter_no_change.
    class_weight : dict, "balanced" or None
        How much each class counts, by its label; classes that are not named count 1. With
        "balanced" every class has the same total weight.
    members : int
        How many networks are trained at once and predict together; 1 is a single network.
    temperature_scaling : bool
        Whether to calibrate probabilities (Guo et al., 2017) on held-out rows: `validation_data`,
        or the rows that a single network leaves out. With several members that each leave out a
        fold of their own, their prediction is not changed: the mean is less confident than each
        member, and a temperature found for the members would make it too unsure.
    preparation : "auto", Preparation or None
        What turns rows into numbers for the network. "auto" is a `TablePreparation`, which takes
        data frames, categories and missing values, with ``n_bins=16`` from 4,000 rows on and
        ``embed_from=50``: for a column with more than 50 categories each network learns a vector
        for each of them. Or a preparation of your own, which is copied. With None rows go in as
        they are. With `network`, "auto" is that network's own preparation, if it has one.
    network : Network or callable, optional
        A network of your own, which is copied and never changed, or a function ``(features,
        outputs) -> Network``. It is trained by `Trainer`; `hidden_layers`, `activation`,
        `dropout`, `batch_norm`, `members` and `dtype` then do not count. Whole numbers reach it as
        whole numbers, so it may start with an `Embedding`.
    dtype : {"float32", "float64"}
        The type to train in. Predictions are computed in float64 from what was learned, so that
        those for a row do not depend on the rows beside it.
    warm_start : bool
        Whether `fit` continues from the end of the last one, with the same networks and
        preparation. A changed optimizer, learning rate or weight decay takes effect; options that
        define the networks can no longer change.
    random_state : int, RandomState or None
        The same whole number gives the same estimator, bit for bit.
    verbose : bool or callable
        Whether to report every epoch on standard error; or a function ``(epoch, row)`` to call
        instead, as `on_epoch_end` of `Ensemble.fit` (a network of your own prints in either case).

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted; with several labels the indices of the columns.
    network_ : Ensemble or Network
        What was learned, with its preparation. It can be saved as one file, which predicts raw rows
        with NumPy alone.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str
        Their names, if X was a data frame.
    n_outputs_ : int
        How many numbers the network puts out.
    history_ : dict of str to ndarray, or History
        What was recorded in each epoch: `Ensemble.history`, or the `Trainer`'s.
    loss_curve_ : list of float
        The training loss of each epoch, the mean over the members; `partial_fit` extends it.
    loss_ : float
        The last of them, or that of the epoch that a network of your own kept.
    n_iter_ : int
        The number of epochs.
    validation_scores_ : list of float or None
        The score on held-out rows in each epoch, greater being better: minus the loss, the mean
        over the members that still learn. None if nothing was held out.
    best_validation_score_ : float or None
        The largest of them.
    temperature_ : float
        What the logits were divided by: above 1, the networks were too confident. It is 1 if
        nothing was calibrated.

    Raises
    ------
    ConfigurationError
        `fit` was called with an invalid option; as in scikit-learn the constructor checks nothing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from chainrule.estimators import NetworkClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = NetworkClassifier(members=4, epochs=40, random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.9
    True
    >>> classifier.predict_proba(X[:2]).shape
    (2, 3)
    """

    loss: Any = "log_loss"
    class_weight: Any = None
    temperature_scaling: bool = defaults.TEMPERATURE_SCALING

    # ------------------------------------------------------------ training

    @available_if(lambda estimator: estimator._has_partial_fit())
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one more epoch on rows, and return the estimator.

        The optimizer continues where the last call left it. Changed options take effect, except
        for those that define the networks, which are refused. Nothing is held out, so nothing is
        calibrated; call `calibrate` when training has ended. The preparation is fitted to the rows
        of the first call.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array_like, optional
            All labels that there will be; needed on the first call.

        Raises
        ------
        InputError, ConfigurationError, NotFiniteError
            As in `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy for these rows.

        Parameters
        ----------
        X : data frame or array_like
            Rows.
        y : array_like
            Their true labels.
        sample_weight : array_like, shape (N,), optional
            How much each row counts.
        """
        y = self._check_y(y)
        return super().score(X, y, check_sample_weight(sample_weight, y))

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Calibrate the probabilities on rows that were not trained on, and return the estimator.

        One temperature is found for all; it multiplies the present one.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Raises
        ------
        ConfigurationError
            The network does not end in a Linear layer and a Softmax or Sigmoid.
        """
        check_is_fitted(self, "network_")
        rows = self._validate(X, y, sample_weight, reset=False).that_count()
        self._fit_temperature(self._predict_held_out(rows))
        return self

    # ------------------------------------------------------------ predicting

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Return the probability of each class, (N, classes), in the order of ``classes_``.

        With several labels it is the probability that each applies.

        Parameters
        ----------
        X : data frame, array_like or sparse matrix, shape (N, features)
            The rows.
        return_std : bool
            Whether to return the standard deviation between the members, too, of the same shape.
        """
        p, std = self._outputs(X, return_std)
        return p if std is None else (p, std)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`; X is as there."""
        return np.log(self.predict_proba(X))

    # ------------------------------------------------------------ the parts of _fit

    _check_y = staticmethod(check_labels)

    def _make_targets(
        self, y: Array, classes: Any, before: Any, incremental: bool
    ) -> MulticlassTargets | MultilabelTargets:
        targets = before
        if targets is None:
            if incremental and classes is None:
                raise ConfigurationError("classes must be passed on the first call to partial_fit.")
            targets = class_targets(y, classes if incremental else None)
        elif classes is not None and not np.array_equal(targets.classes, np.unique(classes)):
            raise InputError(
                f"classes={classes!r} is not the same as on the first call to partial_fit, "
                f"{targets.classes}."
            )
        elif not incremental and isinstance(targets, MulticlassTargets):
            found = np.unique(y)
            if not np.array_equal(found, targets.classes):
                raise InputError(
                    "warm_start can only be used where `y` has the same classes as in the "
                    f"previous call to fit. Previously got {targets.classes}, `y` has {found}"
                )
        targets.encode(y)
        return targets

    def _targets_to_diagnose(self, y: Array) -> MulticlassTargets | MultilabelTargets:
        """Return the kind of targets; beside a single class another one without any row."""
        if y.ndim > 1 or len(np.unique(y)) > 1:
            return class_targets(y)
        only = y.tolist()[0]
        other = f"{only} " if isinstance(only, str) else only + 1
        pair = [False, True] if isinstance(only, bool) else [only, other]
        return MulticlassTargets(np.array(pair))

    def _weigh(self, rows: LabeledRows, targets: Any, incremental: bool) -> Array | None:
        if incremental and isinstance(self.class_weight, str):
            raise ConfigurationError(
                "class_weight='balanced' needs all rows at once, and partial_fit sees a part. Give "
                "a dict such as {'no': 1.0, 'yes': 5.0}."
            )
        return multiply_class_weight(self.class_weight, targets, rows.y, rows.sample_weight)

    def _calibrate(self, held_out: HeldOutPredictions | None) -> None:
        self.classes_ = self._state.targets.classes
        self.network_.metadata["class_names"] = [str(label) for label in self.classes_]
        self.temperature_ = 1.0
        wanted = self.temperature_scaling and has_logits(self.network_)
        if wanted and held_out is not None and held_out.by_all:
            self._fit_temperature(held_out)

    def _fit_temperature(self, held_out: HeldOutPredictions) -> None:
        """Divide the logits by the temperature that fits best."""
        if not has_logits(self.network_):
            raise ConfigurationError(
                "The network's probabilities cannot be calibrated: a temperature needs a Linear "
                "layer before a last Softmax or Sigmoid."
            )
        targets, p = self._state.targets, np.maximum(held_out.outputs, SMALLEST)
        logits, fit = np.log(p), fit_temperature
        if isinstance(targets, MultilabelTargets):
            logits, fit = logits - np.log(np.maximum(1 - p, tiny(p.dtype))), fit_binary_temperature
        y = targets.encode(held_out.y)
        found = fit(logits, held_out.member_weights, y, held_out.weight)
        apply_temperature(self.network_, found)
        self.temperature_ *= found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
