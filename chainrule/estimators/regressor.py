"""NetworkRegressor: a scikit-learn regressor that is an ensemble of small networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from chainrule.errors import ConfigurationError
from chainrule.estimators.base import HeldOutPredictions, NetworkEstimator
from chainrule.estimators.calibration import interval_half_width
from chainrule.estimators.targets import RegressionTargets, check_numbers
from chainrule.estimators.validation import check_sample_weight
from chainrule.parameter import Array


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkRegressor(RegressorMixin, MultiOutputMixin, NetworkEstimator):
    """A regressor for tables: small networks, trained at once, that predict together.

    It can replace any regressor of scikit-learn, in pipelines, searches and cross-validation. y
    holds one number a row, or several, (N, outputs).

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
    loss : {"squared_error", "absolute_error", "huber"} or Loss
        Computed on targets of mean 0 and standard deviation 1. Or a loss on numbers, such as
        ``Quantile(0.9)``.
    epochs : int
        How often to go through the rows, at most. Reaching it is no failure to converge: there is
        no warning.
    batch_size : int or "auto"
        Rows in a step; "auto" is a 64th of the rows, but from 32 to 256.
    early_stopping : bool or "auto"
        Whether to hold rows out, keep each member's best epoch on them, and stop a member that no
        longer improves. "auto" does so from 50 rows on; with fewer, each is needed to learn from.
    validation_fraction : float
        The share of the rows to hold out. With several members each leaves out a fold of its
        own, of about this share, so that no row is lost to training; a single network leaves out
        one.
    patience : int
        How many epochs without an improvement to wait before stopping; scikit-learn's MLP calls it
        n_iter_no_change.
    members : int
        How many networks are trained at once and predict together; 1 is a single network.
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

    Raises
    ------
    ConfigurationError
        `fit` was called with an invalid option; as in scikit-learn the constructor checks nothing.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from chainrule.estimators import NetworkRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = NetworkRegressor(members=4, epochs=40, random_state=0).fit(X, y)
    >>> low, high = regressor.predict_interval(X, coverage=0.8)
    >>> bool((low < high).all())
    True
    """

    loss: Any = "squared_error"

    # ------------------------------------------------------------ training

    @available_if(lambda estimator: estimator._has_partial_fit())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch on rows, and return the estimator.

        The optimizer continues where the last call left it. Changed options take effect, except
        for those that define the networks, which are refused. Nothing is held out, so nothing is
        calibrated; call `calibrate` when training has ended. The preparation is fitted to the rows
        of the first call.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Raises
        ------
        InputError, ConfigurationError, NotFiniteError
            As in `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the R² for these rows.

        Parameters
        ----------
        X : data frame or array_like
            Rows.
        y : array_like
            Their true numbers.
        sample_weight : array_like, shape (N,), optional
            How much each row counts.
        """
        y = self._check_y(y)
        return super().score(X, y, check_sample_weight(sample_weight, y))

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Measure intervals on rows that were not trained on, and return the estimator.

        With rows that had no part in training, not even in early stopping, the coverage that
        `predict_interval` promises is exact; see there.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        """
        check_is_fitted(self, "network_")
        rows = self._validate(X, y, sample_weight, reset=False).that_count()
        self._calibrate(self._predict_held_out(rows))
        return self

    # ------------------------------------------------------------ predicting

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        """Return the ends of an interval for each row's y, each in the shape of `predict`.

        Conformal prediction, with absolute residuals on rows that were not learned from: see
        `interval_half_width` in `calibration` for the formula and its sources. After `calibrate`
        with new rows, y lies in the interval with a probability of at least `coverage`, whatever
        the distribution, as long as future rows are drawn like those.

        After `fit` alone it is an approximation by cross-validation: a row's residual is that of
        the members that left it out. Their errors are larger than those of all members together,
        but the rows also decided when they stopped. With `validation_data`, those rows decided
        which members predict, too, so residuals are slightly smaller than on new rows.

        Parameters
        ----------
        X : data frame, array_like or sparse matrix, shape (N, features)
            The rows.
        coverage : float
            The probability that y lies in the interval, 0 < coverage < 1; with several outputs, for
            each by itself.

        Raises
        ------
        ConfigurationError
            No rows were held out, or the coverage is out of range.
        InputError
            Too few rows were held out for this coverage.
        """
        width = self.interval_half_width(coverage)
        prediction, _ = self._outputs(X)
        decode = self._state.targets.decode
        return decode(prediction - width), decode(prediction + width)

    def interval_half_width(self, coverage: float = 0.9) -> Array:
        """Return half the width of the intervals of `predict_interval`, (outputs,).

        `coverage`, and the errors, are as there.
        """
        check_is_fitted(self, "network_")
        if self._residuals is None:
            raise ConfigurationError(
                "No rows were held out to measure intervals on: there were too few for "
                "early_stopping='auto', or it is False, or partial_fit came last. Fit with "
                "early_stopping=True or validation_data, or call calibrate(X, y) with rows that "
                "were not trained on."
            )
        return interval_half_width(*self._residuals, coverage)

    # ------------------------------------------------------------ the parts of _fit

    _check_y = staticmethod(check_numbers)

    def _make_targets(
        self, y: Array, classes: Any, before: Any, incremental: bool
    ) -> RegressionTargets:
        if before is None:
            return RegressionTargets(y)
        before.encode(y)  # refuses another number of columns
        return before

    def _calibrate(self, held_out: HeldOutPredictions | None) -> None:
        """Keep how far predictions are from the truth on rows that were not learned from."""
        self.network_.target_preparation = self._state.targets.scaler
        self._residuals = None
        if held_out is not None:
            predictions = np.einsum("k,kno->no", held_out.member_weights, held_out.outputs)
            residuals = np.abs(held_out.y.reshape(len(predictions), -1) - predictions)
            self._residuals = residuals, held_out.weight
